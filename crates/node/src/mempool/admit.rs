//! Whether a bundle is taken. What costs little to find out is asked first.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use alloy::primitives::U256;
use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use nthroot_model::rules::swap::Limits as SwapLimits;
use nthroot_protocol::{
    FragmentId,
    limits::{MAX_BODY, MAX_DEPTH},
    rules::swap::SwapIntent,
};
use nthroot_wallet::{
    Request, SignedIntent, States as _,
    states::{check_signature, request_of},
    step::in_order,
};

use super::{
    Mempool,
    compose::{Known, domain, firsts, is_carried, is_registered, refusal_of_intent},
    entry::{self, Entry, Row, State},
    track::block_of,
};
use crate::{
    store::{Change, Table},
    view::View,
};

/// How many bundles are looked at that must come before another one.
const MOST_BEFORE: usize = 32;

impl Mempool {
    /// Takes a bundle. What is to be kept joins the changes.
    pub(super) fn take(&mut self, view: &View, bundle: Bundle, changes: &mut Vec<Change>) -> Result<IntentId, Refusal> {
        // What was seen already on L1 after this view could be in it unnoticed.
        if !view.synced || block_of(view, self.witnessed) > view.tip.number {
            let block = view.tip.number;
            return Err(Refusal::NotSynced { block });
        }
        self.check_shape(view, &bundle)?;
        let id = bundle.id();
        if let Some(entry) = self.entries.get(&id) {
            let dropped = match &entry.state {
                State::Over(IntentStatus::Dropped { reason, .. }) => Some(reason),
                State::Dropped => entry.dropped.as_ref(),
                _ => return Ok(id),
            };
            if let Some(reason @ Refusal::Replaced { .. }) = dropped {
                return Err(reason.clone());
            }
        }

        let requests = self.requests(view, &bundle)?;
        let replaced = self.replaced(view, &bundle)?;
        let room = self.room_for(view, &bundle, &replaced)?;
        self.check_fee(&requests)?;
        self.check_signatures(view, &bundle, &requests)?;
        match (&*bundle.0, &*requests) {
            // What may wait for ever takes nobody's place.
            ([_], [Request::Swap(_)]) if room.is_some() => return Err(self.full()),
            ([signed], [Request::Swap(swap)]) => check_swap(view, signed, swap)?,
            _ => self.try_out(view, &bundle, &replaced)?,
        }
        if let Some(victim) = room {
            self.drop(victim, Refusal::CrowdedOut, changes);
        }

        let replacements = replaced.iter().filter_map(|id| self.entries.get(id));
        let places = replacements.map(|entry| (entry.number, entry.replaced + 1));
        // What replaces another takes its place in the order.
        let place = places.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let (number, count) = place.unwrap_or((self.next, 0));
        self.next = self.next.max(number + 1);
        for other in &replaced {
            self.drop(*other, Refusal::Replaced { by: id }, changes);
        }
        let row = Row {
            number,
            replaced: count,
            bundle,
            found: None,
            torn: None,
            dropped: None,
        };
        changes.extend([entry::deleted(Table::Ended, id), row.change(id)]);
        self.forget(id);
        self.insert(id, Entry::of(row));
        self.enqueue(id);
        Ok(id)
    }

    fn check_shape(&self, view: &View, bundle: &Bundle) -> Result<(), Refusal> {
        let refuse = |what: String| Err(Refusal::Bundle { what });
        let (intents, most) = (&bundle.0, self.limits.of_bundle);
        if intents.is_empty() || intents.len() > most {
            return refuse(format!("{} intents, 1 to {most} are taken", intents.len()));
        }
        if intents.iter().any(|signed| signed.payload.len() > MAX_BODY) {
            return refuse(format!("a payload of more than {MAX_BODY} bytes"));
        }
        let swaps = intents.iter().filter(|signed| signed.rule == view.book.swap).count();
        if swaps > 0 && intents.len() > 1 {
            return refuse("an intent to swap stands alone".to_owned());
        }
        let mut last: BTreeMap<FragmentId, u64> = BTreeMap::new();
        for signed in in_order(&view.book, intents) {
            let (fragment, nonce) = (signed.fragment, signed.nonce);
            let before = last.insert(fragment, nonce);
            if before.is_some_and(|before| before.checked_add(1) != Some(nonce)) {
                return refuse(format!(
                    "the nonces of fragment {fragment} do not follow each other in the order of the calls"
                ));
            }
        }
        Ok(())
    }

    /// What its intents ask for, if fragments, rules, payloads and blocks allow it.
    fn requests(&self, view: &View, bundle: &Bundle) -> Result<Vec<Request>, Refusal> {
        let (ledger, clock) = (&view.ledger, view.tip.number);
        let known = Known {
            view,
            heads: &self.heads,
        };
        let least = clock.saturating_add(self.limits.validity);
        let most = clock.saturating_add(self.limits.longest_validity);
        let request = |signed: &SignedIntent| {
            let (fragment, rule, valid_until) = (signed.fragment, signed.rule, signed.valid_until);
            if valid_until < least {
                return Err(Refusal::Expired {
                    fragment,
                    valid_until,
                    least,
                });
            }
            if valid_until > most {
                return Err(Refusal::TooLong {
                    fragment,
                    valid_until,
                    most,
                });
            }
            if !is_carried(&view.book, rule) || (rule != view.book.account && !is_registered(view, rule)) {
                return Err(Refusal::UnknownRule { rule });
            }
            if ledger.head(fragment.anchor()).is_none() {
                return Err(Refusal::UnknownFragment { fragment });
            }
            if !self.heads.is_verified(ledger, fragment.anchor()) {
                return Err(Refusal::Unverified { fragment });
            }
            if ledger.fragment(fragment).is_none() {
                return Err(Refusal::UnknownFragment { fragment });
            }
            let lease = ledger
                .anchor(fragment.anchor())
                .and_then(|anchor| anchor.header().lease);
            let others = lease.filter(|lease| lease.runs(clock) && lease.holder != self.carrier.proposer());
            if let Some(lease) = others {
                return Err(Refusal::Leased {
                    fragment,
                    holder: lease.holder,
                    last_block: lease.last_block,
                });
            }
            request_of(&known, &view.book, signed).map_err(|error| refusal_of_intent(error, fragment))
        };
        bundle.0.iter().map(request).collect()
    }

    /// The first nonce from `next` on that nothing of the fragment waits with. Those that wait follow each other, or would do
    /// again if an earlier one had not been too late. What is late, but might still be in somebody's batch, is not to be waited
    /// for: what comes takes its place, so that never both are carried out.
    pub(super) fn behind(&self, fragment: FragmentId, next: u64) -> u64 {
        let mut free = next;
        let waits = |free: u64| {
            let id = self.nonces.get(&(fragment, free));
            let entry = id.and_then(|id| self.entries.get(id));
            entry.is_some_and(|entry| !entry.is_late(self.tip))
        };
        while waits(free) {
            free = free.saturating_add(1);
        }
        free
    }

    /// Those that wait and use the same nonces, if this one comes next or may take their place.
    fn replaced(&self, view: &View, bundle: &Bundle) -> Result<BTreeSet<IntentId>, Refusal> {
        for (fragment, nonce) in firsts(&view.book, &bundle.0) {
            let state = view.ledger.fragment(fragment);
            let next = state.map_or(0, |state| state.nonce);
            if nonce < next {
                return Err(Refusal::NonceUsed { fragment, nonce, next });
            }
            let next = self.behind(fragment, next);
            if nonce > next {
                return Err(Refusal::NonceGap { fragment, nonce, next });
            }
        }
        let places = bundle.0.iter().map(|signed| (signed.fragment, signed.nonce));
        let mut replaced = BTreeSet::new();
        for (fragment, nonce) in places {
            let Some((id, entry)) = self
                .nonces
                .get(&(fragment, nonce))
                .and_then(|id| Some((id, self.entries.get(id)?)))
            else {
                continue;
            };
            if entry.state != State::Waiting {
                return Err(Refusal::OnItsWay { fragment });
            }
            let most = self.limits.replacements;
            if entry.replaced >= most {
                return Err(Refusal::TooManyReplaced { fragment, most });
            }
            replaced.insert(*id);
        }
        Ok(replaced)
    }

    /// Who has to make room for a bundle, if somebody has to: the oldest that could not be carried out so far.
    fn room_for(
        &self,
        view: &View,
        bundle: &Bundle,
        replaced: &BTreeSet<IntentId>,
    ) -> Result<Option<IntentId>, Refusal> {
        for signed in &bundle.0 {
            let fragment = signed.fragment;
            let (waiting, more) = self.count(bundle, replaced, fragment..=fragment);
            if waiting + more > self.limits.of_fragment {
                return Err(Refusal::TooManyOfFragment { fragment, waiting });
            }
            let anchor = fragment.anchor();
            let last = anchor.leaf((1 << MAX_DEPTH) - 1).unwrap_or(fragment);
            let (waiting, more) = self.count(bundle, replaced, anchor.fragment()..=last);
            if waiting + more > self.limits.of_anchor {
                return Err(Refusal::TooManyOfAnchor { anchor, waiting });
            }
        }
        let of = |ids: &mut dyn Iterator<Item = &IntentId>| -> usize {
            ids.filter_map(|id| self.entries.get(id)).map(|entry| entry.bytes).sum()
        };
        let bundles = self.queue.len() - replaced.len();
        let bytes = self.bytes - of(&mut replaced.iter()) + entry::size(bundle);
        if bundles < self.limits.bundles && bytes <= self.limits.bytes {
            return Ok(None);
        }
        let waiting = self.queue.values().filter_map(|id| Some((*id, self.entries.get(id)?)));
        let mut stuck = waiting.filter(|(id, entry)| {
            let makes_room = bytes - entry.bytes <= self.limits.bytes;
            let intents = entry.bundle.iter().flat_map(|bundle| &bundle.0);
            let is_stuck = entry.fails > 0 || intents.into_iter().any(|signed| signed.rule == view.book.swap);
            entry.state == State::Waiting && is_stuck && makes_room && !replaced.contains(id)
        });
        stuck.next().map(|(id, _)| Some(id)).ok_or_else(|| self.full())
    }

    fn full(&self) -> Refusal {
        let waiting = self.queue.len();
        Refusal::Full { waiting }
    }

    /// How many intents of these fragments wait, and how many more there would be.
    fn count(
        &self,
        bundle: &Bundle,
        replaced: &BTreeSet<IntentId>,
        fragments: RangeInclusive<FragmentId>,
    ) -> (usize, usize) {
        let waiting = self
            .nonces
            .range((*fragments.start(), 0)..=(*fragments.end(), u64::MAX));
        let waiting = waiting.filter(|(_, id)| !replaced.contains(*id)).count();
        let more = bundle
            .0
            .iter()
            .filter(|other| fragments.contains(&other.fragment))
            .count();
        (waiting, more)
    }

    /// A payment to a till; of an intent to swap a reward, which goes to whoever fills it.
    fn check_fee(&self, requests: &[Request]) -> Result<(), Refusal> {
        let Some(fee) = &self.carrier.fee else { return Ok(()) };
        let paid = requests.iter().map(|request| match request {
            Request::Account(ops) => self.carrier.paid(ops),
            Request::Swap(swap) => {
                let reward = swap.rewards.iter().find(|reward| reward.asset == fee.asset);
                reward.map_or(0, |reward| reward.amount)
            }
            Request::Pool { .. } | Request::Credit { .. } => 0,
        });
        let paid = paid.fold(0, u128::saturating_add);
        if paid >= fee.amount {
            return Ok(());
        }
        Err(Refusal::Fee {
            asset: fee.asset,
            paid: paid.to_string(),
            fee: fee.amount.to_string(),
        })
    }

    /// By the keys that the fragments have now: a new one counts from the block on that has it.
    fn check_signatures(&self, view: &View, bundle: &Bundle, requests: &[Request]) -> Result<(), Refusal> {
        let domain = domain(view);
        for (signed, request) in bundle.0.iter().zip(requests) {
            let fragment = signed.fragment;
            let state = view
                .ledger
                .fragment(fragment)
                .ok_or(Refusal::UnknownFragment { fragment })?;
            check_signature(request, &domain, state, signed).map_err(|error| refusal_of_intent(error, fragment))?;
        }
        Ok(())
    }

    /// Carries it out in a batch of its own, after those that must come before.
    fn try_out(&self, view: &View, bundle: &Bundle, replaced: &BTreeSet<IntentId>) -> Result<(), Refusal> {
        let mut before = self.before(view, bundle, replaced)?;
        let mut composer = self.compose(view, 0, |_| true).trying_out();
        loop {
            let waiting = before.len();
            before.retain(|bundle| match composer.evaluate(&bundle.0) {
                Ok(ready) => {
                    composer.builder.add(ready);
                    false
                }
                Err(_) => true,
            });
            if before.is_empty() {
                break;
            }
            if before.len() == waiting {
                return Err(Refusal::Invalid {
                    what: "what waits before it cannot be carried out now".to_owned(),
                });
            }
        }
        let ready = composer.evaluate(&bundle.0)?;
        let (gas, bytes) = (ready.proof_gas, ready.step().encoded_length());
        let refuse = |what: String| Err(Refusal::TooDear { what });
        if gas > self.limits.step_gas {
            return refuse(format!("proof gas {gas}, at most {} is taken", self.limits.step_gas));
        }
        if bytes > self.limits.step_bytes {
            return refuse(format!(
                "a step of {bytes} bytes, at most {} are taken",
                self.limits.step_bytes
            ));
        }
        Ok(())
    }

    /// The bundles that wait and must come before this one, as nonces follow each other.
    fn before(&self, view: &View, bundle: &Bundle, replaced: &BTreeSet<IntentId>) -> Result<Vec<&Bundle>, Refusal> {
        let mut found = BTreeMap::new();
        let mut open: Vec<(FragmentId, u64)> = firsts(&view.book, &bundle.0).into_iter().collect();
        while let Some((fragment, nonce)) = open.pop() {
            for id in self.nonces.range((fragment, 0)..(fragment, nonce)).map(|(_, id)| id) {
                let Some(entry) = self.entries.get(id).filter(|_| !replaced.contains(id)) else {
                    continue;
                };
                let Some(earlier) = entry.bundle.as_deref() else {
                    continue;
                };
                if found.insert(entry.number, earlier).is_none() {
                    open.extend(&entry.places);
                }
            }
            let waiting = found.len();
            if waiting > MOST_BEFORE {
                return Err(Refusal::TooManyOfFragment { fragment, waiting });
            }
        }
        Ok(found.into_values().collect())
    }
}

/// An intent to swap waits for others, so it is only asked whether its fragment has what it gives.
fn check_swap(view: &View, signed: &SignedIntent, swap: &SwapIntent) -> Result<(), Refusal> {
    let fragment = signed.fragment;
    let invalid = |what: String| Refusal::Invalid { what };
    let least = swap.least_fill.map_or_else(|| swap.whole(), |least| least.max(1));
    let limits = SwapLimits::of(swap, view.tip.number, least).map_err(|error| invalid(error.to_string()))?;
    let state = view
        .ledger
        .fragment(fragment)
        .ok_or(Refusal::UnknownFragment { fragment })?;
    for (asset, most) in limits.most {
        let held = state.balance(asset);
        if U256::from(held) < most {
            return Err(invalid(format!(
                "fragment {fragment} holds {held} of {asset}, and would give {most}"
            )));
        }
    }
    Ok(())
}
