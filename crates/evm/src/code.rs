//! Code that is called for what it returns, as the kernel calls rules.

use alloy::primitives::{Address, Bytes};
use revm::{
    Context, MainBuilder, MainContext, MainnetEvm, SystemCallEvm,
    bytecode::Bytecode,
    context::{CfgEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    handler::MainnetContext,
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this.
    Returned {
        /// Return data.
        output: Bytes,
        /// Gas that it used, without what a transaction costs before it starts.
        gas: u64,
    },
    /// It reverted with this.
    Reverted(Bytes),
    /// It used up 30,000,000 gas, or did what no code may.
    Halted,
}

/// Code at an address, and nothing around it. Each call finds it as the first one did.
#[derive(Debug)]
pub struct Code {
    evm: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
    address: Address,
}

impl Code {
    /// This runtime code at an address, under the rules of a fork.
    pub fn new(spec: SpecId, address: Address, runtime: Bytes) -> Self {
        let mut state = CacheDB::new(EmptyDB::default());
        let code = Bytecode::new_raw(runtime);
        let info = AccountInfo {
            code_hash: code.hash_slow(),
            code: Some(code),
            ..AccountInfo::default()
        };
        state.insert_account_info(address, info);
        let context = Context::mainnet()
            .with_db(state)
            .with_cfg(CfgEnv::new().with_spec_and_mainnet_gas_params(spec));
        let evm = context.build_mainnet();
        Self { evm, address }
    }

    /// Calls it.
    pub fn call(&mut self, data: Bytes) -> Outcome {
        // A system call pays neither for being a transaction nor for its calldata.
        let outcome = self.evm.system_call(self.address, data).expect("a database in memory");
        let gas = outcome.result.tx_gas_used();
        match outcome.result {
            ExecutionResult::Success { output, .. } => Outcome::Returned {
                output: output.into_data(),
                gas,
            },
            ExecutionResult::Revert { output, .. } => Outcome::Reverted(output),
            ExecutionResult::Halt { .. } => Outcome::Halted,
        }
    }
}
