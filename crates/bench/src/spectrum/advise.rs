//! `nthroot advise`: which point of the spectrum suits a load. Arithmetic on what was measured, and nothing else.

use serde::{Deserialize, Serialize};

use super::{
    blast::expected,
    contention::share,
    grid::Grid,
    load::{Load, Place, Served},
    table,
};
use crate::cost::{Schedule, figures::number};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// What users do.
    #[serde(flatten)]
    pub load: Load,
    /// Whether everybody must be able to leave alone, whatever anybody else does.
    pub exit: bool,
    /// Share of payments that may fail at first, because somebody else was first or has the lease.
    pub tolerance: f64,
    /// Proposers, who do not talk to each other.
    pub proposers: u64,
    /// Most blocks that a payment may wait for its batch.
    pub wait: u64,
    /// Blocks in which a batch can be challenged.
    pub window: u64,
    /// Base fee, gwei.
    pub base_fee: f64,
    /// Price of an ether, dollars.
    pub ether: f64,
    /// Gas rules.
    pub schedule: Schedule,
}

/// A point, and what it means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Why it is named.
    pub why: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Users of a cohort: all of them wait for one head.
    pub users_per_cohort: u64,
    /// What it costs.
    #[serde(flatten)]
    pub served: Served,
    /// Ether for each payment.
    pub ether: f64,
    /// Dollars for each payment.
    pub dollars: f64,
    /// Ether for a proof, at the same base fee.
    pub proof_ether: f64,
    /// Share of payments that fail at first: skipped, or refused for want of a lease.
    pub failing: f64,
    /// Blocks until a payment is final: half an interval on average, and the window.
    pub final_after: u64,
    /// Share of roots whose last ten intervals go if a lie stands for ten intervals.
    pub rolled_back: f64,
    /// What is given up, one sentence each.
    pub gives_up: Vec<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// What was asked.
    pub question: Question,
    /// What suits best; none: nothing does all that is asked.
    pub best: Option<Candidate>,
    /// What else there is.
    pub others: Vec<Candidate>,
    /// What stood against other points, if nothing does.
    pub obstacle: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Nobody does anything.
    #[error("there must be users, proposers, payments and a wait of at least a block")]
    Nothing,
    /// A share that is none.
    #[error("{0} is a share between 0 and 1")]
    Share(&'static str),
    /// More users than cohorts can have.
    #[error("at most 2^32 users")]
    Users,
}

/// Blocks between batches that are considered.
const INTERVALS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 150, 300, 600, 1_800, 7_200];
/// Payments in a step.
const PER_STEP: [usize; 4] = [1, 2, 4, 7];
/// What is no dearer than this, by the cheapest, is as good: then fewer users share a head, and they wait less.
const AS_GOOD: f64 = 1.05;
/// Bytes of a transaction that an inclusion list has room for (EIP-7805), beside its envelope.
const INCLUSION_LIST: f64 = 8_192.0;

/// The answer to a question, by the committed measurements.
///
/// # Errors
///
/// If the question makes no sense.
pub fn advise(question: Question) -> Result<Advice, QuestionError> {
    question.check()?;
    let grid = table::committed(question.schedule);
    let all: Vec<Point> = question.points(grid);
    let admitted: Vec<&Point> = all.iter().filter(|point| question.admits(point)).collect();
    let best = pick(&admitted);
    let mut named: Vec<(&str, &Point)> = Vec::new();
    let mut name = |why: &'static str, point: Option<&'_ Point>| {
        if let Some(point) = point {
            let known = best.into_iter().chain(named.iter().map(|(_, point)| *point));
            if !known.into_iter().any(|other| other.place == point.place) {
                // Points outlive this.
                let point = all.iter().find(|other| other.place == point.place);
                named.extend(point.map(|point| (why, point)));
            }
        }
    };
    let some = |keep: &dyn Fn(&Point) -> bool| -> Vec<&Point> { all.iter().filter(|point| keep(point)).collect() };
    name("a root for each user", pick(&some(&|point| point.place.depth == 0)));
    name(
        "cohorts without leases",
        pick(&some(&|point| {
            point.place.depth > 0 && !point.place.leased && point.failing <= question.tolerance
        })),
    );
    name(
        "cohorts leased to proposers",
        pick(&some(&|point| {
            point.place.leased && point.failing <= question.tolerance
        })),
    );
    name("the cheapest, whatever fails at first", cheapest(&some(&|_| true)));
    let obstacle = best.is_none().then(|| question.obstacle(&all));
    Ok(Advice {
        question,
        best: best.map(|point| question.candidate("best", point)),
        others: named
            .into_iter()
            .map(|(why, point)| question.candidate(why, point))
            .collect(),
        obstacle,
    })
}

/// A point before it is described.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    place: Place,
    served: Served,
    failing: f64,
}

/// Of points that are as good as the cheapest: the one where the fewest share a head, then without lease, then the one with the shortest
/// wait, then the smallest steps.
fn pick<'a>(points: &[&'a Point]) -> Option<&'a Point> {
    let least = cheapest(points)?.served.gas;
    let good = points.iter().filter(|point| point.served.gas <= AS_GOOD * least);
    good.copied().min_by_key(|point| {
        (
            point.place.depth,
            point.place.leased,
            point.place.interval,
            point.place.per_step,
        )
    })
}

fn cheapest<'a>(points: &[&'a Point]) -> Option<&'a Point> {
    let by_gas = |a: &&&Point, b: &&&Point| a.served.gas.total_cmp(&b.served.gas);
    points.iter().min_by(by_gas).copied()
}

impl Question {
    fn check(&self) -> Result<(), QuestionError> {
        let Load { users, daily, locality } = self.load;
        if users == 0 || self.proposers == 0 || self.wait == 0 || daily <= 0.0 || !daily.is_finite() {
            return Err(QuestionError::Nothing);
        }
        for (share, name) in [(locality, "the locality"), (self.tolerance, "the tolerance")] {
            if !(0.0..=1.0).contains(&share) {
                return Err(QuestionError::Share(name));
            }
        }
        if users > 1 << 32 {
            return Err(QuestionError::Users);
        }
        Ok(())
    }

    /// All points at which nobody waits too long, with what they cost. Contention does not depend on steps' sizes.
    fn points(&self, grid: &Grid) -> Vec<Point> {
        let mut points = Vec::new();
        for depth in 0..=24 {
            // Deeper cohorts than users fill are only dearer to prove.
            if depth > 0 && self.load.cohorts(depth - 1) <= 1.0 {
                break;
            }
            for interval in INTERVALS.into_iter().filter(|interval| *interval <= self.wait) {
                let skipped = self.skipped(depth, interval);
                for leased in [false, true] {
                    if leased && depth == 0 {
                        continue;
                    }
                    let failing = if leased { self.refused(depth) } else { skipped };
                    let sizes = if depth == 0 { &PER_STEP[..1] } else { &PER_STEP[..] };
                    points.extend(sizes.iter().filter_map(|per_step| {
                        let place = Place {
                            depth,
                            leased,
                            per_step: *per_step,
                            interval,
                            proposers: self.proposers,
                        };
                        let served = self.load.served(grid, place)?;
                        Some(Point { place, served, failing })
                    }));
                }
            }
        }
        points
    }

    /// Share of payments that another proposer's batch makes stale.
    fn skipped(&self, depth: u8, interval: u64) -> f64 {
        let payments = self.load.payments(interval).max(1.0);
        share(
            self.load.cohorts(depth),
            payments,
            self.load.within(depth),
            self.proposers,
        )
    }

    /// Share of payments across cohorts that are leased to different proposers: no step can touch both.
    fn refused(&self, depth: u8) -> f64 {
        (1.0 - self.load.within(depth)) * (1.0 - 1.0 / number(self.proposers))
    }

    fn admits(&self, point: &Point) -> bool {
        let alone = !self.exit || point.place.depth == 0;
        alone && point.failing <= self.tolerance
    }

    fn obstacle(&self, points: &[Point]) -> String {
        let alone = points.iter().filter(|point| !self.exit || point.place.depth == 0);
        let least = alone.map(|point| point.failing).fold(1.0, f64::min);
        format!(
            "at least {:.1} % of payments fail at first, of which {:.1} % are tolerated: fewer proposers, or ones that agree on who \
             serves whom, would help",
            100.0 * least,
            100.0 * self.tolerance
        )
    }

    fn candidate(&self, why: &str, point: &Point) -> Candidate {
        let Point { place, served, failing } = point.clone();
        let ether = |gas: f64| gas * self.base_fee * 1e-9;
        let users = self.load.users.min(1 << place.depth);
        Candidate {
            why: why.to_owned(),
            place,
            users_per_cohort: users,
            served,
            ether: ether(served.gas),
            dollars: ether(served.gas) * self.ether,
            proof_ether: ether(served.proof),
            failing,
            final_after: place.interval.div_ceil(2) + self.window,
            rolled_back: rolled_back(&served),
            gives_up: gives_up(place, users, &served),
        }
    }
}

/// Share of roots that a lie takes along in ten intervals.
fn rolled_back(served: &Served) -> f64 {
    let touches = served.payments * (2.0 - served.within);
    expected(served.cohorts, touches.max(1.0), 10).roots
}

/// What a point gives up.
pub fn gives_up(place: Place, users: u64, served: &Served) -> Vec<String> {
    let mut all = Vec::new();
    let users = grouped(users);
    if place.depth == 0 {
        all.push("gas: each payment changes two slots; in return each user can leave alone, and nobody's root but a payment's parties' changes".to_owned());
    } else if place.leased {
        all.push(format!(
            "a cohort lives only while its leaseholder serves: nobody else can post for any of its {users} users, not even themselves, until \
             the lease ends (64 blocks at most, if it is not renewed)"
        ));
        all.push("who is paid does not sign, so cannot refuse".to_owned());
    } else {
        all.push(format!(
            "one head for {users} users: whoever posts for one of them makes all steps stale that were built on the head before"
        ));
    }
    if place.depth > 0 {
        all.push(
            "nobody can leave alone for certain: a step out is built on what everybody in the cohort has last done"
                .to_owned(),
        );
        all.push("a lie about one of them takes back what all of them have done since".to_owned());
    }
    if served.evidence > INCLUSION_LIST {
        all.push("a proof exceeds the 8 KiB that an inclusion list has room for (EIP-7805)".to_owned());
    }
    all
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
