//! Figures of a running node, for Prometheus: all their names in one place.
//!
//! Whoever has something to tell uses the macros of the `metrics` crate with a name from here, as
//! `counter!(metrics::STEPS, "verdict" => "valid").increment(1)`. Before [`install`] they do nothing, so that libraries and
//! tests need no recorder.

use std::sync::{Mutex, PoisonError};

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// How a figure behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// What it is now.
    Gauge,
    /// How often it was at most so much.
    Histogram,
}

/// A figure that a node tells.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// In what it counts.
    pub unit: Unit,
    /// The labels that each of its series has.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// A constant for each name, with the help as its documentation, and the list of all.
macro_rules! metrics {
    ($(#[doc = $help:literal] $constant:ident: $kind:ident $unit:ident = $name:literal [$($label:literal),*];)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All of them.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics! {
    /// L1's latest block, as the L1 node last said.
    L1_BLOCK: Gauge Count = "nthroot_l1_block" [];
    /// The last L1 block that the node derived from.
    TIP: Gauge Count = "nthroot_tip_block" [];
    /// The last L1 block that L1 has finalised.
    FINALISED: Gauge Count = "nthroot_finalised_block" [];
    /// Blocks that the node is behind L1's latest.
    LAG: Gauge Count = "nthroot_lag_blocks" [];
    /// 1 while the node is at L1's head, else 0.
    SYNCED: Gauge Count = "nthroot_synced" [];
    /// 1 once the node has stopped because what it saw must not be, else 0.
    HALTED: Gauge Count = "nthroot_halted" [];
    /// 1 once the proposer alone has stopped for such a reason, else 0.
    PROPOSER_HALTED: Gauge Count = "nthroot_proposer_halted" [];
    /// Requests to the L1 node that failed.
    L1_ERRORS: Counter Count = "nthroot_l1_errors_total" [];
    /// Posted steps that were judged, by verdict: valid, skipped, lie, unjudged.
    STEPS: Counter Count = "nthroot_steps_judged_total" ["verdict"];
    /// Reorganisations of L1 that were followed.
    REORGS: Counter Count = "nthroot_reorgs_total" [];
    /// Blocks that a reorganisation of L1 took back.
    REORG_DEPTH: Histogram Count = "nthroot_reorg_depth_blocks" [];
    /// Open anchors.
    ANCHORS: Gauge Count = "nthroot_anchors" [];

    /// Batches that were found to have a lie.
    LIES: Counter Count = "nthroot_lies_total" [];
    /// Batches with a lie that could be proved now, and is not yet.
    LIES_OPEN: Gauge Count = "nthroot_lies_open" [];
    /// Batches with a lie that nobody proved in its window: they stand for ever.
    LIES_FINAL: Gauge Count = "nthroot_lies_final" [];
    /// Batches that were convicted, by who did: us, others.
    CONVICTIONS: Counter Count = "nthroot_convictions_total" ["by"];
    /// Blocks from the one with a lie to the one with its conviction.
    LIE_TO_PROOF: Histogram Count = "nthroot_lie_to_proof_blocks" [];
    /// Alerts, by kind, and by what became of them: sent, failed, or logged only as there is no webhook.
    ALERTS: Counter Count = "nthroot_alerts_total" ["kind", "outcome"];

    /// Transactions by purpose (convict, condemn, unwind, submit, claim, cancel) and state: sent, replaced, included, failed, dropped.
    TRANSACTIONS: Counter Count = "nthroot_transactions_total" ["purpose", "state"];
    /// Transactions on their way.
    OUTBOX: Gauge Count = "nthroot_outbox_pending" [];
    /// Fees that were paid to L1, in gwei, by purpose.
    FEES: Counter Count = "nthroot_fees_gwei_total" ["purpose"];
    /// Ether of a key, in gwei, by what it is for: watcher, proposer.
    BALANCE: Gauge Count = "nthroot_balance_gwei" ["of"];
    /// Bond of the proposer that nothing locks, in gwei.
    BOND_FREE: Gauge Count = "nthroot_bond_free_gwei" [];
    /// Bond of the proposer that batches lock, in gwei.
    BOND_LOCKED: Gauge Count = "nthroot_bond_locked_gwei" [];

    /// Bundles that wait in the mempool.
    MEMPOOL: Gauge Count = "nthroot_mempool_bundles" [];
    /// Bundles that were handed in, by outcome: accepted, or the refusal's kind.
    INTAKE: Counter Count = "nthroot_intake_total" ["outcome"];
    /// Batches of this node that L1 has.
    BATCHES: Counter Count = "nthroot_batches_posted_total" [];
    /// Steps of this node's batches, by outcome: applied, skipped.
    STEPS_POSTED: Counter Count = "nthroot_steps_posted_total" ["outcome"];

    /// Requests to the API, by method and outcome: ok, refused (the caller is told why), error (the node's fault), limited.
    REQUESTS: Counter Count = "nthroot_api_requests_total" ["method", "outcome"];
    /// Seconds that a request to the API took.
    LATENCY: Histogram Seconds = "nthroot_api_request_seconds" ["method"];
    /// Subscriptions that are open.
    SUBSCRIPTIONS: Gauge Count = "nthroot_api_subscriptions" [];
    /// Subscriptions that were ended because their client did not read.
    SLOW_CLIENTS: Counter Count = "nthroot_api_slow_clients_total" [];

    /// Commits to the store.
    STORE_COMMITS: Counter Count = "nthroot_store_commits_total" [];
    /// Seconds that a commit to the store took.
    STORE_COMMIT_TIME: Histogram Seconds = "nthroot_store_commit_seconds" [];
    /// Size of the store's file.
    STORE_SIZE: Gauge Bytes = "nthroot_store_bytes" [];
}

/// Upper bounds of what is told in seconds: from a look-up to what a user gives up on.
const SECONDS: [f64; 12] = [
    0.0001, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
];

/// Upper bounds of what is told in blocks: up to the finality of L1, 64, and beyond.
const BLOCKS: [f64; 11] = [0.0, 1.0, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Begins to record, for the whole process; later calls return the same recorder.
///
/// # Errors
///
/// If the process has a recorder of another kind.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = builder()?.install_recorder()?;
    describe();
    Ok(installed.insert(handle).clone())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        let bounds: &[f64] = if metric.unit == Unit::Seconds {
            &SECONDS
        } else {
            &BLOCKS
        };
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
    }
    Ok(builder)
}

fn describe() {
    for Metric {
        name, kind, unit, help, ..
    } in ALL
    {
        let help = help.trim();
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, help),
            Kind::Gauge => describe_gauge!(*name, *unit, help),
            Kind::Histogram => describe_histogram!(*name, *unit, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ::metrics::{counter, histogram};

    use super::*;

    #[test]
    fn each_name_says_its_unit_and_is_used_once() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "each name once");
        for metric in ALL {
            assert!(metric.name.starts_with("nthroot_"), "{}", metric.name);
            let counts = metric.name.ends_with("_total");
            assert_eq!(counts, metric.kind == Kind::Counter, "{}", metric.name);
            if metric.unit == Unit::Seconds {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
            }
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_with_its_help() {
        let handle = install().expect("no other recorder");
        counter!(STEPS, "verdict" => "valid").increment(3);
        histogram!(LIE_TO_PROOF).record(1.0);
        let again = install().expect("the same recorder");
        again.run_upkeep();
        let text = handle.render();
        for line in [
            "# HELP nthroot_steps_judged_total Posted steps that were judged, by verdict: valid, skipped, lie, unjudged.",
            "nthroot_steps_judged_total{verdict=\"valid\"} 3",
            "nthroot_lie_to_proof_blocks_bucket{le=\"1\"} 1",
            "nthroot_lie_to_proof_blocks_bucket{le=\"0\"} 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
