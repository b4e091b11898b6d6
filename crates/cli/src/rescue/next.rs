//! What a rescue has to do next, by what L1 says.

use alloy::primitives::Address;
use eyre::{Result, ensure};
use nthroot_api::ClaimInfo;
use nthroot_model::ledger::{Ledger, State};
use nthroot_node::Proposer;
use nthroot_protocol::{
    AccountOp, AssetId, Batch, BatchId, FragmentId, Lease,
    limits::MAX_STEP_WITHDRAWALS,
    rules::{
        credit::{shares_tag, title_tag},
        pool::share_tag,
    },
};
use nthroot_wallet::account::{self, Party, Terms};
use serde_json::{Value, json};

use crate::{
    claim::is_payable, client::Client, key::UserKey, progress::span, reach::unpaid_in, sign::is_under, text::ether,
};

use super::{gwei_to_wei, is_l1};

/// Blocks that the signature holds: as long as a batch can wait for inclusion.
const VALIDITY: u64 = nthroot_protocol::limits::MAX_CLOCK_AGE;

/// What is wanted.
pub(super) struct Wish<'a> {
    pub(super) id: FragmentId,
    pub(super) to: Address,
    pub(super) keep: bool,
    pub(super) key: &'a UserKey,
    pub(super) payer: Address,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    /// A lie has to be proved and rolled back first.
    Defend,
    /// Somebody else's lease has to end.
    Lease { holder: Address, last_block: u64 },
    /// The bond is too low by so much.
    Fund { gwei: u64 },
    /// The step has to be posted.
    Post { batch: Box<Batch> },
    /// A batch has to become final. None: an older fault is not resolved.
    Final { batch: BatchId, at: Option<u64> },
    /// A withdrawal has to be claimed.
    Claim { claim: Box<ClaimInfo> },
    /// The bond has to be released.
    Release { at: Option<u64> },
    /// The bond can be taken out.
    Take { gwei: u64 },
    /// Nothing.
    Done { block: u64 },
}

impl Next {
    pub(super) fn stage(&self) -> Value {
        match self {
            Self::Defend => json!({ "stage": "defend" }),
            Self::Lease { holder, last_block } => {
                json!({ "stage": "lease", "holder": holder, "lastBlock": last_block })
            }
            Self::Fund { gwei } => json!({ "stage": "fund", "wei": gwei_to_wei(*gwei).to_string() }),
            Self::Post { .. } => json!({ "stage": "post" }),
            Self::Final { batch, at } => json!({ "stage": "final", "batch": batch, "finalAt": at }),
            Self::Claim { claim } => json!({ "stage": "claim", "claim": claim }),
            Self::Release { at } => json!({ "stage": "release", "block": at }),
            Self::Take { gwei } => json!({ "stage": "withdrawBond", "wei": gwei_to_wei(*gwei).to_string() }),
            Self::Done { block } => json!({ "stage": "done", "block": block }),
        }
    }

    pub(super) fn line(&self) -> String {
        match self {
            Self::Defend => "Proving a lie that is in the way, and rolling it back".to_owned(),
            Self::Lease { holder, last_block } => {
                format!("Waiting until the lease of {holder} is over, after block {last_block}")
            }
            Self::Fund { gwei } => format!("Funding a bond of {} ETH", ether(gwei_to_wei(*gwei))),
            Self::Post { .. } => "Posting the step that withdraws".to_owned(),
            Self::Final { batch, at: Some(at) } => format!("Waiting until batch {batch} is final, at block {at}"),
            Self::Final { batch, at: None } => {
                format!("Waiting for batch {batch}, which an older fault holds up until it is rolled back")
            }
            Self::Claim { claim } => format!(
                "Claiming the withdrawal at position {} of batch {}",
                claim.position, claim.batch
            ),
            Self::Release { at: Some(at) } => format!("Waiting until the bond is released, at block {at}"),
            Self::Release { at: None } => "Waiting until a fault is rolled back, which holds up the bond".to_owned(),
            Self::Take { gwei } => format!("Taking out the bond of {} ETH", ether(gwei_to_wei(*gwei))),
            Self::Done { block } => format!("Done at block {block}: nothing is left that could be withdrawn."),
        }
    }

    pub(super) const fn missing_bond(&self) -> u64 {
        match self {
            Self::Fund { gwei } => *gwei,
            _ => 0,
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// What is to be done next.
///
/// # Errors
///
/// If the fragment is not there or somebody else's, or no batch can be built.
pub(super) fn next(client: &Client, proposer: &Proposer, wish: &Wish<'_>) -> Result<Next> {
    let (ledger, now) = (client.ledger(), client.clock());
    let anchor = wish.id.anchor();
    if matches!(ledger.state(anchor), Some(State::Unknown)) {
        return Ok(Next::Defend);
    }
    let fragment = client.fragment(wish.id)?;
    ensure!(
        is_under(fragment, wish.key.key()),
        "fragment {} is not under your key",
        wish.id
    );
    let withdraw = |(asset, amount): (&AssetId, &u128)| {
        Some(AccountOp::Withdraw {
            recipient: wish.to,
            token: asset.as_token()?,
            amount: *amount,
        })
    };
    if fragment.assets.keys().any(|asset| is_l1(*asset)) {
        if let Some(Lease { holder, last_block }) = lease_of(ledger, wish.id).filter(|lease| lease.runs(now))
            && holder != wish.payer
        {
            return Ok(Next::Lease { holder, last_block });
        }
        let ops = fragment.assets.iter().filter_map(withdraw).take(MAX_STEP_WITHDRAWALS);
        let terms = Terms {
            domain: client.domain(),
            book: client.book,
            valid_until: now.saturating_add(VALIDITY),
        };
        let party = Party::signing(wish.key.signer(), wish.id, fragment.nonce, ops.collect());
        let plan = account::plan(&terms, &[party])?;
        let batch = proposer.build(&client.follower, None, &[plan])?;
        let lock = ledger.params().lock(batch.header.ceiling, batch.header.entry_count);
        let free = ledger.free_bond(wish.payer);
        return Ok(if free < lock {
            Next::Fund { gwei: lock - free }
        } else {
            Next::Post { batch: Box::new(batch) }
        });
    }
    let mut claims = unpaid_in(ledger, Some(wish.to))?;
    // Other withdrawals to the same account are not this command's.
    claims.retain(|claim| wrote(ledger, claim.batch, wish.id));
    if let Some(claim) = claims.iter().find(|claim| is_payable(claim, now)) {
        return Ok(Next::Claim {
            claim: Box::new(claim.clone()),
        });
    }
    if let Some(claim) = claims.first() {
        return Ok(match claim.payable_at {
            None if !ledger.rollbacks().is_empty() => Next::Defend,
            at => Next::Final { batch: claim.batch, at },
        });
    }
    Ok(bond(ledger, wish, now))
}

fn bond(ledger: &Ledger, wish: &Wish<'_>, now: u64) -> Next {
    let bond = ledger.bond(wish.payer);
    let (params, fault) = (ledger.params(), ledger.oldest_fault());
    if wish.keep || bond.balance == 0 {
        return Next::Done { block: now };
    }
    if fault.is_some() {
        return Next::Release { at: None };
    }
    let free = ledger.free_bond(wish.payer);
    if free == bond.balance {
        return Next::Take { gwei: free };
    }
    // A lock is released when the epoch after the next begins: at the latest in two epochs.
    let length = params.window.saturating_add(1);
    let this = params.epoch(now);
    let epoch = (this..this + 3).find(|epoch| bond.free(*epoch, None) == bond.balance);
    Next::Release {
        at: epoch.map(|epoch| params.deployment_block + epoch * length),
    }
}

/// The lease of a fragment's anchor, which stands in its leaf 0.
fn lease_of(ledger: &Ledger, id: FragmentId) -> Option<Lease> {
    ledger.state(id.anchor())?.known()?.header().lease
}

/// Whether a batch wrote the anchor of a fragment.
fn wrote(ledger: &Ledger, batch: BatchId, id: FragmentId) -> bool {
    let entries = ledger.entries(batch).unwrap_or_default();
    entries.iter().any(|entry| entry.anchor == id.anchor())
}

/// The command that makes of an issued asset what can be withdrawn.
pub(super) fn redeems(client: &Client, asset: AssetId, fragment: FragmentId) -> String {
    let book = &client.book;
    let is = |rule, tag| asset == AssetId::issued(rule, tag);
    if let Some((pool, _)) = client.pools().find(|(pool, _)| is(book.pool, share_tag(*pool))) {
        return format!(
            "`nthroot pool remove {pool} --shares all --fragment {fragment}` redeems them, then rescue again"
        );
    }
    if let Some(market) = client.markets().find(|market| is(book.credit, shares_tag(market.id))) {
        let id = market.id;
        return format!(
            "`nthroot credit redeem {id} --shares all --fragment {fragment}` redeems them, then rescue again"
        );
    }
    let title = |data: &nthroot_protocol::rules::credit::Position| is(book.credit, title_tag(data.market, data.serial));
    if let Some(position) = client.positions().find(|position| title(&position.data)) {
        let (market, serial) = (position.data.market, position.data.serial);
        return format!(
            "`nthroot credit repay {market} --position {serial} --amount all --fragment {fragment}` brings back the collateral, then rescue again (in about {} at the earliest it is on L1)",
            span(client.ledger().params().window)
        );
    }
    "its rule says how it is redeemed".to_owned()
}
