//! Coverage as `lcov` writes it down.

use std::collections::{BTreeMap, BTreeSet};

/// Of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    /// Those that could run.
    pub(super) all: BTreeSet<u32>,
    /// Those that ran.
    pub(super) hit: BTreeSet<u32>,
}

/// Reads `SF:file`, `DA:line,count`, `end_of_record`, and leaves out the rest.
pub(super) fn read(text: &str) -> BTreeMap<String, Lines> {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    let mut file = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("SF:") {
            file = Some(files.entry(name.to_owned()).or_default());
        } else if let Some(record) = line.strip_prefix("DA:")
            && let Some(file) = &mut file
        {
            let mut fields = record.split(',');
            let mut field = || fields.next()?.parse::<u32>().ok();
            if let Some(number) = field() {
                file.all.insert(number);
                if field() != Some(0) {
                    file.hit.insert(number);
                }
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_could_run_and_those_that_did() {
        let text = "TN:\nSF:a.rs\nDA:3,0\nDA:4,12\nBRDA:4,0,0,1\nend_of_record\nSF:b.rs\nDA:1,1\nend_of_record\n";
        let files = read(text);
        let a = Lines {
            all: [3, 4].into(),
            hit: [4].into(),
        };
        assert_eq!(files["a.rs"], a);
        assert_eq!(files["b.rs"].hit.len(), 1);
    }
}
