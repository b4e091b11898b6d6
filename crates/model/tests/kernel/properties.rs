//! What holds for all steps, tried on random ones.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_primitives::{Address, B256, U256};
use nthroot_model::{
    account::Account,
    invalid::{CallFault, Invalid},
    kernel::{Failure, Outcome, Verdict},
    rule::{AuthorisationView, Context, Rule},
    signing,
};
use nthroot_protocol::{AssetId, Effect, Fragment, Withdrawal};
use proptest::{prelude::*, test_runner::RngSeed};

use crate::world::{
    CLOCK, Consent, ETH, PROPOSER, PUPPET, Scene, TAG, TOKEN, account, gold, holder, open, owned, puppet, ruled, usd,
    with, write,
};

/// What key 1 signs away of each asset.
const OUTFLOW: u128 = 60;
/// Fragments that the call lists: two of keys, two of the puppet.
const LISTED: usize = 4;

fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![8 => 1..40_u128, 1 => Just(0), 1 => any::<u128>(), 1 => Just(u128::MAX)]
}

fn asset() -> impl Strategy<Value = AssetId> {
    prop_oneof![
        Just(ETH),
        Just(usd()),
        Just(gold()),
        Just(AssetId::issued(PUPPET, B256::ZERO))
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    let position = || 0..8_u8;
    let tag = || prop_oneof![Just(TAG), Just(B256::ZERO)];
    let token = prop_oneof![Just(TOKEN), Just(Address::ZERO)];
    let controller = (0..4_u8).prop_map(|n| match n {
        0 => (1, Address::ZERO),
        1 => (1, holder(5)),
        2 => (3, PUPPET),
        _ => (2, holder(5)),
    });
    prop_oneof![
        5 => (position(), position(), asset(), amount())
            .prop_map(|(from, to, asset, amount)| Effect::Move { from, to, asset, amount }),
        2 => (position(), tag(), amount()).prop_map(|(to, tag, amount)| Effect::Mint { to, tag, amount }),
        2 => (position(), tag(), amount()).prop_map(|(from, tag, amount)| Effect::Burn { from, tag, amount }),
        1 => (position(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(fragment, data)| write(fragment, &data)),
        2 => controller.prop_map(|(kind, controller)| open(kind, controller)),
        2 => (position(), token, amount()).prop_map(|(from, token, amount)| Effect::Withdraw {
            from,
            recipient: holder(6),
            token,
            amount,
        }),
    ]
}

/// Fragments of keys 1 and 2, of which the second signs away nothing, and two of the puppet.
fn scene(effects: &[Effect]) -> Scene {
    static SCENE: LazyLock<Scene> = LazyLock::new(|| {
        let some = [(ETH, 100), (usd(), 100), (gold(), 100)];
        let consent = Consent::of(1).outflow(ETH, OUTFLOW).outflow(gold(), OUTFLOW);
        let call = with(puppet(&[0, 1, 2, 3], &[]), 0, &consent);
        Scene::new()
            .fresh(1, owned(1, &some))
            .fresh(2, owned(2, &some))
            .fresh(9, ruled(&some))
            .fresh(10, ruled(&[(usd(), u128::MAX - 50)]))
            .call(with(call, 1, &Consent::of(2)))
    });
    let opened = effects.iter().filter(|effect| matches!(effect, Effect::Open { .. }));
    let mut scene = SCENE.clone().opening(opened.count());
    // No key signs it.
    scene.calls[0].extra = Effect::encode_list(effects).into();
    scene
}

/// Those of the effects that can be applied after one another, and what they do.
fn applicable(effects: Vec<Effect>) -> (Scene, Vec<Effect>, Outcome) {
    // What did not authorise has to change: it begins without data, and no random data is empty.
    let mut kept = vec![write(2, b"changed"), write(3, b"changed")];
    kept.extend(effects);
    loop {
        let scene = scene(&kept);
        match scene.execute() {
            Ok(outcome) => return (scene, kept, outcome),
            Err(Failure::Invalid(Invalid::Call {
                fault: CallFault::Effect { effect, .. },
                ..
            })) => drop(kept.remove(effect)),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn sums<'a>(fragments: impl Iterator<Item = &'a Fragment>) -> BTreeMap<AssetId, U256> {
    let mut sums = BTreeMap::new();
    for (asset, amount) in fragments.flat_map(|fragment| &fragment.assets) {
        *sums.entry(*asset).or_insert(U256::ZERO) += U256::from(*amount);
    }
    sums
}

/// What an effect takes from a position.
fn debit(effect: &Effect) -> Option<(u8, AssetId, u128)> {
    match effect {
        Effect::Move {
            from, asset, amount, ..
        } => Some((*from, *asset, *amount)),
        Effect::Burn { from, tag, amount } => Some((*from, AssetId::issued(PUPPET, *tag), *amount)),
        Effect::Withdraw {
            from, token, amount, ..
        } => Some((*from, AssetId::token(*token), *amount)),
        _ => None,
    }
}

/// Seeded, so that every failure can be repeated. `PROPTEST_CASES` sets the length of a long run.
fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// For each asset: the sum before + minted − burnt = the sum after + withdrawn.
    #[test]
    fn assets_are_conserved(effects in proptest::collection::vec(effect(), 0..24)) {
        let (scene, kept, outcome) = applicable(effects);
        let mut before = sums(scene.fresh.iter().map(|touched| &touched.header));
        let mut after = sums(outcome.states.iter());
        for effect in &kept {
            match effect {
                Effect::Mint { tag, amount, .. } => {
                    *before.entry(AssetId::issued(PUPPET, *tag)).or_default() += U256::from(*amount);
                }
                Effect::Burn { tag, amount, .. } => {
                    *after.entry(AssetId::issued(PUPPET, *tag)).or_default() += U256::from(*amount);
                }
                _ => {}
            }
        }
        for Withdrawal { token, amount, .. } in &outcome.withdrawals {
            *after.entry(AssetId::token(*token)).or_default() += U256::from(*amount);
        }
        prop_assert_eq!(before, after);
    }

    /// A key loses at most what it signed away, whatever the rule returns; what is opened for a key in a call loses
    /// nothing in it, and nothing is written to it.
    #[test]
    fn keys_lose_only_what_they_sign_away(effects in proptest::collection::vec(effect(), 0..24)) {
        let (_, kept, outcome) = applicable(effects);
        let mut debits: BTreeMap<(u8, AssetId), u128> = BTreeMap::new();
        for (position, asset, amount) in kept.iter().filter_map(debit) {
            let sum = debits.entry((position, asset)).or_default();
            *sum = sum.saturating_add(amount);
        }
        for ((position, asset), sum) in debits {
            match position {
                0 => prop_assert!(sum <= OUTFLOW && asset != usd()),
                1 => prop_assert!(false, "key 2 lost {sum} of {asset}"),
                2 | 3 => {}
                _ => prop_assert_eq!(outcome.states[usize::from(position)].controller, PUPPET),
            }
        }
        for opened in &outcome.states[LISTED..] {
            prop_assert_eq!(opened.nonce, 0);
            prop_assert!(opened.controller == PUPPET || opened.data.is_empty());
        }
        let controllers: Vec<Address> = outcome.states[..LISTED].iter().map(|state| state.controller).collect();
        prop_assert_eq!(controllers, vec![holder(1), holder(2), PUPPET, PUPPET]);
    }

    /// Every state that valid calls leave is a state, and the step that says so is valid.
    #[test]
    fn states_after_are_states(effects in proptest::collection::vec(effect(), 0..24)) {
        let (scene, _, outcome) = applicable(effects);
        for state in &outcome.states {
            prop_assert_eq!(&Fragment::decode(&state.encode()).unwrap(), state);
        }
        prop_assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome)));
    }

    /// k calls authorised at nonces n, n + 1, … leave nonce n + k; any other nonce is refused.
    #[test]
    fn nonces_count_authorised_calls(start in any::<u64>(), count in 1..6_u64, wrong in any::<u64>()) {
        let start = start.min(u64::MAX - count);
        let mut signer = owned(1, &[]);
        signer.nonce = start;
        let call = |nonce| with(account(&[0]), 0, &Consent::of(1).nonce(nonce));
        let mut scene = Scene::new().fresh(1, signer);
        scene.calls = (start..start + count).map(call).collect();
        prop_assert_eq!(scene.execute().unwrap().states[0].nonce, start + count);

        prop_assume!(wrong != start + count);
        scene.calls.push(call(wrong));
        let refused = matches!(
            scene.execute(),
            Err(Failure::Invalid(Invalid::Call { fault: CallFault::Signature { .. } | CallFault::NonceExhausted { .. }, .. }))
        );
        prop_assert!(refused);
    }

    /// Each bit of an authorisation is under the signature, or is the signature, or says whose it is.
    #[test]
    fn no_bit_of_an_authorisation_can_be_turned(bit in 0..8_usize, at in any::<prop::sample::Index>()) {
        let mut consent = Consent::of(1).outflow(ETH, 5);
        consent.payload = vec![0; 20];
        let mut scene = Scene::new().fresh(1, owned(1, &[(ETH, 5)])).fresh(2, owned(1, &[(ETH, 5)]));
        let other = Consent { key: 1, ..Consent::of(2) };
        scene.calls = vec![with(with(puppet(&[0, 1], &[]), 0, &consent), 1, &other)];
        let posted = scene.post();
        prop_assert!(matches!(posted.evaluate(), Ok(Verdict::Valid(_))));

        // form, calls; rule, gas (4), effects (2), count, 2 fragments, count: the authorisations stand from 13 on, and the
        // length of extra after them.
        let mut body = posted.placed.step.body.to_vec();
        let length = body.len();
        let place = 13 + at.index(length - 2 - 13);
        body[place] ^= 1 << bit;
        let mut posted = posted;
        posted.placed.step.body = body.into();
        prop_assert!(matches!(posted.evaluate(), Ok(Verdict::Invalid(_))), "byte {place} of {length}");
    }

    #[test]
    fn no_bytes_make_the_evaluation_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        state in proptest::collection::vec(any::<u8>(), 0..200),
        extra in proptest::collection::vec(any::<u8>(), 0..200),
        turned in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let honest = scene(&[write(2, b"a"), write(3, b"b")]);
        let posted = honest.post();
        let mut random = posted.clone();
        random.placed.step.body = body.clone().into();
        let _ = random.evaluate();

        let mut changed = posted.placed.step.body.to_vec();
        for (at, value) in turned {
            *at.get_mut(&mut changed) = value;
        }
        let mut random = posted.clone();
        random.placed.step.body = changed.into();
        let _ = random.evaluate();

        let mut random = posted;
        random.proofs[0].states[0] = state;
        let _ = random.evaluate();

        let mut random = honest;
        random.calls[0].extra = extra.clone().into();
        let _ = random.execute();
        random.calls[0].rule = 0;
        let _ = random.execute();

        let context = Context { clock: CLOCK, proposer: PROPOSER };
        let authorisation = AuthorisationView { fragment: 0, payload: body };
        let _ = Account.transition(&context, &[], &[authorisation], &[]);
    }

    #[test]
    fn no_signature_makes_the_recovery_panic(digest in any::<[u8; 32]>(), halves in any::<[[u8; 32]; 2]>()) {
        let _ = signing::recover(digest.into(), &alloy_primitives::FixedBytes::from_slice(&halves.concat()));
    }
}
