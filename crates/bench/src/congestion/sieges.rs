//! What is shown of attackers who keep a proof out by money.

use eyre::Result;

use super::{
    figures::SLOT,
    market::Market,
    prices::{GWEI_IN_WEI, ether, gwei},
    scenario::{ALL, whole},
    section::{Named, Setting},
    stuffing::{Attack, Stuffed},
    trial::HORIZON,
};
use crate::report::{Axis, Cell, Chart, Figure, Mark, Table};

/// Minutes for which bills are drawn.
const LONGEST: u32 = 25;

pub(super) fn of(setting: &Setting) -> Result<Vec<Figure>> {
    Ok(vec![Figure::Table(bills(setting)?), Figure::Chart(lines(setting)?)])
}

/// Somebody with a budget against the proof of a false transfer, on a calm day.
fn against(setting: &Setting, policy: &Named, budget: u128, blocks: u64) -> Result<Vec<Stuffed>> {
    let proof = &setting.proofs[0];
    let attack = Attack {
        scenario: &ALL[0],
        proof,
        policy: policy.of[0],
        budget,
        seed: setting.options.seed,
    };
    Ok(attack.run(blocks)?)
}

fn bills(setting: &Setting) -> Result<Table> {
    let mut table = Table::new(
        "bills",
        "Somebody with a budget who keeps the proof of a false transfer out on a calm day, by buying in each block the room that it would need at a \
         higher tip, until the money does not suffice for one more block.",
        &[
            ("policy", ""),
            ("attacker has", "ETH"),
            ("attacker paid", "ETH"),
            ("proof waits", "blocks"),
            ("highest base fee", "gwei"),
            ("proof costs", "ETH"),
        ],
    );
    for policy in &setting.policies {
        for budget in [10_u64, 100, 1_000, 10_000] {
            let wei = u128::from(budget) * GWEI_IN_WEI * GWEI_IN_WEI;
            let blocks = against(setting, policy, wei, HORIZON)?;
            let last = blocks.last();
            let included = last.and_then(|block| block.included);
            let waited = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
            let peak = blocks.iter().map(|block| block.base_fee).max();
            table.row([
                policy.name.into(),
                budget.into(),
                last.map(|block| ether(block.bill)).into(),
                included.map_or_else(|| Cell::from("over 7,200"), |_| waited.into()),
                peak.map(|fee| gwei(fee.into())).into(),
                included.map(ether).into(),
            ]);
        }
    }
    Ok(table)
}

fn lines(setting: &Setting) -> Result<Chart> {
    let mut chart = Chart::new(
        "bill-lines",
        "What it costs to keep a proof out for so long: to fill all blocks at the base fee; to outbid the proof for the room that it needs, on a calm day; \
         and to pay builders as much as a watcher bids.",
        Axis::linear("Time (minutes)").within(0.0, f64::from(LONGEST)),
        Axis::log("Bill (ETH)").within(0.05, 1e6),
    );
    let blocks = LONGEST * 5;
    let minutes = |block: u32| f64::from(block) * SLOT;
    for (fee, name) in [(0.1, "0.1"), (1.0, "1"), (10.0, "10")] {
        let fees = Market::MAINNET.full_blocks(whole(fee * 1e9));
        let mut bill = 0;
        let points = fees.zip(1..=blocks).map(|(fee, block)| {
            bill += u128::from(fee) * u128::from(Market::MAINNET.gas_limit);
            (minutes(block), ether(bill))
        });
        chart.draw(format!("full blocks from {name} gwei"), Mark::Line, points);
    }
    for policy in setting
        .policies
        .iter()
        .filter(|policy| ["default", "beyond reward"].contains(&policy.name))
    {
        let stuffed = against(setting, policy, u128::MAX, blocks.into())?;
        let points = (1..=blocks).zip(&stuffed);
        let points = points.map(|(block, stuffed)| (minutes(block), ether(stuffed.bill)));
        chart.draw(
            format!("room of a proof, {}", policy.name),
            Mark::Line,
            points.filter(|(_, bill)| *bill > 0.0),
        );
    }
    for bid in [0.5, 1.0] {
        let points = (1..=blocks).map(|block| (minutes(block), bid * f64::from(block)));
        chart.draw(format!("bribes against {bid} ETH a block"), Mark::Dashed, points);
    }
    Ok(chart)
}
