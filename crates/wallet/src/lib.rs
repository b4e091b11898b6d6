//! What users ask of the rules, before anybody posts it.
//!
//! A [`Request`] is what one fragment wants of one rule. With the fragment, its nonce and a last block it is an [`Intent`]: that is
//! shown to the user, as [EIP-712 data](typed_data) for a wallet or as [lines of text](Request::lines), and signed. Signed intents become
//! calls, and calls a step, in a [`Plan`] or by [`step_of`]; intents to swap are brought together by [`solver::clear`]. No I/O.

pub mod account;
pub mod budget;
pub mod decimal;
pub mod intent;
pub mod plan;
pub mod request;
pub mod solver;
pub mod states;
pub mod step;
pub mod typed_data;

mod text;

pub use account::Consent;
pub use budget::Budget;
pub use intent::{Intent, SignedIntent};
pub use plan::Plan;
pub use request::{Request, RuleBook};
pub use states::{IntentError, States};
pub use step::step_of;
pub use typed_data::typed_data;
