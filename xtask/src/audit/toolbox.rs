//! Tools that cargo installs: where they are, and how to get them.

use std::{path::PathBuf, process::Command};

use eyre::Result;

use super::folder;
use crate::tools::{cargo, output, run};

/// A subcommand of cargo.
pub(super) struct Tool {
    /// As cargo names it.
    name: &'static str,
    version: &'static str,
}

/// Licences, sources, advisories.
pub(super) const DENY: Tool = Tool {
    name: "deny",
    version: "0.20.2",
};
/// Mutation tests of crates.
pub(super) const MUTANTS: Tool = Tool {
    name: "mutants",
    version: "27.1.0",
};
/// Coverage of crates. It reads LLVM's profiles itself, so that no other tool of LLVM is needed.
pub(super) const TARPAULIN: Tool = Tool {
    name: "tarpaulin",
    version: "0.37.5",
};

impl Tool {
    /// Whether it can be used, installed first if that is asked for; if not, what to do.
    pub(super) fn is_there(&self, install: bool) -> Result<Result<(), String>> {
        let package = format!("cargo-{}", self.name);
        if !self.program().exists() && !self.is_known() {
            if !install {
                return Ok(Err(format!("`cargo install {package}` first, or --install")));
            }
            eprintln!("Installing {package} into target/audit/tools …");
            let mut cargo = cargo(["install", "--locked", "--root"]);
            run(cargo
                .arg(folder().join("tools"))
                .args(["--version", self.version, &package]))?;
        }
        Ok(Ok(()))
    }

    /// A command of it: our own one if it is there, else the one that cargo finds.
    pub(super) fn command(&self) -> Command {
        let own = self.program();
        let mut command = if own.exists() { Command::new(own) } else { cargo([]) };
        command.arg(self.name);
        command
    }

    fn program(&self) -> PathBuf {
        let file = format!("cargo-{}{}", self.name, std::env::consts::EXE_SUFFIX);
        folder().join("tools/bin").join(file)
    }

    /// Whether cargo finds it by itself.
    fn is_known(&self) -> bool {
        let list = output(&mut cargo(["--list"])).unwrap_or_default();
        list.lines()
            .any(|line| line.split_whitespace().next() == Some(self.name))
    }
}
