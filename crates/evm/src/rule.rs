//! Rules as their code in the EVM, with exactly the gas that a call commits.

use alloy::{
    primitives::{Bytes, aliases::U80},
    sol_types::SolCall,
};
use nthroot_model::rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure};
use nthroot_protocol::limits::MAX_CEILING;
use revm::primitives::hardfork::SpecId;

use crate::code::{Code, Outcome};

mod abi {
    //! Section 6.2, word for word.
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    alloy::sol! {
        struct Asset { bytes32 id; uint128 amount; }
        struct Fragment { uint80 id; uint8 kind; address controller; Asset[] assets; bytes data; }
        struct Authorisation { uint8 fragment; bytes payload; }
        struct Context { uint64 blockNumber; address proposer; }
        function transition(Context context, Fragment[] fragments, Authorisation[] authorisations, bytes extra)
            returns (bytes effects);
    }
}

/// The calldata of a rule (section 6.2).
pub fn calldata(
    context: &Context,
    fragments: &[FragmentView],
    authorisations: &[AuthorisationView],
    extra: &[u8],
) -> Bytes {
    let asset = |&(id, amount): &(nthroot_protocol::AssetId, u128)| abi::Asset { id: id.0, amount };
    let fragment = |fragment: &FragmentView| abi::Fragment {
        id: U80::from_be_bytes(fragment.id.to_bytes()),
        kind: fragment.kind.to_u8(),
        controller: fragment.controller,
        assets: fragment.assets.iter().map(asset).collect(),
        data: fragment.data.clone().into(),
    };
    let authorisation = |authorisation: &AuthorisationView| abi::Authorisation {
        fragment: authorisation.fragment,
        payload: authorisation.payload.clone().into(),
    };
    let call = abi::transitionCall {
        context: abi::Context {
            blockNumber: context.clock,
            proposer: context.proposer,
        },
        fragments: fragments.iter().map(fragment).collect(),
        authorisations: authorisations.iter().map(authorisation).collect(),
        extra: Bytes::copy_from_slice(extra),
    };
    call.abi_encode().into()
}

/// The byte string that return data encodes in the one way that the kernel takes (section 6.1):
/// `u256 32 ‖ u256 L ‖ L bytes ‖ zero bytes up to the next multiple of 32`.
fn returned(data: &[u8]) -> Option<&[u8]> {
    let (offset, rest) = data.split_at_checked(32)?;
    let (length, rest) = rest.split_at_checked(32)?;
    let word = |word: &[u8]| {
        let (zeros, number) = word.split_at(24);
        let number = u64::from_be_bytes(number.try_into().expect("8 bytes"));
        zeros.iter().all(|byte| *byte == 0).then_some(number)
    };
    let length = usize::try_from(word(length)?).ok()?;
    let (bytes, padding) = rest.split_at_checked(length)?;
    let padded = padding.len() == length.next_multiple_of(32) - length && padding.iter().all(|byte| *byte == 0);
    (word(offset)? == 32 && padded).then_some(bytes)
}

/// A rule as its code: what the kernel would get from it, to the last unit of gas.
#[derive(Debug, Clone)]
pub struct Bytecode(Code);

impl Bytecode {
    /// The rule with this runtime code, on an L1 under the rules of a fork.
    pub fn new(spec: SpecId, runtime: Bytes) -> Self {
        Self(Code::new(spec, runtime))
    }

    /// The effects, and the gas that they took: the least that a call must commit.
    ///
    /// # Errors
    ///
    /// If it reverts, does what no code may, returns what is not a canonical `bytes`, or the gas does not suffice.
    pub fn execute(
        &self,
        gas: u64,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<(Vec<u8>, u64), RuleFailure> {
        let data = calldata(context, fragments, authorisations, extra);
        match self.0.call(gas, data) {
            Outcome::Returned { output, gas } => match returned(&output) {
                Some(effects) => Ok((effects.to_vec(), gas)),
                None => Err(RuleFailure(format!(
                    "it returned what is not one canonical byte string: {output}"
                ))),
            },
            Outcome::Reverted(data) => Err(RuleFailure(format!("it reverted with {data}"))),
            Outcome::Halted => Err(RuleFailure(format!("it halted, or {gas} gas did not suffice"))),
        }
    }
}

impl Rule for Bytecode {
    /// With as much gas as a proof can give it.
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        self.run(MAX_CEILING.into(), context, fragments, authorisations, extra)
    }

    fn run(
        &self,
        gas: u64,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        let run = self.execute(gas, context, fragments, authorisations, extra);
        run.map(|(effects, _)| effects)
    }
}
