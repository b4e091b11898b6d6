//! What users, proposers and liars do: deposits, bonds, batches, and time.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolEvent,
};
use nthroot_bindings::Bridge;
use nthroot_evm::Receipt;
use nthroot_fuzz::steps::Choices;
use nthroot_model::ledger::{Judgement, Submitted};
use nthroot_protocol::{AnchorId, Batch, BatchId, Key, Status};

use crate::{
    batches, draft, features,
    reverts::{self, error_of, same_refusal},
    users::{self, USERS},
    world::{PROPOSERS, SOMEBODY, World},
};

/// The first event of a type.
pub(crate) fn event<E: SolEvent>(receipt: &Receipt) -> Option<E> {
    let mut logs = receipt.logs.iter();
    logs.find_map(|log| E::decode_log(log).ok()).map(|log| log.data)
}

impl World {
    /// Does something, and compares both sides.
    pub(crate) fn act(&mut self, c: &mut Choices<'_>) {
        let logged = self.log.len();
        match c.below(44) {
            0..=4 => self.mine(c),
            5 | 6 => self.deposit(c),
            7 => self.change_bond(c),
            8..=13 => self.post_honest(c),
            14..=16 => self.build_for_later(c),
            17..=19 => self.post_waiting(c),
            20..=22 => self.post_lie(c),
            23 | 24 => self.post_blind(c),
            25 => self.post_malformed(c),
            26 => self.post_noise(c),
            27 => self.convict_lies(c),
            28 | 29 => self.challenge_anything(c),
            30 => self.challenge_with_little_gas(c),
            31..=33 => self.roll_back(c),
            34 => self.condemn_anything(c),
            35 => self.unwind_anything(c),
            36..=40 => self.claim_something(c),
            _ => self.assign_something(c),
        }
        if self.log.len() > logged {
            self.compare();
        }
    }

    /// Goes on by some blocks. A lie whose window ends is convicted in time, at the last block if need be.
    fn mine(&mut self, c: &mut Choices<'_>) {
        let blocks = c.pick(&[1, 1, 1, 2, 3, 7, 19, 20, 21, 22, 40]);
        self.advance(blocks);
    }

    pub(crate) fn advance(&mut self, blocks: u64) {
        self.log.push(format!("{blocks} blocks"));
        for _ in 0..blocks {
            let now = self.ledger.block();
            for lie in self.ledger.lies() {
                let undecided = self.ledger.status(lie.batch) == Some(Status::Live);
                if undecided && self.ledger.window_end(lie.batch) <= now {
                    self.note("convicted at the last block");
                    self.convict(lie.batch, lie.step, self.ledger.window_end(lie.batch).is_multiple_of(2));
                }
            }
            self.l1.chain.mine(1);
            self.begin_block(now + 1);
        }
    }

    /// By whomever, under a key of either kind, or under what is no key.
    fn deposit(&mut self, c: &mut Choices<'_>) {
        let key = users::key(c.below(USERS));
        let amount = c.pick(&[1_000, 1, 500_000, 0, 7]);
        let is_token = c.once_in(3);
        let token = if is_token { self.token } else { Address::ZERO };
        let mut bytes = key.to_bytes();
        if c.mistake(8) {
            match c.below(5) {
                0 => bytes[1..].fill(0),
                kind => bytes[0] = [0, 3, 4, 255][kind - 1],
            }
        }
        self.log.push(format!(
            "deposit of {amount} under {}, token {is_token}",
            Bytes::from(bytes)
        ));
        let receipt = self.send_deposit(bytes, token, amount);
        let key = match Key::from_bytes(bytes) {
            Ok(key) => key,
            Err(error) => {
                // Caps are looked at first.
                let reasons = ["BadKey", "AssetNotListed", "CapExceeded"];
                return self.refused("deposit", &receipt, &reasons, &error);
            }
        };
        match self.ledger.deposit(key, token, amount) {
            Ok(id) => {
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model takes the deposit",
                    error_of(&receipt)
                );
                let event: Bridge::Deposited = event(&receipt).expect("an event");
                let said = (event.id.to(), event.key.0, event.token, event.amount);
                assert_eq!(said, (id.to_u64(), bytes, token, amount), "the event");
                self.anchors.insert(AnchorId::new(id, 0));
                self.custody[usize::from(is_token)] += amount;
                self.note(format!("deposit under a key of kind {}", bytes[0]));
            }
            Err(error) => self.refused("deposit", &receipt, reverts::deposit(&error), &error),
        }
    }

    pub(crate) fn send_deposit(&mut self, key: [u8; 21], token: Address, amount: u128) -> Receipt {
        let key = key.into();
        if token.is_zero() {
            return self.send(SOMEBODY, amount, &Bridge::depositCall { key });
        }
        let amount = U256::from(amount);
        self.send(SOMEBODY, 0, &Bridge::depositTokenCall { token, amount, key })
    }

    fn change_bond(&mut self, c: &mut Choices<'_>) {
        let proposer = c.pick(&PROPOSERS);
        let free = u128::from(self.ledger.free_bond(proposer)) * 1_000_000_000;
        let wei = c.pick(&[20_000_000_000_000_000, 1, 1_000_000_000, free, free + 1_000_000_000]);
        if c.once_in(3) {
            self.log.push(format!("{proposer} gets {wei} of bond"));
            let receipt = self.send(SOMEBODY, wei, &Bridge::fundBondCall { proposer });
            match self.ledger.fund_bond(proposer, wei) {
                Ok(()) => {
                    assert!(receipt.success, "the model takes the bond");
                    self.custody[0] += wei;
                    self.note("bond funded");
                }
                Err(error) => self.refused("bond funding", &receipt, reverts::bond(&error), &error),
            }
            return;
        }
        self.log.push(format!("{proposer} takes {wei} of its bond"));
        let before = self.l1.chain.balance(proposer);
        let call = Bridge::withdrawBondCall {
            amount: U256::from(wei),
            to: proposer,
        };
        let receipt = self.send(proposer, 0, &call);
        match self.ledger.withdraw_bond(proposer, wei) {
            Ok(()) => {
                assert!(receipt.success, "the model lets the bond go");
                assert_eq!(self.l1.chain.balance(proposer) - before, U256::from(wei));
                self.custody[0] -= wei;
                self.note("bond withdrawn");
            }
            Err(error) => self.refused("bond withdrawal", &receipt, reverts::bond(&error), &error),
        }
    }

    fn draft(&self, c: &mut Choices<'_>) -> Option<(Address, Batch)> {
        let proposer = c.pick(&PROPOSERS);
        Some((proposer, draft::honest(self, proposer, c)?))
    }

    fn post_honest(&mut self, c: &mut Choices<'_>) {
        if let Some((proposer, batch)) = self.draft(c) {
            self.submit("honest batch", proposer, &batch.encode());
        }
    }

    fn build_for_later(&mut self, c: &mut Choices<'_>) {
        if let Some((proposer, mut batch)) = self.draft(c) {
            if c.once_in(8) {
                batches::corrupt(&mut batch, c);
            }
            self.log.push(format!("{proposer} builds a batch"));
            self.waiting.push((proposer, batch.encode()));
        }
    }

    /// What was built before is posted now, on whatever has happened since.
    fn post_waiting(&mut self, c: &mut Choices<'_>) {
        if !self.waiting.is_empty() {
            let (proposer, batch) = self.waiting.remove(c.below(self.waiting.len()));
            self.submit("late batch", proposer, &batch);
        }
    }

    fn post_lie(&mut self, c: &mut Choices<'_>) {
        let holders = self.lease_holders();
        if !holders.is_empty() && c.once_in(2) {
            // What its holder may do on a leased anchor, by other hands.
            let holder = c.pick(&holders);
            if let Some(batch) = draft::honest(self, holder, c) {
                self.submit("lie", c.pick(&PROPOSERS), &batch.encode());
            }
            return;
        }
        let Some((proposer, mut batch)) = self.draft(c) else {
            return;
        };
        batches::corrupt(&mut batch, c);
        self.submit("lie", proposer, &batch.encode());
    }

    /// Proposers to whom anchors are leased now.
    fn lease_holders(&self) -> Vec<Address> {
        let states = self.ledger.anchors().filter_map(|(.., state)| state.known());
        let leases = states.filter_map(|state| state.header().lease);
        let running = leases.filter(|lease| lease.runs(self.ledger.block()));
        running.map(|lease| lease.holder).collect()
    }

    /// Some of them, in one block or one on top of the other.
    fn post_blind(&mut self, c: &mut Choices<'_>) {
        let apart = c.once_in(2);
        let spread = c.once_in(4);
        for _ in 0..c.pick(&[1, 2, 4, 8]) {
            let proposer = if spread { PROPOSERS[0] } else { c.pick(&PROPOSERS) };
            if let Some(batch) = batches::blind(self, proposer, spread, c) {
                self.submit("blind batch", proposer, &batch.encode());
            }
            if apart {
                self.advance(1);
            }
        }
    }

    fn post_malformed(&mut self, c: &mut Choices<'_>) {
        if let Some((proposer, mut batch)) = self.draft(c) {
            let bytes = batches::malform(&mut batch, c);
            self.submit("malformed batch", proposer, &bytes);
        }
    }

    /// Random bytes, behind a header that fits or not.
    fn post_noise(&mut self, c: &mut Choices<'_>) {
        let length = c.below(100);
        let noise = c.bytes(length);
        let header = self
            .draft(c)
            .map(|(_, batch)| batch.header.encode())
            .unwrap_or_default();
        let bytes = if c.once_in(3) { noise } else { [header, noise].concat() };
        self.submit("noise", PROPOSERS[0], &bytes);
    }

    pub(crate) fn submit(&mut self, what: &str, proposer: Address, batch: &[u8]) {
        self.log.push(format!(
            "{proposer} posts {what} {:?}",
            Batch::parse(batch).map(|batch| batch.steps)
        ));
        let call = Bridge::submitCall {
            batch: Bytes::copy_from_slice(batch),
        };
        let receipt = self.send(proposer, 0, &call);
        match self.ledger.submit(proposer, batch) {
            Ok(submitted) => {
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model takes {what}",
                    error_of(&receipt)
                );
                self.accepted(what, &receipt, &submitted);
            }
            Err(error) => {
                assert!(!receipt.success, "the contract takes {what}, the model says: {error}");
                let name = error_of(&receipt).expect("a named error");
                assert!(
                    same_refusal(&error, name),
                    "{what}: the contract says {name}, the model: {error}"
                );
                self.note(format!("{what} refused: {name}"));
            }
        }
    }

    fn accepted(&mut self, what: &str, receipt: &Receipt, submitted: &Submitted) {
        let id = submitted.id;
        let posted: Bridge::BatchSubmitted = event(receipt).expect("an event");
        assert_eq!(
            (posted.id.to(), posted.word),
            (id.to_u64(), submitted.word.pack()),
            "id and word"
        );
        let skipped = event::<Bridge::StepsSkipped>(receipt).map(|event| event.skipped.to_vec());
        assert_eq!(skipped.unwrap_or_default(), submitted.skipped, "skipped steps of {id}");

        let header = &submitted.preimage.header;
        let call = Bridge::lockOfCall {
            ceiling: U256::from(header.ceiling),
            entryCount: U256::from(header.entry_count),
        };
        let lock = self.l1.chain.view(self.l1.bridge, &call);
        assert_eq!(
            lock,
            Some(U256::from(submitted.lock) * U256::from(1_000_000_000)),
            "lock of {id}"
        );

        self.anchors.extend(submitted.entries.iter().map(|entry| entry.anchor));
        self.log.push(format!("  as {id}"));
        let partly = if submitted.skipped.is_empty() {
            "applied"
        } else {
            "partly skipped"
        };
        self.note(format!("{what} {partly}"));
        self.check_steps(id);
    }

    /// What the ledger says of each step is what a challenge would find now, in one transaction.
    fn check_steps(&mut self, id: BatchId) {
        let judgements = self.ledger.judgement(id).expect("nothing is pruned");
        let judgements: Vec<Judgement> = judgements.into_iter().cloned().collect();
        for (step, judgement) in (0..).zip(judgements) {
            let evidence = self.ledger.evidence(id, step);
            let verdict = evidence.map(|evidence| self.simulate_challenge(evidence));
            match judgement {
                Judgement::Valid => {
                    let receipt = verdict.expect("evidence");
                    assert_eq!(error_of(&receipt), Some("StepIsValid"), "step {step} of {id}");
                    let evidence = self.ledger.evidence(id, step).expect("as above");
                    for feature in features::of(&evidence) {
                        self.note(format!("valid step: {feature}"));
                    }
                    self.note("step valid");
                }
                Judgement::Lie(reason) => {
                    // It had at most 2^24 gas, the most that a transaction can have.
                    let receipt = verdict.expect("evidence");
                    let name = error_of(&receipt);
                    assert!(
                        receipt.success,
                        "step {step} of {id} is a lie ({reason}), the contract says {name:?}"
                    );
                    self.note(format!("lie: {}", features::name(&reason)));
                    self.note("step a lie");
                }
                Judgement::Skipped(_) => assert!(verdict.is_err(), "a skipped step has no evidence"),
                Judgement::Unjudged(reason) => {
                    assert!(verdict.is_err(), "{reason}");
                    self.note("step on an unknown state");
                }
            }
        }
    }

    fn simulate_challenge(&mut self, evidence: Vec<u8>) -> Receipt {
        let call = Bridge::challengeCall {
            evidence: evidence.into(),
            entries: Bytes::new(),
        };
        let data = alloy::sol_types::SolCall::abi_encode(&call).into();
        let receipt = self.l1.chain.simulate(SOMEBODY, self.l1.bridge, data);
        receipt.expect("L1 takes the transaction")
    }
}
