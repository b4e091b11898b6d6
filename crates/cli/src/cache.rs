//! Where commands keep what they derived, so that the next one need not begin at the deployment.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::hex;
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use nthroot_model::rule::Rules;
use nthroot_node::{
    Deployment, Error, Follower, L1,
    follower::{News, Options},
    store::{Memory, Redb, Store},
};

use crate::{args::Chain, client::POLL, text::thousands};

/// A follower from where the last command left off. All of it can be derived again: what is in the way costs time, and no more.
pub(crate) async fn open(chain: &Chain, l1: L1, deployment: Deployment, rules: Rules) -> Result<Follower> {
    let path = if chain.no_store {
        None
    } else {
        path(&l1, &deployment).await?
    };
    let store = path.as_deref().map_or_else(memory, store);
    let options = Options {
        // A command is short: what it has derived when it ends is kept.
        checkpoint_every: Duration::ZERO,
        ..Options::default()
    };
    let opened = Follower::open_with(l1.clone(), deployment.clone(), rules.clone(), store, options).await;
    match opened {
        // What is written there does not fit: it is left for a person to look at.
        Err(error @ (Error::StoreDamaged { .. } | Error::StoreVersion { .. } | Error::StoreForeign { .. })) => {
            eprintln!(
                "{error}. Everything is derived from the deployment; delete the file, and the next command keeps it again."
            );
            Ok(Follower::open_with(l1, deployment, rules, memory(), options).await?)
        }
        opened => Ok(opened?),
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

/// The file; or memory, while another command has it, or if it cannot be used.
fn store(path: &Path) -> Arc<dyn Store> {
    match Redb::open(path) {
        Ok(store) => Arc::new(store),
        Err(Error::StoreLocked(_)) => memory(),
        Err(error) => {
            eprintln!("{error}. Nothing is kept; delete the file, and the next command keeps it again.");
            memory()
        }
    }
}

/// Derives up to the latest block, and shows how far it is.
pub(crate) async fn sync(follower: &mut Follower) -> Result<News, Error> {
    let mut progress = follower.progress();
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{spinner} deriving from L1 {wide_bar} block {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let first = progress.borrow().block;
    let show = async {
        while progress.changed().await.is_ok() {
            let now = *progress.borrow_and_update();
            bar.set_length(now.target.saturating_sub(first));
            bar.set_position(now.block.saturating_sub(first));
            bar.set_message(format!(
                "{} of {}, {} steps, {:.0} a second",
                thousands(now.block),
                thousands(now.target),
                thousands(now.steps),
                now.rate
            ));
        }
        std::future::pending::<()>().await;
    };
    let sync = async {
        loop {
            match follower.sync().await {
                Err(Error::Doubtful { .. }) => tokio::time::sleep(POLL).await,
                done => break done,
            }
        }
    };
    let done = tokio::select! {
        done = sync => done,
        () = show => unreachable!("it shows until it is done"),
    };
    bar.finish_and_clear();
    done
}

/// `nthroot/<chain>-<bridge>-<block>.redb` where caches belong. Local chains begin again and again with the same id and the same
/// addresses: the hash of the deployment's block tells them apart. None: there is no such place.
async fn path(l1: &L1, deployment: &Deployment) -> Result<Option<PathBuf>> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let Some(cache) = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))) else {
        return Ok(None);
    };
    let folder = cache.join("nthroot");
    if std::fs::create_dir_all(&folder).is_err() {
        return Ok(None);
    }
    let (chain, bridge) = (deployment.chain_id, deployment.bridge);
    let block = l1.header(deployment.deployment_block.into()).await?.hash;
    let short = hex::encode(&block[..4]);
    Ok(Some(folder.join(format!("{chain}-{bridge:x}-{short}.redb"))))
}
