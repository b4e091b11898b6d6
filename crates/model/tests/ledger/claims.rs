//! Withdrawals: finality, bits, openings (section 9).

use std::collections::BTreeMap;

use alloy_primitives::U256;
use nthroot_model::ledger::{ClaimError, Ledger, Payment, WordError};
use nthroot_protocol::{BatchId, BatchWord, Preimage, Status, Withdrawal, storage};

use crate::world::{ALICE, BOB, WINDOW, World, spend, withdrawal};

/// A batch with 10 withdrawals, so that their tree has two levels, in two steps.
fn withdrawing(world: &mut World) -> BatchId {
    let [a, b] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, a, None, &[1, 2, 3, 4, 5])).unwrap();
    builder.step(&spend(&builder, 1, b, None, &[6, 7, 8, 9, 10])).unwrap();
    let batch = builder.build().unwrap();
    world.submit(ALICE, &batch).unwrap().id
}

fn claim(world: &mut World, id: BatchId, position: u8) -> Result<Withdrawal, ClaimError> {
    let preimage = world.preimage(id);
    let claim = world.ledger.claims(id).unwrap()[usize::from(position)].clone();
    assert_eq!(claim.position, position);
    let payment = world
        .ledger
        .claim(&preimage, position, claim.withdrawal, &claim.siblings)?;
    let expected = Payment {
        batch: id,
        position,
        withdrawal: claim.withdrawal,
        recipient: claim.withdrawal.recipient,
    };
    assert_eq!(payment, expected);
    Ok(payment.withdrawal)
}

#[test]
fn each_withdrawal_is_paid_once_after_the_window() {
    let mut world = World::new();
    let id = withdrawing(&mut world);
    let last = world.ledger.block() + WINDOW;
    world.advance(WINDOW);
    assert_eq!(claim(&mut world, id, 3), Err(ClaimError::InWindow { id, last }));
    assert_eq!(world.ledger.final_at(id), Some(last + 1));
    world.advance(1);
    for position in [3, 9, 0, 8, 1, 2, 4, 5, 6, 7] {
        assert!(!world.ledger.slot_is_free(ALICE, 0), "something is unpaid");
        let expected = withdrawal(position / 5, u128::from(position) + 1);
        assert_eq!(claim(&mut world, id, position), Ok(expected));
        assert_eq!(claim(&mut world, id, position), Err(ClaimError::NothingToPay(position)));
        assert!(world.ledger.claims(id).unwrap()[usize::from(position)].paid);
    }
    assert!(world.ledger.slot_is_free(ALICE, 0));
    assert_eq!(world.ledger.word(ALICE, 0).unwrap().unpaid, 0);
}

#[test]
fn a_claim_must_open_the_withdrawal_root() {
    let mut world = World::new();
    let id = withdrawing(&mut world);
    world.advance(WINDOW + 1);
    let preimage = world.preimage(id);
    let claims = world.ledger.claims(id).unwrap();
    let before = world.dump();
    let mut try_claim =
        |position, withdrawal, siblings: &[_]| world.ledger.claim(&preimage, position, withdrawal, siblings);
    for claim in &claims {
        let more = Withdrawal {
            amount: claim.withdrawal.amount + 1,
            ..claim.withdrawal
        };
        let position = claim.position;
        assert_eq!(
            try_claim(position, more, &claim.siblings),
            Err(ClaimError::Opening(position))
        );
        let other = (position + 1) % 10;
        assert_eq!(
            try_claim(other, claim.withdrawal, &claim.siblings),
            Err(ClaimError::Opening(other))
        );
        let siblings = &claim.siblings[1..];
        assert_eq!(
            try_claim(position, claim.withdrawal, siblings),
            Err(ClaimError::Opening(position))
        );
    }
    for position in [10, 23, 24, 32, 255] {
        let none = try_claim(position, claims[0].withdrawal, &claims[0].siblings);
        assert_eq!(none, Err(ClaimError::NothingToPay(position)));
    }
    let mut other = world.ledger.preimage(id).unwrap().clone();
    other.withdrawal_root = claims[0].withdrawal.leaf();
    other.withdrawal_count = 1;
    let mismatch = WordError::Mismatch {
        proposer: ALICE,
        slot: 0,
    };
    assert_eq!(
        world.ledger.claim(&other.encode(), 0, claims[0].withdrawal, &[]),
        Err(mismatch.into())
    );
    assert_eq!(world.dump(), before, "a refused claim changes nothing");
}

#[test]
fn an_older_fault_holds_payments_back_and_a_younger_one_does_not() {
    let mut world = World::new();
    let [x, y] = world.deposits();
    let older = world.lie(BOB, &[x]);
    let id = withdrawing(&mut world);
    let younger = world.lie(BOB, &[y]);
    world.convict(older, 0, false);
    world.convict(younger, 0, false);
    assert_eq!(world.ledger.final_at(id), None);
    world.advance(WINDOW + 1);
    assert_eq!(claim(&mut world, id, 0), Err(ClaimError::Fault { id, fault: older }));
    world.unwind(older);
    assert_eq!(world.ledger.oldest_fault(), Some(younger));
    assert!(claim(&mut world, id, 0).is_ok());
}

#[test]
fn only_live_batches_pay() {
    let mut world = World::new();
    let [x] = world.deposits();
    let parent = world.lie(BOB, &[x]);
    world.advance(1);
    let mut step = world.touch(&[x]);
    step.withdrawals = vec![withdrawal(0, 5)];
    let batch = world.raw(ALICE, vec![step]);
    let child = world.submit(ALICE, &batch).unwrap().id;
    world.convict(parent, 0, false);
    world.advance(WINDOW + 1);
    for status in [Status::Condemned, Status::Unwound] {
        match status {
            Status::Condemned => world.ledger.on_condemned(child).unwrap(),
            _ => world.ledger.on_unwound(child).map(drop).unwrap(),
        }
        let refused = WordError::Status {
            id: child,
            actual: status,
        };
        assert_eq!(claim(&mut world, child, 0), Err(refused.into()));
        assert_eq!(world.ledger.on_claimed(child, 0), Err(refused.into()));
    }
}

#[test]
fn pruning_keeps_what_can_still_be_claimed_and_every_status() {
    let mut world = World::new();
    let id = withdrawing(&mut world);
    let x = world.deposit(0, 1000);
    let mut builder = world.builder(BOB);
    builder.step(&spend(&builder, 0, x, Some((1, 1)), &[])).unwrap();
    let other = builder.build().unwrap();
    let other = world.submit(BOB, &other).unwrap().id;
    world.advance(WINDOW);
    world.ledger.prune_final();
    assert!(world.ledger.evidence(other, 0).is_ok(), "its window still runs");
    world.advance(1);
    world.ledger.prune_final();
    assert_eq!(world.ledger.preimage(other), Err(WordError::Pruned(other)));
    assert_eq!(world.ledger.status(other), Some(Status::Live));
    for position in 0..10 {
        assert!(claim(&mut world, id, position).is_ok());
    }
    let anchors = world.anchors();
    world.ledger.prune_final();
    assert_eq!(world.ledger.claims(id), Err(WordError::Pruned(id)));
    assert_eq!(world.anchors(), anchors);
    let batch = world.raw(ALICE, vec![world.touch(&[x])]);
    assert_eq!(batch.header.slot, 0, "its word slot is free");
}

#[test]
fn a_lie_that_became_final_is_not_forgotten() {
    let mut world = World::new();
    let [x, y] = world.deposits();
    let [proved, missed] = [(BOB, x), (ALICE, y)].map(|(proposer, anchor)| world.lie(proposer, &[anchor]));
    world.convict(proved, 0, true);
    world.advance(WINDOW);
    assert_eq!(world.ledger.final_lies(), []);
    assert_eq!(world.ledger.lies().len(), 1);
    world.advance(1);
    let lies = world.ledger.final_lies();
    assert_eq!(lies.iter().map(|lie| lie.batch).collect::<Vec<_>>(), [missed]);
    assert_eq!(world.ledger.lies(), []);
    world.ledger.prune_final();
    assert_eq!(world.ledger.final_lies(), lies);
    let rows = world.ledger.rows_since(None).into_iter();
    let rows: BTreeMap<_, _> = rows.map(|(key, value)| (key, value.unwrap())).collect();
    let read = Ledger::from_rows(world.ledger.params().clone(), world.ledger.env().clone(), rows).unwrap();
    assert_eq!(read.final_lies(), lies);
}

/// A batch with this many withdrawals, of 1, 2, 3 … units.
fn many(world: &mut World, count: u8) -> BatchId {
    let anchor = world.deposit(0, 100_000);
    let amounts: Vec<u128> = (1..=count.into()).collect();
    let mut builder = world.builder(ALICE);
    for amounts in amounts.chunks(15) {
        builder.step(&spend(&builder, 0, anchor, None, amounts)).unwrap();
    }
    let batch = builder.build().unwrap();
    world.submit(ALICE, &batch).unwrap().id
}

#[test]
fn a_batch_of_up_to_255_withdrawals_pays_each_once() {
    for count in [1, 23, 24, 25, 26, 255] {
        let mut world = World::new();
        let id = many(&mut world, count);
        world.advance(WINDOW + 1);
        let word = world.ledger.word(ALICE, 0).unwrap();
        let is_many = count > 24;
        let unpaid = if is_many { count.into() } else { (1 << count) - 1 };
        assert_eq!((word.many, word.unpaid), (is_many, unpaid));
        for beyond in [count, count.saturating_add(1), 255]
            .into_iter()
            .filter(|beyond| *beyond >= count)
        {
            let refused = world.ledger.on_claimed(id, beyond).map(drop);
            assert_eq!(refused, Err(ClaimError::NothingToPay(beyond)));
        }
        // In an order that is neither that of the positions nor its reverse.
        let mut left = u32::from(count);
        for step in 0..count {
            let position = u8::try_from(u32::from(step) * 97 % u32::from(count)).unwrap();
            assert!(!world.ledger.slot_is_free(ALICE, 0), "something is unpaid");
            let expected = withdrawal(0, u128::from(position) + 1);
            assert_eq!(claim(&mut world, id, position), Ok(expected), "{position} of {count}");
            assert_eq!(claim(&mut world, id, position), Err(ClaimError::NothingToPay(position)));
            left -= 1;
            let unpaid = world.ledger.word(ALICE, 0).unwrap().unpaid;
            assert_eq!(if is_many { unpaid } else { unpaid.count_ones() }, left);
        }
        assert!(world.ledger.slot_is_free(ALICE, 0), "{count}");
        assert_eq!(
            world.ledger.held(crate::world::TOKEN),
            U256::from(100_000 - (1..=u32::from(count)).sum::<u32>())
        );
    }
}

/// The layout of section 4.7, bit by bit.
#[test]
fn the_word_counts_what_is_unpaid_once_it_has_no_bits_for_it() {
    let mut world = World::new();
    let id = many(&mut world, 24);
    let few = world.ledger.preimage(id).unwrap().clone();
    let count = |count| Preimage {
        withdrawal_count: count,
        ..few.clone()
    };
    let low = |word: BatchWord| word.pack() & ((U256::ONE << 56) - U256::ONE);
    let block = U256::from(id.block_offset()) << 24;
    assert_eq!(low(BatchWord::new(&count(24))), block | U256::from(0xff_ffff));
    assert_eq!(
        low(BatchWord::new(&count(25))),
        block | U256::ONE << 52 | U256::from(25)
    );
    let assigned = BatchWord {
        assigned: true,
        status: Status::Condemned,
        ..BatchWord::new(&count(0))
    };
    assert_eq!(low(assigned), block | U256::ONE << 51 | U256::ONE << 55);
    assert_eq!(BatchWord::unpack(assigned.pack()), Some(assigned));
    assert_eq!(BatchWord::unpack(U256::ONE << 53), None);

    let slot = storage::paid_slot(id);
    assert_eq!(&slot[..27], &alloy_primitives::keccak256("nthroot.paid")[..27]);
    assert_eq!(&slot[27..], id.to_bytes());
    let slot = storage::assignment_slot(id, 7);
    assert_eq!(&slot[..26], &alloy_primitives::keccak256("nthroot.assignment")[..26]);
    assert_eq!((&slot[26..31], slot[31]), (id.to_bytes().as_slice(), 7));
}
