//! Recommended deployments: files with parameters, and what was assumed.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use nthroot_node::{Parameters, config::Wei};
use serde::{Deserialize, Serialize};

use super::Assumptions;

/// The files in `deployments/presets`.
pub const FILES: [(&str, &str); 3] = [
    ("swift", include_str!("../../../../deployments/presets/swift.toml")),
    ("prudent", include_str!("../../../../deployments/presets/prudent.toml")),
    ("social", include_str!("../../../../deployments/presets/social.toml")),
];

/// A recommended deployment. Caps are left to the deployer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Preset {
    /// Blocks during which a batch can be challenged.
    pub window: u64,
    /// For a unit of gas: up to that a bond pays for a proof.
    pub insured_gas_price: Wei,
    /// Least bond of a batch.
    pub min_lock: Wei,
    /// What it is for.
    pub assumes: Assumptions,
}

/// A file that is none, or whose figures no deployment can have.
#[derive(Debug, thiserror::Error)]
pub enum BadPreset {
    /// It does not say what a preset says.
    #[error("not a preset: {0}")]
    Unreadable(#[from] Box<figment::Error>),
    /// A price that does not fit.
    #[error("an insured gas price of {0} does not fit 64 bits")]
    Price(Wei),
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

    /// What a bridge is deployed with, without caps.
    ///
    /// # Errors
    ///
    /// [`BadPreset::Price`].
    pub fn parameters(&self) -> Result<Parameters, BadPreset> {
        let insured = self.insured_gas_price;
        Ok(Parameters {
            window: self.window,
            insured_gas_price: u64::try_from(insured.0).map_err(|_| BadPreset::Price(insured))?,
            min_lock: self.min_lock.0,
            caps: std::collections::BTreeMap::new(),
        })
    }
}
