//! What is said of bytes by themselves.
