//! From what is assumed of L1 and of attackers to a window.

use nthroot_model::params::Params;
use nthroot_node::config::Wei;
use serde::{Deserialize, Serialize};

use super::{
    inclusion,
    runs::{self, BLOCKS_PER_YEAR, real},
    share::Share,
};

/// Seconds of a day, and of the time in which a proposer is reckoned to post a batch.
const DAY: u64 = 86_400;
const BETWEEN_BATCHES: u64 = 300;

/// Wei. Insured gas prices are whole gwei.
const GWEI: u128 = 1_000_000_000;

/// Blocks. The longest window that a bridge takes: 365 days.
const LONGEST: u64 = 2_628_000;

/// What is assumed of L1, of attackers and of watchers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Assumptions {
    /// Share of stake of the largest party: it proposes as many blocks. The largest entity has about a quarter
    #[arg(long, value_name = "SHARE", default_value = "25%")]
    pub stake_share: Share,

    /// Share of blocks that one party builds. Two built 88.7% in October 2024; the longest run in two years was 25
    #[arg(long, value_name = "SHARE", default_value = "50%")]
    pub builder_share: Share,

    /// Share of blocks that leave a challenge out for whatever reason, that party's included
    #[arg(long, value_name = "SHARE", default_value = "88.7%")]
    pub censoring_share: Share,

    /// Share of slots without a block. 0.5% in normal times, 18.5% on 2025-12-04
    #[arg(long, value_name = "SHARE", default_value = "0.5%")]
    pub missed_slots: Share,

    /// Probability that a lie can become final by chance within a year, for each of the constraints
    #[arg(long, value_name = "PROBABILITY", default_value_t = 1e-6)]
    pub target: f64,

    /// What one lie could take, with a unit: "100ether"
    #[arg(long, value_name = "AMOUNT", default_value = "100ether")]
    pub value: Wei,

    /// What some watcher surely bids in each block, as its builder gets it: "0.5ether". The gas that a proof uses counts, of a node's
    /// budget ten elevenths
    #[arg(long, value_name = "AMOUNT", default_value = "0.5ether")]
    pub budget: Wei,

    /// Slots until L1 finalises a block: 64 to 96, by its place in the epoch
    #[arg(long, value_name = "SLOTS", default_value_t = 96, value_parser = clap::value_parser!(u64).range(64..=96))]
    pub finality: u64,

    /// Minutes for which L1 may fail to finalise, and the window shall outlast it. 25 and more than 60 on 2023-05-11 and 12
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub finality_delay: u64,

    /// Blocks until a watcher has judged the batch and offers its first proof
    #[arg(long, value_name = "BLOCKS", default_value_t = 2)]
    pub reaction: u64,

    /// Days that a social response to an attack on L1 itself shall have: 7 elsewhere, 0 gives it up
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub social_days: u64,

    /// Seconds of a slot
    #[arg(long, value_name = "SECONDS", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    pub slot: u64,
}

/// Why there is no window.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unanswerable {
    /// A probability of nothing, or of more than everything.
    #[error("a target of {0} per year: it is a probability above 0 and below 1, as 0.000001")]
    Target(f64),
    /// Who bids nothing is outbid for nothing.
    #[error("the budget is zero: a watcher that bids nothing is kept out for nothing")]
    Budget,
    /// A slot that takes no time.
    #[error("the slot is zero seconds")]
    Slot,
    /// No window that a bridge takes is long enough.
    #[error("{0:?} needs more than 2,628,000 blocks, which is the longest window: assume less, or secure less")]
    TooLong(Kind),
}

/// What asks for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One party proposes every block of the cushion.
    Stake,
    /// One party builds every block of the cushion.
    Builder,
    /// Every block of the cushion is built by somebody who leaves the challenge out.
    Censorship,
    /// A liar outbids the watcher in every block of the window.
    Outbidding,
    /// People agree on what to do about an attack on L1.
    SocialResponse,
}

impl Kind {
    /// In words.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Stake => "runs of one proposer",
            Self::Builder => "runs of one builder",
            Self::Censorship => "runs of censors",
            Self::Outbidding => "outbidding",
            Self::SocialResponse => "social response",
        }
    }
}

/// A constraint by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Constraint {
    /// What asks for it.
    pub kind: Kind,
    /// Blocks in which a challenge must be able to get in: of the cushion for the first three kinds, else of the window.
    pub blocks: u64,
    /// The window that it alone asks for, in blocks.
    pub window: u64,
    /// Whether it is the one that decides.
    pub binds: bool,
    /// Probability per year at the answer's window. None: it is not a matter of chance.
    pub chance: Option<f64>,
}

/// A window, and what goes with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Blocks.
    pub window: u64,
    /// How long that is by the clock, slots without a block included.
    pub minutes: f64,
    /// Blocks that L1 needs to finalise, at most.
    pub finality: u64,
    /// Blocks in which a challenge that is included cannot be taken back any more by the end of the window.
    pub cushion: u64,
    /// Each constraint by itself.
    pub constraints: Vec<Constraint>,
    /// Probability that one challenge is left out of all blocks of the cushion, by those who leave it out.
    pub one_attempt: f64,
    /// Below this a lie takes less than it costs to keep its proof out.
    pub safe_value: Wei,
    /// The longest time in which L1 may not finalise that leaves the cushion as it has to be, in minutes.
    pub longest_delay: f64,
    /// Least lock of a batch: half of it pays what the watcher bids.
    pub min_lock: Wei,
    /// For a unit of gas, whole gwei: what that lock insures of the dearest proof. At least 1 gwei, for which the lock is raised.
    pub insured_gas_price: Wei,
    /// What a proposer has locked who posts a batch with the least lock every five minutes.
    pub bond: Wei,
    /// What no window of this length covers.
    pub not_covered: Vec<&'static str>,
}

/// The shortest window that satisfies every constraint.
///
/// # Errors
///
/// If the assumptions make no sense, or no window satisfies them.
pub fn answer(assumed: &Assumptions) -> Result<Answer, Unanswerable> {
    if !(assumed.target > 0.0 && assumed.target < 1.0) {
        return Err(Unanswerable::Target(assumed.target));
    }
    if assumed.budget.0 == 0 {
        return Err(Unanswerable::Budget);
    }
    if assumed.slot == 0 {
        return Err(Unanswerable::Slot);
    }
    let slots = |seconds: u64| seconds.div_ceil(assumed.slot);
    // If no slot is missed there are as many blocks: the window counts blocks.
    let finality = assumed
        .finality
        .saturating_add(slots(assumed.finality_delay.saturating_mul(60)));
    let before = finality.saturating_add(assumed.reaction);

    let shares = [
        (Kind::Stake, assumed.stake_share),
        (Kind::Builder, assumed.builder_share),
        (Kind::Censorship, assumed.censoring_share),
    ];
    let blocks_per_year = BLOCKS_PER_YEAR * 12 / assumed.slot;
    let mut constraints = Vec::new();
    for (kind, share) in shares {
        let blocks = runs::least_length(share.get(), blocks_per_year, assumed.target);
        constraints.push((kind, blocks, before.saturating_add(blocks)));
    }
    let bids = u64::try_from(assumed.value.0 / assumed.budget.0).unwrap_or(u64::MAX);
    let bids = bids.saturating_add(1);
    constraints.push((Kind::Outbidding, bids, bids.saturating_add(assumed.reaction)));
    let days = slots(assumed.social_days.saturating_mul(DAY));
    constraints.push((Kind::SocialResponse, days, days));

    let window = constraints.iter().map(|(.., window)| *window).max().unwrap_or_default();
    if let Some((kind, ..)) = constraints.iter().find(|(.., window)| *window > LONGEST) {
        return Err(Unanswerable::TooLong(*kind));
    }
    let cushion = window.saturating_sub(before);
    let least_cushion = constraints.iter().take(3).map(|(_, blocks, _)| *blocks).max();
    let chance = |kind| {
        let (_, share) = shares.into_iter().find(|(of, _)| *of == kind)?;
        Some(runs::probability(share.get(), cushion, blocks_per_year))
    };
    let bond = Bond::of(assumed.budget.0);
    let minutes = |blocks: u64| real(blocks * assumed.slot) / 60.0;
    Ok(Answer {
        window,
        minutes: minutes(window) / (1.0 - assumed.missed_slots.get()),
        finality,
        cushion,
        constraints: constraints
            .iter()
            .map(|&(kind, blocks, needed)| Constraint {
                kind,
                blocks,
                window: needed,
                binds: needed == window,
                chance: chance(kind),
            })
            .collect(),
        one_attempt: inclusion::left_out_of_blocks(assumed.censoring_share.get(), cushion),
        safe_value: Wei(assumed
            .budget
            .0
            .saturating_mul(window.saturating_sub(assumed.reaction).into())),
        longest_delay: minutes(cushion.saturating_sub(least_cushion.unwrap_or_default()))
            + real(assumed.finality_delay),
        min_lock: Wei(bond.min_lock),
        insured_gas_price: Wei(bond.insured_gas_price),
        bond: Wei(bond
            .min_lock
            .saturating_mul(locked_at_once(window, assumed.slot).into())),
        not_covered: not_covered(assumed),
    })
}

/// The bond that goes with what watchers bid.
struct Bond {
    min_lock: u128,
    insured_gas_price: u128,
}

impl Bond {
    /// The reward, half of the lock, is the bid; and the lock insures the dearest proof at the highest price for which a bridge can be
    /// deployed with it (section 8 of the specification).
    fn of(budget: u128) -> Self {
        let min_lock = budget.saturating_mul(2);
        let insured_gas_price = (min_lock / Params::least_min_lock(1) / GWEI * GWEI).max(GWEI);
        Self {
            min_lock: min_lock.max(Params::least_min_lock(insured_gas_price)),
            insured_gas_price,
        }
    }
}

/// Batches whose lock is not released yet, of a proposer who posts one every five minutes: those of two epochs at most.
const fn locked_at_once(window: u64, slot: u64) -> u64 {
    let epochs = 2 * (window + 1) * slot;
    epochs.div_ceil(BETWEEN_BATCHES)
}

fn not_covered(assumed: &Assumptions) -> Vec<&'static str> {
    let mut holes = vec![
        "Censorship by all builders: whoever builds every block of the window can leave out what it wants, at any price.",
        "A watcher that does not run, or is too slow: no window replaces it.",
        "Bugs in the contracts, in the rules or in the only watcher that is awake.",
        "Inclusion lists carry 8 KiB: a proof of a transfer fits, the largest do not, so a builder may leave those out.",
        "Proposers who know their turn: an epoch's are known ahead, so that a liar waits for a run of its own. The figures count \
         runs anywhere in the year for that reason; builders who agree among each other are one builder.",
    ];
    if assumed.social_days == 0 {
        holes.push("A social response to an attack on L1 itself: that takes days, and this window gives it up.");
    }
    if assumed.stake_share.get() >= 1.0 / 3.0 {
        holes.push(
            "Who has a third of the stake can keep L1 from finalising for as long as it wants: see --finality-delay.",
        );
    }
    if assumed.censoring_share.get() >= 0.5 || assumed.stake_share.get() >= 0.5 {
        holes.push(
            "If those who censor are most of the stake, they can orphan the blocks of all others: then they leave out not a share but \
             everything.",
        );
    }
    holes
}
