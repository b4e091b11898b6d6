//! A liar is an honest proposer with one thing changed: that thing, and nothing else, convicts.

use nthroot_model::{
    builder::{Name, StepPlan},
    invalid::Invalid,
    ledger::{ChallengeError, Judgement, Ledger, Unjudged},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, BatchId, Body, Evidence};
use proptest::{collection::vec, prelude::*};

use crate::world::{ALICE, CEILING, TOKEN, UNKNOWN_RULE, World, account_call, body, config, root, spend, withdrawal};

/// An honest batch: a split and a withdrawal, a withdrawal by somebody else, another by the first one again.
fn honest(world: &mut World) -> Batch {
    let [x, y] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, x, Some((2, 10)), &[7])).unwrap();
    builder.step(&spend(&builder, 1, y, None, &[5])).unwrap();
    builder.step(&spend(&builder, 0, x, None, &[9])).unwrap();
    builder.build().unwrap()
}

/// For each step what it is: v valid, l lie, u unjudged.
fn judge(world: &World, id: BatchId) -> String {
    let letter = |judgement: &&Judgement| match judgement {
        Judgement::Valid => 'v',
        Judgement::Lie(_) => 'l',
        Judgement::Unjudged(_) => 'u',
        Judgement::Skipped(_) => 's',
    };
    world.ledger.judgement(id).unwrap().iter().map(letter).collect()
}

/// What the ledger says of a step is what a challenge finds.
fn check_challenges(ledger: &Ledger, id: BatchId) {
    let judgements: Vec<Judgement> = ledger.judgement(id).unwrap().into_iter().cloned().collect();
    for (step, judgement) in (0..).zip(judgements) {
        let evidence = ledger.evidence(id, step);
        let challenged = |evidence: Vec<u8>| ledger.clone().convict(&evidence, &[]);
        match judgement {
            Judgement::Valid => {
                assert_eq!(challenged(evidence.unwrap()), Err(ChallengeError::StepIsValid(step)));
            }
            Judgement::Lie(reason) => assert_eq!(challenged(evidence.unwrap()).unwrap().reason, Some(reason)),
            Judgement::Unjudged(Unjudged::PreState(_)) | Judgement::Skipped(_) => assert!(evidence.is_err()),
            Judgement::Unjudged(Unjudged::Undecided(undecided)) => {
                assert_eq!(challenged(evidence.unwrap()), Err(undecided.into()));
            }
        }
    }
}

#[test]
fn one_changed_thing_makes_a_lie_and_the_honest_batch_has_none() {
    type Change = fn(&mut Batch);
    // Step 2 builds on step 0.
    let cases: [(&str, Change, &str); 9] = [
        ("nothing", |_| {}, "vvv"),
        (
            "root of a fresh touch",
            |batch| batch.steps[0].fresh[0].root = root(9),
            "lvu",
        ),
        (
            "root of an opened anchor",
            |batch| batch.steps[0].opened[0] = root(9),
            "lvu",
        ),
        (
            "root of a repeated touch",
            |batch| batch.steps[2].again[0].root = root(9),
            "vvl",
        ),
        (
            "amount withdrawn",
            |batch| batch.steps[1].withdrawals[0].amount += 1,
            "vlv",
        ),
        ("withdrawal left out", |batch| batch.steps[1].withdrawals.clear(), "vlv"),
        (
            "withdrawal added",
            |batch| batch.steps[2].withdrawals.push(withdrawal(0, 1)),
            "vvl",
        ),
        (
            "body cut",
            |batch| {
                let body = &mut batch.steps[1].body;
                let length = body.len();
                body.truncate(length - 1);
            },
            "vlv",
        ),
        ("low ceiling", |batch| batch.header.ceiling = 1, "llu"),
    ];
    for (name, change, expected) in cases {
        let mut world = World::new();
        let mut batch = honest(&mut world);
        change(&mut batch);
        let id = world.submit(ALICE, &batch).unwrap().id;
        // A lie hides what comes after it on the same anchors.
        assert_eq!(judge(&world, id), expected, "{name}");
        let lies: Vec<u16> = world.ledger.lies().iter().map(|lie| lie.step).collect();
        let expected: Vec<u16> = (0..)
            .zip(expected.chars())
            .filter(|(_, fate)| *fate == 'l')
            .map(|(step, _)| step)
            .collect();
        assert_eq!(lies, expected, "{name}");
        check_challenges(&world.ledger, id);
    }
}

#[test]
fn a_rule_without_a_twin_is_not_judged() {
    let mut world = World::new();
    let mut batch = honest(&mut world);
    batch.header.rules = vec![UNKNOWN_RULE];
    let parsed = Body::parse(&batch.steps[1].body, 1, 0).unwrap();
    let mut call = parsed.calls[0].clone();
    (call.rule, call.authorisations) = (1, Vec::new());
    // Rule-controlled, so that the call gets as far as the rule.
    let mut opened = body(call);
    opened.calls[0].fragments = vec![0];
    batch.steps[1].body = opened.encode().into();
    let id = world.submit(ALICE, &batch).unwrap().id;
    // A key's fragment that has not authorised is a lie before any rule is asked.
    assert_eq!(judge(&world, id), "vlv");

    let mut world = World::new();
    let anchor = world.deposit(0, 1000);
    let mut builder = world.builder(ALICE).rule_table(vec![UNKNOWN_RULE]);
    let consent = crate::world::consent(&builder, 0, anchor, 0, UNKNOWN_RULE, vec![], None);
    let plan = StepPlan {
        fragments: vec![Name::Anchor(anchor)],
        body: body(crate::world::echo_call(&[0], &[], vec![consent])),
    };
    let refused = builder.step(&plan).unwrap_err();
    assert_eq!(refused.to_string(), format!("rule {UNKNOWN_RULE} has no twin"));
    let mut step = world.touch(&[anchor]);
    step.body = plan.body.encode().into();
    let mut batch = world.raw(ALICE, vec![step]);
    batch.header.rules = vec![UNKNOWN_RULE];
    let id = world.submit(ALICE, &batch).unwrap().id;
    assert_eq!(judge(&world, id), "u");
    assert!(world.ledger.state(anchor).unwrap().known().is_none());
    check_challenges(&world.ledger, id);
}

#[test]
fn a_signature_for_another_nonce_is_a_lie() {
    let mut world = World::new();
    let x = world.deposit(0, 1000);
    let mut builder = world.builder(ALICE);
    let plan = spend(&builder, 0, x, None, &[5]);
    builder.step(&plan).unwrap();
    let again = builder.step(&plan).unwrap_err();
    assert!(again.to_string().contains("signer"), "{again}");
}

#[test]
fn the_ceiling_can_be_the_proof_gas_and_no_less() {
    let mut world = World::new();
    let x = world.deposit(0, 1000);
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, x, Some((1, 1)), &[5])).unwrap();
    let needed = u32::try_from(builder.proof_gas()[0]).unwrap();
    builder.set_ceiling(needed);
    let lock = builder.lock();
    assert_eq!(lock, 2 * (u64::from(needed) + 13_000 * 2), "at 1 gwei");
    let batch = builder.build().unwrap();
    builder.set_ceiling(needed - 1);
    assert!(builder.build().is_err());
    let mut low = batch.clone();
    low.header.ceiling -= 1;

    let mut other = World {
        ledger: world.ledger.clone(),
    };
    let submitted = world.submit(ALICE, &batch).unwrap();
    assert_eq!(submitted.lock, lock);
    assert_eq!(judge(&world, submitted.id), "v");
    let id = other.submit(ALICE, &low).unwrap().id;
    let reason = other.ledger.lies().remove(0).reason;
    assert_eq!(
        reason,
        Invalid::ProofGas {
            ceiling: needed - 1,
            needed: needed.into()
        }
    );
    check_challenges(&other.ledger, id);
}

/// A payment to a listed fragment of somebody else, who consents with an empty payload.
#[test]
fn a_plan_may_name_fragments_in_any_order() {
    let mut world = World::new();
    let [x, y] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, x, Some((2, 10)), &[])).unwrap();
    // Repeated, new, fresh: on the wire it is fresh, opened, again.
    let ops = [
        AccountOp::Pay {
            to: y.fragment(),
            asset: AssetId::token(TOKEN),
            amount: 30,
        },
        AccountOp::Open {
            depth: 0,
            kind: 1,
            controller: crate::world::user(3),
            assets: vec![(AssetId::token(TOKEN), 40)],
        },
    ];
    let mut call = account_call(&builder, 0, x, &[0, 2], &ops, 70);
    call.authorisations.push(crate::world::consent(
        &builder,
        1,
        y,
        1,
        crate::world::ACCOUNT,
        vec![],
        None,
    ));
    let plan = StepPlan {
        fragments: vec![Name::Anchor(x), Name::New, Name::Anchor(y)],
        body: body(call),
    };
    let built = builder.step(&plan).unwrap();
    assert_eq!(built.entries, vec![0, 3, 2]);
    let twice = StepPlan {
        fragments: vec![Name::Anchor(x), Name::Entry(0)],
        ..plan
    };
    assert!(builder.step(&twice).unwrap_err().to_string().contains("twice"));
    let batch = builder.build().unwrap();
    let id = world.submit(ALICE, &batch).unwrap().id;
    assert_eq!(judge(&world, id), "vv");
    let balance = |anchor| world.fragment(anchor).balance(AssetId::token(TOKEN));
    let opened = |entry| AnchorId::new(id, entry);
    assert_eq!([x, y, opened(1), opened(3)].map(balance), [920, 1030, 10, 40]);
}

proptest! {
    #![proptest_config(config(150))]

    /// So honest proposers need not fear what challengers make up.
    #[test]
    fn no_change_to_evidence_convicts_an_honest_batch(step in 0_u16..3, changes in vec((any::<prop::sample::Index>(), 1_u8..), 1..3), cut in any::<prop::sample::Index>()) {
        let mut world = World::new();
        let batch = honest(&mut world);
        let id = world.submit(ALICE, &batch).unwrap().id;
        let evidence = world.ledger.evidence(id, step).unwrap();
        let decoded = Evidence::decode(&evidence).unwrap();
        prop_assert_eq!(decoded.encode(), evidence.clone());
        let before = world.dump();
        let mut changed = evidence.clone();
        for (at, xor) in changes {
            let at = at.index(changed.len());
            changed[at] ^= xor;
        }
        let cut = &evidence[..cut.index(evidence.len())];
        for evidence in [changed.as_slice(), cut] {
            prop_assert!(world.ledger.convict(evidence, &[]).is_err());
            prop_assert_eq!(&world.dump(), &before);
        }
    }

    /// A batch with some bytes changed is refused, or taken and judged as challenges judge it.
    #[test]
    fn a_changed_batch_is_refused_or_judged_as_it_is_challenged(changes in vec((any::<prop::sample::Index>(), 1_u8..), 1..4)) {
        let mut world = World::new();
        let mut bytes = honest(&mut world).encode();
        for (at, xor) in changes {
            // After the clock's hash, so that it is not refused for that.
            let at = 50 + at.index(bytes.len() - 50);
            bytes[at] ^= xor;
        }
        let before = world.dump();
        match world.ledger.submit(ALICE, &bytes) {
            Ok(submitted) => check_challenges(&world.ledger, submitted.id),
            Err(_) => prop_assert_eq!(world.dump(), before),
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in vec(any::<u8>(), 0..600), more in vec(any::<u8>(), 0..100)) {
        let mut world = World::new();
        let batch = honest(&mut world);
        let submitted = world.submit(ALICE, &batch).unwrap();
        let preimage = submitted.preimage.encode();
        let before = world.dump();
        prop_assert!(world.ledger.submit(ALICE, &bytes).is_err());
        let header = [&batch.header.encode()[..], &bytes].concat();
        prop_assert!(world.ledger.submit(ALICE, &header).is_err());
        for evidence in [bytes.clone(), [preimage.as_slice(), &bytes].concat()] {
            prop_assert!(world.ledger.convict(&evidence, &more).is_err());
        }
        prop_assert!(world.ledger.condemn(&bytes, &more, 0, &preimage).is_err());
        prop_assert!(world.ledger.condemn(&preimage, &more, 0, &bytes).is_err());
        prop_assert!(world.ledger.unwind(&bytes, &more).is_err());
        prop_assert!(world.ledger.unwind(&preimage, &more).is_err());
        prop_assert!(world.ledger.claim(&bytes, 0, withdrawal(0, 1), &[]).is_err());
        prop_assert_eq!(world.dump(), before);
        prop_assert_eq!(batch.header.ceiling, CEILING);
    }
}
