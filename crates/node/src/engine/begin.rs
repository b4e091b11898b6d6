//! From a configuration to a node that runs: what fails at once is an error, what L1 does not answer is asked again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Ended, Node, Pause, StartError, Watch, metered::Metered, proposing::Proposing, report::Report, turn::Engine,
    watching::Watching,
};
use crate::{
    alert::{Alerts, Pace},
    config::{Config, KeyFiles},
    deploy::Deployment,
    error::{Action, Result},
    follower::Follower,
    l1::L1,
    mempool::{Carrier, Mempool},
    metrics,
    outbox::Outbox,
    rules,
    server::{Condition, Intake, Ops, Server},
    store::{Redb, Store},
    watcher::Duties,
};

/// What a node needs before it asks L1 anything.
struct Parts {
    config: Config,
    deployment: Deployment,
    store: Arc<dyn Store>,
    watcher: Option<PrivateKeySigner>,
    proposer: Option<PrivateKeySigner>,
    condition: channel::Sender<Condition>,
    watch: Watch,
    stop: CancellationToken,
}

pub(super) async fn start(config: &Config) -> Result<Node, StartError> {
    let deployment = config.manifest()?;
    let key = |section, enabled: bool, files: &KeyFiles| {
        let key = enabled.then(|| files.read()).transpose();
        key.map_err(|what| StartError::Key { section, what })
    };
    let watcher = key("watcher", config.watcher.enabled, &config.watcher.key)?;
    let proposer = key("proposer", config.proposer.enabled, &config.proposer.key)?;
    if let (Some(watcher), Some(proposer)) = (&watcher, &proposer)
        && watcher.address() == proposer.address()
    {
        return Err(StartError::OneKey);
    }
    std::fs::create_dir_all(&config.data).map_err(|error| StartError::Data {
        path: config.data.display().to_string(),
        error,
    })?;
    let store = Arc::new(Metered(Redb::open(config.store())?));
    let figures = metrics::install().map_err(|error| StartError::Metrics(error.to_string()))?;
    let (condition, seen) = channel::channel(Condition::default());
    let ops = match &config.ops {
        ops if ops.enabled => Some(Ops::start(ops.listen, ops.public, figures, seen.clone()).await?),
        _ => None,
    };
    let watch = Watch {
        condition: seen,
        progress: Arc::new(OnceLock::new()),
        api: Arc::new(OnceLock::new()),
    };
    let stop = CancellationToken::new();
    let parts = Parts {
        config: config.clone(),
        deployment,
        store,
        watcher,
        proposer,
        condition,
        watch: watch.clone(),
        stop: stop.clone(),
    };
    // Judging and packing take long: on a thread of their own they hold up nobody who is answered.
    let runtime = tokio::runtime::Handle::current();
    let task = tokio::task::spawn_blocking(move || runtime.block_on(run(parts)));
    Ok(Node { stop, task, watch, ops })
}

async fn run(parts: Parts) -> Ended {
    let stop = parts.stop.clone();
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => return Ended::Stopped,
        opened = open(parts) => opened,
    };
    match opened {
        Ok((engine, server)) => {
            let ended = engine.run(&stop).await;
            if let Some(server) = server {
                server.stop().await;
            }
            ended
        }
        Err(error) => {
            error!(%error, "the node cannot begin");
            Ended::Halted(error.to_string())
        }
    }
}

/// Asks L1 until it answers, and puts everything together.
async fn open(parts: Parts) -> Result<(Engine, Option<Server>), StartError> {
    let follower = follower(&parts).await?;
    let Parts {
        config,
        store,
        watcher,
        proposer,
        condition,
        watch,
        stop: _,
        deployment,
    } = parts;
    let _ = watch.progress.set(follower.progress());
    let l1 = follower.l1().clone();
    let (views, seen) = channel::channel(follower.view());

    let watcher = match watcher {
        Some(key) => {
            let policy = config.watcher.fees.policy();
            let duties =
                Duties::new(l1.clone(), deployment.bridge, policy).beyond_reward(config.watcher.fees.beyond_reward);
            let outbox = Outbox::open(l1.clone(), key, Arc::clone(&store))?;
            Some(Watching::new(l1.clone(), outbox, duties))
        }
        None => None,
    };
    let proposer = match proposer {
        Some(key) => {
            let section = &config.proposer;
            let carrier = Carrier::new(key.credential().clone());
            let carrier = match section.charge() {
                Some(fee) => carrier.charging(fee, section.fee.tills.clone()),
                None => carrier,
            };
            let mempool = Mempool::open(Arc::clone(&store), section.limits(), carrier)?;
            let outbox = Outbox::open(l1.clone(), key, Arc::clone(&store))?;
            Some(Proposing::new(l1.clone(), outbox, mempool, section.policy()))
        }
        None => None,
    };
    let server = if config.api.enabled {
        let intake = proposer
            .as_ref()
            .map(|proposer| Arc::clone(&proposer.mempool) as Arc<dyn Intake>);
        let server = Server::start(config.api.limits(), seen, intake).await?;
        let _ = watch.api.set(server.address());
        Some(server)
    } else {
        None
    };
    info!(
        bridge = %deployment.bridge,
        block = follower.tip().number,
        watcher = watcher.as_ref().map(|watcher| tracing::field::display(watcher.address())),
        proposer = proposer.as_ref().map(|proposer| tracing::field::display(proposer.address())),
        "the node begins"
    );
    let alerts = Alerts::start(config.alerts.webhook.clone(), Pace::default());
    let engine = Engine::new(
        follower,
        watcher,
        proposer,
        views,
        Report::new(condition, alerts, &config),
        &config,
    );
    Ok((engine, server))
}

/// The follower, as soon as L1 answers.
async fn follower(parts: &Parts) -> Result<Follower> {
    let config = &parts.config;
    let poll = Duration::from_millis(config.l1.poll_ms);
    let mut pause = Pause::new(poll);
    loop {
        let error = match try_follower(parts, poll).await {
            Ok(follower) => return Ok(follower),
            Err(error) if error.action() == Action::Halt => return Err(error),
            Err(error) => error,
        };
        warn!(%error, "L1 does not answer yet");
        parts
            .condition
            .send_modify(|condition| condition.l1 = Some(error.to_string()));
        tokio::time::sleep(pause.after_failure()).await;
    }
}

async fn try_follower(parts: &Parts, poll: Duration) -> Result<Follower> {
    let config = &parts.config;
    let urls: Vec<&str> = config.l1.urls.iter().map(|url| url.0.as_str()).collect();
    let l1 = L1::connect_all(&urls, poll, Duration::from_millis(config.l1.timeout_ms)).await?;
    let twins = rules::twins(&rules::book(&parts.deployment));
    Follower::open_with(
        l1,
        parts.deployment.clone(),
        twins,
        Arc::clone(&parts.store),
        config.follow.options(),
    )
    .await
}
