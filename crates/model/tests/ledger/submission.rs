//! What `submit` requires (section 4.4), ids (section 2) and word slots (section 4.7).

use nthroot_model::{
    bond::BondTooLow,
    ledger::{BondError, IdsExhausted, SubmitError},
};
use nthroot_protocol::{AnchorId, Batch, BatchError, BatchId, Status, Step};

use crate::world::{ALICE, BOB, DEPLOYED, ECHO, TOKEN, WINDOW, World, hash_of, key_of, withdrawal};

/// A batch of ALICE's on a world in block 102, and what was changed in it.
fn check(name: &str, change: impl Fn(&mut World, &mut Batch), expected: SubmitError) {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let mut batch = world.raw(ALICE, vec![world.touch(&[anchor])]);
    let mut honest = World {
        ledger: world.ledger.clone(),
    };
    honest.submit(ALICE, &batch).expect("unchanged it is accepted");

    change(&mut world, &mut batch);
    let before = world.dump();
    assert_eq!(world.submit(ALICE, &batch), Err(expected), "{name}");
    assert_eq!(world.dump(), before, "{name}: a refused batch changes nothing");
}

#[test]
fn each_requirement_has_its_error() {
    let other = hash_of(0);
    check(
        "shape",
        |_, batch| batch.header.version = 2,
        BatchError::Version(2).into(),
    );
    check(
        "chain",
        |_, batch| batch.header.chain_id = 5,
        SubmitError::ChainId { expected: 1, actual: 5 },
    );
    let clock = |clock| SubmitError::Clock {
        oldest: DEPLOYED,
        newest: 101,
        clock,
    };
    check(
        "before deployment",
        |_, batch| batch.header.clock = DEPLOYED - 1,
        clock(DEPLOYED - 1),
    );
    check("this block", |_, batch| batch.header.clock = 102, clock(102));
    check(
        "too old",
        |world, batch| {
            world.advance(100);
            batch.header.clock = 169;
        },
        SubmitError::Clock {
            oldest: 170,
            newest: 201,
            clock: 169,
        },
    );
    check(
        "hash",
        |_, batch| batch.header.clock_hash = other,
        SubmitError::ClockHash {
            clock: 101,
            expected: hash_of(101),
            actual: other,
        },
    );
    check(
        "gap",
        |world, batch| {
            world.ledger.begin_block(110, hash_of(110)).unwrap();
            batch.header.clock = 109;
        },
        SubmitError::ClockHashUnknown(109),
    );
    check(
        "rule not registered",
        |_, batch| batch.header.rules = vec![ECHO, ALICE],
        SubmitError::Rule {
            rule: ALICE,
            clock: 101,
        },
    );
    check(
        "rule registered after the clock",
        |world, batch| {
            world.ledger.register_rule(BOB, 102);
            batch.header.rules = vec![BOB];
        },
        SubmitError::Rule { rule: BOB, clock: 101 },
    );
    check(
        "bond",
        |world, _| {
            // 2 · (5,000,000 + 13,000) gas at 1 gwei, less one gwei.
            let left = (10_026_000 - 1) * 1_000_000_000;
            let all = u128::from(world.ledger.free_bond(ALICE)) * 1_000_000_000;
            world.ledger.withdraw_bond(ALICE, all - left).unwrap();
        },
        BondTooLow {
            needed: 10_026_000,
            free: 10_025_999,
        }
        .into(),
    );
    check(
        "nothing applied",
        |_, batch| batch.steps[0].fresh[0].parent = BatchId::default(),
        SubmitError::NothingApplied,
    );
    check(
        "withdrawals",
        |_, batch| {
            let opened = Step {
                opened: vec![crate::world::root(1)],
                withdrawals: vec![withdrawal(0, 1); 15],
                ..Step::default()
            };
            batch.steps.extend(vec![opened; 17]);
            batch.steps[0].withdrawals = vec![withdrawal(0, 1)];
            batch.seal();
        },
        SubmitError::TooManyWithdrawals(256),
    );
}

#[test]
fn withdrawals_of_skipped_steps_do_not_count() {
    let mut world = World::new();
    let [a, b] = world.deposits();
    let mut steps = vec![world.touch(&[a]), world.touch(&[b])];
    steps[0].withdrawals = vec![withdrawal(0, 1); 15];
    steps[1].withdrawals = vec![withdrawal(0, 1); 15];
    steps[1].fresh[0].parent = BatchId::default();
    let batch = world.raw(ALICE, steps);
    let submitted = world.submit(ALICE, &batch).unwrap();
    assert_eq!(submitted.skipped, vec![0b10]);
    assert_eq!(submitted.preimage.withdrawal_count, 15);
    assert_eq!(submitted.word.unpaid, 0x7fff);
}

#[test]
fn the_clock_may_be_32_blocks_old() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let batch = world.raw(ALICE, vec![world.touch(&[anchor])]);
    world.advance(31);
    assert_eq!(world.ledger.block(), batch.header.clock + 32);
    assert!(world.submit(ALICE, &batch).is_ok());
}

#[test]
fn a_rule_registered_at_the_clock_will_do() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let mut batch = world.raw(ALICE, vec![world.touch(&[anchor])]);
    batch.header.rules = vec![BOB];
    world.ledger.register_rule(BOB, batch.header.clock);
    world.ledger.register_rule(BOB, batch.header.clock + 1);
    assert!(world.submit(ALICE, &batch).is_ok(), "the first registration counts");
}

#[test]
fn a_batch_locks_bond_for_two_epochs() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let free = world.ledger.free_bond(ALICE);
    world.lie(ALICE, &[anchor]);
    // This is block 2 of epoch 0.
    let locked = free - 10_026_000;
    assert_eq!(world.ledger.free_bond(ALICE), locked);
    world.advance(2 * (WINDOW + 1) - 3);
    assert_eq!(world.ledger.free_bond(ALICE), locked);
    world.advance(1);
    assert_eq!(world.ledger.free_bond(ALICE), free);
}

#[test]
fn of_two_proposers_in_a_block_the_second_finds_the_heads_changed() {
    let mut world = World::new();
    let [a, b] = world.deposits();
    let alice = world.raw(ALICE, vec![world.touch(&[a])]);
    let bob = world.raw(BOB, vec![world.touch(&[a]), world.touch(&[b])]);
    let only_a = world.raw(BOB, vec![world.touch(&[a])]);
    let first = world.submit(ALICE, &alice).unwrap();
    assert_eq!(world.submit(BOB, &only_a), Err(SubmitError::NothingApplied));
    let second = world.submit(BOB, &bob).unwrap();
    assert_eq!((first.id.sequence(), second.id.sequence()), (1, 2));
    assert_eq!(second.skipped, vec![0b01]);
    assert_eq!(world.ledger.head(a).unwrap().id, first.id);
    assert_eq!(world.ledger.head(b).unwrap().id, second.id);
}

#[test]
fn ids_count_deposits_and_batches_together_up_to_8191_in_a_block() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let batch = world.raw(ALICE, vec![world.touch(&[anchor])]);
    for sequence in 1..=8190 {
        let id = world.ledger.deposit(key_of(0), TOKEN, 1).unwrap();
        assert_eq!(Some(id), BatchId::new(world.ledger.block() - DEPLOYED, sequence));
    }
    assert_eq!(world.submit(ALICE, &batch).unwrap().id.sequence(), 8191);
    let exhausted = IdsExhausted { block: 102 };
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 1), Err(exhausted.into()));
    let batch = world.raw(BOB, vec![world.touch(&[anchor])]);
    let before = world.dump();
    assert_eq!(world.submit(BOB, &batch), Err(exhausted.into()));
    assert_eq!(world.dump(), before);
    world.advance(1);
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 1).unwrap().sequence(), 1);
}

#[test]
fn bonds_and_blocks_refuse_what_l1_refuses() {
    let mut world = World::new();
    let ledger = &mut world.ledger;
    assert_eq!(ledger.fund_bond(ALICE, 1), Err(BondError::NotWholeGwei(1)));
    assert_eq!(ledger.withdraw_bond(ALICE, 1), Err(BondError::NotWholeGwei(1)));
    let too_much = u128::MAX / 1_000_000_000 * 1_000_000_000;
    assert_eq!(ledger.fund_bond(ALICE, too_much), Err(BondError::TooMuch(too_much)));
    assert!(ledger.begin_block(101, hash_of(101)).is_err());
    assert!(ledger.begin_block(DEPLOYED, hash_of(DEPLOYED)).is_err());
}

#[test]
fn a_word_slot_is_free_again_when_nothing_can_happen_to_its_batch() {
    let mut world = World::new();
    let [a, b, c] = world.deposits();
    let batch = world.raw(ALICE, vec![world.touch(&[a])]);
    let slot = batch.header.slot;
    let first = world.submit(ALICE, &batch).unwrap().id;
    let mut second = world.raw(ALICE, vec![world.touch(&[b])]);
    assert_ne!(second.header.slot, slot, "another one is free");
    second.header.slot = slot;
    let in_use = Err(SubmitError::SlotInUse { slot, by: first });
    assert_eq!(world.submit(ALICE, &second), in_use);
    assert!(world.ledger.slot_is_free(BOB, slot), "slots are each proposer's own");

    world.advance(WINDOW);
    assert!(!world.ledger.slot_is_free(ALICE, slot), "last block of the window");
    let fault = world.lie(BOB, &[c]);
    world.advance(1);
    assert!(world.ledger.slot_is_free(ALICE, slot));

    world.convict(fault, 0, false);
    assert!(world.ledger.slot_is_free(ALICE, slot), "the fault is of a later block");
    let batch = world.raw(ALICE, vec![world.touch(&[b])]);
    assert_eq!(batch.header.slot, slot);
    let reused = world.submit(ALICE, &batch).unwrap().id;
    let word = world.ledger.word(ALICE, slot).unwrap();
    assert_eq!(u64::from(word.block_offset), reused.block_offset());
    assert!(word.opens_to(world.ledger.preimage(reused).unwrap()));
    assert_eq!(
        world.ledger.status(first),
        Some(Status::Live),
        "the first batch stays what it was"
    );
    assert!(world.ledger.is_final(first));
    world.advance(WINDOW + 1);
    assert!(!world.ledger.slot_is_free(ALICE, slot), "the fault is older");
    assert!(!world.ledger.is_final(reused));
    world.unwind(fault);
    assert!(world.ledger.slot_is_free(ALICE, slot));
    assert!(world.ledger.is_final(reused));
}

#[test]
fn a_fault_of_the_same_block_keeps_the_word_slot_in_use() {
    let mut world = World::new();
    let [a, b] = world.deposits();
    let older = world.lie(ALICE, &[a]);
    let fault = world.lie(BOB, &[b]);
    world.convict(fault, 0, false);
    world.advance(WINDOW + 1);
    assert!(world.ledger.is_final(older), "the fault is younger, by its sequence");
    assert!(!world.ledger.slot_is_free(ALICE, 0), "the word knows its block only");
    world.unwind(fault);
    assert!(world.ledger.slot_is_free(ALICE, 0));
}

#[test]
fn the_word_slot_of_an_unwound_batch_is_free_at_once() {
    let mut world = World::new();
    let [a] = world.deposits();
    let lie = world.lie(ALICE, &[a]);
    assert!(!world.ledger.slot_is_free(ALICE, 0));
    world.convict(lie, 0, false);
    assert!(!world.ledger.slot_is_free(ALICE, 0), "faulty");
    world.unwind(lie);
    assert!(world.ledger.slot_is_free(ALICE, 0));
    assert_eq!(world.ledger.head(a).unwrap().id, AnchorId::batch(a));
}
