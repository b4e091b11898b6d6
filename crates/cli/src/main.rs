//! The `nthroot` command: the only crate that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where it is done")]
#![allow(clippy::doc_markdown, reason = "what clap shows has no markup")]

mod advise;
mod amount;
mod args;
mod audit;
mod cache;
mod carrier;
mod claim;
mod client;
mod credit;
mod demo;
mod deploy;
mod devnet;
mod explain;
mod funds;
mod holdings;
mod key;
mod lease;
mod light;
mod node;
mod pool;
mod post;
mod progress;
mod reach;
mod rescue;
mod send;
mod sign;
mod swap;
mod text;
mod watch;
mod window;

use std::{io::IsTerminal, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use nthroot_node::Error;
use tracing_subscriber::EnvFilter;

/// Optimistic settlement on Ethereum with one root per user: any lie falls to one L1 transaction.
///
/// What you own are fragments under your key. Commands show what they would sign, sign it, and hand it to a node that carries it
/// (--node), or post it under your own bond: then they need nothing but an L1 node.
#[derive(Parser)]
#[command(
    name = "nthroot",
    version,
    max_term_width = 120,
    after_help = "A first try, in two terminals:\n  nthroot devnet\n  nthroot deposit --amount 10ether\n\nFrom deposit to \
                  withdrawal:\n  nthroot key new alice\n  export NTHROOT_ACCOUNT=alice\n  nthroot deposit --amount 1ether\n  \
                  nthroot balance\n  nthroot send 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 0.25ether\n  nthroot withdraw \
                  0.5ether --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n  nthroot claim --watch\n\nThe key is that of an \
                  account of the keystore (--account, NTHROOT_ACCOUNT), or of a file (--key-file), or of the environment \
                  variable NTHROOT_KEY. Passwords are asked for, or read from the file that NTHROOT_PASSWORD_FILE names. Exit \
                  status: 0 done, 1 refused or failed, 2 not understood, 3 not now: try again."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(Box<demo::Args>),
    Devnet(devnet::Args),
    Deploy(Box<deploy::Args>),
    Verify(deploy::verify::Args),
    #[command(subcommand)]
    Key(key::command::Command),
    Deposit(funds::DepositArgs),
    Balance(holdings::BalanceArgs),
    Fragments(holdings::FragmentsArgs),
    Send(send::SendArgs),
    Consent(send::ConsentArgs),
    Withdraw(send::WithdrawArgs),
    Watch(watch::Args),
    Claim(claim::Args),
    Rescue(rescue::Args),
    Merge(funds::MergeArgs),
    Lease(lease::Args),
    #[command(subcommand)]
    Bond(funds::BondCommand),
    #[command(subcommand)]
    Pool(pool::Command),
    #[command(subcommand)]
    Swap(swap::Command),
    #[command(subcommand)]
    Credit(credit::Command),
    Post(post::Args),
    Audit(audit::Args),
    Explain(explain::Args),
    Advise(advise::Args),
    Window(Box<window::Args>),
    #[command(subcommand)]
    Node(node::Command),
    Completions(Completions),
}

/// Print the completions of a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot completions bash > ~/.local/share/bash-completion/completions/nthroot")]
struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: clap_complete::Shell,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Command::Node(command) = args.command {
        return node::main(command).await;
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    if let Command::Audit(args) = args.command {
        return tokio::select! {
            code = audit::main(args) => code,
            () = interruption() => ExitCode::from(audit::NOT_DONE),
        };
    }
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
        Command::Deploy(args) => deploy::run(*args).await,
        Command::Verify(args) => deploy::verify::run(args).await,
        Command::Key(command) => key::command::run(command),
        Command::Deposit(args) => funds::deposit(args).await,
        Command::Balance(args) => holdings::balance(args).await,
        Command::Fragments(args) => holdings::fragments(args).await,
        Command::Send(args) => send::send(args).await,
        Command::Consent(args) => send::consent(args).await,
        Command::Withdraw(args) => send::withdraw(args).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Claim(args) => claim::run(args).await,
        Command::Rescue(args) => rescue::run(args).await,
        Command::Merge(args) => funds::merge(args).await,
        Command::Lease(args) => lease::run(args).await,
        Command::Bond(command) => funds::bond(command).await,
        Command::Pool(command) => pool::run(command).await,
        Command::Swap(command) => swap::run(command).await,
        Command::Credit(command) => credit::run(command).await,
        Command::Post(args) => post::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Advise(args) => advise::run(&args),
        Command::Window(args) => window::run(&args),
        Command::Completions(Completions { shell }) => {
            clap_complete::generate(shell, &mut Args::command(), "nthroot", &mut std::io::stdout());
            Ok(())
        }
        Command::Node(_) | Command::Audit(_) => unreachable!("they have their own ends"),
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
    let refused = error.downcast_ref::<carrier::Refused>();
    by_node
        || error.is::<post::Skipped>()
        || error.is::<carrier::Unanswered>()
        || error.is::<carrier::Failed>()
        || refused.is_some_and(|refused| refused.0.is_temporary())
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
