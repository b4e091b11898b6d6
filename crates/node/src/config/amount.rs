//! Amounts of ether and assets as people write them.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use alloy::primitives::{
    Address,
    utils::{format_ether, parse_units},
};
use nthroot_protocol::AssetId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of ether, in wei. As text it has a unit: `0.5 ether`, `2 gwei`, `7 wei`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wei(pub u128);

impl FromStr for Wei {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not an amount of ether: it has a unit, as \"0.5 ether\", \"2 gwei\" or \"7 wei\"");
        let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit);
        let number = number.trim();
        let plain = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
        if !plain || !matches!(unit, "ether" | "gwei" | "wei") {
            return Err(wrong());
        }
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let allowed = match unit {
            "ether" => 18,
            "gwei" => 9,
            _ => 0,
        };
        if decimals > allowed {
            return Err(wrong());
        }
        let amount = parse_units(number, unit).map_err(|_| wrong())?;
        u128::try_from(amount.get_absolute()).map(Self).map_err(|_| wrong())
    }
}

impl Display for Wei {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ether = format_ether(self.0);
        let (whole, decimals) = ether.split_once('.').unwrap_or((&ether, ""));
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole} ether"),
            decimals => write!(f, "{whole}.{decimals} ether"),
        }
    }
}

impl Serialize for Wei {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An asset: `ETH`, a token's address, or an asset id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset(pub AssetId);

impl FromStr for Asset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ETH" {
            return Ok(Self(AssetId::ETH));
        }
        let token = text.parse::<Address>().ok().map(AssetId::token);
        token.or_else(|| text.parse().ok()).map(Self).ok_or_else(|| {
            format!("`{text}` is not an asset: \"ETH\", a token's address (20 bytes) or an asset id (32 bytes)")
        })
    }
}

impl Serialize for Asset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == AssetId::ETH {
            serializer.serialize_str("ETH")
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Asset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_unit() {
        for (text, wei) in [
            ("1 ether", 1_000_000_000_000_000_000),
            ("0.5ether", 500_000_000_000_000_000),
            ("2 gwei", 2_000_000_000),
            ("0.1 gwei", 100_000_000),
            ("7 wei", 7),
            ("0 ether", 0),
        ] {
            assert_eq!(text.parse(), Ok(Wei(wei)), "{text}");
        }
        for text in [
            "",
            "1",
            "ether",
            "-1 ether",
            "1 eth",
            "0.5 wei",
            "1.0000000001 gwei",
            "1e3 wei",
            "1. ether",
            ".5 ether",
            "1 ether ",
        ] {
            assert!(text.parse::<Wei>().is_err(), "{text}");
        }
        assert_eq!(Wei(1_500_000_000_000_000_000).to_string(), "1.5 ether");
        assert_eq!(Wei(0).to_string(), "0 ether");
    }
}
