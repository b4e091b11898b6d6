//! What must not convict, what must, and rolling it back.

use alloy_primitives::Address;
use nthroot_model::{
    invalid::{CallFault, Invalid},
    ledger::{ChallengeError, Judgement, Rollback},
};
use nthroot_protocol::{BatchId, PreEntry};

use crate::{
    lies::Lie,
    random::{Pick, Rng},
    world::{Draft, Outcome, World},
};

impl World {
    /// Nothing that is sent against a valid step convicts: neither its evidence nor anything made of it.
    pub(crate) fn try_to_convict(&mut self, id: BatchId, index: u16, seed: u64) -> Outcome {
        let evidence = self.ledger.evidence(id, index).map_err(|error| error.to_string())?;
        let entries = PreEntry::encode_list(self.ledger.entries(id).unwrap());
        for entries in [&[], entries.as_slice()] {
            let refused = self.ledger.convict(&evidence, entries);
            if refused != Err(ChallengeError::StepIsValid(index)) {
                return Err(format!("evidence against valid step {index} of {id}: {refused:?}"));
            }
        }
        let mut rng = Rng(seed);
        for round in 0..4 {
            let mut changed = evidence.clone();
            let place = rng.below(changed.len());
            match round {
                0 => changed.truncate(place),
                1 => changed.insert(place, rng.next().to_be_bytes()[0]),
                2 => changed[place] ^= 1 << rng.below(8),
                _ => {
                    let from = rng.below(changed.len());
                    changed.swap(place, from);
                }
            }
            if changed != evidence && self.ledger.convict(&changed, &[]).is_ok() {
                return Err(format!("step {index} of {id} is convicted by changed evidence"));
            }
            self.count("evidence changed");
        }
        Ok(())
    }

    /// Users' signatures do not name the proposer: another one may post the same steps, but not under somebody's lease.
    pub(crate) fn copy(&mut self, draft: &Draft, proposer: Address) -> Outcome {
        let Some(id) = self.submit(proposer, &draft.batch)? else {
            return Ok(());
        };
        let judgements: Vec<Judgement> = self.ledger.judgement(id).unwrap().into_iter().cloned().collect();
        for judgement in judgements {
            match judgement {
                Judgement::Skipped(_) => {}
                Judgement::Valid => self.count("copied by another proposer"),
                Judgement::Lie(Invalid::Leased { .. }) if proposer != draft.proposer => {
                    self.count("lie: another's lease");
                }
                Judgement::Lie(Invalid::Call {
                    fault: CallFault::NotAuthorised { .. },
                    ..
                }) if proposer != draft.proposer && draft.credited => {
                    self.count("lie: credited without a lease");
                }
                // What builds on such a lie in the same batch.
                Judgement::Unjudged(_) if !self.ledger.lies_of(id).is_empty() => {}
                other => return Err(format!("{id} is a copy and {other:?}")),
            }
        }
        self.check_lies(id)
    }

    pub(crate) fn lie(&mut self, draft: &Draft, step: Pick, lie: Lie, stays: bool) -> Outcome {
        let (mut batch, index) = (draft.batch.clone(), step.below(draft.batch.steps.len()));
        if lie.apply(&mut batch, index, &draft.signed[index]).is_none() {
            return Ok(());
        }
        let ledger = self.ledger.clone();
        let Some(id) = self.submit(draft.proposer, &batch)? else {
            return Ok(());
        };
        match self.ledger.judgement(id).unwrap()[index].clone() {
            // An earlier step of the batch is one too, if the whole batch was changed.
            Judgement::Skipped(_) | Judgement::Unjudged(_) => {}
            Judgement::Lie(reason) if format!("{reason:?}").contains(lie.reason()) => {
                self.count(format!("lie: {lie:?}"));
            }
            other => return Err(format!("{lie:?} in step {index} of {id} is {other:?}")),
        }
        self.check_lies(id)?;
        if !stays {
            self.ledger = ledger;
        }
        Ok(())
    }

    /// Every lie of the batch can be proved, alone or with its entries; then all is as before.
    fn check_lies(&mut self, id: BatchId) -> Outcome {
        let entries = PreEntry::encode_list(self.ledger.entries(id).unwrap());
        for lie in self.ledger.lies_of(id) {
            let evidence = self.ledger.evidence(id, lie.step).map_err(|error| error.to_string())?;
            for entries in [&[], entries.as_slice()] {
                let mut ledger = self.ledger.clone();
                let conviction = ledger.convict(&evidence, entries);
                let conviction =
                    conviction.map_err(|refusal| format!("{:?} is not convicted: {refusal}", lie.reason))?;
                if conviction.reason != Some(lie.reason.clone()) || conviction.unwound == entries.is_empty() {
                    return Err(format!("{conviction:?}"));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn convict(&mut self, pick: Pick, entries: bool) -> Outcome {
        let lies = self.ledger.lies();
        let places: Vec<usize> = (0..lies.len()).collect();
        let Some(place) = pick.of(&places) else { return Ok(()) };
        let lie = &lies[place];
        let list = if entries {
            PreEntry::encode_list(self.ledger.entries(lie.batch).unwrap())
        } else {
            Vec::new()
        };
        let evidence = self
            .ledger
            .evidence(lie.batch, lie.step)
            .map_err(|error| error.to_string())?;
        self.ledger
            .convict(&evidence, &list)
            .map_err(|error| format!("{:?}: {error}", lie.reason))?;
        self.count("convicted");
        Ok(())
    }

    pub(crate) fn resolve(&mut self) -> Outcome {
        while let Some(next) = self.ledger.rollbacks().first().copied() {
            let done = match next {
                Rollback::Condemn { child, .. } => self.ledger.on_condemned(child).map_err(|error| error.to_string()),
                Rollback::Unwind(id) => self.ledger.on_unwound(id).map(drop).map_err(|error| error.to_string()),
            };
            done?;
            self.count("rolled back");
        }
        self.ledger
            .oldest_fault()
            .map_or(Ok(()), |fault| Err(format!("{fault} is left")))
    }
}
