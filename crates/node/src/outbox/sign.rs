//! What is offered for each nonce, and signed.

use std::collections::BTreeMap;

use alloy::{
    eips::Encodable2718 as _,
    network::{NetworkTransactionBuilder as _, TransactionBuilder as _},
    providers::Provider as _,
};
use tracing::warn;

use super::{
    Event, Job, Outbox,
    entry::{Entry, Purpose, State, Version, counted},
    funds::Funds,
    settle::kind,
};
use crate::{
    error::{Error, Result},
    fees::{FeePolicy, Offer},
    inputs::Block,
    sender::{self, Call},
};

/// What gas costs in the coming block, in wei for a unit.
#[derive(Clone, Copy)]
pub(super) struct Prices {
    pub(super) base_fee: u128,
    pub(super) tip: u128,
}

/// What a nonce shall carry.
pub(super) struct Bid<'a> {
    pub(super) purpose: Option<Purpose>,
    pub(super) call: &'a Call,
    pub(super) policy: FeePolicy,
    /// Gas that it uses, if known better than by its limit.
    pub(super) uses: Option<u64>,
    /// Wei that the key has for it, for the whole of its gas limit.
    pub(super) room: u128,
}

impl Outbox {
    /// The entries that get a new version: proofs first, then all else from what they leave. From the last nonce to the first,
    /// since what stands before another transaction must pay as much for a unit of gas as that one, whatever its own budget: else
    /// it keeps the other out. If the key has not the ether for that, it is cancelled, which takes little gas.
    pub(super) async fn sign_all(
        &mut self,
        tip: Block,
        prices: Prices,
        wanted: &[Job],
        served: &BTreeMap<u64, Option<usize>>,
    ) -> Result<Vec<Entry>> {
        let balance = self.l1.provider().get_balance(self.address).await?;
        let job = |nonce: &u64| served.get(nonce).copied().flatten().map(|index| &wanted[index]);
        let is_proof = |nonce: &u64| job(nonce).is_some_and(|job| job.purpose.is_proof());
        let mut funds = Funds::new(balance.saturating_to::<u128>().saturating_sub(self.reserved(served)));
        for nonce in served.keys() {
            let proof = job(nonce).filter(|job| job.purpose.is_proof());
            funds.add(*nonce, self.entries.get(nonce), proof.map(Job::most));
        }
        let has_proofs = served.keys().any(is_proof);
        let nothing = Call::new(self.address, []).gas(sender::TRANSFER_GAS);
        let nonces = || served.keys().rev().copied();
        let mut offers = BTreeMap::new();
        let mut signed = Vec::new();
        for nonce in nonces()
            .filter(is_proof)
            .chain(nonces().filter(|nonce| !is_proof(nonce)))
        {
            let behind = offers
                .range(nonce..)
                .map(|(_, offer)| *offer)
                .fold(Offer::default(), Offer::max);
            let entry = self.entries.get(&nonce);
            let cancel = |room| Bid {
                purpose: None,
                call: &nothing,
                policy: cancelling(entry),
                uses: None,
                room,
            };
            let room = funds.room(nonce);
            let mut bid = job(&nonce).map_or_else(
                || cancel(room),
                |job| Bid {
                    purpose: Some(job.purpose),
                    call: &job.call,
                    policy: job.policy,
                    uses: job.uses,
                    room,
                },
            );
            let mut offered = match self.bid(tip, prices, entry, &bid, behind).await {
                Ok(offered) => offered,
                Err(error @ Error::WouldFail(_)) => {
                    warn!(nonce, purpose = kind(bid.purpose), %error, "not sent");
                    self.events.push(Event::Refused {
                        purpose: bid.purpose,
                        error,
                    });
                    continue;
                }
                Err(error) => return Err(error),
            };
            let stays = |offered: &Offered| {
                entry
                    .and_then(Entry::last)
                    .is_some_and(|last| last.offer == offered.offer)
            };
            let too_dear = has_proofs && !is_proof(&nonce) && offered.offer.cost(offered.gas) > funds.left(nonce);
            let hopeless = entry.is_none() && (too_dear || offered.offer.max_fee < prices.base_fee);
            if hopeless || too_dear || (stays(&offered) && offered.is_last) {
                let Offered { offer, .. } = offered;
                warn!(
                    nonce,
                    purpose = kind(bid.purpose),
                    max_fee = offer.max_fee,
                    "no more can be offered"
                );
                let purpose = bid.purpose;
                self.events.push(Event::Exhausted { purpose, offer });
            }
            if hopeless {
                continue;
            }
            if too_dear && bid.purpose.is_some() {
                bid = cancel(u128::MAX);
                offered = self.bid(tip, prices, entry, &bid, behind).await?;
            }
            offers.insert(nonce, offered.offer);
            if stays(&offered) {
                continue;
            }
            funds.set(nonce, offered.offer.cost(offered.gas));
            let what = (bid.purpose, bid.call);
            signed.push(self.sign(nonce, tip.number, what, offered.offer, offered.gas).await?);
        }
        signed.sort_by_key(|entry| entry.nonce);
        Ok(signed)
    }

    /// Wei that the transactions on their way may cost whose nonces are `served` by nothing now.
    fn reserved(&self, served: &BTreeMap<u64, Option<usize>>) -> u128 {
        let pending = self.entries.values().filter(|entry| entry.state == State::Pending);
        let others = pending.filter(|entry| !served.contains_key(&entry.nonce));
        let costs = others.filter_map(Entry::last).map(|last| last.offer.cost(last.gas));
        costs.fold(0, u128::saturating_add)
    }
}

/// What is offered for a nonce now.
struct Offered {
    offer: Offer,
    gas: u64,
    /// Whether it was to be raised, or is new, and cannot be raised any more.
    is_last: bool,
}

impl Outbox {
    /// What a bid offers: what stays until the policy raises it, and never less than what stands `behind` it.
    async fn bid(
        &self,
        tip: Block,
        prices: Prices,
        entry: Option<&Entry>,
        bid: &Bid<'_>,
        behind: Offer,
    ) -> Result<Offered> {
        let last = entry.and_then(Entry::last);
        let same = match entry {
            Some(entry) => entry.purpose() == bid.purpose && bid.call.is_carried_by(&entry.call()?),
            None => false,
        };
        let gas = match (last, bid.call.gas) {
            (_, Some(gas)) => gas,
            (Some(last), None) if same => last.gas,
            _ => sender::estimate(&self.l1, self.address, bid.call).await?,
        };
        let waited = match last {
            Some(last) if same => tip.number.saturating_sub(last.block),
            _ => u64::MAX,
        };
        let counted = counted(bid.uses, gas);
        let policy = FeePolicy {
            // Whatever it will use, the key must have the ether for its limit.
            max_fee_budget_wei: bid
                .policy
                .max_fee_budget_wei
                .min(bid.room / u128::from(gas.max(1)) * u128::from(counted)),
            ..bid.policy
        };
        let previous = last.map(|last| last.offer);
        let own = policy.offer(prices.base_fee, prices.tip, waited, previous, counted);
        let offer = match previous {
            _ if own.max(behind) == own => own,
            Some(previous) if own == previous => {
                let unlimited = FeePolicy {
                    max_fee_budget_wei: u128::MAX,
                    ..policy
                };
                unlimited.replacement(own.max(behind), previous, counted)
            }
            _ => own.max(behind),
        };
        Ok(Offered {
            offer,
            gas,
            is_last: waited >= policy.patience && policy.is_exhausted(offer, counted),
        })
    }

    /// The nonce with a further version.
    pub(super) async fn sign(
        &self,
        nonce: u64,
        block: u64,
        (purpose, call): (Option<Purpose>, &Call),
        offer: Offer,
        gas: u64,
    ) -> Result<Entry> {
        let mut request = call.request(self.address).with_gas_limit(gas).with_nonce(nonce);
        request.chain_id = Some(self.l1.chain_id());
        request.max_fee_per_gas = Some(offer.max_fee);
        request.max_priority_fee_per_gas = Some(offer.max_priority_fee);
        let signed = request.build(&self.wallet).await;
        let signed = signed.map_err(|error| Error::Signer(error.to_string()))?;
        let version = Version {
            purpose,
            hash: *signed.tx_hash(),
            offer,
            gas,
            block,
        };
        let raw = signed.encoded_2718().into();
        Ok(match self.entries.get(&nonce) {
            Some(entry) => {
                let mut entry = entry.clone();
                entry.push(version, raw);
                entry
            }
            None => Entry::new(nonce, version, raw),
        })
    }
}

/// A cancellation may cost what the dearest transaction that it replaces might have: it has a fraction of its gas.
pub(super) fn cancelling(entry: Option<&Entry>) -> FeePolicy {
    let versions = entry.into_iter().flat_map(|entry| &entry.versions);
    let dearest = versions.map(|version| version.offer.cost(version.gas)).max();
    FeePolicy::patient(dearest.map_or(u128::MAX, |cost| cost.saturating_mul(2)))
}
