//! A bridge on which the three rules are at work: users, a pool, two credit markets, loans in every state.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use k256::ecdsa::SigningKey;
use nthroot_bindings::{Credit, Pool, RuleRegistry, Swap};
use nthroot_evm::{Deployed, SpecId, metered::Known};
use nthroot_model::{
    builder::{BatchBuilder, Name, StepPlan},
    rules::{credit::quotes, pool::Liquidity},
    signing::{Signer, authorise},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, BatchId, Call, Effect, Fragment, FragmentId,
    rules::{
        credit::{CreditOp, Market, Position, Terms, WAD, title_tag},
        pool::{Pair, PoolOp},
    },
};
use nthroot_wallet::RuleBook;

use crate::{
    deeds::{Deed, Scribe},
    stage::{ETHER, MALLORY, PUPPET, Stage},
};

/// Places of users. The first of them, up to the number that a step can touch, exchange tokens.
pub const USERS: usize = 16;
/// Those who have a token each and nothing else, where users have no more than they need.
pub const HOLDERS: std::ops::Range<usize> = 4..8;
/// Provides liquidity.
pub const PROVIDER: usize = 10;
pub const LENDER: usize = 11;
pub const BORROWER: usize = 12;
/// Has a loan, and no ether.
pub const DEBTOR: usize = 13;
pub const BIDDER: usize = 14;

/// Tokens of which each user has as much as of any other.
pub const TOKENS: u8 = 8;
/// The token that secures loans, and is traded for ether in the pool.
pub const GOLD: u8 = 1;

/// Fee of the pool, in millionths.
pub const FEE: u32 = 3_000;
/// Leaf of the loan in the market that is a cohort.
const INSIDE: u32 = 3;

/// A loan of a market.
#[derive(Debug, Clone, Copy)]
pub struct Loan {
    pub market: FragmentId,
    pub serial: u64,
    pub at: FragmentId,
}

#[derive(Clone)]
pub struct World {
    pub stage: Stage,
    pub book: RuleBook,
    pub homes: Vec<FragmentId>,
    /// Ether for gold.
    pub pool: FragmentId,
    /// Ether against gold, loans by themselves.
    pub market: FragmentId,
    /// The same, loans as leaves of its cohort.
    pub club: FragmentId,
    /// The borrower's, covered.
    pub running: Loan,
    /// The borrower's, covered no more.
    pub weak: Loan,
    /// The borrower's, in auction.
    pub called: Loan,
    /// The borrower's, bid for, with some collateral left.
    pub sold: Loan,
    /// The borrower's, in the cohort.
    pub inside: Loan,
    /// Of the debtor, covered.
    pub poor: Loan,
}

pub fn key(user: usize) -> SigningKey {
    let byte = u8::try_from(user + 1).expect("few");
    SigningKey::from_slice(&[byte; 32]).expect("below the order")
}

pub fn address(user: usize) -> Address {
    key(user).key().controller()
}

/// Registers a rule, with gas for new state on top of what a transaction may have.
fn register(l1: &mut Deployed, runtime: &Bytes) -> Address {
    let call = RuleRegistry::registerCall {
        runtime: runtime.clone(),
    };
    let receipt = l1
        .chain
        .send_with_most_gas(l1.deployer, l1.registry, U256::ZERO, call.abi_encode().into())
        .expect("sent");
    assert!(receipt.success, "it registers");
    l1.chain.mine(1);
    RuleRegistry::registerCall::abi_decode_returns(&receipt.output).expect("an address")
}

/// A bridge on which the three rules are registered, and where they are.
pub fn apps(spec: SpecId) -> (Stage, RuleBook) {
    let mut addresses = Vec::new();
    let stage = Stage::with_rules(spec, |l1, twins| {
        let codes = [
            &Swap::DEPLOYED_BYTECODE,
            &Pool::DEPLOYED_BYTECODE,
            &Credit::DEPLOYED_BYTECODE,
        ];
        addresses.extend(codes.map(|code| register(l1, code)));
        // As nodes judge them: so each lie is found the way in which it would be.
        let twins = twins
            .with(l1.account, Known::Account.rule(spec))
            .with(addresses[0], Known::Swap.rule(spec))
            .with(addresses[1], Known::Pool.rule(spec))
            .with(addresses[2], Known::Credit.rule(spec));
        (addresses.clone(), twins)
    });
    let book = RuleBook {
        account: stage.l1.account,
        swap: addresses[0],
        pool: addresses[1],
        credit: addresses[2],
    };
    (stage, book)
}

/// Terms under which ether is lent against gold.
pub fn terms(world: &World, depth: u8) -> Terms {
    Terms {
        depth,
        collateral: world.token(GOLD),
        asset: AssetId::ETH,
        ratio: u128::from(WAD) / 2,
        rate: WAD / 1_000,
        minimum: ETHER,
        call_fee: 10_000,
        grace: 4,
        rise: 12,
        fall: 12,
    }
}

impl World {
    /// One in which everybody has each token, and something of everything else.
    pub fn new(spec: SpecId) -> Self {
        Self::with_tokens(spec, |_| (1..=TOKENS).collect())
    }

    /// One in which users have ether and gold, and those in [`HOLDERS`] a token each and nothing else.
    pub fn lean(spec: SpecId) -> Self {
        let token = |user: usize| u8::try_from(user + 1 - HOLDERS.start).expect("few");
        let mut world = Self::with_tokens(spec, |user| {
            vec![if HOLDERS.contains(&user) { token(user) } else { GOLD }]
        });
        for user in HOLDERS {
            world.withdraw_all(user);
        }
        world
    }

    fn with_tokens(spec: SpecId, tokens: impl Fn(usize) -> Vec<u8>) -> Self {
        let (mut stage, book) = apps(spec);
        let homes = (0..USERS).map(|user| stage.deposit(key(user).key(), 400 * ETHER).fragment());
        let homes: Vec<FragmentId> = homes.collect();
        stage.mine(1);
        let (at, market) = (FragmentId::ZERO, FragmentId::ZERO);
        let none = Loan { market, serial: 0, at };
        let mut world = Self {
            stage,
            book,
            homes,
            pool: at,
            market,
            club: market,
            running: none,
            weak: none,
            called: none,
            sold: none,
            inside: none,
            poor: none,
        };
        world.mint(tokens);
        world.found();
        world
    }

    /// Gives each user some tokens.
    fn mint(&mut self, tokens: impl Fn(usize) -> Vec<u8>) {
        let puppet = self.stage.table[usize::from(PUPPET) - 1];
        let mint = |n| Effect::Mint {
            to: 0,
            tag: B256::with_last_byte(n),
            amount: 10_000 * ETHER,
        };
        let domain = self.stage.domain();
        let plans: Vec<StepPlan> = (0..USERS)
            .map(|user| {
                let home = self.homes[user];
                let effects: Vec<Effect> = tokens(user).into_iter().map(mint).collect();
                let extra = Effect::encode_list(&effects);
                let message = self.stage.message((home.anchor(), 0), puppet, &[], 0);
                let call = Call {
                    rule: PUPPET,
                    gas: 100_000,
                    max_effects: u16::try_from(extra.len()).expect("short"),
                    fragments: vec![0],
                    authorisations: vec![authorise(&key(user), &domain, &message, Default::default(), 0)],
                    extra: extra.into(),
                };
                StepPlan {
                    fragments: vec![Name::Anchor(home.anchor())],
                    body: vec![call].into(),
                }
            })
            .collect();
        let mut builder = self.stage.builder(MALLORY);
        for plan in &plans {
            builder.step(plan).expect("honest");
        }
        let batch = builder.build().expect("complete");
        self.stage.post(MALLORY, &batch);
    }

    /// The pool, the markets and the loans.
    fn found(&mut self) {
        let create = PoolOp::Create(self.pair());
        self.pool = self.opened(Deed::Pool(vec![(PROVIDER, create)]));
        let add = PoolOp::Add {
            pool: self.pool,
            at_most: [300 * ETHER, 600 * ETHER],
            shares_at_least: ETHER,
        };
        self.happens(&[Deed::Pool(vec![(PROVIDER, add)])]);

        self.market = self.opened(Deed::Credit(LENDER, CreditOp::Create(terms(self, 0)), None));
        self.club = self.opened(Deed::Credit(LENDER, CreditOp::Create(terms(self, 4)), None));
        for market in [self.market, self.club] {
            let lend = CreditOp::Lend {
                market,
                amount: 150 * ETHER,
                shares_at_least: 1,
            };
            self.happens(&[Deed::Credit(LENDER, lend, None)]);
        }
        self.sold = self.borrowed(BORROWER, self.market, 1, None, [100, 20]);
        self.called = self.borrowed(BORROWER, self.market, 2, None, [100, 20]);
        for loan in [self.sold, self.called] {
            let call = CreditOp::Call {
                market: loan.market,
                serial: loan.serial,
                fee_at_most: ETHER,
            };
            self.happens(&[Deed::Credit(LENDER, call, Some(loan.at))]);
        }
        self.running = self.borrowed(BORROWER, self.market, 3, None, [100, 20]);
        self.weak = self.borrowed(BORROWER, self.market, 4, None, [40, 20]);
        self.poor = self.borrowed(DEBTOR, self.market, 5, None, [100, 20]);
        let inside = self.club.anchor().leaf(INSIDE);
        self.inside = self.borrowed(BORROWER, self.club, 1, inside, [100, 20]);
        self.withdraw_all(DEBTOR);
        // Its auction has begun: something of the collateral is left.
        let bid = CreditOp::Bid {
            market: self.market,
            serial: self.sold.serial,
            at_most: 30 * ETHER,
            at_least: 1,
        };
        self.happens(&[Deed::Credit(BIDDER, bid, Some(self.sold.at))]);
    }

    fn withdraw_all(&mut self, user: usize) {
        let withdraw = AccountOp::Withdraw {
            recipient: address(user),
            token: Address::ZERO,
            amount: self.home(user).balance(AssetId::ETH),
        };
        self.happens(&[Deed::Account(user, vec![withdraw])]);
    }

    /// Opens a pool or a market.
    fn opened(&mut self, deed: Deed) -> FragmentId {
        // The founder's touch is the first entry.
        AnchorId::new(self.happens(&[deed]), 1).fragment()
    }

    /// Borrows ether on a new position: collateral added and amount, in whole units.
    pub fn borrowed(
        &mut self,
        user: usize,
        market: FragmentId,
        serial: u64,
        leaf: Option<FragmentId>,
        [added, amount]: [u128; 2],
    ) -> Loan {
        let borrow = CreditOp::Borrow {
            market,
            serial: 0,
            added: added * ETHER,
            amount: amount * ETHER,
        };
        let id = self.happens(&[Deed::Credit(user, borrow, leaf)]);
        // Market and borrower are the first two entries.
        let at = leaf.unwrap_or_else(|| AnchorId::new(id, 2).fragment());
        Loan { market, serial, at }
    }

    /// Posts an honest batch of one step, and goes on to the next block.
    pub fn happens(&mut self, deeds: &[Deed]) -> BatchId {
        let (plan, _) = Scribe::new(self).step(deeds);
        let mut builder = self.builder();
        builder.step(&plan).expect("honest");
        let batch = builder.build().expect("complete");
        self.stage.post(MALLORY, &batch)
    }

    /// A builder of a batch of now, whose rules are the three.
    pub fn builder(&mut self) -> BatchBuilder<'_> {
        let posting = self.stage.posting(MALLORY);
        BatchBuilder::new(&self.stage.ledger, posting).rule_table(self.book.table())
    }

    /// The clock of a batch of now.
    pub const fn clock(&self) -> u64 {
        self.stage.l1.chain.number() - 1
    }

    pub fn token(&self, n: u8) -> AssetId {
        AssetId::issued(self.stage.table[usize::from(PUPPET) - 1], B256::with_last_byte(n))
    }

    pub fn pair(&self) -> Pair {
        Pair {
            assets: [AssetId::ETH, self.token(GOLD)],
            fee: FEE,
        }
    }

    pub fn fragment(&self, id: FragmentId) -> &Fragment {
        self.stage.fragment(id.anchor(), id.leaf())
    }

    pub fn home(&self, user: usize) -> &Fragment {
        self.fragment(self.homes[user])
    }

    /// The pool as it is.
    pub fn liquidity(&self) -> Liquidity {
        let pool = self.fragment(self.pool);
        let assets: Vec<(AssetId, u128)> = pool.assets.iter().map(|(asset, amount)| (*asset, *amount)).collect();
        Liquidity::of(&pool.data, &assets).expect("a pool")
    }

    pub fn market_data(&self, market: FragmentId) -> Market {
        Market::decode(&self.fragment(market).data).expect("a market")
    }

    pub fn position(&self, loan: Loan) -> Position {
        Position::decode(&self.fragment(loan.at).data).expect("a position")
    }

    pub fn title(&self, loan: Loan) -> AssetId {
        AssetId::issued(self.book.credit, title_tag(loan.market, loan.serial))
    }

    /// What is owed on a loan now.
    pub fn debt(&self, loan: Loan) -> u128 {
        let debt = quotes::debt_up(&self.market_data(loan.market).terms, &self.position(loan), self.clock());
        u128::try_from(debt.expect("a number")).expect("128 bits")
    }

    /// The interest in it.
    pub fn interest(&self, loan: Loan) -> u128 {
        self.debt(loan) - self.position(loan).principal
    }
}
