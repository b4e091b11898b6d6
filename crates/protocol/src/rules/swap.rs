//! The language of the Swap rule (`docs/rules/swap.md`).

pub mod meanings;

mod fill;

use std::collections::BTreeMap;

use alloy_primitives::aliases::U80;

use crate::{
    AssetId, FragmentId, Meaning, Outflow, Trailing, Truncated,
    codec::{Reader, count_u8},
    rules::Typed,
};

pub use fill::{Fill, FillError, FillMove};

/// Bit of the form: the amounts follow a curve.
const CURVE: u8 = 1;
/// Bit of the form: the intent may be filled in part.
const PARTIAL: u8 = 2;

/// What is given or got of one asset, in its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The asset.
    pub asset: AssetId,
    /// The amount before the curve begins.
    pub start: u128,
    /// The amount after it has ended: that at the start if there is no curve, and then it is not encoded.
    pub end: u128,
}

/// When amounts change, in L1 blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Curve {
    /// Until here they are those at the start.
    pub first: u64,
    /// From here on those at the end.
    pub last: u64,
}

/// The payload: what a user gives at most, and what it gets at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapIntent {
    /// What it gives for what it gets, by strictly increasing asset.
    pub gives: Vec<Leg>,
    /// What it gets, in the same order.
    pub gets: Vec<Leg>,
    /// What it gives beside the price, in the same order.
    pub rewards: Vec<Outflow>,
    /// With whom alone it exchanges assets, strictly increasing; with anybody if there are none.
    pub counterparties: Vec<FragmentId>,
    /// When the amounts change, if they do.
    pub curve: Option<Curve>,
    /// If it may be filled in part: how much of it is filled at least, in units of the first give's amount at the end.
    pub least_fill: Option<u128>,
}

/// Why bytes are not an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// They end inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// They go on behind the last field.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// The form has unknown bits.
    #[error("form {0} is unknown")]
    Form(u8),
    /// There is no give, or no get.
    #[error("an intent gives and gets at least one asset")]
    NoLegs,
    /// A list of assets does not strictly increase.
    #[error("asset {0} is not greater than the one before it")]
    AssetOrder(AssetId),
    /// The counterparties do not strictly increase from above zero.
    #[error("counterparty {0} is zero, or not greater than the one before it")]
    CounterpartyOrder(FragmentId),
    /// A give falls.
    #[error("the give of asset {0} falls")]
    GiveFalls(AssetId),
    /// A get rises.
    #[error("the get of asset {0} rises")]
    GetRises(AssetId),
    /// The curve ends before it begins.
    #[error("the curve begins at block {first} and ends at {last}")]
    Curve {
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
    },
    /// The first give's amount at the end is zero.
    #[error("the first give is nothing at the end")]
    NothingGiven,
}

impl SwapIntent {
    /// Whether it may be filled in part.
    pub const fn is_partial(&self) -> bool {
        self.least_fill.is_some()
    }

    /// The whole of it, W: the first give's amount at the end. Not zero in what was decoded.
    pub fn whole(&self) -> u128 {
        self.gives.first().map_or(0, |leg| leg.end)
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0];
        if self.curve.is_some() {
            out[0] |= CURVE;
        }
        if self.is_partial() {
            out[0] |= PARTIAL;
        }
        for legs in [&self.gives, &self.gets] {
            out.push(count_u8(legs.len()));
            for leg in legs {
                out.extend(leg.asset.0);
                out.extend(leg.start.to_be_bytes());
                if self.curve.is_some() {
                    out.extend(leg.end.to_be_bytes());
                }
            }
        }
        out.push(count_u8(self.rewards.len()));
        for reward in &self.rewards {
            out.extend(reward.asset.0);
            out.extend(reward.amount.to_be_bytes());
        }
        out.push(count_u8(self.counterparties.len()));
        for counterparty in &self.counterparties {
            out.extend(counterparty.to_bytes());
        }
        if let Some(Curve { first, last }) = self.curve {
            out.extend(first.to_be_bytes());
            out.extend(last.to_be_bytes());
        }
        if let Some(least) = self.least_fill {
            out.extend(least.to_be_bytes());
        }
        out
    }

    /// The intent that a payload encodes. Every line of the page on intents holds of it.
    ///
    /// # Errors
    ///
    /// If one does not.
    pub fn decode(bytes: &[u8]) -> Result<Self, SwapError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, SwapError> {
        let form = reader.u8("form")?;
        if form & !(CURVE | PARTIAL) != 0 {
            return Err(SwapError::Form(form));
        }
        let has_curve = form & CURVE != 0;
        let gives = reader.section("gives", |reader| read_legs(reader, has_curve))?;
        let gets = reader.section("gets", |reader| read_legs(reader, has_curve))?;
        let count = reader.u8("rewards")?;
        let reward = |_| {
            Ok::<_, Truncated>(Outflow {
                asset: reader.asset("asset")?,
                amount: reader.amount("amount")?,
            })
        };
        let rewards = (0..count).map(reward).collect::<Result<Vec<_>, _>>()?;
        let count = reader.u8("counterparties")?;
        let counterparty = |_| reader.fragment("counterparty");
        let counterparties = (0..count).map(counterparty).collect::<Result<Vec<_>, _>>()?;
        let curve = if has_curve {
            let (first, last) = (
                reader.u64("curve begins (L1 block)")?,
                reader.u64("curve ends (L1 block)")?,
            );
            Some(Curve { first, last })
        } else {
            None
        };
        let least_fill = (form & PARTIAL != 0).then(|| reader.amount("least fill")).transpose()?;
        reader.finish()?;

        let intent = Self {
            gives,
            gets,
            rewards,
            counterparties,
            curve,
            least_fill,
        };
        intent.check()?;
        Ok(intent)
    }

    fn check(&self) -> Result<(), SwapError> {
        if self.gives.is_empty() || self.gets.is_empty() {
            return Err(SwapError::NoLegs);
        }
        check_order(self.gives.iter().map(|leg| leg.asset)).map_err(SwapError::AssetOrder)?;
        check_order(self.gets.iter().map(|leg| leg.asset)).map_err(SwapError::AssetOrder)?;
        check_order(self.rewards.iter().map(|reward| reward.asset)).map_err(SwapError::AssetOrder)?;
        let from_zero = std::iter::once(FragmentId::ZERO).chain(self.counterparties.iter().copied());
        check_order(from_zero).map_err(SwapError::CounterpartyOrder)?;
        if let Some(leg) = self.gives.iter().find(|leg| leg.start > leg.end) {
            return Err(SwapError::GiveFalls(leg.asset));
        }
        if let Some(leg) = self.gets.iter().find(|leg| leg.start < leg.end) {
            return Err(SwapError::GetRises(leg.asset));
        }
        if let Some(Curve { first, last }) = self.curve.filter(|curve| curve.first > curve.last) {
            return Err(SwapError::Curve { first, last });
        }
        match self.whole() {
            0 => Err(SwapError::NothingGiven),
            _ => Ok(()),
        }
    }

    /// The struct that its user signs.
    pub fn typed(&self) -> meanings::Swap {
        let legs = |legs: &[Leg]| legs.iter().map(Leg::typed).collect();
        let Curve { first, last } = self.curve.unwrap_or(Curve { first: 0, last: 0 });
        let rewards = self.rewards.iter().map(|reward| meanings::Outflow {
            asset: reward.asset.0,
            amount: reward.amount,
        });
        let counterparties = self.counterparties.iter();
        meanings::Swap {
            give: legs(&self.gives),
            get: legs(&self.gets),
            reward: rewards.collect(),
            counterparties: counterparties.map(|id| U80::from_be_bytes(id.to_bytes())).collect(),
            firstBlock: first,
            lastBlock: last,
            fillAtLeast: self.least_fill.unwrap_or_else(|| self.whole()),
        }
    }

    /// Its meaning.
    pub fn meaning(&self) -> Meaning {
        Typed::new(&self.typed()).meaning()
    }

    /// The most that it lets go of each asset, for the signature: the gives at the end, and the rewards. What would exceed an
    /// amount's 128 bits is as much as an amount can be.
    pub fn outflows(&self) -> Vec<Outflow> {
        let gives = self.gives.iter().map(|leg| (leg.asset, leg.end));
        let rewards = self.rewards.iter().map(|reward| (reward.asset, reward.amount));
        let mut most: BTreeMap<AssetId, u128> = BTreeMap::new();
        for (asset, amount) in gives.chain(rewards) {
            let sum = most.entry(asset).or_default();
            *sum = sum.saturating_add(amount);
        }
        let outflows = most.into_iter().filter(|(_, amount)| *amount != 0);
        outflows.map(|(asset, amount)| Outflow { asset, amount }).collect()
    }
}

impl Leg {
    /// A leg whose amount does not change.
    pub const fn fixed(asset: AssetId, amount: u128) -> Self {
        Self {
            asset,
            start: amount,
            end: amount,
        }
    }

    fn typed(&self) -> meanings::Leg {
        meanings::Leg {
            asset: self.asset.0,
            start: self.start,
            end: self.end,
        }
    }
}

fn read_legs(reader: &mut Reader<'_>, has_curve: bool) -> Result<Vec<Leg>, Truncated> {
    let count = reader.u8("legs")?;
    let leg = |_| {
        let (asset, start) = (reader.asset("asset")?, reader.amount("amount")?);
        let end = if has_curve {
            reader.amount("amount at the end")?
        } else {
            start
        };
        Ok(Leg { asset, start, end })
    };
    (0..count).map(leg).collect()
}

/// Whether ids strictly increase; the first that does not, otherwise.
fn check_order<T: Copy + Ord>(ids: impl Iterator<Item = T>) -> Result<(), T> {
    let mut last = None;
    for id in ids {
        if last.is_some_and(|last| last >= id) {
            return Err(id);
        }
        last = Some(id);
    }
    Ok(())
}
