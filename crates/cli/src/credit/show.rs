//! What markets and positions are.

use eyre::Result;
use nthroot_model::rules::credit::quotes::{cover_down, debt_up, high, lot, low};
use nthroot_protocol::{
    AssetId, FragmentId,
    rules::credit::{shares_tag, title_tag},
};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs},
    client::{Client, Names, OpenMarket, OpenPosition},
    text::{Style, decimal, print_json, table},
};

/// Show a market: its terms, what lenders have, how much of it is lent
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit show 12.1/0#0")]
pub(crate) struct Show {
    /// The market
    #[arg(value_name = "MARKET")]
    market: FragmentId,

    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,
}

/// List all markets
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    chain: Chain,
}

/// List positions: debt, what covers it, whether it is called, what the auction asks now
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot credit positions 12.1/0#0\n  nthroot credit positions --mine")]
pub(crate) struct Positions {
    /// Of this market; by default of all
    #[arg(value_name = "MARKET")]
    market: Option<FragmentId>,

    /// Only those whose title is under the key
    #[arg(long)]
    mine: bool,

    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,
}

pub(super) async fn show(args: Show) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let market = client.market(args.market)?;
    let (names, clock) = (client.names(), client.clock());
    let shares = AssetId::issued(client.book.credit, shares_tag(args.market));
    let own = args.key.find_public()?.map(|key| client.own(key));
    let own: Option<u128> = own.map(|own| own.iter().map(|(_, fragment)| fragment.balance(shares)).sum());
    if args.chain.json {
        let mut document = market_json(&market, clock)?;
        document["ownShares"] = own.map_or(Value::Null, |own| own.to_string().into());
        print_json(&document);
        return Ok(());
    }
    let OpenMarket { id, data, idle } = &market;
    let terms = &data.terms;
    let of_asset = |amount| names.amount(terms.asset, amount);
    println!("Market {id}");
    println!("  lends        {}", names.of(terms.asset));
    println!("  against      {}", names.of(terms.collateral));
    println!("  ratio        at most {} for 10^18 units of collateral", terms.ratio);
    println!("  rate         {} · 10^-18 of the principal for a block", terms.rate);
    println!("  minimum      {}", of_asset(terms.minimum));
    println!("  call fee     {}%", decimal(terms.call_fee.into(), 10_000));
    println!(
        "  auction      {} blocks of grace, {} of rise, {} of fall",
        terms.grace, terms.rise, terms.fall
    );
    println!("  positions    {} so far{}", data.serial, room(terms.depth));
    println!("  idle         {}", of_asset(*idle));
    println!(
        "  low          {}  (what redeemed shares are a part of)",
        of_asset(low(data, *idle, clock)?.saturating_to())
    );
    println!(
        "  high         {}  (what lent money buys into)",
        of_asset(high(data, *idle, clock)?.saturating_to())
    );
    println!("  utilisation  {}%", utilisation(&market, clock)?);
    println!("  shares       {}", data.shares);
    if let Some(own) = own {
        println!("  own shares   {own}");
    }
    Ok(())
}

pub(super) async fn list(args: List) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let (names, clock) = (client.names(), client.clock());
    if args.chain.json {
        let markets = client.markets().map(|market| market_json(&market, clock));
        print_json(&markets.collect::<Result<Value>>()?);
        return Ok(());
    }
    let mut rows = Vec::new();
    for market in client.markets() {
        let terms = &market.data.terms;
        rows.push([
            market.id.to_string(),
            names.of(terms.asset),
            names.of(terms.collateral),
            high(&market.data, market.idle, clock)?.to_string(),
            format!("{}%", utilisation(&market, clock)?),
        ]);
    }
    if rows.is_empty() {
        println!("No markets: `nthroot credit create` opens one.");
    } else {
        let head = ["market", "lends", "against", "high", "utilisation"];
        println!("{}", table(Style::of_stdout(), head, &rows));
    }
    Ok(())
}

pub(super) async fn positions(args: Positions) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let own = if args.mine {
        Some(client.own(args.key.public()?))
    } else {
        None
    };
    let mine = |position: &OpenPosition| {
        let title = AssetId::issued(
            client.book.credit,
            title_tag(position.data.market, position.data.serial),
        );
        let held = own
            .as_ref()
            .map(|own| own.iter().any(|(_, fragment)| fragment.balance(title) > 0));
        held.unwrap_or(true)
    };
    let of_market = |position: &OpenPosition| args.market.is_none_or(|market| market == position.data.market);
    // What an auction left nothing of is over, though nobody has closed it.
    let matters = |position: &OpenPosition| position.data.principal != 0 || position.collateral != 0;
    let mut found: Vec<OpenPosition> = client
        .positions()
        .filter(|position| matters(position) && of_market(position) && mine(position))
        .collect();
    found.sort_unstable_by_key(|position| (position.data.market, position.data.serial));
    let names = client.names();
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    for position in &found {
        let market = client.market(position.data.market)?;
        documents.push(position_json(&market, position, client.clock())?);
        rows.push(position_row(&market, position, client.clock(), &names)?);
    }
    if args.chain.json {
        print_json(&documents.into());
    } else if rows.is_empty() {
        println!("No open positions.");
    } else {
        let head = ["market", "position", "debt", "collateral", "covers", "state"];
        println!("{}", table(Style::of_stdout(), head, &rows));
    }
    Ok(())
}

fn room(depth: u8) -> String {
    match depth {
        0 => String::new(),
        depth => format!(", of {} in its cohort", (1_u32 << depth) - 1),
    }
}

/// Per cent of what lenders have that is lent.
fn utilisation(market: &OpenMarket, clock: u64) -> Result<String> {
    let all: u128 = high(&market.data, market.idle, clock)?.saturating_to();
    let lent = all.saturating_sub(market.idle);
    // Six decimals of a quotient that is a hundredfold: precise enough to read, and it cannot overflow.
    Ok(if all > u128::MAX / 100 {
        decimal(lent, all / 100)
    } else {
        decimal(lent * 100, all)
    })
}

fn market_json(market: &OpenMarket, clock: u64) -> Result<Value> {
    let OpenMarket { id, data, idle } = market;
    let terms = &data.terms;
    Ok(json!({
        "id": id,
        "asset": terms.asset,
        "collateral": terms.collateral,
        "depth": terms.depth,
        "ratio": terms.ratio.to_string(),
        "rate": terms.rate.to_string(),
        "minimum": terms.minimum.to_string(),
        "callFeeMillionths": terms.call_fee,
        "grace": terms.grace,
        "rise": terms.rise,
        "fall": terms.fall,
        "positions": data.serial,
        "idle": idle.to_string(),
        "low": low(data, *idle, clock)?.to_string(),
        "high": high(data, *idle, clock)?.to_string(),
        "shares": data.shares.to_string(),
        "clock": clock,
    }))
}

fn position_json(market: &OpenMarket, position: &OpenPosition, clock: u64) -> Result<Value> {
    let terms = &market.data.terms;
    let lot = lot(terms, &position.data, position.collateral, clock).ok();
    Ok(json!({
        "market": position.data.market,
        "position": position.data.serial,
        "fragment": position.id,
        "debt": debt_up(terms, &position.data, clock)?.to_string(),
        "collateral": position.collateral.to_string(),
        "covers": cover_down(terms, alloy::primitives::U256::from(position.collateral))?.to_string(),
        "called": Some(position.data.called).filter(|block| *block != 0),
        "asked": lot.map(|lot| lot.asked.to_string()),
        "offered": lot.map(|lot| lot.offered.to_string()),
    }))
}

fn position_row(market: &OpenMarket, position: &OpenPosition, clock: u64, names: &Names) -> Result<[String; 6]> {
    let terms = &market.data.terms;
    let debt = debt_up(terms, &position.data, clock)?;
    let covers = cover_down(terms, alloy::primitives::U256::from(position.collateral))?;
    let state = if position.data.principal == 0 {
        "sold: its owner may close it".to_owned()
    } else if !position.data.is_called() {
        if debt > covers {
            "not covered: calling it costs less, or nothing"
        } else {
            "covered"
        }
        .to_owned()
    } else {
        match lot(terms, &position.data, position.collateral, clock) {
            Ok(lot) => format!("asks {} for {} of the collateral", lot.asked, lot.offered),
            Err(waiting) => format!("called; {waiting}"),
        }
    };
    Ok([
        position.data.market.to_string(),
        position.data.serial.to_string(),
        debt.to_string(),
        names.amount(terms.collateral, position.collateral),
        covers.to_string(),
        state,
    ])
}
