//! Figures that are committed: a test compares what it measured with them.

use std::{collections::BTreeMap, path::PathBuf};

/// Deviation that is let pass, in units of 0.1 %: signatures and hashes have more or fewer zero bytes.
const TOLERANCE: u64 = 5;

/// Figures by their names.
#[derive(Default)]
pub(crate) struct Snapshot(BTreeMap<String, u64>);

impl Snapshot {
    pub(crate) fn put(&mut self, name: impl Into<String>, figure: u64) {
        self.0.insert(name.into(), figure);
    }

    /// Asserts that the figures are those of `snapshots/{file}.json`, or writes them if `NTHROOT_SNAPSHOTS` is set.
    pub(crate) fn check(&self, file: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../snapshots")
            .join(format!("{file}.json"));
        if std::env::var_os("NTHROOT_SNAPSHOTS").is_some() {
            // As forge writes them: numbers as strings.
            let figures: BTreeMap<&String, String> = self.0.iter().map(|(k, v)| (k, v.to_string())).collect();
            let json = serde_json::to_string_pretty(&figures).expect("strings");
            std::fs::write(&path, json + "\n").expect("it can be written");
            return;
        }
        let committed = std::fs::read(&path).expect("it is committed");
        let committed: BTreeMap<String, String> = serde_json::from_slice(&committed).expect("figures by name");
        let differs = |(name, figure): (&String, &u64)| {
            let before: u64 = committed.get(name).and_then(|figure| figure.parse().ok()).unwrap_or(0);
            (figure.abs_diff(before) * 1_000 > before * TOLERANCE).then(|| format!("{name}: {before}, now {figure}"))
        };
        let mut differences: Vec<String> = self.0.iter().filter_map(differs).collect();
        let gone = committed.keys().filter(|name| !self.0.contains_key(*name));
        differences.extend(gone.map(|name| format!("{name} is not measured")));
        assert!(
            differences.is_empty(),
            "snapshots/{file}.json says otherwise (NTHROOT_SNAPSHOTS=1 rewrites it):\n{}",
            differences.join("\n")
        );
    }
}
