//! Access to an L1 node.

mod endpoints;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{B256, BlockNumber},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::RpcClient,
};

use self::endpoints::Endpoints;
pub use self::endpoints::host_of;
use crate::error::{Error, Result};

/// How long an L1 node may take to answer, unless somebody says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Blocks whose events are asked for at once, at most, where they are final.
const MAX_SPAN: u64 = 2_000;

/// L1, asked over HTTP: one node, or several of which one is asked and the others stand by. No request waits for ever; one
/// that is asked too often is asked again later.
#[derive(Clone)]
pub struct L1 {
    provider: DynProvider,
    endpoints: Endpoints,
    poll: Duration,
    /// Blocks whose events may be asked for at once, as far as is known.
    span: Arc<AtomicU64>,
    /// The most that it ever is.
    widest: u64,
}

impl L1 {
    /// Connects to the node at `url`; `poll` is how long to wait before asking again for what is not there yet.
    ///
    /// # Errors
    ///
    /// If the address is none, or the node does not answer.
    pub async fn connect(url: &str, poll: Duration) -> Result<Self> {
        Self::connect_all(&[url], poll, TIMEOUT).await
    }

    /// Connects to nodes of one chain, the first of which that answers is asked; when it fails, or falls behind, the next
    /// one is. Each request is answered within `timeout` or fails.
    ///
    /// # Errors
    ///
    /// If an address is none, no node answers, or they are of several chains.
    pub async fn connect_all(urls: &[impl AsRef<str>], poll: Duration, timeout: Duration) -> Result<Self> {
        let endpoints = Endpoints::connect(urls, timeout).await?;
        let client = RpcClient::new(endpoints.clone(), false);
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client)
            .erased();
        Ok(Self {
            provider,
            endpoints,
            poll,
            span: Arc::new(AtomicU64::new(MAX_SPAN)),
            widest: MAX_SPAN,
        })
    }

    /// Never asks for the events of more blocks at once: for a node of which one knows that it refuses more.
    #[must_use]
    pub fn with_span(mut self, blocks: u64) -> Self {
        self.widest = blocks.max(1);
        self.span = Arc::new(AtomicU64::new(self.widest));
        self
    }

    /// The provider beneath.
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.endpoints.chain_id()
    }

    /// Counts how often another node was asked than before. Answers between which it stayed the same are of one node.
    pub(crate) fn turn(&self) -> usize {
        self.endpoints.turn()
    }

    /// Asks another node from now on, if there is one.
    pub(crate) fn ask_another(&self) {
        self.endpoints.next_after(self.turn());
    }

    /// Asks another node from now on, if the next one is ahead of `number`.
    pub(crate) async fn ask_one_ahead_of(&self, number: BlockNumber) {
        if self.endpoints.has_others() {
            self.ask_another();
            if !self.block_number().await.is_ok_and(|latest| latest > number) {
                self.ask_another();
            }
        }
    }

    /// Blocks whose events may be asked for at once, as far as is known.
    pub(crate) fn span(&self) -> u64 {
        self.span.load(Ordering::Relaxed)
    }

    /// Remembers that the node refused so many blocks at once. Returns how many to ask for instead.
    pub(crate) fn halve_span(&self, refused: u64) -> u64 {
        let half = (refused / 2).max(1);
        self.span.fetch_min(half, Ordering::Relaxed);
        half
    }

    /// After an answer: the next time a little more, since what was too much may have been so only there.
    pub(crate) fn widen_span(&self) {
        let span = self.span();
        let wider = (span + span / 8 + 1).min(self.widest);
        let _ = self
            .span
            .compare_exchange(span, wider, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How long to wait before asking again.
    pub const fn poll(&self) -> Duration {
        self.poll
    }

    /// Number of the latest block.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn block_number(&self) -> Result<BlockNumber> {
        Ok(self.provider.get_block_number().await?)
    }

    /// Number and hash of the latest block.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn latest(&self) -> Result<(BlockNumber, B256)> {
        let header = self.header(BlockNumberOrTag::Latest).await?;
        Ok((header.number, header.hash))
    }

    /// Header of a block.
    ///
    /// # Errors
    ///
    /// If the node does not answer, or has no such block.
    pub async fn header(&self, block: BlockNumberOrTag) -> Result<alloy::rpc::types::Header> {
        let block = self
            .provider
            .get_block_by_number(block)
            .await?
            .ok_or_else(|| Error::missing(format!("block {block}")))?;
        Ok(block.header)
    }

    /// Waits until block `number` is there.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn wait_for(&self, number: BlockNumber) -> Result<()> {
        while self.block_number().await? < number {
            tokio::time::sleep(self.poll).await;
        }
        Ok(())
    }
}
