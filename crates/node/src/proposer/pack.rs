//! A batch of the bundles that wait: on verified heads, as full as it may be, judged before it leaves.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::{Address, B256, keccak256};
use nthroot_api::{Bundle, IntentId, Refusal};
use nthroot_model::ledger::Judgement;
use nthroot_protocol::{Batch, FragmentId};
use tracing::{debug, error};

use super::{
    room::{Load, NoRoom, Room, gas_of},
    swaps,
    sweep::{self, Sweep},
};
use crate::{
    mempool::{Composer, Mempool},
    view::View,
};

/// How many bundles are tried that find no room, until a batch counts as full.
const MOST_TOO_MUCH: usize = 32;

/// A batch, and which bundles it carries.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The batch.
    pub batch: Batch,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The bundles of each step: several of one that brings intents to swap together, none of the proposer's own.
    pub steps: Vec<Vec<IntentId>>,
    /// What it locks, in gwei.
    pub lock: u64,
    /// Gas that suffices for its transaction.
    pub gas: u64,
}

impl Packed {
    /// All bundles that it carries.
    pub fn bundles(&self) -> Vec<IntentId> {
        self.steps.iter().flatten().copied().collect()
    }

    /// What it is called: the keccak of its bytes.
    pub fn hash(&self) -> B256 {
        keccak256(&self.bytes)
    }
}

/// What came of packing.
#[derive(Debug, Default)]
pub struct Packing {
    /// The batch, if there is one.
    pub packed: Option<Packed>,
    /// Bundles that could not be carried out on the present heads.
    pub failed: Vec<(IntentId, Refusal)>,
}

/// A batch of what waits, for the block after the tip. The oldest come first; one that fails, or has no room, does not hold up
/// those that do not depend on it.
pub fn pack(mempool: &Mempool, view: &View, room: &Room, sweep: Option<&Sweep>) -> Packing {
    let proposer = mempool.carrier().proposer();
    let Some(slot) = view.ledger.free_slot(proposer) else {
        error!(%proposer, "no word slot is free");
        return Packing::default();
    };
    let room = Room {
        lock: room.lock.min(view.ledger.free_bond(proposer)),
        ..*room
    };
    let candidates: Vec<(IntentId, &Bundle)> = mempool.candidates().collect();
    let uses = |rule: Address| {
        candidates
            .iter()
            .any(|(_, bundle)| bundle.0.iter().any(|signed| signed.rule == rule))
    };
    let mut packer = Packer {
        view,
        room,
        composer: mempool.compose(view, slot, uses),
        load: Load::new(view.book.table().len()),
        steps: Vec::new(),
        failed: Vec::new(),
    };
    let is_swap = |bundle: &Bundle| bundle.0.iter().any(|signed| signed.rule == view.book.swap);
    let (swappers, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|(_, bundle)| is_swap(bundle));
    let dear = packer.take_all(others, false);
    swaps::fill(&mut packer, &swappers);
    packer.take_all(dear, true);
    let swept = sweep.filter(|_| !packer.steps.is_empty());
    if let Some(sweep) = swept {
        sweep::add(&mut packer, sweep);
    }
    let packing = packer.finish(proposer);
    if swept.is_some() && packing.packed.is_none() {
        // Should it be the own step that spoils it, the others go without.
        return pack(mempool, view, &room, None);
    }
    packing
}

/// A batch that is being filled.
pub(super) struct Packer<'a> {
    pub(super) view: &'a View,
    room: Room,
    pub(super) composer: Composer<'a>,
    load: Load,
    steps: Vec<Vec<IntentId>>,
    failed: Vec<(IntentId, Refusal)>,
}

impl<'a> Packer<'a> {
    /// Takes what can be taken. Returns what is dear, unless `dear` says that it is taken too: but the oldest is always.
    fn take_all(&mut self, bundles: Vec<(IntentId, &'a Bundle)>, dear: bool) -> Vec<(IntentId, &'a Bundle)> {
        let oldest = bundles.first().map(|(id, _)| *id);
        let mut left = Vec::new();
        // Those that wait for the nonce of a fragment to come up to theirs.
        let mut blocked: BTreeMap<(FragmentId, u64), Vec<(IntentId, &'a Bundle)>> = BTreeMap::new();
        let mut next = VecDeque::from(bundles);
        let mut too_much = 0;
        while let Some((id, bundle)) = next.pop_front().filter(|_| too_much < MOST_TOO_MUCH) {
            match self.take(id, bundle, dear || oldest == Some(id)) {
                Ok(()) => {
                    for signed in &bundle.0 {
                        let waiting = blocked.remove(&(signed.fragment, signed.nonce + 1));
                        waiting
                            .into_iter()
                            .flatten()
                            .rev()
                            .for_each(|bundle| next.push_front(bundle));
                    }
                }
                Err(Left::Full) => too_much += 1,
                Err(Left::Dear) => left.push((id, bundle)),
                Err(Left::Failed(Refusal::NonceGap { fragment, nonce, .. })) => {
                    blocked.entry((fragment, nonce)).or_default().push((id, bundle));
                }
                Err(Left::Failed(reason)) => {
                    debug!(%id, %reason, "left out");
                    self.failed.push((id, reason));
                }
            }
        }
        // What waits for a dear one comes after it.
        left.extend(blocked.into_values().flatten());
        left
    }

    fn take(&mut self, id: IntentId, bundle: &Bundle, dear: bool) -> Result<(), Left> {
        let ready = self.composer.evaluate(&bundle.0)?;
        self.add(ready, vec![id], dear)
    }

    /// Adds a step that was evaluated, if there is room for it.
    pub(super) fn add(
        &mut self,
        ready: nthroot_model::builder::ReadyStep,
        bundles: Vec<IntentId>,
        dear: bool,
    ) -> Result<(), Left> {
        self.load = self.load.with(&ready, &self.room, self.view.ledger.params(), dear)?;
        self.composer.builder.add(ready);
        self.steps.push(bundles);
        Ok(())
    }

    /// The batch at its lowest ceiling, if every step of it is valid by the model: it is the proposer's bond that answers for it.
    fn finish(mut self, proposer: Address) -> Packing {
        let mut packing = Packing {
            packed: None,
            failed: self.failed,
        };
        if self.steps.is_empty() {
            return packing;
        }
        let ceiling = self.composer.builder.proof_gas().into_iter().max().unwrap_or_default();
        self.composer
            .builder
            .set_ceiling(u32::try_from(ceiling).unwrap_or(u32::MAX));
        let lock = self.composer.builder.lock();
        let batch = match self.composer.builder.build() {
            Ok(batch) => batch,
            Err(error) => {
                error!(%error, "no batch");
                return packing;
            }
        };
        let packed = Packed {
            bytes: batch.encode(),
            gas: gas_of(&batch),
            batch,
            steps: self.steps,
            lock,
        };
        match look(&packed, self.view, proposer) {
            Ok(()) => packing.packed = Some(packed),
            Err(bad) => {
                error!(%bad, "a batch is not what it should be, and is not posted");
                packing.failed.extend(bad.bundles(&packed));
            }
        }
        packing
    }
}

/// Whether L1 would accept a batch in the next block and apply all of its steps, and each of them is valid.
pub(super) fn is_good(packed: &Packed, view: &View, proposer: Address) -> bool {
    look(packed, view, proposer)
        .inspect_err(|bad| debug!(%bad, "a batch would not do"))
        .is_ok()
}

/// What is wrong with a batch.
#[derive(Debug, thiserror::Error)]
enum Bad {
    /// It would be refused, or nobody can say.
    #[error("{0}")]
    Batch(String),
    /// These steps are not valid.
    #[error("steps {0:?} are not valid")]
    Steps(Vec<usize>),
}

impl Bad {
    /// The bundles to be left out of the next batch, so that it is another one: those of the steps, or else the later half of all.
    /// Like this whatever it is that spoils batches is by itself before long, and the others go on.
    fn bundles(&self, packed: &Packed) -> Vec<(IntentId, Refusal)> {
        let all = 0..packed.steps.len();
        let steps: Vec<usize> = match self {
            Self::Batch(_) => all.skip(packed.steps.len() / 2).collect(),
            Self::Steps(steps) => steps.clone(),
        };
        let what = self.to_string();
        let bundles = steps.iter().filter_map(|step| packed.steps.get(*step)).flatten();
        bundles
            .map(|id| (*id, Refusal::Invalid { what: what.clone() }))
            .collect()
    }
}

fn look(packed: &Packed, view: &View, proposer: Address) -> Result<(), Bad> {
    let mut ledger = view.ledger.clone();
    let bad = |error: &dyn std::error::Error| Bad::Batch(error.to_string());
    ledger
        .begin_block(view.tip.number + 1, B256::ZERO)
        .map_err(|error| bad(&error))?;
    let submitted = ledger.submit(proposer, &packed.bytes).map_err(|error| bad(&error))?;
    let judgements = ledger.judgement(submitted.id).map_err(|error| bad(&error))?;
    let wrong = judgements
        .iter()
        .enumerate()
        .filter(|(_, judgement)| ***judgement != Judgement::Valid);
    let wrong: Vec<usize> = wrong.map(|(step, _)| step).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Bad::Steps(wrong))
    }
}

/// Why a bundle is not in a batch.
#[derive(Debug)]
pub(super) enum Left {
    /// It cannot be carried out on the present heads.
    Failed(Refusal),
    /// There is no room.
    Full,
    /// Its proof is dear.
    Dear,
}

impl From<Refusal> for Left {
    fn from(reason: Refusal) -> Self {
        Self::Failed(reason)
    }
}

impl From<NoRoom> for Left {
    fn from(reason: NoRoom) -> Self {
        match reason {
            NoRoom::Full => Self::Full,
            NoRoom::Dear => Self::Dear,
        }
    }
}
