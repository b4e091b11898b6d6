//! The compiled contracts in an in-process EVM, for differential tests, benches and self-checks.
