//! Lies about when something happens: on states that are not the latest, twice, too early, or by one who does not own.

use nthroot_protocol::{AnchorId, Body, Root, rules::credit::CreditOp};
use nthroot_stage::posting::batch;

use crate::{
    SPECS,
    bases::Base,
    convict,
    deeds::{Deed, Scribe},
    draft::{Draft, Who},
    stands,
    world::{BIDDER, BORROWER, LENDER, World},
};

/// Somebody else was there before, in the same batch; the second step pretends that nobody was.
#[test]
fn a_step_on_a_stale_state_is_convicted() {
    for spec in SPECS {
        let world = World::new(spec);
        let mut told = 0;
        for base in Base::ALL {
            let mut world = world.clone();
            let deed = base.deed(&mut world);
            let Some(meanwhile) = base.meanwhile(&world) else {
                continue;
            };
            let alone = Draft::new(&mut world, std::slice::from_ref(&deed)).step();
            let honest = batch(&mut world, &[vec![meanwhile], vec![deed]]).expect("honest");
            stands(world.clone(), &honest, 1, &format!("{base:?}"));

            let mut lie = honest;
            let entries: Vec<AnchorId> = lie.steps[0].fresh.iter().map(|touch| touch.anchor).collect();
            let root = |anchor| -> Root {
                let mut touches = alone.fresh.iter();
                touches.find(|touch| touch.anchor == anchor).expect("touched").root
            };
            let step = &mut lie.steps[1];
            step.fresh.iter_mut().for_each(|touch| touch.root = root(touch.anchor));
            for touch in &mut step.again {
                touch.root = root(entries[usize::from(touch.entry)]);
            }
            step.opened.clone_from(&alone.opened);
            convict(world, &lie, 1, &format!("{base:?}, stale"), "Root {");
            told += 1;
        }
        assert!(told > 15, "{told} steps share something");
    }
}

/// The same signatures once more in the same batch, for a step that would be honest with new ones.
#[test]
fn a_step_that_is_repeated_is_convicted() {
    for spec in SPECS {
        let world = World::new(spec);
        let mut told = 0;
        for base in Base::ALL {
            let mut world = world.clone();
            let deed = base.deed(&mut world);
            let Some(mut twice) = batch(&mut world, &[vec![deed.clone()], vec![deed]]) else {
                continue; // it cannot happen twice
            };
            let first = Body::of(&twice.steps[0]).expect("honest");
            let mut second = Body::of(&twice.steps[1]).expect("honest");
            for (again, before) in second.calls[0]
                .authorisations
                .iter_mut()
                .zip(&first.calls[0].authorisations)
            {
                assert_eq!(again.payload, before.payload);
                again.signature = before.signature.clone();
            }
            twice.steps[1].body = second.encode().into();
            convict(world, &twice, 1, &format!("{base:?}, repeated"), "Signer {");
            told += 1;
        }
        assert!(told > 15, "{told} steps can happen twice");
    }
}

/// A bid that would be good in some blocks, now.
#[test]
fn an_auction_before_its_grace_is_over_is_convicted() {
    for spec in SPECS {
        let mut world = World::new(spec);
        let loan = world.running;
        let (market, serial) = (loan.market, loan.serial);
        let fee_at_most = u128::MAX;
        let call = CreditOp::Call {
            market,
            serial,
            fee_at_most,
        };
        world.happens(&[Deed::Credit(LENDER, call, Some(loan.at))]);
        let bid = CreditOp::Bid {
            market,
            serial,
            at_most: u128::MAX,
            at_least: 1,
        };
        let mut later = world.clone();
        later.stage.mine(6);
        let mut draft = Draft::new(&mut later, &[Deed::Credit(BIDDER, bid, Some(loan.at))]);
        stands(later.clone(), &draft.batch(&later), 0, "bid");
        let clock = world.clock();
        draft.position(|position| position.since = clock);
        draft.post_at(&mut world);
        let batch = draft.batch(&world);
        convict(world, &batch, 0, "bid before its time", "Rule(");
    }
}

/// Whoever does not hold the title does what only the owner may, while the owner merely consents to something else.
#[test]
fn only_the_owner_acts_on_a_position() {
    for spec in SPECS {
        for base in [Base::BorrowMore, Base::Repay, Base::Add, Base::Close] {
            let mut world = World::new(spec);
            let Deed::Credit(_, op, at) = base.deed(&mut world) else {
                unreachable!("about a loan")
            };
            let by = |owner, other| [Deed::Credit(owner, op, at), Deed::Account(other, Vec::new())];
            let mut draft = Draft::new(&mut world, &by(BORROWER, 0));
            stands(world.clone(), &draft.batch(&world), 0, &format!("{base:?}"));

            let (plan, _) = Scribe::new(&world).step(&by(0, BORROWER));
            let [first, second] = &mut draft.body.calls[..] else {
                unreachable!("two calls")
            };
            let owner = first.fragments.last_mut().expect("listed");
            std::mem::swap(owner, &mut second.fragments[0]);
            first.authorisations.clone_from(&plan.body.calls[0].authorisations);
            second.authorisations.clone_from(&plan.body.calls[1].authorisations);
            // What it brings goes to whoever signed, and what it takes is taken from there; but for the title.
            let [owner, other] = [BORROWER, 0].map(|user| world.home(user).clone());
            let after = draft.state(Who::User(BORROWER)).assets.clone();
            for (asset, before) in &owner.assets {
                let now = after.get(asset).copied().unwrap_or_default();
                if now > *before {
                    draft.shift(*asset, Who::User(BORROWER), Who::User(0), now - before);
                } else if now < *before && other.balance(*asset) > 0 {
                    draft.shift(*asset, Who::User(0), Who::User(BORROWER), before - now);
                }
            }
            let name = format!("{base:?} by another");
            convict(world.clone(), &draft.batch(&world), 0, &name, "call: 0, fault: Rule(");
        }
    }
}
