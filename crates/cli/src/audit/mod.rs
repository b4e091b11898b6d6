//! `nthroot audit`: what somebody finds who trusts nobody, and looks at all of it again.

mod page;
mod sections;

use std::{path::PathBuf, process::ExitCode};

use alloy::{eips::BlockNumberOrTag, primitives::Address};
use eyre::{Result, WrapErr};
use nthroot_node::{
    Action, Error,
    audit::{Audit, Batch, Level, Report},
    rules,
};
use serde_json::{Value, json};

use self::sections::Section;
use crate::{
    amount::parse_asset,
    args::Chain,
    cache,
    reach::connect_l1,
    text::{Style, print_json, thousands},
};

/// Exit status: nothing is wrong.
const CLEAN: u8 = 0;

/// Something is wrong.
const WRONG: u8 = 1;

/// Nothing can be said: not understood, not reached or interrupted.
pub(crate) const NOT_DONE: u8 = 2;

/// Audit a live deployment from L1 alone
///
/// Chooses a block, derives everything up to it again, with every signature checked, and compares what follows with what L1 has:
/// batches and lies, each event and each storage slot of the bridge, what it holds and owes of each asset, bonds against what proofs
/// cost, leases, claims, contracts and rules. It keeps nothing and believes no node but --rpc-url, of which it checks what can be checked. An
/// L1 node that prunes state knows only that of late blocks.
///
/// Exit status: 0 nothing is wrong, 1 something is, 2 nothing can be said (not understood, L1 not reached).
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  nthroot audit --block latest\n  nthroot audit --json --html audit.html")]
pub(crate) struct Args {
    /// The L1 node
    #[arg(
        long,
        value_name = "URL",
        env = "NTHROOT_RPC_URL",
        default_value = "http://127.0.0.1:8545"
    )]
    rpc_url: String,

    /// The manifest of the deployment
    #[arg(
        long,
        value_name = "FILE",
        env = "NTHROOT_DEPLOYMENT",
        default_value = "deployment.json"
    )]
    deployment: PathBuf,

    /// The block that is looked at: finalized, safe, latest, or its number
    #[arg(long, value_name = "BLOCK", default_value = "finalized", value_parser = block)]
    block: BlockNumberOrTag,

    /// List the batches from this block on. Everything is audited all the same
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from: u64,

    /// List the batches up to this block
    #[arg(long, value_name = "BLOCK", default_value_t = u64::MAX)]
    to: u64,

    /// Judge by these tokens only, and ether, which always counts: what the bridge lacks of another is a notice. Anyone can deposit a token
    /// that takes back what it gave; that harms whoever holds it, and nobody else [default: all]
    #[arg(long = "asset", value_name = "TOKEN", value_parser = token)]
    assets: Vec<Address>,

    /// Count notices as wrong too: ether that somebody sent, a convicted batch not unwound yet, a base fee at which a proof costs more
    /// than it pays
    #[arg(long)]
    strict: bool,

    /// Write the report as a page too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print JSON; amounts in it are base units
    #[arg(long)]
    json: bool,
}

/// A block by its number or its tag.
fn block(text: &str) -> Result<BlockNumberOrTag, String> {
    let number = text.parse::<u64>().map(BlockNumberOrTag::Number);
    number
        .or_else(|_| text.parse())
        .map_err(|_| "a number, finalized, safe or latest".to_owned())
}

/// `ETH`, or a token's address.
fn token(text: &str) -> Result<Address, String> {
    let asset = parse_asset(text)?;
    asset
        .as_token()
        .ok_or_else(|| format!("`{text}` is issued by a rule: the bridge holds tokens of L1 only"))
}

/// Audits, and says by the exit status what came of it.
pub(crate) async fn main(args: Args) -> ExitCode {
    ExitCode::from(match audit(&args).await {
        Ok(status) => status,
        Err(error) => {
            let halts = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
            let status = match halts {
                // The chain is not what the manifest, or the model, says: that is what an audit is to find.
                Some(
                    halts @ (Error::WrongDeployment { .. }
                    | Error::Diverged { .. }
                    | Error::Unreadable { .. }
                    | Error::FinalityBroken { .. }),
                ) => {
                    debug_assert_eq!(halts.action(), Action::Halt);
                    WRONG
                }
                _ => NOT_DONE,
            };
            fail(&args, &error, status);
            status
        }
    })
}

/// Nothing could be derived, or no further.
fn fail(args: &Args, error: &eyre::Report, status: u8) {
    let detail = format!("{error:#}");
    if status == NOT_DONE {
        eprintln!("error: {detail}");
    } else if args.json {
        let finding = json!({ "level": Level::Wrong, "what": "derivation", "detail": detail });
        print_json(&json!({ "verdict": "wrong", "findings": [finding] }));
    } else {
        let style = Style::of_stdout();
        println!("{}: what L1 has does not follow. {detail}", style.bad("WRONG"));
    }
}

async fn audit(args: &Args) -> Result<u8> {
    let chain = Chain {
        rpc_url: Some(args.rpc_url.clone()),
        node: None,
        deployment: args.deployment.clone(),
        no_store: true,
        json: args.json,
    };
    let manifest = chain.manifest()?;
    let l1 = connect_l1(&chain).await?;
    if rules::book(&manifest.deployment) != manifest.rules {
        return Err(Error::WrongDeployment {
            address: manifest.deployment.registry,
            what: "the manifest's rules are not those of this version".to_owned(),
        }
        .into());
    }
    let mut audit = Audit::pin(l1, manifest.deployment, args.block).await?;
    if !args.assets.is_empty() {
        audit = audit.of_assets(args.assets.iter().copied());
    }
    let mut follower = audit.follower().await?;
    let sync = async |follower: &mut nthroot_node::Follower| cache::sync(follower).await.map(drop);
    let report = audit.run(&mut follower, sync).await?;

    let is_clean = report.is_clean() && (!args.strict || report.findings.is_empty());
    let verdict = verdict(&report, is_clean);
    let listed = |batch: &&Batch| (args.from..=args.to).contains(&batch.block);
    let batches: Vec<&Batch> = report.batches.iter().filter(listed).collect();
    let sections = sections::sections(&report, &batches);
    if let Some(path) = &args.html {
        std::fs::write(path, page::page(&verdict, is_clean, &sections))
            .wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        print_json(&document(&report, &batches, &verdict, is_clean)?);
    } else {
        print(&verdict, is_clean, &sections);
    }
    Ok(if is_clean { CLEAN } else { WRONG })
}

/// One line that says it all.
fn verdict(report: &Report, is_clean: bool) -> String {
    let count = |level: Level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (wrong, notices) = (count(Level::Wrong), count(Level::Notice));
    let steps: usize = report.batches.iter().map(|batch| batch.steps).sum();
    let at = format!(
        "block {} ({}) of chain {}, {}",
        thousands(report.block.number),
        report.block.hash,
        report.l1.chain_id,
        if report.block.is_final {
            "final"
        } else {
            "which L1 has not finalised"
        }
    );
    let found = format!("{wrong} wrong, {notices} notices");
    let looked = format!("{} batches with {steps} steps judged again", report.batches.len());
    let word = if is_clean { "CLEAN" } else { "WRONG" };
    format!("{word}: {found}. {looked}, at {at}")
}

fn print(verdict: &str, is_clean: bool, sections: &[Section]) {
    let style = Style::of_stdout();
    println!(
        "{}",
        if is_clean {
            style.good(verdict)
        } else {
            style.bad(verdict)
        }
    );
    for section in sections {
        println!("\n{}", style.title(&section.title));
        for line in &section.lines {
            println!("  {line}");
        }
        if !section.rows.is_empty() {
            println!("{}", crate::text::table_of(style, &section.head, &section.rows));
        }
    }
}

/// The report with its verdict, and only those batches.
fn document(report: &Report, batches: &[&Batch], verdict: &str, is_clean: bool) -> Result<Value> {
    let mut document = serde_json::to_value(report)?;
    document["verdict"] = json!(if is_clean { "clean" } else { "wrong" });
    document["says"] = json!(verdict);
    document["batchCount"] = json!(report.batches.len());
    document["batches"] = serde_json::to_value(batches)?;
    Ok(document)
}
