//! The committed figures are what is measured, what lies between them is near what would be measured there, and who is skipped or
//! taken back is whom contracts and model say.

mod spectrum {
    pub(crate) mod advice;
    pub(crate) mod histories;
}

use nthroot_bench::{
    Options,
    cost::{self, Schedule, batches::Kind as Of},
    report::Figure,
    spectrum::{
        self as bench,
        blast::{expected, spread},
        contention::{Scene, exact},
        grid::{DEPTHS, Grid, Kind, OPERATIONS, measure},
        load::{BLOCKS_PER_DAY, Load, Place},
        table::{committed, write},
    },
};
use rand::{SeedableRng, rngs::StdRng};

fn near(measured: u64, said: f64, share: f64) -> bool {
    let measured = f64::from(u32::try_from(measured).expect("gas of a transaction"));
    (measured - said).abs() <= share * measured
}

/// `NTHROOT_SNAPSHOTS=1` writes them anew.
#[test]
fn the_committed_figures_are_those_that_are_measured() {
    if std::env::var_os("NTHROOT_SNAPSHOTS").is_some() {
        write().expect("it can be written");
        return;
    }
    for schedule in Schedule::BOTH {
        let Grid { batch, points, .. } = measure(schedule, &[0, 8, 20], &[1, 7, 15]);
        let known = committed(schedule);
        assert_eq!(batch, known.batch);
        assert!(points.len() > 15, "{} points", points.len());
        for point in points {
            assert!(
                known.points.contains(&point),
                "{schedule:?}: {point:?}: NTHROOT_SNAPSHOTS=1 writes it anew"
            );
        }
        for depth in DEPTHS {
            assert!(known.points.iter().any(|point| point.depth == depth), "{depth}");
        }
    }
}

#[test]
fn between_measured_depths_it_is_what_is_measured_there() {
    for schedule in Schedule::BOTH {
        let between = measure(schedule, &[6, 18], &[1, 7, 15]);
        for point in &between.points {
            let said = committed(schedule)
                .step(point.depth, point.kind, point.operations)
                .expect("within");
            let paid = point.again.executed.max(point.again.floor);
            assert!(near(paid, said.again.paid(), 0.01), "{point:?}: {said:?}");
            assert!(near(point.proof, said.proof, 0.03), "{point:?}: {said:?}");
            assert!(near(point.bound, said.bound, 0.03), "{point:?}: {said:?}");
            let evidence = u64::try_from(point.evidence).expect("short");
            assert!(near(evidence, said.evidence, 0.05), "{point:?}: {said:?}");
        }
    }
}

#[test]
fn deeper_cohorts_are_dearer_to_prove_and_no_dearer_to_post() {
    for schedule in Schedule::BOTH {
        for kind in Kind::ALL {
            for operations in OPERATIONS {
                let points = committed(schedule).points.iter();
                let of = points.filter(|point| (point.kind, point.operations) == (kind, operations) && point.depth > 1);
                let of: Vec<_> = of.collect();
                for pair in of.windows(2) {
                    assert!(
                        pair[0].proof < pair[1].proof && pair[0].evidence < pair[1].evidence,
                        "{pair:?}"
                    );
                    assert!(pair.iter().all(|point| point.proof <= point.bound), "{pair:?}");
                    assert!(
                        pair[0].first.executed.abs_diff(pair[1].first.executed) < 150,
                        "{pair:?}"
                    );
                }
            }
        }
    }
}

/// Sums of single steps are what whole batches cost, which are measured elsewhere, with other users.
#[test]
fn what_a_load_is_said_to_cost_is_what_such_batches_cost() {
    for schedule in Schedule::BOTH {
        let costs = cost::measure(schedule, true).expect("`npm ci` has run");
        // Ether has an id of zeros, other than what is paid in the grid.
        for (kind, depth, users, share) in [(Of::Transfer, 0, 1 << 32, 0.07), (Of::Cohort, 20, 1 << 20, 0.02)] {
            let points = &costs.sweep(kind).points;
            for point in points {
                let payments = f64::from(u32::try_from(point.steps).expect("few"));
                let load = Load {
                    users,
                    // As many in a block as the batch has.
                    daily: payments * BLOCKS_PER_DAY / f64::from(u32::try_from(users >> 4).expect("few")) / 16.0,
                    locality: 1.0,
                };
                let place = Place {
                    depth,
                    leased: false,
                    per_step: 1,
                    interval: 1,
                    proposers: 1,
                };
                let served = load.served(committed(schedule), place).expect("it fits");
                assert!((served.batches - 1.0).abs() < 1e-9, "{kind:?}: {served:?}");
                assert!(
                    near(point.cost.gas, served.gas * payments, share),
                    "{kind:?}: {point:?}, {served:?}"
                );
            }
        }
    }
}

#[test]
fn a_load_beyond_a_batch_takes_as_many_as_the_limits_make_it() {
    let load = Load {
        users: 1 << 32,
        daily: 1_000.0 * BLOCKS_PER_DAY / 4_294_967_296.0,
        locality: 0.0,
    };
    let place = Place {
        depth: 0,
        leased: false,
        per_step: 1,
        interval: 1,
        proposers: 1,
    };
    let served = load.served(committed(Schedule::Osaka), place).expect("it fits");
    assert!(
        (served.batches - 4.0).abs() < 1e-9,
        "2,000 roots, 512 in a batch: {served:?}"
    );
    let two = load
        .served(committed(Schedule::Osaka), Place { proposers: 2, ..place })
        .expect("it fits");
    assert!((two.batches - 2.0).abs() < 1e-9, "each has half: {two:?}");
}

#[test]
fn the_formula_of_contention_is_what_is_simulated() {
    for density in [1, 4, 20] {
        for proposers in [1, 2, 3, 8] {
            let scene = Scene {
                roots: 3_000,
                steps: 3_000 * density,
                single: 1.0,
                proposers,
            };
            let (simulated, said) = (scene.simulated(5, 8), exact(f64::from(density), f64::from(proposers)));
            assert!(
                (simulated - said).abs() < 0.01,
                "{density}, {proposers}: {simulated} simulated, {said}"
            );
        }
    }
    assert_eq!(exact(0.0, 3.0), 0.0);
    assert!((exact(1e6, 4.0) - 0.75).abs() < 1e-5, "all but one of four");
}

#[test]
fn the_spread_of_a_lie_is_what_is_simulated() {
    let mut random = StdRng::seed_from_u64(3);
    for (roots, steps, single) in [(20_000, 100, 0.0), (20_000, 100, 1.0), (2_000, 300, 0.9)] {
        let scene = Scene {
            roots,
            steps,
            single,
            proposers: 1,
        };
        let simulated = spread(scene, 12, 400, &mut random);
        for blocks in [1, 4, 12_u32] {
            let touches = f64::from(steps) * (2.0 - single);
            let said = expected(f64::from(roots), touches, blocks);
            let seen = simulated[usize::try_from(blocks).expect("few") - 1];
            assert!(
                (said.roots - seen.roots).abs() < 0.02,
                "{scene:?}, {blocks}: {said:?}, {seen:?}"
            );
            assert!(
                (said.batches - seen.batches).abs() < 0.06,
                "{scene:?}, {blocks}: {said:?}, {seen:?}"
            );
        }
    }
}

#[test]
fn the_section_can_be_drawn_and_is_the_same_again() {
    let options = Options { quick: true, seed: 1 };
    let [section, again] = [0; 2].map(|_| bench::section(&options));
    let text = |section| serde_json::to_string(section).expect("numbers");
    assert_eq!(text(&section), text(&again));
    for figure in &section.figures {
        match figure {
            Figure::Table(table) => {
                assert!(!table.rows.is_empty(), "{}", table.id);
                assert!(
                    table.rows.iter().all(|row| row.len() == table.columns.len()),
                    "{}",
                    table.id
                );
            }
            Figure::Chart(chart) => {
                assert!(
                    (2..=8).contains(&chart.series.len()),
                    "{}: {}",
                    chart.id,
                    chart.series.len()
                );
                for series in &chart.series {
                    assert!(!series.points.is_empty(), "{}: {}", chart.id, series.name);
                    let drawn = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && (!chart.x.log || *x > 0.0);
                    assert!(series.points.iter().all(drawn), "{}: {}", chart.id, series.name);
                }
            }
        }
    }
}
