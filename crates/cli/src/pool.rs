//! `nthroot pool`: constant-product markets.

mod show;

use clap::Subcommand;
use eyre::{OptionExt, Result, bail, ensure};
use nthroot_model::rules::pool::Liquidity;
use nthroot_protocol::{
    AssetId, FragmentId,
    rules::pool::{Pair, PoolOp, Side, share_tag},
};
use nthroot_wallet::Request;

use crate::{
    amount::{AmountOrAll, Quantity, less, more, parse_amount, parse_asset, parse_millionths},
    args::Posting,
    client::Client,
    post::carry_out,
    sign::Wanted,
};

/// Trade with pools, or hold a share of one
#[derive(Subcommand)]
pub(crate) enum Command {
    Create(Create),
    Add(Add),
    Remove(Remove),
    Swap(Swap),
    Show(show::Show),
    List(show::List),
}

/// Open a pool for two assets
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot pool create ETH 0x5FbDB2315678afecb367f032d93F642f64180aa3 --fee 0.3%")]
pub(crate) struct Create {
    /// One asset
    #[arg(value_name = "ASSET", value_parser = parse_asset)]
    one: AssetId,

    /// The other one
    #[arg(value_name = "ASSET", value_parser = parse_asset)]
    other: AssetId,

    /// Fee of what is sold, per cent or millionths; at most a tenth
    #[arg(long, value_name = "FEE", default_value = "0.3%", value_parser = parse_millionths)]
    fee: u32,

    #[command(flatten)]
    posting: Posting,
}

/// Add liquidity, for shares
///
/// The first who adds names both amounts, and so sets the price. After that one amount is enough: the other follows from the price.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot pool add 12.1/0#0 --max 1ether:ETH --max 2000e18:0x5FbDB2315678afecb367f032d93F642f64180aa3\n  nthroot pool add 12.1/0#0 --max 1ether:ETH --slippage 1%"
)]
pub(crate) struct Add {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: FragmentId,

    /// The most that is paid of an asset
    #[arg(long, value_name = "AMOUNT:ASSET", required = true)]
    max: Vec<Quantity>,

    /// The fewest shares for it, instead of --slippage
    #[arg(long, value_name = "SHARES", value_parser = parse_amount)]
    shares_at_least: Option<u128>,

    /// How much worse than now it may become until it is posted
    #[arg(long, value_name = "FRACTION", default_value = "0.5%", value_parser = parse_millionths)]
    slippage: u32,

    #[command(flatten)]
    posting: Posting,
}

/// Give shares back for what they are a part of
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot pool remove 12.1/0#0 --shares all --fragment 14.1/0#0")]
pub(crate) struct Remove {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: FragmentId,

    /// How many shares, or `all` that the fragment has
    #[arg(long, value_name = "SHARES")]
    shares: AmountOrAll,

    /// How much worse than now it may become until it is posted
    #[arg(long, value_name = "FRACTION", default_value = "0.5%", value_parser = parse_millionths)]
    slippage: u32,

    #[command(flatten)]
    posting: Posting,
}

/// Sell one of the pool's assets for the other, or buy it
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot pool swap 12.1/0#0 --sell 1ether --of ETH\n  nthroot pool swap 12.1/0#0 --buy 0.5ether --of ETH --slippage 1%"
)]
pub(crate) struct Swap {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: FragmentId,

    /// How much is sold
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, required_unless_present = "buy", conflicts_with = "buy")]
    sell: Option<u128>,

    /// How much is bought
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    buy: Option<u128>,

    /// Of which asset
    #[arg(long, value_name = "ASSET", value_parser = parse_asset)]
    of: AssetId,

    /// The least that is bought, instead of --slippage
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, conflicts_with = "buy")]
    at_least: Option<u128>,

    /// The most that is sold, instead of --slippage
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, conflicts_with = "sell")]
    at_most: Option<u128>,

    /// How much worse than now the price may become until it is posted
    #[arg(long, value_name = "FRACTION", default_value = "0.5%", value_parser = parse_millionths)]
    slippage: u32,

    #[command(flatten)]
    posting: Posting,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Create(args) => create(args).await,
        Command::Add(args) => add(args).await,
        Command::Remove(args) => remove(args).await,
        Command::Swap(args) => swap(args).await,
        Command::Show(args) => show::show(args).await,
        Command::List(args) => show::list(args).await,
    }
}

async fn create(args: Create) -> Result<()> {
    let mut assets = [args.one, args.other];
    assets.sort_unstable();
    ensure!(assets[0] != assets[1], "a pool trades two different assets");
    let op = PoolOp::Create(Pair { assets, fee: args.fee });
    ensure!(PoolOp::decode(&op.encode()).is_ok(), "the fee is at most a tenth: 10%");
    let client = Client::connect(&args.posting.signing.chain).await?;
    let wanted = Wanted::new(&client, Request::Pool { op, assets });
    carry_out(client, &args.posting, wanted).await
}

async fn add(args: Add) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let liquidity = client.pool(args.pool)?;
    let assets = liquidity.state.pair.assets;
    let mut named: [Option<u128>; 2] = [None; 2];
    for quantity in &args.max {
        let (asset, amount) = quantity.fixed().map_err(|error| eyre::eyre!(error))?;
        let side = side_of(args.pool, &liquidity, asset)?;
        named[usize::from(side.number())] = Some(amount);
    }
    let at_most = match named {
        [Some(zero), Some(one)] => [zero, one],
        [Some(zero), None] => [zero, at_price(&liquidity, Side::Zero, zero, args.slippage)?],
        [None, Some(one)] => [at_price(&liquidity, Side::One, one, args.slippage)?, one],
        [None, None] => bail!("name an amount with --max"),
    };
    let quote = liquidity.quote_add(at_most)?;
    let shares_at_least = args
        .shares_at_least
        .unwrap_or_else(|| less(quote.minted, args.slippage));
    let op = PoolOp::Add {
        pool: args.pool,
        at_most,
        shares_at_least,
    };
    let wanted = Wanted::new(&client, Request::Pool { op, assets })
        .needing(assets[0], quote.paid[0])
        .needing(assets[1], quote.paid[1]);
    carry_out(client, &args.posting, wanted).await
}

/// What goes with an amount of this side at the pool's price, and somewhat more.
fn at_price(liquidity: &Liquidity, side: Side, amount: u128, slippage: u32) -> Result<u128> {
    let (this, other) = (side.of(liquidity.reserves), side.other().of(liquidity.reserves));
    ensure!(this > 0, "the pool is empty: name both amounts, which set the price");
    let wide = alloy::primitives::U256::from(amount) * alloy::primitives::U256::from(other);
    let amount = wide.div_ceil(alloy::primitives::U256::from(this));
    let amount = u128::try_from(amount).map_err(|_| eyre::eyre!("that is too much for the pool"))?;
    Ok(more(amount, slippage))
}

async fn remove(args: Remove) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let liquidity = client.pool(args.pool)?;
    let shares = match args.shares {
        AmountOrAll::Amount(shares) => shares,
        AmountOrAll::All => held(
            &client,
            &args.posting,
            AssetId::issued(client.book.pool, share_tag(args.pool)),
        )?,
    };
    let at_least = liquidity.quote_remove(shares)?.map(|out| less(out, args.slippage));
    let op = PoolOp::Remove {
        pool: args.pool,
        shares,
        at_least,
    };
    let assets = liquidity.state.pair.assets;
    let wanted = Wanted::new(&client, Request::Pool { op, assets });
    carry_out(client, &args.posting, wanted).await
}

/// What the named fragment, or else the only one that has any, holds of an asset.
pub(crate) fn held(client: &Client, posting: &Posting, asset: AssetId) -> Result<u128> {
    if let Some(id) = posting.signing.fragment {
        return Ok(client.fragment(id)?.balance(asset));
    }
    let own = client.own(posting.signing.key.public()?);
    let mut amounts = own
        .iter()
        .map(|(_, fragment)| fragment.balance(asset))
        .filter(|amount| *amount > 0);
    let amount = amounts.next().ok_or_eyre("you have no shares of it")?;
    ensure!(
        amounts.next().is_none(),
        "several of your fragments have shares: choose one with --fragment"
    );
    Ok(amount)
}

async fn swap(args: Swap) -> Result<()> {
    let client = Client::connect(&args.posting.signing.chain).await?;
    let liquidity = client.pool(args.pool)?;
    let assets = liquidity.state.pair.assets;
    let side = side_of(args.pool, &liquidity, args.of)?;
    let pool = args.pool;
    let wanted = if let Some(amount) = args.sell {
        let quote = liquidity.quote_sell(side, amount)?;
        let at_least = args.at_least.unwrap_or_else(|| less(quote, args.slippage));
        let op = PoolOp::Sell {
            pool,
            side,
            amount,
            at_least,
        };
        Wanted::new(&client, Request::Pool { op, assets })
    } else {
        let amount = args.buy.ok_or_eyre("--sell or --buy?")?;
        let quote = liquidity.quote_buy(side, amount)?;
        let at_most = args.at_most.unwrap_or_else(|| more(quote, args.slippage));
        let op = PoolOp::Buy {
            pool,
            side,
            amount,
            at_most,
        };
        Wanted::new(&client, Request::Pool { op, assets }).needing(side.other().of(assets), quote)
    };
    carry_out(client, &args.posting, wanted).await
}

fn side_of(pool: FragmentId, liquidity: &Liquidity, asset: AssetId) -> Result<Side> {
    let found = Side::BOTH
        .into_iter()
        .find(|side| side.of(liquidity.state.pair.assets) == asset);
    found.ok_or_else(|| eyre::eyre!("pool {pool} does not trade {asset}: `nthroot pool show {pool}`"))
}
