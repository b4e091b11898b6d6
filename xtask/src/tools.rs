//! Finding and running the tools, and installing them when they are missing.

use std::{
    env::consts::{ARCH, EXE_SUFFIX, OS},
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Context, OptionExt, Result, ensure, eyre};
use serde_json::Value;

/// The oldest Node that runs the compiler.
const NODE: u64 = 20;

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the repository")
}

/// Installs what `package-lock.json` names into `node_modules/`, unless that very lock file is what lies there.
pub(crate) fn setup() -> Result<()> {
    let lock = fs::read(root().join("package-lock.json"))?;
    let stamp = root().join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let node = output(Command::new("node").arg("--version")).wrap_err_with(need_node)?;
    let major = node
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u64>().ok());
    ensure!(major >= Some(NODE), "found Node {}; {}", node.trim(), need_node());
    eprintln!("Installing forge, anvil, solc and the Solidity libraries from npm into node_modules/ …");
    run(Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" }).arg("ci")).wrap_err_with(need_node)?;
    for tool in ["forge", "anvil"] {
        locate(tool)?;
    }
    fs::write(stamp, lock)?;
    Ok(())
}

fn need_node() -> String {
    format!(
        "the Solidity tools come from npm: install Node {NODE} or later, with npm, and see that both are on the PATH"
    )
}

/// `forge`, of the pinned version.
pub(crate) fn forge() -> Result<Command> {
    locate("forge").map(Command::new)
}

/// Where `anvil`, of the pinned version, is.
pub(crate) fn anvil() -> Result<PathBuf> {
    locate("anvil")
}

/// The cargo that runs this.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// The binary inside the npm package for this platform, or one of the same version on the PATH. Not the script in
/// `node_modules/.bin`: killing that leaves the binary running, and npm 10 does not even create it.
fn locate(tool: &str) -> Result<PathBuf> {
    let os = match OS {
        "macos" => "darwin",
        "windows" => "win32",
        os => os,
    };
    let arch = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    let packaged = root().join(format!(
        "node_modules/@foundry-rs/{tool}-{os}-{arch}/bin/{tool}{EXE_SUFFIX}"
    ));
    if packaged.exists() {
        return Ok(packaged);
    }
    let package: Value = serde_json::from_slice(&fs::read(root().join("package.json"))?)?;
    let pinned = package["devDependencies"][format!("@foundry-rs/{tool}")]
        .as_str()
        .ok_or_eyre("package.json pins no version of the tool")?;
    let found = output(Command::new(tool).arg("--version")).unwrap_or_default();
    ensure!(
        found.contains(&format!("Version: {pinned}")),
        "there is no {tool} for {os}-{arch} on npm: put Foundry {pinned} on the PATH"
    );
    Ok(tool.into())
}

/// Runs a command in the repository and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .current_dir(root())
        .status()
        .map_err(|error| not_started(command, &error))?;
    ensure!(status.success(), "`{}` failed: {status}", describe(command));
    Ok(())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir(root())
        .output()
        .map_err(|error| not_started(command, &error))?;
    ensure!(
        output.status.success(),
        "`{}` failed: {}",
        describe(command),
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn not_started(command: &Command, error: &std::io::Error) -> eyre::Report {
    match error.kind() {
        ErrorKind::NotFound => eyre!("`{}` is not on the PATH", command.get_program().display()),
        _ => eyre!("`{}` could not start: {error}", describe(command)),
    }
}

/// A command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
