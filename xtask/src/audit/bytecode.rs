//! The contracts, compiled from nothing into a folder of their own: no cache, no earlier artifact.

use std::{fs, path::PathBuf};

use eyre::{Result, ensure};
use serde_json::Value;

use super::{Outcome, folder, follow};
use crate::{
    artifacts,
    tally::Tally,
    tools::{forge, root},
};

pub(super) fn run() -> Result<Outcome> {
    let out = compile()?;
    let mut tally = Tally::default();
    for (name, artifact) in artifacts::compiled_in("contracts", &out)? {
        let committed = root().join("abi").join(&name).with_extension("json");
        let committed: Value = serde_json::from_slice(&fs::read(committed).unwrap_or_default()).unwrap_or_default();
        let same = |code: &str| artifact[code]["object"] == committed[code];
        let same = same("bytecode") && same("deployedBytecode");
        if !same {
            eprintln!("{name}: what the sources compile to is not what abi/ says");
        }
        tally.check(same);
    }
    ensure!(tally != Tally::default(), "nothing was compiled");
    Ok(Outcome::Ran(
        tally,
        format!(
            "{} contracts of {} are the committed bytes",
            tally.passed,
            tally.passed + tally.failed
        ),
    ))
}

/// Compiles, and says where the artifacts are.
pub(super) fn compile() -> Result<PathBuf> {
    let home = folder().join("bytecode");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let out = home.join("out");
    let mut build = forge()?;
    build
        .args(["build", "contracts", "--force", "--deny", "warnings"])
        .env("FOUNDRY_OUT", &out)
        .env("FOUNDRY_CACHE_PATH", home.join("cache"));
    ensure!(follow(&mut build)?.failed == 0, "the contracts do not compile");
    Ok(out)
}
