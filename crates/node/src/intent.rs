//! Signed intents: calls of the Account rule.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes};
use nthroot_model::{
    builder::{Name, StepPlan},
    signing::{Signer, authorise},
};
use nthroot_protocol::{
    AccountOp, AssetId, Authorisation, Call, Domain, Effect, FragmentId, Meaning, Outflow, SignedMessage,
};

/// Gas that the Account rule gets for a call: a multiple of what its longest use in practice takes. What it does not use
/// costs nobody anything but room under the proof ceiling.
const GAS: u32 = 40_000;
/// Gas for each operation beside, and for each asset that goes to what it opens.
const GAS_OP: u32 = 8_000;

/// One who takes part in a call of the Account rule.
#[derive(Clone)]
pub struct Party<'a> {
    /// Who signs, by whichever scheme. None: the fragment is merely credited, which takes a lease of its anchor by the
    /// proposer.
    pub signer: Option<&'a dyn Signer>,
    /// Its fragment.
    pub fragment: FragmentId,
    /// The fragment's nonce when the call starts.
    pub nonce: u64,
    /// What it does with its own fragment; nothing is consent to be paid.
    pub ops: Vec<AccountOp>,
    /// For the leaves that it opens, in order, where in its cohort they shall be. They increase, and beyond those of
    /// earlier parties of the same cohort.
    pub leaves: Vec<u32>,
}

impl<'a> Party<'a> {
    /// One who signs.
    pub fn signing(signer: &'a dyn Signer, fragment: FragmentId, nonce: u64, ops: Vec<AccountOp>) -> Self {
        Self {
            signer: Some(signer),
            fragment,
            nonce,
            ops,
            leaves: Vec::new(),
        }
    }

    /// One who is merely credited.
    pub const fn credited(fragment: FragmentId) -> Self {
        Self {
            signer: None,
            fragment,
            nonce: 0,
            ops: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// The same with places for the leaves that it opens.
    #[must_use]
    pub fn opening(mut self, leaves: impl IntoIterator<Item = u32>) -> Self {
        self.leaves = leaves.into_iter().collect();
        self
    }

    /// The sums that leave its fragment: a signature lets go no more than it must.
    fn outflows(&self) -> Vec<Outflow> {
        let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
        let mut add = |asset, amount: u128| {
            let sum = sums.entry(asset).or_default();
            *sum = sum.saturating_add(amount);
        };
        for op in &self.ops {
            match op {
                AccountOp::Pay { asset, amount, .. } => add(*asset, *amount),
                AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => {
                    assets.iter().for_each(|(asset, amount)| add(*asset, *amount));
                }
                AccountOp::Withdraw { token, amount, .. } => add(AssetId::token(*token), *amount),
                AccountOp::SetController { .. } | AccountOp::SetLease { .. } => {}
            }
        }
        let outflow = |(asset, amount)| Outflow { asset, amount };
        sums.into_iter().map(outflow).collect()
    }

    fn authorise(&self, terms: &Terms, position: u8) -> Option<Authorisation> {
        let payload = AccountOp::encode_payload(&self.ops);
        let message = SignedMessage {
            meaning: Meaning::opaque(&payload),
            rule: terms.account,
            fragment: self.fragment,
            nonce: self.nonce,
            valid_until: terms.valid_until,
            outflows: self.outflows(),
        };
        Some(authorise(
            self.signer?,
            &terms.domain,
            &message,
            payload.into(),
            position,
        ))
    }

    /// The fragments that its operations open.
    fn opened(&self) -> impl Iterator<Item = Name> {
        let mut leaves = self.leaves.iter();
        let opened = self.ops.iter().map(move |op| match op {
            AccountOp::Open { .. } => Some(Name::New),
            AccountOp::OpenLeaf { .. } => leaves.next().map(|leaf| Name::Leaf(self.fragment.anchor(), *leaf)),
            _ => None,
        });
        opened.flatten()
    }
}

/// What all signatures of a call refer to.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Chain and bridge.
    pub domain: Domain,
    /// The Account rule.
    pub account: Address,
    /// Last block at which the signatures hold.
    pub valid_until: u64,
}

/// The step in which these parties act, in this order.
pub fn plan(terms: &Terms, parties: &[Party<'_>]) -> StepPlan {
    let listed = parties.iter().map(|party| match party.fragment.leaf() {
        0 => Name::Anchor(party.fragment.anchor()),
        leaf => Name::Leaf(party.fragment.anchor(), leaf),
    });
    StepPlan {
        fragments: listed.chain(parties.iter().flat_map(Party::opened)).collect(),
        body: vec![account_call(terms, parties)].into(),
    }
}

fn account_call(terms: &Terms, parties: &[Party<'_>]) -> Call {
    let position = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let signed = parties.iter().enumerate();
    let ops = || parties.iter().flat_map(|party| &party.ops);
    Call {
        rule: 0,
        gas: ops().map(gas).fold(GAS, u32::saturating_add),
        max_effects: u16::try_from(ops().map(effects_length).sum::<usize>()).unwrap_or(u16::MAX),
        fragments: (0..parties.len()).map(position).collect(),
        authorisations: signed
            .filter_map(|(index, party)| party.authorise(terms, position(index)))
            .collect(),
        extra: Bytes::new(),
    }
}

/// Gas for an operation.
fn gas(op: &AccountOp) -> u32 {
    let moves = match op {
        AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => assets.len(),
        _ => 0,
    };
    GAS_OP.saturating_mul(u32::try_from(1 + moves).unwrap_or(u32::MAX))
}

/// Bytes of the effects that the Account rule returns for an operation.
fn effects_length(op: &AccountOp) -> usize {
    let length = |effect: Effect| Effect::encode_list(&[effect]).len();
    let a_move = length(Effect::Move {
        from: 0,
        to: 0,
        asset: AssetId::ETH,
        amount: 0,
    });
    let (kind, controller) = (0, Address::ZERO);
    match op {
        AccountOp::Pay { .. } => a_move,
        AccountOp::Open { depth, assets, .. } => {
            length(Effect::Open {
                depth: *depth,
                kind,
                controller,
            }) + a_move * assets.len()
        }
        AccountOp::OpenLeaf { assets, .. } => {
            let header = 0;
            length(Effect::OpenLeaf {
                header,
                kind,
                controller,
            }) + a_move * assets.len()
        }
        AccountOp::Withdraw { token, amount, .. } => length(Effect::Withdraw {
            from: 0,
            recipient: Address::ZERO,
            token: *token,
            amount: *amount,
        }),
        AccountOp::SetController { .. } => length(Effect::SetController {
            fragment: 0,
            kind,
            controller,
        }),
        AccountOp::SetLease { last_block, .. } => length(Effect::SetLease {
            fragment: 0,
            holder: Address::ZERO,
            last_block: *last_block,
        }),
    }
}
