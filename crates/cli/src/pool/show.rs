//! What pools are.

use eyre::Result;
use nthroot_model::rules::pool::Liquidity;
use nthroot_protocol::{AssetId, FragmentId, rules::pool::share_tag};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs},
    client::{Client, Names},
    text::{Style, decimal, print_json, table},
};

/// Show a pool: reserves, price, fee, and the own share
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot pool show 12.1/0#0")]
pub(crate) struct Show {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: FragmentId,

    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,
}

/// List all pools
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    chain: Chain,
}

pub(crate) async fn show(args: Show) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let liquidity = client.pool(args.pool)?;
    let names = client.names();
    let tag = AssetId::issued(client.book.pool, share_tag(args.pool));
    let own = args.key.find_public()?.map(|key| client.own(key));
    let own: Option<u128> = own.map(|own| own.iter().map(|(_, fragment)| fragment.balance(tag)).sum());
    if args.chain.json {
        let mut document = pool_json(args.pool, &liquidity, &names);
        document["ownShares"] = own.map_or(Value::Null, |own| own.to_string().into());
        print_json(&document);
        return Ok(());
    }
    let [zero, one] = liquidity.state.pair.assets;
    println!("Pool {}", args.pool);
    for (asset, reserve) in [zero, one].into_iter().zip(liquidity.reserves) {
        println!("  reserve     {}", names.amount(asset, reserve));
    }
    println!(
        "  price       {} units of {} for one of {}",
        price(&liquidity),
        names.of(one),
        names.of(zero)
    );
    println!("  fee         {}", fee(&liquidity));
    println!("  shares      {}", liquidity.state.shares);
    if let Some(own) = own {
        println!("  own shares  {own}{}", part(own, liquidity.state.shares));
        if let Ok(out) = liquidity.quote_remove(own) {
            println!(
                "    worth     {} and {}",
                names.amount(zero, out[0]),
                names.amount(one, out[1])
            );
        }
    }
    Ok(())
}

pub(crate) async fn list(args: List) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let names = client.names();
    if args.chain.json {
        let pools = client.pools().map(|(id, liquidity)| pool_json(id, &liquidity, &names));
        print_json(&pools.collect());
        return Ok(());
    }
    let rows: Vec<[String; 5]> = client
        .pools()
        .map(|(id, liquidity)| {
            let [zero, one] = liquidity.state.pair.assets;
            let [reserve_0, reserve_1] = liquidity.reserves;
            [
                id.to_string(),
                names.amount(zero, reserve_0),
                names.amount(one, reserve_1),
                price(&liquidity),
                fee(&liquidity),
            ]
        })
        .collect();
    if rows.is_empty() {
        println!("No pools: `nthroot pool create` opens one.");
    } else {
        let head = ["pool", "reserve 0", "reserve 1", "price", "fee"];
        println!("{}", table(Style::of_stdout(), head, &rows));
    }
    Ok(())
}

fn pool_json(id: FragmentId, liquidity: &Liquidity, names: &Names) -> Value {
    let reserves = liquidity.state.pair.assets.into_iter().zip(liquidity.reserves);
    json!({
        "id": id,
        "reserves": reserves.map(|(asset, reserve)| names.json(asset, reserve)).collect::<Vec<_>>(),
        "feeMillionths": liquidity.state.pair.fee,
        "shares": liquidity.state.shares.to_string(),
    })
}

/// Base units of asset 1 for one of asset 0.
fn price(liquidity: &Liquidity) -> String {
    let [zero, one] = liquidity.reserves;
    decimal(one, zero)
}

fn fee(liquidity: &Liquidity) -> String {
    format!("{}%", decimal(liquidity.state.pair.fee.into(), 10_000))
}

fn part(own: u128, all: u128) -> String {
    match own.checked_mul(100) {
        Some(hundredfold) if all > 0 => format!(" ({}%)", decimal(hundredfold, all)),
        _ => String::new(),
    }
}
