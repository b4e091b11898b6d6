//! `nthroot window`: how long the window must be.

use alloy::primitives::U256;
use eyre::{Result, eyre};
use nthroot_bench::window::{Answer, Assumptions, Constraint, answer, preset::Preset};
use nthroot_node::config::Wei;
use serde_json::json;

use crate::text::{Style, ether, print_json, table, thousands};

/// Say how long the window of a deployment must be, and what it does not cover
///
/// The window is as long as L1 takes to finalise, and then as long as it takes until a challenge is surely included: against parties that
/// propose or build many blocks on end, against whoever leaves challenges out, and against a liar who outbids the watcher in each block.
/// The longest of these decides. Needs no chain. With --preset: the recommended deployment of that name, in deployments/presets.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  nthroot window --builder-share 50% --censoring-share 90% --value 1000ether --budget 0.5ether\n  nthroot \
                  window --finality-delay 60 --target 0.000001\n  nthroot window --preset prudent\n\nShares are written as 25% or 0.25, amounts \
                  of ether with their unit. What is found goes into a deployment as window, least lock and insured gas price; caps are yours."
)]
pub(crate) struct Args {
    #[command(flatten)]
    assumed: Assumptions,

    /// What a recommended deployment assumes instead: swift (25 minutes), prudent (a day) or social (7 days)
    #[arg(long, value_name = "NAME", conflicts_with = "Assumptions")]
    preset: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let preset = args.preset.as_deref().map(named).transpose()?;
    let assumed = preset.as_ref().map_or(&args.assumed, |preset| &preset.assumes);
    let found = answer(assumed)?;
    if args.json {
        print_json(&json!({ "assumptions": assumed, "answer": found, "preset": preset }));
        return Ok(());
    }
    let style = Style::of_stdout();
    let head = format!("{} blocks, {}", thousands(found.window), time(found.minutes));
    println!("{}   {}", style.title("Window"), style.good(&head));
    println!("  L1 finalises  {:>9} blocks", thousands(found.finality));
    println!("  reaction      {:>9} blocks", thousands(assumed.reaction));
    println!("  cushion       {:>9} blocks", thousands(found.cushion));
    if let Some(preset) = &preset {
        println!("  as deployed   {:>9} blocks, rounded up", thousands(preset.window));
    }
    println!("\n{}", constraints(style, &found));
    println!("\n{}", style.title("What goes with it"));
    println!(
        "  safe value         {} ether: a lie that takes less costs more to keep unproved",
        wei(found.safe_value)
    );
    println!(
        "  least lock         {} ether: half of it is the reward, which is what the watcher bids",
        wei(found.min_lock)
    );
    println!(
        "  insured gas price  {} gwei: up to that the lock pays for the dearest proof",
        found.insured_gas_price.0 / 1_000_000_000
    );
    println!(
        "  bond               {} ether, for a batch every five minutes",
        wei(found.bond)
    );
    println!("  loss of finality   {} outlasted", time(found.longest_delay));
    println!(
        "  one challenge      is left out of the whole cushion with a probability of {}",
        chance(found.one_attempt)
    );
    println!("\n{}", style.title("Not covered"));
    for hole in &found.not_covered {
        println!("  - {hole}");
    }
    Ok(())
}

fn named(name: &str) -> Result<Preset> {
    let all = Preset::all()?;
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    let found = all.into_iter().find(|(each, _)| *each == name);
    let (_, preset) = found.ok_or_else(|| eyre!("no preset is called {name}: there are {names}"))?;
    Ok(preset)
}

fn constraints(style: Style, found: &Answer) -> String {
    let row = |constraint: &Constraint| {
        [
            constraint.kind.says().to_owned(),
            thousands(constraint.blocks),
            thousands(constraint.window),
            constraint.chance.map_or_else(|| "-".to_owned(), chance),
            if constraint.binds { "decides" } else { "" }.to_owned(),
        ]
    };
    let rows: Vec<[String; 5]> = found.constraints.iter().map(row).collect();
    table(style, ["constraint", "blocks", "window", "chance a year", ""], &rows)
}

/// A probability, which may be very small.
fn chance(probability: f64) -> String {
    if probability < 1e-300 {
        "0".to_owned()
    } else {
        format!("{probability:.1e}")
    }
}

fn wei(amount: Wei) -> String {
    ether(U256::from(amount.0))
}

/// Minutes as people say them.
fn time(minutes: f64) -> String {
    if minutes < 120.0 {
        format!("{minutes:.0} minutes")
    } else if minutes < 2_880.0 {
        format!("{:.1} hours", minutes / 60.0)
    } else {
        format!("{:.1} days", minutes / 1_440.0)
    }
}
