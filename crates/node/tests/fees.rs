//! Offers rise until they are taken, never above their budget, and so that nodes let each replace the one before.

use nthroot_node::fees::{FeePolicy, MIN_RAISE, Offer};
use proptest::prelude::*;

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = GWEI * GWEI;

/// As nodes reckon it: both fields at least a tenth higher.
fn nodes_accept(next: Offer, previous: Offer) -> bool {
    let least = |fee: u128| fee * (100 + u128::from(MIN_RAISE));
    next.max_fee * 100 >= least(previous.max_fee) && next.max_priority_fee * 100 >= least(previous.max_priority_fee)
}

#[test]
fn an_offer_survives_six_full_blocks() {
    let policy = FeePolicy::patient(ETHER);
    let offer = policy.offer(20 * GWEI, GWEI, 0, None, 100_000);
    let mut base = 20 * GWEI;
    for _ in 0..6 {
        base += base / 8;
    }
    assert!(offer.max_fee >= base + GWEI);
    assert!(offer.max_fee < base + base / 8 + GWEI, "no more than that");
    assert_eq!(offer.max_priority_fee, GWEI);
}

#[test]
fn a_watcher_raises_every_block_and_a_proposer_every_third() {
    let gas = 1_000_000;
    let (urgent, patient) = (FeePolicy::urgent(ETHER), FeePolicy::patient(ETHER));
    let (challenge, batch) = (
        urgent.offer(GWEI, GWEI, 0, None, gas),
        patient.offer(GWEI, GWEI, 0, None, gas),
    );
    let next = urgent.offer(GWEI, GWEI, 1, Some(challenge), gas);
    assert_eq!(next.max_priority_fee, 2 * challenge.max_priority_fee);
    for waited in 0..3 {
        assert_eq!(patient.offer(GWEI, GWEI, waited, Some(batch), gas), batch);
    }
    let next = patient.offer(GWEI, GWEI, 3, Some(batch), gas);
    assert_eq!(next.max_priority_fee, batch.max_priority_fee * 5 / 4);
}

/// The reward for a lie in the smallest batch pays for the dearest proof at the insured price: so the offer reaches that price.
#[test]
fn a_challenge_is_offered_all_that_it_wins() {
    let (insured, gas) = (50 * GWEI, 6_100_000_u64);
    let lock = u64::try_from(2 * u128::from(gas) * insured / GWEI).unwrap();
    let policy = FeePolicy::convicting(lock);
    let mut offer = policy.offer(GWEI, GWEI, 0, None, gas);
    let mut blocks = 0;
    while !policy.is_exhausted(offer, gas) {
        offer = policy.offer(GWEI, GWEI, 1, Some(offer), gas);
        blocks += 1;
    }
    assert_eq!(
        (offer.max_fee, offer.max_priority_fee),
        (insured, insured),
        "a builder gets all that the base fee leaves"
    );
    assert!(blocks <= 6, "{blocks} blocks until the whole reward is offered");
    assert_eq!(policy.offer(GWEI, GWEI, 9, Some(offer), gas), offer, "and no more");
}

fn policies() -> impl Strategy<Value = FeePolicy> {
    (0..10 * GWEI, 0..10 * ETHER, 0..300_u64, 0..10_u64, any::<bool>()).prop_map(
        |(tip_floor, max_fee_budget_wei, raise_percent, patience, all_at_last)| FeePolicy {
            tip_floor,
            max_fee_budget_wei,
            raise_percent,
            patience,
            all_at_last,
        },
    )
}

/// Base fee of the coming block, suggested tip, and whether this transaction would be taken: the weather of a block.
fn weather() -> impl Strategy<Value = (u128, u128)> {
    (
        prop_oneof![0..100_u128, 0..1_000 * GWEI, Just(u128::MAX)],
        prop_oneof![0..100_u128, 0..100 * GWEI],
    )
}

proptest! {
    #[test]
    fn offers_rise_within_the_budget_and_each_replaces_the_one_before(
        policy in policies(),
        gas in 21_000..(1_u64 << 24),
        blocks in prop::collection::vec(weather(), 1..60),
    ) {
        let (base, tip) = blocks[0];
        let mut offer = policy.offer(base, tip, 0, None, gas);
        let mut waited = 0;
        for (base, tip) in blocks {
            prop_assert!(offer.cost(gas) <= policy.max_fee_budget_wei);
            prop_assert!(offer.max_priority_fee <= offer.max_fee);
            let next = policy.offer(base, tip, waited, Some(offer), gas);
            let is_due = waited >= policy.patience.max(1);
            if next == offer {
                prop_assert!(!is_due || policy.is_exhausted(offer, gas), "stayed at {offer:?} with budget left");
                waited += 1;
            } else {
                prop_assert!(is_due, "raised too early");
                prop_assert!(next.replaces(offer) && nodes_accept(next, offer), "{offer:?} to {next:?}");
                waited = 1;
            }
            offer = next;
        }
    }

    #[test]
    fn what_costs_more_is_offered_no_less(
        policy in policies(),
        gas in 21_000..(1_u64 << 24),
        (base, tip) in weather(),
        more in 0..GWEI,
    ) {
        let offer = |base: u128, tip| policy.offer(base, tip, 0, None, gas);
        let (low, high) = (offer(base, tip), offer(base.saturating_add(more), tip + more));
        prop_assert!(high.max_fee >= low.max_fee && high.max_priority_fee >= low.max_priority_fee);
    }
}
