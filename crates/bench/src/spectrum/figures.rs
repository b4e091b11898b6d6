//! Tables and charts of the spectrum.

use super::{
    advise::{Advice, Question, advise, gives_up},
    blast::expected,
    charts::{blast, contention, cost, crowding, evidence, frontier, place, proofs, sizes, steps},
    contention::share,
    grid::{DEPTHS, Grid, Part, Point},
    load::Load,
    table::committed,
};
use crate::{
    cost::{
        Schedule,
        figures::{column, text},
    },
    report::{Cell, Figure, Table},
};

/// The load of which charts are, where they say nothing else.
pub(super) const LOAD: Load = Load {
    users: 100_000,
    daily: 2.0,
    locality: 0.9,
};
/// Blocks between its batches: five minutes.
pub(super) const INTERVAL: u64 = 25;
/// Blocks in which a batch can be challenged, in tables.
const WINDOW: u64 = 1_800;
pub(super) struct Drawn<'a> {
    pub(super) osaka: &'a Grid,
    pub(super) amsterdam: &'a Grid,
    pub(super) seed: u64,
}

impl Drawn<'_> {
    pub(super) fn figures(&self) -> Vec<Figure> {
        let charts = [
            frontier(self.osaka),
            cost(self.osaka),
            cost(self.amsterdam),
            sizes(self.osaka),
            steps(self.osaka),
            proofs(self.osaka),
            proofs(self.amsterdam),
            evidence(self.osaka),
            contention(self.seed),
            crowding(),
            blast(self.seed),
        ];
        let mut figures: Vec<Figure> = [self.points(), prices(), advices()].map(Figure::Table).into();
        figures.extend(charts.map(Figure::Chart));
        figures.push(Figure::Table(self.grid()));
        figures
    }

    /// The load at some points, and what each gives up.
    fn points(&self) -> Table {
        let columns = [
            ("depth", ""),
            ("users of a head", ""),
            ("leased", ""),
            ("a payment, Osaka", "gas"),
            ("a payment, Amsterdam", "gas"),
            ("proof, Osaka", "gas"),
            ("proof, Amsterdam", "gas"),
            ("proof", "bytes"),
            ("fail at first", "%"),
            ("taken back", "%"),
        ];
        let shown = DEPTHS.into_iter().filter(|depth| *depth <= 20);
        let rows = shown.flat_map(|depth| [false, true].map(|leased| (depth, leased)));
        let rows = rows
            .filter(|(depth, leased)| *depth > 0 || !leased)
            .filter_map(|(depth, leased)| {
                let place = place(depth, leased, 1);
                let [now, then] = [self.osaka, self.amsterdam].map(|grid| LOAD.served(grid, place));
                let (now, then) = (now?, then?);
                let users = LOAD.users.min(1 << depth);
                let failing = if leased {
                    (1.0 - now.within) * 0.75
                } else {
                    share(now.cohorts, now.payments, now.within, 4)
                };
                let touches = now.payments * (2.0 - now.within);
                Some(vec![
                    Cell::Count(depth.into()),
                    Cell::Count(users),
                    text(if leased { "yes" } else { "no" }),
                    Cell::Number(now.gas),
                    Cell::Number(then.gas),
                    Cell::Number(now.proof),
                    Cell::Number(then.proof),
                    Cell::Number(now.evidence),
                    Cell::Number(100.0 * failing),
                    Cell::Number(100.0 * expected(now.cohorts, touches, 10).roots),
                ])
            });
        Table {
            id: "points".to_owned(),
            caption: "100,000 users of two payments a day, nine of ten within a cohort, a batch every 25 blocks, a step for each payment. What fails at \
                      first, with four proposers; what is taken back with a lie of ten batches ago"
                .to_owned(),
            columns: columns.map(|(name, unit)| column(name, unit)).into(),
            rows: rows.collect(),
        }
    }

    /// All that was measured.
    fn grid(&self) -> Table {
        let columns = vec![
            column("who pays whom", ""),
            column("depth", ""),
            column("payments in a step", ""),
            column("roots", ""),
            column("on new roots, Osaka", "gas"),
            column("on roots of the batch, Osaka", "gas"),
            column("on new roots, Amsterdam", "gas"),
            column("on roots of the batch, Amsterdam", "gas"),
            column("on new roots", "bytes"),
            column("proof, Osaka", "gas"),
            column("proof, Amsterdam", "gas"),
            column("proof", "bytes"),
            column("proof gas", "gas"),
        ];
        let count = |count: usize| Cell::Count(u64::try_from(count).unwrap_or(u64::MAX));
        let paid = |part: Part| Cell::Count(part.executed.max(part.floor));
        let pairs = self.osaka.points.iter().zip(&self.amsterdam.points);
        let rows = pairs.map(|(now, then): (&Point, &Point)| {
            vec![
                text(now.kind.name()),
                Cell::Count(now.depth.into()),
                count(now.operations),
                count(now.roots),
                paid(now.first),
                paid(now.again),
                paid(then.first),
                paid(then.again),
                Cell::Count(now.first.bytes),
                Cell::Count(now.proof),
                Cell::Count(then.proof),
                count(now.evidence),
                Cell::Count(now.bound),
            ]
        });
        Table {
            id: "grid".to_owned(),
            caption: "What was measured: one more step in a batch, at the dearer of execution and calldata floor; a proof of it".to_owned(),
            columns,
            rows: rows.collect(),
        }
    }
}

/// What is given up, by the kind of point.
fn prices() -> Table {
    let grid = committed(Schedule::Osaka);
    let kinds = [
        ("a root for each user", 0, false),
        ("a cohort", 12, false),
        ("a cohort, leased", 12, true),
    ];
    let rows = kinds.into_iter().flat_map(|(name, depth, leased)| {
        let place = place(depth, leased, 1);
        let served = LOAD.served(grid, place);
        let given = served
            .map(|served| gives_up(place, 1 << depth, &served))
            .unwrap_or_default();
        given.into_iter().map(move |price| vec![text(name), text(price)])
    });
    Table {
        id: "prices".to_owned(),
        caption: "What each kind of point gives up; cohorts of 4,096 for example".to_owned(),
        columns: ["point", "gives up"].map(|name| column(name, "")).into(),
        rows: rows.collect(),
    }
}

/// What is advised for some loads.
fn advices() -> Table {
    let ask = |users, daily, locality, exit, proposers, schedule| {
        advise(Question {
            load: Load { users, daily, locality },
            exit,
            tolerance: 0.01,
            proposers,
            wait: INTERVAL,
            window: WINDOW,
            base_fee: 1.0,
            ether: 3_000.0,
            schedule,
        })
    };
    let mut rows = Vec::new();
    for schedule in Schedule::BOTH {
        for (users, daily, locality, exit, proposers) in [
            (1_000, 1.0, 0.8, false, 1),
            (100_000, 2.0, 0.9, false, 1),
            (100_000, 2.0, 0.9, true, 1),
            (100_000, 2.0, 0.9, false, 4),
            (1_000_000, 5.0, 0.99, false, 4),
            (1_000_000, 5.0, 0.99, true, 4),
        ] {
            let Ok(Advice { best: Some(best), .. }) = ask(users, daily, locality, exit, proposers, schedule) else {
                continue;
            };
            rows.push(vec![
                text(schedule.name()),
                Cell::Count(users),
                Cell::Number(daily),
                Cell::Number(100.0 * locality),
                text(if exit { "yes" } else { "no" }),
                Cell::Count(proposers),
                Cell::Count(best.place.depth.into()),
                Cell::Count(best.users_per_cohort),
                text(if best.place.leased { "yes" } else { "no" }),
                Cell::Count(best.place.interval),
                Cell::Number(best.served.gas),
                Cell::Number(best.served.proof),
                Cell::Number(100.0 * best.failing),
            ]);
        }
    }
    let columns = [
        ("schedule", ""),
        ("users", ""),
        ("payments a day", ""),
        ("local", "%"),
        ("must leave alone", ""),
        ("proposers", ""),
        ("depth", ""),
        ("users of a head", ""),
        ("leased", ""),
        ("between batches", "blocks"),
        ("a payment", "gas"),
        ("proof", "gas"),
        ("fail at first", "%"),
    ];
    Table {
        id: "advice".to_owned(),
        caption: "What `nthroot advise` says of some loads, where 1 % may fail at first and a payment waits 25 blocks at most".to_owned(),
        columns: columns.map(|(name, unit)| column(name, unit)).into(),
        rows,
    }
}
