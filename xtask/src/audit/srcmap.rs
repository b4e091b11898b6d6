//! From program counters to lines: what the compiler says of each instruction, for the code that is deployed.

use std::collections::{BTreeMap, BTreeSet};

use eyre::{OptionExt, Result, ensure};
use serde_json::Value;

/// A piece of source: file, first character, length.
pub(super) type Range = (String, usize, usize);

/// Of compiled runtime code, what stands for what.
pub(super) struct Compiled {
    pub(super) name: String,
    code: Vec<u8>,
    /// What is filled in when it is deployed: first byte, length.
    immutables: Vec<(usize, usize)>,
    /// Of each instruction, by program counter, its source. None for what the compiler made up.
    pub(super) sources: BTreeMap<usize, Option<Range>>,
}

/// What ran of a code.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) executed: BTreeSet<usize>,
    /// Conditional jumps that were taken, and those that were not.
    pub(super) taken: BTreeSet<usize>,
    pub(super) passed: BTreeSet<usize>,
}

impl Seen {
    pub(super) fn merge(&mut self, other: Self) {
        self.executed.extend(other.executed);
        self.taken.extend(other.taken);
        self.passed.extend(other.passed);
    }
}

const PUSH1: u8 = 0x60;
const PUSH32: u8 = 0x7f;
pub(super) const JUMPI: u8 = 0x57;

impl Compiled {
    /// Of an artifact of forge, with the files by the numbers that the compiler gave them.
    pub(super) fn of(name: &str, artifact: &Value, files: &BTreeMap<i64, String>) -> Result<Self> {
        let runtime = &artifact["deployedBytecode"];
        let text = |field: &str| runtime[field].as_str().ok_or_eyre("an artifact without runtime code");
        let code = bytes(text("object")?.trim_start_matches("0x"))?;
        let references = runtime["immutableReferences"].as_object().into_iter().flatten();
        let places = references.flat_map(|(_, places)| places.as_array().cloned().unwrap_or_default());
        let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        let immutables = places.filter_map(|place| Some((number(&place["start"])?, number(&place["length"])?)));
        let instructions = instructions(&code);
        let sources = instructions.into_iter().zip(entries(text("sourceMap")?)?);
        let sources = sources.map(|(at, (first, length, file))| {
            let range = (usize::try_from(first).ok(), usize::try_from(length).ok());
            match (files.get(&file), range) {
                (Some(file), (Some(first), Some(length))) => (at, Some((file.clone(), first, length))),
                _ => (at, None),
            }
        });
        Ok(Self {
            name: name.to_owned(),
            sources: sources.collect(),
            immutables: immutables.collect(),
            code,
        })
    }

    /// Whether deployed code is this.
    pub(super) fn is(&self, deployed: &[u8]) -> bool {
        let open = |at: usize| {
            let mut ranges = self.immutables.iter();
            ranges.any(|(first, length)| (*first..first + length).contains(&at))
        };
        let mut pairs = self.code.iter().zip(deployed).enumerate();
        self.code.len() == deployed.len() && pairs.all(|(at, (ours, theirs))| ours == theirs || open(at))
    }

    pub(super) fn opcode(&self, at: usize) -> u8 {
        self.code.get(at).copied().unwrap_or_default()
    }
}

/// Program counters of the instructions, without the operands of pushes.
fn instructions(code: &[u8]) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(opcode) = code.get(at) {
        found.push(at);
        at += match opcode {
            PUSH1..=PUSH32 => usize::from(opcode - PUSH1) + 2,
            _ => 1,
        };
    }
    found
}

/// The entries `s:l:f:j:m` of a source map, in which what is left out is as before. −1 stands for none.
fn entries(map: &str) -> Result<Vec<(i64, i64, i64)>> {
    let mut last = (0, 0, -1);
    let mut found = Vec::new();
    for entry in map.split(';') {
        let fields: Vec<&str> = entry.split(':').collect();
        let field = |place: usize| fields.get(place).filter(|field| !field.is_empty());
        if let Some(first) = field(0) {
            last.0 = first.parse()?;
        }
        if let Some(length) = field(1) {
            last.1 = length.parse()?;
        }
        if let Some(file) = field(2) {
            last.2 = file.parse()?;
        }
        found.push(last);
    }
    Ok(found)
}

/// Reads what `crates/evm` recorded: code, then executed, taken and passed program counters, a line each.
pub(super) fn recorded(text: &str) -> Result<Vec<(Vec<u8>, Seen)>> {
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len().is_multiple_of(4), "a record of coverage is cut off");
    let counters = |line: &str| {
        let numbers = line.split_whitespace().map(str::parse::<usize>);
        numbers.collect::<Result<BTreeSet<_>, _>>()
    };
    let of = |record: &[&str]| {
        let seen = Seen {
            executed: counters(record[1])?,
            taken: counters(record[2])?,
            passed: counters(record[3])?,
        };
        Ok((bytes(record[0])?, seen))
    };
    lines.chunks(4).map(of).collect()
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    ensure!(
        hex.is_ascii() && hex.len().is_multiple_of(2),
        "not bytes in hexadecimal"
    );
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
    Ok((0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instruction_has_the_source_that_its_entry_says_or_repeats() {
        // PUSH2 0x0102 · JUMPI · STOP · STOP
        let artifact = json!({"deployedBytecode": {
            "object": "0x610102570000",
            "sourceMap": "5:7:1:-:0;;9:2;-1:-1:-1",
            "immutableReferences": {"8": [{"start": 1, "length": 2}]},
        }});
        let files = BTreeMap::from([(1, "a.sol".to_owned())]);
        let compiled = Compiled::of("A", &artifact, &files).unwrap();
        let range = |first, length| Some(("a.sol".to_owned(), first, length));
        let expected = BTreeMap::from([(0, range(5, 7)), (3, range(5, 7)), (4, range(9, 2)), (5, None)]);
        assert_eq!(compiled.sources, expected);
        assert_eq!(compiled.opcode(3), JUMPI);
        assert!(compiled.is(&[0x61, 9, 9, 0x57, 0, 0]), "immutables are filled in");
        assert!(!compiled.is(&[0x61, 1, 2, 0x56, 0, 0]));
    }

    #[test]
    fn what_was_recorded_is_read() {
        let record = recorded("6000\n0 2\n2\n\n").unwrap();
        let seen = Seen {
            executed: [0, 2].into(),
            taken: [2].into(),
            passed: BTreeSet::new(),
        };
        assert_eq!(record, [(vec![0x60, 0], seen)]);
        assert!(recorded("6000\n0").is_err());
        assert!(recorded("6\n\n\n\n").is_err());
    }
}
