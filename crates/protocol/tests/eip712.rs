//! The signing hash computed by hand is that of a library for EIP-712.

#[allow(dead_code, reason = "the other test file uses the rest")]
mod arbitrary;

use alloy_primitives::aliases::U80;
use alloy_sol_types::{SolStruct, eip712_domain, sol};
use nthroot_protocol::{Domain, Meaning, SignedMessage};
use proptest::{collection::vec, prelude::*};

sol! {
    #[derive(Debug)]
    struct Outflow {
        bytes32 asset;
        uint128 amount;
    }

    /// A meaning that refers to types whose names stand on both sides of `Outflow` and of its own.
    #[derive(Debug)]
    struct Order {
        Zone[] zones;
        Leg best;
        Outflow[] rewards;
        string memo;
    }

    #[derive(Debug)]
    struct Leg {
        bytes32 asset;
        Zone zone;
    }

    #[derive(Debug)]
    struct Zone {
        uint80 fragment;
    }

    /// One that refers to nothing.
    #[derive(Debug)]
    struct Oath {
        bytes vow;
    }
}

/// What a wallet is asked to sign, with an intent of this type.
macro_rules! authorisation {
    ($module:ident, $intent:ident) => {
        mod $module {
            #[allow(unused_imports, reason = "not every intent is a struct")]
            use super::*;

            sol! {
                struct Authorisation {
                    $intent intent;
                    address rule;
                    uint80 fragment;
                    uint64 nonce;
                    uint64 validUntil;
                    Outflow[] outflows;
                }
            }
        }
    };
}

authorisation!(opaque, bytes);
authorisation!(order, Order);
authorisation!(oath, Oath);

fn meaning<S: SolStruct>(intent: &S) -> Meaning {
    Meaning::of(&S::eip712_encode_type(), intent.eip712_hash_struct())
}

fn message() -> impl Strategy<Value = SignedMessage> {
    let meaning = Just(Meaning::opaque(&[]));
    let key = (arbitrary::address(), arbitrary::fragment_id(), any::<u64>());
    (meaning, key, any::<u64>(), arbitrary::outflows()).prop_map(
        |(meaning, (rule, fragment, nonce), valid_until, outflows)| SignedMessage {
            meaning,
            rule,
            fragment,
            nonce,
            valid_until,
            outflows,
        },
    )
}

fn domain() -> impl Strategy<Value = Domain> {
    (any::<u64>(), arbitrary::address()).prop_map(|(chain_id, bridge)| Domain { chain_id, bridge })
}

fn fragment_id() -> impl Strategy<Value = U80> {
    arbitrary::fragment_id().prop_map(|id| U80::from_be_bytes(id.to_bytes()))
}

prop_compose! {
    fn leg()(asset in arbitrary::b256(), fragment in fragment_id()) -> Leg {
        Leg { asset, zone: Zone { fragment } }
    }
}

prop_compose! {
    fn order()(
        zones in vec(fragment_id().prop_map(|fragment| Zone { fragment }), 0..3),
        best in leg(),
        rewards in arbitrary::outflows(),
        memo in ".{0,40}",
    ) -> Order {
        Order { zones, best, rewards: rewards.iter().map(outflow).collect(), memo }
    }
}

fn outflow(outflow: &nthroot_protocol::Outflow) -> Outflow {
    Outflow {
        asset: outflow.asset.0,
        amount: outflow.amount,
    }
}

/// The message with this meaning has the signing hash of the library's struct with this intent.
macro_rules! check {
    ($module:ident, $message:expr, $domain:expr, $intent:expr, $meaning:expr) => {{
        let message = SignedMessage {
            meaning: $meaning,
            ..$message
        };
        let theirs = $module::Authorisation {
            intent: $intent,
            rule: message.rule,
            fragment: U80::from_be_bytes(message.fragment.to_bytes()),
            nonce: message.nonce,
            validUntil: message.valid_until,
            outflows: message.outflows.iter().map(outflow).collect(),
        };
        let ours: Domain = $domain;
        let domain = eip712_domain! {
            name: "nthroot",
            version: "1",
            chain_id: ours.chain_id,
            verifying_contract: ours.bridge,
        };
        prop_assert_eq!(ours.separator(), domain.separator());
        prop_assert_eq!(message.signing_hash(&ours), theirs.eip712_signing_hash(&domain));
    }};
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn the_signing_hash_is_that_of_eip_712(
        message in message(),
        domain in domain(),
        payload in arbitrary::bytes(200),
    ) {
        let meaning = Meaning::opaque(&payload);
        check!(opaque, message, domain, payload, meaning);
    }

    #[test]
    fn a_meaning_is_signed_as_the_struct_that_it_is(message in message(), domain in domain(), order in order()) {
        let meaning = meaning(&order);
        check!(order, message, domain, order, meaning);
    }

    #[test]
    fn a_meaning_may_refer_to_no_other_type(message in message(), domain in domain(), vow in arbitrary::bytes(40)) {
        let oath = Oath { vow };
        let meaning = meaning(&oath);
        check!(oath, message, domain, oath, meaning);
    }
}
