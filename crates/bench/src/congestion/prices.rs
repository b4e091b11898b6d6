//! Gas of what people do, as measured and committed in `snapshots/`, and what a proof brings.

use std::collections::BTreeMap;

use nthroot_model::params::{GWEI, Params};
use nthroot_node::sender::MAX_TX_GAS;
use serde::Serialize;

use crate::window::preset::Preset;

/// How many proofs are tried out: one that is usual, and the dearest.
pub const PROOFS: usize = 2;

/// Wei in a gwei.
pub(super) const GWEI_IN_WEI: u128 = GWEI as u128;

/// Gas for a verdict's consequences that a watcher adds to the bound of a proof.
const VERDICT_GAS: u64 = 200_000;

/// The files, in which measured gas stands as text.
const USER: &str = include_str!("../../../../snapshots/user.json");
const PROPOSER: &str = include_str!("../../../../snapshots/proposer.json");
const CHALLENGER: &str = include_str!("../../../../snapshots/challenger.json");
const WORST_STEPS: &str = include_str!("../../../../snapshots/worst steps.json");
const WORST_PROOFS: &str = include_str!("../../../../snapshots/worst proofs.json");

/// Something that costs gas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What.
    pub name: &'static str,
    /// As measured.
    pub gas: u64,
}

/// A proof on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What it proves.
    pub name: &'static str,
    /// Gas limit: at most what a watcher gives it.
    pub limit: u64,
    /// Gas that it uses, as measured.
    pub used: u64,
    /// The ceiling of proof gas of a batch in which it can be needed.
    pub ceiling: u32,
}

/// A measurement that is not where it should be.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is not in the snapshots: `cargo xtask abi` writes them, and prices.rs names it")]
pub struct Unmeasured {
    name: &'static str,
}

fn measured(file: &str, name: &'static str) -> Result<u64, Unmeasured> {
    let figures: BTreeMap<String, String> = serde_json::from_str(file).unwrap_or_default();
    let figure = figures.get(name).and_then(|figure| figure.parse().ok());
    figure.ok_or(Unmeasured { name })
}

/// What users, proposers and watchers do.
///
/// # Errors
///
/// [`Unmeasured`].
pub fn actions() -> Result<Vec<Action>, Unmeasured> {
    let action = |name, file, figure| {
        Ok(Action {
            name,
            gas: measured(file, figure)?,
        })
    };
    Ok(vec![
        action("deposit ETH", USER, "deposit ETH")?,
        action("claim ETH", USER, "claim ETH from a batch of 1,000 steps")?,
        action("post 10 transfers", PROPOSER, "batch of 10 transfers")?,
        action(
            "post 100 transfers",
            PROPOSER,
            "batch of 100 transfers, first in its word",
        )?,
        action(
            "prove a false transfer",
            CHALLENGER,
            "fraud proof of a transfer, batch of 1,000 steps",
        )?,
        action(
            "prove the dearest step",
            WORST_STEPS,
            "16 loops to the ceiling, gas Osaka",
        )?,
        action(
            "unwind a batch of 2 anchors",
            CHALLENGER,
            "unwinding a batch of 2 anchors",
        )?,
    ])
}

/// The proof of a false transfer, and the dearest.
///
/// # Errors
///
/// [`Unmeasured`].
pub fn proofs() -> Result<[Proof; PROOFS], Unmeasured> {
    let proof = |name, (file, used), bound| {
        let bound = measured(WORST_PROOFS, bound)?;
        Ok(Proof {
            name,
            // As the watcher reckons, with all of the bound taken for evaluation.
            limit: (bound + bound / 3 + bound / 16 + VERDICT_GAS).min(MAX_TX_GAS),
            used: measured(file, used)?,
            ceiling: u32::try_from(bound).unwrap_or(u32::MAX),
        })
    };
    let transfer = (CHALLENGER, "fraud proof of a transfer, batch of 1,000 steps");
    let dearest = (WORST_STEPS, "16 loops to the ceiling, gas Osaka");
    Ok([
        proof("a false transfer", transfer, "transfer, bound")?,
        proof("the dearest step", dearest, "a loop up to the ceiling, bound")?,
    ])
}

impl Proof {
    /// What the batch of a lie locks under a preset, in gwei, with two entries; half of it is the reward.
    pub fn lock(&self, preset: &Preset) -> u64 {
        let params = Params {
            chain_id: 1,
            deployment_block: 0,
            window: preset.window,
            insured_gas_price: preset.insured_gas_price.0,
            min_lock: preset.min_lock.0,
            caps: None,
        };
        params.lock(self.ceiling, 2)
    }
}

/// The reward of a conviction under a lock in gwei, in wei: half of it.
pub fn reward(lock: u64) -> u128 {
    u128::from(lock) * GWEI_IN_WEI / 2
}

/// Wei as ether, to look at.
#[allow(clippy::cast_precision_loss, reason = "to look at")]
pub(crate) fn ether(wei: u128) -> f64 {
    wei as f64 / 1e18
}

/// Wei as gwei, to look at.
#[allow(clippy::cast_precision_loss, reason = "to look at")]
pub(crate) fn gwei(wei: u128) -> f64 {
    wei as f64 / 1e9
}
