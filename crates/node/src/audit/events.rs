//! What the bridge and its registry said, each held against the transaction that caused it.

use std::collections::BTreeMap;

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256},
    providers::Provider as _,
    sol_types::SolCall as _,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use nthroot_bindings::{Bridge, RuleRegistry};
use serde::Serialize;

use super::findings::Findings;
use crate::{
    deploy::Deployment,
    error::{Error, Result},
    inputs::{self, Input, What},
    l1::L1,
};

/// Transactions that are asked for at once.
const REQUESTS: usize = 16;

/// What happened, counted.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// How many there were of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// How many transactions they are of.
    pub transactions: usize,
    /// Those of them that did not call the bridge or its registry themselves: some contract did.
    pub through_contracts: usize,
}

/// All that was said up to a block, read once more: not by what derived the ledger.
pub(super) async fn read(l1: &L1, deployment: &Deployment, last: u64) -> Result<Vec<Input>> {
    let blocks = deployment.deployment_block..=last;
    let (inputs, _) = inputs::of_range(l1, deployment, blocks, false).await?;
    Ok(inputs)
}

/// Counts them, and names those whose transaction cannot have caused them.
pub(super) async fn explain(
    l1: &L1,
    deployment: &Deployment,
    inputs: &[Input],
    findings: &mut Findings,
) -> Result<Events> {
    let mut events = Events::default();
    let mut of: BTreeMap<B256, Vec<&Input>> = BTreeMap::new();
    for input in inputs {
        *events.kinds.entry(kind(&input.what)).or_default() += 1;
        of.entry(input.transaction).or_default().push(input);
    }
    events.transactions = of.len();
    let fetched = stream::iter(of).map(|(hash, inputs)| async move {
        let transaction = l1.provider().get_transaction_by_hash(hash).await?;
        let transaction = transaction.ok_or_else(|| Error::missing(format!("transaction {hash}")))?;
        let selector = transaction.input().get(..4).and_then(|bytes| bytes.try_into().ok());
        Ok::<_, Error>((hash, inputs, transaction.to(), selector))
    });
    let mut fetched = fetched.buffered(REQUESTS);
    while let Some((hash, inputs, to, selector)) = fetched.try_next().await? {
        let (mut direct, ours) = (false, [deployment.bridge, deployment.registry]);
        for input in inputs {
            match cause(deployment, &input.what, to, selector) {
                Cause::Call => direct = true,
                Cause::Contract => {}
                Cause::None => findings.wrong(
                    "event",
                    format!(
                        "block {}: transaction {hash} says {}, which what it calls cannot cause",
                        input.block,
                        kind(&input.what)
                    ),
                ),
            }
        }
        if !direct && to.is_none_or(|to| !ours.contains(&to)) {
            events.through_contracts += 1;
        }
    }
    Ok(events)
}

/// What can have caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The transaction's call.
    Call,
    /// A contract that it calls.
    Contract,
    /// Nothing.
    None,
}

fn cause(deployment: &Deployment, what: &What, to: Option<Address>, selector: Option<[u8; 4]>) -> Cause {
    let (callee, functions): (_, &[[u8; 4]]) = match what {
        What::Registered { .. } => (deployment.registry, &[RuleRegistry::registerCall::SELECTOR]),
        what => (deployment.bridge, functions(what)),
    };
    if to != Some(callee) {
        // A batch comes from a plain account, and from nowhere else.
        return match what {
            What::Submitted { .. } => Cause::None,
            _ => Cause::Contract,
        };
    }
    let called = selector.is_some_and(|selector| functions.contains(&selector));
    // Whoever is paid may call back into the bridge, and so may a token.
    let reenters = selector.is_some_and(|selector| {
        [
            Bridge::assignCall::SELECTOR,
            Bridge::challengeCall::SELECTOR,
            Bridge::claimCall::SELECTOR,
            Bridge::depositTokenCall::SELECTOR,
            Bridge::unwindCall::SELECTOR,
            Bridge::withdrawBondCall::SELECTOR,
        ]
        .contains(&selector)
    });
    match what {
        _ if called => Cause::Call,
        What::Submitted { .. } => Cause::None,
        _ if reenters => Cause::Contract,
        _ => Cause::None,
    }
}

const fn functions(what: &What) -> &'static [[u8; 4]] {
    match what {
        What::Deposited { .. } => &[Bridge::depositCall::SELECTOR, Bridge::depositTokenCall::SELECTOR],
        What::Submitted { .. } => &[Bridge::submitCall::SELECTOR],
        What::Convicted { .. } => &[Bridge::challengeCall::SELECTOR],
        What::Condemned { .. } => &[Bridge::condemnCall::SELECTOR],
        What::Unwound { .. } => &[Bridge::unwindCall::SELECTOR, Bridge::challengeCall::SELECTOR],
        What::Claimed { .. } => &[Bridge::claimCall::SELECTOR],
        What::Assigned { .. } => &[Bridge::assignCall::SELECTOR],
        // A reward that nobody took goes to the bond of the one who earned it.
        What::BondFunded { .. } => &[
            Bridge::fundBondCall::SELECTOR,
            Bridge::challengeCall::SELECTOR,
            Bridge::unwindCall::SELECTOR,
        ],
        What::BondWithdrawn { .. } => &[Bridge::withdrawBondCall::SELECTOR],
        What::Registered { .. } => &[RuleRegistry::registerCall::SELECTOR],
    }
}

const fn kind(what: &What) -> &'static str {
    match what {
        What::Deposited { .. } => "Deposited",
        What::Submitted { .. } => "BatchSubmitted",
        What::Convicted { .. } => "Convicted",
        What::Condemned { .. } => "Condemned",
        What::Unwound { .. } => "Unwound",
        What::Claimed { .. } => "Claimed",
        What::Assigned { .. } => "Assigned",
        What::BondFunded { .. } => "BondFunded",
        What::BondWithdrawn { .. } => "BondWithdrawn",
        What::Registered { .. } => "RuleRegistered",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy::primitives::U256;

    use super::*;
    use crate::deploy::Parameters;

    fn deployment() -> Deployment {
        let address = Address::repeat_byte;
        Deployment {
            chain_id: 1,
            deployment_block: 100,
            bridge: address(1),
            verifier: address(2),
            registry: address(3),
            account: address(4),
            parameters: Parameters {
                window: 20,
                insured_gas_price: 1,
                min_lock: 1,
                caps: BTreeMap::new(),
            },
        }
    }

    #[test]
    fn an_event_is_caused_by_its_call_or_by_a_contract() {
        let deployment = deployment();
        let (bridge, registry, other) = (deployment.bridge, deployment.registry, Address::repeat_byte(9));
        let funded = What::BondFunded {
            proposer: other,
            amount: U256::ONE,
        };
        let posted = What::Submitted {
            proposer: other,
            id: nthroot_protocol::BatchId::default(),
            word: U256::ZERO,
            skipped: Default::default(),
            batch: Default::default(),
        };
        let registered = What::Registered { rule: other };
        let (fund, submit) = (Bridge::fundBondCall::SELECTOR, Bridge::submitCall::SELECTOR);
        let register = RuleRegistry::registerCall::SELECTOR;
        for (what, to, selector, expected) in [
            (&funded, bridge, fund, Cause::Call),
            (&funded, bridge, Bridge::challengeCall::SELECTOR, Cause::Call),
            (&funded, bridge, Bridge::claimCall::SELECTOR, Cause::Contract),
            (&funded, bridge, Bridge::withdrawBondCall::SELECTOR, Cause::Contract),
            (&funded, bridge, Bridge::assignCall::SELECTOR, Cause::Contract),
            (&funded, bridge, submit, Cause::None),
            (&funded, other, fund, Cause::Contract),
            (&posted, bridge, submit, Cause::Call),
            (&posted, bridge, fund, Cause::None),
            (&posted, bridge, Bridge::claimCall::SELECTOR, Cause::None),
            (&posted, other, submit, Cause::None),
            (&registered, registry, register, Cause::Call),
            (&registered, bridge, register, Cause::Contract),
        ] {
            let found = cause(&deployment, what, Some(to), Some(selector));
            assert_eq!(found, expected, "{what:?} by {selector:?} of {to}");
        }
        // A contract's creation may do anything, but post a batch.
        assert_eq!(cause(&deployment, &funded, None, None), Cause::Contract);
        assert_eq!(cause(&deployment, &posted, None, None), Cause::None);
    }
}
