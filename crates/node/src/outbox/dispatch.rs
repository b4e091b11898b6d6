//! Decides what each nonce serves, and hands transactions over.

use std::collections::BTreeMap;

use alloy::{
    consensus::BlockHeader as _, eips::eip1559::BaseFeeParams, providers::Provider as _, transports::TransportError,
};
use tracing::{debug, info, warn};

use super::{
    Event, Job, Outbox,
    entry::{Entry, Version, counted},
    plan::{Plan, can_replace, plan},
    settle::{count, kind},
    sign::{Prices, cancelling},
};
use crate::{
    error::{Error, Result},
    inputs::Block,
    metrics,
};

/// Transactions of one key that are on their way at once: as many as nodes keep of one sender for sure (geth: 16).
pub const MAX_IN_FLIGHT: usize = 16;

/// How often at one block an offer is raised because something that is not known here stands in its place. More, and two
/// processes with one key would drive each other to the ends of their budgets before a block is over.
const RAISES_AT_BLOCK: u32 = 2;

/// How a node answered a transaction.
enum Answer {
    /// It has it.
    Taken,
    /// The nonce is used: what used it is seen in the next tick.
    TooLate,
    /// Something stands under the nonce that pays too much to be replaced by it.
    Outbid,
    /// It offers less than the node's least.
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
            let job: &Job = &wanted[index];
            job.policy.affords(prices.base_fee, job.counted())
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
        let signed = self.keep(signed)?;
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
        loop {
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
                Some(Answer::Outbid) => {
                    warn!(nonce, %hash, purpose = kind(purpose), "something that this node did not send stands in its place");
                    self.events.push(Event::Contested { purpose, nonce });
                }
                Some(Answer::Underpriced) => {}
            }
            if !self.may_raise(nonce, tip) {
                return Ok(());
            }
            let Some(entry) = self.entries.get(&nonce) else {
                return Ok(());
            };
            let job = wanted.iter().find(|job| Some(job.purpose) == purpose);
            let policy = job.map_or_else(|| cancelling(Some(entry)), |job| job.policy);
            let next = policy.replacement(offer, offer, counted(job.and_then(|job| job.uses), gas));
            if next == offer {
                self.events.push(Event::Exhausted { purpose, offer });
                return Ok(());
            }
            let call = entry.call()?;
            let entry = self.sign(nonce, tip.number, (purpose, &call), next, gas).await?;
            if self.keep(vec![entry])?.is_empty() {
                return Ok(());
            }
        }
    }

    /// Counts a raise that the L1 node asks for. False if there were enough of them at this block.
    fn may_raise(&mut self, nonce: u64, tip: Block) -> bool {
        self.outbid.retain(|_, (block, _)| *block == tip.number);
        let (_, raises) = self.outbid.entry(nonce).or_insert((tip.number, 0));
        *raises += 1;
        *raises <= RAISES_AT_BLOCK
    }
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
        } else if says(&["replace"]) {
            Answer::Outbid
        } else if says(&["underpriced", "fee too low", "feetoolow"]) {
            Answer::Underpriced
        } else {
            Answer::Refused
        },
    )
}
