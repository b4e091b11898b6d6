//! Whether what is on a chain is what a manifest says, byte by byte.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
};
use nthroot_bindings::RuleRegistry;
use nthroot_evm::SpecId;

use super::{
    Deployment, Difference, Kind, Manifest, Plan, Record,
    code::{compare, immutables, rehearse},
    contract,
    factory::FACTORY,
};
use crate::{error::Result, l1::L1, rules};

/// What was found of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub kind: Kind,
    /// Where.
    pub address: Address,
    /// Hash of the code that is there.
    pub code_hash: B256,
    /// Its immutables, as they stand in that code.
    pub immutables: Vec<(&'static str, U256)>,
    /// What differs from what the manifest's parameters make of this version's contracts.
    pub differences: Vec<Difference>,
    /// Whether the address is that which follows from creation code, arguments and salt: then that constructor ran and no other, so that the
    /// storage began as it says too.
    pub is_derived: bool,
    /// For rules: whether the registry has it.
    pub is_registered: Option<bool>,
}

impl Finding {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.differences.is_empty() && self.is_derived && self.is_registered != Some(false)
    }
}

/// Compares the code of all contracts of a deployment with what the constructors of this version leave, run here.
///
/// # Errors
///
/// If no bridge can have the manifest's parameters, or the L1 node fails. What differs is no error.
pub async fn verify(l1: &L1, deployment: &Deployment, record: Option<&Record>) -> Result<Vec<Finding>> {
    let salt = record.map(|record| record.salt).unwrap_or_default();
    let plan = Plan::new(&deployment.parameters, salt);
    let expected = rehearse(&plan, SpecId::OSAKA, deployment.deployment_block)?;
    let registry = RuleRegistry::new(deployment.registry, l1.provider());
    let mut findings = Vec::new();
    for (piece, expected) in plan.pieces.iter().zip(&expected) {
        let address = match piece.kind {
            Kind::Bridge => deployment.bridge,
            Kind::Verifier => deployment.verifier,
            Kind::Registry => deployment.registry,
            kind => crate::rules::address_of(deployment.registry, kind.runtime()),
        };
        let code = l1.provider().get_code_at(address).await?;
        let is_registered = if piece.kind.is_rule() && address != deployment.registry {
            Some(!registry.registeredAt(address).call().await.map_err(contract)?.is_zero())
        } else {
            None
        };
        findings.push(Finding {
            kind: piece.kind,
            address,
            code_hash: keccak256(&code),
            immutables: immutables(piece.kind, &code)?,
            differences: compare(piece.kind, &expected.code, &code)?,
            is_derived: address == piece.address,
            is_registered,
        });
    }
    Ok(findings)
}

/// Something that a manifest says beside its deployment, and that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrue {
    /// What, by its name in the manifest.
    pub what: String,
    /// What the manifest says.
    pub says: String,
    /// What is.
    pub is: String,
}

/// What a manifest says untruly of its rules and of how it came to be, by what was found. The version is not compared, since the code is; nor
/// are transactions.
pub fn untrue(manifest: &Manifest, findings: &[Finding]) -> Vec<Untrue> {
    let deployment = &manifest.deployment;
    let (says, is) = (&manifest.rules, rules::book(deployment));
    let mut claims = vec![
        (
            "rules.account".to_owned(),
            says.account.to_string(),
            is.account.to_string(),
        ),
        ("rules.swap".to_owned(), says.swap.to_string(), is.swap.to_string()),
        ("rules.pool".to_owned(), says.pool.to_string(), is.pool.to_string()),
        (
            "rules.credit".to_owned(),
            says.credit.to_string(),
            is.credit.to_string(),
        ),
    ];
    if let Some(record) = &manifest.record {
        claims.push((
            "record.factory".to_owned(),
            record.factory.to_string(),
            FACTORY.to_string(),
        ));
        for made in &record.contracts {
            let Some(found) = findings.iter().find(|finding| finding.kind == made.kind) else {
                continue;
            };
            let name = |field: &str| format!("{field} of the {} in record", made.kind.says());
            claims.push((name("address"), made.address.to_string(), found.address.to_string()));
            claims.push((
                name("code_hash"),
                made.code_hash.to_string(),
                found.code_hash.to_string(),
            ));
            if let (Kind::Bridge, Some(block)) = (made.kind, made.block) {
                claims.push((
                    name("block"),
                    block.to_string(),
                    deployment.deployment_block.to_string(),
                ));
            }
        }
    }
    let untrue = claims.into_iter().filter(|(_, says, is)| says != is);
    untrue.map(|(what, says, is)| Untrue { what, says, is }).collect()
}
