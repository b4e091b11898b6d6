//! What becomes of a bundle, from received to final, over restarts, reorganisations and other people's batches.

use nthroot_api::{IntentId, IntentStatus, Refusal};
use nthroot_model::builder::StepPlan;
use nthroot_node::{
    mempool::{Carrier, Limits},
    store::Table,
};
use nthroot_protocol::{BatchId, FragmentId, limits::MAX_CLOCK_AGE};
use nthroot_wallet::{Request, account};

use crate::world::{BOOK, DOMAIN, LIAR, Node, OURS, RIVAL, WINDOW, World, alone, key, open, payment, sign_until};

fn dropped(reason: Refusal, settled: bool) -> IntentStatus {
    IntentStatus::Dropped { reason, settled }
}

/// How many rows a node keeps in a table.
fn rows(node: &Node, table: Table) -> usize {
    let mut count = 0;
    let mut each = |_: &[u8], _: &[u8]| {
        count += 1;
        Ok(())
    };
    node.store.scan(table, &mut each).unwrap();
    count
}

#[test]
fn a_bundle_is_followed_from_received_to_final() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    assert_eq!(node.status(&world, id), IntentStatus::Waiting { blocks: Some(1) });
    let transaction = alloy::primitives::B256::repeat_byte(7);
    node.mempool.set_posted(&[id], transaction);
    assert_eq!(node.status(&world, id), IntentStatus::Posted { transaction });

    let batch = node.step(&mut world).unwrap();
    let (block, step) = (world.tip(), 0);
    let final_at = Some(block + WINDOW + 1);
    let included = IntentStatus::Included {
        batch,
        step,
        block,
        final_at,
    };
    assert_eq!(node.status(&world, id), included);
    // What is final of L1 is dropped from memory, and told as before.
    world.finalise();
    world.mine();
    node.see(&world);
    assert_eq!(node.status(&world, id), included);
    // Nor does it take the batch's steps, which a follower lets go.
    assert!(world.view().ledger.steps(batch).unwrap()[0].0.is_none());
    node.restart();
    node.see(&world);
    assert_eq!(node.status(&world, id), included);
    while world.tip() < block + WINDOW {
        world.mine();
        node.see(&world);
    }
    assert_eq!(node.status(&world, id), included);
    world.mine();
    node.see(&world);
    assert_eq!(node.status(&world, id), IntentStatus::Final { batch, step });
    assert_eq!(
        rows(&node, Table::Intents),
        1,
        "the end of the window may be taken back"
    );
    world.finalise();
    node.see(&world);
    node.restart();
    node.see(&world);
    assert_eq!(
        node.status(&world, id),
        IntentStatus::Final { batch, step },
        "it is told over a restart"
    );
    assert_eq!(rows(&node, Table::Intents), 0, "and its bundle is not kept");
}

#[test]
fn what_was_taken_outlasts_a_crash_in_its_order() {
    let mut world = World::new();
    let fragments = [1, 2, 3].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let mut node = Node::new();
    let mut ids = Vec::new();
    for (user, fragment) in (1..).zip(fragments) {
        ids.push(
            node.send(&world, alone(user, fragment, 0, vec![open(user, 5)]))
                .unwrap(),
        );
        ids.push(
            node.send(&world, alone(user, fragment, 1, vec![open(user, 6)]))
                .unwrap(),
        );
    }
    // Killed after it was kept and before the answer: whoever sends it again gets the name that it has.
    node.restart();
    let again = node.send(&world, alone(1, fragments[0], 0, vec![open(1, 5)]));
    assert_eq!(again, Ok(ids[0]));
    assert_eq!(node.mempool.len(), 6);
    node.see(&world);
    let packed = node.pack(&world).unwrap();
    assert_eq!(packed.bundles(), ids);

    // Killed when it was on L1: it is found there.
    let batch = world.include(&packed);
    node.restart();
    node.see(&world);
    for (step, id) in (0..).zip(&ids) {
        let status = node.status(&world, *id);
        assert!(
            matches!(status, IntentStatus::Included { batch: of, step: at, .. } if (of, at) == (batch, step)),
            "{status:?}"
        );
    }
    assert!(node.mempool.is_empty());
}

#[test]
fn what_a_reorganisation_takes_back_waits_again() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let before = world.ledger.clone();
    let mut node = Node::new();
    let ids = [(1, one), (2, two)].map(|(user, fragment)| {
        let bundle = alone(user, fragment, 0, vec![open(user, 5)]);
        node.send(&world, bundle).unwrap()
    });
    let first = node.step(&mut world).unwrap();
    world.mine();
    node.see(&world);

    // Another branch, without the batch.
    world.ledger = before;
    world.branch = 1;
    world.mine();
    node.see(&world);
    for id in ids {
        assert!(node.is_waiting(&world, id));
    }
    // Then with another one of the same id, which has one of them.
    let plan = {
        let terms = account::Terms {
            domain: DOMAIN,
            book: BOOK,
            valid_until: 5_000,
        };
        let signer = key(2);
        account::plan(&terms, &[account::Party::signing(&signer, two, 0, vec![open(2, 5)])]).unwrap()
    };
    let second = world.post(RIVAL, &[plan], |_| {});
    node.see(&world);
    assert_ne!(first.block_offset(), 0);
    assert!(node.is_waiting(&world, ids[0]));
    let status = node.status(&world, ids[1]);
    assert!(
        matches!(status, IntentStatus::Included { batch, .. } if batch == second),
        "whoever carries it: {status:?}"
    );
}

#[test]
fn a_batch_of_the_same_id_on_another_branch_is_another_one() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let before = world.ledger.clone();
    let mut node = Node::new();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    let batch = node.step(&mut world).unwrap();
    world.ledger = before;
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(2);
    let plan = account::plan(&terms, &[account::Party::signing(&signer, two, 0, vec![open(2, 9)])]).unwrap();
    assert_eq!(world.post(RIVAL, &[plan], |_| {}), batch);
    node.see(&world);
    assert!(node.is_waiting(&world, id));
}

#[test]
fn what_is_unwound_with_a_lie_waits_again() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let mut node = Node::new();
    let bundle = alone(2, two, 0, vec![open(2, 5)]);
    let id = node.send(&world, bundle).unwrap();
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let plans = [(1, one), (2, two)].map(|(user, fragment)| {
        let signer = key(user);
        account::plan(
            &terms,
            &[account::Party::signing(&signer, fragment, 0, vec![open(user, 5)])],
        )
        .unwrap()
    });
    let batch = world.post(LIAR, &plans, |batch| batch.steps[0].fresh[0].root.0[0] ^= 1);
    // Final of L1, so that the bundle is in the store only.
    node.witness(&world.ledger);
    world.finalise();
    node.see(&world);
    assert!(matches!(node.status(&world, id), IntentStatus::Included { .. }));
    world.mine();
    node.see(&world);
    let evidence = world.ledger.evidence(batch, 0).unwrap();
    let entries = nthroot_protocol::PreEntry::encode_list(world.ledger.entries(batch).unwrap());
    world.ledger.convict(&evidence, &entries).unwrap();
    assert_eq!(world.ledger.oldest_fault(), None, "unwound at once");
    node.see(&world);
    assert!(node.is_waiting(&world, id));
    node.step(&mut world).unwrap();
    assert!(matches!(node.status(&world, id), IntentStatus::Included { .. }));
}

#[test]
fn what_is_too_late_or_overtaken_is_dropped() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let mut node = Node::new();
    let valid_until = world.tip() + 4;
    let request = Request::Account(vec![open(1, 5)]);
    let bundle = nthroot_api::Bundle(vec![sign_until(&key(1), one, 0, request, valid_until)]);
    let late = node.send(&world, bundle).unwrap();
    let both = node.send(&world, payment((2, two, 0), (1, one, 1), 10)).unwrap();
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(2);
    let plan = account::plan(&terms, &[account::Party::signing(&signer, two, 0, vec![open(2, 9)])]).unwrap();
    world.post(RIVAL, &[plan], |_| {});
    node.see(&world);
    assert_eq!(node.status(&world, both), dropped(Refusal::Overtaken, false));
    while world.tip() < valid_until {
        world.mine();
        node.see(&world);
        assert!(node.is_waiting(&world, late), "it is valid at its last block");
    }
    // A batch whose clock is old may still carry it.
    while world.tip() < valid_until + MAX_CLOCK_AGE - 1 {
        world.mine();
        node.see(&world);
        assert_eq!(node.status(&world, late), IntentStatus::Waiting { blocks: None });
        assert!(node.pack(&world).is_none());
    }
    world.mine();
    node.see(&world);
    let (fragment, least) = (one, valid_until + MAX_CLOCK_AGE);
    let expired = Refusal::Expired {
        fragment,
        valid_until,
        least,
    };
    for _ in 0..2 {
        assert_eq!(node.status(&world, late), dropped(expired.clone(), false));
        assert_eq!(node.status(&world, both), dropped(Refusal::Overtaken, false));
        assert!(node.mempool.is_empty());
        node.restart();
        node.see(&world);
    }
    // Too late in every block to come; and overtaken by what is final.
    world.finalise();
    for _ in 0..2 {
        node.see(&world);
        assert_eq!(node.status(&world, late), dropped(expired.clone(), true));
        assert_eq!(node.status(&world, both), dropped(Refusal::Overtaken, true));
        node.restart();
    }
}

#[test]
fn what_is_over_is_remembered_up_to_a_bound() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let limits = Limits {
        remembered: 2,
        replacements: 100,
        ..Limits::default()
    };
    let mut node = Node::with(limits, Carrier::new(key(OURS)));
    let send = |amount| alone(1, one, 0, vec![open(1, amount)]);
    let ids: Vec<_> = (1..=5).map(|amount| node.send(&world, send(amount)).unwrap()).collect();
    let known = ids
        .iter()
        .filter(|id| node.mempool.status(&world.view(), **id).is_some());
    assert_eq!(known.count(), 3, "two that are over and the one that waits");
    assert_eq!(rows(&node, Table::Intents), 3);
    node.step(&mut world).unwrap();
    (0..=WINDOW).for_each(|_| world.mine());
    world.finalise();
    node.see(&world);
    assert_eq!((rows(&node, Table::Intents), rows(&node, Table::Ended)), (0, 2));
    node.restart();
    let known = |id: &&IntentId| node.mempool.status(&world.view(), **id).is_some();
    assert_eq!(ids.iter().filter(known).count(), 2, "two of three that are over");
}

#[test]
fn what_is_late_is_not_given_up_while_a_batch_on_its_way_may_carry_it() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let valid_until = world.tip() + 4;
    let late = |amount| {
        let request = Request::Account(vec![open(1, amount)]);
        nthroot_api::Bundle(vec![sign_until(&key(1), one, 0, request, valid_until)])
    };
    let id = node.send(&world, late(5)).unwrap();
    let packed = node.pack(&world).unwrap();
    while world.tip() < valid_until + 10 {
        world.mine();
        node.see(&world);
    }
    // Were it given up, whoever pays again would pay twice. What comes now has its nonce.
    assert_eq!(node.mempool.next_nonce(&world.view(), one), Some(0));
    let (fragment, nonce, next) = (one, 1, 0);
    let second = node.send(&world, alone(1, one, nonce, vec![open(1, 6)]));
    assert_eq!(second, Err(Refusal::NonceGap { fragment, nonce, next }));
    let batch = world.include(&packed);
    node.see(&world);
    let status = node.status(&world, id);
    assert!(
        matches!(status, IntentStatus::Included { batch: of, .. } if of == batch),
        "{status:?}"
    );
}

#[test]
fn what_comes_takes_the_place_of_what_is_late() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let valid_until = world.tip() + 4;
    let request = Request::Account(vec![open(1, 5)]);
    let bundle = nthroot_api::Bundle(vec![sign_until(&key(1), one, 0, request, valid_until)]);
    let late = node.send(&world, bundle).unwrap();
    while world.tip() <= valid_until {
        world.mine();
        node.see(&world);
    }
    let by = node.send(&world, alone(1, one, 0, vec![open(1, 6)])).unwrap();
    assert_eq!(node.status(&world, late), dropped(Refusal::Replaced { by }, false));
    assert_eq!(node.pack(&world).unwrap().bundles(), [by]);
}

/// A plan in which a user does the same as a bundle that [`alone`] makes.
fn plan(user: u8, fragment: FragmentId, nonce: u64, amount: u128) -> StepPlan {
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 5_000,
    };
    let signer = key(user);
    let party = account::Party::signing(&signer, fragment, nonce, vec![open(user, amount)]);
    account::plan(&terms, &[party]).unwrap()
}

fn is_included(status: &IntentStatus, batch: BatchId) -> bool {
    matches!(status, IntentStatus::Included { batch: of, .. } | IntentStatus::Final { batch: of, .. } if *of == batch)
}

#[test]
fn what_was_carried_out_while_nobody_looked_is_found() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    // A follower catches up over it: nobody has a view of it before its steps are forgotten.
    let batch = world.post(RIVAL, &[plan(1, one, 0, 5)], |_| {});
    node.witness(&world.ledger);
    world.finalise();
    assert!(world.view().ledger.steps(batch).unwrap()[0].0.is_none());
    // Killed when a checkpoint says that these blocks are not derived again.
    for _ in 0..2 {
        node.restart();
        node.see(&world);
        assert!(
            is_included(&node.status(&world, id), batch),
            "{:?}",
            node.status(&world, id)
        );
    }
    (0..=WINDOW).for_each(|_| world.mine());
    world.finalise();
    node.see(&world);
    assert_eq!(node.status(&world, id), IntentStatus::Final { batch, step: 0 });
}

#[test]
fn what_was_seen_on_l1_is_not_taken_by_a_view_from_before() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let mut node = Node::new();
    let before = world.view();
    node.mempool.on_view(&before);
    let batch = world.post(RIVAL, &[plan(1, one, 0, 5)], |_| {});
    node.mempool.witness(&world.ledger, batch);
    let refused = node.mempool.accept(&before, alone(1, one, 0, vec![open(1, 5)]));
    let block = before.tip.number;
    assert_eq!(refused, Err(Refusal::NotSynced { block }));
}

#[test]
fn what_was_overtaken_in_a_block_that_is_taken_back_waits_again() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let before = world.ledger.clone();
    let mut node = Node::new();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    world.post(RIVAL, &[plan(1, one, 0, 9)], |_| {});
    node.see(&world);
    assert_eq!(node.status(&world, id), dropped(Refusal::Overtaken, false));
    for restart in [false, true] {
        if restart {
            node.restart();
        }
        world.ledger = before.clone();
        world.branch += 1;
        world.mine();
        node.see(&world);
        assert!(node.is_waiting(&world, id));
        assert_eq!(node.pack(&world).unwrap().bundles(), [id]);
    }
    let batch = node.step(&mut world).unwrap();
    assert!(is_included(&node.status(&world, id), batch));
}

#[test]
fn what_was_replaced_and_carried_out_all_the_same_is_told_so() {
    let mut world = World::new();
    let one = world.deposit(1, 1, 1_000);
    world.mine();
    let before = world.ledger.clone();
    let mut node = Node::new();
    let old = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    let new = node.send(&world, alone(1, one, 0, vec![open(1, 6)])).unwrap();
    assert_eq!(node.status(&world, old), dropped(Refusal::Replaced { by: new }, false));
    // Somebody else has the old one.
    let batch = world.post(RIVAL, &[plan(1, one, 0, 5)], |_| {});
    for _ in 0..2 {
        node.see(&world);
        assert!(is_included(&node.status(&world, old), batch));
        assert_eq!(node.status(&world, new), dropped(Refusal::Overtaken, false));
        node.restart();
    }
    let after = world.ledger.clone();
    // Taken back: as it was, and what was replaced is not carried.
    world.ledger = before;
    world.branch = 1;
    world.mine();
    node.see(&world);
    assert_eq!(node.status(&world, old), dropped(Refusal::Replaced { by: new }, false));
    assert!(node.is_waiting(&world, new));
    assert_eq!(node.pack(&world).unwrap().bundles(), [new]);
    // And final in the end.
    world.ledger = after;
    (0..=WINDOW).for_each(|_| world.mine());
    node.see(&world);
    world.finalise();
    node.see(&world);
    assert_eq!(node.status(&world, old), IntentStatus::Final { batch, step: 0 });
    assert_eq!(node.status(&world, new), dropped(Refusal::Overtaken, true));
}

#[test]
fn what_was_carried_out_in_part_is_told_so() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let mut node = Node::new();
    let both = [(1, one), (2, two)].map(|(user, fragment)| alone(user, fragment, 0, vec![open(user, 5)]));
    let both = nthroot_api::Bundle(both.into_iter().flat_map(|bundle| bundle.0).collect());
    let id = node.send(&world, both).unwrap();
    // Each of them is a step by itself, so anybody can tear them apart.
    let batch = world.post(RIVAL, &[plan(2, two, 0, 5)], |_| {});
    let torn = Refusal::Torn { batch, step: 0 };
    for _ in 0..2 {
        node.see(&world);
        assert_eq!(node.status(&world, id), dropped(torn.clone(), false));
        node.restart();
    }
}

#[test]
fn a_batch_that_a_reorganisation_brings_before_a_known_one_is_seen() {
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.deposit(user, 1, 1_000));
    world.mine();
    let before = world.ledger.clone();
    let mut node = Node::new();
    let id = node.send(&world, alone(1, one, 0, vec![open(1, 5)])).unwrap();
    world.mine();
    let later = world.post(RIVAL, &[plan(2, two, 0, 5)], |_| {});
    node.see(&world);
    assert!(node.is_waiting(&world, id));
    // The same batch comes again, and one before it that was not there.
    world.ledger = before;
    let earlier = world.post(LIAR, &[plan(1, one, 0, 5)], |_| {});
    assert_eq!(world.post(RIVAL, &[plan(2, two, 0, 5)], |_| {}), later);
    node.see(&world);
    assert!(is_included(&node.status(&world, id), earlier));
}
