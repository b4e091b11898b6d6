//! Which way a contract goes: what tells a fuzzer that an input reached something new.

use alloy::primitives::Address;
use revm::{
    bytecode::opcode::{JUMP, JUMPI},
    inspector::Inspector,
    interpreter::{
        Interpreter,
        interpreter::EthInterpreter,
        interpreter_types::{InputsTr, Jumps},
    },
};

use crate::coverage::{self, Recorder};

/// A jump that was taken, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Whose frame.
    pub contract: Address,
    /// Program counter of the instruction.
    pub from: usize,
    /// Where it goes on.
    pub to: usize,
}

/// Tells each jump of a transaction, and records what ran if that is asked for.
pub(crate) struct Watch<'a> {
    tell: &'a mut dyn FnMut(Jump),
    coverage: Option<Recorder>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(tell: &'a mut dyn FnMut(Jump)) -> Self {
        Self {
            tell,
            coverage: coverage::is_on().then(Recorder::default),
        }
    }
}

impl<C> Inspector<C, EthInterpreter> for Watch<'_> {
    fn step(&mut self, frame: &mut Interpreter<EthInterpreter>, _: &mut C) {
        if let Some(coverage) = &mut self.coverage {
            coverage.see(frame);
        }
        let from = frame.bytecode.pc();
        let operand = |place: usize| frame.stack.data().iter().rev().nth(place).copied().unwrap_or_default();
        let taken = match frame.bytecode.opcode() {
            JUMP => true,
            JUMPI => !operand(1).is_zero(),
            _ => return,
        };
        (self.tell)(Jump {
            contract: frame.input.target_address(),
            from,
            // A target beyond the code halts.
            to: if taken {
                operand(0).try_into().unwrap_or(usize::MAX)
            } else {
                from + 1
            },
        });
    }
}
