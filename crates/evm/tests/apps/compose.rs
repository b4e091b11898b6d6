//! Several rules in one step: all of it happens, or nothing.

use alloy::primitives::{Address, U256};
use nthroot_bindings::{Bridge, bridge::IBridge};
use nthroot_evm::Parameters;
use nthroot_model::rules::pool::PoolFailure;
use nthroot_protocol::{
    AccountOp, AssetId, FragmentId,
    rules::{
        credit::CreditOp,
        pool::{PoolOp, Side},
        swap::Fill,
    },
};

use crate::{
    SPECS,
    bases::gold,
    convict,
    deeds::{Deed, intent},
    draft::{Draft, Who},
    stage::{ETHER, MALLORY},
    stands,
    world::{BORROWER, DEBTOR, Loan, World},
};

/// Who is paid in the end.
const RECIPIENT: Address = Address::repeat_byte(0x77);

/// A debtor without ether sells gold in the pool, pays the debt with what that brings, and withdraws the rest.
pub(crate) fn way_out(world: &World) -> Result<[Deed; 3], PoolFailure> {
    let amount = 60 * ETHER;
    let Loan { market, serial, at } = world.poor;
    let bought = world.liquidity().quote_sell(Side::One, amount)?;
    let sell = PoolOp::Sell {
        pool: world.pool,
        side: Side::One,
        amount,
        at_least: bought,
    };
    let repay = CreditOp::Repay {
        market,
        serial,
        at_most: bought,
        taken: 0,
    };
    let withdraw = AccountOp::Withdraw {
        recipient: RECIPIENT,
        token: Address::ZERO,
        amount: bought - world.debt(world.poor),
    };
    Ok([
        Deed::Pool(vec![(DEBTOR, sell)]),
        Deed::Credit(DEBTOR, repay, Some(at)),
        Deed::Account(DEBTOR, vec![withdraw]),
    ])
}

/// The fragments of that step, and what they were before.
fn parties(world: &World) -> [(Who, FragmentId); 4] {
    [
        (Who::User(DEBTOR), world.homes[DEBTOR]),
        (Who::Pool, world.pool),
        (Who::Market, world.market),
        (Who::Position, world.poor.at),
    ]
}

#[test]
fn a_step_across_three_rules_is_valid_and_its_withdrawal_is_paid() {
    for spec in SPECS {
        let mut world = World::new(spec);
        assert_eq!(world.home(DEBTOR).balance(AssetId::ETH), 0);
        let deeds = way_out(&world).expect("a price");
        let left = deeds[2].clone();
        let draft = Draft::new(&mut world, &deeds);
        // One signature for each call, with nonces in sequence.
        let first = world.home(DEBTOR).nonce;
        let nonces = draft.signed.iter().map(|signed| {
            assert_eq!(signed.len(), 1);
            signed[0].1.nonce
        });
        assert_eq!(nonces.collect::<Vec<_>>(), [first, first + 1, first + 2]);
        let batch = draft.batch(&world);
        stands(world.clone(), &batch, 0, "three rules");

        let id = world.stage.post(MALLORY, &batch);
        let Deed::Account(_, ops) = left else {
            unreachable!("it withdraws")
        };
        let [AccountOp::Withdraw { amount, .. }] = ops[..] else {
            unreachable!("once")
        };
        let claim = world.stage.ledger.claims(id).expect("kept").swap_remove(0);
        assert_eq!(
            (claim.withdrawal.recipient, claim.withdrawal.amount),
            (RECIPIENT, amount)
        );
        let call = Bridge::claimCall {
            preimage: world.stage.ledger.preimage(id).expect("kept").encode().into(),
            position: U256::from(claim.position),
            withdrawal: IBridge::Withdrawal {
                recipient: RECIPIENT,
                token: Address::ZERO,
                amount,
            },
            siblings: claim.siblings.concat().into(),
        };
        let early = world.stage.l1.send(MALLORY, &call).expect("sent");
        assert!(
            early.error::<Bridge::NotFinal>().is_some(),
            "not before it is final: {}",
            early.output
        );
        world.stage.mine(Parameters::default().window + 1);
        let receipt = world.stage.l1.send(MALLORY, &call).expect("sent");
        assert!(receipt.success, "{}", receipt.output);
        assert_eq!(world.stage.l1.chain.balance(RECIPIENT), U256::from(amount));

        // The debtor has neither debt nor title, the position nothing, and the collateral is the debtor's again.
        let title = world.title(world.poor);
        let (before, after) = (draft.state(Who::User(DEBTOR)), world.home(DEBTOR));
        assert_eq!(before, after, "as the step said");
        assert_eq!((after.balance(AssetId::ETH), after.balance(title)), (0, 0));
        assert_eq!(world.position(world.poor).principal, 0);
        assert!(world.fragment(world.poor.at).assets.is_empty());
    }
}

/// Each call is made invalid, once by its signature and once by what it asks for; and the step says either what it would do
/// otherwise, or what the other calls do without it.
#[test]
fn with_an_invalid_call_nothing_of_the_step_is_true() {
    for spec in SPECS {
        let mut world = World::new(spec);
        let deeds = way_out(&world).expect("a price");
        let honest = Draft::new(&mut world, &deeds);
        for call in 0..deeds.len() {
            let reason = format!("call: {call}, ");
            let others: Vec<Deed> = (0..deeds.len())
                .filter(|other| *other != call)
                .map(|other| deeds[other].clone())
                .collect();
            // Without the sale there is nothing to pay with.
            let without = (call > 0).then(|| Draft::new(&mut world, &others));
            for unsigned in [true, false] {
                let mut lie = honest.clone();
                if unsigned {
                    lie.sign_as(&world, (call, 0), BORROWER);
                } else {
                    asks_too_much(&mut lie, &world, &deeds[call], call);
                }
                let name = format!("call {call} invalid, unsigned: {unsigned}");
                convict(world.clone(), &lie.batch(&world), 0, &name, &reason);
                if let Some(without) = &without {
                    lie.claim(&world, without, &parties(&world));
                    let name = format!("{name}, and left out");
                    convict(world.clone(), &lie.batch(&world), 0, &name, &reason);
                }
            }
        }
    }
}

/// Has a call ask for a unit more than there is.
fn asks_too_much(lie: &mut Draft, world: &World, deed: &Deed, call: usize) {
    let more = match deed.clone() {
        Deed::Pool(mut ops) => {
            if let PoolOp::Sell { at_least, .. } = &mut ops[0].1 {
                *at_least += 1;
            }
            Deed::Pool(ops)
        }
        // Then more is left than the collateral covers that is not taken.
        Deed::Credit(user, CreditOp::Repay { market, serial, .. }, at) => {
            let repay = CreditOp::Repay {
                market,
                serial,
                at_most: ETHER,
                taken: 100 * ETHER,
            };
            Deed::Credit(user, repay, at)
        }
        Deed::Account(user, mut ops) => {
            if let AccountOp::Withdraw { amount, .. } = &mut ops[0] {
                *amount += 1;
            }
            Deed::Account(user, ops)
        }
        other => other,
    };
    let (_, request) = world.requests(&more).swap_remove(0);
    lie.ask(world, (call, 0), &request);
}

/// In any order in which the sale is not first, each call signed for its place, though the end is the honest one's to the unit.
#[test]
fn nothing_is_spent_before_it_is_there() {
    for spec in SPECS {
        let mut world = World::new(spec);
        let deeds = way_out(&world).expect("a price");
        let honest = Draft::new(&mut world, &deeds);
        for order in [[1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut lie = honest.clone();
            lie.reorder(&world, &order);
            let name = format!("in the order {order:?}");
            // A meaning stands before what the rules take; withdrawals have none.
            let effect = u8::from(order[0] != 2);
            let reason = format!("call: 0, fault: Effect {{ effect: {effect}, fault: Balance {{");
            convict(world.clone(), &lie.batch(&world), 0, &name, &reason);
        }
        // To withdraw the rest before the debt is paid from the other part is as good.
        let mut other = honest.clone();
        other.reorder(&world, &[0, 2, 1]);
        stands(world.clone(), &other.batch(&world), 0, "sold, withdrawn, repaid");
    }
}

/// Borrows, sells what was borrowed in part, and repays with the rest: in the end the old collateral would cover the debt, and
/// still the loan in between takes collateral of its own.
fn round(world: &World, added: u128) -> [Deed; 3] {
    let Loan { market, serial, at } = world.poor;
    let borrow = CreditOp::Borrow {
        market,
        serial,
        added,
        amount: 40 * ETHER,
    };
    let sell = PoolOp::Sell {
        pool: world.pool,
        side: Side::Zero,
        amount: 10 * ETHER,
        at_least: ETHER,
    };
    let repay = CreditOp::Repay {
        market,
        serial,
        at_most: 30 * ETHER,
        taken: added,
    };
    [
        Deed::Credit(DEBTOR, borrow, Some(at)),
        Deed::Pool(vec![(DEBTOR, sell)]),
        Deed::Credit(DEBTOR, repay, Some(at)),
    ]
}

#[test]
fn a_loan_within_a_step_takes_collateral() {
    for spec in SPECS {
        let mut world = World::new(spec);
        let deeds = round(&world, 50 * ETHER);
        let honest = Draft::new(&mut world, &deeds);
        stands(world.clone(), &honest.batch(&world), 0, "with collateral");

        let mut lie = honest.clone();
        for (call, deed) in round(&world, 0).iter().enumerate() {
            let (_, request) = world.requests(deed).swap_remove(0);
            lie.ask(&world, (call, 0), &request);
        }
        // What is added and taken again leaves no trace: the end is the same.
        convict(
            world.clone(),
            &lie.batch(&world),
            0,
            "without collateral",
            "call: 0, fault: Rule(",
        );

        // Selling what one is going to borrow, and paying with it.
        for (order, reason) in [
            ([1, 0, 2], "call: 0, fault: Effect { effect: 1, fault: Balance {"),
            ([2, 0, 1], "call: 0, fault: "),
        ] {
            let mut lie = honest.clone();
            lie.reorder(&world, &order);
            let name = format!("in the order {order:?}");
            convict(world.clone(), &lie.batch(&world), 0, &name, reason);
        }
    }
}

/// A market maker buys a position by its title, pays its debt, and sells the collateral: three rules, one step.
pub(crate) fn take_over(world: &World) -> [Deed; 3] {
    let Loan { market, serial, at } = world.running;
    let (title, price) = (world.title(world.running), 25 * ETHER);
    let owner = intent(&[(title, 1)], &[(AssetId::ETH, price)]);
    let maker = intent(&[(AssetId::ETH, price)], &[(title, 1)]);
    let fill = Fill::new(Vec::new(), &[(0, 1, title, 1), (1, 0, AssetId::ETH, price)]);
    let repay = CreditOp::Repay {
        market,
        serial,
        at_most: 30 * ETHER,
        taken: 0,
    };
    let sell = PoolOp::Sell {
        pool: world.pool,
        side: Side::One,
        amount: 100 * ETHER,
        at_least: ETHER,
    };
    [
        Deed::Swap(vec![(BORROWER, owner), (0, maker)], fill),
        Deed::Credit(0, repay, Some(at)),
        Deed::Pool(vec![(0, sell)]),
    ]
}

#[test]
fn a_position_is_taken_over_by_a_swap_of_its_title() {
    for spec in SPECS {
        let mut world = World::new(spec);
        let deeds = take_over(&world);
        let title = world.title(world.running);

        // The title alone, against payment.
        let mut handed = Draft::new(&mut world, &deeds[..1]);
        stands(world.clone(), &handed.batch(&world), 0, "title for ether");
        assert_eq!(handed.state(Who::User(0)).balance(title), 1);
        handed.shift(title, Who::User(0), Who::User(BORROWER), 1);
        convict(world.clone(), &handed.batch(&world), 0, "title kept", "Root {");

        // And what only its owner may do, in the same step.
        let honest = Draft::new(&mut world, &deeds);
        stands(world.clone(), &honest.batch(&world), 0, "position taken over");
        let collateral = world.fragment(world.running.at).balance(gold(&world));
        assert_eq!(collateral, 100 * ETHER);
        assert_eq!(
            honest.state(Who::User(0)).balance(gold(&world)),
            world.home(0).balance(gold(&world))
        );

        let mut early = honest.clone();
        early.reorder(&world, &[1, 0, 2]);
        convict(
            world.clone(),
            &early.batch(&world),
            0,
            "paid before it is owned",
            "call: 0, fault: Rule(",
        );
        let mut unpaid = honest.clone();
        unpaid.sign_as(&world, (0, 1), 5);
        convict(
            world.clone(),
            &unpaid.batch(&world),
            0,
            "taken without the maker's payment",
            "call: 0, ",
        );
        let mut back = honest;
        back.shift(AssetId::ETH, Who::User(BORROWER), Who::User(0), 25 * ETHER);
        convict(world.clone(), &back.batch(&world), 0, "title for nothing", "Root {");
    }
}
