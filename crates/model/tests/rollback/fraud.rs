//! Convicting, condemning, unwinding, claiming. Each is tried with what the oracle says should succeed, and with what should not.

use alloy_primitives::B256;
use nthroot_model::params::GWEI;
use nthroot_protocol::{AnchorProof, Evidence, PreEntry, Status, commitment::step_commitment, tree};

use crate::{
    check::ensure,
    coverage::{CONE, DEPTH, ENTRIES, FAULTS, WIDTH},
    oracle::{Applied, Posted, pre_entry},
    random::{Pick, Rng},
    world::{Outcome, PROPOSERS, World},
};

impl Posted {
    pub(crate) fn entries(&self) -> Vec<u8> {
        let entries = self.writes.iter().map(|write| pre_entry(write.anchor, write.before));
        PreEntry::encode_list(&entries.collect::<Vec<_>>())
    }

    fn proposer(&self) -> usize {
        let place = PROPOSERS
            .iter()
            .position(|proposer| *proposer == self.preimage.proposer);
        place.expect("one of them")
    }
}

impl World {
    pub(crate) fn choose_to_convict(&mut self, pick: Pick, aimed: bool, entries: bool) -> Outcome {
        let lies = |place: &usize| self.oracle.batches[*place].posted.lies().next().is_some();
        let liars = (0..self.oracle.batches.len()).filter(lies);
        let chosen: Vec<usize> = liars.filter(|place| !aimed || self.is_convictable(*place)).collect();
        match pick.of(&chosen) {
            Some(place) => {
                let lies: Vec<usize> = self.oracle.batches[place].posted.lies().collect();
                self.convict(place, pick.of(&lies).expect("a lie"), entries)
            }
            None => Ok(()),
        }
    }

    fn is_convictable(&self, place: usize) -> bool {
        let batch = &self.oracle.batches[place];
        matches!(batch.status, Status::Live | Status::Condemned) && self.in_window(&batch.posted)
    }

    pub(crate) fn convict(&mut self, place: usize, step: usize, entries: bool) -> Outcome {
        let expected = self.is_convictable(place);
        let batch = self.oracle.batches[place].clone();
        let (posted, id) = (&batch.posted, batch.posted.id());
        let entries = if entries { posted.entries() } else { Vec::new() };
        let at_once = !entries.is_empty() && self.oracle.is_on_top(place);
        let conviction = match self.ledger.convict(&self.evidence(posted, step), &entries) {
            Ok(conviction) => conviction,
            Err(refusal) => {
                ensure!(!expected, "the lie in {id} cannot be proved: {refusal}");
                self.coverage.count("refused to convict");
                return Ok(());
            }
        };
        ensure!(expected, "{id} was convicted when {:?}", batch.status);
        ensure!(
            conviction.batch == id && conviction.unwound == at_once,
            "{conviction:?}"
        );
        // A lock is there in full whenever its batch can be convicted.
        let lock = u128::from(posted.lock) * u128::from(GWEI);
        ensure!(
            conviction.slashed == lock,
            "{id}: {} of {lock} slashed",
            conviction.slashed
        );
        ensure!(
            conviction.reward == lock / 2,
            "{id}: {} of {lock} rewarded",
            conviction.reward
        );
        self.accounts[posted.proposer()].slashed += posted.lock;
        self.cover_conviction(place, at_once);
        self.oracle.convict(place, at_once);
        self.coverage.reach(FAULTS, self.oracle.faults.len());
        Ok(())
    }

    fn evidence(&self, posted: &Posted, step: usize) -> Vec<u8> {
        let commitment = |step: &Option<Applied>| {
            let commit = |step: &Applied| step_commitment(&step.pre_entries, &step.placed.step.encode());
            step.as_ref().map_or(B256::ZERO, commit)
        };
        let commitments: Vec<B256> = posted.steps.iter().map(commitment).collect();
        let applied = posted.steps[step].clone().expect("a lie is applied");
        let heads = applied.pre_entries.iter().filter_map(|entry| entry.head);
        let evidence = Evidence {
            preimage: posted.preimage.clone(),
            siblings: tree::siblings(&commitments, step).expect("a step"),
            proofs: heads
                .map(|head| AnchorProof::single(self.states[&head.root].clone()))
                .collect(),
            placed: applied.placed,
        };
        evidence.encode()
    }

    fn cover_conviction(&mut self, place: usize, at_once: bool) {
        let (batch, oracle) = (&self.oracle.batches[place], &self.oracle);
        let own = oracle.cone(&[place]);
        let depth = own.iter().copied().max().unwrap_or_default();
        let at = |level: usize| own.iter().filter(|depth| **depth == level).count();
        let width = (1..=depth).map(at).max().unwrap_or_default();
        let mut faults = oracle.faults.clone();
        let mut seen = vec!["convicted"];
        seen.extend((at_once).then_some("convicted and unwound at once"));
        seen.extend((depth > 1).then_some("convicted with children"));
        seen.extend((batch.status == Status::Condemned).then_some("convicted when condemned"));
        let last = batch.posted.block + self.ledger.params().window;
        seen.extend((self.ledger.block() == last).then_some("convicted in the last block"));
        seen.extend(
            faults
                .iter()
                .any(|fault| *fault > place)
                .then_some("convicted after a younger one"),
        );
        seen.extend((faults.len() >= 5).then_some("more faults than fields"));
        for fault in &faults {
            let other = oracle.cone(&[*fault]);
            let common = own.iter().zip(&other).any(|(own, other)| *own > 0 && *other > 0);
            seen.push(if own[*fault] > 0 || other[place] > 0 {
                "two faults, one above the other"
            } else if common {
                "two faults, overlapping"
            } else {
                "two faults, apart"
            });
        }
        faults.push(place);
        let cone = oracle.cone(&faults).iter().filter(|depth| **depth > 0).count();
        seen.into_iter().for_each(|what| self.coverage.count(what));
        self.coverage.reach(DEPTH, depth);
        self.coverage.reach(WIDTH, width);
        self.coverage.reach(CONE, cone);
    }

    pub(crate) fn choose_to_condemn(&mut self, pick: Pick, aimed: bool) -> Outcome {
        let good = self.oracle.condemnable();
        if aimed {
            return pick
                .of(&good)
                .map_or(Ok(()), |(child, entry, parent)| self.condemn(child, entry, parent));
        }
        let all: Vec<usize> = (0..self.oracle.batches.len()).collect();
        let Some(child) = pick.of(&all) else { return Ok(()) };
        let entries = self.oracle.batches[child].posted.writes.len();
        // Of the doomed ones rather than of all, or the reason would nearly always be the parent's status.
        let doomed: Vec<usize> = all
            .iter()
            .copied()
            .filter(|place| self.oracle.is_doomed(*place))
            .collect();
        let from = if doomed.is_empty() { all } else { doomed };
        let parent = from[pick.below(97) % from.len()];
        self.condemn(child, pick.below(89) % entries, parent)
    }

    pub(crate) fn condemn(&mut self, child: usize, entry: usize, parent: usize) -> Outcome {
        let expected = self.oracle.condemnable().contains(&(child, entry, parent));
        let [posted, above] = [child, parent].map(|place| &self.oracle.batches[place].posted);
        let (child_preimage, preimage) = (posted.preimage.encode(), above.preimage.encode());
        let done = self
            .ledger
            .condemn(&child_preimage, &posted.entries(), entry, &preimage);
        ensure!(done.is_ok() == expected, "condemning {}: {done:?}", posted.id());
        if !expected {
            self.coverage.count("refused to condemn");
            return Ok(());
        }
        self.coverage.count("condemned");
        if !self.in_window(&self.oracle.batches[child].posted) {
            self.coverage.count("condemned past its window");
        }
        let parents = &self.oracle.batches[child].posted.parents;
        let mut doomed: Vec<usize> = parents
            .iter()
            .copied()
            .filter(|parent| self.oracle.is_doomed(*parent))
            .collect();
        doomed.sort_unstable();
        doomed.dedup();
        if doomed.len() > 1 {
            self.coverage.count("builds on two doomed batches");
        }
        self.oracle.batches[child].status = Status::Condemned;
        Ok(())
    }

    pub(crate) fn choose_to_unwind(&mut self, pick: Pick, aimed: bool) -> Outcome {
        let all = 0..self.oracle.batches.len();
        let doomed = all.filter(|place| !aimed || self.oracle.is_doomed(*place));
        let chosen: Vec<usize> = doomed.filter(|place| !aimed || self.oracle.is_on_top(*place)).collect();
        pick.of(&chosen).map_or(Ok(()), |place| self.unwind(place))
    }

    pub(crate) fn unwind(&mut self, place: usize) -> Outcome {
        let expected = self.oracle.unwindable().contains(&place);
        let batch = self.oracle.batches[place].clone();
        let (posted, id) = (&batch.posted, batch.posted.id());
        let fee = match self.ledger.unwind(&posted.preimage.encode(), &posted.entries()) {
            Ok(unwinding) => unwinding.orphan_fee,
            Err(refusal) => {
                ensure!(!expected, "{id} cannot be unwound: {refusal}");
                self.coverage.count("refused to unwind");
                return Ok(());
            }
        };
        ensure!(expected, "{id} was unwound when {:?}", batch.status);
        // For orphans only, and always in full, since their locks are still there.
        let entries = u64::try_from(posted.writes.len()).unwrap();
        let due = (batch.status == Status::Condemned).then_some(250_000 + 13_000 * entries);
        ensure!(
            fee == due.map(|gwei| u128::from(gwei) * u128::from(GWEI)),
            "{id}: fee {fee:?}, due {due:?}"
        );
        if let Some(gwei) = due {
            self.accounts[posted.proposer()].fees += gwei;
            self.coverage.count("orphan's fee");
        }
        self.coverage.count("unwound");
        self.coverage.reach(ENTRIES, posted.writes.len());
        self.oracle.unwind(place);
        Ok(())
    }

    /// Resolves all faults: condemns downwards and unwinds upwards, in any order, with one transaction for each live batch of the
    /// cones and one more for each batch.
    pub(crate) fn resolve(&mut self, seed: u64) -> Outcome {
        let mut rng = Rng(seed);
        let cone = self.oracle.cone(&self.oracle.faults);
        let members = (0..cone.len()).filter(|place| cone[*place] > 0);
        let needed = |place: usize| 1 + usize::from(self.oracle.batches[place].status == Status::Live);
        let needed: usize = members.map(needed).sum();
        for done in 0..needed {
            let (condemnable, unwindable) = (self.oracle.condemnable(), self.oracle.unwindable());
            let place = rng.below((condemnable.len() + unwindable.len()).max(1));
            match (
                condemnable.get(place),
                unwindable.get(place.wrapping_sub(condemnable.len())),
            ) {
                (Some((child, entry, parent)), _) => self.condemn(*child, *entry, *parent)?,
                (None, Some(place)) => self.unwind(*place)?,
                (None, None) => return Err(format!("stuck after {done} of {needed} transactions")),
            }
        }
        ensure!(
            self.oracle.faults.is_empty(),
            "{needed} transactions do not resolve all faults"
        );
        ensure!(self.ledger.oldest_fault().is_none(), "a fault is left");
        self.coverage.count("resolved");
        Ok(())
    }

    pub(crate) fn choose_to_claim(&mut self, pick: Pick, aimed: bool) -> Outcome {
        let mut chosen = Vec::new();
        for (place, batch) in self.oracle.batches.iter().enumerate() {
            for position in (0..).take(batch.posted.withdrawals.len()) {
                if !aimed || (self.ledger.is_final(batch.posted.id()) && !batch.paid.contains(&position)) {
                    chosen.push((place, position));
                }
            }
        }
        pick.of(&chosen)
            .map_or(Ok(()), |(place, position)| self.claim(place, position))
    }

    pub(crate) fn claim(&mut self, place: usize, position: u8) -> Outcome {
        let batch = &mut self.oracle.batches[place];
        let expected = self.ledger.is_final(batch.posted.id()) && !batch.paid.contains(&position);
        let withdrawals = &batch.posted.withdrawals;
        let leaves: Vec<B256> = withdrawals.iter().map(nthroot_protocol::Withdrawal::leaf).collect();
        let siblings = tree::siblings(&leaves, position.into()).expect("a position");
        let withdrawal = withdrawals[usize::from(position)];
        let preimage = batch.posted.preimage.encode();
        let claimed = self.ledger.claim(&preimage, position, withdrawal, &siblings);
        ensure!(
            claimed.is_ok() == expected,
            "claiming {position} of {}: {claimed:?}",
            batch.posted.id()
        );
        if expected {
            batch.paid.insert(position);
        }
        self.coverage
            .count(if expected { "claimed" } else { "refused to claim" });
        Ok(())
    }
}
