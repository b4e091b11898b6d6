//! Gas under congestion: the section.

use eyre::Result;
use figment::{
    Figment,
    providers::{Format, Toml},
};
use nthroot_node::{config::ProofFeesSection, fees::FeePolicy};
use rayon::prelude::*;

use super::{
    chain::{self, Run},
    environment::Environment,
    figures, prices,
    prices::{GWEI_IN_WEI, PROOFS, Proof, ether, reward},
    scenario::{ALL, Scenario},
    sieges,
    trial::{Outcome, Trials},
};
use crate::{Options, report::Section, window::preset::Preset};

/// Dollars for an ether, unless another price is named: to compare by, not a forecast.
pub const ETHER_PRICE: f64 = 3_000.0;

/// A policy by its name.
pub(super) struct Named {
    pub(super) name: &'static str,
    /// By proof.
    pub(super) of: [FeePolicy; PROOFS],
}

/// What is compared: by what a node's configuration says if nobody changed it, and otherwise.
fn policies(proofs: &[Proof; PROOFS], preset: &Preset) -> Result<Vec<Named>> {
    let defaults = Figment::from(Toml::string(nthroot_node::config::DEFAULT));
    let usual: ProofFeesSection = defaults.focus("watcher.fees").extract()?;
    let rewards = [&proofs[0], &proofs[1]].map(|proof| reward(proof.lock(preset)));
    // As a watcher does: a conviction costs what it brings at most.
    let default = rewards.map(|reward| FeePolicy {
        max_fee_budget_wei: usual.budget.0.min(reward),
        ..usual.policy()
    });
    let named = |name, of| Named { name, of };
    Ok(vec![
        named("default", default),
        named(
            "patient",
            default.map(|policy| FeePolicy::patient(policy.max_fee_budget_wei)),
        ),
        named(
            "constant",
            default.map(|policy| FeePolicy {
                patience: u64::MAX,
                ..policy
            }),
        ),
        named("beyond reward", rewards.map(|reward| FeePolicy::urgent(20 * reward))),
    ])
}

/// What was found of a scenario.
pub(super) struct Found {
    pub(super) scenario: &'static Scenario,
    pub(super) environments: Vec<Environment>,
    /// By policy, and of each by proof.
    pub(super) outcomes: Vec<[Vec<Outcome>; PROOFS]>,
}

/// What all figures are about.
pub(super) struct Setting {
    pub(super) options: Options,
    /// For an ether.
    pub(super) dollars: f64,
    pub(super) presets: Vec<(&'static str, Preset)>,
    pub(super) proofs: [Proof; PROOFS],
    pub(super) policies: Vec<Named>,
}

impl Setting {
    /// The preset that decides how much a batch locks.
    pub(super) fn prudent(&self) -> &Preset {
        &self.presets[1].1
    }

    /// What the batch of a lie locks, in gwei.
    pub(super) fn lock(&self, proof: &Proof) -> u64 {
        proof.lock(self.prudent())
    }
}

/// At the usual price of ether.
///
/// # Errors
///
/// As [`section_at`].
pub fn section(options: &Options) -> Result<Section> {
    section_at(options, ETHER_PRICE)
}

/// What actions cost and proofs wait, with an ether at so many dollars.
///
/// # Errors
///
/// If a snapshot or a preset cannot be read, or the real chain fails. That there is none is told in the section.
pub fn section_at(options: &Options, dollars: f64) -> Result<Section> {
    let (presets, proofs) = (Preset::all()?, prices::proofs()?);
    let setting = Setting {
        options: *options,
        dollars,
        policies: policies(&proofs, &presets[1].1)?,
        presets,
        proofs,
    };
    let actions = prices::actions()?;
    let found: Vec<Found> = ALL
        .par_iter()
        .enumerate()
        .map(|(number, scenario)| look(&setting, number, scenario))
        .collect::<Result<_>>()?;
    let mut section = Section::new("congestion", "What does it cost when others want the same blocks?");
    section.text = text(dollars);
    section.figures = figures::of(&setting, &found, &actions);
    section.figures.extend(sieges::of(&setting)?);
    match on_a_chain()? {
        Some(run) => {
            section.text.push(of_the_chain(&run));
            section.figures.push(figures::of_the_chain(&run));
        }
        None => section
            .text
            .push("There was no anvil: what happens on a real chain was not measured in this run.".to_owned()),
    }
    Ok(section)
}

fn text(dollars: f64) -> Vec<String> {
    vec![
        format!(
            "Blocks are filled by others who want in: their number is random, each pays at most a price of its own and offers a share of it as a tip. \
             Base fees follow by EIP-1559 to the wei, blocks go to whoever brings the builder most, nodes suggest tips as geth does. The \
             proof is offered by the node's own fee policy in each block, as its outbox does. Every lie is at a random time of its \
             scenario's event. An ether is reckoned at ${dollars:.0}."
        ),
        "Policies: `default` is what a node does that nobody configured: it starts at 2 gwei, doubles every block, and spends half an ether at most, and no \
         more than half of the lock, which is the reward; `patient` adds a quarter \
         every third block; `constant` is never raised; `beyond reward` spends up to twenty times the reward, for whoever protects own \
         money. Locks are those of the preset `prudent`. A budget is divided by the gas that a proof uses, as simulated, and a tenth more. Each key has the \
         ether that nodes ask for: the price for the whole gas limit."
            .to_owned(),
        "What keeps a proof out for long is not the base fee by itself, but a base fee above what the policy spends; and builders who leave it out, \
         against whom no policy helps, but a longer window does. Stuffing costs more with every block, the more so the faster \
         the proof is raised; a proof that is never raised is kept out for little."
            .to_owned(),
    ]
}

fn of_the_chain(run: &Run) -> String {
    let waited = run.chain.iter().position(|block| block.convicts);
    format!(
        "On a real chain the watcher's own outbox got its proof in after {} blocks, among transactions that filled {} of them; base fees, offers and \
         the block of the conviction were predicted, and {}. It used {} of {} gas and cost {:.4} ETH of a reward of {} ETH.",
        waited.map_or(0, |place| place + 1),
        run.chain.iter().filter(|block| block.gas_used > 59_000_000).count(),
        if run.chain == run.predicted {
            "agree to the wei"
        } else {
            "do not agree"
        },
        run.gas.1,
        run.gas.0,
        ether(run.cost),
        ether(run.reward),
    )
}

fn look(setting: &Setting, number: usize, scenario: &'static Scenario) -> Result<Found> {
    let (stretches, count) = if setting.options.quick { (1, 300) } else { (6, 6_000) };
    let limits = [&setting.proofs[0], &setting.proofs[1]].map(|proof| proof.limit);
    let seed = |part: u64| {
        let number = u64::try_from(number).unwrap_or_default();
        let seed = setting.options.seed.wrapping_mul(1_000_003);
        seed.wrapping_add(number * 1_000 + part)
    };
    let environments: Vec<Environment> = (0..stretches)
        .into_par_iter()
        .map(|stretch| Environment::simulate(scenario, limits, seed(stretch)))
        .collect::<Result<_, _>>()?;
    let outcomes = setting.policies.iter().map(|Named { of, .. }| {
        let run = |place: usize| {
            let proof = &setting.proofs[place];
            Trials {
                scenario,
                environments: &environments,
                proof,
                place,
                policy: of[place],
                count,
                seed: seed(900),
            }
            .run()
        };
        [run(0), run(1)]
    });
    let outcomes = outcomes.collect();
    Ok(Found {
        scenario,
        environments,
        outcomes,
    })
}

/// A run on anvil, if there is one.
fn on_a_chain() -> Result<Option<Run>> {
    let traffic = chain::traffic(16, 12, 7_500_000, (4 * GWEI_IN_WEI, 60 * GWEI_IN_WEI));
    let policy = FeePolicy::patient(GWEI_IN_WEI * GWEI_IN_WEI);
    // A runtime of its own: whoever asks for the section may be in another one.
    let run = std::thread::spawn(move || -> Result<Option<Run>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(chain::run(None, &traffic, policy)) {
            Ok(run) => Ok(Some(run)),
            Err(error) if matches!(error.downcast_ref(), Some(nthroot_node::Error::Devnet(_))) => Ok(None),
            Err(error) => Err(error),
        }
    });
    run.join()
        .map_err(|_| eyre::eyre!("the run on a real chain panicked"))?
}
