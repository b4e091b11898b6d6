//! How long the window must be: the section.

use super::{
    Kind, answer,
    figure::{axis, chart, ether, gwei, log_axis, series, table, text},
    inclusion::{few_missing, left_out_of_blocks, slots_until},
    preset::Preset,
    runs::{self, BLOCKS_PER_YEAR, real},
};
use crate::{
    Options,
    report::{Axis, Cell, Figure, Mark, Section},
};

/// Per year: what the tables ask for.
const TARGET: f64 = 1e-6;

/// Shares of blocks that are looked at; the published ones among them.
const SHARES: [f64; 8] = [0.25, 0.33, 0.5, 0.75, 0.887, 0.9, 0.95, 0.99];

/// Seconds of a slot, in minutes.
const SLOT: f64 = 0.2;

/// What windows must be, for which assumptions; nothing in it is random.
///
/// # Errors
///
/// If a preset cannot be read.
pub fn section(_: &Options) -> eyre::Result<Section> {
    let presets = Preset::all()?;
    Ok(Section {
        id: "window".to_owned(),
        title: "How long must the window be?".to_owned(),
        text: [
            "A lie is final when no challenge was included within the window. So a window is as long as L1 takes to finalise, that no \
             reorganisation takes a conviction back, and then as long as it takes until somebody includes the challenge whom nobody can \
             bribe. All figures are computed, by exact formulas that tests compare with enumeration and simulation; `nthroot window` \
             computes them for other assumptions.",
            "Windows count blocks. A slot that is missed makes them longer by the clock and changes no probability: what counts is who \
             builds the blocks that there are.",
            "An attacker waits for the right moment: the next epoch's proposers are known. Hence figures per year count runs that begin \
             anywhere in it, not only after a given lie. Builders, not stake, decide: the largest staking entity has about a quarter, and two \
             builders built 88.7% of all blocks in October 2024.",
            "While L1 does not finalise, a reorganisation can be as deep as it has not. On the branch that wins the window may be over \
             although the proof was in time on the other one. Windows count the branch's own blocks, so that this takes a \
             branch of more blocks than the window has, none of which has the proof: nobody told its builders, or they left it out. \
             Liveness is not at stake: batches, claims and proofs go on, and claims that were paid on the lost branch are unpaid on the other.",
        ]
        .map(str::to_owned)
        .to_vec(),
        figures: vec![
            needs(),
            recommended(&presets)?,
            delays(&presets),
            missing(),
            left_out(),
            per_year(&presets),
            longest(),
            safe_value(),
        ],
    })
}

/// By share: the cushion, the window, and what else is said of runs.
fn needs() -> Figure {
    let rows = SHARES.into_iter().map(|share| {
        let cushion = runs::least_length(share, BLOCKS_PER_YEAR, TARGET);
        let window = 96 + 2 + cushion;
        vec![
            Cell::Number(share * 100.0),
            Cell::Count(cushion),
            Cell::Count(window),
            Cell::Number(real(window) * SLOT),
            slots_until(share, 0.0, TARGET).map_or(Cell::None, |slots| Cell::Number(real(slots) * SLOT)),
            Cell::Count(runs::seen_once(share, BLOCKS_PER_YEAR)),
            Cell::Count(runs::seen_once(share, 1_000 * BLOCKS_PER_YEAR)),
            Cell::Number((runs::mean_longest(share, 1_000 * BLOCKS_PER_YEAR) * 10.0).round() / 10.0),
        ]
    });
    table(
        "needs",
        "What a window needs if a share of all blocks leaves challenges out, so that a lie becomes final with a probability of one in a \
         million per year: L1 finality of 96 slots, two blocks to react, and a cushion. Beside it how long a single challenge waits, with \
         the same probability, and the longest runs.",
        &[
            ("Share of blocks", "%"),
            ("Cushion", "blocks"),
            ("Window", "blocks"),
            ("Window", "minutes"),
            ("One challenge waits", "minutes"),
            ("Run seen once a year", "blocks"),
            ("Run seen once in 1,000 years", "blocks"),
            ("Mean longest run in 1,000 years", "blocks"),
        ],
        rows.collect(),
    )
}

/// The largest share of blocks for which runs as long as the cushion are rare enough, in per cent rounded down to tenths.
fn covered(cushion: u64) -> f64 {
    let rare = |permille: &u32| runs::probability(f64::from(*permille) / 1e3, cushion, BLOCKS_PER_YEAR) <= TARGET;
    let (mut low, mut high) = (0, 1_000);
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        if rare(&middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::from(low) / 10.0
}

fn recommended(presets: &[(&str, Preset)]) -> eyre::Result<Figure> {
    let mut rows = Vec::new();
    for (name, preset) in presets {
        let found = answer(&preset.assumes)?;
        let binding = found.constraints.iter().find(|constraint| constraint.binds);
        let cushion = preset.window.saturating_sub(96 + preset.assumes.reaction);
        let bids = u128::from(preset.window.saturating_sub(preset.assumes.reaction));
        rows.push(vec![
            text(*name),
            Cell::Count(preset.window),
            Cell::Number(real(preset.window) * SLOT / 60.0),
            text(binding.map_or("-", |constraint| says(constraint.kind))),
            Cell::Number(covered(cushion)),
            Cell::Number(ether(preset.assumes.budget.0 * bids)),
            Cell::Number(ether(preset.min_lock.0)),
            Cell::Number(gwei(preset.insured_gas_price.0)),
            Cell::Number(ether(found.bond.0)),
        ]);
    }
    Ok(table(
        "presets",
        "The recommended deployments (`deployments/presets`): what decides their windows, what they cover while L1 finalises, and the bond \
         that a proposer needs who posts a batch every five minutes.",
        &[
            ("Preset", ""),
            ("Window", "blocks"),
            ("Window", "hours"),
            ("Decided by", ""),
            ("Censoring share covered", "%"),
            ("Safe value", "ETH"),
            ("Least lock", "ETH"),
            ("Insured gas price", "gwei"),
            ("Bond", "ETH"),
        ],
        rows,
    ))
}

/// A constraint in words.
const fn says(kind: Kind) -> &'static str {
    match kind {
        Kind::Stake => "runs of one proposer",
        Kind::Builder => "runs of one builder",
        Kind::Censorship => "runs of censors",
        Kind::Outbidding => "outbidding",
        Kind::SocialResponse => "social response",
    }
}

fn delays(presets: &[(&str, Preset)]) -> Figure {
    let mut rows = Vec::new();
    for minutes in [0, 25, 60, 240, 1_440] {
        let mut row = vec![Cell::Count(minutes)];
        for (_, preset) in presets {
            let before = 96 + 5 * minutes + preset.assumes.reaction;
            row.push(match preset.window.checked_sub(before) {
                Some(cushion) if cushion > 0 => Cell::Number(covered(cushion)),
                _ => text("not safe"),
            });
        }
        rows.push(row);
    }
    table(
        "delays",
        "The censoring share that each preset covers, in per cent at one in a million per year, while L1 fails to finalise for so long and takes \
         all of it back in the end. Finality was lost for 25 minutes and for more than an hour on 2023-05-11 and 12.",
        &[
            ("Without finality", "minutes"),
            ("swift", "%"),
            ("prudent", "%"),
            ("social", "%"),
        ],
        rows,
    )
}

fn missing() -> Figure {
    let rows = [(34, 688), (4, 225), (0, 132)].map(|(missing, slots)| {
        let chance = |missing| Cell::Number(few_missing(missing, slots, 0.1));
        vec![
            Cell::Count(slots),
            Cell::Number(real(slots) * SLOT),
            Cell::Count(missing),
            chance(missing),
            chance(missing + 1),
        ]
    });
    table(
        "missing",
        "Censorship by a majority that orphans other blocks shows as missing slots. If a tenth of all proposers is honest, so few missing \
         slots are rarer than one in a million, and one more is not (ethresear.ch 14997). An attacker may wait for a favourable \
         look-ahead, and may retry.",
        &[
            ("Slots", ""),
            ("Time", "minutes"),
            ("Missing at most", ""),
            ("Probability", ""),
            ("With one more", ""),
        ],
        rows.to_vec(),
    )
}

/// Values that a chart of powers of ten can show.
const LEAST: f64 = 1e-9;

fn probabilities(label: &str) -> Axis {
    Axis {
        range: Some((LEAST, 1.0)),
        ..log_axis(label)
    }
}

fn left_out() -> Figure {
    let line = |share: f64| {
        let points = (0..=100).map(|step| {
            let blocks = step * 15;
            (real(blocks) * SLOT, left_out_of_blocks(share, blocks))
        });
        // Short waits in finer steps, where a line would be a cliff.
        let fine = (0..15).map(|blocks| (real(blocks) * SLOT, left_out_of_blocks(share, blocks)));
        let points = fine.chain(points.skip(1)).take_while(|(_, chance)| *chance >= LEAST);
        series(format!("{}% censor", share * 100.0), Mark::Line, points.collect())
    };
    chart(
        "left-out",
        "The probability that one challenge is in none of the blocks of a window, by the share of blocks that leave it out.",
        axis("Time after L1 finality (minutes)"),
        probabilities("Probability that the challenge misses"),
        SHARES.into_iter().map(line).collect(),
    )
}

fn per_year(presets: &[(&str, Preset)]) -> Figure {
    let line = |share: f64| {
        let blocks = (0..=300)
            .map(|step| f64::from(step) / 300.0 * 4.0)
            .map(|exponent| 10_f64.powf(exponent));
        let blocks = blocks.map(|blocks| blocks.round());
        let points = blocks.map(|blocks| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "10,000 at most")]
            let length = blocks as u64;
            (blocks, runs::probability(share, length, BLOCKS_PER_YEAR))
        });
        let mut points: Vec<_> = points.take_while(|(_, chance)| *chance >= LEAST).collect();
        points.dedup();
        series(format!("{}% of blocks", share * 100.0), Mark::Line, points)
    };
    let cushions = presets.iter().take(2).map(|(name, preset)| {
        let cushion = real(preset.window.saturating_sub(96 + preset.assumes.reaction));
        series(
            format!("cushion of {name}"),
            Mark::Dashed,
            vec![(cushion, LEAST), (cushion, 1.0)],
        )
    });
    let shares = [0.25, 0.33, 0.5, 0.887, 0.95, 0.99].into_iter();
    chart(
        "per-year",
        "The probability that within a year some run of blocks is as long as the cushion, by the share of blocks that one party builds or \
         that leave challenges out.",
        log_axis("Cushion (blocks)"),
        probabilities("Probability per year"),
        shares.map(line).chain(cushions).collect(),
    )
}

fn longest() -> Figure {
    let shares = (1..=38).map(|step| f64::from(step) * 0.025);
    let mean = |trials: u64| {
        shares
            .clone()
            .map(move |share| (share * 100.0, runs::mean_longest(share, trials)))
    };
    let published = [(25.0, 16.0), (33.0, 20.0), (50.0, 31.0), (88.7, 163.0)];
    chart(
        "longest",
        "The longest run of one party, on average, by its share. Published: the length that is reached about once in 1,000 years, and the \
         longest run that was seen in two years, for builders of about half of all blocks.",
        axis("Share of blocks (%)"),
        log_axis("Longest run (blocks)"),
        vec![
            series("in a year", Mark::Line, mean(BLOCKS_PER_YEAR).collect()),
            series("in two years", Mark::Line, mean(2 * BLOCKS_PER_YEAR).collect()),
            series("in 1,000 years", Mark::Line, mean(1_000 * BLOCKS_PER_YEAR).collect()),
            series("published, 1,000 years", Mark::Points, published.to_vec()),
            series("seen in two years", Mark::Points, vec![(50.0, 25.0)]),
        ],
    )
}

fn safe_value() -> Figure {
    let lines = [0.1, 0.5, 1.0, 5.0].map(|budget: f64| {
        let windows = [25.0, 60.0, 240.0, 1_440.0, 10_080.0];
        let points = windows.map(|minutes: f64| (minutes, minutes / SLOT * budget));
        series(format!("{budget} ETH a block"), Mark::Line, points.to_vec())
    });
    chart(
        "safe-value",
        "What a lie may take at most, so that keeping its proof out costs more, by what a watcher surely bids in each block.",
        log_axis("Window (minutes)"),
        log_axis("Value at risk (ETH)"),
        lines.to_vec(),
    )
}
