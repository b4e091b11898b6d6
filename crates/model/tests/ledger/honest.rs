//! Random honest batches: whatever the builder builds is applied and valid.

use nthroot_model::{
    builder::{BatchBuilder, Name, StepPlan},
    ledger::{ChallengeError, Judgement},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Effect, Fragment, Kind};
use proptest::{collection::vec, prelude::*};

use crate::world::{
    ACCOUNT, ALICE, BOB, ECHO, TOKEN, World, account_call, body, config, consent, echo_call, spend, user,
};

const USERS: u8 = 3;

/// What a step does; numbers pick among what there is.
#[derive(Debug, Clone)]
struct Plan {
    action: u8,
    a: prop::sample::Index,
    b: prop::sample::Index,
    amount: u128,
}

fn plan() -> impl Strategy<Value = Plan> {
    let index = any::<prop::sample::Index>;
    (0_u8..6, index(), index(), 1..50_u128).prop_map(|(action, a, b, amount)| Plan { action, a, b, amount })
}

/// The user whose key controls a fragment.
fn owner(state: &Fragment) -> Option<u8> {
    (0..USERS).find(|number| state.kind == Kind::Secp256k1 && state.controller == user(*number))
}

fn token() -> AssetId {
    AssetId::token(TOKEN)
}

/// The step of a plan, on the anchors of users, the anchors of the rule, and what this batch opened under the rule.
fn step(builder: &BatchBuilder<'_>, plan: &Plan, users: &[AnchorId], ruled: &[Name]) -> Option<StepPlan> {
    let anchor = users[plan.a.index(users.len())];
    let state = builder.state(Name::Anchor(anchor)).ok()??;
    let signer = owner(&state)?;
    let amount = plan.amount;
    let echo = (!ruled.is_empty()).then(|| ruled[plan.b.index(ruled.len().max(1))]);
    Some(match plan.action {
        0 => spend(builder, signer, anchor, Some((signer, amount)), &[]),
        1 => spend(builder, signer, anchor, None, &[amount]),
        2 => {
            let other = users[plan.b.index(users.len())];
            let consenter = owner(&builder.state(Name::Anchor(other)).ok()??)?;
            let ops = [AccountOp::Pay {
                to: other.fragment(),
                asset: token(),
                amount,
            }];
            let mut call = account_call(builder, signer, anchor, &[0, 1], &ops, amount);
            call.authorisations
                .push(consent(builder, consenter, other, 1, ACCOUNT, vec![], None));
            StepPlan {
                fragments: vec![Name::Anchor(other), Name::Anchor(anchor)],
                body: body(swap(call)),
            }
        }
        3 => {
            // Opens a fragment under the rule, with some of the user's.
            let effects = [
                Effect::Open {
                    depth: 0,
                    kind: 3,
                    controller: ECHO,
                },
                Effect::Move {
                    from: 0,
                    to: 1,
                    asset: token(),
                    amount,
                },
            ];
            let consent = consent(builder, signer, anchor, 0, ECHO, vec![], Some((token(), amount)));
            StepPlan {
                fragments: vec![Name::Anchor(anchor), Name::New],
                body: body(echo_call(&[0], &effects, vec![consent])),
            }
        }
        4 => {
            // The rule mints, writes and opens one more.
            let nonce = builder.state(echo?).ok()??.data.len();
            let effects = [
                Effect::Mint {
                    to: 0,
                    tag: [7; 32].into(),
                    amount,
                },
                Effect::Write {
                    fragment: 0,
                    data: vec![1; nonce + 1].into(),
                },
                Effect::Open {
                    depth: 0,
                    kind: 3,
                    controller: ECHO,
                },
            ];
            StepPlan {
                fragments: vec![Name::New, echo?],
                body: body(echo_call(&[1], &effects, vec![])),
            }
        }
        _ => {
            // The rule withdraws what it holds.
            let effects = [Effect::Withdraw {
                from: 0,
                recipient: user(0),
                token: TOKEN,
                amount: 1,
            }];
            StepPlan {
                fragments: vec![echo?],
                body: body(echo_call(&[0], &effects, vec![])),
            }
        }
    })
}

/// The plan lists the fragments the other way round.
fn swap(mut call: nthroot_protocol::Call) -> nthroot_protocol::Call {
    for number in &mut call.fragments {
        *number = 1 - *number;
    }
    call
}

fn anchors(world: &World, wanted: impl Fn(&Fragment) -> bool) -> Vec<AnchorId> {
    let anchors = world.ledger.anchors();
    anchors
        .filter(|(_, _, state)| state.known().is_some_and(|state| wanted(state.header())))
        .map(|(anchor, _, _)| anchor)
        .collect()
}

fn run(batches: Vec<Vec<Plan>>) -> Result<usize, TestCaseError> {
    let mut world = World::new();
    for number in 0..USERS {
        world.deposit(number, 1000);
    }
    let mut steps = 0;
    for (proposer, plans) in [ALICE, BOB].into_iter().cycle().zip(batches) {
        let users = anchors(&world, |state| owner(state).is_some());
        let rule = anchors(&world, |state| state.controller == ECHO);
        let mut ruled: Vec<Name> = rule.into_iter().map(Name::Anchor).collect();
        let mut builder = world.builder(proposer);
        let mut after: Vec<(u16, Fragment)> = Vec::new();
        for plan in plans {
            let Some(step) = step(&builder, &plan, &users, &ruled) else {
                continue;
            };
            let Ok(built) = builder.step(&step) else { continue };
            for (name, entry) in step.fragments.iter().zip(&built.entries) {
                let state = builder.state(Name::Entry(*entry)).unwrap().unwrap();
                if *name == Name::New && state.controller == ECHO {
                    ruled.push(Name::Entry(*entry));
                }
                after.retain(|(other, _)| other != entry);
                after.push((*entry, state));
            }
        }
        let Ok(batch) = builder.build() else { continue };
        let submitted = world.submit(proposer, &batch).unwrap();
        prop_assert_eq!(&submitted.skipped, &Vec::<u8>::new());
        let count = u16::try_from(batch.steps.len()).unwrap();
        steps += batch.steps.len();
        for (index, judgement) in (0..).zip(world.ledger.judgement(submitted.id).unwrap()) {
            prop_assert_eq!(judgement, &Judgement::Valid);
            let evidence = world.ledger.evidence(submitted.id, index).unwrap();
            let challenged = world.ledger.clone().convict(&evidence, &[]);
            prop_assert_eq!(challenged, Err(ChallengeError::StepIsValid(index)));
        }
        prop_assert_eq!(world.ledger.judgement(submitted.id).unwrap().len(), usize::from(count));
        for (entry, state) in after {
            let anchor = submitted.entries[usize::from(entry)].anchor;
            prop_assert_eq!(world.ledger.head(anchor).map(|head| head.root), Some(state.root()));
            prop_assert_eq!(world.fragment(anchor), &state);
        }
        world.advance(1);
    }
    prop_assert_eq!(world.ledger.lies(), vec![]);
    Ok(steps)
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn what_the_builder_builds_is_applied_and_valid(batches in vec(vec(plan(), 1..8), 1..5)) {
        run(batches)?;
    }
}

/// The property above is not empty.
#[test]
fn the_random_batches_have_steps_of_every_action() {
    for action in 0..6 {
        let plan = |action| Plan {
            action,
            a: index(0),
            b: index(1),
            amount: 3,
        };
        let steps = run(vec![vec![plan(3), plan(action)], vec![plan(action), plan(action)]]).unwrap();
        assert_eq!(steps, 4, "action {action}");
    }
}

/// An index that picks place `raw` of up to three.
fn index(raw: usize) -> prop::sample::Index {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    loop {
        let index = any::<prop::sample::Index>().new_tree(&mut runner).unwrap().current();
        if index.index(3) == raw {
            return index;
        }
    }
}
