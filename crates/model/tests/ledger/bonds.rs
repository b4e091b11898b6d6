//! Bonds against a plain list of locks (section 8).

use nthroot_model::{bond::Bond, params::Params};
use proptest::{collection::vec, prelude::*};

use crate::world::config;

#[derive(Debug, Clone)]
enum Op {
    Fund(u64),
    Withdraw(u64),
    Lock(u64),
    /// Convicts one of the locks within their windows.
    Convict(prop::sample::Index),
    /// Resolves a fault.
    Resolve,
    Advance(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1..1000_u64).prop_map(Op::Fund),
        (1..1000_u64).prop_map(Op::Withdraw),
        (1..300_u64).prop_map(Op::Lock),
        (1..300_u64).prop_map(Op::Lock),
        any::<prop::sample::Index>().prop_map(Op::Convict),
        Just(Op::Resolve),
        (1..8_u64).prop_map(Op::Advance),
    ]
}

/// Every lock by itself.
struct Lock {
    block: u64,
    epoch: u64,
    amount: u64,
}

const PARAMS: Params = Params {
    chain_id: 1,
    deployment_block: 1000,
    window: 5,
    insured_gas_price: 0,
    min_lock: 0,
    caps: None,
};

fn run(ops: Vec<Op>, convictions: bool) -> Result<(), TestCaseError> {
    let (mut bond, mut block, mut faults) = (Bond::default(), 1000, Vec::new());
    let (mut balance, mut locks): (u64, Vec<Lock>) = (0, Vec::new());
    for op in ops {
        let epoch = PARAMS.epoch(block);
        let held = faults.iter().min().copied();
        // Released when the epoch after the next begins, but for what was made since the oldest fault.
        locks.retain(|lock| lock.epoch + 2 > epoch || held.is_some_and(|held| lock.epoch >= held));
        let free = balance - locks.iter().map(|lock| lock.amount).sum::<u64>();
        let found = bond.free(epoch, held);
        // After a fault some locks are held for longer, and never one for less.
        prop_assert!(found <= free, "{} free, at most {} may be", found, free);
        if !convictions {
            prop_assert_eq!(found, free);
        }
        match op {
            Op::Fund(amount) => {
                bond = bond.fund(amount).expect("64 bits suffice");
                balance += amount;
            }
            Op::Withdraw(amount) if held.is_none() => {
                if let Ok(after) = bond.withdraw(amount, epoch) {
                    bond = after;
                    balance -= amount;
                } else {
                    prop_assert!(amount > found);
                }
            }
            Op::Lock(amount) => {
                if let Ok(after) = bond.lock(amount, epoch, held) {
                    bond = after;
                    locks.push(Lock { block, epoch, amount });
                } else {
                    prop_assert!(amount > found);
                }
            }
            Op::Convict(index) if convictions => {
                let open: Vec<usize> = (0..locks.len())
                    .filter(|i| block <= locks[*i].block + PARAMS.window)
                    .collect();
                if !open.is_empty() {
                    let lock = locks.remove(open[index.index(open.len())]);
                    let (after, slashed) = bond.slash(lock.amount, lock.epoch);
                    prop_assert_eq!(slashed, lock.amount, "what is locked is there to be slashed");
                    bond = after;
                    balance -= slashed;
                    faults.push(lock.epoch);
                }
            }
            Op::Resolve => drop(faults.pop()),
            Op::Advance(blocks) => block += blocks,
            Op::Withdraw(_) | Op::Convict(_) => {}
        }
        prop_assert_eq!(bond.balance, balance);
    }
    // All is free in the end.
    let epoch = PARAMS.epoch(block) + 2;
    prop_assert_eq!(bond.free(epoch, None), balance);
    Ok(())
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn free_bond_is_the_balance_without_the_locks_not_released(ops in vec(op(), 1..60)) {
        run(ops, false)?;
    }

    #[test]
    fn freezes_and_convictions_never_free_a_lock_too_early(ops in vec(op(), 1..60)) {
        run(ops, true)?;
    }

    #[test]
    fn a_lock_outlives_its_window(offset in 0..100_u64, amount in 1..100_u64) {
        let (posted, bond) = (PARAMS.epoch(1000 + offset), Bond::default().fund(amount).expect("fits"));
        let bond = bond.lock(amount, posted, None).expect("covered");
        for block in 1000 + offset..=1000 + offset + PARAMS.window {
            prop_assert_eq!(bond.free(PARAMS.epoch(block), None), 0);
        }
    }
}

#[test]
fn a_lock_is_the_insured_gas_or_the_least_lock_rounded_up() {
    let lock = |price, min, ceiling, entries| {
        let params = Params {
            insured_gas_price: price,
            min_lock: min,
            ..PARAMS
        };
        params.lock(ceiling, entries)
    };
    // 2 · (1,000,000 + 13,000 · 3) · 100 gwei
    assert_eq!(lock(100_000_000_000, 0, 1_000_000, 3), 207_800_000);
    // 2 · 1,013,000 · 1 wei, rounded up to a gwei
    assert_eq!(lock(1, 0, 1_000_000, 1), 1);
    assert_eq!(lock(1, 1_000_000_001, 0, 0), 2);
    assert_eq!(lock(1, 1_000_000_000, 0, 0), 1);
    assert_eq!(lock(u128::MAX, u128::MAX, u32::MAX, u16::MAX), u64::MAX);
}

#[test]
fn an_epoch_is_one_block_longer_than_the_window() {
    let epochs = [0, 999, 1000, 1005, 1006, 1011, 1012].map(|block| PARAMS.epoch(block));
    assert_eq!(epochs, [0, 0, 0, 0, 1, 1, 2]);
}

#[test]
fn the_lock_of_a_convicted_batch_is_taken_from_where_it_is() {
    let bond = Bond {
        balance: 100,
        locked: 20,
        locked_before: 30,
        epoch: 4,
    };
    // (lock, epoch in which it was posted) to (balance, locked, locked before, slashed)
    let cases = [
        ((5, 4), (95, 15, 30, 5)),
        ((5, 3), (95, 20, 25, 5)),
        // All of a lock is in one of the two: the other one is not touched.
        ((40, 2), (60, 20, 0, 40)),
        ((120, 3), (0, 20, 0, 100)),
    ];
    for ((lock, posted), expected) in cases {
        let (after, slashed) = bond.slash(lock, posted);
        let found = (after.balance, after.locked, after.locked_before, slashed);
        assert_eq!(found, expected, "{lock} of epoch {posted}");
        assert_eq!(after.epoch, 4);
    }
}
