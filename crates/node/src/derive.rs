//! Feeds the ledger with what L1 says, and compares what each says of the other's business.

use std::fmt::Debug;

use alloy::primitives::{Address, B256, U256};
use nthroot_model::{
    kernel::Env,
    ledger::{Judgement, Ledger},
    params::Params,
    rule::Rules,
};
use nthroot_protocol::{BatchHeader, BatchId, Withdrawal};

use crate::{
    deploy::Deployment,
    error::{Error, Result},
    inputs::{Input, What},
};

/// Offset of the clock in a batch (section 4.1 of the specification).
const CLOCK: std::ops::Range<usize> = 10..18;

/// Offset of the number of its steps.
const STEP_COUNT: std::ops::Range<usize> = 56..58;

/// Length of a batch's header without its rule table.
const HEADER: usize = BatchHeader::BASE_LENGTH;

/// What a deployment fixes, and what its steps are evaluated against.
pub(crate) fn terms(deployment: &Deployment, rules: &Rules) -> (Params, Env) {
    let params = deployment
        .parameters
        .params(deployment.chain_id, deployment.deployment_block);
    let env = Env {
        account_rule: deployment.account,
        bridge: deployment.bridge,
        rules: rules.clone(),
    };
    (params, env)
}

/// The ledger of a bridge before anything happened, with twins of the rules that it can judge.
pub(crate) fn genesis(deployment: &Deployment, rules: &Rules) -> Ledger {
    let (params, env) = terms(deployment, rules);
    Ledger::new(params, env)
}

/// The rules of a batch's table, as far as it has them.
pub(crate) fn rules(batch: &[u8]) -> impl Iterator<Item = Address> + '_ {
    let count = batch.get(HEADER - 1).copied().unwrap_or(0);
    let table = batch.get(HEADER..).unwrap_or_default();
    table.chunks_exact(20).take(count.into()).map(Address::from_slice)
}

/// How many steps a batch says that it has. 0 if it is too short to say so.
pub(crate) fn step_count(batch: &[u8]) -> u16 {
    let bytes = batch.get(STEP_COUNT).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u16::from_be_bytes)
}

/// The block that a batch names as its clock. None if it is too short to name one.
pub(crate) fn clock(batch: &[u8]) -> Option<u64> {
    batch.get(CLOCK)?.try_into().ok().map(u64::from_be_bytes)
}

/// Applies an input. `clock_hash` is the hash of the block that a batch names as its clock.
///
/// # Errors
///
/// [`Error::Diverged`] if chain and model differ.
pub(crate) fn apply(ledger: &mut Ledger, input: &Input, clock_hash: Option<B256>) -> Result<()> {
    let diverged = |chain: String, model: String| Error::Diverged {
        block: input.block,
        chain,
        model,
    };
    if input.block > ledger.block() {
        ledger
            .begin_block(input.block, input.block_hash)
            .map_err(|error| diverged(format!("block {}", input.block), error.to_string()))?;
    }
    let refused = |error: &dyn std::error::Error| diverged(format!("{:?}", input.what), error.to_string());
    let same = |what: &str, chain: &dyn Debug, model: &dyn Debug| {
        let (chain, model) = (format!("{chain:?}"), format!("{model:?}"));
        if chain == model {
            Ok(())
        } else {
            Err(diverged(format!("{what} {chain}"), format!("{what} {model}")))
        }
    };
    match &input.what {
        What::Deposited { id, key, token, amount } => {
            // What the bridge holds besides may come from anywhere, so it is the bridge that looks at caps.
            let listed = ledger
                .params()
                .caps
                .as_ref()
                .is_none_or(|caps| caps.contains_key(token));
            same("token of the manifest", &true, &listed)?;
            let derived = ledger
                .on_deposited(*key, *token, *amount)
                .map_err(|error| refused(&error))?;
            same("deposit", id, &derived)
        }
        What::Submitted {
            proposer,
            id,
            word,
            skipped,
            batch,
        } => {
            if let (Some(clock), Some(hash)) = (clock(batch), clock_hash) {
                ledger.learn_hash(clock, hash);
            }
            let derived = ledger.submit(*proposer, batch).map_err(|error| refused(&error))?;
            same("batch", id, &derived.id)?;
            same("word", word, &derived.word.pack())?;
            same("skipped steps", &skipped.as_ref(), &derived.skipped.as_slice())
        }
        What::Convicted { id, slashed, unwound } => {
            let derived = ledger.on_convicted(*id, *unwound).map_err(|error| refused(&error))?;
            same("slashed", slashed, &U256::from(derived.slashed))
        }
        What::Condemned { id, parent } => {
            same("parent of a condemned batch", &true, &builds_on(ledger, *id, *parent))?;
            ledger.on_condemned(*id).map_err(|error| refused(&error))
        }
        What::Unwound { id, fee } => {
            let derived = ledger.on_unwound(*id).map_err(|error| refused(&error))?;
            same("orphan's fee", fee, &U256::from(derived.orphan_fee.unwrap_or_default()))
        }
        What::Claimed {
            id,
            position,
            withdrawal,
        } => {
            let position = u8::try_from(*position).unwrap_or(u8::MAX);
            let derived = ledger.on_claimed(*id, position).map_err(|error| refused(&error))?;
            // The event names the present recipient.
            let paid = Withdrawal {
                recipient: derived.recipient,
                ..derived.withdrawal
            };
            same("claim", withdrawal, &paid)
        }
        What::Assigned { id, position, from, to } => {
            let position = u8::try_from(*position).unwrap_or(u8::MAX);
            let assigned = ledger.on_assigned(*id, position, *from, *to);
            assigned.map(drop).map_err(|error| refused(&error))
        }
        What::BondFunded { proposer, amount } => {
            let amount = amount.saturating_to();
            ledger.fund_bond(*proposer, amount).map_err(|error| refused(&error))
        }
        What::BondWithdrawn { proposer, amount } => {
            let amount = amount.saturating_to();
            ledger.withdraw_bond(*proposer, amount).map_err(|error| refused(&error))
        }
        What::Registered { rule } => {
            ledger.register_rule(*rule, input.block);
            Ok(())
        }
    }
}

/// What is convicted must have a step that is a lie, or of which nobody here can say.
///
/// # Errors
///
/// [`Error::Diverged`] if the model holds every step of the batch valid.
pub(crate) fn check_conviction(ledger: &Ledger, input: &Input, id: BatchId) -> Result<()> {
    let is_good = |judgement: &&Judgement| matches!(judgement, Judgement::Valid | Judgement::Skipped(_));
    match ledger.judgement(id) {
        Ok(judgements) if judgements.iter().all(is_good) => Err(Error::Diverged {
            block: input.block,
            chain: format!("batch {id} has a lie"),
            model: "every step of it is valid".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether a batch found a head of `parent` under one of its anchors.
fn builds_on(ledger: &Ledger, child: BatchId, parent: BatchId) -> bool {
    let entries = ledger.entries(child).unwrap_or_default();
    entries
        .iter()
        .any(|entry| entry.head.is_some_and(|head| head.id == parent))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy::primitives::Bytes;
    use nthroot_protocol::Key;

    use super::*;
    use crate::{deploy::Parameters, error::Action};

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
                caps: BTreeMap::from([(Address::ZERO, U256::MAX)]),
            },
        }
    }

    #[test]
    fn whatever_does_not_follow_from_the_inputs_halts() {
        let id = |block, sequence| BatchId::new(block, sequence).unwrap();
        let deposited_of = |id, token| What::Deposited {
            id,
            key: Key::Secp256k1(Address::repeat_byte(9)),
            token,
            amount: 1,
        };
        let deposited = |id| deposited_of(id, Address::ZERO);
        let submitted = What::Submitted {
            proposer: Address::ZERO,
            id: id(1, 1),
            word: U256::ZERO,
            skipped: Bytes::new(),
            batch: Bytes::from_static(b"no batch"),
        };
        let claimed = What::Claimed {
            id: id(1, 1),
            position: U256::MAX,
            withdrawal: Withdrawal {
                recipient: Address::ZERO,
                token: Address::ZERO,
                amount: 1,
            },
        };
        let (bond, amount) = (Address::ZERO, U256::from(1_000_000_000));
        for (what, follows) in [
            (deposited(id(1, 1)), true),
            (deposited_of(id(1, 1), Address::repeat_byte(1)), false),
            (deposited(id(1, 2)), false),
            (deposited(id(2, 1)), false),
            (submitted, false),
            (
                What::Convicted {
                    id: id(1, 1),
                    slashed: amount,
                    unwound: false,
                },
                false,
            ),
            (
                What::Condemned {
                    id: id(1, 1),
                    parent: id(0, 1),
                },
                false,
            ),
            (
                What::Unwound {
                    id: id(1, 1),
                    fee: U256::ZERO,
                },
                false,
            ),
            (
                What::Assigned {
                    id: id(1, 1),
                    position: U256::ZERO,
                    from: bond,
                    to: bond,
                },
                false,
            ),
            (claimed, false),
            (What::BondFunded { proposer: bond, amount }, true),
            (
                What::BondFunded {
                    proposer: bond,
                    amount: U256::ONE,
                },
                false,
            ),
            (What::BondWithdrawn { proposer: bond, amount }, false),
        ] {
            let input = Input {
                block: 101,
                block_hash: B256::ZERO,
                transaction: B256::ZERO,
                what,
            };
            let mut ledger = genesis(&deployment(), &Rules::default());
            let result = apply(&mut ledger, &input, Some(B256::ZERO));
            assert_eq!(result.is_ok(), follows, "{input:?}");
            if let Err(error) = result {
                assert_eq!(error.action(), Action::Halt, "{error}");
            }
        }
    }
}
