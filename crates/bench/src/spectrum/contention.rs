//! Steps that are skipped because somebody else was first: by what proposers do who do not talk to each other.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Roots that a step touches.
pub type Touches = Vec<u32>;

/// Which steps are skipped of batches that were built on the same heads and are included in this order (section 4.5).
pub fn skipped(batches: &[Vec<Touches>]) -> Vec<Vec<bool>> {
    let mut written: BTreeSet<u32> = BTreeSet::new();
    batches
        .iter()
        .map(|steps| {
            // Whether an entry of the batch can be built on.
            let mut entries: BTreeMap<u32, bool> = BTreeMap::new();
            let mut heads: BTreeSet<u32> = BTreeSet::new();
            let skipped = steps.iter().map(|touches| {
                let good = |root: &u32| *entries.get(root).unwrap_or(&!written.contains(root));
                let applied = touches.iter().all(good);
                entries.extend(touches.iter().map(|root| (*root, applied)));
                if applied {
                    heads.extend(touches);
                }
                !applied
            });
            let skipped = skipped.collect();
            written.extend(heads);
            skipped
        })
        .collect()
}

/// Who competes for what in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scene {
    /// Roots.
    pub roots: u32,
    /// Steps of all proposers.
    pub steps: u32,
    /// Share of steps that touch one root; the others touch two.
    pub single: f64,
    /// Proposers, each of whom is given its steps by chance.
    pub proposers: u32,
}

impl Scene {
    /// A draw of batches: roots at random, all equally used.
    pub fn draw(&self, random: &mut StdRng) -> Vec<Vec<Touches>> {
        let mut batches = vec![Vec::new(); usize::try_from(self.proposers).unwrap_or(1)];
        for _ in 0..self.steps {
            let mut touches = vec![random.random_range(0..self.roots)];
            if self.roots > 1 && !random.random_bool(self.single.clamp(0.0, 1.0)) {
                // Another one, each equally likely.
                let other = random.random_range(0..self.roots - 1);
                touches.push(if other >= touches[0] { other + 1 } else { other });
            }
            let proposer = random.random_range(0..batches.len());
            batches[proposer].push(touches);
        }
        batches
    }

    /// The share of steps that is skipped, simulated.
    pub fn simulated(&self, seed: u64, rounds: u32) -> f64 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut lost, mut all) = (0_u32, 0_u32);
        for _ in 0..rounds {
            let batches = skipped(&self.draw(&mut random));
            for skipped in batches.iter().flatten() {
                lost += u32::from(*skipped);
                all += 1;
            }
        }
        f64::from(lost) / f64::from(all.max(1))
    }
}

/// The share of steps that is skipped if each touches one root: `per_root` of them are expected on each in an interval, Poisson,
/// shared by chance among `proposers`. On each root the first proposer who has any is served, and nobody else:
/// `1 − (1 − e^−a) / (P · (1 − e^−a/P))`.
pub fn exact(per_root: f64, proposers: f64) -> f64 {
    if per_root <= 0.0 {
        return 0.0;
    }
    let some = |expected: f64| -f64::exp_m1(-expected);
    1.0 - some(per_root) / (proposers * some(per_root / proposers))
}

/// The share of payments that is skipped, by the exact formula where each touches one root; else simulated at the same density, with
/// two thousand payments.
pub fn share(roots: f64, payments: f64, within: f64, proposers: u64) -> f64 {
    const PAYMENTS: f64 = 2_000.0;
    const ROOTS: f64 = 50.0;
    const SEED: u64 = 7;
    let proposers = u32::try_from(proposers).unwrap_or(u32::MAX);
    if proposers < 2 {
        return 0.0;
    }
    let density = payments / roots;
    if within >= 1.0 {
        return exact(density, f64::from(proposers));
    }
    // Where there are many on each root, all but the first proposer's are skipped: more would change nothing.
    let scaled = (PAYMENTS / density).clamp(ROOTS, 4e6).min(roots);
    let scene = Scene {
        roots: whole(scaled),
        steps: whole((density * scaled).clamp(1.0, PAYMENTS)),
        single: within,
        proposers,
    };
    let rounds = (PAYMENTS / f64::from(scene.steps)).clamp(1.0, PAYMENTS);
    scene.simulated(SEED, whole(rounds))
}

/// The nearest whole number; far below what 32 bits hold.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and bounded"
)]
fn whole(number: f64) -> u32 {
    number.round().clamp(0.0, 4e9) as u32
}
