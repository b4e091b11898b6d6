//! What the methods take and say.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use nthroot_protocol::{AssetId, BatchId, FragmentId, Head, Kind, Root};
use nthroot_wallet::{RuleBook, SignedIntent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, schema};

/// An amount of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssetAmount {
    /// The asset.
    #[schemars(with = "schema::AssetId")]
    pub asset: AssetId,
    /// In its units.
    #[serde(with = "nthroot_wallet::decimal")]
    #[schemars(with = "schema::Amount")]
    pub amount: u128,
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tip {
    /// The last L1 block that it derived from.
    pub block: u64,
    /// Its hash.
    #[schemars(with = "schema::Hash")]
    pub hash: B256,
    /// The last L1 block that L1 has finalised.
    pub finalised: u64,
    /// Whether it is at L1's head, as far as it knows.
    pub synced: bool,
}

/// The bridge that a node follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainInfo {
    /// L1's chain id.
    pub chain_id: u64,
    /// The bridge.
    #[schemars(with = "schema::Address")]
    pub bridge: Address,
    /// The block of its deployment.
    pub deployment_block: u64,
    /// Blocks after its own during which a batch can be challenged.
    pub window: u64,
    /// Where the rules are that come with the bridge.
    #[schemars(with = "schema::RuleBook")]
    pub rules: RuleBook,
    /// How far the node is.
    pub tip: Tip,
    /// The oldest unresolved fault: while there is one, nothing newer becomes final.
    #[schemars(with = "Option<schema::BatchId>")]
    pub fault: Option<BatchId>,
    /// Version of the node.
    pub version: String,
}

/// A lease of a fragment's anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseInfo {
    /// Who alone may touch the anchor.
    #[schemars(with = "schema::Address")]
    pub holder: Address,
    /// The last block at which it runs.
    pub last_block: u64,
}

/// What a fragment is at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FragmentState {
    /// What controls it.
    #[schemars(with = "schema::Kind")]
    pub kind: Kind,
    /// Its controller.
    #[schemars(with = "schema::Address")]
    pub controller: Address,
    /// Its nonce.
    pub nonce: u64,
    /// What it holds.
    pub assets: Vec<AssetAmount>,
    /// What rules keep in it.
    #[schemars(with = "schema::Data")]
    pub data: Bytes,
    /// Its lease, whether or not it runs.
    pub lease: Option<LeaseInfo>,
}

/// A fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FragmentInfo {
    /// Its id.
    #[schemars(with = "schema::FragmentId")]
    pub id: FragmentId,
    /// The head of its anchor.
    #[schemars(with = "schema::Head")]
    pub head: Head,
    /// As all batches leave it. Null if what wrote it is a lie or could not be judged.
    pub pending: Option<FragmentState>,
    /// As final batches leave it. Null if it was opened by none.
    #[serde(rename = "final")]
    pub settled: Option<FragmentState>,
    /// The first block in which what is pending is final, if nothing happens. Null if it cannot be told.
    pub final_at: Option<u64>,
    /// The nonce of its next intent, behind those that wait at this node; an intent with a lower one takes the place of what
    /// waits. Null if the node carries no intents, or the state is not known.
    pub next_nonce: Option<u64>,
}

/// Some of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// These.
    pub items: Vec<T>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// Proves a fragment against the head that L1 has in the storage slot of its anchor (sections 3 and 4.8 of the specification).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FragmentProof {
    /// The fragment.
    #[schemars(with = "schema::FragmentId")]
    pub id: FragmentId,
    /// Depth of its cohort.
    pub depth: u8,
    /// Its canonical state.
    #[schemars(with = "schema::Data")]
    pub state: Bytes,
    /// From its leaf to the top.
    #[schemars(with = "Vec<schema::Hash>")]
    pub siblings: Vec<B256>,
    /// What they lead to.
    #[schemars(with = "schema::Root")]
    pub root: Root,
    /// The head with that root.
    #[schemars(with = "schema::Head")]
    pub head: Head,
    /// The block at which it was so.
    pub block: u64,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "verdict", content = "reason")]
pub enum StepInfo {
    /// As it should be.
    Valid,
    /// It had no effect.
    Skipped(String),
    /// A lie.
    Lie(String),
    /// It could not be judged.
    Unjudged(String),
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// Its id.
    #[schemars(with = "schema::BatchId")]
    pub id: BatchId,
    /// Its L1 block.
    pub block: u64,
    /// `live`, `faulty`, `condemned` or `unwound`.
    pub status: String,
    /// Whether it is final now.
    pub is_final: bool,
    /// The first block in which it is final, if nothing happens.
    pub final_at: Option<u64>,
    /// Who posted it. Null once the node keeps no more of it than its status.
    #[schemars(with = "Option<schema::Address>")]
    pub proposer: Option<Address>,
    /// Its steps. Empty once the node keeps no more of it than its status.
    pub steps: Vec<StepInfo>,
}

/// What a node asks for carrying intents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Who posts: the holder to name in a lease.
    #[schemars(with = "schema::Address")]
    pub proposer: Address,
    /// What each bundle must pay; null: nothing.
    pub fee: Option<Fee>,
    /// Blocks that an intent must be valid for at least.
    pub least_validity: u64,
    /// Blocks that an intent may be valid for at most.
    pub longest_validity: u64,
    /// Intents in a bundle at most.
    pub bundle_limit: usize,
    /// Bundles that wait.
    pub waiting: usize,
    /// Bundles that may wait.
    pub capacity: usize,
}

/// A fee: a payment by the Account rule, to a fragment that consents by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fee {
    /// In what, and how much.
    #[serde(flatten)]
    pub amount: AssetAmount,
    /// To one of these.
    #[schemars(with = "Vec<schema::FragmentId>")]
    pub to: Vec<FragmentId>,
}

/// Signed intents that happen in one step or not at all. Those of the Account rule make one call, in this order; a pool's make one
/// call each; one to swap stands alone, and waits for its counterparts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bundle(#[schemars(with = "Vec<schema::SignedIntent>")] pub Vec<SignedIntent>);

impl Bundle {
    /// Its name.
    pub fn id(&self) -> IntentId {
        let mut bytes = Vec::new();
        for intent in &self.0 {
            bytes.extend(intent.signature.encode());
            bytes.extend(intent.fragment.to_bytes());
            bytes.extend(intent.nonce.to_be_bytes());
        }
        keccak256(bytes)
    }
}

/// Names a bundle: the keccak of its intents' signatures, as authorisations have them (section 5), each with its fragment (10 bytes)
/// and nonce (8).
pub type IntentId = B256;

/// Where a bundle is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "status")]
pub enum IntentStatus {
    /// It waits for a batch.
    Waiting {
        /// In about so many blocks it is posted; null if that depends on others.
        blocks: Option<u64>,
    },
    /// It is in a batch that is on its way to L1.
    #[serde(rename_all = "camelCase")]
    Posted {
        /// The transaction.
        #[schemars(with = "schema::Hash")]
        transaction: B256,
    },
    /// It is in a batch on L1.
    #[serde(rename_all = "camelCase")]
    Included {
        /// The batch.
        #[schemars(with = "schema::BatchId")]
        batch: BatchId,
        /// The step.
        step: u16,
        /// Its block.
        block: u64,
        /// The first block in which it is final; null while a fault is unresolved.
        final_at: Option<u64>,
    },
    /// It is final.
    #[serde(rename_all = "camelCase")]
    Final {
        /// The batch.
        #[schemars(with = "schema::BatchId")]
        batch: BatchId,
        /// The step.
        step: u16,
    },
    /// It does not happen.
    Dropped {
        /// Why.
        reason: Refusal,
        /// Whether nothing can change that. Else L1 may yet take back why, and then it may happen: whoever signs the same again with
        /// another nonce waits for this, or risks that both happen.
        settled: bool,
    },
}

impl IntentStatus {
    /// Whether it can change no more.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Final { .. } | Self::Dropped { settled: true, .. })
    }
}

/// A bundle and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntentInfo {
    /// The bundle.
    #[schemars(with = "schema::Hash")]
    pub id: IntentId,
    /// Where it is.
    #[serde(flatten)]
    pub status: IntentStatus,
    /// As of this block.
    pub as_of: u64,
}

/// Names a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ClaimId {
    /// Its batch.
    #[schemars(with = "schema::BatchId")]
    pub batch: BatchId,
    /// Its position in the batch.
    pub position: u8,
}

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimInfo {
    /// Its batch.
    #[schemars(with = "schema::BatchId")]
    pub batch: BatchId,
    /// Its position in the batch.
    pub position: u8,
    /// Who is paid.
    #[schemars(with = "schema::Address")]
    pub recipient: Address,
    /// In what; zero is ether.
    #[schemars(with = "schema::Address")]
    pub token: Address,
    /// How much.
    #[serde(with = "nthroot_wallet::decimal")]
    #[schemars(with = "schema::Amount")]
    pub amount: u128,
    /// Whether it was paid.
    pub paid: bool,
    /// The first block in which it can be pushed; null while that cannot be told.
    pub payable_at: Option<u64>,
}

/// A transaction ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallData {
    /// To whom.
    #[schemars(with = "schema::Address")]
    pub to: Address,
    /// Its calldata.
    #[schemars(with = "schema::Data")]
    pub data: Bytes,
}

/// What nodes that follow the same bridge have in common at the same block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digest {
    /// The block.
    pub block: u64,
    /// Its hash.
    #[schemars(with = "schema::Hash")]
    pub hash: B256,
    /// The keccak of all open anchors in the order of their ids, each as id (7 bytes) and head (32 bytes).
    #[schemars(with = "schema::Hash")]
    pub digest: B256,
}
