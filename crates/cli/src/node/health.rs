//! `nthroot node health`.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use eyre::{Result, WrapErr, ensure};

use crate::node::ConfigArg;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask a node that runs with this configuration how it is
///
/// For health checks of containers, which have no curl. Exit status 1 if it does not answer, or with --ready if it is not to be relied
/// on: while it catches up, while L1 does not answer, and once it has halted.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot node health --ready --config node.toml")]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Ask whether it is ready, not only whether it is there
    #[arg(long)]
    ready: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.config.load()?;
    ensure!(config.ops.enabled, "ops.enabled is false: nobody can be asked");
    let address = reachable(config.ops.listen);
    let path = if args.ready { "/ready" } else { "/health" };
    let answer = ask(address, path).wrap_err_with(|| format!("nobody answers at {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{}", body.trim_end());
    let good = head.split(' ').nth(1) == Some("200");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a node that listens there can be asked from the same machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
