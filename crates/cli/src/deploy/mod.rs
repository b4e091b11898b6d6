//! `nthroot deploy`: a bridge on a chain, as often as it takes until it is there.

mod canary;
mod preset;
mod show;
pub(crate) mod sources;
pub(crate) mod verify;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use alloy::{
    eips::BlockNumberOrTag,
    network::EthereumWallet,
    primitives::{Address, B256},
};
use eyre::{Result, WrapErr, bail, ensure};
use nthroot_node::{
    L1, Manifest, Sender,
    config::Wei,
    deploy::{Funds, Kind, Plan, Rehearsed, Step, found, run as carry_out, verify as inspect},
};

use crate::{
    amount::parse_amount,
    args::KeyArgs,
    reach::connect,
    sign::confirm,
    text::{print_json, thousands},
};
use preset::Chosen;

/// Deploy a bridge with its rules, or go on with it
///
/// The contracts' addresses follow from their code, the parameters and the salt, whoever sends the transactions. What is there already is
/// not made again: after a lost connection the same command goes on. In the end all code is compared with what the constructors leave
/// here, and the manifest is written that all other commands read. docs/deploying.md leads through all of it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  nthroot deploy --preset swift --dry-run\n  nthroot deploy --preset my.toml --chain-id 1 --account \
                  deployer\n\nWhat it says before it asks is what --dry-run says. The parameters can never be changed."
)]
pub(crate) struct Args {
    /// A recommended deployment (swift, prudent, social), or a file like those in deployments/presets
    #[arg(long, value_name = "NAME|FILE")]
    preset: String,

    /// The L1 node
    #[arg(
        long,
        value_name = "URL",
        env = "NTHROOT_RPC_URL",
        default_value = "http://127.0.0.1:8545"
    )]
    rpc_url: String,

    /// The chain that is meant; another one is refused
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,

    /// Sets this bridge apart from others of the same parameters: 32 bytes in hexadecimal
    #[arg(long, value_name = "BYTES", default_value_t = B256::ZERO, hide_default_value = true)]
    salt: B256,

    /// Where the manifest is written
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    out: PathBuf,

    /// Say what would be deployed, where, and what it costs, and stop. Needs no key. With --adopt it writes the manifest of a bridge that
    /// is there
    #[arg(long)]
    dry_run: bool,

    /// Say what it costs at this base fee too, with a unit: 5gwei
    #[arg(long, value_name = "PRICE", value_parser = parse_amount)]
    base_fee: Option<u128>,

    /// For a trial: take a window that is shorter than what the preset assumes asks for, or blocks that come faster. Never on chain 1
    #[arg(long)]
    allow_short_window: bool,

    /// Take a bridge that is there and that others have used, its first window being over: look through its history first
    #[arg(long)]
    adopt: bool,

    /// Write what explorers ask for to verify the sources into this folder; from a checkout, see --sources
    #[arg(long, value_name = "DIR")]
    standard_json: Option<PathBuf>,

    /// The checkout that --standard-json takes the sources from
    #[arg(long, value_name = "DIR", default_value = ".")]
    sources: PathBuf,

    /// Then try it out with so much ether: deposit it, withdraw it by a step under a bond, wait until that is final, claim it, and take
    /// the bond back
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, conflicts_with = "dry_run")]
    canary: Option<u128>,

    /// Sign with the account of this number of a Ledger device
    #[cfg(feature = "ledger")]
    #[arg(long, value_name = "NUMBER", conflicts_with = "canary")]
    ledger: Option<usize>,

    /// Do not ask before sending
    #[arg(long)]
    yes: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    key: KeyArgs,
}

/// What is going to be done.
pub(super) struct Prospect {
    chosen: Chosen,
    plan: Plan,
    chain_id: u64,
    /// Whether the factory must be made first.
    factory: bool,
    /// What is not there yet, with its gas under today's rules.
    todo: Vec<Rehearsed>,
    /// The deployer, if one is known.
    who: Option<Address>,
    funds: Funds,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let chosen = Chosen::read(&args.preset)?;
    let parameters = chosen.parameters()?;
    parameters.check()?;
    let l1 = connect(&args.rpc_url).await?;
    chosen
        .check(&l1, args.chain_id, args.allow_short_window)
        .await
        .wrap_err("not deployed")?;
    let plan = Plan::new(&parameters, args.salt);
    let known = known(&args.out, &plan, &l1).await?;
    if !known && !args.adopt {
        plan.check_unused(&l1).await?;
    }

    let (wallet, who) = signer(&args, l1.chain_id()).await?;
    let (todo, factory) = plan.todo(&l1).await?;
    let missing: Vec<&Rehearsed> = todo.iter().collect();
    let funds = Funds::of(&l1, who.unwrap_or_default(), &missing, factory).await?;
    let prospect = Prospect {
        chosen,
        chain_id: l1.chain_id(),
        factory,
        todo,
        who,
        funds,
        plan,
    };
    if args.dry_run {
        prospect.show(args.base_fee, args.json)?;
        prospect.check_tokens_and_funds(&l1).await?;
        if args.adopt && prospect.is_there(Kind::Bridge) {
            write(&args.out, &found(&l1, &prospect.plan).await?)?;
            eprintln!(
                "\nThe manifest is {}: look through its history before you adopt it (nthroot audit --deployment {0}).",
                args.out.display()
            );
        }
        return write_sources(&args, &prospect.plan);
    }
    let Some(wallet) = wallet else {
        bail!("{}", crate::key::NO_KEY)
    };
    if args.json {
        eprintln!("{}", prospect.lines(args.base_fee)?);
    } else {
        prospect.show(args.base_fee, false)?;
    }
    prospect.check_tokens_and_funds(&l1).await?;
    check_writable(&args.out)?;
    if !prospect.todo.is_empty() {
        confirm(
            args.yes,
            "Deploy this? Nothing of it can be changed afterwards.",
            "nothing was sent",
        )?;
    }

    let sender = Sender::with_wallet(l1.clone(), wallet).paying_at_most(prospect.funds.most());
    let tell = |piece: &nthroot_node::deploy::Piece, step: &Step| {
        let line = match step {
            Step::There => "there already".to_owned(),
            Step::Made(mined) => format!(
                "block {}, {} gas, {}",
                mined.block(),
                thousands(mined.gas()),
                mined.hash()
            ),
        };
        eprintln!("  {:<13} {}   {line}", piece.kind.says(), piece.address);
    };
    let outcome = carry_out(&sender, &prospect.plan, args.adopt || known, tell).await;
    let outcome = outcome.wrap_err("interrupted: the same command goes on from what is there")?;
    let manifest = outcome.manifest;
    let findings = inspect(&l1, &manifest.deployment, manifest.record.as_ref()).await?;
    verify::ensure_good(&findings)?;
    write(&args.out, &manifest)?;
    let mut last = show::watch_by(&manifest.deployment);
    if !is_final(&l1, manifest.deployment.deployment_block).await {
        last = format!("{}\n{last}", show::not_final(&manifest.deployment));
    }
    if args.json {
        print_json(&serde_json::to_value(&manifest)?);
        eprintln!("{last}");
    } else {
        println!(
            "\nThe bridge is {} since block {}: all code is as its constructors leave it. The manifest is {}.",
            manifest.deployment.bridge,
            manifest.deployment.deployment_block,
            args.out.display()
        );
        println!("{last}");
    }
    write_sources(&args, &prospect.plan)?;
    match args.canary {
        Some(amount) => canary::run(&args, amount).await,
        None => Ok(()),
    }
}

/// Whether L1 has finalised a block, as far as its node says.
async fn is_final(l1: &L1, block: u64) -> bool {
    let finalised = l1.header(BlockNumberOrTag::Finalized).await;
    finalised.is_ok_and(|header| header.number >= block)
}

/// Who signs, and the address, if there is a key. For a dry run nobody is asked for a password.
async fn signer(args: &Args, chain_id: u64) -> Result<(Option<EthereumWallet>, Option<Address>)> {
    #[cfg(feature = "ledger")]
    if let Some(number) = args.ledger {
        use alloy_signer_ledger::{HDPath, LedgerSigner};
        let device = LedgerSigner::new(HDPath::LedgerLive(number), Some(chain_id)).await;
        let device = device.wrap_err("no Ledger: connect it, unlock it, and open its Ethereum app")?;
        let wallet = EthereumWallet::from(device);
        let who = wallet.default_signer().address();
        return Ok((Some(wallet), Some(who)));
    }
    let _ = chain_id;
    if args.key.find_public()?.is_none() && args.key.payer.is_none() {
        return Ok((None, None));
    }
    if args.dry_run {
        return Ok((None, Some(args.key.payer_address()?)));
    }
    let key = args.key.payer()?;
    let who = key.address();
    Ok((Some(key.into()), Some(who)))
}

/// Whether the manifest of this very bridge is there already. One of another is never overwritten: addresses are the same on every chain,
/// so that a manifest of a rehearsal names the same bridge.
async fn known(out: &Path, plan: &Plan, l1: &L1) -> Result<bool> {
    let text = match std::fs::read_to_string(out) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).wrap_err_with(|| format!("cannot read {}", out.display())),
    };
    let found = serde_json::from_str(&text).map(|manifest: Manifest| manifest.deployment);
    let block = plan.deployment_block(l1).await?;
    let expected = block.map(|block| plan.deployment(l1.chain_id(), block));
    ensure!(
        expected.is_some() && expected == found.ok(),
        "{} is there and is not the manifest of {} on chain {}{}: name another file with --out",
        out.display(),
        plan.address(Kind::Bridge),
        l1.chain_id(),
        block.map_or_else(
            || ", which has no such bridge yet".to_owned(),
            |block| format!(", made in block {block}")
        )
    );
    Ok(true)
}

/// Writes the manifest so that it is there whole or not at all.
fn write(out: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_string_pretty(manifest)? + "\n";
    let part = out.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, out))
        .wrap_err_with(|| format!("cannot write {}", out.display()))
}

/// Whether the manifest can be written: found out before all gas is paid.
fn check_writable(out: &Path) -> Result<()> {
    let part = out.with_extension("part");
    std::fs::write(&part, "")
        .and_then(|()| std::fs::remove_file(&part))
        .wrap_err_with(|| {
            format!(
                "nothing was sent: cannot write {}, name another file with --out",
                out.display()
            )
        })
}

fn write_sources(args: &Args, plan: &Plan) -> Result<()> {
    match &args.standard_json {
        Some(folder) => sources::write(&args.sources, folder, plan),
        None => Ok(()),
    }
}

/// Wei as people write them.
fn wei(amount: u128) -> String {
    Wei(amount).to_string()
}
