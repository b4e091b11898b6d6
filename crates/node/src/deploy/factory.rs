//! The factory that makes the contracts: one that most chains have, at the same address.
//!
//! It has no owner and no storage: called with a salt and creation code, it creates them by CREATE2
//! (`keccak(0xff ‖ factory ‖ salt ‖ keccak(creation code))`), and fails where something is already.
//! Source: <https://github.com/Arachnid/deterministic-deployment-proxy>.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, TxKind, U256, address, b256, hex},
    providers::Provider,
    transports::TransportError,
};
use tracing::info;

use super::refuse::Refusal;
use crate::{
    error::{Error, Result},
    l1::L1,
    sender::{Call, Sender, TRANSFER_GAS, is_known},
};

/// Where it is.
pub const FACTORY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");

/// Its code.
pub const RUNTIME: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The transaction that makes it, signed for every chain (before EIP-155): 100 gwei a unit for 100,000 gas. Its signature is made up
/// (r = s = 0x22…22), so that nobody has the key of its sender, who can send nothing else.
pub const TRANSACTION: &[u8] = &hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// Its hash.
pub const TRANSACTION_HASH: B256 = b256!("0xeddf9e61fb9d8f5111840daef55e5fde0041f5702856532cdbb5a02998033d26");

/// Who sends it: what the signature recovers to.
pub const MAKER: Address = address!("0x3fab184622dc19b6109349b94811493bf2a45362");

/// Wei that it needs: 100,000 gas at 100 gwei.
pub const PRICE: u128 = 10_000_000_000_000_000;

/// Gas of the transaction that gives its maker the ether.
pub(super) const FUNDING_GAS: u64 = TRANSFER_GAS;

/// Wei per gas that it pays: where the base fee is higher it cannot be sent.
const GAS_PRICE: u64 = 100_000_000_000;

/// What the factory is called with.
pub(super) fn calldata(salt: B256, initcode: &[u8]) -> Bytes {
    [salt.as_slice(), initcode].concat().into()
}

/// Whether the chain has it.
///
/// # Errors
///
/// [`Refusal::OtherCode`] if something else is there; or if the L1 node fails.
pub async fn is_there(l1: &L1) -> Result<bool> {
    let code = l1.provider().get_code_at(FACTORY).await?;
    match code.as_ref() {
        [] => Ok(false),
        RUNTIME => Ok(true),
        _ => Err(Refusal::OtherCode {
            what: "factory",
            address: FACTORY,
        }
        .into()),
    }
}

/// Whether its transaction could be sent now.
///
/// # Errors
///
/// [`Refusal::NoFactory`] with the reason; or if the L1 node fails.
pub(super) async fn check(l1: &L1) -> Result<()> {
    let no = |why: &str| Err(Refusal::NoFactory { why: why.to_owned() }.into());
    if l1.provider().get_transaction_count(MAKER).await? > 0 {
        return no("its transaction was sent and failed");
    }
    let head = l1.header(BlockNumberOrTag::Latest).await?;
    if head.base_fee_per_gas.is_some_and(|fee| fee > GAS_PRICE) {
        return no("the base fee is above the 100 gwei that its transaction pays: wait until it is lower");
    }
    Ok(())
}

/// What its maker lacks, in wei.
pub(super) async fn missing_ether(l1: &L1) -> Result<U256> {
    let balance = l1.provider().get_balance(MAKER).await?;
    Ok(U256::from(PRICE).saturating_sub(balance))
}

/// Makes it, where it is not: gives its maker ether, and sends the transaction that everybody knows.
///
/// # Errors
///
/// [`Refusal::NoFactory`] if the chain does not take it; or if the L1 node fails.
pub(super) async fn install(sender: &Sender) -> Result<()> {
    let l1 = sender.l1();
    if is_there(l1).await? {
        return Ok(());
    }
    check(l1).await?;
    // Before any ether is given: some nodes never take a transaction that is signed for every chain.
    if let Err(error) = publish(l1).await
        && is_for_ever(&error)
    {
        return Err(no_factory(&error));
    }
    // In this order: if the ether of an earlier run arrives in between, the nonce is used up, and nothing is sent twice.
    let nonce = sender.nonce().await?;
    let missing = missing_ether(l1).await?;
    // What it did not use is not missing.
    let was_sent = l1.provider().get_transaction_count(MAKER).await? > 0;
    if !missing.is_zero() && !was_sent {
        let call = Call {
            to: TxKind::Call(MAKER),
            value: missing,
            input: Bytes::new(),
            gas: Some(FUNDING_GAS),
        };
        let _ = sender.send_under(nonce, call).await?;
    }
    // Somebody else may have sent it: what counts is whether it is there in the end.
    let refused = publish(l1).await.err();
    let first = l1.block_number().await?;
    while l1.block_number().await? <= first + super::run::PATIENCE {
        if is_there(l1).await? {
            info!(factory = %FACTORY, "installed");
            return Ok(());
        }
        if let Some(why) = &refused {
            return Err(no_factory(why));
        }
        let receipt = l1.provider().get_transaction_receipt(TRANSACTION_HASH).await?;
        if receipt.is_some_and(|receipt| !receipt.status()) {
            break;
        }
        tokio::time::sleep(l1.poll()).await;
    }
    Err(no_factory(&"its transaction failed, or was not included"))
}

/// Hands its transaction to the node, which may have it already.
async fn publish(l1: &L1) -> Result<(), TransportError> {
    match l1.provider().send_raw_transaction(TRANSACTION).await {
        Err(error) if !is_known(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether the node says, in the words of the usual clients, that it takes no transaction without a chain id.
fn is_for_ever(error: &TransportError) -> bool {
    let response = error.as_error_resp();
    response.is_some_and(|error| {
        let message = error.message.to_ascii_lowercase();
        ["replay-protected", "eip-155", "eip155", "chainid", "chain id"]
            .iter()
            .any(|words| message.contains(words))
    })
}

fn no_factory(why: &impl ToString) -> Error {
    Refusal::NoFactory { why: why.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use alloy::{consensus::TxEnvelope, eips::Decodable2718 as _, primitives::keccak256};

    use super::*;

    #[test]
    fn its_transaction_is_the_one_that_makes_it() {
        assert_eq!(keccak256(TRANSACTION), TRANSACTION_HASH);
        let transaction = TxEnvelope::decode_2718(&mut &*TRANSACTION).unwrap();
        let TxEnvelope::Legacy(signed) = transaction else {
            panic!("it is older than types")
        };
        let maker = signed
            .signature()
            .recover_address_from_prehash(&signed.signature_hash());
        assert_eq!(maker.unwrap(), MAKER);
        assert_eq!(MAKER.create(0), FACTORY);
        let transaction = signed.tx();
        assert_eq!(transaction.gas_price, u128::from(GAS_PRICE));
        assert_eq!(u128::from(transaction.gas_limit) * transaction.gas_price, PRICE);
        assert!(transaction.input.ends_with(RUNTIME));
        assert_eq!(transaction.chain_id, None);
    }
}
