//! From signed intents to a batch: planned, posted under the own bond, reported.

use std::path::{Path, PathBuf};

use alloy::primitives::U256;
use eyre::{Result, WrapErr, bail, ensure};
use nthroot_model::builder::StepPlan;
use nthroot_node::{Proposer, Sender};
use nthroot_protocol::FragmentId;
use nthroot_wallet::{Consent, Request, SignedIntent, states, step_of};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs, Posting},
    carrier::{Carrier, Refused, payment},
    client::{Client, fragment_json},
    reach::Reach,
    sign::{Wanted, sign, sign_next},
    text::{ether, print_json, thousands},
};

/// Why a step that was posted did not happen.
#[derive(Debug)]
pub(crate) struct Skipped;

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("somebody else's batch was first, and the step was skipped: nothing has changed, try again")
    }
}

impl std::error::Error for Skipped {}

/// Signs what is wanted, and hands it to a node, posts it or prints it, as the options say.
pub(crate) async fn carry_out(client: Client, posting: &Posting, wanted: Wanted) -> Result<()> {
    carry(client.into(), posting, wanted, Vec::new()).await
}

/// The same by either way, with intents that others signed for it.
pub(crate) async fn carry(
    reach: Reach,
    posting: &Posting,
    mut wanted: Wanted,
    consents: Vec<SignedIntent>,
) -> Result<()> {
    let signing = &posting.signing;
    let carrier = if posting.sign_only {
        None
    } else {
        reach.carrier(&signing.chain)?
    };
    // A fee is one more payment of a call of the Account rule, and a second intent beside what goes to another rule.
    let mut fee = match &carrier {
        Some(carrier) => carrier.terms().await?.fee,
        None => None,
    };
    if let Request::Account(ops) = &mut wanted.request
        && let Some(fee) = fee.take()
    {
        ops.push(payment(&fee)?);
        wanted.needs.push((fee.amount.asset, fee.amount.amount));
    }
    ensure!(
        fee.is_none() || !(signing.typed_data || signing.signature.is_some()),
        "the node asks for a fee, which a second intent pays: this takes the key itself"
    );
    // Whoever cannot post shall hear of it before signing.
    if carrier.is_none() && !posting.sign_only && !signing.typed_data {
        signing.key.payer()?;
    }
    let Some(signed) = sign(reach.view(), signing, wanted)? else {
        return Ok(());
    };
    if posting.sign_only {
        print_json(&serde_json::to_value(&signed)?);
        return Ok(());
    }
    let watched = signed.fragment;
    let mut intents = vec![signed];
    if let Some(fee) = fee {
        intents.push(sign_next(
            reach.view(),
            signing,
            Request::Account(vec![payment(&fee)?]),
            &intents[0],
        )?);
    }
    intents.extend(consents);
    match (carrier, reach) {
        (Some(carrier), _) => hand_in(&carrier, signing.chain.json, intents).await,
        (None, Reach::Chain(client)) => {
            for consent in &intents[1..] {
                check(&client, consent).wrap_err_with(|| format!("the consent of fragment {}", consent.fragment))?;
            }
            let plan = step(&client, &intents)?;
            post(*client, &signing.chain, &signing.key, plan, &[watched]).await
        }
        // A node that was asked is the one that carries.
        (None, Reach::Node(_)) => bail!("no node to hand it to"),
    }
}

/// Hands intents that go together to a node.
async fn hand_in(carrier: &Carrier, json: bool, intents: Vec<SignedIntent>) -> Result<()> {
    let first = intents.first();
    let (fragment, nonce) = (
        first.map(|signed| signed.fragment),
        first.map_or(0, |signed| signed.nonce),
    );
    let id = carrier.send(intents).await.inspect_err(|error| {
        if let Some(refused) = error.downcast_ref::<Refused>().filter(|_| json) {
            print_json(&refused.json());
        }
    })?;
    if json {
        print_json(&json!({ "intent": id, "node": carrier.url, "fragment": fragment }));
    } else {
        println!("\nThe node has it as {id}: `nthroot watch {id}` follows it.");
        println!(
            "What you sign next for the same fragment follows it; with --nonce {nonce} it takes its place while it waits."
        );
    }
    Ok(())
}

/// Post signed intents of others
///
/// Each file holds what `--sign-only` printed: one intent, which becomes a step of its own in one batch. Intents to swap need
/// counterparties: `nthroot swap fill` brings them together.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot credit lend 5.1/0#0 --amount 100ether --sign-only --yes > intent.json\n  nthroot post intent.json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,

    /// Files with signed intents
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    if let Some(url) = &args.chain.node {
        let carrier = Carrier::new(url)?;
        for file in &args.files {
            hand_in(&carrier, args.chain.json, vec![read_intent(file)?]).await?;
        }
        return Ok(());
    }
    let client = Client::connect(&args.chain).await?;
    let mut plans = Vec::new();
    let mut watched = Vec::new();
    for file in &args.files {
        let signed = read_intent(file)?;
        check(&client, &signed).wrap_err_with(|| file.display().to_string())?;
        watched.push(signed.fragment);
        plans.push(step(&client, &[signed])?);
    }
    post_all(client, &args.chain, &args.key, &plans, &watched).await
}

/// A signed intent from a file.
pub(crate) fn read_intent(file: &Path) -> Result<SignedIntent> {
    let path = file.display();
    let text = std::fs::read_to_string(file).wrap_err_with(|| format!("no signed intent at {path}"))?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{path} is not a signed intent, as --sign-only prints it"))
}

/// What a signed intent asks for.
pub(crate) fn request_of(client: &Client, signed: &SignedIntent) -> Result<Request> {
    Ok(states::request_of(client.ledger(), &client.book, signed)?)
}

/// Whether a signed intent can still be used. Returns what it asks for.
pub(crate) fn check(client: &Client, signed: &SignedIntent) -> Result<Request> {
    let checked = states::check(client.ledger(), &client.book, &client.domain(), client.clock(), signed);
    Ok(checked?)
}

/// The step that carries out these intents together. Whom the Account rule pays without consent is merely credited.
fn step(client: &Client, intents: &[SignedIntent]) -> Result<StepPlan> {
    let credited = |id| Some(Consent::Credited(id));
    Ok(step_of(client.ledger(), &client.book, intents, credited)?)
}

/// Posts one step, and prints what came of it.
pub(crate) async fn post(
    client: Client,
    chain: &Chain,
    key: &KeyArgs,
    plan: StepPlan,
    watched: &[FragmentId],
) -> Result<()> {
    post_all(client, chain, key, &[plan], watched).await
}

async fn post_all(
    mut client: Client,
    chain: &Chain,
    key: &KeyArgs,
    plans: &[StepPlan],
    watched: &[FragmentId],
) -> Result<()> {
    let key = key.payer()?;
    let address = key.address();
    let proposer = Proposer::new(Sender::new(client.l1.clone(), key)).with_rules(client.book.table());
    let batch = proposer.build(&client.follower, None, plans)?;
    let ledger = client.ledger();
    let lock = ledger.params().lock(batch.header.ceiling, batch.header.entry_count);
    let free = ledger.free_bond(address);
    if free < lock {
        let gwei = |gwei: u64| ether(U256::from(gwei) * U256::from(1_000_000_000));
        bail!(
            "the batch locks a bond of {} ETH, and {address} has {} ETH free: `nthroot bond fund --amount {}gwei` adds what is missing (`--sign-only` leaves posting to somebody else)",
            gwei(lock),
            gwei(free),
            lock - free
        );
    }
    let posted = proposer.post(&client.follower, &batch).await?;
    client.follower.sync().await?;
    // Steps that name the same anchor go together: one of them skipped is as good as all.
    if !posted.skipped.is_empty() {
        return Err(Skipped.into());
    }

    let names = client.names();
    let opened: Vec<FragmentId> = client
        .fragments()
        .map(|(id, _)| id)
        .filter(|id| id.anchor().batch() == posted.id)
        .collect();
    let final_at = client.ledger().final_at(posted.id);
    let mut fragments: Vec<FragmentId> = watched.to_vec();
    fragments.sort_unstable();
    fragments.dedup();
    if chain.json {
        let fragments = fragments
            .into_iter()
            .map(|id| Ok(fragment_json(id, client.fragment(id)?, &names)));
        print_json(&json!({
            "batch": posted.id,
            "transaction": posted.mined.hash(),
            "block": posted.mined.block(),
            "gas": posted.mined.gas(),
            "finalAt": final_at,
            "opened": opened,
            "fragments": fragments.collect::<Result<Vec<Value>>>()?,
        }));
        return Ok(());
    }
    println!(
        "\nPosted as batch {} in block {} for {} gas{}",
        posted.id,
        posted.mined.block(),
        thousands(posted.mined.gas()),
        final_at.map_or(String::new(), |block| format!("; final at block {block}"))
    );
    for id in opened {
        println!("  opened {id}");
    }
    if final_at.is_some() {
        println!("  `nthroot watch {}` waits until it is final", posted.id);
    }
    for id in fragments {
        println!("  fragment {id} now holds:");
        for (asset, amount) in &client.fragment(id)?.assets {
            println!("    {}", names.amount(*asset, *amount));
        }
    }
    Ok(())
}
