//! What a watcher is to do now: pure but for the simulations, and without memory of its own that a restart would miss.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, keccak256};
use nthroot_model::ledger::{Ledger, Lie, Rollback};
use nthroot_protocol::BatchId;
use tracing::{debug, info, warn};

use super::{challenge, rollback, simulate};
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

/// Gas by which the budget of a proof is divided that used so much when it was simulated: a tenth more, since others may come before
/// it in its block.
pub const fn counted_gas(used: u64) -> u64 {
    used.saturating_add(used / 10)
}

/// Blocks after which it is asked again whether the contracts hold valid what the model holds a lie.
const DIFFERS: u64 = 32;

/// What is to be done, and what cannot be.
#[derive(Debug, Default)]
pub struct Work {
    /// The lies that can be proved, one for each batch, oldest first.
    pub lies: Vec<Lie>,
    /// What simulations say will do what it should, most urgent first: for an outbox.
    pub jobs: Vec<Job>,
    /// What L1 refuses now, although nobody else did it: a person should look at it. It is simulated again.
    pub refused: Vec<(Purpose, Revert)>,
    /// Why something could not be looked at: contracts that hold valid what the model holds a lie
    /// ([`Error::VerdictDiffers`]), a ledger that misses what it must know, or an L1 node that does not answer. It holds up
    /// nothing else: else one such step would hide all other lies.
    pub failed: Vec<Error>,
}

/// Sees what a ledger asks of a watcher.
pub struct Duties {
    l1: L1,
    bridge: Address,
    policy: FeePolicy,
    /// Whether a conviction may cost more than it brings.
    beyond_reward: bool,
    /// Calls that a simulation found good.
    good: BTreeMap<Purpose, Good>,
    /// Blocks at which simulations failed: what failed longest ago is tried first.
    failed: BTreeMap<Purpose, u64>,
    /// Steps that the contracts held valid, and at which block.
    valid: BTreeMap<(BatchId, u16), u64>,
}

impl Duties {
    /// Of a watcher that spends by this policy: on a conviction at most half of what the batch locks, which
    /// is what it wins; on roll-backs, which are less urgent, without haste.
    pub const fn new(l1: L1, bridge: Address, policy: FeePolicy) -> Self {
        Self {
            l1,
            bridge,
            policy,
            beyond_reward: false,
            good: BTreeMap::new(),
            failed: BTreeMap::new(),
            valid: BTreeMap::new(),
        }
    }

    /// Of one who protects own money: a conviction may cost the policy's whole budget, although it brings less.
    #[must_use]
    pub const fn beyond_reward(mut self, beyond_reward: bool) -> Self {
        self.beyond_reward = beyond_reward;
        self
    }

    /// Whether the contracts hold a step valid that the model holds a lie: then nobody should build on what the model says.
    pub fn is_in_doubt(&self) -> bool {
        !self.valid.is_empty()
    }

    /// What is to be done now, with the key of `outbox`. Every call was simulated by the L1 node since it was last another one,
    /// in an earlier process if it is on its way; a lie is proved only if that says fraud.
    ///
    /// What cannot be looked at is told, and holds up nothing else.
    pub async fn of(&mut self, ledger: &Ledger, outbox: &Outbox) -> Work {
        let mut work = Work::default();
        let block = ledger.block();
        let all = ledger.lies();
        let stands: BTreeSet<(BatchId, u16)> = all.iter().map(|lie| (lie.batch, lie.step)).collect();
        // A doubt lasts until the contracts say otherwise, not until they are asked again.
        self.valid.retain(|step, _| stands.contains(step));
        let is_valid = |lie: &Lie| {
            let since = self.valid.get(&(lie.batch, lie.step));
            since.is_some_and(|since| since.abs_diff(block) <= DIFFERS)
        };
        let mut lies: Vec<Lie> = all.into_iter().filter(|lie| !is_valid(lie)).collect();
        lies.dedup_by_key(|lie| lie.batch);
        let rollbacks = ledger.rollbacks();
        let mut due: BTreeSet<Purpose> = lies.iter().map(|lie| Purpose::Convict(lie.batch)).collect();
        due.extend(rollbacks.iter().map(|what| purpose(*what)));
        self.good.retain(|purpose, _| due.contains(purpose));
        self.failed.retain(|purpose, _| due.contains(purpose));

        // What failed comes after all else, however many there are.
        let mut convictions: Vec<&Lie> = lies.iter().collect();
        convictions.sort_by_key(|lie| self.failed.get(&Purpose::Convict(lie.batch)));
        let mut restorations = rollbacks;
        restorations.sort_by_key(|what| self.failed.get(&purpose(*what)));
        let mut duties = Vec::new();
        for lie in convictions.into_iter().take(MAX_DUTIES) {
            match self.conviction(ledger, lie) {
                Ok(duty) => duties.push(duty),
                Err(error) => {
                    self.failed.insert(Purpose::Convict(lie.batch), block);
                    work.failed.push(error);
                }
            }
        }
        for what in restorations.into_iter().take(MAX_DUTIES) {
            match self.rolling_back(ledger, what) {
                Ok(duty) => duties.push(duty),
                Err(error) => {
                    self.failed.insert(purpose(what), block);
                    work.failed.push(error);
                }
            }
        }

        for Duty { job, .. } in &duties {
            if outbox.carries(job) {
                self.find_good(job, block);
            }
        }
        // What was included and failed although a simulation was good: there must be another one since.
        for (purpose, at) in outbox.failed() {
            if self.good.get(&purpose).is_some_and(|good| good.block < at) {
                self.good.remove(&purpose);
            }
        }

        let mut unknown: Vec<usize> = (0..duties.len())
            .filter(|duty| !self.is_good(&duties[*duty].job))
            .collect();
        unknown.sort_by_key(|duty| self.failed.get(&duties[*duty].job.purpose));
        for duty in unknown.into_iter().take(MAX_SIMULATIONS) {
            match self.simulate(&duties[duty], block, outbox.address()).await {
                Ok(refused) => work
                    .refused
                    .extend(refused.map(|revert| (duties[duty].job.purpose, revert))),
                Err(error) => {
                    // A node that answers to one call that it cannot execute it may well execute the others.
                    let answers = !matches!(&error, Error::Transport(error) if error.as_error_resp().is_none());
                    work.failed.push(error);
                    if !answers {
                        break;
                    }
                }
            }
        }
        let jobs = duties.into_iter().map(|duty| duty.job);
        work.jobs = jobs.filter(|job| self.is_good(job)).collect();
        for job in work.jobs.iter_mut().filter(|job| job.purpose.is_proof()) {
            job.uses = self.gas_of(job, outbox.address()).await;
        }
        work.lies = lies;
        work
    }

    fn conviction(&self, ledger: &Ledger, lie: &Lie) -> Result<Duty> {
        let proof = challenge(ledger, lie.batch, lie.step)?;
        let header = &ledger
            .preimage(lie.batch)
            .map_err(|error| Error::Model(error.to_string()))?
            .header;
        let lock = ledger.params().lock(header.ceiling, header.entry_count);
        let reward = FeePolicy::convicting(lock).max_fee_budget_wei;
        let most = if self.beyond_reward { u128::MAX } else { reward };
        Ok(Duty {
            job: Job {
                purpose: Purpose::Convict(lie.batch),
                call: proof.call(self.bridge),
                policy: FeePolicy {
                    max_fee_budget_wei: self.policy.max_fee_budget_wei.min(most),
                    ..self.policy
                },
                uses: None,
            },
            proof: Some(proof),
        })
    }

    fn rolling_back(&self, ledger: &Ledger, what: Rollback) -> Result<Duty> {
        let call = rollback(ledger, self.bridge, what)?;
        let policy = FeePolicy::patient(self.policy.max_fee_budget_wei);
        Ok(Duty {
            job: Job {
                purpose: purpose(what),
                call,
                policy,
                uses: None,
            },
            proof: None,
        })
    }

    /// Whether a simulation of the same call was good.
    fn is_good(&self, job: &Job) -> bool {
        let good = self.good.get(&job.purpose);
        good.is_some_and(|good| good.call == fingerprint(&job.call))
    }

    fn find_good(&mut self, job: &Job, block: u64) {
        let call = fingerprint(&job.call);
        // What it uses does not change as long as it is the same call.
        let uses = self.good.get(&job.purpose).filter(|good| good.call == call);
        let uses = uses.and_then(|good| good.uses);
        self.good.insert(job.purpose, Good { call, block, uses });
    }

    /// Gas that a good call uses, with a margin. None if the node cannot tell: then the budget is divided by the gas limit.
    async fn gas_of(&mut self, job: &Job, from: Address) -> Option<u64> {
        let good = self.good.get_mut(&job.purpose)?;
        if good.uses.is_none() {
            match sender::gas_used(&self.l1, from, &job.call).await {
                Ok(gas) => good.uses = Some(counted_gas(gas)),
                Err(error) => debug!(purpose = ?job.purpose, %error, "the gas that it uses is not known"),
            }
        }
        good.uses
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
                self.find_good(&duty.job, block);
                if let Some(proof) = &duty.proof {
                    self.valid.remove(&(proof.batch, proof.step));
                }
                return Ok(None);
            }
            Err(Error::WouldFail(revert)) => revert,
            Err(error) => {
                self.good.remove(purpose);
                self.failed.insert(*purpose, block);
                if let Error::VerdictDiffers { batch, step, .. } = &error {
                    self.valid.insert((*batch, *step), block);
                }
                return Err(error);
            }
        };
        self.good.remove(purpose);
        self.failed.insert(*purpose, block);
        if revert.is_late() {
            debug!(?purpose, %revert, "somebody else was faster");
            return Ok(None);
        }
        warn!(?purpose, %revert, "L1 refuses it");
        Ok(Some(revert))
    }
}

/// A call that a simulation found good.
struct Good {
    /// Its hash.
    call: B256,
    /// The block at which it was good.
    block: u64,
    /// Gas that it uses, with a margin, if known.
    uses: Option<u64>,
}

/// Something to do.
struct Duty {
    job: Job,
    /// What it proves, if it is a challenge.
    proof: Option<super::Proof>,
}

const fn purpose(what: Rollback) -> Purpose {
    match what {
        Rollback::Condemn { child, .. } => Purpose::Condemn(child),
        Rollback::Unwind(id) => Purpose::Unwind(id),
    }
}

fn fingerprint(call: &Call) -> B256 {
    keccak256(&call.input)
}
