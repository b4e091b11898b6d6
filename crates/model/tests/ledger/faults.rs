//! Conviction, condemnation, unwinding, and the freeze while a fault is unresolved (sections 7.2, 8 and 9).

use alloy_primitives::{Address, U256};
use nthroot_model::{
    ledger::{
        BondError, ChallengeError, CondemnError, Judgement, Rollback, Unjudged, UnwindError, Unwinding, WordError,
    },
    params::ParamsError,
};
use nthroot_protocol::{AnchorId, BatchId, Status};
use proptest::{collection::vec, prelude::*};

use crate::world::{ALICE, BOB, WINDOW, World, config, spend};

const GWEI: u128 = 1_000_000_000;

#[test]
fn a_conviction_slashes_the_lock_and_pays_half_of_it() {
    let mut world = World::new();
    let [a] = world.deposits();
    let before = world.ledger.bond(ALICE).balance;
    let lie = world.lie(ALICE, &[a]);
    assert_eq!(world.ledger.lies().len(), 1);
    world.advance(WINDOW);
    let conviction = world.convict(lie, 0, false);
    assert_eq!(conviction.slashed, 10_026_000 * GWEI);
    assert_eq!(conviction.reward, conviction.slashed / 2);
    assert!(!conviction.unwound);
    assert_eq!(world.ledger.bond(ALICE).balance, before - 10_026_000);
    assert_eq!(world.ledger.bond(ALICE).total_locked(), 0);
    assert_eq!(world.ledger.lies(), vec![], "it is proved");
    let faulty = WordError::Status {
        id: lie,
        actual: Status::Faulty,
    };
    let evidence = world.ledger.evidence(lie, 0).unwrap();
    assert_eq!(world.ledger.convict(&evidence, &[]), Err(faulty.into()));
    assert_eq!(world.ledger.withdraw_bond(BOB, GWEI), Err(BondError::Frozen(lie)));
    world.unwind(lie);
    assert_eq!(world.ledger.withdraw_bond(BOB, GWEI), Ok(()));
}

#[test]
fn a_lie_cannot_be_proved_after_the_window() {
    let mut world = World::new();
    let [a] = world.deposits();
    let id = world.lie(ALICE, &[a]);
    let last = world.ledger.block() + WINDOW;
    world.advance(WINDOW + 1);
    let evidence = world.ledger.evidence(id, 0).unwrap();
    let over = ChallengeError::WindowOver {
        id,
        last,
        block: last + 1,
    };
    assert_eq!(world.ledger.convict(&evidence, &[]), Err(over));
    assert_eq!(world.ledger.lies(), vec![]);
    assert_eq!(world.ledger.lies_of(id).len(), 1);
}

#[test]
fn a_conviction_unwinds_at_once_if_it_is_given_the_entries_and_nothing_stands_above() {
    let mut world = World::new();
    let [a, b] = world.deposits();
    let anchors = world.anchors();
    let lie = world.lie(ALICE, &[a, b]);
    let evidence = world.ledger.evidence(lie, 0).unwrap();
    let mut wrong = world.entries(lie);
    wrong[0] ^= 1;
    let before = world.dump();
    assert_eq!(
        world.ledger.convict(&evidence, &wrong),
        Err(ChallengeError::Entries(lie))
    );
    assert_eq!(world.dump(), before);
    assert!(world.convict(lie, 0, true).unwound);
    assert_eq!(world.ledger.status(lie), Some(Status::Unwound));
    assert_eq!(world.ledger.oldest_fault(), None);
    assert_eq!(world.anchors(), anchors);
}

#[test]
fn a_conviction_stands_alone_if_something_stands_above() {
    let mut world = World::new();
    let [a, b] = world.deposits();
    let lie = world.lie(ALICE, &[a, b]);
    world.advance(1);
    world.lie(BOB, &[b]);
    assert!(!world.convict(lie, 0, true).unwound);
    assert_eq!(world.ledger.status(lie), Some(Status::Faulty));
    assert_eq!(world.ledger.oldest_fault(), Some(lie));
}

/// A cone two deep over different anchors: C builds on B by z, B on A by x.
struct Cone {
    world: World,
    anchors: String,
    ids: [BatchId; 3],
    names: [AnchorId; 4],
}

fn cone() -> Cone {
    let mut world = World::new();
    let names @ [x, y, z, w] = world.deposits();
    let anchors = world.anchors();
    let ids = [(ALICE, [x, y]), (BOB, [x, z]), (ALICE, [z, w])].map(|(proposer, touched)| {
        let id = world.lie(proposer, &touched);
        world.advance(1);
        id
    });
    Cone {
        world,
        anchors,
        ids,
        names,
    }
}

#[test]
fn a_cone_is_condemned_downwards_and_unwound_upwards() {
    let Cone {
        mut world,
        anchors,
        ids: [a, b, c],
        names: [x, y, z, w],
    } = cone();
    let [pa, pb, pc] = [a, b, c].map(|id| world.preimage(id));
    let [ea, eb, ec] = [a, b, c].map(|id| world.entries(id));
    let ledger = &mut world.ledger;
    let status = |id, actual| WordError::Status { id, actual };

    // Nothing is faulty yet.
    assert_eq!(ledger.condemn(&pb, &eb, 0, &pa), Err(status(a, Status::Live).into()));
    assert_eq!(ledger.unwind(&pc, &ec), Err(status(c, Status::Live).into()));
    let evidence = ledger.evidence(a, 0).unwrap();
    ledger.convict(&evidence, &ea).unwrap();

    // Downwards only.
    assert_eq!(ledger.condemn(&pc, &ec, 0, &pb), Err(status(b, Status::Live).into()));
    let not_parent = |expected, actual: AnchorId| CondemnError::NotParent {
        expected,
        actual: Some(actual.batch()),
    };
    assert_eq!(ledger.condemn(&pb, &eb, 1, &pa), Err(not_parent(a, z)));
    assert_eq!(
        ledger.condemn(&pb, &eb, 2, &pa),
        Err(CondemnError::Index { index: 2, count: 2 })
    );
    assert_eq!(ledger.condemn(&pb, &ea, 0, &pa), Err(CondemnError::Entries(b)));
    assert_eq!(
        ledger.rollbacks(),
        vec![Rollback::Condemn {
            child: b,
            index: 0,
            parent: a
        }]
    );
    assert_eq!(ledger.condemn(&pb, &eb, 0, &pa), Ok(b));
    assert_eq!(
        ledger.condemn(&pb, &eb, 0, &pa),
        Err(status(b, Status::Condemned).into())
    );
    assert_eq!(ledger.condemn(&pc, &ec, 1, &pa), Err(not_parent(a, w)));
    assert_eq!(ledger.condemn(&pc, &ec, 0, &pb), Ok(c));

    // Upwards only. Orphans pay whoever unwinds them, at 1 gwei for a unit of gas.
    let fee = (250_000 + 2 * 13_000) * GWEI;
    let unwinding = |batch, proposer, orphan_fee| Unwinding {
        batch,
        proposer,
        orphan_fee,
    };
    let not_head = |anchor, head| UnwindError::NotHead {
        anchor,
        head: Some(head),
    };
    assert_eq!(ledger.unwind(&pa, &ea), Err(not_head(x, b)));
    assert_eq!(ledger.unwind(&pb, &eb), Err(not_head(z, c)));
    assert_eq!(ledger.rollbacks(), vec![Rollback::Unwind(c)]);
    assert_eq!(ledger.unwind(&pc, &eb), Err(UnwindError::Entries(c)));
    assert_eq!(ledger.unwind(&pc, &ec), Ok(unwinding(c, ALICE, Some(fee))));
    assert_eq!(ledger.head(y).unwrap().id, a);
    assert_eq!(ledger.unwind(&pa, &ea), Err(not_head(x, b)));
    assert_eq!(ledger.unwind(&pb, &eb), Ok(unwinding(b, BOB, Some(fee))));
    assert_eq!(
        ledger.oldest_fault(),
        Some(a),
        "the fault is resolved by its own unwinding"
    );
    assert_eq!(ledger.unwind(&pa, &ea), Ok(unwinding(a, ALICE, None)));
    assert_eq!(ledger.oldest_fault(), None);
    assert_eq!(ledger.rollbacks(), vec![]);
    for (id, preimage, entries) in [(a, pa, ea), (b, pb, eb), (c, pc, ec)] {
        assert_eq!(
            ledger.unwind(&preimage, &entries),
            Err(status(id, Status::Unwound).into())
        );
    }
    assert_eq!(world.anchors(), anchors, "heads and states are what they were");
}

/// The bond pays an orphan's fee whether it is locked or not, and never more than it has.
#[test]
fn an_orphan_s_fee_leaves_its_proposer_s_bond() {
    const POOR: Address = Address::repeat_byte(0x9e);
    let mut world = World::new();
    let [x, y] = world.deposits();
    let parent = world.lie(BOB, &[x]);
    world.advance(1);
    let lock = 10_026_000 * GWEI;
    world.ledger.fund_bond(POOR, lock).unwrap();
    let child = world.lie(POOR, &[x]);
    assert_eq!(world.ledger.free_bond(POOR), 0);
    world.convict(parent, 0, false);
    world.ledger.on_condemned(child).unwrap();
    let held = world.ledger.held(Address::ZERO);
    let fee = world.ledger.on_unwound(child).unwrap().orphan_fee;
    assert_eq!(fee, Some(263_000 * GWEI));
    assert_eq!(world.ledger.bond(POOR).balance, 10_026_000 - 263_000);
    assert_eq!(world.ledger.bond(POOR).total_locked(), 10_026_000, "locks stay");
    assert_eq!(world.ledger.free_bond(POOR), 0);
    assert_eq!(held - world.ledger.held(Address::ZERO), U256::from(263_000 * GWEI));
    world.unwind(parent);

    // Once its lock is over, the orphan's bond can be used up: by another lie.
    world.advance(2 * WINDOW + 2);
    world.ledger.withdraw_bond(POOR, (10_026_000 - 263_000) * GWEI).unwrap();
    world.ledger.fund_bond(POOR, lock).unwrap();
    let lie = world.lie(BOB, &[y]);
    world.advance(1);
    let more = world.lie(POOR, &[y]);
    world.convict(lie, 0, false);
    world.ledger.on_condemned(more).unwrap();
    // A conviction of the orphan takes all there is; then it is no orphan any more.
    let conviction = world.ledger.on_convicted(more, false).unwrap();
    assert_eq!(conviction.slashed, lock);
    assert_eq!(world.ledger.on_unwound(more).unwrap().orphan_fee, None);
    assert_eq!(world.ledger.bond(POOR).balance, 0);
    let (bond, charged) = world.ledger.bond(ALICE).charge(u64::MAX);
    assert_eq!((bond.balance, charged), (0, world.ledger.bond(ALICE).balance));
}

#[test]
fn the_least_lock_pays_every_proof_and_every_orphan_s_fee() {
    let mut params = World::new().ledger.params().clone();
    for price in [1, 999, 1_000_000_000, 50_000_000_001] {
        params.insured_gas_price = price;
        let least = 12_200_000 * price;
        params.min_lock = least;
        assert_eq!(params.check(), Ok(()));
        for entries in [0, 1, 512] {
            let lock = params.lock(0, entries);
            assert!(lock > params.orphan_fee(entries), "{entries} entries at {price}");
        }
        params.min_lock = least - 1;
        let too_low = ParamsError::MinLock {
            least,
            actual: least - 1,
        };
        assert_eq!(params.check(), Err(too_low));
    }
    // Rounded down to gwei: 263,000 gas at 50.000000001 gwei.
    assert_eq!(params.orphan_fee(1), 13_150_000);
    params.insured_gas_price = u128::MAX;
    assert_eq!(params.orphan_fee(512), u64::MAX);
}

#[test]
fn events_alone_lead_to_the_same_ledger_as_the_inputs() {
    let Cone {
        mut world,
        ids: [a, b, c],
        ..
    } = cone();
    let mut follower = World {
        ledger: world.ledger.clone(),
    };
    let reward = world.convict(a, 0, true).reward;
    assert_eq!(follower.ledger.on_convicted(a, false).unwrap().reward, reward);
    while let Some(next) = world.ledger.rollbacks().first().copied() {
        match next {
            Rollback::Condemn { child, index, parent } => {
                let (child_preimage, parent) = (world.preimage(child), world.preimage(parent));
                let entries = world.entries(child);
                world.ledger.condemn(&child_preimage, &entries, index, &parent).unwrap();
                follower.ledger.on_condemned(child).unwrap();
            }
            Rollback::Unwind(id) => {
                world.unwind(id);
                follower.ledger.on_unwound(id).unwrap();
            }
        }
        assert_eq!(world.dump(), follower.dump());
    }
    for id in [a, b, c] {
        assert_eq!(world.ledger.status(id), Some(Status::Unwound));
        assert!(follower.ledger.on_convicted(id, false).is_err());
        assert!(follower.ledger.on_condemned(id).is_err());
        assert!(follower.ledger.on_unwound(id).is_err());
    }
}

#[test]
fn a_condemned_batch_can_still_be_convicted_of_a_lie_of_its_own() {
    let mut world = World::new();
    let [x, y] = world.deposits();
    let parent = world.lie(ALICE, &[x]);
    world.advance(1);
    let steps = vec![world.touch(&[x]), world.touch(&[y])];
    let batch = world.raw(BOB, steps);
    let child = world.submit(BOB, &batch).unwrap().id;
    world.convict(parent, 0, false);
    world.ledger.on_condemned(child).unwrap();
    // Nobody knows the state of x before step 0, but that of y before step 1.
    assert!(world.ledger.evidence(child, 0).is_err());
    assert_eq!(world.ledger.lies().len(), 1);
    world.convict(child, 1, true);
    assert_eq!(world.ledger.status(child), Some(Status::Unwound));
    assert_eq!(world.ledger.oldest_fault(), Some(parent));
}

#[test]
fn after_a_lie_its_anchors_are_unknown_until_it_is_unwound() {
    let mut world = World::new();
    let [x, y] = [world.deposit(0, 1000), world.deposit(1, 1000)];
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, x, Some((2, 10)), &[])).unwrap();
    builder.step(&spend(&builder, 1, y, None, &[5])).unwrap();
    let mut batch = builder.build().unwrap();
    batch.steps[0].withdrawals.push(crate::world::withdrawal(0, 1));
    batch.seal();
    let known = world.anchors();
    let submitted = world.submit(ALICE, &batch).unwrap();
    let opened = AnchorId::new(submitted.id, 1);
    for anchor in [x, opened] {
        assert!(world.ledger.state(anchor).unwrap().known().is_none());
    }
    let judgement = world.ledger.judgement(submitted.id).unwrap();
    assert!(matches!(judgement[..], [Judgement::Lie(_), Judgement::Valid]));
    assert_eq!(world.fragment(y).nonce, 1);

    world.advance(1);
    let steps = vec![world.touch(&[y]), world.touch(&[opened])];
    let child = world.raw(BOB, steps);
    let child = world.submit(BOB, &child).unwrap().id;
    let judgement = world.ledger.judgement(child).unwrap();
    assert_eq!(judgement[1], &Judgement::Unjudged(Unjudged::PreState(opened)));
    world.convict(submitted.id, 0, true);
    world.ledger.on_condemned(child).unwrap();
    world.unwind(child);
    world.unwind(submitted.id);
    assert_eq!(world.anchors(), known);
    assert_eq!(world.ledger.state(opened), None);
}

#[test]
fn unwinding_a_condemned_batch_resolves_no_fault() {
    let mut world = World::new();
    let [x, others @ ..]: [AnchorId; 6] = world.deposits();
    let parent = world.lie(ALICE, &[x]);
    world.advance(1);
    let child = world.lie(BOB, &[x]);
    for anchor in others {
        let fault = world.lie(ALICE, &[anchor]);
        world.convict(fault, 0, false);
    }
    world.convict(parent, 0, false);
    world.ledger.on_condemned(child).unwrap();
    let faults = *world.ledger.global();
    world.unwind(child);
    assert_eq!(*world.ledger.global(), faults);
    world.unwind(parent);
    assert_eq!(world.ledger.global().more, faults.more - 1);
}

proptest! {
    #![proptest_config(config(200))]

    /// Liars on anchors of their own, convicted and unwound in any order.
    #[test]
    fn the_set_of_faults_is_never_younger_than_a_plain_one(ops in vec((any::<bool>(), any::<prop::sample::Index>()), 1..40)) {
        let mut world = World::new();
        let anchors: [AnchorId; 12] = world.deposits();
        let mut live: Vec<BatchId> = anchors.iter().map(|anchor| world.lie(ALICE, &[*anchor])).collect();
        let mut faults: Vec<BatchId> = Vec::new();
        let mut overflowed = false;
        for (convict, index) in ops {
            let from = if convict { &mut live } else { &mut faults };
            if from.is_empty() {
                continue;
            }
            let id = from.remove(index.index(from.len()));
            if convict {
                world.convict(id, 0, false);
                faults.push(id);
            } else {
                world.unwind(id);
            }
            let found = world.ledger.oldest_fault();
            prop_assert_eq!(found.is_none(), faults.is_empty());
            prop_assert!(found <= faults.iter().min().copied());
            overflowed |= faults.len() > 5;
            if !overflowed {
                prop_assert_eq!(found, faults.iter().min().copied());
            }
        }
    }
}
