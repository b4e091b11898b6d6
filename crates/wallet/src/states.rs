//! What is known of fragments, and what signed intents ask for by that.

use alloy_primitives::Address;
use nthroot_model::{
    anchor::AnchorState,
    ledger::{Ledger, State},
    rules::pool::Liquidity,
    signing::BadSignature,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Domain, Fragment, FragmentId, Key, KeyError, Kind,
    rules::{
        account::AccountOpError,
        credit::{CreditError, CreditOp, Market, Position},
        pool::{PoolCodecError, PoolOp},
        swap::{SwapError, SwapIntent},
    },
};

use crate::{
    intent::SignedIntent,
    request::{Request, RuleBook},
};

/// Where fragments are looked up.
pub trait States {
    /// What stands under an anchor that was open before the batch, if that is known.
    fn anchor(&self, id: AnchorId) -> Option<&AnchorState>;

    /// The fragment of a market's open position.
    fn position(&self, market: FragmentId, serial: u64) -> Option<FragmentId>;

    /// A fragment.
    fn fragment(&self, id: FragmentId) -> Option<&Fragment> {
        self.anchor(id.anchor())?.fragment(id.leaf())
    }
}

/// As all batches leave it. To find a position, it looks at every fragment.
impl States for Ledger {
    fn anchor(&self, id: AnchorId) -> Option<&AnchorState> {
        self.state(id).and_then(State::known)
    }

    fn position(&self, market: FragmentId, serial: u64) -> Option<FragmentId> {
        let known = self
            .anchors()
            .filter_map(|(anchor, _, state)| Some((anchor, state.known()?)));
        let mut fragments = known.flat_map(|(anchor, state)| {
            let leaves = state.fragments();
            leaves.filter_map(move |(leaf, fragment)| Some((anchor.leaf(leaf)?, fragment)))
        });
        let is_it = |fragment: &Fragment| open_position(fragment) == Some((market, serial));
        fragments.find(|(_, fragment)| is_it(fragment)).map(|(id, _)| id)
    }
}

/// The market and the serial of the position that a fragment is, unless it was repaid and closed for good. Whose rule it is is
/// not looked at.
pub fn open_position(fragment: &Fragment) -> Option<(FragmentId, u64)> {
    if fragment.kind != Kind::Rule {
        return None;
    }
    let data = Position::decode(&fragment.data).ok()?;
    // Repaid in full: the title is burnt. What an auction left waits for its owner to close it, were it nothing.
    let open = data.principal != 0 || data.is_called();
    open.then_some((data.market, data.serial))
}

/// Why a signed intent cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// It is for a rule that does not come with the bridge.
    #[error("rule {0} is none of those that come with the bridge")]
    Rule(Address),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Account(#[from] AccountOpError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Pool(#[from] PoolCodecError),
    /// Its payload is not one of its rule.
    #[error(transparent)]
    Credit(#[from] CreditError),
    /// There is no such fragment, or what it holds is not known.
    #[error("there is no fragment {0}")]
    NoFragment(FragmentId),
    /// The fragment that it works on is not a pool.
    #[error("{0} is not a pool: `nthroot pool list` lists them")]
    NotPool(FragmentId),
    /// The fragment that it works on is not a market.
    #[error("{0} is not a market: `nthroot credit list` lists them")]
    NotMarket(FragmentId),
    /// There is no such position, or no longer.
    #[error("market {market} has no open position {serial}: `nthroot credit positions {market}` lists them")]
    NoPosition {
        /// The market.
        market: FragmentId,
        /// Its serial number.
        serial: u64,
    },
    /// All leaves of a cohort are taken.
    #[error("the cohort of {0} has no room for further fragments")]
    NoRoom(FragmentId),
    /// It is too late.
    #[error("it was valid until block {valid_until}, and the chain is at {clock}")]
    Expired {
        /// Its last block.
        valid_until: u64,
        /// The clock.
        clock: u64,
    },
    /// It does not come next.
    #[error("fragment {fragment} has the nonce {next} and the intent {nonce}: it was used or cancelled")]
    Nonce {
        /// The fragment.
        fragment: FragmentId,
        /// The fragment's nonce.
        next: u64,
        /// The intent's.
        nonce: u64,
    },
    /// The fragment is under no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It was not signed so.
    #[error("the intent of fragment {fragment} is not signed by its key: {reason}")]
    Signature {
        /// The fragment.
        fragment: FragmentId,
        /// Why not.
        reason: BadSignature,
    },
}

/// What a signed intent asks for.
///
/// # Errors
///
/// If its payload is not one of its rule, or there is no such pool or market.
pub fn request_of(states: &impl States, book: &RuleBook, signed: &SignedIntent) -> Result<Request, IntentError> {
    let payload = &signed.payload;
    Ok(if signed.rule == book.account {
        Request::Account(AccountOp::decode_payload(payload)?)
    } else if signed.rule == book.swap {
        Request::Swap(SwapIntent::decode(payload)?)
    } else if signed.rule == book.pool {
        let op = PoolOp::decode(payload)?;
        let assets = match (op, op.pool()) {
            (PoolOp::Create(pair), _) => pair.assets,
            (_, Some(pool)) => pool_assets(states, book, pool)?,
            (_, None) => return Err(IntentError::NotPool(FragmentId::default())),
        };
        Request::Pool { op, assets }
    } else if signed.rule == book.credit {
        let op = CreditOp::decode(payload)?;
        let terms = match op {
            CreditOp::Create(terms) => terms,
            CreditOp::Lend { market, .. }
            | CreditOp::Redeem { market, .. }
            | CreditOp::Borrow { market, .. }
            | CreditOp::Repay { market, .. }
            | CreditOp::Call { market, .. }
            | CreditOp::Bid { market, .. }
            | CreditOp::Add { market, .. }
            | CreditOp::Close { market, .. } => market_of(states, book, market)?.terms,
        };
        let (collateral, asset) = (terms.collateral, terms.asset);
        Request::Credit { op, collateral, asset }
    } else {
        return Err(IntentError::Rule(signed.rule));
    })
}

/// Whether a signed intent can be used at a clock, and comes next of its fragment. Returns what it asks for.
///
/// # Errors
///
/// If not.
pub fn check(
    states: &impl States,
    book: &RuleBook,
    domain: &Domain,
    clock: u64,
    signed: &SignedIntent,
) -> Result<Request, IntentError> {
    let request = request_of(states, book, signed)?;
    let (fragment, nonce) = (signed.fragment, signed.nonce);
    let state = states.fragment(fragment).ok_or(IntentError::NoFragment(fragment))?;
    if clock > signed.valid_until {
        let valid_until = signed.valid_until;
        return Err(IntentError::Expired { valid_until, clock });
    }
    if state.nonce != nonce {
        let next = state.nonce;
        return Err(IntentError::Nonce { fragment, next, nonce });
    }
    check_signature(&request, domain, state, signed)?;
    Ok(request)
}

/// Whether the key of its fragment has signed an intent that asks for `request`.
///
/// # Errors
///
/// If not.
pub fn check_signature(
    request: &Request,
    domain: &Domain,
    state: &Fragment,
    signed: &SignedIntent,
) -> Result<(), IntentError> {
    let key = Key::new(state.kind.to_u8(), state.controller)?;
    let fragment = signed.fragment;
    let checked = signed.check(request, domain, key);
    checked.map_err(|reason| IntentError::Signature { fragment, reason })
}

/// The fragment of the position that an operation works on, or opens in its market's cohort. None if it opens one with an anchor
/// of its own, or needs none.
///
/// # Errors
///
/// If there is no such position, or no room for one.
pub fn position_of(states: &impl States, book: &RuleBook, op: &CreditOp) -> Result<Option<FragmentId>, IntentError> {
    match *op {
        CreditOp::Create(_) | CreditOp::Lend { .. } | CreditOp::Redeem { .. } => Ok(None),
        CreditOp::Borrow { market, serial: 0, .. } => {
            if market_of(states, book, market)?.terms.depth == 0 {
                return Ok(None);
            }
            let free = free_leaf(states, market, 0);
            free.map(Some).ok_or(IntentError::NoRoom(market))
        }
        CreditOp::Borrow { market, serial, .. }
        | CreditOp::Repay { market, serial, .. }
        | CreditOp::Call { market, serial, .. }
        | CreditOp::Bid { market, serial, .. }
        | CreditOp::Add { market, serial, .. }
        | CreditOp::Close { market, serial } => {
            let position = states.position(market, serial);
            position.map(Some).ok_or(IntentError::NoPosition { market, serial })
        }
    }
}

/// The first free leaf of a cohort, by its header, beyond `after`: one that was never opened.
pub fn free_leaf(states: &impl States, header: FragmentId, after: u32) -> Option<FragmentId> {
    let anchor = header.anchor();
    let state = states.anchor(anchor)?;
    // Leaves are opened one after the other, so what is beyond the last one is nearly always free.
    let beyond = state.last_leaf().max(after) + 1;
    let free = if state.has_leaf(beyond) {
        Some(beyond)
    } else {
        let mut gaps = (after + 1..).take_while(|leaf| state.has_leaf(*leaf));
        gaps.find(|leaf| state.fragment(*leaf).is_none())
    };
    anchor.leaf(free?)
}

fn pool_assets(states: &impl States, book: &RuleBook, pool: FragmentId) -> Result<[AssetId; 2], IntentError> {
    let fragment = of_rule(states, book.pool, pool).ok_or(IntentError::NotPool(pool))?;
    let assets: Vec<(AssetId, u128)> = fragment
        .assets
        .iter()
        .map(|(asset, amount)| (*asset, *amount))
        .collect();
    let liquidity = Liquidity::of(&fragment.data, &assets);
    Ok(liquidity.map_err(|_| IntentError::NotPool(pool))?.state.pair.assets)
}

fn market_of(states: &impl States, book: &RuleBook, market: FragmentId) -> Result<Market, IntentError> {
    let fragment = of_rule(states, book.credit, market).ok_or(IntentError::NotMarket(market))?;
    Market::decode(&fragment.data).map_err(|_| IntentError::NotMarket(market))
}

/// A fragment under this rule.
fn of_rule(states: &impl States, rule: Address, id: FragmentId) -> Option<&Fragment> {
    let fragment = states.fragment(id)?;
    (fragment.kind == Kind::Rule && fragment.controller == rule).then_some(fragment)
}
