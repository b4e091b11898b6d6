//! What a rule sees and returns (section 6.2).
//!
//! The contract of a rule is code in the EVM; the model runs its *twin*, a function that is meant to return the same. Gas
//! is not modelled: a twin says what its rule returns when the committed gas suffices. Return data that is not a canonical
//! `bytes` (section 6.1) is a failure of the twin.

use std::{collections::BTreeMap, fmt, sync::Arc};

use alloy_primitives::Address;
use nthroot_protocol::{AssetId, FragmentId, Kind};

/// What a rule sees of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The batch's clock, an L1 block number.
    pub clock: u64,
    /// Who posted the batch.
    pub proposer: Address,
}

/// What a rule sees of a fragment: everything but its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentView {
    /// Its id; zero if it was opened in the same batch.
    pub id: FragmentId,
    /// What its controller is.
    pub kind: Kind,
    /// Its controller.
    pub controller: Address,
    /// What it holds, by strictly increasing asset id.
    pub assets: Vec<(AssetId, u128)>,
    /// What rules keep in it.
    pub data: Vec<u8>,
}

/// What a rule sees of an authorisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorisationView {
    /// Position of the fragment in the call.
    pub fragment: u8,
    /// What was authorised, in the words of the rule.
    pub payload: Vec<u8>,
}

/// A rule returned no effects: it reverted, or what it returned is not a canonical `bytes`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule failed: {0}")]
pub struct RuleFailure(pub String);

/// A twin: what a rule returns for what it sees. It must be a function of its arguments alone.
pub trait Rule: Send + Sync {
    /// The bytes of the effects, not yet judged.
    ///
    /// # Errors
    ///
    /// If the rule reverts, or returns what is not a canonical `bytes`.
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure>;

    /// The same for the gas that the call commits. Twins do not model gas; what runs the rule's own code does.
    ///
    /// # Errors
    ///
    /// As [`Self::transition`], or if the gas does not suffice.
    fn run(
        &self,
        gas: u64,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        let _ = gas;
        self.transition(context, fragments, authorisations, extra)
    }
}

impl<F> Rule for F
where
    F: Fn(&Context, &[FragmentView], &[AuthorisationView], &[u8]) -> Result<Vec<u8>, RuleFailure> + Send + Sync,
{
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        self(context, fragments, authorisations, extra)
    }
}

/// The twins by the addresses of their rules.
#[derive(Clone, Default)]
pub struct Rules(Arc<BTreeMap<Address, Arc<dyn Rule>>>);

impl Rules {
    /// These twins and one more, which replaces one with the same address.
    #[must_use]
    pub fn with(mut self, rule: Address, twin: impl Rule + 'static) -> Self {
        Arc::make_mut(&mut self.0).insert(rule, Arc::new(twin));
        self
    }

    /// The twin of the rule at this address.
    pub fn get(&self, rule: Address) -> Option<Arc<dyn Rule>> {
        self.0.get(&rule).cloned()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
