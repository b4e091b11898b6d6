//! What the histories reached, so that it shows if they say little.

use std::{collections::BTreeMap, fmt};

/// How often something happened, and how far histories went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    counts: BTreeMap<&'static str, u64>,
    /// For each measure how many histories have which greatest value.
    greatest: BTreeMap<&'static str, BTreeMap<usize, u64>>,
}

pub(crate) const FAULTS: &str = "unresolved faults at once";
pub(crate) const DEPTH: &str = "depth of a cone, in batches";
pub(crate) const WIDTH: &str = "width of a cone, in batches of one depth";
pub(crate) const CONE: &str = "batches in the cones of all faults";
pub(crate) const ENTRIES: &str = "entries of an unwound batch";
const BOTH: &str = "five faults at once and a cone of depth six in one history";

/// What must have happened.
const REACHED: [&str; 30] = [
    BOTH,
    "applied",
    "applied in part",
    "applied during a freeze",
    "refused: nothing applied",
    "refused: slot in use",
    "refused: bond too low",
    "slot used again",
    "convicted",
    "convicted and unwound at once",
    "convicted with children",
    "convicted when condemned",
    "convicted after a younger one",
    "convicted in the last block",
    "refused to convict",
    "two faults, one above the other",
    "two faults, overlapping",
    "two faults, apart",
    "more faults than fields",
    "condemned",
    "condemned past its window",
    "builds on two doomed batches",
    "refused to condemn",
    "unwound",
    "orphan's fee",
    "refused to unwind",
    "claimed",
    "refused to claim",
    "bond withdrawn",
    "resolved from any state",
];

/// How far some history must have gone.
const FAR: [(&str, usize); 5] = [(FAULTS, 5), (DEPTH, 6), (WIDTH, 5), (CONE, 12), (ENTRIES, 12)];

impl Coverage {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A value that a history reached.
    pub(crate) fn reach(&mut self, what: &'static str, value: usize) {
        let values = self.greatest.entry(what).or_default();
        let before = values.pop_first().map_or(0, |(before, _)| before);
        values.insert(before.max(value), 1);
    }

    /// Adds what another history reached.
    pub(crate) fn add(&mut self, other: Self) {
        let far = |what, value| {
            other
                .greatest
                .get(what)
                .is_some_and(|values| values.range(value..).count() > 0)
        };
        if far(FAULTS, 5) && far(DEPTH, 6) {
            self.count(BOTH);
        }
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        for (what, values) in other.greatest {
            let all = self.greatest.entry(what).or_default();
            for (value, count) in values {
                *all.entry(value).or_default() += count;
            }
        }
    }

    /// What ledgers that were written down and read again must have gone through.
    pub(crate) fn check_rows(&self) {
        let expected = [
            "read from rows",
            "convicted",
            "condemned",
            "unwound",
            "claimed",
            "applied during a freeze",
        ];
        let missing: Vec<_> = expected
            .iter()
            .filter(|what| !self.counts.contains_key(*what))
            .collect();
        assert!(missing.is_empty(), "never reached: {missing:?}");
    }

    pub(crate) fn check(&self) {
        let missing: Vec<_> = REACHED.iter().filter(|what| !self.counts.contains_key(*what)).collect();
        assert!(missing.is_empty(), "never reached: {missing:?}");
        for (what, far) in FAR {
            let greatest = self.greatest.get(what).and_then(|values| values.last_key_value());
            let greatest = greatest.map_or(0, |(value, _)| *value);
            assert!(greatest >= far, "{what}: {greatest} at most, expected {far}");
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "  {count:>9}  {what}")?;
        }
        for (what, values) in &self.greatest {
            let values: Vec<String> = values
                .iter()
                .map(|(value, count)| format!("{value}: {count}"))
                .collect();
            writeln!(f, "  {what}, greatest of a history: {}", values.join(", "))?;
        }
        Ok(())
    }
}
