//! The calculator, and the presets that it recommends.

use clap::Parser;
use nthroot_bench::window::{
    Assumptions, Kind, Share, Unanswerable, answer,
    inclusion::left_out_of_blocks,
    preset::{FILES, Preset},
    runs::{BLOCKS_PER_YEAR, probability},
};
use nthroot_node::config::Wei;
use proptest::prelude::*;

const ETHER: u128 = 1_000_000_000_000_000_000;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    assumed: Assumptions,
}

/// What a command without flags assumes.
fn usual() -> Assumptions {
    Flags::parse_from(["window"]).assumed
}

fn share(share: f64) -> Share {
    Share::new(share).unwrap()
}

#[test]
fn a_window_is_finality_reaction_and_the_longest_cushion() {
    let found = answer(&usual()).unwrap();
    let censorship = found
        .constraints
        .iter()
        .find(|constraint| constraint.kind == Kind::Censorship)
        .unwrap();
    assert!(censorship.binds);
    assert_eq!(found.window, 96 + 2 + censorship.blocks);
    assert_eq!(found.cushion, censorship.blocks);
    assert!(probability(0.887, censorship.blocks, BLOCKS_PER_YEAR) <= 1e-6);
    assert!(probability(0.887, censorship.blocks - 1, BLOCKS_PER_YEAR) > 1e-6);
    assert_eq!(found.one_attempt, left_out_of_blocks(0.887, found.cushion));
}

type Change = fn(&mut Assumptions);

#[test]
fn each_constraint_binds_when_it_asks_for_most() {
    let cases: [(Kind, Change); 5] = [
        (Kind::Stake, |assumed| assumed.stake_share = share(0.95)),
        (Kind::Builder, |assumed| assumed.builder_share = share(0.97)),
        (Kind::Censorship, |assumed| assumed.censoring_share = share(0.99)),
        (Kind::Outbidding, |assumed| assumed.value = Wei(3_000 * ETHER)),
        (Kind::SocialResponse, |assumed| assumed.social_days = 5),
    ];
    for (kind, change) in cases {
        let mut assumed = usual();
        change(&mut assumed);
        let found = answer(&assumed).unwrap();
        let binding: Vec<Kind> = found
            .constraints
            .iter()
            .filter(|constraint| constraint.binds)
            .map(|constraint| constraint.kind)
            .collect();
        assert_eq!(binding, [kind]);
    }
}

#[test]
fn missed_slots_make_a_window_longer_by_the_clock_and_not_in_blocks() {
    let mut assumed = usual();
    let calm = answer(&assumed).unwrap();
    assumed.missed_slots = share(0.5);
    let storm = answer(&assumed).unwrap();
    assert_eq!(storm.window, calm.window);
    assert!((storm.minutes - 2.0 * calm.minutes * (1.0 - 0.005)).abs() < 1e-9);
}

#[test]
fn a_window_that_outlasts_a_loss_of_finality_is_longer_by_it() {
    let mut assumed = usual();
    let before = answer(&assumed).unwrap();
    assert_eq!(before.longest_delay, 0.0);
    assumed.finality_delay = 60;
    let found = answer(&assumed).unwrap();
    assert_eq!(found.window, before.window + 300);
    assert_eq!(found.longest_delay, 60.0);
}

#[test]
fn nonsense_is_refused_with_what_to_do() {
    let mut assumed = usual();
    assumed.target = 0.0;
    assert_eq!(answer(&assumed), Err(Unanswerable::Target(0.0)));
    let mut assumed = usual();
    assumed.budget = Wei(0);
    assert_eq!(answer(&assumed), Err(Unanswerable::Budget));
    let mut assumed = usual();
    assumed.value = Wei(u128::MAX);
    assert_eq!(answer(&assumed), Err(Unanswerable::TooLong(Kind::Outbidding)));
    let mut assumed = usual();
    assumed.censoring_share = share(1.0);
    assert_eq!(answer(&assumed), Err(Unanswerable::TooLong(Kind::Censorship)));
    for text in ["", "-1%", "101%", "1.5", "a quarter", "NaN"] {
        assert!(text.parse::<Share>().is_err(), "{text}");
    }
    assert_eq!("25%".parse::<Share>(), "0.25".parse::<Share>());
    assert_eq!(share(0.29).to_string(), "29%");
    assert_eq!(share(0.887).to_string(), "88.7%");
}

#[test]
fn answers_and_assumptions_are_documents() {
    let document = serde_json::to_value(answer(&usual()).unwrap()).unwrap();
    assert_eq!(document["constraints"][2]["kind"], "censorship");
    let assumed = usual();
    let text = serde_json::to_string(&assumed).unwrap();
    assert_eq!(serde_json::from_str::<Assumptions>(&text).unwrap(), assumed);
}

#[test]
fn presets_are_what_the_calculator_says() {
    let presets = Preset::all().unwrap();
    assert_eq!(presets.len(), FILES.len());
    for (name, preset) in presets {
        let found = answer(&preset.assumes).unwrap();
        assert!(found.window <= preset.window, "{name} needs {}", found.window);
        // And no more than that, but for a round number.
        assert!(
            found.window * 103 >= preset.window * 100,
            "{name} needs only {}",
            found.window
        );
        assert_eq!(found.min_lock, preset.min_lock, "{name}");
        assert_eq!(found.insured_gas_price, preset.insured_gas_price, "{name}");
    }
}

#[test]
fn bridges_can_be_deployed_with_presets() {
    for (name, preset) in Preset::all().unwrap() {
        let parameters = preset.parameters().unwrap();
        let params = nthroot_model::params::Params {
            chain_id: 1,
            deployment_block: 0,
            window: parameters.window,
            insured_gas_price: parameters.insured_gas_price.into(),
            min_lock: parameters.min_lock,
            caps: None,
        };
        assert_eq!(params.check(), Ok(()), "{name}");
        assert!(parameters.caps.is_empty(), "caps are the deployer's");
    }
}

#[test]
fn presets_say_how_long_they_are() {
    let minutes = Preset::all().unwrap().into_iter().map(|(_, preset)| preset.window / 5);
    assert_eq!(minutes.collect::<Vec<_>>(), [25, 24 * 60, 7 * 24 * 60]);
}

fn assumptions() -> impl Strategy<Value = Assumptions> {
    let shares = (0.0..0.95_f64, 0.0..0.95_f64, 0.0..0.99_f64, 0.0..0.5_f64);
    let amounts = (0..100_000_u128, 1..5_000_u128);
    let blocks = (64_u64..=96, 0..200_u64, 0..50_u64, 0..8_u64);
    (shares, 1_i32..12, amounts, blocks).prop_map(
        |((stake, builder, censoring, missed), exponent, (value, budget), (finality, delay, reaction, days))| {
            Assumptions {
                stake_share: share(stake),
                builder_share: share(builder),
                censoring_share: share(censoring),
                missed_slots: share(missed),
                target: 10_f64.powi(-exponent),
                value: Wei(value * ETHER / 10),
                budget: Wei(budget * ETHER / 1_000),
                finality,
                finality_delay: delay,
                reaction,
                social_days: days,
                slot: 12,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_answer_satisfies_every_constraint_and_no_shorter_one_does(assumed in assumptions()) {
        let Ok(found) = answer(&assumed) else {
            // Only because more than a year of bids would be needed.
            prop_assert!(assumed.value.0 / assumed.budget.0 > 2_000_000);
            return Ok(());
        };
        let delay = assumed.finality_delay * 5;
        let enough = |window: u64| {
            let cushion = window.checked_sub(assumed.finality + delay + assumed.reaction);
            let rare = |share: Share| cushion.is_some_and(|cushion| {
                probability(share.get(), cushion, BLOCKS_PER_YEAR) <= assumed.target
            });
            rare(assumed.stake_share)
                && rare(assumed.builder_share)
                && rare(assumed.censoring_share)
                && window > assumed.reaction
                && assumed.budget.0 * u128::from(window - assumed.reaction) > assumed.value.0
                && window >= assumed.social_days * 7_200
        };
        prop_assert!(enough(found.window));
        prop_assert!(!enough(found.window - 1));
        prop_assert!(found.safe_value > assumed.value);
        // The bond pays what is bid, and a bridge can have it.
        prop_assert!(found.min_lock.0 >= 2 * assumed.budget.0);
        let price = found.insured_gas_price.0;
        prop_assert!(found.min_lock.0 >= nthroot_model::params::Params::least_min_lock(price));
    }
}
