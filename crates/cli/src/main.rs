//! The `nthroot` command: the only crate that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where it is done")]
#![allow(clippy::doc_markdown, reason = "what clap shows has no markup")]

mod amount;
mod args;
mod client;
mod credit;
mod demo;
mod devnet;
mod funds;
mod pool;
mod post;
mod sign;
mod swap;
mod text;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use nthroot_node::Error;
use tracing_subscriber::EnvFilter;

/// Optimistic settlement on Ethereum with one root per user: any lie falls to one L1 transaction.
///
/// What you own are fragments under your key. Commands show what they would sign, sign it, and post it under your own bond.
#[derive(Parser)]
#[command(
    name = "nthroot",
    version,
    max_term_width = 120,
    after_help = "A first try, in two terminals:\n  nthroot devnet\n  nthroot deposit --amount 10ether\n\nThe key is taken from the environment variable NTHROOT_KEY or from --key-file. Exit status: 0 done, 1 refused or \
                  failed, 2 not understood, 3 not now: try again."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(Box<demo::Args>),
    Devnet(devnet::Args),
    Fragments(funds::FragmentsArgs),
    Deposit(funds::DepositArgs),
    Merge(funds::MergeArgs),
    #[command(subcommand)]
    Bond(funds::BondCommand),
    #[command(subcommand)]
    Pool(pool::Command),
    #[command(subcommand)]
    Swap(swap::Command),
    #[command(subcommand)]
    Credit(credit::Command),
    Post(post::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // That is how a devnet ends.
    let runs_until_interrupted = matches!(args.command, Command::Devnet(_));
    // Dropping what runs ends the chain that it started.
    let result = tokio::select! {
        result = run(args.command) => result,
        () = interruption() => if runs_until_interrupted { Ok(()) } else { Err(eyre::eyre!("interrupted")) },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if is_temporary(&error) { 3 } else { 1 })
        }
    }
}

async fn run(command: Command) -> eyre::Result<()> {
    match command {
        Command::Demo(args) => demo::run(*args).await,
        Command::Devnet(args) => devnet::run(args).await,
        Command::Fragments(args) => funds::fragments(args).await,
        Command::Deposit(args) => funds::deposit(args).await,
        Command::Merge(args) => funds::merge(args).await,
        Command::Bond(command) => funds::bond(command).await,
        Command::Pool(command) => pool::run(command).await,
        Command::Swap(command) => swap::run(command).await,
        Command::Credit(command) => credit::run(command).await,
        Command::Post(args) => post::run(args).await,
    }
}

/// Whether the same command may well succeed later.
fn is_temporary(error: &eyre::Report) -> bool {
    let node = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    let by_node = matches!(
        node,
        Some(
            Error::Transport(_)
                | Error::Missing { .. }
                | Error::NotIncluded { .. }
                | Error::Failed { .. }
                | Error::Reorg { .. }
                | Error::Leased { .. }
        )
    );
    by_node || error.is::<post::Skipped>()
}

/// Waits for Ctrl-C, or to be terminated.
async fn interruption() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    // An error means that there is no such signal to wait for.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
