//! What lenders do.

use eyre::{Result, ensure};
use nthroot_model::rules::credit::quotes::{redeemed_down, shares_down};
use nthroot_protocol::{
    AssetId, FragmentId,
    limits::MAX_DEPTH,
    rules::credit::{CreditOp, Terms, shares_tag},
};
use nthroot_wallet::Request;

use super::request;
use crate::{
    amount::{AmountOrAll, less, parse_amount, parse_asset, parse_millionths, parse_rate},
    args::Posting,
    client::Client,
    pool::held,
    post::carry_out,
    sign::Wanted,
};

/// Open a market: loans of one asset against another, on terms that never change
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot credit create --asset 0x5FbDB2315678afecb367f032d93F642f64180aa3 --collateral ETH --ratio 1500e18 --rate 5% --minimum 100e18 --call-fee 1%"
)]
pub(crate) struct Create {
    /// What is lent
    #[arg(long, value_name = "ASSET", value_parser = parse_asset)]
    asset: AssetId,

    /// What secures the loans
    #[arg(long, value_name = "ASSET", value_parser = parse_asset)]
    collateral: AssetId,

    /// The largest debt for 10^18 base units of collateral
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    ratio: u128,

    /// Interest: per cent a year, or 10^-18 of the principal for a block
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    rate: u64,

    /// The least debt: more than a call and a bid cost in gas
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    minimum: u128,

    /// What calling a covered debt costs, per cent or millionths of it: more than the interest of grace, rise and fall
    #[arg(long, value_name = "FEE", default_value = "1%", value_parser = parse_millionths)]
    call_fee: u32,

    /// Blocks from a call to the auction
    #[arg(long, value_name = "BLOCKS", default_value_t = 7_200)]
    grace: u32,

    /// Blocks in which the collateral offered rises from nothing to all
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_800)]
    rise: u32,

    /// Blocks in which the debt asked falls to nothing
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_800)]
    fall: u32,

    /// Depth of the market's cohort, for 2^depth − 1 positions in its life; 0 gives each position an anchor of its own
    #[arg(long, value_name = "DEPTH", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=i64::from(MAX_DEPTH)))]
    depth: u8,

    #[command(flatten)]
    posting: Posting,
}

/// Lend to a market, for shares
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit lend 12.1/0#0 --amount 1000e18")]
pub(crate) struct Lend {
    /// The market
    #[arg(value_name = "MARKET")]
    market: FragmentId,

    /// How much
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: u128,

    /// The fewest shares for it, instead of --slippage
    #[arg(long, value_name = "SHARES", value_parser = parse_amount)]
    shares_at_least: Option<u128>,

    /// How much worse than now it may become until it is posted
    #[arg(long, value_name = "FRACTION", default_value = "0.1%", value_parser = parse_millionths)]
    slippage: u32,

    #[command(flatten)]
    posting: Posting,
}

/// Give shares back for what they are a part of
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit redeem 12.1/0#0 --shares all")]
pub(crate) struct Redeem {
    /// The market
    #[arg(value_name = "MARKET")]
    market: FragmentId,

    /// How many shares, or `all` that the fragment has
    #[arg(long, value_name = "SHARES")]
    shares: AmountOrAll,

    /// The least that they are redeemed for, instead of --slippage
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    at_least: Option<u128>,

    /// How much worse than now it may become until it is posted
    #[arg(long, value_name = "FRACTION", default_value = "0.1%", value_parser = parse_millionths)]
    slippage: u32,

    #[command(flatten)]
    posting: Posting,
}

pub(super) async fn create(args: Create) -> Result<()> {
    let terms = Terms {
        depth: args.depth,
        collateral: args.collateral,
        asset: args.asset,
        ratio: args.ratio,
        rate: args.rate,
        minimum: args.minimum,
        call_fee: args.call_fee,
        grace: args.grace,
        rise: args.rise,
        fall: args.fall,
    };
    terms.check()?;
    let (collateral, asset) = (terms.collateral, terms.asset);
    let op = CreditOp::Create(terms);
    let client = Client::connect(&args.posting.signing.chain).await?;
    let wanted = Wanted::new(&client, Request::Credit { op, collateral, asset });
    carry_out(client, &args.posting, wanted).await
}

pub(super) async fn lend(args: Lend) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let market = client.market(args.market)?;
    let shares = shares_down(&market.data, market.idle, args.amount, client.clock())?;
    let shares = less(shares.saturating_to(), args.slippage);
    let op = CreditOp::Lend {
        market: args.market,
        amount: args.amount,
        shares_at_least: args.shares_at_least.unwrap_or(shares),
    };
    let wanted = Wanted::new(&client, request(&market, op));
    carry_out(client, &args.posting, wanted).await
}

pub(super) async fn redeem(args: Redeem) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let market = client.market(args.market)?;
    let shares = match args.shares {
        AmountOrAll::Amount(shares) => shares,
        AmountOrAll::All => held(
            &client,
            &args.posting,
            AssetId::issued(client.book.credit, shares_tag(args.market)),
        )?,
    };
    let amount = redeemed_down(&market.data, market.idle, shares, client.clock())?;
    ensure!(
        amount.saturating_to::<u128>() <= market.idle,
        "they are worth {amount}, and {} are idle: the rest is lent, redeem less or wait",
        market.idle
    );
    let amount = less(amount.saturating_to(), args.slippage);
    let op = CreditOp::Redeem {
        market: args.market,
        shares,
        at_least: args.at_least.unwrap_or(amount),
    };
    let wanted = Wanted::new(&client, request(&market, op));
    carry_out(client, &args.posting, wanted).await
}
