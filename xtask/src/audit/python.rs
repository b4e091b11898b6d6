//! The tools that are written in Python, in an environment of their own, each file pinned by its hash.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Context, Result};

use crate::tools::{forge, root, run};

/// An environment: its folder below `target/audit`, and versions and hashes of what is in it, from `uv pip compile --universal
/// --generate-hashes --python-version 3.11 requirements.in`.
struct Environment(&'static str, &'static str);

const TOOLS: Environment = Environment("venv", "xtask/audit/requirements.txt");
const READER: Environment = Environment("reader-venv", "tools/reader/requirements.txt");

/// Python with what `tools/reader` needs.
pub(super) fn for_reader() -> Result<PathBuf> {
    Ok(environment(&READER)?.join("python"))
}

/// A tool of [`TOOLS`], installed when it is not there yet, with its solvers and `forge` on its path.
pub(super) fn tool(name: &str) -> Result<Command> {
    let bin = environment(&TOOLS)?;
    let mut path = vec![bin.clone()];
    let forge = forge()?;
    path.extend(Path::new(forge.get_program()).parent().map(Path::to_owned));
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(bin.join(name));
    command.current_dir(root()).env("PATH", env::join_paths(path)?);
    Ok(command)
}

/// The folder of an environment's programs.
fn environment(Environment(folder, requirements): &Environment) -> Result<PathBuf> {
    let home = root().join("target/audit").join(folder);
    let bin = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let wanted = fs::read(root().join(requirements))?;
    let stamp = home.join("installed-requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(bin);
    }
    eprintln!("Installing what {requirements} names from PyPI into target/audit/{folder} …");
    let python = if cfg!(windows) { "python" } else { "python3" };
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&home))
        .wrap_err("the audit tools need Python 3.11 or later, with its module venv")?;
    run(Command::new(bin.join("python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--require-hashes", "--requirement", requirements]))?;
    fs::write(stamp, wanted)?;
    Ok(bin)
}
