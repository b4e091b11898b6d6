//! Proof gas: a static bound of the whole challenge transaction, from sizes that the commitments fix (section 7.1).
//!
//! All sums saturate: a sum that wrapped would make a lie unprovable.

use crate::{Authorisation, Body, Evidence, ProofSizes, Signature, Step, limits::MAX_DEPTH, tree};

/// The constants of the formula, in gas. They are tuned by measurement, so they stand in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofGasTable {
    /// The transaction, the openings and the verdict.
    pub tx_base: u64,
    /// Opening a byte of evidence, beside its calldata.
    pub open_byte: u64,
    /// An evaluation.
    pub eval_base: u64,
    /// A byte of the step or a pre-state in an evaluation.
    pub eval_byte: u64,
    /// A fragment in an evaluation, beside its bytes.
    pub eval_fragment: u64,
    /// A sibling in the anchors' trees.
    pub eval_node: u64,
    /// A call, beside the gas of its rule.
    pub call_base: u64,
    /// A fragment that a call lists, beside its bytes.
    pub call_fragment: u64,
    /// An authorisation.
    pub auth: u64,
    /// A signature of a P-256 key, beside [`Self::auth`].
    pub auth_p256: u64,
    /// An assertion, beside [`Self::auth_p256`].
    pub auth_webauthn: u64,
    /// An outflow of an authorisation.
    pub auth_outflow: u64,
    /// A byte passed to a rule.
    pub pass_byte: u64,
    /// A byte of effects.
    pub effect_byte: u64,
}

/// The constants in force.
pub const PROOF_GAS: ProofGasTable = ProofGasTable {
    tx_base: 200_000,
    open_byte: 8,
    eval_base: 30_000,
    eval_byte: 40,
    eval_fragment: 6_000,
    eval_node: 600,
    call_base: 15_000,
    call_fragment: 6_000,
    auth: 12_000,
    auth_p256: 8_000,
    auth_webauthn: 10_000,
    auth_outflow: 1_000,
    pass_byte: 40,
    effect_byte: 300,
};

/// Gas of a byte of calldata, at the dearer of ordinary execution and the floor of EIP-7623 as planned to be raised.
const CALLDATA_FLOOR_BYTE: u64 = 64;
/// Gas of a byte of calldata beside execution.
const CALLDATA_BYTE: u64 = 16;

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl ProofGasTable {
    /// Bound of the evaluation of a step whose proofs of anchors have these sizes.
    pub fn evaluation(&self, step: &Step, proofs: ProofSizes, body: &Body) -> u64 {
        let passed = length(proofs.state_bytes);
        let bytes = length(step.encoded_length()).saturating_add(passed);
        let fragments = length(step.touches() + body.further_leaves());
        // How deep an opened anchor becomes, only the evaluation knows.
        let nodes = proofs
            .siblings
            .saturating_add(usize::from(MAX_DEPTH) * step.opened.len());
        let mut sum = self
            .eval_base
            .saturating_add(self.eval_byte.saturating_mul(bytes))
            .saturating_add(self.eval_fragment.saturating_mul(fragments))
            .saturating_add(self.eval_node.saturating_mul(length(nodes)));
        let mut effects_so_far: u64 = 0;
        for call in &body.calls {
            let effects = u64::from(call.max_effects);
            effects_so_far = effects_so_far.saturating_add(effects);
            let terms = [
                self.call_base,
                u64::from(call.gas),
                self.call_fragment.saturating_mul(length(call.fragments.len())),
                self.pass_byte.saturating_mul(passed.saturating_add(effects_so_far)),
                self.effect_byte.saturating_mul(effects),
            ];
            let authorisations = call.authorisations.iter().map(|signed| self.authorisation(signed));
            sum = terms.into_iter().chain(authorisations).fold(sum, u64::saturating_add);
        }
        sum
    }

    fn authorisation(&self, signed: &Authorisation) -> u64 {
        let p256 = match signed.signature {
            Signature::Secp256k1(_) => 0,
            Signature::P256(_) => self.auth_p256,
            Signature::WebAuthn(..) => self.auth_p256.saturating_add(self.auth_webauthn),
        };
        let outflows = self.auth_outflow.saturating_mul(length(signed.outflows.len()));
        self.auth.saturating_add(p256).saturating_add(outflows)
    }

    /// Proof gas: what must not exceed the batch's ceiling.
    pub fn proof(&self, evidence_length: usize, evaluation: u64) -> u64 {
        let evidence = length(evidence_length);
        let floor = CALLDATA_FLOOR_BYTE.saturating_mul(evidence);
        let execution = (CALLDATA_BYTE.saturating_add(self.open_byte)).saturating_mul(evidence);
        self.tx_base
            .saturating_add(floor.max(execution.saturating_add(evaluation)))
    }

    /// Proof gas of step `index` of a batch of `step_count` steps and `rules` rules. None if there is no such step.
    pub fn of_step(
        &self,
        rules: usize,
        step_count: u16,
        index: u16,
        step: &Step,
        proofs: ProofSizes,
        body: &Body,
    ) -> Option<u64> {
        let siblings = tree::sibling_count(step_count.into(), index.into())?;
        let evidence = Evidence::length(rules, siblings, step, proofs);
        Some(self.proof(evidence, self.evaluation(step, proofs, body)))
    }
}
