//! `nthroot swap`: intents to exchange assets with whoever fills them.

mod fill;
mod show;

use std::path::PathBuf;

use clap::Subcommand;
use eyre::{Result, WrapErr, ensure};
use nthroot_protocol::{
    FragmentId, Outflow,
    rules::swap::{Curve, Leg, SwapIntent},
};
use nthroot_wallet::Request;

use crate::{
    amount::{Quantity, parse_amount},
    args::Signing,
    client::Client,
    sign::{Wanted, sign as sign_intent},
    text::print_json,
};

/// Exchange assets with others: sign what you give and get, let anybody fill it
#[derive(Subcommand)]
pub(crate) enum Command {
    Sign(Sign),
    Show(show::Args),
    Fill(fill::Args),
}

/// Sign an intent to swap, for a file that anybody may fill
///
/// It says what you give at most and get at least. Along a curve the gives rise and the gets fall, from block to block, until
/// somebody fills it.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot swap sign --give 1ether:ETH --get 2000e18:0x5FbDB2315678afecb367f032d93F642f64180aa3 --out a.json\n  nthroot swap sign --give 1ether:ETH --get 2100e18..1900e18:0x5FbDB2315678afecb367f032d93F642f64180aa3 --curve 100..150 --least-fill 0.1ether --out a.json"
)]
pub(crate) struct Sign {
    /// What you give at most; along a curve START..END
    #[arg(long, value_name = "AMOUNT:ASSET", required = true)]
    give: Vec<Quantity>,

    /// What you get at least; along a curve START..END
    #[arg(long, value_name = "AMOUNT:ASSET", required = true)]
    get: Vec<Quantity>,

    /// What you give beside the price, to whoever fills
    #[arg(long, value_name = "AMOUNT:ASSET")]
    reward: Vec<Quantity>,

    /// With whom alone you exchange assets; by default with anybody
    #[arg(long, value_name = "ID")]
    counterparty: Vec<FragmentId>,

    /// First and last block of the curve
    #[arg(long, value_name = "FIRST..LAST", value_parser = parse_curve)]
    curve: Option<Curve>,

    /// It may be filled in part, but for so much at least: in base units of the give whose asset id is the lowest (ETH is
    /// lower than any other), at the end of its curve
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    least_fill: Option<u128>,

    /// Where the signed intent is written; by default it is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    signing: Signing,
}

fn parse_curve(text: &str) -> Result<Curve, String> {
    let blocks = text.split_once("..");
    let blocks = blocks.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = blocks.ok_or_else(|| format!("`{text}` is not FIRST..LAST, two blocks"))?;
    Ok(Curve { first, last })
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Sign(args) => sign(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Fill(args) => fill::run(args).await,
    }
}

async fn sign(args: Sign) -> Result<()> {
    let legs = |quantities: &[Quantity]| {
        let mut legs: Vec<Leg> = quantities
            .iter()
            .map(|Quantity { asset, start, end }| Leg {
                asset: *asset,
                start: *start,
                end: *end,
            })
            .collect();
        legs.sort_unstable_by_key(|leg| leg.asset);
        legs
    };
    let mut rewards = Vec::new();
    for reward in &args.reward {
        let (asset, amount) = reward.fixed().map_err(|error| eyre::eyre!("--reward: {error}"))?;
        rewards.push(Outflow { asset, amount });
    }
    rewards.sort_unstable_by_key(|reward| reward.asset);
    let mut counterparties = args.counterparty;
    counterparties.sort_unstable();
    let intent = SwapIntent {
        gives: legs(&args.give),
        gets: legs(&args.get),
        rewards,
        counterparties,
        curve: args.curve,
        least_fill: args.least_fill,
    };
    let changes = intent.gives.iter().chain(&intent.gets).any(|leg| leg.start != leg.end);
    ensure!(
        args.curve.is_some() || !changes,
        "START..END needs the blocks of the curve: --curve FIRST..LAST"
    );
    let decoded = SwapIntent::decode(&intent.encode()).wrap_err("nobody could fill this intent")?;
    ensure!(
        decoded.least_fill.is_none_or(|least| least <= decoded.whole()),
        "--least-fill is more than the whole, {}",
        decoded.whole()
    );
    let client = Client::connect(&args.signing.chain).await?;
    let wanted = Wanted::new(&client, Request::Swap(intent));
    let Some(signed) = sign_intent(&client, &args.signing, wanted)? else {
        return Ok(());
    };
    let document = serde_json::to_value(&signed)?;
    let Some(path) = args.out else {
        print_json(&document);
        return Ok(());
    };
    std::fs::write(&path, format!("{document:#}\n")).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    if args.signing.chain.json {
        print_json(&document);
    } else {
        println!(
            "\nSigned: {} can be filled until block {}",
            path.display(),
            signed.valid_until
        );
    }
    Ok(())
}
