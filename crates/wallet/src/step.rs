//! Steps out of intents that shall happen together, as whoever carries them makes them.

use std::collections::BTreeMap;

use nthroot_model::builder::StepPlan;
use nthroot_protocol::{AccountOp, AnchorId, FragmentId};

use crate::{
    account::Consent,
    intent::SignedIntent,
    plan::{Plan, PlanError},
    request::{Request, RuleBook},
    states::{IntentError, States, free_leaf, position_of, request_of},
};

/// Why intents do not make a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// One of them cannot be carried out.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// They do not fit into a step.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An intent to swap.
    #[error("an intent to swap needs others: `nthroot swap fill` brings them together")]
    Swap,
}

/// The intents of a step in the order in which its calls take them: those of the Account rule, which make one call, at the first of
/// them, the others where they stand.
pub fn in_order<'a>(book: &RuleBook, intents: &'a [SignedIntent]) -> Vec<&'a SignedIntent> {
    let is_account = |signed: &&SignedIntent| signed.rule == book.account;
    let first = intents
        .iter()
        .position(|signed| is_account(&signed))
        .unwrap_or_default();
    let (before, rest) = intents.split_at(first);
    let account = rest.iter().filter(is_account);
    let others = rest.iter().filter(|signed| !is_account(signed));
    before.iter().chain(account).chain(others).collect()
}

/// The step that carries out these intents: those of the Account rule in one call, the others in one each, in the order of
/// [`in_order`]. `consent`: how fragments are paid whose own consent is not among the intents; none if they do not take part.
///
/// # Errors
///
/// If they do not make one.
pub fn step_of(
    states: &impl States,
    book: &RuleBook,
    intents: &[SignedIntent],
    mut consent: impl FnMut(FragmentId) -> Option<Consent>,
) -> Result<StepPlan, StepError> {
    let mut plan = Plan::new(*book);
    let is_account = |signed: &&&SignedIntent| signed.rule == book.account;
    let ordered = in_order(book, intents);
    let mut rest = ordered.iter();
    while let Some(signed) = rest.next() {
        match request_of(states, book, signed)? {
            Request::Account(_) => {
                let further = rest.clone().take_while(is_account).count();
                let all = std::iter::once(signed).chain(rest.by_ref().take(further));
                let (consents, leaves) = parties(states, all.copied(), &mut consent)?;
                plan.account(&consents, &leaves)?;
            }
            Request::Swap(_) => return Err(StepError::Swap),
            Request::Pool { .. } => plan.pool(std::slice::from_ref(*signed))?,
            Request::Credit { op, .. } => plan.credit(signed, position_of(states, book, &op)?)?,
        }
    }
    Ok(plan.finish())
}

/// Who takes part in a call of the Account rule, and where the leaves are that they open.
fn parties<'a>(
    states: &impl States,
    intents: impl Iterator<Item = &'a SignedIntent>,
    consent: &mut impl FnMut(FragmentId) -> Option<Consent>,
) -> Result<(Vec<Consent>, Vec<FragmentId>), StepError> {
    let mut consents = Vec::new();
    let mut listed = Vec::new();
    let mut paid = Vec::new();
    let mut leaves = Vec::new();
    let mut last_leaf: BTreeMap<AnchorId, u32> = BTreeMap::new();
    for signed in intents {
        consents.push(Consent::Signed(Box::new(signed.clone())));
        listed.push(signed.fragment);
        let ops = AccountOp::decode_payload(&signed.payload).map_err(IntentError::from)?;
        for op in &ops {
            match op {
                AccountOp::Pay { to, .. } => paid.push(*to),
                AccountOp::OpenLeaf { .. } => {
                    let last = last_leaf.entry(signed.fragment.anchor()).or_default();
                    let leaf = free_leaf(states, signed.fragment, *last);
                    let leaf = leaf.ok_or(IntentError::NoRoom(signed.fragment))?;
                    *last = leaf.leaf();
                    leaves.push(leaf);
                }
                AccountOp::Open { .. }
                | AccountOp::Withdraw { .. }
                | AccountOp::SetController { .. }
                | AccountOp::SetLease { .. } => {}
            }
        }
    }
    for to in paid {
        if !listed.contains(&to) {
            listed.push(to);
            consents.extend(consent(to));
        }
    }
    Ok((consents, leaves))
}
