//! `nthroot node check`: whether all that a configuration names is there.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, U256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use nthroot_bindings::Bridge;
use nthroot_node::{
    Deployment, L1,
    config::{Config, Wei},
    store::Redb,
};
use serde_json::json;

use crate::{
    node::ConfigArg,
    text::{Style, ether, print_json, thousands},
};

/// Seconds. An L1 node whose latest block is older is behind, or its chain stands still.
const STALE: u64 = 120;

/// Try out a configuration: L1, deployment, keys, balances, bond, addresses
///
/// Sends no transaction and changes nothing. Says what is wrong and what to do about it. Exit status 1 if a node could not run with it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot node check --config node.toml")]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The node runs, but not for long or not as it should.
    Poor,
    Bad,
}

struct Row {
    verdict: Verdict,
    what: String,
    says: String,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn add(&mut self, verdict: Verdict, what: impl Into<String>, says: impl Into<String>) {
        let (what, says) = (what.into(), says.into());
        self.0.push(Row { verdict, what, says });
    }
}

pub(crate) async fn run(args: &Args) -> eyre::Result<ExitCode> {
    let config = args.config.load()?;
    let mut table = Table::default();
    table.add(Verdict::Good, "configuration", args.config.config.display().to_string());
    let deployment = manifest(&mut table, &config);
    let l1 = nodes(&mut table, &config, deployment.as_ref()).await;
    if let (Some(l1), Some(deployment)) = (&l1, &deployment) {
        match deployment.check(l1).await {
            Ok(()) => table.add(
                Verdict::Good,
                "contracts",
                format!("those of the manifest, bridge {}", deployment.bridge),
            ),
            Err(error) => table.add(Verdict::Bad, "contracts", error.to_string()),
        }
    }
    store(&mut table, &config);
    let chain = l1.as_ref().zip(deployment.as_ref());
    let watcher = key(&mut table, "watcher", config.watcher.enabled, || {
        config.watcher.key.read()
    });
    let proposer = key(&mut table, "proposer", config.proposer.enabled, || {
        config.proposer.key.read()
    });
    if watcher.is_some() && watcher == proposer {
        table.add(
            Verdict::Bad,
            "keys",
            "watcher and proposer have the same: a challenge must not queue behind a batch",
        );
    }
    if let Some((l1, deployment)) = chain {
        if let Some(address) = watcher {
            balance(
                &mut table,
                "watcher's balance",
                l1,
                address,
                config.watcher.balance_floor,
            )
            .await;
        }
        if let Some(address) = proposer {
            balance(
                &mut table,
                "proposer's balance",
                l1,
                address,
                config.proposer.balance_floor,
            )
            .await;
            bond(&mut table, l1, deployment, address).await;
        }
    }
    for (name, enabled, address) in [
        ("api", config.api.enabled, config.api.listen),
        ("ops", config.ops.enabled, config.ops.listen),
    ] {
        if enabled {
            listening(&mut table, name, address);
        }
    }
    Ok(table.print(args.json))
}

fn manifest(table: &mut Table, config: &Config) -> Option<Deployment> {
    match config.manifest() {
        Ok(deployment) => {
            let says = format!("chain {}, bridge {}", deployment.chain_id, deployment.bridge);
            table.add(Verdict::Good, "manifest", says);
            Some(deployment)
        }
        Err(error) => {
            table.add(Verdict::Bad, "manifest", error.to_string());
            None
        }
    }
}

/// Asks each L1 node by itself. Returns the first that is good.
async fn nodes(table: &mut Table, config: &Config, deployment: Option<&Deployment>) -> Option<L1> {
    let mut good = None;
    for url in &config.l1.urls {
        let what = format!("L1 node {url}");
        let connected = L1::connect(url.0.as_str(), Duration::from_millis(config.l1.poll_ms));
        let asked = tokio::time::timeout(Duration::from_millis(config.l1.timeout_ms), async {
            let l1 = connected.await?;
            let latest = l1.header(BlockNumberOrTag::Latest).await?;
            Ok::<_, nthroot_node::Error>((l1, latest))
        });
        match asked.await {
            Err(_) => table.add(
                Verdict::Bad,
                what,
                format!("no answer within {} ms", config.l1.timeout_ms),
            ),
            // The error would name the address, which may have a secret in it.
            Ok(Err(nthroot_node::Error::Transport(error))) if !error.is_error_resp() => {
                table.add(Verdict::Bad, what, "it does not answer");
            }
            Ok(Err(error)) => table.add(Verdict::Bad, what, error.to_string()),
            Ok(Ok((l1, latest))) => {
                let expected = deployment.map_or(l1.chain_id(), |deployment| deployment.chain_id);
                if l1.chain_id() != expected {
                    let says = format!("it is of chain {}, the deployment of chain {expected}", l1.chain_id());
                    table.add(Verdict::Bad, what, says);
                    continue;
                }
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let age = now.map_or(0, |now| now.as_secs()).saturating_sub(latest.timestamp);
                let says = format!(
                    "chain {expected}, block {}, {} seconds old",
                    latest.number,
                    thousands(age)
                );
                table.add(if age > STALE { Verdict::Poor } else { Verdict::Good }, what, says);
                good.get_or_insert(l1);
            }
        }
    }
    good
}

fn store(table: &mut Table, config: &Config) {
    let path = config.store();
    if !path.exists() {
        let says = format!("{}: not there yet, everything is derived from L1", path.display());
        return table.add(Verdict::Good, "store", says);
    }
    match Redb::open(&path) {
        Ok(_) => table.add(Verdict::Good, "store", path.display().to_string()),
        Err(error @ nthroot_node::Error::StoreLocked { .. }) => {
            table.add(Verdict::Poor, "store", format!("{error}: is the node running?"));
        }
        Err(error) => table.add(Verdict::Bad, "store", error.to_string()),
    }
}

/// Whose key it is, if it is needed and can be read.
fn key(
    table: &mut Table,
    name: &str,
    enabled: bool,
    read: impl Fn() -> Result<PrivateKeySigner, String>,
) -> Option<Address> {
    if !enabled {
        table.add(Verdict::Good, name, "not enabled");
        return None;
    }
    match read() {
        Ok(key) => {
            table.add(Verdict::Good, name, format!("key of {}", key.address()));
            Some(key.address())
        }
        Err(error) => {
            table.add(Verdict::Bad, name, error);
            None
        }
    }
}

async fn balance(table: &mut Table, what: &str, l1: &L1, address: Address, floor: Wei) {
    match l1.provider().get_balance(address).await {
        Ok(balance) if balance < U256::from(floor.0) => {
            let says = format!(
                "{} ETH, less than its floor of {floor}: send some to {address}",
                ether(balance)
            );
            table.add(Verdict::Poor, what, says);
        }
        Ok(balance) => table.add(Verdict::Good, what, format!("{} ETH", ether(balance))),
        Err(_) => table.add(Verdict::Bad, what, "L1 does not say"),
    }
}

async fn bond(table: &mut Table, l1: &L1, deployment: &Deployment, address: Address) {
    match Bridge::new(deployment.bridge, l1.provider())
        .bondOf(address)
        .call()
        .await
    {
        Ok(bond) if bond.free < U256::from(deployment.parameters.min_lock) => {
            let says = format!(
                "{} ETH free, a batch locks {} ETH at least: `nthroot bond fund`",
                ether(bond.free),
                ether(U256::from(deployment.parameters.min_lock))
            );
            table.add(Verdict::Poor, "proposer's bond", says);
        }
        Ok(bond) => {
            let says = format!("{} ETH, {} ETH of it free", ether(bond.balance), ether(bond.free));
            table.add(Verdict::Good, "proposer's bond", says);
        }
        Err(_) => table.add(Verdict::Bad, "proposer's bond", "L1 does not say"),
    }
}

fn listening(table: &mut Table, name: &str, address: SocketAddr) {
    let what = format!("{name}.listen");
    match std::net::TcpListener::bind(address) {
        Ok(_) if address.ip().is_loopback() => table.add(Verdict::Good, what, address.to_string()),
        Ok(_) => {
            let says = format!("{address} can be reached from other machines: is there a reverse proxy in front?");
            table.add(Verdict::Poor, what, says);
        }
        Err(error) => table.add(Verdict::Poor, what, format!("{address}: {error}: is the node running?")),
    }
}

impl Table {
    fn print(&self, json: bool) -> ExitCode {
        let bad = self.0.iter().any(|row| row.verdict == Verdict::Bad);
        let name = |verdict| match verdict {
            Verdict::Good => "ok",
            Verdict::Poor => "warning",
            Verdict::Bad => "error",
        };
        if json {
            let rows = self.0.iter();
            let rows = rows.map(|row| json!({ "state": name(row.verdict), "what": row.what, "says": row.says }));
            print_json(&json!({ "ok": !bad, "checks": rows.collect::<Vec<_>>() }));
        } else {
            let style = Style::of_stdout();
            let width = self.0.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
            for row in &self.0 {
                let state = format!("{:<7}", name(row.verdict));
                let state = match row.verdict {
                    Verdict::Good => style.good(state),
                    Verdict::Poor => style.title(state),
                    Verdict::Bad => style.bad(state),
                };
                println!("{state}  {:<width$}  {}", row.what, row.says);
            }
        }
        ExitCode::from(u8::from(bad))
    }
}
