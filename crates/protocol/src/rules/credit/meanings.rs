//! What is signed: the EIP-712 structs that payloads mean, for wallets. Their fields are those of the operations, with the
//! assets of the market.

#![allow(missing_docs, reason = "a field is what CreditOp says of it")]

use alloy_sol_types::sol;

sol! {
    /// Opens a market.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditCreate {
        uint8 depth;
        bytes32 collateral;
        bytes32 asset;
        uint128 ratio;
        uint64 rate;
        uint128 minimum;
        uint24 callFee;
        uint32 grace;
        uint32 rise;
        uint32 fall;
    }

    /// Lends to a market.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditLend {
        uint80 market;
        bytes32 asset;
        uint128 amount;
        uint128 sharesAtLeast;
    }

    /// Redeems shares.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditRedeem {
        uint80 market;
        uint128 shares;
        bytes32 asset;
        uint128 atLeast;
    }

    /// Borrows; on a new position if the serial is zero.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditBorrow {
        uint80 market;
        uint64 serial;
        bytes32 collateral;
        uint128 added;
        bytes32 asset;
        uint128 amount;
    }

    /// Repays; all collateral is given back if nothing is left of the debt.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditRepay {
        uint80 market;
        uint64 serial;
        bytes32 asset;
        uint128 atMost;
        bytes32 collateral;
        uint128 taken;
    }

    /// Calls a loan.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditCall {
        uint80 market;
        uint64 serial;
        bytes32 asset;
        uint128 feeAtMost;
    }

    /// Bids in an auction.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditBid {
        uint80 market;
        uint64 serial;
        bytes32 asset;
        uint128 atMost;
        bytes32 collateral;
        uint128 atLeast;
    }

    /// Adds collateral.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditAdd {
        uint80 market;
        uint64 serial;
        bytes32 collateral;
        uint128 amount;
    }

    /// Takes the collateral of a position without debt.
    #[derive(Debug, PartialEq, Eq)]
    struct CreditClose {
        uint80 market;
        uint64 serial;
    }
}
