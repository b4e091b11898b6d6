//! The contracts and rules that are there.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, keccak256},
    providers::Provider as _,
};
use nthroot_bindings::RuleRegistry;
use nthroot_model::ledger::Ledger;
use serde::Serialize;

use super::{Pinned, findings::Findings, seen::Batch, slots};
use crate::{
    deploy::{self, Deployment, contract},
    error::Result,
    inputs::{Input, What},
    l1::L1,
    rules,
};

/// Code that is there.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    /// What it is.
    pub name: &'static str,
    /// Where it is.
    pub address: Address,
    /// Its keccak.
    pub hash: B256,
    /// How many bytes this version's has.
    pub size: usize,
}

/// A registered rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its address, which follows from its code.
    pub address: Address,
    /// Its name, if it comes with the bridge.
    pub name: Option<&'static str>,
    /// The block of its registration.
    pub registered_at: u64,
    /// How many calls of it batches have made.
    pub calls: usize,
}

/// What is at the manifest's addresses, held against this version's code once more: by proof, if the L1 node gives any.
pub(super) async fn look(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    ledger: &Ledger,
    inputs: &[Input],
    batches: &[Batch],
    findings: &mut Findings,
) -> Result<(Vec<Code>, Vec<Rule>)> {
    let mut codes = Vec::new();
    for (kind, address) in deployment.contracts() {
        let expected = deploy::expected(kind, deployment)?;
        let (name, proved) = (kind.says(), slots::prove(l1, address, block, findings).await?);
        let hash = match &proved {
            Some(account) => account.code_hash,
            None => keccak256(&l1.provider().get_code_at(address).block_id(block.id()).await?),
        };
        if hash != keccak256(&expected) {
            let what = format!(
                "the code of the {name}, {address}, has the hash {hash}: this version's has {}",
                keccak256(&expected)
            );
            findings.wrong("deployment", what);
        }
        codes.push(Code {
            name,
            address,
            hash,
            size: expected.len(),
        });
    }
    let rules = registered(l1, deployment, block, ledger, inputs, batches, findings).await?;
    Ok((codes, rules))
}

async fn registered(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    ledger: &Ledger,
    inputs: &[Input],
    batches: &[Batch],
    findings: &mut Findings,
) -> Result<Vec<Rule>> {
    let book = rules::book(deployment);
    let known = [
        (book.account, "Account"),
        (book.swap, "Swap"),
        (book.pool, "Pool"),
        (book.credit, "Credit"),
    ];
    let mut calls: BTreeMap<Address, usize> = BTreeMap::new();
    for (rule, count) in batches.iter().flat_map(|batch| &batch.calls) {
        *calls.entry(*rule).or_default() += count;
    }
    for (rule, _) in known {
        calls.entry(rule).or_default();
    }
    for input in inputs {
        if let What::Registered { rule } = input.what {
            calls.entry(rule).or_default();
        }
    }
    let registry = RuleRegistry::new(deployment.registry, l1.provider());
    let mut found = Vec::new();
    for (address, calls) in calls {
        let at = registry
            .registeredAt(address)
            .block(block.id())
            .call()
            .await
            .map_err(contract)?;
        let (at, derived) = (at.saturating_to::<u64>(), ledger.rule_registered_at(address));
        if derived != Some(at).filter(|at| *at != 0) {
            let derived = derived.map_or_else(|| "no block".to_owned(), |block| format!("block {block}"));
            findings.wrong(
                "registry",
                format!("rule {address}: the registry says block {at}, its events say {derived}"),
            );
        }
        if at != 0 {
            let name = known.iter().find(|(rule, _)| *rule == address).map(|(_, name)| *name);
            found.push(Rule {
                address,
                name,
                registered_at: at,
                calls,
            });
        }
    }
    Ok(found)
}
