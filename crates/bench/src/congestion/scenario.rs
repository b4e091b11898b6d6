//! What happens on L1 meanwhile.

use super::demand::wei;

/// Wei in a gwei.
const GWEI: f64 = 1e9;

/// Slots of a minute.
pub(super) const SLOTS_PER_MINUTE: u64 = 5;

/// A stretch of L1.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// The same in a chart.
    pub short: &'static str,
    /// What of it is published.
    pub published: &'static str,
    /// What of it is assumed or interpolated.
    pub assumed: &'static str,
    /// What demand makes of the base fee: minutes from the beginning, and gwei, the last of which ends it. Between two of them it
    /// moves by the same share every minute.
    pub anchors: &'static [(f64, f64)],
    /// Minutes of the event itself: means are taken over it, and lies are posted in it.
    pub event: u64,
    /// Demand as a multiple of what blocks have room for.
    pub intensity: f64,
    /// Share of slots without a block.
    pub missed: f64,
    /// Share of blocks that leave the proof out.
    pub censored: f64,
    /// Minutes after which L1 takes back everything since the lie, for a branch of as many slots that has the lie and not the proof.
    pub reorganised: Option<u64>,
}

const CALM: Scenario = Scenario {
    name: "calm",
    short: "calm",
    published: "0.1 to 4 gwei in 2026",
    assumed: "a day from 0.1 to 4 gwei and back",
    anchors: &[(0.0, 0.2), (360.0, 0.1), (840.0, 4.0), (1_440.0, 0.2)],
    event: 1_440,
    intensity: 1.5,
    missed: 0.005,
    censored: 0.0,
    reorganised: None,
};

/// All scenarios; a stuffing attacker is [`apart`](super::stuffing), since what it does depends on what the proof offers.
pub static ALL: [Scenario; 11] = [
    CALM,
    Scenario {
        name: "Otherside 2022-05-01",
        short: "Otherside",
        published: "71,718 ETH burnt that day, about 747 gwei on average, peaks to 5,100 gwei",
        assumed: "the shape: 45 gwei before, four minutes to the peak, five hours down, the rest of the day at about 360, then back to 45 gwei",
        anchors: &[
            (0.0, 45.0),
            (60.0, 45.0),
            (64.0, 3_900.0),
            (75.0, 3_900.0),
            (140.0, 3_000.0),
            (260.0, 1_150.0),
            (420.0, 380.0),
            (1_440.0, 350.0),
            (1_600.0, 45.0),
            (1_920.0, 45.0),
        ],
        event: 1_440,
        intensity: 6.0,
        ..CALM
    },
    Scenario {
        name: "FTX 2022-11-08",
        short: "FTX",
        published: "318 gwei",
        assumed: "20 gwei before, an hour up, three hours down to 60, then back to 20 gwei",
        anchors: &[
            (0.0, 20.0),
            (60.0, 20.0),
            (120.0, 265.0),
            (140.0, 265.0),
            (320.0, 60.0),
            (500.0, 20.0),
            (1_440.0, 20.0),
        ],
        event: 320,
        intensity: 3.0,
        ..CALM
    },
    Scenario {
        name: "USDC depeg 2023-03",
        short: "USDC",
        published: "from 23 to 304 gwei",
        assumed: "two hours up, four hours down to 60, then back to 23 gwei",
        anchors: &[
            (0.0, 23.0),
            (60.0, 23.0),
            (180.0, 262.0),
            (200.0, 262.0),
            (440.0, 60.0),
            (600.0, 23.0),
            (1_440.0, 23.0),
        ],
        event: 440,
        intensity: 3.0,
        ..CALM
    },
    Scenario {
        name: "2024-08-05",
        short: "Aug 2024",
        published: "350 gwei on average, 710 at the peak",
        assumed: "the average is that of three hours, from 85 gwei up and back, then down to 12 gwei",
        anchors: &[
            (0.0, 85.0),
            (45.0, 360.0),
            (70.0, 625.0),
            (80.0, 625.0),
            (120.0, 360.0),
            (180.0, 125.0),
            (480.0, 12.0),
            (1_440.0, 12.0),
        ],
        event: 180,
        intensity: 3.0,
        ..CALM
    },
    Scenario {
        name: "WLFI 2025-09-01",
        short: "WLFI",
        published: "above 100 gwei",
        assumed: "0.5 gwei before, demand for 80 gwei at once, an hour of it, two hours down to 5, then back to 0.5",
        anchors: &[
            (0.0, 0.5),
            (30.0, 0.5),
            (31.0, 80.0),
            (90.0, 80.0),
            (210.0, 5.0),
            (300.0, 0.5),
            (1_440.0, 0.5),
        ],
        event: 210,
        intensity: 5.0,
        ..CALM
    },
    Scenario {
        name: "50% censor",
        short: "50%",
        published: "-",
        assumed: "calm, and each block leaves the proof out by the flip of a coin of this weight",
        censored: 0.5,
        ..CALM
    },
    Scenario {
        name: "90% censor",
        short: "90%",
        published: "-",
        assumed: "as above",
        censored: 0.9,
        ..CALM
    },
    Scenario {
        name: "99% censor",
        short: "99%",
        published: "-",
        assumed: "as above",
        censored: 0.99,
        ..CALM
    },
    Scenario {
        name: "missed slots",
        short: "missed",
        published: "248 of 1,344 slots missed on 2025-12-04, 18.5%",
        assumed: "calm, and each slot is missed by itself",
        missed: 0.185,
        ..CALM
    },
    Scenario {
        name: "non-finality",
        short: "reorg",
        published: "finality lost for more than an hour on 2023-05-12",
        assumed: "the worst of it: half of all slots missed, and after an hour L1 takes back everything since the lie, for a branch that nobody \
                  told of the proof",
        missed: 0.5,
        reorganised: Some(60),
        ..CALM
    },
];

impl Scenario {
    /// Slots until its end.
    pub fn slots(&self) -> u64 {
        let minutes = self.anchors.last().map_or(0.0, |(minute, _)| *minute);
        u64::try_from(wei(minutes)).unwrap_or_default() * SLOTS_PER_MINUTE
    }

    /// What demand makes of the base fee in a slot, in wei for a unit of gas.
    pub fn price(&self, slot: u64) -> f64 {
        let minute = f64::from(u32::try_from(slot).unwrap_or(u32::MAX)) / 5.0;
        let next = self.anchors.partition_point(|(anchor, _)| *anchor <= minute);
        let before = next.checked_sub(1).and_then(|index| self.anchors.get(index));
        let gwei = match (before, self.anchors.get(next)) {
            (Some((from, low)), Some((to, high))) => low * (high / low).powf((minute - from) / (to - from)),
            (Some((_, gwei)), None) | (None, Some((_, gwei))) => *gwei,
            (None, None) => 0.0,
        };
        gwei * GWEI
    }
}

/// Wei for a unit of gas, as blocks have it.
pub(super) fn whole(price: f64) -> u64 {
    u64::try_from(wei(price)).unwrap_or(u64::MAX)
}
