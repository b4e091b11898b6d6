//! Simulated stretches of L1 are like those that were published, and proofs wait in them as they should.

use nthroot_bench::{
    congestion::{
        environment::Environment,
        prices::{actions, proofs, reward},
        scenario::{ALL, Scenario},
        stuffing::Attack,
        trial::{Outcome, Summary, Trials, missed},
    },
    window::{inclusion::left_out_of_blocks, preset::Preset},
};
use nthroot_node::{fees::FeePolicy, watcher::counted_gas};

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = GWEI * GWEI;

fn scenario(name: &str) -> Scenario {
    let found = ALL.iter().find(|scenario| scenario.name.starts_with(name));
    found.unwrap().clone()
}

fn simulate(scenario: &Scenario, seed: u64) -> Environment {
    let limits = proofs().unwrap().map(|proof| proof.limit);
    Environment::simulate(scenario, limits, seed).unwrap()
}

/// Gwei: mean and peak of the base fee in the event itself.
fn shape(scenario: &Scenario, environment: &Environment) -> (f64, f64) {
    let event = environment.event(scenario);
    let fees = event.iter().map(|block| block.base_fee as f64 / 1e9);
    let peak = fees.clone().fold(0.0, f64::max);
    (fees.sum::<f64>() / event.len() as f64, peak)
}

#[test]
fn spikes_have_the_means_and_peaks_that_were_published() {
    let about = |found: f64, published: f64| (found / published - 1.0).abs() < 0.15;
    for (name, mean, peak) in [
        ("Otherside", Some(747.0), Some(5_100.0)),
        ("FTX", None, Some(318.0)),
        ("USDC", None, Some(304.0)),
        ("2024-08-05", Some(350.0), Some(710.0)),
        ("WLFI", None, Some(115.0)),
    ] {
        let scenario = scenario(name);
        let (found_mean, found_peak) = shape(&scenario, &simulate(&scenario, 1));
        assert!(
            mean.is_none_or(|mean| about(found_mean, mean)),
            "{name}: mean {found_mean}"
        );
        assert!(
            peak.is_none_or(|peak| about(found_peak, peak)),
            "{name}: peak {found_peak}"
        );
    }
}

#[test]
fn a_calm_day_stays_calm() {
    let calm = scenario("calm");
    let environment = simulate(&calm, 2);
    let (_, peak) = shape(&calm, &environment);
    assert!(peak < 6.0, "{peak}");
    let used: u64 = environment.blocks.iter().map(|block| block.gas_used).sum();
    let mean = used / environment.blocks.len() as u64;
    assert!((28_000_000..32_000_000).contains(&mean), "half full on average: {mean}");
}

#[test]
fn the_same_seed_gives_the_same_blocks_and_waits() {
    let scenario = scenario("2024-08-05");
    let (one, other, third) = (simulate(&scenario, 7), simulate(&scenario, 7), simulate(&scenario, 8));
    assert_eq!(one, other);
    assert_ne!(one, third);
    let proof = &proofs().unwrap()[0];
    let run = |environment: Environment| {
        Trials {
            scenario: &scenario,
            environments: &[environment],
            proof,
            place: 0,
            policy: FeePolicy::urgent(ETHER),
            count: 200,
            seed: 3,
        }
        .run()
    };
    assert_eq!(run(one), run(other));
}

fn trials(scenario: &Scenario, policy: FeePolicy, count: u64) -> Vec<Outcome> {
    let proof = &proofs().unwrap()[0];
    let environments = [simulate(scenario, 1)];
    Trials {
        scenario,
        environments: &environments,
        proof,
        place: 0,
        policy,
        count,
        seed: 5,
    }
    .run()
}

#[test]
fn a_proof_on_a_calm_day_is_in_the_next_block_or_nearly() {
    let summary = Summary::of(&trials(&scenario("calm"), FeePolicy::convicting(1_000_000_000), 400));
    assert_eq!(summary.median, Some(1));
    assert!(summary.most.unwrap() <= 3, "{summary:?}");
}

/// Where only censors keep a proof out it waits as the formula says.
#[test]
fn censored_proofs_wait_as_the_formula_says() {
    for (name, censored, window) in [("50%", 0.5, 4), ("90%", 0.9, 20), ("99%", 0.99, 125)] {
        let outcomes = trials(&scenario(name), FeePolicy::urgent(1_000 * ETHER), 3_000);
        let (found, exact) = (missed(&outcomes, window), left_out_of_blocks(censored, window));
        let deviation = (exact * (1.0 - exact) / 3_000.0).sqrt();
        // A block or so of a full market may come on top.
        assert!(
            (found - exact).abs() < 5.0 * deviation + 0.01,
            "{name}: {found} instead of {exact}"
        );
    }
}

/// What `docs/operating.md` says of the worst hours.
#[test]
fn half_an_ether_waits_for_minutes_in_the_worst_spike_and_ten_do_not() {
    let longest = |budget| Summary::of(&trials(&scenario("Otherside"), FeePolicy::urgent(budget), 400)).most;
    assert!((100..125).contains(&longest(ETHER / 2).unwrap()));
    assert!(longest(10 * ETHER).unwrap() < 10);
    // What `docs/threat-model.md` says that its builder gets.
    let [transfer, _] = proofs().unwrap();
    let gets = ETHER / 2 / u128::from(counted_gas(transfer.used)) * u128::from(transfer.used);
    assert!((45 * ETHER / 100..46 * ETHER / 100).contains(&gets));
    // And what operating says that its key needs for that.
    let needs = ETHER / 2 / u128::from(counted_gas(transfer.used)) * u128::from(transfer.limit);
    assert!((33 * ETHER / 10..34 * ETHER / 10).contains(&needs));
}

/// An hour without finality on half of the slots is 150 blocks: that is beyond 25 minutes, and nothing to a day.
#[test]
fn a_reorganisation_of_an_hour_takes_back_a_window_of_25_minutes_and_not_one_of_a_day() {
    let outcomes = trials(&scenario("non-finality"), FeePolicy::urgent(ETHER), 500);
    let windows: Vec<u64> = Preset::all()
        .unwrap()
        .into_iter()
        .map(|(_, preset)| preset.window)
        .collect();
    assert!(missed(&outcomes, windows[0]) > 0.98);
    assert_eq!(missed(&outcomes, windows[1]), 0.0);
}

#[test]
fn waits_are_summed_up_by_how_many_do_not_exceed_them() {
    let outcome = |waited| Outcome { waited, cost: 10 };
    let mut outcomes: Vec<Outcome> = (1..=99).map(|waited| outcome(Some(waited))).collect();
    outcomes.push(Outcome { waited: None, cost: 0 });
    let summary = Summary::of(&outcomes);
    assert_eq!((summary.median, summary.p99, summary.most), (Some(50), Some(99), None));
    assert_eq!(summary.cost, Some(10));
    assert_eq!(missed(&outcomes, 98), 0.02);
    assert_eq!(missed(&outcomes, 99), 0.01);
}

#[test]
fn who_stuffs_pays_more_in_each_block_and_loses_when_broke() {
    let scenario = scenario("calm");
    let proof = &proofs().unwrap()[0];
    let attack = |budget| {
        Attack {
            scenario: &scenario,
            proof,
            policy: FeePolicy::urgent(100 * ETHER),
            budget,
            seed: 1,
        }
        .run(200)
        .unwrap()
    };
    let (poor, rich) = (attack(10 * ETHER), attack(1_000 * ETHER));
    assert!(
        poor.len() < rich.len() && rich.len() < 30,
        "{} {}",
        poor.len(),
        rich.len()
    );
    for blocks in [&poor, &rich] {
        let (last, before) = blocks.split_last().unwrap();
        assert!(last.included.is_some());
        assert!(before.iter().all(|block| block.included.is_none()));
        assert!(
            before
                .windows(2)
                .all(|two| two[0].bill < two[1].bill && two[0].base_fee < two[1].base_fee)
        );
    }
    assert!(rich.last().unwrap().bill <= 1_000 * ETHER);
    assert!(rich.last().unwrap().bill > 500 * ETHER, "it spent what it had");
}

#[test]
fn gas_and_rewards_are_those_of_the_snapshots_and_the_specification() {
    let actions = actions().unwrap();
    assert!(actions.iter().all(|action| action.gas > 21_000));
    let prudent = &Preset::all().unwrap()[1].1;
    let [transfer, dearest] = proofs().unwrap();
    assert!(transfer.limit > transfer.used && dearest.limit <= 1 << 24);
    assert_eq!(reward(transfer.lock(prudent)), ETHER / 2, "the least lock");
    assert_eq!(
        reward(dearest.lock(prudent)),
        (10_000_000 + 26_000) * 81 * GWEI,
        "by its ceiling"
    );
}
