//! What it costs: batches of two-party transfers in the steady state, and a proof in a batch of a thousand steps.

use alloy::primitives::U256;
use eyre::{Result, ensure};
use nthroot_bindings::Bridge;
use nthroot_model::invalid::Invalid;
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, Key};
use nthroot_wallet::account::Party;

use crate::{
    demo::{
        cast::{Role, derived_key},
        cohort::{self, Members},
        report::MeasuredBatch,
        stage::{Stage, UNIT},
        story::{post_lie, prove, watch},
    },
    text::thousands,
};

/// Two-party transfers in the batches.
const SIZES: [usize; 3] = [1, 10, 100];
/// Users, two to a transfer of the largest batch.
const USERS: usize = 200;
/// Deposits on their way at a time: nodes hold back more from one account.
const IN_FLIGHT: usize = 50;
/// Gas limit of a deposit.
const DEPOSIT_GAS: u64 = 100_000;

/// Gas. A cold slot update and its 33 bytes take 5,528.
const ROOT_TARGET: u64 = 6_000;
/// Gas.
const FIXED_TARGET: u64 = 40_000;
/// Gas.
const PROOF_TARGET: u64 = 120_000;
/// Bytes.
const PROOF_SIZE_TARGET: u64 = 2_048;
/// Steps beside the lie.
const FILLERS: u16 = 999;

/// Gas of a byte of calldata that is not zero, and of one that is.
const CALLDATA_GAS: [u64; 2] = [16, 4];

pub(crate) async fn play(stage: &mut Stage, mallory: &[AnchorId; 2], members: Members) -> Result<()> {
    let crowd = deposits(stage).await?;
    batches(stage, &crowd).await?;
    cohort::measure(stage, members).await?;
    proof(stage, mallory).await
}

/// Gives everybody a fragment.
async fn deposits(stage: &mut Stage) -> Result<Vec<AnchorId>> {
    stage
        .narrator
        .act("Measurements: batches of two-party transfers, in the steady state");
    for user in 0..USERS {
        let key = derived_key(&stage.actor(Role::Deployer).key, &format!("user {user}"))?;
        stage.crowd.push(key);
    }
    let amount = U256::from(UNIT / 1000);
    let calls: Vec<_> = stage
        .crowd
        .iter()
        .map(|key| Bridge::depositCall {
            key: Key::Secp256k1(key.address()).to_bytes().into(),
        })
        .map(|deposit| stage.bridge_call(&deposit).value(amount).gas(DEPOSIT_GAS))
        .collect();
    let mut anchors = Vec::with_capacity(USERS);
    let mut gas = 0;
    for calls in calls.chunks(IN_FLIGHT) {
        let all = stage.actor(Role::Deployer).sender.send_all(calls.to_vec()).await?;
        for mined in &all {
            gas += mined.gas();
            anchors.push(AnchorId::new(stage.deposited(mined)?, 0));
            stage.actor_mut(Role::Deployer).book(mined, amount);
        }
        stage.narrator.progress(format!("{} deposits", anchors.len()));
    }
    stage.narrator.note(format!(
        "{USERS} users deposit 0.001 ETH each, sent without waiting: {} gas on average",
        thousands(gas / u64::try_from(USERS)?)
    ));
    stage.check_heads("All their heads are what the model derives").await?;
    Ok(anchors)
}

async fn batches(stage: &mut Stage, crowd: &[AnchorId]) -> Result<()> {
    for size in SIZES {
        // The word of the last batch is written again, once that one is final: the steady state.
        let free = stage.follower.tip().number + stage.deployment.parameters.window + 1;
        stage.narrator.progress(format!("Waiting for block {free}"));
        stage.chain.advance_to(free).await?;
        stage.sync().await?;
        let mut plans = Vec::with_capacity(size);
        for (pair, keys) in crowd.chunks(2).zip(stage.crowd.chunks(2)).take(size) {
            let [from, to] = [pair[0], pair[1]];
            let pay = AccountOp::Pay {
                to: to.fragment(),
                asset: AssetId::ETH,
                amount: UNIT / 100_000,
            };
            let nonces = [stage.fragment(from)?.nonce, stage.fragment(to)?.nonce];
            plans.push(stage.plan(&[
                Party::signing(keys[0].credential(), from.fragment(), nonces[0], vec![pay]),
                Party::signing(keys[1].credential(), to.fragment(), nonces[1], vec![]),
            ]));
        }
        let plural = if size == 1 { "" } else { "s" };
        let what = format!("posts a batch of {size} transfer{plural}, {} user roots", 2 * size);
        let (posted, batch) = stage.post(Role::Paula, what, 0, &plans, |_| ()).await?;
        ensure!(stage.ledger().lies().is_empty(), "an honest batch is a lie");
        stage.narrator.report.batches.push(MeasuredBatch {
            transfers: size,
            gas: posted.mined.gas(),
            calldata: posted.mined.calldata,
            body_gas: body_gas(&batch),
        });
    }
    stage.check_heads("All their heads are what the model derives").await?;

    let [one, ten, hundred] = [0, 1, 2].map(|i| &stage.narrator.report.batches[i]);
    let steps = u64::try_from(hundred.transfers - ten.transfers)?;
    let step = (hundred.gas - ten.gas) / steps;
    let apart = ((hundred.gas - hundred.body_gas) - (ten.gas - ten.body_gas)) / (2 * steps);
    let fixed = one.gas.saturating_sub(step);
    let rows: Vec<_> = [one, ten, hundred]
        .map(|batch| {
            let roots = u64::try_from(2 * batch.transfers).unwrap_or(u64::MAX);
            [
                format!(
                    "{} transfer{}",
                    batch.transfers,
                    if batch.transfers == 1 { "" } else { "s" }
                ),
                thousands(batch.gas),
                thousands(u64::try_from(batch.calldata).unwrap_or(u64::MAX)),
                thousands(batch.gas / roots),
                thousands((batch.gas - batch.body_gas) / roots),
            ]
        })
        .into();
    stage
        .narrator
        .print_table(["batch", "gas", "calldata", "gas a root", "bodies apart"], &rows);
    stage.narrator.note(format!(
        "One more transfer: {} gas, of it {} for two roots and the rest for its body and signatures",
        thousands(step),
        thousands(2 * apart)
    ));
    stage
        .narrator
        .target("One more user root, its body apart", "gas", ROOT_TARGET, apart);
    stage
        .narrator
        .target("A batch's fixed cost", "gas", FIXED_TARGET, fixed);
    Ok(())
}

/// Gas of the calldata that bodies are.
fn body_gas(batch: &Batch) -> u64 {
    let bytes = batch.steps.iter().flat_map(|step| &step.body);
    bytes.map(|byte| CALLDATA_GAS[usize::from(*byte == 0)]).sum()
}

async fn proof(stage: &mut Stage, mallory: &[AnchorId; 2]) -> Result<()> {
    stage
        .narrator
        .act("A lie in a two-party transfer, in a batch of 1,000 steps");
    let before = stage.heads(mallory).await?;
    let (id, _) = post_lie(stage, "posts a batch of 1,000 steps", mallory, FILLERS).await?;
    let (lie, proof) = watch(stage, id).await?;
    let is_root = lie.step == 0 && matches!(lie.reason, Invalid::Root { touch: 0, .. });
    stage.narrator.check(
        "The lie found is the false root of the transfer, so the proof has to evaluate it",
        is_root,
    )?;
    let mined = prove(stage, "proves it and rolls the batch back", &proof).await?;
    let restored = stage.heads(mallory).await?;
    stage
        .narrator
        .check_equal("Both heads are what they were before the lie", &restored, &before)?;
    stage.narrator.target(
        "Fraud proof, two parties in 1,000 steps, with slashing and roll-back",
        "gas",
        PROOF_TARGET,
        mined.gas(),
    );
    stage.narrator.target(
        "Its calldata",
        "bytes",
        PROOF_SIZE_TARGET,
        u64::try_from(mined.calldata)?,
    );
    Ok(())
}
