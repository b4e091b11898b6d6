//! Gas under congestion: the section.

use eyre::Result;
use nthroot_node::fees::FeePolicy;
use rayon::prelude::*;

use super::{
    chain::{self, Run},
    environment::Environment,
    market::Market,
    prices::{Action, PROOFS, Proof, actions, proofs, reward},
    scenario::{ALL, Scenario},
    stuffing::{Attack, Stuffed},
    trial::{Outcome, Summary, Trials, missed},
};
use crate::{
    Options,
    report::{Axis, Cell, Figure, Mark, Section},
    window::{
        figure::{axis, chart, ether, gwei, log_axis, series, table, text},
        inclusion::left_out_of_blocks,
        preset::Preset,
    },
};

/// Dollars for an ether, unless another price is named: to compare by, not a forecast.
pub const ETHER_PRICE: f64 = 3_000.0;

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = GWEI * GWEI;

/// Minutes of a slot.
const SLOT: f64 = 0.2;

/// A policy by its name.
struct Named {
    name: &'static str,
    policy: fn(u64) -> FeePolicy,
}

/// What is compared, for a lie whose batch locks so many gwei.
const POLICIES: [Named; 4] = [
    Named {
        name: "default",
        policy: FeePolicy::convicting,
    },
    Named {
        name: "patient",
        policy: |lock| FeePolicy::patient(reward(lock)),
    },
    Named {
        name: "constant tip",
        policy: |lock| FeePolicy {
            patience: u64::MAX,
            ..FeePolicy::convicting(lock)
        },
    },
    Named {
        name: "beyond reward",
        policy: |lock| FeePolicy::urgent(20 * reward(lock)),
    },
];

/// What was found of a scenario.
struct Found {
    scenario: Scenario,
    environments: Vec<Environment>,
    /// By policy, and of each by proof.
    outcomes: Vec<[Vec<Outcome>; PROOFS]>,
}

/// At the usual price of ether.
///
/// # Errors
///
/// As [`section_at`].
pub fn section(options: &Options) -> Result<Section> {
    section_at(options, ETHER_PRICE)
}

/// What actions cost and proofs wait, with an ether at so many dollars.
///
/// # Errors
///
/// If a snapshot or a preset cannot be read, or the real chain fails. That there is none is told in the section.
pub fn section_at(options: &Options, dollars: f64) -> Result<Section> {
    let (actions, proofs) = (actions()?, proofs()?);
    let presets = Preset::all()?;
    let prudent = &presets.get(1).ok_or_else(|| eyre::eyre!("no preset"))?.1;
    let found: Vec<Found> = ALL
        .par_iter()
        .enumerate()
        .map(|(number, scenario)| look(options, number, scenario, &proofs, prudent))
        .collect::<Result<_>>()?;
    let real = on_a_chain()?;
    let mut text = vec![
        format!(
            "Blocks are filled by others who want in: their number is random, each pays at most a price of its own and offers a share of it \
             as a tip (`congestion/demand.rs` has the distributions). Base fees follow by EIP-1559 to the wei, tips by what builders \
             prefer, tips that nodes suggest as geth does. The proof is offered by the node's own fee policy in each block, as its outbox does. \
             Every lie is at a random time of its scenario. An ether is reckoned at ${dollars:.0}."
        ),
        "Policies: `default` starts at 2 gwei, doubles every block, and spends half of the lock at most, which is the reward; `patient` adds a \
         quarter every third block; `constant tip` is never raised; `beyond reward` spends up to twenty times the reward, for whoever \
         protects own money. Locks are those of the preset `prudent`."
            .to_owned(),
        "What keeps a proof out is not the base fee: that takes the attacker's whole block, and an eighth more for each next one. It is builders \
         who leave it out. Against them no fee policy helps, but a longer window does."
            .to_owned(),
    ];
    let mut figures = vec![
        scenarios(&found),
        paths(&found),
        costs(&found, &actions, dollars),
        cost_lines(&actions, dollars),
        waits(&found, &proofs, prudent),
        wait_bars(&found),
        misses(&found, &presets),
    ];
    let attacks = attacks(options, &proofs, prudent)?;
    figures.push(bills(&attacks));
    figures.push(bill_lines(options, &proofs, prudent)?);
    match real {
        Some(run) => {
            text.push(format!(
                "On a real chain the watcher's own outbox got its proof in after {} blocks, among transactions that filled {} of them; base fees, \
                 offers and the block of the conviction were predicted, and agree to the wei. It used {} of {} gas and cost {:.6} ETH of a \
                 reward of {} ETH.",
                run.chain.iter().position(|block| block.convicts).map_or(0, |place| place + 1),
                run.chain.iter().filter(|block| block.gas_used > 59_000_000).count(),
                run.gas.1,
                run.gas.0,
                ether(run.cost),
                ether(run.reward),
            ));
            figures.push(real_chain(&run));
        }
        None => text.push("There was no anvil: what happens on a real chain was not measured in this run.".to_owned()),
    }
    Ok(Section {
        id: "congestion".to_owned(),
        title: "What does it cost when others want the same blocks?".to_owned(),
        text,
        figures,
    })
}

fn look(
    options: &Options,
    number: usize,
    scenario: &Scenario,
    proofs: &[Proof; PROOFS],
    preset: &Preset,
) -> Result<Found> {
    let (stretches, count) = if options.quick { (1, 300) } else { (6, 6_000) };
    let limits = [proofs[0].limit, proofs[1].limit];
    let seed = |part: u64| {
        let number = u64::try_from(number).unwrap_or_default();
        options.seed.wrapping_mul(1_000_003).wrapping_add(number * 1_000 + part)
    };
    let environments: Vec<Environment> = (0..stretches)
        .into_par_iter()
        .map(|stretch| Environment::simulate(scenario, limits, seed(stretch)))
        .collect::<Result<_, _>>()?;
    let outcomes = POLICIES.iter().map(|Named { policy, .. }| {
        let run = |place: usize| {
            Trials {
                scenario,
                environments: &environments,
                proof: &proofs[place],
                place,
                policy: policy(proofs[place].lock(preset)),
                count,
                seed: seed(900),
            }
            .run()
        };
        [run(0), run(1)]
    });
    let outcomes = outcomes.collect();
    Ok(Found {
        scenario: scenario.clone(),
        environments,
        outcomes,
    })
}

impl Found {
    /// Base fees in gwei, least first.
    fn fees(&self) -> Vec<f64> {
        let blocks = self.environments.iter().flat_map(|environment| &environment.blocks);
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

fn scenarios(found: &[Found]) -> Figure {
    let rows = found.iter().map(|found| {
        let fees = found.fees();
        let count = u32::try_from(fees.len().max(1)).map_or(1.0, f64::from);
        vec![
            text(found.scenario.name),
            text(found.scenario.published),
            text(found.scenario.assumed),
            Cell::Number(at(&fees, 50)),
            Cell::Number(fees.iter().sum::<f64>() / count),
            Cell::Number(at(&fees, 100)),
        ]
    });
    table(
        "scenarios",
        "What is published of each scenario, what is assumed, and the base fees that were simulated.",
        &[
            ("Scenario", ""),
            ("Published", ""),
            ("Assumed", ""),
            ("Median base fee", "gwei"),
            ("Mean", "gwei"),
            ("Peak", "gwei"),
        ],
        rows.collect(),
    )
}

fn paths(found: &[Found]) -> Figure {
    let lines = found.iter().filter(|found| is_priced(&found.scenario)).map(|found| {
        let blocks = found
            .environments
            .first()
            .map_or(&[][..], |environment| &environment.blocks);
        let step = (blocks.len() / 400).max(1);
        let minutes = |slot: u64| f64::from(u32::try_from(slot).unwrap_or(u32::MAX)) * SLOT;
        let points = blocks.iter().step_by(step);
        let points = points.map(|block| (minutes(block.slot) / 60.0, gwei(block.base_fee.into())));
        series(found.scenario.name, Mark::Line, points.collect())
    });
    chart(
        "paths",
        "Base fees of the scenarios, rebuilt from published figures.",
        axis("Time (hours)"),
        log_axis("Base fee (gwei)"),
        lines.collect(),
    )
}

fn costs(found: &[Found], actions: &[Action], dollars: f64) -> Figure {
    let mut rows = Vec::new();
    for found in found.iter().filter(|found| is_priced(&found.scenario)) {
        let fees = found.fees();
        for action in actions {
            let cost = |fee: f64| f64::from(u32::try_from(action.gas).unwrap_or(u32::MAX)) * fee / 1e9;
            let (median, peak) = (cost(at(&fees, 50)), cost(at(&fees, 100)));
            rows.push(vec![
                text(found.scenario.name),
                text(action.name),
                Cell::Count(action.gas),
                Cell::Number(median),
                Cell::Number(median * dollars),
                Cell::Number(peak),
                Cell::Number(peak * dollars),
            ]);
        }
    }
    table(
        "costs",
        format!(
            "What each action costs at the median and at the peak base fee, without a tip, with an ether at ${dollars:.0}. Gas is measured \
             (`snapshots/`), whole transactions."
        ),
        &[
            ("Scenario", ""),
            ("Action", ""),
            ("Gas", "gas"),
            ("Median", "ETH"),
            ("Median", "$"),
            ("Peak", "ETH"),
            ("Peak", "$"),
        ],
        rows,
    )
}

fn cost_lines(actions: &[Action], dollars: f64) -> Figure {
    let lines = actions.iter().map(|action| {
        let cost = |fee: f64| f64::from(u32::try_from(action.gas).unwrap_or(u32::MAX)) * fee / 1e9 * dollars;
        let points = [0.1, 1.0, 10.0, 100.0, 1_000.0, 5_000.0].map(|fee| (fee, cost(fee)));
        series(action.name, Mark::Line, points.to_vec())
    });
    chart(
        "cost-lines",
        format!("What actions cost by the base fee, without a tip, with an ether at ${dollars:.0}."),
        log_axis("Base fee (gwei)"),
        log_axis("Cost ($)"),
        lines.collect(),
    )
}

fn waits(found: &[Found], proofs: &[Proof; PROOFS], preset: &Preset) -> Figure {
    let blocks = |wait: Option<u64>| wait.map_or_else(|| text("over 7,200"), Cell::Count);
    let mut rows = Vec::new();
    for found in found {
        for (Named { name, .. }, outcomes) in POLICIES.iter().zip(&found.outcomes) {
            for (proof, outcomes) in proofs.iter().zip(outcomes) {
                let summary = Summary::of(outcomes);
                rows.push(vec![
                    text(found.scenario.name),
                    text(proof.name),
                    text(*name),
                    blocks(summary.median),
                    blocks(summary.p99),
                    blocks(summary.most),
                    Cell::Number(ether(summary.cost)),
                    Cell::Number(ether(reward(proof.lock(preset)))),
                ]);
            }
        }
    }
    table(
        "waits",
        "How many blocks a proof waits, from the block after the lie, and what it costs the watcher beside what it brings: half of the lock.",
        &[
            ("Scenario", ""),
            ("Proof of", ""),
            ("Policy", ""),
            ("Median", "blocks"),
            ("99%", "blocks"),
            ("Longest", "blocks"),
            ("Mean cost", "ETH"),
            ("Reward", "ETH"),
        ],
        rows,
    )
}

fn wait_bars(found: &[Found]) -> Figure {
    let places = || (0_u32..).map(f64::from);
    let bars = POLICIES.iter().enumerate().map(|(policy, Named { name, .. })| {
        let waits = found.iter().map(|found| {
            let outcomes = found.outcomes.get(policy).map_or(&[][..], |outcomes| &outcomes[0]);
            let wait = Summary::of(outcomes).p99.unwrap_or(super::trial::HORIZON);
            f64::from(u32::try_from(wait).unwrap_or(u32::MAX))
        });
        series(*name, Mark::Bars, places().zip(waits).collect())
    });
    chart(
        "wait-bars",
        "Blocks that the proof of a false transfer waits at most in 99 of 100 cases, by scenario and policy. 7,200 is a day or more.",
        Axis {
            names: found.iter().map(|found| found.scenario.name.to_owned()).collect(),
            ..axis("Scenario")
        },
        log_axis("Wait (blocks)"),
        bars.collect(),
    )
}

fn misses(found: &[Found], presets: &[(&str, Preset)]) -> Figure {
    let mut rows = Vec::new();
    for found in found {
        for (Named { name, .. }, outcomes) in POLICIES.iter().zip(&found.outcomes) {
            let mut row = vec![text(found.scenario.name), text(*name)];
            row.extend(
                presets
                    .iter()
                    .take(2)
                    .map(|(_, preset)| Cell::Number(missed(&outcomes[0], preset.window))),
            );
            let exact = |(_, preset): &(&str, Preset)| match found.scenario.censored {
                censored if censored > 0.0 => Cell::Number(left_out_of_blocks(censored, preset.window)),
                _ => Cell::None,
            };
            row.extend(presets.iter().map(exact));
            rows.push(row);
        }
    }
    table(
        "misses",
        "The probability that the proof of a false transfer misses the window of a preset: the share of trials, and where builders censor what \
         the formula says for censorship alone. No trial is longer than a day.",
        &[
            ("Scenario", ""),
            ("Policy", ""),
            ("Trials that miss swift", ""),
            ("Trials that miss prudent", ""),
            ("Exactly, swift", ""),
            ("Exactly, prudent", ""),
            ("Exactly, social", ""),
        ],
        rows,
    )
}

/// A stuffing attacker against a policy.
struct Siege {
    policy: &'static str,
    budget: u128,
    blocks: Vec<Stuffed>,
}

fn attacks(options: &Options, proofs: &[Proof; PROOFS], preset: &Preset) -> Result<Vec<Siege>> {
    let budgets = [10, 100, 1_000, 10_000].map(|ether: u128| ether * ETHER);
    let [calm, ..] = &ALL;
    let [transfer, _] = proofs;
    let mut sieges = Vec::new();
    for Named { name, policy } in &POLICIES {
        for budget in budgets {
            let attack = Attack {
                scenario: calm,
                proof: transfer,
                policy: policy(transfer.lock(preset)),
                budget,
                seed: options.seed,
            };
            sieges.push(Siege {
                policy: name,
                budget,
                blocks: attack.run(super::trial::HORIZON)?,
            });
        }
    }
    Ok(sieges)
}

fn bills(sieges: &[Siege]) -> Figure {
    let rows = sieges.iter().map(|siege| {
        let last = siege.blocks.last();
        let count = u64::try_from(siege.blocks.len()).unwrap_or(u64::MAX);
        let peak = siege
            .blocks
            .iter()
            .map(|block| block.base_fee)
            .max()
            .unwrap_or_default();
        let included = last.and_then(|block| block.included);
        vec![
            text(siege.policy),
            Cell::Number(ether(siege.budget)),
            Cell::Number(last.map_or(0.0, |block| ether(block.bill))),
            if included.is_some() {
                Cell::Count(count)
            } else {
                text("over 7,200")
            },
            Cell::Number(gwei(peak.into())),
            included.map_or(Cell::None, |cost| Cell::Number(ether(cost))),
        ]
    });
    table(
        "bills",
        "Somebody with a budget who keeps the proof of a false transfer out on a calm day, by buying in each block what it would need at a higher \
         tip, until the money does not suffice for one more block.",
        &[
            ("Policy", ""),
            ("Attacker has", "ETH"),
            ("Attacker paid", "ETH"),
            ("Proof waits", "blocks"),
            ("Highest base fee", "gwei"),
            ("Proof costs", "ETH"),
        ],
        rows.collect(),
    )
}

/// Minutes for which bills are drawn.
const LONGEST_BILL: u32 = 25;

fn bill_lines(options: &Options, proofs: &[Proof; PROOFS], preset: &Preset) -> Result<Figure> {
    let [calm, ..] = &ALL;
    let [transfer, _] = proofs;
    let blocks = LONGEST_BILL * 5;
    let minutes = |block: u32| f64::from(block) * SLOT;
    let filling = [(0.1, "0.1"), (1.0, "1"), (10.0, "10")].map(|(fee, name): (f64, _)| {
        let fees = Market::MAINNET.full_blocks(super::scenario::whole(fee * 1e9));
        let mut bill = 0;
        let points = fees.zip(1..=blocks).map(|(fee, block)| {
            bill += u128::from(fee) * u128::from(Market::MAINNET.gas_limit);
            (minutes(block), ether(bill))
        });
        series(format!("full blocks from {name} gwei"), Mark::Line, points.collect())
    });
    let against = |index: usize, name: &str| -> Result<_> {
        let Some(Named { policy, .. }) = POLICIES.get(index) else {
            eyre::bail!("no such policy");
        };
        let attack = Attack {
            scenario: calm,
            proof: transfer,
            policy: policy(transfer.lock(preset)),
            budget: u128::MAX,
            seed: options.seed,
        };
        let stuffed = attack.run(blocks.into())?;
        let points = (1..=blocks)
            .zip(&stuffed)
            .map(|(block, stuffed)| (minutes(block), ether(stuffed.bill)));
        let points = points.filter(|(_, bill)| *bill > 0.0);
        Ok(series(name, Mark::Line, points.collect()))
    };
    let bribes = [0.5, 1.0].map(|bid: f64| {
        let points = (1..=blocks).map(|block| (minutes(block), bid * f64::from(block)));
        series(
            format!("bribes against {bid} ETH a block"),
            Mark::Dashed,
            points.collect(),
        )
    });
    let mut lines = filling.to_vec();
    lines.push(against(0, "room of a `default` proof")?);
    lines.push(against(3, "room of a `beyond reward` proof")?);
    lines.extend(bribes);
    Ok(chart(
        "bill-lines",
        "What it costs to keep a proof out for so long: to fill all blocks at the base fee; to outbid the proof for the room that it needs, on a calm \
         day; and to pay builders as much as a watcher bids.",
        axis("Time (minutes)"),
        log_axis("Bill (ETH)"),
        lines,
    ))
}

/// A run on anvil, if there is one.
fn on_a_chain() -> Result<Option<Run>> {
    let traffic = chain::traffic(14, 12, 7_500_000, (20 * GWEI, 400 * GWEI));
    // A runtime of its own: whoever asks for the section may be in another one.
    let run = std::thread::spawn(move || -> Result<Option<Run>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(chain::run(None, &traffic, FeePolicy::urgent(ETHER))) {
            Ok(run) => Ok(Some(run)),
            Err(error) if matches!(error.downcast_ref(), Some(nthroot_node::Error::Devnet(_))) => Ok(None),
            Err(error) => Err(error),
        }
    });
    run.join()
        .map_err(|_| eyre::eyre!("the run on a real chain panicked"))?
}

fn real_chain(run: &Run) -> Figure {
    let line = |blocks: &[chain::Block], of: fn(&chain::Block) -> Option<u128>| {
        let points = (1_u32..).map(f64::from).zip(blocks);
        points
            .filter_map(|(number, block)| Some((number, gwei(of(block)?))))
            .collect::<Vec<_>>()
    };
    chart(
        "real-chain",
        "A real watcher's proof on a real chain whose blocks others fill: base fee and offer, block by block after the lie, and as predicted.",
        axis("Block after the lie"),
        log_axis("Price of a unit of gas (gwei)"),
        vec![
            series(
                "base fee",
                Mark::Steps,
                line(&run.chain, |block| Some(block.base_fee.into())),
            ),
            series(
                "base fee, predicted",
                Mark::Points,
                line(&run.predicted, |block| Some(block.base_fee.into())),
            ),
            series(
                "offered at most",
                Mark::Steps,
                line(&run.chain, |block| Some(block.offer?.max_fee)),
            ),
            series(
                "offered, predicted",
                Mark::Points,
                line(&run.predicted, |block| Some(block.offer?.max_fee)),
            ),
        ],
    )
}
