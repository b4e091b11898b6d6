//! What holds for all steps, tried on random ones.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_primitives::{Address, B256, U256, keccak256};
use nthroot_model::{
    anchor,
    invalid::{CallFault, Invalid},
    kernel::{Failure, Outcome, Verdict},
    rule::{AuthorisationView, Context, Rule},
    rules::account::Account,
    signing::{self, Signer},
};
use nthroot_protocol::{
    AssetId, Effect, Evidence, Fragment, Kind, LeafTable, Lease, P256Signature, Signature, Withdrawal, cohort,
};
use proptest::{prelude::*, test_runner::RngSeed};

use crate::{
    meanings::sale,
    scene::Scene,
    world::{
        CLOCK, Consent, ETH, PROPOSER, PUPPET, Scheme, TAG, TOKEN, account, gold, holder, leased, open_cohort,
        open_leaf, owned, passkey, passkey_owned, puppet, ruled, set_controller, set_lease, usd, with, write,
    },
};

/// What key 1 signs away of each asset.
const OUTFLOW: u128 = 60;
/// The fragments that the call lists, by position: of keys 1 and 2, of the puppet the header of a cohort and leaf 1 of it, and
/// one of key 3 that is merely credited.
const LISTED: [usize; 5] = [0, 1, 3, 4, 2];
/// Most that a step opens beside them.
const MOST_OPENED: usize = 11;
const DEPTH: u8 = 5;

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
    let position = || 0..9_u8;
    let tag = || prop_oneof![Just(TAG), Just(B256::ZERO)];
    let token = prop_oneof![Just(TOKEN), Just(Address::ZERO)];
    let lease = prop_oneof![
        (Just(PROPOSER), CLOCK - 2..CLOCK + 67),
        Just((Address::ZERO, 0)),
        Just((Address::ZERO, CLOCK))
    ];
    let controller = || {
        (0..4_u8).prop_map(|n| match n {
            0 => (1, Address::ZERO),
            1 => (1, holder(5)),
            2 => (3, PUPPET),
            _ => (2, holder(5)),
        })
    };
    prop_oneof![
        5 => (position(), position(), asset(), amount())
            .prop_map(|(from, to, asset, amount)| Effect::Move { from, to, asset, amount }),
        2 => (position(), tag(), amount()).prop_map(|(to, tag, amount)| Effect::Mint { to, tag, amount }),
        2 => (position(), tag(), amount()).prop_map(|(from, tag, amount)| Effect::Burn { from, tag, amount }),
        1 => (position(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(fragment, data)| write(fragment, &data)),
        2 => (0..27_u8, controller()).prop_map(|(depth, (kind, controller))| open_cohort(depth, kind, controller)),
        2 => (prop_oneof![2 => Just(2), 1 => position()], controller())
            .prop_map(|(header, (kind, controller))| open_leaf(header, kind, controller)),
        1 => (position(), controller()).prop_map(|(fragment, (kind, controller))| set_controller(fragment, kind, controller)),
        1 => (position(), lease).prop_map(|(fragment, (holder, last))| set_lease(fragment, holder, last)),
        2 => (position(), token, amount()).prop_map(|(from, token, amount)| Effect::Withdraw {
            from,
            recipient: holder(6),
            token,
            amount,
        }),
    ]
}

fn is_open(effect: &Effect) -> bool {
    matches!(effect, Effect::Open { .. } | Effect::OpenLeaf { .. })
}

/// Fragments of keys 1 and 2, of which the second signs away nothing, one of key 3 that the proposer leases, and the puppet's
/// cohort, of which the step opens leaves 2, 3 and so on, and in which it does not name leaf 30.
fn scene(effects: &[Effect]) -> Scene {
    static SCENE: LazyLock<Scene> = LazyLock::new(|| {
        let some = [(ETH, 100), (usd(), 100), (gold(), 100)];
        let consent = Consent::of(1).outflow(ETH, OUTFLOW).outflow(gold(), OUTFLOW);
        let call = with(
            puppet(&LISTED.map(|number| u8::try_from(number).unwrap()), &[]),
            0,
            &consent,
        );
        let leaf = ruled(&[(usd(), u128::MAX - 50)]);
        let mut scene = Scene::new()
            .fresh(1, owned(1, &some))
            .fresh(2, owned(2, &some))
            .fresh(3, leased(owned(3, &[(ETH, 5), (gold(), 5)]), PROPOSER, CLOCK))
            .cohort(9, DEPTH, ruled(&some), &[(1, Some(leaf))])
            .call(with(call, 1, &Consent::of(2)));
        scene.fresh[3].leaves.insert(30, owned(30, &some));
        scene
    });
    let leaves = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::OpenLeaf { .. }));
    let anchors = effects.iter().filter(|effect| matches!(effect, Effect::Open { .. }));
    let mut scene = SCENE.clone().opening(anchors.count());
    scene.fresh[3].named.extend((2..).take(leaves.count()));
    // No key signs it.
    scene.calls[0].extra = Effect::encode_list(effects).into();
    scene
}

/// Those of the effects that can be applied after one another, and what they do.
fn applicable(effects: Vec<Effect>) -> (Scene, Vec<Effect>, Outcome) {
    // What did not authorise has to change: it begins without data, and no random data is empty.
    let credit = Effect::Move {
        from: 2,
        to: 4,
        asset: ETH,
        amount: 1,
    };
    let mut kept = vec![write(2, b"changed"), write(3, b"changed"), credit];
    let mut opened = 0;
    kept.extend(effects.into_iter().filter(|effect| {
        opened += usize::from(is_open(effect));
        !is_open(effect) || opened <= MOST_OPENED
    }));
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

/// The fragments that the effects open, each with its number in the step and whether it is opened under the puppet.
fn opened(kept: &[Effect]) -> Vec<(usize, bool)> {
    let leaves = kept
        .iter()
        .filter(|effect| matches!(effect, Effect::OpenLeaf { .. }))
        .count();
    let mut next_leaf = LISTED.len()..;
    let mut next_anchor = LISTED.len() + leaves..;
    let open = |effect: &Effect| match effect {
        Effect::OpenLeaf { kind, .. } => Some((next_leaf.next()?, *kind == 3)),
        Effect::Open { kind, .. } => Some((next_anchor.next()?, *kind == 3)),
        _ => None,
    };
    kept.iter().filter_map(open).collect()
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

/// Of P-256 key 1.
fn coordinates() -> (B256, B256) {
    match passkey(1).sign(B256::ZERO) {
        Signature::P256(signature) => (signature.x, signature.y),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config())]

    /// For each asset: the sum before + minted − burnt = the sum after + withdrawn.
    #[test]
    fn assets_are_conserved(effects in proptest::collection::vec(effect(), 0..24)) {
        let (scene, kept, outcome) = applicable(effects);
        let unnamed = &scene.fresh[3].leaves[&30];
        let leaves = scene.fresh.iter().flat_map(|touched| touched.leaves.values());
        let mut before = sums(scene.fresh.iter().map(|touched| &touched.header).chain(leaves));
        let mut after = sums(outcome.states.iter().chain([unnamed]));
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
    /// nothing in it, and nothing is written to it; who is merely credited only gets more of what it holds; and no rule
    /// sets controller or lease of what is a key's.
    #[test]
    fn keys_lose_only_what_they_sign_away(effects in proptest::collection::vec(effect(), 0..24)) {
        let (scene, kept, outcome) = applicable(effects);
        let opened = opened(&kept);
        let mut debits: BTreeMap<(u8, AssetId), u128> = BTreeMap::new();
        for (position, asset, amount) in kept.iter().filter_map(debit) {
            let sum = debits.entry((position, asset)).or_default();
            *sum = sum.saturating_add(amount);
        }
        for ((position, asset), sum) in debits {
            match usize::from(position).checked_sub(LISTED.len()) {
                None => match position {
                    0 => prop_assert!(sum <= OUTFLOW && asset != usd()),
                    1 | 4 => prop_assert!(false, "position {position} lost {sum} of {asset}"),
                    _ => {}
                },
                Some(place) => prop_assert!(opened[place].1, "{sum} of {asset} were taken"),
            }
        }
        for (number, is_ruled) in opened {
            prop_assert!(is_ruled || outcome.states[number].data.is_empty());
            prop_assert!(is_ruled || outcome.states[number].lease.is_none());
        }
        for (touched, after) in scene.fresh.iter().zip(&outcome.states).take(3) {
            let before = &touched.header;
            prop_assert_eq!((before.kind, before.controller, before.lease), (after.kind, after.controller, after.lease));
        }
        let (before, after) = (&scene.fresh[2].header, &outcome.states[2]);
        prop_assert!(before.assets.keys().eq(after.assets.keys()));
        prop_assert!(before.assets.iter().all(|(asset, amount)| after.balance(*asset) >= *amount));
        prop_assert_eq!((before.nonce, &before.data), (after.nonce, &after.data));
    }

    /// Every state that valid calls leave is a state, and the step that says so is valid. The root of the cohort is that of
    /// the full tree.
    #[test]
    fn states_after_are_states(effects in proptest::collection::vec(effect(), 0..24)) {
        let (scene, _, outcome) = applicable(effects);
        for state in &outcome.states {
            prop_assert_eq!(&Fragment::decode(&state.encode()).unwrap(), state);
        }
        let mut level = vec![B256::ZERO; 1 << DEPTH];
        for (leaf, value) in level.iter_mut().take(1 + scene.fresh[3].named.len()).enumerate() {
            *value = keccak256(outcome.states[3 + leaf].encode());
        }
        level[30] = keccak256(scene.fresh[3].leaves[&30].encode());
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| cohort::node(pair[0], pair[1])).collect();
        }
        let posted = scene.post();
        prop_assert_eq!(posted.placed.step.fresh[3].root, cohort::root(DEPTH, level[0]));
        prop_assert_eq!(posted.evaluate(), Ok(Verdict::Valid(outcome)));
    }

    /// A step is invalid if and only if a lease of somebody else runs.
    #[test]
    fn leases_keep_others_out_while_they_run(
        clock in 1..20_u64,
        last_block in 1..20_u64,
        mine in any::<bool>(),
        on_leaf in any::<bool>(),
    ) {
        let holder = if mine { PROPOSER } else { holder(9) };
        let scene = Scene::new().cohort(8, 3, leased(ruled(&[]), holder, last_block), &[(2, Some(ruled(&[])))]);
        let mut scene = scene.call(puppet(if on_leaf { &[1] } else { &[0, 1] }, &[write(0, b"x"), write(u8::from(!on_leaf), b"y")]));
        scene.terms.clock = clock;
        let runs = clock <= last_block;
        let lease = Lease { holder, last_block };
        match scene.execute() {
            Ok(_) => prop_assert!(mine || !runs),
            Err(failure) => {
                prop_assert!(!mine && runs);
                prop_assert_eq!(failure, Failure::Invalid(Invalid::Leased { touch: 0, lease }));
            }
        }
    }

    /// Whatever a body says of leaves, what a follower knows is evidence that opens the head before, and the step is
    /// judged on it: a table that is unreadable or names leaves that are not there is a lie that can be shown.
    #[test]
    fn every_leaf_table_can_be_judged(
        table in proptest::collection::vec(0..40_u32, 0..6),
        raw in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut scene = scene(&[write(2, b"a"), write(3, b"b"), write(0, b"c")]);
        scene.fresh.drain(..3);
        scene.calls = vec![puppet(&[0, 1], &[write(0, b"a"), write(1, b"b")])];
        let mut posted = scene.post();
        let body = nthroot_protocol::Body { leaves: Some(LeafTable(vec![table.clone()])), ..scene.body() };
        posted.placed.step.body = raw.clone().unwrap_or_else(|| body.encode()).into();
        let before = scene.fresh[0].state();
        posted.proofs = anchor::prove(&posted.placed.step, [&before]);
        let evidence = Evidence {
            preimage: posted.preimage.clone(),
            placed: posted.placed.clone(),
            siblings: vec![B256::ZERO; 9],
            proofs: posted.proofs.clone(),
        };
        prop_assert_eq!(Evidence::decode(&evidence.encode()), Ok(evidence.clone()));
        prop_assert_eq!(evidence.pre_entries().unwrap()[0].head.unwrap().root, before.root());
        let valid = raw.is_none() && table == [1];
        prop_assert_eq!(matches!(posted.evaluate().unwrap(), Verdict::Valid(_)), valid);
        let in_order = table.first() != Some(&0) && table.windows(2).all(|pair| pair[0] < pair[1]);
        if let (None, true, Some(leaf)) = (raw, in_order, table.iter().find(|leaf| **leaf >= 1 << DEPTH)) {
            let (touch, leaf, depth) = (0, *leaf, DEPTH);
            prop_assert_eq!(posted.evaluate(), Ok(Verdict::Invalid(Invalid::Leaf { touch, leaf, depth })));
        }
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

    /// A call with these meanings is valid if and only if they stand in front, are of its authorisations in order, and say of
    /// each what was signed: a meaning where there is one, the payload where there is none.
    #[test]
    fn signatures_are_good_for_what_the_rule_says_and_nothing_else(
        mut said in proptest::collection::vec((0..4_u8, 0..2_u8), 0..4),
        sorted in prop::bool::weighted(0.7),
        matching in prop::bool::weighted(0.8),
        mut signed in any::<[Option<bool>; 3]>(),
        late in prop::option::weighted(0.2, 0..4_usize),
    ) {
        if sorted {
            said.sort_unstable();
            said.dedup_by_key(|(number, _)| *number);
        }
        let says = |said: &[(u8, u8)], number: u8| said.iter().find(|said| said.0 == number).map(|said| said.1 == 1);
        if matching {
            signed = [0, 1, 2].map(|number| says(&said, number));
        }
        let mut effects: Vec<Effect> =
            said.iter().map(|(number, meaning)| Effect::meaning(*number, sale(*meaning))).collect();
        let late = late.filter(|place| *place < effects.len());
        effects.insert(late.unwrap_or(effects.len()), write(3, b"x"));
        let consents = (1..).zip(signed).map(|(key, meaning)| match meaning {
            Some(meaning) => Consent::of(key).meaning(sale(u8::from(meaning))),
            None => Consent::of(key),
        });
        let mut scene = Scene::new().fresh(9, ruled(&[]));
        for n in 1..=3_u8 {
            scene = scene.fresh(n.into(), owned(n, &[]));
        }
        let call = puppet(&[1, 2, 3, 0], &effects);
        let scene = scene.call((0..).zip(consents).fold(call, |call, (position, consent)| with(call, position, &consent)));
        let in_order = said.windows(2).all(|pair| pair[0].0 < pair[1].0) && said.iter().all(|(number, _)| *number < 3);
        let good = signed == [0, 1, 2].map(|number| says(&said, number));
        prop_assert_eq!(scene.execute().is_ok(), late.is_none() && in_order && good);
    }

    /// Each bit of an authorisation is under the signature, or is the signature, or says whose it is.
    #[test]
    fn no_bit_of_an_authorisation_can_be_turned(
        scheme in prop::sample::select(vec![Scheme::Secp256k1, Scheme::P256, Scheme::WebAuthn]),
        bit in 0..8_usize,
        at in any::<prop::sample::Index>(),
    ) {
        let mut consent = Consent::of(1).by(scheme).outflow(ETH, 5);
        consent.payload = vec![0; 20];
        let own = match scheme {
            Scheme::Secp256k1 => owned(1, &[(ETH, 5)]),
            Scheme::P256 | Scheme::WebAuthn => passkey_owned(1, &[(ETH, 5)]),
        };
        let mut scene = Scene::new().fresh(1, own.clone()).fresh(2, own);
        let other = Consent { key: 1, ..Consent::of(2).by(scheme) };
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
        let (honest, _, _) = applicable(Vec::new());
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
    fn no_signature_makes_its_check_panic(digest in any::<[u8; 32]>(), words in any::<[[u8; 32]; 4]>()) {
        let [r, s, x, y] = words.map(B256::from);
        let _ = signing::recover(digest.into(), &alloy_primitives::FixedBytes::from_slice(&[r, s].concat()));
        for (x, y) in [(x, y), coordinates()] {
            let signature = P256Signature { r, s, x, y };
            let controller = Address::from_slice(&keccak256([x, y].concat())[12..]);
            let refused = signing::check(digest.into(), &Signature::P256(signature), Kind::P256, controller);
            prop_assert_eq!(refused, Err(signing::BadSignature::Verification));
        }
    }
}
