//! Steps out of bundles, one after the other, on heads that are verified: for a batch, and to see beforehand what a bundle would do.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use nthroot_api::Refusal;
use nthroot_model::{
    anchor::AnchorState,
    builder::{BatchBuilder, Name, Posting, ReadyStep, StepError, StepPlan},
    invalid::{CallFault, Invalid},
    kernel::{Failure, Signatures},
};
use nthroot_protocol::{AnchorId, Domain, Fragment, FragmentId, limits::MAX_CEILING};
use nthroot_wallet::{IntentError, Request, RuleBook, SignedIntent, States, states::open_position, step, step_of};

use super::{Carrier, heads::Heads};
use crate::view::View;

/// A batch in the making.
pub(crate) struct Composer<'a> {
    view: &'a View,
    heads: &'a Heads,
    carrier: &'a Carrier,
    /// The rules of the batch, as its table has them.
    table: Vec<Address>,
    pub(crate) builder: BatchBuilder<'a>,
}

impl<'a> Composer<'a> {
    /// An empty batch at the tip, in this word slot, whose steps use only these rules.
    pub(super) fn new(
        view: &'a View,
        heads: &'a Heads,
        carrier: &'a Carrier,
        slot: u16,
        used: impl Fn(Address) -> bool,
    ) -> Self {
        let posting = Posting {
            proposer: carrier.proposer(),
            clock: view.tip.number,
            clock_hash: view.tip.hash,
            slot,
            ceiling: MAX_CEILING,
        };
        let mut table = view.book.table();
        table.retain(|rule| used(*rule) && is_registered(view, *rule));
        Self {
            view,
            heads,
            carrier,
            builder: BatchBuilder::new(&view.ledger, posting).rule_table(table.clone()),
            table,
        }
    }

    /// The same, for those whose signatures were looked at, to see what they do. It is no batch to be posted.
    pub(super) fn trying_out(mut self) -> Self {
        self.builder = self.builder.signatures(Signatures::Trusted);
        self
    }

    /// The step of a bundle, evaluated as the next one.
    pub(crate) fn evaluate(&self, intents: &[SignedIntent]) -> Result<ReadyStep, Refusal> {
        self.check_place(intents)?;
        let (book, domain, clock) = (&self.view.book, domain(self.view), self.view.tip.number);
        let consent = |till| self.carrier.consent(self, book, &domain, clock, till);
        let plan = step_of(self, book, intents, consent).map_err(|error| self.not_planned(intents, error))?;
        self.evaluate_plan(plan, intents)
    }

    /// A step of these intents, evaluated as the next one.
    pub(crate) fn evaluate_plan(&self, mut plan: StepPlan, intents: &[SignedIntent]) -> Result<ReadyStep, Refusal> {
        self.check_heads(&plan)?;
        let places = self.view.book.table();
        for call in &mut plan.body.calls {
            let Some(rule) = usize::from(call.rule)
                .checked_sub(1)
                .and_then(|place| places.get(place))
            else {
                continue;
            };
            let place = self.table.iter().position(|listed| listed == rule);
            let place = place.ok_or(Refusal::UnknownRule { rule: *rule })?;
            call.rule = u8::try_from(place + 1).unwrap_or(u8::MAX);
        }
        let fragment = intents.first().map(|signed| signed.fragment).unwrap_or_default();
        self.builder
            .evaluate(&plan)
            .map_err(|error| refusal_of(error, fragment))
    }

    /// Whether an intent's fragment is where it must be for it, and nobody else has leased it.
    pub(crate) fn comes_next(&self, signed: &SignedIntent) -> bool {
        let clock = self.view.tip.number;
        let lease = self
            .anchor(signed.fragment.anchor())
            .and_then(|anchor| anchor.header().lease);
        let others = lease.is_some_and(|lease| lease.runs(clock) && lease.holder != self.carrier.proposer());
        !others && signed.valid_until >= clock && self.check_place(std::slice::from_ref(signed)).is_ok()
    }

    /// Whether bundles must pay.
    pub(crate) const fn charges(&self) -> bool {
        self.carrier.fee.is_some()
    }

    /// The till that the batch has used least.
    pub(crate) fn till(&self) -> Option<FragmentId> {
        let used = |till: &FragmentId| {
            let before = self.view.ledger.fragment(*till)?.nonce;
            let verified = self.heads.is_verified(&self.view.ledger, till.anchor());
            let now = self.fragment(*till)?.nonce;
            verified.then_some((now - before, *till))
        };
        self.carrier.tills.iter().filter_map(used).min().map(|(_, till)| till)
    }

    /// The tills.
    pub(crate) fn tills(&self) -> &[FragmentId] {
        &self.carrier.tills
    }

    /// Signs what a till wants next.
    pub(crate) fn sign(&self, till: FragmentId, state: &Fragment, request: Request) -> SignedIntent {
        let (book, clock) = (&self.view.book, self.view.tip.number);
        self.carrier.sign(book, &domain(self.view), clock, till, state, request)
    }

    /// Each intent's fragment stands on a head that can be built on, and the intent comes next of it.
    fn check_place(&self, intents: &[SignedIntent]) -> Result<(), Refusal> {
        for (fragment, nonce) in firsts(&self.view.book, intents) {
            if !self.heads.is_verified(&self.view.ledger, fragment.anchor()) {
                return Err(Refusal::Unverified { fragment });
            }
            let next = self
                .fragment(fragment)
                .ok_or(Refusal::UnknownFragment { fragment })?
                .nonce;
            if nonce < next {
                return Err(Refusal::NonceUsed { fragment, nonce, next });
            }
            if nonce > next {
                return Err(Refusal::NonceGap { fragment, nonce, next });
            }
        }
        Ok(())
    }

    /// What a step works on beside, as pools and tills, stands on such heads too.
    fn check_heads(&self, plan: &StepPlan) -> Result<(), Refusal> {
        for name in &plan.fragments {
            let (Name::Anchor(anchor) | Name::Leaf(anchor, _)) = name else {
                continue;
            };
            if !self.heads.is_verified(&self.view.ledger, *anchor) {
                let fragment = anchor.leaf(name.leaf()).unwrap_or_default();
                return Err(Refusal::Unverified { fragment });
            }
        }
        Ok(())
    }

    fn not_planned(&self, intents: &[SignedIntent], error: step::StepError) -> Refusal {
        let fragment = intents.first().map(|signed| signed.fragment).unwrap_or_default();
        match error {
            step::StepError::Intent(error) => refusal_of_intent(error, fragment),
            step::StepError::Plan(error) => Refusal::Bundle {
                what: error.to_string(),
            },
            step::StepError::Swap => Refusal::Bundle {
                what: "an intent to swap stands alone".to_owned(),
            },
        }
    }
}

/// As the steps so far leave it.
impl States for Composer<'_> {
    fn anchor(&self, id: AnchorId) -> Option<&AnchorState> {
        self.builder.anchor(id)
    }

    fn position(&self, market: FragmentId, serial: u64) -> Option<FragmentId> {
        let id = self.heads.position(market, serial)?;
        let fragment = self.fragment(id)?;
        let is_it = fragment.controller == self.view.book.credit && open_position(fragment) == Some((market, serial));
        is_it.then_some(id)
    }
}

/// A view with what is known of its positions.
pub(super) struct Known<'a> {
    pub(super) view: &'a View,
    pub(super) heads: &'a Heads,
}

impl States for Known<'_> {
    fn anchor(&self, id: AnchorId) -> Option<&AnchorState> {
        self.view.ledger.anchor(id)
    }

    fn position(&self, market: FragmentId, serial: u64) -> Option<FragmentId> {
        self.heads.position(market, serial)
    }
}

/// The first nonce that intents of one step use of each fragment.
pub(super) fn firsts(book: &RuleBook, intents: &[SignedIntent]) -> BTreeMap<FragmentId, u64> {
    let mut firsts = BTreeMap::new();
    for signed in step::in_order(book, intents) {
        firsts.entry(signed.fragment).or_insert(signed.nonce);
    }
    firsts
}

/// Chain and bridge.
pub(super) fn domain(view: &View) -> Domain {
    Domain {
        chain_id: view.deployment.chain_id,
        bridge: view.deployment.bridge,
    }
}

/// Whether calls of a rule can be in a batch at the tip.
pub(super) fn is_registered(view: &View, rule: Address) -> bool {
    let registered = view.ledger.rule_registered_at(rule);
    registered.is_some_and(|block| block <= view.tip.number)
}

/// Whether a rule comes with the bridge.
pub(super) fn is_carried(book: &RuleBook, rule: Address) -> bool {
    rule == book.account || book.table().contains(&rule)
}

/// What an intent's problem is to whoever sent it.
pub(super) fn refusal_of_intent(error: IntentError, fragment: FragmentId) -> Refusal {
    match error {
        IntentError::Rule(rule) => Refusal::UnknownRule { rule },
        IntentError::NoFragment(fragment) => Refusal::UnknownFragment { fragment },
        IntentError::Signature { fragment, reason } => Refusal::Signature {
            fragment,
            what: reason.to_string(),
        },
        IntentError::Key(error) => Refusal::Signature {
            fragment,
            what: error.to_string(),
        },
        error @ (IntentError::Account(_) | IntentError::Swap(_) | IntentError::Pool(_) | IntentError::Credit(_)) => {
            Refusal::Payload {
                fragment,
                what: error.to_string(),
            }
        }
        error @ (IntentError::NotPool(_)
        | IntentError::NotMarket(_)
        | IntentError::NoPosition { .. }
        | IntentError::NoRoom(_)
        | IntentError::Expired { .. }
        | IntentError::Nonce { .. }) => Refusal::Invalid {
            what: error.to_string(),
        },
    }
}

fn refusal_of(error: StepError, fragment: FragmentId) -> Refusal {
    match error {
        StepError::Failure(Failure::UnknownRule(rule)) => Refusal::UnknownRule { rule },
        StepError::Failure(Failure::Invalid(Invalid::Leased { lease, .. })) => Refusal::Leased {
            fragment,
            holder: lease.holder,
            last_block: lease.last_block,
        },
        StepError::Failure(Failure::Invalid(Invalid::Call {
            fault: fault @ CallFault::Signature { .. },
            ..
        })) => Refusal::Signature {
            fragment,
            what: fault.to_string(),
        },
        StepError::Failure(Failure::Invalid(reason)) => Refusal::Invalid {
            what: reason.to_string(),
        },
        StepError::Stale { anchor, .. } | StepError::UnknownState(anchor) => Refusal::Unverified {
            fragment: anchor.fragment(),
        },
        error @ (StepError::UnknownEntry(_) | StepError::Twice(_) | StepError::Leaf { .. } | StepError::Body(_)) => {
            Refusal::Invalid {
                what: error.to_string(),
            }
        }
        error @ (StepError::TooManyFragments(_)
        | StepError::Touches { .. }
        | StepError::BodyTooLong(_)
        | StepError::TooManyEntries(_)
        | StepError::TooManyWithdrawals(_)
        | StepError::TooManySteps) => Refusal::TooDear {
            what: error.to_string(),
        },
    }
}
