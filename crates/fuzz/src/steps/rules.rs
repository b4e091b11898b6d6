//! Rules that do as they are told, and their native twins.

use alloy::primitives::Address;
use nthroot_model::rule::{AuthorisationView, Context, FragmentView, RuleFailure, Rules};

/// Where there is no code, although rule tables name it.
pub(crate) const NO_CODE: Address = Address::repeat_byte(0xcc);

/// The test rules' addresses, in the order in which rule tables name them from 1.
#[derive(Clone, Copy)]
pub struct TestRules {
    /// Returns whatever effects it is handed.
    pub puppet: Address,
    /// Returns the very bytes that it is handed.
    pub raw: Address,
    pub(crate) reverter: Address,
    pub(crate) looper: Address,
}

impl TestRules {
    /// A rule table that names them.
    pub(crate) fn table(&self) -> Vec<Address> {
        // The last one has no code.
        vec![self.puppet, self.raw, self.reverter, self.looper, NO_CODE]
    }

    /// Their native twins.
    pub(crate) fn twins(&self) -> Rules {
        let fail =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], _: &[u8]| Err(RuleFailure("fails".into()));
        Rules::default()
            .with(self.puppet, |_: &_, _: &[_], _: &[_], extra: &[u8]| Ok(extra.to_vec()))
            .with(self.raw, |_: &_, _: &[_], _: &[_], extra: &[u8]| abi_bytes(extra))
            .with(self.reverter, fail)
            .with(self.looper, fail)
            .with(NO_CODE, fail)
    }
}

/// The bytes that return data encodes, by the letter of section 6.1.
fn abi_bytes(data: &[u8]) -> Result<Vec<u8>, RuleFailure> {
    let failure = || RuleFailure("not the encoding of one byte string".into());
    let word = |at: usize| data.get(at..at + 32).ok_or_else(failure);
    let mut offset = [0; 32];
    offset[31] = 32;
    if word(0)? != offset || word(32)?[..28] != [0; 28] {
        return Err(failure());
    }
    let length = u32::from_be_bytes(word(32)?[28..].try_into().expect("4 bytes")) as usize;
    if data.len() != 64 + length.next_multiple_of(32) || data[64 + length..].iter().any(|byte| *byte != 0) {
        return Err(failure());
    }
    Ok(data[64..64 + length].to_vec())
}
