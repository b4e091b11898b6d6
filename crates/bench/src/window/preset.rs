//! Recommended deployments: files with parameters, and what was assumed.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    ops::RangeInclusive,
    str::FromStr,
};

use alloy_primitives::{Address, U256};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use nthroot_node::{Parameters, config::Wei};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Assumptions;

/// The files in `deployments/presets`.
pub const FILES: [(&str, &str); 3] = [
    ("swift", include_str!("../../../../deployments/presets/swift.toml")),
    ("prudent", include_str!("../../../../deployments/presets/prudent.toml")),
    ("social", include_str!("../../../../deployments/presets/social.toml")),
];

/// Blocks. Below this a challenge that was included may be taken back after the window: L1 finalises within 96 slots, and somebody has
/// to react.
pub const LEAST_WINDOW: u64 = 97;

/// Slots in which L1 finalises a block, by its place in the epoch (calculator: [`Assumptions::finality`]).
const FINALITY: RangeInclusive<u64> = 64..=96;

/// Ethereum's own chain id: there no window is short for a trial.
const MAINNET: u64 = 1;

/// A deployment, recommended or one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Preset {
    /// The only chain that it is for. None: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Blocks during which a batch can be challenged.
    pub window: u64,
    /// For a unit of gas: up to that a bond pays for a proof.
    pub insured_gas_price: Wei,
    /// Least bond of a batch.
    pub min_lock: Wei,
    /// What it is for.
    pub assumes: Assumptions,
    /// The assets that it takes, each with the most that the bridge may hold of it. None: any token, without bound.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub caps: BTreeMap<Capped, Cap>,
}

/// What has a cap: `ETH`, or a token by its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capped(pub Address);

/// An amount in base units, as `1000000`, `5_000e6` (so many decimals), or of ether with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap(pub U256);

/// A file that is none, or whose figures no deployment can have.
#[derive(Debug, thiserror::Error)]
pub enum BadPreset {
    /// It does not say what a preset says.
    #[error("not a preset: {0}")]
    Unreadable(#[from] Box<figment::Error>),
    /// A price that does not fit.
    #[error("an insured gas price of {0} does not fit 64 bits")]
    Price(Wei),
    /// A cap that lets nothing in.
    #[error("the cap of {0} is zero: leave the asset out, and nothing of it can be deposited")]
    ZeroCap(Capped),
    /// More ether may be at stake than the window was computed for.
    #[error(
        "up to {cap} of ETH, and the window is computed for {value} at stake: whoever takes more than that can pay for a longer censorship. Take \
         a lower cap, or assume more"
    )]
    CapAboveValue {
        /// The cap of ether.
        cap: Wei,
        /// The value at stake that is assumed.
        value: Wei,
    },
    /// The window does not outlast L1's finality.
    #[error(
        "a window of {window} blocks ends before L1 finalises: a conviction could be taken back after it. At least {LEAST_WINDOW} are needed, \
         and the cushion that `nthroot window` computes; for a trial there is --allow-short-window"
    )]
    BelowFinality {
        /// What it has.
        window: u64,
    },
    /// The window is shorter than what the file assumes asks for.
    #[error(
        "a window of {window} blocks is less than the {needed} that follow from what the preset assumes (`nthroot window`): make it longer, or \
         assume less; for a trial there is --allow-short-window"
    )]
    ShortWindow {
        /// What it has.
        window: u64,
        /// What it takes.
        needed: u64,
    },
    /// The bond is worth less to a watcher than what it is assumed to bid.
    #[error(
        "a least lock of {lock} pays a watcher half of it, less than the budget that the preset assumes ({budget}): nobody is \
         repaid what such a bid costs. Take at least twice the budget"
    )]
    Budget {
        /// The least lock.
        lock: Wei,
        /// What a watcher is assumed to bid.
        budget: Wei,
    },
    /// L1 does not finalise so soon.
    #[error("`finality` is {0} slots, and L1 takes 64 to 96: assume 96")]
    Finality(u64),
    /// No window follows from what it assumes.
    #[error("no window follows from what the preset assumes: {0}")]
    Unanswerable(#[from] super::Unanswerable),
    /// A short window where money is.
    #[error(
        "a short window is for trials, and chain 1 is Ethereum itself: leave --allow-short-window out, and take a longer one"
    )]
    ShortOnMainnet,
}

impl Preset {
    /// Of a file's text.
    ///
    /// # Errors
    ///
    /// [`BadPreset::Unreadable`], with the key and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadPreset> {
        Figment::from(Toml::string(text))
            .extract()
            .map_err(|error| BadPreset::Unreadable(Box::new(error)))
    }

    /// The recommended presets, by name, shortest window first.
    ///
    /// # Errors
    ///
    /// Never: a test reads them all.
    pub fn all() -> Result<Vec<(&'static str, Self)>, BadPreset> {
        let parse = |(name, text)| Ok((name, Self::parse(text)?));
        FILES.into_iter().map(parse).collect()
    }

    /// What a bridge is deployed with.
    ///
    /// # Errors
    ///
    /// [`BadPreset::Price`] or [`BadPreset::ZeroCap`].
    pub fn parameters(&self) -> Result<Parameters, BadPreset> {
        let insured = self.insured_gas_price;
        if let Some((capped, _)) = self.caps.iter().find(|(_, cap)| cap.0.is_zero()) {
            return Err(BadPreset::ZeroCap(*capped));
        }
        Ok(Parameters {
            window: self.window,
            insured_gas_price: u64::try_from(insured.0).map_err(|_| BadPreset::Price(insured))?,
            min_lock: self.min_lock.0,
            caps: self.caps.iter().map(|(capped, cap)| (capped.0, cap.0)).collect(),
        })
    }

    /// Whether the figures are as safe as what is assumed asks for. A trial on a chain without money may have a shorter window.
    ///
    /// # Errors
    ///
    /// What is not, and what would be.
    pub fn check(&self, chain_id: u64, allow_short_window: bool) -> Result<(), BadPreset> {
        if allow_short_window && chain_id == MAINNET {
            return Err(BadPreset::ShortOnMainnet);
        }
        if !FINALITY.contains(&self.assumes.finality) {
            return Err(BadPreset::Finality(self.assumes.finality));
        }
        let found = super::answer(&self.assumes)?;
        let (lock, budget) = (self.min_lock, self.assumes.budget);
        if lock.0 / 2 < budget.0 {
            return Err(BadPreset::Budget { lock, budget });
        }
        let value = self.assumes.value;
        if let Some(cap) = self.caps.get(&Capped(Address::ZERO))
            && cap.0 > U256::from(value.0)
        {
            let cap = Wei(cap.0.saturating_to());
            return Err(BadPreset::CapAboveValue { cap, value });
        }
        let window = self.window;
        match window {
            _ if allow_short_window => Ok(()),
            0..LEAST_WINDOW => Err(BadPreset::BelowFinality { window }),
            _ if window < found.window => Err(BadPreset::ShortWindow {
                window,
                needed: found.window,
            }),
            _ => Ok(()),
        }
    }
}

impl FromStr for Capped {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ETH" => Ok(Self(Address::ZERO)),
            _ => match text.parse::<Address>() {
                Ok(token) if !token.is_zero() => Ok(Self(token)),
                _ => Err(format!("`{text}` has no cap: ETH has, and tokens by their addresses")),
            },
        }
    }
}

impl Display for Capped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            f.write_str("ETH")
        } else {
            self.0.fmt(f)
        }
    }
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(wei) = text.parse::<Wei>() {
            return Ok(Self(U256::from(wei.0)));
        }
        let amount = || {
            let clean = text.replace('_', "");
            let (number, decimals) = clean.split_once('e').unwrap_or((&clean, "0"));
            let number: U256 = Some(number).filter(|number| is_decimal(number))?.parse().ok()?;
            let decimals: u8 = Some(decimals).filter(|decimals| is_decimal(decimals))?.parse().ok()?;
            number.checked_mul(U256::from(10).checked_pow(U256::from(decimals))?)
        };
        let wrong = || format!("`{text}` is not an amount: base units as \"1000000\" or \"5_000e6\", or \"100 ether\"");
        amount().map(Self).ok_or_else(wrong)
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Display for Cap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As text, as people write it.
macro_rules! as_text {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }
    };
}

as_text!(Capped);
as_text!(Cap);

#[cfg(test)]
mod tests {
    use super::*;

    /// A preset with something changed, or the words with which it is refused.
    fn refused(change: impl Fn(&mut Preset)) -> Option<String> {
        let (_, mut preset) = Preset::all().unwrap().remove(0);
        change(&mut preset);
        let checked = preset.parameters().and_then(|_| preset.check(1, false));
        checked.err().map(|error| format!("{error:?}"))
    }

    #[test]
    fn the_recommended_presets_are_safe_as_they_say() {
        for (name, preset) in Preset::all().unwrap() {
            preset.check(1, false).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(preset.parameters().unwrap().check().is_ok(), "{name}");
        }
    }

    type Change = fn(&mut Preset);

    #[test]
    fn what_is_less_safe_than_it_says_is_refused() {
        let (_, swift) = Preset::all().unwrap().remove(0);
        let needed = super::super::answer(&swift.assumes).unwrap().window;
        assert_eq!(refused(|preset| preset.window = needed), None);
        let capped = |preset: &mut Preset, more: u128| {
            let cap = U256::from(preset.assumes.value.0 + more);
            preset.caps = [(Capped(Address::ZERO), Cap(cap))].into();
        };
        assert_eq!(refused(|preset| capped(preset, 0)), None);
        assert!(refused(|preset| capped(preset, 1)).is_some_and(|error| error.contains("CapAboveValue")));
        let cases: [(Change, &str); 7] = [
            (|preset| preset.window = 96, "BelowFinality { window: 96 }"),
            (|preset| preset.window = 97, "ShortWindow { window: 97"),
            (|preset| preset.assumes.finality = 8, "Finality(8)"),
            (|preset| preset.min_lock.0 = 2 * preset.assumes.budget.0 - 1, "Budget"),
            (|preset| preset.assumes.target = 0.0, "Unanswerable"),
            (|preset| preset.insured_gas_price.0 = 1 << 64, "Price"),
            (
                |preset| preset.caps = [(Capped(Address::ZERO), Cap(U256::ZERO))].into(),
                "ZeroCap",
            ),
        ];
        for (change, says) in cases {
            let refused = refused(change);
            assert!(
                refused.as_ref().is_some_and(|error| error.contains(says)),
                "{says}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_trial_may_have_a_short_window_but_not_on_ethereum() {
        let (_, mut preset) = Preset::all().unwrap().remove(0);
        preset.window = 20;
        assert!(preset.check(31_337, true).is_ok());
        assert!(matches!(
            preset.check(31_337, false),
            Err(BadPreset::BelowFinality { window: 20 })
        ));
        assert!(matches!(preset.check(1, true), Err(BadPreset::ShortOnMainnet)));
    }

    #[test]
    fn caps_are_written_as_people_write_amounts() {
        let (_, text) = FILES[0];
        let with = |caps: &str| Preset::parse(&format!("chain-id = 5\n{text}\n[caps]\n{caps}\n"));
        let token = Address::repeat_byte(7);
        let preset = with(&format!("ETH = \"1.5 ether\"\n\"{token}\" = \"5_000e6\"")).unwrap();
        assert_eq!(preset.chain_id, Some(5));
        let caps = preset.parameters().unwrap().caps;
        assert_eq!(caps[&Address::ZERO], U256::from(1_500_000_000_000_000_000_u64));
        assert_eq!(caps[&token], U256::from(5_000_000_000_u64));
        let again: Preset = serde_json::from_value(serde_json::to_value(&preset).unwrap()).unwrap();
        assert_eq!(again, preset);
        for wrong in [
            "ETH = 5",
            "ETH = \"\"",
            "ETH = \"e6\"",
            "ETH = \"1e99\"",
            "ETH = \"-1\"",
            "DAI = \"1\"",
            "\"0x0000000000000000000000000000000000000000\" = \"1\"",
        ] {
            assert!(matches!(with(wrong), Err(BadPreset::Unreadable(_))), "{wrong}");
        }
        assert!(matches!(
            Preset::parse(&format!("owner = 1\n{text}")),
            Err(BadPreset::Unreadable(_))
        ));
    }
}
