//! Why a node does not take, or no longer carries, a bundle.

use alloy_primitives::{Address, B256};
use nthroot_protocol::{AssetId, FragmentId};
use serde::{Deserialize, Serialize};

/// Why a bundle is refused. The code is that of the JSON-RPC error; its data is this value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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
        fragment: FragmentId,
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
        rule: Address,
    },
    /// The payload is not one of its rule.
    #[error("the payload of fragment {fragment}: {what}")]
    Payload {
        /// The fragment.
        fragment: FragmentId,
        /// What is wrong.
        what: String,
    },
    /// There is no such fragment.
    #[error("there is no fragment {fragment}")]
    UnknownFragment {
        /// The fragment.
        fragment: FragmentId,
    },
    /// What the fragment holds rests on a batch that is a lie, or could not be judged.
    #[error("what fragment {fragment} holds is not verified")]
    Unverified {
        /// The fragment.
        fragment: FragmentId,
    },
    /// A key did not sign it.
    #[error("the intent of fragment {fragment} is not signed by its key: {what}")]
    Signature {
        /// The fragment.
        fragment: FragmentId,
        /// What is wrong.
        what: String,
    },
    /// The nonce was used.
    #[error("the nonce {nonce} of fragment {fragment} is used: its next is {next}")]
    NonceUsed {
        /// The fragment.
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
        by: B256,
    },
    /// It is in a batch on its way to L1, so that it can no longer be replaced.
    #[error("an intent of fragment {fragment} with this nonce is on its way to L1")]
    OnItsWay {
        /// The fragment.
        fragment: FragmentId,
    },
    /// It is no longer valid, or would not be for long enough.
    #[error("the intent of fragment {fragment} is valid until block {valid_until}, at least {least} is needed")]
    #[serde(rename_all = "camelCase")]
    Expired {
        /// The fragment.
        fragment: FragmentId,
        /// Its last block.
        valid_until: u64,
        /// What is needed.
        least: u64,
    },
    /// The anchor is leased to somebody else.
    #[error("fragment {fragment} is leased to {holder} until block {last_block}")]
    #[serde(rename_all = "camelCase")]
    Leased {
        /// The fragment.
        fragment: FragmentId,
        /// Who alone may touch it.
        holder: Address,
        /// Until when.
        last_block: u64,
    },
    /// It does not pay what the node asks.
    #[error("it pays {paid} of {asset}, the fee is {fee}")]
    Fee {
        /// In what.
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
    /// Somebody else used up the nonce.
    #[error("the nonce was used by another step")]
    Overtaken,
}

impl Refusal {
    /// Its JSON-RPC error code. Those of [`Self::is_temporary`] are −32050 to −32059, the others −32000 to −32049.
    pub const fn code(&self) -> i32 {
        match self {
            Self::NotServing => -32000,
            Self::Bundle { .. } => -32001,
            Self::UnknownRule { .. } => -32002,
            Self::Payload { .. } => -32003,
            Self::UnknownFragment { .. } => -32004,
            Self::Signature { .. } => -32005,
            Self::NonceUsed { .. } => -32006,
            Self::NonceGap { .. } => -32007,
            Self::Replaced { .. } => -32008,
            Self::OnItsWay { .. } => -32009,
            Self::Expired { .. } => -32010,
            Self::Fee { .. } => -32011,
            Self::Invalid { .. } => -32012,
            Self::TooDear { .. } => -32013,
            Self::Overtaken => -32014,
            Self::NotSynced { .. } => -32050,
            Self::Full { .. } => -32051,
            Self::TooManyOfFragment { .. } => -32052,
            Self::Unverified { .. } => -32053,
            Self::Leased { .. } => -32054,
        }
    }

    /// Whether the same bundle may be taken later.
    pub const fn is_temporary(&self) -> bool {
        self.code() <= -32050
    }
}
