//! The proposer's reward on its way to L1: what a till holds beyond some amount is withdrawn, in a step of a batch that is posted
//! anyway.

use alloy::primitives::Address;
use nthroot_protocol::{AccountOp, AssetId};
use nthroot_wallet::{Consent, Plan, Request, States as _};
use tracing::debug;

use super::pack::Packer;

/// When tills are swept, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Who gets it on L1. It must be able to: a withdrawal that cannot be paid keeps its batch's word slot for ever.
    pub recipient: Address,
    /// The token (zero is ether).
    pub token: Address,
    /// What a till holds at least before it is swept, in the token's units.
    pub at_least: u128,
    /// What stays in it: something, since a till is party to swaps only with what it could give.
    pub stays: u128,
}

/// Sweeps the first till that is full.
pub(super) fn add(packer: &mut Packer<'_>, sweep: &Sweep) {
    let asset = AssetId::token(sweep.token);
    let composer = &packer.composer;
    let full = composer.tills().iter().find_map(|till| {
        let state = composer.fragment(*till)?;
        let amount = state.balance(asset);
        let swept = amount
            .checked_sub(sweep.stays)
            .filter(|swept| *swept > 0 && amount >= sweep.at_least);
        Some((*till, state, swept?))
    });
    let Some((till, state, amount)) = full else { return };
    let withdraw = AccountOp::Withdraw {
        recipient: sweep.recipient,
        token: sweep.token,
        amount,
    };
    let signed = composer.sign(till, state, Request::Account(vec![withdraw]));
    let mut plan = Plan::new(packer.view.book);
    let intents = [signed.clone()];
    if plan.account(&[Consent::Signed(Box::new(signed))], &[]).is_err() {
        return;
    }
    match composer.evaluate_plan(plan.finish(), &intents) {
        Ok(ready) => {
            let added = packer.add(ready, Vec::new(), true);
            debug!(%till, amount, added = added.is_ok(), "swept");
        }
        Err(reason) => debug!(%till, %reason, "not swept"),
    }
}
