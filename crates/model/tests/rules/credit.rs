//! The Credit rule: each sentence of its page, what it promises, what attackers try. Every operation runs through the kernel,
//! with real signatures.

mod attacks;
mod auction;
mod calls;
mod clocks;
mod closing;
mod collaterals;
mod edges;
mod format;
mod histories;
mod lenders;
mod one_block;
mod oracle;
mod positions;
mod words;
mod world;
