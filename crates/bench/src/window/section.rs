//! How long the window must be: the section.

use super::{
    answer,
    inclusion::{few_missing, left_out_of_blocks, slots_until},
    preset::Preset,
    runs::{self, BLOCKS_PER_YEAR, real},
};
use crate::{
    Options,
    congestion::prices::{ether, gwei},
    report::{Axis, Cell, Chart, Figure, Mark, Section, Table},
};

/// Per year: what the tables ask for.
const TARGET: f64 = 1e-6;

/// Shares of blocks that are looked at; the published ones among them.
const SHARES: [f64; 8] = [0.25, 0.33, 0.5, 0.75, 0.887, 0.9, 0.95, 0.99];

/// Those of them that are drawn.
const DRAWN: [f64; 6] = [0.25, 0.5, 0.887, 0.9, 0.95, 0.99];

/// Seconds of a slot, in minutes.
const SLOT: f64 = 0.2;

/// What windows must be, for which assumptions; nothing in it is random.
///
/// # Errors
///
/// If a preset cannot be read.
pub fn section(_: &Options) -> eyre::Result<Section> {
    let presets = Preset::all()?;
    let mut section = Section::new("window", "How long must the window be?");
    section.text = [
        "A lie is final when no challenge was included within the window. So a window is as long as L1 takes to finalise, that no reorganisation takes \
         a conviction back, and then as long as it takes until somebody includes the challenge whom nobody can bribe. All figures are \
         computed, by exact formulas that tests compare with enumeration and simulation; `nthroot window` computes them for other \
         assumptions.",
        "Windows count blocks. A slot that is missed makes them longer by the clock and changes no probability: what counts is who builds the blocks \
         that there are.",
        "An attacker waits for the right moment: the next epoch's proposers are known. Hence figures per year count runs that begin anywhere in \
         it, not only after a given lie. Builders, not stake, decide: the largest staking entity has about a quarter, and two builders built \
         88.7% of all blocks in October 2024.",
        "While L1 does not finalise, a reorganisation can be as deep as it has not. On the branch that wins the window may be over although the proof \
         was in time on the other one. Windows count the branch's own blocks, so that this takes a branch of more blocks than the window \
         has, none of which has the proof: nobody told its builders, or they left it out. Liveness is not at stake: batches, claims and proofs \
         go on, and claims that were paid on the lost branch are unpaid on the other.",
    ]
    .map(str::to_owned)
    .to_vec();
    section.figures = [recommended(&presets)?, needs(), delays(&presets), missing()]
        .map(Figure::Table)
        .to_vec();
    let charts = [per_year(&presets), left_out(&presets), longest(), safe_value()];
    section.figures.extend(charts.map(Figure::Chart));
    Ok(section)
}

/// By share: the cushion, the window, and what else is said of runs.
fn needs() -> Table {
    let mut table = Table::new(
        "needs",
        "What a window needs if a share of all blocks leaves challenges out, so that a lie becomes final with a probability of one in a million per \
         year: L1 finality of 96 slots, two blocks to react, and a cushion. Beside it how long a single challenge waits, with the same \
         probability, and the longest runs.",
        &[
            ("share of blocks", "%"),
            ("cushion", "blocks"),
            ("window", "blocks"),
            ("window", "minutes"),
            ("one challenge waits", "minutes"),
            ("run seen once a year", "blocks"),
            ("run seen once in 1,000 years", "blocks"),
            ("mean longest run in 1,000 years", "blocks"),
        ],
    );
    for share in SHARES {
        let cushion = runs::least_length(share, BLOCKS_PER_YEAR, TARGET);
        let window = 96 + 2 + cushion;
        table.row([
            (share * 100.0).into(),
            cushion.into(),
            window.into(),
            (real(window) * SLOT).into(),
            slots_until(share, 0.0, TARGET).map(|slots| real(slots) * SLOT).into(),
            runs::seen_once(share, BLOCKS_PER_YEAR).into(),
            runs::seen_once(share, 1_000 * BLOCKS_PER_YEAR).into(),
            runs::mean_longest(share, 1_000 * BLOCKS_PER_YEAR).into(),
        ]);
    }
    table
}

/// The largest share of blocks for which runs as long as the cushion are rare enough, in per cent, rounded down to hundredths.
fn covered(cushion: u64) -> f64 {
    let share = |hundredths: u32| f64::from(hundredths) / 1e4;
    let (mut low, mut high) = (0, 10_000);
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        if runs::probability(share(middle), cushion, BLOCKS_PER_YEAR) <= TARGET {
            low = middle;
        } else {
            high = middle;
        }
    }
    share(low) * 100.0
}

fn recommended(presets: &[(&str, Preset)]) -> eyre::Result<Table> {
    let mut table = Table::new(
        "presets",
        "The recommended deployments (`deployments/presets`): what decides their windows, what they cover while L1 finalises, and the bond that a \
         proposer needs who posts a batch every five minutes.",
        &[
            ("preset", ""),
            ("window", "blocks"),
            ("window", "hours"),
            ("decided by", ""),
            ("censoring share covered", "%"),
            ("safe value", "ETH"),
            ("least lock", "ETH"),
            ("insured gas price", "gwei"),
            ("bond", "ETH"),
        ],
    );
    for (name, preset) in presets {
        let found = answer(&preset.assumes)?;
        let binding = found.constraints.iter().find(|constraint| constraint.binds);
        let cushion = preset.window.saturating_sub(96 + preset.assumes.reaction);
        let bids = u128::from(preset.window.saturating_sub(preset.assumes.reaction));
        table.row([
            (*name).into(),
            preset.window.into(),
            (real(preset.window) * SLOT / 60.0).into(),
            binding.map(|constraint| constraint.kind.says()).into(),
            covered(cushion).into(),
            ether(preset.assumes.budget.0 * bids).into(),
            ether(preset.min_lock.0).into(),
            gwei(preset.insured_gas_price.0).into(),
            ether(found.bond.0).into(),
        ]);
    }
    Ok(table)
}

fn delays(presets: &[(&str, Preset)]) -> Table {
    let mut columns = vec![("without finality", "minutes")];
    columns.extend(presets.iter().map(|(name, _)| (*name, "%")));
    let mut table = Table::new(
        "delays",
        "The censoring share that each preset covers, at one in a million per year, while L1 fails to finalise for so long and takes all of it back \
         in the end. Finality was lost for 25 minutes and for more than an hour on 2023-05-11 and 12.",
        &columns,
    );
    for minutes in [0, 25, 60, 240, 480, 1_440, 4_320] {
        let mut row = vec![minutes.into()];
        row.extend(presets.iter().map(|(_, preset)| {
            let before = 96 + 5 * minutes + preset.assumes.reaction;
            match preset.window.checked_sub(before) {
                Some(cushion) if cushion > 0 => covered(cushion).into(),
                _ => Cell::from("not safe"),
            }
        }));
        table.row(row);
    }
    table
}

fn missing() -> Table {
    let mut table = Table::new(
        "missing",
        "Censorship by a majority that orphans other blocks shows as missing slots. If a tenth of all proposers is honest, so few missing slots are \
         rarer than one in a million, and one more is not (ethresear.ch 14997). An attacker may wait for a favourable look-ahead, and \
         may retry.",
        &[
            ("slots", "slots"),
            ("time", "minutes"),
            ("missing at most", "slots"),
            ("probability", "1"),
            ("with one more", "1"),
        ],
    );
    for (missing, slots) in [(34, 688), (4, 225), (0, 132)] {
        table.row([
            slots.into(),
            (real(slots) * SLOT).into(),
            missing.into(),
            few_missing(missing, slots, 0.1).into(),
            few_missing(missing + 1, slots, 0.1).into(),
        ]);
    }
    table
}

/// The least probability that charts show.
const LEAST: f64 = 1e-9;

/// Whole numbers from 1 to 10,000, about equally far from each other by their logarithms.
fn lengths() -> impl Iterator<Item = u64> {
    let mut last = 0;
    (0..=240).filter_map(move |step| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "10,000 at most")]
        let length = 10_f64.powf(f64::from(step) / 60.0).round() as u64;
        let is_new = length > last;
        last = length;
        is_new.then_some(length)
    })
}

fn left_out(presets: &[(&str, Preset)]) -> Chart {
    let mut chart = Chart::new(
        "left-out",
        "The probability that a single challenge is in none of so many minutes of blocks, by the share of blocks that leave it out.",
        Axis::log("Time in which it is offered (minutes)"),
        Axis::log("Probability that it is left out").within(LEAST, 1.0),
    );
    for share in DRAWN {
        let points = lengths().map(|blocks| (real(blocks) * SLOT, left_out_of_blocks(share, blocks)));
        chart.draw(
            format!("{}% censor", share * 100.0),
            Mark::Line,
            points.take_while(|(_, chance)| *chance >= LEAST),
        );
    }
    for (name, preset) in presets.iter().take(2) {
        let window = real(preset.window) * SLOT;
        chart.draw(
            format!("window of {name}"),
            Mark::Dashed,
            [(window, LEAST), (window, 1.0)],
        );
    }
    chart
}

fn per_year(presets: &[(&str, Preset)]) -> Chart {
    let mut chart = Chart::new(
        "per-year",
        "The probability that within a year some run of blocks is as long as the cushion, by the share of blocks that one party builds or that leave \
         challenges out.",
        Axis::log("Cushion (blocks)"),
        Axis::log("Probability per year").within(LEAST, 1.0),
    );
    for share in DRAWN {
        let points = lengths().map(|blocks| (real(blocks), runs::probability(share, blocks, BLOCKS_PER_YEAR)));
        chart.draw(
            format!("{}% of blocks", share * 100.0),
            Mark::Line,
            points.take_while(|(_, chance)| *chance >= LEAST),
        );
    }
    for (name, preset) in presets.iter().take(2) {
        let cushion = real(preset.window.saturating_sub(96 + preset.assumes.reaction));
        chart.draw(
            format!("cushion of {name}"),
            Mark::Dashed,
            [(cushion, LEAST), (cushion, 1.0)],
        );
    }
    chart
}

fn longest() -> Chart {
    let mut chart = Chart::new(
        "longest",
        "The longest run of one party on average, by its share. Published: the length that is reached about once in 1,000 years, and the longest run \
         that was seen in two years, by builders of about half of all blocks.",
        Axis::linear("Share of blocks (%)"),
        Axis::log("Longest run (blocks)"),
    );
    for (name, years) in [("a year", 1), ("two years", 2), ("1,000 years", 1_000)] {
        let shares = (1..=38).map(|step| f64::from(step) * 0.025);
        let mean = shares.map(|share| (share * 100.0, runs::mean_longest(share, years * BLOCKS_PER_YEAR)));
        chart.draw(format!("in {name}"), Mark::Line, mean);
    }
    let published = [(25.0, 16.0), (33.0, 20.0), (50.0, 31.0), (88.7, 163.0)];
    chart.draw("published, 1,000 years", Mark::Points, published);
    chart.draw("seen in two years", Mark::Points, [(50.0, 25.0)]);
    chart
}

fn safe_value() -> Chart {
    let mut chart = Chart::new(
        "safe-value",
        "What a lie may take at most, so that keeping its proof out costs more, by what a watcher surely bids in each block.",
        Axis::log("Window (minutes)"),
        Axis::log("Value at risk (ETH)"),
    );
    for budget in [0.1, 0.5, 1.0, 5.0] {
        let points = [25.0, 60.0, 240.0, 1_440.0, 10_080.0].map(|minutes| (minutes, minutes / SLOT * budget));
        chart.draw(format!("{budget} ETH a block"), Mark::Line, points);
    }
    chart
}
