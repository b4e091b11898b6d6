//! What payloads of the Pool rule mean, as EIP-712 structs.

#![allow(missing_docs, reason = "the macro's own items")]

alloy_sol_types::sol! {
    /// A new pool.
    #[derive(Debug, PartialEq, Eq)]
    struct PoolCreate {
        bytes32 asset0;
        bytes32 asset1;
        uint24 fee;
    }

    /// Liquidity is added, for shares.
    #[derive(Debug, PartialEq, Eq)]
    struct PoolAdd {
        uint80 pool;
        bytes32 asset0;
        uint128 atMost0;
        bytes32 asset1;
        uint128 atMost1;
        uint128 sharesAtLeast;
    }

    /// Shares are given back, for liquidity.
    #[derive(Debug, PartialEq, Eq)]
    struct PoolRemove {
        uint80 pool;
        uint128 shares;
        bytes32 asset0;
        uint128 atLeast0;
        bytes32 asset1;
        uint128 atLeast1;
    }

    /// An amount is sold.
    #[derive(Debug, PartialEq, Eq)]
    struct PoolSell {
        uint80 pool;
        bytes32 sell;
        uint128 amount;
        bytes32 buy;
        uint128 atLeast;
    }

    /// An amount is bought.
    #[derive(Debug, PartialEq, Eq)]
    struct PoolBuy {
        uint80 pool;
        bytes32 buy;
        uint128 amount;
        bytes32 sell;
        uint128 atMost;
    }
}
