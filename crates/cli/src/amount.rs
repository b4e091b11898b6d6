//! Amounts, assets and fractions as people type them.

use std::str::FromStr;

use alloy::primitives::{Address, B256};
use nthroot_protocol::AssetId;

/// An amount in an asset's base units: `1500`, `1_500`, `1.5ether`, `20gwei` or `1.5e6`.
///
/// # Errors
///
/// If it is none, has more decimals than the unit, or 2^128 or more.
pub(crate) fn parse_amount(text: &str) -> Result<u128, String> {
    let clean = text.replace('_', "").to_ascii_lowercase();
    let units = [("ether", 18), ("eth", 18), ("gwei", 9), ("wei", 0)];
    let named = units
        .into_iter()
        .find_map(|(name, decimals)| Some((clean.strip_suffix(name)?, decimals)));
    let (number, decimals) = match (named, clean.split_once('e')) {
        (Some(named), _) => named,
        (None, Some((number, exponent))) => (number, exponent.parse().map_err(|_| not_an_amount(text))?),
        (None, None) => (clean.as_str(), 0),
    };
    scaled(number.trim(), decimals).ok_or_else(|| not_an_amount(text))
}

fn not_an_amount(text: &str) -> String {
    format!("`{text}` is not an amount: base units as 1500, or with a unit as 1.5ether, 20gwei or 1.5e6")
}

/// `number · 10^decimals`, if it is an integer of 128 bits.
fn scaled(number: &str, decimals: u32) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let shift = decimals.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let number: u128 = format!("{whole}{fraction}").parse().ok()?;
    number.checked_mul(10_u128.checked_pow(shift)?)
}

/// An asset: `ETH`, a token's address, or an asset id.
///
/// # Errors
///
/// If it is none of these.
pub(crate) fn parse_asset(text: &str) -> Result<AssetId, String> {
    if text.eq_ignore_ascii_case("eth") {
        return Ok(AssetId::ETH);
    }
    if let Ok(token) = Address::from_str(text) {
        return Ok(AssetId::token(token));
    }
    B256::from_str(text).map(AssetId).map_err(|_| {
        format!("`{text}` is not an asset: ETH, a token's address (20 bytes) or an asset id (32 bytes, as `nthroot fragments` shows it)")
    })
}

/// An amount of an asset, which may change along a curve: `AMOUNT:ASSET` or `START..END:ASSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantity {
    pub(crate) asset: AssetId,
    pub(crate) start: u128,
    pub(crate) end: u128,
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (amount, asset) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is not AMOUNT:ASSET, as 1.5ether:ETH"))?;
        let (start, end) = amount.split_once("..").unwrap_or((amount, amount));
        Ok(Self {
            asset: parse_asset(asset)?,
            start: parse_amount(start)?,
            end: parse_amount(end)?,
        })
    }
}

impl Quantity {
    /// The amount, if it does not change.
    pub(crate) fn fixed(self) -> Result<(AssetId, u128), String> {
        if self.start == self.end {
            Ok((self.asset, self.end))
        } else {
            Err("this amount cannot follow a curve: give one amount, not START..END".to_owned())
        }
    }
}

/// A fraction in millionths: `0.3%` or `3000`.
///
/// # Errors
///
/// If it is none, or more than all.
pub(crate) fn parse_millionths(text: &str) -> Result<u32, String> {
    let parts = match text.strip_suffix('%') {
        Some(percent) => scaled(percent, 4),
        None => scaled(text, 0),
    };
    let parts = parts.and_then(|parts| u32::try_from(parts).ok());
    parts
        .filter(|parts| *parts <= 1_000_000)
        .ok_or_else(|| format!("`{text}` is not a fraction: per cent as 0.3%, or millionths as 3000"))
}

/// L1 blocks of a year of 365 days.
const YEAR: u128 = 365 * 24 * 3600 / 12;

/// Interest for a block in 10^-18 of the principal: as such a number, or as simple interest of a year as `5%`.
///
/// # Errors
///
/// If it is none, or has more than 64 bits.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = match text.strip_suffix('%') {
        Some(percent) => scaled(percent, 16).map(|year| year / YEAR),
        None => scaled(text, 0),
    };
    rate.and_then(|rate| u64::try_from(rate).ok())
        .ok_or_else(|| format!("`{text}` is not a rate: per cent a year as 5%, or 10^-18 of the principal for a block"))
}

/// An amount, or all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AmountOrAll {
    All,
    Amount(u128),
}

impl FromStr for AmountOrAll {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            amount => parse_amount(amount).map(Self::Amount),
        }
    }
}

/// An amount less a fraction of it, rounded down.
pub(crate) fn less(amount: u128, millionths: u32) -> u128 {
    amount - part(amount, millionths)
}

/// An amount and a fraction of it more.
pub(crate) fn more(amount: u128, millionths: u32) -> u128 {
    amount.saturating_add(part(amount, millionths))
}

/// A fraction of an amount, rounded up.
fn part(amount: u128, millionths: u32) -> u128 {
    let (million, millionths) = (1_000_000, u128::from(millionths));
    let (whole, rest) = (amount / million, amount % million);
    whole * millionths + (rest * millionths).div_ceil(million)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_base_units_or_have_a_unit() {
        for (text, amount) in [
            ("0", 0),
            ("1_500", 1500),
            ("1.5ether", 1_500_000_000_000_000_000),
            (".5gwei", 500_000_000),
            ("7wei", 7),
            ("2ETH", 2_000_000_000_000_000_000),
            ("1.25e6", 1_250_000),
            ("340282366920938463463374607431768211455", u128::MAX),
        ] {
            assert_eq!(parse_amount(text), Ok(amount), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1.5",
            "1.5wei",
            "ether",
            "1e",
            "1e99",
            "0x10",
            "1,5",
            "340282366920938463463374607431768211456",
        ] {
            assert!(parse_amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn assets_are_names_addresses_or_ids() {
        let token = Address::repeat_byte(7);
        let issued = AssetId(B256::repeat_byte(0xf0));
        assert_eq!(parse_asset("eth"), Ok(AssetId::ETH));
        assert_eq!(parse_asset(&token.to_string()), Ok(AssetId::token(token)));
        assert_eq!(parse_asset(&issued.to_string()), Ok(issued));
        for text in ["", "TUSD", "0x00"] {
            assert!(parse_asset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fractions_are_per_cent_or_parts() {
        assert_eq!(parse_millionths("0.3%"), Ok(3000));
        assert_eq!(parse_millionths("100%"), Ok(1_000_000));
        assert_eq!(parse_millionths("3000"), Ok(3000));
        assert!(parse_millionths("101%").is_err() && parse_millionths("0.00001%").is_err());
        assert_eq!(parse_rate("5%"), Ok(50_000_000_000_000_000 / 2_628_000));
        assert_eq!(parse_rate("7"), Ok(7));
        assert_eq!((less(1001, 500_000), more(1001, 500_000)), (500, 1502));
        assert_eq!((less(u128::MAX, 1_000_000), more(u128::MAX, 1)), (0, u128::MAX));
    }

    #[test]
    fn quantities_have_one_amount_or_two() {
        let parsed: Quantity = "1..2gwei:ETH".parse().unwrap();
        assert_eq!((parsed.start, parsed.end), (1, 2_000_000_000));
        assert!(parsed.fixed().is_err());
        assert_eq!("5:ETH".parse::<Quantity>().unwrap().fixed(), Ok((AssetId::ETH, 5)));
        assert!("5".parse::<Quantity>().is_err());
    }
}
