//! The preset that was chosen, and whether it fits the chain.

use eyre::{Result, WrapErr, bail};
use nthroot_bench::window::preset::Preset;
use nthroot_node::{L1, Parameters, deploy::Surroundings};

/// A preset, and what it is called.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) preset: Preset,
}

impl Chosen {
    /// One of the recommended ones, or that of a file.
    pub(super) fn read(name: &str) -> Result<Self> {
        let all = Preset::all()?;
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let preset = match all.iter().find(|(each, _)| *each == name) {
            Some((_, preset)) => preset.clone(),
            None => match std::fs::read_to_string(name) {
                Ok(text) => Preset::parse(&text).wrap_err_with(|| name.to_owned())?,
                Err(error) => bail!(
                    "no preset {name} ({error}): it is a file, or one of {}",
                    names.join(", ")
                ),
            },
        };
        Ok(Self {
            name: name.to_owned(),
            preset,
        })
    }

    pub(super) fn parameters(&self) -> Result<Parameters> {
        self.preset.parameters().wrap_err_with(|| self.name.clone())
    }

    /// Whether this chain is the one that is meant, and as the preset assumes.
    pub(super) async fn check(&self, l1: &L1, chain_id: Option<u64>, allow_short_window: bool) -> Result<()> {
        let slot = Some(self.preset.assumes.slot).filter(|_| !allow_short_window);
        for (chain_id, slot) in [(chain_id, None), (self.preset.chain_id, slot)] {
            Surroundings { chain_id, slot }.check(l1).await?;
        }
        self.preset
            .check(l1.chain_id(), allow_short_window)
            .wrap_err_with(|| self.name.clone())
    }
}
