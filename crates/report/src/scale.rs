//! From values to places along an axis, and the values that are named there.

use super::{Axis, number};

/// Ticks that an axis has at about most.
const TICKS: f64 = 7.0;

/// An axis with its ends. Places are values, or their logarithms to base 10.
#[derive(Debug)]
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    /// Least and greatest place.
    pub(super) ends: (f64, f64),
    /// Places of what is named.
    pub(super) ticks: Vec<f64>,
}

impl<'a> Scale<'a> {
    /// For these values; from zero on, if `zero`, unless the axis is logarithmic.
    pub(super) fn new(axis: &'a Axis, values: impl Iterator<Item = f64>, zero: bool) -> Self {
        let (mut low, mut high) = axis.range.unwrap_or_else(|| {
            let start = if zero && !axis.log {
                (0.0, 0.0)
            } else {
                (f64::INFINITY, f64::NEG_INFINITY)
            };
            let usable = values.filter(|value| value.is_finite() && (!axis.log || *value > 0.0));
            usable.fold(start, |(low, high), value| (low.min(value), high.max(value)))
        });
        if low > high {
            // Nothing to show.
            (low, high) = (1.0, 10.0);
        }
        if !axis.names.is_empty() {
            let names = axis.names.len();
            let ticks = (0..names).map(place).collect();
            return Self {
                axis,
                ends: (-0.5, place(names) - 0.5),
                ticks,
            };
        }
        if axis.log {
            Self::logarithmic(axis, low, high)
        } else {
            Self::linear(axis, low, high)
        }
    }

    fn linear(axis: &'a Axis, low: f64, high: f64) -> Self {
        let span = if high > low { high - low } else { low.abs().max(1.0) };
        let step = nice(span / TICKS);
        let (first, last) = ((low / step).floor(), (low + span).max(high) / step);
        let last = (last - 1e-9).ceil();
        let ends = if axis.range.is_some() {
            (low, low + span)
        } else {
            (first * step, last * step)
        };
        let mut ticks = Vec::new();
        let mut tick = first;
        while tick <= last {
            ticks.push(tick * step);
            tick += 1.0;
        }
        Self { axis, ends, ticks }
    }

    fn logarithmic(axis: &'a Axis, low: f64, high: f64) -> Self {
        let (low, high) = (low.log10(), high.log10());
        let ends = if axis.range.is_some() {
            (low, high)
        } else {
            (snap(low, f64::floor), snap(high, f64::ceil))
        };
        let ends = if ends.1 > ends.0 { ends } else { (ends.0, ends.0 + 1.0) };
        let decades = (ends.1 - ends.0).ceil();
        let every = (decades / TICKS).ceil().max(1.0);
        let within: &[f64] = if decades <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        let mut decade = ends.0.floor();
        while decade <= ends.1 + 1e-9 {
            ticks.extend(within.iter().map(|factor| decade + factor.log10()));
            decade += every;
        }
        Self {
            axis,
            ends,
            ticks: ticks
                .into_iter()
                .filter(|tick| (ends.0 - 1e-9..=ends.1 + 1e-9).contains(tick))
                .collect(),
        }
    }

    /// Where a value is; nowhere, if the axis has no place for it.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = if self.axis.log { value.log10() } else { value };
        let slack = (self.ends.1 - self.ends.0) * 1e-6;
        (self.ends.0 - slack..=self.ends.1 + slack)
            .contains(&place)
            .then_some(place)
    }

    /// What stands at a tick.
    pub(super) fn name(&self, place: f64) -> String {
        if !self.axis.names.is_empty() {
            // A tick of a named axis is the number of a name.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let index = place.round().max(0.0) as usize;
            return self.axis.names.get(index).cloned().unwrap_or_default();
        }
        number::tick(if self.axis.log { 10_f64.powf(place) } else { place })
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below.
fn nice(step: f64) -> f64 {
    let unit = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * unit >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * unit
}

/// To a power of ten, or to 2 or 5 times one.
fn snap(log: f64, round: fn(f64) -> f64) -> f64 {
    let decade = log.floor();
    let steps = [0.0, 2_f64.log10(), 5_f64.log10(), 1.0].map(|part| decade + part);
    let near = steps.into_iter().find(|step| (step - log).abs() < 1e-9);
    near.unwrap_or_else(|| {
        if round(0.5) < 0.5 {
            steps.into_iter().rfind(|step| *step <= log).unwrap_or(decade)
        } else {
            steps.into_iter().find(|step| *step >= log).unwrap_or(decade + 1.0)
        }
    })
}

/// The place of the n-th name.
fn place(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX))
}
