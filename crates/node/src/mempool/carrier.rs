//! Whoever carries bundles: the key under which it posts, and what it asks for.

use alloy::{primitives::Address, signers::k256::ecdsa::SigningKey};
use nthroot_api::AssetAmount;
use nthroot_model::signing::Signer as _;
use nthroot_protocol::{AccountOp, Domain, Fragment, FragmentId};
use nthroot_wallet::{Consent, Intent, Request, RuleBook, SignedIntent, States};

/// Blocks for which a till's consent to be paid holds: it is made anew for each batch.
const CONSENT: u64 = 64;

/// What a proposer is to those whose intents it carries. Fees are paid to its *tills*: fragments of its own, which it lets be paid
/// by signing for them.
#[derive(Debug, Clone)]
pub struct Carrier {
    key: SigningKey,
    /// What each bundle must pay. None: nothing.
    pub fee: Option<AssetAmount>,
    /// To one of these, which are under the proposer's key.
    pub tills: Vec<FragmentId>,
}

impl Carrier {
    /// One that asks for nothing.
    pub const fn new(key: SigningKey) -> Self {
        Self {
            key,
            fee: None,
            tills: Vec::new(),
        }
    }

    /// The same with a fee, and where it is paid.
    #[must_use]
    pub fn charging(mut self, fee: AssetAmount, tills: Vec<FragmentId>) -> Self {
        self.fee = Some(fee);
        self.tills = tills;
        self
    }

    /// The account under which it posts.
    pub fn proposer(&self) -> Address {
        self.key.key().controller()
    }

    /// Its consent that a till takes part in the step that comes next: by the till's lease if it runs and is its own, else signed.
    /// None if the fragment is no till, or nothing is known of it.
    pub(crate) fn consent(
        &self,
        states: &impl States,
        book: &RuleBook,
        domain: &Domain,
        clock: u64,
        till: FragmentId,
    ) -> Option<Consent> {
        if !self.tills.contains(&till) {
            return None;
        }
        let state = states.fragment(till)?;
        let lease = states.anchor(till.anchor())?.header().lease;
        // What is merely credited takes no assets that it does not hold.
        let holds = self.fee.as_ref().is_some_and(|fee| state.balance(fee.asset) > 0);
        if holds && lease.is_some_and(|lease| lease.runs(clock) && lease.holder == self.proposer()) {
            return Some(Consent::Credited(till));
        }
        let signed = self.sign(book, domain, clock, till, state, Request::Account(Vec::new()));
        Some(Consent::Signed(Box::new(signed)))
    }

    /// Signs for a till.
    pub(crate) fn sign(
        &self,
        book: &RuleBook,
        domain: &Domain,
        clock: u64,
        till: FragmentId,
        state: &Fragment,
        request: Request,
    ) -> SignedIntent {
        let intent = Intent {
            request,
            fragment: till,
            nonce: state.nonce,
            valid_until: clock.saturating_add(CONSENT),
        };
        intent.sign(book, domain, &self.key)
    }

    /// What operations pay to the tills in the fee's asset.
    pub(crate) fn paid(&self, ops: &[AccountOp]) -> u128 {
        let asset = self.fee.as_ref().map(|fee| fee.asset);
        let paid = ops.iter().filter_map(|op| match op {
            AccountOp::Pay { to, asset: of, amount } if Some(*of) == asset && self.tills.contains(to) => Some(*amount),
            _ => None,
        });
        paid.fold(0, u128::saturating_add)
    }
}
