//! Money that comes and stays: deposits, bonds, fragments that are merged.

use alloy::{
    primitives::{Address, U256},
    providers::Provider as _,
    sol,
    sol_types::SolCall,
};
use clap::Subcommand;
use eyre::{Result, bail, ensure};
use nthroot_bindings::Bridge;
use nthroot_model::params::GWEI;
use nthroot_node::{Call, Mined, Sender};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, BatchId, FragmentId, Key};
use nthroot_wallet::{
    Intent, Request,
    account::{self, Party, Terms},
};
use serde_json::json;

use crate::{
    amount::{parse_amount, parse_asset},
    args::{Chain, KeyArgs, Signing},
    client::{Client, Names},
    key::{self, parse_key},
    post::post,
    reach::connect_l1,
    sign::{consent, show},
    text::{ether, print_json, thousands},
};

sol! {
    /// What a deposit needs of a token.
    #[sol(rpc)]
    interface Erc20 {
        function approve(address spender, uint256 value) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
    }
}

/// Deposit ether or a token from L1: opens a fragment under the key
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot deposit --amount 1.5ether\n  nthroot deposit --token 0x5FbDB2315678afecb367f032d93F642f64180aa3 --amount 100e18"
)]
pub(crate) struct DepositArgs {
    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,

    /// Under which key the fragment shall be, instead of the own one: an Ethereum address, or p256:ADDRESS
    #[arg(long = "for", value_name = "KEY", value_parser = parse_key)]
    owner: Option<Key>,

    /// What: ETH, or a token's address. The bridge's allowance is raised if need be
    #[arg(long, value_name = "ASSET", default_value = "ETH", value_parser = parse_asset)]
    token: AssetId,

    /// How much, in base units
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: u128,
}

pub(crate) async fn deposit(args: DepositArgs) -> Result<()> {
    let key = args.key.payer()?;
    let owner = match args.owner {
        Some(owner) => owner,
        None => args.key.public()?,
    };
    // A deposit needs nothing of what the bridge holds: so nothing is derived.
    let manifest = args.chain.manifest()?;
    let l1 = connect_l1(&args.chain).await?;
    manifest.deployment.check(&l1).await?;
    let bridge = manifest.deployment.bridge;
    let sender = Sender::new(l1.clone(), key);
    let amount = U256::from(args.amount);
    let token = args.token.as_token();
    let token = token.ok_or_else(|| eyre::eyre!("{} is issued by a rule: nobody has it on L1", args.token))?;
    let mined = if token.is_zero() {
        let call = Bridge::depositCall {
            key: owner.to_bytes().into(),
        };
        send(bridge, &sender, &call, amount).await?
    } else {
        let erc20 = Erc20::new(token, l1.provider());
        let allowance = erc20.allowance(sender.address(), bridge).call().await?;
        if allowance < amount {
            let approve = Erc20::approveCall {
                spender: bridge,
                value: amount,
            };
            sender.send(Call::new(token, approve.abi_encode())).await?;
        }
        let call = Bridge::depositTokenCall {
            token,
            amount,
            key: owner.to_bytes().into(),
        };
        send(bridge, &sender, &call, U256::ZERO).await?
    };
    let event: Bridge::Deposited = mined.event(bridge)?;
    let id = BatchId::from_u64(event.id.to()).unwrap_or_default();
    let fragment = AnchorId::new(id, 0).fragment();
    if args.chain.json {
        print_json(&json!({
            "fragment": fragment,
            "key": key::text(owner),
            "amount": event.amount.to_string(),
            "transaction": mined.hash(),
            "block": mined.block(),
            "gas": mined.gas(),
        }));
    } else {
        // What arrived, which a token may make less than what was sent.
        println!(
            "Fragment {fragment} of {} holds {}, since block {}, for {} gas",
            key::text(owner),
            Names::default().amount(args.token, event.amount),
            mined.block(),
            thousands(mined.gas())
        );
    }
    Ok(())
}

async fn send(bridge: Address, sender: &Sender, call: &impl SolCall, value: U256) -> Result<Mined> {
    let call = Call::new(bridge, call.abi_encode()).value(value);
    Ok(sender.send(call).await?)
}

/// Bonds: what a key must lock to post batches
#[derive(Subcommand)]
pub(crate) enum BondCommand {
    Fund(FundArgs),
    Withdraw(WithdrawBondArgs),
    Show(BondArgs),
}

/// Add ether to a bond
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot bond fund --amount 5ether")]
pub(crate) struct FundArgs {
    #[command(flatten)]
    bond: BondArgs,

    /// How much, in wei
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: u128,
}

/// Take free bond out, to the key that owns it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot bond withdraw --amount 1ether\n  nthroot bond withdraw")]
pub(crate) struct WithdrawBondArgs {
    #[command(flatten)]
    bond: BondArgs,

    /// How much, in wei; by default all that is free
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    amount: Option<u128>,
}

/// Show a bond: all of it, and what is free
#[derive(clap::Args)]
pub(crate) struct BondArgs {
    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,

    /// Whose, instead of the key's
    #[arg(long, value_name = "ADDRESS")]
    proposer: Option<Address>,
}

pub(crate) async fn bond(command: BondCommand) -> Result<()> {
    let args = match command {
        BondCommand::Show(args) => args,
        BondCommand::Fund(args) => {
            fund(&args).await?;
            args.bond
        }
        BondCommand::Withdraw(args) => {
            withdraw_bond(&args).await?;
            args.bond
        }
    };
    let client = Client::connect(&args.chain).await?;
    let proposer = args.owner()?;
    let wei = |gwei: u64| U256::from(gwei) * U256::from(GWEI);
    let (all, free) = (
        wei(client.ledger().bond(proposer).balance),
        wei(client.ledger().free_bond(proposer)),
    );
    if args.chain.json {
        print_json(&json!({ "proposer": proposer, "balance": all.to_string(), "free": free.to_string() }));
    } else {
        println!(
            "{proposer} has a bond of {} ETH, {} ETH of it free",
            ether(all),
            ether(free)
        );
    }
    Ok(())
}

impl BondArgs {
    fn owner(&self) -> Result<Address> {
        self.proposer.map_or_else(|| self.key.payer_address(), Ok)
    }
}

async fn fund(args: &FundArgs) -> Result<()> {
    let client = Client::connect(&args.bond.chain).await?;
    let sender = Sender::new(client.l1.clone(), args.bond.key.payer()?);
    let balance = client.l1.provider().get_balance(sender.address()).await?;
    ensure!(
        balance > U256::from(args.amount),
        "{} has {} ETH on L1",
        sender.address(),
        ether(balance)
    );
    let proposer = args.bond.owner()?;
    send(
        client.bridge(),
        &sender,
        &Bridge::fundBondCall { proposer },
        U256::from(args.amount),
    )
    .await?;
    Ok(())
}

async fn withdraw_bond(args: &WithdrawBondArgs) -> Result<()> {
    let client = Client::connect(&args.bond.chain).await?;
    let sender = Sender::new(client.l1.clone(), args.bond.key.payer()?);
    ensure!(
        args.bond.owner()? == sender.address(),
        "a bond is withdrawn by its owner only: leave out --proposer"
    );
    if let Some(fault) = client.ledger().oldest_fault() {
        bail!("batch {fault} is a lie that is not rolled back yet: until it is, no bond leaves. Try again later");
    }
    let free = u128::from(client.ledger().free_bond(sender.address())) * u128::from(GWEI);
    let amount = args.amount.unwrap_or(free);
    ensure!(
        amount > 0,
        "nothing of the bond is free: batches lock theirs until the epoch after the next begins"
    );
    ensure!(amount <= free, "{} ETH of the bond are free", ether(U256::from(free)));
    let call = Bridge::withdrawBondCall {
        amount: U256::from(amount),
        to: sender.address(),
    };
    send(client.bridge(), &sender, &call, U256::ZERO).await?;
    Ok(())
}

/// Make one fragment of many: what all others hold goes to the first
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot merge\n  nthroot merge 12.1/0#0 13.1/0#0")]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    signing: Signing,

    /// Which ones; by default all under the key
    #[arg(value_name = "ID")]
    fragments: Vec<FragmentId>,
}

pub(crate) async fn merge(args: MergeArgs) -> Result<()> {
    let signing = &args.signing;
    ensure!(
        !signing.typed_data && signing.signature.is_none(),
        "several fragments sign to be merged: this takes the key itself"
    );
    let client = Client::connect(&signing.chain).await?;
    let key = signing.key.require()?;
    let mut ids = args.fragments;
    if ids.is_empty() {
        let own = client.own(key.key()).into_iter();
        ids = own
            .filter(|(_, fragment)| !fragment.assets.is_empty())
            .map(|(id, _)| id)
            .collect();
    }
    ensure!(ids.len() > 1, "there is nothing to merge");
    let terms = Terms {
        domain: client.domain(),
        book: client.book,
        valid_until: signing.until(client.clock())?,
    };
    let into = ids[0];
    let mut parties = Vec::new();
    let mut lines = Vec::new();
    for id in &ids {
        let state = client.fragment(*id)?;
        let pay = |(asset, amount): (&AssetId, &u128)| AccountOp::Pay {
            to: into,
            asset: *asset,
            amount: *amount,
        };
        let ops: Vec<AccountOp> = if *id == into {
            Vec::new()
        } else {
            state.assets.iter().map(pay).collect()
        };
        let intent = Intent {
            request: Request::Account(ops.clone()),
            fragment: *id,
            nonce: state.nonce,
            valid_until: terms.valid_until,
        };
        lines.extend(intent.lines(&client.book));
        parties.push(Party::signing(key.signer(), *id, state.nonce, ops));
    }
    show(signing, &lines);
    consent(signing.yes)?;
    let plan = account::plan(&terms, &parties)?;
    post(client, &signing.chain, &signing.key, plan, &[into]).await
}
