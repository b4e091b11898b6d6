//! The Swap rule (`docs/rules/swap.md`).
