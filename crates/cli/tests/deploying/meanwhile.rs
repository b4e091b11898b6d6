//! What others do while a deployment is under way.

use std::time::Duration;

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use nthroot_bindings::Bridge;
use nthroot_node::{
    Error, L1, Parameters, Sender,
    deploy::{Kind, Plan, Refusal, Step, factory::FACTORY, run},
};
use nthroot_protocol::Key;
use serde_json::json;

use crate::{
    cut,
    stranger::{DEPLOYER, KEY, Stranger},
};

/// Another account that anvil funds, and signs for.
const STRANGER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async fn deployer(chain: &Stranger) -> (Sender, Plan) {
    let l1 = L1::connect(chain.url(), Duration::from_millis(5)).await.unwrap();
    let key: PrivateKeySigner = KEY.parse().unwrap();
    let parameters = Parameters {
        window: 20,
        insured_gas_price: 1_000_000_000,
        min_lock: 20_000_000_000_000_000,
        caps: [].into(),
    };
    (Sender::new(l1, key), Plan::new(&parameters, [7; 32].into()))
}

#[tokio::test]
async fn no_more_is_paid_for_gas_than_was_agreed_to() {
    let chain = Stranger::start("deploy-dear", &[]);
    let (sender, plan) = deployer(&chain).await;
    let agreed = 4_000_000_000;
    let mut made = Vec::new();
    let sender = sender.paying_at_most(agreed);
    let outcome = run(&sender, &plan, false, |_, step| {
        let Step::Made(mined) = step else { return };
        made.push(mined.receipt.effective_gas_price);
        if made.len() == 2 {
            chain.rpc("anvil_setNextBlockBaseFeePerGas", &json!(["0x174876e800"]));
            chain.rpc("evm_mine", &json!([]));
        }
    });
    let refused = outcome.await.unwrap_err();
    assert!(
        matches!(refused, Error::TooDear { most, found } if most == agreed && found > agreed),
        "{refused}"
    );
    assert_eq!(made.len(), 2);
    assert_eq!(chain.nonce(DEPLOYER), 2);
    // A tip of which the L1 node thinks so is not paid either.
    let greedy = cut::answering("eth_maxPriorityFeePerGas", "\"0x174876e800\"", chain.url());
    chain.rpc("anvil_setNextBlockBaseFeePerGas", &json!(["0x3b9aca00"]));
    chain.rpc("evm_mine", &json!([]));
    let l1 = L1::connect(&greedy, Duration::from_millis(5)).await.unwrap();
    let key: PrivateKeySigner = KEY.parse().unwrap();
    let sender = Sender::new(l1, key).paying_at_most(agreed);
    let mut prices = Vec::new();
    run(&sender, &plan, false, |_, step| {
        if let Step::Made(mined) = step {
            prices.push(mined.receipt.effective_gas_price);
        }
    })
    .await
    .unwrap();
    assert_eq!(prices.len(), 5);
    assert!(prices.iter().all(|price| *price <= agreed), "{prices:?}");
}

#[tokio::test]
async fn a_bridge_that_somebody_makes_and_uses_meanwhile_is_not_taken_unseen() {
    let chain = Stranger::start("deploy-meanwhile", &[]);
    let (sender, plan) = deployer(&chain).await;
    let bridge = plan.piece(Kind::Bridge).unwrap().clone();
    let send = |to: &str, value: U256, input: &[u8]| {
        let input = alloy::hex::encode_prefixed(input);
        let transaction = json!({ "from": STRANGER, "to": to, "value": value, "input": input, "gas": "0x989680" });
        let hash = chain.rpc("eth_sendTransaction", &json!([transaction]));
        loop {
            let receipt = chain.rpc("eth_getTransactionReceipt", &json!([hash]));
            if !receipt.is_null() {
                return assert_eq!(receipt["status"], "0x1", "{receipt}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let outcome = run(&sender, &plan, false, |piece, _| {
        if piece.kind == Kind::Credit {
            send(&FACTORY.to_string(), U256::ZERO, &bridge.call.input);
            let deposit = Bridge::depositCall {
                key: Key::Secp256k1(Address::repeat_byte(0x11)).to_bytes().into(),
            };
            send(&bridge.address.to_string(), U256::from(1), &deposit.abi_encode());
            chain.rpc("anvil_mine", &json!(["0x20"]));
        }
    });
    let refused = outcome.await.unwrap_err();
    assert!(
        matches!(refused, Error::Refused(Refusal::InUse { bridge: found, .. }) if found == bridge.address),
        "{refused}"
    );
    // Whoever has looked says so.
    assert!(run(&sender, &plan, true, |_, _| {}).await.is_ok());
}
