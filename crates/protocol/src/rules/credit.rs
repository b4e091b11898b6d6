//! The language of the Credit rule (docs/rules/credit.md): payloads and what they mean, the data of markets and positions,
//! the tags of what the rule issues.

pub mod meanings;

mod op;

use alloy_primitives::{B256, aliases::U192};

use crate::{AssetId, FragmentId, Trailing, Truncated, codec::Reader};

pub use op::CreditOp;

/// Ratios are for so many units of collateral, and rates in parts of so many.
pub const WAD: u64 = 1_000_000_000_000_000_000;
/// Call fees are in parts of so many.
pub const MILLION: u32 = 1_000_000;
/// Largest call fee.
pub const MAX_CALL_FEE: u32 = 100_000;
/// Shares that nobody has, beside those of the lenders.
pub const VIRTUAL_SHARES: u32 = 1_000_000;

/// First byte of a market's data.
const MARKET: u8 = 1;
/// First byte of a position's data.
const POSITION: u8 = 2;

/// The tag under which the rule issues the shares of a market's lenders.
pub fn shares_tag(market: FragmentId) -> B256 {
    // No position has the serial 0.
    title_tag(market, 0)
}

/// The tag under which the rule issues the title of a position.
pub fn title_tag(market: FragmentId, serial: u64) -> B256 {
    let mut tag = B256::ZERO;
    tag[..10].copy_from_slice(&market.to_bytes());
    tag[10..18].copy_from_slice(&serial.to_be_bytes());
    tag
}

/// The terms of a market. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Depth of the market's anchor: 0, and each position has an anchor of its own; else positions are leaves of its cohort.
    pub depth: u8,
    /// What secures the loans.
    pub collateral: AssetId,
    /// What is lent.
    pub asset: AssetId,
    /// The largest debt for 10^18 units of collateral.
    pub ratio: u128,
    /// Interest for a block, in 10^-18 of the principal.
    pub rate: u64,
    /// The least debt.
    pub minimum: u128,
    /// What calling a covered debt costs, in millionths of it. Has 24 bits; more is encoded as the most that they hold, which
    /// no market may have.
    pub call_fee: u32,
    /// Blocks from a call to the auction.
    pub grace: u32,
    /// Blocks in which the collateral offered rises.
    pub rise: u32,
    /// Blocks in which the debt asked falls.
    pub fall: u32,
}

/// Why no market may have such terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Collateral and asset are the same.
    #[error("{0} would be lent against itself")]
    SameAsset(AssetId),
    /// A term is zero that must not be.
    #[error("the {0} is zero")]
    Zero(&'static str),
    /// The call fee is too large.
    #[error("a call fee of {0} millionths, at most 100000 are allowed")]
    CallFee(u32),
}

impl Terms {
    /// Whether a market may have these terms. The depth is the kernel's to judge.
    ///
    /// # Errors
    ///
    /// If it may not.
    pub fn check(&self) -> Result<(), TermsError> {
        if self.collateral == self.asset {
            return Err(TermsError::SameAsset(self.asset));
        }
        let bounds = [
            ("ratio", self.ratio),
            ("minimum", self.minimum),
            ("rise", self.rise.into()),
            ("fall", self.fall.into()),
        ];
        if let Some((name, _)) = bounds.into_iter().find(|(_, value)| *value == 0) {
            return Err(TermsError::Zero(name));
        }
        if self.call_fee > MAX_CALL_FEE {
            return Err(TermsError::CallFee(self.call_fee));
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.depth);
        out.extend(self.collateral.0);
        out.extend(self.asset.0);
        out.extend(self.ratio.to_be_bytes());
        out.extend(self.rate.to_be_bytes());
        out.extend(self.minimum.to_be_bytes());
        let [_, call_fee @ ..] = self.call_fee.min(0x00ff_ffff).to_be_bytes();
        out.extend(call_fee);
        out.extend(self.grace.to_be_bytes());
        out.extend(self.rise.to_be_bytes());
        out.extend(self.fall.to_be_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            depth: reader.u8("depth")?,
            collateral: reader.asset("collateral")?,
            asset: reader.asset("asset")?,
            ratio: reader.amount("ratio")?,
            rate: reader.u64("rate")?,
            minimum: reader.amount("minimum")?,
            call_fee: {
                let [a, b, c] = reader.array("call fee (millionths)")?;
                u32::from_be_bytes([0, a, b, c])
            },
            grace: reader.u32("grace")?,
            rise: reader.u32("rise")?,
            fall: reader.u32("fall")?,
        })
    }
}

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// The bytes end too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The bytes go on.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// The operation's code is unknown.
    #[error("credit operation code {0} is unknown")]
    Code(u8),
    /// The data is not that of a market.
    #[error("the data starts with {0}, not with the 1 of a market")]
    NotMarket(u8),
    /// The data is not that of a position.
    #[error("the data starts with {0}, not with the 2 of a position")]
    NotPosition(u8),
}

/// The data of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// Its terms.
    pub terms: Terms,
    /// How many positions were opened so far.
    pub serial: u64,
    /// T: shares of all lenders.
    pub shares: u128,
    /// S: sum of the principals of positions that are not called.
    pub principal: u128,
    /// M: sum of their products of principal and block since when it is owed.
    pub moment: U192,
    /// Z: sum of the debts of called positions.
    pub called: u128,
}

impl Market {
    /// Bytes of the data.
    pub const LENGTH: usize = 201;

    /// A market in which nothing has happened yet.
    pub const fn new(terms: Terms) -> Self {
        Self {
            terms,
            serial: 0,
            shares: 0,
            principal: 0,
            moment: U192::ZERO,
            called: 0,
        }
    }

    /// The data of the market's fragment.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LENGTH);
        out.push(MARKET);
        self.terms.write(&mut out);
        out.extend(self.serial.to_be_bytes());
        out.extend(self.shares.to_be_bytes());
        out.extend(self.principal.to_be_bytes());
        out.extend(self.moment.to_be_bytes::<24>());
        out.extend(self.called.to_be_bytes());
        out
    }

    /// The market with this data.
    ///
    /// # Errors
    ///
    /// If it is not the data of a market. Bounds of terms are not judged: no market is opened with others.
    pub fn decode(data: &[u8]) -> Result<Self, CreditError> {
        Self::read(&mut Reader::new(data))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CreditError> {
        let first = reader.u8("kind of data")?;
        if first != MARKET {
            return Err(CreditError::NotMarket(first));
        }
        let market = Self {
            terms: Terms::read(reader)?,
            serial: reader.u64("serial")?,
            shares: reader.amount("shares")?,
            principal: reader.amount("principal")?,
            moment: U192::from_be_bytes(reader.array::<24>("moment")?),
            called: reader.amount("called")?,
        };
        reader.finish()?;
        Ok(market)
    }
}

/// The data of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its market.
    pub market: FragmentId,
    /// Its number in the market, from 1.
    pub serial: u64,
    /// What secures its debt.
    pub collateral: AssetId,
    /// The principal; its debt, if it is called; zero, if it was bid for.
    pub principal: u128,
    /// Block since when the principal is owed.
    pub since: u64,
    /// Block at which it was called, or zero.
    pub called: u64,
}

impl Position {
    /// Bytes of the data.
    pub const LENGTH: usize = 83;

    /// Whether it is called.
    pub const fn is_called(&self) -> bool {
        self.called != 0
    }

    /// The data of the position's fragment.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LENGTH);
        out.push(POSITION);
        out.extend(self.market.to_bytes());
        out.extend(self.serial.to_be_bytes());
        out.extend(self.collateral.0);
        out.extend(self.principal.to_be_bytes());
        out.extend(self.since.to_be_bytes());
        out.extend(self.called.to_be_bytes());
        out
    }

    /// The position with this data.
    ///
    /// # Errors
    ///
    /// If it is not the data of a position.
    pub fn decode(data: &[u8]) -> Result<Self, CreditError> {
        Self::read(&mut Reader::new(data))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CreditError> {
        let first = reader.u8("kind of data")?;
        if first != POSITION {
            return Err(CreditError::NotPosition(first));
        }
        let position = Self {
            market: reader.fragment("market")?,
            serial: reader.u64("serial")?,
            collateral: reader.asset("collateral")?,
            principal: reader.amount("principal")?,
            since: reader.u64("since")?,
            called: reader.u64("called")?,
        };
        reader.finish()?;
        Ok(position)
    }
}
