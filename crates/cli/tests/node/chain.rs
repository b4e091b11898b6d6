//! The chain behind a devnet, as a follower of its own sees it, and one who lies on it.

use std::time::Duration;

use alloy::{
    primitives::{Address, hex},
    providers::Provider as _,
    signers::local::PrivateKeySigner,
};
use nthroot_node::{
    Deployment, Follower, L1, Proposer, Sender,
    inputs::{Input, What},
    rules,
};
use nthroot_protocol::{AccountOp, BatchId, Domain, FragmentId, Key, Root};
use nthroot_wallet::{
    States as _,
    account::{self, Party, Terms},
};

use crate::net::Net;

/// What somebody sees who asks L1 alone.
pub(crate) struct Chain {
    l1: L1,
    pub(crate) follower: Follower,
    /// Everything that happened.
    pub(crate) inputs: Vec<Input>,
}

impl Chain {
    pub(crate) async fn read(net: &Net) -> Self {
        let manifest = std::fs::read_to_string(net.path("deployment.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let deployment: Deployment = serde_json::from_value(manifest["deployment"].clone()).unwrap();
        let l1 = L1::connect(net.rpc_url(), Duration::from_millis(5)).await.unwrap();
        let twins = rules::twins(&rules::book(&deployment));
        let follower = Follower::start(l1.clone(), deployment, twins).await.unwrap();
        let mut chain = Self {
            l1,
            follower,
            inputs: Vec::new(),
        };
        chain.read_on().await;
        chain
    }

    /// Reads what came since.
    pub(crate) async fn read_on(&mut self) {
        self.inputs.extend(self.follower.sync().await.unwrap().inputs);
    }

    fn sender(&self, net: &Net, who: &str) -> (PrivateKeySigner, Sender) {
        let key = PrivateKeySigner::from_slice(&hex::decode(net.key(who)).unwrap()).unwrap();
        (key.clone(), Sender::new(self.l1.clone(), key))
    }

    /// Posts a batch of somebody with one honest step but for its root.
    pub(crate) async fn lie(&self, net: &Net, who: &str, fragment: FragmentId) -> BatchId {
        let (key, sender) = self.sender(net, who);
        let deployment = self.follower.deployment();
        let terms = Terms {
            domain: Domain {
                chain_id: deployment.chain_id,
                bridge: deployment.bridge,
            },
            book: rules::book(deployment),
            valid_until: 5_000,
        };
        let nonce = self.follower.ledger().fragment(fragment).unwrap().nonce;
        let withdraw = AccountOp::Withdraw {
            recipient: key.address(),
            token: Address::ZERO,
            amount: 1,
        };
        let party = Party::signing(key.credential(), fragment, nonce, vec![withdraw]);
        let plan = account::plan(&terms, &[party]).unwrap();
        let proposer = Proposer::new(sender);
        let mut batch = proposer.build(&self.follower, None, &[plan]).unwrap();
        let step = &mut batch.steps[0];
        let root = step.fresh.first_mut().map(|touch| &mut touch.root);
        *root.expect("its first touch is fresh") = Root([7; 27].into());
        proposer.post(&self.follower, &batch).await.unwrap().id
    }

    /// The batches that were convicted, as often as they were.
    pub(crate) fn convicted(&self) -> Vec<BatchId> {
        let convicted = self.inputs.iter().filter_map(|input| match input.what {
            What::Convicted { id, .. } => Some(id),
            _ => None,
        });
        convicted.collect()
    }

    /// The block in which something happened.
    pub(crate) fn block_of(&self, is: impl Fn(&What) -> bool) -> u64 {
        self.inputs
            .iter()
            .find(|input| is(&input.what))
            .expect("it happened")
            .block
    }

    /// Transactions of an account: how many, and how many of them failed.
    pub(crate) async fn transactions(&self, of: Address) -> (usize, usize) {
        let (mut all, mut failed) = (0, 0);
        for number in 0..=self.follower.tip().number {
            let receipts = self.l1.provider().get_block_receipts(number.into()).await.unwrap();
            for receipt in receipts.into_iter().flatten().filter(|receipt| receipt.from == of) {
                all += 1;
                failed += usize::from(!receipt.status());
            }
        }
        (all, failed)
    }

    /// What fragments under a key hold of ether.
    pub(crate) fn held(&self, key: Key) -> Vec<u128> {
        let view = self.follower.view();
        let fragments = view.fragments_of(key, None);
        let held = fragments.filter_map(|id| {
            view.ledger
                .fragment(id)
                .map(|fragment| fragment.balance(nthroot_protocol::AssetId::ETH))
        });
        held.collect()
    }
}
