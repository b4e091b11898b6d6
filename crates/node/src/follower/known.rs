//! The rules that a follower can judge: those of which it has twins, and the others by their code.

use alloy::{
    primitives::{Address, Bytes},
    providers::Provider,
};
use nthroot_bindings::RuleRegistry;
use nthroot_model::{ledger::Ledger, rule::Rules};
use tracing::info;

use crate::{deploy::contract, error::Result, l1::L1, rules};

/// What is known of the registry's rules.
pub(super) struct Known {
    registry: Address,
    /// What was registered before, no event that the follower reads tells of.
    deployment_block: u64,
    rules: Rules,
    /// The registered rules with their code, also those that have twins: another version may have none of them.
    learnt: Vec<(Address, Bytes)>,
}

impl Known {
    pub(super) const fn new(registry: Address, deployment_block: u64, twins: Rules) -> Self {
        Self {
            registry,
            deployment_block,
            rules: twins,
            learnt: Vec::new(),
        }
    }

    pub(super) fn rules(&self) -> Rules {
        self.rules.clone()
    }

    /// The registered rules with their code, in the order in which they became known.
    pub(super) fn learnt(&self) -> &[(Address, Bytes)] {
        &self.learnt
    }

    /// Judges a rule by this code from now on, unless it has a twin.
    ///
    /// # Errors
    ///
    /// As [`rules::learn`].
    pub(super) fn learn(&mut self, rule: Address, code: Bytes) -> Result<()> {
        if self.has(rule) {
            return Ok(());
        }
        rules::check_code(self.registry, rule, &code)?;
        if self.rules.get(rule).is_none() {
            self.rules = rules::learn(&self.rules, self.registry, rule, code.clone())?;
            info!(%rule, "judging a rule by its code");
        }
        self.learnt.push((rule, code));
        Ok(())
    }

    fn has(&self, rule: Address) -> bool {
        self.learnt.iter().any(|(known, _)| *known == rule)
    }

    /// Registers a rule in a ledger if it was registered before the deployment, and learns it.
    ///
    /// # Errors
    ///
    /// If the L1 node fails; or as [`Self::learn`].
    pub(super) async fn look_up(&mut self, l1: &L1, rule: Address, ledger: &mut Ledger) -> Result<()> {
        let registry = RuleRegistry::new(self.registry, l1.provider());
        // It never changes once it is there.
        let block = registry.registeredAt(rule).call().await.map_err(contract)?;
        let block: u64 = block.saturating_to();
        if block == 0 || block >= self.deployment_block {
            return Ok(());
        }
        if !self.has(rule) && rule != ledger.env().account_rule {
            self.learn(rule, l1.provider().get_code_at(rule).await?)?;
        }
        ledger.set_rules(self.rules());
        ledger.register_rule(rule, block);
        Ok(())
    }
}
