//! Why the Credit rule fails.

use alloy_primitives::U256;
use nthroot_protocol::{
    AssetId, FragmentId,
    rules::credit::{CreditError, TermsError},
};

use crate::{rule::RuleFailure, rules::amounts::AmountError};

/// Why the rule fails. Quantities are in units of their assets, or shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditFault {
    /// The call has more or less than one authorisation.
    #[error("{0} authorisations, expected one")]
    Authorisations(usize),
    /// The call's extra has a wrong length.
    #[error("{actual} bytes of extra, expected {expected}")]
    Extra {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// The payload is none, or data is not that of a market or a position.
    #[error(transparent)]
    Format(#[from] CreditError),
    /// No market may have these terms.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// A number is out of range.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The call does not list what the operation needs.
    #[error("no fragment at position {position}")]
    Missing {
        /// Where it is missed.
        position: u8,
    },
    /// The call lists more than it can open one behind.
    #[error("{0} fragments are listed")]
    Fragments(usize),
    /// A fragment that should be a market or a position belongs to a key.
    #[error("the fragment at position {position} is not under the rule")]
    NotRules {
        /// Where it is.
        position: u8,
    },
    /// The payload names no market: one created in the same batch has no id yet.
    #[error("no market is named")]
    NoMarket,
    /// Another fragment than the market named stands at position 0.
    #[error("expected market {expected}, found {actual}")]
    OtherMarket {
        /// The market named.
        expected: FragmentId,
        /// What is there.
        actual: FragmentId,
    },
    /// Another position than the one named is listed.
    #[error("expected position {} of market {}, found {} of {}", expected.1, expected.0, actual.1, actual.0)]
    OtherPosition {
        /// Market and serial named.
        expected: (FragmentId, u64),
        /// Those that are there.
        actual: (FragmentId, u64),
    },
    /// The fragment that authorises does not hold the position's title.
    #[error("the title {title} is not held")]
    NotOwner {
        /// The title.
        title: AssetId,
    },
    /// A quantity is too small.
    #[error("{quantity}: {actual}, expected at least {least}")]
    TooLittle {
        /// Which one.
        quantity: &'static str,
        /// The least that it may be.
        least: U256,
        /// What it is.
        actual: U256,
    },
    /// A quantity is too large.
    #[error("{quantity}: {actual}, expected at most {most}")]
    TooMuch {
        /// Which one.
        quantity: &'static str,
        /// The most that it may be.
        most: U256,
        /// What it is.
        actual: U256,
    },
    /// The position is called.
    #[error("the position is called")]
    Called,
    /// The position is not called.
    #[error("the position is not called")]
    NotCalled,
    /// The position has no debt.
    #[error("the position has no debt")]
    NoDebt,
    /// The position has a debt.
    #[error("the position has a debt of {0}")]
    Indebted(u128),
    /// The auction has not begun.
    #[error("the auction begins at block {0}")]
    Grace(U256),
}

impl From<CreditFault> for RuleFailure {
    fn from(fault: CreditFault) -> Self {
        Self(fault.to_string())
    }
}

/// The quantity is at least so much.
pub(super) fn at_least(quantity: &'static str, actual: U256, least: U256) -> Result<(), CreditFault> {
    if actual >= least {
        return Ok(());
    }
    Err(CreditFault::TooLittle {
        quantity,
        least,
        actual,
    })
}

/// The quantity is at most so much.
pub(super) fn at_most(quantity: &'static str, actual: U256, most: U256) -> Result<(), CreditFault> {
    if actual <= most {
        return Ok(());
    }
    Err(CreditFault::TooMuch { quantity, most, actual })
}
