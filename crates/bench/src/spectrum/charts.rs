//! Charts of the spectrum.

use rand::{SeedableRng, rngs::StdRng};

use super::{
    blast::{expected, spread},
    contention::{Scene, exact, share},
    figures::{INTERVAL, LOAD},
    grid::{Grid, Kind, OPERATIONS},
    load::{Load, Place, Served},
    table::Step,
};
use crate::{
    cost::{charts::line, figures::number},
    report::{Axis, Chart, Mark, Series},
};

/// A chart's depths.
const ALL: std::ops::RangeInclusive<u8> = 0..=24;

pub(super) fn place(depth: u8, leased: bool, per_step: usize) -> Place {
    Place {
        depth,
        leased,
        per_step,
        interval: INTERVAL,
        proposers: 1,
    }
}

fn served(grid: &Grid, load: Load, leased: bool, of: fn(&Served) -> f64) -> Vec<(f64, f64)> {
    let at = |depth: u8| {
        let place = place(depth, leased && depth > 0, 1);
        Some((f64::from(depth), of(&load.served(grid, place)?)))
    };
    ALL.filter_map(at).collect()
}

/// From a root for each user to one for all.
pub(super) fn frontier(grid: &Grid) -> Chart {
    let mut series = Vec::new();
    for locality in [1.0, 0.9, 0.5] {
        for leased in [false, true] {
            let load = Load { locality, ..LOAD };
            let points = served(grid, load, leased, |served| served.gas).into_iter();
            let points = points.take_while(|(depth, _)| *depth <= 17.0);
            let points = points.map(|(depth, gas)| (depth.exp2().min(number(load.users)), gas));
            let name = format!(
                "{:.0} % local{}",
                100.0 * locality,
                if leased { ", leased" } else { "" }
            );
            series.push(line(
                &name,
                if leased { Mark::Dashed } else { Mark::Line },
                points.collect(),
            ));
        }
    }
    chart(
        "frontier",
        "What is gained by sharing a head, and with how many, Osaka: at 1 a root for each user, at 100,000 one for all",
        ("Users who share a head", true),
        ("Gas for each payment", false),
        series,
    )
}

pub(super) fn cost(grid: &Grid) -> Chart {
    let mut series = Vec::new();
    for locality in [1.0, 0.9, 0.5, 0.0] {
        let points = served(grid, Load { locality, ..LOAD }, false, |served| served.gas);
        series.push(line(&format!("{:.0} % local", 100.0 * locality), Mark::Line, points));
    }
    let points = served(grid, LOAD, true, |served| served.gas);
    series.push(line("90 % local, leased", Mark::Line, points));
    let name = grid.schedule.name();
    chart(
        &format!("cost-{}", name.to_lowercase()),
        &format!("Posting a payment, by depth, {name} (100,000 users, 694 payments in a batch)"),
        ("Depth of cohorts", false),
        ("Gas for each payment", false),
        series,
    )
}

pub(super) fn sizes(grid: &Grid) -> Chart {
    let mut series = Vec::new();
    for (name, depth, leased) in [
        ("a root for each user", 0, false),
        ("depth 8", 8, false),
        ("one for all", 17, false),
        ("one for all, leased", 17, true),
    ] {
        let points = [1, 2, 5, 10, 20, 50, 100, 200, 400]
            .into_iter()
            .filter_map(|payments: u64| {
                // So many payments in an interval.
                let daily = number(payments) / LOAD.payments(INTERVAL) * LOAD.daily;
                let served = Load { daily, ..LOAD }.served(grid, place(depth, leased, 1))?;
                Some((number(payments), served.gas))
            });
        series.push(line(name, Mark::Line, points.collect()));
    }
    chart(
        "sizes",
        "Posting a payment, by the payments in a batch, Osaka (100,000 users, 90 % local)",
        ("Payments in a batch", true),
        ("Gas for each payment", true),
        series,
    )
}

pub(super) fn steps(grid: &Grid) -> Chart {
    let of = |name: &str, depth: u8, kind: Kind| {
        let points = OPERATIONS.into_iter().filter_map(|operations| {
            let point = grid
                .points
                .iter()
                .find(|point| (point.depth, point.kind, point.operations) == (depth, kind, operations))?;
            let part = if depth == 0 { point.first } else { point.again };
            let count = number(u64::try_from(operations).ok()?);
            Some((count, number(part.executed.max(part.floor)) / count))
        });
        line(name, Mark::Line, points.collect())
    };
    chart(
        "steps",
        "One more step, by the payments in it, Osaka, as measured",
        ("Payments in a step", true),
        ("Gas for each payment", true),
        vec![
            of("roots, pairs", 0, Kind::Pairs),
            of("roots, ring", 0, Kind::Ring),
            of("depth 20, pairs", 20, Kind::Pairs),
            of("depth 20, pairs, leased", 20, Kind::Credited),
            of("depth 20, ring", 20, Kind::Ring),
        ],
    )
}

/// Series of kinds of steps by depth.
fn by_depth(grid: &Grid, of: fn(&Step) -> f64) -> Vec<Series> {
    [
        ("1 payment", Kind::Pairs, 1),
        ("1 across cohorts", Kind::Across, 1),
        ("7 payments", Kind::Pairs, 7),
        ("ring of 15", Kind::Ring, 15),
        ("60 payments of 15", Kind::Ring, 60),
    ]
    .into_iter()
    .map(|(name, kind, operations)| {
        let first = grid
            .points
            .iter()
            .filter(|point| (point.kind, point.operations) == (kind, operations));
        let least = first
            .map(|point| point.depth)
            .filter(|depth| *depth > 0)
            .min()
            .unwrap_or(0);
        let at = |depth: u8| Some((f64::from(depth), of(&grid.step(depth, kind, operations)?)));
        let points = ALL.filter(|depth| *depth == 0 || *depth >= least).filter_map(at);
        line(name, Mark::Line, points.collect())
    })
    .collect()
}

pub(super) fn proofs(grid: &Grid) -> Chart {
    let name = grid.schedule.name();
    chart(
        &format!("proofs-{}", name.to_lowercase()),
        &format!("Proving a lie about a step among 1,000, {name}; 0 is a root for each user"),
        ("Depth of cohorts", false),
        ("Gas of the proof", false),
        by_depth(grid, |step| step.proof),
    )
}

pub(super) fn evidence(grid: &Grid) -> Chart {
    let mut series = by_depth(grid, |step| step.evidence);
    series.push(line(
        "inclusion list, 8 KiB",
        Mark::Dashed,
        vec![(0.0, 8_192.0), (24.0, 8_192.0)],
    ));
    chart(
        "evidence",
        "Evidence against a step among 1,000; above the dashed line it does not ride on an inclusion list (EIP-7805)",
        ("Depth of cohorts", false),
        ("Bytes of evidence", false),
        series,
    )
}

pub(super) fn crowding() -> Chart {
    let mut series = Vec::new();
    for (locality, interval) in [(1.0, 1), (1.0, 25), (0.9, 1), (0.9, 25), (0.5, 25)] {
        let load = Load { locality, ..LOAD };
        let points = (0..=17_u8).map(|depth| {
            let payments = load.payments(interval);
            let skipped = share(load.cohorts(depth), payments, load.within(depth), 4);
            (f64::from(depth), 100.0 * skipped)
        });
        let name = format!("{:.0} % local, every {interval} blocks", 100.0 * locality);
        series.push(line(&name, Mark::Line, points.collect()));
    }
    chart(
        "crowding",
        "Payments that are skipped with four proposers who do not agree, without leases, by depth (100,000 users of two a day)",
        ("Depth of cohorts", false),
        ("Payments skipped (%)", false),
        series,
    )
}

/// Lines by the formula, points as simulated.
pub(super) fn contention(seed: u64) -> Chart {
    let proposers = 1..=16_u32;
    let mut series: Vec<Series> = [0.01, 0.1, 1.0, 10.0, 100.0]
        .map(|density| {
            let points = proposers.clone().map(|count| {
                let count = f64::from(count);
                (count, 100.0 * exact(density, count))
            });
            line(&format!("{density} steps on a root"), Mark::Line, points.collect())
        })
        .into();
    for density in [1_u32, 10] {
        let points = [2, 4, 8, 16].map(|proposers| {
            let scene = Scene {
                roots: 2_000,
                steps: 2_000 * density,
                single: 1.0,
                proposers,
            };
            (f64::from(proposers), 100.0 * scene.simulated(seed, 3))
        });
        series.push(line(&format!("{density}, simulated"), Mark::Points, points.into()));
    }
    chart(
        "contention",
        "Steps that are skipped, by the steps that are made for a root between two of its heads",
        ("Proposers who do not agree", false),
        ("Steps skipped (%)", false),
        series,
    )
}

pub(super) fn blast(seed: u64) -> Chart {
    let (blocks, mut series) = (32_u32, Vec::new());
    let at = |depth: u8| (LOAD.cohorts(depth), LOAD.within(depth), LOAD.payments(INTERVAL));
    for depth in [0, 4, 8, 12, 16] {
        let (cohorts, within, payments) = at(depth);
        let points = (1..=blocks).map(|count| {
            let spread = expected(cohorts, payments * (2.0 - within), count);
            (f64::from(count), 100.0 * spread.roots)
        });
        series.push(line(&format!("depth {depth}"), Mark::Line, points.collect()));
    }
    let mut random = StdRng::seed_from_u64(seed);
    for (depth, steps) in [(0, 694), (4, 694)] {
        let scene = Scene {
            roots: if depth == 0 { 100_000 } else { 6_250 },
            steps,
            single: LOAD.within(depth),
            proposers: 1,
        };
        let spread = spread(scene, 32, 5, &mut random);
        let points = (1..=blocks).zip(&spread).filter(|(count, _)| count % 4 == 0);
        let points = points.map(|(count, spread)| (f64::from(count), 100.0 * spread.roots));
        series.push(line(
            &format!("depth {depth}, simulated"),
            Mark::Points,
            points.collect(),
        ));
    }
    chart(
        "blast",
        "Roots whose head goes with a lie, by how many batches were built since (100,000 users, batches of 694 payments)",
        ("Batches since the lie", false),
        ("Roots taken back (%)", false),
        series,
    )
}

fn chart(id: &str, caption: &str, x: (&str, bool), y: (&str, bool), series: Vec<Series>) -> Chart {
    let axis = |(label, log): (&str, bool)| Axis {
        label: label.to_owned(),
        log,
        ..Axis::default()
    };
    Chart {
        id: id.to_owned(),
        caption: caption.to_owned(),
        x: axis(x),
        y: axis(y),
        series,
    }
}
