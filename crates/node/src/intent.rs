//! Signed intents: calls of the Account rule.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes},
    signers::{k256::ecdsa::SigningKey, local::PrivateKeySigner},
};
use nthroot_model::builder::{Name, StepPlan};
use nthroot_model::signing::authorise;
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Body, Call, Domain, Effect, Outflow, SignedMessage};

/// Gas that the Account rule gets for a call: a multiple of what its longest use in practice takes. What it does not use
/// costs nobody anything but room under the proof ceiling.
const GAS: u32 = 40_000;
/// Gas for each operation beside.
const GAS_OP: u32 = 8_000;

/// One who takes part in a call of the Account rule.
#[derive(Clone)]
pub struct Party<'a> {
    /// Its key.
    pub key: &'a PrivateKeySigner,
    /// The anchor of its fragment.
    pub anchor: AnchorId,
    /// The fragment's nonce when the call starts.
    pub nonce: u64,
    /// What it does with its own fragment; nothing is consent to be paid.
    pub ops: Vec<AccountOp>,
}

impl Party<'_> {
    fn signing_key(&self) -> &SigningKey {
        self.key.credential()
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
                AccountOp::Open { assets, .. } => assets.iter().for_each(|(asset, amount)| add(*asset, *amount)),
                AccountOp::Withdraw { token, amount, .. } => add(AssetId::token(*token), *amount),
            }
        }
        let outflow = |(asset, amount)| Outflow { asset, amount };
        sums.into_iter().map(outflow).collect()
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
    let ops = parties.iter().flat_map(|party| &party.ops);
    let opened = ops.filter(|op| matches!(op, AccountOp::Open { .. })).map(|_| Name::New);
    let anchors = parties.iter().map(|party| Name::Anchor(party.anchor));
    StepPlan {
        fragments: anchors.chain(opened).collect(),
        body: Body {
            calls: vec![account_call(terms, parties)],
        },
    }
}

fn account_call(terms: &Terms, parties: &[Party<'_>]) -> Call {
    let position = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let authorisations = parties.iter().enumerate().map(|(index, party)| {
        let message = SignedMessage {
            rule: terms.account,
            payload: AccountOp::encode_payload(&party.ops).into(),
            fragment: party.anchor.fragment(),
            nonce: party.nonce,
            valid_until: terms.valid_until,
            outflows: party.outflows(),
        };
        authorise(party.signing_key(), &terms.domain, &message, position(index))
    });
    let ops = || parties.iter().flat_map(|party| &party.ops);
    Call {
        rule: 0,
        gas: ops().fold(GAS, |gas, _| gas.saturating_add(GAS_OP)),
        max_effects: u16::try_from(ops().map(effects_length).sum::<usize>()).unwrap_or(u16::MAX),
        fragments: (0..parties.len()).map(position).collect(),
        authorisations: authorisations.collect(),
        extra: Bytes::new(),
    }
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
    match op {
        AccountOp::Pay { .. } => a_move,
        AccountOp::Open {
            kind,
            controller,
            assets,
        } => {
            let (kind, controller) = (*kind, *controller);
            length(Effect::Open { kind, controller }) + a_move * assets.len()
        }
        AccountOp::Withdraw {
            recipient,
            token,
            amount,
        } => length(Effect::Withdraw {
            from: 0,
            recipient: *recipient,
            token: *token,
            amount: *amount,
        }),
    }
}
