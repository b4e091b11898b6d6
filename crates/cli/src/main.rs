//! The `nthroot` command: the only crate that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where it is done")]

mod demo;
mod text;

use std::io::IsTerminal;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Optimistic settlement on Ethereum with one root per user: any lie falls to one L1 transaction.
#[derive(Parser)]
#[command(name = "nthroot", version, max_term_width = 120)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
}

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match args.command {
        // Dropping the demonstration ends the chain that it started.
        Command::Demo(args) => tokio::select! {
            result = demo::run(args) => result,
            () = interruption() => eyre::bail!("interrupted"),
        },
    }
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
