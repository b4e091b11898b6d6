//! `nthroot verify`: whether what is on the chain is what these sources make.

use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use eyre::{Result, ensure, eyre};
use nthroot_node::{
    Error,
    deploy::{Difference, Finding, Kind, untrue, verify},
};
use serde_json::{Value, json};

use super::sources::Checkout;
use crate::{
    args::Chain,
    reach::connect_l1,
    text::{Style, print_json, table, thousands},
};

/// Compare a deployment with the sources, byte by byte
///
/// Compiles the sources of a checkout, runs the constructors here with the manifest's parameters, and compares what they leave with the code
/// that the chain has; immutables are told by name. Whether each address follows from creation code, arguments and salt says that no other
/// constructor ran. Without a checkout it compares with the contracts that are built into this program.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot verify --deployment deployment.json --sources .")]
pub(crate) struct Args {
    #[command(flatten)]
    chain: Chain,

    /// A checkout of the sources, with `npm ci` run in it; by default the present folder, if it is one
    #[arg(long, value_name = "DIR", conflicts_with = "built_in")]
    sources: Option<PathBuf>,

    /// Compile nothing: compare with the contracts that are built into this program
    #[arg(long)]
    built_in: bool,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let here = PathBuf::from(".");
    let sources = args.sources.clone();
    let sources = sources.or_else(|| (!args.built_in && Checkout::is_at(&here)).then_some(here));
    let manifest = args.chain.manifest()?;
    let l1 = connect_l1(&args.chain).await?;
    // What the contracts answer is compared too, and does not keep the table back.
    let answers = match manifest.deployment.check(&l1).await {
        Ok(()) => None,
        Err(error @ (Error::WrongDeployment { .. } | Error::Missing { .. })) => Some(error),
        Err(error) => return Err(error.into()),
    };
    let findings = match (
        verify(&l1, &manifest.deployment, manifest.record.as_ref()).await,
        answers.as_ref(),
    ) {
        (Ok(findings), _) => findings,
        (Err(error), None) => return Err(error.into()),
        (Err(error), Some(answers)) => return Err(eyre!("{answers}; and nothing can be compared: {error}")),
    };
    let untrue = untrue(&manifest, &findings);
    let others = match &sources {
        Some(root) => {
            eprintln!("Compiling {}, which takes half a minute of a core", root.display());
            other_bytecode(root)?
        }
        None => Vec::new(),
    };
    if args.chain.json {
        print_json(&json!({
            "bridge": manifest.deployment.bridge,
            "sources": sources,
            "otherSources": others.iter().map(|kind| kind.contract()).collect::<Vec<_>>(),
            "contracts": findings.iter().map(as_json).collect::<Vec<_>>(),
            "answers": answers.as_ref().map(ToString::to_string),
            "untrue": untrue.iter().map(|one| json!({ "what": one.what, "says": one.says, "is": one.is })).collect::<Vec<_>>(),
            "isGood": others.is_empty() && findings.iter().all(Finding::is_good) && answers.is_none() && untrue.is_empty(),
        }));
    } else {
        show(&findings);
        match &sources {
            Some(root) if others.is_empty() => println!("\nThe sources in {} make this bytecode.", root.display()),
            Some(_) => {}
            None => println!(
                "\nCompared with the contracts built into this program ({}): --sources names a checkout to rebuild them from.",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
    let mut wrong: Vec<String> = answers.iter().map(ToString::to_string).collect();
    wrong.extend(bad(&findings));
    wrong.extend(
        untrue
            .iter()
            .map(|one| format!("the manifest's {} is {}, and should be {}", one.what, one.says, one.is)),
    );
    ensure_none(&wrong)?;
    let names: Vec<&str> = others.iter().map(|kind| kind.contract()).collect();
    ensure!(
        others.is_empty(),
        "these sources make other bytecode of {}: take the sources of the version that the manifest names, and a program built from them",
        names.join(", ")
    );
    Ok(())
}

/// The contracts of which the sources make other bytecode than this program has.
fn other_bytecode(root: &std::path::Path) -> Result<Vec<Kind>> {
    let compiled = Checkout::open(root)?.compile()?;
    let others = compiled
        .into_iter()
        .filter(|made| made.creation != *made.kind.creation() || made.runtime != *made.kind.runtime());
    Ok(others.map(|made| made.kind).collect())
}

/// Whether all is as it should be, or else what is not.
pub(crate) fn ensure_good(findings: &[Finding]) -> Result<()> {
    ensure_none(&bad(findings))
}

fn bad(findings: &[Finding]) -> Vec<String> {
    let bad = findings.iter().filter(|finding| !finding.is_good());
    bad.map(|finding| format!("{} {}: {}", finding.kind.says(), finding.address, says(finding)))
        .collect()
}

fn ensure_none(wrong: &[String]) -> Result<()> {
    ensure!(
        wrong.is_empty(),
        "the deployment is not as it should be: {}",
        wrong.join("; ")
    );
    Ok(())
}

/// What was found, in words.
fn says(finding: &Finding) -> String {
    let mut parts: Vec<String> = finding.differences.iter().map(difference).collect();
    if !finding.is_derived {
        parts.push("its address does not follow from its creation code: another constructor may have run".to_owned());
    }
    if finding.is_registered == Some(false) {
        parts.push("the registry does not have it".to_owned());
    }
    if parts.is_empty() {
        "same".to_owned()
    } else {
        parts.join(", ")
    }
}

fn difference(difference: &Difference) -> String {
    match difference {
        Difference::Nothing => "there is no code".to_owned(),
        Difference::Immutable { name, expected, found } => format!(
            "{name} is {} instead of {}",
            value(name, *found),
            value(name, *expected)
        ),
        Difference::Code { at, expected, found } => {
            format!("other code from byte {at} on ({found} bytes instead of {expected})")
        }
    }
}

/// An immutable as its kind is written: addresses as such.
fn value(name: &str, value: U256) -> String {
    if matches!(name, "ACCOUNT" | "VERIFIER" | "REGISTRY") {
        Address::from_word(value.into()).to_string()
    } else {
        value.to_string()
    }
}

fn show(findings: &[Finding]) {
    let style = Style::of_stdout();
    let rows = findings.iter().map(|finding| {
        [
            finding.kind.says().to_owned(),
            finding.address.to_string(),
            thousands(u64::try_from(finding.kind.runtime().len()).unwrap_or(u64::MAX)),
            says(finding),
        ]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    println!("{}", table(style, ["contract", "address", "bytes", "code"], &rows));
    for finding in findings.iter().filter(|finding| !finding.immutables.is_empty()) {
        println!(
            "\n{}",
            style.title(format!("Immutables of the {}", finding.kind.says()))
        );
        for (name, found) in &finding.immutables {
            println!("  {name:<18} {}", value(name, *found));
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    let immutables = finding.immutables.iter();
    let immutables = immutables.map(|(name, found)| ((*name).to_owned(), json!(value(name, *found))));
    json!({
        "kind": finding.kind,
        "address": finding.address,
        "codeHash": finding.code_hash,
        "immutables": immutables.collect::<serde_json::Map<_, _>>(),
        "differences": finding.differences.iter().map(difference).collect::<Vec<_>>(),
        "isDerived": finding.is_derived,
        "isRegistered": finding.is_registered,
        "isGood": finding.is_good(),
    })
}
