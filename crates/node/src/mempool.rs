//! Signed intents on their way into batches.
//!
//! What is taken is kept before the answer, and waits until it is on L1, is too late, or its nonce is used. What became of it is
//! remembered, over restarts too, and is true whatever the node missed: steps are looked at before anything forgets them, and nothing
//! is over before it is final on L1. Refusals are immediate, and cheap ones come first. Everything is bounded: what is beyond is
//! refused, not queued.

mod admit;
mod carrier;
mod compose;
mod ended;
mod entry;
mod heads;
pub(crate) mod seen;
mod track;
mod witness;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use alloy::primitives::B256;
use metrics::{counter, gauge};
use nthroot_api::{Bundle, IntentId, IntentInfo, IntentStatus, Refusal, Terms, types::Fee};
use nthroot_protocol::{BatchId, FragmentId};
use nthroot_wallet::States as _;
use tracing::{error, warn};

pub use carrier::Carrier;
pub(crate) use compose::Composer;

use entry::{Ended, Entry, Found, Row, State};
use heads::Heads;

use crate::{
    error::Result,
    metrics::{INTAKE, MEMPOOL},
    store::{Change, Store, Table},
    view::View,
};

/// What a mempool may hold, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bundles that wait.
    pub bundles: usize,
    /// Bytes that they have together.
    pub bytes: usize,
    /// Intents of one fragment that wait.
    pub of_fragment: usize,
    /// Intents of the fragments of one anchor that wait: one user can have many of them for little.
    pub of_anchor: usize,
    /// Intents of a bundle.
    pub of_bundle: usize,
    /// How often what waits under one nonce can be replaced.
    pub replacements: u32,
    /// Blocks for which an intent must still be valid when it comes.
    pub validity: u64,
    /// Blocks for which it may be valid: after so many it gives up its place, whatever it is.
    pub longest_validity: u64,
    /// Proof gas of a bundle's step.
    pub step_gas: u64,
    /// Bytes of a bundle's step.
    pub step_bytes: usize,
    /// How many bundles are remembered that are over, and how many that do not happen unless L1 takes something back: the latest.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bundles: 20_000,
            bytes: 64 << 20,
            of_fragment: 16,
            of_anchor: 256,
            of_bundle: 8,
            replacements: 8,
            validity: 4,
            // A day.
            longest_validity: 7_200,
            step_gas: 6_000_000,
            step_bytes: 16 << 10,
            remembered: 100_000,
        }
    }
}

/// Bundles that wait for a batch, and what became of those that came earlier.
pub struct Mempool {
    limits: Limits,
    carrier: Carrier,
    store: Arc<dyn Store>,
    heads: Heads,
    entries: HashMap<IntentId, Entry>,
    /// Those that wait or are on their way, in the order in which they came.
    queue: BTreeMap<u64, IntentId>,
    /// The same by what they use.
    nonces: BTreeMap<(FragmentId, u64), IntentId>,
    /// All that are not over, by each of their signatures.
    marks: BTreeSet<(B256, IntentId)>,
    /// Those that were seen on L1 while nobody had a view of it, until there is one.
    found: Vec<(IntentId, Found)>,
    /// Those that are on L1 and not over.
    included: BTreeMap<BatchId, Vec<IntentId>>,
    /// Those that do not happen, unless L1 takes something back, in the order in which they came to that.
    dropped: BTreeMap<u64, IntentId>,
    /// Those that are over, oldest first.
    over: VecDeque<IntentId>,
    /// Bytes of those in the queue.
    bytes: usize,
    next: u64,
    /// The order of what is dropped or over.
    next_end: u64,
    tip: u64,
    /// The last batch that was [seen](Self::witness) before its steps were forgotten.
    witnessed: BatchId,
    /// What could not be committed yet.
    unkept: Vec<Change>,
}

impl Mempool {
    /// With what a store has kept. Nothing is known of L1 until [`Self::on_view`].
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn open(store: Arc<dyn Store>, limits: Limits, carrier: Carrier) -> Result<Self> {
        let mut mempool = Self {
            limits,
            carrier,
            store,
            heads: Heads::default(),
            entries: HashMap::new(),
            queue: BTreeMap::new(),
            nonces: BTreeMap::new(),
            marks: BTreeSet::new(),
            found: Vec::new(),
            included: BTreeMap::new(),
            dropped: BTreeMap::new(),
            over: VecDeque::new(),
            bytes: 0,
            next: 0,
            next_end: 0,
            tip: 0,
            witnessed: BatchId::default(),
            unkept: Vec::new(),
        };
        mempool.load()?;
        Ok(mempool)
    }

    /// Takes a bundle that could be carried out now, or right after others that wait. When it returns, the bundle outlasts a crash.
    /// One that is known already is not taken again.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub fn accept(&mut self, view: &View, bundle: Bundle) -> Result<IntentId, Refusal> {
        let mut answers = self.accept_all(view, vec![bundle]);
        answers.pop().unwrap_or(Err(Refusal::NotKept))
    }

    /// As [`Self::accept`] for many, which are kept together: that takes no longer than keeping one.
    pub fn accept_all(&mut self, view: &View, bundles: Vec<Bundle>) -> Vec<Result<IntentId, Refusal>> {
        let mut changes = Vec::new();
        let take = |bundle| self.take(view, bundle, &mut changes);
        let mut answers: Vec<Result<IntentId, Refusal>> = bundles.into_iter().map(take).collect();
        if !changes.is_empty() && !self.keep(changes) {
            // As if they had not come: those that they replaced wait again.
            self.reload(view);
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(Refusal::NotKept);
            }
        }
        for answer in &answers {
            let outcome = answer.as_ref().map_or_else(Refusal::kind, |_| "accepted");
            counter!(INTAKE, "outcome" => outcome).increment(1);
        }
        gauge!(MEMPOOL).set(f64::from(u32::try_from(self.queue.len()).unwrap_or(u32::MAX)));
        answers
    }

    /// What this node asks for carrying intents.
    pub fn terms(&self) -> Terms {
        let Limits {
            of_bundle,
            validity,
            longest_validity,
            bundles,
            ..
        } = self.limits;
        let fee = self.carrier.fee.clone().map(|amount| Fee {
            amount,
            to: self.carrier.tills.clone(),
        });
        Terms {
            proposer: self.carrier.proposer(),
            fee,
            least_validity: validity,
            longest_validity,
            bundle_limit: of_bundle,
            waiting: self.queue.len(),
            capacity: bundles,
        }
    }

    /// What became of a bundle. None if it never came, or is over and forgotten.
    pub fn status(&self, view: &View, id: IntentId) -> Option<IntentInfo> {
        let entry = self.entries.get(&id)?;
        let status = match &entry.state {
            State::Waiting => IntentStatus::Waiting {
                blocks: self.wait_of(entry, view),
            },
            State::Posted(transaction) => IntentStatus::Posted {
                transaction: *transaction,
            },
            State::Included { batch, step } if view.ledger.is_final(*batch) => IntentStatus::Final {
                batch: *batch,
                step: *step,
            },
            State::Included { batch, step } => IntentStatus::Included {
                batch: *batch,
                step: *step,
                block: track::block_of(view, *batch),
                final_at: view.ledger.final_at(*batch),
            },
            State::Dropped => IntentStatus::Dropped {
                reason: entry.dropped.clone()?,
                settled: false,
            },
            State::Over(status) => status.clone(),
        };
        Some(IntentInfo {
            id,
            status,
            as_of: view.tip.number,
        })
    }

    /// The nonce of a fragment's next intent, behind those that wait. None if its state is not known.
    pub fn next_nonce(&self, view: &View, fragment: FragmentId) -> Option<u64> {
        let state = view.ledger.fragment(fragment)?;
        Some(self.behind(fragment, state.nonce))
    }

    /// How many bundles wait, or are on their way.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits, or is on its way.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// About what they take in memory, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whoever carries them.
    pub const fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Those that wait or are on their way and could be in a batch at the tip, oldest first.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (IntentId, &Bundle)> {
        let entries = self.queue.values().filter_map(|id| Some((*id, self.entries.get(id)?)));
        let ready = entries.filter(|(_, entry)| entry.retry_at <= self.tip && !entry.is_late(self.tip));
        ready.filter_map(|(id, entry)| Some((id, entry.bundle.as_deref()?)))
    }

    /// An empty batch at the tip of a view, whose steps use only the rules that `used` names.
    pub(crate) fn compose<'a>(
        &'a self,
        view: &'a View,
        slot: u16,
        used: impl Fn(alloy::primitives::Address) -> bool,
    ) -> Composer<'a> {
        Composer::new(view, &self.heads, &self.carrier, slot, used)
    }

    /// About how many blocks a bundle has to wait. None if that depends on others.
    fn wait_of(&self, entry: &Entry, view: &View) -> Option<u64> {
        /// About what a batch has room for.
        const BATCH: usize = 256;
        let intents = &entry.bundle.as_deref()?.0;
        if intents.iter().any(|signed| signed.rule == view.book.swap) || entry.fails > 0 || entry.is_late(self.tip) {
            return None;
        }
        let ahead = self.queue.range(..entry.number).count() / BATCH;
        u64::try_from(ahead + 1).ok()
    }

    /// Commits changes, after those that could not be committed before. Returns whether that worked.
    fn keep(&mut self, changes: Vec<Change>) -> bool {
        let earlier = self.unkept.len();
        self.unkept.extend(changes);
        if self.unkept.is_empty() {
            return true;
        }
        let kept = self.store.commit(&self.unkept);
        if let Err(error) = &kept {
            error!(%error, "intents cannot be kept");
        }
        self.unkept.truncate(if kept.is_ok() { 0 } else { earlier });
        kept.is_ok()
    }

    /// As [`Self::keep`], but what cannot be committed is tried again: it happened, whether or not it is kept.
    fn keep_at_last(&mut self, changes: Vec<Change>) -> bool {
        self.unkept.extend(changes);
        self.keep(Vec::new())
    }

    /// Forgets all that is not kept, but for what was seen on L1.
    fn reload(&mut self, view: &View) {
        match Self::open(Arc::clone(&self.store), self.limits, self.carrier.clone()) {
            Ok(mut kept) => {
                let seen = self.entries.iter().filter_map(|(id, entry)| Some((*id, entry.found?)));
                kept.found.extend(seen.chain(std::mem::take(&mut self.found)));
                kept.unkept = std::mem::take(&mut self.unkept);
                kept.witnessed = self.witnessed;
                *self = kept;
                self.on_view(view);
            }
            Err(error) => error!(%error, "the intents that were kept cannot be read"),
        }
    }

    fn load(&mut self) -> Result<()> {
        let mut rows = Vec::new();
        self.store.scan(Table::Intents, &mut |key, value| {
            match Row::decode(value) {
                Some(row) => rows.push(row),
                None => warn!(id = %alloy::primitives::hex::encode(key), "an intent that was kept cannot be read"),
            }
            Ok(())
        })?;
        let mut ended = Vec::new();
        self.store.scan(Table::Ended, &mut |key, value| {
            ended.extend(IntentId::try_from(key).ok().zip(Ended::decode(value)));
            Ok(())
        })?;
        ended.sort_unstable_by_key(|(_, ended)| ended.order);
        for (id, Ended { order, status }) in ended {
            self.next_end = order + 1;
            self.entries.insert(id, Entry::over(status));
            self.over.push_back(id);
        }
        rows.sort_unstable_by_key(|row| row.number);
        for row in rows {
            self.next = self.next.max(row.number + 1);
            let id = row.bundle.id();
            self.found.extend(row.found.map(|found| (id, found)));
            let is_dropped = row.dropped.is_some();
            self.insert(id, Entry::of(row));
            if is_dropped {
                self.lay_aside(id);
            } else {
                self.enqueue(id);
            }
        }
        Ok(())
    }

    /// Takes an entry up, so that it is found on L1.
    fn insert(&mut self, id: IntentId, entry: Entry) {
        self.marks.extend(entry.marks.iter().map(|mark| (*mark, id)));
        self.entries.insert(id, entry);
    }

    /// Puts an entry into the queue, as waiting.
    fn enqueue(&mut self, id: IntentId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.state = State::Waiting;
        self.queue.insert(entry.number, id);
        self.bytes += entry.bytes;
        for place in &entry.places {
            self.nonces.insert(*place, id);
        }
    }

    /// Takes an entry out of the queue.
    fn dequeue(&mut self, id: IntentId) {
        let Some(entry) = self.entries.get(&id) else { return };
        // What was replaced has the number of what replaced it.
        if self.queue.get(&entry.number) != Some(&id) {
            return;
        }
        self.queue.remove(&entry.number);
        self.bytes -= entry.bytes;
        for place in &entry.places {
            if self.nonces.get(place) == Some(&id) {
                self.nonces.remove(place);
            }
        }
    }
}
