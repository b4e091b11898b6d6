//! What calls take: to the unit of gas in the code, and never more than the bounds below which the code is asked. Beside the usual
//! calls the greatest that fit into a step, each of which is made to be dear.

use std::time::Instant;

use nthroot_evm::{SpecId, metered::Metered};
use nthroot_model::rule::{AuthorisationView, Rule, RuleFailure};
use nthroot_protocol::{
    AccountOp, AssetId, Effect, FragmentId, Outflow,
    limits::{MAX_ASSETS, MAX_BODY, MAX_EFFECTS, MAX_FRAGMENTS},
    rules::swap::{Curve, Fill, FillMove, Leg, SwapIntent},
};

use crate::{
    account::{self, Accounts},
    bench::Subject,
    case::{AMPLE, Case},
    credit::Markets,
    pool::Pools,
    rng::Rng,
    swap::Swaps,
    world::World,
};

/// What a call of a rule returns for this gas.
fn run(rule: &dyn Rule, gas: u64, case: &Case) -> Result<Vec<u8>, RuleFailure> {
    rule.run(gas, &case.context(), &case.fragments, &case.authorisations, &case.extra)
}

/// What fails fails with any gas.
pub(crate) fn fails(rng: &mut Rng, metered: &Metered, case: &Case) -> Result<(), String> {
    match run(metered, rng.next() >> rng.below(64), case) {
        Ok(_) => Err("with some gas it does not fail".into()),
        Err(_) => Ok(()),
    }
}

/// A call succeeds with the gas that it used and with no less, whether twin or code judges it; and its bound is no less. Returns the
/// bound.
pub(crate) fn measure(
    rng: &mut Rng,
    metered: &Metered,
    case: &Case,
    returned: &[u8],
    gas: u64,
) -> Result<Option<u64>, String> {
    let bound = metered.bound(&case.fragments, &case.authorisations, &case.extra, returned);
    if bound.is_some_and(|bound| bound < gas) {
        return Err(format!("it uses {gas} gas, and is thought to need {bound:?}"));
    }
    let near = bound.unwrap_or(gas);
    let below = rng.next() % gas;
    for committed in [gas, gas - 1, rng.pick(&[near, near - 1, below])] {
        for rule in [metered as &dyn Rule, metered.code()] {
            let said = run(rule, committed, case).ok();
            let expected = (committed >= gas).then_some(returned);
            if said.as_deref() != expected {
                return Err(format!(
                    "with {committed} gas of {gas}, bound {bound:?}, it says {said:?}"
                ));
            }
        }
    }
    Ok(bound)
}

/// Calls of each rule that are as great as a step can be, which all succeed.
fn bounded<S: Subject>(mut dear: impl FnMut(&mut Rng) -> Case) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, seed) = (number("NTHROOT_CASES", 20_000) / 50, number("NTHROOT_SEED", 1));
    let metered = S::KNOWN.rule(SpecId::OSAKA);
    let mut rng = Rng(seed);
    let (mut most, mut closest, mut taken) = (0, (0, 1), 0_u64);
    let start = Instant::now();
    for number in 0..cases {
        let case = dear(&mut rng);
        let Ok(effects) = S::twin(&case) else { continue };
        let code = metered.code().execute(
            AMPLE,
            &case.context(),
            &case.fragments,
            &case.authorisations,
            &case.extra,
        );
        let (returned, gas) = code.unwrap_or_else(|failure| panic!("{}, case {number}: {failure}", S::NAME));
        assert_eq!(returned, Effect::encode_list(&effects), "{}, case {number}", S::NAME);
        let bound = measure(&mut rng, &metered, &case, &returned, gas);
        let bound = bound.unwrap_or_else(|fault| panic!("{}, NTHROOT_SEED={seed}, case {number}: {fault}", S::NAME));
        if let Some(bound) = bound {
            taken += 1;
            most = most.max(gas);
            if u128::from(gas) * closest.1 > closest.0 * u128::from(bound) {
                closest = (gas.into(), bound.into());
            }
        }
    }
    println!(
        "{}: {taken} of {cases} great calls succeed, {most} gas at most, {} of a bound of {} at worst, in {:.1} s",
        S::NAME,
        closest.0,
        closest.1,
        start.elapsed().as_secs_f64()
    );
    assert!(2 * taken > cases, "only {taken} of {cases} succeed");
}

/// All fragments of a step, each with as many assets as it can hold. What one holds before it keeps.
fn laden(rng: &mut Rng, case: &mut Case) {
    for fragment in &mut case.fragments {
        let held = fragment.assets.len();
        let ids = (held..MAX_ASSETS).map(|_| (AssetId(alloy::primitives::B256::from_slice(&rng.bytes(32))), 1));
        fragment.assets.extend(ids);
        fragment.assets.sort_unstable();
    }
}

fn crowd(rng: &mut Rng, count: usize) -> Case {
    let mut world = World::new(1_000_000);
    let users: Vec<usize> = (0..count).map(|_| world.user(rng, 0)).collect();
    world.call(&users)
}

#[test]
fn no_call_of_the_account_rule_takes_more_than_its_bound() {
    bounded::<Accounts>(|rng| {
        let listed = 1 + rng.below(MAX_FRAGMENTS);
        let mut case = crowd(rng, listed);
        let ids: Vec<FragmentId> = case.fragments.iter().map(|fragment| fragment.id).collect();
        // One kind of operation over and over, or anything.
        let only = rng.below(9);
        let signers = 1 + rng.below(listed);
        let most = rng.below(MAX_EFFECTS + 1);
        let each = most / signers;
        for fragment in 0..u8::try_from(signers).expect("few") {
            let mut ops = Vec::new();
            let mut effects = 0;
            while effects < each {
                let op = match only {
                    // The last one is found last.
                    0 => AccountOp::Pay {
                        to: *ids.last().expect("some"),
                        asset: AssetId::ETH,
                        amount: 1,
                    },
                    1 => AccountOp::Open {
                        depth: 0,
                        kind: 1,
                        controller: Default::default(),
                        assets: vec![(AssetId::ETH, 1); each - 1],
                    },
                    _ => account::operation(rng, &ids),
                };
                effects += match &op {
                    AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => 1 + assets.len(),
                    _ => 1,
                };
                let kind = std::mem::discriminant(&op);
                let wanted = ops.first().map_or(kind, std::mem::discriminant);
                if effects <= each && (only > 5 || kind == wanted) {
                    ops.push(op);
                } else if effects <= each {
                    effects -= 1; // another one
                }
            }
            let payload = AccountOp::encode_payload(&ops);
            case.authorisations.push(AuthorisationView { fragment, payload });
        }
        laden(rng, &mut case);
        case
    });
}

#[test]
fn no_call_of_the_pool_rule_takes_more_than_its_bound() {
    let mut history: Option<(Pools, Rng)> = None;
    bounded::<Pools>(|rng| great_turn(rng, &mut history));
}

#[test]
fn no_call_of_the_credit_rule_takes_more_than_its_bound() {
    let mut history: Option<(Markets, Rng)> = None;
    bounded::<Markets>(|rng| great_turn(rng, &mut history));
}

/// The next call of a history, on fragments that hold all they can.
fn great_turn<S: Subject>(rng: &mut Rng, history: &mut Option<(S, Rng)>) -> Case {
    if rng.one_in(64) {
        *history = None;
    }
    let (subject, turns) = history.get_or_insert_with(|| {
        let mut turns = Rng(rng.next());
        (S::new(&mut turns), turns)
    });
    let turn = subject.turn(turns);
    let mut case = turn.case.clone();
    if let Ok(effects) = S::twin(&case) {
        subject.apply(&turn, &effects);
    }
    laden(rng, &mut case);
    case
}

#[test]
fn no_call_of_the_swap_rule_takes_more_than_its_bound() {
    bounded::<Swaps>(|rng| {
        let listed = 1 + rng.below(MAX_FRAGMENTS);
        let mut case = crowd(rng, listed);
        let ids: Vec<FragmentId> = case.fragments.iter().map(|fragment| fragment.id).collect();
        let signers = 1 + rng.below(listed);
        let moves = rng.below(MAX_EFFECTS + 1 - signers);
        let table = rng.below(rng.clone().pick(&[3, 30, 256]));
        let fill = 1 + 32 * table + 19 * moves;
        // What is left of a body for each payload.
        let room = (MAX_BODY - 200 - fill).saturating_sub(100 * signers) / signers;
        let shape = rng.below(6);
        let mut filled = Vec::new();
        for fragment in 0..u8::try_from(signers).expect("few") {
            let intent = great_intent(rng, shape, room, &ids);
            filled.extend(intent.least_fill.map(|_| intent.whole() / 3 + 1));
            case.authorisations.push(AuthorisationView {
                fragment,
                payload: intent.encode(),
            });
        }
        // Amounts of which nobody demands anything and everybody grants nothing.
        let place = |rng: &mut Rng, count: usize| u8::try_from(rng.below(count)).expect("few");
        let moves = (0..if table == 0 { 0 } else { moves }).map(|_| FillMove {
            from: place(rng, listed),
            to: place(rng, listed),
            asset: place(rng, table),
            amount: 0,
        });
        let moves = moves.collect();
        let mut assets = rng.assets(table);
        assets.iter_mut().for_each(|asset| asset.0[0] = 0);
        assets.sort_unstable();
        assets.dedup();
        let mut fill = Fill { assets, filled, moves };
        let last = u8::try_from(fill.assets.len()).expect("few").saturating_sub(1);
        fill.moves.iter_mut().for_each(|part| part.asset = part.asset.min(last));
        case.extra = fill.encode();
        laden(rng, &mut case);
        case
    });
}

/// An intent of at most so many bytes: many gives, many gets of nothing, many rewards, many counterparties, or some of each.
fn great_intent(rng: &mut Rng, shape: usize, room: usize, ids: &[FragmentId]) -> SwapIntent {
    let curve = rng.one_in(2).then_some(Curve {
        first: 0,
        last: 3_000_000,
    });
    let leg = if curve.is_some() { 64 } else { 48 };
    let known = 10 * ids.len();
    let left = room.saturating_sub(2 * leg + 100 + known);
    let share = |of: usize, size: usize| {
        let bytes = if shape == of {
            left
        } else if shape > 3 {
            left / 4
        } else {
            0
        };
        (bytes / size).min(200)
    };
    let (gives, gets, rewards, others) = (share(0, leg), share(1, leg), share(2, 48), share(3, 10));
    // Behind all of the table: each list looks through the whole of it.
    let assets = |rng: &mut Rng, count: usize| {
        let mut ids: Vec<AssetId> = rng.assets(count);
        ids.iter_mut().for_each(|asset| asset.0[0] = 0xff);
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let give = |asset| Leg {
        asset,
        start: if curve.is_some() { 1 } else { 9 },
        end: 9,
    };
    let nothing = |asset| Leg {
        asset,
        start: 0,
        end: 0,
    };
    let mut counterparties = Vec::new();
    if others > 0 {
        counterparties.extend(ids);
        counterparties.extend((0..others).map(|_| FragmentId::from_bytes(rng.bytes(10).try_into().expect("10"))));
        counterparties.sort_unstable();
        counterparties.dedup();
        counterparties.retain(|id| *id != FragmentId::ZERO);
    }
    SwapIntent {
        gives: assets(rng, 1 + gives).into_iter().map(give).collect(),
        gets: assets(rng, 1 + gets).into_iter().map(nothing).collect(),
        rewards: assets(rng, rewards)
            .into_iter()
            .map(|asset| Outflow { asset, amount: 5 })
            .collect(),
        counterparties,
        curve,
        least_fill: rng.one_in(2).then_some(1),
    }
}
