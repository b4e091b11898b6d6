//! Who else wants into blocks: a model.
//!
//! In each slot arrive transactions whose gas together is `intensity` times a block's limit, in units of a fortieth of it, as
//! many as a Poisson distribution says. Each is ready to pay at most a price that is distributed log-normally, so placed that those
//! who pay `price` or more want the gas target: then the base fee that changes nothing is `price`. Each offers its builder a
//! share of that, distributed log-normally too, and goes away after five minutes.

use rand::rngs::StdRng;
use rand_distr::{Distribution, LogNormal, Poisson};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{block::Want, market::Market};

/// Units of which a full block has room for so many.
const UNITS: u64 = 40;

/// Of the logarithm of what somebody pays at most: two thirds pay between 0.6 and 1.6 times the median.
const SPREAD: f64 = 0.5;

/// What the builder is offered, as a share of what somebody pays at most: the median, and the deviation of the logarithm.
const TIP_MEDIAN: f64 = 0.03;
const TIP_SPREAD: f64 = 1.0;

/// Wei for a unit of gas: the least tip.
const LEAST_TIP: f64 = 1e7;

/// Slots after which who was not included goes away.
const PATIENCE: u64 = 25;

/// Demand of a kind, on a market.
#[derive(Debug, Clone)]
pub struct Demand {
    market: Market,
    arrivals: Poisson<f64>,
    /// Where a price stands in the distribution of what is paid at most, as a logarithm above its median.
    offset: f64,
    caps: LogNormal<f64>,
    tips: LogNormal<f64>,
    /// What waits, and since which slot.
    waiting: Vec<Want>,
    since: Vec<u64>,
}

/// Figures of which there is no distribution.
#[derive(Debug, thiserror::Error)]
#[error("an intensity of {0}: it is above a half, since blocks are half full on average")]
pub struct BadIntensity(f64);

impl Demand {
    /// Demand for `intensity` times what blocks have room for.
    ///
    /// # Errors
    ///
    /// If that is not more than half of it.
    pub fn new(market: Market, intensity: f64) -> Result<Self, BadIntensity> {
        let wrong = || BadIntensity(intensity);
        let units = u32::try_from(UNITS).map(f64::from).unwrap_or_default();
        let limit_over_target = 1.0 / f64::from(u32::try_from(market.elasticity).map_err(|_| wrong())?);
        let who_pays = limit_over_target / intensity;
        let arrivals = Poisson::new(units * intensity).map_err(|_| wrong())?;
        if !(0.0..1.0).contains(&who_pays) {
            return Err(wrong());
        }
        Ok(Self {
            market,
            arrivals,
            offset: SPREAD * Normal::standard().inverse_cdf(1.0 - who_pays),
            caps: LogNormal::new(0.0, SPREAD).map_err(|_| wrong())?,
            tips: LogNormal::new(TIP_MEDIAN.ln(), TIP_SPREAD).map_err(|_| wrong())?,
            waiting: Vec::new(),
            since: Vec::new(),
        })
    }

    /// Whoever arrives in a slot in which the price is so many wei, and leaves before it.
    pub fn slot(&mut self, slot: u64, price: f64, random: &mut StdRng) {
        let mut kept = self.since.iter().map(|since| since + PATIENCE > slot);
        self.waiting.retain(|_| kept.next().unwrap_or_default());
        self.since.retain(|since| since + PATIENCE > slot);
        let gas = self.market.gas_limit / UNITS;
        let count = self.arrivals.sample(random);
        let median = price * (-self.offset).exp();
        for _ in 0..wei(count) {
            let cap = median * self.caps.sample(random);
            let tip = LEAST_TIP + cap * self.tips.sample(random);
            self.waiting.push(Want {
                gas,
                used: gas,
                max_fee: wei(cap),
                tip: wei(tip),
            });
            self.since.push(slot);
        }
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> &[Want] {
        &self.waiting
    }

    /// Takes away what is in a block.
    pub fn remove(&mut self, taken: &[usize]) {
        let mut is_taken = vec![false; self.waiting.len()];
        for place in taken {
            if let Some(taken) = is_taken.get_mut(*place) {
                *taken = true;
            }
        }
        let mut each = is_taken.iter();
        self.waiting.retain(|_| !each.next().copied().unwrap_or_default());
        let mut each = is_taken.iter();
        self.since.retain(|_| !each.next().copied().unwrap_or_default());
    }
}

/// A sum of wei, or a count; it saturates.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
pub(super) fn wei(amount: f64) -> u128 {
    amount as u128
}
