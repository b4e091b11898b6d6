//! What the bridge holds, and what it owes: of each asset, to the last unit.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, U256, hex, keccak256},
    providers::Provider as _,
    rpc::types::{Filter, TransactionRequest},
};
use nthroot_model::{
    anchor::AnchorState,
    ledger::{Ledger, Rollback},
    params::GWEI,
};
use nthroot_protocol::{BatchId, Status};
use serde::Serialize;

use super::{Pinned, decimal, findings::Findings};
use crate::{
    claims,
    deploy::Deployment,
    error::Result,
    inputs::{Input, What},
    l1::L1,
};

/// `balanceOf(address)`.
const BALANCE_OF: [u8; 4] = hex!("70a08231");

/// Transfers from outside that are named, at most.
const NAMED: usize = 20;

/// An asset of the bridge, in base units.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// The L1 token; zero is ether.
    pub token: Address,
    /// What the bridge holds, as L1 says.
    #[serde(serialize_with = "decimal")]
    pub held: U256,
    /// What came in less what went out, through the bridge's functions.
    #[serde(serialize_with = "decimal")]
    pub derived: U256,
    /// What fragments hold. As for all that is owed: when the lies that can still be convicted have been, and are rolled back.
    #[serde(serialize_with = "decimal")]
    pub fragments: U256,
    /// Withdrawals that are not paid, final or not.
    #[serde(serialize_with = "decimal")]
    pub claims: U256,
    /// Bonds.
    #[serde(serialize_with = "decimal")]
    pub bonds: U256,
    /// What was slashed and goes to nobody, and what the bridge was told to pay itself.
    #[serde(serialize_with = "decimal")]
    pub burnt: U256,
    /// Rewards and fees for convicting and unwinding what is still to be.
    #[serde(serialize_with = "decimal")]
    pub rewards: U256,
    /// All of these.
    #[serde(serialize_with = "decimal")]
    pub owed: U256,
    /// What the bridge has too little.
    #[serde(serialize_with = "decimal")]
    pub missing: U256,
    /// What it has beyond what is owed: nobody can get it.
    #[serde(serialize_with = "decimal")]
    pub beyond: U256,
}

/// When a withdrawal can be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "when", content = "block")]
pub enum When {
    /// Now.
    Ready,
    /// In this block, if no further fault is found.
    At(u64),
    /// Nobody can tell: an older fault is unresolved.
    Unknown,
    /// Never: its batch goes, with a lie.
    Never,
}

/// A withdrawal that is not paid.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unpaid {
    /// Its batch.
    pub batch: BatchId,
    /// Its position.
    pub position: u8,
    /// Who will be paid.
    pub recipient: Address,
    /// In which token; zero is ether.
    pub token: Address,
    /// How much, in base units.
    #[serde(serialize_with = "decimal")]
    pub amount: U256,
    /// How often the claim changed hands.
    pub assignments: u128,
    /// When.
    #[serde(flatten)]
    pub when: When,
}

/// The ledger as it will be when every lie that can still be convicted has been, and all of it is rolled back.
pub(super) fn without_lies(ledger: &Ledger) -> Ledger {
    let mut ledger = ledger.clone();
    loop {
        let done = if let Some(rollback) = ledger.rollbacks().into_iter().next() {
            apply(&mut ledger, rollback)
        } else if let Some(lie) = ledger.lies().into_iter().next() {
            let evidence = ledger.evidence(lie.batch, lie.step).unwrap_or_default();
            ledger.convict(&evidence, &[]).is_ok()
        } else {
            false
        };
        if !done {
            return ledger;
        }
    }
}

/// Whether that could be done.
fn apply(ledger: &mut Ledger, rollback: Rollback) -> bool {
    match rollback {
        Rollback::Condemn { child, .. } => ledger.on_condemned(child).is_ok(),
        Rollback::Unwind(batch) => ledger.on_unwound(batch).is_ok(),
    }
}

/// What the bridge holds and owes of each asset that it ever had, at a block.
#[allow(clippy::too_many_arguments, reason = "what is compared comes from as many places")]
pub(super) async fn assets(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    ether: U256,
    ledger: &Ledger,
    honest: &Ledger,
    inputs: &[Input],
    findings: &mut Findings,
) -> Result<Vec<Asset>> {
    let (fragments, unknown) = fragments(honest);
    let claims = claimed(honest)?;
    let tokens: BTreeSet<Address> = deposited(inputs)
        .chain(fragments.keys().copied())
        .chain(claims.keys().copied())
        .chain(deployment.parameters.caps.keys().copied())
        .chain([Address::ZERO])
        .collect();
    if unknown > 0 {
        findings.wrong(
            "solvency",
            format!("the state of {unknown} anchors is not known: what is owed to them cannot be told"),
        );
    }
    let mut assets = Vec::with_capacity(tokens.len());
    for token in tokens {
        let held = if token.is_zero() {
            Some(ether)
        } else {
            balance(l1, token, deployment.bridge, block).await?
        };
        let Some(held) = held else {
            findings.wrong_in(
                token,
                "solvency",
                format!("token {token} does not say what the bridge holds of it"),
            );
            continue;
        };
        let sum = |of: &BTreeMap<Address, U256>| of.get(&token).copied().unwrap_or_default();
        let derived = ledger.held(token);
        let (bonds, burnt) = if token.is_zero() {
            (bonds(honest, inputs), burnt(ledger, honest, inputs))
        } else {
            (U256::ZERO, U256::ZERO)
        };
        let mut asset = Asset {
            token,
            held,
            derived,
            fragments: sum(&fragments),
            claims: sum(&claims),
            bonds,
            burnt: burnt.saturating_add(paid_to_itself(deployment.bridge, token, inputs)),
            rewards: derived.saturating_sub(honest.held(token)),
            owed: U256::ZERO,
            missing: U256::ZERO,
            beyond: U256::ZERO,
        };
        let owed = [asset.fragments, asset.claims, asset.bonds, asset.burnt, asset.rewards];
        asset.owed = owed.into_iter().fold(U256::ZERO, U256::saturating_add);
        asset.missing = asset.owed.saturating_sub(asset.held);
        asset.beyond = asset.held.saturating_sub(asset.owed);
        judge(l1, deployment, block, &asset, unknown == 0, inputs, findings).await?;
        assets.push(asset);
    }
    Ok(assets)
}

async fn judge(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    asset: &Asset,
    all_known: bool,
    inputs: &[Input],
    findings: &mut Findings,
) -> Result<()> {
    let name = name(asset.token);
    let Asset {
        held,
        derived,
        owed,
        missing,
        beyond,
        ..
    } = asset;
    if derived != owed && all_known {
        findings.wrong(
            "solvency",
            format!("{name}: {derived} came in and did not go out, {owed} are owed: the model contradicts itself"),
        );
    }
    if !missing.is_zero() {
        findings.wrong_in(
            asset.token,
            "solvency",
            format!("{name}: the bridge holds {held} and owes {owed}: {missing} are missing"),
        );
    }
    if !beyond.is_zero() {
        let from = if asset.token.is_zero() {
            // Not even calls that force it upon the bridge leave a trace in logs.
            String::new()
        } else {
            from_outside(l1, deployment, block, asset.token, inputs).await
        };
        findings.notice(
            "surplus",
            format!(
                "{name}: the bridge holds {held} and owes {owed}: {beyond} came in from outside{from}, and are nobody's"
            ),
        );
    }
    Ok(())
}

/// The transactions that moved a token to the bridge without a deposit, as far as its events tell.
async fn from_outside(l1: &L1, deployment: &Deployment, block: &Pinned, token: Address, inputs: &[Input]) -> String {
    let deposits: BTreeSet<B256> = inputs
        .iter()
        .filter(|input| matches!(input.what, What::Deposited { token: of, .. } if of == token))
        .map(|input| input.transaction)
        .collect();
    let filter = Filter::new()
        .address(token)
        .event_signature(keccak256("Transfer(address,address,uint256)"))
        .topic2(deployment.bridge.into_word())
        .select(deployment.deployment_block..=block.number);
    // A node that finds this too much leaves the rest as it is: only who sent it is not told.
    let Ok(logs) = l1.provider().get_logs(&filter).await else {
        return String::new();
    };
    let others = logs.iter().filter_map(|log| log.transaction_hash);
    let others: BTreeSet<B256> = others.filter(|hash| !deposits.contains(hash)).collect();
    let named: Vec<String> = others.iter().take(NAMED).map(ToString::to_string).collect();
    match named.len() {
        0 => String::new(),
        _ => format!(" (by {})", named.join(", ")),
    }
}

/// None: what is there is not a token.
async fn balance(l1: &L1, token: Address, of: Address, block: &Pinned) -> Result<Option<U256>> {
    let input = [&BALANCE_OF[..], of.into_word().as_slice()].concat();
    let call = TransactionRequest::default().to(token).input(input.into());
    match l1.provider().call(call).block(block.id()).await {
        Ok(answer) => Ok(answer.get(..32).map(U256::from_be_slice)),
        Err(error) if error.is_error_resp() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn deposited(inputs: &[Input]) -> impl Iterator<Item = Address> {
    inputs.iter().filter_map(|input| match input.what {
        What::Deposited { token, .. } => Some(token),
        _ => None,
    })
}

/// What fragments hold of each token, and how many anchors there are of which nobody knows.
fn fragments(ledger: &Ledger) -> (BTreeMap<Address, U256>, usize) {
    let (mut sums, mut unknown) = (BTreeMap::<Address, U256>::new(), 0);
    for (_, _, state) in ledger.anchors() {
        if state.known().is_none() {
            unknown += 1;
        }
        for (_, fragment) in state.known().into_iter().flat_map(AnchorState::fragments) {
            for (asset, amount) in &fragment.assets {
                if let Some(token) = asset.as_token() {
                    let sum = sums.entry(token).or_default();
                    *sum = sum.saturating_add(U256::from(*amount));
                }
            }
        }
    }
    (sums, unknown)
}

/// What is still to be claimed of each token, of batches that stand.
fn claimed(ledger: &Ledger) -> Result<BTreeMap<Address, U256>> {
    let mut sums = BTreeMap::<Address, U256>::new();
    for batch in ledger
        .batches()
        .filter(|batch| ledger.status(*batch) == Some(Status::Live))
    {
        for payable in claims::unpaid(ledger, batch)? {
            let withdrawal = payable.claim.withdrawal;
            let sum = sums.entry(withdrawal.token).or_default();
            *sum = sum.saturating_add(U256::from(withdrawal.amount));
        }
    }
    Ok(sums)
}

/// Wei.
fn bonds(ledger: &Ledger, inputs: &[Input]) -> U256 {
    let funded = inputs.iter().filter_map(|input| match input.what {
        What::BondFunded { proposer, .. } => Some(proposer),
        _ => None,
    });
    let proposers: BTreeSet<Address> = funded.collect();
    let gwei = proposers
        .iter()
        .map(|proposer| U256::from(ledger.bond(*proposer).balance));
    gwei.sum::<U256>() * U256::from(GWEI)
}

/// Wei that were slashed and paid to nobody, with what will be.
fn burnt(ledger: &Ledger, honest: &Ledger, inputs: &[Input]) -> U256 {
    let slashed = inputs.iter().filter_map(|input| match input.what {
        What::Convicted { slashed, .. } => Some(slashed - slashed / U256::from(2)),
        _ => None,
    });
    // What bonds will lose is what leaves the bridge, as rewards and fees, and what stays in it.
    let lost = bonds(ledger, inputs).saturating_sub(bonds(honest, inputs));
    let leaves = ledger.held(Address::ZERO).saturating_sub(honest.held(Address::ZERO));
    slashed.sum::<U256>().saturating_add(lost.saturating_sub(leaves))
}

/// A withdrawal to the bridge itself is paid, and stays.
fn paid_to_itself(bridge: Address, of: Address, inputs: &[Input]) -> U256 {
    let paid = inputs.iter().filter_map(|input| match &input.what {
        What::Claimed { withdrawal, .. } if withdrawal.recipient == bridge && withdrawal.token == of => {
            Some(U256::from(withdrawal.amount))
        }
        _ => None,
    });
    paid.sum()
}

/// The withdrawals that are not paid, oldest first.
pub(super) fn unpaid(ledger: &Ledger) -> Result<Vec<Unpaid>> {
    let mut unpaid = Vec::new();
    for batch in ledger
        .batches()
        .filter(|batch| ledger.status(*batch) != Some(Status::Unwound))
    {
        let when = match (ledger.status(batch), ledger.final_at(batch)) {
            (Some(Status::Live), Some(block)) if ledger.block() >= block => When::Ready,
            (Some(Status::Live), Some(block)) => When::At(block),
            (Some(Status::Live), None) => When::Unknown,
            _ => When::Never,
        };
        unpaid.extend(claims::unpaid(ledger, batch)?.into_iter().map(|payable| Unpaid {
            batch,
            position: payable.claim.position,
            recipient: payable.claim.recipient,
            token: payable.claim.withdrawal.token,
            amount: U256::from(payable.claim.withdrawal.amount),
            assignments: payable.claim.assignments,
            when,
        }));
    }
    Ok(unpaid)
}

/// How many withdrawals were paid.
pub(super) fn paid(inputs: &[Input]) -> usize {
    inputs
        .iter()
        .filter(|input| matches!(input.what, What::Claimed { .. }))
        .count()
}

fn name(token: Address) -> String {
    if token.is_zero() {
        "ETH (wei)".to_owned()
    } else {
        format!("token {token}")
    }
}
