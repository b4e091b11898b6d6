//! Which alerts are told: the same not again for an hour, and no more than a person can read.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Alert, Kind};

/// The same alert is told again after this long, if it is still raised.
const REPEAT: Duration = Duration::from_secs(60 * 60);

/// The time in which of each kind at most [`PER_PERIOD`] are told.
const PERIOD: Duration = Duration::from_secs(60);

/// Alerts of a kind, in a period.
const PER_PERIOD: u32 = 10;

/// Alerts that are remembered; those raised longest ago are forgotten first, and might be told too often.
const MEMORY: usize = 1024;

/// What is told beside an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Alerts of its kind that were raised since the last one that was told, and not told.
    pub held_back: u64,
}

/// What is known of an alert.
struct Episode {
    /// When it was first raised without a pause.
    since: Instant,
    /// When it was last raised.
    last: Instant,
    /// When it was last told.
    told: Option<Instant>,
}

/// What is known of a kind.
struct Pressure {
    /// When the present period began.
    since: Instant,
    /// How many were told in it.
    told: u32,
    /// How many were not told since one was.
    held_back: u64,
}

/// Decides what is told.
#[derive(Default)]
pub struct Filter {
    episodes: BTreeMap<(Kind, String), Episode>,
    kinds: BTreeMap<Kind, Pressure>,
}

impl Filter {
    /// Whether the alert, raised now, is told.
    pub fn admit(&mut self, alert: &Alert, now: Instant) -> Option<Told> {
        let kind = alert.kind;
        let pressure = self.kinds.entry(kind).or_insert(Pressure {
            since: now,
            told: 0,
            held_back: 0,
        });
        if now.duration_since(pressure.since) >= PERIOD {
            pressure.since = now;
            pressure.told = 0;
        }
        let episode = self.episodes.entry((kind, alert.subject.clone())).or_insert(Episode {
            since: now,
            last: now,
            told: None,
        });
        // What paused for longer than it must last has begun anew.
        if now.duration_since(episode.last) > kind.grace().max(PERIOD) {
            episode.since = now;
        }
        episode.last = now;
        let lasts = now.duration_since(episode.since) >= kind.grace();
        let known = episode.told.is_some_and(|told| now.duration_since(told) < REPEAT);
        let admitted = lasts && !known && pressure.told < PER_PERIOD;
        let told = if admitted {
            episode.told = Some(now);
            pressure.told += 1;
            Some(Told {
                held_back: std::mem::take(&mut pressure.held_back),
            })
        } else {
            pressure.held_back += 1;
            None
        };
        self.forget();
        told
    }

    fn forget(&mut self) {
        while self.episodes.len() > MEMORY {
            let oldest = self.episodes.iter().min_by_key(|(_, episode)| episode.last);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.episodes.remove(&oldest);
        }
    }
}
