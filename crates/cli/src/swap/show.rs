//! What an intent to swap says, and whether it can be filled now.

use std::path::PathBuf;

use eyre::{Result, bail};
use nthroot_model::rules::swap::Limits;
use nthroot_wallet::{Intent, Request};
use serde_json::json;

use crate::{
    args::Chain,
    client::Client,
    post::{check, read_intent, request_of},
    text::print_json,
};

/// Show a signed intent to swap, what it gives and gets now, and whether it can be filled
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot swap show a.json")]
pub(crate) struct Args {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    chain: Chain,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let client = Client::connect(&args.chain).await?;
    let signed = read_intent(&args.file)?;
    let Request::Swap(swap) = request_of(&client, &signed)? else {
        bail!("{} is no intent to swap", args.file.display());
    };
    let checked = check(&client, &signed).err().map(|error| format!("{error:#}"));
    // In full: what is filled in part is in proportion.
    let limits = Limits::of(&swap, client.clock(), swap.whole())?;
    let (names, clock) = (client.names(), client.clock());
    if args.chain.json {
        let give = limits
            .most
            .iter()
            .map(|(asset, most)| json!({ "asset": asset, "most": most.to_string() }));
        let get = limits
            .least
            .iter()
            .map(|(asset, least)| json!({ "asset": asset, "least": least.to_string() }));
        print_json(&json!({
            "intent": signed,
            "clock": clock,
            "gives": give.collect::<Vec<_>>(),
            "gets": get.collect::<Vec<_>>(),
            "problem": checked,
        }));
        return Ok(());
    }
    let intent = Intent {
        request: Request::Swap(swap),
        fragment: signed.fragment,
        nonce: signed.nonce,
        valid_until: signed.valid_until,
    };
    println!("{}", intent.lines(&client.book).join("\n"));
    println!("At block {clock}, in full:");
    for (asset, most) in limits.most {
        println!(
            "  gives, with rewards, at most {}",
            names.amount(asset, most.saturating_to())
        );
    }
    for (asset, least) in limits.least {
        println!("  gets at least {}", names.amount(asset, least));
    }
    match checked {
        None => println!("It is signed by the fragment's key, and can be filled."),
        Some(problem) => println!("It cannot be filled: {problem}"),
    }
    Ok(())
}
