//! Deploying, as often as it takes: what is there already is not made again.

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};
use nthroot_bindings::{Bridge, RuleRegistry};
use nthroot_evm::SpecId;
use nthroot_protocol::storage::GLOBAL_SLOT;
use tracing::info;

use super::{
    Deployment, Funds, Kind, Made, Manifest, Parameters, Piece, Plan, Record, Rehearsed, contract,
    factory::{self, FACTORY},
    refuse::Refusal,
    rehearse, word,
};
use crate::{
    error::{Error, Result},
    l1::L1,
    rules,
    sender::{Mined, Sender, estimate_at_latest},
};

/// Blocks in which what was sent beside the sender must be included.
pub(super) const PATIENCE: u64 = 30;

/// What became of a contract.
#[derive(Debug, Clone)]
pub enum Step {
    /// It was there: made earlier, by whomever.
    There,
    /// It was made.
    Made(Box<Mined>),
}

/// A deployment that is complete.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What others are told of it.
    pub manifest: Manifest,
    /// What became of each contract.
    pub steps: Vec<(Kind, Step)>,
}

/// Registry, Account rule, verifier and bridge, under the salt zero, without a word: for chains of one's own. Returns what was made.
///
/// # Errors
///
/// As [`run`].
pub async fn deploy(sender: &Sender, parameters: Parameters) -> Result<(Deployment, Vec<(&'static str, Mined)>)> {
    deploy_apart(sender, parameters, B256::ZERO).await
}

/// The same under this salt, for chains where there may be a bridge of the same parameters.
///
/// # Errors
///
/// As [`run`].
pub async fn deploy_apart(
    sender: &Sender,
    parameters: Parameters,
    salt: B256,
) -> Result<(Deployment, Vec<(&'static str, Mined)>)> {
    let plan = Plan::new(&parameters, salt).without_rules();
    let outcome = run(sender, &plan, false, |_, _| {}).await?;
    let made = outcome.steps.into_iter().filter_map(|(kind, step)| match step {
        Step::Made(mined) => Some((kind.says(), *mined)),
        Step::There => None,
    });
    Ok((outcome.manifest.deployment, made.collect()))
}

impl Plan {
    /// What is to be made still, with the gas of each; and whether the factory is.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherCode`]; [`Error::Parameters`] if no bridge can have these; or if the L1 node fails.
    pub async fn todo(&self, l1: &L1) -> Result<(Vec<Rehearsed>, bool)> {
        self.parameters.check()?;
        let needs_factory = !factory::is_there(l1).await?;
        if needs_factory {
            factory::check(l1).await?;
        }
        let mut todo = rehearse(self, SpecId::OSAKA, 1)?;
        let mut there = Vec::new();
        for piece in &self.pieces {
            if is_there(l1, self, piece).await? {
                there.push(piece.kind);
            }
        }
        todo.retain(|made| !there.contains(&made.kind));
        Ok((todo, needs_factory))
    }

    /// The block in which the bridge was made. None: it is not there.
    ///
    /// # Errors
    ///
    /// If the L1 node fails.
    pub async fn deployment_block(&self, l1: &L1) -> Result<Option<u64>> {
        let bridge = self.address(Kind::Bridge);
        if l1.provider().get_code_at(bridge).await?.is_empty() {
            return Ok(None);
        }
        deployment_block(l1, bridge).await.map(Some)
    }

    /// Whether nothing in the bridge can be final that nobody judged, if it is there: nobody has used it, or its first window still runs,
    /// so that whoever watches in time sees all of it. In any other there may be a final lie: whoever made it first could post one
    /// while nobody watched, and wait for the window.
    ///
    /// # Errors
    ///
    /// [`Refusal::InUse`]; or if the L1 node fails.
    pub async fn check_unused(&self, l1: &L1) -> Result<()> {
        let bridge = self.address(Kind::Bridge);
        let word = l1.provider().get_storage_at(bridge, GLOBAL_SLOT.into()).await?;
        if word.is_zero() {
            return Ok(());
        }
        let since = deployment_block(l1, bridge).await?;
        if l1.block_number().await? <= since.saturating_add(self.parameters.window) {
            return Ok(());
        }
        Err(Refusal::InUse { bridge, since }.into())
    }
}

/// Makes what is not there yet, and checks it all. Whoever is interrupted runs it again: nothing is paid for twice. `tell` hears
/// of each contract.
///
/// # Errors
///
/// A [`Refusal`] or [`Error::Parameters`], before anything is sent. If a transaction fails, or the L1 node does.
/// [`Error::WrongDeployment`] if in the end something is not as it should be.
pub async fn run(sender: &Sender, plan: &Plan, adopt: bool, mut tell: impl FnMut(&Piece, &Step)) -> Result<Outcome> {
    let l1 = sender.l1();
    let (todo, needs_factory) = plan.todo(l1).await?;
    plan.check_tokens(l1).await?;
    if !adopt {
        plan.check_unused(l1).await?;
    }
    let who = sender.address();
    let funds = Funds::of(l1, who, &todo.iter().collect::<Vec<_>>(), needs_factory).await?;
    if !todo.is_empty() {
        funds.check(who)?;
    }
    if needs_factory {
        factory::install(sender).await?;
    }
    let mut steps = Vec::new();
    for piece in &plan.pieces {
        let step = make(sender, plan, piece).await?;
        if let Step::Made(mined) = &step {
            info!(what = piece.kind.says(), address = %piece.address, block = mined.block(), "deployed");
        }
        tell(piece, &step);
        steps.push((piece.kind, step));
    }
    // Somebody may have made it meanwhile, and used it.
    if !adopt && matches!(steps.last(), Some((Kind::Bridge, Step::There))) {
        plan.check_unused(l1).await?;
    }
    let manifest = manifest(l1, plan, &steps).await?;
    Ok(Outcome { manifest, steps })
}

/// The manifest of a bridge that is there, by whomever: to look through its history before it is adopted.
///
/// # Errors
///
/// [`Error::WrongDeployment`] if something is not as it should be; or if the L1 node fails.
pub async fn found(l1: &L1, plan: &Plan) -> Result<Manifest> {
    let mut steps = Vec::new();
    for piece in &plan.pieces {
        if is_there(l1, plan, piece).await? {
            steps.push((piece.kind, Step::There));
        }
    }
    manifest(l1, plan, &steps).await
}

async fn manifest(l1: &L1, plan: &Plan, steps: &[(Kind, Step)]) -> Result<Manifest> {
    let block = deployment_block(l1, plan.address(Kind::Bridge)).await?;
    let deployment = plan.deployment(l1.chain_id(), block);
    deployment.check(l1).await?;
    let contracts = contracts(l1, plan, &deployment, steps).await?;
    Ok(Manifest {
        rules: rules::book(&deployment),
        deployment,
        record: Some(Record {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            factory: FACTORY,
            salt: plan.salt,
            contracts,
        }),
    })
}

/// Makes a contract, unless it is there.
async fn make(sender: &Sender, plan: &Plan, piece: &Piece) -> Result<Step> {
    let l1 = sender.l1();
    if is_there(l1, plan, piece).await? {
        return Ok(Step::There);
    }
    let sent = match estimate_at_latest(l1, sender.address(), &piece.call).await {
        Ok(gas) => sender.send(piece.call.clone().gas(gas)).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(mined) if is_there(l1, plan, piece).await? => Ok(Step::Made(Box::new(mined))),
        Ok(_) => Err(Error::missing(format!("code of the {}", piece.kind.says()))),
        // Somebody was faster, maybe an earlier run of ours: then it fails, since nothing is created twice.
        Err(Error::WouldFail(_) | Error::Failed { .. }) if is_there(l1, plan, piece).await? => Ok(Step::There),
        Err(error) => Err(error),
    }
}

/// Whether a contract is there, with its code.
async fn is_there(l1: &L1, plan: &Plan, piece: &Piece) -> Result<bool> {
    let code = l1.provider().get_code_at(piece.address).await?;
    if code.is_empty() {
        return Ok(false);
    }
    let block = match piece.kind {
        Kind::Bridge => deployment_block(l1, piece.address).await?,
        _ => 1,
    };
    let rehearsed = rehearse(plan, SpecId::OSAKA, block)?;
    if rehearsed
        .iter()
        .any(|made| made.kind == piece.kind && made.code == code)
    {
        return Ok(true);
    }
    Err(Refusal::OtherCode {
        what: piece.kind.says(),
        address: piece.address,
    }
    .into())
}

async fn deployment_block(l1: &L1, bridge: Address) -> Result<u64> {
    let bridge = Bridge::new(bridge, l1.provider());
    Ok(word(bridge.DEPLOYMENT_BLOCK().call().await.map_err(contract)?))
}

/// What there is, with the transactions that made it.
async fn contracts(l1: &L1, plan: &Plan, deployment: &Deployment, steps: &[(Kind, Step)]) -> Result<Vec<Made>> {
    let rehearsed = rehearse(plan, SpecId::OSAKA, deployment.deployment_block)?;
    let mut contracts = Vec::new();
    // In the order in which they were made: each is there before the next.
    for (piece, step) in steps.iter().filter_map(|(kind, step)| Some((plan.piece(*kind)?, step))) {
        let (block, transaction) = match step {
            Step::Made(mined) => (Some(mined.block()), Some(mined.hash())),
            Step::There => origin(l1, deployment, piece).await?,
        };
        let code = rehearsed.iter().find(|made| made.kind == piece.kind);
        let code_hash = code.map(|made| alloy::primitives::keccak256(&made.code));
        contracts.push(Made {
            kind: piece.kind,
            address: piece.address,
            code_hash: code_hash.unwrap_or_default(),
            block,
            transaction,
        });
    }
    Ok(contracts)
}

/// When a contract was made, and by which transaction, as far as the L1 node can tell.
async fn origin(l1: &L1, deployment: &Deployment, piece: &Piece) -> Result<(Option<u64>, Option<B256>)> {
    let block = match piece.kind {
        Kind::Bridge => Some(deployment.deployment_block),
        kind if kind.is_rule() => {
            let registry = RuleRegistry::new(deployment.registry, l1.provider());
            Some(word(
                registry.registeredAt(piece.address).call().await.map_err(contract)?,
            ))
        }
        _ => first_block(l1, piece.address).await?,
    };
    let Some(number) = block else { return Ok((None, None)) };
    let block = l1.provider().get_block_by_number(number.into()).full().await?;
    let transactions = block
        .into_iter()
        .flat_map(|block| block.transactions.into_transactions());
    let made = transactions.into_iter().find(|transaction| {
        use alloy::consensus::Transaction as _;
        transaction.kind() == piece.call.to && *transaction.input() == piece.call.input
    });
    Ok((Some(number), made.map(|transaction| *transaction.inner.tx_hash())))
}

/// The first block after which there is code at an address, by halves. None if the node does not have states as old as that.
async fn first_block(l1: &L1, address: Address) -> Result<Option<u64>> {
    let (mut without, mut with) = (0, l1.block_number().await?);
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        match l1.provider().get_code_at(address).number(middle).await {
            Ok(code) if code.is_empty() => without = middle,
            Ok(_) => with = middle,
            Err(error) if error.as_error_resp().is_some() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(with))
}
