//! Signs, persists and hands over transactions.

use std::collections::BTreeMap;

use alloy::{
    consensus::BlockHeader as _,
    eips::{Encodable2718 as _, eip1559::BaseFeeParams},
    network::{NetworkTransactionBuilder as _, TransactionBuilder as _},
    providers::Provider as _,
    transports::TransportError,
};
use tracing::{debug, info, warn};

use super::{
    Event, Job, Outbox,
    entry::{Entry, Purpose, State, Version},
    plan::{Plan, can_replace, plan},
    settle::{count, kind},
};
use crate::{
    error::{Error, Result},
    fees::{FeePolicy, Offer},
    inputs::Block,
    metrics,
    sender::{self, Call, MAX_TX_GAS},
};

/// Transactions of one key that are on their way at once: as many as nodes keep of one sender for sure (geth: 16).
pub const MAX_IN_FLIGHT: usize = 16;

/// How often an offer is raised within one tick because something that is not known here stands in its place.
const MAX_RAISES: u32 = 20;

/// What gas costs in the coming block, in wei for a unit.
#[derive(Clone, Copy)]
struct Prices {
    base_fee: u128,
    tip: u128,
}

/// What a nonce shall carry.
struct Bid<'a> {
    purpose: Option<Purpose>,
    call: &'a Call,
    policy: FeePolicy,
}

/// How a node answered a transaction.
enum Answer {
    /// It has it.
    Taken,
    /// The nonce is used: what used it is seen in the next tick.
    TooLate,
    /// Something stands under the nonce that pays too much to be replaced by it.
    Underpriced,
    /// It wants none of it.
    Refused,
}

impl Outbox {
    /// Sends what is wanted and not on its way, raises what waits, cancels what is not wanted any more.
    pub(super) async fn dispatch(&mut self, tip: Block, wanted: &[Job]) -> Result<()> {
        let Plan { mut open, mut fresh } = plan(&self.entries, wanted, self.next);
        ::metrics::gauge!(metrics::OUTBOX).set(f64::from(u32::try_from(open.len()).unwrap_or(u32::MAX)));
        if open.is_empty() && fresh.is_empty() {
            return Ok(());
        }
        let prices = self.prices(tip).await?;
        let affords = |index: usize| {
            let Job { call, policy, .. } = &wanted[index];
            policy.affords(prices.base_fee, call.gas.unwrap_or(MAX_TX_GAS))
        };
        // What cannot pay the base fee now keeps nothing out that can.
        fresh.sort_by_key(|index| !affords(*index));
        let room = MAX_IN_FLIGHT.saturating_sub(open.len());
        for index in fresh
            .split_off(room.min(fresh.len()))
            .into_iter()
            .filter(|index| affords(*index))
        {
            let stuck = open.iter_mut().find(|(nonce, served)| {
                let entry = self.entries.get(*nonce);
                served.is_some_and(|other| !affords(other))
                    && entry.is_some_and(|entry| can_replace(&wanted[index], entry))
            });
            if let Some((_, served)) = stuck {
                *served = Some(index);
            }
        }
        let mut served: BTreeMap<u64, Option<usize>> = open;
        let last = served.keys().next_back().copied();
        let mut free = (self.next..).filter(|nonce| !self.entries.contains_key(nonce));
        for index in fresh {
            served.extend(free.next().map(|nonce| (nonce, Some(index))));
        }
        // A nonce before others that nothing is known of: a reorganisation took back what used it. Nothing behind it moves.
        served.extend(free.take_while(|nonce| Some(*nonce) < last).map(|nonce| (nonce, None)));

        let signed = self.sign_all(tip, prices, wanted, &served).await?;
        // What is not persisted does not leave: a restart would not know of it.
        self.keep(signed.clone())?;
        for nonce in served.keys().copied() {
            let is_new = signed.iter().any(|entry| entry.nonce == nonce);
            if is_new || !self.is_known(nonce).await? {
                self.hand_over(nonce, tip, wanted).await?;
            }
        }
        Ok(())
    }

    async fn prices(&self, tip: Block) -> Result<Prices> {
        let provider = self.l1.provider();
        let block = provider.get_block_by_hash(tip.hash).await?;
        let header = block
            .ok_or_else(|| Error::missing(format!("block {}", tip.hash)))?
            .header;
        Ok(Prices {
            base_fee: header
                .next_block_base_fee(BaseFeeParams::ethereum())
                .unwrap_or_default()
                .into(),
            tip: provider.get_max_priority_fee_per_gas().await?,
        })
    }

    /// The entries that get a new version. From the last nonce to the first, since what stands before another transaction
    /// must pay as much for a unit of gas as that one, whatever its own budget: else it keeps the other out.
    async fn sign_all(
        &mut self,
        tip: Block,
        prices: Prices,
        wanted: &[Job],
        served: &BTreeMap<u64, Option<usize>>,
    ) -> Result<Vec<Entry>> {
        let balance = self.l1.provider().get_balance(self.address).await?;
        let cost = |entry: &Entry| entry.last().map_or(0, |last| last.offer.cost(last.gas));
        let pending = self.entries.values().filter(|entry| entry.state == State::Pending);
        let reserved = pending.map(cost).fold(0, u128::saturating_add);
        let mut funds = balance.saturating_to::<u128>().saturating_sub(reserved);
        let mut behind = Offer::default();
        let mut signed = Vec::new();
        for (&nonce, index) in served.iter().rev() {
            let entry = self.entries.get(&nonce);
            let own = entry.map_or(0, cost);
            let nothing = Call::new(self.address, []).gas(sender::TRANSFER_GAS);
            let mut bid = match index {
                Some(index) => Bid {
                    purpose: Some(wanted[*index].purpose),
                    call: &wanted[*index].call,
                    policy: wanted[*index].policy,
                },
                None => Bid {
                    purpose: None,
                    call: &nothing,
                    policy: cancelling(entry),
                },
            };
            bid.policy.max_fee_budget_wei = bid.policy.max_fee_budget_wei.min(funds.saturating_add(own));
            let Offered { offer, gas, due } = match self.bid(tip, prices, entry, &bid, behind).await {
                Ok(bid) => bid,
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
            let stays = entry.and_then(Entry::last).is_some_and(|last| last.offer == offer);
            let hopeless = entry.is_none() && offer.max_fee < prices.base_fee;
            if hopeless || (stays && due && bid.policy.is_exhausted(offer, gas)) {
                warn!(
                    nonce,
                    purpose = kind(bid.purpose),
                    max_fee = offer.max_fee,
                    "no more can be offered"
                );
                self.events.push(Event::Exhausted {
                    purpose: bid.purpose,
                    offer,
                });
            }
            if hopeless {
                continue;
            }
            behind = behind.max(offer);
            if stays {
                continue;
            }
            funds = funds.saturating_add(own).saturating_sub(offer.cost(gas));
            signed.push(self.sign(nonce, tip.number, &bid, offer, gas).await?);
        }
        signed.reverse();
        Ok(signed)
    }
}

/// What is offered for a nonce now.
struct Offered {
    offer: Offer,
    gas: u64,
    /// Whether it was to be raised, or is new.
    due: bool,
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
        let due = waited >= bid.policy.patience;
        let previous = last.map(|last| last.offer);
        let own = bid.policy.offer(prices.base_fee, prices.tip, waited, previous, gas);
        let offer = match previous {
            _ if own.max(behind) == own => own,
            Some(previous) if own == previous => {
                let unlimited = FeePolicy {
                    max_fee_budget_wei: u128::MAX,
                    ..bid.policy
                };
                unlimited.replacement(own.max(behind), previous, gas)
            }
            _ => own.max(behind),
        };
        Ok(Offered { offer, gas, due })
    }

    /// The nonce with a further version.
    async fn sign(&self, nonce: u64, block: u64, bid: &Bid<'_>, offer: Offer, gas: u64) -> Result<Entry> {
        let mut request = bid.call.request(self.address).with_gas_limit(gas).with_nonce(nonce);
        request.chain_id = Some(self.l1.chain_id());
        request.max_fee_per_gas = Some(offer.max_fee);
        request.max_priority_fee_per_gas = Some(offer.max_priority_fee);
        let signed = request.build(&self.wallet).await;
        let signed = signed.map_err(|error| Error::Signer(error.to_string()))?;
        let version = Version {
            purpose: bid.purpose,
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

    /// Whether the L1 node has the newest version of a nonce.
    async fn is_known(&self, nonce: u64) -> Result<bool> {
        let Some(last) = self.entries.get(&nonce).and_then(Entry::last) else {
            return Ok(true);
        };
        Ok(self.l1.provider().get_transaction_by_hash(last.hash).await?.is_some())
    }

    /// Hands the newest version of a nonce to the L1 node. What stands there unknown to us is outbid, as far as the budget
    /// goes.
    async fn hand_over(&mut self, nonce: u64, tip: Block, wanted: &[Job]) -> Result<()> {
        for _ in 0..MAX_RAISES {
            let Some((entry, last)) = self.entries.get(&nonce).and_then(|entry| Some((entry, entry.last()?))) else {
                return Ok(());
            };
            let Version {
                purpose,
                hash,
                offer,
                gas,
                ..
            } = *last;
            let sent = self.l1.provider().send_raw_transaction(&entry.raw).await;
            let Err(error) = sent else {
                info!(nonce, %hash, purpose = kind(purpose), max_fee = offer.max_fee, tip = offer.max_priority_fee, "sent");
                count(purpose, if entry.versions.len() > 1 { "replaced" } else { "sent" });
                self.events.push(Event::Sent {
                    purpose,
                    nonce,
                    hash,
                    offer,
                });
                return Ok(());
            };
            match answer(&error) {
                None => return Err(error.into()),
                Some(Answer::Taken) => return Ok(()),
                Some(Answer::TooLate) => {
                    debug!(nonce, "the nonce is used");
                    return Ok(());
                }
                Some(Answer::Refused) => {
                    warn!(nonce, %hash, purpose = kind(purpose), %error, "refused by the L1 node");
                    self.events.push(Event::Refused {
                        purpose,
                        error: error.into(),
                    });
                    return Ok(());
                }
                Some(Answer::Underpriced) => {}
            }
            let job = wanted.iter().find(|job| Some(job.purpose) == purpose);
            let policy = job.map_or_else(|| cancelling(Some(entry)), |job| job.policy);
            let next = policy.replacement(offer, offer, gas);
            if next == offer {
                self.events.push(Event::Exhausted { purpose, offer });
                return Ok(());
            }
            let call = entry.call()?;
            let bid = Bid {
                purpose,
                call: &call,
                policy,
            };
            let entry = self.sign(nonce, tip.number, &bid, next, gas).await?;
            self.keep(vec![entry])?;
        }
        Ok(())
    }
}

/// A cancellation may cost what the dearest transaction that it replaces might have: it has a fraction of its gas.
fn cancelling(entry: Option<&Entry>) -> FeePolicy {
    let versions = entry.into_iter().flat_map(|entry| &entry.versions);
    let dearest = versions.map(|version| version.offer.cost(version.gas)).max();
    FeePolicy::patient(dearest.map_or(u128::MAX, |cost| cost.saturating_mul(2)))
}

/// What a node's refusal means; None if it is no answer. Nodes have no codes for these, and each its own words.
fn answer(error: &TransportError) -> Option<Answer> {
    let message = error.as_error_resp()?.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    Some(
        if says(&["already known", "alreadyknown", "already imported", "known transaction"]) {
            Answer::Taken
        } else if says(&["nonce too low", "nonce is too low", "oldnonce"]) {
            Answer::TooLate
        } else if says(&["underpriced", "could not replace", "fee too low", "feetoolow"]) {
            Answer::Underpriced
        } else {
            Answer::Refused
        },
    )
}
