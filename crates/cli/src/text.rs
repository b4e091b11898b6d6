//! Numbers, tables and colours for a person to read.

use std::{fmt::Display, io::IsTerminal};

use alloy::primitives::{I256, U256, utils::format_ether};

/// Colours, if standard output is a terminal and its user does not mind.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    pub(crate) fn of_stdout() -> Self {
        Self {
            colours: std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    pub(crate) fn title(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }
}

/// Prints a document for a program.
pub(crate) fn print_json(document: &serde_json::Value) {
    println!("{document:#}");
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A quotient with six decimals at most, rounded down; a dash, if there is none.
pub(crate) fn decimal(number: u128, by: u128) -> String {
    if by == 0 {
        return "-".to_owned();
    }
    let (whole, mut rest) = (number / by, number % by);
    let mut decimals = String::new();
    for _ in 0..6 {
        let ten = U256::from(rest) * U256::from(10);
        let (digit, left) = ten.div_rem(U256::from(by));
        decimals.push_str(&digit.to_string());
        rest = left.to();
    }
    match decimals.trim_end_matches('0') {
        "" => whole.to_string(),
        decimals => format!("{whole}.{decimals}"),
    }
}

/// Wei as ether, with six decimals at most.
pub(crate) fn ether(wei: U256) -> String {
    let exact = format_ether(wei);
    let (whole, decimals) = exact.split_once('.').unwrap_or((&exact, ""));
    let decimals = decimals.get(..6).unwrap_or(decimals).trim_end_matches('0');
    if decimals.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{decimals}")
    }
}

/// A change of wei as ether, with its sign.
pub(crate) fn signed_ether(wei: I256) -> String {
    let (sign, size) = wei.into_sign_and_abs();
    match ether(size) {
        zero if zero == "0" => zero,
        size => format!("{}{size}", if sign.is_negative() { "−" } else { "+" }),
    }
}

/// Lays out a table; the first column is left-aligned, all others to the right.
pub(crate) fn table<const N: usize>(style: Style, head: [&str; N], rows: &[[String; N]]) -> String {
    table_of(style, &head, rows)
}

/// The same with as many columns as the head has.
pub(crate) fn table_of(style: Style, head: &[&str], rows: &[impl AsRef<[String]>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        let cells = cells.map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head[column].chars().count())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 {
                format!("{cell:<width$}", width = *width)
            } else {
                format!("{cell:>width$}", width = *width)
            }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("   "))
    };
    let mut lines = vec![style.faint(line(head.to_vec()).trim_end())];
    lines.extend(rows.iter().map(|row| {
        let cells = row.as_ref().iter().map(String::as_str).collect();
        line(cells).trim_end().to_owned()
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn quotients_have_six_decimals() {
        for (number, by, text) in [
            (1, 3, "0.333333"),
            (6, 3, "2"),
            (5, 2, "2.5"),
            (u128::MAX, u128::MAX, "1"),
            (1, 0, "-"),
        ] {
            assert_eq!(decimal(number, by), text);
        }
    }

    #[test]
    fn wei_are_shown_as_ether_without_trailing_zeros() {
        let eth = U256::from(10).pow(U256::from(18));
        for (wei, text) in [
            (U256::ZERO, "0"),
            (eth, "1"),
            (eth / U256::from(4), "0.25"),
            (U256::ONE, "0"),
        ] {
            assert_eq!(ether(wei), text);
        }
        assert_eq!(signed_ether(-I256::try_from(eth).unwrap()), "−1");
    }
}
