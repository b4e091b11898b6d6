//! A local chain with the contracts on it, and people who use them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use nthroot_bindings::Bridge;
use nthroot_model::{builder::StepPlan, rule::Rules};
use nthroot_node::{
    Call, Deployment, Follower, Parameters, Proposer, Result, Sender, deploy, devnet::Devnet, proposer::Posted, rules,
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, BatchId, Domain, FragmentId, Head, Key};
use nthroot_wallet::account::{self, Party, Terms};

/// 1 ether, in wei.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// Blocks. Long enough that nothing becomes final by chance.
pub(crate) const WINDOW: u64 = 40;

/// The anvil of the environment, or the one that npm installed.
pub(crate) fn anvil() -> PathBuf {
    if let Some(anvil) = std::env::var_os("ANVIL") {
        return anvil.into();
    }
    // The script in `node_modules/.bin` would leave the binary running when it is killed.
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/@foundry-rs");
    let mut packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    packages
        .find_map(|package| {
            let anvil = package
                .path()
                .join(format!("bin/anvil{}", std::env::consts::EXE_SUFFIX));
            anvil.exists().then_some(anvil)
        })
        .expect("these tests need anvil: run `cargo xtask setup`, or set ANVIL to its path")
}

/// Somebody with a key and ether on L1.
pub(crate) struct Actor {
    pub(crate) key: PrivateKeySigner,
    pub(crate) sender: Sender,
}

impl Actor {
    pub(crate) const fn address(&self) -> Address {
        self.sender.address()
    }

    pub(crate) const fn key(&self) -> Key {
        Key::Secp256k1(self.address())
    }
}

/// What somebody does with a fragment of nonce `nonce`.
pub(crate) fn party<'a>(actor: &'a Actor, anchor: AnchorId, nonce: u64, ops: &[AccountOp]) -> Party<'a> {
    member(actor, anchor.fragment(), nonce, ops)
}

/// The same with a leaf of a cohort.
pub(crate) fn member<'a>(actor: &'a Actor, fragment: FragmentId, nonce: u64, ops: &[AccountOp]) -> Party<'a> {
    Party::signing(actor.key.credential(), fragment, nonce, ops.to_vec())
}

/// A payment of ether.
pub(crate) fn pay(to: AnchorId, amount: u128) -> AccountOp {
    pay_to(to.fragment(), amount)
}

/// A payment of ether.
pub(crate) fn pay_to(to: FragmentId, amount: u128) -> AccountOp {
    AccountOp::Pay {
        to,
        asset: AssetId::ETH,
        amount,
    }
}

/// A leaf with ether for somebody.
pub(crate) fn leaf_for(key: Key, amount: u128) -> AccountOp {
    AccountOp::OpenLeaf {
        kind: key.kind().to_u8(),
        controller: key.controller(),
        assets: vec![(AssetId::ETH, amount)],
    }
}

/// A withdrawal of ether.
pub(crate) fn withdraw(recipient: Address, amount: u128) -> AccountOp {
    AccountOp::Withdraw {
        recipient,
        token: Address::ZERO,
        amount,
    }
}

pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) deployment: Deployment,
    funder: Sender,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_caps(BTreeMap::new()).await
    }

    /// With a bridge that takes only these assets.
    pub(crate) async fn with_caps(caps: BTreeMap<Address, U256>) -> Self {
        let devnet = Devnet::start_program(anvil().as_os_str()).await.expect("anvil starts");
        let funder = Sender::new(devnet.l1().clone(), Devnet::funded_key().unwrap());
        let parameters = Parameters {
            window: WINDOW,
            insured_gas_price: 50_000_000_000,
            min_lock: 61 * ETHER / 100,
            caps,
        };
        let (deployment, _) = deploy(&funder, parameters).await.expect("the contracts deploy");
        Self {
            devnet,
            deployment,
            funder,
        }
    }

    /// Somebody with 100 ETH.
    pub(crate) async fn actor(&self, name: &str) -> Actor {
        let secret: B256 = keccak256(name);
        let key = PrivateKeySigner::from_bytes(&secret).expect("a hash is a key");
        let call = Call::new(key.address(), vec![]).value(U256::from(100 * ETHER));
        self.funder.send(call).await.expect("the funder has plenty");
        Actor {
            sender: Sender::new(self.devnet.l1().clone(), key.clone()),
            key,
        }
    }

    /// Somebody with 100 ETH and a bond of 10 ETH.
    pub(crate) async fn proposer(&self, name: &str) -> Actor {
        let actor = self.actor(name).await;
        let fund = Bridge::fundBondCall {
            proposer: actor.address(),
        };
        let call = self.call(&fund).value(U256::from(10 * ETHER));
        actor.sender.send(call).await.expect("the bond is funded");
        actor
    }

    pub(crate) async fn follower(&self) -> Follower {
        let l1 = self.devnet.l1().clone();
        let mut follower = Follower::start(l1, self.deployment.clone(), Rules::default())
            .await
            .unwrap();
        follower.sync().await.unwrap();
        follower
    }

    pub(crate) fn call(&self, call: &impl SolCall) -> Call {
        Call::new(self.deployment.bridge, call.abi_encode())
    }

    /// Opens a fragment by a deposit of ether.
    pub(crate) async fn deposit(&self, actor: &Actor, amount: u128) -> AnchorId {
        self.deposit_for(actor, actor.key(), amount).await
    }

    /// Opens a fragment for a key by somebody's deposit of ether.
    pub(crate) async fn deposit_for(&self, actor: &Actor, key: Key, amount: u128) -> AnchorId {
        let key = key.to_bytes().into();
        let call = self.call(&Bridge::depositCall { key }).value(U256::from(amount));
        let mined = actor.sender.send(call).await.unwrap();
        let event: Bridge::Deposited = mined.event(self.deployment.bridge).unwrap();
        AnchorId::new(BatchId::from_u64(event.id.to()).unwrap(), 0)
    }

    /// The step in which these parties act.
    pub(crate) fn plan(&self, parties: &[Party<'_>]) -> StepPlan {
        let terms = Terms {
            domain: Domain {
                chain_id: self.deployment.chain_id,
                bridge: self.deployment.bridge,
            },
            book: rules::book(&self.deployment),
            valid_until: 5_000,
        };
        account::plan(&terms, parties).unwrap()
    }

    /// Posts a batch of these steps, changed by `tamper`.
    pub(crate) async fn post(
        &self,
        actor: &Actor,
        slot: u16,
        plans: &[StepPlan],
        tamper: impl FnOnce(&mut Batch),
    ) -> Result<Posted> {
        let follower = self.follower().await;
        let proposer = Proposer::new(actor.sender.clone());
        let mut batch = proposer.build(&follower, Some(slot), plans)?;
        tamper(&mut batch);
        proposer.post(&follower, &batch).await
    }

    /// The head of an anchor, as the bridge says.
    pub(crate) async fn head(&self, anchor: AnchorId) -> Option<Head> {
        let bridge = Bridge::new(self.deployment.bridge, self.devnet.l1().provider());
        let number = alloy::primitives::aliases::U56::from(anchor.to_u64());
        Head::from_word(bridge.headOf(number).call().await.unwrap())
    }

    /// Every head that the model derives is the bridge's, and so is the status of every batch.
    pub(crate) async fn assert_same(&self, follower: &Follower) {
        let bridge = Bridge::new(self.deployment.bridge, self.devnet.l1().provider());
        for (anchor, head, _) in follower.ledger().anchors() {
            assert_eq!(self.head(anchor).await, Some(head), "head of {anchor}");
        }
        for id in follower.ledger().batches() {
            let preimage = follower.ledger().preimage(id).unwrap().encode();
            let status = bridge.status(preimage.into()).call().await.unwrap();
            assert_eq!(status, follower.ledger().status(id).unwrap() as u8, "status of {id}");
        }
        let oldest = follower.ledger().oldest_fault().map_or(1 << 40, BatchId::to_u64);
        assert_eq!(bridge.oldestFault().call().await.unwrap(), U256::from(oldest));
    }
}
