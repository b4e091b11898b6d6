//! Numbers as people read them.

/// Digits of a number that matter.
const DIGITS: i32 = 4;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// With four digits that matter; what is not between a millionth and a quadrillion as a power of ten.
pub(crate) fn number(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if !number.is_finite() {
        return if number.is_nan() { "–" } else { "∞" }.to_owned();
    }
    let magnitude = magnitude(number);
    if !(-6..15).contains(&magnitude) {
        return format!("{number:.1e}");
    }
    let decimals = usize::try_from(DIGITS - 1 - magnitude).unwrap_or(0);
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if number < 0.0 { "−" } else { "" };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

/// At an axis: `2k`, `1.5M`, `0.001`, `1e-9`.
pub(crate) fn tick(number: f64) -> String {
    for (unit, suffix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if number.abs() >= unit {
            return format!("{}{suffix}", round(number / unit));
        }
    }
    if number != 0.0 && number.abs() < 1e-4 {
        return format!("{number:.0e}");
    }
    round(number)
}

fn round(value: f64) -> String {
    number((value * 1e9).round() / 1e9)
}

/// The power of ten just below.
fn magnitude(number: f64) -> i32 {
    // Of a finite number that is not zero: within 400 of zero.
    #[allow(clippy::cast_possible_truncation)]
    let magnitude = number.abs().log10().floor() as i32;
    magnitude
}

fn grouped(digits: &str) -> String {
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_the_digits_that_matter() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "−2.5"),
            (1234.5678, "1,235"),
            (12.345_678, "12.35"),
            (0.000_123_456, "0.0001235"),
            (1e-9, "1.0e-9"),
            (1_234_567.0, "1,234,567"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(16_777_216), "16,777,216");
    }

    #[test]
    fn ticks_are_short() {
        let cases = [
            (0.0, "0"),
            (0.1, "0.1"),
            (999.0, "999"),
            (20_000.0, "20k"),
            (1.5e6, "1.5M"),
            (1e-6, "1e-6"),
        ];
        for (value, text) in cases {
            assert_eq!(tick(value), text);
        }
    }
}
