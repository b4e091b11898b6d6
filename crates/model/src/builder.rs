//! Building batches that are valid: for proposers, and for tests, whose liars change one thing of such a batch.

mod errors;
mod place;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use nthroot_protocol::{
    AnchorId, Batch, BatchHeader, BatchId, Body, Fragment, Step, Withdrawal,
    limits::{DA_CALLDATA, MAX_BATCH_WITHDRAWALS, MAX_BODY, MAX_CEILING, MAX_ENTRIES, VERSION},
    proof_gas::PROOF_GAS,
};

pub use errors::{BuildError, StepError};

use place::{Class, Placed, assemble, check_touches, renumber};

use crate::{
    kernel::{self, Terms, Touch},
    ledger::{Ledger, State},
    walk::{self, WalkTerms},
};

/// Who posts a batch, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The proposer.
    pub proposer: Address,
    /// The block at which the batch is judged.
    pub clock: u64,
    /// Its hash.
    pub clock_hash: B256,
    /// The word slot.
    pub slot: u16,
    /// Most gas that a proof may need. Where it is not known beforehand, see [`BatchBuilder::set_ceiling`].
    pub ceiling: u32,
}

/// How a step names a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// An anchor that was open before the batch. The touch is fresh or repeated, as need be.
    Anchor(AnchorId),
    /// An anchor that an earlier step of this batch touched or opened, by its entry number ([`BuiltStep::entries`]).
    Entry(u16),
    /// An anchor that this step opens.
    New,
}

/// A step to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// Its fragments, in any order. New ones are opened in the order in which they stand here.
    pub fragments: Vec<Name>,
    /// Its body, whose calls name fragments by their places in that list. They are renumbered to the order of the wire:
    /// fresh, opened, again. Nothing that is signed changes by that.
    pub body: Body,
}

/// A step that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltStep {
    /// Its index.
    pub index: u16,
    /// The entry number of each fragment, in the order of the plan.
    pub entries: Vec<u16>,
    /// What it withdraws.
    pub withdrawals: Vec<Withdrawal>,
}

/// An anchor that the batch has touched or opened.
#[derive(Debug, Clone)]
struct Entry {
    /// None if it was opened.
    anchor: Option<AnchorId>,
    /// Its state after the steps so far.
    state: Fragment,
}

/// Builds a batch on the heads and states of a ledger.
#[derive(Debug, Clone)]
pub struct BatchBuilder<'a> {
    ledger: &'a Ledger,
    posting: Posting,
    rules: Vec<Address>,
    entries: Vec<Entry>,
    entry_of: BTreeMap<AnchorId, u16>,
    steps: Vec<Step>,
    /// For each step its body and the lengths of its pre-states: what its proof gas depends on.
    proofs: Vec<(Body, Vec<usize>)>,
}

impl<'a> BatchBuilder<'a> {
    /// A batch without steps.
    pub const fn new(ledger: &'a Ledger, posting: Posting) -> Self {
        Self {
            ledger,
            posting,
            rules: Vec::new(),
            entries: Vec::new(),
            entry_of: BTreeMap::new(),
            steps: Vec::new(),
            proofs: Vec::new(),
        }
    }

    /// Sets the rule table. Calls name these rules from 1.
    #[must_use]
    pub fn rule_table(mut self, rules: Vec<Address>) -> Self {
        self.rules = rules;
        self
    }

    /// Sets the proof ceiling, on which nothing depends that was built so far.
    pub const fn set_ceiling(&mut self, ceiling: u32) {
        self.posting.ceiling = ceiling;
    }

    /// The state of a fragment as the steps so far leave it: what the next one works on, and where a signer reads the nonce.
    ///
    /// # Errors
    ///
    /// If there is no such fragment, its state is not known, or its head cannot be built on now.
    pub fn state(&self, name: Name) -> Result<Option<Fragment>, StepError> {
        Ok(self.resolve(name)?.state)
    }

    /// Adds a step.
    ///
    /// # Errors
    ///
    /// If the step is invalid, would be skipped, or breaks a limit. Then nothing was added.
    pub fn step(&mut self, plan: &StepPlan) -> Result<BuiltStep, StepError> {
        let mut fragments = Vec::with_capacity(plan.fragments.len());
        for (place, name) in plan.fragments.iter().enumerate() {
            fragments.push((place, self.resolve(*name)?));
        }
        // Stable, so that fragments of one class keep the order of the plan.
        fragments.sort_by_key(|(_, fragment)| fragment.class);
        let order: Vec<usize> = fragments.iter().map(|(place, _)| *place).collect();
        let fragments: Vec<Placed> = fragments.into_iter().map(|(_, fragment)| fragment).collect();
        check_touches(&fragments)?;

        let body = renumber(&plan.body, &order).encode();
        if body.len() > MAX_BODY {
            return Err(StepError::BodyTooLong(body.len()));
        }
        // What was too much for the encoding does not come back as it was, so this is what others will read.
        let parsed = Body::parse(&body)?;
        let touch = |fragment: &Placed| Touch {
            anchor: fragment.anchor,
            state: fragment.state.clone(),
        };
        let touches = fragments.iter().map(touch).collect();
        let outcome = kernel::execute(self.ledger.env(), &self.terms(), &parsed, touches)?;

        let roots = outcome.states.iter().map(Fragment::root);
        let step = assemble(&fragments, roots, outcome.withdrawals, body);
        self.check_totals(&step)?;
        let index = u16::try_from(self.steps.len()).unwrap_or(u16::MAX);
        if index == u16::MAX {
            return Err(StepError::TooManySteps);
        }
        let pre_states = fragments.iter().filter_map(|fragment| fragment.state.as_ref());
        self.proofs
            .push((parsed, pre_states.map(|state| state.encode().len()).collect()));
        let numbers = self.enter(&fragments, outcome.states);
        let mut entries = vec![0; order.len()];
        for (place, number) in order.into_iter().zip(numbers) {
            entries[place] = number;
        }
        let withdrawals = step.withdrawals.clone();
        self.steps.push(step);
        Ok(BuiltStep {
            index,
            entries,
            withdrawals,
        })
    }

    /// The proof gas of each step so far (section 7.1). That of earlier steps may grow slightly with later ones, by the
    /// siblings in their evidence.
    pub fn proof_gas(&self) -> Vec<u64> {
        let count = u16::try_from(self.steps.len()).unwrap_or(u16::MAX);
        let proof_gas = |(index, (step, (body, lengths))): (u16, (&Step, &(Body, Vec<usize>)))| {
            PROOF_GAS.of_step(self.rules.len(), count, index, step, lengths, body)
        };
        (0..)
            .zip(self.steps.iter().zip(&self.proofs))
            .filter_map(proof_gas)
            .collect()
    }

    /// What the batch will lock, in gwei.
    pub fn lock(&self) -> u64 {
        let entries = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        self.ledger.params().lock(self.posting.ceiling, entries)
    }

    /// The batch. Its word slot and the proposer's bond are not looked at: both are questions of the block of inclusion.
    ///
    /// # Errors
    ///
    /// If it has no steps, the ceiling is below a step's proof gas or over the limit, or a rule was not registered by the
    /// clock.
    pub fn build(&self) -> Result<Batch, BuildError> {
        if self.steps.is_empty() {
            return Err(BuildError::NoSteps);
        }
        let Posting { clock, ceiling, .. } = self.posting;
        if ceiling > MAX_CEILING {
            return Err(BuildError::Ceiling(ceiling));
        }
        for (step, needed) in self.proof_gas().into_iter().enumerate() {
            if needed > u64::from(ceiling) {
                return Err(BuildError::ProofGas { step, needed, ceiling });
            }
        }
        for rule in &self.rules {
            let registered = self.ledger.rule_registered_at(*rule);
            if registered.is_none_or(|block| block > clock) {
                return Err(BuildError::Rule { rule: *rule, clock });
            }
        }
        let mut batch = Batch {
            header: BatchHeader {
                version: VERSION,
                data_availability: DA_CALLDATA,
                chain_id: self.ledger.params().chain_id,
                clock,
                clock_hash: self.posting.clock_hash,
                ceiling,
                slot: self.posting.slot,
                step_count: 0,
                entry_count: 0,
                rules: self.rules.clone(),
            },
            steps: self.steps.clone(),
        };
        batch.seal();
        Ok(batch)
    }

    fn terms(&self) -> Terms {
        Terms {
            chain_id: self.ledger.params().chain_id,
            clock: self.posting.clock,
            proposer: self.posting.proposer,
            rules: self.rules.clone(),
        }
    }

    fn resolve(&self, name: Name) -> Result<Placed, StepError> {
        let number = match name {
            Name::New => {
                return Ok(Placed {
                    class: Class::Opened,
                    anchor: None,
                    parent: BatchId::default(),
                    state: None,
                });
            }
            Name::Entry(number) => number,
            Name::Anchor(anchor) => match self.entry_of.get(&anchor) {
                Some(number) => *number,
                None => return self.resolve_fresh(anchor),
            },
        };
        let entry = self.entries.get(usize::from(number));
        let entry = entry.ok_or(StepError::UnknownEntry(number))?;
        Ok(Placed {
            class: Class::Again(number),
            anchor: entry.anchor,
            parent: BatchId::default(),
            state: Some(entry.state.clone()),
        })
    }

    fn resolve_fresh(&self, anchor: AnchorId) -> Result<Placed, StepError> {
        let params = self.ledger.params();
        let head = self.ledger.head(anchor);
        let terms = WalkTerms {
            // Any id later than all heads would do: a fresh touch is judged without it.
            id: BatchId::default(),
            clock_offset: params.offset(self.posting.clock),
            oldest_fault: self.ledger.oldest_fault(),
        };
        let parent = head.map(|head| head.id).unwrap_or_default();
        walk::check_fresh(head, parent, &terms).map_err(|reason| StepError::Stale { anchor, reason })?;
        let state = self.ledger.state(anchor).and_then(State::known);
        Ok(Placed {
            class: Class::Fresh,
            anchor: Some(anchor),
            parent,
            state: Some(state.ok_or(StepError::UnknownState(anchor))?.clone()),
        })
    }

    /// The limits of the whole batch, with this step.
    fn check_totals(&self, step: &Step) -> Result<(), StepError> {
        let entries = self.entries.len() + step.fresh.len() + step.opened.len();
        if entries > usize::from(MAX_ENTRIES) {
            return Err(StepError::TooManyEntries(entries));
        }
        let earlier = self.steps.iter().map(|step| step.withdrawals.len());
        let withdrawals = earlier.sum::<usize>() + step.withdrawals.len();
        if withdrawals > MAX_BATCH_WITHDRAWALS {
            return Err(StepError::TooManyWithdrawals(withdrawals));
        }
        Ok(())
    }

    /// Takes over the new states. Returns the entry number of each fragment.
    fn enter(&mut self, fragments: &[Placed], states: Vec<Fragment>) -> Vec<u16> {
        let mut numbers = Vec::with_capacity(fragments.len());
        for (Placed { class, anchor, .. }, state) in fragments.iter().zip(states) {
            let anchor = *anchor;
            // At most 512 entries.
            let next = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
            let number = match class {
                Class::Again(number) => {
                    self.entries[usize::from(*number)].state = state;
                    *number
                }
                Class::Fresh | Class::Opened => {
                    self.entries.push(Entry { anchor, state });
                    if let Some(anchor) = anchor {
                        self.entry_of.insert(anchor, next);
                    }
                    next
                }
            };
            numbers.push(number);
        }
        numbers
    }
}
