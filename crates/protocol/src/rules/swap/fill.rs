//! How a set of intents is satisfied.

use super::check_order;
use crate::{
    AssetId, Truncated,
    codec::{Reader, count_u8},
};

/// A move of an asset between two of the call's fragments, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillMove {
    /// Who gives.
    pub from: u8,
    /// Who gets.
    pub to: u8,
    /// Number of the asset in the fill's list.
    pub asset: u8,
    /// The amount.
    pub amount: u128,
}

/// `extra` of a call: how a set of intents is satisfied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fill {
    /// The assets that move, strictly increasing.
    pub assets: Vec<AssetId>,
    /// How much is filled of each intent that may be filled in part, in the order of the authorisations.
    pub filled: Vec<u128>,
    /// The moves, in order.
    pub moves: Vec<FillMove>,
}

/// Why bytes are not a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// They end inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The assets do not strictly increase.
    #[error("asset {0} is not greater than the one before it")]
    AssetOrder(AssetId),
    /// A move names an asset that is not there.
    #[error("a move names asset {number} of {count}")]
    Asset {
        /// Its number.
        number: u8,
        /// How many there are.
        count: usize,
    },
}

impl Fill {
    /// The fill with these moves (from, to, asset, amount), of at most 255 different assets.
    pub fn new(filled: Vec<u128>, moves: &[(u8, u8, AssetId, u128)]) -> Self {
        let mut assets: Vec<AssetId> = moves.iter().map(|(_, _, asset, _)| *asset).collect();
        assets.sort_unstable();
        assets.dedup();
        let number = |asset| assets.binary_search(&asset).unwrap_or(usize::MAX);
        let moves = moves.iter().map(|&(from, to, asset, amount)| FillMove {
            from,
            to,
            asset: count_u8(number(asset)),
            amount,
        });
        let moves = moves.collect();
        Self { assets, filled, moves }
    }

    /// The same fill, naming only those assets that it moves. One with a move of an asset that it does not name stays as it is.
    #[must_use]
    pub fn without_idle_assets(&self) -> Self {
        let moved = |part: &FillMove| {
            Some((
                part.from,
                part.to,
                *self.assets.get(usize::from(part.asset))?,
                part.amount,
            ))
        };
        match self.moves.iter().map(moved).collect::<Option<Vec<_>>>() {
            Some(moves) => Self::new(self.filled.clone(), &moves),
            None => self.clone(),
        }
    }

    /// `extra`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![count_u8(self.assets.len())];
        for asset in &self.assets {
            out.extend(asset.0);
        }
        for filled in &self.filled {
            out.extend(filled.to_be_bytes());
        }
        for FillMove {
            from,
            to,
            asset,
            amount,
        } in &self.moves
        {
            out.extend([*from, *to, *asset]);
            out.extend(amount.to_be_bytes());
        }
        out
    }

    /// The fill that `extra` encodes for intents of which so many may be filled in part.
    ///
    /// # Errors
    ///
    /// If it encodes none.
    pub fn decode(bytes: &[u8], partial: usize) -> Result<Self, FillError> {
        Self::read(&mut Reader::new(bytes), partial)
    }

    pub(crate) fn read(reader: &mut Reader<'_>, partial: usize) -> Result<Self, FillError> {
        let count = reader.u8("assets")?;
        let asset = |_| reader.asset("asset");
        let assets = (0..count).map(asset).collect::<Result<Vec<_>, _>>()?;
        check_order(assets.iter().copied()).map_err(FillError::AssetOrder)?;
        let filled = (0..partial)
            .map(|_| reader.amount("filled"))
            .collect::<Result<_, _>>()?;
        let mut moves = Vec::new();
        while reader.remaining() > 0 {
            let (from, to, number) = (reader.u8("from")?, reader.u8("to")?, reader.u8("number of the asset")?);
            let amount = reader.amount("amount")?;
            if number >= count {
                let count = count.into();
                return Err(FillError::Asset { number, count });
            }
            moves.push(FillMove {
                from,
                to,
                asset: number,
                amount,
            });
        }
        Ok(Self { assets, filled, moves })
    }
}
