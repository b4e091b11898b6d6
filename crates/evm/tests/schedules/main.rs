//! The bridge and the model's ledger go through random histories together: what each action does, and everything that L1
//! shows after it, must be the same on both sides; and what the bridge holds must cover what it owes. A second ledger follows
//! by events alone, and must come to the same.
//!
//! Actions that do not apply where the choices put them are left out. `NTHROOT_HISTORIES` sets how many histories run.
#![allow(clippy::print_stdout, reason = "what the histories reached")]

mod actions;
mod batches;
mod claims;
mod draft;
mod features;
mod follower;
mod fraud;
mod reverts;
mod steps;
mod users;
mod world;

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Mutex,
    thread,
    time::Instant,
};

use nthroot_fuzz::steps::Choices;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};

use crate::world::{Assets, PROPOSERS, Tally, World};

/// What must have happened, or the histories say little.
const REACHED: [&str; 66] = [
    "honest batch applied",
    "late batch applied",
    "late batch partly skipped",
    "late batch refused: NothingApplied",
    "honest batch refused: WordSlotBusy",
    "honest batch refused: BondTooSmall",
    "malformed batch refused: ClockOutOfRange",
    "malformed batch refused: ClockHashMismatch",
    "malformed batch refused: WrongChain",
    "malformed batch refused: MalformedStep",
    "malformed batch refused: MalformedBatch",
    "malformed batch refused: RuleNotRegistered",
    "convicted and unwound",
    "more faults than fields",
    "blind batch applied",
    "all accounted for",
    "convicted alone",
    "convicted with a child",
    "convicted at the last block",
    "challenge refused: StepIsValid",
    "challenge refused: WrongStatus",
    "challenge refused: ChallengeWindowOver",
    "challenge refused: UnknownBatch",
    "challenge refused: EntriesMismatch",
    "challenge with bad evidence: StepNotInBatch",
    "challenge with too little gas",
    "condemned",
    "unwound",
    "orphan unwound for its fee",
    "unwind refused: NotHead",
    "claim paid",
    "claim paid, of many",
    "claim paid to its buyer",
    "claim refused: NotFinal",
    "claim refused: AlreadyPaid",
    "bond withdrawal refused: Frozen",
    "deposit under a key of kind 1",
    "deposit under a key of kind 2",
    "deposit refused: BadKey",
    "deposit refused: AssetNotListed",
    "deposit refused: CapExceeded",
    "claim given away",
    "claim sold",
    "claim sold to whoever paid",
    "claim sold by a contract",
    "assignment refused: AlreadyPaid",
    "assignment refused: BadSignature",
    "assignment refused: Frozen",
    "assignment refused: NotRecipient",
    "assignment refused: OfferExpired",
    "assignment refused: WrongStatus",
    "assignment refused: WrongValue",
    "assignment refused: ZeroRecipient",
    "valid step: P-256",
    "valid step: WebAuthn",
    "valid step: depth 24",
    "valid step: one leaf",
    "valid step: several leaves",
    "valid step: open a cohort",
    "valid step: open a leaf",
    "valid step: set controller",
    "valid step: set lease",
    "valid step: merely credited",
    "lie: Leased",
    "lie: Root",
    "lie: Signature",
];

/// The last panic, with its place: shrinking makes many, and only the last one matters.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Each action has bytes of its own to choose by, so that others do the same when one is dropped.
fn history(world: &mut World, actions: &[Vec<u8>]) -> u32 {
    for bytes in actions {
        world.act(&mut Choices::new(bytes));
    }
    world.settle();
    u32::try_from(world.log.len()).expect("few")
}

#[test]
fn bridge_and_ledger_agree_on_every_history() {
    let histories = std::env::var("NTHROOT_HISTORIES").map_or(500, |count| count.parse().expect("a number"));
    // Half of the histories on a bridge without caps.
    let uncapped = World::new(Assets::Any);
    let worlds = [
        uncapped.clone(),
        uncapped,
        World::new(Assets::EthAndToken),
        World::new(Assets::Eth),
    ];
    let tally: RefCell<Tally> = RefCell::default();
    let actions = Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases: histories,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 1_000,
        ..Config::default()
    });
    let shrinking = thread::current().id();
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == shrinking {
            *PANIC.lock().expect("not poisoned") = info.to_string();
        } else {
            usual(info);
        }
    }));
    let clock = Instant::now();
    let action = prop::collection::vec(any::<u8>(), 0..120);
    let histories_of = (0..worlds.len(), prop::collection::vec(action, 0..64));
    let outcome = runner.run(&histories_of, |(start, bytes)| {
        let mut world = worlds[start].clone();
        match panic::catch_unwind(AssertUnwindSafe(|| history(&mut world, &bytes))) {
            Ok(done) => actions.set(actions.get() + done),
            Err(_) => {
                let reason = PANIC.lock().expect("not poisoned").clone();
                return Err(TestCaseError::fail(format!("{reason}\n{}", world.log.join("\n"))));
            }
        }
        for (what, count) in world.tally {
            *tally.borrow_mut().entry(what).or_default() += count;
        }
        Ok(())
    });
    let seconds = clock.elapsed().as_secs_f64();
    drop(panic::take_hook());
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (start, bytes))) => {
            panic!("from world {start}, by {} actions: {reason}", bytes.len())
        }
        Err(error) => panic!("{error}"),
    }
    println!(
        "{histories} histories agree, {} actions, {:.0} a second:",
        actions.get(),
        f64::from(actions.get()) / seconds
    );
    for (what, count) in tally.borrow().iter() {
        println!("  {count:>8}  {what}");
    }
    let missing: Vec<_> = REACHED
        .iter()
        .filter(|what| !tally.borrow().contains_key(**what))
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

/// The set of faults is full and the oldest lie of all comes and goes in one transaction: it must leave no trace, or
/// everything younger stays frozen on one side only.
#[test]
fn a_lie_that_is_unwound_at_once_leaves_a_full_set_of_faults_alone() {
    let mut world = World::new(Assets::Any);
    world.advance(1);
    for _ in 0..7 {
        let batch = batches::blind(&world, PROPOSERS[0], true, &mut Choices::new(&[])).expect("a free anchor");
        world.submit("blind batch", PROPOSERS[0], &batch.encode());
    }
    let lies = world.ledger.lies();
    assert_eq!(lies.len(), 7);
    // Five fill the fields; the sixth is one more.
    for (convicted, lie) in lies[1..].iter().enumerate() {
        world.convict(lie.batch, lie.step, false);
        let mut now = world.clone();
        now.convict(lies[0].batch, lies[0].step, true);
        now.compare();
        assert_eq!(now.ledger.oldest_fault(), Some(lies[1].batch), "after {convicted} more");
        now.settle();
        assert_eq!(now.ledger.oldest_fault(), None);
    }
}
