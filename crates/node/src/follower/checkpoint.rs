//! What a follower keeps over a restart: the ledger at a block that L1 has finalised, which no reorganisation takes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes};
use nthroot_model::{kernel::Env, ledger::Ledger, rule::Rules};
use tokio::task::spawn_blocking;
use tracing::{debug, error, info};

use super::{known::Known, moment::Moment};
use crate::{
    deploy::Deployment,
    derive,
    error::{Error, Result},
    inputs::Block,
    store::{Change, Store, Table},
};

/// The manifest of the bridge that a store is of, as JSON.
const BRIDGE: &[u8] = b"bridge";

/// The block of the ledger's rows: `u64 number ‖ hash (32) ‖ parent's hash (32)`.
const BLOCK: &[u8] = b"block";

/// Brings checkpoints to the store.
pub(super) struct Checkpoints {
    store: Arc<dyn Store>,
    /// The ledger as the store has it. None: what the store has, if anything, is of no use.
    saved: Option<(Block, Ledger)>,
    /// How many of the codes that were learnt are in the store.
    codes: usize,
    every: Duration,
    last: Instant,
}

/// What a store had.
pub(super) struct Loaded {
    pub(super) checkpoints: Checkpoints,
    pub(super) rulebook: Known,
    pub(super) moment: Option<Moment>,
}

impl Checkpoints {
    /// Opens a store: reads its checkpoint if it has one.
    pub(super) async fn load(
        store: Arc<dyn Store>,
        deployment: &Arc<Deployment>,
        rules: Rules,
        every: Duration,
    ) -> Result<Loaded> {
        let deployment = Arc::clone(deployment);
        let mut rulebook = Known::new(deployment.registry, deployment.deployment_block, rules);
        blocking(move || {
            let began = Instant::now();
            check_bridge(&*store, &deployment)?;
            load_codes(&*store, &mut rulebook)?;
            let moment = load_ledger(&*store, &deployment, &rulebook.rules())?;
            if let Some(moment) = &moment {
                info!(
                    block = moment.block.number,
                    seconds = began.elapsed().as_secs_f64(),
                    "resuming"
                );
            }
            let checkpoints = Self {
                store,
                saved: moment.as_ref().map(|moment| (moment.block, moment.ledger.clone())),
                codes: rulebook.learnt().len(),
                every,
                last: Instant::now(),
            };
            Ok(Loaded {
                checkpoints,
                rulebook,
                moment,
            })
        })
        .await
    }

    /// From now on nothing of the store's ledger is true: the next checkpoint replaces it.
    pub(super) fn forget(&mut self) {
        self.saved = None;
    }

    /// Whether the last checkpoint is so old that it is time for another one.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// Makes this moment the checkpoint, with the code of rules that was `learnt`, in one commit. If that fails, the
    /// next one has it too.
    pub(super) async fn save(&mut self, moment: &Moment, learnt: &[(Address, Bytes)]) -> Result<()> {
        let block = moment.block;
        if self.saved.as_ref().is_some_and(|(saved, _)| *saved == block) {
            return Ok(());
        }
        self.last = Instant::now();
        let (store, ledger) = (Arc::clone(&self.store), moment.ledger.clone());
        let saved = self.saved.clone();
        let codes = learnt[self.codes..].to_vec();
        let done = blocking(move || {
            // A commit that failed may have been kept all the same: then what has changed since the one before is not enough.
            let found = store.get(Table::Meta, BLOCK)?;
            let saved = saved.filter(|(block, _)| found == Some(encode(*block)));
            let saved = saved.map(|(_, ledger)| ledger);
            let rows = ledger.rows_since(saved.as_ref());
            let codes = codes
                .iter()
                .map(|(rule, code)| Change::put(Table::Code, rule.to_vec(), code.to_vec()));
            let mut changes: Vec<Change> = codes.collect();
            changes.push(Change::put(Table::Meta, BLOCK, encode(block)));
            let row = |(key, value)| Change {
                table: Table::Ledger,
                key,
                value,
            };
            changes.extend(rows.into_iter().map(row));
            match saved {
                Some(_) => store.commit(&changes)?,
                None => store.replace(&[Table::Ledger], &changes)?,
            }
            Ok((ledger, changes.len()))
        });
        match done.await {
            Ok((ledger, changes)) => {
                debug!(block = block.number, changes, "checkpoint");
                self.saved = Some((block, ledger));
                self.codes = learnt.len();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Runs what takes long and waits for a disk where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(act).await {
        Ok(result) => result,
        Err(error) => Err(Error::Model(format!("a thread ended: {error}"))),
    }
}

/// A store is of one bridge for ever.
fn check_bridge(store: &dyn Store, deployment: &Deployment) -> Result<()> {
    let manifest = |deployment: &Deployment| {
        serde_json::to_string(deployment).map_err(|error| Error::Model(format!("manifest: {error}")))
    };
    let expected = manifest(deployment)?;
    let Some(found) = store.get(Table::Meta, BRIDGE)? else {
        return store.commit(&[Change::put(Table::Meta, BRIDGE, expected)]);
    };
    let foreign = |found: String| Error::StoreForeign {
        expected: deployment.bridge.to_string(),
        found,
    };
    match serde_json::from_slice::<Deployment>(&found) {
        Ok(found) if found == *deployment => Ok(()),
        Ok(found) if found.bridge == deployment.bridge => Err(foreign(manifest(&found)?)),
        Ok(found) => Err(foreign(found.bridge.to_string())),
        Err(error) => Err(foreign(error.to_string())),
    }
}

fn load_codes(store: &dyn Store, rulebook: &mut Known) -> Result<()> {
    store.scan(Table::Code, &mut |rule, code| {
        let rule = Address::try_from(rule);
        let rule = rule.map_err(|error| Error::Model(format!("a rule's address in the store: {error}")))?;
        rulebook.learn(rule, Bytes::copy_from_slice(code))
    })
}

fn load_ledger(store: &dyn Store, deployment: &Deployment, rules: &Rules) -> Result<Option<Moment>> {
    let block = store.get(Table::Meta, BLOCK)?;
    let Some(block) = block.as_deref().and_then(decode) else {
        return Ok(None);
    };
    let mut rows = Vec::new();
    store.scan(Table::Ledger, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    let (params, env): (_, Env) = derive::terms(deployment, rules);
    match Ledger::from_rows(params, env, rows) {
        Ok(ledger) => Ok(Some(Moment::new(block, ledger))),
        Err(error) => {
            error!(%error, "the store's ledger cannot be read: deriving from the deployment");
            Ok(None)
        }
    }
}

fn encode(block: Block) -> Vec<u8> {
    [
        &block.number.to_be_bytes()[..],
        block.hash.as_slice(),
        block.parent.as_slice(),
    ]
    .concat()
}

fn decode(bytes: &[u8]) -> Option<Block> {
    let (number, hashes) = bytes.split_first_chunk::<8>()?;
    let (hash, parent) = hashes.split_at_checked(32)?;
    Some(Block {
        number: u64::from_be_bytes(*number),
        hash: B256::try_from(hash).ok()?,
        parent: B256::try_from(parent).ok()?,
    })
}
