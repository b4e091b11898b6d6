//! What is said of bytes by themselves: each field, or what is wrong with them, and never a panic.

use alloy::primitives::{Address, B256, Bytes};
use nthroot_node::{Deployment, Parameters};
use nthroot_protocol::{
    AccountOp, AnchorId, AnchorProof, Assertion, AssetId, Authorisation, Batch, BatchHeader, BatchId, Body, Call,
    Evidence, Fragment, FragmentId, FreshTouch, Key, Outflow, P256Signature, PlacedStep, Preimage, RepeatedTouch, Root,
    Signature, Step, Withdrawal,
    rules::{
        credit::CreditOp,
        pool::{PoolOp, Side},
        swap::{Fill, Leg, SwapIntent},
    },
};
use nthroot_wallet::RuleBook;
use proptest::prelude::*;

use super::*;

fn manifest() -> Manifest {
    let address = Address::repeat_byte;
    let deployment = Deployment {
        chain_id: 1,
        deployment_block: 100,
        bridge: address(1),
        verifier: address(2),
        registry: address(3),
        account: address(4),
        parameters: Parameters {
            window: 20,
            insured_gas_price: 1,
            min_lock: 1,
            caps: std::collections::BTreeMap::new(),
        },
    };
    let rules: RuleBook = nthroot_node::rules::book(&deployment);
    Manifest {
        deployment,
        rules,
        record: None,
    }
}

fn id(block: u64) -> FragmentId {
    AnchorId::new(BatchId::new(block, 1).unwrap(), 0).fragment()
}

fn p256() -> P256Signature {
    let [r, s, x, y] = [1, 2, 3, 4].map(B256::repeat_byte);
    P256Signature { r, s, x, y }
}

/// A call of a rule by a payload.
fn call(rule: u8, payload: Vec<u8>, extra: Vec<u8>, signature: Signature) -> Call {
    let asset = AssetId::ETH;
    Call {
        rule,
        gas: 60_000,
        max_effects: 200,
        fragments: vec![0],
        authorisations: vec![Authorisation {
            position: 0,
            valid_until: 300,
            outflows: vec![Outflow { asset, amount: 7 }],
            payload: payload.into(),
            signature,
        }],
        extra: extra.into(),
    }
}

/// A batch of one step that calls each rule, with each scheme of signatures and each kind of touch. It is no honest one.
fn batch() -> Batch {
    let book = manifest().rules;
    let pay = AccountOp::Pay {
        to: id(3),
        asset: AssetId::ETH,
        amount: 5,
    };
    let lease = AccountOp::SetLease {
        holder: Address::repeat_byte(9),
        last_block: 120,
    };
    let intent = SwapIntent {
        gives: vec![Leg::fixed(AssetId::ETH, 5)],
        gets: vec![Leg::fixed(AssetId::token(Address::repeat_byte(8)), 6)],
        rewards: Vec::new(),
        counterparties: vec![id(4)],
        curve: None,
        least_fill: Some(1),
    };
    let fill = Fill::new(vec![5], &[(0, 1, AssetId::ETH, 5)]);
    let sell = PoolOp::Sell {
        pool: id(5),
        side: Side::One,
        amount: 10,
        at_least: 9,
    };
    let borrow = CreditOp::Borrow {
        market: id(6),
        serial: 0,
        added: 10,
        amount: 5,
    };
    let assertion = Assertion {
        authenticator_data: Bytes::from_static(&[1; 37]),
        client_data_rest: Bytes::from_static(b"}"),
    };
    let calls = vec![
        call(
            0,
            AccountOp::encode_payload(&[pay, lease]),
            Vec::new(),
            Signature::Secp256k1(Default::default()),
        ),
        call(1, intent.encode(), fill.encode(), Signature::P256(p256())),
        call(2, sell.encode(), Vec::new(), Signature::WebAuthn(p256(), assertion)),
        call(3, borrow.encode(), Vec::new(), Signature::P256(p256())),
    ];
    let touch = |block, root: u8| FreshTouch {
        anchor: id(block).anchor(),
        root: Root([root; 27].into()),
        parent: id(block).anchor().batch(),
    };
    let bare = Call {
        rule: 0,
        gas: 0,
        max_effects: 0,
        fragments: vec![0],
        authorisations: Vec::new(),
        extra: Bytes::new(),
    };
    let first = Step {
        fresh: vec![touch(1, 7)],
        opened: vec![Root([8; 27].into())],
        body: Body::from(vec![bare]).encode().into(),
        ..Step::default()
    };
    let second = Step {
        fresh: vec![touch(2, 9)],
        again: vec![RepeatedTouch {
            entry: 0,
            root: Root([10; 27].into()),
        }],
        withdrawals: vec![Withdrawal {
            recipient: Address::repeat_byte(5),
            token: Address::ZERO,
            amount: 5,
        }],
        body: Body::from(calls).encode().into(),
        ..Step::default()
    };
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: 1,
            clock: 200,
            clock_hash: B256::repeat_byte(1),
            ceiling: 1_000_000,
            slot: 0,
            step_count: 0,
            entry_count: 0,
            rules: vec![book.swap, book.pool, book.credit],
        },
        steps: vec![first, second],
    };
    batch.seal();
    batch
}

/// Evidence against its second step.
fn evidence() -> Evidence {
    let batch = batch();
    let state = Fragment::deposited(Key::Secp256k1(Address::repeat_byte(6)), Address::ZERO, 100).encode();
    Evidence {
        preimage: Preimage {
            id: BatchId::new(101, 1).unwrap(),
            proposer: Address::repeat_byte(7),
            withdrawal_count: 1,
            entries_written: 3,
            entries_hash: B256::repeat_byte(2),
            step_root: B256::repeat_byte(3),
            withdrawal_root: B256::repeat_byte(4),
            header: batch.header.clone(),
        },
        placed: PlacedStep {
            index: 1,
            step: batch.steps[1].clone(),
            opened: Vec::new(),
            again: vec![id(1).anchor()],
        },
        siblings: vec![B256::repeat_byte(5)],
        proofs: vec![AnchorProof::single(state.clone()), AnchorProof::single(state)],
    }
}

fn explained(kind: Option<Kind>, bytes: &[u8]) -> Out {
    let mut out = Out::default();
    bytes_as(&mut out, &Known::of(Some(&manifest())), kind, bytes);
    out
}

fn names(out: &Out) -> Vec<&str> {
    let names = out.facts()["operations"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap()).collect()
}

const OPERATIONS: [&str; 5] = [
    "Account: Pay",
    "Account: SetLease",
    "Swap: Intent",
    "Pool: Sell",
    "Credit: Borrow",
];

#[test]
fn a_batch_and_a_proof_name_the_operations_of_each_rule() {
    for (bytes, kind) in [(batch().encode(), "batch"), (evidence().encode(), "evidence")] {
        let out = explained(None, &bytes);
        assert_eq!(out.facts()["kind"], kind);
        assert!(!out.facts().contains_key("malformed"), "{}", out.text(true));
        assert_eq!(names(&out), OPERATIONS);
        let text = out.text(true);
        for said in [
            "pay 5 of ETH",
            "means: give: asset ETH (wei), start 5, end 5",
            "side: 1",
            "scheme: 3",
            "authenticator data: 37 bytes",
            "5 (0.000000000000000005 ETH)",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // It opens nothing, and the step is a lie.
    let out = explained(None, &evidence().encode());
    assert_eq!(
        (&out.facts()["opens"], &out.facts()["judged"][0]["is"]),
        (&false.into(), &"lie".into())
    );
}

/// Every byte of what is malformed is told with the rule that it breaks.
#[test]
fn what_is_wrong_is_told_with_its_byte_and_its_rule() {
    let set = |at: usize, value: u8| {
        let mut bytes = batch().encode();
        bytes[at] = value;
        bytes
    };
    let mut longer = batch().encode();
    longer.push(0);
    let length = longer.len() - 1;
    // Behind the header of 61 + 60 bytes stands a step of 4 + 39 + 27 bytes with a body of 14, and then one of 4 + 39 + 29 + 56 bytes and its body.
    let (first, second) = (121, 121 + 70 + 14);
    let body = second + 4 + 39 + 29 + 56;
    for (bytes, byte, rule) in [
        (set(0, 2), 0, "4.1: version"),
        (set(1, 1), 1, "4.1: data availability"),
        (set(50, 0xff), 50, "1: MAX_CEILING"),
        (set(57, 0), 56, "4.1: step count"),
        (set(58, 0xff), 58, "1: MAX_ENTRIES"),
        (set(59, 9), 58, "4.3: the number of entries"),
        (set(first, 0xff), first, "1: MAX_BODY"),
        (set(first + 2, 0), first + 2, "4.2: 1 ≤ fresh"),
        (set(second + 43, 9), second + 43, "4.3: a repeated touch"),
        (longer, length, "4: nothing follows"),
        (batch().encode()[..100].to_vec(), 81, "4: a batch is a header"),
        (set(body, 7), body, "5: form"),
        (set(body + 1, 0), body + 1, "5: 1 to 16 calls"),
    ] {
        let out = explained(Some(Kind::Batch), &bytes);
        let malformed = &out
            .facts()
            .get("malformed")
            .unwrap_or_else(|| panic!("{rule}: {}", out.text(true)));
        assert_eq!(malformed["byte"], byte, "{rule}: {malformed}");
        assert!(
            malformed["rule"].as_str().unwrap().starts_with(rule),
            "{rule}: {malformed}"
        );
    }
}

#[test]
fn what_ends_anywhere_is_told_up_to_there() {
    for (kind, bytes) in [
        (Kind::Batch, batch().encode()),
        (Kind::Evidence, evidence().encode()),
        (Kind::Preimage, evidence().preimage.encode()),
    ] {
        assert!(!explained(Some(kind), &bytes).facts().contains_key("malformed"));
        for end in 0..bytes.len() {
            let out = explained(Some(kind), &bytes[..end]);
            let malformed = &out.facts()["malformed"];
            // The step count or the entries do not fit, or the field that is cut off begins there.
            let byte = malformed["byte"].as_u64().unwrap();
            assert!(byte <= end as u64, "{kind:?} of {end} bytes: {malformed}");
        }
    }
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let submit = nthroot_bindings::Bridge::submitCall {
        batch: batch().encode().into(),
    };
    let challenge = nthroot_bindings::Bridge::challengeCall {
        evidence: evidence().encode().into(),
        entries: Bytes::from_static(&[3; 78]),
    };
    let condemn = nthroot_bindings::Bridge::condemnCall {
        child: evidence().preimage.encode().into(),
        childEntries: Bytes::from_static(&[3; 78]),
        index: alloy::primitives::U256::ONE,
        parent: evidence().preimage.encode().into(),
    };
    use alloy::sol_types::SolCall as _;
    let whole = [
        submit.abi_encode(),
        challenge.abi_encode(),
        condemn.abi_encode(),
        batch().encode(),
        evidence().encode(),
    ];
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let cut = prop::option::of(any::<prop::sample::Index>());
    (prop::sample::select(whole.to_vec()), flips, cut).prop_map(|(mut bytes, flips, cut)| {
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_are_too_bad_to_be_explained(bytes in damaged()) {
        for kind in [None, Some(Kind::Calldata), Some(Kind::Batch), Some(Kind::Evidence), Some(Kind::Fragment), Some(Kind::Entries)] {
            let text = explained(kind, &bytes).text(true);
            prop_assert!(!text.is_empty());
        }
    }
}
