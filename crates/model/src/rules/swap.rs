//! The Swap rule (`docs/rules/swap.md`), and what solvers need of it: what an intent allows at a block.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use nthroot_protocol::{
    AssetId, Effect, FragmentId,
    rules::swap::{Curve, Fill, FillError, FillMove, Leg, SwapError, SwapIntent},
};

use crate::{
    rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure},
    rules::amounts::{AmountError, add, mul_div_down, mul_div_up, narrow, sub},
};

/// The rule: intents of several users, and moves that satisfy them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swap;

/// Why moves do not satisfy intents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapFailure {
    /// A payload is not an intent.
    #[error("intent {intent}: {error}")]
    Intent {
        /// Number of the authorisation.
        intent: usize,
        /// Why.
        error: SwapError,
    },
    /// `extra` is not a fill.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A position of a move is not below the number of fragments.
    #[error("a move names position {position} of {fragments}")]
    Position {
        /// The position.
        position: u8,
        /// How many fragments the call lists.
        fragments: usize,
    },
    /// Filled is nothing, less than the least fill, or more than the whole.
    #[error("{filled} is filled, not 1 to {whole} and at least {least}")]
    Filled {
        /// What is filled.
        filled: u128,
        /// Least that must be.
        least: u128,
        /// The whole.
        whole: u128,
    },
    /// Moves take too much of an asset.
    #[error("moves take {taken} of asset {asset} for intent {intent}, which gives at most {most}")]
    Taken {
        /// Number of the authorisation.
        intent: usize,
        /// The asset.
        asset: AssetId,
        /// What they take.
        taken: U256,
        /// What they may.
        most: U256,
    },
    /// Moves bring too little of an asset.
    #[error("moves bring {brought} of asset {asset} for intent {intent}, which gets at least {least}")]
    Brought {
        /// Number of the authorisation.
        intent: usize,
        /// The asset.
        asset: AssetId,
        /// What they bring.
        brought: U256,
        /// What they must.
        least: u128,
    },
    /// A move is with somebody whom the intent does not name.
    #[error("intent {intent} does not name the counterparty {id}")]
    Counterparty {
        /// Number of the authorisation.
        intent: usize,
        /// The fragment on the other side.
        id: FragmentId,
    },
    /// A number leaves its range.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl From<SwapFailure> for RuleFailure {
    fn from(failure: SwapFailure) -> Self {
        Self(failure.to_string())
    }
}

/// What an intent allows at a block, for as much as is filled of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Most that moves may take of each asset, rewards included. Of others they may take nothing.
    pub most: BTreeMap<AssetId, U256>,
    /// Least that moves must bring of each asset.
    pub least: BTreeMap<AssetId, u128>,
}

impl Limits {
    /// Those of `intent` at `clock`, if `filled` of it is filled: its whole, if it may not be filled in part.
    ///
    /// # Errors
    ///
    /// If so much cannot be filled, or the intent is none that could be decoded.
    pub fn of(intent: &SwapIntent, clock: u64, filled: u128) -> Result<Self, SwapFailure> {
        let whole = intent.whole();
        let least = intent.least_fill.unwrap_or(whole);
        if filled < 1 || filled < least || filled > whole {
            return Err(SwapFailure::Filled { filled, least, whole });
        }
        let (filled, whole) = (U256::from(filled), U256::from(whole));

        let mut limits = Self::default();
        for leg in &intent.gives {
            let amount = U256::from(give_at(leg, intent.curve, clock)?);
            limits.most.insert(leg.asset, mul_div_down(amount, filled, whole)?);
        }
        for reward in &intent.rewards {
            let reward_now = mul_div_down(U256::from(reward.amount), filled, whole)?;
            let most = limits.most.entry(reward.asset).or_default();
            *most = add(*most, reward_now)?;
        }
        for leg in &intent.gets {
            let amount = U256::from(get_at(leg, intent.curve, clock)?);
            let least = narrow(mul_div_up(amount, filled, whole)?)?;
            limits.least.insert(leg.asset, least);
        }
        Ok(limits)
    }
}

/// The amount of a give at a block: it rises, rounded down.
///
/// # Errors
///
/// If it falls, or the curve ends before it begins.
pub fn give_at(leg: &Leg, curve: Option<Curve>, clock: u64) -> Result<u128, AmountError> {
    let (start, rise) = (U256::from(leg.start), sub(U256::from(leg.end), U256::from(leg.start))?);
    narrow(add(start, part_of(rise, curve, clock)?)?)
}

/// The amount of a get at a block: it falls, rounded up.
///
/// # Errors
///
/// If it rises, or the curve ends before it begins.
pub fn get_at(leg: &Leg, curve: Option<Curve>, clock: u64) -> Result<u128, AmountError> {
    let (start, fall) = (U256::from(leg.start), sub(U256::from(leg.start), U256::from(leg.end))?);
    narrow(sub(start, part_of(fall, curve, clock)?)?)
}

/// How much of a change has happened at a block, rounded down. Without a curve nothing changes.
fn part_of(change: U256, curve: Option<Curve>, clock: u64) -> Result<U256, AmountError> {
    let Some(Curve { first, last }) = curve else {
        return Ok(change);
    };
    if clock <= first {
        return Ok(U256::ZERO);
    }
    if clock >= last {
        return Ok(change);
    }
    let [first, last, clock] = [first, last, clock].map(U256::from);
    mul_div_down(change, sub(clock, first)?, sub(last, first)?)
}

/// Whether moves satisfy intents, each with the position of its fragment. Solvers can ask this without signatures.
///
/// # Errors
///
/// If they do not.
pub fn check(
    clock: u64,
    fragments: &[FragmentId],
    intents: &[(u8, SwapIntent)],
    fill: &Fill,
) -> Result<(), SwapFailure> {
    for FillMove { from, to, .. } in &fill.moves {
        for position in [*from, *to] {
            id_at(fragments, position)?;
        }
    }
    let mut filled = fill.filled.iter().copied();
    for (number, (position, intent)) in intents.iter().enumerate() {
        let filled = match intent.least_fill {
            Some(_) => filled.next().unwrap_or_default(),
            None => intent.whole(),
        };
        let limits = Limits::of(intent, clock, filled)?;
        check_one(number, *position, intent, &limits, fragments, fill)?;
    }
    Ok(())
}

/// Whether moves satisfy one intent.
fn check_one(
    number: usize,
    own: u8,
    intent: &SwapIntent,
    limits: &Limits,
    fragments: &[FragmentId],
    fill: &Fill,
) -> Result<(), SwapFailure> {
    let mut taken: BTreeMap<AssetId, U256> = BTreeMap::new();
    let mut brought: BTreeMap<AssetId, U256> = BTreeMap::new();
    for &FillMove {
        from,
        to,
        asset,
        amount,
    } in &fill.moves
    {
        let asset = asset_of(fill, asset)?;
        let sides = [(from, to, &mut taken), (to, from, &mut brought)];
        for (mine, other, sums) in sides {
            if mine != own {
                continue;
            }
            let sum = sums.entry(asset).or_default();
            *sum = add(*sum, U256::from(amount))?;
            let id = id_at(fragments, other)?;
            if !intent.counterparties.is_empty() && !intent.counterparties.contains(&id) {
                return Err(SwapFailure::Counterparty { intent: number, id });
            }
        }
    }
    for (asset, taken) in taken {
        let most = limits.most.get(&asset).copied().unwrap_or_default();
        if taken > most {
            return Err(SwapFailure::Taken {
                intent: number,
                asset,
                taken,
                most,
            });
        }
    }
    for (&asset, &least) in &limits.least {
        let brought = brought.get(&asset).copied().unwrap_or_default();
        if brought < U256::from(least) {
            return Err(SwapFailure::Brought {
                intent: number,
                asset,
                brought,
                least,
            });
        }
    }
    Ok(())
}

fn id_at(fragments: &[FragmentId], position: u8) -> Result<FragmentId, SwapFailure> {
    let id = fragments.get(usize::from(position)).copied();
    id.ok_or(SwapFailure::Position {
        position,
        fragments: fragments.len(),
    })
}

fn asset_of(fill: &Fill, number: u8) -> Result<AssetId, FillError> {
    let count = fill.assets.len();
    let asset = fill.assets.get(usize::from(number)).copied();
    asset.ok_or(FillError::Asset { number, count })
}

impl Rule for Swap {
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        let effects = effects(context.clock, fragments, authorisations, extra)?;
        Ok(Effect::encode_list(&effects))
    }
}

/// What a call of the rule does at a clock.
///
/// # Errors
///
/// If the rule fails: why.
pub fn effects(
    clock: u64,
    fragments: &[FragmentView],
    authorisations: &[AuthorisationView],
    extra: &[u8],
) -> Result<Vec<Effect>, SwapFailure> {
    let mut intents = Vec::new();
    for (number, AuthorisationView { fragment, payload }) in authorisations.iter().enumerate() {
        let intent = SwapIntent::decode(payload);
        let intent = intent.map_err(|error| SwapFailure::Intent { intent: number, error })?;
        intents.push((*fragment, intent));
    }
    let partial = intents.iter().filter(|(_, intent)| intent.is_partial()).count();
    let fill = Fill::decode(extra, partial)?;
    let ids: Vec<FragmentId> = fragments.iter().map(|fragment| fragment.id).collect();
    check(clock, &ids, &intents, &fill)?;

    // A call has at most 16 authorisations.
    let mut effects: Vec<Effect> = (0..)
        .zip(&intents)
        .map(|(number, (_, intent))| Effect::meaning(number, intent.meaning()))
        .collect();
    for FillMove {
        from,
        to,
        asset,
        amount,
    } in &fill.moves
    {
        effects.push(Effect::Move {
            from: *from,
            to: *to,
            asset: asset_of(&fill, *asset)?,
            amount: *amount,
        });
    }
    Ok(effects)
}
