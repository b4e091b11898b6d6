//! What the builder refuses: steps that would be skipped, and what breaks a limit.

use nthroot_model::{
    builder::{BatchBuilder, BuildError, Name, StepError, StepPlan},
    walk::Stale,
};
use nthroot_protocol::{AnchorId, BatchId, Effect, limits::MAX_CEILING};

use crate::world::{ALICE, BOB, ECHO, World, body, consent, echo_call, hash_of, spend};

/// A step in which the rule opens fragments under itself and works on others of its own, which it writes to.
fn ruled(opened: usize, others: &[Name]) -> StepPlan {
    let mut fragments = vec![Name::New; opened];
    fragments.extend(others);
    let listed: Vec<u8> = (opened..fragments.len())
        .map(|number| u8::try_from(number).unwrap())
        .collect();
    let count = u8::try_from(others.len()).unwrap();
    let mut effects: Vec<Effect> = (0..count)
        .map(|fragment| Effect::Mint {
            to: fragment,
            tag: [1; 32].into(),
            amount: 1,
        })
        .collect();
    effects.extend(vec![
        Effect::Open {
            depth: 0,
            kind: 3,
            controller: ECHO
        };
        opened
    ]);
    StepPlan {
        fragments,
        body: body(echo_call(&listed, &effects, vec![])),
    }
}

/// A batch whose first step opens `count` fragments under the rule, paid for by nobody: entries 1 to `count`.
fn with_ruled<'a>(world: &'a World, anchor: AnchorId, count: usize) -> BatchBuilder<'a> {
    let mut builder = world.builder(ALICE);
    let consent = consent(&builder, 0, anchor, 0, ECHO, vec![], None);
    let effects = vec![
        Effect::Open {
            depth: 0,
            kind: 3,
            controller: ECHO
        };
        count
    ];
    let mut fragments = vec![Name::Anchor(anchor)];
    fragments.extend(vec![Name::New; count]);
    let body = body(echo_call(&[0], &effects, vec![consent]));
    builder.step(&StepPlan { fragments, body }).unwrap();
    builder
}

#[test]
fn touches_are_limited() {
    let mut world = World::new();
    let anchor = world.deposit(0, 1000);
    let mut builder = with_ruled(&world, anchor, 15);
    let entries: Vec<Name> = (1..=15).map(Name::Entry).collect();
    let touches = |opened, again| {
        Err(StepError::Touches {
            fresh: 0,
            opened,
            again,
        })
    };
    assert_eq!(builder.step(&ruled(2, &entries)), touches(2, 15));
    assert_eq!(builder.step(&ruled(16, &[])), touches(16, 0));
    assert_eq!(builder.step(&ruled(0, &[])), touches(0, 0));
    let sixteen: Vec<Name> = (0..16).map(Name::Entry).collect();
    assert_eq!(builder.step(&ruled(0, &sixteen)), touches(0, 16));
    assert_eq!(
        builder.step(&ruled(0, &[Name::Entry(16)])),
        Err(StepError::UnknownEntry(16))
    );
    let twice = [Name::Entry(3), Name::Entry(3)];
    assert_eq!(builder.step(&ruled(0, &twice)), Err(StepError::Twice(None)));
    assert!(builder.step(&ruled(1, &entries)).is_ok());
    assert_eq!(builder.build().unwrap().steps.len(), 2, "a refused step adds nothing");
}

#[test]
fn entries_and_withdrawals_of_a_batch_are_limited() {
    let mut world = World::new();
    let anchor = world.deposit(0, 1000);
    let mut builder = with_ruled(&world, anchor, 1);
    for step in 0..34 {
        builder
            .step(&ruled(15, &[Name::Entry(1)]))
            .unwrap_or_else(|error| panic!("step {step}: {error}"));
    }
    let one = [Name::Entry(1)];
    assert_eq!(builder.step(&ruled(1, &one)), Err(StepError::TooManyEntries(513)));
    assert!(builder.step(&ruled(0, &one)).is_ok());
    assert_eq!(builder.build().unwrap().header.entry_count, 512);
    let batch = builder.build().unwrap();
    assert!(world.submit(ALICE, &batch).is_ok());

    let other = world.deposit(0, 1000);
    let mut builder = world.builder(BOB);
    for _ in 0..17 {
        builder.step(&spend(&builder, 0, other, None, &[1; 15])).unwrap();
    }
    let over = spend(&builder, 0, other, None, &[1]);
    assert_eq!(builder.step(&over), Err(StepError::TooManyWithdrawals(256)));
}

#[test]
fn a_body_is_limited() {
    let mut world = World::new();
    let anchor = world.deposit(0, 1000);
    let mut builder = with_ruled(&world, anchor, 1);
    let mut plan = ruled(0, &[Name::Entry(1)]);
    plan.body.calls[0].extra = vec![0; 16_384].into();
    let length = plan.body.encode().len();
    assert_eq!(builder.step(&plan), Err(StepError::BodyTooLong(length)));
    let mut plan = ruled(0, &[Name::Entry(1)]);
    plan.body.calls = vec![plan.body.calls[0].clone(); 17];
    assert!(matches!(builder.step(&plan), Err(StepError::Body(_))));
}

#[test]
fn what_would_be_skipped_is_refused() {
    let mut world = World::new();
    let [x, y] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    let nothing = AnchorId::new(BatchId::new(1, 1).unwrap(), 7);
    let state = |world: &World, clock: u64, anchor| {
        let mut posting = world.posting(ALICE);
        (posting.clock, posting.clock_hash) = (clock, hash_of(clock));
        BatchBuilder::new(&world.ledger, posting).state(Name::Anchor(anchor))
    };
    let stale = |anchor, reason| Err(StepError::Stale { anchor, reason });
    let clock = world.ledger.block() - 1;
    assert!(state(&world, clock, y).is_ok());
    assert_eq!(state(&world, clock, nothing), stale(nothing, Stale::NoHead));
    assert_eq!(state(&world, clock - 1, y), stale(y, Stale::AfterClock(y.batch())));

    let lie = world.lie(BOB, &[x]);
    world.advance(1);
    let clock = clock + 1;
    assert_eq!(state(&world, clock, x), Err(StepError::UnknownState(x)));
    let z = world.deposit(2, 1000);
    world.convict(lie, 0, false);
    assert!(state(&world, clock + 1, y).is_ok());
    let fault = Stale::Fault {
        head: z.batch(),
        fault: lie,
    };
    assert_eq!(state(&world, clock + 1, z), stale(z, fault));
}

#[test]
fn a_step_of_much_gas_for_its_bytes_stands_alone() {
    let mut world = World::new();
    let [x, y] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    world.advance(1);
    let mut builder = world.builder(ALICE);
    let mut plan = spend(&builder, 0, x, None, &[1]);
    plan.body.calls[0].gas = 2_000_000;
    let ready = builder.evaluate(&plan).unwrap();
    assert!(ready.goes_alone());
    let most = 600 * u64::try_from(ready.step().encode().len()).unwrap();
    plan.body.calls[0].gas = u32::try_from(most).unwrap();
    assert!(!builder.evaluate(&plan).unwrap().goes_alone());
    builder.add(ready);
    let alone = builder.build().unwrap();
    builder.step(&spend(&builder, 1, y, None, &[1])).unwrap();
    assert_eq!(
        builder.build(),
        Err(BuildError::RuleGas {
            step: 0,
            committed: 2_000_000,
            most
        })
    );
    let id = world.submit(ALICE, &alone).unwrap().id;
    assert!(world.ledger.lies().is_empty(), "{:?}", world.ledger.judgement(id));
}

#[test]
fn a_batch_that_would_be_refused_or_convicted_is_not_built() {
    let mut world = World::new();
    assert_eq!(world.builder(ALICE).build(), Err(BuildError::NoSteps));
    let anchor = world.deposit(0, 1000);
    let mut builder = with_ruled(&world, anchor, 1);
    builder.set_ceiling(MAX_CEILING + 1);
    assert_eq!(builder.build(), Err(BuildError::Ceiling(MAX_CEILING + 1)));
    builder.set_ceiling(1);
    let needed = builder.proof_gas()[0];
    assert_eq!(
        builder.build(),
        Err(BuildError::ProofGas {
            step: 0,
            needed,
            ceiling: 1
        })
    );
    for (rule, registered) in [(ALICE, None), (BOB, Some(world.ledger.block()))] {
        let mut world = World {
            ledger: world.ledger.clone(),
        };
        if let Some(block) = registered {
            world.ledger.register_rule(rule, block);
        }
        let mut builder = world.builder(ALICE).rule_table(vec![rule]);
        builder.step(&spend(&builder, 0, anchor, None, &[1])).unwrap();
        let clock = world.ledger.block() - 1;
        assert_eq!(builder.build(), Err(BuildError::Rule { rule, clock }));
    }
}
