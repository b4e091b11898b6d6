//! Rust bindings of the contracts, from the artifacts committed in `abi/`: calls, events, errors, creation and runtime code.
//!
//! `cargo xtask abi` writes the artifacts, and `cargo xtask test` fails when they are not what the contracts say.
//! Nothing here needs forge.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the interfaces in contracts/ are the docs"
)]

/// A module for each contract: several implement the same interface, whose types would collide.
macro_rules! contract {
    ($module:ident, $name:ident, $artifact:literal) => {
        pub mod $module {
            alloy::sol!(
                #[sol(rpc, all_derives)]
                $name,
                $artifact
            );
        }
        pub use $module::$name;
    };
}

contract!(bridge, Bridge, "../../abi/Bridge.json");
contract!(fraud_verifier, FraudVerifier, "../../abi/FraudVerifier.json");
contract!(rule_registry, RuleRegistry, "../../abi/RuleRegistry.json");
contract!(account, Account, "../../abi/Account.json");
contract!(swap, Swap, "../../abi/Swap.json");
contract!(pool, Pool, "../../abi/Pool.json");
contract!(credit, Credit, "../../abi/Credit.json");

/// What tests and the demonstration deploy beside the product.
pub mod mocks {
    contract!(token, Token, "../../abi/mocks/Token.json");
    contract!(puppet, Puppet, "../../abi/mocks/Puppet.json");
    contract!(raw_return, RawReturn, "../../abi/mocks/RawReturn.json");
    contract!(reverter, Reverter, "../../abi/mocks/Reverter.json");
    contract!(looper, Looper, "../../abi/mocks/Looper.json");
    contract!(decoders, Decoders, "../../abi/mocks/Decoders.json");
}
