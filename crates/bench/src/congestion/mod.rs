//! What everything costs, and how long a proof waits, while others want the same blocks.
//!
//! [`market`] is EIP-1559 to the wei, [`block`] how blocks are filled, [`demand`] who else wants in, [`scenario`] what happens on
//! L1 meanwhile. Proofs bid by the node's own [`FeePolicy`](nthroot_node::fees::FeePolicy). [`chain`] does the same on a real chain.

pub mod bidder;
pub mod block;
pub mod chain;
pub mod demand;
pub mod environment;
mod figures;
pub mod market;
pub mod prices;
pub mod scenario;
mod section;
mod sieges;
pub mod stuffing;
pub mod trial;

pub use section::{ETHER_PRICE, section, section_at};
