//! L1 follower, watcher, proposer and claims of nthroot.

pub mod deploy;
pub mod devnet;
pub mod error;
pub mod l1;
pub mod revert;
pub mod sender;

pub use deploy::{Deployment, Parameters, deploy};
pub use error::{Action, Error, Result};
pub use l1::L1;
pub use revert::Revert;
pub use sender::{Call, Mined, Sender};
