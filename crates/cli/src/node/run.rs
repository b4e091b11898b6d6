//! `nthroot node run`.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use nthroot_node::{
    config::{Config, LogFormat},
    engine::{Ended, Node},
};
use tracing::{error, info, warn};

use crate::{
    interruption,
    node::{ConfigArg, log},
};

/// Exit status of a node that must not simply be started again.
const HALTED: u8 = 4;

/// Exit status of a node that failed by its own fault, and that a supervisor starts again: else nobody watches.
const FAILED: u8 = 5;

/// Run the node until it is asked to end
///
/// SIGTERM or Ctrl-C end it: it takes no more requests, and transactions that are on their way stay there; a second one ends it at once.
/// Whenever it is killed, it goes on where it was. Exit status: 0 asked to end, 1 could not start, 4 halted because what it saw
/// must not be, so that a person should look before it is started again, 5 failed by its own fault, so that it should be started again.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  NTHROOT_NODE__LOG__FORMAT=json nthroot node run --config node.toml")]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: &Args) -> eyre::Result<ExitCode> {
    let config = args.config.load()?;
    log::init(&config.log)?;
    let node = Node::start(&config).await?;
    let bar = tokio::spawn(show_progress(bar(&config), node.watch()));
    let stop = node.stopper();
    let signals = tokio::spawn(async move {
        interruption().await;
        info!("asked to end; a second time ends it at once");
        stop.cancel();
        interruption().await;
        warn!("ended at once");
        std::process::exit(1);
    });
    let ended = node.ended().await;
    signals.abort();
    bar.abort();
    Ok(match ended {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::Halted(_) => ExitCode::from(HALTED),
        Ended::Failed(reason) => {
            error!(%reason, "ended by a fault of this program");
            ExitCode::from(FAILED)
        }
    })
}

/// For a person who looks on while the node catches up; hidden if none does.
fn bar(config: &Config) -> ProgressBar {
    if config.log.format == LogFormat::Json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = log::bar();
    let style = ProgressStyle::with_template("  {bar:40} block {pos} of {len}  {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(200);

async fn show_progress(bar: ProgressBar, node: nthroot_node::engine::Watch) {
    if bar.is_hidden() {
        return;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(progress) = node.progress() else { continue };
        let progress = *progress.borrow();
        if progress.block >= progress.target {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            continue;
        }
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        bar.set_length(progress.target);
        bar.set_position(progress.block);
        bar.set_message(format!("{} steps, {:.0} a second", progress.steps, progress.rate));
    }
}
