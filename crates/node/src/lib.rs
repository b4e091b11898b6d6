//! L1 follower, store, proposer and watcher.
