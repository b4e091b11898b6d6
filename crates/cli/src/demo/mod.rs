//! `nthroot demo`: the protocol played by real transactions, every claim about it checked.

mod apps;
mod cast;
mod chain;
mod closing;
mod cohort;
mod measure;
mod passkey;
mod report;
mod sale;
mod stage;
mod story;

use std::time::Instant;

use alloy::signers::local::PrivateKeySigner;
use clap::ArgAction;
use eyre::{Result, WrapErr};
use nthroot_node::devnet::Devnet;

use crate::demo::{chain::Chain, report::Narrator, stage::Stage};

/// Play the whole protocol by real transactions, and measure it
///
/// Deploys the contracts, then lets people use them: Alice and Bob deposit ether and a token, Paula proposes a batch of
/// their signed transfers, Mallory proposes a batch that credits herself, and Wanda, who sees nothing but L1, proves that
/// lie in one transaction: it is rolled back and its bond slashed. Members of a cohort pay each other under one root, Pia pays
/// by a passkey, and Bob sells a claim that is not final to Wanda. Paula's batch becomes final, and Alice's withdrawal is
/// paid. Then rules are registered: three people swap three assets in a ring, Bob trades with a pool and takes a loan, and a lie
/// about the pool is disproved by running its rule on L1. Then batches of 1, 10 and 100 transfers are measured. Every statement printed with a tick is checked against
/// the contracts; if one does not hold, the run ends there and fails.
///
/// Without options it starts a chain of its own (anvil, from the environment variable ANVIL or the PATH), under Osaka's
/// rules, with blocks 12 seconds apart by the chain's clock but made as fast as they are needed; it ends with the
/// demonstration.
///
/// With --rpc-url it runs on a chain that is there and waits for its blocks. It needs one account with about 9 ether
/// (--deployer-key); all others get theirs from it, under keys that follow from its key, unless you name them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run on the L1 node at this address instead of a local chain
    #[arg(long, value_name = "URL", requires = "deployer_key")]
    rpc_url: Option<String>,

    /// Private key (hexadecimal) of the account that deploys and that funds the others
    #[arg(long, value_name = "KEY", env = "NTHROOT_DEPLOYER_KEY", hide_env_values = true)]
    deployer_key: Option<PrivateKeySigner>,

    /// Private key of Alice, a user
    #[arg(long, value_name = "KEY")]
    alice_key: Option<PrivateKeySigner>,

    /// Private key of Bob, a user
    #[arg(long, value_name = "KEY")]
    bob_key: Option<PrivateKeySigner>,

    /// Private key of Paula, the honest proposer
    #[arg(long, value_name = "KEY")]
    paula_key: Option<PrivateKeySigner>,

    /// Private key of Mallory, the dishonest proposer
    #[arg(long, value_name = "KEY")]
    mallory_key: Option<PrivateKeySigner>,

    /// Private key of Wanda, the watcher
    #[arg(long, value_name = "KEY")]
    wanda_key: Option<PrivateKeySigner>,

    /// Blocks during which a batch can be challenged. Real deployments take hundreds to thousands
    #[arg(long, value_name = "BLOCKS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(8..=2_628_000))]
    window: u64,

    /// Measure batches of 1, 10 and 100 transfers too
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    measure: bool,

    /// Print one JSON document instead of the story
    #[arg(long)]
    json: bool,
}

/// Plays it.
pub(crate) async fn run(args: Args) -> Result<()> {
    let start = Instant::now();
    let narrator = Narrator::new(args.json);
    narrator.progress("Starting a chain");
    let chain = Chain::open(args.rpc_url.as_deref()).await?;
    let deployer = match args.deployer_key {
        Some(key) => key,
        None => Devnet::funded_key().wrap_err("no key")?,
    };
    let named = [
        args.alice_key,
        args.bob_key,
        args.paula_key,
        args.mallory_key,
        args.wanda_key,
    ];
    let mut stage = Stage::set_up(chain, narrator, deployer, named, args.window).await?;
    let (mallory, members) = story::play(&mut stage).await?;
    if args.measure {
        measure::play(&mut stage, &mallory, members).await?;
    }
    stage.close(start.elapsed().as_secs_f64()).await
}
