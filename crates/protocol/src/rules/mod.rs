//! The languages of the rules that come with the bridge: payloads, data and meanings (sections 6.4 and 11).

pub mod account;
pub mod credit;
pub mod pool;
pub mod swap;

use alloy_sol_types::SolStruct;

use crate::Meaning;

/// The meaning of a payload that says what this struct says.
pub fn meaning_of<X: SolStruct>(intent: &X) -> Meaning {
    Meaning::of(&X::eip712_encode_type(), intent.eip712_hash_struct())
}
