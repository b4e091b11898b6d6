//! What one has: `nthroot fragments` and `nthroot balance`.

use std::collections::BTreeMap;

use eyre::Result;
use nthroot_api::ClaimInfo;
use nthroot_protocol::{AssetId, Fragment, Key};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs},
    client::Names,
    key::{self, parse_key},
    progress::span,
    reach::{Held, Reach},
    text::{Style, print_json, table},
};

/// List the fragments under a key, with what they hold
///
/// What a batch wrote is final when its window is over; until then a lie that it is built on would take it back.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot fragments --address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
pub(crate) struct FragmentsArgs {
    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,

    /// Whose, instead of the key's: an Ethereum address, or p256:ADDRESS
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    address: Option<Key>,
}

impl FragmentsArgs {
    fn owner(&self) -> Result<Key> {
        self.address.map_or_else(|| self.key.public(), Ok)
    }
}

pub(crate) async fn fragments(args: FragmentsArgs) -> Result<()> {
    let owner = args.owner()?;
    let reach = Reach::connect(&args.chain, Some(owner), &[]).await?;
    let (own, names, clock) = (reach.held(owner), reach.view().names(), reach.view().clock());
    if args.chain.json {
        print_json(&own.iter().map(|held| held.json(&names)).collect());
        return Ok(());
    }
    if own.is_empty() {
        println!("No fragments under {}: `nthroot deposit` opens one.", key::text(owner));
    }
    for held in own {
        show(&held, &names, clock);
    }
    Ok(())
}

fn show(held: &Held, names: &Names, clock: u64) {
    let Some(fragment) = &held.pending else {
        println!(
            "{}  (not verified: what it holds rests on a lie, or could not be judged)",
            held.id
        );
        return;
    };
    let state = match held.final_at {
        _ if held.is_final() => "final".to_owned(),
        Some(block) => format!("final at block {block}, in about {}", span(block.saturating_sub(clock))),
        None => "not final yet".to_owned(),
    };
    println!("{}  (nonce {}, {state})", held.id, fragment.nonce);
    if let Some(lease) = fragment.lease.filter(|lease| lease.runs(clock)) {
        println!("  leased to {} until block {}", lease.holder, lease.last_block);
    }
    for (asset, amount) in &fragment.assets {
        println!("  {}", names.amount(*asset, *amount));
        if asset.as_token().is_none() {
            println!("    asset {asset}");
        }
    }
}

/// Sum up what a key has: final, pending, and on its way to L1
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot balance --account alice")]
pub(crate) struct BalanceArgs {
    #[command(flatten)]
    of: FragmentsArgs,
}

/// An asset over all fragments.
#[derive(Default)]
struct Sum {
    pending: u128,
    settled: u128,
    /// Withdrawn to the key's address on L1, and not claimed.
    leaving: u128,
}

pub(crate) async fn balance(args: BalanceArgs) -> Result<()> {
    let owner = args.of.owner()?;
    let reach = Reach::connect(&args.of.chain, Some(owner), &[]).await?;
    // Only an Ethereum key is an account on L1.
    let leaving = match owner {
        Key::Secp256k1(address) => reach.unpaid(Some(address)).await?,
        Key::P256(_) => Vec::new(),
    };
    let sums = sums(&reach.held(owner), &leaving);
    let names = reach.view().names();
    if args.of.chain.json {
        let row = |(asset, sum): (&AssetId, &Sum)| {
            json!({
                "asset": asset,
                "name": names.of(*asset),
                "final": sum.settled.to_string(),
                "pending": sum.pending.to_string(),
                "leaving": sum.leaving.to_string(),
            })
        };
        print_json(&sums.iter().map(row).collect::<Value>());
        return Ok(());
    }
    if sums.is_empty() {
        println!(
            "{} has nothing here: `nthroot deposit` brings something.",
            key::text(owner)
        );
        return Ok(());
    }
    let row = |(asset, sum): (&AssetId, &Sum)| {
        let amount = |amount| names.amount(*asset, amount);
        [
            names.of(*asset),
            amount(sum.settled),
            amount(sum.pending),
            amount(sum.leaving),
        ]
    };
    let rows: Vec<[String; 4]> = sums.iter().map(row).collect();
    let head = ["asset", "final", "with what is pending", "to be claimed on L1"];
    println!("{}", table(Style::of_stdout(), head, &rows));
    Ok(())
}

fn sums(held: &[Held], leaving: &[ClaimInfo]) -> BTreeMap<AssetId, Sum> {
    fn assets(fragment: &Option<Fragment>) -> impl Iterator<Item = (AssetId, u128)> + '_ {
        let assets = fragment.iter().flat_map(|fragment| &fragment.assets);
        assets.map(|(asset, amount)| (*asset, *amount))
    }
    let mut sums: BTreeMap<AssetId, Sum> = BTreeMap::new();
    for one in held {
        for (asset, amount) in assets(&one.pending) {
            let sum = sums.entry(asset).or_default();
            sum.pending = sum.pending.saturating_add(amount);
        }
        for (asset, amount) in assets(&one.settled) {
            let sum = sums.entry(asset).or_default();
            sum.settled = sum.settled.saturating_add(amount);
        }
    }
    for claim in leaving {
        let sum = sums.entry(AssetId::token(claim.token)).or_default();
        sum.leaving = sum.leaving.saturating_add(claim.amount);
    }
    sums
}
