//! What libFuzzer prints.

use eyre::{OptionExt, Result};

/// What a run came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Inputs that ran.
    pub(super) executed: u64,
    /// Of them in a second.
    pub(super) rate: u64,
    /// Edges of the code, as far as LLVM counts them.
    pub(super) edges: u64,
    /// Edges and jumps, each by how often it was taken in one run.
    pub(super) features: u64,
    /// Inputs kept.
    pub(super) corpus: u64,
}

/// Reads what was printed with `-print_final_stats=1`. A line of progress is `#4096 pulse cov: 3312 ft: 9120 corp: 410/180Kb …`.
pub(super) fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Result<Run> {
    let mut run = Run::default();
    let mut counted = false;
    for line in lines {
        let stat = |name: &str| {
            line.strip_prefix(name)?
                .trim_start_matches(':')
                .trim()
                .parse::<u64>()
                .ok()
        };
        if let Some(executed) = stat("stat::number_of_executed_units") {
            run.executed = executed;
            counted = true;
        }
        if let Some(rate) = stat("stat::average_exec_per_sec") {
            run.rate = rate;
        }
        if !line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.split('/').next()?.parse::<u64>().ok()
        };
        run.edges = behind("cov:").unwrap_or(run.edges);
        run.features = behind("ft:").unwrap_or(run.features);
        run.corpus = behind("corp:").unwrap_or(run.corpus);
    }
    counted
        .then_some(run)
        .ok_or_eyre("libFuzzer ended without saying what it did")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_progress_and_the_statistics_count() {
        let printed = "INFO: seed corpus: files: 160\n\
            #161\tINITED cov: 3001 ft: 7000 corp: 120/90Kb exec/s: 40 rss: 80Mb\n\
            #4096\tpulse  cov: 3312 ft: 9120 corp: 410/180Kb lim: 4096 exec/s: 512 rss: 99Mb\n\
            stat::number_of_executed_units: 5000\n\
            stat::average_exec_per_sec:     500\n";
        let expected = Run {
            executed: 5_000,
            rate: 500,
            edges: 3_312,
            features: 9_120,
            corpus: 410,
        };
        assert_eq!(read(printed.lines()).unwrap(), expected);
        assert!(read("no engine".lines()).is_err());
    }
}
