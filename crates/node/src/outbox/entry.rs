//! What the outbox keeps of a nonce, and its row in the store.

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Decodable2718 as _,
    primitives::{Address, B256, Bytes},
};
use nthroot_protocol::BatchId;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    fees::{FeePolicy, Offer},
    sender::{Call, MAX_TX_GAS},
};

/// What a transaction is for. No two are on their way for the same purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// Posting a batch: keccak-256 of its bytes.
    Submit(B256),
    /// Proving a lie of a batch.
    Convict(BatchId),
    /// Condemning a batch.
    Condemn(BatchId),
    /// Unwinding a batch.
    Unwind(BatchId),
    /// Paying a withdrawal of a batch.
    Claim {
        /// The batch.
        batch: BatchId,
        /// The withdrawal's position.
        position: u8,
    },
    /// Anything else, by a name that its caller chooses, and which it never uses for another thing.
    Other(B256),
}

impl Purpose {
    /// Its kind, as metrics and logs name it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Convict(_) => "convict",
            Self::Condemn(_) => "condemn",
            Self::Unwind(_) => "unwind",
            Self::Claim { .. } => "claim",
            Self::Other(_) => "other",
        }
    }

    /// Whether L1 itself refuses it the second time. Then a transaction that failed or was displaced is followed by another one
    /// at once; otherwise only when the first is gone for good.
    pub const fn is_refused_twice(self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Whether it is a watcher's: whoever does it first, it is done.
    pub const fn is_duty(self) -> bool {
        matches!(self, Self::Convict(_) | Self::Condemn(_) | Self::Unwind(_))
    }

    /// Whether nothing may keep it out, neither want of ether nor a disk that fails: time runs out for it, and L1 does it once
    /// however often it is sent.
    pub const fn is_proof(self) -> bool {
        matches!(self, Self::Convict(_))
    }
}

/// The kind of what replaces a transaction that nobody wants any more.
pub(super) const CANCEL: &str = "cancel";

/// Something that a caller wants to be on L1.
#[derive(Debug, Clone)]
pub struct Job {
    /// What for.
    pub purpose: Purpose,
    /// The call. Its gas limit should be given; else it is the node's estimate with a margin.
    pub call: Call,
    /// What it may cost.
    pub policy: FeePolicy,
    /// Gas that it uses, by which its budget is divided, if that is known better than by its gas limit.
    pub uses: Option<u64>,
}

impl Job {
    fn limit(&self) -> u64 {
        self.call.gas.unwrap_or(MAX_TX_GAS)
    }

    /// Gas by which its budget is divided.
    pub(super) fn counted(&self) -> u64 {
        counted(self.uses, self.limit())
    }

    /// Wei that a key needs so that all of the budget can be offered: nodes want the price of the whole gas limit, though only
    /// what is used is paid for.
    pub(super) fn most(&self) -> u128 {
        let price = self.policy.max_fee_budget_wei / u128::from(self.counted());
        price.saturating_mul(self.limit().into())
    }
}

/// Gas by which the budget of a transaction with this limit is divided.
pub(super) fn counted(uses: Option<u64>, limit: u64) -> u64 {
    uses.unwrap_or(limit).clamp(1, limit.max(1))
}

/// A transaction that was signed under a nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What for. None: a cancellation, which does nothing.
    pub purpose: Option<Purpose>,
    /// Its hash.
    pub hash: B256,
    /// What it offers.
    pub offer: Offer,
    /// Its gas limit.
    pub gas: u64,
    /// L1's block when it was signed.
    pub block: u64,
}

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not in a block yet.
    Pending,
    /// One of its versions is in a block that is not final yet.
    Mined {
        /// Which, as its hash.
        hash: B256,
        /// The block's number.
        block: u64,
        /// The block's hash.
        block_hash: B256,
        /// Whether it did what it should.
        success: bool,
    },
    /// A transaction of the same key that is none of ours is in a block that is not final yet.
    Taken {
        /// The block's number.
        block: u64,
    },
}

/// A nonce, and all that was signed under it: at most one of these can ever be included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The nonce.
    pub nonce: u64,
    /// What became of it.
    pub state: State,
    /// Oldest first; never empty.
    pub versions: Vec<Version>,
    /// The newest, as it is handed to nodes.
    pub(super) raw: Bytes,
}

impl Entry {
    pub(super) fn new(nonce: u64, version: Version, raw: Bytes) -> Self {
        Self {
            nonce,
            state: State::Pending,
            versions: vec![version],
            raw,
        }
    }

    /// A further version.
    pub(super) fn push(&mut self, version: Version, raw: Bytes) {
        // The same once more, as after a reorganisation, when fees are what they were.
        self.versions.retain(|earlier| earlier.hash != version.hash);
        self.versions.push(version);
        self.raw = raw;
    }

    /// The newest version. None only in a row that this program never wrote.
    pub fn last(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// What the newest version is for. None: it is cancelled.
    pub fn purpose(&self) -> Option<Purpose> {
        self.last()?.purpose
    }

    /// Whether any version is for this purpose, so that it may be fulfilled yet.
    pub fn may_fulfil(&self, purpose: Purpose) -> bool {
        self.versions.iter().any(|version| version.purpose == Some(purpose))
    }

    /// The version that is in a block, if one is.
    pub fn mined(&self) -> Option<&Version> {
        let State::Mined { hash, .. } = self.state else {
            return None;
        };
        self.versions.iter().find(|version| version.hash == hash)
    }

    /// What the newest version calls, with its gas limit.
    ///
    /// # Errors
    ///
    /// If the row was not written by this program.
    pub fn call(&self) -> Result<Call> {
        let damaged = |error| damaged(&format!("nonce {}: {error}", self.nonce));
        let envelope = TxEnvelope::decode_2718(&mut self.raw.as_ref()).map_err(damaged)?;
        Ok(Call {
            to: envelope.kind(),
            value: envelope.value(),
            input: envelope.input().clone(),
            gas: Some(envelope.gas_limit()),
        })
    }
}

/// The key of a nonce's row: whose it is, and which. Rows of a key's owner are in the order of their nonces.
pub(super) fn row_key(owner: Address, nonce: u64) -> Vec<u8> {
    [owner.as_slice(), &nonce.to_be_bytes()].concat()
}

pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>> {
    postcard::to_stdvec(entry).map_err(|error| damaged(&error.to_string()))
}

pub(super) fn decode(row: &[u8]) -> Result<Entry> {
    let entry: Entry = postcard::from_bytes(row).map_err(|error| damaged(&error.to_string()))?;
    if entry.versions.is_empty() {
        return Err(damaged("a nonce without a transaction"));
    }
    Ok(entry)
}

fn damaged(what: &str) -> Error {
    Error::Outbox(what.to_owned())
}
