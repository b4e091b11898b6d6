//! Runs a node: follows L1, proves lies, posts batches.
