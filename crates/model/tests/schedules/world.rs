//! A chain that reorganises, batches that were built on it and wait, and what each action does.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use nthroot_model::{
    builder::{BatchBuilder, Posting},
    kernel::Env,
    ledger::{Judgement, Ledger, SubmitError},
    params::Params,
    rule::Rules,
};
use nthroot_protocol::{AccountOp, Batch, BatchId, limits::MAX_CLOCK_AGE};

use crate::{
    lies::Lie,
    random::Pick,
    steps::{ACCOUNT, DOMAIN, Drafting, Seed, Signed, TOKEN, USERS, key_of},
};

pub(crate) const DEPLOYED: u64 = 100;
pub(crate) const PROPOSERS: [Address; 3] = [
    Address::repeat_byte(1),
    Address::repeat_byte(2),
    Address::repeat_byte(3),
];
const WINDOW: u64 = 40;
const CEILING: u32 = 5_000_000;
/// How far back the chain can reorganise.
const KEPT: usize = 40;

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Deposit {
        user: usize,
        amount: u128,
    },
    /// An honest batch is built on the chain as it is, at a clock of this age.
    Build {
        proposer: usize,
        age: u64,
        steps: Vec<Seed>,
    },
    /// One of those that were built is posted, by its proposer.
    Post {
        pick: Pick,
        evidence: u64,
    },
    /// The same batch, posted by somebody else.
    Copy {
        pick: Pick,
        proposer: usize,
    },
    /// A batch that was built, with a lie in one of its steps.
    Lie {
        pick: Pick,
        step: Pick,
        lies: Vec<Lie>,
        /// The last one stays, and is convicted later or never; the others are only tried.
        stays: bool,
    },
    Advance(u64),
    /// The last blocks are replaced.
    Reorganise(usize),
    Convict {
        pick: Pick,
        entries: bool,
    },
    Resolve,
}

/// A batch that waits.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) proposer: Address,
    pub(crate) batch: Batch,
    pub(crate) signed: Vec<Signed>,
    /// How often the chain had been reorganised when it was built.
    reorganised: u64,
    pub(crate) credited: bool,
    /// It was accepted once. It may be posted again, on another chain or in vain.
    posted: bool,
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    hashes: BTreeMap<u64, B256>,
    /// The ledger before each of the last blocks.
    before: Vec<Ledger>,
    reorganised: u64,
    drafts: Vec<Draft>,
    pub(crate) coverage: BTreeMap<String, u64>,
}

pub(crate) type Outcome = Result<(), String>;

impl World {
    pub(crate) fn new() -> Self {
        let params = Params {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            window: WINDOW,
            insured_gas_price: 1_000_000_000,
            min_lock: Params::least_min_lock(1_000_000_000),
            caps: None,
        };
        let env = Env {
            account_rule: ACCOUNT,
            bridge: DOMAIN.bridge,
            rules: Rules::default(),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, B256::ZERO).unwrap();
        for proposer in PROPOSERS {
            ledger.fund_bond(proposer, 100_000_000_000_000_000_000).unwrap();
        }
        let mut world = Self {
            ledger,
            hashes: BTreeMap::from([(DEPLOYED, B256::ZERO)]),
            before: Vec::new(),
            reorganised: 0,
            drafts: Vec::new(),
            coverage: BTreeMap::new(),
        };
        world.advance(1);
        world
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.coverage.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn act(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Deposit { user, amount } => {
                let deposited = self.ledger.deposit(key_of(*user), TOKEN, *amount);
                deposited.map(drop).map_err(|error| error.to_string())
            }
            Action::Build { proposer, age, steps } => {
                self.build(PROPOSERS[*proposer], *age, steps);
                Ok(())
            }
            Action::Post { pick, evidence } => self.draft(*pick).map_or(Ok(()), |draft| self.post(&draft, *evidence)),
            Action::Copy { pick, proposer } => {
                let draft = self.draft(*pick);
                draft.map_or(Ok(()), |draft| self.copy(&draft, PROPOSERS[*proposer]))
            }
            Action::Lie {
                pick,
                step,
                lies,
                stays,
            } => {
                let Some(draft) = self.draft(*pick) else { return Ok(()) };
                let last = lies.len().saturating_sub(1);
                let mut lies = lies.iter().enumerate();
                lies.try_for_each(|(place, lie)| self.lie(&draft, *step, *lie, *stays && place == last))
            }
            Action::Advance(blocks) => {
                self.advance(*blocks);
                Ok(())
            }
            Action::Reorganise(depth) => {
                self.reorganise(*depth);
                Ok(())
            }
            Action::Convict { pick, entries } => self.convict(*pick, *entries),
            Action::Resolve => self.resolve(),
        }
    }

    /// A batch that was built, most often one of the last that wait and are not too old.
    fn draft(&self, pick: Pick) -> Option<Draft> {
        let all: Vec<&Draft> = self.drafts.iter().collect();
        let waits = |draft: &&Draft| !draft.posted && self.ledger.block() <= draft.batch.header.clock + MAX_CLOCK_AGE;
        let waiting: Vec<&Draft> = self.drafts.iter().filter(waits).collect();
        let last = &waiting[waiting.len().saturating_sub(4)..];
        pick.of(if pick.below(5) > 0 && !last.is_empty() {
            last
        } else {
            &all
        })
        .cloned()
    }

    fn advance(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.before.push(self.ledger.clone());
            if self.before.len() > KEPT {
                self.before.remove(0);
            }
            let block = self.ledger.block() + 1;
            let hash = keccak256([block.to_be_bytes(), self.reorganised.to_be_bytes()].concat());
            self.ledger.begin_block(block, hash).unwrap();
            self.hashes.insert(block, hash);
        }
    }

    /// The last blocks and all that was in them are gone; one block has taken the place of the first of them.
    fn reorganise(&mut self, depth: usize) {
        let Some(kept) = self.before.len().checked_sub(depth) else {
            return;
        };
        self.ledger = self.before[kept].clone();
        self.before.truncate(kept);
        self.reorganised += 1;
        self.count("reorganised");
        self.advance(1);
    }

    fn build(&mut self, proposer: Address, age: u64, seeds: &[Seed]) {
        let clock = self.ledger.block().saturating_sub(age).max(DEPLOYED);
        let posting = Posting {
            proposer,
            clock,
            clock_hash: self.hashes[&clock],
            // Several batches wait at once, each for a word slot of its own.
            slot: u16::try_from(self.drafts.len()).unwrap(),
            ceiling: CEILING,
        };
        let drafting = Drafting {
            ledger: &self.ledger,
            clock,
            proposer,
            proposers: &PROPOSERS,
        };
        let mut builder = BatchBuilder::new(&self.ledger, posting);
        let mut draft_signed = Vec::new();
        let mut any_credited = false;
        for seed in seeds {
            if let Some((plan, signed, credited)) = drafting.step(&builder, seed)
                && builder.step(&plan).is_ok()
            {
                any_credited |= credited;
                draft_signed.push(signed);
            }
        }
        if let Ok(batch) = builder.build() {
            self.drafts.push(Draft {
                proposer,
                batch,
                signed: draft_signed,
                reorganised: self.reorganised,
                credited: any_credited,
                posted: false,
            });
        }
    }

    /// Posts a batch. None if it was refused for one of the reasons for which an honest one can be.
    pub(crate) fn submit(&mut self, proposer: Address, batch: &Batch) -> Result<Option<BatchId>, String> {
        let header = &batch.header;
        let age = self.ledger.block().saturating_sub(header.clock);
        let replaced = self.hashes.get(&header.clock) != Some(&header.clock_hash);
        match self.ledger.submit(proposer, &batch.encode()) {
            Ok(submitted) => {
                let known = (1..=MAX_CLOCK_AGE).contains(&age) && !replaced;
                // Whatever it builds on that was replaced, so was its clock.
                known
                    .then_some(Some(submitted.id))
                    .ok_or(format!("accepted at age {age}, replaced: {replaced}"))
            }
            Err(refusal) => {
                let what = match refusal {
                    SubmitError::Clock { .. } => "refused: clock",
                    SubmitError::ClockHash { .. } => "refused: clock was replaced",
                    SubmitError::SlotInUse { .. } => "refused: slot in use",
                    SubmitError::NothingApplied => "refused: nothing applied",
                    other => return Err(format!("refused: {other}")),
                };
                self.count(what);
                Ok(None)
            }
        }
    }

    /// An honest batch is accepted or refused, applied in whole or in part, and nobody can convict it.
    fn post(&mut self, draft: &Draft, seed: u64) -> Outcome {
        let Some(id) = self.submit(draft.proposer, &draft.batch)? else {
            return Ok(());
        };
        for other in &mut self.drafts {
            other.posted |= other.batch == draft.batch;
        }
        let judgements: Vec<Judgement> = self.ledger.judgement(id).unwrap().into_iter().cloned().collect();
        let mut applied = 0;
        for (index, judgement) in (0..).zip(&judgements) {
            match judgement {
                Judgement::Skipped(_) => {}
                Judgement::Valid => {
                    applied += 1;
                    self.try_to_convict(id, index, seed)?;
                }
                Judgement::Lie(reason) => return Err(format!("honest step {index} of {id} is a lie: {reason}")),
                Judgement::Unjudged(reason) => return Err(format!("honest step {index} of {id}: {reason}")),
            }
        }
        self.cover(draft, applied < judgements.len());
        Ok(())
    }

    fn cover(&mut self, draft: &Draft, in_part: bool) {
        let (clock, block) = (draft.batch.header.clock, self.ledger.block());
        self.count("applied");
        let mut seen = vec![
            (in_part, "applied in part"),
            (block == clock + MAX_CLOCK_AGE, "applied at the greatest age"),
            (draft.reorganised < self.reorganised, "applied after a reorganisation"),
            (self.ledger.oldest_fault().is_some(), "applied during a freeze"),
            (draft.credited, "credited under a lease"),
        ];
        for signed in &draft.signed {
            let message = &signed.message;
            seen.push((message.valid_until == clock, "signed until the clock"));
            seen.push((message.valid_until < block, "signature over at inclusion"));
            let scheme = ["secp256k1", "secp256k1", "secp256k1", "P-256", "WebAuthn"][signed.user];
            seen.push((true, scheme));
            for op in AccountOp::decode_payload(&signed.payload).unwrap_or_default() {
                let (what, lease) = match op {
                    AccountOp::Pay { to, .. } if to.leaf() > 0 => ("pays a leaf", None),
                    AccountOp::Pay { .. } => ("pays", None),
                    AccountOp::Open { depth: 0, .. } => ("opens", None),
                    AccountOp::Open { .. } => ("opens a cohort", None),
                    AccountOp::Withdraw { .. } => ("withdraws", None),
                    AccountOp::SetController { .. } => ("sets a controller", None),
                    AccountOp::SetLease { last_block, .. } => ("sets a lease", Some(last_block)),
                    AccountOp::OpenLeaf { .. } => ("opens a leaf", None),
                };
                seen.push((true, what));
                seen.push((lease == Some(clock), "lease until the clock"));
                seen.push((
                    lease.is_some_and(|last| last > clock && last < block),
                    "lease over at inclusion",
                ));
            }
        }
        seen.into_iter()
            .filter(|(seen, _)| *seen)
            .for_each(|(_, what)| self.count(what));
    }

    /// What a schedule begins with: each user has something.
    pub(crate) fn begin() -> Vec<Action> {
        let deposit = |user| Action::Deposit { user, amount: 1000 };
        let mut actions: Vec<Action> = (0..USERS).map(deposit).collect();
        actions.push(Action::Advance(1));
        actions
    }
}
