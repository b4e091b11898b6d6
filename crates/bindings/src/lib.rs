//! Rust bindings of the contracts, from the artifacts committed in `abi/`: calls, events, errors, creation and runtime code.
//!
//! `cargo xtask abi` writes the artifacts, and `cargo xtask test` fails when they are not what the contracts say.
//! Nothing here needs forge.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the interfaces in contracts/ are the docs")]

alloy::sol!(
    #[sol(rpc, all_derives)]
    Bridge,
    "../../abi/Bridge.json"
);

alloy::sol!(
    #[sol(rpc, all_derives)]
    FraudVerifier,
    "../../abi/FraudVerifier.json"
);

alloy::sol!(
    #[sol(rpc, all_derives)]
    RuleRegistry,
    "../../abi/RuleRegistry.json"
);

alloy::sol!(
    #[sol(rpc, all_derives)]
    Account,
    "../../abi/Account.json"
);

/// What tests and the demonstration deploy beside the product.
pub mod mocks {
    alloy::sol!(
        #[sol(rpc, all_derives)]
        Token,
        "../../abi/mocks/Token.json"
    );
    alloy::sol!(Puppet, "../../abi/mocks/Puppet.json");
    alloy::sol!(RawReturn, "../../abi/mocks/RawReturn.json");
    alloy::sol!(Reverter, "../../abi/mocks/Reverter.json");
    alloy::sol!(Looper, "../../abi/mocks/Looper.json");
}
