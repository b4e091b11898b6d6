//! Building batches that are valid: for proposers, and for tests, whose liars change one thing of such a batch.

mod errors;
mod parts;
mod place;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use nthroot_protocol::{
    AnchorId, Batch, BatchHeader, BatchId, Body, Domain, Fragment, FragmentId, LeafTable, ProofSizes, SignedMessage,
    Step,
    limits::{DA_CALLDATA, MAX_BATCH_WITHDRAWALS, MAX_BODY, MAX_CEILING, MAX_ENTRIES, VERSION},
    proof_gas::PROOF_GAS,
};

pub use errors::{BuildError, StepError};
pub use parts::{BuiltStep, Name, Posting, ReadyStep, StepPlan};

use place::{Class, Placed, Places, set_roots};

use crate::{
    anchor::{self, AnchorState},
    kernel::{self, Signatures, Terms},
    ledger::{Ledger, State},
    signing::Signer,
    walk::{self, WalkTerms},
};

/// An anchor that the batch has touched or opened.
#[derive(Debug, Clone)]
struct Entry {
    /// None if it was opened.
    anchor: Option<AnchorId>,
    /// Its state after the steps so far.
    state: Arc<AnchorState>,
}

/// A step that has not been evaluated: without roots and withdrawals.
struct Draft {
    places: Places,
    step: Step,
    /// That of the step, read again.
    body: Body,
}

/// Builds a batch on the heads and states of a ledger.
#[derive(Debug, Clone)]
pub struct BatchBuilder<'a> {
    ledger: &'a Ledger,
    posting: Posting,
    signatures: Signatures,
    rules: Vec<Address>,
    entries: Vec<Entry>,
    entry_of: BTreeMap<AnchorId, u16>,
    steps: Vec<Step>,
    /// For each step its body and the sizes of its anchors' proofs: what its proof gas depends on.
    proofs: Vec<(Body, ProofSizes)>,
}

impl<'a> BatchBuilder<'a> {
    /// A batch without steps.
    pub const fn new(ledger: &'a Ledger, posting: Posting) -> Self {
        Self {
            ledger,
            posting,
            signatures: Signatures::Checked,
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

    /// Sets whether signatures are looked at. A batch of steps whose signatures nobody has looked at is not to be posted.
    #[must_use]
    pub const fn signatures(mut self, signatures: Signatures) -> Self {
        self.signatures = signatures;
        self
    }

    /// Sets the proof ceiling, on which nothing depends that was built so far.
    pub const fn set_ceiling(&mut self, ceiling: u32) {
        self.posting.ceiling = ceiling;
    }

    /// The state of a fragment as the steps so far leave it: what the next one works on, and where a signer reads the nonce.
    /// None if it does not exist yet.
    ///
    /// # Errors
    ///
    /// If there is no such anchor, its state is not known, or its head cannot be built on now.
    pub fn state(&self, name: Name) -> Result<Option<Fragment>, StepError> {
        let state = self.resolve(name)?.state;
        Ok(state.and_then(|state| state.fragment(name.leaf()).cloned()))
    }

    /// What the authorisations of a step that would come next have to be signatures of, call by call, in the words of its
    /// rules. The signatures that the plan has are not looked at, so any of their schemes may stand there meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Self::step`], but for signatures, and for limits of the whole batch.
    pub fn messages(&self, plan: &StepPlan) -> Result<Vec<Vec<SignedMessage>>, StepError> {
        let draft = self.draft(plan)?;
        let touches = draft.places.kernel_touches();
        Ok(kernel::messages(
            self.ledger.env(),
            &self.terms(),
            &draft.body,
            touches,
        )?)
    }

    /// Signs for the fragments whose signer is known. The other authorisations stay as they are: who signs elsewhere hands in
    /// its own.
    ///
    /// # Errors
    ///
    /// As [`Self::messages`].
    pub fn sign<'s>(
        &self,
        plan: &mut StepPlan,
        signer: impl Fn(FragmentId) -> Option<&'s dyn Signer>,
    ) -> Result<(), StepError> {
        let params = self.ledger.params();
        let domain = Domain {
            chain_id: params.chain_id,
            bridge: self.ledger.env().bridge,
        };
        let messages = self.messages(plan)?.into_iter().flatten();
        let authorisations = plan.body.calls.iter_mut().flat_map(|call| &mut call.authorisations);
        for (authorisation, message) in authorisations.zip(messages) {
            if let Some(signer) = signer(message.fragment) {
                authorisation.signature = signer.sign(message.signing_hash(&domain));
            }
        }
        Ok(())
    }

    /// Evaluates a step that would come next.
    ///
    /// # Errors
    ///
    /// If the step is invalid, would be skipped, or breaks a limit.
    pub fn evaluate(&self, plan: &StepPlan) -> Result<ReadyStep, StepError> {
        let Draft { places, mut step, body } = self.draft(plan)?;
        let touches = places.kernel_touches();
        let outcome = kernel::execute_with(self.signatures, self.ledger.env(), &self.terms(), &body, touches)?;

        let before: Vec<&AnchorState> = places
            .touches
            .iter()
            .filter_map(|touch| touch.state.as_deref())
            .collect();
        let proofs = ProofSizes::of(&anchor::prove(&step, before.iter().copied()));
        step.withdrawals.clone_from(&outcome.withdrawals);
        let after = anchor::advance(&step, &LeafTable::of(&step), &before, outcome);
        set_roots(&mut step, after.iter().map(AnchorState::root));
        self.check_totals(&step)?;
        let index = self.steps.len();
        let (Ok(last), Ok(count)) = (u16::try_from(index), u16::try_from(index + 1)) else {
            return Err(StepError::TooManySteps);
        };
        let proof_gas = PROOF_GAS.of_step(self.rules.len(), count, last, &step, proofs, &body);
        Ok(ReadyStep {
            places,
            step,
            body,
            proofs,
            after,
            index,
            proof_gas: proof_gas.unwrap_or(u64::MAX),
        })
    }

    /// Adds a step that was evaluated as the next one.
    ///
    /// # Panics
    ///
    /// If another step was added since: then it would stand on states that are gone.
    pub fn add(&mut self, ready: ReadyStep) -> BuiltStep {
        let ReadyStep {
            places,
            step,
            body,
            proofs,
            after,
            index,
            ..
        } = ready;
        assert_eq!(
            index,
            self.steps.len(),
            "a step is added as the one that it was evaluated as"
        );
        self.proofs.push((body, proofs));
        let numbers = self.enter(&places.touches, after);
        let touches = places.touch_of_each();
        let withdrawals = step.withdrawals.clone();
        self.steps.push(step);
        BuiltStep {
            // Evaluated steps have a number.
            index: u16::try_from(index).unwrap_or(u16::MAX),
            entries: touches.into_iter().map(|touch| numbers[touch]).collect(),
            withdrawals,
        }
    }

    /// Adds a step.
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`]. Then nothing was added.
    pub fn step(&mut self, plan: &StepPlan) -> Result<BuiltStep, StepError> {
        let ready = self.evaluate(plan)?;
        Ok(self.add(ready))
    }

    /// An anchor that was open before the batch, as the steps so far leave it; none if its state is not known.
    pub fn anchor(&self, anchor: AnchorId) -> Option<&AnchorState> {
        match self.entry_of.get(&anchor) {
            Some(number) => self.entries.get(usize::from(*number)).map(|entry| &*entry.state),
            None => self.ledger.state(anchor)?.known(),
        }
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The proof gas of each step so far (section 7.1). That of earlier steps may grow slightly with later ones, by the
    /// siblings in their evidence.
    pub fn proof_gas(&self) -> Vec<u64> {
        let count = u16::try_from(self.steps.len()).unwrap_or(u16::MAX);
        let proof_gas = |(index, (step, (body, proofs))): (u16, (&Step, &(Body, ProofSizes)))| {
            PROOF_GAS.of_step(self.rules.len(), count, index, step, *proofs, body)
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
    /// If it has no steps, the ceiling is below a step's proof gas or over the limit, a step that is not alone commits more gas to
    /// its rules than its bytes allow, or a rule was not registered by the clock.
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
        self.check_rule_gas()?;
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

    /// No step of several commits more gas to its rules than its bytes allow.
    fn check_rule_gas(&self) -> Result<(), BuildError> {
        let steps = self.steps.iter().zip(&self.proofs).enumerate();
        for (step, (posted, (body, _))) in steps.filter(|_| self.steps.len() > 1) {
            let (committed, most) = (body.rule_gas(), posted.rule_gas_beside_others());
            if committed > most {
                return Err(BuildError::RuleGas { step, committed, most });
            }
        }
        Ok(())
    }

    /// The step of a plan, without what its calls do.
    fn draft(&self, plan: &StepPlan) -> Result<Draft, StepError> {
        let named = plan
            .fragments
            .iter()
            .map(|name| Ok((self.resolve(*name)?, name.leaf())));
        let places = Places::new(named.collect::<Result<_, StepError>>()?)?;
        let body = places.body(&plan.body).encode();
        if body.len() > MAX_BODY {
            return Err(StepError::BodyTooLong(body.len()));
        }
        let step = places.assemble(body);
        // What was too much for the encoding does not come back as it was, so this is what others will read.
        let body = Body::of(&step)?;
        Ok(Draft { places, step, body })
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
            Name::New => return Ok(Placed::new(Class::Opened, None, BatchId::default(), None)),
            Name::Entry(number) | Name::EntryLeaf(number, _) => number,
            Name::Anchor(anchor) | Name::Leaf(anchor, _) => match self.entry_of.get(&anchor) {
                Some(number) => *number,
                None => return self.resolve_fresh(anchor),
            },
        };
        let entry = self.entries.get(usize::from(number));
        let entry = entry.ok_or(StepError::UnknownEntry(number))?;
        let state = Some(Arc::clone(&entry.state));
        Ok(Placed::new(
            Class::Again(number),
            entry.anchor,
            BatchId::default(),
            state,
        ))
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
        let Some(State::Known(state)) = self.ledger.state(anchor) else {
            return Err(StepError::UnknownState(anchor));
        };
        let state = Some(Arc::clone(state));
        Ok(Placed::new(Class::Fresh, Some(anchor), parent, state))
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

    /// Takes over the new states. Returns the entry number of each touch.
    fn enter(&mut self, touches: &[Placed], states: Vec<AnchorState>) -> Vec<u16> {
        let mut numbers = Vec::with_capacity(touches.len());
        for (Placed { class, anchor, .. }, state) in touches.iter().zip(states) {
            let (anchor, state) = (*anchor, Arc::new(state));
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
