//! What a measurement says, before anybody draws it: sections of tables and charts.

use serde::Serialize;

/// One question and its answer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Section {
    /// Name of its files and of its place in the page: lower case, no spaces.
    pub id: String,
    /// The question, as a heading.
    pub title: String,
    /// What was measured and how, and what to read from it; a paragraph each. Plain text.
    pub text: Vec<String>,
    /// In the order in which they are shown.
    pub figures: Vec<Figure>,
}

/// A part of a section.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Numbers to read.
    Table(Table),
    /// Numbers to look at.
    Chart(Chart),
}

/// A table: the file `section-table.csv`, and a table of the page.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// Name within its section: lower case, no spaces.
    pub id: String,
    /// What the rows are.
    pub caption: String,
    /// Their names and units.
    pub columns: Vec<Column>,
    /// As many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// What is in it.
    pub name: String,
    /// Of its numbers: `gas`, `ETH`, `blocks`; empty if they have none.
    pub unit: String,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Shown as it is.
    Text(String),
    /// Shown with separators between thousands.
    Count(u64),
    /// Shown with as many digits as matter.
    Number(f64),
    /// Shown as a dash: does not apply, or was not measured.
    None,
}

/// A chart of one or more series over one axis.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Chart {
    /// Name within its section: lower case, no spaces.
    pub id: String,
    /// What it shows.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// At most eight.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Axis {
    /// What it measures, with its unit: `Base fee (gwei)`.
    pub label: String,
    /// Powers of ten at equal distances; then all values are above zero.
    pub log: bool,
    /// Least and greatest value shown, if not those of the series.
    pub range: Option<(f64, f64)>,
    /// Names of the values 0, 1, 2, …, where they are kinds instead of numbers.
    pub names: Vec<String>,
}

/// A line, points or bars, by one name in the legend.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Its values.
    pub points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A line through its points.
    Line,
    /// A dashed line: a floor, a target or a published figure.
    Dashed,
    /// A line that stays until the next point.
    Steps,
    /// Points only.
    Points,
    /// Bars from zero; series beside each other.
    Bars,
}
