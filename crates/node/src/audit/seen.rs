//! Batches, seen while their steps are known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, B256};
use nthroot_model::{
    invalid::Invalid,
    ledger::{Judgement, Ledger, State},
};
use nthroot_protocol::{AnchorId, BatchId, Body, Lease, Status};
use serde::Serialize;

use super::findings::Findings;
use crate::{
    follower::Witness,
    inputs::{Input, What},
};

/// A batch that was judged again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// The L1 block that has it.
    pub block: u64,
    /// Its transaction.
    pub transaction: B256,
    /// Who posted it.
    pub proposer: Address,
    /// Most gas that a proof of it may need.
    pub ceiling: u32,
    /// The anchors that it takes an entry for.
    pub entries: u16,
    /// Gwei of bond that it locked.
    pub lock: u64,
    /// How many steps it has.
    pub steps: usize,
    /// Those of them that had no effect.
    pub skipped: usize,
    /// Those that are valid.
    pub valid: usize,
    /// Those that are lies.
    pub lies: Vec<Lie>,
    /// Those of which nobody here can say, each with the reason: they stand on a lie, or their rule is not known.
    pub unjudged: Vec<String>,
    /// Calls of each rule in the steps that had an effect.
    pub calls: BTreeMap<Address, usize>,
    /// What became of it: live, final, faulty, condemned or unwound.
    pub status: &'static str,
    /// Last block in which it can be challenged.
    pub window_end: u64,
    /// The transaction that convicted it.
    pub convicted: Option<B256>,
    #[serde(skip)]
    pub(super) slot: u16,
}

/// A step that is a lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lie {
    /// The step.
    pub step: usize,
    /// The name of what it breaks.
    pub fault: String,
    /// Why it is one.
    pub reason: String,
}

/// The name of a reason of invalidity, down to that of a call or of an effect.
pub fn fault_name(reason: &Invalid) -> String {
    let debug = format!("{reason:?}");
    let nested = |text: &str| text.split_once("fault: ").map(|(_, rest)| rest.to_owned());
    let name = |text: &str| -> String { text.chars().take_while(char::is_ascii_alphanumeric).collect() };
    let mut names = vec![name(&debug)];
    let mut rest = nested(&debug);
    while let Some(text) = rest {
        names.push(name(&text));
        rest = nested(&text);
    }
    names.join("/")
}

/// A lease, while it is the one that an anchor has.
#[derive(Debug, Clone)]
struct Leased {
    lease: Lease,
    /// The batch that granted it.
    granted: BatchId,
    /// The batches of its holder that wrote the anchor since.
    uses: Vec<BatchId>,
}

#[derive(Debug, Default)]
struct Notes {
    batches: BTreeMap<BatchId, Batch>,
    /// Anchors that batches opened.
    opened: BTreeMap<BatchId, Vec<AnchorId>>,
    leases: BTreeMap<AnchorId, Leased>,
}

/// Takes notes of every batch.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Notes>);

/// Slots of the bridge's storage may have been written for these.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) anchors: BTreeSet<AnchorId>,
    pub(super) words: BTreeMap<(Address, u16), BatchId>,
    pub(super) batches: BTreeSet<BatchId>,
    pub(super) proposers: BTreeSet<Address>,
    pub(super) assignments: BTreeSet<(BatchId, u8)>,
}

impl Witness for Seen {
    fn see(&self, ledger: &Ledger, batch: BatchId) {
        let mut notes = self.notes();
        // What is derived again is seen again.
        notes.batches.split_off(&batch);
        notes.opened.split_off(&batch);
        notes.leases.retain(|_, leased| leased.granted < batch);
        for leased in notes.leases.values_mut() {
            leased.uses.retain(|used| *used < batch);
        }
        if let Some(seen) = look(ledger, batch) {
            notes.follow_leases(ledger, batch, seen.proposer);
            let entries = ledger.entries(batch).unwrap_or_default();
            let opened = entries.iter().filter(|entry| entry.head.is_none());
            notes.opened.insert(batch, opened.map(|entry| entry.anchor).collect());
            notes.batches.insert(batch, seen);
        }
    }

    fn keep(&self) -> bool {
        // It begins at the deployment every time.
        true
    }
}

impl Notes {
    fn follow_leases(&mut self, ledger: &Ledger, batch: BatchId, proposer: Address) {
        for entry in ledger.entries(batch).unwrap_or_default() {
            let state = ledger.state(entry.anchor).and_then(State::known);
            let Some(lease) = state.and_then(|state| state.header().lease) else {
                self.leases.remove(&entry.anchor);
                continue;
            };
            match self
                .leases
                .get_mut(&entry.anchor)
                .filter(|leased| leased.lease == lease)
            {
                Some(leased) if lease.holder == proposer => leased.uses.push(batch),
                Some(_) => {}
                None => {
                    let leased = Leased {
                        lease,
                        granted: batch,
                        uses: Vec::new(),
                    };
                    self.leases.insert(entry.anchor, leased);
                }
            }
        }
    }
}

/// A batch that was just posted. Its status is told later.
fn look(ledger: &Ledger, id: BatchId) -> Option<Batch> {
    let (preimage, steps) = (ledger.preimage(id).ok()?, ledger.steps(id).ok()?);
    let header = &preimage.header;
    let mut batch = Batch {
        id,
        block: ledger.params().deployment_block.saturating_add(id.block_offset()),
        transaction: B256::ZERO,
        proposer: preimage.proposer,
        ceiling: header.ceiling,
        entries: header.entry_count,
        lock: ledger.params().lock(header.ceiling, header.entry_count),
        steps: steps.len(),
        skipped: 0,
        valid: 0,
        lies: Vec::new(),
        unjudged: Vec::new(),
        calls: BTreeMap::new(),
        status: "live",
        window_end: ledger.window_end(id),
        convicted: None,
        slot: header.slot,
    };
    for (step, (placed, judgement)) in steps.into_iter().enumerate() {
        match judgement {
            Judgement::Skipped(_) => batch.skipped += 1,
            Judgement::Valid => batch.valid += 1,
            Judgement::Lie(reason) => batch.lies.push(Lie {
                step,
                fault: fault_name(reason),
                reason: reason.to_string(),
            }),
            Judgement::Unjudged(why) => batch.unjudged.push(format!("step {step}: {why}")),
        }
        let body = placed.and_then(|placed| Body::of(&placed.step).ok());
        for call in body.iter().flat_map(|body| &body.calls) {
            let named = usize::from(call.rule).checked_sub(1);
            let rule = named.map_or(Some(ledger.env().account_rule), |place| {
                header.rules.get(place).copied()
            });
            if let Some(rule) = rule {
                *batch.calls.entry(rule).or_default() += 1;
            }
        }
    }
    Some(batch)
}

impl Seen {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches with what became of them, held against the events that L1 has.
    pub(super) fn batches(&self, ledger: &Ledger, inputs: &[Input], findings: &mut Findings) -> Vec<Batch> {
        let mut batches = self.notes().batches.clone();
        let mut posted = 0;
        for input in inputs {
            match &input.what {
                What::Submitted { id, .. } => {
                    posted += 1;
                    if let Some(batch) = batches.get_mut(id) {
                        batch.transaction = input.transaction;
                    } else {
                        findings.wrong("batches", format!("batch {id} was posted, and was not derived"));
                    }
                }
                What::Convicted { id, .. } => {
                    if let Some(batch) = batches.get_mut(id) {
                        batch.convicted = Some(input.transaction);
                    }
                }
                _ => {}
            }
        }
        if posted != batches.len() {
            let derived = batches.len();
            findings.wrong(
                "batches",
                format!("{posted} batches were posted, {derived} were derived"),
            );
        }
        for batch in batches.values_mut() {
            batch.status = status(ledger, batch.id);
            judge(ledger, batch, findings);
        }
        batches.into_values().collect()
    }

    /// For what slots of the bridge's storage may have been written.
    pub(super) fn written(&self, inputs: &[Input]) -> Written {
        let notes = self.notes();
        let mut written = Written::default();
        for batch in notes.batches.values() {
            written.words.insert((batch.proposer, batch.slot), batch.id);
            written.batches.insert(batch.id);
            written.proposers.insert(batch.proposer);
        }
        written.anchors.extend(notes.opened.values().flatten());
        for input in inputs {
            match input.what {
                What::Deposited { id, .. } => {
                    written.anchors.insert(AnchorId::new(id, 0));
                }
                What::Assigned { id, position, .. } => {
                    if let Ok(position) = u8::try_from(position) {
                        written.assignments.insert((id, position));
                    }
                }
                What::BondFunded { proposer, .. } | What::BondWithdrawn { proposer, .. } => {
                    written.proposers.insert(proposer);
                }
                _ => {}
            }
        }
        written
    }

    /// The batch that granted an anchor's lease, and how many of the holder's batches have written the anchor since.
    pub(super) fn lease(&self, anchor: AnchorId, lease: Lease) -> Option<(BatchId, usize)> {
        let notes = self.notes();
        let leased = notes.leases.get(&anchor).filter(|leased| leased.lease == lease)?;
        Some((leased.granted, leased.uses.len()))
    }
}

fn status(ledger: &Ledger, id: BatchId) -> &'static str {
    match ledger.status(id) {
        Some(Status::Live) if ledger.is_final(id) => "final",
        Some(Status::Live) | None => "live",
        Some(Status::Faulty) => "faulty",
        Some(Status::Condemned) => "condemned",
        Some(Status::Unwound) => "unwound",
    }
}

fn judge(ledger: &Ledger, batch: &Batch, findings: &mut Findings) {
    let (id, end) = (batch.id, batch.window_end);
    if let Some(lie) = batch.lies.first() {
        let what = format!(
            "batch {id} of {} lies: step {}: {}",
            batch.proposer, lie.step, lie.reason
        );
        let open = ledger.block() <= end;
        match batch.status {
            "live" if open => findings.wrong(
                "lie",
                format!("{what}. It is not convicted, and can be until block {end}"),
            ),
            "live" | "final" => findings.wrong(
                "lie",
                format!("{what}. It was not convicted by block {end}, and stands for ever"),
            ),
            // It was convicted, or goes with what it was built on.
            _ => {}
        }
    } else if batch.convicted.is_some() {
        findings.wrong(
            "conviction",
            format!("batch {id} was convicted, and no step of it is a lie"),
        );
    }
    match batch.status {
        "faulty" => findings.notice("fault", format!("batch {id} is convicted and not unwound yet")),
        "condemned" => findings.notice("fault", format!("batch {id} is condemned and not unwound yet")),
        _ => {}
    }
    if batch.lies.is_empty() && !batch.unjudged.is_empty() && matches!(batch.status, "live" | "final") {
        findings.wrong("unjudged", format!("batch {id}: {}", batch.unjudged.join("; ")));
    }
}
