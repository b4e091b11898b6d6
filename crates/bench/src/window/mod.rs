//! How long the window must be, and what it does not cover: pure functions, the presets, and the section about them.

mod calculator;
pub mod inclusion;
pub mod preset;
pub mod runs;
mod section;
mod share;

pub use self::{
    calculator::{Answer, Assumptions, Constraint, Kind, Unanswerable, answer},
    section::section,
    share::Share,
};
