//! The L1 that the demonstration runs on: its own, or one that is there.

use std::time::Duration;

use alloy::primitives::B256;
use eyre::{Result, WrapErr};
use nthroot_node::{L1, devnet::Devnet};

/// An L1.
pub(crate) enum Chain {
    /// A local one, whose blocks are made when they are needed.
    Local(Devnet),
    /// One that makes its blocks itself.
    Remote(L1),
}

impl Chain {
    pub(crate) async fn open(url: Option<&str>) -> Result<Self> {
        Ok(match url {
            None => Self::Local(
                Devnet::start()
                    .await
                    .wrap_err("no local chain: `cargo xtask demo` brings one, `--rpc-url` uses another")?,
            ),
            Some(url) => Self::Remote(L1::connect(url, Duration::from_secs(1)).await?),
        })
    }

    pub(crate) const fn l1(&self) -> &L1 {
        match self {
            Self::Local(devnet) => devnet.l1(),
            Self::Remote(l1) => l1,
        }
    }

    /// What sets the bridge of this run apart from those of others, on a chain that may have them.
    pub(crate) async fn salt(&self) -> Result<B256> {
        Ok(match self {
            Self::Local(_) => B256::ZERO,
            Self::Remote(l1) => l1.latest().await?.1,
        })
    }

    /// Makes or waits for blocks until `block` is there.
    pub(crate) async fn advance_to(&self, block: u64) -> Result<()> {
        if let Self::Local(devnet) = self {
            let present = devnet.l1().block_number().await?;
            if block > present {
                devnet.mine(block - present).await?;
            }
        }
        Ok(self.l1().wait_for(block).await?)
    }
}
