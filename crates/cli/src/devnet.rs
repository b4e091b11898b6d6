//! `nthroot devnet`: a chain to try things on.

use std::{collections::BTreeMap, path::PathBuf};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{OptionExt, Result, WrapErr};
use nthroot_bindings::mocks::Token;
use nthroot_node::{Call, Parameters, Sender, deploy, devnet::Devnet, rules};
use serde_json::json;

use crate::{args::Manifest, text::print_json};

/// 1 ether, in wei. The token has as many decimals.
const UNIT: u128 = 1_000_000_000_000_000_000;

/// Wei per gas, as in the demonstration: up to this gas price half a slashed bond outweighs the cost of its proof.
const INSURED_GAS_PRICE: u64 = 20_000_000_000;

/// Who gets a key with 100 ether and 1,000,000 tokens.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "paula"];

/// Run a local chain with the bridge and its rules on it
///
/// Starts anvil (from the environment variable ANVIL or the PATH) under Osaka's rules, deploys the bridge, its rules and a test
/// token, funds four keys, and writes the manifest that all other commands read. It mines a block for each transaction, 12 seconds
/// apart by the chain's clock, and with --block-time one every so many seconds besides. It runs until Ctrl-C, and then all is gone.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot devnet --port 8545 --out deployment.json")]
pub(crate) struct Args {
    /// Where the manifest is written
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    out: PathBuf,

    /// Port of the L1 node; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8545)]
    port: u16,

    /// Mine a block every so many seconds, instead of one for each transaction
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    block_time: Option<u64>,

    /// Blocks during which a batch can be challenged
    #[arg(long, value_name = "BLOCKS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(8..=2_628_000))]
    window: u64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs until it is interrupted: it never returns of its own.
pub(crate) async fn run(args: Args) -> Result<()> {
    let devnet = Devnet::start_on(args.port)
        .await
        .wrap_err("no local chain: `cargo xtask setup` brings anvil, ANVIL names another one")?;
    let deployer = Sender::new(devnet.l1().clone(), Devnet::funded_key()?);
    let parameters = Parameters {
        window: args.window,
        insured_gas_price: INSURED_GAS_PRICE,
        // The least that the bridge allows (section 8 of the specification).
        min_lock: 2 * 6_100_000 * u128::from(INSURED_GAS_PRICE),
        caps: BTreeMap::new(),
    };
    let (deployment, _) = deploy(&deployer, parameters).await?;
    rules::register(&deployer, &deployment).await?;
    let token = deployer.send(Call::create(Token::BYTECODE.clone())).await?;
    let token = token.receipt.contract_address.ok_or_eyre("the token was not created")?;
    let mut people = Vec::new();
    for name in PEOPLE {
        people.push((name, fund(&deployer, token, name).await?));
    }
    let manifest = Manifest {
        rules: rules::book(&deployment),
        deployment,
        record: None,
    };
    std::fs::write(&args.out, serde_json::to_string_pretty(&manifest)?)
        .wrap_err_with(|| format!("cannot write {}", args.out.display()))?;
    if let Some(seconds) = args.block_time {
        devnet.mine_every(seconds).await?;
    }

    if args.json {
        // Throw-away keys that follow from names: nothing here is a secret.
        let people = people
            .iter()
            .map(|(name, key)| json!({ "name": name, "address": key.address(), "key": B256::from(key.to_bytes()) }));
        print_json(&json!({
            "rpcUrl": devnet.url(),
            "deployment": args.out,
            "token": token,
            "people": people.collect::<Vec<_>>(),
        }));
    } else {
        introduce(&args, &devnet, &manifest, token, &people);
    }
    std::future::pending().await
}

fn introduce(args: &Args, devnet: &Devnet, manifest: &Manifest, token: Address, people: &[(&str, PrivateKeySigner)]) {
    println!("An L1 node is at {}, until Ctrl-C.", devnet.url());
    println!("The bridge is {}, a test token {token}.", manifest.deployment.bridge);
    println!("\nKeys to play with, each with 100 ETH and 1,000,000 tokens (known to everybody):");
    for (name, key) in people {
        println!("  {name:<6} {}  {}", key.address(), B256::from(key.to_bytes()));
    }
    println!("\nTry, in another terminal:");
    println!("  export NTHROOT_RPC_URL={}", devnet.url());
    println!("  export NTHROOT_DEPLOYMENT={}", args.out.display());
    if let Some((_, key)) = people.first() {
        println!("  export NTHROOT_KEY={}", B256::from(key.to_bytes()));
    }
    println!("  nthroot bond fund --amount 5ether");
    println!("  nthroot deposit --amount 10ether");
    println!("  nthroot deposit --token {token} --amount 5000e18");
    println!("  nthroot merge");
    println!("  nthroot pool create ETH {token} --fee 0.3%");
    println!("  nthroot pool list");
}

/// A key for somebody, with ether and tokens.
async fn fund(deployer: &Sender, token: Address, name: &str) -> Result<PrivateKeySigner> {
    let key = PrivateKeySigner::from_bytes(&keccak256(format!("nthroot devnet {name}")))?;
    let to = key.address();
    deployer
        .send(Call::new(to, vec![]).value(U256::from(100 * UNIT)))
        .await?;
    let mint = Token::mintCall {
        to,
        amount: U256::from(1_000_000 * UNIT),
    };
    deployer.send(Call::new(token, mint.abi_encode())).await?;
    Ok(key)
}
