//! A cohort: many fragments under one anchor.

use eyre::{Result, ensure};
use nthroot_model::{builder::StepPlan, ledger::State};
use nthroot_node::{Error, Proposer};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Fragment, FragmentId, limits::MAX_LEASE};
use nthroot_wallet::account::Party;

use crate::{
    demo::{
        cast::Role,
        stage::{Stage, UNIT},
        story::stands,
    },
    text::thousands,
};

const DEPTH: u8 = 20;
/// Where Alice's and Carol's fragments are.
const LEAVES: [u32; 2] = [1, 2];

/// Alice's and Carol's fragments in Paula's cohort.
pub(crate) type Members = [FragmentId; 2];

/// Two people pay each other in Paula's cohort.
pub(crate) async fn play(stage: &mut Stage) -> Result<Members> {
    stage
        .narrator
        .act("A cohort: many fragments under one anchor, and one root for all of them");
    let (deposit, _) = stage.deposit(Role::Paula, UNIT / 10).await?;
    let cohort = open(stage, AnchorId::new(deposit, 0)).await?;
    let members = LEAVES.map(|leaf| cohort.leaf(leaf).unwrap_or_default());
    exchange(stage, members).await?;

    let plan = payment(stage, members, 2);
    let mallory = Proposer::new(stage.actor(Role::Mallory).sender.clone());
    let refused = mallory.build(&stage.follower, None, &[plan]);
    stage.narrator.check(
        "Mallory's software posts nothing on it while it is leased to Paula: it would be a lie",
        matches!(refused, Err(Error::Leased { .. })),
    )?;
    Ok(members)
}

/// As many transfers within the cohort as in a batch that was measured.
pub(crate) async fn measure(stage: &mut Stage, members: Members) -> Result<()> {
    let [alice, carol] = members;
    let nonces = [leaf(stage, alice)?.nonce, leaf(stage, carol)?.nonce];
    let apart = &stage.narrator.report.batches[1];
    let (transfers, apart) = (u64::try_from(apart.transfers)?, apart.gas);
    let transfer = |n| {
        stage.plan(&[
            stage.party(Role::Alice, alice, nonces[0] + n, vec![pay(carol, UNIT / 100_000)]),
            stage.party(Role::Carol, carol, nonces[1] + n, vec![]),
        ])
    };
    let plans: Vec<_> = (0..transfers).map(transfer).collect();
    let what = format!("posts a batch of {transfers} transfers within the cohort, 1 root");
    let (posted, _) = stage.post(Role::Paula, what, 1, &plans, |_| ()).await?;
    let within = posted.mined.gas();
    stage.check_heads("Its head is what the model derives").await?;
    let saved = apart.saturating_sub(within) / transfers;
    stage.narrator.check(
        format!(
            "So a transfer within a cohort costs {} gas less than one between anchors",
            thousands(saved)
        ),
        saved > 0,
    )
}

fn leaf(stage: &Stage, id: FragmentId) -> Result<&Fragment> {
    let state = stage.ledger().state(id.anchor()).and_then(State::known);
    let fragment = state.and_then(|state| state.fragment(id.leaf()));
    fragment.ok_or_else(|| eyre::eyre!("fragment {id} is not known"))
}

/// Opens it, with leaves for Alice and Carol. Returns its anchor.
async fn open(stage: &mut Stage, from: AnchorId) -> Result<AnchorId> {
    let open = AccountOp::Open {
        depth: DEPTH,
        kind: 1,
        controller: stage.address(Role::Paula),
        assets: vec![(AssetId::ETH, UNIT * 9 / 100)],
    };
    stage.sync().await?;
    let plan = stage.plan(&[stage.party(Role::Paula, from.fragment(), 0, vec![open])]);
    let what = format!("opens a cohort of {} fragments", thousands(1 << DEPTH));
    let (posted, _) = stage.post(Role::Paula, what, 1, &[plan], |_| ()).await?;
    // Entry 0 is the deposit's anchor.
    let cohort = AnchorId::new(posted.id, 1);

    let leaf = |role| AccountOp::OpenLeaf {
        kind: 1,
        controller: stage.address(role),
        assets: vec![(AssetId::ETH, UNIT * 4 / 100)],
    };
    let lease = AccountOp::SetLease {
        holder: stage.address(Role::Paula),
        last_block: stage.follower.tip().number + MAX_LEASE,
    };
    let ops = vec![leaf(Role::Alice), leaf(Role::Carol), lease];
    let header = stage.party(Role::Paula, cohort.fragment(), 0, ops).opening(LEAVES);
    let plan = stage.plan(&[header]);
    let what = "opens leaves for Alice and Carol, and leases it to herself";
    stage.post(Role::Paula, what, 2, &[plan], |_| ()).await?;
    Ok(cohort)
}

/// Alice pays Carol, who need not sign.
fn payment(stage: &Stage, [alice, carol]: Members, nonce: u64) -> StepPlan {
    let pay = pay(carol, UNIT / 1000);
    stage.plan(&[
        stage.party(Role::Alice, alice, nonce, vec![pay]),
        Party::credited(carol),
    ])
}

const fn pay(to: FragmentId, amount: u128) -> AccountOp {
    AccountOp::Pay {
        to,
        asset: AssetId::ETH,
        amount,
    }
}

async fn exchange(stage: &mut Stage, members: Members) -> Result<()> {
    let [alice, carol] = members;
    stage
        .narrator
        .note("1. Alice pays Carol 0.02 ETH, Carol pays Alice 0.005 ETH; both sign");
    stage
        .narrator
        .note("2. Alice pays Carol 0.001 ETH; she is away, and the lease lets Paula credit her");
    let both = stage.plan(&[
        stage.party(Role::Alice, alice, 0, vec![pay(carol, UNIT / 50)]),
        stage.party(Role::Carol, carol, 0, vec![pay(alice, UNIT / 200)]),
    ]);
    let plans = [both, payment(stage, members, 1)];
    let (posted, batch) = stage
        .post(Role::Paula, "posts a batch of these 2 steps", 3, &plans, |_| ())
        .await?;
    let [first, second] = &batch.steps[..] else {
        eyre::bail!("not two steps")
    };
    ensure!(first.touches() == 1 && second.touches() == 1, "more than one anchor");
    stage
        .check_heads("Each step moved one root on L1, which is that of all the cohort's fragments")
        .await?;
    for (who, member, amount) in [
        ("Alice's leaf holds 0.024 ETH", alice, UNIT * 24 / 1000),
        ("Carol's leaf holds 0.056 ETH", carol, UNIT * 56 / 1000),
    ] {
        let balance = leaf(stage, member)?.balance(AssetId::ETH);
        stage.narrator.check_equal(who, &balance, &amount)?;
    }
    stands(stage, posted.id, ": L1 opens the leaves in the cohort's tree").await
}
