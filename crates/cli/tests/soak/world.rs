//! A local chain with the contracts, tokens, a pool, and all who take part.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use nthroot_bindings::{Bridge, mocks::Token};
use nthroot_model::{builder::StepPlan, signing::Signer};
use nthroot_node::{Call, Deployment, Follower, L1, Parameters, Proposer, Sender, deploy, devnet::Devnet, rules};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, BatchId, Domain, FragmentId,
    rules::pool::{Pair, PoolOp},
};
use nthroot_wallet::{
    Intent, Plan, Request, RuleBook,
    account::{self, Party, Terms},
};

/// 1 ether, in wei; and a unit of each token.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// Wei per gas that bonds pay for proofs. A least lock of 0.122 ETH.
const INSURED_GAS_PRICE: u64 = 10_000_000_000;

/// Who can sign, by whichever scheme.
pub(crate) type Keys = Arc<dyn Signer + Send + Sync>;

/// Somebody with a fragment.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) keys: Keys,
    pub(crate) fragment: FragmentId,
}

/// A pool, and what it trades.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    pub(crate) pool: FragmentId,
    pub(crate) assets: [AssetId; 2],
}

/// The chain and what is on it.
pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) deployment: Deployment,
    pub(crate) book: RuleBook,
    pub(crate) tokens: [Address; 2],
    funder: Sender,
}

/// The anvil of the environment, or the one that npm installed.
fn anvil() -> PathBuf {
    if let Some(anvil) = std::env::var_os("ANVIL") {
        return anvil.into();
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/@foundry-rs");
    let mut packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    packages
        .find_map(|package| {
            let anvil = package
                .path()
                .join(format!("bin/anvil{}", std::env::consts::EXE_SUFFIX));
            anvil.exists().then_some(anvil)
        })
        .expect("this test needs anvil: run `cargo xtask setup`, or set ANVIL to its path")
}

/// The key of somebody.
pub(crate) fn secret(name: &str) -> PrivateKeySigner {
    let secret: B256 = keccak256(name);
    PrivateKeySigner::from_bytes(&secret).expect("a hash is a key")
}

/// How somebody signs: every eighth with a P-256 key.
pub(crate) fn keys(name: &str, number: usize) -> Keys {
    if number % 8 == 7 {
        Arc::new(p256::ecdsa::SigningKey::from_slice(keccak256(name).as_slice()).expect("a hash is a key"))
    } else {
        Arc::new(secret(name).into_credential())
    }
}

impl World {
    /// Deploys everything.
    pub(crate) async fn new(window: u64) -> Self {
        let devnet = Devnet::start_program(anvil().as_os_str()).await.expect("anvil starts");
        let key = Devnet::funded_key().expect("a key");
        give(devnet.l1(), key.address(), 100_000_000).await;
        let funder = Sender::new(devnet.l1().clone(), key);
        let parameters = Parameters {
            window,
            insured_gas_price: INSURED_GAS_PRICE,
            min_lock: 2 * 6_100_000 * u128::from(INSURED_GAS_PRICE),
            caps: Default::default(),
        };
        let (deployment, _) = deploy(&funder, parameters).await.expect("the contracts deploy");
        rules::register(&funder, &deployment).await.expect("they register");
        let mut tokens = [Address::ZERO; 2];
        for token in &mut tokens {
            let created = funder
                .send(Call::create(Token::BYTECODE.clone()))
                .await
                .expect("it deploys");
            *token = created.receipt.contract_address.expect("created");
            let mint = Token::mintCall {
                to: funder.address(),
                amount: U256::MAX >> 8,
            };
            let approve = Token::approveCall {
                spender: deployment.bridge,
                value: U256::MAX,
            };
            for call in [mint.abi_encode(), approve.abi_encode()] {
                funder.send(Call::new(*token, call)).await.expect("a mock does it");
            }
        }
        Self {
            book: rules::book(&deployment),
            devnet,
            deployment,
            tokens,
            funder,
        }
    }

    pub(crate) fn l1(&self) -> &L1 {
        self.devnet.l1()
    }

    /// The same chain, for one who does not look for a new block all the time.
    pub(crate) async fn patient(&self) -> L1 {
        let connected = L1::connect(self.devnet.url(), Duration::from_millis(100)).await;
        connected.expect("it answers")
    }

    pub(crate) const fn domain(&self) -> Domain {
        Domain {
            chain_id: self.deployment.chain_id,
            bridge: self.deployment.bridge,
        }
    }

    /// Ether and the tokens.
    pub(crate) fn assets(&self) -> [AssetId; 3] {
        [
            AssetId::ETH,
            AssetId::token(self.tokens[0]),
            AssetId::token(self.tokens[1]),
        ]
    }

    /// A key with ether on L1, and a bond.
    pub(crate) async fn bonded(&self, name: &str, bond: u128) -> PrivateKeySigner {
        let key = secret(name);
        give(self.l1(), key.address(), 1_000_000).await;
        if bond > 0 {
            let fund = Bridge::fundBondCall {
                proposer: key.address(),
            };
            let call = Call::new(self.deployment.bridge, fund.abi_encode()).value(U256::from(bond));
            self.funder.send(call).await.expect("anybody can fund anybody");
        }
        key
    }

    /// Somebody with a fragment of an asset.
    pub(crate) async fn user(&self, keys: Keys, asset: AssetId, amount: u128) -> User {
        let key = keys.key().to_bytes().into();
        let token = asset.as_token().expect("of L1");
        let call = if token.is_zero() {
            Call::new(self.deployment.bridge, Bridge::depositCall { key }.abi_encode()).value(U256::from(amount))
        } else {
            let amount = U256::from(amount);
            let deposit = Bridge::depositTokenCall { token, amount, key };
            Call::new(self.deployment.bridge, deposit.abi_encode())
        };
        let mined = self.funder.send(call).await.expect("a deposit");
        let event: Bridge::Deposited = mined.event(self.deployment.bridge).expect("deposited");
        let id = BatchId::from_u64(event.id.to()).expect("an id");
        let fragment = AnchorId::new(id, 0).fragment();
        User { keys, fragment }
    }

    /// A pool of ether and a token, with liquidity, whose owner posts what it takes itself.
    pub(crate) async fn market(&self, owner: &PrivateKeySigner, token: Address, amounts: [u128; 2]) -> Market {
        let keys: Keys = Arc::new(owner.clone().into_credential());
        let assets = [AssetId::ETH, AssetId::token(token)];
        let [ether, tokens] = [0, 1].map(|side| self.user(Arc::clone(&keys), assets[side], amounts[side]));
        let (ether, tokens) = (ether.await, tokens.await);
        let pay = AccountOp::Pay {
            to: ether.fragment,
            asset: assets[1],
            amount: amounts[1],
        };
        let terms = Terms {
            domain: self.domain(),
            book: self.book,
            valid_until: 1 << 40,
        };
        let parties = [
            Party::signing(keys.as_ref(), tokens.fragment, 0, vec![pay]),
            Party::signing(keys.as_ref(), ether.fragment, 0, Vec::new()),
        ];
        self.post(owner, account::plan(&terms, &parties).expect("it fits"))
            .await;

        let operate = |nonce, op| {
            let request = Request::Pool { op, assets };
            let intent = Intent {
                request,
                fragment: ether.fragment,
                nonce,
                valid_until: 1 << 40,
            };
            let mut plan = Plan::new(self.book);
            plan.pool(&[intent.sign(&self.book, &self.domain(), keys.as_ref())])
                .expect("it fits");
            plan.finish()
        };
        let id = self
            .post(owner, operate(1, PoolOp::Create(Pair { assets, fee: 3_000 })))
            .await;
        let pool = AnchorId::new(id, 1).fragment();
        let add = PoolOp::Add {
            pool,
            at_most: amounts,
            shares_at_least: 1,
        };
        self.post(owner, operate(2, add)).await;
        Market { pool, assets }
    }

    async fn post(&self, owner: &PrivateKeySigner, plan: StepPlan) -> BatchId {
        let follower = self.follower().await;
        let sender = Sender::new(self.l1().clone(), owner.clone());
        let proposer = Proposer::new(sender).with_rules(self.book.table());
        let batch = proposer.build(&follower, None, &[plan]).expect("honest");
        proposer.post(&follower, &batch).await.expect("posted").id
    }

    /// One who looks at all of it, and sees L1 as it is.
    pub(crate) async fn follower(&self) -> Follower {
        let rules = rules::twins(&self.book);
        let mut follower = Follower::start(self.patient().await, self.deployment.clone(), rules)
            .await
            .expect("it is that deployment");
        follower.sync().await.expect("L1 does not fail");
        follower
    }

    /// What the bridge has of a token, zero being ether.
    pub(crate) async fn balance(&self, token: Address) -> U256 {
        let (bridge, provider) = (self.deployment.bridge, self.l1().provider());
        if token.is_zero() {
            return provider.get_balance(bridge).await.expect("a balance");
        }
        let token = Token::new(token, provider);
        token.balanceOf(bridge).call().await.expect("a balance")
    }
}

/// Gives somebody so much ether.
async fn give(l1: &L1, to: Address, ether: u128) {
    let wei = U256::from(ether) * U256::from(ETHER);
    let given: Result<Option<bool>, _> = l1.provider().raw_request("anvil_setBalance".into(), (to, wei)).await;
    given.expect("anvil gives");
}
