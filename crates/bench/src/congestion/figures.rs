//! What is shown of scenarios and of the proofs that wait in them.

use nthroot_node::watcher::counted_gas;

use super::{
    chain::{Block, Run},
    prices::{Action, ether, gwei, reward},
    scenario::Scenario,
    section::{Found, Named, Setting},
    trial::{HORIZON, Summary, missed},
};
use crate::{
    report::{Axis, Cell, Chart, Figure, Mark, Table},
    window::inclusion::left_out_of_blocks,
};

/// Minutes of a slot.
pub(super) const SLOT: f64 = 0.2;

/// Points of a line of base fees.
const POINTS: usize = 400;

pub(super) fn of(setting: &Setting, found: &[Found], actions: &[Action]) -> Vec<Figure> {
    let mut figures = vec![
        Figure::Table(scenarios(found)),
        Figure::Chart(paths(found)),
        Figure::Table(worth(setting)),
        Figure::Table(misses(setting, found)),
        Figure::Chart(longest_waits(setting, found)),
    ];
    figures.extend((0..setting.proofs.len()).map(|place| Figure::Table(waits(setting, found, place))));
    figures.push(Figure::Chart(cost_lines(setting, actions)));
    figures.push(Figure::Table(costs(setting, found, actions)));
    figures
}

impl Found {
    /// Base fees of the event in gwei, least first.
    fn fees(&self) -> Vec<f64> {
        let blocks = self.environments.iter().flat_map(|each| each.event(self.scenario));
        let mut fees: Vec<f64> = blocks.map(|block| gwei(block.base_fee.into())).collect();
        fees.sort_by(f64::total_cmp);
        fees
    }
}

fn at(sorted: &[f64], per_cent: usize) -> f64 {
    let place = sorted.len().saturating_sub(1) * per_cent / 100;
    sorted.get(place).copied().unwrap_or_default()
}

/// Whether the base fee of a scenario is one of its own.
fn is_priced(scenario: &Scenario) -> bool {
    scenario.censored == 0.0 && scenario.missed < 0.1
}

fn scenarios(found: &[Found]) -> Table {
    let mut table = Table::new(
        "scenarios",
        "What is published of each scenario, what is assumed, and the base fees of the event as they were simulated.",
        &[
            ("scenario", ""),
            ("published", ""),
            ("assumed", ""),
            ("median", "gwei"),
            ("mean", "gwei"),
            ("peak", "gwei"),
        ],
    );
    for found in found {
        let fees = found.fees();
        let count = u32::try_from(fees.len().max(1)).map_or(1.0, f64::from);
        table.row([
            found.scenario.name.into(),
            found.scenario.published.into(),
            found.scenario.assumed.into(),
            at(&fees, 50).into(),
            (fees.iter().sum::<f64>() / count).into(),
            at(&fees, 100).into(),
        ]);
    }
    table
}

fn paths(found: &[Found]) -> Chart {
    let mut chart = Chart::new(
        "paths",
        "Base fees of the scenarios, rebuilt from published figures.",
        Axis::linear("Time (hours)").within(0.0, 24.0),
        Axis::log("Base fee (gwei)"),
    );
    for found in found.iter().filter(|found| is_priced(found.scenario)) {
        let blocks = found.environments.first().map_or(&[][..], |first| &first.blocks);
        let hours = |slot: u64| f64::from(u32::try_from(slot).unwrap_or(u32::MAX)) * SLOT / 60.0;
        let day = blocks.partition_point(|block| hours(block.slot) <= 24.0);
        let points = blocks[..day].iter().step_by((day / POINTS).max(1));
        chart.draw(
            found.scenario.short,
            Mark::Line,
            points.map(|block| (hours(block.slot), gwei(block.base_fee.into()))),
        );
    }
    chart
}

fn worth(setting: &Setting) -> Table {
    let mut table = Table::new(
        "worth",
        "What a proof brings under the preset `prudent`, and up to which price of gas. `default` stops where the gas that it \
         uses, and a tenth more, costs the budget. Its key must have that price for the whole gas limit, or nodes do not take the offer. What \
         its builder gets decides what it costs to have it left out.",
        &[
            ("proof of", ""),
            ("gas limit", "gas"),
            ("gas used", "gas"),
            ("reward", "ETH"),
            ("`default` stops at", "gwei"),
            ("its key needs", "ETH"),
            ("its builder gets at most", "ETH"),
            ("worth it up to", "gwei"),
            ("insured", "gwei"),
        ],
    );
    let [default, ..] = &setting.policies[..] else {
        return table;
    };
    for (proof, policy) in setting.proofs.iter().zip(default.of) {
        let reward = reward(setting.lock(proof));
        let stops = policy.max_fee_budget_wei / u128::from(counted_gas(proof.used));
        table.row([
            proof.name.into(),
            proof.limit.into(),
            proof.used.into(),
            ether(reward).into(),
            gwei(stops).into(),
            ether(stops * u128::from(proof.limit)).into(),
            ether(stops * u128::from(proof.used)).into(),
            gwei(reward / u128::from(proof.used)).into(),
            gwei(setting.prudent().insured_gas_price.0).into(),
        ]);
    }
    table
}

fn misses(setting: &Setting, found: &[Found]) -> Table {
    let mut columns = vec![("scenario", "")];
    columns.extend(setting.policies.iter().map(|Named { name, .. }| (*name, "%")));
    columns.extend([
        ("any, of prudent", "%"),
        ("exactly, swift", "%"),
        ("exactly, prudent", "%"),
    ]);
    let mut table = Table::new(
        "misses",
        "Proofs of a false transfer that miss the window of the preset `swift`, by policy; the most of any policy that miss the window of `prudent`; \
         and where builders censor, what the formula says for censorship alone. None misses that of `social` which does not miss that \
         of `prudent`; no trial is longer than a day.",
        &columns,
    );
    let [swift, prudent] = [&setting.presets[0].1, &setting.presets[1].1].map(|preset| preset.window);
    for found in found {
        let share = |policy: usize, window| 100.0 * missed(&found.outcomes[policy][0], window);
        let mut row = vec![found.scenario.name.into()];
        row.extend((0..setting.policies.len()).map(|policy| Cell::from(share(policy, swift))));
        let any = (0..setting.policies.len())
            .map(|policy| share(policy, prudent))
            .fold(0.0, f64::max);
        row.push(any.into());
        let censored = Some(found.scenario.censored).filter(|censored| *censored > 0.0);
        let exactly = |window| Cell::from(censored.map(|censored| 100.0 * left_out_of_blocks(censored, window)));
        row.extend([exactly(swift), exactly(prudent)]);
        table.row(row);
    }
    table
}

fn longest_waits(setting: &Setting, found: &[Found]) -> Chart {
    let mut chart = Chart::new(
        "longest-waits",
        "Blocks that the proof of a false transfer waits at most in 99 of 100 cases, by scenario and policy. 7,200 blocks are a day.",
        Axis::named("Scenario", found.iter().map(|found| found.scenario.short)),
        Axis::log("Wait (blocks)").within(0.5, 10_000.0),
    );
    for (policy, Named { name, .. }) in setting.policies.iter().enumerate() {
        let waits = found.iter().map(|found| {
            let wait = Summary::of(&found.outcomes[policy][0]).p99.unwrap_or(HORIZON);
            f64::from(u32::try_from(wait).unwrap_or(u32::MAX))
        });
        chart.draw(*name, Mark::Bars, (0_u32..).map(f64::from).zip(waits));
    }
    chart
}

fn waits(setting: &Setting, found: &[Found], place: usize) -> Table {
    let proof = &setting.proofs[place];
    let reward = ether(reward(setting.lock(proof)));
    let mut table = Table::new(
        &format!("waits-{}", place + 1),
        &format!(
            "How many blocks the proof of {} waits, from the block after the lie, and what it costs the watcher beside the reward of {reward} ETH, half \
             of the lock.",
            proof.name
        ),
        &[
            ("scenario", ""),
            ("policy", ""),
            ("median", "blocks"),
            ("99%", "blocks"),
            ("longest", "blocks"),
            ("mean cost", "ETH"),
            ("of the reward", "%"),
        ],
    );
    let blocks = |wait: Option<u64>| wait.map_or_else(|| Cell::from("over 7,200"), Cell::from);
    for found in found {
        for (Named { name, .. }, outcomes) in setting.policies.iter().zip(&found.outcomes) {
            let summary = Summary::of(&outcomes[place]);
            let cost = summary.cost.map(ether);
            table.row([
                found.scenario.name.into(),
                (*name).into(),
                blocks(summary.median),
                blocks(summary.p99),
                blocks(summary.most),
                cost.into(),
                cost.map(|cost| 100.0 * cost / reward).into(),
            ]);
        }
    }
    table
}

/// What gas costs in ether, at so many gwei.
fn cost(gas: u64, gwei: f64) -> f64 {
    f64::from(u32::try_from(gas).unwrap_or(u32::MAX)) * gwei / 1e9
}

fn costs(setting: &Setting, found: &[Found], actions: &[Action]) -> Table {
    let mut table = Table::new(
        "costs",
        &format!(
            "What each action costs at the median and at the peak base fee of an event, without a tip, with an ether at ${:.0}. Gas is that of whole \
             transactions, measured (`snapshots/`).",
            setting.dollars
        ),
        &[
            ("scenario", ""),
            ("action", ""),
            ("gas", "gas"),
            ("median", "ETH"),
            ("median", "$"),
            ("peak", "ETH"),
            ("peak", "$"),
        ],
    );
    for found in found.iter().filter(|found| is_priced(found.scenario)) {
        let fees = found.fees();
        for action in actions {
            let [median, peak] = [50, 100].map(|per_cent| cost(action.gas, at(&fees, per_cent)));
            table.row([
                found.scenario.name.into(),
                action.name.into(),
                action.gas.into(),
                median.into(),
                (median * setting.dollars).into(),
                peak.into(),
                (peak * setting.dollars).into(),
            ]);
        }
    }
    table
}

fn cost_lines(setting: &Setting, actions: &[Action]) -> Chart {
    let mut chart = Chart::new(
        "cost-lines",
        &format!(
            "What actions cost by the base fee, without a tip, with an ether at ${:.0}.",
            setting.dollars
        ),
        Axis::log("Base fee (gwei)"),
        Axis::log("Cost ($)"),
    );
    for action in actions {
        let fees = [0.1, 1.0, 10.0, 100.0, 1_000.0, 5_000.0];
        chart.draw(
            action.name,
            Mark::Line,
            fees.map(|fee| (fee, cost(action.gas, fee) * setting.dollars)),
        );
    }
    chart
}

/// Chain and prediction, block by block.
pub(super) fn of_the_chain(run: &Run) -> Figure {
    let mut chart = Chart::new(
        "real-chain",
        "A real watcher's proof on a real chain whose blocks others fill: base fee and offer, block by block after the lie, and as predicted.",
        Axis::linear("Block after the lie"),
        Axis::log("Price of a unit of gas (gwei)"),
    );
    let line = |blocks: &[Block], of: fn(&Block) -> Option<u128>| -> Vec<(f64, f64)> {
        let numbered = (1_u32..).map(f64::from).zip(blocks);
        numbered
            .filter_map(|(number, block)| Some((number, gwei(of(block)?))))
            .collect()
    };
    let base_fee = |block: &Block| Some(block.base_fee.into());
    let offered = |block: &Block| Some(block.offer?.max_fee);
    chart.draw("base fee", Mark::Steps, line(&run.chain, base_fee));
    chart.draw("base fee, predicted", Mark::Points, line(&run.predicted, base_fee));
    chart.draw("offered at most", Mark::Steps, line(&run.chain, offered));
    chart.draw("offered, predicted", Mark::Points, line(&run.predicted, offered));
    Figure::Chart(chart)
}
