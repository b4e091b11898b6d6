//! What is packed, in which order, and within which bounds.

use alloy::primitives::B256;
use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use nthroot_model::{builder::StepPlan, ledger::Judgement};
use nthroot_node::{
    View,
    fees::FeePolicy,
    mempool::Mempool,
    outbox::{Event, Purpose},
    proposer::{Carrying, Policy, Room, Sweep, TopUp, pack},
};
use nthroot_protocol::{AccountOp, FragmentId};
use nthroot_wallet::{Request, account};

use crate::world::{
    BOOK, DOMAIN, LIAR, MIN_LOCK, Node, OURS, RIVAL, World, address, alone, asset, key, open, pay, payment, sign,
};

/// Users from 1 on with a fragment each.
fn scene(users: u8) -> (World, Node, Vec<FragmentId>) {
    let mut world = World::new();
    let fragments = (1..=users).map(|user| world.deposit(user, 1, 1_000)).collect();
    world.mine();
    (world, Node::new(), fragments)
}

fn plan(user: u8, fragment: FragmentId, nonce: u64) -> StepPlan {
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(user);
    let party = account::Party::signing(&signer, fragment, nonce, vec![open(user, 7)]);
    account::plan(&terms, &[party]).unwrap()
}

fn bundle(user: u8, fragment: FragmentId, nonce: u64) -> Bundle {
    alone(user, fragment, nonce, vec![open(user, 5)])
}

#[test]
fn the_oldest_come_first_and_one_that_fails_holds_up_nobody() {
    let (mut world, mut node, fragments) = scene(6);
    let mut ids: Vec<IntentId> = Vec::new();
    for (user, fragment) in (1..).zip(&fragments) {
        ids.push(node.send(&world, bundle(user, *fragment, 0)).unwrap());
    }
    ids.push(node.send(&world, bundle(3, fragments[2], 1)).unwrap());
    // Somebody leases the third: its bundles wait, the others go.
    let last_block = world.tip() + 5;
    let lease = AccountOp::SetLease {
        holder: address(RIVAL),
        last_block,
    };
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(3);
    let leasing = account::Party::signing(&signer, fragments[2], 0, vec![lease]);
    // It uses the first one's nonce, so that the second comes next.
    world.post(RIVAL, &[account::plan(&terms, &[leasing]).unwrap()], |_| {});
    node.see(&world);
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), [ids[0], ids[1], ids[3], ids[4], ids[5]]);
    world.include(&packed);
    node.see(&world);
    assert!(node.is_waiting(&world, ids[6]));
    while world.tip() <= last_block {
        assert!(node.pack(&world).is_none(), "the lease runs");
        world.mine();
        node.see(&world);
    }
    assert_eq!(node.pack(&world).unwrap().bundles(), [ids[6]]);
}

#[test]
fn what_replaces_an_earlier_one_goes_before_what_follows_it() {
    let (mut world, mut node, fragments) = scene(2);
    let [one, two] = fragments[..] else { unreachable!() };
    node.send(&world, bundle(1, one, 0)).unwrap();
    let second = node.send(&world, bundle(1, one, 1)).unwrap();
    let other = node.send(&world, bundle(2, two, 0)).unwrap();
    // It takes the place of the first of one, and of what came after the second.
    let joint = node.send(&world, payment((1, one, 0), (2, two, 1), 10)).unwrap();
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), [other, joint, second]);
    world.include(&packed);
}

#[test]
fn a_step_that_was_skipped_is_proposed_again() {
    let (mut world, mut node, fragments) = scene(3);
    let ids: Vec<IntentId> = (1..)
        .zip(&fragments)
        .map(|(user, fragment)| node.send(&world, bundle(user, *fragment, 0)).unwrap())
        .collect();
    let packed = node.pack(&world).unwrap();
    // In the same block somebody else is first with what the second fragment wants.
    let rival = {
        let rivals = Node::new();
        let mut rivals = Node {
            carrier: nthroot_node::mempool::Carrier::new(key(RIVAL)),
            ..rivals
        };
        rivals.restart();
        rivals
            .send(&world, alone(2, fragments[1], 0, vec![open(2, 9)]))
            .unwrap();
        rivals.pack(&world).unwrap()
    };
    world.mine();
    world.ledger.submit(address(RIVAL), &rival.bytes).unwrap();
    let ours = world.ledger.submit(address(OURS), &packed.bytes).unwrap();
    let judged = world.ledger.judgement(ours.id).unwrap();
    assert!(matches!(
        judged[..],
        [Judgement::Valid, Judgement::Skipped(_), Judgement::Valid]
    ));
    node.see(&world);
    let over = node.status(&world, ids[1]);
    assert!(
        matches!(over, IntentStatus::Dropped { .. }),
        "its nonce is used: {over:?}"
    );

    // A step that was skipped for what it shares with others waits.
    let till = world.deposit(9, 1, 5);
    world.mine();
    let paid = |from: u8, nonce, till_nonce| {
        payment(
            (from, fragments[usize::from(from) - 1], nonce),
            (9, till, till_nonce),
            1,
        )
    };
    let mut node = Node::new();
    let first = node.send(&world, paid(1, 1, 0)).unwrap();
    let second = node.send(&world, paid(3, 1, 1)).unwrap();
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.steps.len(), 2);
    let clash = world.post(RIVAL, &[plan(1, fragments[0], 1)], |_| {});
    assert_ne!(clash.block_offset(), 0);
    let refused = world.ledger.submit(address(OURS), &packed.bytes);
    assert!(refused.is_err(), "all of its steps would be skipped");
    node.see(&world);
    assert!(matches!(node.status(&world, first), IntentStatus::Dropped { .. }));
    assert!(node.is_waiting(&world, second), "until the till's nonce comes up to it");
}

#[test]
fn nothing_is_built_on_a_lie_or_beside_one() {
    let (mut world, mut node, fragments) = scene(4);
    let ids: Vec<IntentId> = (1..)
        .zip(&fragments)
        .map(|(user, fragment)| node.send(&world, bundle(user, *fragment, 0)).unwrap())
        .collect();
    let follows = node.send(&world, bundle(2, fragments[1], 1)).unwrap();
    // A lie, and an honest step, which carries out a bundle of ours.
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(2);
    let honest = account::Party::signing(&signer, fragments[1], 0, vec![open(2, 5)]);
    let steps = [plan(1, fragments[0], 0), account::plan(&terms, &[honest]).unwrap()];
    let batch = world.post(LIAR, &steps, |batch| batch.steps[0].fresh[0].root.0[0] ^= 1);
    node.see(&world);
    assert!(matches!(node.status(&world, ids[1]), IntentStatus::Included { .. }));
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), [ids[2], ids[3]]);
    world.include(&packed);
    node.see(&world);
    assert!(node.pack(&world).is_none());
    // When the lie is unwound, all that it held up goes on.
    let evidence = world.ledger.evidence(batch, 0).unwrap();
    let entries = nthroot_protocol::PreEntry::encode_list(world.ledger.entries(batch).unwrap());
    world.mine();
    world.ledger.convict(&evidence, &entries).unwrap();
    node.see(&world);
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), [ids[0], ids[1], follows]);
    world.include(&packed);
}

#[test]
fn a_batch_keeps_within_every_bound() {
    let (world, mut node, fragments) = scene(40);
    for (user, fragment) in (1..).zip(&fragments) {
        node.send(&world, bundle(user, *fragment, 0)).unwrap();
    }
    let all = node.pack(&world).unwrap();
    assert_eq!(all.steps.len(), 40);
    let some = |change: fn(&mut Room)| {
        let mut room = Room::default();
        change(&mut room);
        pack(&node.mempool, &world.view(), &room, None).packed.unwrap()
    };
    let packed = some(|room| room.calldata = 4_000);
    assert!(
        packed.bytes.len() <= 4_000 && packed.steps.len() > 5,
        "{}",
        packed.bytes.len()
    );
    let packed = some(|room| room.entries = 9);
    assert_eq!(packed.batch.header.entry_count, 8);
    let packed = some(|room| room.gas = 900_000);
    assert!(packed.gas <= 900_000 && packed.steps.len() > 3);
    assert!(packed.steps.len() < 40);
    // The lock beyond the least one grows with entries.
    let packed = some(|room| room.lock = MIN_LOCK);
    assert_eq!((packed.lock, packed.steps.len()), (MIN_LOCK, 40));
    assert!(
        pack(
            &node.mempool,
            &world.view(),
            &Room {
                lock: MIN_LOCK - 1,
                ..Room::default()
            },
            None
        )
        .packed
        .is_none()
    );
}

#[test]
fn a_dear_step_goes_last_and_only_if_the_bond_has_room_for_its_ceiling() {
    // Without a least lock every unit of a ceiling costs.
    let mut world = World::with_min_lock(1);
    let dear = world.deposit(50, 1, 1_000);
    let others: Vec<FragmentId> = (60..68).map(|user| world.deposit(user, 1, 1_000)).collect();
    world.mine();
    let mut node = Node::new();
    let cheap = |node: &mut Node, world: &World, n: usize, nonce| {
        let user = u8::try_from(60 + n).unwrap();
        node.send(world, bundle(user, others[n], nonce)).unwrap()
    };
    let first = cheap(&mut node, &world, 0, 0);
    // Each operation commits gas and effects.
    let many = (0..15).map(|_| open(50, 1)).collect();
    let costly = node.send(&world, alone(50, dear, 0, many)).unwrap();
    let mut ids = vec![first];
    for n in 1..8 {
        ids.push(cheap(&mut node, &world, n, 0));
    }
    let packed = node.pack(&world).unwrap();
    assert_eq!(
        packed.bundles()[1],
        costly,
        "unless it is dear, it stands where it came"
    );
    let ceiling = packed.batch.header.ceiling;
    node.room.cheap = ceiling / 2;
    let packed = node.pack(&world).unwrap();
    ids.push(costly);
    assert_eq!(packed.bundles(), ids);
    node.room.lock = packed.lock - 1;
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), ids[..8]);
    assert!(packed.batch.header.ceiling < ceiling);
}

#[test]
fn fees_come_in_over_several_tills_and_are_swept() {
    let mut world = World::new();
    let tills = vec![world.deposit(OURS, 1, 1), world.deposit(OURS, 1, 1)];
    let users: Vec<FragmentId> = (1..=6).map(|user| world.deposit(user, 1, 1_000)).collect();
    world.mine();
    let mut node = Node::charging(10, tills.clone());
    for (n, (user, fragment)) in (1..).zip(&users).enumerate() {
        let ops = vec![open(user, 5), pay(tills[n % 2], 10)];
        node.send(&world, alone(user, *fragment, 0, ops)).unwrap();
    }
    let sweep = Sweep {
        recipient: address(OURS),
        token: alloy::primitives::Address::repeat_byte(1),
        at_least: 31,
        stays: 1,
    };
    let packed = pack(&node.mempool, &world.view(), &node.room, Some(&sweep))
        .packed
        .unwrap();
    assert_eq!(packed.steps.len(), 7, "six payments and a sweep");
    let batch = world.include(&packed);
    assert_eq!(
        tills.iter().map(|till| world.balance(*till)).collect::<Vec<_>>(),
        [1, 31]
    );
    let preimage = world.ledger.preimage(batch).unwrap();
    assert_eq!(preimage.withdrawal_count, 1);
    // A till that the proposer has leased to itself is credited without a signature.
    node.see(&world);
    let lease = AccountOp::SetLease {
        holder: address(OURS),
        last_block: world.tip() + 20,
    };
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(OURS);
    let nonce = world.fragment(tills[1]).nonce;
    let leasing = account::Party::signing(&signer, tills[1], nonce, vec![lease]);
    world.post(OURS, &[account::plan(&terms, &[leasing]).unwrap()], |_| {});
    node.send(&world, alone(1, users[0], 1, vec![pay(tills[1], 10)]))
        .unwrap();
    node.step(&mut world).unwrap();
    assert_eq!(world.balance(tills[1]), 41);
    assert_eq!(world.fragment(tills[1]).nonce, nonce + 1);
}

fn policy() -> Policy {
    Policy {
        room: Room::default(),
        fees: FeePolicy::patient(u128::MAX),
        top_up: None,
        sweep: None,
        low: 0,
    }
}

fn duties(carrying: &mut Carrying, mempool: &mut Mempool, view: &View) -> Vec<nthroot_node::outbox::Job> {
    mempool.on_view(view);
    carrying.duties(
        mempool,
        view,
        alloy::primitives::U256::from(10).pow(alloy::primitives::U256::from(19)),
    )
}

#[test]
fn one_batch_at_a_time_is_wanted_and_built_anew_on_new_heads() {
    let (mut world, mut node, fragments) = scene(3);
    let mut carrying = Carrying::new(policy());
    assert!(duties(&mut carrying, &mut node.mempool, &world.view()).is_empty());
    let id = node.send(&world, bundle(1, fragments[0], 0)).unwrap();
    let jobs = duties(&mut carrying, &mut node.mempool, &world.view());
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let sent = |purpose, byte| Event::Sent {
        purpose: Some(purpose),
        nonce: 0,
        hash: alloy::primitives::B256::repeat_byte(byte),
        offer: nthroot_node::fees::Offer::default(),
    };
    carrying.on_events(&mut node.mempool, &[sent(job.purpose, 1)]);
    let transaction = alloy::primitives::B256::repeat_byte(1);
    assert_eq!(node.status(&world, id), IntentStatus::Posted { transaction });

    // Not included, and nothing else came: it stays, since a change would cost a raise.
    world.mine();
    let same = duties(&mut carrying, &mut node.mempool, &world.view());
    assert_eq!(same[0].purpose, job.purpose);
    // Something else came.
    node.send(&world, bundle(2, fragments[1], 0)).unwrap();
    world.mine();
    let more = duties(&mut carrying, &mut node.mempool, &world.view());
    assert_ne!(more[0].purpose, job.purpose);
    assert_eq!(carrying.wanted().unwrap().steps.len(), 2);
    // Somebody else was first with one of them.
    world.post(RIVAL, &[plan(1, fragments[0], 0)], |_| {});
    let rest = duties(&mut carrying, &mut node.mempool, &world.view());
    assert_ne!(rest[0].purpose, more[0].purpose);
    let wanted = carrying.wanted().unwrap().clone();
    assert_eq!(wanted.steps.len(), 1);
    assert!(matches!(rest[0].purpose, Purpose::Submit(hash) if hash == wanted.hash()));
    world.include(&wanted);
    assert!(duties(&mut carrying, &mut node.mempool, &world.view()).is_empty());
}

#[test]
fn nothing_more_is_posted_after_a_lie_of_its_own() {
    let (mut world, mut node, fragments) = scene(3);
    let mut carrying = Carrying::new(policy());
    node.send(&world, bundle(1, fragments[0], 0)).unwrap();
    assert_eq!(duties(&mut carrying, &mut node.mempool, &world.view()).len(), 1);
    let plans = [plan(2, fragments[1], 0)];
    world.post(OURS, &plans, |batch| batch.steps[0].fresh[0].root.0[0] ^= 1);
    for _ in 0..3 {
        assert!(duties(&mut carrying, &mut node.mempool, &world.view()).is_empty());
        assert!(carrying.wanted().is_none());
        world.mine();
    }
}

#[test]
fn the_bond_is_topped_up_within_its_limits_and_once() {
    let (mut world, mut node, _) = scene(1);
    let view = world.view();
    let free = view.ledger.free_bond(address(OURS));
    let top_up = TopUp {
        below: free + 1,
        target: free + 500,
        most: free + 300,
        floor: 1_000,
    };
    let mut carrying = Carrying::new(Policy {
        top_up: Some(top_up),
        ..policy()
    });
    let gwei = alloy::primitives::U256::from(1_000_000_000_u64);
    let mut ask = |ether: u64, view: &View| {
        node.mempool.on_view(view);
        carrying.duties(&mut node.mempool, view, alloy::primitives::U256::from(ether) * gwei)
    };
    assert!(ask(1_000, &view).is_empty(), "the key keeps its floor");
    let jobs = ask(1_200, &view);
    assert_eq!(jobs[0].call.value, alloy::primitives::U256::from(200) * gwei);
    let jobs = ask(9_000, &view);
    assert_eq!(
        jobs[0].call.value,
        alloy::primitives::U256::from(300) * gwei,
        "no more than the limit"
    );
    let again = ask(9_000, &view);
    assert_eq!(again[0].purpose, jobs[0].purpose, "the same one, until it is there");
    world.ledger.fund_bond(address(OURS), 300_000_000_000).unwrap();
    assert!(ask(9_000, &world.view()).is_empty());
}

#[test]
fn leaves_are_opened_where_there_is_room() {
    let (mut world, mut node, fragments) = scene(2);
    let cohort = AccountOp::Open {
        depth: 2,
        kind: 1,
        controller: address(1),
        assets: vec![(asset(1), 500)],
    };
    node.send(&world, alone(1, fragments[0], 0, vec![cohort])).unwrap();
    let batch = node.step(&mut world).unwrap();
    let opened = world.ledger.anchors().find(|(anchor, ..)| anchor.batch() == batch);
    let header = opened.unwrap().0.fragment();
    let leaf = |user: u8| AccountOp::OpenLeaf {
        kind: 1,
        controller: address(user),
        assets: vec![(asset(1), 10)],
    };
    node.send(&world, alone(1, header, 0, vec![leaf(3), leaf(4)])).unwrap();
    node.send(&world, alone(1, header, 1, vec![leaf(5)])).unwrap();
    node.step(&mut world).unwrap();
    for (place, user) in [(1, 3), (2, 4), (3, 5)] {
        let id = header.anchor().leaf(place).unwrap();
        assert_eq!(world.fragment(id).controller, address(user));
    }
    let refused = node.send(&world, alone(1, header, 2, vec![leaf(6)])).unwrap_err();
    let what = format!("the cohort of {header} has no room for further fragments");
    assert_eq!(refused, nthroot_api::Refusal::Invalid { what });
    // A leaf pays by itself.
    let third = header.anchor().leaf(3).unwrap();
    let bundle = Bundle(vec![
        sign(&key(5), third, 0, Request::Account(vec![pay(fragments[1], 4)])),
        sign(&key(2), fragments[1], 0, Request::Account(Vec::new())),
    ]);
    node.send(&world, bundle).unwrap();
    node.step(&mut world).unwrap();
    assert_eq!(world.balance(third), 6);
}

#[test]
fn what_spoils_batches_is_by_itself_before_long() {
    let (world, mut node, fragments) = scene(4);
    let ids: Vec<_> = (1..)
        .zip(&fragments)
        .map(|(user, fragment)| {
            node.send(&world, alone(user, *fragment, 0, vec![open(user, 5)]))
                .unwrap()
        })
        .collect();
    // Whatever is in it, L1 would refuse a batch whose clock has another hash.
    let mut view = world.view();
    view.tip.hash = B256::ZERO;
    let packing = pack(&node.mempool, &view, &node.room, None);
    assert!(packing.packed.is_none());
    let failed: Vec<_> = packing.failed.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        failed,
        ids[2..],
        "the later half waits, and the others are tried without them"
    );
    assert!(matches!(packing.failed[0].1, Refusal::Invalid { .. }), "{packing:?}");
}

#[test]
fn a_lie_whose_roll_back_is_taken_back_is_not_built_on() {
    let (mut world, mut node, fragments) = scene(2);
    let lie = world.post(LIAR, &[plan(1, fragments[0], 0)], |batch| {
        batch.steps[0].fresh[0].root.0[0] ^= 1;
    });
    node.see(&world);
    let id = node.send(&world, alone(2, fragments[1], 0, vec![open(2, 5)])).unwrap();
    let standing = world.ledger.clone();
    let evidence = world.ledger.evidence(lie, 0).unwrap();
    let entries = nthroot_protocol::PreEntry::encode_list(world.ledger.entries(lie).unwrap());
    world.mine();
    world.ledger.convict(&evidence, &entries).unwrap();
    node.see(&world);
    let taken = node.send(&world, alone(1, fragments[0], 0, vec![open(1, 5)])).unwrap();
    assert_eq!(node.pack(&world).unwrap().bundles(), [id, taken]);
    // On another branch nobody has proved it yet.
    world.ledger = standing;
    world.branch = 1;
    world.mine();
    node.see(&world);
    assert_eq!(node.pack(&world).unwrap().bundles(), [id]);
    let fragment = fragments[0];
    let refused = node.send(&world, alone(1, fragment, 0, vec![open(1, 6)]));
    assert_eq!(refused, Err(Refusal::Unverified { fragment }));
}
