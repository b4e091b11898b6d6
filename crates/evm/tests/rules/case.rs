//! What a rule is called with.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::Swap;
use nthroot_model::rule::{AuthorisationView, Context, FragmentView};
use nthroot_protocol::{Effect, Kind};

/// Where the rule stands in all cases: the controller of the fragments under it.
pub(crate) const RULE: Address = Address::repeat_byte(0x77);

/// More gas than any of these calls takes.
pub(crate) const AMPLE: u64 = 30_000_000;

/// A call of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) clock: u64,
    pub(crate) proposer: Address,
    pub(crate) fragments: Vec<FragmentView>,
    pub(crate) authorisations: Vec<AuthorisationView>,
    pub(crate) extra: Vec<u8>,
}

impl Case {
    /// As the kernel sends it (section 6.2).
    pub(crate) fn calldata(&self) -> Bytes {
        let context = self.context();
        nthroot_evm::rule::calldata(&context, &self.fragments, &self.authorisations, &self.extra)
    }

    /// What the rule sees of the batch.
    pub(crate) const fn context(&self) -> Context {
        Context {
            clock: self.clock,
            proposer: self.proposer,
        }
    }

    /// Makes it a call that the kernel would make: 1 to 16 fragments, those of kind 3 under the rule, positions of
    /// authorisations below their number and increasing, assets too.
    pub(crate) fn normalise(&mut self) {
        self.fragments.truncate(16);
        for fragment in &mut self.fragments {
            if fragment.kind == Kind::Rule {
                fragment.controller = RULE;
            }
            fragment.assets.sort_unstable();
            fragment.assets.dedup_by_key(|(asset, _)| *asset);
            fragment.assets.retain(|(_, amount)| *amount != 0);
        }
        let count = self.fragments.len();
        self.authorisations
            .retain(|signed| usize::from(signed.fragment) < count);
        self.authorisations.sort_by_key(|signed| signed.fragment);
        self.authorisations.dedup_by_key(|signed| signed.fragment);
    }
}

/// Return data of a rule with these effects (section 6.1).
pub(crate) fn returned(effects: &[Effect]) -> Bytes {
    Swap::transitionCall::abi_encode_returns(&Effect::encode_list(effects).into()).into()
}
