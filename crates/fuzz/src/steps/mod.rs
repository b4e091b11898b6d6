//! Random steps out of bytes: mostly sensible, often with one thing wrong, sometimes nonsense.

mod calls;
mod choices;
mod effects;
mod lies;
mod meanings;
mod rules;
mod scene;
mod users;

pub use choices::Choices;
pub use meanings::Missigned;
pub use rules::TestRules;
pub use scene::{CLOCK, Scene};
pub use users::{half_order, is_off_the_curve};

pub(crate) use rules::NO_CODE;
pub(crate) use users::sign;
