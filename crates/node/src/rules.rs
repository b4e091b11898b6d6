//! The rules that come with the bridge (section 11): where they are, and their twins.

use alloy::primitives::{Address, B256, Bytes, hex};
use alloy::sol_types::SolCall;
use nthroot_bindings::{Credit, Pool, RuleRegistry, Swap};
use nthroot_evm::{SpecId, metered::Known, rule::Bytecode};
use nthroot_model::rule::Rules;
use nthroot_wallet::RuleBook;
use tracing::info;

use crate::{
    deploy::{Deployment, contract},
    error::{Error, Result},
    sender::{Call, Mined, Sender},
};

/// The fork whose gas rules L1 has.
const FORK: SpecId = SpecId::OSAKA;

/// What the registry puts before a rule's code to create it (section 10): copies what follows to memory, and returns it.
const INITCODE: [u8; 11] = hex!("600b380380600b5f395ff3");

/// Where a registry puts a rule with this code, whether or not it is there.
pub fn address_of(registry: Address, runtime: &[u8]) -> Address {
    registry.create2_from_code(B256::ZERO, [&INITCODE, runtime].concat())
}

/// Where the rules of a deployment are.
pub fn book(deployment: &Deployment) -> RuleBook {
    let [swap, pool, credit] = codes().map(|(_, code)| address_of(deployment.registry, &code));
    RuleBook {
        account: deployment.account,
        swap,
        pool,
        credit,
    }
}

/// These rules as a follower judges them: by their twins where a call commits gas that surely suffices, else by their code with
/// exactly that gas, so that a lie about gas is found too.
pub fn twins(book: &RuleBook) -> Rules {
    Rules::default()
        .with(book.account, Known::Account.rule(FORK))
        .with(book.swap, Known::Swap.rule(FORK))
        .with(book.pool, Known::Pool.rule(FORK))
        .with(book.credit, Known::Credit.rule(FORK))
}

/// These rules and one more, of which there is no twin: it is judged by its code. For what the registry's `RuleRegistered` names.
/// A rule that is known stays what it was.
///
/// # Errors
///
/// [`Error::Missing`] if there is no code, as with an L1 node that is behind. [`Error::WrongDeployment`] if the registry would put
/// this code elsewhere: an address says what code is there, so the L1 node's answer is wrong.
pub fn learn(rules: &Rules, registry: Address, rule: Address, code: Bytes) -> Result<Rules> {
    if rules.get(rule).is_some() {
        return Ok(rules.clone());
    }
    check_code(registry, rule, &code)?;
    Ok(rules.clone().with(rule, Bytecode::new(FORK, code)))
}

/// Whether this is the code of a registered rule, as its address says.
///
/// # Errors
///
/// As [`learn`].
pub(crate) fn check_code(registry: Address, rule: Address, code: &[u8]) -> Result<()> {
    if code.is_empty() {
        return Err(Error::missing(format!("code of the rule at {rule}")));
    }
    let belongs = address_of(registry, code);
    if belongs == rule {
        return Ok(());
    }
    Err(Error::WrongDeployment {
        address: rule,
        what: format!("the registry {registry} would put this code at {belongs}"),
    })
}

/// Registers those that are not yet: anybody can. Returns their names and the transactions.
///
/// # Errors
///
/// If a transaction fails, or the L1 node does.
pub async fn register(sender: &Sender, deployment: &Deployment) -> Result<Vec<(&'static str, Mined)>> {
    let registry = RuleRegistry::new(deployment.registry, sender.l1().provider());
    let mut sent = Vec::new();
    for (name, runtime) in codes() {
        let rule = address_of(deployment.registry, &runtime);
        let registered = registry.registeredAt(rule).call().await.map_err(contract)?;
        if !registered.is_zero() {
            continue;
        }
        let register = RuleRegistry::registerCall { runtime };
        let mined = sender
            .send(Call::new(deployment.registry, register.abi_encode()))
            .await?;
        info!(name, %rule, block = mined.block(), "registered");
        sent.push((name, mined));
    }
    Ok(sent)
}

/// Their names and code.
fn codes() -> [(&'static str, Bytes); 3] {
    [
        ("Swap rule", Swap::DEPLOYED_BYTECODE.clone()),
        ("Pool rule", Pool::DEPLOYED_BYTECODE.clone()),
        ("Credit rule", Credit::DEPLOYED_BYTECODE.clone()),
    ]
}
