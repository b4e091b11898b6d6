//! What the parts of a node take for their sections.

use nthroot_api::AssetAmount;
use nthroot_model::params::GWEI;

use super::{ApiSection, FeesSection, FollowSection, ProofFeesSection, ProposerSection, Wei};
use crate::{
    fees::FeePolicy,
    follower::Options,
    mempool,
    proposer::{Policy, Room, Sweep, TopUp},
    server,
};

impl Wei {
    /// Rounded down.
    fn gwei(self) -> u64 {
        u64::try_from(self.0 / u128::from(GWEI)).unwrap_or(u64::MAX)
    }
}

impl FollowSection {
    /// How it follows.
    pub fn options(&self) -> Options {
        Options {
            trust_final_signatures: self.trust_final_signatures,
            ..Options::default()
        }
    }
}

impl FeesSection {
    /// How it bids.
    pub const fn policy(&self) -> FeePolicy {
        FeePolicy {
            tip_floor: self.tip.0,
            max_fee_budget_wei: self.budget.0,
            raise_percent: self.raise_percent,
            patience: self.patience,
            all_at_last: false,
        }
    }
}

impl ProofFeesSection {
    /// How it bids.
    pub const fn policy(&self) -> FeePolicy {
        FeePolicy {
            tip_floor: self.tip.0,
            max_fee_budget_wei: self.budget.0,
            raise_percent: self.raise_percent,
            patience: self.patience,
            all_at_last: true,
        }
    }
}

impl ProposerSection {
    /// What it takes.
    pub fn limits(&self) -> mempool::Limits {
        mempool::Limits {
            bundles: self.capacity,
            bytes: self.capacity_bytes,
            of_fragment: self.per_fragment,
            of_anchor: self.per_anchor,
            of_bundle: self.bundle_limit,
            replacements: self.replacements,
            validity: self.least_validity,
            longest_validity: self.longest_validity,
            remembered: self.remembered,
            ..mempool::Limits::default()
        }
    }

    /// What each bundle pays, if it does.
    pub fn charge(&self) -> Option<AssetAmount> {
        (self.fee.amount > 0).then_some(AssetAmount {
            asset: self.fee.asset.0,
            amount: self.fee.amount,
        })
    }

    /// How it carries what it took.
    pub fn policy(&self) -> Policy {
        let (bond, sweep) = (&self.bond, &self.sweep);
        Policy {
            room: Room {
                calldata: self.batch_bytes,
                gas: self.batch_gas,
                ..Room::default()
            },
            fees: self.fees.policy(),
            top_up: (bond.top_up_below > Wei(0)).then_some(TopUp {
                below: bond.top_up_below.gwei(),
                target: bond.top_up_to.gwei(),
                most: bond.most.gwei(),
                floor: self.balance_floor.gwei(),
            }),
            sweep: sweep
                .recipient
                .zip(sweep.asset.0.as_token())
                .map(|(recipient, token)| Sweep {
                    recipient,
                    token,
                    at_least: sweep.at_least,
                    stays: sweep.stays,
                }),
            low: bond.low.gwei(),
        }
    }
}

impl ApiSection {
    /// Where it listens, and what it bounds.
    pub fn limits(&self) -> server::Limits {
        server::Limits {
            listen: self.listen,
            public: self.public,
            origins: self.origins.clone(),
            requests_per_second: self.requests_per_second,
            burst: self.burst,
            behind_proxy: self.behind_proxy,
            max_connections: self.max_connections,
            max_connections_of_client: self.max_connections_of_client,
            max_request_bytes: self.max_request_bytes,
            max_response_bytes: self.max_response_bytes,
            max_batch: self.max_batch,
            max_page: self.max_page,
            max_subscriptions: self.max_subscriptions,
            ..server::Limits::default()
        }
    }
}
