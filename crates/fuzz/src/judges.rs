//! Who judges evidence: the deployed verifier and the model.

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::{Account, FraudVerifier, mocks};
use nthroot_evm::{Deployed, Jump, Parameters, SpecId, rule::Bytecode};
use nthroot_model::{
    kernel::{self, Env, Verdict},
    rule::Rules,
};
use nthroot_protocol::{Body, Evidence, EvidenceError, Fragment};

use crate::steps::TestRules;

/// What one side says of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The step is valid.
    Valid,
    /// The step is invalid.
    Invalid,
    /// It opens nothing.
    BadEvidence,
}

impl Answer {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::BadEvidence => "bad evidence",
        }
    }
}

/// The model's answer, in full.
pub type Judged = Result<(Evidence, Verdict), EvidenceError>;

/// What the model says, in short.
pub const fn answer(judged: &Judged) -> Answer {
    match judged {
        Err(_) => Answer::BadEvidence,
        Ok((_, Verdict::Valid(_))) => Answer::Valid,
        Ok((_, Verdict::Invalid(_))) => Answer::Invalid,
    }
}

/// The contracts on a chain, with test rules beside them, and the model of it.
pub struct Judges {
    world: Deployed,
    /// What the model judges against, with native twins of all rules. They have no gas.
    pub env: Env,
    /// The same with the code of all rules, which has.
    pub metered: Env,
    /// The test rules.
    pub rules: Arc<TestRules>,
}

impl Default for Judges {
    fn default() -> Self {
        let mut world = Deployed::new(SpecId::OSAKA, Parameters::default()).expect("it deploys");
        let mut metered = Rules::default().with(
            world.account,
            Bytecode::new(SpecId::OSAKA, Account::DEPLOYED_BYTECODE.clone()),
        );
        let mut register = |code: &Bytes| {
            let rule = world.register(code.clone()).expect("it registers");
            assert_ne!(rule, Address::ZERO, "the registry takes it");
            metered = metered.clone().with(rule, Bytecode::new(SpecId::OSAKA, code.clone()));
            rule
        };
        let rules = Arc::new(TestRules {
            puppet: register(&mocks::Puppet::DEPLOYED_BYTECODE),
            raw: register(&mocks::RawReturn::DEPLOYED_BYTECODE),
            reverter: register(&mocks::Reverter::DEPLOYED_BYTECODE),
            looper: register(&mocks::Looper::DEPLOYED_BYTECODE),
        });
        for rule in rules.table() {
            if metered.get(rule).is_none() {
                // Without code there is nothing that returns.
                metered = metered.with(rule, Bytecode::new(SpecId::OSAKA, Bytes::new()));
            }
        }
        let env = |rules| Env {
            account_rule: world.account,
            bridge: world.bridge,
            rules,
        };
        Self {
            env: env(rules.twins()),
            metered: env(metered),
            world,
            rules,
        }
    }
}

impl Judges {
    /// Chain id of the batches.
    pub const fn chain_id(&self) -> u64 {
        self.world.chain.chain_id()
    }

    /// The contract's answer. Any revert is "bad evidence" here; need-gas must not happen, since the call has all that fits.
    ///
    /// # Panics
    ///
    /// If it reverts without a named error, or for want of gas.
    pub fn contract(&mut self, evidence: &[u8], seen: &mut dyn FnMut(Jump)) -> Answer {
        let call = FraudVerifier::verifyCall {
            evidence: Bytes::copy_from_slice(evidence),
            bridge: self.world.bridge,
        };
        let (from, verifier) = (self.world.deployer, self.world.verifier);
        let receipt = self
            .world
            .chain
            .watch(from, verifier, call.abi_encode().into(), seen)
            .expect("L1 takes the transaction");
        if receipt.success {
            let valid = FraudVerifier::verifyCall::abi_decode_returns(&receipt.output).expect("a boolean");
            return if valid { Answer::Valid } else { Answer::Invalid };
        }
        assert!(
            !receipt.output.is_empty(),
            "the verifier reverts with a named error, never by accident"
        );
        assert!(
            receipt.error::<FraudVerifier::NeedGas>().is_none(),
            "more gas than a transaction has"
        );
        Answer::BadEvidence
    }
}

/// The model's answer against an environment that knows all rules.
///
/// # Errors
///
/// If it is no evidence, or opens nothing.
///
/// # Panics
///
/// If it names a rule of which the environment knows nothing.
pub fn model(env: &Env, evidence: &[u8]) -> Judged {
    let evidence = Evidence::decode(evidence)?;
    evidence.check_opening()?;
    let Evidence {
        preimage,
        placed,
        proofs,
        ..
    } = &evidence;
    let verdict = kernel::evaluate(env, preimage, placed, proofs).expect("every rule has a twin");
    Ok((evidence, verdict))
}

/// Evidence for people.
pub fn describe(evidence: &[u8]) -> String {
    Evidence::decode(evidence).map_or_else(
        |error| format!("{error}, of {} bytes", evidence.len()),
        |evidence| {
            let body = Body::of(&evidence.placed.step);
            let states: Vec<_> = evidence
                .proofs
                .iter()
                .flat_map(|proof| proof.states.iter().map(|state| (proof.depth, Fragment::decode(state))))
                .collect();
            format!("{:?}\n{body:#?}\n{states:#?}", evidence.placed.step)
        },
    )
}
