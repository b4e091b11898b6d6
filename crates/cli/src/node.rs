//! `nthroot node`: a node that runs for months.

mod check;
mod health;
mod log;
mod run;

use std::{path::PathBuf, process::ExitCode};

use nthroot_node::config::{Config, DEFAULT};

/// Run a node: follow a bridge, prove lies, post batches, answer wallets
///
/// A node derives everything from L1 and believes nothing else. What it does beyond that is said in one file, which `nthroot node
/// config` prints with every key explained; `nthroot node check` tries out whether all that it names is there. docs/operating.md
/// leads from nothing to a node that runs.
#[derive(clap::Subcommand)]
#[command(
    after_help = "Examples:\n  nthroot node config > node.toml\n  nthroot node check --config node.toml\n  nthroot node run --config node.toml"
)]
pub(crate) enum Command {
    /// Print a configuration file with every key, what it means, and its default
    Config,
    Check(check::Args),
    Run(run::Args),
    Health(health::Args),
}

/// Which configuration.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigArg {
    /// The configuration file. Environment variables go before it: NTHROOT_NODE__API__LISTEN is the key `listen` of section `api`
    #[arg(long, value_name = "FILE", env = "NTHROOT_CONFIG")]
    config: PathBuf,
}

impl ConfigArg {
    fn load(&self) -> eyre::Result<Config> {
        Ok(Config::load(Some(&self.config))?)
    }
}

/// Does it. These commands log and end in their own way.
pub(crate) async fn main(command: Command) -> ExitCode {
    let result = match command {
        Command::Config => {
            print!("{DEFAULT}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => check::run(&args).await,
        Command::Run(args) => run::run(&args).await,
        Command::Health(args) => health::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
