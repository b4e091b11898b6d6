//! Short forms for figures.

use crate::report::{Axis, Cell, Chart, Column, Figure, Mark, Series, Table};

/// A table; columns are names with units.
pub(crate) fn table(id: &str, caption: impl Into<String>, columns: &[(&str, &str)], rows: Vec<Vec<Cell>>) -> Figure {
    let column = |(name, unit): &(&str, &str)| Column {
        name: (*name).to_owned(),
        unit: (*unit).to_owned(),
    };
    Figure::Table(Table {
        id: id.to_owned(),
        caption: caption.into(),
        columns: columns.iter().map(column).collect(),
        rows,
    })
}

/// A chart.
pub(crate) fn chart(id: &str, caption: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Figure {
    Figure::Chart(Chart {
        id: id.to_owned(),
        caption: caption.into(),
        x,
        y,
        series,
    })
}

/// An axis of numbers.
pub(crate) fn axis(label: &str) -> Axis {
    Axis {
        label: label.to_owned(),
        ..Axis::default()
    }
}

/// An axis of powers of ten.
pub(crate) fn log_axis(label: &str) -> Axis {
    Axis {
        log: true,
        ..axis(label)
    }
}

/// A series.
pub(crate) fn series(name: impl Into<String>, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.into(),
        mark,
        points,
    }
}

/// A cell of text.
pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// Wei as ether.
#[allow(clippy::cast_precision_loss, reason = "to look at")]
pub(crate) fn ether(wei: u128) -> f64 {
    wei as f64 / 1e18
}

/// Wei as gwei.
#[allow(clippy::cast_precision_loss, reason = "to look at")]
pub(crate) fn gwei(wei: u128) -> f64 {
    wei as f64 / 1e9
}
