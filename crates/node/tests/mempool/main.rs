//! The mempool and the batches that are packed of it, against the model: no L1 node, and time as the tests say it.

mod gas;
mod lifecycle;
mod memory;
mod packing;
mod random;
mod refusals;
mod swapping;
mod world;
