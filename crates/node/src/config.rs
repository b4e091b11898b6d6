//! The configuration of a node: one TOML file, and the environment over it.

mod amount;
mod key;
mod policies;
mod sections;

use std::path::{Path, PathBuf};

use crate::{
    deploy::{Deployment, Manifest},
    proposer::{MOST_CALLDATA, MOST_GAS},
    rules,
};

pub use amount::{Asset, Wei};
use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Toml},
};
pub use key::{Endpoint, KeyFiles};
pub use sections::*;

/// A file with every key, what it means, and its default.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// What the names of environment variables begin with: `NTHROOT_NODE__API__LISTEN` is `api.listen`.
pub const ENV_PREFIX: &str = "NTHROOT_NODE__";

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {key}{what}")]
pub struct ConfigError {
    /// The file or environment variable.
    pub source_name: String,
    /// The key, with a colon; empty if it is the file that is wrong.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl Config {
    /// Reads a file, with the environment over it and defaults under it. Without a file there are the other two.
    ///
    /// # Errors
    ///
    /// Which key of what is wrong, and what is allowed.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULT));
        if let Some(path) = file {
            if let Err(error) = std::fs::metadata(path) {
                return Err(ConfigError {
                    source_name: path.display().to_string(),
                    key: String::new(),
                    what: format!("{error}; `nthroot node config` prints a file to begin with"),
                });
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment.merge(Env::prefixed(ENV_PREFIX).split("__"));
        let mut config: Self = figment.extract().map_err(|error| describe(&figment, error))?;
        config.check().map_err(|(key, what)| wrong(&figment, &key, what))?;
        if let Some(folder) = file.and_then(Path::parent) {
            config.resolve(folder);
        }
        Ok(config)
    }

    /// The file of the store.
    pub fn store(&self) -> PathBuf {
        self.data.join("node.redb")
    }

    /// The deployment that the manifest names.
    ///
    /// # Errors
    ///
    /// If the manifest cannot be read, or its rules are not those of this version.
    pub fn manifest(&self) -> Result<Deployment, ConfigError> {
        let wrong = |what: String| ConfigError {
            source_name: self.deployment.display().to_string(),
            key: String::new(),
            what,
        };
        let text = std::fs::read_to_string(&self.deployment)
            .map_err(|error| wrong(format!("{error}; the key `deployment` names the manifest")))?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| wrong(format!("not the manifest of a deployment: {error}")))?;
        if manifest.rules != rules::book(&manifest.deployment) {
            return Err(wrong("its rules are not those of this version".to_owned()));
        }
        Ok(manifest.deployment)
    }

    fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.data, &mut self.deployment] {
            *path = folder.join(&path);
        }
        self.watcher.key.resolve(folder);
        self.proposer.key.resolve(folder);
    }

    /// What types do not say.
    fn check(&self) -> Result<(), (String, String)> {
        let Self {
            l1,
            watcher,
            proposer,
            api,
            ops,
            ..
        } = self;
        let within = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err((key.to_owned(), format!("{value} is not between {least} and {most}")))
            }
        };
        let refuse = |key: &str, what: &str| Err((key.to_owned(), what.to_owned()));

        if l1.urls.is_empty() {
            return refuse("l1.urls", "at least one is needed");
        }
        within("l1.poll_ms", l1.poll_ms, 1, 60_000)?;
        within("l1.timeout_ms", l1.timeout_ms, 10, 300_000)?;
        for (name, enabled, key, fees) in [
            ("watcher", watcher.enabled, &watcher.key, watcher.fees.policy()),
            ("proposer", proposer.enabled, &proposer.key, proposer.fees.policy()),
        ] {
            within(&format!("{name}.fees.patience"), fees.patience, 1, 100)?;
            // L1 nodes refuse to replace a transaction for less.
            within(&format!("{name}.fees.raise_percent"), fees.raise_percent, 10, 1_000)?;
            let (keystore, password, file) = (key.keystore.is_some(), key.password_file.is_some(), key.file.is_some());
            let key = |part: &str| format!("{name}.key.{part}");
            if file && (keystore || password) {
                return refuse(&key("file"), "with a keystore there can be no file");
            }
            if keystore != password {
                let there = if keystore { "keystore" } else { "password_file" };
                return refuse(&key(there), "a keystore and a password_file go together");
            }
            if enabled && !file && !keystore {
                let what =
                    format!("it needs a key: {name}.key.keystore and {name}.key.password_file, or {name}.key.file");
                return refuse(&format!("{name}.enabled"), &what);
            }
        }
        if watcher.enabled && proposer.enabled && watcher.key == proposer.key {
            let there = if watcher.key.file.is_some() { "file" } else { "keystore" };
            let what = "it is that of the proposer: a challenge must not queue behind a batch";
            return refuse(&format!("watcher.key.{there}"), what);
        }
        within("proposer.capacity", size(proposer.capacity), 1, 1_000_000)?;
        within(
            "proposer.capacity_bytes",
            size(proposer.capacity_bytes),
            1 << 20,
            4 << 30,
        )?;
        within("proposer.per_fragment", size(proposer.per_fragment), 1, 1_000)?;
        within("proposer.bundle_limit", size(proposer.bundle_limit), 1, 255)?;
        within(
            "proposer.batch_bytes",
            size(proposer.batch_bytes),
            1_000,
            size(MOST_CALLDATA),
        )?;
        within("proposer.batch_gas", proposer.batch_gas, 1_000_000, MOST_GAS)?;
        if proposer.fee.amount > 0 && proposer.fee.tills.is_empty() {
            return refuse(
                "proposer.fee.amount",
                "it needs proposer.fee.tills, the fragments that it is paid to",
            );
        }
        if proposer.bond.top_up_below > proposer.bond.top_up_to {
            return refuse("proposer.bond.top_up_below", "it is more than proposer.bond.top_up_to");
        }
        if proposer.sweep.asset.0.as_token().is_none() {
            return refuse("proposer.sweep.asset", "only \"ETH\" and tokens can be withdrawn");
        }
        within("api.requests_per_second", api.requests_per_second.into(), 1, 1_000_000)?;
        within("api.burst", api.burst.into(), 1, 1_000_000)?;
        within("api.max_connections", api.max_connections.into(), 1, 100_000)?;
        within(
            "api.max_connections_of_client",
            api.max_connections_of_client.into(),
            1,
            100_000,
        )?;
        within("api.max_batch", api.max_batch.into(), 1, 1_000)?;
        within("api.max_page", api.max_page.into(), 1, 1_000)?;
        within("api.max_request_bytes", api.max_request_bytes.into(), 1_024, 16 << 20)?;
        within(
            "api.max_response_bytes",
            api.max_response_bytes.into(),
            1_024,
            256 << 20,
        )?;
        within("api.max_subscriptions", api.max_subscriptions.into(), 0, 10_000)?;
        for (section, enabled, listen, public) in [
            ("api", api.enabled, api.listen, api.public),
            ("ops", ops.enabled, ops.listen, ops.public),
        ] {
            if enabled && !public && !listen.ip().is_loopback() {
                let what =
                    format!("other machines can reach it: say {section}.public if that is meant, or take 127.0.0.1");
                return refuse(&format!("{section}.listen"), &what);
            }
        }
        if api.enabled && ops.enabled && api.listen == ops.listen && api.listen.port() != 0 {
            return refuse(
                "ops.listen",
                "it is api.listen: health and metrics are not for the public",
            );
        }
        Ok(())
    }
}

fn size(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// An error with the place where its key was set.
fn wrong(figment: &Figment, key: &str, what: String) -> ConfigError {
    ConfigError {
        source_name: source_of(figment, key),
        key: format!("{key}: "),
        what,
    }
}

fn source_of(figment: &Figment, key: &str) -> String {
    // The place of an element is that of its list.
    let places = std::iter::successors(Some(key), |key| Some(key.rsplit_once('.')?.0));
    let Some(metadata) = places.into_iter().find_map(|key| figment.find_metadata(key)) else {
        return "configuration".to_owned();
    };
    let file = metadata.source.as_ref().and_then(|source| source.file_path());
    match file {
        Some(path) => path.display().to_string(),
        None if metadata.name.contains("environment") => {
            format!(
                "environment variable {ENV_PREFIX}{}",
                key.to_uppercase().replace('.', "__")
            )
        }
        None => "defaults".to_owned(),
    }
}

/// What figment found, in words.
fn describe(figment: &Figment, error: figment::Error) -> ConfigError {
    // The last is the most important.
    let error = error
        .into_iter()
        .next()
        .unwrap_or_else(|| Kind::Message("unreadable".to_owned()).into());

    let what = match &error.kind {
        Kind::UnknownField(_, allowed) => format!("there is no such key; there {}", list(allowed)),
        Kind::UnknownVariant(found, allowed) => format!("`{found}` is not possible; there {}", list(allowed)),
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            format!("found {found}, expected {expected}")
        }
        kind => kind.to_string(),
    };
    let key = error.path.join(".");
    if key.is_empty() {
        let path = error
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.source.as_ref()?.file_path());
        return ConfigError {
            source_name: path.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string()),
            key,
            what,
        };
    }
    wrong(figment, &key, what)
}

fn list(allowed: &[&str]) -> String {
    match allowed {
        [one] => format!("is only `{one}`"),
        _ => format!("are `{}`", allowed.join("`, `")),
    }
}
