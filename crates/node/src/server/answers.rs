//! What a view says to what is asked.

use alloy::primitives::{Address, B256, Keccak256};
use nthroot_api::{
    AssetAmount, BatchInfo, CallData, ChainInfo, ClaimId, ClaimInfo, Digest, FragmentInfo, FragmentProof,
    FragmentState, LeaseInfo, Page, StepInfo, Tip,
};
use nthroot_model::ledger::{Judgement, Ledger, State};
use nthroot_protocol::{BatchId, Fragment, FragmentId, Head, Key, Status};

use crate::{claims, error::Result, view::View};

pub(super) fn tip(view: &View) -> Tip {
    Tip {
        block: view.tip.number,
        hash: view.tip.hash,
        finalised: view.finalised.number,
        synced: view.synced,
    }
}

pub(super) fn chain(view: &View) -> ChainInfo {
    ChainInfo {
        chain_id: view.deployment.chain_id,
        bridge: view.deployment.bridge,
        deployment_block: view.deployment.deployment_block,
        window: view.ledger.params().window,
        rules: view.book,
        tip: tip(view),
        fault: view.ledger.oldest_fault(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

pub(super) fn fragment(view: &View, id: FragmentId) -> Option<FragmentInfo> {
    let ledger = &view.ledger;
    let anchor = id.anchor();
    let head = ledger.head(anchor)?;
    let is_known = ledger.state(anchor)?.known().is_some();
    let pending = ledger.state(anchor).and_then(|state| at(state, id));
    // L1 may yet take back a deposit.
    let settled = ledger.final_state(anchor);
    let settled = settled
        .filter(|(head, _)| ledger.status(head.id).is_some() || block_of(view, head.id) <= view.finalised.number);
    let settled = settled.and_then(|(_, state)| at(state, id));
    if is_known && pending.is_none() && settled.is_none() {
        return None;
    }
    Some(FragmentInfo {
        id,
        head,
        pending,
        settled,
        final_at: final_at(view, head),
        next_nonce: None,
    })
}

fn at(state: &State, id: FragmentId) -> Option<FragmentState> {
    state.known()?.fragment(id.leaf()).map(fragment_state)
}

fn fragment_state(fragment: &Fragment) -> FragmentState {
    FragmentState {
        kind: fragment.kind,
        controller: fragment.controller,
        nonce: fragment.nonce,
        assets: fragment
            .assets
            .iter()
            .map(|(asset, amount)| AssetAmount {
                asset: *asset,
                amount: *amount,
            })
            .collect(),
        data: fragment.data.clone(),
        lease: fragment.lease.map(|lease| LeaseInfo {
            holder: lease.holder,
            last_block: lease.last_block,
        }),
    }
}

/// The first block in which what wrote a head is final. A deposit is in its own, once L1 has finalised that.
fn final_at(view: &View, head: Head) -> Option<u64> {
    if view.ledger.status(head.id).is_some() {
        return view.ledger.final_at(head.id);
    }
    Some(block_of(view, head.id)).filter(|block| *block <= view.finalised.number)
}

fn block_of(view: &View, id: BatchId) -> u64 {
    let deployed = view.deployment.deployment_block;
    deployed.saturating_add(id.block_offset())
}

pub(super) fn fragments_of(view: &View, key: Key, after: Option<FragmentId>, size: usize) -> Page<FragmentInfo> {
    let ids = view.fragments_of(key, after);
    page(ids.filter_map(|id| fragment(view, id)), size)
}

pub(super) fn proof(view: &View, id: FragmentId) -> Option<FragmentProof> {
    let head = view.ledger.head(id.anchor())?;
    let state = view.ledger.state(id.anchor())?.known()?;
    let fragment = state.fragment(id.leaf())?;
    Some(FragmentProof {
        id,
        depth: state.depth(),
        state: fragment.encode().into(),
        siblings: state.path(id.leaf()),
        root: state.root(),
        head,
        block: view.tip.number,
    })
}

pub(super) fn batch(view: &View, id: BatchId) -> Option<BatchInfo> {
    let ledger = &view.ledger;
    let status = match ledger.status(id)? {
        Status::Live => "live",
        Status::Faulty => "faulty",
        Status::Condemned => "condemned",
        Status::Unwound => "unwound",
    };
    let judgements = ledger.judgement(id).unwrap_or_default();
    Some(BatchInfo {
        id,
        block: block_of(view, id),
        status: status.to_owned(),
        is_final: ledger.is_final(id),
        final_at: ledger.final_at(id),
        proposer: ledger.preimage(id).ok().map(|preimage| preimage.proposer),
        steps: judgements.into_iter().map(step).collect(),
    })
}

fn step(judgement: &Judgement) -> StepInfo {
    match judgement {
        Judgement::Valid => StepInfo::Valid,
        Judgement::Skipped(reason) => StepInfo::Skipped(reason.to_string()),
        Judgement::Lie(reason) => StepInfo::Lie(reason.to_string()),
        Judgement::Unjudged(reason) => StepInfo::Unjudged(reason.to_string()),
    }
}

pub(super) fn batches(view: &View, before: Option<BatchId>, size: usize) -> Page<BatchInfo> {
    let ids = view.ledger.batches_before(before);
    page(ids.filter_map(|id| batch(view, id)), size)
}

pub(super) fn claims(view: &View, recipient: Address, after: Option<ClaimId>, size: usize) -> Page<ClaimInfo> {
    let after = after.map(|ClaimId { batch, position }| (batch, position));
    let places = view.index.claims_of(recipient, after);
    page(
        places.filter_map(|(batch, position)| claim(view, batch, position)),
        size,
    )
}

fn claim(view: &View, batch: BatchId, position: u8) -> Option<ClaimInfo> {
    let claim = view.ledger.claims(batch).ok()?.into_iter().nth(position.into())?;
    Some(ClaimInfo {
        batch,
        position,
        recipient: claim.recipient,
        token: claim.withdrawal.token,
        amount: claim.withdrawal.amount,
        paid: claim.paid,
        payable_at: view.ledger.final_at(batch),
    })
}

pub(super) fn claim_call(view: &View, batch: BatchId, position: u8) -> Result<Option<CallData>> {
    if !view.ledger.is_final(batch) {
        return Ok(None);
    }
    let mut unpaid = claims::unpaid(&view.ledger, batch)?.into_iter();
    let payable = unpaid.find(|payable| payable.claim.position == position);
    let bridge = view.deployment.bridge;
    Ok(payable.map(|payable| CallData {
        to: bridge,
        data: payable.call(bridge).input,
    }))
}

/// What two nodes compare: the ledger at the tip, or at the last final block.
pub(super) fn digest(view: &View, number: Option<u64>) -> Option<Digest> {
    let (block, ledger) = match number {
        Some(number) if number != view.tip.number => (view.finalised, &view.settled),
        _ => (view.tip, &view.ledger),
    };
    if number.is_some_and(|number| number != block.number) {
        return None;
    }
    Some(Digest {
        block: block.number,
        hash: block.hash,
        digest: digest_of(ledger),
    })
}

fn digest_of(ledger: &Ledger) -> B256 {
    let mut hasher = Keccak256::new();
    for (anchor, head, _) in ledger.anchors() {
        hasher.update(anchor.to_bytes());
        hasher.update(Head::to_word(Some(head)));
    }
    hasher.finalize()
}

/// The first items, and whether there are more.
fn page<T>(mut items: impl Iterator<Item = T>, size: usize) -> Page<T> {
    Page {
        items: items.by_ref().take(size).collect(),
        more: items.next().is_some(),
    }
}
