//! Signed intents on their way into batches.
//!
//! What is taken is kept before the answer, and waits until it is on L1, is too late, or its nonce is used. Refusals are immediate,
//! and cheap ones come first. Everything is bounded: what is beyond is refused, not queued.

mod admit;
mod carrier;
mod compose;
mod entry;
mod heads;
mod track;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
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

use entry::{Entry, Found, Row, State};
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
    /// Intents of a bundle.
    pub of_bundle: usize,
    /// How often what waits under one nonce can be replaced.
    pub replacements: u32,
    /// Blocks for which an intent must still be valid when it comes.
    pub validity: u64,
    /// Proof gas of a bundle's step.
    pub step_gas: u64,
    /// Bytes of a bundle's step.
    pub step_bytes: usize,
    /// How many bundles that are over are remembered.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bundles: 20_000,
            bytes: 64 << 20,
            of_fragment: 16,
            of_bundle: 8,
            replacements: 8,
            validity: 4,
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
    /// The same by the first signature.
    signatures: HashMap<B256, IntentId>,
    /// Those that a store says are on L1, until that was looked up.
    found: Vec<(IntentId, Found)>,
    /// Those that are on L1 and not final.
    included: BTreeMap<BatchId, Vec<IntentId>>,
    /// Those that are over, oldest first.
    over: VecDeque<IntentId>,
    /// Bytes of those in the queue.
    bytes: usize,
    next: u64,
    tip: u64,
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
            signatures: HashMap::new(),
            found: Vec::new(),
            included: BTreeMap::new(),
            over: VecDeque::new(),
            bytes: 0,
            next: 0,
            tip: 0,
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
        if !changes.is_empty() && !self.keep(&changes) {
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
            State::Included { batch, step } => IntentStatus::Included {
                batch: *batch,
                step: *step,
                block: view
                    .ledger
                    .params()
                    .deployment_block
                    .saturating_add(batch.block_offset()),
                final_at: view.ledger.final_at(*batch),
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

    /// Commits changes. Returns whether that worked.
    fn keep(&self, changes: &[Change]) -> bool {
        let kept = self.store.commit(changes);
        if let Err(error) = &kept {
            error!(%error, "intents cannot be kept");
        }
        kept.is_ok()
    }

    /// Forgets all that is not kept.
    fn reload(&mut self, view: &View) {
        match Self::open(Arc::clone(&self.store), self.limits, self.carrier.clone()) {
            Ok(kept) => {
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
        rows.sort_unstable_by_key(|row| row.number);
        for row in rows {
            self.next = self.next.max(row.number + 1);
            let id = row.bundle.id();
            self.found.extend(row.found.map(|found| (id, found)));
            self.entries.insert(id, Entry::of(row));
            self.enqueue(id);
        }
        Ok(())
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
        self.signatures.insert(entry.signature, id);
    }

    /// Takes an entry out of the queue.
    fn dequeue(&mut self, id: IntentId) {
        let Some(entry) = self.entries.get(&id) else { return };
        if self.queue.remove(&entry.number).is_none() {
            return;
        }
        self.bytes -= entry.bytes;
        for place in &entry.places {
            if self.nonces.get(place) == Some(&id) {
                self.nonces.remove(place);
            }
        }
        if self.signatures.get(&entry.signature) == Some(&id) {
            self.signatures.remove(&entry.signature);
        }
    }

    /// What came of an entry is final. What is kept of it can go.
    fn finish(&mut self, id: IntentId, status: IntentStatus, changes: &mut Vec<Change>) {
        self.dequeue(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Over(status);
            entry.bundle = None;
            self.over.push_back(id);
            changes.push(entry::deleted(id));
        }
        while self.over.len() > self.limits.remembered {
            let forgotten = self.over.pop_front();
            forgotten.map(|id| self.entries.remove(&id));
        }
    }
}
