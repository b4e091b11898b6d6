//! Each refusal, with what it says: a bundle that is taken, changed in one thing.

use std::sync::Arc;

use alloy::primitives::{Address, Bytes};
use nthroot_api::{Bundle, Refusal};
use nthroot_model::signing::{Signer as _, assert as assertion_of};
use nthroot_node::{
    Result,
    mempool::{Carrier, Limits, Mempool},
    store::{Change, Memory, Store, Table},
};
use nthroot_protocol::{
    AccountOp, AnchorId, Assertion, BatchId, FragmentId, Lease,
    rules::{
        pool::{PoolOp, Side},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::{Intent, Request, account};

use crate::world::{
    BOOK, DOMAIN, LIAR, Node, OURS, World, address, alone, asset, key, open, pay, payment, sign, sign_until,
};

/// Users 1 and 2 with a fragment each.
fn scene() -> (World, Node, [FragmentId; 2]) {
    let mut world = World::new();
    let fragments = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    (world, Node::new(), fragments)
}

fn swap(gives: u128, gets: u128) -> SwapIntent {
    SwapIntent {
        gives: vec![Leg::fixed(asset(1), gives)],
        gets: vec![Leg::fixed(asset(2), gets)],
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

fn nowhere() -> FragmentId {
    AnchorId::new(BatchId::new(7_000, 1).unwrap(), 0).fragment()
}

#[track_caller]
fn refused(answer: Result<nthroot_api::IntentId, Refusal>) -> Refusal {
    answer.unwrap_err()
}

#[test]
fn what_could_be_carried_out_is_taken_and_named_by_its_signatures() {
    let (world, mut node, [one, two]) = scene();
    let bundle = payment((1, one, 0), (2, two, 0), 10);
    let id = node.send(&world, bundle.clone()).unwrap();
    assert_eq!(id, bundle.id());
    assert_eq!(node.send(&world, bundle), Ok(id), "the same once more changes nothing");
    assert_eq!(node.mempool.len(), 1);
}

#[test]
fn a_node_that_is_behind_says_so() {
    let (world, mut node, [one, _]) = scene();
    let mut view = world.view();
    view.synced = false;
    let refusal = refused(node.mempool.accept(&view, alone(1, one, 0, vec![open(1, 5)])));
    assert_eq!(refusal, Refusal::NotSynced { block: world.tip() });
    assert!(refusal.is_temporary());
}

#[test]
fn a_bundle_has_some_intents_that_go_together() {
    let (world, mut node, [one, two]) = scene();
    let what = |answer| match refused(answer) {
        Refusal::Bundle { what } => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        what(node.send(&world, Bundle(Vec::new()))),
        "0 intents, 1 to 8 are taken"
    );
    let many = (0..9).flat_map(|nonce| alone(1, one, nonce, Vec::new()).0).collect();
    assert_eq!(what(node.send(&world, Bundle(many))), "9 intents, 1 to 8 are taken");
    let mut bundle = payment((1, one, 0), (2, two, 0), 10);
    bundle.0.push(sign(&key(1), one, 1, Request::Swap(swap(1, 1))));
    assert_eq!(what(node.send(&world, bundle)), "an intent to swap stands alone");
    let mut bundle = alone(1, one, 0, vec![open(1, 5)]);
    bundle.0.extend(alone(1, one, 2, vec![open(1, 5)]).0);
    let order = format!("the nonces of fragment {one} do not follow each other in the order of the calls");
    assert_eq!(what(node.send(&world, bundle)), order);
    let mut bundle = alone(1, one, 0, vec![open(1, 5)]);
    bundle.0[0].payload = vec![0; 20_000].into();
    assert_eq!(what(node.send(&world, bundle)), "a payload of more than 16384 bytes");
    let mut bundle = alone(1, one, 0, vec![open(1, 5)]);
    bundle.0.extend(alone(1, one, 1, vec![open(1, 5)]).0);
    let twice = format!("fragment {one} takes part twice in one call: its second intent must wait for the next one");
    assert_eq!(what(node.send(&world, bundle)), twice);
}

#[test]
fn rules_payloads_and_fragments_that_are_none_are_named() {
    let (world, mut node, [one, _]) = scene();
    let mut bundle = alone(1, one, 0, vec![open(1, 5)]);
    bundle.0[0].rule = Address::repeat_byte(9);
    let rule = Address::repeat_byte(9);
    assert_eq!(refused(node.send(&world, bundle)), Refusal::UnknownRule { rule });

    let mut bundle = alone(1, one, 0, vec![open(1, 5)]);
    bundle.0[0].payload = Bytes::from_static(&[99]);
    let refusal = refused(node.send(&world, bundle));
    assert!(
        matches!(&refusal, Refusal::Payload { fragment, .. } if *fragment == one),
        "{refusal:?}"
    );

    let fragment = nowhere();
    let bundle = alone(1, fragment, 0, vec![open(1, 5)]);
    assert_eq!(
        refused(node.send(&world, bundle)),
        Refusal::UnknownFragment { fragment }
    );

    let op = PoolOp::Sell {
        pool: one,
        side: Side::Zero,
        amount: 1,
        at_least: 0,
    };
    let assets = [asset(1), asset(2)];
    let bundle = Bundle(vec![sign(&key(1), one, 0, Request::Pool { op, assets })]);
    let Refusal::Invalid { what } = refused(node.send(&world, bundle)) else {
        panic!("{one} is no pool")
    };
    assert!(what.starts_with(&format!("{one} is not a pool")), "{what}");
}

#[test]
fn a_rule_that_is_not_registered_yet_is_not_carried() {
    let (world, mut node, [one, _]) = scene();
    let mut view = world.view();
    view.book.swap = Address::repeat_byte(0xcc);
    let intent = Intent {
        request: Request::Swap(swap(10, 10)),
        fragment: one,
        nonce: 0,
        valid_until: 5_000,
    };
    let bundle = Bundle(vec![intent.sign(&view.book, &DOMAIN, &key(1))]);
    node.mempool.on_view(&view);
    let rule = view.book.swap;
    assert_eq!(
        refused(node.mempool.accept(&view, bundle)),
        Refusal::UnknownRule { rule }
    );
}

#[test]
fn what_a_lie_wrote_or_stands_on_one_is_not_verified() {
    let (mut world, mut node, [one, two]) = scene();
    let (three, four) = (world.deposit(3, 1, 50), world.deposit(4, 1, 50));
    world.mine();
    let plan = |user: u8, fragment| {
        let terms = account::Terms {
            domain: DOMAIN,
            book: BOOK,
            valid_until: 5_000,
        };
        let signer = key(user);
        let party = account::Party::signing(&signer, fragment, 0, vec![open(user, 5)]);
        account::plan(&terms, &[party]).unwrap()
    };
    // One lie, and one honest step beside it.
    let steps = [plan(1, one), plan(2, two)];
    world.post(LIAR, &steps, |batch| batch.steps[0].fresh[0].root.0[0] ^= 1);
    for (user, fragment) in [(1, one), (2, two)] {
        let bundle = alone(user, fragment, 1, vec![open(user, 5)]);
        assert_eq!(refused(node.send(&world, bundle)), Refusal::Unverified { fragment });
    }
    // What builds on the honest step falls with the lie.
    let three_pays = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let (two_key, three_key) = (key(2), key(3));
    let parties = [
        account::Party::signing(&three_key, three, 0, vec![pay(two, 1)]),
        account::Party::signing(&two_key, two, 1, Vec::new()),
    ];
    world.post(LIAR, &[account::plan(&three_pays, &parties).unwrap()], |_| {});
    let bundle = alone(3, three, 1, vec![open(3, 5)]);
    assert_eq!(
        refused(node.send(&world, bundle)),
        Refusal::Unverified { fragment: three }
    );
    assert!(
        node.send(&world, alone(4, four, 0, vec![open(4, 5)])).is_ok(),
        "others go on"
    );
}

#[test]
fn signatures_of_every_scheme_are_checked() {
    let mut world = World::new();
    let passkey = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let own = world.deposit(1, 1, 1_000);
    let of_passkey = world.deposit_for(passkey.key(), 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let request = || Request::Account(vec![open(1, 5)]);
    let intent = |fragment, nonce| Intent {
        request: request(),
        fragment,
        nonce,
        valid_until: 5_000,
    };
    let wrong = [
        sign(&key(2), own, 0, request()),
        sign(&key(1), of_passkey, 0, request()),
        sign(&passkey, own, 0, request()),
        sign(
            &p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap(),
            of_passkey,
            0,
            request(),
        ),
        {
            let mut changed = sign(&key(1), own, 0, request());
            changed.valid_until += 1;
            changed
        },
        {
            let digest = intent(of_passkey, 0).message(&BOOK).signing_hash(&DOMAIN);
            let absent = Assertion {
                authenticator_data: vec![0; 37].into(),
                client_data_rest: Bytes::from_static(b"}"),
            };
            intent(of_passkey, 0).signed(&BOOK, assertion_of(&passkey, digest, absent))
        },
    ];
    for signed in wrong {
        let fragment = signed.fragment;
        let refusal = refused(node.send(&world, Bundle(vec![signed])));
        assert!(
            matches!(&refusal, Refusal::Signature { fragment: of, .. } if *of == fragment),
            "{refusal:?}"
        );
    }
    let digest = intent(of_passkey, 1).message(&BOOK).signing_hash(&DOMAIN);
    let mut present = vec![0; 37];
    present[32] = 1;
    let present = Assertion {
        authenticator_data: present.into(),
        client_data_rest: Bytes::from_static(b"}"),
    };
    let good = [
        sign(&key(1), own, 0, request()),
        sign(&passkey, of_passkey, 0, request()),
        intent(of_passkey, 1).signed(&BOOK, assertion_of(&passkey, digest, present)),
    ];
    for signed in good {
        node.send(&world, Bundle(vec![signed])).unwrap();
    }
    assert_eq!(
        node.step(&mut world)
            .map(|batch| world.ledger.steps(batch).unwrap().len()),
        Some(3)
    );
}

#[test]
fn nonces_come_one_after_the_other() {
    let (mut world, mut node, [one, _]) = scene();
    let bundle = |nonce| alone(1, one, nonce, vec![open(1, 5)]);
    let (fragment, nonce, next) = (one, 2, 0);
    assert_eq!(
        refused(node.send(&world, bundle(2))),
        Refusal::NonceGap { fragment, nonce, next }
    );
    node.send(&world, bundle(0)).unwrap();
    node.send(&world, bundle(1)).unwrap();
    let (nonce, next) = (3, 2);
    assert_eq!(
        refused(node.send(&world, bundle(3))),
        Refusal::NonceGap { fragment, nonce, next }
    );
    node.send(&world, bundle(2)).unwrap();
    node.step(&mut world).unwrap();
    let (nonce, next) = (1, 3);
    let again = alone(1, one, 1, vec![open(1, 6)]);
    assert_eq!(
        refused(node.send(&world, again)),
        Refusal::NonceUsed { fragment, nonce, next }
    );
}

#[test]
fn an_intent_must_be_valid_for_some_blocks() {
    let (world, mut node, [one, _]) = scene();
    let least = world.tip() + 4;
    let until = |block| {
        Bundle(vec![sign_until(
            &key(1),
            one,
            0,
            Request::Account(vec![open(1, 5)]),
            block,
        )])
    };
    let (fragment, valid_until) = (one, least - 1);
    let refusal = refused(node.send(&world, until(least - 1)));
    assert_eq!(
        refusal,
        Refusal::Expired {
            fragment,
            valid_until,
            least
        }
    );
    node.send(&world, until(least)).unwrap();
}

#[test]
fn who_leases_an_anchor_is_named() {
    let (mut world, mut node, [one, two]) = scene();
    let last_block = world.tip() + 10;
    let lease = |user: u8| AccountOp::SetLease {
        holder: address(user),
        last_block,
    };
    node.send(&world, alone(1, one, 0, vec![lease(LIAR)])).unwrap();
    node.send(&world, alone(2, two, 0, vec![lease(OURS)])).unwrap();
    node.step(&mut world).unwrap();
    assert_eq!(
        world.fragment(one).lease.map(|lease: Lease| lease.holder),
        Some(address(LIAR))
    );
    let (fragment, holder) = (one, address(LIAR));
    let refusal = Refusal::Leased {
        fragment,
        holder,
        last_block,
    };
    let bundle = alone(1, one, 1, vec![open(1, 5)]);
    assert_eq!(refused(node.send(&world, bundle.clone())), refusal);
    node.send(&world, alone(2, two, 1, vec![open(2, 5)])).unwrap();
    while world.tip() <= last_block {
        world.mine();
    }
    node.send(&world, bundle).unwrap();
}

#[test]
fn what_a_bundle_pays_is_told_with_what_it_should() {
    let mut world = World::new();
    let tills = [0, 1].map(|_| world.deposit(OURS, 1, 1)).to_vec();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::charging(10, tills.clone());
    let refusal = |paid: u128| Refusal::Fee {
        asset: asset(1),
        paid: paid.to_string(),
        fee: "10".to_owned(),
    };
    let bundle = |ops| alone(1, one, 0, ops);
    assert_eq!(refused(node.send(&world, bundle(vec![open(1, 5)]))), refusal(0));
    assert_eq!(refused(node.send(&world, bundle(vec![pay(tills[0], 9)]))), refusal(9));
    let mut rewarded = swap(100, 5);
    assert_eq!(
        refused(node.send(
            &world,
            Bundle(vec![sign(&key(1), one, 0, Request::Swap(rewarded.clone()))])
        )),
        refusal(0)
    );
    rewarded.rewards = vec![nthroot_protocol::Outflow {
        asset: asset(1),
        amount: 10,
    }];
    node.send(&world, Bundle(vec![sign(&key(1), one, 0, Request::Swap(rewarded))]))
        .unwrap();
    node.send(&world, bundle(vec![pay(tills[0], 4), pay(tills[1], 6)]))
        .unwrap();
    let terms = node.mempool.terms();
    assert_eq!((terms.fee.unwrap().to, terms.waiting), (tills, 1));
}

#[test]
fn what_would_be_invalid_now_is_refused_with_the_reason() {
    let (world, mut node, [one, two]) = scene();
    let what = |answer| match refused(answer) {
        Refusal::Invalid { what } => what,
        other => panic!("{other:?}"),
    };
    let too_much = what(node.send(&world, alone(1, one, 0, vec![open(1, 1_001)])));
    assert!(too_much.contains("holds 1000"), "{too_much}");
    let silent = what(node.send(&world, alone(1, one, 0, vec![pay(two, 5)])));
    assert!(silent.contains("call 0"), "who is paid has not consented: {silent}");
    let poor = what(node.send(
        &world,
        Bundle(vec![sign(&key(1), one, 0, Request::Swap(swap(1_001, 5)))]),
    ));
    assert!(poor.contains("holds 1000"), "{poor}");
    // What waits before it is counted.
    node.send(&world, alone(1, one, 0, vec![open(1, 600)])).unwrap();
    let spent = what(node.send(&world, alone(1, one, 1, vec![open(1, 600)])));
    assert!(spent.contains("holds 400"), "{spent}");
    node.send(&world, alone(1, one, 1, vec![open(1, 400)])).unwrap();
}

#[test]
fn nothing_follows_what_cannot_be_carried_out_by_itself() {
    let (world, mut node, [one, _]) = scene();
    node.send(&world, Bundle(vec![sign(&key(1), one, 0, Request::Swap(swap(10, 5)))]))
        .unwrap();
    let what = "what waits before it cannot be carried out now".to_owned();
    assert_eq!(
        refused(node.send(&world, alone(1, one, 1, vec![open(1, 5)]))),
        Refusal::Invalid { what }
    );
}

#[test]
fn what_takes_more_than_a_batch_may_is_too_dear() {
    let (world, _, [one, _]) = scene();
    let bundle = alone(1, one, 0, vec![open(1, 5)]);
    for limits in [
        Limits {
            step_gas: 200_000,
            ..Limits::default()
        },
        Limits {
            step_bytes: 200,
            ..Limits::default()
        },
    ] {
        let mut node = Node::with(limits, Carrier::new(key(OURS)));
        let refusal = refused(node.send(&world, bundle.clone()));
        assert!(matches!(refusal, Refusal::TooDear { .. }), "{refusal:?}");
    }
    let opened = (0..16).map(|_| open(1, 1)).collect();
    let refusal = refused(Node::new().send(&world, alone(1, one, 0, opened)));
    assert!(
        matches!(refusal, Refusal::Bundle { .. } | Refusal::TooDear { .. }),
        "{refusal:?}"
    );
}

#[test]
fn what_is_full_refuses_and_does_not_grow() {
    let (world, _, [one, two]) = scene();
    let small = Limits {
        bundles: 2,
        of_fragment: 2,
        ..Limits::default()
    };
    let mut node = Node::with(small, Carrier::new(key(OURS)));
    let bundle = |user, fragment, nonce| alone(user, fragment, nonce, vec![open(user, 5)]);
    node.send(&world, bundle(1, one, 0)).unwrap();
    node.send(&world, bundle(1, one, 1)).unwrap();
    assert_eq!(
        refused(node.send(&world, bundle(2, two, 0))),
        Refusal::Full { waiting: 2 }
    );
    node.send(&world, alone(1, one, 1, vec![open(1, 6)])).unwrap();
    assert_eq!(node.mempool.len(), 2, "a replacement needs no room");

    let mut node = Node::with(Limits { bundles: 9, ..small }, Carrier::new(key(OURS)));
    node.send(&world, bundle(1, one, 0)).unwrap();
    node.send(&world, bundle(1, one, 1)).unwrap();
    let (fragment, waiting) = (one, 2);
    assert_eq!(
        refused(node.send(&world, bundle(1, one, 2))),
        Refusal::TooManyOfFragment { fragment, waiting }
    );
    node.send(&world, bundle(2, two, 0)).unwrap();

    let limits = Limits {
        bytes: 3_000,
        ..Limits::default()
    };
    let mut node = Node::with(limits, Carrier::new(key(OURS)));
    node.send(&world, bundle(1, one, 0)).unwrap();
    assert_eq!(
        refused(node.send(&world, bundle(2, two, 0))),
        Refusal::Full { waiting: 1 }
    );
}

#[test]
fn a_place_is_kept_for_so_long_and_for_so_many_of_an_anchor() {
    let (world, _, [one, two]) = scene();
    let limits = Limits {
        longest_validity: 50,
        of_anchor: 2,
        ..Limits::default()
    };
    let mut node = Node::with(limits, Carrier::new(key(OURS)));
    let until = |valid_until, nonce| {
        let request = Request::Account(vec![open(1, 5)]);
        Bundle(vec![sign_until(&key(1), one, nonce, request, valid_until)])
    };
    let most = world.tip() + 50;
    let too_long = Refusal::TooLong {
        fragment: one,
        valid_until: most + 1,
        most,
    };
    assert_eq!(refused(node.send(&world, until(most + 1, 0))), too_long);
    assert_eq!(node.mempool.terms().longest_validity, 50);
    node.send(&world, until(most, 0)).unwrap();
    node.send(&world, until(most, 1)).unwrap();
    let (anchor, waiting) = (one.anchor(), 2);
    assert_eq!(
        refused(node.send(&world, until(most, 2))),
        Refusal::TooManyOfAnchor { anchor, waiting }
    );
    let request = Request::Account(vec![open(2, 5)]);
    let other = Bundle(vec![sign_until(&key(2), two, 0, request, most)]);
    node.send(&world, other).unwrap();
}

#[test]
fn what_cannot_be_carried_out_makes_room_for_what_can() {
    let (mut world, _, [one, two]) = scene();
    let three = world.deposit(3, 1, 1_000);
    world.mine();
    let limits = Limits {
        bundles: 2,
        ..Limits::default()
    };
    let mut node = Node::with(limits, Carrier::new(key(OURS)));
    let swapper = |user, fragment| {
        let request = Request::Swap(swap(5, 5));
        Bundle(vec![sign_until(&key(user), fragment, 0, request, 1_000)])
    };
    let paying = |user, fragment, nonce| {
        let request = Request::Account(vec![open(user, 5)]);
        Bundle(vec![sign_until(&key(user), fragment, nonce, request, 1_000)])
    };
    let stuck = node.send(&world, swapper(1, one)).unwrap();
    node.send(&world, paying(2, two, 0)).unwrap();
    let full = Refusal::Full { waiting: 2 };
    assert_eq!(
        refused(node.send(&world, swapper(3, three))),
        full,
        "it may wait for ever"
    );
    node.send(&world, paying(3, three, 0)).unwrap();
    let crowded_out = nthroot_api::IntentStatus::Dropped {
        reason: Refusal::CrowdedOut,
        settled: false,
    };
    for _ in 0..2 {
        assert_eq!(node.status(&world, stuck), crowded_out);
        node.restart();
        node.see(&world);
    }
    assert_eq!(node.mempool.len(), 2);
    assert_eq!(refused(node.send(&world, paying(2, two, 1))), full, "all of them can");
    // When there is room again it may come again.
    node.step(&mut world).unwrap();
    assert_eq!(node.send(&world, swapper(1, one)), Ok(stuck));
    assert!(node.is_waiting(&world, stuck));
}

#[test]
fn the_newer_replaces_the_older_some_times() {
    let (world, mut node, [one, two]) = scene();
    let version = |amount| alone(1, one, 0, vec![open(1, amount)]);
    let mut last = node.send(&world, version(1)).unwrap();
    for amount in 2..=9 {
        let by = node.send(&world, version(amount)).unwrap();
        let reason = Refusal::Replaced { by };
        assert_eq!(
            node.status(&world, last),
            nthroot_api::IntentStatus::Dropped {
                reason: reason.clone(),
                settled: false
            }
        );
        assert_eq!(
            refused(node.send(&world, version(amount - 1))),
            reason,
            "an older one does not come back"
        );
        last = by;
    }
    let (fragment, most) = (one, 8);
    assert_eq!(
        refused(node.send(&world, version(10))),
        Refusal::TooManyReplaced { fragment, most }
    );
    assert_eq!(node.mempool.len(), 1);
    // One that two have a part in is replaced by either.
    let mut node = Node::new();
    let both = node.send(&world, payment((1, one, 0), (2, two, 0), 10)).unwrap();
    node.send(&world, alone(2, two, 0, vec![open(2, 5)])).unwrap();
    assert!(matches!(
        node.status(&world, both),
        nthroot_api::IntentStatus::Dropped { .. }
    ));
}

#[test]
fn what_is_on_its_way_is_not_replaced() {
    let (world, mut node, [one, _]) = scene();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    node.mempool.set_posted(&[id], alloy::primitives::B256::repeat_byte(7));
    let other = alone(1, one, 0, vec![open(1, 6)]);
    assert_eq!(
        refused(node.send(&world, other.clone())),
        Refusal::OnItsWay { fragment: one }
    );
    node.mempool.clear_posted();
    node.send(&world, other).unwrap();
}

/// A store that cannot write.
struct Broken(Memory);

impl Store for Broken {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.0.scan(table, each)
    }

    fn commit(&self, _: &[Change]) -> Result<()> {
        Err(nthroot_node::Error::Build("the disk is full".to_owned()))
    }

    fn replace(&self, _: &[Table], changes: &[Change]) -> Result<()> {
        self.commit(changes)
    }
}

#[test]
fn what_cannot_be_kept_is_not_taken() {
    let (world, _, [one, _]) = scene();
    let store = Arc::new(Broken(Memory::new()));
    let mut mempool = Mempool::open(store, Limits::default(), Carrier::new(key(OURS))).unwrap();
    let view = world.view();
    mempool.on_view(&view);
    let refusal = refused(mempool.accept(&view, alone(1, one, 0, vec![open(1, 5)])));
    assert_eq!(refusal, Refusal::NotKept);
    assert!(refusal.is_temporary() && mempool.is_empty());
}
