//! The Pool rule (`docs/rules/pool.md`).
