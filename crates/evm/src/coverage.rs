//! Which instructions of which code ran, if `NTHROOT_COVERAGE` names a folder: each process writes what it saw into a file of its own
//! there, `cargo xtask audit --only coverage` maps that to lines. The code is the one that is deployed, as the optimizer left it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
    process,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use alloy::{hex, primitives::Bytes};
use revm::{
    bytecode::opcode::JUMPI,
    inspector::Inspector,
    interpreter::{
        Interpreter,
        interpreter::EthInterpreter,
        interpreter_types::{Jumps, LegacyBytecode},
    },
};

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os("NTHROOT_COVERAGE").map(PathBuf::from));

static SEEN: Mutex<Seen> = Mutex::new(Seen {
    codes: BTreeMap::new(),
    changed: false,
});

struct Seen {
    codes: BTreeMap<Bytes, Code>,
    /// Since the file was written.
    changed: bool,
}

/// Program counters.
#[derive(Default)]
struct Code {
    executed: BTreeSet<usize>,
    /// Of conditional jumps that were taken, and of those that were not.
    taken: BTreeSet<usize>,
    passed: BTreeSet<usize>,
}

/// Whether anybody wants to know.
pub(crate) fn is_on() -> bool {
    FOLDER.is_some()
}

fn seen() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees a transaction.
#[derive(Default)]
pub(crate) struct Recorder(BTreeMap<(usize, usize), (Bytes, Code)>);

impl Recorder {
    /// One instruction, before it is executed.
    pub(crate) fn see(&mut self, frame: &Interpreter<EthInterpreter>) {
        let code = frame.bytecode.bytecode_slice();
        // The same bytes at the same place, for as long as the transaction takes.
        let place = (code.as_ptr().addr(), code.len());
        let (_, code) = self
            .0
            .entry(place)
            .or_insert_with(|| (Bytes::copy_from_slice(code), Code::default()));
        let at = frame.bytecode.pc();
        code.executed.insert(at);
        if frame.bytecode.opcode() == JUMPI {
            let condition = frame.stack.data().iter().rev().nth(1);
            let ways = match condition {
                Some(condition) if condition.is_zero() => &mut code.passed,
                _ => &mut code.taken,
            };
            ways.insert(at);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut seen = seen();
        for (bytes, code) in std::mem::take(&mut self.0).into_values() {
            let known = seen.codes.entry(bytes).or_default();
            let before = known.executed.len() + known.taken.len() + known.passed.len();
            known.executed.extend(code.executed);
            known.taken.extend(code.taken);
            known.passed.extend(code.passed);
            let more = known.executed.len() + known.taken.len() + known.passed.len() > before;
            seen.changed |= more;
        }
    }
}

impl<C> Inspector<C, EthInterpreter> for Recorder {
    fn step(&mut self, frame: &mut Interpreter<EthInterpreter>, _: &mut C) {
        self.see(frame);
    }
}

/// Writes what was seen when it goes: a part of everything that executes.
#[derive(Debug, Clone)]
pub(crate) struct Written;

impl Drop for Written {
    fn drop(&mut self) {
        let Some(folder) = FOLDER.as_ref() else { return };
        let mut seen = seen();
        if !std::mem::take(&mut seen.changed) {
            return;
        }
        let list = |counters: &BTreeSet<usize>| {
            let words: Vec<String> = counters.iter().map(usize::to_string).collect();
            words.join(" ")
        };
        let lines = seen.codes.iter().map(|(bytes, code)| {
            let Code {
                executed,
                taken,
                passed,
            } = code;
            format!(
                "{}\n{}\n{}\n{}\n",
                hex::encode(bytes),
                list(executed),
                list(taken),
                list(passed)
            )
        });
        let file = folder.join(process::id().to_string());
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, lines.collect::<String>()));
        // Coverage that is lost would pass for code that no test reaches.
        assert!(
            written.is_ok() || std::thread::panicking(),
            "{}: {written:?}",
            file.display()
        );
    }
}
