//! A node with the state of a chain of this process.

use alloy::{
    primitives::{Address, B256, Bytes, U64, U256},
    providers::Provider,
};
use nthroot_evm::Chain;
use nthroot_node::devnet::Devnet;
use serde_json::{Value, json};

use crate::stage::CHALLENGER;

/// Gas that a transaction may have on L1 (EIP-7825).
const TX_GAS_CAP: u64 = 1 << 24;

pub(crate) struct Node(Devnet);

impl Node {
    /// A node in which contracts, storage and block number are those of `chain`.
    pub(crate) async fn with_state_of(chain: &Chain) -> Self {
        let node = Self(Devnet::start().await.expect("anvil starts"));
        for (address, balance, code, storage) in chain.accounts() {
            if !balance.is_zero() {
                node.set("anvil_setBalance", json!([address, balance])).await;
            }
            if !code.is_empty() {
                node.set("anvil_setCode", json!([address, code])).await;
            }
            for (slot, value) in storage {
                node.set("anvil_setStorageAt", json!([address, slot, B256::from(value)]))
                    .await;
            }
        }
        node.set(
            "anvil_setBalance",
            json!([CHALLENGER, U256::from(10).pow(U256::from(20))]),
        )
        .await;
        node.set("anvil_impersonateAccount", json!([CHALLENGER])).await;
        // The transaction is in the block after the last one.
        let number = node.0.l1().provider().get_block_number().await.expect("it answers");
        node.0.mine(chain.number() - 1 - number).await.expect("it mines");
        node
    }

    async fn set(&self, method: &'static str, params: Value) {
        let provider = self.0.l1().provider();
        let answer: Value = provider.raw_request(method.into(), params).await.expect("it obeys");
        assert_ne!(answer, Value::Bool(false), "{method}");
    }

    /// A transaction with all the gas that one can have: whether it took effect, and what it cost.
    pub(crate) async fn send(&self, from: Address, to: Address, data: Bytes) -> (bool, u64) {
        let provider = self.0.l1().provider();
        let transaction = json!([{"from": from, "to": to, "data": data, "gas": U64::from(TX_GAS_CAP)}]);
        let hash: B256 = provider
            .raw_request("eth_sendTransaction".into(), transaction)
            .await
            .expect("it is taken");
        loop {
            let receipt = provider.get_transaction_receipt(hash).await.expect("it answers");
            if let Some(receipt) = receipt {
                return (receipt.status(), receipt.gas_used);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
