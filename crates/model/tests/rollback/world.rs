//! The ledger and the oracle side by side, and what each action does to both.

use std::{collections::HashMap, rc::Rc};

use alloy_primitives::{Address, B256};
use nthroot_model::{
    kernel::Env,
    ledger::{BondError, Ledger, SubmitError},
    params::{GWEI, Params},
    rule::Rules,
};
use nthroot_protocol::{
    AnchorId, Batch, BatchHeader, BatchId, Fragment, FreshTouch, Key, RepeatedTouch, Root, Status, Step, Withdrawal,
};

use crate::{
    check::ensure,
    coverage::Coverage,
    history::{Action, Plan, StepPlan, Touch},
    oracle::{Draft, Oracle, Posted},
};

pub(crate) const DEPLOYED: u64 = 100;
pub(crate) const PROPOSERS: [Address; 4] = [
    Address::repeat_byte(1),
    Address::repeat_byte(2),
    Address::repeat_byte(3),
    Address::repeat_byte(4),
];
const USER: Address = Address::repeat_byte(0xa1);
const KEY: Key = Key::Secp256k1(USER);
/// Above the least lock, so that entries count.
const CEILING: u32 = 6_200_000;
const PRICE: u128 = 1_000_000_000;

/// In gwei, summed up since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    pub(crate) funded: u64,
    pub(crate) withdrawn: u64,
    pub(crate) slashed: u64,
    pub(crate) fees: u64,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) oracle: Oracle,
    pub(crate) accounts: [Account; PROPOSERS.len()],
    pub(crate) coverage: Coverage,
    /// The state behind each root: evidence has to open it.
    pub(crate) states: Rc<HashMap<Root, Vec<u8>>>,
}

pub(crate) type Outcome = Result<(), String>;

impl World {
    pub(crate) fn new(window: u64) -> Self {
        let params = Params {
            chain_id: 1,
            deployment_block: DEPLOYED,
            window,
            insured_gas_price: PRICE,
            min_lock: 2 * 6_100_000 * PRICE,
            caps: None,
        };
        let env = Env {
            account_rule: Address::repeat_byte(0xac),
            bridge: Address::repeat_byte(0xb7),
            rules: Rules::default(),
        };
        let mut world = Self {
            ledger: Ledger::new(params, env),
            oracle: Oracle::default(),
            accounts: Default::default(),
            coverage: Coverage::default(),
            states: Rc::default(),
        };
        world.ledger.begin_block(DEPLOYED, B256::ZERO).unwrap();
        // Bonds for about 40, 6, 16 and 80 batches: the second one runs out.
        for (place, gwei) in [500_000_000, 75_000_000, 200_000_000, 1_000_000_000]
            .into_iter()
            .enumerate()
        {
            world.accounts[place].funded = gwei;
            let wei = u128::from(gwei) * u128::from(GWEI);
            world.ledger.fund_bond(PROPOSERS[place], wei).unwrap();
        }
        world.advance(1);
        world
    }

    pub(crate) fn act(&mut self, action: &Action) -> Outcome {
        match *action {
            Action::Deposit => {
                self.deposit();
                Ok(())
            }
            Action::Submit(ref plan) => self.submit(plan),
            Action::Convict { pick, aimed, entries } => self.choose_to_convict(pick, aimed, entries),
            Action::Condemn { pick, aimed } => self.choose_to_condemn(pick, aimed),
            Action::Unwind { pick, aimed } => self.choose_to_unwind(pick, aimed),
            Action::Claim { pick, aimed } => self.choose_to_claim(pick, aimed),
            Action::Withdraw { proposer, percent } => self.withdraw(proposer.below(PROPOSERS.len()), percent),
            Action::Advance(blocks) => {
                self.advance(blocks);
                Ok(())
            }
            Action::Resolve(seed) => self.resolve(seed),
        }
    }

    pub(crate) fn advance(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.ledger.begin_block(self.ledger.block() + 1, B256::ZERO).unwrap();
        }
    }

    pub(crate) fn deposit(&mut self) -> AnchorId {
        let id = self.ledger.deposit(KEY, Address::ZERO, 1).unwrap();
        let anchor = AnchorId::new(id, 0);
        let state = Fragment::deposited(KEY, Address::ZERO, 1).encode();
        let root = Root::of(&state);
        Rc::make_mut(&mut self.states).insert(root, state);
        let head = nthroot_protocol::Head { root, id };
        self.oracle.anchors.insert(anchor, vec![(None, head)]);
        anchor
    }

    /// The root of a state that no other has.
    pub(crate) fn new_root(&mut self) -> Root {
        let mut fragment = Fragment::new(KEY.kind(), USER);
        fragment.nonce = u64::try_from(self.states.len()).unwrap();
        let state = fragment.encode();
        let root = Root::of(&state);
        Rc::make_mut(&mut self.states).insert(root, state);
        root
    }

    /// The id that L1 gives out next.
    fn next_id(&self) -> BatchId {
        let (offset, last) = (self.ledger.block() - DEPLOYED, self.ledger.global().last);
        let first = last.block_offset() < offset;
        BatchId::new(offset, if first { 1 } else { last.sequence() + 1 }).unwrap()
    }

    /// A step on what can be built on at the clock, the newest first.
    fn draft(&mut self, plan: &StepPlan, good: &[AnchorId], entries: &mut usize) -> Draft {
        let all: Vec<AnchorId> = self.oracle.anchors.keys().copied().collect();
        let mut step = Step::default();
        for touch in &plan.fresh {
            let (pick, from) = match touch {
                Touch::Recent(pick) => (pick, &good[..good.len().min(3)]),
                Touch::Good(pick) | Touch::Wrong(pick) => (pick, good),
                Touch::Any(pick) => (pick, all.as_slice()),
            };
            let Some(anchor) = pick.of(from) else { continue };
            let named = if matches!(touch, Touch::Wrong(_)) {
                all[0]
            } else {
                anchor
            };
            let parent = self.oracle.head(named).map_or_else(BatchId::default, |head| head.id);
            let twice = step.fresh.iter().any(|touch: &FreshTouch| touch.anchor == anchor);
            // The same anchor twice in a step is stale: seldom, or wide steps would all be skipped.
            if !twice || pick.below(16) == 0 {
                let root = self.new_root();
                step.fresh.push(FreshTouch { anchor, root, parent });
            }
        }
        let earlier: Vec<u16> = (0..u16::try_from(*entries).unwrap()).collect();
        let mut again: Vec<u16> = plan.again.iter().filter_map(|pick| pick.of(&earlier)).collect();
        again.sort_unstable();
        again.dedup();
        let nothing = step.fresh.is_empty() && again.is_empty();
        step.opened = (0..plan.opened.max(usize::from(nothing)))
            .map(|_| self.new_root())
            .collect();
        step.again = again
            .into_iter()
            .map(|entry| RepeatedTouch {
                entry,
                root: self.new_root(),
            })
            .collect();
        step.withdrawals = (0..plan.withdrawals)
            .map(|amount| Withdrawal {
                recipient: USER,
                token: Address::ZERO,
                amount: u128::try_from(amount).unwrap() + 1,
            })
            .collect();
        *entries += step.fresh.len() + step.opened.len();
        Draft { step, lie: plan.lie }
    }

    fn submit(&mut self, plan: &Plan) -> Outcome {
        let proposer = PROPOSERS[plan.proposer.below(PROPOSERS.len())];
        let clock_offset = self.clock(plan.age) - DEPLOYED;
        let known = self.ledger.oldest_fault();
        let good = |id: BatchId| id.block_offset() <= clock_offset && known.is_none_or(|fault| id < fault);
        let anchors = self.oracle.anchors.keys();
        let heads = anchors.filter_map(|anchor| Some((self.oracle.head(*anchor)?.id, *anchor)));
        let mut heads: Vec<(BatchId, AnchorId)> = heads.filter(|(id, _)| good(*id)).collect();
        heads.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let good: Vec<AnchorId> = heads.into_iter().map(|(_, anchor)| anchor).collect();
        let mut entries = 0;
        let plans = plan.steps.iter();
        let drafts: Vec<Draft> = plans.map(|step| self.draft(step, &good, &mut entries)).collect();
        self.post(proposer, plan.slot, plan.age, &drafts).map(drop)
    }

    fn clock(&self, age: u64) -> u64 {
        (self.ledger.block() - age).max(DEPLOYED)
    }

    /// Posts a batch. None if it was refused as it should be.
    pub(crate) fn post(
        &mut self,
        proposer: Address,
        slot: u16,
        age: u64,
        drafts: &[Draft],
    ) -> Result<Option<BatchId>, String> {
        let (block, known, next) = (self.ledger.block(), self.ledger.oldest_fault(), self.next_id());
        let clock = self.clock(age);
        let mut batch = Batch {
            header: BatchHeader {
                version: 1,
                data_availability: 0,
                chain_id: 1,
                clock,
                clock_hash: B256::ZERO,
                ceiling: CEILING,
                slot,
                step_count: 0,
                entry_count: 0,
                rules: Vec::new(),
            },
            steps: drafts.iter().map(|draft| draft.step.clone()).collect(),
        };
        batch.seal();
        let lock = 2 * (u64::from(CEILING) + 13_000 * u64::from(batch.header.entry_count));
        let effect = self.oracle.walk(next, clock - DEPLOYED, known, drafts);
        let used = self.slot_user(proposer, slot);
        let has_bond = self.ledger.free_bond(proposer) >= lock;
        let skipped = effect.steps.iter().filter(|step| step.is_none()).count();
        let applies = skipped < drafts.len();

        let submitted = match self.ledger.submit(proposer, &batch.encode()) {
            Ok(submitted) => submitted,
            Err(refusal) => {
                let (right, what) = match refusal {
                    SubmitError::SlotInUse { by, .. } => (used == Some((by, false)), "refused: slot in use"),
                    SubmitError::Bond(_) => (!has_bond, "refused: bond too low"),
                    SubmitError::NothingApplied => (!applies, "refused: nothing applied"),
                    _ => (false, ""),
                };
                ensure!(right, "a batch was refused: {refusal}");
                self.coverage.count(what);
                return Ok(None);
            }
        };
        let free = used.is_none_or(|(_, free)| free);
        ensure!(
            free && has_bond && applies,
            "a batch was accepted: {used:?}, {has_bond}, {applies}"
        );
        let id = submitted.id;
        ensure!(id == next, "id {id}, not {next}");
        ensure!(submitted.lock == lock, "{id} locks {}, not {lock}", submitted.lock);
        let told = (0..drafts.len()).map(|step| {
            submitted
                .skipped
                .get(step / 8)
                .is_some_and(|byte| byte >> (step % 8) & 1 == 1)
        });
        let expected = effect.steps.iter().map(Option::is_none);
        ensure!(told.eq(expected), "{id}: skipped steps {:?}", submitted.skipped);
        let told = submitted.entries.iter().map(|entry| (entry.anchor, entry.head));
        let expected = effect.writes.iter().map(|write| (write.anchor, write.before));
        ensure!(told.eq(expected), "{id}: entries {:?}", submitted.entries);
        // Nothing builds on what is not older than a fault.
        if let Some(fault) = self.oracle.oldest_fault() {
            let mut found = effect.writes.iter().filter_map(|write| write.before);
            ensure!(found.all(|head| head.id < fault), "{id} builds above fault {fault}");
            self.coverage.count("applied during a freeze");
        }
        self.coverage.count("applied");
        if skipped > 0 {
            self.coverage.count("applied in part");
        }
        if used.is_some() {
            self.coverage.count("slot used again");
        }
        self.oracle.post(submitted.preimage, block, lock, effect);
        Ok(Some(id))
    }

    /// The batch that used a word slot last, and whether the slot is free (section 4.7).
    fn slot_user(&self, proposer: Address, slot: u16) -> Option<(BatchId, bool)> {
        let uses = |posted: &Posted| posted.preimage.proposer == proposer && posted.slot() == slot;
        let batch = self.oracle.batches.iter().rev().find(|batch| uses(&batch.posted))?;
        let paid = batch.paid.len() == batch.posted.withdrawals.len();
        let offset = batch.posted.id().block_offset();
        let later = self
            .ledger
            .oldest_fault()
            .is_none_or(|fault| fault.block_offset() > offset);
        let done = batch.status == Status::Live && paid && !self.in_window(&batch.posted) && later;
        Some((batch.posted.id(), done || batch.status == Status::Unwound))
    }

    pub(crate) fn in_window(&self, posted: &Posted) -> bool {
        self.ledger.block() <= posted.block + self.ledger.params().window
    }

    fn withdraw(&mut self, proposer: usize, percent: u64) -> Outcome {
        let free = self.ledger.free_bond(PROPOSERS[proposer]);
        let gwei = free * percent / 100;
        match self
            .ledger
            .withdraw_bond(PROPOSERS[proposer], u128::from(gwei) * u128::from(GWEI))
        {
            Ok(()) => {
                ensure!(self.oracle.faults.is_empty(), "bond left during a freeze");
                self.accounts[proposer].withdrawn += gwei;
                self.coverage.count("bond withdrawn");
            }
            Err(BondError::Frozen(_)) => ensure!(!self.oracle.faults.is_empty(), "frozen without a fault"),
            Err(BondError::TooLow(_)) => ensure!(gwei > free, "{gwei} gwei of {free} are refused"),
            Err(other) => return Err(other.to_string()),
        }
        Ok(())
    }
}
