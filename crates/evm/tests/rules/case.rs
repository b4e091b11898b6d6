//! What a rule is called with.

use alloy::{
    primitives::{Address, Bytes, aliases::U80},
    sol_types::SolCall,
};
use nthroot_bindings::swap::{IRule, Swap};
use nthroot_model::rule::{AuthorisationView, FragmentView};
use nthroot_protocol::{Effect, Kind};

/// Where the rule stands in all cases: the controller of the fragments under it.
pub(crate) const RULE: Address = Address::repeat_byte(0x77);

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
        let fragment = |fragment: &FragmentView| IRule::Fragment {
            id: U80::from_be_bytes(fragment.id.to_bytes()),
            kind: fragment.kind.to_u8(),
            controller: fragment.controller,
            assets: fragment
                .assets
                .iter()
                .map(|&(id, amount)| IRule::Asset { id: id.0, amount })
                .collect(),
            data: fragment.data.clone().into(),
        };
        let authorisation = |authorisation: &AuthorisationView| IRule::Authorisation {
            fragment: authorisation.fragment,
            payload: authorisation.payload.clone().into(),
        };
        let call = Swap::transitionCall {
            context: IRule::Context {
                blockNumber: self.clock,
                proposer: self.proposer,
            },
            fragments: self.fragments.iter().map(fragment).collect(),
            authorisations: self.authorisations.iter().map(authorisation).collect(),
            extra: self.extra.clone().into(),
        };
        call.abi_encode().into()
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
