//! Steps out of signed intents.

use nthroot_model::builder::{Name, StepPlan};
use nthroot_protocol::{
    AccountOp, Call, FragmentId,
    rules::{
        credit::{CreditError, CreditOp},
        pool::{PoolCodecError, PoolOp},
        swap::{Fill, SwapError, SwapIntent},
    },
};

use crate::{intent::SignedIntent, request::RuleBook};

/// Why an intent does not fit into a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is for another rule.
    #[error("the intent of fragment {0} is for another rule")]
    Rule(FragmentId),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Pool(#[from] PoolCodecError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Credit(#[from] CreditError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// A fragment signs twice in one call.
    #[error("fragment {0} signs twice in one call")]
    Twice(FragmentId),
    /// An operation on a position, without the position's fragment.
    #[error("the operation needs the fragment of its position")]
    NoPosition,
    /// Opening a pool or a market stands alone in its call.
    #[error("what opens a pool stands alone in its call")]
    NotAlone,
    /// More fragments than a call can number.
    #[error("a step has at most 16 fragments")]
    TooMany,
}

/// What a call of a rule may take. It is twice what its longest use takes, measured, and costs nobody anything but room under
/// the proof ceiling: whatever the fork does that comes next, the call has gas to spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Gas of the rule.
    pub gas: u32,
    /// Bytes of its effects.
    pub effects: u16,
}

const MEANING: u16 = 66;
const MOVE: u16 = 51;
const SUPPLY: u16 = 50; // mint or burn
const OPEN: u16 = 23;
const POOL_DATA: u16 = 4 + 83;
const MARKET_DATA: u16 = 4 + 201;
const POSITION_DATA: u16 = 4 + 83;

impl Budget {
    /// Of one operation on a pool. Those of one call add up.
    pub const fn pool(op: &PoolOp) -> Self {
        let effects = match op {
            PoolOp::Create(_) => OPEN + POOL_DATA,
            PoolOp::Add { .. } | PoolOp::Remove { .. } => 2 * MOVE + SUPPLY + POOL_DATA,
            PoolOp::Sell { .. } | PoolOp::Buy { .. } => 2 * MOVE,
        };
        Self {
            gas: 60_000,
            effects: MEANING + effects,
        }
    }

    /// Of an operation on a market.
    pub const fn credit(op: &CreditOp) -> Self {
        let effects = match op {
            CreditOp::Create(_) => OPEN + MARKET_DATA,
            CreditOp::Lend { .. } | CreditOp::Redeem { .. } => MOVE + SUPPLY + MARKET_DATA,
            CreditOp::Borrow { .. } => OPEN + 2 * MOVE + SUPPLY + POSITION_DATA + MARKET_DATA,
            CreditOp::Repay { .. } => 2 * MOVE + SUPPLY + POSITION_DATA + MARKET_DATA,
            CreditOp::Call { .. } => MOVE + POSITION_DATA + MARKET_DATA,
            CreditOp::Bid { .. } => 2 * MOVE + POSITION_DATA + MARKET_DATA,
            CreditOp::Add { .. } => MOVE,
            CreditOp::Close { .. } => MOVE + SUPPLY + 4, // and no data
        };
        Self {
            gas: 100_000,
            effects: MEANING + effects,
        }
    }

    /// Of a fill of intents with so many legs, rewards and counterparties in all.
    pub fn swap(intents: usize, items: usize, moves: usize) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let gas = count(intents)
            .saturating_mul(30_000)
            .saturating_add(count(items).saturating_mul(4_000));
        let effects = intents * usize::from(MEANING) + moves * usize::from(MOVE);
        Self {
            gas: gas
                .saturating_add(count(moves).saturating_mul(4_000))
                .saturating_add(20_000),
            effects: u16::try_from(effects).unwrap_or(u16::MAX),
        }
    }
}

/// A step in the making: calls one after the other, on fragments that are listed as they are needed. Calls name rules by the
/// place of [`RuleBook::table`].
#[derive(Debug, Clone)]
pub struct Plan {
    book: RuleBook,
    fragments: Vec<Name>,
    calls: Vec<Call>,
}

impl Plan {
    /// An empty step.
    pub const fn new(book: RuleBook) -> Self {
        Self {
            book,
            fragments: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// The step. All of it happens, or nothing.
    pub fn finish(self) -> StepPlan {
        StepPlan {
            fragments: self.fragments,
            body: self.calls.into(),
        }
    }

    /// A call of the Account rule in which one fragment acts on its own: opens others, withdraws, changes its key or its lease.
    ///
    /// # Errors
    ///
    /// If an intent is for another rule, or its fragment signs twice.
    pub fn account(&mut self, ops: &[AccountOp], signed: &SignedIntent) -> Result<(), PlanError> {
        self.expect(signed, self.book.account)?;
        let place = self.place(signed.fragment)?;
        let opened = ops.iter().filter(|op| matches!(op, AccountOp::Open { .. })).count();
        for _ in 0..opened {
            self.fragments.push(Name::New);
        }
        let budget = account_budget(ops);
        self.push(0, budget, vec![place], vec![(0, signed)], Vec::new())
    }

    /// A call of the Pool rule: these intents, in the order of their fragments' places in the call, all on one pool; or one that opens a pool.
    ///
    /// # Errors
    ///
    /// As [`PlanError`] says.
    pub fn pool(&mut self, intents: &[SignedIntent]) -> Result<(), PlanError> {
        let rule = self.book.pool;
        let mut budget = Budget { gas: 0, effects: 0 };
        let mut pool = None;
        let mut creates = false;
        for signed in intents {
            self.expect(signed, rule)?;
            let op = PoolOp::decode(&signed.payload)?;
            let more = Budget::pool(&op);
            budget.gas = budget.gas.saturating_add(more.gas);
            budget.effects = budget.effects.saturating_add(more.effects);
            creates |= matches!(op, PoolOp::Create(_));
            pool = pool.or(op.pool());
        }
        if creates && intents.len() > 1 {
            return Err(PlanError::NotAlone);
        }
        let mut listed = pool
            .map(|pool| self.place(pool))
            .transpose()?
            .into_iter()
            .collect::<Vec<_>>();
        let authorisations = self.list(intents, &mut listed)?;
        let extra = if creates {
            self.opening(Name::New, rule)
        } else {
            Vec::new()
        };
        self.push(2, budget, listed, authorisations, extra)
    }

    /// A call of the Credit rule. `position`: the fragment of the position that it works on, or for one that is opened, where: a leaf of
    /// the market's cohort, if it has one.
    ///
    /// # Errors
    ///
    /// As [`PlanError`] says.
    pub fn credit(&mut self, signed: &SignedIntent, position: Option<FragmentId>) -> Result<(), PlanError> {
        let rule = self.book.credit;
        self.expect(signed, rule)?;
        let op = CreditOp::decode(&signed.payload)?;
        let mut listed = Vec::new();
        let mut opens = None;
        let needed = position.ok_or(PlanError::NoPosition);
        match op {
            CreditOp::Create(_) => opens = Some(Name::New),
            CreditOp::Lend { market, .. } | CreditOp::Redeem { market, .. } => listed.push(self.place(market)?),
            CreditOp::Borrow { market, serial: 0, .. } => {
                listed.push(self.place(market)?);
                opens = Some(position.map_or(Name::New, name_of));
            }
            CreditOp::Borrow { market, .. }
            | CreditOp::Repay { market, .. }
            | CreditOp::Call { market, .. }
            | CreditOp::Bid { market, .. } => {
                listed.push(self.place(market)?);
                listed.push(self.place(needed?)?);
            }
            CreditOp::Add { .. } | CreditOp::Close { .. } => listed.push(self.place(needed?)?),
        }
        let authorisations = self.list(std::slice::from_ref(signed), &mut listed)?;
        let mut extra = Vec::new();
        if let Some(name) = opens {
            let said = self.opening(name, rule);
            if matches!(op, CreditOp::Create(_)) {
                extra = said;
            }
        }
        self.push(3, Budget::credit(&op), listed, authorisations, extra)
    }

    /// A call of the Swap rule: these intents with this fill, whose moves name parties by their places in `intents`.
    ///
    /// # Errors
    ///
    /// As [`PlanError`] says.
    pub fn swap(&mut self, intents: &[SignedIntent], fill: &Fill) -> Result<(), PlanError> {
        let mut items = 0;
        for signed in intents {
            self.expect(signed, self.book.swap)?;
            let intent = SwapIntent::decode(&signed.payload)?;
            items += intent.gives.len() + intent.gets.len() + intent.rewards.len() + intent.counterparties.len();
        }
        let mut listed = Vec::new();
        let authorisations = self.list(intents, &mut listed)?;
        let budget = Budget::swap(intents.len(), items, fill.moves.len());
        self.push(1, budget, listed, authorisations, fill.encode())
    }

    fn expect(&self, signed: &SignedIntent, rule: alloy_primitives::Address) -> Result<(), PlanError> {
        if signed.rule == rule {
            Ok(())
        } else {
            Err(PlanError::Rule(signed.fragment))
        }
    }

    /// The place of a fragment in the step, which is listed now if it was not.
    fn place(&mut self, fragment: FragmentId) -> Result<u8, PlanError> {
        let name = name_of(fragment);
        let place = self.fragments.iter().position(|listed| *listed == name);
        let place = place.unwrap_or_else(|| {
            self.fragments.push(name);
            self.fragments.len() - 1
        });
        u8::try_from(place).map_err(|_| PlanError::TooMany)
    }

    /// Lists a fragment that the call opens; returns the extra of a call that opens under its own rule.
    fn opening(&mut self, name: Name, rule: alloy_primitives::Address) -> Vec<u8> {
        self.fragments.push(name);
        rule.to_vec()
    }

    /// Lists those who sign behind what is listed; returns their positions.
    fn list<'a>(
        &mut self,
        intents: &'a [SignedIntent],
        listed: &mut Vec<u8>,
    ) -> Result<Vec<(u8, &'a SignedIntent)>, PlanError> {
        let mut authorisations = Vec::new();
        for signed in intents {
            let place = self.place(signed.fragment)?;
            if listed.contains(&place) {
                return Err(PlanError::Twice(signed.fragment));
            }
            let position = u8::try_from(listed.len()).map_err(|_| PlanError::TooMany)?;
            listed.push(place);
            authorisations.push((position, signed));
        }
        Ok(authorisations)
    }

    fn push(
        &mut self,
        rule: u8,
        budget: Budget,
        fragments: Vec<u8>,
        authorisations: Vec<(u8, &SignedIntent)>,
        extra: Vec<u8>,
    ) -> Result<(), PlanError> {
        if self.fragments.len() > 16 {
            return Err(PlanError::TooMany);
        }
        let authorisations = authorisations.into_iter();
        self.calls.push(Call {
            rule,
            gas: budget.gas,
            max_effects: budget.effects,
            fragments,
            authorisations: authorisations
                .map(|(position, signed)| signed.authorisation(position))
                .collect(),
            extra: extra.into(),
        });
        Ok(())
    }
}

/// Of operations of the Account rule, in one call.
fn account_budget(ops: &[AccountOp]) -> Budget {
    let assets = |op: &AccountOp| match op {
        AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => assets.len(),
        _ => 0,
    };
    let effects: usize = ops.iter().map(|op| 80 + usize::from(MOVE) * assets(op)).sum();
    let moves: usize = ops.iter().map(|op| 1 + assets(op)).sum();
    Budget {
        gas: u32::try_from(40_000 + 8_000 * moves).unwrap_or(u32::MAX),
        effects: u16::try_from(effects).unwrap_or(u16::MAX),
    }
}

/// How a step names a fragment that was open before the batch.
fn name_of(fragment: FragmentId) -> Name {
    match fragment.leaf() {
        0 => Name::Anchor(fragment.anchor()),
        leaf => Name::Leaf(fragment.anchor(), leaf),
    }
}
