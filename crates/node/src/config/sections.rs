//! The sections of the configuration. What each key means for those who write it stands in `default.toml`.

use std::{net::SocketAddr, path::PathBuf};

use alloy::primitives::Address;
use nthroot_protocol::FragmentId;
use serde::{Deserialize, Serialize};

use super::{Asset, Endpoint, KeyFiles, Wei};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the store.
    pub data: PathBuf,
    /// Manifest of the deployment.
    pub deployment: PathBuf,
    /// What happens when nothing may be sent any more.
    pub on_halt: OnHalt,
    /// L1 nodes.
    pub l1: L1Section,
    /// How L1 is followed.
    pub follow: FollowSection,
    /// Proving lies.
    pub watcher: WatcherSection,
    /// Posting batches.
    pub proposer: ProposerSection,
    /// The interface for wallets.
    pub api: ApiSection,
    /// Health and metrics.
    pub ops: OpsSection,
    /// Who is told.
    pub alerts: AlertsSection,
    /// What is logged, and how.
    pub log: LogSection,
}

/// `[l1]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Section {
    /// Best first.
    pub urls: Vec<Endpoint>,
    /// Milliseconds.
    pub poll_ms: u64,
    /// Milliseconds.
    pub timeout_ms: u64,
}

/// `[follow]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowSection {
    /// Whether signatures of what nobody can convict any more are not checked.
    pub trust_final_signatures: bool,
}

/// `[watcher]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatcherSection {
    /// Whether it acts.
    pub enabled: bool,
    /// Wei of the key's account.
    pub balance_floor: Wei,
    /// Its key.
    pub key: KeyFiles,
    /// What its transactions may cost.
    pub fees: ProofFeesSection,
}

/// `[watcher.fees]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFeesSection {
    /// Wei per gas.
    pub tip: Wei,
    /// Wei of a transaction.
    pub budget: Wei,
    /// Whether a conviction may cost more than it brings.
    pub beyond_reward: bool,
    /// Blocks.
    pub patience: u64,
    /// Each time.
    pub raise_percent: u64,
}

/// `[proposer.fees]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeesSection {
    /// Wei per gas.
    pub tip: Wei,
    /// Wei of a transaction.
    pub budget: Wei,
    /// Blocks.
    pub patience: u64,
    /// Each time.
    pub raise_percent: u64,
}

/// `[proposer]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposerSection {
    /// Whether it acts.
    pub enabled: bool,
    /// Wei of the key's account.
    pub balance_floor: Wei,
    /// Blocks.
    pub least_validity: u64,
    /// Blocks.
    pub longest_validity: u64,
    /// Bundles.
    pub capacity: usize,
    /// Bytes.
    pub capacity_bytes: usize,
    /// Intents.
    pub per_fragment: usize,
    /// Intents.
    pub per_anchor: usize,
    /// Intents.
    pub bundle_limit: usize,
    /// How often.
    pub replacements: u32,
    /// Bundles.
    pub remembered: usize,
    /// Bytes.
    pub batch_bytes: usize,
    /// Gas.
    pub batch_gas: u64,
    /// Its key.
    pub key: KeyFiles,
    /// What its transactions may cost.
    pub fees: FeesSection,
    /// Its bond.
    pub bond: BondSection,
    /// What bundles pay.
    pub fee: FeeSection,
    /// What becomes of it.
    pub sweep: SweepSection,
}

/// `[proposer.bond]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondSection {
    /// Free wei below which there is an alert.
    pub low: Wei,
    /// Free wei below which it is topped up.
    pub top_up_below: Wei,
    /// Free wei that it has then.
    pub top_up_to: Wei,
    /// Wei of the whole bond.
    pub most: Wei,
}

/// `[proposer.fee]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeSection {
    /// To whom.
    pub tills: Vec<FragmentId>,
    /// In what.
    pub asset: Asset,
    /// How much, in base units.
    #[serde(with = "nthroot_wallet::decimal")]
    pub amount: u128,
}

/// `[proposer.sweep]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepSection {
    /// Who gets it on L1.
    #[serde(default)]
    pub recipient: Option<Address>,
    /// What.
    pub asset: Asset,
    /// Base units.
    #[serde(with = "nthroot_wallet::decimal")]
    pub at_least: u128,
    /// Base units.
    #[serde(with = "nthroot_wallet::decimal")]
    pub stays: u128,
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    /// Whether there is one.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
    /// Whether other machines may reach it.
    pub public: bool,
    /// Web pages that may ask.
    pub origins: Vec<String>,
    /// Of one client.
    pub requests_per_second: u32,
    /// Of one client.
    pub burst: u32,
    /// Whether a proxy names the clients.
    pub behind_proxy: bool,
    /// Of all clients.
    pub max_connections: u32,
    /// Of one client.
    pub max_connections_of_client: u32,
    /// Bytes.
    pub max_request_bytes: u32,
    /// Bytes.
    pub max_response_bytes: u32,
    /// Requests.
    pub max_batch: u32,
    /// Items.
    pub max_page: u32,
    /// Of a connection.
    pub max_subscriptions: u32,
}

/// `[ops]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsSection {
    /// Whether it is served.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
    /// Whether other machines may reach it.
    pub public: bool,
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsSection {
    /// Where alerts are posted.
    #[serde(default)]
    pub webhook: Option<Endpoint>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// How.
    pub format: LogFormat,
    /// What.
    pub level: String,
}

/// What happens when nothing may be sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHalt {
    /// The node goes on answering.
    Stay,
    /// It ends.
    Exit,
}

/// How is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object to a line.
    Json,
}
