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
    version: "0.18",
};
/// Coverage of crates. It reads LLVM's profiles itself, so that no other tool of LLVM is needed.
pub(super) const TARPAULIN: Tool = Tool {
    name: "tarpaulin",
    version: "0.37.5",
};

impl Tool {
    /// The program, installed first if that is asked for; or why there is none.
    pub(super) fn command(&self, install: bool) -> Result<Result<Command, String>> {
        let package = format!("cargo-{}", self.name);
        let own = folder().join("tools");
        let program = own.join("bin").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
        if !program.exists() && install && !self.is_known() {
            eprintln!("Installing {package} into target/audit/tools …");
            let mut cargo = cargo(["install", "--locked", "--root"]);
            run(cargo.arg(&own).args(["--version", self.version, &package]))?;
        }
        Ok(if program.exists() {
            Ok(Command::new(program))
        } else if self.is_known() {
            Ok(Command::new(PathBuf::from(package)))
        } else {
            Err(format!("`cargo install {package}` first, or --install"))
        })
    }

    /// Whether cargo finds it by itself.
    fn is_known(&self) -> bool {
        let list = output(&mut cargo(["--list"])).unwrap_or_default();
        list.lines()
            .any(|line| line.split_whitespace().next() == Some(self.name))
    }
}
