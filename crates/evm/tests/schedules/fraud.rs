//! Challenges, good and bad, and what follows a conviction.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use nthroot_bindings::Bridge;
use nthroot_fuzz::steps::Choices;
use nthroot_model::ledger::{ChallengeError, Rollback};
use nthroot_protocol::{BatchId, Evidence, PreEntry};

use crate::{
    actions::event,
    reverts::{self, error_of, same_acquittal},
    users,
    world::{PROPOSERS, SOMEBODY, World},
};

/// Most gas of one transaction on L1 (EIP-7825).
const TX_GAS: u64 = 1 << 24;

/// Whoever rolls back.
fn somebody(c: &mut Choices<'_>) -> Address {
    c.pick(&[SOMEBODY, PROPOSERS[0], PROPOSERS[2], users::account(1)])
}

impl World {
    /// Convicts on the evidence that the ledger has.
    pub(crate) fn convict(&mut self, id: BatchId, step: u16, unwind: bool) {
        let evidence = self.ledger.evidence(id, step).expect("a lie on known states");
        let entries = if unwind { self.entries(id) } else { Vec::new() };
        assert!(
            self.challenge(id, &evidence, &entries, TX_GAS),
            "a lie can be convicted in its window"
        );
    }

    /// One lie or several, so that the set of faults overflows now and then.
    pub(crate) fn convict_lies(&mut self, c: &mut Choices<'_>) {
        for _ in 0..c.pick(&[1, 2, 8]) {
            let lies = self.ledger.lies();
            if !lies.is_empty() {
                let lie = c.pick(&lies);
                self.convict(lie.batch, lie.step, c.once_in(3));
            }
        }
    }

    /// Evidence of some step, with something changed or not.
    fn some_evidence(&self, c: &mut Choices<'_>) -> Option<(BatchId, Vec<u8>)> {
        let batches = self.batches();
        let id = (!batches.is_empty()).then(|| c.pick(&batches))?;
        let steps = self.ledger.judgement(id).expect("nothing is pruned").len();
        let mut evidence = self.ledger.evidence(id, u16::try_from(c.below(steps)).ok()?).ok()?;
        match c.below(10) {
            0..=3 => {}
            4 | 5 => {
                let place = (c.below(256) * 256 + c.below(256)) % evidence.len();
                evidence[place] ^= c.byte().max(1);
            }
            6 => evidence.truncate(evidence.len() * c.below(256) / 256),
            7 => evidence.push(c.byte()),
            // The step of one batch under the preimage of another.
            8 => {
                let mut decoded = Evidence::decode(&evidence).ok()?;
                decoded.preimage = self.ledger.preimage(c.pick(&batches)).ok()?.clone();
                evidence = decoded.encode();
            }
            // A step that was not posted, or a state that nobody had.
            _ => {
                let mut decoded = Evidence::decode(&evidence).ok()?;
                let proof = decoded.proofs.last_mut();
                match (c.below(4), proof.and_then(|proof| proof.states.last_mut())) {
                    (0, Some(state)) if state.len() > 29 => state[29] ^= 1,
                    (1, Some(state)) => state.clear(),
                    (2, Some(_)) => {
                        let siblings = decoded.proofs.iter_mut().flat_map(|proof| &mut proof.siblings);
                        if let Some(sibling) = siblings.last() {
                            sibling[7] ^= 1;
                        }
                    }
                    _ => decoded.placed.step.body = vec![c.byte()].into(),
                }
                evidence = decoded.encode();
            }
        }
        Some((id, evidence))
    }

    fn some_entries(&self, id: BatchId, c: &mut Choices<'_>) -> Vec<u8> {
        let mut entries = self.entries(id);
        match c.below(6) {
            0 | 1 => return Vec::new(),
            2 | 3 => {}
            4 => return self.entries(c.pick(&self.batches())),
            _ => {
                let place = c.below(256) % entries.len();
                entries[place] ^= c.byte();
            }
        }
        entries
    }

    pub(crate) fn challenge_anything(&mut self, c: &mut Choices<'_>) {
        if let Some((id, evidence)) = self.some_evidence(c) {
            let entries = self.some_entries(id, c);
            self.challenge(id, &evidence, &entries, TX_GAS);
        }
    }

    pub(crate) fn challenge_with_little_gas(&mut self, c: &mut Choices<'_>) {
        if let Some((id, evidence)) = self.some_evidence(c) {
            let gas = 50_000 + 4_000 * u64::from(c.byte());
            self.challenge(id, &evidence, &[], gas);
        }
    }

    /// Challenges on both sides. Whether it convicted.
    fn challenge(&mut self, id: BatchId, evidence: &[u8], entries: &[u8], gas: u64) -> bool {
        self.log.push(format!(
            "challenge of {id} with {} bytes of entries and {gas} gas",
            entries.len()
        ));
        let call = Bridge::challengeCall {
            evidence: evidence.to_vec().into(),
            entries: entries.to_vec().into(),
        };
        let (from, bridge) = (SOMEBODY, self.l1.bridge);
        let before = self.l1.chain.balance(from);
        let sent = self.l1.chain.send_with_gas(from, bridge, call.abi_encode().into(), gas);
        let Ok(receipt) = sent else {
            assert!(gas < TX_GAS, "L1 takes the transaction");
            self.note("challenge without the gas for its bytes");
            return false;
        };
        self.follow(from, &call.abi_encode(), &receipt);
        let mut ledger = self.ledger.clone();
        let verdict = ledger.convict(evidence, entries);
        let named = error_of(&receipt);
        if gas < TX_GAS && !receipt.success && matches!(named, None | Some("NeedGas")) {
            self.note("challenge with too little gas");
            return false;
        }
        match verdict {
            Ok(conviction) => {
                assert!(
                    receipt.success,
                    "the contract says {named:?}, the model convicts: {conviction:?}"
                );
                assert!(!self.is_honest(conviction.batch), "an honest batch is convicted");
                let event: Bridge::Convicted = event(&receipt).expect("an event");
                let said = (event.id.to::<u64>(), event.proposer, event.challenger, event.slashed);
                let slashed = U256::from(conviction.slashed);
                assert_eq!(
                    said,
                    (conviction.batch.to_u64(), conviction.proposer, from, slashed),
                    "the event"
                );
                let reward = self.l1.chain.balance(from) - before;
                assert_eq!(reward, U256::from(conviction.reward), "the reward");
                assert_eq!(event.unwound, conviction.unwound, "unwound at once");
                self.custody[0] -= conviction.reward;
                self.burnt[0] += conviction.slashed - conviction.reward;
                self.ledger = ledger;
                self.note(match (conviction.unwound, entries.is_empty()) {
                    (true, _) => "convicted and unwound",
                    (false, true) => "convicted alone",
                    (false, false) => "convicted with a child",
                });
                true
            }
            Err(error) => {
                assert!(!receipt.success, "the contract convicts, the model says: {error}");
                let name = named.expect("a named error");
                let wrong_entries = !entries.is_empty() && self.wrong_entries(evidence, entries);
                assert!(
                    same_acquittal(&error, wrong_entries, name),
                    "the contract says {name}, the model: {error}"
                );
                self.note(match error {
                    ChallengeError::Evidence(_) => format!("challenge with bad evidence: {name}"),
                    _ => format!("challenge refused: {name}"),
                });
                false
            }
        }
    }

    fn wrong_entries(&self, evidence: &[u8], entries: &[u8]) -> bool {
        // The preimage stands in front, whatever follows it.
        let hash = evidence.get(28..60);
        hash.is_some_and(|hash| alloy::primitives::keccak256(entries) != *hash)
    }

    /// What should be done next, as a watcher would.
    pub(crate) fn roll_back(&mut self, c: &mut Choices<'_>) {
        let rollbacks = self.ledger.rollbacks();
        if rollbacks.is_empty() {
            return;
        }
        match c.pick(&rollbacks) {
            Rollback::Condemn { child, index, parent } => {
                let entries = self.entries(child);
                let from = somebody(c);
                assert!(
                    self.condemn(from, child, &entries, index, parent),
                    "a child can be condemned"
                );
            }
            Rollback::Unwind(id) => {
                let entries = self.entries(id);
                let from = somebody(c);
                assert!(
                    self.unwind(from, id, &entries),
                    "the head of all it wrote can be unwound"
                );
            }
        }
    }

    pub(crate) fn condemn_anything(&mut self, c: &mut Choices<'_>) {
        let batches = self.batches();
        if !batches.is_empty() {
            let (child, parent) = (c.pick(&batches), c.pick(&batches));
            let entries = self.some_entries(child, c);
            self.condemn(somebody(c), child, &entries, c.below(6), parent);
        }
    }

    fn condemn(&mut self, from: Address, child: BatchId, entries: &[u8], index: usize, parent: BatchId) -> bool {
        self.log
            .push(format!("{from} condemns {child} by entry {index} for {parent}"));
        let [of_child, of_parent] = [child, parent].map(|id| self.preimage(id));
        let call = Bridge::condemnCall {
            child: of_child.clone().into(),
            childEntries: entries.to_vec().into(),
            index: U256::from(index),
            parent: of_parent.clone().into(),
        };
        let receipt = self.send(from, 0, &call);
        match self.ledger.condemn(&of_child, entries, index, &of_parent) {
            Ok(_) => {
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model condemns",
                    error_of(&receipt)
                );
                let event: Bridge::Condemned = event(&receipt).expect("an event");
                assert_eq!((event.id.to(), event.parent.to()), (child.to_u64(), parent.to_u64()));
                self.note("condemned");
                true
            }
            Err(error) => {
                self.refused("condemn", &receipt, reverts::condemn(&error), &error);
                false
            }
        }
    }

    /// Any batch, which is the wrong order if others stand above.
    pub(crate) fn unwind_anything(&mut self, c: &mut Choices<'_>) {
        let batches = self.batches();
        if !batches.is_empty() {
            let doomed = |id: &BatchId| {
                self.ledger
                    .status(*id)
                    .is_some_and(|status| matches!(status as u8, 1 | 2))
            };
            let doomed: Vec<BatchId> = batches.iter().copied().filter(doomed).collect();
            let id = if doomed.is_empty() {
                c.pick(&batches)
            } else {
                c.pick(&doomed)
            };
            let entries = if c.once_in(4) {
                self.some_entries(id, c)
            } else {
                self.entries(id)
            };
            self.unwind(somebody(c), id, &entries);
        }
    }

    fn unwind(&mut self, from: Address, id: BatchId, entries: &[u8]) -> bool {
        self.log.push(format!("{from} unwinds {id}"));
        let preimage = self.preimage(id);
        let call = Bridge::unwindCall {
            preimage: preimage.clone().into(),
            entries: entries.to_vec().into(),
        };
        let before = self.l1.chain.balance(from);
        let receipt = self.send(from, 0, &call);
        match self.ledger.unwind(&preimage, entries) {
            Ok(unwinding) => {
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model unwinds",
                    error_of(&receipt)
                );
                let unwound: Bridge::Unwound = event(&receipt).expect("an event");
                assert_eq!(unwound.id.to::<u64>(), id.to_u64());
                let fee = unwinding.orphan_fee.unwrap_or_default();
                let got = self.l1.chain.balance(from) - before;
                assert_eq!(got, U256::from(fee), "the orphan's fee");
                let paid = event::<Bridge::OrphanFeePaid>(&receipt);
                let said = paid.map(|event| (event.id.to::<u64>(), event.proposer, event.to, event.amount));
                let expected = (id.to_u64(), unwinding.proposer, from, U256::from(fee));
                assert_eq!(said, unwinding.orphan_fee.map(|_| expected), "the event of the fee");
                self.custody[0] -= fee;
                if unwinding.orphan_fee.is_some() {
                    // Its lock is more than the fee, and nothing is released while the fault is unresolved.
                    let written = u16::try_from(entries.len() / PreEntry::LENGTH).expect("few");
                    let full = u128::from(self.ledger.params().orphan_fee(written)) * 1_000_000_000;
                    assert_eq!(fee, full, "the whole fee is there");
                    self.note("orphan unwound for its fee");
                }
                self.note("unwound");
                true
            }
            Err(error) => {
                self.refused("unwind", &receipt, reverts::unwind(&error), &error);
                false
            }
        }
    }

    /// In the end every lie is convicted and rolled back, and everybody is paid what they are owed.
    pub(crate) fn settle(&mut self) {
        let mut lies = self.ledger.lies();
        while let Some(lie) = lies.first() {
            self.convict(lie.batch, lie.step, true);
            lies = self.ledger.lies();
        }
        while self.ledger.oldest_fault().is_some() {
            assert!(!self.ledger.rollbacks().is_empty(), "a fault can always be resolved");
            self.roll_back(&mut Choices::new(&[]));
        }
        self.advance(self.ledger.params().window + 1);
        self.compare();
        for id in self.batches() {
            for claim in self.ledger.claims(id).expect("nothing is pruned") {
                if !claim.paid && self.ledger.is_final(id) {
                    self.claim(id, &claim);
                }
            }
        }
        self.compare();
    }
}
