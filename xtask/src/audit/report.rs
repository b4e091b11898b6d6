//! What an audit says: a table for people, JSON for programs, and one page of everything.

use std::{fs, time::SystemTime};

use eyre::Result;
use nthroot_report::{Axis, Chart, Figure, Mark, Report, Section, Table};
use serde_json::{Value, json};

use super::{Line, Options, Outcome, Part, folder};
use crate::tools::output;

/// Each part with its result.
pub(super) fn json(lines: &[Line]) -> Value {
    let parts = lines.iter().map(|line| {
        let (result, remark) = line.words();
        json!({
            "part": line.part.name(),
            "result": result.to_lowercase(),
            "remark": remark,
            "seconds": rounded(line.seconds),
        })
    });
    json!({ "passed": !lines.iter().any(Line::failed), "parts": parts.collect::<Vec<_>>() })
}

pub(super) fn print(lines: &[Line], parts: &[Part]) {
    println!("\n{:<13} {:<8} {:>9}  what", "part", "result", "seconds");
    for line in lines {
        let (result, remark) = line.words();
        println!("{:<13} {result:<8} {:>9.1}  {remark}", line.part.name(), line.seconds);
    }
    for part in missing(lines, parts) {
        println!("{:<13} not run", part.name());
    }
}

/// `report.html` with all tables and charts, the tables as CSV, and `report.json`.
pub(super) fn write(lines: &[Line], parts: &[Part], options: &Options) -> Result<()> {
    let mut report = Report {
        title: "nthroot: the audit".to_owned(),
        about: about(lines, parts, options),
        sections: vec![overview(lines, parts)],
    };
    for line in lines {
        if let Ok(Outcome::Measured(_, _, section)) = &line.outcome {
            report.sections.push(section.clone());
        }
    }
    report.write(&folder())?;
    let mut all = json(lines);
    all["report"] = serde_json::to_value(&report)?;
    fs::write(folder().join("report.json"), serde_json::to_string_pretty(&all)? + "\n")?;
    Ok(())
}

/// The parts of this audit that have not ended.
fn missing<'p>(lines: &[Line], parts: &'p [Part]) -> impl Iterator<Item = &'p Part> {
    parts.iter().skip(lines.len())
}

fn about(lines: &[Line], parts: &[Part], options: &Options) -> Vec<String> {
    let mut git = std::process::Command::new("git");
    let commit = output(git.args(["describe", "--always", "--dirty"])).unwrap_or_default();
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ended = seconds.map_or(0, |time| time.as_secs());
    let depth = options.time.map_or_else(
        || format!("{} % of the full depth of what is random", options.effort),
        |time| format!("{} s for what is random", time.as_secs()),
    );
    let verdict = match (
        lines.iter().filter(|line| line.failed()).count(),
        missing(lines, parts).count(),
    ) {
        (0, 0) => "Nothing failed.".to_owned(),
        (0, left) => format!("Nothing failed so far; {left} parts have not run."),
        (failed, 0) => format!("{failed} parts failed."),
        (failed, left) => format!("{failed} parts failed; {left} have not run."),
    };
    vec![
        verdict,
        format!("Commit {}, written {ended} s after 1970, {depth}.", commit.trim()),
    ]
}

fn overview(lines: &[Line], parts: &[Part]) -> Section {
    let mut table = Table::new(
        "parts",
        "What was run",
        &[("part", ""), ("result", ""), ("time", "s"), ("how much", "")],
    );
    for line in lines {
        let (result, remark) = line.words();
        table.row([
            line.part.name().into(),
            result.into(),
            rounded(line.seconds).into(),
            remark.into(),
        ]);
    }
    for part in missing(lines, parts) {
        table.row([part.name().into(), "not run".into(), None::<f64>.into(), "".into()]);
    }
    let mut chart = Chart::new(
        "time",
        "How long each part took",
        Axis::named("Part", lines.iter().map(|line| line.part.name())),
        Axis::linear("Time (s)"),
    );
    let bars = lines
        .iter()
        .enumerate()
        .map(|(place, line)| (place as f64, line.seconds));
    chart.draw("seconds", Mark::Bars, bars);
    let mut section = Section::new("parts", "What was checked, and how much");
    section.figures = vec![Figure::Table(table), Figure::Chart(chart)];
    section
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn what_failed_and_what_did_not_run_is_said() {
        let line = |part, failed, text: &str| Line {
            part,
            outcome: Ok(Outcome::Ran(Tally { passed: 1, failed }, text.to_owned())),
            seconds: 1.25,
        };
        let lines = [line(Part::Gas, 0, "all"), line(Part::Forge, 2, "some")];
        let parts = [Part::Gas, Part::Forge, Part::Fuzz];
        let json = json(&lines);
        assert_eq!(json["passed"], false);
        assert_eq!(json["parts"][1]["result"], "failed");
        let section = overview(&lines, &parts);
        let rows = &section.tables().next().unwrap().rows;
        assert_eq!(rows[2][1], "not run".into());
        assert!(section.check().is_ok());
    }
}
