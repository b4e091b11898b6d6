//! nthroot on a [`Chain`].

use std::path::Path;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolConstructor},
};
use nthroot_bindings::{Account, Bridge, FraudVerifier, RuleRegistry};

use crate::{Chain, Receipt, Rejected, SpecId};

/// Code that is deployed: the committed one, or what stands in its place in `NTHROOT_ARTIFACTS/<name>.hex`. So mutants of the
/// contracts meet the same tests; nothing but tests and measurements deploys by this.
///
/// # Panics
///
/// If the file is not hexadecimal.
pub fn deployable(name: &str, committed: &Bytes) -> Bytes {
    let file = std::env::var_os("NTHROOT_ARTIFACTS").map(|folder| Path::new(&folder).join(format!("{name}.hex")));
    let code = file.and_then(|file| std::fs::read_to_string(file).ok());
    code.map_or_else(|| committed.clone(), |code| code.trim().parse().expect("hexadecimal"))
}

/// A deployment's parameters.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// Blocks in which a batch can be challenged.
    pub window: u64,
    /// Wei per gas at which bonds pay for proofs.
    pub insured_gas_price: u64,
    /// Least bond of a batch, wei.
    pub min_lock: u64,
}

impl Default for Parameters {
    /// Small: a window of 20 blocks, 1 gwei, 0.0122 ETH.
    fn default() -> Self {
        Self {
            window: 20,
            insured_gas_price: 1_000_000_000,
            min_lock: 12_200_000_000_000_000,
        }
    }
}

/// A chain with all contracts on it.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The chain.
    pub chain: Chain,
    /// Who deployed them.
    pub deployer: Address,
    /// The registry.
    pub registry: Address,
    /// The enshrined rule.
    pub account: Address,
    /// The verifier.
    pub verifier: Address,
    /// The bridge.
    pub bridge: Address,
    /// Block of the bridge's creation.
    pub deployment_block: u64,
    /// Its parameters.
    pub parameters: Parameters,
}

impl Deployed {
    /// Deploys everything on a new chain under a fork's rules, and mines a block.
    ///
    /// # Errors
    ///
    /// If a deployment does not fit into a transaction.
    pub fn new(spec: SpecId, parameters: Parameters) -> Result<Self, Rejected> {
        let mut chain = Chain::new(spec);
        let deployer = Address::repeat_byte(0xde);
        let create = |chain: &mut Chain, code: &Bytes, arguments: Vec<u8>| {
            chain.create(deployer, [code.as_ref(), &arguments].concat().into())
        };
        let registry = create(
            &mut chain,
            &deployable("RuleRegistry", &RuleRegistry::BYTECODE),
            Vec::new(),
        )?;
        let receipt = chain.send(
            deployer,
            registry,
            U256::ZERO,
            RuleRegistry::registerCall {
                runtime: deployable("Account.runtime", &Account::DEPLOYED_BYTECODE),
            }
            .abi_encode()
            .into(),
        )?;
        let account = RuleRegistry::registerCall::abi_decode_returns(&receipt.output).unwrap_or_default();
        let verifier = create(
            &mut chain,
            &deployable("FraudVerifier", &FraudVerifier::BYTECODE),
            FraudVerifier::constructorCall { account }.abi_encode(),
        )?;
        let bridge = create(
            &mut chain,
            &deployable("Bridge", &Bridge::BYTECODE),
            Bridge::constructorCall {
                window: U256::from(parameters.window),
                insuredGasPrice: U256::from(parameters.insured_gas_price),
                minLock: U256::from(parameters.min_lock),
                verifier,
                registry,
                caps: Vec::new(),
            }
            .abi_encode(),
        )?;
        let deployment_block = chain.number();
        chain.mine(1);
        Ok(Self {
            chain,
            deployer,
            registry,
            account,
            verifier,
            bridge,
            deployment_block,
            parameters,
        })
    }

    /// A transaction to the bridge.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn send(&mut self, from: Address, call: &impl SolCall) -> Result<Receipt, Rejected> {
        self.send_value(from, U256::ZERO, call)
    }

    /// A transaction to the bridge, with ETH.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block.
    pub fn send_value(&mut self, from: Address, value: U256, call: &impl SolCall) -> Result<Receipt, Rejected> {
        self.chain.send(from, self.bridge, value, call.abi_encode().into())
    }

    /// Registers a rule, and mines a block so that a clock can follow it.
    ///
    /// # Errors
    ///
    /// If L1 would not take it into a block, or the registry does not take the rule.
    pub fn register(&mut self, runtime: Bytes) -> Result<Address, Rejected> {
        let data = RuleRegistry::registerCall { runtime }.abi_encode();
        let receipt = self.chain.send(self.deployer, self.registry, U256::ZERO, data.into())?;
        self.chain.mine(1);
        RuleRegistry::registerCall::abi_decode_returns(&receipt.output)
            .map_err(|_| Rejected(format!("the registry refused the rule with {}", receipt.output)))
    }
}
