//! Tells people what a node does and what it cannot do.
