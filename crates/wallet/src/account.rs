//! Calls of the Account rule, whose parties sign in this process.

use nthroot_model::{builder::StepPlan, signing::Signer};
use nthroot_protocol::{AccountOp, Domain, FragmentId};

use crate::{
    intent::{Intent, SignedIntent},
    plan::{Plan, PlanError},
    request::{Request, RuleBook},
};

/// One who takes part in a call of the Account rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// One who signed.
    Signed(Box<SignedIntent>),
    /// One who is merely credited, which takes a lease of its anchor by the proposer.
    Credited(FragmentId),
}

/// One who takes part in a call of the Account rule, before it has signed.
#[derive(Clone)]
pub struct Party<'a> {
    /// Who signs, by whichever scheme. None: the fragment is merely credited.
    pub signer: Option<&'a dyn Signer>,
    /// Its fragment.
    pub fragment: FragmentId,
    /// The fragment's nonce when the call starts.
    pub nonce: u64,
    /// What it does with its own fragment; nothing is consent to be paid.
    pub ops: Vec<AccountOp>,
    /// For the leaves that it opens, in order, where in its cohort they shall be. They increase, and beyond those of
    /// earlier parties of the same cohort.
    pub leaves: Vec<u32>,
}

impl<'a> Party<'a> {
    /// One who signs.
    pub fn signing(signer: &'a dyn Signer, fragment: FragmentId, nonce: u64, ops: Vec<AccountOp>) -> Self {
        Self {
            signer: Some(signer),
            fragment,
            nonce,
            ops,
            leaves: Vec::new(),
        }
    }

    /// One who is merely credited.
    pub const fn credited(fragment: FragmentId) -> Self {
        Self {
            signer: None,
            fragment,
            nonce: 0,
            ops: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// The same with places for the leaves that it opens.
    #[must_use]
    pub fn opening(mut self, leaves: impl IntoIterator<Item = u32>) -> Self {
        self.leaves = leaves.into_iter().collect();
        self
    }

    fn consent(&self, terms: &Terms) -> Consent {
        let Some(signer) = self.signer else {
            return Consent::Credited(self.fragment);
        };
        let intent = Intent {
            request: Request::Account(self.ops.clone()),
            fragment: self.fragment,
            nonce: self.nonce,
            valid_until: terms.valid_until,
        };
        Consent::Signed(Box::new(intent.sign(&terms.book, &terms.domain, signer)))
    }
}

/// What all signatures of a call refer to.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Chain and bridge.
    pub domain: Domain,
    /// The rules.
    pub book: RuleBook,
    /// Last block at which the signatures hold.
    pub valid_until: u64,
}

/// The step in which these parties act, in this order.
///
/// # Errors
///
/// As [`Plan::account`].
pub fn plan(terms: &Terms, parties: &[Party<'_>]) -> Result<StepPlan, PlanError> {
    let consents: Vec<Consent> = parties.iter().map(|party| party.consent(terms)).collect();
    let leaves = parties
        .iter()
        .flat_map(|party| party.leaves.iter().map(|leaf| (party.fragment.anchor(), *leaf)));
    let leaves: Vec<FragmentId> = leaves.filter_map(|(anchor, leaf)| anchor.leaf(leaf)).collect();
    let mut plan = Plan::new(terms.book);
    plan.account(&consents, &leaves)?;
    Ok(plan.finish())
}
