//! The same on a real chain.
