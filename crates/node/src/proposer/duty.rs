//! What a proposer wants to be on L1, block by block: one batch of what waits, and bond enough for the next ones.

use alloy::{
    primitives::{U256, keccak256},
    sol_types::SolCall as _,
};
use metrics::{counter, gauge};
use nthroot_bindings::Bridge;
use nthroot_model::{ledger::Judgement, params::GWEI};
use nthroot_protocol::{AssetId, BatchId};
use nthroot_wallet::States as _;
use tracing::{debug, info, warn};

use super::{
    pack::{Packed, is_good, pack},
    room::Room,
    sweep::Sweep,
};
use crate::{
    fees::FeePolicy,
    mempool::{Mempool, seen::Seen},
    metrics::{BATCHES, BOND_FREE, BOND_LOCKED, STEPS_POSTED},
    outbox::{Event, Job, Purpose},
    sender::Call,
    view::View,
};

/// When a bond is topped up from its key's ether, in gwei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUp {
    /// When less than this is free.
    pub below: u64,
    /// As far as this is free.
    pub target: u64,
    /// What the whole bond may be at most.
    pub most: u64,
    /// What stays with the key for gas.
    pub floor: u64,
}

/// How a proposer carries what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a batch may take.
    pub room: Room,
    /// What its transaction may cost.
    pub fees: FeePolicy,
    /// When the bond is topped up, if it is.
    pub top_up: Option<TopUp>,
    /// When tills are swept, if they are.
    pub sweep: Option<Sweep>,
    /// Free bond below which somebody should look, in gwei.
    pub low: u64,
}

/// How the proposer's bond is, in gwei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bond {
    /// What is free.
    pub free: u64,
    /// What batches lock.
    pub locked: u64,
    /// Whether less is free than there should be.
    pub is_low: bool,
}

/// A proposer of what waits in a mempool. It posts nothing itself: it says what is wanted of the outbox of its key.
pub struct Carrying {
    policy: Policy,
    /// The batch that is wanted on L1.
    wanted: Option<Packed>,
    /// The batches that were counted if they are its own.
    counted: Seen,
    /// A batch of its own that is not valid. What made one makes more, and each costs its lock: nothing is posted any more.
    wrong: Option<BatchId>,
}

impl Carrying {
    /// One that has posted nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            wanted: None,
            counted: Seen::default(),
            wrong: None,
        }
    }

    /// What is wanted on L1 now: at most one batch, on the heads of the view, and at most one funding of the bond. `ether`: wei that
    /// the key has. The mempool must have taken up the view.
    pub fn duties(&mut self, mempool: &mut Mempool, view: &View, ether: U256) -> Vec<Job> {
        if !view.synced {
            return Vec::new();
        }
        self.count(mempool, view);
        if let Some(id) = self.wrong {
            tracing::error!(%id, "a batch of this proposer is not valid, so it posts no more: find out why, and restart it when that batch is unwound");
            self.wanted = None;
            mempool.clear_posted();
            return Vec::new();
        }
        let mut jobs = Vec::new();
        self.choose(mempool, view);
        if let Some(packed) = &self.wanted {
            let submit = Bridge::submitCall {
                batch: packed.bytes.clone().into(),
            };
            jobs.push(Job {
                purpose: Purpose::Submit(packed.hash()),
                // Not the node's estimate: it would be one on top of the version that this one replaces.
                call: Call::new(view.deployment.bridge, submit.abi_encode()).gas(packed.gas),
                policy: self.policy.fees,
                uses: None,
            });
        } else {
            mempool.clear_posted();
        }
        jobs.extend(self.top_up(mempool, view, ether));
        jobs
    }

    /// The batch that is wanted.
    pub const fn wanted(&self) -> Option<&Packed> {
        self.wanted.as_ref()
    }

    /// Takes up what the outbox did.
    pub fn on_events(&mut self, mempool: &mut Mempool, events: &[Event]) {
        for event in events {
            let is_wanted = |purpose: &Option<Purpose>| match (purpose, &self.wanted) {
                (Some(Purpose::Submit(hash)), Some(packed)) => *hash == packed.hash(),
                _ => false,
            };
            match event {
                Event::Sent { purpose, hash, .. } if is_wanted(purpose) => {
                    let bundles = self.wanted.as_ref().map(Packed::bundles);
                    mempool.set_posted(&bundles.unwrap_or_default(), *hash);
                }
                Event::Refused { purpose, error } if is_wanted(purpose) => {
                    warn!(%error, "a batch is not taken, the next one is built anew");
                    mempool.clear_posted();
                    self.wanted = None;
                }
                _ => {}
            }
        }
    }

    /// The bond, as figures show it.
    pub fn bond(&self, mempool: &Mempool, view: &View) -> Bond {
        let proposer = mempool.carrier().proposer();
        let free = view.ledger.free_bond(proposer);
        let locked = view.ledger.bond(proposer).balance.saturating_sub(free);
        Bond {
            free,
            locked,
            is_low: free < self.policy.low,
        }
    }

    /// What the tills hold of an asset together.
    pub fn earned(&self, mempool: &Mempool, view: &View, asset: AssetId) -> u128 {
        let tills = mempool.carrier().tills.iter();
        let held = tills.map(|till| view.ledger.fragment(*till).map_or(0, |till| till.balance(asset)));
        held.fold(0, u128::saturating_add)
    }

    /// Packs anew. The batch on its way stays what it is if it would carry the same: a change of it costs a higher fee.
    fn choose(&mut self, mempool: &mut Mempool, view: &View) {
        let packing = pack(mempool, view, &self.policy.room, self.policy.sweep.as_ref());
        for (id, reason) in packing.failed {
            debug!(%id, %reason, "it waits");
            mempool.postpone(id);
        }
        let proposer = mempool.carrier().proposer();
        let stays = match (&self.wanted, &packing.packed) {
            (Some(old), Some(new)) => old.steps == new.steps && is_good(old, view, proposer),
            _ => false,
        };
        if stays {
            return;
        }
        if let Some(packed) = &packing.packed {
            let (steps, bytes, ceiling) = (packed.steps.len(), packed.bytes.len(), packed.batch.header.ceiling);
            info!(steps, bytes, ceiling, lock = packed.lock, gas = packed.gas, "packed");
        }
        self.wanted = packing.packed;
    }

    /// Counts the own batches that L1 has.
    fn count(&mut self, mempool: &Mempool, view: &View) {
        let proposer = mempool.carrier().proposer();
        let bond = self.bond(mempool, view);
        gauge!(BOND_FREE).set(bond.free as f64);
        gauge!(BOND_LOCKED).set(bond.locked as f64);
        if bond.is_low {
            warn!(
                free = bond.free,
                low = self.policy.low,
                "the proposer's free bond is low"
            );
        }
        // What a reorganisation took back and brought again is counted again, as it is looked at again.
        for id in self.counted.update(view).new {
            let of_own = view
                .ledger
                .preimage(id)
                .is_ok_and(|preimage| preimage.proposer == proposer);
            if !of_own {
                continue;
            }
            counter!(BATCHES).increment(1);
            for (step, judgement) in view.ledger.steps(id).unwrap_or_default() {
                if matches!(judgement, Judgement::Lie(_) | Judgement::Unjudged(_)) {
                    tracing::error!(%id, ?judgement, "a batch of this proposer is not valid");
                    self.wrong = Some(id);
                }
                let outcome = if step.is_some() { "applied" } else { "skipped" };
                counter!(STEPS_POSTED, "outcome" => outcome).increment(1);
            }
        }
    }

    /// Adds to the bond what it lacks, as far as key and limits allow. It is named by what the bond is now, so that it happens once.
    fn top_up(&self, mempool: &Mempool, view: &View, ether: U256) -> Option<Job> {
        let policy = self.policy.top_up?;
        let proposer = mempool.carrier().proposer();
        let free = view.ledger.free_bond(proposer);
        let balance = view.ledger.bond(proposer).balance;
        if free >= policy.below {
            return None;
        }
        let own: u64 = (ether / U256::from(GWEI)).saturating_to();
        let amount = policy.target.saturating_sub(free);
        let amount = amount
            .min(policy.most.saturating_sub(balance))
            .min(own.saturating_sub(policy.floor));
        if amount == 0 {
            warn!(free, own, "the bond cannot be topped up");
            return None;
        }
        let fund = Bridge::fundBondCall { proposer };
        let name = [b"nthroot.top-up".as_slice(), &balance.to_be_bytes()].concat();
        let value = U256::from(amount) * U256::from(GWEI);
        Some(Job {
            purpose: Purpose::Other(keccak256(name)),
            call: Call::new(view.deployment.bridge, fund.abi_encode()).value(value),
            policy: self.policy.fees,
            uses: None,
        })
    }
}
