//! Each condition on an effect (section 6.3).

use alloy_primitives::Address;
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    kernel::Failure,
};
use nthroot_protocol::{AccountOp, AssetId, Effect, KeyError, Lease};

use crate::{
    scene::Scene,
    world::{
        ACCOUNT, CLOCK, Consent, ETH, PUPPET, TAG, TOKEN, account, gold, holder, leased, open, owned, puppet, ruled,
        set_controller, set_lease, transfer, usd, with, write,
    },
};

const RECIPIENT: Address = Address::repeat_byte(0x44);

fn mint(to: u8, amount: u128) -> Effect {
    Effect::Mint { to, tag: TAG, amount }
}

fn burn(from: u8, amount: u128) -> Effect {
    Effect::Burn { from, tag: TAG, amount }
}

fn withdraw(from: u8, recipient: Address, token: Address, amount: u128) -> Effect {
    Effect::Withdraw {
        from,
        recipient,
        token,
        amount,
    }
}

fn asset(n: u8) -> AssetId {
    AssetId::token(Address::repeat_byte(n))
}

/// Position 0 is key 1's and lets go 80 ETH and the largest amount of gold; positions 1 and 2 are the puppet's, of which
/// 2 holds 32 assets. Two anchors are opened.
fn scene(effects: &[Effect]) -> Scene {
    let full: Vec<(AssetId, u128)> = (101..=132).map(|n| (asset(n), 7)).collect();
    let consent = Consent::of(1).outflow(ETH, 80).outflow(gold(), u128::MAX);
    Scene::new()
        .fresh(1, owned(1, &[(ETH, 100), (usd(), 50), (gold(), 9)]))
        .fresh(9, ruled(&[(ETH, 10), (usd(), u128::MAX), (gold(), 5)]))
        .fresh(10, ruled(&full))
        .opening(2)
        .call(with(puppet(&[0, 1, 2], effects), 0, &consent))
}

/// The last of the effects breaks this condition, and no earlier one breaks any.
#[track_caller]
fn check(effects: &[Effect], fault: EffectFault) {
    let effect = effects.len() - 1;
    let fault = CallFault::Effect { effect, fault };
    assert_eq!(
        scene(effects).execute(),
        Err(Failure::Invalid(Invalid::Call { call: 0, fault }))
    );
}

/// These effects are applied.
#[track_caller]
fn check_applied(effects: &[Effect]) {
    let mut effects = effects.to_vec();
    let opened = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Open { .. }))
        .count();
    effects.extend([write(1, b"changed"), write(2, b"changed")]);
    let mut scene = scene(&effects);
    scene.opened = opened;
    scene.execute().unwrap();
}

#[test]
fn positions_are_listed_or_opened_so_far() {
    let fault = |position, positions| EffectFault::Position { position, positions };
    check(&[transfer(3, 0, ETH, 1)], fault(3, 3));
    check(&[transfer(0, 3, ETH, 1)], fault(3, 3));
    check(&[mint(255, 1)], fault(255, 3));
    check(&[burn(3, 1)], fault(3, 3));
    check(&[write(3, b"")], fault(3, 3));
    check(&[withdraw(3, RECIPIENT, TOKEN, 1)], fault(3, 3));
    check(&[open(3, PUPPET), transfer(0, 4, ETH, 1)], fault(4, 4));
    check_applied(&[open(3, PUPPET), transfer(0, 3, ETH, 1)]);
}

#[test]
fn a_move_goes_somewhere_else() {
    check(&[transfer(0, 0, ETH, 1)], EffectFault::SelfMove { position: 0 });
    check(&[transfer(1, 1, ETH, 1)], EffectFault::SelfMove { position: 1 });
}

#[test]
fn no_amount_is_zero() {
    let fault = EffectFault::ZeroAmount;
    check(&[transfer(0, 1, ETH, 0)], fault.clone());
    check(&[mint(0, 0)], fault.clone());
    check(&[burn(0, 0)], fault.clone());
    check(&[withdraw(0, RECIPIENT, TOKEN, 0)], fault);
}

#[test]
fn nothing_is_taken_from_or_written_to_what_was_opened_for_a_key() {
    let fault = EffectFault::NoAuthority { position: 3 };
    let opened = [open(1, holder(2)), transfer(1, 3, ETH, 2), mint(3, 2)];
    for effect in [
        transfer(3, 1, ETH, 1),
        burn(3, 1),
        write(3, b"spam"),
        withdraw(3, RECIPIENT, Address::ZERO, 1),
    ] {
        check(&[opened.as_slice(), &[effect]].concat(), fault.clone());
    }
    check_applied(&opened);
}

#[test]
fn a_debit_is_at_most_the_balance() {
    let fault = |position, asset, balance, amount| EffectFault::Balance {
        position,
        asset,
        balance,
        amount,
    };
    check(&[transfer(1, 0, ETH, 11)], fault(1, ETH, 10, 11));
    check(&[burn(1, 6)], fault(1, gold(), 5, 6));
    check(&[withdraw(1, RECIPIENT, Address::ZERO, 11)], fault(1, ETH, 10, 11));
    check(&[transfer(1, 0, asset(200), 1)], fault(1, asset(200), 0, 1));
    check(&[transfer(1, 0, ETH, 10), transfer(1, 0, ETH, 1)], fault(1, ETH, 0, 1));
    check_applied(&[transfer(1, 0, ETH, 10), burn(1, 5)]);
}

#[test]
fn the_debits_of_a_call_are_at_most_the_signed_outflow() {
    let fault = |asset, left, amount| EffectFault::Outflow {
        position: 0,
        asset,
        left,
        amount,
    };
    check(&[transfer(0, 1, ETH, 81)], fault(ETH, 80, 81));
    check(&[withdraw(0, RECIPIENT, TOKEN, 1)], fault(usd(), 0, 1));
    check(
        &[
            transfer(0, 1, ETH, 50),
            transfer(1, 0, ETH, 50),
            withdraw(0, RECIPIENT, Address::ZERO, 31),
        ],
        fault(ETH, 30, 31),
    );
    // The sum of debits passes 2^128 without passing for small.
    let most = u128::MAX - 9;
    let round = [mint(0, most), burn(0, u128::MAX), mint(0, 1), burn(0, 1)];
    check(&round, fault(gold(), 0, 1));
    check_applied(&[transfer(0, 1, ETH, 50), transfer(0, 1, ETH, 30)]);
}

#[test]
fn a_credit_stays_below_2_to_the_128() {
    let fault = |asset, balance, amount| EffectFault::Overflow {
        position: 1,
        asset,
        balance,
        amount,
    };
    check(&[mint(1, u128::MAX - 4)], fault(gold(), 5, u128::MAX - 4));
    check_applied(&[mint(1, u128::MAX - 5)]);
}

#[test]
fn a_fragment_holds_at_most_32_assets() {
    let fault = |asset| EffectFault::TooManyAssets { position: 2, asset };
    check(&[transfer(1, 2, ETH, 1)], fault(ETH));
    check(&[mint(2, 1)], fault(gold()));
    // An asset that falls to zero makes room.
    check_applied(&[transfer(2, 1, asset(101), 7), mint(2, 1)]);
    check(&[transfer(2, 1, asset(101), 6), mint(2, 1)], fault(gold()));
}

#[test]
fn data_has_at_most_2048_bytes() {
    check(&[write(1, &[1; 2_049])], EffectFault::DataLength { length: 2_049 });
    let mut scene = scene(&[write(1, &[1; 2_048]), write(2, b"changed")]);
    scene.opened = 0;
    scene.execute().unwrap();
}

#[test]
fn a_key_or_a_fragment_of_the_same_rule_is_opened() {
    let other = Address::repeat_byte(0x33);
    for kind in [0, 4, 0x81, 0x83, 255] {
        check(&[open(kind, other)], EffectFault::Key(KeyError::Kind(kind)));
    }
    for kind in [1, 2] {
        check(&[open(kind, Address::ZERO)], EffectFault::Key(KeyError::ZeroController));
    }
    let elsewhere = |controller| EffectFault::OpenUnderOtherRule {
        controller,
        rule: PUPPET,
    };
    check(&[open(3, other)], elsewhere(other));
    check(&[open(3, Address::ZERO)], elsewhere(Address::ZERO));
    check_applied(&[open(3, PUPPET), open(1, other), open(2, other)]);
}

#[test]
fn no_more_is_opened_than_the_step_says() {
    let opens = [open(1, holder(2)), open(1, holder(2)), open(1, holder(2))];
    check(&opens, EffectFault::NothingToOpen);
}

#[test]
fn nobody_withdraws_to_the_zero_address() {
    check(&[withdraw(1, Address::ZERO, TOKEN, 1)], EffectFault::ZeroRecipient);
}

#[test]
fn a_step_withdraws_at_most_15_times() {
    let effects = vec![withdraw(1, RECIPIENT, TOKEN, 1); 16];
    check(&effects, EffectFault::TooManyWithdrawals);
    check_applied(&effects[..15]);
}

#[test]
fn a_rule_hands_over_what_is_its_own_and_never_what_is_a_keys() {
    check_applied(&[set_controller(1, 1, holder(4)), set_controller(2, 2, holder(4))]);
    check(&[set_controller(0, 1, holder(4))], EffectFault::KeysOwn { position: 0 });
    check(&[set_lease(0, holder(4), CLOCK)], EffectFault::KeysOwn { position: 0 });
    // Once it was handed over it is a key's; the call can go on to debit it, but not to take it back.
    let handed = set_controller(1, 1, holder(4));
    check_applied(&[handed.clone(), transfer(1, 0, ETH, 1)]);
    for again in [set_controller(1, 2, holder(4)), set_lease(1, holder(4), CLOCK)] {
        check(&[handed.clone(), again], EffectFault::KeysOwn { position: 1 });
    }
    // What it has just opened under itself, too.
    check_applied(&[open(3, PUPPET), set_controller(3, 1, holder(4))]);
    let none = EffectFault::NoAuthority { position: 3 };
    check(&[open(1, holder(2)), set_controller(3, 1, holder(4))], none.clone());
    check(&[open(1, holder(2)), set_lease(3, holder(4), CLOCK)], none);
}

#[test]
fn a_controller_is_set_to_a_key() {
    for kind in [0, 3, 4, 0x81, 255] {
        check(
            &[set_controller(1, kind, PUPPET)],
            EffectFault::Key(KeyError::Kind(kind)),
        );
    }
    let zero = EffectFault::Key(KeyError::ZeroController);
    check(&[set_controller(1, 2, Address::ZERO)], zero);
}

#[test]
fn a_lease_has_a_holder_and_ends_within_64_blocks_of_the_clock() {
    for last_block in [1, CLOCK, CLOCK + 64] {
        check_applied(&[set_lease(1, holder(4), last_block)]);
    }
    check_applied(&[set_lease(1, holder(4), CLOCK), set_lease(1, Address::ZERO, 0)]);
    let most = CLOCK + 64;
    for last_block in [most + 1, u64::MAX] {
        check(
            &[set_lease(1, holder(4), last_block)],
            EffectFault::LeaseTooLong { last_block, most },
        );
    }
    for (holder, last_block) in [(holder(4), 0), (Address::ZERO, CLOCK)] {
        check(
            &[set_lease(1, holder, last_block)],
            EffectFault::HalfLease { holder, last_block },
        );
    }
    check(
        &[set_lease(3, holder(4), CLOCK)],
        EffectFault::Position {
            position: 3,
            positions: 3,
        },
    );
}

#[test]
fn a_lease_stands_in_leaf_0() {
    let scene = |position| {
        Scene::new()
            .cohort(9, 3, ruled(&[]), &[(5, Some(ruled(&[])))])
            .call(puppet(
                &[0, 1],
                &[write(0, b"a"), write(1, b"b"), set_lease(position, holder(4), CLOCK)],
            ))
    };
    let states = scene(0).execute().unwrap().states;
    assert_eq!(
        states[0].lease,
        Some(Lease {
            holder: holder(4),
            last_block: CLOCK
        })
    );
    let fault = CallFault::Effect {
        effect: 2,
        fault: EffectFault::NotHeader { position: 1 },
    };
    assert_eq!(
        scene(1).execute(),
        Err(Failure::Invalid(Invalid::Call { call: 0, fault }))
    );
}

/// Through the Account rule a key sets its own, whatever it is called in the batch's table.
#[test]
fn a_key_sets_its_own_controller_and_lease() {
    let ops = [
        AccountOp::SetLease {
            holder: holder(7),
            last_block: CLOCK + 64,
        },
        AccountOp::SetController {
            kind: 1,
            controller: holder(2),
        },
    ];
    let consent = Consent::of(1).ops(&ops);
    for rule in [0, 4] {
        let mut call = account(&[0]);
        (call.rule, call.authorisations) = (rule, vec![consent.sign(ACCOUNT, 0)]);
        let mut scene = Scene::new().fresh(1, owned(1, &[(ETH, 5)])).call(call);
        scene.terms.rules.push(ACCOUNT);
        let mut after = leased(owned(2, &[(ETH, 5)]), holder(7), CLOCK + 64);
        after.nonce = 1;
        assert_eq!(scene.execute().unwrap().states, [after]);
    }
}
