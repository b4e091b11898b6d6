//! What proposers have at stake, and who alone may touch what.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, U256};
use nthroot_model::{
    ledger::{Ledger, State},
    params::GWEI,
};
use nthroot_protocol::{AnchorId, BatchId};
use serde::Serialize;

use super::{
    decimal,
    findings::Findings,
    seen::{Batch, Seen},
};

/// Gas of the dearest proof that a ceiling does not bound (section 8 of the specification).
const OVERSIZE_GAS: u64 = 6_100_000;

/// Gas for an entry that is restored (section 8).
const ENTRY_GAS: u64 = 13_000;

/// A proposer's bond. Amounts are in gwei, but for those of exposures.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stake {
    /// Whose it is.
    pub proposer: Address,
    /// All of it.
    pub balance: u64,
    /// What its batches lock, at this block.
    pub locked: u64,
    /// What can be locked or taken out.
    pub free: u64,
    /// What the batches lock that can still be challenged.
    pub exposed: u64,
    /// These batches.
    pub batches: Vec<Exposure>,
}

/// A batch that can still be challenged, and what its conviction would cost and pay. Amounts are in wei.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// The batch.
    pub batch: BatchId,
    /// Most gas that a proof and unwinding may take.
    pub gas: u64,
    /// What a challenger gets: half of the lock.
    #[serde(serialize_with = "decimal")]
    pub reward: U256,
    /// What that gas costs at the insured price.
    #[serde(serialize_with = "decimal")]
    pub insured: U256,
    /// What it costs at the present base fee.
    #[serde(serialize_with = "decimal")]
    pub present: U256,
}

/// A lease of an anchor.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The anchor.
    pub anchor: AnchorId,
    /// Who alone may touch it.
    pub holder: Address,
    /// Last block at which it runs.
    pub last_block: u64,
    /// Whether it runs at this block.
    pub runs: bool,
    /// The batch that granted it.
    pub granted: Option<BatchId>,
    /// How many of its holder's batches have written the anchor since.
    pub uses: usize,
}

/// What each proposer that ever posted or had a bond has at stake. `base_fee` is in wei.
pub(super) fn stakes(
    ledger: &Ledger,
    proposers: &BTreeSet<Address>,
    batches: &[Batch],
    base_fee: u64,
    findings: &mut Findings,
) -> Vec<Stake> {
    let mut of: BTreeMap<Address, Vec<&Batch>> = proposers.iter().map(|proposer| (*proposer, Vec::new())).collect();
    for batch in batches {
        of.entry(batch.proposer).or_default().push(batch);
    }
    let stakes = of.into_iter().map(|(proposer, batches)| {
        let open = |batch: &&Batch| matches!(batch.status, "live" | "condemned") && ledger.block() <= batch.window_end;
        let open: Vec<&Batch> = batches.into_iter().filter(open).collect();
        let (bond, free) = (ledger.bond(proposer), ledger.free_bond(proposer));
        let exposed = open.iter().fold(0, |sum: u64, batch| sum.saturating_add(batch.lock));
        if exposed > bond.balance {
            findings.wrong(
                "bond",
                format!(
                    "{proposer}: batches that can be challenged lock {exposed} gwei, the bond has {}",
                    bond.balance
                ),
            );
        }
        Stake {
            proposer,
            balance: bond.balance,
            locked: locked(ledger, proposer),
            free,
            exposed,
            batches: open
                .into_iter()
                .map(|batch| exposure(ledger, batch, base_fee, findings))
                .collect(),
        }
    });
    stakes.collect()
}

fn locked(ledger: &Ledger, proposer: Address) -> u64 {
    let epoch = ledger.params().epoch(ledger.block());
    ledger.bond(proposer).at(epoch, ledger.held_since()).total_locked()
}

fn exposure(ledger: &Ledger, batch: &Batch, base_fee: u64, findings: &mut Findings) -> Exposure {
    let unwinding = ENTRY_GAS.saturating_mul(batch.entries.into());
    let gas = u64::from(batch.ceiling).saturating_add(unwinding).max(OVERSIZE_GAS);
    let wei = |price: U256| U256::from(gas).saturating_mul(price);
    let exposure = Exposure {
        batch: batch.id,
        gas,
        reward: U256::from(batch.lock) * U256::from(GWEI) / U256::from(2),
        insured: wei(U256::from(ledger.params().insured_gas_price)),
        present: wei(U256::from(base_fee)),
    };
    let Exposure {
        reward,
        insured,
        present,
        ..
    } = &exposure;
    if reward < insured {
        findings.wrong(
            "bond",
            format!(
                "batch {}: a proof costs up to {insured} wei at the insured price, and pays {reward}",
                batch.id
            ),
        );
    }
    // Bonds are not meant to pay beyond the insured price: whoever has money in the bridge should know it, and nothing is wrong.
    if reward < present {
        findings.notice(
            "bond",
            format!(
                "batch {}: a proof costs up to {present} wei at the present base fee of {base_fee} wei, and pays {reward}",
                batch.id
            ),
        );
    }
    exposure
}

/// The leases that anchors have.
pub(super) fn leases(ledger: &Ledger, seen: &Seen) -> Vec<Lease> {
    let leases = ledger.anchors().filter_map(|(anchor, _, state)| {
        let lease = State::known(state)?.header().lease?;
        let granted = seen.lease(anchor, lease);
        Some(Lease {
            anchor,
            holder: lease.holder,
            last_block: lease.last_block,
            runs: lease.runs(ledger.block()),
            granted: granted.map(|(granted, _)| granted),
            uses: granted.map_or(0, |(_, uses)| uses),
        })
    });
    leases.collect()
}
