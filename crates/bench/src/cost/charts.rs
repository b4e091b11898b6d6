//! Gas for each user over the size of a batch, beside what L1 charges and the floor.

use super::{
    Costs,
    batches::{Kind, Point},
    figures::number,
};
use crate::report::{Axis, Chart, Mark, Series};

/// Under which names what was measured on L1 stands.
pub(super) const ETHER: &str = "ETH transfer to an account";
pub(super) const ERC20: &str = "ERC-20 transfer to a holder";
pub(super) const UNISWAP: &str = "Uniswap V2: ETH for a token";
pub(super) const RING: &str = "4 parties exchange 4 tokens: a transfer each, nobody bound to anybody";
pub(super) const TRUSTED: &str = "4 parties exchange 4 tokens: Permit2 by one whom all trust";

/// Things with their names in a legend.
type Names<T> = &'static [(T, &'static str)];

pub(super) fn chart(costs: &Costs, payments: bool) -> Chart {
    let name = costs.schedule.name();
    let (what, kinds, instead): (_, Names<Kind>, Names<&str>) = if payments {
        (
            "payments",
            &[
                (Kind::Transfer, "between roots"),
                (Kind::Cohort, "in a cohort"),
                (Kind::Withdrawal, "withdrawal"),
            ],
            &[("ETH on L1", ETHER), ("ERC-20 on L1", ERC20)],
        )
    } else {
        (
            "swaps",
            &[(Kind::Ring, "ring of 4"), (Kind::Sale, "sale to a pool")],
            &[
                ("4 transfers on L1", RING),
                ("Permit2 on L1", TRUSTED),
                ("Uniswap V2", UNISWAP),
            ],
        )
    };
    let (mut series, mut floors, mut most) = (Vec::new(), Vec::new(), 1);
    for (kind, name) in kinds {
        let points = &costs.sweep(*kind).points;
        let of = |gas: fn(&Point) -> u64| -> Vec<(f64, f64)> {
            let per_user = |point: &Point| (number(point.users), number(gas(point)) / number(point.users));
            points.iter().map(per_user).collect()
        };
        series.push(line(name, Mark::Line, of(|point| point.cost.gas)));
        if *kind != Kind::Withdrawal {
            floors.push(line(&format!("floor: {name}"), Mark::Dashed, of(|point| point.least)));
        }
        most = most.max(points.last().map_or(1, |point| point.users));
    }
    for (name, what) in instead {
        let gas = number(costs.a_user(what));
        series.push(line(name, Mark::Dashed, vec![(1.0, gas), (number(most), gas)]));
    }
    series.extend(floors);
    Chart {
        id: format!("{what}-{}", name.to_lowercase()),
        caption: format!("Gas for each user, {what}, {name}"),
        x: Axis {
            label: "Users in a batch".to_owned(),
            log: true,
            ..Axis::default()
        },
        y: Axis {
            label: "Gas for each user".to_owned(),
            log: true,
            ..Axis::default()
        },
        series,
    }
}

pub(crate) fn line(name: &str, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        mark,
        points,
    }
}
