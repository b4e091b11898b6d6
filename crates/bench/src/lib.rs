//! The questions someone has before choosing this design, answered with measured numbers.
//!
//! [`cost`] measures whole transactions, [`spectrum`] moves between one root per user and one root for all, [`congestion`] fills
//! blocks, [`window`] says how long a window must be, [`speed`] how fast the software is. Each gives a [`Section`](report::Section);
//! [`report`] makes one page, and tables for other programs, of them.

pub mod report;
