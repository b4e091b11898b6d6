//! Rules: a pool, a swap of many, a loan, and a step that needs all of it.

use alloy::primitives::{Address, U256};
use eyre::{OptionExt, Result, ensure};
use nthroot_bindings::{Bridge, RuleRegistry};
use nthroot_model::{
    builder::StepPlan,
    ledger::State,
    rules::{credit::quotes::debt_up, pool::Liquidity},
};
use nthroot_node::rules;
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Fragment, FragmentId,
    rules::{
        credit::{CreditOp, Market, Position, Terms},
        pool::{Pair, PoolOp, Side, share_tag},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::{Consent, Intent, Plan, Request, RuleBook, SignedIntent, solver};

use crate::{
    demo::{
        cast::Role,
        stage::{Stage, UNIT, VALIDITY},
        story::{Anchors, prove, stands, watch},
    },
    text::{ether, thousands},
};

/// Millionths of what is sold.
const FEE: u32 = 3_000;
/// What is lent: up to 500 TUSD for an ether, at a millionth a block.
const RATIO: u128 = 500 * UNIT;
const RATE: u64 = 1_000_000_000_000;

/// What Paula's batches work on.
struct Apps {
    book: RuleBook,
    tusd: AssetId,
    pool: FragmentId,
    market: FragmentId,
}

/// Plays it.
pub(crate) async fn play(stage: &mut Stage, anchors: &Anchors) -> Result<()> {
    let book = register(stage).await?;
    let apps = open(stage, anchors, book).await?;
    ring(stage, anchors, &apps).await?;
    compose(stage, anchors, &apps).await?;
    lie(stage, anchors, &apps).await
}

async fn register(stage: &mut Stage) -> Result<RuleBook> {
    stage
        .narrator
        .act("Rules: a pool, a swap, loans. Anybody can add one, and nobody change it");
    let deployment = stage.deployment.clone();
    let sent = rules::register(&stage.actor(Role::Deployer).sender, &deployment).await?;
    for (name, mined) in &sent {
        stage.sent(Role::Deployer, format!("registers: {name}"), mined, U256::ZERO);
    }
    let book = rules::book(&deployment);
    let registry = RuleRegistry::new(deployment.registry, stage.chain.l1().provider());
    for (rule, (_, mined)) in book.table().into_iter().zip(&sent) {
        let at = registry.registeredAt(rule).call().await?;
        ensure!(at == U256::from(mined.block()), "rule {rule} is registered at {at}");
    }
    stage.narrator.check(
        "Their bytecode can do nothing but compute: L1 scanned it, and their addresses follow from it",
        sent.len() == book.table().len(),
    )?;
    stage.sync().await?;
    Ok(book)
}

/// A pool and a market, and money in both.
async fn open(stage: &mut Stage, anchors: &Anchors, book: RuleBook) -> Result<Apps> {
    let tusd = AssetId::token(stage.token);
    let assets = [AssetId::ETH, tusd];
    let terms = Terms {
        depth: 0,
        collateral: AssetId::ETH,
        asset: tusd,
        ratio: RATIO,
        rate: RATE,
        minimum: UNIT,
        call_fee: 10_000,
        grace: 100,
        rise: 200,
        fall: 200,
    };
    stage.narrator.note("1. Alice brings her TUSD to where her ether is");
    stage.narrator.note("2. Bob creates a pool of ETH and TUSD, fee 0.3 %");
    stage
        .narrator
        .note("3. Alice opens a market: TUSD against ETH, 500 for one, at a millionth a block");
    let pay = AccountOp::Pay {
        to: anchors.alice.fragment(),
        asset: tusd,
        amount: 400 * UNIT,
    };
    let create = PoolOp::Create(Pair { assets, fee: FEE });
    let market = CreditOp::Create(terms);
    let plans = [
        stage.step(&book, |plan| {
            let pays = stage.sign(Role::Alice, anchors.alice_token, 0, Request::Account(vec![pay]))?;
            let gets = stage.sign(Role::Alice, anchors.alice, 0, Request::Account(vec![]))?;
            let consents = [pays, gets].map(|signed| Consent::Signed(Box::new(signed)));
            Ok(plan.account(&consents, &[])?)
        })?,
        stage.step(&book, |plan| {
            let request = Request::Pool { op: create, assets };
            Ok(plan.pool(&[stage.sign(Role::Bob, anchors.bob, 0, request)?])?)
        })?,
        stage.step(&book, |plan| {
            let request = credit(market, tusd);
            Ok(plan.credit(&stage.sign(Role::Alice, anchors.alice_token, 1, request)?, None)?)
        })?,
    ];
    stage
        .post(Role::Paula, "posts a batch of these 3 steps", 10, &plans, |_| ())
        .await?;
    let apps = Apps {
        book,
        tusd,
        pool: stage.under(book.pool)?,
        market: stage.under(book.credit)?,
    };

    stage.narrator.note("1. Alice adds 0.2 ETH and 200 TUSD to the pool");
    stage.narrator.note("2. Alice lends 100 TUSD");
    let add = PoolOp::Add {
        pool: apps.pool,
        at_most: [UNIT / 5, 200 * UNIT],
        shares_at_least: UNIT,
    };
    let lend = CreditOp::Lend {
        market: apps.market,
        amount: 100 * UNIT,
        shares_at_least: 1,
    };
    let plans = [
        stage.step(&book, |plan| {
            let request = Request::Pool { op: add, assets };
            Ok(plan.pool(&[stage.sign(Role::Alice, anchors.alice, 0, request)?])?)
        })?,
        stage.step(&book, |plan| {
            let signed = stage.sign(Role::Alice, anchors.alice_token, 0, credit(lend, tusd))?;
            Ok(plan.credit(&signed, None)?)
        })?,
    ];
    stage
        .post(Role::Paula, "posts a batch of these 2 steps", 11, &plans, |_| ())
        .await?;
    let reserves = stage.liquidity(&apps)?.reserves;
    stage.narrator.check_equal(
        "The pool's fragment holds 0.2 ETH and 200 TUSD",
        &reserves,
        &[UNIT / 5, 200 * UNIT],
    )?;
    Ok(apps)
}

/// Three people, three assets, and no two who could trade with each other.
async fn ring(stage: &mut Stage, anchors: &Anchors, apps: &Apps) -> Result<()> {
    stage
        .narrator
        .act("A ring of three, and a loan: each signs what it gives at most and gets at least");
    let shares = AssetId::issued(apps.book.pool, share_tag(apps.pool));
    let carol = stage.under(stage.address(Role::Carol))?;
    for text in [
        "Alice gives shares of the pool for TUSD; Bob gives TUSD for ether; Carol gives ether for shares",
        "Paula finds a fill that satisfies all three, in one step",
        "Bob borrows 40 TUSD against 0.1 ETH",
    ] {
        stage.narrator.note(text);
    }
    let parties = [
        (
            Role::Alice,
            anchors.alice.fragment(),
            (shares, UNIT),
            (apps.tusd, 9 * UNIT),
        ),
        (
            Role::Bob,
            anchors.bob_token.fragment(),
            (apps.tusd, 10 * UNIT),
            (AssetId::ETH, UNIT * 9 / 1000),
        ),
        (Role::Carol, carol, (AssetId::ETH, UNIT / 100), (shares, UNIT * 9 / 10)),
    ];
    let leg = |(asset, amount)| Leg {
        asset,
        start: amount,
        end: amount,
    };
    let mut intents = Vec::new();
    let mut signed = Vec::new();
    for (role, fragment, give, get) in parties {
        let intent = SwapIntent {
            gives: vec![leg(give)],
            gets: vec![leg(get)],
            rewards: vec![],
            counterparties: vec![],
            curve: None,
            least_fill: None,
        };
        signed.push(stage.sign(role, fragment.anchor(), 0, Request::Swap(intent.clone()))?);
        intents.push((fragment, intent));
    }
    let fill = solver::clear(stage.follower.tip().number, &intents, None)?;
    let borrow = CreditOp::Borrow {
        market: apps.market,
        serial: 0,
        added: UNIT / 10,
        amount: 40 * UNIT,
    };
    let plans = [
        stage.step(&apps.book, |plan| Ok(plan.swap(&signed, &fill)?))?,
        stage.step(&apps.book, |plan| {
            let signed = stage.sign(Role::Bob, anchors.bob, 0, credit(borrow, apps.tusd))?;
            Ok(plan.credit(&signed, None)?)
        })?,
    ];
    let before = stage.fragment(anchors.bob_token)?.balance(AssetId::ETH);
    let (posted, batch) = stage
        .post(Role::Paula, "posts a batch of these 2 steps", 12, &plans, |_| ())
        .await?;
    stage.narrator.check_equal(
        "Three assets changed hands, and L1 wrote three roots: one for each user",
        &(
            fill.assets.len(),
            batch.steps.first().map(nthroot_protocol::Step::touches),
        ),
        &(3, Some(3)),
    )?;
    let got = stage.fragment(anchors.bob_token)?.balance(AssetId::ETH) - before;
    stage.narrator.check(
        "Bob got at least the 0.009 ETH that he signed for",
        got >= UNIT * 9 / 1000,
    )?;
    stands(stage, posted.id, "").await
}

/// Bob sells in the pool, repays, and withdraws the rest, in one step.
async fn compose(stage: &mut Stage, anchors: &Anchors, apps: &Apps) -> Result<()> {
    stage
        .narrator
        .act("One step across three rules: all of it happens, or nothing");
    let position = stage.position(apps)?;
    let assets = [AssetId::ETH, apps.tusd];
    let sell = PoolOp::Sell {
        pool: apps.pool,
        side: Side::Zero,
        amount: UNIT * 3 / 100,
        at_least: 25 * UNIT,
    };
    let repay = CreditOp::Repay {
        market: apps.market,
        serial: 1,
        at_most: 41 * UNIT,
        taken: 0,
    };
    let withdraw = AccountOp::Withdraw {
        recipient: stage.address(Role::Bob),
        token: stage.token,
        amount: 20 * UNIT,
    };
    let sold = stage.intent(anchors.bob, 0, Request::Pool { op: sell, assets })?;
    stage
        .narrator
        .note("What Bob's wallet shows him for the first of his three signatures:");
    for line in sold.lines(&apps.book) {
        stage.narrator.note(line);
    }
    let plan = stage.step(&apps.book, |plan| {
        let sold = stage.sign(Role::Bob, anchors.bob, 0, Request::Pool { op: sell, assets })?;
        let repaid = stage.sign(Role::Bob, anchors.bob, 1, credit(repay, apps.tusd))?;
        let withdrawn = stage.sign(Role::Bob, anchors.bob, 2, Request::Account(vec![withdraw]))?;
        plan.pool(&[sold])?;
        plan.credit(&repaid, Some(position))?;
        Ok(plan.account(&[Consent::Signed(Box::new(withdrawn))], &[])?)
    })?;
    let debt = stage.debt(apps, position)?;
    let (posted, batch) = stage
        .post(
            Role::Paula,
            "posts it: sells 0.03 ETH, repays the loan, withdraws 20 TUSD",
            13,
            &[plan],
            |_| (),
        )
        .await?;
    let (held, left) = (stage.at(position)?, stage.debt(apps, position)?);
    stage.narrator.check(
        format!(
            "Bob owed {} TUSD with interest; now he owes nothing, and has his collateral back",
            ether(debt)
        ),
        debt > U256::from(40 * UNIT) && left.is_zero() && held.assets.is_empty(),
    )?;
    let withdrawn = batch.steps.first().and_then(|step| step.withdrawals.first());
    stage.narrator.check_equal(
        "20 TUSD wait on L1 for the batch to be final",
        &withdrawn.map(|withdrawal| withdrawal.amount),
        &Some(20 * UNIT),
    )?;
    stands(stage, posted.id, ": L1 runs the three rules again").await
}

/// Mallory sells to the pool for more than it pays.
async fn lie(stage: &mut Stage, anchors: &Anchors, apps: &Apps) -> Result<()> {
    stage
        .narrator
        .act("Mallory sells to the pool, and takes more than its formula gives");
    let mallory = anchors.mallory[0];
    let assets = [AssetId::ETH, apps.tusd];
    let amount = UNIT / 1000;
    let liquidity = stage.liquidity(apps)?;
    let bought = liquidity.quote_sell(Side::Zero, amount)?;
    let op = PoolOp::Sell {
        pool: apps.pool,
        side: Side::Zero,
        amount,
        at_least: 0,
    };
    let plan = stage.step(&apps.book, |plan| {
        Ok(plan.pool(&[stage.sign(Role::Mallory, mallory, 0, Request::Pool { op, assets })?])?)
    })?;
    let mut rich = stage.fragment(mallory)?.clone();
    rich.nonce += 1;
    rich.assets.insert(AssetId::ETH, rich.balance(AssetId::ETH) - amount);
    rich.assets.insert(apps.tusd, bought + UNIT);
    let what = format!(
        "sells 0.001 ETH for {} TUSD, and writes down a TUSD more",
        ether(U256::from(bought))
    );
    let (posted, _) = stage
        .post(Role::Mallory, what, 1, &[plan], |batch| {
            let hers = batch.steps[0].fresh.iter_mut().find(|touch| touch.anchor == mallory);
            if let Some(touch) = hers {
                touch.root = rich.root();
            }
        })
        .await?;
    let (_, proof) = watch(stage, posted.id).await?;
    let mined = prove(stage, "runs the pool's rule again on L1: one transaction", &proof).await?;
    let convicted: Bridge::Convicted = mined.event(stage.deployment.bridge)?;
    stage.narrator.check(
        format!(
            "The lie is convicted and rolled back, for {} gas",
            thousands(mined.gas())
        ),
        convicted.unwound,
    )?;
    let reserves = stage.liquidity(apps)?.reserves;
    stage
        .narrator
        .check_equal("The pool is as it was", &reserves, &liquidity.reserves)
}

const fn credit(op: CreditOp, asset: AssetId) -> Request {
    Request::Credit {
        op,
        collateral: AssetId::ETH,
        asset,
    }
}

impl Stage {
    fn intent(&self, anchor: AnchorId, ahead: u64, request: Request) -> Result<Intent> {
        Ok(Intent {
            request,
            fragment: anchor.fragment(),
            nonce: self.fragment(anchor)?.nonce + ahead,
            valid_until: self.follower.tip().number + VALIDITY,
        })
    }

    /// Lets somebody sign what a fragment of theirs wants, so many signatures of it later.
    fn sign(&self, role: Role, anchor: AnchorId, ahead: u64, request: Request) -> Result<SignedIntent> {
        let intent = self.intent(anchor, ahead, request)?;
        let book = rules::book(&self.deployment);
        Ok(intent.sign(&book, &self.domain(), self.actor(role).key.credential()))
    }

    fn step(&self, book: &RuleBook, calls: impl FnOnce(&mut Plan) -> Result<()>) -> Result<StepPlan> {
        let mut plan = Plan::new(*book);
        calls(&mut plan)?;
        Ok(plan.finish())
    }

    /// The first fragment under a controller.
    fn under(&self, controller: Address) -> Result<FragmentId> {
        let states = self.ledger().anchors();
        let known = states.filter_map(|(anchor, _, state)| Some((anchor, state.known()?.header())));
        let mut own = known.filter(|(_, fragment)| fragment.controller == controller);
        let (anchor, _) = own.next().ok_or_eyre("no fragment under this controller")?;
        Ok(anchor.fragment())
    }

    fn at(&self, id: FragmentId) -> Result<&Fragment> {
        let state = self.ledger().state(id.anchor()).and_then(State::known);
        let fragment = state.and_then(|state| state.fragment(id.leaf()));
        fragment.ok_or_eyre("no such fragment")
    }

    fn liquidity(&self, apps: &Apps) -> Result<Liquidity> {
        let pool = self.at(apps.pool)?;
        let assets: Vec<_> = pool.assets.iter().map(|(asset, amount)| (*asset, *amount)).collect();
        Ok(Liquidity::of(&pool.data, &assets)?)
    }

    /// The one position.
    fn position(&self, apps: &Apps) -> Result<FragmentId> {
        let states = self.ledger().anchors();
        let known = states.filter_map(|(anchor, _, state)| Some((anchor, state.known()?.header())));
        let mut positions = known.filter(|(_, fragment)| {
            fragment.controller == apps.book.credit && Position::decode(&fragment.data).is_ok()
        });
        let (anchor, _) = positions.next().ok_or_eyre("no position")?;
        Ok(anchor.fragment())
    }

    /// What a position owes at the next batch's clock.
    fn debt(&self, apps: &Apps, position: FragmentId) -> Result<U256> {
        let terms = Market::decode(&self.at(apps.market)?.data)?.terms;
        let position = Position::decode(&self.at(position)?.data)?;
        Ok(debt_up(&terms, &position, self.follower.tip().number)?)
    }
}
