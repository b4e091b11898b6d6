//! What L1 says about a bridge: events, and the batches in the calldata of `submit` transactions.

use std::ops::RangeInclusive;

use alloy::{
    consensus::Transaction as _,
    eips::{BlockId, BlockNumberOrTag},
    network::TransactionResponse,
    primitives::{Address, B256, BlockNumber, Bloom, BloomInput, Bytes, U256},
    providers::Provider,
    rpc::types::{Filter, Header, Log},
    sol_types::{SolCall as _, SolEvent as _, SolEventInterface as _},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use nthroot_bindings::{Bridge, RuleRegistry, bridge::Bridge::BridgeEvents};
use nthroot_protocol::{BatchId, Key, Withdrawal};
use tracing::debug;

use crate::{
    deploy::Deployment,
    derive,
    error::{Error, Result},
    l1::L1,
};

/// Requests for transactions that are under way at once, so that their latency does not add up.
const REQUESTS: usize = 16;

/// Blocks that are read at once, where each is asked for by its hash.
const BLOCKS: usize = 8;

/// Ranges of final blocks that are read at once.
const RANGES: usize = 2;

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

/// An input, and what else L1 must be asked to apply it. When one of these is there, nothing that L1 might still refuse to say
/// is missing.
#[derive(Debug)]
pub(crate) struct Complete {
    /// The input.
    pub(crate) input: Input,
    /// The hash of the block that a batch names as its clock, where it was asked for.
    pub(crate) clock_hash: Option<B256>,
    /// The code of a rule that was registered.
    pub(crate) code: Option<Bytes>,
}

/// What L1 says of blocks that are final, piece by piece.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next input.
    Input(Box<Complete>),
    /// There is nothing more up to this block.
    End(Block),
}

/// The block with this number.
///
/// # Errors
///
/// If the L1 node does not answer, or has no such block.
pub async fn block(l1: &L1, number: BlockNumberOrTag) -> Result<Block> {
    Ok(l1.header(number).await?.into())
}

impl From<Header> for Block {
    fn from(header: Header) -> Self {
        Self {
            number: header.number,
            hash: header.hash,
            parent: header.parent_hash,
        }
    }
}

/// These blocks, each with the bridge's inputs in exactly it, whatever its place in the chain. Whether each continues the one
/// before is for the caller to see.
pub(crate) fn of_blocks<'a>(
    l1: &'a L1,
    deployment: &'a Deployment,
    blocks: RangeInclusive<BlockNumber>,
) -> impl Stream<Item = Result<(Block, Vec<Complete>)>> + 'a {
    let of_block = move |number: BlockNumber| async move {
        let header = l1.header(number.into()).await?;
        let may_have_events = may_have_events(deployment, &header.logs_bloom);
        let block = Block::from(header);
        let logs = l1
            .provider()
            .get_logs(&filter(deployment).at_block_hash(block.hash))
            .await?;
        let logs = if logs.is_empty() && may_have_events {
            of_receipts(l1, deployment, block.hash).await?
        } else {
            logs
        };
        if logs.iter().any(|log| log.block_hash != Some(block.hash)) {
            return Err(Error::missing(format!("events of block {} alone", block.hash)));
        }
        let inputs = stream::iter(parse(deployment, &logs)?).map(|input| complete(l1, deployment, input, false));
        Ok((block, inputs.buffered(REQUESTS).try_collect().await?))
    };
    stream::iter(blocks).map(of_block).buffered(BLOCKS)
}

/// The bridge's inputs in these blocks, which must be final: the L1 node may not change its mind on the way. `careful`: its index
/// of events is not asked, but every header, and receipts where that says that there may be events.
pub(crate) fn of_final<'a>(
    l1: &'a L1,
    deployment: &'a Deployment,
    blocks: RangeInclusive<BlockNumber>,
    careful: bool,
) -> impl Stream<Item = Result<Piece>> + 'a {
    let ranges = stream::iter(split(l1, blocks));
    let pieces = ranges
        .map(move |range| of_range(l1, deployment, range, careful))
        .buffered(RANGES);
    let pieces = pieces.map_ok(|(inputs, end)| {
        let inputs = inputs.into_iter().map(Found::Input);
        stream::iter(inputs.chain([Found::End(end)]).map(Ok::<_, Error>))
    });
    let complete = move |found: Result<Found>| async move {
        Ok(match found? {
            Found::Input(input) => Piece::Input(Box::new(complete(l1, deployment, input, true).await?)),
            Found::End(block) => Piece::End(block),
        })
    };
    pieces.try_flatten().map(complete).buffered(REQUESTS)
}

enum Found {
    Input(Input),
    End(Block),
}

/// Ranges as wide as the L1 node answers, as far as is known when each is due.
fn split(l1: &L1, blocks: RangeInclusive<BlockNumber>) -> impl Iterator<Item = RangeInclusive<BlockNumber>> + '_ {
    let mut next = *blocks.start();
    std::iter::from_fn(move || {
        let first = next;
        let last = first.saturating_add(l1.span() - 1).min(*blocks.end());
        next = last + 1;
        (first <= last).then_some(first..=last)
    })
}

/// What the bridge and its registry said in these blocks, and the last of them; in smaller ranges if the L1 node finds this one
/// too large.
pub(crate) async fn of_range(
    l1: &L1,
    deployment: &Deployment,
    blocks: RangeInclusive<BlockNumber>,
    careful: bool,
) -> Result<(Vec<Input>, Block)> {
    let (mut first, end) = blocks.into_inner();
    let (mut inputs, mut span) = (Vec::new(), l1.span());
    loop {
        let last = end.min(first.saturating_add(span - 1));
        let turn = l1.turn();
        // A node that has not come to the last block yet would keep silent about what it does not know.
        let block = block(l1, last.into()).await?;
        let logs = if careful {
            Ok(of_headers(l1, deployment, first..=last).await?)
        } else {
            l1.provider().get_logs(&filter(deployment).select(first..=last)).await
        };
        let logs = match logs {
            Ok(logs) => logs,
            Err(error) if last > first => {
                span = l1.halve_span(last - first + 1);
                debug!(%error, span, "too many blocks at once");
                // Other failures may have other reasons: the caller tries again, with fewer blocks.
                if error.is_error_resp() {
                    continue;
                }
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        if l1.turn() != turn {
            // Two nodes may have answered, and know different blocks.
            continue;
        }
        let misplaced = |log: &Log| match log.block_number {
            Some(number) if number == last => log.block_hash != Some(block.hash),
            number => number.is_none_or(|number| number < first || number > last),
        };
        if logs.iter().any(misplaced) {
            return Err(Error::missing(format!("events of blocks {first} to {last} alone")));
        }
        inputs.extend(parse(deployment, &logs)?);
        l1.widen_span();
        if last == end {
            return Ok((inputs, block));
        }
        first = last + 1;
    }
}

/// The events of these blocks, out of the receipts of those whose headers say that they may have some.
async fn of_headers(l1: &L1, deployment: &Deployment, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<Log>> {
    let of_block = move |number: BlockNumber| async move {
        let header = l1.header(number.into()).await?;
        if may_have_events(deployment, &header.logs_bloom) {
            of_receipts(l1, deployment, header.hash).await
        } else {
            Ok(Vec::new())
        }
    };
    stream::iter(blocks).map(of_block).buffered(BLOCKS).try_concat().await
}

/// Whether a block may have events of the bridge or its registry, as the bloom filter of its header says. If not, it has none.
fn may_have_events(deployment: &Deployment, bloom: &Bloom) -> bool {
    let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
    let registered = RuleRegistry::RuleRegistered::SIGNATURE_HASH;
    has(deployment.bridge.as_slice()) && BridgeEvents::SELECTORS.iter().any(|event| has(event))
        || has(deployment.registry.as_slice()) && has(registered.as_slice())
}

/// The events of a block, out of its receipts. A node that has the block may not have its index of events yet, and answer that
/// there are none: a deposit that is missed so would be missed for good.
async fn of_receipts(l1: &L1, deployment: &Deployment, hash: B256) -> Result<Vec<Log>> {
    let receipts = l1.provider().get_block_receipts(BlockId::hash(hash)).await?;
    let receipts = receipts.ok_or_else(|| Error::missing(format!("receipts of block {hash}")))?;
    let logs = receipts.into_iter().flat_map(|receipt| receipt.inner.into_logs());
    let ours = [deployment.bridge, deployment.registry];
    Ok(logs.filter(|log| ours.contains(&log.address())).collect())
}

fn filter(deployment: &Deployment) -> Filter {
    Filter::new().address(vec![deployment.bridge, deployment.registry])
}

/// Adds what the events do not say: batches, from the calldata of their transactions; the code of rules; and the hash of a
/// batch's clock if that block `is_final`.
async fn complete(l1: &L1, deployment: &Deployment, mut input: Input, is_final: bool) -> Result<Complete> {
    let (mut clock_hash, mut code) = (None, None);
    match &mut input.what {
        What::Submitted { proposer, batch, .. } => {
            (*proposer, *batch) = batch_of(l1, deployment.bridge, input.transaction).await?;
            if let Some(clock) = derive::clock(batch).filter(|_| is_final) {
                clock_hash = Some(block(l1, clock.into()).await?.hash);
            }
        }
        // The registry's own rule for what an address is says whether this is the code: asking for the latest is enough.
        What::Registered { rule } => code = Some(l1.provider().get_code_at(*rule).await?),
        _ => {}
    }
    Ok(Complete {
        input,
        clock_hash,
        code,
    })
}

/// Reads events. Batches are not in them.
fn parse(deployment: &Deployment, logs: &[Log]) -> Result<Vec<Input>> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut before = None;
    for log in logs {
        let (Some(block), Some(block_hash), Some(transaction), Some(index)) =
            (log.block_number, log.block_hash, log.transaction_hash, log.log_index)
        else {
            return Err(Error::missing("place of an event"));
        };
        let place = Some((block, index));
        if log.removed || place <= before {
            return Err(Error::missing(format!(
                "events in their order: {index} of block {block}"
            )));
        }
        before = place;
        let unreadable = |what: String| Error::Unreadable {
            hash: transaction,
            what,
        };
        if log.address() == deployment.registry {
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
            BridgeEvents::BatchSubmitted(event) => What::Submitted {
                proposer: Address::ZERO,
                id: batch_id(event.id.to())?,
                word: event.word,
                skipped: Bytes::new(),
                batch: Bytes::new(),
            },
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
pub fn argument(calldata: &Bytes) -> Option<Bytes> {
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
