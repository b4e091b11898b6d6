//! What borrowers, callers and bidders do.

use eyre::{Result, ensure};
use nthroot_model::rules::credit::quotes::{call_fee_up, debt_up, lot};
use nthroot_protocol::{FragmentId, rules::credit::CreditOp};

use super::{OfPosition, request};
use crate::{
    amount::{AmountOrAll, parse_amount},
    args::Posting,
    client::Client,
    post::carry_out,
    sign::Wanted,
};

/// Borrow: on a new position, whose title you get, or more on one that you own
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot credit borrow 12.1/0#0 --amount 1000e18 --collateral 1ether\n  nthroot credit borrow 12.1/0#0 --position 3 --amount 50e18"
)]
pub(crate) struct Borrow {
    /// The market
    #[arg(value_name = "MARKET")]
    market: FragmentId,

    /// The position's number; without it a new one is opened
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    position: Option<u64>,

    /// How much is borrowed
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: u128,

    /// How much collateral is added
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = parse_amount)]
    collateral: u128,

    #[command(flatten)]
    posting: Posting,
}

/// Repay a debt or a part of it, and take collateral back; the title is needed
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot credit repay 12.1/0#0 --position 3 --amount all\n  nthroot credit repay 12.1/0#0 --position 3 --amount 100e18 --take 0.1ether"
)]
pub(crate) struct Repay {
    #[command(flatten)]
    of: OfPosition,

    /// The most that is paid, or `all` that is owed; then all collateral comes back
    #[arg(long, value_name = "AMOUNT")]
    amount: AmountOrAll,

    /// Collateral that is taken back, if the debt is not paid in full
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = parse_amount)]
    take: u128,
}

/// Call a loan: after the market's grace its collateral is put to auction. Anybody may
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit call 12.1/0#0 --position 3")]
pub(crate) struct Call {
    #[command(flatten)]
    of: OfPosition,

    /// The largest call fee; by default what it is by the time the signature ends, or nothing if the debt is not covered
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    fee_at_most: Option<u128>,
}

/// Bid for the collateral of a called position: it is sold to the first. Anybody may
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit bid 12.1/0#0 --position 3")]
pub(crate) struct Bid {
    #[command(flatten)]
    of: OfPosition,

    /// The most that is paid; by default what the auction asks now
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    at_most: Option<u128>,

    /// The least collateral for it; by default what the auction offers now
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    at_least: Option<u128>,
}

/// Add collateral to a position; the title is needed
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit add 12.1/0#0 --position 3 --amount 0.5ether")]
pub(crate) struct Add {
    #[command(flatten)]
    of: OfPosition,

    /// How much
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: u128,
}

/// Take what an auction left of the collateral; the title is needed
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit close 12.1/0#0 --position 3")]
pub(crate) struct Close {
    #[command(flatten)]
    of: OfPosition,
}

pub(super) async fn borrow(args: Borrow) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let market = client.market(args.market)?;
    let op = CreditOp::Borrow {
        market: args.market,
        serial: args.position.unwrap_or_default(),
        added: args.collateral,
        amount: args.amount,
    };
    let mut wanted = Wanted::new(&client, request(&market, op));
    if let Some(serial) = args.position {
        wanted.needs.push(title(&client, args.market, serial));
    }
    carry_out(client, &args.posting, wanted).await
}

pub(super) async fn repay(args: Repay) -> Result<()> {
    let OfPosition {
        market,
        position,
        posting,
    } = args.of;
    let client = Client::connect(&posting.signing.chain).await?;
    let (open, on) = (client.market(market)?, client.position(market, position)?);
    ensure!(
        on.data.principal != 0,
        "position {position} has no debt: `nthroot credit close` takes what is left"
    );
    let debt = |clock| Ok::<u128, eyre::Report>(debt_up(&open.data.terms, &on.data, clock)?.saturating_to());
    let at_most = match args.amount {
        AmountOrAll::Amount(amount) => amount,
        // Until then it grows.
        AmountOrAll::All => debt(posting.signing.until(client.clock())?)?,
    };
    let op = CreditOp::Repay {
        market,
        serial: position,
        at_most,
        taken: args.take,
    };
    let now = debt(client.clock())?;
    let wanted = Wanted::new(&client, request(&open, op)).needing(open.data.terms.asset, now);
    carry_out(client, &posting, wanted).await
}

pub(super) async fn call(args: Call) -> Result<()> {
    let OfPosition {
        market,
        position,
        posting,
    } = args.of;
    let client = Client::connect(&posting.signing.chain).await?;
    let (open, on) = (client.market(market)?, client.position(market, position)?);
    ensure!(!on.data.is_called(), "position {position} is called already");
    let fee = |clock| {
        let terms = &open.data.terms;
        let debt = debt_up(terms, &on.data, clock)?;
        Ok::<u128, eyre::Report>(call_fee_up(terms, debt, on.collateral)?.saturating_to())
    };
    let now = fee(client.clock())?;
    // It grows with the debt, until that is not covered any more: then it falls, by what is bare.
    let later = fee(posting.signing.until(client.clock())?)?.max(now);
    let op = CreditOp::Call {
        market,
        serial: position,
        fee_at_most: args.fee_at_most.unwrap_or(later),
    };
    let wanted = Wanted::new(&client, request(&open, op)).needing(open.data.terms.asset, now);
    carry_out(client, &posting, wanted).await
}

pub(super) async fn bid(args: Bid) -> Result<()> {
    let OfPosition {
        market,
        position,
        posting,
    } = args.of;
    let client = Client::connect(&posting.signing.chain).await?;
    let (open, on) = (client.market(market)?, client.position(market, position)?);
    let now = lot(&open.data.terms, &on.data, on.collateral, client.clock())?;
    // Later blocks ask no more and offer no less.
    let op = CreditOp::Bid {
        market,
        serial: position,
        at_most: args.at_most.unwrap_or(now.asked.saturating_to()),
        at_least: args.at_least.unwrap_or(now.offered.saturating_to()),
    };
    let wanted = Wanted::new(&client, request(&open, op)).needing(open.data.terms.asset, now.asked.saturating_to());
    carry_out(client, &posting, wanted).await
}

pub(super) async fn add(args: Add) -> Result<()> {
    let OfPosition {
        market,
        position,
        posting,
    } = args.of;
    let client = Client::connect(&posting.signing.chain).await?;
    let open = client.market(market)?;
    let op = CreditOp::Add {
        market,
        serial: position,
        amount: args.amount,
    };
    let mut wanted = Wanted::new(&client, request(&open, op));
    wanted.needs.push(title(&client, market, position));
    carry_out(client, &posting, wanted).await
}

pub(super) async fn close(args: Close) -> Result<()> {
    let OfPosition {
        market,
        position,
        posting,
    } = args.of;
    let client = Client::connect(&posting.signing.chain).await?;
    let open = client.market(market)?;
    let op = CreditOp::Close {
        market,
        serial: position,
    };
    let wanted = Wanted::new(&client, request(&open, op));
    carry_out(client, &posting, wanted).await
}

/// Its owner's fragment holds the title, though it does not let it go.
fn title(client: &Client, market: FragmentId, serial: u64) -> (nthroot_protocol::AssetId, u128) {
    let tag = nthroot_protocol::rules::credit::title_tag(market, serial);
    (nthroot_protocol::AssetId::issued(client.book.credit, tag), 1)
}
