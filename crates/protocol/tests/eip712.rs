//! The signing hash computed by hand is that of a library for EIP-712.

#[allow(dead_code, reason = "the other test file uses the rest")]
mod arbitrary;

use alloy_sol_types::{SolStruct, eip712_domain, sol};
use nthroot_protocol::{Domain, SignedMessage};
use proptest::prelude::*;

sol! {
    struct Outflow {
        bytes32 asset;
        uint128 amount;
    }

    struct Authorisation {
        address rule;
        bytes payload;
        uint80 fragment;
        uint64 nonce;
        uint64 validUntil;
        Outflow[] outflows;
    }
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn the_signing_hash_is_that_of_eip_712(
        chain_id in any::<u64>(),
        bridge in arbitrary::address(),
        rule in arbitrary::address(),
        payload in arbitrary::bytes(200),
        fragment in arbitrary::fragment_id(),
        nonce in any::<u64>(),
        valid_until in any::<u64>(),
        outflows in arbitrary::outflows(),
    ) {
        let message = SignedMessage { rule, payload, fragment, nonce, valid_until, outflows };
        let theirs = Authorisation {
            rule,
            payload: message.payload.clone(),
            fragment: alloy_primitives::aliases::U80::from_be_bytes(fragment.to_bytes()),
            nonce,
            validUntil: valid_until,
            outflows: message
                .outflows
                .iter()
                .map(|outflow| Outflow { asset: outflow.asset.0, amount: outflow.amount })
                .collect(),
        };
        let domain =
            eip712_domain! { name: "nthroot", version: "1", chain_id: chain_id, verifying_contract: bridge, };
        let ours = Domain { chain_id, bridge };
        prop_assert_eq!(ours.separator(), domain.separator());
        prop_assert_eq!(message.signing_hash(&ours), theirs.eip712_signing_hash(&domain));
    }
}
