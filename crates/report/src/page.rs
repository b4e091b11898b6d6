//! The page: one file that needs no other.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Cell, Column, Figure, Report, Section, Table, chart, number};

pub(super) const STYLE: &str = include_str!("page.css");

/// Rows from which on a table is folded.
const LONG: usize = 24;

/// The whole report.
pub(super) fn html(report: &Report) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (report.title) }
                    @for line in &report.about { p { (line) } }
                    nav { ol { @for section in &report.sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } } }
                }
                main { @for section in &report.sections { (part(section)) } }
            }
        }
    }
    .into_string()
}

fn part(section: &Section) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            @for paragraph in &section.text { p { (paragraph) } }
            @for figure in &section.figures {
                @match figure {
                    Figure::Table(content) => (table(content, &section.id)),
                    Figure::Chart(content) => figure id=(format!("{}-{}", section.id, content.id)) {
                        figcaption { (content.caption) }
                        (chart::svg(content))
                    },
                }
            }
        }
    }
}

fn table(table: &Table, section: &str) -> Markup {
    let content = html! {
        div.scroll {
            table {
                thead { tr { @for column in &table.columns { th class=[is_number(column).then_some("number")] { (heading(column)) } } } }
                tbody { @for row in &table.rows { tr { @for (cell, column) in row.iter().zip(&table.columns) { td class=[aligned(cell, column)] { (shown(cell)) } } } } }
            }
        }
    };
    html! {
        figure id=(format!("{section}-{}", table.id)) {
            figcaption { (table.caption) }
            @if table.rows.len() > LONG { details { summary { (table.rows.len()) " rows" } (content) } } @else { (content) }
        }
    }
}

fn is_number(column: &Column) -> bool {
    !column.unit.is_empty()
}

/// Numbers to the right; text in a column as wide as it needs.
fn aligned(cell: &Cell, column: &Column) -> Option<&'static str> {
    match cell {
        Cell::Text(text) if !is_number(column) => match text.chars().count() {
            0..=12 => None,
            13..=80 => Some("text"),
            _ => Some("prose"),
        },
        _ => Some("number"),
    }
}

/// Name and unit of a column.
pub(super) fn heading(column: &Column) -> String {
    if column.unit.is_empty() {
        column.name.clone()
    } else {
        format!("{}, {}", column.name, column.unit)
    }
}

/// A cell as people read it.
pub(super) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => number::count(*count),
        Cell::Number(value) => number::number(*value),
        Cell::None => "–".to_owned(),
    }
}
