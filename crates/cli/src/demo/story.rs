//! The story: deposits, an honest batch, a lie and its end, finality, a withdrawal.

use alloy::primitives::{Address, U256};
use eyre::{OptionExt, Result, ensure};
use nthroot_bindings::{Bridge, bridge::Bridge::BridgeErrors};
use nthroot_model::{invalid::Invalid, ledger::Lie};
use nthroot_node::{
    Call, Error, Follower, Mined, Watcher, claims, rules,
    watcher::{self, Proof},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, BatchId, Fragment, Kind, RepeatedTouch, Root, Step};

use crate::{
    demo::{
        apps,
        cast::Role,
        cohort::{self, Members},
        passkey, sale,
        stage::{Stage, UNIT},
    },
    text::{ether, thousands},
};

/// Gas. An ERC-20 transfer on L1 takes 35,000 to 50,000.
const DEPOSIT_TARGET: u64 = 52_000;
/// Gas.
const CLAIM_TARGET: u64 = 52_000;

/// Wei that Mallory funds her bond with, and Paula, who posts more, half of hers.
const BOND: u128 = UNIT;

/// Gas. Proof ceiling of Mallory's batches, more than any of their steps needs.
const CEILING: u32 = 1_000_000;

/// Who holds what under which anchor.
pub(crate) struct Anchors {
    pub(crate) alice: AnchorId,
    pub(crate) bob: AnchorId,
    pub(crate) alice_token: AnchorId,
    pub(crate) bob_token: AnchorId,
    /// Mallory's two fragments.
    pub(crate) mallory: [AnchorId; 2],
}

/// Plays it. Returns Mallory's anchors, for more lies, and the cohort's members.
pub(crate) async fn play(stage: &mut Stage) -> Result<([AnchorId; 2], Members)> {
    let anchors = deposits(stage).await?;
    let honest = honest_batch(stage, &anchors).await?;
    honest_cannot_be_convicted(stage, honest).await?;
    lie(stage, &anchors.mallory).await?;
    let members = cohort::play(stage).await?;
    let sold = passkey::play(stage, anchors.bob).await?;
    finality(stage, honest).await?;
    sale::settle(stage, &sold).await?;
    apps::play(stage, &anchors).await?;
    Ok((anchors.mallory, members))
}

async fn deposits(stage: &mut Stage) -> Result<Anchors> {
    stage
        .narrator
        .act("Deposits: each opens a fragment of its own, under the depositor's key");
    let (alice, _) = stage.deposit(Role::Alice, UNIT).await?;
    // The first one ever makes the bridge's global word.
    let (bob, mined) = stage.deposit(Role::Bob, UNIT / 2).await?;
    stage.narrator.target("ETH deposit", "gas", DEPOSIT_TARGET, mined.gas());
    let alice_token = stage.deposit_token(Role::Alice, 500 * UNIT).await?;
    let bob_token = stage.deposit_token(Role::Bob, 200 * UNIT).await?;
    let (mallory, _) = stage.deposit(Role::Mallory, UNIT / 10).await?;
    let (mallory_too, _) = stage.deposit(Role::Mallory, UNIT / 20).await?;
    let anchor = |id: BatchId| AnchorId::new(id, 0);
    let anchors = Anchors {
        alice: anchor(alice),
        bob: anchor(bob),
        alice_token: anchor(alice_token),
        bob_token: anchor(bob_token),
        mallory: [mallory, mallory_too].map(anchor),
    };
    stage.sync().await?;
    stage
        .check_heads("Each new anchor holds the root that the model derives from the deposits' events")
        .await?;
    Ok(anchors)
}

/// Paula posts what Alice and Bob signed. Returns the batch.
async fn honest_batch(stage: &mut Stage, anchors: &Anchors) -> Result<BatchId> {
    stage
        .narrator
        .act("Paula, a proposer, posts a batch of intents that Alice and Bob signed");
    stage.fund_bond(Role::Paula, 2 * BOND).await?;

    let token = AssetId::token(stage.token);
    let (alice, carol) = (stage.address(Role::Alice), stage.address(Role::Carol));
    let pay = |to: AnchorId, asset, amount| AccountOp::Pay {
        to: to.fragment(),
        asset,
        amount,
    };
    let alices = |anchor: AnchorId, nonce, ops| stage.party(Role::Alice, anchor.fragment(), nonce, ops);
    let bobs = |anchor: AnchorId, nonce, ops| stage.party(Role::Bob, anchor.fragment(), nonce, ops);
    let withdraw = AccountOp::Withdraw {
        recipient: alice,
        token: Address::ZERO,
        amount: 3 * UNIT / 10,
    };
    let open = AccountOp::Open {
        depth: 0,
        kind: Kind::Secp256k1.to_u8(),
        controller: carol,
        assets: vec![(AssetId::ETH, UNIT / 5)],
    };
    let plans = [
        stage.plan(&[
            alices(anchors.alice, 0, vec![pay(anchors.bob, AssetId::ETH, UNIT / 4)]),
            bobs(anchors.bob, 0, vec![]),
        ]),
        stage.plan(&[
            bobs(anchors.bob_token, 0, vec![pay(anchors.alice_token, token, 50 * UNIT)]),
            alices(anchors.alice_token, 0, vec![]),
        ]),
        stage.plan(&[alices(anchors.alice, 1, vec![withdraw])]),
        stage.plan(&[bobs(anchors.bob, 1, vec![open])]),
    ];
    for text in [
        "1. Alice pays Bob 0.25 ETH; both sign",
        "2. Bob pays Alice 50 TUSD; both sign",
        "3. Alice withdraws 0.3 ETH to L1",
        "4. Bob opens a fragment with 0.2 ETH for Carol, who is away",
    ] {
        stage.narrator.note(text);
    }
    let (posted, _) = stage
        .post(Role::Paula, "posts a batch of these 4 steps", 0, &plans, |_| ())
        .await?;

    stage
        .check_heads("L1 took the batch without running a rule, and every head is the one that the model computes")
        .await?;
    for (whose, anchor, asset, amount) in [
        ("Alice holds 0.45 ETH", anchors.alice, AssetId::ETH, UNIT * 45 / 100),
        ("Bob holds 0.55 ETH", anchors.bob, AssetId::ETH, UNIT * 55 / 100),
        ("Alice holds 550 TUSD", anchors.alice_token, token, 550 * UNIT),
        ("Bob holds 150 TUSD", anchors.bob_token, token, 150 * UNIT),
    ] {
        let balance = stage.fragment(anchor)?.balance(asset);
        stage
            .narrator
            .check_equal(format!("{whose} in the bridge"), &balance, &amount)?;
    }
    let carols = stage.holdings(Some(carol), AssetId::ETH);
    stage.narrator.check_equal(
        "Carol holds 0.2 ETH, without having sent or signed anything",
        &carols,
        &U256::from(UNIT / 5),
    )?;
    Ok(posted.id)
}

/// What a contract answers to a call that it refuses.
pub(crate) async fn refusal(stage: &Stage, role: Role, call: &Call) -> Result<BridgeErrors> {
    match stage.actor(role).sender.simulate(call).await {
        Err(Error::WouldFail(revert)) => revert
            .bridge_error()
            .ok_or_else(|| eyre::eyre!("refused with {revert}")),
        answer => eyre::bail!("not refused: {answer:?}"),
    }
}

async fn honest_cannot_be_convicted(stage: &mut Stage, id: BatchId) -> Result<()> {
    stage.narrator.act("Mallory tries to have the honest batch convicted");
    stands(stage, id, "").await
}

/// No step of a batch can be convicted.
pub(crate) async fn stands(stage: &mut Stage, id: BatchId, why: &str) -> Result<()> {
    let steps = stage.ledger().preimage(id)?.header.step_count;
    for step in 0..steps {
        let proof = watcher::challenge(stage.ledger(), id, step)?;
        let answer = refusal(stage, Role::Mallory, &proof.call(stage.deployment.bridge)).await?;
        ensure!(
            matches!(answer, BridgeErrors::StepIsValid(_)),
            "challenging step {step} of an honest batch answers {answer:?}"
        );
    }
    stage.narrator.check(
        format!("A challenge of any of its {steps} steps is answered with StepIsValid{why}"),
        true,
    )
}

/// Mallory's transfer of 0.01 ETH between two fragments of hers, with a root that says she has a million.
pub(crate) async fn post_lie(
    stage: &mut Stage,
    what: &str,
    mallory: &[AnchorId; 2],
    fillers: u16,
) -> Result<(BatchId, Mined)> {
    let [from, to] = *mallory;
    let pay = AccountOp::Pay {
        to: to.fragment(),
        asset: AssetId::ETH,
        amount: UNIT / 100,
    };
    let hers = |anchor: AnchorId, ops| stage.party(Role::Mallory, anchor.fragment(), 0, ops);
    let plan = stage.plan(&[hers(from, vec![pay]), hers(to, vec![])]);
    let rich = Fragment {
        nonce: 1,
        ..Fragment::deposited(stage.key(Role::Mallory), Address::ZERO, 1_000_000 * UNIT)
    };
    let (posted, _) = stage
        .post(Role::Mallory, what, 0, &[plan], |batch| {
            batch.steps[0].fresh[0].root = rich.root();
            let filler = Step {
                again: vec![RepeatedTouch {
                    entry: 0,
                    root: rich.root(),
                }],
                ..Step::default()
            };
            batch.steps.extend((0..fillers).map(|_| filler.clone()));
            // More steps, more siblings: a ceiling that is too low would be a lie of its own, proved without evaluation.
            batch.header.ceiling = CEILING;
            batch.seal();
        })
        .await?;
    Ok((posted.id, posted.mined))
}

/// Mallory lies, and Wanda proves it.
async fn lie(stage: &mut Stage, mallory: &[AnchorId; 2]) -> Result<()> {
    stage
        .narrator
        .act("Mallory, another proposer, posts a batch that credits herself");
    stage.fund_bond(Role::Mallory, BOND).await?;
    let before = stage.heads(mallory).await?;
    stage
        .narrator
        .note("A signed transfer of 0.01 ETH between two fragments of hers,");
    stage
        .narrator
        .note("but with the root of a fragment that holds 1,000,000 ETH");
    let (id, _) = post_lie(stage, "posts a batch of this step", mallory, 0).await?;
    let after = stage.heads(mallory).await?;
    stage.narrator.check(
        "L1 took it, as it takes every batch: her fragment's root now says 1,000,000 ETH",
        before[0] != after[0],
    )?;

    stage.narrator.act("Wanda watches L1, and nothing else");
    let (lie, proof) = watch(stage, id).await?;
    stage.narrator.note(format!(
        "From the manifest alone she derives {} anchors, and finds a lie:",
        stage.ledger().anchors().count()
    ));
    stage
        .narrator
        .note(format!("batch {}, step {}, {}", lie.batch, lie.step, reason(&lie)));
    let balance = stage.bond_of(Role::Mallory).await?;
    let wanda = stage.eth_of(Role::Wanda).await?;
    let mined = prove(stage, "proves it: conviction, slashing, roll-back", &proof).await?;
    let convicted: Bridge::Convicted = mined.event(stage.deployment.bridge)?;
    stage.narrator.check(
        "One transaction convicted the batch and rolled it back",
        convicted.unwound,
    )?;
    let restored = stage.heads(mallory).await?;
    stage
        .narrator
        .check_equal("Both heads are what they were before the lie", &restored, &before)?;
    stage.check_heads("Every other head is untouched").await?;
    let slashed = balance - stage.bond_of(Role::Mallory).await?;
    stage.narrator.check_equal(
        format!("{} ETH left Mallory's bond", ether(slashed)),
        &slashed,
        &convicted.slashed,
    )?;
    let reward = stage.eth_of(Role::Wanda).await? + mined.fee() - wanda;
    stage.narrator.check_equal(
        format!(
            "Half of it, {} ETH, is Wanda's; her gas cost {} ETH. The rest is burnt",
            ether(reward),
            ether(mined.fee())
        ),
        &reward,
        &(slashed / U256::from(2)),
    )?;
    let again = refusal(stage, Role::Wanda, &proof.call(stage.deployment.bridge)).await?;
    stage.narrator.check(
        "The same proof is refused the second time",
        matches!(again, BridgeErrors::WrongStatus(_)),
    )
}

/// Why a step is a lie, with roots cut short.
fn reason(lie: &Lie) -> String {
    match &lie.reason {
        Invalid::Root { touch, stated, actual } => {
            let short = |root: &Root| root.to_string().chars().take(10).collect::<String>();
            format!(
                "anchor {touch}: the step says root {}…, its state has {}…",
                short(stated),
                short(actual)
            )
        }
        other => other.to_string(),
    }
}

/// A follower that starts from nothing but the manifest finds the lie in a batch, and a simulation confirms the proof.
pub(crate) async fn watch(stage: &mut Stage, id: BatchId) -> Result<(Lie, Proof)> {
    let twins = rules::twins(&rules::book(&stage.deployment));
    let mut follower = Follower::start(stage.chain.l1().clone(), stage.deployment.clone(), twins).await?;
    follower.sync().await?;
    let lies = watcher::lies(follower.ledger());
    let lie = lies
        .into_iter()
        .find(|lie| lie.batch == id)
        .ok_or_eyre("the watcher found no lie")?;
    let proof = watcher::challenge(follower.ledger(), lie.batch, lie.step)?;
    let watcher = Watcher::new(stage.actor(Role::Wanda).sender.clone());
    watcher.simulate(stage.deployment.bridge, &proof).await?;
    Ok((lie, proof))
}

/// Wanda sends a proof.
pub(crate) async fn prove(stage: &mut Stage, what: &str, proof: &Proof) -> Result<Mined> {
    let length = thousands(u64::try_from(proof.evidence.len())?);
    let what = format!("{what} ({length} bytes of evidence)");
    let mined = stage
        .send(Role::Wanda, what, proof.call(stage.deployment.bridge))
        .await?;
    let convicted: Bridge::Convicted = mined.event(stage.deployment.bridge)?;
    let reward = convicted.slashed / U256::from(2);
    stage.actor_mut(Role::Wanda).received += reward;
    stage.burnt += convicted.slashed - reward;
    stage.sync().await?;
    Ok(mined)
}

async fn finality(stage: &mut Stage, id: BatchId) -> Result<()> {
    stage.narrator.act("Finality needs no transaction: the window passes");
    let bridge = stage.deployment.bridge;
    let claim = claims::unpaid(stage.ledger(), id)?
        .into_iter()
        .next()
        .ok_or_eyre("no withdrawal to claim")?;
    let early = refusal(stage, Role::Paula, &claim.call(bridge)).await?;
    stage.narrator.check(
        "A claim before finality is refused",
        matches!(early, BridgeErrors::NotFinal(_)),
    )?;

    let posted = stage.deployment.deployment_block + id.block_offset();
    let preimage = stage.ledger().preimage(id)?.encode();
    let final_at: u64 = stage.bridge().finalAt(preimage.into()).call().await?.to();
    stage.narrator.progress(format!("Waiting for block {final_at}"));
    stage.chain.advance_to(final_at).await?;
    stage.sync().await?;
    stage.narrator.report.blocks_to_finality = final_at - posted;
    stage.narrator.note(format!(
        "Posted in block {posted}, final from block {final_at}: {} blocks",
        final_at - posted
    ));
    let ready = claims::ready(stage.ledger())?;
    stage.narrator.check_equal(
        "The model says that exactly Alice's withdrawal can be claimed",
        &ready,
        &vec![claim.clone()],
    )?;

    let before = stage.eth_of(Role::Alice).await?;
    let mined = stage
        .send(Role::Paula, "pushes Alice's withdrawal", claim.call(bridge))
        .await?;
    let paid = stage.eth_of(Role::Alice).await? - before;
    stage.actor_mut(Role::Alice).received += paid;
    stage.narrator.target("ETH claim", "gas", CLAIM_TARGET, mined.gas());
    stage
        .narrator
        .check_equal("Alice got 0.3 ETH on L1", &paid, &U256::from(3 * UNIT / 10))?;
    let again = refusal(stage, Role::Paula, &claim.call(bridge)).await?;
    stage.narrator.check(
        "It is paid once: the next claim is refused",
        matches!(again, BridgeErrors::AlreadyPaid(_)),
    )?;
    stage.sync().await
}
