//! A one-node L1.

use alloy::{
    primitives::{Address, B256, Bytes, Log, TxKind, U256},
    sol_types::{SolCall, SolError},
};
use revm::{
    Context, Database, ExecuteCommitEvm, ExecuteEvm, InspectCommitEvm, InspectEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    context_interface::block::BlobExcessGasAndPrice,
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
};

use crate::{
    coverage::{self, Recorder, Written},
    jumps::{Jump, Watch},
};

/// Accounts and storage.
type State = CacheDB<EmptyDB>;

/// Gas that a transaction may have on L1 (EIP-7825).
const TX_GAS_CAP: u64 = 1 << 24;
/// A block's gas on L1 in 2026.
const BLOCK_GAS: u64 = 60_000_000;

/// What L1 says of a transaction.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Whether it took effect.
    pub success: bool,
    /// What the sender pays for: intrinsic gas and calldata, execution less refunds, or the calldata floor.
    pub gas: u64,
    /// The same without the calldata floor.
    pub executed: u64,
    /// The calldata floor (EIP-7623).
    pub floor: u64,
    /// Return data, or revert data.
    pub output: Bytes,
    /// Events.
    pub logs: Vec<Log>,
    /// The contract that it created.
    pub created: Option<Address>,
}

impl Receipt {
    /// The error of type `E` with which it reverted, if it did.
    pub fn error<E: SolError>(&self) -> Option<E> {
        (!self.success).then(|| E::abi_decode(&self.output).ok()).flatten()
    }
}

/// L1 would not have taken the transaction into a block.
#[derive(Debug, thiserror::Error)]
#[error("L1 refuses the transaction: {0}")]
pub struct Rejected(pub(crate) String);

/// A chain whose blocks are mined by [`Chain::mine`]. Cloning it is a snapshot.
#[derive(Debug, Clone)]
pub struct Chain {
    state: State,
    spec: SpecId,
    number: u64,
    chain_id: u64,
    _coverage: Written,
}

impl Chain {
    /// A chain under the rules of a fork, at block 1.
    pub fn new(spec: SpecId) -> Self {
        Self {
            state: State::new(EmptyDB::default()),
            spec,
            number: 1,
            chain_id: 1,
            _coverage: Written,
        }
    }

    /// Chain id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The block that is being filled.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// From here on another fork's rules are in force.
    pub const fn fork(&mut self, spec: SpecId) {
        self.spec = spec;
    }

    /// Ends the block, and `blocks − 1` empty ones.
    pub fn mine(&mut self, blocks: u64) {
        self.number += blocks;
    }

    /// Hash of a block, as the BLOCKHASH opcode gives it for the last 256.
    pub fn block_hash(&mut self, number: u64) -> B256 {
        self.state
            .block_hash(number)
            .expect("a database in memory does not fail")
    }

    /// Gives an account ETH.
    pub fn fund(&mut self, account: Address, wei: U256) {
        let mut info = self.state.load_account(account).expect("in memory").info.clone();
        info.balance += wei;
        self.state.insert_account_info(account, info);
    }

    /// Puts code at an address.
    pub fn set_code(&mut self, account: Address, code: Bytes) {
        let mut info = self.state.load_account(account).expect("in memory").info.clone();
        let code = Bytecode::new_raw(code);
        info.code_hash = code.hash_slow();
        info.code = Some(code);
        self.state.insert_account_info(account, info);
    }

    /// Code of an account.
    pub fn code(&mut self, account: Address) -> Bytes {
        let hash = self.state.load_account(account).expect("in memory").info.code_hash;
        let code = self.state.cache.contracts.get(&hash);
        code.map(Bytecode::original_bytes).unwrap_or_default()
    }

    /// Balance of an account, wei.
    pub fn balance(&mut self, account: Address) -> U256 {
        self.state
            .basic(account)
            .expect("in memory")
            .map_or(U256::ZERO, |info| info.balance)
    }

    /// The accounts that transactions have touched: balance, code and storage of each.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, U256, Bytes, Vec<(U256, U256)>)> {
        let contracts = &self.state.cache.contracts;
        self.state.cache.accounts.iter().map(|(address, account)| {
            let code = contracts.get(&account.info.code_hash);
            let code = code.map(Bytecode::original_bytes).unwrap_or_default();
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
            (*address, account.info.balance, code, storage.collect())
        })
    }

    /// A transaction with the most gas that one can have.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn send(&mut self, from: Address, to: Address, value: U256, data: Bytes) -> Result<Receipt, Rejected> {
        self.transact(from, TxKind::Call(to), value, data, TX_GAS_CAP, true)
    }

    /// A transaction with a gas limit.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn send_with_gas(&mut self, from: Address, to: Address, data: Bytes, gas: u64) -> Result<Receipt, Rejected> {
        self.transact(from, TxKind::Call(to), U256::ZERO, data, gas, true)
    }

    /// A transaction with ETH and as much gas as it could need: under EIP-8037 gas for new state comes on top of the cap.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn send_with_most_gas(
        &mut self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
    ) -> Result<Receipt, Rejected> {
        self.transact(from, TxKind::Call(to), value, data, self.most_gas(), true)
    }

    /// A transaction whose effects are dropped.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn simulate(&mut self, from: Address, to: Address, data: Bytes) -> Result<Receipt, Rejected> {
        self.transact(from, TxKind::Call(to), U256::ZERO, data, TX_GAS_CAP, false)
    }

    /// The answer to a call that changes nothing. `None` if it reverts.
    pub fn view<C: SolCall>(&mut self, to: Address, call: &C) -> Option<C::Return> {
        let receipt = self.simulate(Address::ZERO, to, call.abi_encode().into()).ok()?;
        receipt
            .success
            .then(|| C::abi_decode_returns(&receipt.output).ok())
            .flatten()
    }

    /// Creates a contract.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block, or its constructor fails.
    pub fn create(&mut self, from: Address, initcode: Bytes) -> Result<Address, Rejected> {
        let receipt = self.created(from, initcode)?;
        match receipt.created {
            Some(created) if receipt.success => Ok(created),
            _ => Err(Rejected(format!("the constructor failed: {}", receipt.output))),
        }
    }

    /// What L1 says of a transaction that creates a contract.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn created(&mut self, from: Address, initcode: Bytes) -> Result<Receipt, Rejected> {
        self.transact(from, TxKind::Create, U256::ZERO, initcode, self.most_gas(), true)
    }

    /// Under EIP-8037 gas for new state comes on top of the cap; before it a limit above the cap is refused.
    const fn most_gas(&self) -> u64 {
        if self.spec.is_enabled_in(SpecId::AMSTERDAM) {
            BLOCK_GAS
        } else {
            TX_GAS_CAP
        }
    }

    /// As [`Self::simulate`], and tells each jump on the way.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn watch(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        seen: &mut dyn FnMut(Jump),
    ) -> Result<Receipt, Rejected> {
        let (tx, config, block) = self.environment(from, TxKind::Call(to), U256::ZERO, data, TX_GAS_CAP)?;
        let context = Context::mainnet()
            .with_db(&mut self.state)
            .with_cfg(config)
            .with_block(block);
        let mut evm = context.build_mainnet_with_inspector(Watch::new(seen));
        match evm.inspect_tx(tx) {
            Ok(outcome) => Ok(receipt(outcome.result)),
            Err(error) => Err(Rejected(format!("{error:?}"))),
        }
    }

    fn transact(
        &mut self,
        from: Address,
        kind: TxKind,
        value: U256,
        data: Bytes,
        gas_limit: u64,
        commit: bool,
    ) -> Result<Receipt, Rejected> {
        let (tx, config, block) = self.environment(from, kind, value, data, gas_limit)?;
        let context = Context::mainnet()
            .with_db(&mut self.state)
            .with_cfg(config)
            .with_block(block);
        if coverage::is_on() {
            let mut evm = context.build_mainnet_with_inspector(Recorder::default());
            let result = if commit {
                evm.inspect_tx_commit(tx)
            } else {
                evm.inspect_tx(tx).map(|outcome| outcome.result)
            };
            return result.map(receipt).map_err(|error| Rejected(format!("{error:?}")));
        }
        let mut evm = context.build_mainnet();
        let result = if commit {
            evm.transact_commit(tx)
        } else {
            evm.transact(tx).map(|outcome| outcome.result)
        };
        result.map(receipt).map_err(|error| Rejected(format!("{error:?}")))
    }

    /// The sender's next transaction in the block that is being filled.
    fn environment(
        &mut self,
        from: Address,
        kind: TxKind,
        value: U256,
        data: Bytes,
        gas_limit: u64,
    ) -> Result<(TxEnv, CfgEnv, BlockEnv), Rejected> {
        let nonce = self.state.basic(from).expect("in memory").map_or(0, |info| info.nonce);
        let tx = TxEnv::builder()
            .caller(from)
            .kind(kind)
            .value(value)
            .data(data)
            .gas_limit(gas_limit)
            .gas_price(0)
            .nonce(nonce)
            .chain_id(Some(self.chain_id))
            .build()
            .map_err(|error| Rejected(format!("{error:?}")))?;
        let mut config = CfgEnv::new().with_spec_and_mainnet_gas_params(self.spec);
        config.chain_id = self.chain_id;
        let block = BlockEnv {
            number: U256::from(self.number),
            timestamp: U256::from(1_750_000_000 + 12 * self.number),
            gas_limit: BLOCK_GAS,
            prevrandao: Some(B256::ZERO),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, 1)),
            ..BlockEnv::default()
        };
        Ok((tx, config, block))
    }
}

/// What is kept of a result.
fn receipt(result: ExecutionResult) -> Receipt {
    let gas = result.gas();
    let failed = Receipt {
        success: false,
        gas: gas.tx_gas_used(),
        executed: gas.spent_sub_refunded(),
        floor: gas.floor_gas(),
        output: Bytes::new(),
        logs: Vec::new(),
        created: None,
    };
    match result {
        ExecutionResult::Success { logs, output, .. } => Receipt {
            success: true,
            created: output.address().copied(),
            output: output.into_data(),
            logs,
            ..failed
        },
        ExecutionResult::Revert { output, .. } => Receipt { output, ..failed },
        // Out of gas and the like: no data, and all gas is gone.
        ExecutionResult::Halt { .. } => failed,
    }
}
