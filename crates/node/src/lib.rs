//! L1 follower, watcher, proposer and claims of nthroot.
//!
//! The node reads L1 and nothing else. [`Follower`] derives the ledger of `nthroot-model` from it and stops if the two
//! differ; [`watcher`] proves what the model finds to be a lie, never without a simulation that says so; [`claims`] knows
//! what can be paid. Errors are sorted by what their caller should do: [`Action`].

pub mod alert;
pub mod audit;
pub mod claims;
pub mod config;
pub mod deploy;
pub mod devnet;
pub mod engine;
pub mod error;
pub mod fees;
pub mod follower;
pub mod index;
pub mod inputs;
pub mod l1;
pub mod mempool;
pub mod metrics;
pub mod outbox;
pub mod proposer;
pub mod revert;
pub mod rules;
pub mod sender;
pub mod server;
pub mod store;
pub mod view;
pub mod watcher;

mod derive;

pub use deploy::{Deployment, Manifest, Parameters, deploy};
pub use error::{Action, Error, Result};
pub use follower::Follower;
pub use l1::{L1, host_of};
pub use proposer::Proposer;
pub use revert::Revert;
pub use sender::{Call, Mined, Sender};
pub use view::View;
pub use watcher::Watcher;
