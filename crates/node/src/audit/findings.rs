//! What is not as it should be.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Money is in danger, or something is not what the specification says.
    Wrong,
    /// Nothing is lost by it, and somebody may want to know: anybody can send ether to a bridge.
    Notice,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about, in a word for programs.
    pub what: &'static str,
    /// What it is.
    pub detail: String,
}

/// Those of an audit.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn wrong(&mut self, what: &'static str, detail: String) {
        self.add(Level::Wrong, what, detail);
    }

    pub(super) fn notice(&mut self, what: &'static str, detail: String) {
        self.add(Level::Notice, what, detail);
    }

    fn add(&mut self, level: Level, what: &'static str, detail: String) {
        self.0.push(Finding { level, what, detail });
    }

    /// The worst first, else as they were found.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.level);
        self.0
    }
}
