//! What is not as it should be.

use std::collections::BTreeSet;

use alloy::primitives::Address;
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
pub(super) struct Findings {
    found: Vec<Finding>,
    /// The tokens that decide; none: all do.
    deciding: Option<BTreeSet<Address>>,
}

impl Findings {
    pub(super) fn wrong(&mut self, what: &'static str, detail: String) {
        self.add(Level::Wrong, what, detail);
    }

    /// From now on these tokens decide, and ether, which is zero.
    pub(super) fn decide_by(&mut self, tokens: BTreeSet<Address>) {
        self.deciding = Some(tokens);
    }

    /// What is wrong with a token, if that decides; else whoever holds it may want to know.
    pub(super) fn wrong_in(&mut self, token: Address, what: &'static str, detail: String) {
        let decides = |tokens: &BTreeSet<Address>| token.is_zero() || tokens.contains(&token);
        if self.deciding.as_ref().is_none_or(decides) {
            self.wrong(what, detail);
        } else {
            self.notice(what, format!("{detail}. It was not asked to decide"));
        }
    }

    pub(super) fn notice(&mut self, what: &'static str, detail: String) {
        self.add(Level::Notice, what, detail);
    }

    fn add(&mut self, level: Level, what: &'static str, detail: String) {
        self.found.push(Finding { level, what, detail });
    }

    /// The worst first, else as they were found.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| finding.level);
        self.found
    }
}
