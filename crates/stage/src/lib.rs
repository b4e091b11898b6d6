//! A bridge in an EVM and the model of it, kept in step, with users who act on it: what tests and measurements share. It asserts
//! as it goes, so that a figure is only ever one of something that really happened.
#![allow(
    missing_docs,
    reason = "names of users, amounts and scenes; what is not plain has its comment"
)]

pub mod bases;
pub mod crowd;
pub mod deeds;
pub mod posting;
pub mod stage;
pub mod town;
pub mod world;

mod honest;
