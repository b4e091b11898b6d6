//! Steps out of signed intents.

use alloy_primitives::Address;
use nthroot_model::builder::{Name, StepPlan};
use nthroot_protocol::{
    AccountOp, Call, FragmentId,
    rules::{
        account::AccountOpError,
        credit::{CreditError, CreditOp},
        pool::{PoolCodecError, PoolOp},
        swap::{Fill, SwapError, SwapIntent},
    },
};

use crate::{account::Consent, budget::Budget, intent::SignedIntent, request::RuleBook};

/// Why an intent does not fit into a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is for another rule.
    #[error("the intent of fragment {0} is for another rule")]
    Rule(FragmentId),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Account(#[from] AccountOpError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Pool(#[from] PoolCodecError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Credit(#[from] CreditError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// A fragment takes part twice in one call.
    #[error("fragment {0} takes part twice in one call: its second intent must wait for the next one")]
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

    /// A call of the Account rule in which these take part, in this order. `leaves`: where the leaves are that they open, in order.
    ///
    /// # Errors
    ///
    /// As [`PlanError`] says.
    pub fn account(&mut self, parties: &[Consent], leaves: &[FragmentId]) -> Result<(), PlanError> {
        let mut listed = Vec::new();
        let mut authorisations = Vec::new();
        let mut ops = Vec::new();
        for party in parties {
            match party {
                Consent::Credited(fragment) => {
                    self.list(*fragment, &mut listed)?;
                }
                Consent::Signed(signed) => {
                    self.expect(signed, self.book.account)?;
                    ops.extend(AccountOp::decode_payload(&signed.payload)?);
                    authorisations.push((self.list(signed.fragment, &mut listed)?, signed.as_ref()));
                }
            }
        }
        let opened = ops.iter().filter(|op| matches!(op, AccountOp::Open { .. }));
        self.fragments.extend(opened.map(|_| Name::New));
        self.fragments.extend(leaves.iter().copied().map(name_of));
        self.push(0, Budget::account(&ops), listed, authorisations, Vec::new())
    }

    /// A call of the Pool rule: these intents, in the order of their fragments' places in the call, all on one pool; or one that opens a pool.
    ///
    /// # Errors
    ///
    /// As [`PlanError`] says.
    pub fn pool(&mut self, intents: &[SignedIntent]) -> Result<(), PlanError> {
        let rule = self.book.pool;
        let mut budget = Budget::ZERO;
        let mut pool = None;
        let mut creates = false;
        for signed in intents {
            self.expect(signed, rule)?;
            let op = PoolOp::decode(&signed.payload)?;
            budget = budget.and(Budget::pool(&op));
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
        let authorisations = self.list_all(intents, &mut listed)?;
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
        let authorisations = self.list_all(std::slice::from_ref(signed), &mut listed)?;
        let mut extra = Vec::new();
        if let Some(name) = opens {
            let said = self.opening(name, rule);
            if matches!(op, CreditOp::Create(_)) {
                extra = said;
            }
        }
        self.push(3, Budget::credit(&op), listed, authorisations, extra)
    }

    /// A call of the Swap rule: these intents with this fill, whose moves name parties by their places in `intents`. Assets that the fill
    /// names and nobody moves are left out: they would cost the rule gas, and a fill may come from anybody.
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
        let authorisations = self.list_all(intents, &mut listed)?;
        let budget = Budget::swap(intents.len(), items, fill.moves.len());
        self.push(1, budget, listed, authorisations, fill.without_idle_assets().encode())
    }

    fn expect(&self, signed: &SignedIntent, rule: Address) -> Result<(), PlanError> {
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
    fn opening(&mut self, name: Name, rule: Address) -> Vec<u8> {
        self.fragments.push(name);
        rule.to_vec()
    }

    /// Lists a fragment in a call, behind what is listed; returns its position.
    fn list(&mut self, fragment: FragmentId, listed: &mut Vec<u8>) -> Result<u8, PlanError> {
        let place = self.place(fragment)?;
        if listed.contains(&place) {
            return Err(PlanError::Twice(fragment));
        }
        listed.push(place);
        u8::try_from(listed.len() - 1).map_err(|_| PlanError::TooMany)
    }

    /// Lists those who sign, behind what is listed; returns their positions.
    fn list_all<'a>(
        &mut self,
        intents: &'a [SignedIntent],
        listed: &mut Vec<u8>,
    ) -> Result<Vec<(u8, &'a SignedIntent)>, PlanError> {
        let position = |signed: &'a SignedIntent| Ok((self.list(signed.fragment, listed)?, signed));
        intents.iter().map(position).collect()
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

/// How a step names a fragment that was open before the batch.
fn name_of(fragment: FragmentId) -> Name {
    match fragment.leaf() {
        0 => Name::Anchor(fragment.anchor()),
        leaf => Name::Leaf(fragment.anchor(), leaf),
    }
}
