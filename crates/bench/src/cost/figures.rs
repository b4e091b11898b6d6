//! Tables and charts of what was measured.

use super::{
    Costs, Group, Row,
    batches::{Kind, Point, Sweep},
    charts::{ERC20, ETHER, RING, TRUSTED, UNISWAP, chart},
    published::PUBLISHED,
};
use crate::report::{Cell, Column, Figure, Table};

pub(crate) fn column(name: &str, unit: &str) -> Column {
    Column {
        name: name.to_owned(),
        unit: unit.to_owned(),
    }
}

pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// Costs under both schedules.
pub(super) struct Both<'a> {
    pub(super) osaka: &'a Costs,
    pub(super) amsterdam: &'a Costs,
}

impl Both<'_> {
    const fn schedules(&self) -> [&Costs; 2] {
        [self.osaka, self.amsterdam]
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let single = [
            (
                "in",
                Group::In,
                "Coming in: a transaction of each user or proposer",
                "bytes of calldata",
            ),
            (
                "out",
                Group::Out,
                "Going out: claims and their sale",
                "bytes of calldata",
            ),
            (
                "rules",
                Group::Rule,
                "One more operation of a rule in a batch, beside another step",
                "bytes of its body",
            ),
            (
                "proofs",
                Group::Proof,
                "Proofs in batches of 1,000 steps, and roll-back",
                "bytes of evidence or calldata",
            ),
            (
                "register",
                Group::Register,
                "Putting a rule on the chain",
                "bytes of calldata",
            ),
            (
                "l1",
                Group::L1,
                "What users do on L1 instead, in the same EVM",
                "bytes of calldata",
            ),
        ];
        let mut figures: Vec<Figure> = self.schedules().map(|costs| Figure::Table(instead(costs))).into();
        figures.push(Figure::Table(self.crossovers()));
        for payments in [true, false] {
            figures.extend(self.schedules().map(|costs| Figure::Chart(chart(costs, payments))));
        }
        figures.extend([self.exchanges(), self.limits()].map(Figure::Table));
        figures.extend(self.schedules().map(|costs| Figure::Table(batches(costs))));
        for (id, group, caption, bytes) in single {
            figures.push(Figure::Table(self.single(id, group, caption, bytes)));
        }
        figures.push(Figure::Table(published()));
        figures
    }

    fn single(&self, id: &str, group: Group, caption: &str, bytes: &str) -> Table {
        let of_group = |costs: &Costs| -> Vec<Row> {
            let rows = costs.rows.iter().filter(|row| row.group == group);
            rows.cloned().collect()
        };
        let (today, coming) = (of_group(self.osaka), of_group(self.amsterdam));
        let mut columns = vec![column("what", ""), column("Osaka", "gas"), column("Amsterdam", "gas")];
        let shared = today.iter().any(|row| row.users > 1);
        if shared {
            columns.extend([column("Osaka, a user", "gas"), column("Amsterdam, a user", "gas")]);
        }
        columns.push(column(bytes, "bytes"));
        let rows = today.iter().zip(&coming).map(|(today, coming)| {
            assert_eq!(today.what, coming.what, "measured in one order");
            let mut cells = vec![
                text(&today.what),
                Cell::Count(today.cost.gas),
                Cell::Count(coming.cost.gas),
            ];
            if shared {
                cells.extend([today, coming].map(|row| Cell::Count(row.cost.gas / row.users)));
            }
            cells.push(count(today.cost.bytes));
            cells
        });
        Table {
            id: id.to_owned(),
            caption: caption.to_owned(),
            columns,
            rows: rows.collect(),
        }
    }

    fn limits(&self) -> Table {
        let sweeps = self.osaka.sweeps.iter().zip(&self.amsterdam.sweeps);
        let rows = sweeps.map(|(today, coming)| {
            let (now, then) = (last(today), last(coming));
            vec![
                text(today.kind.name()),
                Cell::Count(now.steps),
                Cell::Count(now.users),
                text(today.binds),
                Cell::Count(now.cost.gas),
                Cell::Count(then.cost.gas),
            ]
        });
        Table {
            id: "limits".to_owned(),
            caption: "The largest batch of each kind, and what bounds it: never the gas of a transaction (2^24)"
                .to_owned(),
            columns: vec![
                column("batch of", ""),
                column("steps", ""),
                column("users", ""),
                column("bounded by", ""),
                column("Osaka", "gas"),
                column("Amsterdam", "gas"),
            ],
            rows: rows.collect(),
        }
    }

    /// Swaps of many: here, and on L1.
    fn exchanges(&self) -> Table {
        let mut columns = vec![column("what", "")];
        for name in ["Osaka", "Amsterdam"] {
            columns.extend([
                column(&format!("{name}, one more in a batch, a user"), "gas"),
                column(&format!("{name}, a transfer each, a user"), "gas"),
                column(&format!("{name}, Permit2, a user"), "gas"),
            ]);
        }
        let own = self.osaka.rows.iter().filter(|row| row.group == Group::Exchange);
        let rows = own.map(|Row { what, .. }| {
            let ways = [
                "",
                ": a transfer each, nobody bound to anybody",
                ": Permit2 by one whom all trust",
            ];
            let cells = [self.osaka, self.amsterdam].into_iter().flat_map(|costs| {
                let way = |way: &str| Cell::Count(costs.a_user(&format!("{what}{way}")));
                ways.map(way)
            });
            std::iter::once(text(what)).chain(cells).collect()
        });
        Table {
            id: "exchanges".to_owned(),
            caption: "Exchanges of many: here they happen as a whole or not at all".to_owned(),
            columns,
            rows: rows.collect(),
        }
    }

    fn crossovers(&self) -> Table {
        let rows = INSTEAD.iter().map(|(kind, instead)| {
            let cell = |costs: &Costs| {
                let users = crossover(&costs.sweep(*kind).points, costs.a_user(instead));
                users.map_or_else(|| text("never"), Cell::Count)
            };
            vec![
                text(kind.name()),
                text(*instead),
                cell(self.osaka),
                cell(self.amsterdam),
            ]
        });
        Table {
            id: "crossovers".to_owned(),
            caption: "From how many users in a batch on it is cheaper than on L1. Between sizes that were measured: interpolated"
                .to_owned(),
            columns: vec![
                column("a user's", ""),
                column("on L1 instead", ""),
                column("Osaka, from", "users"),
                column("Amsterdam, from", "users"),
            ],
            rows: rows.collect(),
        }
    }
}

/// Side by side: alone, in a full batch, on L1.
fn instead(costs: &Costs) -> Table {
    let name = costs.schedule.name();
    let rows = INSTEAD.iter().map(|(kind, instead)| {
        let points = &costs.sweep(*kind).points;
        let (alone, full) = (&points[0], &points[points.len() - 1]);
        let l1 = costs.a_user(instead);
        vec![
            text(kind.name()),
            Cell::Count(alone.cost.gas / alone.users),
            Cell::Count(full.cost.gas / full.users),
            text(*instead),
            Cell::Count(l1),
            Cell::Number(number(l1) * number(full.users) / number(full.cost.gas)),
        ]
    });
    Table {
        id: format!("instead-{}", name.to_lowercase()),
        caption: format!("What a user pays, and what the same costs on L1, {name}"),
        columns: vec![
            column("a user's", ""),
            column("alone in a batch", "gas"),
            column("in the largest batch", "gas"),
            column("on L1 instead", ""),
            column("there", "gas"),
            column("as many times the largest batch's", "×"),
        ],
        rows: rows.collect(),
    }
}

fn batches(costs: &Costs) -> Table {
    let name = costs.schedule.name();
    let points = costs
        .sweeps
        .iter()
        .flat_map(|sweep| sweep.points.iter().map(|point| (sweep.kind, point)));
    let rows = points.map(|(kind, point)| {
        vec![
            text(kind.name()),
            Cell::Count(point.steps),
            Cell::Count(point.users),
            count(point.cost.bytes),
            Cell::Count(point.cost.gas),
            Cell::Count(point.cost.gas / point.users),
            Cell::Count(point.least / point.users),
            Cell::Number(100.0 * (number(point.cost.gas) / number(point.least) - 1.0)),
        ]
    });
    Table {
        id: format!("batches-{}", name.to_lowercase()),
        caption: format!(
            "Batches by size, {name}. The floor: the transaction, its calldata and one cold slot for each root"
        ),
        columns: vec![
            column("batch of", ""),
            column("steps", ""),
            column("users", ""),
            column("calldata", "bytes"),
            column("the batch", "gas"),
            column("a user", "gas"),
            column("floor, a user", "gas"),
            column("above the floor", "%"),
        ],
        rows: rows.collect(),
    }
}

/// What corresponds to what.
const INSTEAD: [(Kind, &str); 9] = [
    (Kind::Transfer, ETHER),
    (Kind::Transfer, ERC20),
    (Kind::Transfer, "ERC-20 transfer to a new holder"),
    (Kind::Cohort, ETHER),
    (Kind::Cohort, ERC20),
    (Kind::Ring, RING),
    (Kind::Ring, TRUSTED),
    (Kind::Sale, UNISWAP),
    (Kind::Opening, "ETH transfer to a new account"),
];
impl Costs {
    /// Batches of a kind.
    pub fn sweep(&self, kind: Kind) -> &Sweep {
        let sweep = self.sweeps.iter().find(|sweep| sweep.kind == kind);
        sweep.expect("all kinds are measured")
    }

    /// Gas for a user of what was measured under this name.
    ///
    /// # Panics
    ///
    /// If nothing was.
    pub fn a_user(&self, what: &str) -> u64 {
        let row = self.rows.iter().find(|row| row.what == what);
        let row = row.unwrap_or_else(|| panic!("{what} is measured"));
        row.cost.gas / row.users
    }
}

/// The least number of users for whom a batch costs each no more than `alone`.
pub(super) fn crossover(points: &[Point], alone: u64) -> Option<u64> {
    let (first, rest) = points.split_first()?;
    let mut before = first;
    if first.cost.gas <= alone * first.users {
        return Some(first.users);
    }
    for point in rest {
        let one_more = (point.cost.gas - before.cost.gas) / (point.users - before.users);
        if one_more < alone {
            let fixed = before.cost.gas.saturating_sub(one_more * before.users);
            let users = fixed.div_ceil(alone - one_more).max(before.users);
            if users <= point.users {
                return Some(users);
            }
        }
        before = point;
    }
    None
}

fn published() -> Table {
    let rows = PUBLISHED.iter().map(|figure| {
        let cells = [figure.system, figure.what, figure.gas, "published", figure.source];
        cells.map(text).to_vec()
    });
    Table {
        id: "published".to_owned(),
        caption: "What others have published of themselves; not measured here".to_owned(),
        columns: ["system", "what", "gas", "standing", "source"]
            .map(|name| column(name, ""))
            .to_vec(),
        rows: rows.collect(),
    }
}

fn last(sweep: &Sweep) -> &Point {
    sweep.points.last().expect("at least one")
}

fn count(bytes: usize) -> Cell {
    Cell::Count(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// As charts have it: exact up to 2^53, which no gas exceeds.
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}
