//! Why a node does not take, or no longer carries, a bundle.

use alloy_primitives::{Address, B256};
use nthroot_protocol::{AnchorId, AssetId, BatchId, FragmentId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Why a bundle is refused. The code is that of the JSON-RPC error; its data is this value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Refusal {
    /// The node carries no intents.
    #[error("this node carries no intents")]
    NotServing,
    /// The node is not at L1's head, so it cannot say.
    #[error("the node is still at block {block}: try again")]
    NotSynced {
        /// How far it is.
        block: u64,
    },
    /// There is no room.
    #[error("{waiting} bundles wait, and no more are taken: try again later")]
    Full {
        /// How many wait.
        waiting: usize,
    },
    /// Too many intents of one fragment wait.
    #[error("{waiting} intents of fragment {fragment} wait, and no more are taken")]
    TooManyOfFragment {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// How many wait.
        waiting: usize,
    },
    /// Too many intents of one anchor's fragments wait.
    #[error("{waiting} intents of the fragments of anchor {anchor} wait, and no more are taken")]
    TooManyOfAnchor {
        /// The anchor.
        #[schemars(with = "schema::AnchorId")]
        anchor: AnchorId,
        /// How many wait.
        waiting: usize,
    },
    /// It has no intents, or too many, or such as do not go together.
    #[error("the bundle: {what}")]
    Bundle {
        /// What is wrong.
        what: String,
    },
    /// The rule is not registered, or the node does not know what its payloads mean.
    #[error("rule {rule} is not carried here")]
    UnknownRule {
        /// The rule.
        #[schemars(with = "schema::Address")]
        rule: Address,
    },
    /// The payload is not one of its rule.
    #[error("the payload of fragment {fragment}: {what}")]
    Payload {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// What is wrong.
        what: String,
    },
    /// There is no such fragment.
    #[error("there is no fragment {fragment}")]
    UnknownFragment {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
    },
    /// What the fragment holds rests on a batch that is a lie, or could not be judged.
    #[error("what fragment {fragment} holds is not verified")]
    Unverified {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
    },
    /// A key did not sign it.
    #[error("the intent of fragment {fragment} is not signed by its key: {what}")]
    Signature {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// What is wrong.
        what: String,
    },
    /// The nonce was used.
    #[error("the nonce {nonce} of fragment {fragment} is used: its next is {next}")]
    NonceUsed {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// The intent's nonce.
        nonce: u64,
        /// The fragment's next.
        next: u64,
    },
    /// The nonce leaves a gap that nothing waiting fills.
    #[error("the nonce {nonce} of fragment {fragment} leaves a gap: its next is {next}")]
    NonceGap {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// The intent's nonce.
        nonce: u64,
        /// The next that would be taken.
        next: u64,
    },
    /// It has been replaced by another with the same nonce.
    #[error("replaced by {by}")]
    Replaced {
        /// The other.
        #[schemars(with = "schema::Hash")]
        by: B256,
    },
    /// It is in a batch on its way to L1, so that it can no longer be replaced.
    #[error("an intent of fragment {fragment} with this nonce is on its way to L1")]
    OnItsWay {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
    },
    /// The waiting one with its nonce has replaced too many others already.
    #[error("the waiting intent of fragment {fragment} with this nonce has replaced {most} others: no more are taken")]
    TooManyReplaced {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// How many may be.
        most: u32,
    },
    /// It is no longer valid, or would not be for long enough.
    #[error("the intent of fragment {fragment} is valid until block {valid_until}, at least {least} is needed")]
    #[serde(rename_all = "camelCase")]
    Expired {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// Its last block.
        valid_until: u64,
        /// What is needed.
        least: u64,
    },
    /// It is valid for longer than the node keeps a place for it.
    #[error(
        "the intent of fragment {fragment} is valid until block {valid_until}, at most {most} is taken: sign it for fewer blocks"
    )]
    #[serde(rename_all = "camelCase")]
    TooLong {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// Its last block.
        valid_until: u64,
        /// The last block that is taken.
        most: u64,
    },
    /// The anchor is leased to somebody else.
    #[error("fragment {fragment} is leased to {holder} until block {last_block}")]
    #[serde(rename_all = "camelCase")]
    Leased {
        /// The fragment.
        #[schemars(with = "schema::FragmentId")]
        fragment: FragmentId,
        /// Who alone may touch it.
        #[schemars(with = "schema::Address")]
        holder: Address,
        /// Until when.
        last_block: u64,
    },
    /// It does not pay what the node asks.
    #[error("it pays {paid} of {asset}, the fee is {fee}")]
    Fee {
        /// In what.
        #[schemars(with = "schema::AssetId")]
        asset: AssetId,
        /// How much it pays, decimal.
        paid: String,
        /// What is asked, decimal.
        fee: String,
    },
    /// Carried out now, it would be invalid.
    #[error("it would be invalid: {what}")]
    Invalid {
        /// Why.
        what: String,
    },
    /// It takes more than a batch of this node may.
    #[error("it takes more than one batch of this node may: {what}")]
    TooDear {
        /// What of.
        what: String,
    },
    /// The node cannot keep it.
    #[error("the node cannot keep it now: try again later")]
    NotKept,
    /// The nonce was used by a step that carried out none of it.
    #[error("the nonce is used, and not by a step that carried out any of it")]
    Overtaken,
    /// It could not be carried out so far, and all places are taken: it gave its place to one that can be. Whoever has it may still
    /// carry it.
    #[error("it could not be carried out so far, and gave its place to one that can be: send it again, or elsewhere")]
    CrowdedOut,
    /// Some of its intents were carried out, and not the others: what is signed again is to be only what did not happen.
    #[error(
        "step {step} of batch {batch} carried out some of its intents and not the others: look which before you sign any again"
    )]
    Torn {
        /// The batch.
        #[schemars(with = "schema::BatchId")]
        batch: BatchId,
        /// The step.
        step: u16,
    },
}

impl Refusal {
    /// Its JSON-RPC error code. Those of [`Self::is_temporary`] are −32050 to −32059, the others −32020 to −32039: what is
    /// above −32020 is the transport's.
    pub const fn code(&self) -> i32 {
        match self {
            Self::NotServing => -32020,
            Self::Bundle { .. } => -32021,
            Self::UnknownRule { .. } => -32022,
            Self::Payload { .. } => -32023,
            Self::UnknownFragment { .. } => -32024,
            Self::Signature { .. } => -32025,
            Self::NonceUsed { .. } => -32026,
            Self::NonceGap { .. } => -32027,
            Self::Replaced { .. } => -32028,
            Self::OnItsWay { .. } => -32029,
            Self::Expired { .. } => -32030,
            Self::Fee { .. } => -32031,
            Self::Invalid { .. } => -32032,
            Self::TooDear { .. } => -32033,
            Self::Overtaken => -32034,
            Self::TooManyReplaced { .. } => -32035,
            Self::Torn { .. } => -32036,
            Self::TooLong { .. } => -32037,
            Self::NotSynced { .. } => -32050,
            Self::Full { .. } => -32051,
            Self::TooManyOfFragment { .. } => -32052,
            Self::Unverified { .. } => -32053,
            Self::Leased { .. } => -32054,
            Self::NotKept => -32055,
            Self::TooManyOfAnchor { .. } => -32056,
            Self::CrowdedOut => -32057,
        }
    }

    /// Its kind, as its data says it: what a node counts refusals by.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotServing => "notServing",
            Self::NotSynced { .. } => "notSynced",
            Self::Full { .. } => "full",
            Self::TooManyOfFragment { .. } => "tooManyOfFragment",
            Self::Bundle { .. } => "bundle",
            Self::UnknownRule { .. } => "unknownRule",
            Self::Payload { .. } => "payload",
            Self::UnknownFragment { .. } => "unknownFragment",
            Self::Unverified { .. } => "unverified",
            Self::Signature { .. } => "signature",
            Self::NonceUsed { .. } => "nonceUsed",
            Self::NonceGap { .. } => "nonceGap",
            Self::Replaced { .. } => "replaced",
            Self::OnItsWay { .. } => "onItsWay",
            Self::TooManyReplaced { .. } => "tooManyReplaced",
            Self::Expired { .. } => "expired",
            Self::Leased { .. } => "leased",
            Self::Fee { .. } => "fee",
            Self::Invalid { .. } => "invalid",
            Self::TooDear { .. } => "tooDear",
            Self::NotKept => "notKept",
            Self::Overtaken => "overtaken",
            Self::Torn { .. } => "torn",
            Self::TooLong { .. } => "tooLong",
            Self::TooManyOfAnchor { .. } => "tooManyOfAnchor",
            Self::CrowdedOut => "crowdedOut",
        }
    }

    /// One of each.
    pub fn examples() -> Vec<Self> {
        let fragment = FragmentId::ZERO;
        let what = || "…".to_owned();
        vec![
            Self::NotServing,
            Self::Bundle { what: what() },
            Self::UnknownRule { rule: Address::ZERO },
            Self::Payload { fragment, what: what() },
            Self::UnknownFragment { fragment },
            Self::Signature { fragment, what: what() },
            Self::NonceUsed {
                fragment,
                nonce: 4,
                next: 5,
            },
            Self::NonceGap {
                fragment,
                nonce: 7,
                next: 5,
            },
            Self::Replaced { by: B256::ZERO },
            Self::OnItsWay { fragment },
            Self::Expired {
                fragment,
                valid_until: 100,
                least: 110,
            },
            Self::Fee {
                asset: AssetId::ETH,
                paid: "1".to_owned(),
                fee: "2".to_owned(),
            },
            Self::Invalid { what: what() },
            Self::TooDear { what: what() },
            Self::Overtaken,
            Self::Torn {
                batch: BatchId::default(),
                step: 3,
            },
            Self::NotSynced { block: 100 },
            Self::Full { waiting: 10_000 },
            Self::TooManyOfFragment { fragment, waiting: 16 },
            Self::Unverified { fragment },
            Self::Leased {
                fragment,
                holder: Address::ZERO,
                last_block: 100,
            },
            Self::TooManyReplaced { fragment, most: 8 },
            Self::TooLong {
                fragment,
                valid_until: 9_000,
                most: 7_300,
            },
            Self::TooManyOfAnchor {
                anchor: fragment.anchor(),
                waiting: 256,
            },
            Self::CrowdedOut,
            Self::NotKept,
        ]
    }

    /// Whether the same bundle may be taken later.
    pub const fn is_temporary(&self) -> bool {
        self.code() <= -32050
    }
}
