//! The report as tables, for people.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use nthroot_node::audit::{Batch, Level, Report, When};

use crate::text::{ether, thousands};

/// Rows of a section that are shown, at most: JSON has all of them.
const SHOWN: usize = 50;

/// A part of the report.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Section {
    fn new(title: &str, head: &[&'static str], mut rows: Vec<Vec<String>>) -> Self {
        let mut lines = Vec::new();
        if rows.is_empty() && !head.is_empty() {
            lines.push("none".to_owned());
        }
        if rows.len() > SHOWN {
            lines.push(format!("the last {SHOWN} of {}", rows.len()));
            rows.drain(..rows.len() - SHOWN);
        }
        Self {
            title: title.to_owned(),
            lines,
            head: head.to_vec(),
            rows,
        }
    }

    fn line(mut self, line: String) -> Self {
        self.lines.push(line);
        self
    }
}

/// The sections, in the order in which they are read.
pub(super) fn sections(report: &Report, batches: &[&Batch]) -> Vec<Section> {
    vec![
        findings(report),
        node(report),
        contracts(report),
        rules(report),
        proposers(report),
        listed(batches),
        lies(report),
        events(report),
        storage(report),
        solvency(report),
        bonds(report),
        leases(report),
        claims(report),
    ]
}

fn findings(report: &Report) -> Section {
    let findings = report.findings.iter().map(|finding| {
        let level = match finding.level {
            Level::Wrong => "wrong",
            Level::Notice => "notice",
        };
        format!("{level}: {}: {}", finding.what, finding.detail)
    });
    let lines: Vec<String> = findings.collect();
    Section {
        title: "Findings".to_owned(),
        lines: if lines.is_empty() {
            vec!["none".to_owned()]
        } else {
            lines
        },
        head: Vec::new(),
        rows: Vec::new(),
    }
}

fn node(report: &Report) -> Section {
    let node = &report.l1;
    let finalized = node.finalized.map_or_else(
        || "calls no block final".to_owned(),
        |last| {
            format!(
                "the last final one is {}, {} before it",
                thousands(last),
                node.latest.saturating_sub(last)
            )
        },
    );
    Section::new("L1 node", &[], Vec::new())
        .line(format!("latest block {}; {finalized}", thousands(node.latest)))
        .line(format!("base fee {} wei", thousands(node.base_fee)))
}

fn contracts(report: &Report) -> Section {
    let rows = report.codes.iter().map(|code| {
        vec![
            code.name.to_owned(),
            code.address.to_string(),
            thousands(code.size.try_into().unwrap_or(u64::MAX)),
            code.hash.to_string(),
        ]
    });
    Section::new(
        "Contracts",
        &["", "address", "bytes", "hash of the code"],
        rows.collect(),
    )
    .line("they are those of the manifest, with its parameters".to_owned())
}

fn rules(report: &Report) -> Section {
    let rows = report.rules.iter().map(|rule| {
        vec![
            rule.name.unwrap_or("another").to_owned(),
            rule.address.to_string(),
            rule.registered_at.to_string(),
            rule.calls.to_string(),
        ]
    });
    Section::new("Rules", &["", "address", "registered at", "calls"], rows.collect())
}

fn proposers(report: &Report) -> Section {
    let mut of: BTreeMap<Address, [usize; 6]> = BTreeMap::new();
    for batch in &report.batches {
        let sums = of.entry(batch.proposer).or_default();
        let more = [
            1,
            batch.steps,
            batch.valid,
            batch.skipped,
            batch.lies.len(),
            batch.unjudged.len(),
        ];
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }
    let rows = of.into_iter().map(|(proposer, sums)| {
        let sums = sums.iter().map(ToString::to_string);
        std::iter::once(proposer.to_string()).chain(sums).collect()
    });
    let head = ["proposer", "batches", "steps", "valid", "skipped", "lies", "not judged"];
    Section::new("Batches by proposer", &head, rows.collect())
}

fn listed(batches: &[&Batch]) -> Section {
    let rows = batches.iter().map(|batch| {
        vec![
            batch.id.to_string(),
            batch.block.to_string(),
            batch.proposer.to_string(),
            batch.steps.to_string(),
            batch.lies.len().to_string(),
            thousands(batch.ceiling.into()),
            batch.status.to_owned(),
        ]
    });
    let head = ["batch", "block", "proposer", "steps", "lies", "proof ceiling", "status"];
    Section::new("Batches", &head, rows.collect())
}

fn lies(report: &Report) -> Section {
    let rows = report.batches.iter().flat_map(|batch| {
        batch.lies.iter().map(|lie| {
            let fate = match batch.convicted {
                Some(transaction) => format!("convicted by {transaction}"),
                None if batch.status == "live" => format!("can be convicted until block {}", batch.window_end),
                None => batch.status.to_owned(),
            };
            vec![batch.id.to_string(), lie.step.to_string(), lie.fault.clone(), fate]
        })
    });
    Section::new("Lies", &["batch", "step", "fault", "what became of it"], rows.collect())
}

fn events(report: &Report) -> Section {
    let events = &report.events;
    let rows = events
        .kinds
        .iter()
        .map(|(kind, count)| vec![(*kind).to_owned(), count.to_string()]);
    Section::new("Events", &["", "number"], rows.collect()).line(format!(
        "of {} transactions, {} of them through other contracts",
        events.transactions, events.through_contracts
    ))
}

fn storage(report: &Report) -> Section {
    let storage = &report.storage;
    let found = storage
        .found
        .map_or_else(|| "not told".to_owned(), |root| root.to_string());
    let proven = if storage.proven {
        "proved against the state root"
    } else {
        "not proved"
    };
    let rows = storage.differences.iter().map(|difference| {
        vec![
            difference.name.clone(),
            difference.found.to_string(),
            difference.derived.to_string(),
        ]
    });
    let section = Section::new(
        "Storage of the bridge",
        &["what differs", "is", "follows"],
        rows.collect(),
    )
    .line(format!("{} slots follow, with root {}", storage.slots, storage.derived))
    .line(format!("L1 has root {found}, {proven}"));
    if storage.zeros == 0 {
        section
    } else {
        let zeros = storage.zeros;
        section.line(format!(
            "of which {zeros} are zero: a local chain counts such slots, L1 does not"
        ))
    }
}

fn solvency(report: &Report) -> Section {
    let rows = report.assets.iter().map(|asset| {
        let is_ether = asset.token.is_zero();
        let amount = |amount: U256| {
            if is_ether {
                exact_ether(amount)
            } else {
                amount.to_string()
            }
        };
        let name = if is_ether {
            "ETH".to_owned()
        } else {
            asset.token.to_string()
        };
        let amounts = [
            asset.held,
            asset.owed,
            asset.fragments,
            asset.claims,
            asset.bonds,
            asset.burnt,
            asset.rewards,
            asset.missing,
            asset.beyond,
        ];
        std::iter::once(name).chain(amounts.map(amount)).collect()
    });
    let head = [
        "asset",
        "holds",
        "owes",
        "fragments",
        "claims",
        "bonds",
        "burnt",
        "rewards",
        "missing",
        "beyond",
    ];
    Section::new("Solvency (ether, or base units of a token)", &head, rows.collect())
}

/// Ether, to the wei if need be.
fn exact_ether(wei: U256) -> String {
    let short = ether(wei);
    let exact = alloy::primitives::utils::format_ether(wei);
    let exact = exact.trim_end_matches('0').trim_end_matches('.');
    if short == exact { short } else { exact.to_owned() }
}

fn bonds(report: &Report) -> Section {
    let gwei = |gwei: u64| exact_ether(U256::from(gwei) * U256::from(1_000_000_000_u64));
    let rows = report.stakes.iter().map(|stake| {
        let worst = stake.batches.iter().max_by_key(|batch| batch.present);
        let worst = |of: fn(&nthroot_node::audit::Exposure) -> U256| {
            worst.map_or_else(|| "–".to_owned(), |worst| exact_ether(of(worst)))
        };
        vec![
            stake.proposer.to_string(),
            gwei(stake.balance),
            gwei(stake.locked),
            gwei(stake.free),
            stake.batches.len().to_string(),
            gwei(stake.exposed),
            worst(|batch| batch.insured),
            worst(|batch| batch.present),
            worst(|batch| batch.reward),
        ]
    });
    let head = [
        "proposer",
        "bond",
        "locked",
        "free",
        "open batches",
        "lock",
        "worst proof, insured",
        "at the base fee",
        "pays",
    ];
    Section::new("Bonds (ether)", &head, rows.collect())
}

fn leases(report: &Report) -> Section {
    let rows = report.leases.iter().map(|lease| {
        vec![
            lease.anchor.to_string(),
            lease.holder.to_string(),
            lease.last_block.to_string(),
            if lease.runs { "runs" } else { "expired" }.to_owned(),
            lease.uses.to_string(),
        ]
    });
    let head = ["anchor", "holder", "last block", "", "batches of the holder"];
    Section::new("Leases", &head, rows.collect())
}

fn claims(report: &Report) -> Section {
    let rows = report.unpaid.iter().map(|claim| {
        let amount = if claim.token.is_zero() {
            format!("{} ETH", exact_ether(claim.amount))
        } else {
            format!("{} of {}", claim.amount, claim.token)
        };
        let when = match claim.when {
            When::Ready => "ready".to_owned(),
            When::At(block) => format!("pending until block {block}"),
            When::Unknown => "pending: an older fault is unresolved".to_owned(),
            When::Never => "void: its batch goes".to_owned(),
        };
        vec![
            format!("{} at {}", claim.batch, claim.position),
            claim.recipient.to_string(),
            amount,
            when,
        ]
    });
    Section::new("Claims", &["claim", "recipient", "amount", ""], rows.collect()).line(format!(
        "{} paid, {} not paid",
        report.paid,
        report.unpaid.len()
    ))
}
