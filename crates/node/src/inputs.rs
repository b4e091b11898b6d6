//! What L1 says about a bridge: events, and the batches in the calldata of `submit` transactions.

use std::ops::RangeInclusive;

use alloy::{
    consensus::Transaction as _,
    eips::BlockNumberOrTag,
    network::TransactionResponse,
    primitives::{Address, B256, BlockNumber, Bytes, U256},
    providers::Provider,
    rpc::types::Filter,
    sol_types::{SolCall as _, SolEvent as _, SolEventInterface as _},
};
use nthroot_bindings::{Bridge, RuleRegistry, bridge::Bridge::BridgeEvents};
use nthroot_protocol::{BatchId, Key, Withdrawal};

use crate::{
    deploy::Deployment,
    error::{Error, Result},
    l1::L1,
};

/// One event of the bridge or of its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its block.
    pub block: BlockNumber,
    /// Hash of its block.
    pub block_hash: B256,
    /// Its transaction.
    pub transaction: B256,
    /// What happened.
    pub what: What,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody deposited.
    Deposited {
        /// The id that the bridge gave it.
        id: BatchId,
        /// The key that controls the new fragment.
        key: Key,
        /// In which token; zero is ether.
        token: Address,
        /// How much.
        amount: u128,
    },
    /// A batch was accepted.
    Submitted {
        /// Who posted it.
        proposer: Address,
        /// The id that the bridge gave it.
        id: BatchId,
        /// Its batch word.
        word: U256,
        /// Which steps were skipped, as a bit list; empty if none was.
        skipped: Bytes,
        /// Its bytes.
        batch: Bytes,
    },
    /// A lie in a batch was proved.
    Convicted {
        /// The batch.
        id: BatchId,
        /// Wei that left its proposer's bond.
        slashed: U256,
        /// Whether it was unwound by the same call, so that its fault never entered the fault set.
        unwound: bool,
    },
    /// A batch builds on a faulty or condemned one.
    Condemned {
        /// The batch.
        id: BatchId,
        /// The one it builds on.
        parent: BatchId,
    },
    /// A batch's anchors are as they were before it.
    Unwound {
        /// The batch.
        id: BatchId,
        /// Wei that an orphan's proposer paid for it; zero for a faulty batch.
        fee: U256,
    },
    /// A withdrawal was paid.
    Claimed {
        /// Its batch.
        id: BatchId,
        /// Its position in the batch.
        position: U256,
        /// To whom, in what and how much.
        withdrawal: Withdrawal,
    },
    /// A claim was given away, or sold.
    Assigned {
        /// Its batch.
        id: BatchId,
        /// Its position in the batch.
        position: U256,
        /// Who would have been paid.
        from: Address,
        /// Who will be.
        to: Address,
    },
    /// A bond grew.
    BondFunded {
        /// Whose.
        proposer: Address,
        /// By so much wei.
        amount: U256,
    },
    /// A rule was registered.
    Registered {
        /// Its address.
        rule: Address,
    },
    /// Bond was taken out.
    BondWithdrawn {
        /// Whose.
        proposer: Address,
        /// So much wei.
        amount: U256,
    },
}

/// A block, as far as a follower needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent: B256,
}

/// The block with this number.
///
/// # Errors
///
/// If the L1 node does not answer, or has no such block.
pub async fn block(l1: &L1, number: BlockNumberOrTag) -> Result<Block> {
    let header = l1.header(number).await?;
    Ok(Block {
        number: header.number,
        hash: header.hash,
        parent: header.parent_hash,
    })
}

/// The bridge's inputs in exactly this block, whatever its place in the chain.
///
/// # Errors
///
/// If the L1 node does not answer, or what it says cannot be read.
pub async fn of_block(l1: &L1, deployment: &Deployment, hash: B256) -> Result<Vec<Input>> {
    read(l1, deployment, Filter::new().at_block_hash(hash)).await
}

/// The bridge's inputs in these blocks, which must be final: the L1 node may not change its mind on the way.
///
/// # Errors
///
/// If the L1 node does not answer, or what it says cannot be read.
pub async fn of_range(l1: &L1, deployment: &Deployment, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<Input>> {
    read(l1, deployment, Filter::new().select(blocks)).await
}

async fn read(l1: &L1, deployment: &Deployment, filter: Filter) -> Result<Vec<Input>> {
    let (bridge, registry) = (deployment.bridge, deployment.registry);
    let filter = filter.address(vec![bridge, registry]);
    let mut inputs: Vec<Input> = Vec::new();
    for log in l1.provider().get_logs(&filter).await? {
        let (Some(block), Some(block_hash), Some(transaction)) =
            (log.block_number, log.block_hash, log.transaction_hash)
        else {
            return Err(Error::missing("place of an event"));
        };
        let unreadable = |what: String| Error::Unreadable {
            hash: transaction,
            what,
        };
        if log.address() == registry {
            let event =
                RuleRegistry::RuleRegistered::decode_log(&log.inner).map_err(|error| unreadable(error.to_string()))?;
            inputs.push(Input {
                block,
                block_hash,
                transaction,
                what: What::Registered { rule: event.rule },
            });
            continue;
        }
        let event = BridgeEvents::decode_log(&log.inner)
            .map_err(|error| unreadable(error.to_string()))?
            .data;
        let batch_id = |id: u64| BatchId::from_u64(id).ok_or_else(|| unreadable(format!("id {id}")));
        let what = match event {
            BridgeEvents::Deposited(event) => What::Deposited {
                id: batch_id(event.id.to())?,
                key: Key::from_bytes(event.key.0).map_err(|error| unreadable(error.to_string()))?,
                token: event.token,
                amount: event.amount,
            },
            BridgeEvents::BatchSubmitted(event) => {
                let (proposer, batch) = batch_of(l1, bridge, transaction).await?;
                What::Submitted {
                    proposer,
                    id: batch_id(event.id.to())?,
                    word: event.word,
                    skipped: Bytes::new(),
                    batch,
                }
            }
            // It follows the event of its batch, in the same transaction.
            BridgeEvents::StepsSkipped(event) => {
                let id = batch_id(event.id.to())?;
                match inputs.last_mut().map(|input| &mut input.what) {
                    Some(What::Submitted { id: of, skipped, .. }) if *of == id => *skipped = event.skipped,
                    _ => return Err(unreadable(format!("steps skipped in {id}, which was not just posted"))),
                }
                continue;
            }
            BridgeEvents::Convicted(event) => What::Convicted {
                id: batch_id(event.id.to())?,
                slashed: event.slashed,
                unwound: event.unwound,
            },
            BridgeEvents::Condemned(event) => What::Condemned {
                id: batch_id(event.id.to())?,
                parent: batch_id(event.parent.to())?,
            },
            BridgeEvents::Unwound(event) => What::Unwound {
                id: batch_id(event.id.to())?,
                fee: U256::ZERO,
            },
            // It follows the unwinding of an orphan, in the same transaction.
            BridgeEvents::OrphanFeePaid(event) => {
                let id = batch_id(event.id.to())?;
                match inputs.last_mut().map(|input| &mut input.what) {
                    Some(What::Unwound { id: of, fee }) if *of == id => *fee = event.amount,
                    _ => return Err(unreadable(format!("fee for {id}, which was not just unwound"))),
                }
                continue;
            }
            BridgeEvents::Claimed(event) => What::Claimed {
                id: batch_id(event.id.to())?,
                position: event.position,
                withdrawal: Withdrawal {
                    recipient: event.recipient,
                    token: event.token,
                    amount: event.amount,
                },
            },
            BridgeEvents::Assigned(event) => What::Assigned {
                id: batch_id(event.id.to())?,
                position: event.position,
                from: event.from,
                to: event.to,
            },
            BridgeEvents::BondFunded(event) => What::BondFunded {
                proposer: event.proposer,
                amount: event.amount,
            },
            BridgeEvents::BondWithdrawn(event) => What::BondWithdrawn {
                proposer: event.proposer,
                amount: event.amount,
            },
        };
        inputs.push(Input {
            block,
            block_hash,
            transaction,
            what,
        });
    }
    Ok(inputs)
}

/// Who posted the batch of a transaction, and the batch. The bridge takes batches only from a codeless sender that is the
/// transaction's origin: so the bridge is the transaction's recipient, and the calldata is that of `submit`.
async fn batch_of(l1: &L1, bridge: Address, hash: B256) -> Result<(Address, Bytes)> {
    let transaction = l1.provider().get_transaction_by_hash(hash).await?;
    let transaction = transaction.ok_or_else(|| Error::missing(format!("transaction {hash}")))?;
    let batch = argument(transaction.input()).filter(|_| transaction.to() == Some(bridge));
    let batch = batch.ok_or_else(|| Error::Unreadable {
        hash,
        what: "it posted a batch without being a call of submit".to_owned(),
    })?;
    Ok((transaction.from(), batch))
}

/// The one argument of `submit(bytes)`, read as the contract reads it: at any offset, with or without padding, and whatever
/// follows. A stricter reader would let a proposer stop every follower with odd calldata.
fn argument(calldata: &Bytes) -> Option<Bytes> {
    let arguments = calldata.strip_prefix(Bridge::submitCall::SELECTOR.as_slice())?;
    let word = |at: usize| {
        let word = arguments.get(at..at.checked_add(32)?)?;
        usize::try_from(U256::from_be_slice(word)).ok()
    };
    let start = word(0)?;
    let length = word(start)?;
    let first = start.checked_add(32)?;
    arguments
        .get(first..first.checked_add(length)?)
        .map(Bytes::copy_from_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calldata(words: &[u64], tail: &[u8]) -> Bytes {
        let mut calldata = Bridge::submitCall::SELECTOR.to_vec();
        for word in words {
            calldata.extend(U256::from(*word).to_be_bytes::<32>());
        }
        calldata.extend(tail);
        calldata.into()
    }

    #[test]
    fn a_batch_is_found_in_whatever_calldata_the_contract_accepts() {
        let batch = Bytes::from_static(b"batch");
        let usual = Bridge::submitCall { batch: batch.clone() }.abi_encode();
        for (what, calldata) in [
            ("as usual", usual.into()),
            ("without padding", calldata(&[32, 5], b"batch")),
            ("padded with ones", calldata(&[32, 5], b"batch\x01\x01\x01")),
            ("with a gap", calldata(&[64, 7, 5], b"batch")),
            (
                "at an odd offset",
                calldata(&[33], b"\x99")
                    .iter()
                    .copied()
                    .chain(U256::from(5).to_be_bytes::<32>())
                    .chain(*b"batch")
                    .collect(),
            ),
        ] {
            assert_eq!(argument(&calldata), Some(batch.clone()), "{what}");
        }
        for (what, calldata) in [
            ("nothing", Bytes::new()),
            ("no argument", calldata(&[], b"")),
            ("an offset beyond the end", calldata(&[64, 5], b"")),
            ("too few bytes", calldata(&[32, 6], b"batch")),
            ("a length that overflows", calldata(&[32, u64::MAX], b"batch")),
        ] {
            assert_eq!(argument(&calldata), None, "{what}");
        }
    }
}
