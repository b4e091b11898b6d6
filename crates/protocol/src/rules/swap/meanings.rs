//! What payloads of the Swap rule mean, as EIP-712 structs.

#![allow(missing_docs, reason = "the macro's own items")]

alloy_sol_types::sol! {
    /// What a payload means.
    #[derive(Debug, PartialEq, Eq)]
    struct Swap {
        Leg[] give;
        Leg[] get;
        Outflow[] reward;
        uint80[] counterparties;
        uint64 firstBlock;
        uint64 lastBlock;
        uint128 fillAtLeast;
    }

    /// What is given or got of one asset.
    #[derive(Debug, PartialEq, Eq)]
    struct Leg {
        bytes32 asset;
        uint128 start;
        uint128 end;
    }

    /// An amount of an asset: the kernel's own struct.
    #[derive(Debug, PartialEq, Eq)]
    struct Outflow {
        bytes32 asset;
        uint128 amount;
    }
}
