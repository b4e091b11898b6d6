//! What a node logs, and how: to standard error. Standard output has nothing of it.

use std::{
    io::{self, IsTerminal, Write},
    sync::LazyLock,
};

use eyre::WrapErr;
use indicatif::ProgressBar;
use nthroot_node::config::{LogFormat, LogSection};
use tracing_subscriber::EnvFilter;

/// The bar below the lines, of which there is one.
static BAR: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::hidden);

/// Logs from now on.
pub(crate) fn init(section: &LogSection) -> eyre::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter).wrap_err("RUST_LOG")?,
        _ => EnvFilter::try_new(&section.level)
            .wrap_err("log.level is no filter, as \"info\" or \"info,nthroot_node=debug\"")?,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    match section.format {
        LogFormat::Text => subscriber.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}

/// The bar: lines of the log are written above it.
pub(crate) fn bar() -> ProgressBar {
    BAR.clone()
}

/// Standard error, beside the bar.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BAR.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
