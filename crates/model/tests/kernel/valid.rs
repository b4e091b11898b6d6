//! What valid steps do.

use alloy_primitives::Address;
use nthroot_model::{
    kernel::Verdict,
    rule::{AuthorisationView, Context, FragmentView, RuleFailure},
};
use nthroot_protocol::{AccountOp, AssetId, Effect, Fragment, FragmentId, Kind, Withdrawal};

use crate::{
    scene::Scene,
    world::{
        ACCOUNT, CLOCK, Consent, ETH, PROPOSER, PUPPET, Returned, TAG, TOKEN, account, anchor, call, fragment, gold,
        holder, new_anchor, open, owned, puppet, ruled, transfer, usd, with, write,
    },
};

/// The calls leave these fragments and withdrawals, and the step that says so is valid.
fn check(scene: &Scene, states: &[Fragment], withdrawals: &[Withdrawal]) {
    let outcome = scene.execute().unwrap();
    assert_eq!(outcome.states, states);
    assert_eq!(outcome.withdrawals, withdrawals);
    assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome)));
}

fn after(mut fragment: Fragment, nonce: u64) -> Fragment {
    fragment.nonce = nonce;
    fragment
}

fn with_data(mut fragment: Fragment, data: &[u8]) -> Fragment {
    fragment.data = data.to_vec().into();
    fragment
}

fn pay(n: u16, asset: AssetId, amount: u128) -> AccountOp {
    AccountOp::Pay {
        to: anchor(n).fragment(),
        asset,
        amount,
    }
}

fn open_for(n: u8, amounts: &[u128]) -> AccountOp {
    AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: holder(n),
        assets: amounts.iter().map(|amount| (ETH, *amount)).collect(),
    }
}

#[test]
fn a_payment_moves_the_amount_and_uses_the_nonces_of_both() {
    let consent = Consent::of(1).outflow(ETH, 30).ops(&[pay(2, ETH, 30)]);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .fresh(2, owned(2, &[(usd(), 5)]))
        .call(with(with(account(&[0, 1]), 0, &consent), 1, &Consent::of(2)));
    let states = [
        after(owned(1, &[(ETH, 70)]), 1),
        after(owned(2, &[(ETH, 30), (usd(), 5)]), 1),
    ];
    check(&scene, &states, &[]);
}

#[test]
fn a_payment_to_somebody_without_consent_opens_a_fragment() {
    let consent = Consent::of(1).outflow(ETH, 30).ops(&[open_for(2, &[30])]);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .opening(1)
        .call(with(account(&[0]), 0, &consent));
    check(&scene, &[after(owned(1, &[(ETH, 70)]), 1), owned(2, &[(ETH, 30)])], &[]);
}

#[test]
fn several_operations_need_one_signature_and_one_nonce() {
    let ops = [pay(2, ETH, 10), pay(2, usd(), 20), pay(2, ETH, 5)];
    let consent = Consent::of(1).outflow(ETH, 15).outflow(usd(), 20).ops(&ops);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100), (usd(), 20)]))
        .fresh(2, owned(2, &[]))
        .call(with(with(account(&[1, 0]), 0, &Consent::of(2)), 1, &consent));
    let states = [
        after(owned(1, &[(ETH, 85)]), 1),
        after(owned(2, &[(ETH, 15), (usd(), 20)]), 1),
    ];
    check(&scene, &states, &[]);
}

#[test]
fn a_fragment_splits_by_opening_for_its_own_key() {
    let consent = Consent::of(1)
        .outflow(ETH, 60)
        .ops(&[open_for(1, &[10]), open_for(1, &[20, 30]), open_for(1, &[])]);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .opening(3)
        .call(with(account(&[0]), 0, &consent));
    let states = [
        after(owned(1, &[(ETH, 40)]), 1),
        owned(1, &[(ETH, 10)]),
        owned(1, &[(ETH, 50)]),
        owned(1, &[]),
    ];
    check(&scene, &states, &[]);
}

#[test]
fn fragments_merge_by_paying_one_of_them() {
    let second = Consent {
        anchor: anchor(3),
        ..Consent::of(1).outflow(ETH, 9).ops(&[pay(1, ETH, 9)])
    };
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 1)]))
        .fresh(3, owned(1, &[(ETH, 9)]))
        .call(with(with(account(&[0, 1]), 0, &Consent::of(1)), 1, &second));
    check(
        &scene,
        &[after(owned(1, &[(ETH, 10)]), 1), after(owned(1, &[]), 1)],
        &[],
    );
}

#[test]
fn withdrawals_stand_in_the_order_in_which_they_are_produced() {
    let withdrawal = |recipient: u8, token: Address, amount: u128| Withdrawal {
        recipient: Address::repeat_byte(recipient),
        token,
        amount,
    };
    let op = |w: &Withdrawal| AccountOp::Withdraw {
        recipient: w.recipient,
        token: w.token,
        amount: w.amount,
    };
    let withdrawals = [
        withdrawal(5, Address::ZERO, 40),
        withdrawal(6, TOKEN, 7),
        withdrawal(5, Address::ZERO, 60),
    ];
    let [a, b, c] = withdrawals.each_ref().map(op);
    let first = Consent::of(1).outflow(ETH, 40).outflow(usd(), 7).ops(&[a, b]);
    let second = Consent::of(1).nonce(1).outflow(ETH, 60).ops(&[c]);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100), (usd(), 7)]))
        .call(with(account(&[0]), 0, &first))
        .call(with(account(&[0]), 0, &second));
    check(&scene, &[after(owned(1, &[]), 2)], &withdrawals);
}

#[test]
fn a_rule_mints_burns_and_writes_what_is_its_own() {
    let effects = [
        Effect::Mint {
            to: 0,
            tag: TAG,
            amount: 50,
        },
        Effect::Mint {
            to: 1,
            tag: TAG,
            amount: 8,
        },
        Effect::Burn {
            from: 1,
            tag: TAG,
            amount: 20,
        },
        write(1, b"ledger"),
        write(0, b"note"),
    ];
    let scene = Scene::new()
        .fresh(1, owned(1, &[]))
        .fresh(9, ruled(&[(gold(), 12)]))
        .call(with(puppet(&[0, 1], &effects), 0, &Consent::of(1)));
    let states = [
        with_data(after(owned(1, &[(gold(), 50)]), 1), b"note"),
        with_data(ruled(&[]), b"ledger"),
    ];
    check(&scene, &states, &[]);
}

#[test]
fn a_rule_opens_under_itself_and_uses_what_it_opened_at_once() {
    let effects = [
        open(3, PUPPET),
        transfer(0, 1, ETH, 10),
        write(1, b"pool"),
        transfer(1, 0, ETH, 4),
        open(1, holder(2)),
        transfer(1, 2, ETH, 1),
    ];
    let scene = Scene::new()
        .fresh(9, ruled(&[(ETH, 10)]))
        .opening(2)
        .call(puppet(&[0], &effects));
    let states = [
        ruled(&[(ETH, 4)]),
        with_data(ruled(&[(ETH, 5)]), b"pool"),
        owned(2, &[(ETH, 1)]),
    ];
    check(&scene, &states, &[]);
}

#[test]
fn a_later_call_lists_what_an_earlier_one_opened() {
    let scene = Scene::new()
        .fresh(9, ruled(&[(ETH, 10)]))
        .opening(2)
        .call(puppet(
            &[0],
            &[open(3, PUPPET), open(3, PUPPET), transfer(0, 2, ETH, 7)],
        ))
        .call(puppet(&[2, 1], &[transfer(0, 1, ETH, 3)]));
    check(
        &scene,
        &[ruled(&[(ETH, 3)]), ruled(&[(ETH, 3)]), ruled(&[(ETH, 4)])],
        &[],
    );
}

#[test]
fn a_call_works_on_what_earlier_calls_left() {
    let first = Consent::of(1).outflow(ETH, 5);
    let second = Consent::of(1).nonce(1).outflow(ETH, 5);
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 10)]))
        .fresh(9, ruled(&[]))
        .call(with(puppet(&[0, 1], &[transfer(0, 1, ETH, 5)]), 0, &first))
        .call(with(puppet(&[1, 0], &[transfer(1, 0, ETH, 5)]), 1, &second));
    check(&scene, &[after(owned(1, &[]), 2), ruled(&[(ETH, 10)])], &[]);
}

#[test]
fn consent_alone_is_a_change() {
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 10)]))
        .call(with(account(&[0]), 0, &Consent::of(1)));
    check(&scene, &[after(owned(1, &[(ETH, 10)]), 1)], &[]);
}

#[test]
fn a_repeated_touch_of_an_older_anchor_can_authorise() {
    let scene =
        Scene::new()
            .again(anchor(1), after(owned(1, &[]), 4))
            .call(with(account(&[0]), 0, &Consent::of(1).nonce(4)));
    check(&scene, &[after(owned(1, &[]), 5)], &[]);
}

#[test]
fn the_outflow_counts_debits_and_not_the_balance() {
    // 6 leave, 4 come back, 4 leave: 10 are signed, though only 6 are gone.
    let effects = [transfer(0, 1, ETH, 6), transfer(1, 0, ETH, 4), transfer(0, 1, ETH, 4)];
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 6)]))
        .fresh(9, ruled(&[]))
        .call(with(puppet(&[0, 1], &effects), 0, &Consent::of(1).outflow(ETH, 10)));
    check(&scene, &[after(owned(1, &[]), 1), ruled(&[(ETH, 6)])], &[]);
}

#[test]
fn a_rule_table_may_name_the_account_rule_too() {
    let consent = Consent::of(1);
    let mut listed = account(&[0]);
    listed.rule = 4;
    listed.authorisations = vec![consent.sign(ACCOUNT, 0)];
    let mut scene = Scene::new().fresh(1, owned(1, &[])).call(listed);
    scene.terms.rules.push(ACCOUNT);
    check(&scene, &[after(owned(1, &[]), 1)], &[]);
}

#[test]
fn a_rule_sees_the_clock_the_proposer_and_the_listed_fragments_in_order() {
    let spy = Address::repeat_byte(0x59);
    let mut own = fragment(Kind::Rule, spy, &[(ETH, 3), (usd(), 4)]);
    own.nonce = 6;
    own.data = b"data".to_vec().into();
    let signer = after(owned(1, &[(gold(), 2)]), 9);

    let seen = move |context: &Context,
                     fragments: &[FragmentView],
                     authorisations: &[AuthorisationView],
                     extra: &[u8]|
          -> Returned {
        let expected_context = Context {
            clock: CLOCK,
            proposer: PROPOSER,
        };
        let expected_fragments = [
            FragmentView {
                // Opened in this batch.
                id: FragmentId::ZERO,
                kind: Kind::Rule,
                controller: spy,
                assets: vec![(ETH, 3), (usd(), 4)],
                data: b"data".to_vec(),
            },
            FragmentView {
                id: anchor(1).fragment(),
                kind: Kind::Secp256k1,
                controller: holder(1),
                assets: vec![(gold(), 2)],
                data: Vec::new(),
            },
        ];
        let expected_authorisations = [AuthorisationView {
            fragment: 1,
            payload: b"please".to_vec(),
        }];
        let same = *context == expected_context
            && fragments == expected_fragments
            && authorisations == expected_authorisations
            && extra == b"extra";
        same.then(|| Effect::encode_list(&[write(0, b"seen")]))
            .ok_or_else(|| RuleFailure(format!("{context:?} {fragments:?} {authorisations:?} {extra:?}")))
    };

    let mut consent = Consent::of(1).nonce(9);
    consent.payload = b"please".to_vec();
    let mut spied = call(4, &[1, 0], b"extra".to_vec());
    spied.authorisations = vec![consent.sign(spy, 1)];
    let mut scene = Scene::new()
        .fresh(1, signer.clone())
        .again(new_anchor(3), own.clone())
        .call(spied);
    scene.env.rules = scene.env.rules.with(spy, seen);
    scene.terms.rules.push(spy);
    check(&scene, &[after(signer, 10), with_data(own, b"seen")], &[]);
}
