//! Access to an L1 node.

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{B256, BlockNumber},
    providers::{DynProvider, Provider, ProviderBuilder},
    transports::http::reqwest::Url,
};

use crate::error::{Error, Result};

/// An L1 node that is asked over HTTP.
#[derive(Clone)]
pub struct L1 {
    provider: DynProvider,
    chain_id: u64,
    poll: Duration,
}

impl L1 {
    /// Connects to the node at `url`; `poll` is how long to wait before asking again for what is not there yet.
    ///
    /// # Errors
    ///
    /// If the address is none, or the node does not answer.
    pub async fn connect(url: &str, poll: Duration) -> Result<Self> {
        let url: Url = url
            .parse()
            .map_err(|error| Error::missing(format!("address {url}: {error}")))?;
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_http(url)
            .erased();
        let chain_id = provider.get_chain_id().await?;
        Ok(Self {
            provider,
            chain_id,
            poll,
        })
    }

    /// The provider beneath.
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain's id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
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
