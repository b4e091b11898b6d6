//! Measures, and writes the report: `cargo xtask bench`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{path::PathBuf, time::Instant};

use clap::{Parser, ValueEnum};
use eyre::Result;
use nthroot_bench::{
    Options, congestion, cost, record,
    report::{Report, Section},
    spectrum, speed, window,
};

/// Measure what nthroot costs, and write a report: one page that needs no other file, with its tables as CSV and JSON.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Args {
    /// Measure fewer sizes, and simulate less: a minute instead of many
    #[arg(long)]
    quick: bool,
    /// Of everything random: the same seed gives the same figures, but for what is timed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Dollars for an ether, where costs are given in both
    #[arg(long, value_name = "DOLLARS", default_value_t = 3000.0)]
    ether: f64,
    /// These questions only
    #[arg(long, value_enum, num_args = 1..)]
    only: Vec<Question>,
    /// Folder of the report
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Also write the tables and pictures of this page anew
    #[arg(long, value_name = "PAGE")]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Question {
    /// What every action costs, beside L1 and beside the floor
    Cost,
    /// Between one root per user and one root for all
    Spectrum,
    /// Under congestion, and against those who make it
    Congestion,
    /// How long the window must be
    Window,
    /// How fast the software is
    Speed,
}

impl Question {
    fn answer(self, options: &Options, dollars: f64) -> Result<Section> {
        match self {
            Self::Cost => Ok(cost::section(options)?),
            Self::Spectrum => Ok(spectrum::section(options)),
            Self::Congestion => congestion::section_at(options, dollars),
            Self::Window => window::section(options),
            Self::Speed => speed::section(options),
        }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let options = Options {
        quick: args.quick,
        seed: args.seed,
    };
    let questions = Question::value_variants()
        .iter()
        .filter(|question| args.only.is_empty() || args.only.contains(question));
    let mut report = Report {
        title: "nthroot: what it costs, and how safe it is".to_owned(),
        about: about(&options),
        sections: Vec::new(),
    };
    for &question in questions {
        let name = question
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        let began = Instant::now();
        eprintln!("measuring {name} …");
        report.sections.push(question.answer(&options, args.ether)?);
        eprintln!("measured {name} in {:.0} s", began.elapsed().as_secs_f64());
    }
    report.write(&args.out)?;
    if let Some(page) = &args.record {
        record::write(page, &report)?;
        println!("wrote {}", page.display());
    }
    println!("wrote {}", args.out.join("report.html").display());
    Ok(())
}

fn about(options: &Options) -> Vec<String> {
    let depth = if options.quick { "a short run" } else { "a full run" };
    vec![
        format!("Version {}, {depth}, seed {}.", env!("CARGO_PKG_VERSION"), options.seed),
        "Gas is that of whole transactions, each by itself on a cold state: what L1 charges its sender. Osaka is the schedule in force, Amsterdam the one \
         that is planned."
            .to_owned(),
    ]
}
