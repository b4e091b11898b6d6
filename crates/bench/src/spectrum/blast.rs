//! What a lie takes along: everything that was built on it, in whole batches.

use rand::rngs::StdRng;

use super::contention::{Scene, Touches};

/// How far a lie has spread when so many batches have followed it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    /// Share of the batches since that fall with it.
    pub batches: f64,
    /// Share of roots whose head falls.
    pub roots: f64,
}

/// Which batches fall, of batches that follow each other and each build on all before: the first is a lie.
pub fn fallen(batches: &[Vec<Touches>]) -> Vec<bool> {
    let mut doomed = std::collections::BTreeSet::new();
    batches
        .iter()
        .enumerate()
        .map(|(place, steps)| {
            let touched = || steps.iter().flatten();
            let falls = place == 0 || touched().any(|root| doomed.contains(root));
            if falls {
                doomed.extend(touched().copied());
            }
            falls
        })
        .collect()
}

/// How a lie spreads, on average: after 1, 2, … `blocks` batches of this scene's steps.
pub fn spread(scene: Scene, blocks: usize, rounds: u32, random: &mut StdRng) -> Vec<Spread> {
    let mut mean = vec![Spread::default(); blocks];
    for _ in 0..rounds {
        let mut doomed = vec![false; usize::try_from(scene.roots).unwrap_or(1)];
        let (mut count, mut fell) = (0_u32, 0_u32);
        for block in 0..=blocks {
            let steps: Vec<Touches> = scene.draw(random).concat();
            let places = || steps.iter().flatten().filter_map(|root| usize::try_from(*root).ok());
            let falls = block == 0 || places().any(|root| doomed[root]);
            if falls {
                for root in places() {
                    count += u32::from(!doomed[root]);
                    doomed[root] = true;
                }
            }
            if let Some(after) = block.checked_sub(1) {
                fell += u32::from(falls);
                let since = f64::from(u32::try_from(block).unwrap_or(u32::MAX));
                mean[after].batches += f64::from(fell) / since / f64::from(rounds);
                mean[after].roots += f64::from(count) / f64::from(scene.roots) / f64::from(rounds);
            }
        }
    }
    mean
}

/// The same on average, for many roots: of a batch with so many touches on roots at random, the chance that it touches none that
/// fall is `(1 − x)^touches` if the share x of them falls; and if it falls, so do all that it touches.
pub fn expected(roots: f64, touches: f64, blocks: u32) -> Spread {
    let hit = |share: f64| -f64::exp_m1(touches * f64::ln_1p(-share.min(1.0 - 1e-12)));
    let touched = hit(1.0 / roots.max(1.0));
    let mut spread = Spread {
        batches: 0.0,
        roots: touched,
    };
    for _ in 0..blocks {
        let falls = hit(spread.roots);
        spread.batches += falls / f64::from(blocks);
        spread.roots += falls * touched * (1.0 - spread.roots);
    }
    spread
}
