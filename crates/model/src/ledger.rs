//! The ledger: everything that L1 knows of the bridge, and everything that a follower knows beyond it (sections 4 and 7
//! to 9).
//!
//! It is fed with what happens on L1 in the order of the chain, either with the inputs of the calls ([`Ledger::submit`],
//! [`Ledger::convict`] and so on, which check all that the bridge checks) or, where a call was made through some contract
//! and only its event is seen, with the event ([`Ledger::on_convicted`] and so on). A clone is a snapshot to go back to when
//! L1 reorganises. It shares everything with the original until one of them changes, so that taking one costs next to nothing.
//!
//! Beyond L1 it keeps the states behind the heads and judges every applied step when its batch is posted. After a lie the
//! states of its anchors are unknown, and what builds on them is not judged: it falls with the lie.

mod assign;
mod challenge;
mod claim;
mod differences;
mod errors;
mod fields;
mod judge;
mod load;
mod rollback;
mod rows;
mod storage;
mod submit;
mod views;

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use alloy_primitives::{Address, B256, U256};
use imbl::{OrdMap, OrdSet};
use nthroot_protocol::{
    AnchorId, AssignedClaim, BatchId, BatchWord, Evidence, Fragment, GlobalWord, Head, Key, PlacedStep, PreEntry,
    Preimage, Withdrawal,
    limits::{MAX_CLOCK_AGE, MAX_SEQUENCE},
};

pub use assign::{Assigned, Consent, Offer, Sale};
pub use challenge::Conviction;
pub use claim::{Claim, Payment};
pub use errors::{
    AssignError, BlockError, BondError, ChallengeError, ClaimError, CondemnError, DepositError, EvidenceUnavailable,
    IdsExhausted, RowError, SubmitError, UnwindError, WordError,
};
pub use judge::{Judgement, Unjudged};
pub use rollback::{Rollback, Unwinding};
pub use submit::Submitted;
pub use views::Lie;

use crate::{
    anchor::AnchorState,
    bond::Bond,
    kernel::{Env, Signatures},
    params::{GWEI, Params},
    rule::Rules,
};

/// What a follower knows of the state behind a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The state whose root the head has.
    Known(Arc<AnchorState>),
    /// A step that is a lie, or that could not be judged, wrote the head.
    Unknown,
}

impl State {
    /// The state, if it is known.
    pub fn known(&self) -> Option<&AnchorState> {
        match self {
            Self::Known(state) => Some(state),
            Self::Unknown => None,
        }
    }

    fn known_arc(&self) -> Option<Arc<AnchorState>> {
        match self {
            Self::Known(state) => Some(Arc::clone(state)),
            Self::Unknown => None,
        }
    }
}

/// An open anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Anchor {
    head: Head,
    state: State,
}

/// A batch as L1 keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    word: BatchWord,
    /// What was paid, by position, if the batch has many withdrawals.
    paid: U256,
    /// The claims that were assigned, by position.
    assigned: BTreeMap<u8, AssignedClaim>,
}

/// What a follower keeps of a batch.
#[derive(Debug)]
struct Accepted {
    preimage: Preimage,
    withdrawals: Vec<Withdrawal>,
    entries: Vec<PreEntry>,
    steps: Vec<JudgedStep>,
    /// The step commitments; empty once its steps were [forgotten](Ledger::forget_valid_steps).
    commitments: Vec<B256>,
}

/// The preimage commits to all that was posted. What was forgotten since makes no difference.
impl PartialEq for Accepted {
    fn eq(&self, other: &Self) -> bool {
        let judgements = other.steps.iter().map(|step| &step.judgement);
        self.preimage == other.preimage && self.steps.iter().map(|step| &step.judgement).eq(judgements)
    }
}

impl Eq for Accepted {}

/// A step and what it was found to be.
#[derive(Debug)]
struct JudgedStep {
    judgement: Judgement,
    /// None if it was skipped, a state before it is not known, or it was forgotten.
    opening: Option<Opening>,
}

impl JudgedStep {
    fn placed(&self) -> Option<&PlacedStep> {
        Some(match self.opening.as_ref()? {
            Opening::Step(placed, _) => placed,
            Opening::Evidence(evidence) => &evidence.placed,
        })
    }
}

/// What evidence against a step is made of.
#[derive(Debug)]
enum Opening {
    /// The step, and the states before it of its fresh, then its repeated touches, which are known.
    Step(PlacedStep, Vec<Arc<AnchorState>>),
    /// All of it, which the states are not needed for any more.
    Evidence(Box<Evidence>),
}

/// What a batch made of an anchor.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// None if it opened the anchor.
    before: Option<State>,
    after: State,
}

/// The state machine of L1, and the states behind its heads.
#[derive(Debug, Clone)]
pub struct Ledger {
    params: Params,
    env: Env,
    block: u64,
    hashes: OrdMap<u64, B256>,
    rules: OrdMap<Address, u64>,
    global: GlobalWord,
    bonds: OrdMap<Address, Bond>,
    /// What came in less what went out, by token.
    held: OrdMap<Address, U256>,
    anchors: OrdMap<AnchorId, Anchor>,
    slots: OrdMap<(Address, u16), BatchId>,
    batches: OrdMap<BatchId, Record>,
    /// Of the batches that are not pruned.
    accepted: OrdMap<BatchId, Arc<Accepted>>,
    /// Those of them with a lie.
    lying: OrdSet<BatchId>,
    /// Those of them that were unwound.
    unwound: OrdSet<BatchId>,
    /// By entry, of the batches that may still be unwound.
    changes: OrdMap<BatchId, Arc<Vec<Change>>>,
    signatures: Signatures,
    /// The steps of batches up to this one were forgotten.
    forgotten: BatchId,
}

impl Ledger {
    /// The ledger of a bridge that was just deployed.
    pub fn new(params: Params, env: Env) -> Self {
        Self {
            block: params.deployment_block,
            params,
            env,
            hashes: OrdMap::new(),
            rules: OrdMap::new(),
            global: GlobalWord::default(),
            bonds: OrdMap::new(),
            held: OrdMap::new(),
            anchors: OrdMap::new(),
            slots: OrdMap::new(),
            batches: OrdMap::new(),
            accepted: OrdMap::new(),
            lying: OrdSet::new(),
            unwound: OrdSet::new(),
            changes: OrdMap::new(),
            signatures: Signatures::Checked,
            forgotten: BatchId::default(),
        }
    }

    /// Sets the twins by which steps are judged from now on. Judgements that were given stay.
    pub fn set_rules(&mut self, rules: Rules) {
        self.env.rules = rules;
    }

    /// Sets whether signatures are looked at when batches are posted from now on. Trusted are those of batches whose windows are
    /// over, in blocks that are final: whatever their signatures are, the batches stand. Evidence is always judged with them.
    pub const fn set_signatures(&mut self, signatures: Signatures) {
        self.signatures = signatures;
    }

    /// Goes on to L1 block `number`. Blocks without anything for the ledger may be left out; then clocks that name them
    /// need [`Self::learn_hash`].
    ///
    /// # Errors
    ///
    /// If the block is not after the current one. (The deployment block itself may be begun once.)
    pub fn begin_block(&mut self, number: u64, hash: B256) -> Result<(), BlockError> {
        let first = number == self.params.deployment_block && !self.hashes.contains_key(&number);
        if number < self.block || (number == self.block && !first) {
            return Err(BlockError {
                current: self.block,
                number,
            });
        }
        self.block = number;
        self.learn_hash(number, hash);
        Ok(())
    }

    /// Tells the hash of a block that a clock may name. Hashes of blocks too old for that are forgotten.
    pub fn learn_hash(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
        self.forget_hashes();
    }

    /// A deposit of `amount` units of `token` (zero for ether) for a key.
    ///
    /// # Errors
    ///
    /// If the controller or the amount is zero, the token is not one to deposit or over its cap, or the block has no id left.
    pub fn deposit(&mut self, key: Key, token: Address, amount: u128) -> Result<BatchId, DepositError> {
        if let Some(caps) = &self.params.caps {
            let cap = *caps.get(&token).ok_or(DepositError::NotListed(token))?;
            let balance = self.held(token).saturating_add(U256::from(amount));
            if balance > cap {
                return Err(DepositError::Cap { token, cap, balance });
            }
        }
        self.on_deposited(key, token, amount)
    }

    /// A deposit that L1 tells of. Caps are not looked at: they bound a balance of which this ledger knows only what went
    /// through the bridge's functions.
    ///
    /// # Errors
    ///
    /// If the controller or the amount is zero, or the block has no id left.
    pub fn on_deposited(&mut self, key: Key, token: Address, amount: u128) -> Result<BatchId, DepositError> {
        if key.controller().is_zero() {
            return Err(DepositError::ZeroController);
        }
        if amount == 0 {
            return Err(DepositError::ZeroAmount);
        }
        let id = self.next_id()?;
        let state = AnchorState::new(0, Fragment::deposited(key, token, amount));
        let head = Head { root: state.root(), id };
        let state = State::Known(Arc::new(state));
        self.anchors.insert(AnchorId::new(id, 0), Anchor { head, state });
        self.global.last = id;
        self.receive(token, amount);
        Ok(id)
    }

    /// Adds to a proposer's bond.
    ///
    /// # Errors
    ///
    /// If the amount is not whole gwei, or the balance would not fit 64 bits.
    pub fn fund_bond(&mut self, proposer: Address, wei: u128) -> Result<(), BondError> {
        let bond = self.bond(proposer).fund(gwei(wei)?).ok_or(BondError::TooMuch(wei))?;
        self.bonds.insert(proposer, bond);
        self.receive(Address::ZERO, wei);
        Ok(())
    }

    /// Takes free bond out.
    ///
    /// # Errors
    ///
    /// If the amount is not whole gwei, not so much is free, or a fault is unresolved.
    pub fn withdraw_bond(&mut self, proposer: Address, wei: u128) -> Result<(), BondError> {
        if let Some(fault) = self.oldest_fault() {
            return Err(BondError::Frozen(fault));
        }
        let bond = self.bond(proposer).withdraw(gwei(wei)?, self.epoch())?;
        self.bonds.insert(proposer, bond);
        self.send(Address::ZERO, wei);
        Ok(())
    }

    /// A rule that was registered at `block`. The first registration counts.
    pub fn register_rule(&mut self, rule: Address, block: u64) {
        self.rules.entry(rule).or_insert(block);
    }

    /// Forgets what can no longer matter: the steps of batches that are unwound, or final with nothing to pay, and what stood
    /// before any that is final. Their heads, words and status stay, and so do lies that nobody proved in time
    /// ([`Self::final_lies`]). The cost is that of the batches whose windows are over.
    pub fn prune_final(&mut self) {
        let over = self.block.checked_sub(self.params.window.saturating_add(1));
        let over = over.filter(|block| *block >= self.params.deployment_block);
        let last = over.and_then(|block| BatchId::new(self.params.offset(block), MAX_SEQUENCE));
        let over = last.into_iter().flat_map(|last| self.accepted.range(..=last));
        let kept: Vec<BatchId> = over.map(|(id, _)| *id).chain(self.unwound.iter().copied()).collect();
        for id in kept {
            if self.is_final(id) {
                self.changes.remove(&id);
            }
            let lies_for_ever = self.lying.contains(&id) && self.is_final(id);
            if self.is_done(id) && !lies_for_ever {
                self.accepted.remove(&id);
                self.lying.remove(&id);
                self.unwound.remove(&id);
            }
        }
    }

    /// Knows what may have to be found again among the batches.
    fn enter(&mut self, id: BatchId, accepted: Accepted) {
        if accepted
            .steps
            .iter()
            .any(|step| matches!(step.judgement, Judgement::Lie(_)))
        {
            self.lying.insert(id);
        }
        self.accepted.insert(id, Arc::new(accepted));
    }

    /// Forgets what evidence against valid steps of the batches up to an L1 block would be made of: the steps, and the states
    /// before them. For blocks that are final on L1; for a step of theirs that is valid, [`Self::evidence`] is
    /// [`EvidenceUnavailable::Forgotten`] from now on. Evidence against lies stays, and so do all judgements.
    pub fn forget_valid_steps(&mut self, block: u64) {
        let offset = self.params.offset(block.min(self.block));
        let Some(last) = BatchId::new(offset, MAX_SEQUENCE).filter(|last| *last > self.forgotten) else {
            return;
        };
        let range = (Bound::Excluded(self.forgotten), Bound::Included(last));
        let ids: Vec<BatchId> = self.accepted.range(range).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(accepted) = self.accepted.get_mut(&id) {
                *accepted = Arc::new(accepted.without_valid_steps());
            }
        }
        self.forgotten = last;
    }

    fn receive(&mut self, token: Address, amount: u128) {
        let held = self.held.entry(token).or_default();
        *held = held.saturating_add(U256::from(amount));
    }

    /// Never more than is there, unless a lie is paid out; then L1 could not pay either.
    fn send(&mut self, token: Address, amount: u128) {
        let held = self.held.entry(token).or_default();
        *held = held.saturating_sub(U256::from(amount));
    }

    fn forget_hashes(&mut self) {
        let oldest = self.block.saturating_sub(MAX_CLOCK_AGE);
        while let Some(block) = self
            .hashes
            .get_min()
            .map(|(block, _)| *block)
            .filter(|block| *block < oldest)
        {
            self.hashes.remove(&block);
        }
    }

    /// The id for what happens next in this block.
    fn next_id(&self) -> Result<BatchId, IdsExhausted> {
        let (offset, last) = (self.params.offset(self.block), self.global.last);
        let sequence = if last.block_offset() == offset {
            last.sequence().saturating_add(1)
        } else {
            1
        };
        BatchId::new(offset, sequence).ok_or(IdsExhausted { block: self.block })
    }

    const fn epoch(&self) -> u64 {
        self.params.epoch(self.block)
    }
}

/// Whole gwei.
fn gwei(wei: u128) -> Result<u64, BondError> {
    let unit = u128::from(GWEI);
    if !wei.is_multiple_of(unit) {
        return Err(BondError::NotWholeGwei(wei));
    }
    u64::try_from(wei / unit).map_err(|_| BondError::TooMuch(wei))
}
