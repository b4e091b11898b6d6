//! `nthroot claim`: withdrawals, paid out on L1.

use alloy::primitives::Address;
use eyre::{OptionExt, Result, bail, ensure};
use nthroot_api::{ApiClient, ClaimInfo};
use nthroot_node::{Call, Sender, claims};
use nthroot_protocol::{AssetId, Key};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs},
    client::{Client, Names},
    progress::{Progress, print_line},
    reach::Reach,
    text::{print_json, thousands},
};

/// Pay out withdrawals on L1 whose batches are final
///
/// Lists them, and sends a transaction for each that is payable. The money goes to whom the withdrawal names, whoever sends the
/// transaction: so anybody can claim for anybody.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot claim\n  nthroot claim --watch --recipient 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
)]
pub(crate) struct Args {
    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,

    /// Who is paid, instead of the key's address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "all")]
    recipient: Option<Address>,

    /// Those of everybody
    #[arg(long)]
    all: bool,

    /// List them only
    #[arg(long, conflicts_with = "watch")]
    list: bool,

    /// Wait for those that are not payable yet
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let recipient = recipient(&args)?;
    let mut reach = Reach::connect(&args.chain, None, &[]).await?;
    let names = reach.view().names();
    if args.list {
        let unpaid = reach.unpaid(recipient).await?;
        list(&args.chain, &unpaid, &names, reach.view().clock());
        return Ok(());
    }
    let sender = Sender::new(reach.l1(&args.chain).await?, args.key.payer()?);
    let progress = args.watch.then(|| Progress::blocks(reach.view().clock()));
    let mut paid = Vec::new();
    let mut failed: Vec<(ClaimInfo, String)> = Vec::new();
    loop {
        let clock = reach.view().clock();
        let mut unpaid = reach.unpaid(recipient).await?;
        unpaid.retain(|claim| failed.iter().all(|(other, _)| place(other) != place(claim)));
        for claim in unpaid.iter().filter(|claim| is_payable(claim, clock)) {
            match push(&reach, &sender, claim).await {
                Ok(document) => {
                    if args.chain.json && args.watch {
                        print_line(&document);
                    } else if !args.chain.json {
                        let line = told(&document, claim, &names);
                        progress
                            .as_ref()
                            .map_or_else(|| println!("{line}"), |progress| progress.say(&line));
                    }
                    paid.push(document);
                }
                // One that can never be paid must not hold up the others.
                Err(error) => failed.push((claim.clone(), format!("{error:#}"))),
            }
        }
        unpaid.retain(|claim| !is_payable(claim, clock));
        if !args.watch || unpaid.is_empty() {
            return end(&args, &names, clock, &paid, &unpaid, &failed);
        }
        if let Some(progress) = &progress {
            let next = unpaid.iter().filter_map(|claim| claim.payable_at).min();
            progress.set("the next claim is payable", clock, next);
        }
        reach.next().await?;
    }
}

fn recipient(args: &Args) -> Result<Option<Address>> {
    if args.all {
        return Ok(None);
    }
    match args.recipient {
        Some(recipient) => Ok(Some(recipient)),
        None => match args.key.public()? {
            Key::Secp256k1(address) => Ok(Some(address)),
            Key::P256(_) => bail!("a P-256 key has no account on L1: name who is paid with --recipient"),
        },
    }
}

const fn place(claim: &ClaimInfo) -> (nthroot_protocol::BatchId, u8) {
    (claim.batch, claim.position)
}

/// Whether it can be paid in the next block.
pub(crate) fn is_payable(claim: &ClaimInfo, clock: u64) -> bool {
    claim.payable_at.is_some_and(|block| block <= clock)
}

/// Sends the transaction that pays a claim.
async fn push(reach: &Reach, sender: &Sender, claim: &ClaimInfo) -> Result<Value> {
    let call = match reach {
        Reach::Chain(client) => call_of(client, claim)?,
        Reach::Node(light) => {
            let carrier = &light.carrier;
            let call = carrier.said(carrier.http.claim_call(claim.batch, claim.position).await)?;
            let call = call.ok_or_eyre("the node says that it cannot be pushed")?;
            ensure!(
                call.to == reach.bridge(),
                "the node would send it to {}, which is not the bridge",
                call.to
            );
            Call::new(call.to, call.data)
        }
    };
    let mined = sender.send(call).await?;
    Ok(json!({
        "batch": claim.batch,
        "position": claim.position,
        "recipient": claim.recipient,
        "token": claim.token,
        "amount": claim.amount.to_string(),
        "transaction": mined.hash(),
        "gas": mined.gas(),
    }))
}

/// The transaction that pays a claim.
pub(crate) fn call_of(client: &Client, claim: &ClaimInfo) -> Result<Call> {
    let unpaid = claims::unpaid(client.ledger(), claim.batch)?;
    let payable = unpaid.iter().find(|payable| payable.claim.position == claim.position);
    Ok(payable.ok_or_eyre("it is paid")?.call(client.bridge()))
}

fn told(document: &Value, claim: &ClaimInfo, names: &Names) -> String {
    format!(
        "Paid {} to {} (batch {}, position {}) for {} gas",
        names.amount(AssetId::token(claim.token), claim.amount),
        claim.recipient,
        claim.batch,
        claim.position,
        thousands(document["gas"].as_u64().unwrap_or_default())
    )
}

fn list(chain: &Chain, unpaid: &[ClaimInfo], names: &Names, clock: u64) {
    if chain.json {
        print_json(&json!(unpaid));
        return;
    }
    if unpaid.is_empty() {
        println!("Nothing is to be claimed.");
    }
    for claim in unpaid {
        println!("{}", line(claim, names, clock));
    }
}

fn line(claim: &ClaimInfo, names: &Names, clock: u64) -> String {
    let when = match claim.payable_at {
        Some(block) if block <= clock => "payable now".to_owned(),
        Some(block) => format!("payable at block {block}"),
        None => "held up by a fault that is not resolved yet".to_owned(),
    };
    let amount = names.amount(AssetId::token(claim.token), claim.amount);
    format!(
        "{} for {} (batch {}, position {}): {when}",
        amount, claim.recipient, claim.batch, claim.position
    )
}

fn end(
    args: &Args,
    names: &Names,
    clock: u64,
    paid: &[Value],
    later: &[ClaimInfo],
    failed: &[(ClaimInfo, String)],
) -> Result<()> {
    if args.chain.json && !args.watch {
        let failed = failed
            .iter()
            .map(|(claim, error)| json!({ "claim": claim, "error": error }));
        print_json(&json!({ "paid": paid, "later": later, "failed": failed.collect::<Vec<_>>() }));
    }
    if !args.chain.json {
        for claim in later {
            println!("{}", line(claim, names, clock));
        }
        if paid.is_empty() && later.is_empty() && failed.is_empty() {
            println!("Nothing is to be claimed.");
        }
    }
    let problems: Vec<String> = failed
        .iter()
        .map(|(claim, error)| format!("batch {}, position {}: {error}", claim.batch, claim.position))
        .collect();
    ensure!(problems.is_empty(), "not paid: {}", problems.join("; "));
    Ok(())
}
