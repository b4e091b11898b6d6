//! The questions someone has before choosing this design, answered with measured numbers.
//!
//! Each measurement gives a [`Section`](report::Section); [`report`] makes one page, and tables for other programs, of them.

pub mod congestion;
pub mod cost;
pub mod record;
pub mod spectrum;
pub mod speed;
pub mod window;

pub use nthroot_report as report;

/// How thorough a measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seconds instead of minutes: fewer sizes, shorter simulations. What continuous integration runs.
    pub quick: bool,
    /// Of all that is random: the same seed gives the same section.
    pub seed: u64,
}
