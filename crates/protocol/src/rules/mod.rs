//! The languages of the rules that come with the bridge: payloads, data and meanings (sections 6.4 and 11).

pub mod account;
pub mod credit;
pub mod pool;
pub mod swap;

use alloy_primitives::B256;
use alloy_sol_types::{SolStruct, SolValue};

use crate::Meaning;

/// An EIP-712 struct that a payload means: all that a wallet needs to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Its `encodeType`.
    pub type_string: String,
    /// Its ABI encoding.
    pub encoded: Vec<u8>,
    /// Its `hashStruct`.
    pub struct_hash: B256,
}

impl Typed {
    /// Without its Rust type.
    pub fn new<X: SolStruct + SolValue>(intent: &X) -> Self {
        Self {
            type_string: X::eip712_encode_type().into_owned(),
            encoded: intent.abi_encode(),
            struct_hash: intent.eip712_hash_struct(),
        }
    }

    /// What a rule says of it.
    pub fn meaning(&self) -> Meaning {
        Meaning::of(&self.type_string, self.struct_hash)
    }
}
