//! The language of the Pool rule (`docs/rules/pool.md`).

pub mod meanings;

use alloy_primitives::{
    B256,
    aliases::{U24, U80},
};

use crate::{AssetId, FragmentId, Meaning, Trailing, Truncated, codec::Reader, rules::Typed};

/// Fees are in millionths.
pub const FEE_UNIT: u32 = 1_000_000;
/// The largest fee: a tenth.
pub const MAX_FEE: u32 = 100_000;
/// Shares that nobody has, so that roundings cannot be used against those who have some.
pub const LOCKED_SHARES: u128 = 1_000;

/// One of a pool's two assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Asset 0.
    Zero,
    /// Asset 1.
    One,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Zero, Self::One];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
        }
    }

    /// This one's of two.
    pub const fn of<T: Copy>(self, [zero, one]: [T; 2]) -> T {
        match self {
            Self::Zero => zero,
            Self::One => one,
        }
    }
}

/// What a pool trades: two assets, and the fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Asset 0 and asset 1, of which the second is greater.
    pub assets: [AssetId; 2],
    /// Fee in millionths of what is sold, ≤ 100,000. What exceeds 24 bits is encoded as 2^24 − 1.
    pub fee: u32,
}

/// The payload: an operation on a pool. Amounts are in units of their assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOp {
    /// Opens a pool.
    Create(Pair),
    /// Adds liquidity.
    Add {
        /// The pool.
        pool: FragmentId,
        /// Most that is paid of each asset.
        at_most: [u128; 2],
        /// Least that is minted.
        shares_at_least: u128,
    },
    /// Removes liquidity.
    Remove {
        /// The pool.
        pool: FragmentId,
        /// Shares that are burnt.
        shares: u128,
        /// Least that is paid out of each asset.
        at_least: [u128; 2],
    },
    /// Sells an amount.
    Sell {
        /// The pool.
        pool: FragmentId,
        /// What is sold.
        side: Side,
        /// How much of it.
        amount: u128,
        /// Least that is bought.
        at_least: u128,
    },
    /// Buys an amount.
    Buy {
        /// The pool.
        pool: FragmentId,
        /// What is bought.
        side: Side,
        /// How much of it.
        amount: u128,
        /// Most that is sold.
        at_most: u128,
    },
}

/// Why bytes are not a payload, or not the data of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolCodecError {
    /// They end inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// They go on behind the last field.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// Unknown code.
    #[error("pool operation code {0} is unknown")]
    Code(u8),
    /// A side that is neither 0 nor 1.
    #[error("a pool has no side {0}")]
    Side(u8),
    /// Asset 1 is not greater than asset 0.
    #[error("the assets of a pool increase")]
    AssetOrder,
    /// The fee exceeds 100,000.
    #[error("a fee of {0} millionths is too high")]
    Fee(u32),
}

impl PoolOp {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut write = |code: u8, pool: FragmentId, side: Option<Side>, amounts: &[u128]| {
            out.push(code);
            out.extend(pool.to_bytes());
            out.extend(side.map(Side::number));
            for amount in amounts {
                out.extend(amount.to_be_bytes());
            }
        };
        match *self {
            Self::Create(pair) => {
                out.push(1);
                pair.write(&mut out);
            }
            Self::Add {
                pool,
                at_most: [at_most_0, at_most_1],
                shares_at_least,
            } => write(2, pool, None, &[at_most_0, at_most_1, shares_at_least]),
            Self::Remove {
                pool,
                shares,
                at_least: [at_least_0, at_least_1],
            } => write(3, pool, None, &[shares, at_least_0, at_least_1]),
            Self::Sell {
                pool,
                side,
                amount,
                at_least,
            } => write(4, pool, Some(side), &[amount, at_least]),
            Self::Buy {
                pool,
                side,
                amount,
                at_most,
            } => write(5, pool, Some(side), &[amount, at_most]),
        }
        out
    }

    /// The operation that a payload encodes.
    ///
    /// # Errors
    ///
    /// If it encodes none.
    pub fn decode(bytes: &[u8]) -> Result<Self, PoolCodecError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, PoolCodecError> {
        let op = match reader.u8("operation")? {
            1 => Self::Create(Pair::read(reader)?),
            2 => Self::Add {
                pool: reader.fragment("pool")?,
                at_most: [
                    reader.amount("at most of asset 0")?,
                    reader.amount("at most of asset 1")?,
                ],
                shares_at_least: reader.amount("shares at least")?,
            },
            3 => Self::Remove {
                pool: reader.fragment("pool")?,
                shares: reader.amount("shares")?,
                at_least: [
                    reader.amount("at least of asset 0")?,
                    reader.amount("at least of asset 1")?,
                ],
            },
            4 => Self::Sell {
                pool: reader.fragment("pool")?,
                side: read_side(reader)?,
                amount: reader.amount("amount")?,
                at_least: reader.amount("at least")?,
            },
            5 => Self::Buy {
                pool: reader.fragment("pool")?,
                side: read_side(reader)?,
                amount: reader.amount("amount")?,
                at_most: reader.amount("at most")?,
            },
            code => return Err(PoolCodecError::Code(code)),
        };
        reader.finish()?;
        Ok(op)
    }

    /// The pool that it names; none for one that is only created.
    pub const fn pool(&self) -> Option<FragmentId> {
        match *self {
            Self::Create(_) => None,
            Self::Add { pool, .. } | Self::Remove { pool, .. } | Self::Sell { pool, .. } | Self::Buy { pool, .. } => {
                Some(pool)
            }
        }
    }

    /// Its meaning, for a pool of these assets. One that creates a pool names its own.
    pub fn meaning(&self, assets: [AssetId; 2]) -> Meaning {
        self.typed(assets).meaning()
    }

    /// The struct that its user signs, in the same way.
    pub fn typed(&self, assets: [AssetId; 2]) -> Typed {
        let number = |pool: FragmentId| U80::from_be_bytes(pool.to_bytes());
        let [AssetId(asset0), AssetId(asset1)] = assets;
        match *self {
            Self::Create(pair) => Typed::new(&pair.typed()),
            Self::Add {
                pool,
                at_most: [at_most_0, at_most_1],
                shares_at_least,
            } => Typed::new(&meanings::PoolAdd {
                pool: number(pool),
                asset0,
                atMost0: at_most_0,
                asset1,
                atMost1: at_most_1,
                sharesAtLeast: shares_at_least,
            }),
            Self::Remove {
                pool,
                shares,
                at_least: [at_least_0, at_least_1],
            } => Typed::new(&meanings::PoolRemove {
                pool: number(pool),
                shares,
                asset0,
                atLeast0: at_least_0,
                asset1,
                atLeast1: at_least_1,
            }),
            Self::Sell {
                pool,
                side,
                amount,
                at_least,
            } => Typed::new(&meanings::PoolSell {
                pool: number(pool),
                sell: side.of(assets).0,
                amount,
                buy: side.other().of(assets).0,
                atLeast: at_least,
            }),
            Self::Buy {
                pool,
                side,
                amount,
                at_most,
            } => Typed::new(&meanings::PoolBuy {
                pool: number(pool),
                buy: side.of(assets).0,
                amount,
                sell: side.other().of(assets).0,
                atMost: at_most,
            }),
        }
    }
}

impl Pair {
    fn typed(&self) -> meanings::PoolCreate {
        let [AssetId(asset0), AssetId(asset1)] = self.assets;
        meanings::PoolCreate {
            asset0,
            asset1,
            fee: U24::saturating_from(self.fee),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for asset in self.assets {
            out.extend(asset.0);
        }
        out.extend(U24::saturating_from(self.fee).to_be_bytes::<3>());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, PoolCodecError> {
        let assets = [reader.asset("asset 0")?, reader.asset("asset 1")?];
        let [a, b, c] = reader.array("fee (millionths)")?;
        let fee = u32::from_be_bytes([0, a, b, c]);
        if assets[0] >= assets[1] {
            return Err(PoolCodecError::AssetOrder);
        }
        if fee > MAX_FEE {
            return Err(PoolCodecError::Fee(fee));
        }
        Ok(Self { assets, fee })
    }
}

fn read_side(reader: &mut Reader<'_>) -> Result<Side, PoolCodecError> {
    match reader.u8("side")? {
        0 => Ok(Side::Zero),
        1 => Ok(Side::One),
        side => Err(PoolCodecError::Side(side)),
    }
}

/// Data of a pool. Its reserves are what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// What it trades.
    pub pair: Pair,
    /// Shares: all that were ever minted and not burnt, and 1,000 that nobody has.
    pub shares: u128,
}

impl PoolState {
    /// Length of the encoding.
    pub const LENGTH: usize = 32 + 32 + 3 + 16;

    /// The data.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LENGTH);
        self.pair.write(&mut out);
        out.extend(self.shares.to_be_bytes());
        out
    }

    /// The state that the data encode.
    ///
    /// # Errors
    ///
    /// If they encode none.
    pub fn decode(bytes: &[u8]) -> Result<Self, PoolCodecError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, PoolCodecError> {
        let pair = Pair::read(reader)?;
        let shares = reader.amount("shares")?;
        reader.finish()?;
        Ok(Self { pair, shares })
    }
}

/// Tag under which the rule issues shares in a pool: the pool's fragment id as a number of 32 bytes.
pub fn share_tag(pool: FragmentId) -> B256 {
    B256::left_padding_from(&pool.to_bytes())
}
