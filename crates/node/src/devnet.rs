//! A local chain for demonstrations and tests: anvil as a child process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{primitives::hex, providers::Provider, signers::local::PrivateKeySigner};
use serde::Serialize;

use crate::{
    error::{Error, Result},
    l1::L1,
};

/// Seconds between two blocks of the L1.
pub const SLOT: u64 = 12;

/// The key of the first account that anvil funds, known to everybody.
const FUNDED_KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

/// A running anvil, under Osaka's rules with its limit of 2^24 gas to a transaction. It mines a block for each
/// transaction, 12 seconds after the last one by the chain's clock. It ends when this value is dropped.
pub struct Devnet {
    child: Child,
    url: String,
    l1: L1,
}

impl Devnet {
    /// Starts the anvil that the environment variable `ANVIL` names, or else the one on the `PATH`.
    ///
    /// # Errors
    ///
    /// If there is none, or it does not start.
    pub async fn start() -> Result<Self> {
        Self::start_on(0).await
    }

    /// The same on a port; 0 is a free one.
    ///
    /// # Errors
    ///
    /// As [`Self::start`], or if the port is taken.
    pub async fn start_on(port: u16) -> Result<Self> {
        let program = std::env::var_os("ANVIL").unwrap_or_else(|| "anvil".into());
        Self::spawn(&program, port).await
    }

    /// Starts this anvil.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn start_program(program: &std::ffi::OsStr) -> Result<Self> {
        Self::spawn(program, 0).await
    }

    async fn spawn(program: &std::ffi::OsStr, port: u16) -> Result<Self> {
        let mut child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--hardfork",
                "osaka",
                "--enable-tx-gas-limit",
                "--gas-limit",
                "60000000",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                Error::Devnet(format!(
                    "`{}` does not start ({error}): set ANVIL to its path",
                    program.display()
                ))
            })?;
        let address = child.stdout.take().and_then(listening_address);
        let Some(address) = address else {
            stop(&mut child);
            return Err(Error::Devnet("it ended before it listened".to_owned()));
        };
        let url = format!("http://{address}");
        match L1::connect(&url, Duration::from_millis(2)).await {
            Ok(l1) => {
                let devnet = Self { child, url, l1 };
                devnet.request("anvil_setBlockTimestampInterval", (SLOT,)).await?;
                Ok(devnet)
            }
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    /// The connection to it.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A key with plenty of ether.
    ///
    /// # Errors
    ///
    /// Never: the key is a constant.
    pub fn funded_key() -> Result<PrivateKeySigner> {
        PrivateKeySigner::from_slice(&FUNDED_KEY).map_err(|error| Error::Signer(error.to_string()))
    }

    /// Mines so many empty blocks.
    ///
    /// # Errors
    ///
    /// If anvil does not answer.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.request("anvil_mine", (blocks, SLOT)).await
    }

    /// From now on mines a block every so many seconds, instead of one for each transaction.
    ///
    /// # Errors
    ///
    /// If anvil does not answer.
    pub async fn mine_every(&self, seconds: u64) -> Result<()> {
        self.request("evm_setIntervalMining", (seconds,)).await
    }

    /// Drops the last `depth` blocks and mines as many others, empty ones.
    ///
    /// # Errors
    ///
    /// If anvil does not answer.
    pub async fn reorg(&self, depth: u64) -> Result<()> {
        self.request("anvil_reorg", (depth, Vec::<u8>::new())).await
    }

    async fn request(
        &self,
        method: &'static str,
        params: impl Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin,
    ) -> Result<()> {
        let _: Option<bool> = self.l1.provider().raw_request(method.into(), params).await?;
        Ok(())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// The address in `Listening on 127.0.0.1:45033`. What anvil prints afterwards is read and dropped, or it would block.
fn listening_address(stdout: std::process::ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines().map_while(std::io::Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))?;
    std::thread::spawn(move || lines.for_each(drop));
    Some(address)
}

fn stop(child: &mut Child) {
    // It may have ended by itself, for instance by the same Ctrl-C.
    let _ = child.kill();
    let _ = child.wait();
}
