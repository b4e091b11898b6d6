//! What the demonstration tells: at once to a person, or at the end as one JSON document.

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nthroot_node::{Deployment, Mined};
use serde::{Serialize, Serializer};

use crate::text::{Style, table, thousands};

/// Everything that the demonstration found.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    /// The contracts.
    pub(crate) deployment: Option<Deployment>,
    /// Who did what, in order.
    pub(crate) acts: Vec<Act>,
    /// Steady-state batches of two-party transfers.
    pub(crate) batches: Vec<MeasuredBatch>,
    /// What was aimed at, and what came out.
    pub(crate) targets: Vec<Target>,
    /// Blocks between inclusion and finality of the honest batch.
    pub(crate) blocks_to_finality: u64,
    /// Ether and tokens of everybody, before and after.
    pub(crate) money: Vec<Money>,
    /// What the bridge holds and owes.
    pub(crate) solvency: Vec<Solvency>,
    /// How many assertions were checked. One that fails ends the run.
    pub(crate) checks: usize,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// A part of the story.
#[derive(Serialize)]
pub(crate) struct Act {
    /// What it is about.
    pub(crate) title: String,
    /// What happens.
    pub(crate) lines: Vec<Line>,
}

/// Something that happens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Line {
    /// A transaction.
    Transaction {
        actor: String,
        what: String,
        gas: u64,
        calldata: usize,
        block: u64,
        hash: B256,
    },
    /// An assertion that held.
    Checked { what: String },
    /// A remark.
    Note { text: String },
}

/// A batch of the series.
#[derive(Serialize)]
pub(crate) struct MeasuredBatch {
    pub(crate) transfers: usize,
    pub(crate) gas: u64,
    pub(crate) calldata: usize,
    /// Gas of the calldata that are bodies.
    pub(crate) body_gas: u64,
}

/// An aim and the result.
#[derive(Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) target: u64,
    pub(crate) measured: u64,
    pub(crate) met: bool,
}

/// Somebody's money. Wei, or the token's smallest unit; in decimal.
#[derive(Clone, Serialize)]
pub(crate) struct Money {
    pub(crate) actor: String,
    pub(crate) address: Address,
    #[serde(serialize_with = "decimal")]
    pub(crate) eth_before: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) eth_after: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) eth_fees: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) eth_bridge: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) bond: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) token_before: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) token_after: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) token_bridge: U256,
}

/// What the bridge holds of an asset, and what it owes; in decimal.
#[derive(Serialize)]
pub(crate) struct Solvency {
    pub(crate) asset: String,
    #[serde(serialize_with = "decimal")]
    pub(crate) held: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) fragments: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) unpaid: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) bonds: U256,
    #[serde(serialize_with = "decimal")]
    pub(crate) burnt: U256,
}

/// Beyond what numbers in JSON can hold.
fn decimal<S: Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Tells the story as it goes.
pub(crate) struct Narrator {
    pub(crate) report: Report,
    pub(crate) style: Style,
    json: bool,
    bar: ProgressBar,
}

impl Narrator {
    pub(crate) fn new(json: bool) -> Self {
        // On standard error, and nowhere if that is not a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self {
            report: Report::default(),
            style: Style::of_stdout(),
            json,
            bar,
        }
    }

    /// Says what is going on, to those who watch.
    pub(crate) fn progress(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    pub(crate) fn print(&self, text: &str) {
        if !self.json {
            self.bar.suspend(|| println!("{text}"));
        }
    }

    pub(crate) fn act(&mut self, title: &str) {
        self.progress(title);
        self.print(&format!("\n{}", self.style.title(title)));
        self.report.acts.push(Act {
            title: title.to_owned(),
            lines: Vec::new(),
        });
    }

    fn line(&mut self, line: Line) {
        if let Some(act) = self.report.acts.last_mut() {
            act.lines.push(line);
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.print(&format!("  {text}"));
        self.line(Line::Note { text });
    }

    /// Reports a transaction.
    pub(crate) fn transaction(&mut self, actor: &str, what: impl Into<String>, mined: &Mined) {
        let what = what.into();
        let numbers = format!(
            "{:>10} gas {:>7} bytes",
            thousands(mined.gas()),
            thousands(u64::try_from(mined.calldata).unwrap_or(u64::MAX))
        );
        let actor_column = format!("{actor:<9}");
        self.print(&format!("  {actor_column} {what:<64} {}", self.style.faint(numbers)));
        self.line(Line::Transaction {
            actor: actor.to_owned(),
            what,
            gas: mined.gas(),
            calldata: mined.calldata,
            block: mined.block(),
            hash: mined.hash(),
        });
    }

    /// Announces a fact, and ends the run if it is none.
    pub(crate) fn check(&mut self, what: impl Into<String>, holds: bool) -> Result<()> {
        let what = what.into();
        if !holds {
            self.print(&format!("  {} {what}", self.style.bad("✗")));
            bail!("not so: {what}");
        }
        self.print(&format!("  {} {what}", self.style.good("✓")));
        self.report.checks += 1;
        self.line(Line::Checked { what });
        Ok(())
    }

    /// Announces that two things are equal, and shows both if they are not.
    pub(crate) fn check_equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl Into<String>,
        found: &T,
        expected: &T,
    ) -> Result<()> {
        let what = what.into();
        if found != expected {
            self.print(&format!("  {} {what}", self.style.bad("✗")));
            bail!("not so: {what}: found {found:?}, expected {expected:?}");
        }
        self.check(what, true)
    }

    /// Records a result beside its aim.
    pub(crate) fn target(&mut self, what: impl Into<String>, unit: &'static str, target: u64, measured: u64) {
        let what = what.into();
        let met = if measured <= target { "met" } else { "missed" };
        let (measured_text, target_text) = (thousands(measured), thousands(target));
        let line = format!("  {:9} {what}: {measured_text} {unit}, aim ≤ {target_text}: {met}", "");
        self.print(&self.style.faint(line));
        self.report.targets.push(Target {
            what,
            unit,
            target,
            measured,
            met: measured <= target,
        });
    }

    /// Ends the story.
    pub(crate) fn finish(&mut self, seconds: f64) -> Result<()> {
        self.bar.finish_and_clear();
        self.report.seconds = seconds;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self.report)?);
        }
        Ok(())
    }

    pub(crate) fn print_table<const N: usize>(&self, head: [&str; N], rows: &[[String; N]]) {
        self.print(&table(self.style, head, rows));
    }
}
