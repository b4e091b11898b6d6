//! Options that several commands have.

use std::path::PathBuf;

use eyre::{Result, WrapErr, bail};
use nthroot_protocol::{FragmentId, Key};

pub(crate) use crate::key::KeyArgs;
pub(crate) use nthroot_node::Manifest;

/// The L1 node, if none is named.
const RPC_URL: &str = "http://127.0.0.1:8545";

/// Which bridge, and how to print.
#[derive(clap::Args, Clone)]
pub(crate) struct Chain {
    /// The L1 node; http://127.0.0.1:8545, unless a bridge's node is named
    #[arg(long, value_name = "URL", env = "NTHROOT_RPC_URL")]
    pub(crate) rpc_url: Option<String>,

    /// A node of the bridge, which carries intents and answers for your fragments; without one everything is derived from L1 and
    /// posted under your own bond. What it says is held against L1 if --rpc-url and a manifest are given, else it is believed
    #[arg(long, value_name = "URL", env = "NTHROOT_NODE")]
    pub(crate) node: Option<String>,

    /// The manifest of the deployment, as `nthroot deploy` and `nthroot devnet` write it
    #[arg(
        long,
        value_name = "FILE",
        env = "NTHROOT_DEPLOYMENT",
        default_value = "deployment.json"
    )]
    pub(crate) deployment: PathBuf,

    /// Keep nothing of what is derived from L1 in ~/.cache/nthroot, from where the next command would go on
    #[arg(long)]
    pub(crate) no_store: bool,

    /// Print JSON; amounts in it are base units
    #[arg(long)]
    pub(crate) json: bool,
}

impl Chain {
    pub(crate) fn rpc_url(&self) -> &str {
        self.rpc_url.as_deref().unwrap_or(RPC_URL)
    }

    pub(crate) fn manifest(&self) -> Result<Manifest> {
        let path = self.deployment.display();
        let text = std::fs::read_to_string(&self.deployment).wrap_err_with(|| {
            format!(
                "no manifest at {path}: name one with --deployment or NTHROOT_DEPLOYMENT; `nthroot deploy` and `nthroot devnet` write one"
            )
        })?;
        serde_json::from_str(&text).wrap_err_with(|| format!("{path} is not the manifest of a deployment"))
    }
}

/// How something is signed.
#[derive(clap::Args, Clone)]
pub(crate) struct Signing {
    #[command(flatten)]
    pub(crate) chain: Chain,

    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// The fragment that signs; by default the only one under the key that holds enough
    #[arg(long, value_name = "ID")]
    pub(crate) fragment: Option<FragmentId>,

    /// For how many blocks the signature holds
    #[arg(long, value_name = "BLOCKS", default_value_t = 50, conflicts_with = "valid_until")]
    pub(crate) valid_for: u64,

    /// Last block at which the signature holds, instead of --valid-for
    #[arg(long, value_name = "BLOCK")]
    pub(crate) valid_until: Option<u64>,

    /// Nonce of the intent; by default the one behind those that wait at the node. That of a waiting one takes its place
    #[arg(long)]
    pub(crate) nonce: Option<u64>,

    /// Do not ask before signing
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print what is to be signed as EIP-712 JSON, for an outside wallet, and stop
    #[arg(long)]
    pub(crate) typed_data: bool,

    /// The outside wallet's signature (65 bytes) of what --typed-data printed: repeat that command, with --fragment,
    /// --valid-until and the limits as they were
    #[arg(
        long,
        value_name = "HEX",
        requires = "fragment",
        requires = "valid_until",
        conflicts_with = "typed_data"
    )]
    pub(crate) signature: Option<String>,
}

impl Signing {
    /// Whose fragments it may be about: those of the key, if there is one.
    pub(crate) fn owner(&self) -> Result<Option<Key>> {
        if self.fragment.is_some() {
            Ok(None)
        } else {
            self.key.find_public()
        }
    }

    /// Last block at which the signature holds, signed at this one.
    pub(crate) fn until(&self, now: u64) -> Result<u64> {
        match self.valid_until {
            Some(block) if block < now => bail!("--valid-until {block} is over: the chain is at block {now}"),
            Some(block) => Ok(block),
            None => Ok(now.saturating_add(self.valid_for)),
        }
    }
}

/// How something is signed and posted.
#[derive(clap::Args, Clone)]
pub(crate) struct Posting {
    #[command(flatten)]
    pub(crate) signing: Signing,

    /// Print the signed intent as JSON for whoever posts it (`nthroot post`), and stop
    #[arg(long, conflicts_with = "typed_data")]
    pub(crate) sign_only: bool,
}
