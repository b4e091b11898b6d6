//! What measurements say, and one page made of it: a file that needs no other, with the same tables as CSV and JSON.

mod chart;
mod number;
mod page;
mod scale;

use std::{fs, io, path::Path};

use serde::Serialize;

/// All sections of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// When, on what, how thoroughly; a line each.
    pub about: Vec<String>,
    /// In the order in which they are read.
    pub sections: Vec<Section>,
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A measurement returned a table or chart that cannot be shown.
    #[error("section {section}, {figure}: {what}")]
    Malformed {
        /// The section's id.
        section: String,
        /// The figure's id.
        figure: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file could not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A table could not be written.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// The report is not JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl Report {
    /// Writes `report.html`, `report.json` and a CSV file for each table into `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// [`ReportError`]: a figure cannot be shown, or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        for section in &self.sections {
            section.check()?;
        }
        fs::create_dir_all(folder)?;
        for section in &self.sections {
            for table in section.tables() {
                table.csv(csv::Writer::from_path(
                    folder.join(format!("{}-{}.csv", section.id, table.id)),
                )?)?;
            }
        }
        fs::write(folder.join("report.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(folder.join("report.html"), page::html(self))?;
        Ok(())
    }
}

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

impl Section {
    /// An empty answer to `title`.
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            ..Self::default()
        }
    }

    /// Its tables.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.figures.iter().filter_map(|figure| match figure {
            Figure::Table(table) => Some(table),
            Figure::Chart(_) => None,
        })
    }

    /// Whether all of it can be shown.
    ///
    /// # Errors
    /// [`ReportError::Malformed`].
    pub fn check(&self) -> Result<(), ReportError> {
        let mut ids = Vec::new();
        for figure in &self.figures {
            let (id, fault) = match figure {
                Figure::Table(table) => (&table.id, table.fault()),
                Figure::Chart(chart) => (&chart.id, chart.fault()),
            };
            let fault = fault.or(ids.contains(&id).then_some("two figures of one name"));
            if let Some(what) = fault {
                return Err(ReportError::Malformed {
                    section: self.id.clone(),
                    figure: id.clone(),
                    what,
                });
            }
            ids.push(id);
        }
        Ok(())
    }
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

impl Table {
    /// A table without rows; each column is a name and a unit, empty for text.
    pub fn new(id: &str, caption: &str, columns: &[(&str, &str)]) -> Self {
        let column = |&(name, unit): &(&str, &str)| Column {
            name: name.to_owned(),
            unit: unit.to_owned(),
        };
        Self {
            id: id.to_owned(),
            caption: caption.to_owned(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As Markdown, with numbers as people read them.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let mut lines = vec![line(self.columns.iter().map(page::heading).collect())];
        let rule = |column: &Column| if column.unit.is_empty() { "---" } else { "---:" };
        lines.push(line(
            self.columns.iter().map(|column| rule(column).to_owned()).collect(),
        ));
        lines.extend(self.rows.iter().map(|row| line(row.iter().map(page::shown).collect())));
        lines.join("\n")
    }

    fn csv<W: io::Write>(&self, mut file: csv::Writer<W>) -> Result<(), ReportError> {
        file.write_record(self.columns.iter().map(page::heading))?;
        for row in &self.rows {
            file.write_record(row.iter().map(|cell| match cell {
                Cell::Text(text) => text.clone(),
                Cell::Count(count) => count.to_string(),
                Cell::Number(number) => number.to_string(),
                Cell::None => String::new(),
            }))?;
        }
        file.flush()?;
        Ok(())
    }

    fn fault(&self) -> Option<&'static str> {
        let uneven = self.rows.iter().any(|row| row.len() != self.columns.len());
        uneven.then_some("a row has not as many cells as there are columns")
    }
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

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// A measured number within a sentence.
pub fn shown(number: f64) -> String {
    number::number(number)
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

/// Series of a chart: more cannot be told apart.
const MAX_SERIES: usize = 8;

impl Chart {
    /// A chart without series.
    pub fn new(id: &str, caption: &str, x: Axis, y: Axis) -> Self {
        Self {
            id: id.to_owned(),
            caption: caption.to_owned(),
            x,
            y,
            series: Vec::new(),
        }
    }

    /// One more series.
    pub fn draw(&mut self, name: impl Into<String>, mark: Mark, points: impl IntoIterator<Item = (f64, f64)>) {
        self.series.push(Series {
            name: name.into(),
            mark,
            points: points.into_iter().collect(),
        });
    }

    /// As an SVG document, whose colours are variables of the page's style sheet.
    pub fn svg(&self) -> String {
        chart::svg(self).into_string()
    }

    /// As a file of its own, in light or dark as its reader's page is.
    pub fn document(&self) -> String {
        let style = format!("<style>{}</style>", page::STYLE);
        self.svg().replacen('>', &format!(">{style}"), 1)
    }

    fn fault(&self) -> Option<&'static str> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let beyond = |axis: &Axis, value: f64| axis.log && value <= 0.0 || !value.is_finite();
        if self.series.is_empty() || self.series.len() > MAX_SERIES {
            return Some("a chart has one to eight series");
        }
        if self.series.iter().any(|series| series.points.is_empty()) {
            return Some("a series without points");
        }
        if self.x.label.is_empty() || self.y.label.is_empty() {
            return Some("an axis without a label");
        }
        let nowhere = points().any(|(x, y)| beyond(&self.x, *x) || beyond(&self.y, *y));
        nowhere.then_some("a point that its axis has no place for")
    }
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

impl Axis {
    /// Equal distances for equal differences.
    pub fn linear(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            ..Self::default()
        }
    }

    /// Equal distances for equal ratios.
    pub fn log(label: &str) -> Self {
        Self {
            log: true,
            ..Self::linear(label)
        }
    }

    /// A place for each name; values are their numbers, from 0.
    pub fn named(label: &str, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            ..Self::linear(label)
        }
    }

    /// From the first to the second value only.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Report {
        let mut table = Table::new(
            "costs",
            "What things cost",
            &[("what", ""), ("cost", "gas"), ("share", "%")],
        );
        table.row(["a <transfer>".into(), 21_000_u64.into(), 12.5.into()]);
        table.row(["nothing".into(), Cell::None, None::<f64>.into()]);
        let mut chart = Chart::new("curve", "A curve", Axis::log("Blocks"), Axis::linear("Cost (gas)"));
        chart.draw("measured", Mark::Line, [(1.0, 10.0), (10.0, 20.0), (100.0, 15.0)]);
        chart.draw("floor", Mark::Dashed, [(1.0, 5.0), (100.0, 5.0)]);
        let mut bars = Chart::new("bars", "Bars", Axis::named("Kind", ["one", "two"]), Axis::log("Gas"));
        bars.draw("today", Mark::Bars, [(0.0, 100.0), (1.0, 2_000.0)]);
        bars.draw("planned", Mark::Bars, [(0.0, 300.0), (1.0, 9_000.0)]);
        let mut section = Section::new("example", "What does it cost?");
        section.figures = vec![Figure::Table(table), Figure::Chart(chart), Figure::Chart(bars)];
        Report {
            title: "What is tested".to_owned(),
            about: vec!["A test".to_owned()],
            sections: vec![section],
        }
    }

    #[test]
    fn a_report_is_one_page_without_addresses_and_its_tables() {
        let folder = tempfile::tempdir().expect("a folder");
        example().write(folder.path()).expect("written");
        let page = fs::read_to_string(folder.path().join("report.html")).expect("a page");
        assert!(page.contains("21,000") && page.contains("a &lt;transfer&gt;"));
        // Nothing is loaded from elsewhere; the only address is the name of SVG.
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http"));
        let table = fs::read_to_string(folder.path().join("example-costs.csv")).expect("a table");
        assert_eq!(
            table,
            "what,\"cost, gas\",\"share, %\"\na <transfer>,21000,12.5\nnothing,,\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.path().join("report.json")).expect("a document"))
                .expect("JSON");
        assert_eq!(json["sections"][0]["figures"][0]["table"]["rows"][0][1], 21_000);
    }

    #[test]
    fn markdown_aligns_what_is_a_number() {
        let report = example();
        let table = report.sections[0].tables().next().expect("a table").markdown();
        assert_eq!(table.lines().nth(1), Some("| --- | ---: | ---: |"));
        assert_eq!(table.lines().nth(3), Some("| nothing | – | – |"));
    }

    /// Everything that is drawn lies within the picture, whatever the values.
    #[test]
    fn points_stay_within_their_picture() {
        let values = [1e-12, 3.0, 7.7e11];
        for (log, mark) in [
            (false, Mark::Line),
            (true, Mark::Line),
            (true, Mark::Bars),
            (false, Mark::Steps),
        ] {
            let axis = |label| Axis {
                log,
                ..Axis::linear(label)
            };
            let mut chart = Chart::new("all", "All", axis("x"), axis("y"));
            chart.draw("values", mark, values.map(|value| (value, value)));
            chart.draw("one", mark, [(5.0, 5.0)]);
            let svg = chart.svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            for points in svg.split("points=\"").skip(1) {
                let points = points.split('"').next().expect("points");
                for coordinate in points.split([' ', ',']) {
                    let coordinate: f64 = coordinate.parse().expect("a number");
                    assert!((-5.0..=810.0).contains(&coordinate), "{points}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let fault = |change: &dyn Fn(&mut Section)| {
            let mut section = example().sections.remove(0);
            change(&mut section);
            section.check().expect_err("a fault").to_string()
        };
        let chart = |section: &mut Section, change: &dyn Fn(&mut Chart)| {
            if let Figure::Chart(chart) = &mut section.figures[1] {
                change(chart);
            }
        };
        let none = fault(&|section| chart(section, &|chart| chart.series.clear()));
        assert_eq!(none, "section example, curve: a chart has one to eight series");
        assert!(
            fault(&|section| chart(section, &|chart| chart.draw("zero", Mark::Line, [(0.0, 1.0)])))
                .ends_with("no place for")
        );
        assert!(fault(&|section| chart(section, &|chart| chart.id = "costs".to_owned())).ends_with("of one name"));
        let short = fault(&|section| {
            if let Figure::Table(table) = &mut section.figures[0] {
                table.rows[0].pop();
            }
        });
        assert_eq!(
            short,
            "section example, costs: a row has not as many cells as there are columns"
        );
    }
}
