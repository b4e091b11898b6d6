//! Feeds the ledger with what L1 says, and compares what each says of the other's business.

use std::fmt::Debug;

use alloy::primitives::{B256, U256};
use nthroot_model::{kernel::Env, ledger::Ledger, params::Params, rule::Rules};
use nthroot_protocol::BatchId;

use crate::{
    deploy::Deployment,
    error::{Error, Result},
    inputs::{Input, What},
};

/// Offset of the clock in a batch (section 4.1 of the specification).
const CLOCK: std::ops::Range<usize> = 10..18;

/// The ledger of a bridge before anything happened, with twins of the rules that it can judge.
pub(crate) fn genesis(deployment: &Deployment, rules: &Rules) -> Ledger {
    let params = Params {
        chain_id: deployment.chain_id,
        deployment_block: deployment.deployment_block,
        window: deployment.parameters.window,
        insured_gas_price: deployment.parameters.insured_gas_price.into(),
        min_lock: deployment.parameters.min_lock,
    };
    let env = Env {
        account_rule: deployment.account,
        bridge: deployment.bridge,
        rules: rules.clone(),
    };
    Ledger::new(params, env)
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
        What::Deposited {
            id,
            controller,
            token,
            amount,
        } => {
            let derived = ledger
                .deposit(*controller, *token, *amount)
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
        What::Unwound { id } => ledger.on_unwound(*id).map_err(|error| refused(&error)),
        What::Claimed {
            id,
            position,
            withdrawal,
        } => {
            let claims = ledger.claims(*id).map_err(|error| refused(&error))?;
            let position = u8::try_from(*position).unwrap_or(u8::MAX);
            let derived = claims
                .iter()
                .find(|claim| claim.position == position)
                .map(|claim| claim.withdrawal);
            same("claim", &Some(*withdrawal), &derived)?;
            ledger.on_claimed(*id, position).map_err(|error| refused(&error))
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

/// Whether a batch found a head of `parent` under one of its anchors.
fn builds_on(ledger: &Ledger, child: BatchId, parent: BatchId) -> bool {
    let entries = ledger.entries(child).unwrap_or_default();
    entries
        .iter()
        .any(|entry| entry.head.is_some_and(|head| head.id == parent))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes};
    use nthroot_protocol::Withdrawal;

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
            },
        }
    }

    #[test]
    fn whatever_does_not_follow_from_the_inputs_halts() {
        let id = |block, sequence| BatchId::new(block, sequence).unwrap();
        let deposited = |id| What::Deposited {
            id,
            controller: Address::repeat_byte(9),
            token: Address::ZERO,
            amount: 1,
        };
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
            (What::Unwound { id: id(1, 1) }, false),
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
