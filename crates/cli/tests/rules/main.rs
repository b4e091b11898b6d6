//! The built command against a chain that it started: what people do with the rules, read from its JSON.

mod credit;
mod net;
mod pools;
mod swaps;
