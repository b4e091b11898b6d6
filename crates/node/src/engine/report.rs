//! What the engine tells of itself: condition, figures, log, alerts.

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::{Address, U256};
use metrics::{counter, gauge, histogram};
use nthroot_model::ledger::Judgement;
use nthroot_protocol::BatchId;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::{
    config::{Config, Wei},
    error::Error,
    follower::News,
    inputs::What,
    metrics::{BALANCE, FINALISED, HALTED, L1_ERRORS, REORG_DEPTH, REORGS, STEPS, SYNCED, TIP},
    outbox::{Event, Purpose},
    proposer::Bond,
    revert::Revert,
    server::Condition,
    view::View,
};

pub(super) struct Report {
    condition: watch::Sender<Condition>,
    /// Wei below which a key is poor, by what it is for.
    floors: [(&'static str, Wei); 2],
    /// Of what somebody was told, until it is over.
    told: BTreeSet<&'static str>,
}

impl Report {
    pub(super) fn new(condition: watch::Sender<Condition>, config: &Config) -> Self {
        gauge!(HALTED).set(0);
        gauge!(SYNCED).set(0);
        Self {
            condition,
            floors: [
                ("watcher", config.watcher.balance_floor),
                ("proposer", config.proposer.balance_floor),
            ],
            told: BTreeSet::new(),
        }
    }

    /// A turn was made.
    pub(super) fn works(&mut self) {
        self.condition.send_if_modified(|condition| {
            let failed = condition.l1.take();
            if failed.is_some() {
                info!("L1 answers again");
            }
            failed.is_some()
        });
    }

    /// A turn failed, and is made again after a pause.
    pub(super) fn fails(&mut self, error: &Error, pause: Duration) {
        counter!(L1_ERRORS).increment(1);
        warn!(%error, pause_ms = pause.as_millis(), "trying again");
        self.condition
            .send_modify(|condition| condition.l1 = Some(error.to_string()));
    }

    /// The node acts no more.
    pub(super) fn halts(&mut self, error: &Error) {
        gauge!(HALTED).set(1);
        gauge!(SYNCED).set(0);
        self.condition.send_modify(|condition| {
            condition.synced = false;
            condition.halted = Some(error.to_string());
        });
    }

    /// The follower is further.
    pub(super) fn news(&mut self, news: &News, view: &View) {
        let synced = view.synced;
        self.condition.send_if_modified(|condition| {
            let changed = condition.synced != synced;
            condition.synced = synced;
            changed
        });
        gauge!(TIP).set(figure(view.tip.number));
        gauge!(FINALISED).set(figure(view.finalised));
        gauge!(SYNCED).set(u8::from(synced));
        if news.rolled_back > 0 {
            counter!(REORGS).increment(1);
            histogram!(REORG_DEPTH).record(figure(news.rolled_back));
            warn!(blocks = news.rolled_back, block = view.tip.number, "L1 was reorganised");
        }
        for input in &news.inputs {
            if let What::Submitted { id, proposer, .. } = &input.what {
                self.batch(view, *id, *proposer, input.block);
            }
        }
    }

    /// What a batch was found to be.
    fn batch(&mut self, view: &View, id: BatchId, proposer: Address, block: u64) {
        let Ok(judgements) = view.ledger.judgement(id) else {
            return;
        };
        for judgement in &judgements {
            let verdict = match judgement {
                Judgement::Valid => "valid",
                Judgement::Skipped(_) => "skipped",
                Judgement::Lie(_) => "lie",
                Judgement::Unjudged(_) => "unjudged",
            };
            counter!(STEPS, "verdict" => verdict).increment(1);
        }
        debug!(%id, block, %proposer, steps = judgements.len(), "a batch");
    }

    /// What a key has.
    pub(super) fn balance(&mut self, of: &'static str, address: Address, wei: U256) {
        gauge!(BALANCE, "of" => of).set(gwei(wei));
        let floor = self
            .floors
            .iter()
            .find(|(name, _)| *name == of)
            .map_or(Wei(0), |(_, floor)| *floor);
        if wei >= U256::from(floor.0) {
            self.told.remove(of);
        } else if self.told.insert(of) {
            let balance = Wei(wei.saturating_to());
            warn!(of, %address, %balance, %floor, "the key has little ether");
        }
    }

    /// The proposer's bond.
    pub(super) fn bond(&mut self, bond: Bond) {
        if !bond.is_low {
            self.told.remove("bond");
        } else if self.told.insert("bond") {
            warn!(free_gwei = bond.free, locked_gwei = bond.locked, "the bond is low");
        }
    }

    /// What L1 refuses although nobody else did it.
    pub(super) fn refused(&mut self, refused: &[(Purpose, Revert)]) {
        for (purpose, revert) in refused {
            error!(?purpose, %revert, "L1 refuses what must be done");
        }
    }

    /// What became of transactions, beyond what the outbox logs.
    pub(super) fn transactions(&mut self, of: &'static str, events: &[Event]) {
        for event in events {
            match event {
                Event::Taken { nonce, block, .. } => error!(of, nonce, block, "something else sends with this key"),
                Event::Exhausted { purpose, offer } => {
                    let max_fee = offer.max_fee;
                    error!(
                        of,
                        purpose = name(*purpose),
                        max_fee,
                        "neither budget nor balance allow more"
                    );
                }
                Event::Sent { .. }
                | Event::Included { .. }
                | Event::Failed { .. }
                | Event::Unmined { .. }
                | Event::Refused { .. } => {}
            }
        }
    }
}

fn name(purpose: Option<Purpose>) -> &'static str {
    purpose.map_or("cancel", Purpose::kind)
}

/// As metrics take it: exact below 2^53.
fn figure(number: u64) -> f64 {
    number.to_string().parse().unwrap_or(f64::MAX)
}

fn gwei(wei: U256) -> f64 {
    (wei / U256::from(1_000_000_000_u64))
        .to_string()
        .parse()
        .unwrap_or(f64::MAX)
}
