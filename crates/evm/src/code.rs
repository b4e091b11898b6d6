//! Code that is called for what it returns, as the kernel calls rules.

use alloy::primitives::Bytes;
use revm::{
    bytecode::Bytecode,
    context_interface::DummyHost,
    interpreter::{
        CallInput, GasTable, InputsImpl, InstructionTable, Interpreter, InterpreterAction, SharedMemory,
        instructions::{gas_table_spec, instruction_table},
        interpreter::{EthInterpreter, ExtBytecode},
    },
    primitives::hardfork::SpecId,
};

use crate::coverage::{self, Recorder, Written};

const INSTRUCTIONS: &InstructionTable<EthInterpreter, DummyHost> = &instruction_table();

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this.
    Returned {
        /// Return data.
        output: Bytes,
        /// Gas that it used: with less it would have run out of it.
        gas: u64,
    },
    /// It reverted with this.
    Reverted(Bytes),
    /// It used up its gas, or did what no code may.
    Halted,
}

/// Code of a rule, under the rules of a fork. A registry takes no code that could ask for anything but its calldata (section 10): so
/// each call runs in a frame of its own with nothing around it, and any number of them at a time.
#[derive(Debug, Clone)]
pub struct Code {
    runtime: Bytecode,
    spec: SpecId,
    costs: GasTable,
    _coverage: Written,
}

impl Code {
    /// This runtime code.
    pub fn new(spec: SpecId, runtime: Bytes) -> Self {
        Self {
            // Finds the jump targets, once: clones share them.
            runtime: Bytecode::new_legacy(runtime),
            spec,
            costs: gas_table_spec(spec),
            _coverage: Written,
        }
    }

    /// Calls it with exactly this gas, as a static call does: its frame has no other, and nothing else is paid from it.
    pub fn call(&self, gas: u64, data: Bytes) -> Outcome {
        if coverage::is_on() {
            let (mut frame, mut recorder) = (self.frame(gas, data.clone()), Recorder::default());
            loop {
                recorder.see(&frame);
                let host = &mut DummyHost::new(self.spec);
                if frame.step(INSTRUCTIONS, &self.costs, host).is_err() {
                    break;
                }
            }
        }
        let host = &mut DummyHost::new(self.spec);
        match self.frame(gas, data).run_plain(INSTRUCTIONS, &self.costs, host) {
            InterpreterAction::Return(end) if end.result.is_ok() => Outcome::Returned {
                output: end.output,
                gas: end.gas.total_gas_spent(),
            },
            InterpreterAction::Return(end) if end.result.is_revert() => Outcome::Reverted(end.output),
            // A call of other code is none that a registry takes.
            InterpreterAction::Return(_) | InterpreterAction::NewFrame(_) => Outcome::Halted,
        }
    }
    fn frame(&self, gas: u64, data: Bytes) -> Interpreter<EthInterpreter> {
        let input = InputsImpl {
            input: CallInput::Bytes(data),
            ..InputsImpl::default()
        };
        let code = ExtBytecode::new(self.runtime.clone());
        Interpreter::new(SharedMemory::new(), code, input, true, self.spec, gas)
    }
}
