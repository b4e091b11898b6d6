//! The Account rule (section 6.4), as a function.

use alloy_primitives::Address;
use nthroot_model::{
    rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure},
    rules::account::Account,
};
use nthroot_protocol::{AccountOp, Effect, FragmentId, Kind};

use crate::world::{
    CLOCK, ETH, PROPOSER, TOKEN, anchor, holder, open_cohort, open_leaf, set_controller, set_lease, transfer, usd,
};

fn view(id: FragmentId) -> FragmentView {
    FragmentView {
        id,
        kind: Kind::Secp256k1,
        controller: holder(1),
        assets: Vec::new(),
        data: Vec::new(),
    }
}

/// What the rule returns when fragments 1, 2, a new one and 2 again are listed.
fn transition(payloads: &[(u8, Vec<u8>)], extra: &[u8]) -> Result<Vec<u8>, RuleFailure> {
    let context = Context {
        clock: CLOCK,
        proposer: PROPOSER,
    };
    let [one, two] = [anchor(1).fragment(), anchor(2).fragment()];
    let fragments = [one, two, FragmentId::ZERO, two].map(view);
    let authorisations: Vec<AuthorisationView> = payloads
        .iter()
        .map(|(fragment, payload)| AuthorisationView {
            fragment: *fragment,
            payload: payload.clone(),
        })
        .collect();
    Account.transition(&context, &fragments, &authorisations, extra)
}

fn pay(to: FragmentId) -> AccountOp {
    AccountOp::Pay {
        to,
        asset: ETH,
        amount: 4,
    }
}

fn open_kind(kind: u8) -> AccountOp {
    AccountOp::Open {
        depth: 4,
        kind,
        controller: holder(3),
        assets: vec![(ETH, 1), (usd(), 2)],
    }
}

#[test]
fn operations_become_effects_in_the_order_of_signers_and_payloads() {
    let withdraw = AccountOp::Withdraw {
        recipient: holder(5),
        token: TOKEN,
        amount: 6,
    };
    let first = AccountOp::encode_payload(&[open_kind(1), pay(anchor(2).fragment())]);
    let second = AccountOp::encode_payload(&[withdraw, open_kind(1)]);
    let effects = [
        open_cohort(4, 1, holder(3)),
        transfer(0, 4, ETH, 1),
        transfer(0, 4, usd(), 2),
        // The first listed position with the id.
        transfer(0, 1, ETH, 4),
        Effect::Withdraw {
            from: 3,
            recipient: holder(5),
            token: TOKEN,
            amount: 6,
        },
        open_cohort(4, 1, holder(3)),
        transfer(3, 5, ETH, 1),
        transfer(3, 5, usd(), 2),
    ];
    assert_eq!(
        transition(&[(0, first), (3, second)], b""),
        Ok(Effect::encode_list(&effects))
    );
}

#[test]
fn a_signer_sets_its_controller_and_lease_and_opens_leaves_of_its_cohort() {
    let ops = [
        AccountOp::SetLease {
            holder: holder(7),
            last_block: 9,
        },
        AccountOp::OpenLeaf {
            kind: 2,
            controller: holder(3),
            assets: vec![(ETH, 1), (usd(), 2)],
        },
        open_kind(1),
        AccountOp::SetController {
            kind: 3,
            controller: holder(8),
        },
    ];
    let effects = [
        set_lease(1, holder(7), 9),
        open_leaf(1, 2, holder(3)),
        transfer(1, 4, ETH, 1),
        transfer(1, 4, usd(), 2),
        open_cohort(4, 1, holder(3)),
        transfer(1, 5, ETH, 1),
        transfer(1, 5, usd(), 2),
        // The kernel refuses that, not the rule.
        set_controller(1, 3, holder(8)),
    ];
    assert_eq!(
        transition(&[(1, AccountOp::encode_payload(&ops))], b""),
        Ok(Effect::encode_list(&effects))
    );
}

#[test]
fn an_empty_payload_consents_and_does_nothing() {
    assert_eq!(transition(&[(0, Vec::new())], b""), Ok(Vec::new()));
    assert_eq!(transition(&[], b""), Ok(Vec::new()));
}

#[test]
fn everything_else_fails() {
    let check = |payload: Vec<u8>, extra: &[u8], reason: &str| {
        assert_eq!(transition(&[(0, payload)], extra), Err(RuleFailure(reason.to_owned())));
    };
    let encode = |op| AccountOp::encode_payload(&[op]);
    check(Vec::new(), b"x", "1 bytes of extra, expected none");
    check(encode(pay(anchor(3).fragment())), b"", "fragment 3.1/0#0 is not listed");
    check(encode(pay(FragmentId::ZERO)), b"", "fragment 0.0/0#0 is not listed");
    check(encode(open_kind(3)), b"", "a fragment of kind 3 cannot be opened");
    let leaf = AccountOp::OpenLeaf {
        kind: 3,
        controller: holder(3),
        assets: Vec::new(),
    };
    check(encode(leaf), b"", "a fragment of kind 3 cannot be opened");
    check(vec![0], b"", "account operation code 0 is unknown");
    check(vec![7], b"", "account operation code 7 is unknown");
    let mut cut = encode(pay(anchor(2).fragment()));
    cut.pop();
    check(cut, b"", "the input ends at byte 43, 1 bytes short");
}

#[test]
fn more_fragments_than_a_position_can_name_fail() {
    let open = AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: Address::repeat_byte(1),
        assets: Vec::new(),
    };
    let payload = AccountOp::encode_payload(&vec![open; 300]);
    assert_eq!(
        transition(&[(0, payload)], b""),
        Err(RuleFailure("too many fragments".to_owned()))
    );
}
