//! The node's JSON-RPC interface: its methods and what they say.
//!
//! Amounts are decimal text, since other languages read numbers with 53 bits; ids are as the commands print them; blocks are L1
//! blocks. A node that answers is not to be believed: [`FragmentProof`] can be held against the head that L1 has, and signed
//! intents need no trust in whoever carries them.

pub mod failure;
pub mod openrpc;
pub mod proof;
pub mod refusal;
pub mod schema;
pub mod types;

#[cfg(any(feature = "client", feature = "server"))]
use {
    alloy_primitives::Address,
    jsonrpsee::{core::RpcResult, proc_macros::rpc},
    nthroot_protocol::{BatchId, FragmentId, Key},
};

pub use failure::Failure;
pub use proof::ProofError;
pub use refusal::Refusal;
pub use types::{
    AssetAmount, BatchInfo, Bundle, CallData, ChainInfo, ClaimId, ClaimInfo, Digest, Fee, FragmentInfo, FragmentProof,
    FragmentState, IntentId, IntentInfo, IntentStatus, LeaseInfo, Page, StepInfo, Terms, Tip,
};

/// What wallets and explorers can ask of a node.
#[cfg(any(feature = "client", feature = "server"))]
#[cfg_attr(
    all(feature = "client", feature = "server"),
    rpc(client, server, namespace = "nthroot")
)]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "nthroot"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "nthroot"))]
pub trait Api {
    /// The bridge that the node follows, and how far it is.
    #[method(name = "chain")]
    async fn chain(&self) -> RpcResult<ChainInfo>;

    /// A fragment, as final batches and as all batches leave it. Null if there is none.
    #[method(name = "fragment")]
    async fn fragment(&self, id: FragmentId) -> RpcResult<Option<FragmentInfo>>;

    /// The fragments under a key, by id; those after `after`, at most as many as the node allows.
    #[method(name = "fragmentsOf")]
    async fn fragments_of(&self, key: Key, after: Option<FragmentId>) -> RpcResult<Page<FragmentInfo>>;

    /// The proof of a fragment against the head of its anchor. Null if there is none.
    #[method(name = "proof")]
    async fn proof(&self, id: FragmentId) -> RpcResult<Option<FragmentProof>>;

    /// A batch. Null if there is none.
    #[method(name = "batch")]
    async fn batch(&self, id: BatchId) -> RpcResult<Option<BatchInfo>>;

    /// The batches, newest first; those before `before`, at most as many as the node allows.
    #[method(name = "batches")]
    async fn batches(&self, before: Option<BatchId>, limit: Option<u32>) -> RpcResult<Page<BatchInfo>>;

    /// What nodes that agree have in common at a block. Without a block: at the last one derived from. Null unless it is that
    /// one or the last one that L1 has finalised.
    #[method(name = "digest")]
    async fn digest(&self, block: Option<u64>) -> RpcResult<Option<Digest>>;

    /// What this node asks for carrying intents. Null if it carries none.
    #[method(name = "terms")]
    async fn terms(&self) -> RpcResult<Option<Terms>>;

    /// Takes signed intents that shall happen together or not at all. Refuses at once what could not.
    #[method(name = "send")]
    async fn send(&self, bundle: Bundle) -> RpcResult<IntentId>;

    /// What became of a bundle. Null if the node does not know it.
    #[method(name = "intent")]
    async fn intent(&self, id: IntentId) -> RpcResult<Option<IntentInfo>>;

    /// Withdrawals that an account is or was paid, oldest first; those after `after`, at most as many as the node allows.
    #[method(name = "claims")]
    async fn claims(&self, recipient: Address, after: Option<ClaimId>) -> RpcResult<Page<ClaimInfo>>;

    /// The transaction of a claim, ready to be sent by anybody: null unless it can be pushed.
    #[method(name = "claimCall")]
    async fn claim_call(&self, batch: BatchId, position: u8) -> RpcResult<Option<CallData>>;

    /// Each new block of L1.
    #[subscription(name = "subscribeBlocks" => "newBlock", unsubscribe = "unsubscribeBlocks", item = Tip)]
    async fn subscribe_blocks(&self) -> jsonrpsee::core::SubscriptionResult;

    /// A bundle, now and whenever its status changes, until nothing can change any more.
    #[subscription(name = "subscribeIntent" => "intentChanged", unsubscribe = "unsubscribeIntent", item = IntentInfo)]
    async fn subscribe_intent(&self, id: IntentId) -> jsonrpsee::core::SubscriptionResult;

    /// A fragment, now and whenever it changes; null while there is none.
    #[subscription(name = "subscribeFragment" => "fragmentChanged", unsubscribe = "unsubscribeFragment", item = Option<FragmentInfo>)]
    async fn subscribe_fragment(&self, id: FragmentId) -> jsonrpsee::core::SubscriptionResult;
}
