//! What is measured is what the snapshots say where they say it, what L1 charges where that is known, and never below the floor.

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use nthroot_bench::{
    Options,
    cost::{self, Costs, Group, Schedule, batches::Kind},
    report::{Cell, Figure},
};

/// The rules in force, then those planned.
fn costs() -> &'static [Costs; 2] {
    static COSTS: OnceLock<[Costs; 2]> = OnceLock::new();
    COSTS.get_or_init(|| Schedule::BOTH.map(|schedule| cost::measure(schedule, true).expect("`npm ci` has run")))
}

fn gas(costs: &Costs, what: &str) -> u64 {
    let row = costs.rows.iter().find(|row| row.what == what);
    row.unwrap_or_else(|| panic!("{what} is measured")).cost.gas
}

/// A file of `snapshots/`.
fn snapshot(file: &str) -> BTreeMap<String, u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../snapshots/{file}.json"));
    let figures = std::fs::read(path).expect("it is committed");
    let figures: BTreeMap<String, String> = serde_json::from_slice(&figures).expect("figures by name");
    figures
        .into_iter()
        .map(|(name, figure)| (name, figure.parse().expect("a number")))
        .collect()
}

#[test]
fn proofs_and_operations_cost_what_the_snapshots_say() {
    let [proofs, rules, operations, swaps] = ["proofs", "rule proofs", "rule updates", "swap updates"].map(snapshot);
    let mut compared = 0;
    for costs in costs() {
        let schedule = costs.schedule.name();
        let mut same = |what: &str, snapshot: &BTreeMap<String, u64>, name: &str| {
            let name = format!("{name}, gas {schedule}");
            let (now, before) = (gas(costs, what), snapshot[&name]);
            // As far as the snapshots may be off before they are written anew.
            assert!(
                now.abs_diff(before) * 1_000 <= 5 * before,
                "{name}: {before} in the snapshot, {now} here"
            );
            compared += 1;
        };
        for (what, name) in [
            ("2-party transfer", "transfer"),
            ("4-party transfer in a ring", "swap of 4 tokens"),
            ("2-party transfer in a cohort of depth 20", "transfer in a cohort"),
            (
                "4-party transfer in a cohort of depth 20",
                "swap of 4 tokens in a cohort",
            ),
            ("2-party transfer of neighbours in a cohort", "transfer to a neighbour"),
        ] {
            same(&format!("prove a lie about: {what}"), &proofs, name);
        }
        for (what, name) in [
            ("4-party swap of 4 tokens", "4 users swap 4 tokens in a ring"),
            ("sale to a pool", "pool: sell"),
            ("loan from a market", "credit: borrow"),
        ] {
            same(
                &format!("prove a lie about: {what}"),
                &rules,
                &format!("a lie about: {name}"),
            );
        }
        for row in costs.rows.iter().filter(|row| row.group == Group::Rule) {
            same(&row.what, &operations, &format!("one more step: {}", row.what));
        }
        for row in costs.rows.iter().filter(|row| row.group == Group::Exchange) {
            let words: Vec<&str> = row.what.split(' ').collect();
            let name = format!("one more ring of {} users with {} tokens", words[0], words[3]);
            same(&row.what, &swaps, &name);
        }
        // The snapshot is of 102 steps instead of 2, each the first in its word: where execution costs more than the floor, and
        // where it does not.
        let word = costs.schedule.slot_new() - costs.schedule.slot_update();
        let [one, ten, hundred] = [0, 1, 2].map(|nth| costs.sweep(Kind::Cohort).points[nth].cost);
        let few =
            (word + one.executed + (ten.executed - one.executed) / 9).max(one.floor + (ten.floor - one.floor) / 9);
        let many = hundred.floor + 2 * (hundred.floor - ten.floor) / 90;
        let (more, name) = ((many - few) / 100, format!("one more step in a cohort, gas {schedule}"));
        assert!(more.abs_diff(proofs[&name]) * 200 <= more, "{more}: {name}");
    }
    assert!(compared > 60, "{compared} compared");
}

/// Forge measured these with other users, amounts and headers: the bytes differ a little.
#[test]
fn batches_claims_and_roll_back_cost_about_what_forge_measured() {
    let files = ["user", "proposer", "challenger", "rule author"].map(snapshot);
    let forge: BTreeMap<&String, &u64> = files.iter().flatten().collect();
    let costs = &costs()[0];
    let batch = |kind, nth: usize| costs.sweep(kind).points[nth].cost.gas;
    for (name, measured) in [
        ("deposit ETH", gas(costs, "deposit ETH again")),
        ("deposit a token", gas(costs, "deposit an ERC-20 again")),
        (
            "claim ETH from a batch of 1 step",
            gas(costs, "claim ETH of 2 withdrawals"),
        ),
        (
            "claim ETH, first of 255",
            gas(costs, "claim ETH of 253 withdrawals, the first of them"),
        ),
        ("buy a claim", gas(costs, "buy a claim for ETH")),
        ("give a bought claim away", gas(costs, "give a bought claim away")),
        ("batch of 1 transfer", batch(Kind::Transfer, 0)),
        ("batch of 10 transfers", batch(Kind::Transfer, 1)),
        (
            "batch of 100 transfers, first in its word",
            batch(Kind::Transfer, 2) + 17_100,
        ),
        (
            "condemning an orphan of 2 anchors",
            gas(costs, "condemn an orphan of 2 anchors"),
        ),
        (
            "unwinding an orphan of 2 anchors",
            gas(costs, "unwind an orphan of 2 anchors, with its fee"),
        ),
        (
            "unwinding a batch of 2 anchors",
            gas(costs, "unwind a faulty batch of 2 anchors"),
        ),
        (
            "unwinding a batch of 152 anchors",
            gas(costs, "unwind a faulty batch of 152 anchors"),
        ),
        (
            "register the Account rule",
            gas(costs, "register the Account rule (4059 bytes)"),
        ),
    ] {
        let before = **forge.get(&name.to_owned()).expect(name);
        let (more, less) = (measured.max(before), measured.min(before));
        assert!(
            (more - less) * 100 <= 4 * before,
            "{name}: {before} by forge, {measured} here"
        );
    }
}

#[test]
fn l1_costs_what_is_known_of_it() {
    let [today, coming] = costs();
    let ether = "ETH transfer to an account";
    // EIP-2780 with its later changes: 12,000 + 3,000 + 6,000.
    assert_eq!((gas(today, ether), gas(coming, ether)), (21_000, 21_000));
    // EIP-2780 and 8037: a new account's 120 bytes at 1,530 gas.
    assert_eq!(gas(coming, "ETH transfer to a new account"), 21_000 + 120 * 1_530);
    for (what, least, most) in [
        ("ERC-20 transfer to a holder", 30_000, 50_000),
        ("ERC-20 transfer to a new holder", 45_000, 65_000),
        ("Uniswap V2: token for token", 95_000, 135_000),
        ("Uniswap V2: ETH for a token", 95_000, 135_000),
        ("Uniswap V2: a token for ETH", 95_000, 135_000),
    ] {
        let gas = gas(today, what);
        assert!((least..=most).contains(&gas), "{what}: {gas}");
    }
}

#[test]
fn larger_batches_cost_more_in_all_less_for_each_and_never_below_the_floor() {
    for costs in costs() {
        for sweep in &costs.sweeps {
            assert!(sweep.points.len() >= 3, "{:?}", sweep.kind);
            for point in &sweep.points {
                assert!(point.least <= point.cost.gas, "{:?}: {point:?}", sweep.kind);
                assert_eq!(point.cost.gas, point.cost.executed.max(point.cost.floor));
            }
            for pair in sweep.points.windows(2) {
                let (few, many) = (&pair[0], &pair[1]);
                assert!(
                    few.steps < many.steps && few.cost.gas < many.cost.gas,
                    "{:?}",
                    sweep.kind
                );
                let each = [few, many].map(|point| u128::from(point.cost.gas) * 1_000 / u128::from(point.users));
                assert!(each[1] < each[0], "{:?}: {each:?}", sweep.kind);
            }
            // What bounds a batch is not the gas of a transaction, beside new state (EIP-8037).
            let last = sweep.points.last().expect("some").cost;
            let opened = sweep.kind == Kind::Opening && costs.schedule == Schedule::Amsterdam;
            assert!(last.gas < 1 << 24 || opened, "{:?}: {last:?}", sweep.kind);
        }
    }
}

/// The largest batch of each kind is the largest: one more would break the limit that is named.
#[test]
fn the_largest_batches_are_those_that_the_limits_allow() {
    let largest = |kind| {
        let sweep = costs()[0].sweep(kind);
        (sweep.points.last().expect("some").steps, sweep.binds)
    };
    assert_eq!(largest(Kind::Transfer), (256, "512 anchors in a batch"));
    assert_eq!(largest(Kind::Opening), (256, "512 anchors in a batch"));
    assert_eq!(largest(Kind::Withdrawal), (255, "255 withdrawals in a batch"));
    for kind in [Kind::Cohort, Kind::Ring, Kind::Sale] {
        let sweep = costs()[0].sweep(kind);
        assert_eq!(sweep.binds, "128 KiB in a transaction");
        let last = sweep.points.last().expect("some");
        let one_more = last.cost.bytes + last.cost.bytes / usize::try_from(last.steps).expect("few");
        assert!(
            last.cost.bytes < 128 << 10 && one_more + 160 > 128 << 10,
            "{kind:?}: {last:?}"
        );
    }
}

#[test]
fn the_section_can_be_drawn() {
    let options = Options { quick: true, seed: 1 };
    let section = cost::section(&options).expect("`npm ci` has run");
    let mut ids = Vec::new();
    for figure in &section.figures {
        match figure {
            Figure::Table(table) => {
                assert!(!table.rows.is_empty(), "{}", table.id);
                for row in &table.rows {
                    assert_eq!(row.len(), table.columns.len(), "{}", table.id);
                    assert!(!row.contains(&Cell::Number(f64::NAN)));
                }
                ids.push(&table.id);
            }
            Figure::Chart(chart) => {
                assert!((2..=8).contains(&chart.series.len()), "{}", chart.id);
                let points = chart.series.iter().flat_map(|series| &series.points);
                assert!(points.clone().all(|(x, y)| *x > 0.0 && *y > 0.0), "{}", chart.id);
                ids.push(&chart.id);
            }
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each figure has a name of its own");
}
