//! Transactions on their way into L1, kept over restarts and reorganisations.
