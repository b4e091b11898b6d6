//! `nthroot audit` and `nthroot explain`, as somebody runs them who trusts nobody.

mod audit;
mod explain;
#[path = "../../../node/tests/chain/faulty.rs"]
#[allow(dead_code, reason = "the node's tests use the rest")]
mod faulty;
#[path = "../rules/net.rs"]
mod net;
mod scene;
#[path = "../../../node/tests/chain/world.rs"]
#[allow(dead_code, reason = "the node's tests use the rest")]
mod world;
