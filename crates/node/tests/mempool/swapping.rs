//! Intents that wait for others: swaps, and the rules' own fragments.

use nthroot_api::{Bundle, IntentId, IntentStatus};
use nthroot_node::mempool::Carrier;
use nthroot_protocol::{
    AssetId, FragmentId, Outflow,
    rules::{
        credit::{CreditOp, Terms},
        pool::{Pair, PoolOp, Side},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::Request;

use crate::world::{Node, OURS, World, asset, key, sign};

fn swap(gives: (u8, u128), gets: (u8, u128)) -> SwapIntent {
    SwapIntent {
        gives: vec![Leg::fixed(asset(gives.0), gives.1)],
        gets: vec![Leg::fixed(asset(gets.0), gets.1)],
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

fn send(node: &mut Node, world: &World, user: u8, fragment: FragmentId, nonce: u64, request: Request) -> IntentId {
    node.send(world, Bundle(vec![sign(&key(user), fragment, nonce, request)]))
        .unwrap()
}

fn holds(world: &World, fragment: FragmentId, n: u8) -> u128 {
    world.fragment(fragment).balance(asset(n))
}

#[test]
fn intents_to_swap_wait_until_others_want_what_they_give() {
    let mut world = World::new();
    let users: Vec<FragmentId> = (1..=4).map(|user| world.deposit(user, user, 100)).collect();
    world.mine();
    let mut node = Node::new();
    // A ring of three, and one whose price nobody meets.
    let ring = |n: u8| swap((n, 100), (n % 3 + 1, 90));
    let mut ids = Vec::new();
    ids.push(send(
        &mut node,
        &world,
        4,
        users[3],
        0,
        Request::Swap(swap((4, 1), (1, 50))),
    ));
    for n in 1..=2 {
        ids.push(send(
            &mut node,
            &world,
            n,
            users[usize::from(n) - 1],
            0,
            Request::Swap(ring(n)),
        ));
        assert!(node.pack(&world).is_none(), "nobody closes the ring");
        assert_eq!(node.status(&world, ids[0]), IntentStatus::Waiting { blocks: None });
    }
    ids.push(send(&mut node, &world, 3, users[2], 0, Request::Swap(ring(3))));
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.steps.len(), 1);
    let batch = world.include(&packed);
    node.see(&world);
    for n in 1..=3_u8 {
        let fragment = users[usize::from(n) - 1];
        assert_eq!(
            [holds(&world, fragment, n), holds(&world, fragment, n % 3 + 1)],
            [10, 90]
        );
        let status = node.status(&world, ids[usize::from(n)]);
        assert!(
            matches!(status, IntentStatus::Included { batch: of, step: 0, .. } if of == batch),
            "{status:?}"
        );
    }
    assert!(node.is_waiting(&world, ids[0]));
}

#[test]
fn one_whose_price_is_bad_is_passed_over() {
    let mut world = World::new();
    let [wants, bad, good] = [(1, 1), (2, 2), (3, 2)].map(|(user, n)| world.deposit(user, n, 100));
    world.mine();
    let mut node = Node::new();
    send(&mut node, &world, 2, bad, 0, Request::Swap(swap((2, 50), (1, 100))));
    send(&mut node, &world, 1, wants, 0, Request::Swap(swap((1, 100), (2, 90))));
    send(&mut node, &world, 3, good, 0, Request::Swap(swap((2, 95), (1, 95))));
    node.step(&mut world).unwrap();
    assert_eq!(
        [holds(&world, wants, 2), holds(&world, good, 1), holds(&world, bad, 1)],
        [90, 95, 0]
    );
}

#[test]
fn what_is_left_over_and_rewards_go_to_a_till() {
    let mut world = World::new();
    let till = world.deposit(OURS, 1, 5);
    let [one, two] = [(1, 1), (2, 2)].map(|(user, n)| world.deposit(user, n, 200));
    world.mine();
    let mut node = Node::charging(10, vec![till]);
    let mut rewarded = swap((1, 100), (2, 90));
    rewarded.rewards = vec![Outflow {
        asset: asset(1),
        amount: 10,
    }];
    let refused = Bundle(vec![sign(&key(2), two, 0, Request::Swap(swap((2, 95), (1, 95))))]);
    assert!(matches!(
        node.send(&world, refused),
        Err(nthroot_api::Refusal::Fee { .. })
    ));
    send(&mut node, &world, 1, one, 0, Request::Swap(rewarded));
    let mut other = swap((2, 95), (1, 95));
    other.rewards = vec![Outflow {
        asset: asset(1),
        amount: 10,
    }];
    let poor = Bundle(vec![sign(&key(2), two, 0, Request::Swap(other))]);
    assert!(matches!(
        node.send(&world, poor),
        Err(nthroot_api::Refusal::Invalid { .. })
    ));
    // The other side is one that asks for nothing of this node: the proposer's own.
    node.carrier = Carrier::new(key(OURS));
    node.restart();
    send(&mut node, &world, 2, two, 0, Request::Swap(swap((2, 95), (1, 95))));
    node.carrier = Node::charging(10, vec![till]).carrier;
    node.restart();
    node.step(&mut world).unwrap();
    assert_eq!([holds(&world, till, 1), holds(&world, till, 2)], [5 + 5 + 10, 5]);
    assert_eq!([holds(&world, one, 2), holds(&world, two, 1)], [90, 95]);
}

#[test]
fn pools_are_opened_and_traded_with_in_one_batch_by_many() {
    let mut world = World::new();
    let maker = world.deposit(1, 1, 10_000);
    let brings = world.deposit(1, 2, 10_000);
    let traders: Vec<FragmentId> = (2..6).map(|user| world.deposit(user, 1, 100)).collect();
    world.mine();
    let mut node = Node::new();
    let merge = Bundle(vec![
        sign(
            &key(1),
            brings,
            0,
            Request::Account(vec![nthroot_protocol::AccountOp::Pay {
                to: maker,
                asset: asset(2),
                amount: 10_000,
            }]),
        ),
        sign(&key(1), maker, 0, Request::Account(Vec::new())),
    ]);
    node.send(&world, merge).unwrap();
    let assets: [AssetId; 2] = [asset(1), asset(2)];
    let pair = Pair { assets, fee: 3_000 };
    let create = Request::Pool {
        op: PoolOp::Create(pair),
        assets,
    };
    send(&mut node, &world, 1, maker, 1, create);
    let batch = node.step(&mut world).unwrap();
    let opened = world.ledger.anchors().find(|(anchor, ..)| anchor.batch() == batch);
    let pool = opened.unwrap().0.fragment();
    let add = PoolOp::Add {
        pool,
        at_most: [8_000, 8_000],
        shares_at_least: 0,
    };
    send(&mut node, &world, 1, maker, 2, Request::Pool { op: add, assets });
    node.step(&mut world).unwrap();
    for (user, fragment) in (2..).zip(&traders) {
        let op = PoolOp::Sell {
            pool,
            side: Side::Zero,
            amount: 50,
            at_least: 40,
        };
        send(&mut node, &world, user, *fragment, 0, Request::Pool { op, assets });
    }
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.steps.len(), 4);
    world.include(&packed);
    for fragment in traders {
        assert!(holds(&world, fragment, 2) >= 40);
    }
}

#[test]
fn positions_are_found_whichever_fragment_they_are() {
    for depth in [0, 3] {
        let mut world = World::new();
        let maker = world.deposit(1, 1, 10_000);
        let borrower = world.deposit(2, 2, 10_000);
        world.mine();
        let mut node = Node::new();
        let (collateral, lent) = (asset(2), asset(1));
        let request = |op| Request::Credit {
            op,
            collateral,
            asset: lent,
        };
        let terms = Terms {
            depth,
            collateral,
            asset: lent,
            ratio: 2_000_000_000_000_000_000,
            rate: 1_000_000_000_000,
            minimum: 100,
            call_fee: 10_000,
            grace: 2,
            rise: 4,
            fall: 4,
        };
        send(&mut node, &world, 1, maker, 0, request(CreditOp::Create(terms)));
        let batch = node.step(&mut world).unwrap();
        let opened = world.ledger.anchors().find(|(anchor, ..)| anchor.batch() == batch);
        let market = opened.unwrap().0.fragment();
        let lend = CreditOp::Lend {
            market,
            amount: 5_000,
            shares_at_least: 0,
        };
        send(&mut node, &world, 1, maker, 1, request(lend));
        node.step(&mut world).unwrap();
        let borrow = CreditOp::Borrow {
            market,
            serial: 0,
            added: 1_000,
            amount: 100,
        };
        send(&mut node, &world, 2, borrower, 0, request(borrow));
        node.step(&mut world).unwrap();
        assert_eq!(holds(&world, borrower, 1), 100);
        let add = CreditOp::Add {
            market,
            serial: 1,
            amount: 10,
        };
        send(&mut node, &world, 2, borrower, 1, request(add));
        // Whether it was seen when it was opened, or is found at the start.
        if depth == 0 {
            node.restart();
        }
        node.step(&mut world).unwrap();
        assert_eq!(holds(&world, borrower, 2), 10_000 - 1_000 - 10);
    }
}

#[test]
fn many_that_nobody_fills_do_not_keep_others_out_for_ever() {
    let mut world = World::new();
    let junk: Vec<FragmentId> = (1..=40).map(|user| world.deposit(user, 2, 100)).collect();
    let [wants, gives] = [(50, 1), (51, 2)].map(|(user, n)| world.deposit(user, n, 100));
    world.mine();
    let mut node = Node::new();
    // Each gives what is asked for, at a price that nobody pays.
    for (user, fragment) in (1..).zip(junk) {
        send(
            &mut node,
            &world,
            user,
            fragment,
            0,
            Request::Swap(swap((2, 1), (1, 1_000_000))),
        );
    }
    let filled = [
        send(&mut node, &world, 50, wants, 0, Request::Swap(swap((1, 100), (2, 90)))),
        send(&mut node, &world, 51, gives, 0, Request::Swap(swap((2, 100), (1, 90)))),
    ];
    let packed = (0..40).find_map(|_| {
        world.mine();
        node.see(&world);
        node.pack(&world)
    });
    let mut bundles = packed.expect("they are never filled").bundles();
    bundles.sort_unstable();
    let mut filled = filled.to_vec();
    filled.sort_unstable();
    assert_eq!(bundles, filled);
}
