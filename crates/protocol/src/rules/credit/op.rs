//! Payloads of the Credit rule.

use alloy_primitives::aliases::{U24, U80};

use super::{
    CreditError, Terms,
    meanings::{
        CreditAdd, CreditBid, CreditBorrow, CreditCall, CreditClose, CreditCreate, CreditLend, CreditRedeem,
        CreditRepay,
    },
};
use crate::{AssetId, FragmentId, Meaning, codec::Reader, rules::Typed};

/// A payload of the Credit rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditOp {
    /// Opens a market.
    Create(Terms),
    /// Lends to a market, for shares.
    Lend {
        /// The market.
        market: FragmentId,
        /// How much is lent.
        amount: u128,
        /// Fewest shares for it.
        shares_at_least: u128,
    },
    /// Gives shares back for what they are a part of.
    Redeem {
        /// The market.
        market: FragmentId,
        /// How many shares.
        shares: u128,
        /// Least that they are redeemed for.
        at_least: u128,
    },
    /// Borrows, on a new position or on one that exists.
    Borrow {
        /// The market.
        market: FragmentId,
        /// The position; zero opens one.
        serial: u64,
        /// Collateral that is added.
        added: u128,
        /// How much is borrowed.
        amount: u128,
    },
    /// Repays the debt or a part of it, and takes collateral back.
    Repay {
        /// The market.
        market: FragmentId,
        /// The position.
        serial: u64,
        /// Most that is paid. What exceeds the debt is not.
        at_most: u128,
        /// Collateral that is taken, unless the debt is paid in full: then it is all.
        taken: u128,
    },
    /// Calls a loan.
    Call {
        /// The market.
        market: FragmentId,
        /// The position.
        serial: u64,
        /// Largest call fee.
        fee_at_most: u128,
    },
    /// Bids for the collateral of a called position.
    Bid {
        /// The market.
        market: FragmentId,
        /// The position.
        serial: u64,
        /// Most that is paid.
        at_most: u128,
        /// Least collateral for it.
        at_least: u128,
    },
    /// Adds collateral.
    Add {
        /// The market.
        market: FragmentId,
        /// The position.
        serial: u64,
        /// How much.
        amount: u128,
    },
    /// Takes the collateral of a position without debt.
    Close {
        /// The market.
        market: FragmentId,
        /// The position.
        serial: u64,
    },
}

impl CreditOp {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let fields = |code: u8, market: &FragmentId, serial: Option<&u64>, amounts: &[u128]| {
            let mut out = vec![code];
            out.extend(market.to_bytes());
            out.extend(serial.into_iter().flat_map(|serial| serial.to_be_bytes()));
            out.extend(amounts.iter().flat_map(|amount| amount.to_be_bytes()));
            out
        };
        match self {
            Self::Create(terms) => {
                let mut out = vec![1];
                terms.write(&mut out);
                out
            }
            Self::Lend {
                market,
                amount,
                shares_at_least,
            } => fields(2, market, None, &[*amount, *shares_at_least]),
            Self::Redeem {
                market,
                shares,
                at_least,
            } => fields(3, market, None, &[*shares, *at_least]),
            Self::Borrow {
                market,
                serial,
                added,
                amount,
            } => fields(4, market, Some(serial), &[*added, *amount]),
            Self::Repay {
                market,
                serial,
                at_most,
                taken,
            } => fields(5, market, Some(serial), &[*at_most, *taken]),
            Self::Call {
                market,
                serial,
                fee_at_most,
            } => fields(6, market, Some(serial), &[*fee_at_most]),
            Self::Bid {
                market,
                serial,
                at_most,
                at_least,
            } => fields(7, market, Some(serial), &[*at_most, *at_least]),
            Self::Add { market, serial, amount } => fields(8, market, Some(serial), &[*amount]),
            Self::Close { market, serial } => fields(9, market, Some(serial), &[]),
        }
    }

    /// The operation that a payload is.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode(payload: &[u8]) -> Result<Self, CreditError> {
        Self::read(&mut Reader::new(payload))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CreditError> {
        let code = reader.u8("operation")?;
        if code == 1 {
            let terms = Terms::read(reader)?;
            reader.finish()?;
            return Ok(Self::Create(terms));
        }
        if !(2..=9).contains(&code) {
            return Err(CreditError::Code(code));
        }
        let market = reader.fragment("market")?;
        let op = match code {
            2 => Self::Lend {
                market,
                amount: reader.amount("amount")?,
                shares_at_least: reader.amount("shares at least")?,
            },
            3 => Self::Redeem {
                market,
                shares: reader.amount("shares")?,
                at_least: reader.amount("at least")?,
            },
            4 => Self::Borrow {
                market,
                serial: reader.u64("serial")?,
                added: reader.amount("added")?,
                amount: reader.amount("amount")?,
            },
            5 => Self::Repay {
                market,
                serial: reader.u64("serial")?,
                at_most: reader.amount("at most")?,
                taken: reader.amount("taken")?,
            },
            6 => Self::Call {
                market,
                serial: reader.u64("serial")?,
                fee_at_most: reader.amount("fee at most")?,
            },
            7 => Self::Bid {
                market,
                serial: reader.u64("serial")?,
                at_most: reader.amount("at most")?,
                at_least: reader.amount("at least")?,
            },
            8 => Self::Add {
                market,
                serial: reader.u64("serial")?,
                amount: reader.amount("amount")?,
            },
            _ => Self::Close {
                market,
                serial: reader.u64("serial")?,
            },
        };
        reader.finish()?;
        Ok(op)
    }

    /// What the payload means, in a market with these two assets. They are not looked at where the struct names none, or the
    /// operation says them itself.
    pub fn meaning(&self, collateral: AssetId, asset: AssetId) -> Meaning {
        self.typed(collateral, asset).meaning()
    }

    /// The struct that its user signs, in the same way.
    pub fn typed(&self, collateral: AssetId, asset: AssetId) -> Typed {
        let (collateral, asset) = (collateral.0, asset.0);
        let id = |market: &FragmentId| U80::from_be_bytes(market.to_bytes());
        match self {
            Self::Create(terms) => Typed::new(&CreditCreate {
                depth: terms.depth,
                collateral: terms.collateral.0,
                asset: terms.asset.0,
                ratio: terms.ratio,
                rate: terms.rate,
                minimum: terms.minimum,
                callFee: U24::saturating_from(terms.call_fee),
                grace: terms.grace,
                rise: terms.rise,
                fall: terms.fall,
            }),
            Self::Lend {
                market,
                amount,
                shares_at_least,
            } => Typed::new(&CreditLend {
                market: id(market),
                asset,
                amount: *amount,
                sharesAtLeast: *shares_at_least,
            }),
            Self::Redeem {
                market,
                shares,
                at_least,
            } => Typed::new(&CreditRedeem {
                market: id(market),
                shares: *shares,
                asset,
                atLeast: *at_least,
            }),
            Self::Borrow {
                market,
                serial,
                added,
                amount,
            } => Typed::new(&CreditBorrow {
                market: id(market),
                serial: *serial,
                collateral,
                added: *added,
                asset,
                amount: *amount,
            }),
            Self::Repay {
                market,
                serial,
                at_most,
                taken,
            } => Typed::new(&CreditRepay {
                market: id(market),
                serial: *serial,
                asset,
                atMost: *at_most,
                collateral,
                taken: *taken,
            }),
            Self::Call {
                market,
                serial,
                fee_at_most,
            } => Typed::new(&CreditCall {
                market: id(market),
                serial: *serial,
                asset,
                feeAtMost: *fee_at_most,
            }),
            Self::Bid {
                market,
                serial,
                at_most,
                at_least,
            } => Typed::new(&CreditBid {
                market: id(market),
                serial: *serial,
                asset,
                atMost: *at_most,
                collateral,
                atLeast: *at_least,
            }),
            Self::Add { market, serial, amount } => Typed::new(&CreditAdd {
                market: id(market),
                serial: *serial,
                collateral,
                amount: *amount,
            }),
            Self::Close { market, serial } => Typed::new(&CreditClose {
                market: id(market),
                serial: *serial,
            }),
        }
    }
}
