//! Which nonce serves which job: a pure function of what is on its way and what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Job,
    entry::{Entry, State},
};
/// What to do with nonces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The nonces that are not in a block, each with the index of the job that it serves. None: it is to be cancelled.
    pub(super) open: BTreeMap<u64, Option<usize>>,
    /// Jobs that need a nonce of their own, most urgent first.
    pub(super) fresh: Vec<usize>,
}

/// Where a job belongs.
enum Place {
    /// It is done, or what may fulfil it is not settled: nothing is sent for it now.
    Nowhere,
    /// Under a nonce that it was sent under already.
    At(u64),
    /// Under any that is free.
    Anywhere,
}

/// Distributes jobs, most urgent first, on the nonces from `next` that are not in a block. A job that was sent under a nonce
/// stays there until something is included under it: so it never happens twice. A nonce whose job is not wanted any more
/// serves another one, if that may pay enough to replace what is there.
pub(super) fn plan(entries: &BTreeMap<u64, Entry>, wanted: &[Job], next: u64) -> Plan {
    let mut plan = Plan::default();
    for entry in entries.values().filter(|entry| is_open(entry, next)) {
        plan.open.insert(entry.nonce, None);
    }
    let mut seen = BTreeSet::new();
    let mut jobs: Vec<_> = wanted.iter().enumerate().collect();
    jobs.retain(|(_, job)| seen.insert(job.purpose));
    // What stands under a nonce now before what stood there once, and had to make room.
    let stands = |job: &Job| {
        entries
            .values()
            .any(|entry| is_open(entry, next) && entry.purpose() == Some(job.purpose))
    };
    jobs.sort_by_key(|(_, job)| !stands(job));
    let mut homeless = Vec::new();
    for (index, job) in jobs {
        match place(entries, &plan, job, next) {
            Place::Nowhere => {}
            Place::At(nonce) => {
                plan.open.insert(nonce, Some(index));
            }
            Place::Anywhere => homeless.push(index),
        }
    }
    for index in homeless {
        let mut unwanted = plan.open.iter().filter(|(_, job)| job.is_none());
        let taken = unwanted.find(|(nonce, _)| {
            entries
                .get(nonce)
                .is_some_and(|entry| can_replace(&wanted[index], entry))
        });
        match taken.map(|(nonce, _)| *nonce) {
            Some(nonce) => {
                plan.open.insert(nonce, Some(index));
            }
            None => plan.fresh.push(index),
        }
    }
    plan
}

fn place(entries: &BTreeMap<u64, Entry>, plan: &Plan, job: &Job, next: u64) -> Place {
    let purpose = job.purpose;
    let mut at = Place::Anywhere;
    for entry in entries.values().filter(|entry| entry.may_fulfil(purpose)) {
        if is_open(entry, next) {
            let served = plan.open.get(&entry.nonce).copied().flatten();
            at = match at {
                // Under two nonces, as after a reorganisation that brought back the first: the newest of the two goes on.
                _ if served.is_none() && entry.purpose() == Some(purpose) => Place::At(entry.nonce),
                Place::Anywhere if served.is_none() => Place::At(entry.nonce),
                Place::Anywhere => Place::Nowhere,
                at => at,
            };
            continue;
        }
        let done = matches!(entry.state, State::Mined { success: true, .. })
            && entry.mined().is_some_and(|version| version.purpose == Some(purpose));
        // Included, but its receipt was not seen; or a reorganisation might still bring it.
        if done || entry.state == State::Pending || !purpose.is_refused_twice() {
            return Place::Nowhere;
        }
    }
    at
}

fn is_open(entry: &Entry, next: u64) -> bool {
    entry.state == State::Pending && entry.nonce >= next
}

pub(super) fn can_replace(job: &Job, entry: &Entry) -> bool {
    entry
        .last()
        .is_some_and(|last| !job.policy.is_exhausted(last.offer, job.counted()))
}
