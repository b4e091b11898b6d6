//! A follower that derives everything from a real L1 node on this machine: what its node takes to answer is in the time.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use alloy::{primitives::U256, sol_types::SolCall};
use eyre::{OptionExt, Result};
use nthroot_bindings::Bridge;
use nthroot_model::rule::Rules;
use nthroot_node::{
    Call, Deployment, Follower, Parameters, Proposer, Sender, deploy,
    devnet::Devnet,
    follower::Options as Following,
    rules,
    store::{Memory, Store},
};
use nthroot_protocol::{AccountOp, AnchorId, BatchId, Domain, Key};
use nthroot_wallet::account::{self, Party, Terms};

use super::clock::as_f64;
use crate::{
    Options,
    report::{Cell, Table},
};

const GWEI: u64 = 1_000_000_000;
/// Users, each with a step in each batch.
const USERS: usize = 250;
const BATCHES: u64 = 24;
const QUICK_BATCHES: u64 = 2;
const WINDOW: u64 = 40;
/// Deposits on their way at a time: nodes hold back more from one account.
const IN_FLIGHT: usize = 50;
const DEPOSIT_GAS: u64 = 100_000;

/// Steps a second, with signatures checked and trusted.
pub(super) fn table(options: &Options, anvil: &Path) -> Result<Table> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(options, anvil))
}

async fn measure(options: &Options, anvil: &Path) -> Result<Table> {
    let devnet = Devnet::start_program(anvil.as_os_str()).await?;
    let sender = Sender::new(devnet.l1().clone(), Devnet::funded_key()?);
    let parameters = Parameters {
        window: WINDOW,
        insured_gas_price: GWEI,
        min_lock: nthroot_model::params::Params::least_min_lock(GWEI.into()),
        caps: Default::default(),
    };
    let (deployment, _) = deploy(&sender, parameters).await?;
    let fund = Bridge::fundBondCall {
        proposer: sender.address(),
    };
    let wei = U256::from(100 * u128::from(GWEI) * u128::from(GWEI));
    sender.send(call(&deployment, &fund).value(wei)).await?;
    let anchors = deposits(&deployment, &sender).await?;

    let owner = Devnet::funded_key()?;
    let terms = Terms {
        domain: Domain {
            chain_id: deployment.chain_id,
            bridge: deployment.bridge,
        },
        book: rules::book(&deployment),
        valid_until: u64::MAX,
    };
    let mut follower = following(&devnet, &deployment, false).await?;
    let proposer = Proposer::new(sender.clone());
    for nonce in 0..if options.quick { QUICK_BATCHES } else { BATCHES } {
        follower.sync().await?;
        let withdraw = AccountOp::Withdraw {
            recipient: sender.address(),
            token: alloy::primitives::Address::ZERO,
            amount: 1,
        };
        let plan = |anchor: &AnchorId| {
            let party = Party::signing(owner.credential(), anchor.fragment(), nonce, vec![withdraw.clone()]);
            account::plan(&terms, &[party])
        };
        let plans = anchors.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
        let batch = proposer.build(&follower, None, &plans)?;
        proposer.post(&follower, &batch).await?;
    }
    // Long past the window, so that signatures may be trusted.
    devnet.mine(3 * WINDOW).await?;

    let mut table = Table::new(
        "follower",
        "A follower that derives everything from a local L1 node over HTTP, a signature a step; by the clock on the wall",
        &[("signatures", ""), ("steps", "count"), ("rate", "steps/s")],
    );
    for (name, trust) in [("checked", false), ("trusted where final", true)] {
        let mut follower = following(&devnet, &deployment, trust).await?;
        let began = Instant::now();
        follower.sync().await?;
        let seconds = began.elapsed().as_secs_f64();
        let steps = follower.progress().borrow().steps;
        let rate = as_f64(usize::try_from(steps)?) / seconds;
        table.row([name.into(), Cell::Count(steps), rate.round().into()]);
    }
    Ok(table)
}

fn call(deployment: &Deployment, call: &impl SolCall) -> Call {
    Call::new(deployment.bridge, call.abi_encode())
}

async fn deposits(deployment: &Deployment, sender: &Sender) -> Result<Vec<AnchorId>> {
    let key = Key::Secp256k1(sender.address()).to_bytes().into();
    let deposit = call(deployment, &Bridge::depositCall { key })
        .value(U256::from(GWEI))
        .gas(DEPOSIT_GAS);
    let mut anchors = Vec::with_capacity(USERS);
    while anchors.len() < USERS {
        for mined in sender
            .send_all(vec![deposit.clone(); IN_FLIGHT.min(USERS - anchors.len())])
            .await?
        {
            let event: Bridge::Deposited = mined.event(deployment.bridge)?;
            let id = BatchId::from_u64(event.id.to()).ok_or_eyre("a deposit without an id")?;
            anchors.push(AnchorId::new(id, 0));
        }
    }
    Ok(anchors)
}

async fn following(devnet: &Devnet, deployment: &Deployment, trust: bool) -> Result<Follower> {
    let options = Following {
        trust_final_signatures: trust,
        ..Following::default()
    };
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    Ok(Follower::open_with(
        devnet.l1().clone(),
        deployment.clone(),
        Rules::default(),
        store,
        options,
    )
    .await?)
}

/// The anvil of the environment: `cargo xtask bench` sets it.
pub(super) fn anvil() -> Result<PathBuf> {
    let path = std::env::var_os("ANVIL")
        .ok_or_eyre("this needs anvil: run it by `cargo xtask bench`, or set ANVIL to its path")?;
    Ok(path.into())
}
