//! How long a window must be: formulas against enumeration and simulation, published figures, presets.

mod answers;
mod chances;
mod published;
