//! The second reading of the specification: a client in Python that knows nothing of the code.

use std::process::Command;

use eyre::Result;

use super::{Outcome, follow, python};
use crate::{
    tally::Tally,
    tools::{anvil, cargo, root},
};

pub(super) fn run() -> Result<Outcome> {
    let python = python::for_reader()?;
    let anvil = anvil()?;
    let mut tally = Tally::default();
    for check in ["check_vectors.py", "check_devnet.py"] {
        let mut command = Command::new(&python);
        command
            .arg(root().join("tools/reader").join(check))
            .env("ANVIL", &anvil);
        tally += follow(&mut command)?;
    }
    // Random steps, with what the contracts say of each.
    let steps = root().join("target/audit/steps.txt");
    let mut differential = cargo(["test", "--quiet", "--workspace", "--test", "differential"]);
    tally += follow(differential.env("NTHROOT_STEPS", &steps))?;
    let mut judged = Command::new(&python);
    tally += follow(judged.arg(root().join("tools/reader/check_steps.py")).arg(&steps))?;
    // Proposers, lies, roll-backs and reorganisations of nodes that know nothing of it.
    let mut soak = cargo(["test", "--quiet", "--workspace", "--test", "soak", "--", "--nocapture"]);
    tally += follow(soak.env("NTHROOT_READER", &python).env("ANVIL", &anvil))?;
    Ok(Outcome::Ran(
        tally,
        "vectors, random steps, a chain of its own, the chain that a soak leaves".to_owned(),
    ))
}
