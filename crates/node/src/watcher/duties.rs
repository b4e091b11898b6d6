//! What a watcher is to do now: pure but for the simulations, and without memory of its own that a restart would miss.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, keccak256};
use nthroot_bindings::bridge::Bridge::BridgeErrors;
use nthroot_model::ledger::{Ledger, Lie, Rollback};
use tracing::{debug, info, warn};

use super::{challenge, lies, rollback, simulate};
use crate::{
    error::{Error, Result},
    fees::FeePolicy,
    l1::L1,
    outbox::{Job, Outbox, Purpose},
    revert::Revert,
    sender::{self, Call},
};

/// Simulations at one look, each of which asks the L1 node to execute up to 2^24 gas. What is left waits for the next.
pub const MAX_SIMULATIONS: usize = 16;

/// Duties at one look, more than an outbox has on its way.
const MAX_DUTIES: usize = 32;

/// What is to be done, and what cannot be.
#[derive(Debug, Default)]
pub struct Work {
    /// The lies that can be proved, one for each batch, oldest first.
    pub lies: Vec<Lie>,
    /// What simulations say will do what it should, most urgent first: for an outbox.
    pub jobs: Vec<Job>,
    /// What L1 refuses now, although nobody else did it: a person should look at it. It is simulated again.
    pub refused: Vec<(Purpose, Revert)>,
}

/// Sees what a ledger asks of a watcher.
pub struct Duties {
    l1: L1,
    bridge: Address,
    policy: FeePolicy,
    /// Calls that a simulation found good, as their hashes.
    good: BTreeMap<Purpose, B256>,
    /// Blocks at which simulations failed: what failed longest ago is tried first.
    failed: BTreeMap<Purpose, u64>,
}

impl Duties {
    /// Of a watcher that spends by this policy: on a conviction at most half of what the batch locks, which
    /// is what it wins; on roll-backs, which are less urgent, without haste.
    pub const fn new(l1: L1, bridge: Address, policy: FeePolicy) -> Self {
        Self {
            l1,
            bridge,
            policy,
            good: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// What is to be done now, with the key of `outbox`. Every call was simulated by the L1 node since it was last another one,
    /// in an earlier process if it is on its way; a lie is proved only if that says fraud.
    ///
    /// # Errors
    ///
    /// [`Error::VerdictDiffers`] if the contracts hold valid what the model holds a lie: then nothing may be sent. Or if the
    /// L1 node does not answer; or the ledger misses what it must know.
    pub async fn of(&mut self, ledger: &Ledger, outbox: &Outbox) -> Result<Work> {
        let lies = lies(ledger);
        let mut duties = Vec::new();
        for lie in lies.iter().take(MAX_DUTIES) {
            duties.push(self.conviction(ledger, lie)?);
        }
        for what in ledger.rollbacks().into_iter().take(MAX_DUTIES) {
            duties.push(self.rolling_back(ledger, what)?);
        }
        let is_due = |purpose: &Purpose| duties.iter().any(|duty| duty.job.purpose == *purpose);
        self.good.retain(|purpose, _| is_due(purpose));
        self.failed.retain(|purpose, _| is_due(purpose));

        for Duty { job, .. } in &duties {
            if outbox.carries(job) {
                self.good.insert(job.purpose, fingerprint(&job.call));
            }
        }

        let mut work = Work {
            lies,
            ..Work::default()
        };
        let mut unknown: Vec<usize> = (0..duties.len())
            .filter(|duty| !self.is_good(&duties[*duty].job))
            .collect();
        unknown.sort_by_key(|duty| self.failed.get(&duties[*duty].job.purpose));
        for duty in unknown.into_iter().take(MAX_SIMULATIONS) {
            let refused = self.simulate(&duties[duty], ledger.block(), outbox.address()).await?;
            work.refused
                .extend(refused.map(|revert| (duties[duty].job.purpose, revert)));
        }
        let jobs = duties.into_iter().map(|duty| duty.job);
        work.jobs = jobs.filter(|job| self.is_good(job)).collect();
        Ok(work)
    }

    fn conviction(&self, ledger: &Ledger, lie: &Lie) -> Result<Duty> {
        let proof = challenge(ledger, lie.batch, lie.step)?;
        let header = &ledger
            .preimage(lie.batch)
            .map_err(|error| Error::Model(error.to_string()))?
            .header;
        let lock = ledger.params().lock(header.ceiling, header.entry_count);
        let reward = FeePolicy::convicting(lock).max_fee_budget_wei;
        Ok(Duty {
            job: Job {
                purpose: Purpose::Convict(lie.batch),
                call: proof.call(self.bridge),
                policy: FeePolicy {
                    max_fee_budget_wei: self.policy.max_fee_budget_wei.min(reward),
                    ..self.policy
                },
            },
            proof: Some(proof),
        })
    }

    fn rolling_back(&self, ledger: &Ledger, what: Rollback) -> Result<Duty> {
        let purpose = match what {
            Rollback::Condemn { child, .. } => Purpose::Condemn(child),
            Rollback::Unwind(id) => Purpose::Unwind(id),
        };
        let call = rollback(ledger, self.bridge, what)?;
        let policy = FeePolicy::patient(self.policy.max_fee_budget_wei);
        Ok(Duty {
            job: Job { purpose, call, policy },
            proof: None,
        })
    }

    /// Whether a simulation of the same call was good.
    fn is_good(&self, job: &Job) -> bool {
        self.good.get(&job.purpose) == Some(&fingerprint(&job.call))
    }

    /// Remembers whether L1 would do it. Returns why not, unless somebody else was faster.
    async fn simulate(&mut self, duty: &Duty, block: u64, from: Address) -> Result<Option<Revert>> {
        let Job { purpose, call, .. } = &duty.job;
        let answer = match &duty.proof {
            Some(proof) => simulate(&self.l1, from, self.bridge, proof).await,
            None => sender::simulate(&self.l1, from, call).await.map(|_| ()),
        };
        let revert = match answer {
            Ok(()) => {
                info!(?purpose, "to be done");
                self.failed.remove(purpose);
                self.good.insert(*purpose, fingerprint(call));
                return Ok(None);
            }
            Err(Error::WouldFail(revert)) => revert,
            Err(error) => return Err(error),
        };
        self.good.remove(purpose);
        self.failed.insert(*purpose, block);
        if is_late(&revert) {
            debug!(?purpose, %revert, "somebody else was faster");
            return Ok(None);
        }
        warn!(?purpose, %revert, "L1 refuses it");
        Ok(Some(revert))
    }
}

/// Something to do.
struct Duty {
    job: Job,
    /// What it proves, if it is a challenge.
    proof: Option<super::Proof>,
}

fn fingerprint(call: &Call) -> B256 {
    keccak256(&call.input)
}

/// Whether the bridge says that the batch is not any more what the ledger, which may be a block behind, takes it for.
fn is_late(revert: &Revert) -> bool {
    use BridgeErrors::{ChallengeWindowOver, NotHead, UnknownBatch, WrongStatus};
    matches!(
        revert.bridge_error(),
        Some(ChallengeWindowOver(_) | NotHead(_) | UnknownBatch(_) | WrongStatus(_))
    )
}
