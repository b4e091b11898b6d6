//! Signed intents on their way into batches.
