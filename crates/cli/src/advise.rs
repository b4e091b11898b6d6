//! `nthroot advise`: one root per user, or cohorts, and how deep.

use eyre::Result;
use nthroot_bench::{
    cost::Schedule,
    spectrum::{
        advise::{Advice, Candidate, Question, advise},
        load::Load,
    },
};

use crate::{
    amount::parse_amount,
    progress::span,
    text::{Style, print_json, table, thousands},
};

/// Say which point between one root per user and one root for all suits a load
///
/// A user's assets can lie under a root of their own: then each payment changes two slots of L1, and nobody's leave waits for
/// anybody. Or under the root of a cohort, which many share: then steps are cheaper, but a step made on an old head is skipped, a
/// lie about one takes back what all have done since, and who leaves depends on the others. Leasing a cohort to its proposer ends
/// skipped steps and saves signatures; then nobody else can serve it.
///
/// The answer is arithmetic on figures that were measured on the real contracts and are compiled in; it asks no node. Points that cost at most
/// 5 % more than the cheapest are taken for as good: of these, the one where the fewest users share a head, and the shortest wait.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  nthroot advise --users 100000 --daily 2 --locality 0.9\n  nthroot advise --users 5000 --daily 10 --exit \
                  --base-fee 20gwei\n  nthroot advise --users 1000000 --daily 0.5 --locality 0.5 --proposers 4 --tolerance 0.1 --json"
)]
pub(crate) struct Args {
    /// How many users there are
    #[arg(long, value_name = "COUNT")]
    users: u64,

    /// Payments of each user in a day
    #[arg(long, value_name = "COUNT", default_value_t = 1.0)]
    daily: f64,

    /// Share of payments between users who would share a cohort, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    locality: f64,

    /// Everybody must be able to leave alone, whatever the others do: then each has a root
    #[arg(long)]
    exit: bool,

    /// Share of payments that may fail at first and go again, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    tolerance: f64,

    /// Proposers who do not agree on who serves whom
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    proposers: u64,

    /// Most blocks that a payment may wait for its batch
    #[arg(long, value_name = "BLOCKS", default_value_t = 25)]
    wait: u64,

    /// Blocks in which a batch can be challenged
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_800)]
    window: u64,

    /// Base fee of L1
    #[arg(long, value_name = "AMOUNT", default_value = "1gwei", value_parser = parse_amount)]
    base_fee: u128,

    /// Price of an ether, dollars
    #[arg(long, value_name = "DOLLARS", default_value_t = 3_000.0)]
    ether: f64,

    /// Gas rules of L1
    #[arg(long, value_enum, default_value_t = Schedule::Osaka)]
    schedule: Schedule,

    /// Answer with a document for programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let advice = advise(Question {
        load: Load {
            users: args.users,
            daily: args.daily,
            locality: args.locality,
        },
        exit: args.exit,
        tolerance: args.tolerance,
        proposers: args.proposers,
        wait: args.wait,
        window: args.window,
        base_fee: gwei(args.base_fee),
        ether: args.ether,
        schedule: args.schedule,
    })?;
    if args.json {
        print_json(&serde_json::to_value(&advice)?);
    } else {
        show(&advice);
    }
    Ok(())
}

fn show(advice: &Advice) {
    let style = Style::of_stdout();
    match &advice.best {
        Some(best) => {
            println!("{}", style.title(place(best)));
            println!();
            println!("  {:<44} {}", "gas of posting, a payment", number(best.served.gas, 0));
            println!("  {:<44} {:.9} ETH, {:.4} $", "that is", best.ether, best.dollars);
            println!("  {:<44} {}", "bytes on L1, a payment", number(best.served.bytes, 0));
            println!("  {:<44} {}", "gas of proving a lie", number(best.served.proof, 0));
            println!("  {:<44} {:.6} ETH", "that is", best.proof_ether);
            println!("  {:<44} {}", "bytes of that proof", number(best.served.evidence, 0));
            println!("  {:<44} {:.2} %", "payments that fail at first", 100.0 * best.failing);
            let rolled = 100.0 * best.rolled_back;
            println!("  {:<44} {rolled:.1} %", "roots that a lie of ten batches takes back");
            let after = format!("{} blocks, {}", thousands(best.final_after), span(best.final_after));
            println!("  {:<44} {after}", "final after");
            println!();
            println!("{}", style.title("What it gives up"));
            for cost in &best.gives_up {
                println!("  - {cost}");
            }
        }
        None => println!(
            "{}",
            style.bad(format!(
                "Nothing does all of it: {}",
                advice.obstacle.as_deref().unwrap_or_default()
            ))
        ),
    }
    if advice.others.is_empty() {
        return;
    }
    println!();
    println!("{}", style.title("What else there is"));
    let row = |other: &Candidate| {
        [
            other.why.clone(),
            other.place.depth.to_string(),
            thousands(other.place.interval),
            number(other.served.gas, 0),
            format!("{:.4}", other.dollars),
            number(other.served.proof, 0),
            format!("{:.2} %", 100.0 * other.failing),
        ]
    };
    let rows: Vec<_> = advice.others.iter().map(row).collect();
    let head = [
        "",
        "depth",
        "blocks between",
        "gas a payment",
        "$",
        "gas of a proof",
        "fail at first",
    ];
    println!("{}", table(style, head, &rows));
}

fn place(best: &Candidate) -> String {
    let every = if best.place.interval == 1 {
        "at most every block".to_owned()
    } else {
        format!(
            "every {} blocks ({})",
            thousands(best.place.interval),
            span(best.place.interval)
        )
    };
    if best.place.depth == 0 {
        return format!("A root for each user, a batch {every}");
    }
    let leased = if best.place.leased {
        ", leased to their proposers"
    } else {
        ""
    };
    let payments = match best.place.per_step {
        1 => "a step for each payment".to_owned(),
        more => format!("up to {more} payments in a step"),
    };
    format!(
        "Cohorts of depth {} for {} users{leased}, a batch {every}, {payments}",
        best.place.depth,
        thousands(best.users_per_cohort)
    )
}

fn number(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    text.parse().map_or(text, thousands)
}

/// Wei as gwei. Prices of gas have no more digits than a float.
const fn gwei(wei: u128) -> f64 {
    wei as f64 / 1e9
}
