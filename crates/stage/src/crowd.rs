//! Many users with a root each, who pay, exchange and trade: batches of any size.

use alloy::{
    primitives::{Address, U256, keccak256},
    sol_types::SolCall,
};
use k256::ecdsa::SigningKey;
use nthroot_bindings::mocks::Token;
use nthroot_evm::SpecId;
use nthroot_model::{
    builder::{BatchBuilder, StepPlan},
    signing::Signer,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Batch, FragmentId,
    rules::{
        pool::{Pair, PoolOp, Side},
        swap::Fill,
    },
};
use nthroot_wallet::{Consent, Intent, Plan, Request, RuleBook, SignedIntent};

use crate::{
    deeds::intent,
    stage::{ETHER, MALLORY, Stage},
    world::apps,
};

/// What is paid: an amount as people pay it, not of zero bytes mostly.
pub const PAID: u128 = 123_456_789_012_345_678;
/// Fee of the pool, in millionths.
const FEE: u32 = 3_000;

/// A bridge with users who have deposited, and have each one root with one asset under it.
#[derive(Clone)]
pub struct Crowd {
    pub stage: Stage,
    pub book: RuleBook,
    /// What users have: the asset of the first, of the second, and so on, over and over.
    pub assets: Vec<AssetId>,
    users: Vec<(SigningKey, FragmentId)>,
}

impl Crowd {
    /// Users with ether alone, or each with the next of several assets, of which the first is ether and the others are ERC-20s.
    pub fn new(spec: SpecId, users: usize, assets: usize) -> Self {
        let (mut stage, book) = apps(spec);
        // For everybody's deposits.
        stage.l1.chain.fund(MALLORY, U256::from(100_000 * ETHER));
        let assets: Vec<AssetId> = (0..assets)
            .map(|nth| if nth == 0 { AssetId::ETH } else { erc20(&mut stage) })
            .collect();
        let mut crowd = Self {
            stage,
            book,
            assets,
            users: Vec::new(),
        };
        for user in 0..users {
            let asset = crowd.assets[user % crowd.assets.len()];
            crowd.join(asset, ETHER);
        }
        crowd.stage.mine(1);
        crowd
    }

    /// One more user, who has deposited this much.
    pub fn join(&mut self, asset: AssetId, amount: u128) -> usize {
        let user = self.users.len();
        let key = secret(user);
        let anchor = match asset.as_token() {
            Some(token) if asset != AssetId::ETH => self.stage.deposit_token(key.key(), token, amount),
            _ => self.stage.deposit(key.key(), amount),
        };
        self.users.push((key, anchor.fragment()));
        user
    }

    /// A user's fragment.
    pub fn home(&self, user: usize) -> FragmentId {
        self.users[user].1
    }

    /// A user's account on L1.
    pub fn address(&self, user: usize) -> Address {
        self.users[user].0.key().controller()
    }

    fn sign(&self, user: usize, request: Request) -> SignedIntent {
        let (key, fragment) = &self.users[user];
        let intent = Intent {
            request,
            fragment: *fragment,
            nonce: self.stage.fragment(fragment.anchor(), 0).nonce,
            valid_until: self.stage.l1.chain.number() + 1_000,
        };
        intent.sign(&self.book, &self.stage.domain(), key)
    }

    fn account(&self, parties: &[(usize, Vec<AccountOp>)]) -> StepPlan {
        let consents = parties
            .iter()
            .map(|(user, ops)| Consent::Signed(Box::new(self.sign(*user, Request::Account(ops.clone())))));
        let mut plan = Plan::new(self.book);
        plan.account(&consents.collect::<Vec<_>>(), &[]).expect("it fits");
        plan.finish()
    }

    /// A user pays another one, who agrees to it.
    pub fn transfer(&self, from: usize, to: usize) -> StepPlan {
        let pay = AccountOp::Pay {
            to: self.home(to),
            asset: self.assets[from % self.assets.len()],
            amount: PAID,
        };
        self.account(&[(from, vec![pay]), (to, Vec::new())])
    }

    /// So many users from `first` on give some of what they have to the next each, in a ring, by the Swap rule.
    pub fn ring(&self, first: usize, users: usize) -> StepPlan {
        let place = |user: usize| u8::try_from(user).expect("few");
        let asset = |user: usize| self.assets[(first + user) % self.assets.len()];
        let moves: Vec<_> = (0..users)
            .map(|user| (place(user), place((user + 1) % users), asset(user), PAID))
            .collect();
        let intents: Vec<_> = (0..users)
            .map(|user| {
                let gets = asset((user + users - 1) % users);
                let request = Request::Swap(intent(&[(asset(user), PAID)], &[(gets, PAID)]));
                self.sign(first + user, request)
            })
            .collect();
        let mut plan = Plan::new(self.book);
        plan.swap(&intents, &Fill::new(Vec::new(), &moves)).expect("it fits");
        plan.finish()
    }

    /// A user withdraws ether or a token to its account on L1.
    pub fn withdrawal(&self, user: usize) -> StepPlan {
        self.withdrawal_to(user, self.address(user))
    }

    /// A user withdraws ether or a token to an account on L1.
    pub fn withdrawal_to(&self, user: usize, recipient: Address) -> StepPlan {
        let asset = self.assets[user % self.assets.len()];
        let withdraw = AccountOp::Withdraw {
            recipient,
            token: asset.as_token().unwrap_or_default(),
            amount: PAID,
        };
        self.account(&[(user, vec![withdraw])])
    }

    /// A user opens a root for somebody new and pays into it.
    pub fn opening(&self, user: usize) -> StepPlan {
        let somebody = secret(user + 1_000_000).key();
        let open = AccountOp::Open {
            depth: 0,
            kind: somebody.kind().to_u8(),
            controller: somebody.controller(),
            assets: vec![(self.assets[user % self.assets.len()], PAID)],
        };
        self.account(&[(user, vec![open])])
    }

    /// A pool of ether and a token of its own, with liquidity.
    pub fn pool(&mut self) -> (FragmentId, [AssetId; 2]) {
        let token = erc20(&mut self.stage);
        let (rich, purse) = (
            self.join(AssetId::ETH, 10_000 * ETHER),
            self.join(token, 20_000 * ETHER),
        );
        self.stage.mine(1);
        let pay = AccountOp::Pay {
            to: self.home(rich),
            asset: token,
            amount: 20_000 * ETHER,
        };
        let merge = self.account(&[(purse, vec![pay]), (rich, Vec::new())]);
        self.happens(&[merge]);
        let assets = [AssetId::ETH, token];
        let create = self.pooled(&[(rich, PoolOp::Create(Pair { assets, fee: FEE }))], assets);
        let pool = AnchorId::new(self.happens(&[create]), 1).fragment();
        let add = PoolOp::Add {
            pool,
            at_most: [10_000 * ETHER, 20_000 * ETHER],
            shares_at_least: ETHER,
        };
        let add = self.pooled(&[(rich, add)], assets);
        self.happens(&[add]);
        (pool, assets)
    }

    /// A user sells ether to a pool.
    pub fn sale(&self, user: usize, (pool, assets): (FragmentId, [AssetId; 2])) -> StepPlan {
        let sell = PoolOp::Sell {
            pool,
            side: Side::Zero,
            amount: PAID,
            at_least: PAID,
        };
        self.pooled(&[(user, sell)], assets)
    }

    fn pooled(&self, ops: &[(usize, PoolOp)], assets: [AssetId; 2]) -> StepPlan {
        let intents: Vec<_> = ops
            .iter()
            .map(|(user, op)| self.sign(*user, Request::Pool { op: *op, assets }))
            .collect();
        let mut plan = Plan::new(self.book);
        plan.pool(&intents).expect("it fits");
        plan.finish()
    }

    /// A builder of a batch of now. Its rule table goes no further than the last rule that is used.
    pub fn builder(&mut self, rules: usize) -> BatchBuilder<'_> {
        let posting = self.stage.posting(MALLORY);
        let table = self.book.table().into_iter().take(rules).collect();
        BatchBuilder::new(&self.stage.ledger, posting).rule_table(table)
    }

    /// A batch of these steps.
    pub fn batch(&mut self, plans: &[StepPlan]) -> Batch {
        let rules = plans.iter().flat_map(|plan| &plan.body.calls).map(|call| call.rule);
        let mut builder = self.builder(rules.max().unwrap_or_default().into());
        for plan in plans {
            builder.step(plan).expect("honest");
        }
        builder.build().expect("complete")
    }

    /// Posts a batch of these steps, and goes on to the next block.
    pub fn happens(&mut self, plans: &[StepPlan]) -> nthroot_protocol::BatchId {
        let batch = self.batch(plans);
        self.stage.post(MALLORY, &batch)
    }

    /// Lets the window pass, after which word slots are free again.
    pub fn settle(&mut self) {
        self.stage.mine(2 * (self.stage.l1.parameters.window + 1));
    }
}

/// A key for each user.
fn secret(user: usize) -> SigningKey {
    let seed = keccak256(format!("user {user}"));
    SigningKey::from_slice(seed.as_slice()).expect("below the order, but for one in 2^127")
}

/// An ERC-20 of `OpenZeppelin` that Mallory has much of, which the bridge may take.
fn erc20(stage: &mut Stage) -> AssetId {
    let l1 = &mut stage.l1;
    let token = l1
        .chain
        .create(l1.deployer, Token::BYTECODE.clone())
        .expect("it deploys");
    let mint = Token::mintCall {
        to: MALLORY,
        amount: U256::from(u128::MAX >> 8),
    };
    let approve = Token::approveCall {
        spender: l1.bridge,
        value: U256::MAX,
    };
    for data in [mint.abi_encode(), approve.abi_encode()] {
        let receipt = l1.chain.send(MALLORY, token, U256::ZERO, data.into());
        assert!(receipt.expect("sent").success);
    }
    AssetId::token(token)
}
