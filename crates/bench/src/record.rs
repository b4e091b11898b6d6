//! Key tables and pictures of a report, as the repository keeps them: in a page of Markdown, between markers.
//!
//! A table stands between `<!-- bench: SECTION-TABLE -->` and `<!-- end -->`; a picture is an image whose file is
//! `SECTION-CHART.svg`.

use std::{collections::BTreeMap, fs, path::Path};

use crate::report::{Chart, Figure, Report, ReportError, Table};

const START: &str = "<!-- bench: ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end -->";

/// A page that cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A marker without its end, or without a name.
    #[error("a marker {START:?} is not closed, or lacks its {END:?}")]
    Marker,
    /// The page names what the report does not have.
    #[error("the report has no {0}: run all sections, or correct the page")]
    Unknown(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A figure cannot be shown.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// The tables that a page shows, by name, as Markdown.
///
/// # Errors
/// [`RecordError::Marker`].
pub fn tables(page: &str) -> Result<BTreeMap<&str, &str>, RecordError> {
    let mut tables = BTreeMap::new();
    for part in page.split(START).skip(1) {
        let (name, rest) = part.split_once(CLOSE).ok_or(RecordError::Marker)?;
        let (table, _) = rest.split_once(END).ok_or(RecordError::Marker)?;
        tables.insert(name, table.trim());
    }
    Ok(tables)
}

/// The page with the tables of this report. Those of sections that the report lacks stay as they are.
///
/// # Errors
/// [`RecordError`]: a marker is not closed, or names no table of its section.
pub fn updated(page: &str, report: &Report) -> Result<String, RecordError> {
    let mut parts = page.split(START);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(CLOSE).ok_or(RecordError::Marker)?;
        let (old, rest) = rest.split_once(END).ok_or(RecordError::Marker)?;
        let table = match find(name, report, |figure| match figure {
            Figure::Table(table) => Some(table),
            Figure::Chart(_) => None,
        })? {
            Some(table) => format!("\n\n{}\n\n", table.markdown()),
            None => old.to_owned(),
        };
        out.push_str(&format!("{START}{name}{CLOSE}{table}{END}{rest}"));
    }
    Ok(out)
}

/// Brings a page, and the pictures that it shows from the folder beside it, up to date.
///
/// # Errors
/// [`RecordError`].
pub fn write(page: &Path, report: &Report) -> Result<(), RecordError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| RecordError::Io { path, error }
    };
    let text = fs::read_to_string(page).map_err(failed(page))?;
    fs::write(page, updated(&text, report)?).map_err(failed(page))?;
    for file in pictures(&text) {
        let name = Path::new(file)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let chart: Option<&Chart> = find(name, report, |figure| match figure {
            Figure::Chart(chart) => Some(chart),
            Figure::Table(_) => None,
        })?;
        if let Some(chart) = chart {
            let path = page.with_file_name("").join(file);
            fs::write(&path, chart.document()).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// The files of the pictures that a page shows.
pub fn pictures(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| {
        Path::new(target)
            .extension()
            .is_some_and(|extension| extension == "svg")
    })
}

/// What `SECTION-FIGURE` names; none if the report lacks the section.
fn find<'a, T>(
    name: &str,
    report: &'a Report,
    pick: impl Fn(&'a Figure) -> Option<&'a T>,
) -> Result<Option<&'a T>, RecordError>
where
    T: Named + 'a,
{
    let section = report.sections.iter().find_map(|section| {
        let figure = name.strip_prefix(&section.id)?.strip_prefix('-')?;
        Some((section, figure))
    });
    let Some((section, id)) = section else { return Ok(None) };
    let figure = section.figures.iter().filter_map(pick).find(|figure| figure.id() == id);
    figure.map(Some).ok_or_else(|| RecordError::Unknown(name.to_owned()))
}

trait Named {
    fn id(&self) -> &str;
}

impl Named for Table {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for Chart {
    fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Axis, Mark, Section};

    fn report() -> Report {
        let mut table = Table::new("users", "Users", &[("what", ""), ("gas", "gas")]);
        table.row(["transfer".into(), 21_000_u64.into()]);
        let mut chart = Chart::new("curve", "A curve", Axis::linear("x"), Axis::linear("y"));
        chart.draw("a", Mark::Line, [(0.0, 1.0), (1.0, 2.0)]);
        let mut section = Section::new("cost", "Cost");
        section.figures = vec![Figure::Table(table), Figure::Chart(chart)];
        Report {
            title: String::new(),
            about: Vec::new(),
            sections: vec![section],
        }
    }

    const PAGE: &str = "# Gas\n<!-- bench: cost-users -->old<!-- end -->\ntext ![a](gas/cost-curve.svg)\n<!-- bench: other-one -->kept<!-- end -->\n";

    #[test]
    fn a_page_gets_the_tables_that_it_names() {
        let page = updated(PAGE, &report()).expect("a page");
        let tables = tables(&page).expect("markers");
        assert_eq!(
            tables["cost-users"],
            "| what | gas, gas |\n| --- | ---: |\n| transfer | 21,000 |"
        );
        assert_eq!(tables["other-one"], "kept");
        assert!(page.starts_with("# Gas\n") && page.contains("text "));
        assert_eq!(updated(&page, &report()).expect("a page"), page);
    }

    #[test]
    fn a_page_gets_the_pictures_that_it_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = folder.path().join("gas.md");
        fs::create_dir(folder.path().join("gas")).expect("a folder");
        fs::write(&page, PAGE).expect("written");
        write(&page, &report()).expect("up to date");
        let picture = fs::read_to_string(folder.path().join("gas/cost-curve.svg")).expect("a picture");
        assert!(picture.starts_with("<svg") && picture.contains("prefers-color-scheme"));
    }

    #[test]
    fn what_the_report_lacks_is_an_error() {
        let unknown = updated("<!-- bench: cost-nothing --><!-- end -->", &report());
        assert!(matches!(unknown, Err(RecordError::Unknown(name)) if name == "cost-nothing"));
        assert!(matches!(
            updated("<!-- bench: cost-users -->", &report()),
            Err(RecordError::Marker)
        ));
    }
}
