//! From a configuration to a node that runs: what fails at once is an error, what L1 does not answer is asked again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use tokio::{net::TcpListener, sync::watch as channel};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Ended, Node, Pause, StartError, Watch,
    metered::Metered,
    proposing::Proposing,
    report::Report,
    turn::{Engine, halt},
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
    server::{Condition, Ops, Server},
    store::{Redb, Store},
    view::View,
    watcher::Duties,
};

/// What a node needs before it asks L1 anything.
struct Parts {
    config: Config,
    deployment: Deployment,
    store: Arc<dyn Store>,
    watcher: Option<PrivateKeySigner>,
    proposer: Option<PrivateKeySigner>,
    /// Where wallets will be answered, if they are.
    listener: Option<TcpListener>,
    condition: channel::Sender<Condition>,
    watch: Watch,
    stop: CancellationToken,
}

/// What is there once L1 has answered.
struct Opened {
    follower: Follower,
    watcher: Option<Watching>,
    proposer: Option<Proposing>,
    views: channel::Sender<View>,
    server: Option<Server>,
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
    let listener = match config.api.enabled {
        true => Some(Server::listen(&config.api.limits()).await?),
        false => None,
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
        listener,
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
    let (config, stop) = (parts.config.clone(), parts.stop.clone());
    let alerts = Alerts::start(config.alerts.webhook.clone(), Pace::default());
    let report = Report::new(parts.condition.clone(), alerts, &config);
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => return Ended::Stopped,
        opened = open(parts, &report) => opened,
    };
    let Opened {
        follower,
        watcher,
        proposer,
        views,
        server,
    } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let ended = halt(&report, &error, config.on_halt, &stop).await;
            report.end().await;
            return ended;
        }
    };
    let engine = Engine::new(follower, watcher, proposer, views, report, &config);
    let ended = engine.run(&stop).await;
    if let Some(server) = server {
        server.stop().await;
    }
    ended
}

/// Asks L1 until it answers, and puts everything together.
async fn open(parts: Parts, report: &Report) -> Result<Opened> {
    let config = &parts.config;
    let mut pause = Pause::new(Duration::from_millis(config.l1.poll_ms));
    let mut follower = loop {
        match try_follower(&parts).await {
            Ok(follower) => break follower,
            Err(error) if error.action() == Action::Halt => return Err(error),
            Err(error) => {
                let pause = pause.after_failure();
                report.fails(&error, pause);
                tokio::time::sleep(pause).await;
            }
        }
    };
    let Parts {
        config,
        store,
        watcher,
        proposer,
        listener,
        watch,
        stop: _,
        condition: _,
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
    let proposer = proposer.map(|key| propose(&config, &l1, key, &store)).transpose();
    let proposer = match proposer {
        Ok(proposer) => proposer,
        Err(error) if watcher.is_some() => {
            report.proposer_halts(&error);
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(proposer) = &proposer {
        follower.set_witness(proposer.witness());
    }
    let server = listener.map(|listener| {
        let intake = proposer.as_ref().map(Proposing::intake);
        let server = Server::start_at(listener, config.api.limits(), seen, intake);
        let _ = watch.api.set(server.address());
        server
    });
    info!(
        bridge = %deployment.bridge,
        block = follower.tip().number,
        watcher = watcher.as_ref().map(|watcher| tracing::field::display(watcher.address())),
        proposer = proposer.as_ref().map(|proposer| tracing::field::display(proposer.address())),
        "the node begins"
    );
    Ok(Opened {
        follower,
        watcher,
        proposer,
        views,
        server,
    })
}

/// A proposer with what waits and what is on its way, as the store has them.
fn propose(config: &Config, l1: &L1, key: PrivateKeySigner, store: &Arc<dyn Store>) -> Result<Proposing> {
    let section = &config.proposer;
    let carrier = Carrier::new(key.credential().clone());
    let carrier = match section.charge() {
        Some(fee) => carrier.charging(fee, section.fee.tills.clone()),
        None => carrier,
    };
    let mempool = Mempool::open(Arc::clone(store), section.limits(), carrier)?;
    let outbox = Outbox::open(l1.clone(), key, Arc::clone(store))?;
    let poll = Duration::from_millis(config.l1.poll_ms);
    Ok(Proposing::new(l1.clone(), outbox, mempool, section.policy(), poll))
}

async fn try_follower(parts: &Parts) -> Result<Follower> {
    let config = &parts.config;
    let poll = Duration::from_millis(config.l1.poll_ms);
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
