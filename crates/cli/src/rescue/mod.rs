//! `nthroot rescue`: everything out of one's own fragment, with nobody's help.
//!
//! What is to be done next follows from L1 alone ([`next`]), so that it can be interrupted anywhere and run again.

mod next;

use alloy::{
    primitives::{Address, U256},
    providers::Provider as _,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{Result, WrapErr, ensure};
use nthroot_bindings::Bridge;
use nthroot_node::{Action, Call, Error, Proposer, Sender, Watcher};
use nthroot_protocol::{AssetId, FragmentId};
use serde_json::{Value, json};

use crate::{
    args::{Chain, KeyArgs},
    claim::call_of,
    client::{Client, POLL},
    key::UserKey,
    progress::{Progress, print_line, span},
    sign::{confirm, is_under},
    text::ether,
};
use next::{Next, next};

/// Gas of the transactions beside the claims, and of a claim: about, for what is shown beforehand.
const GAS: (u64, u64) = (350_000, 90_000);

/// Blocks that transactions of an earlier run are waited for.
const PATIENCE: u64 = 5;

/// What is said of an L1 node.
const SILENT: &str = "the L1 node does not answer: try again, or name another one with --rpc-url";

/// Get everything out of a fragment of your own, with nobody's help
///
/// When no proposer or node serves you: it waits until a lease that you gave is over, funds the bond that is missing, builds the step that
/// withdraws all L1 assets, posts it, waits until it is final, claims the withdrawals, and takes the bond out again. It needs nothing
/// but an L1 node and ether for bond and gas. It can be interrupted at any moment: the same command goes on from what L1 says.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot rescue 12.1/0#0 --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n  nthroot rescue 12.1/0#0 --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --account phone --payer alice"
)]
pub(crate) struct Args {
    /// The fragment
    #[arg(value_name = "FRAGMENT")]
    fragment: FragmentId,

    /// Who is paid on L1
    #[arg(long, value_name = "ADDRESS")]
    to: Address,

    /// Leave the bond in the bridge
    #[arg(long)]
    keep_bond: bool,

    /// Say what would be done, and stop
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    chain: Chain,

    #[command(flatten)]
    key: KeyArgs,
}

impl Args {
    /// Everything out of a fragment and the bond back, without asking.
    pub(crate) fn everything(fragment: FragmentId, to: Address, chain: Chain, key: KeyArgs) -> Self {
        Self {
            fragment,
            to,
            keep_bond: false,
            dry_run: false,
            yes: true,
            chain,
            key,
        }
    }
}

/// A rescue under way.
struct Rescue {
    args: Args,
    key: UserKey,
    payer: PrivateKeySigner,
    sender: Sender,
    client: Client,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    ensure!(!args.to.is_zero(), "nobody has the address zero");
    let (key, payer) = (args.key.require()?, args.key.payer()?);
    let client = Client::connect(&args.chain).await?;
    let sender = Sender::new(client.l1.clone(), payer.clone());
    let rescue = Rescue {
        args,
        key,
        payer,
        sender,
        client,
    };
    rescue.run().await
}

impl Rescue {
    async fn run(mut self) -> Result<()> {
        self.explain().await?;
        if self.args.dry_run {
            return Ok(());
        }
        let question = "Do all this?";
        confirm(self.args.yes, question, "nothing was done")?;
        self.settle().await?;
        let mut stage = None;
        let mut progress = None;
        loop {
            let todo = self.next()?;
            let now = self.client.clock();
            if stage.as_ref() != Some(&todo.stage()) {
                progress = None;
                stage = Some(todo.stage());
                self.tell(&todo.stage(), &todo.line());
            }
            let waits = progress.get_or_insert_with(|| Progress::blocks(now));
            match self.act(todo, waits, now).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Another view of L1 a moment later.
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "trying again");
                    tokio::time::sleep(POLL).await;
                }
                Err(error) => return Err(error.wrap_err("interrupted: run the same command again to go on")),
            }
            self.client.refresh().await?;
        }
    }

    /// Waits for transactions that an earlier run sent, so that nothing is sent twice. One that is not included for long is
    /// replaced.
    async fn settle(&mut self) -> Result<()> {
        let first = self.client.clock();
        let mut told = false;
        loop {
            let count = || self.sender.l1().provider().get_transaction_count(self.payer.address());
            let (included, all) = (count().latest().await, count().pending().await);
            let waiting = all.wrap_err(SILENT)?.saturating_sub(included.wrap_err(SILENT)?);
            let now = self.client.clock();
            if waiting == 0 || now > first + PATIENCE {
                return Ok(());
            }
            if !told {
                let stage = json!({ "stage": "pending", "transactions": waiting });
                self.tell(&stage, "Waiting for transactions that are on their way already");
                told = true;
            }
            tokio::time::sleep(POLL).await;
            self.client.refresh().await?;
        }
    }

    fn next(&mut self) -> Result<Next> {
        let (id, to, keep) = (self.args.fragment, self.args.to, self.args.keep_bond);
        let (key, payer) = (self.key.clone(), self.payer.clone());
        let client = &self.client;
        let proposer = Proposer::new(Sender::new(client.l1.clone(), payer.clone()));
        next(
            client,
            &proposer,
            &next::Wish {
                id,
                to,
                keep,
                key: &key,
                payer: payer.address(),
            },
        )
    }

    /// Does the next thing. Returns whether all is done.
    async fn act(&mut self, todo: Next, progress: &Progress, now: u64) -> Result<bool> {
        match todo {
            Next::Done { .. } => return Ok(true),
            Next::Lease { last_block, .. } => progress.set("the lease is over", now, Some(last_block + 1)),
            Next::Final { at, .. } => progress.set("the withdrawal is final", now, at),
            Next::Release { at } => progress.set("the bond is released", now, at),
            Next::Defend => {
                let watcher = Watcher::new(self.sender.clone());
                watcher.defend(&mut self.client.follower).await?;
            }
            Next::Fund { gwei } => {
                let proposer = self.payer.address();
                let call = Bridge::fundBondCall { proposer };
                self.send(&call, gwei_to_wei(gwei)).await?;
            }
            Next::Post { batch } => {
                let proposer = Proposer::new(self.sender.clone());
                proposer.post(&self.client.follower, &batch).await?;
            }
            Next::Claim { claim } => {
                let call = call_of(&self.client, &claim)?;
                self.sender.send(call).await?;
            }
            Next::Take { gwei } => {
                let to = self.payer.address();
                let amount = gwei_to_wei(gwei);
                self.send(&Bridge::withdrawBondCall { amount, to }, U256::ZERO).await?;
            }
        }
        tokio::time::sleep(POLL).await;
        Ok(false)
    }

    async fn send(&mut self, call: &impl SolCall, value: U256) -> Result<()> {
        let bridge = self.client.bridge();
        self.sender
            .send(Call::new(bridge, call.abi_encode()).value(value))
            .await?;
        Ok(())
    }

    /// What will be done, and what it costs.
    async fn explain(&mut self) -> Result<()> {
        let (id, to, json) = (self.args.fragment, self.args.to, self.args.chain.json);
        let payer = self.payer.address();
        let key = self.key.key();
        let client = &self.client;
        let (clock, window) = (client.clock(), client.ledger().params().window);
        let price = client.l1.provider().get_gas_price().await.wrap_err(SILENT)?;
        let balance = client.l1.provider().get_balance(payer).await.wrap_err(SILENT)?;
        let names = client.names();
        let mut stays = Vec::new();
        let mut leaves = Vec::new();
        if let Ok(fragment) = client.fragment(id) {
            ensure!(
                is_under(fragment, key),
                "fragment {id} is under {}, not under your key",
                fragment.controller
            );
            for (asset, amount) in &fragment.assets {
                if asset.as_token().is_some() {
                    leaves.push(names.amount(*asset, *amount));
                } else {
                    stays.push((names.of(*asset), amount.to_string(), next::redeems(client, *asset, id)));
                }
            }
        }
        let next = self.next()?;
        let missing = next.missing_bond();
        let claims = u64::try_from(leaves.len().max(1)).unwrap_or(u64::MAX);
        let gas = U256::from(GAS.0 + GAS.1.saturating_mul(claims)) * U256::from(price);
        let needed = gwei_to_wei(missing) + gas;
        if json {
            let stays = stays
                .iter()
                .map(|(name, amount, how)| json!({ "name": name, "amount": amount, "redeem": how }));
            print_line(&json!({
                "stage": "plan",
                "block": clock,
                "withdraws": leaves,
                "stays": stays.collect::<Vec<_>>(),
                "bondMissing": gwei_to_wei(missing).to_string(),
                "gasAbout": gas.to_string(),
                "windowBlocks": window,
            }));
        } else {
            println!("Everything of fragment {id} to {to}, with the bond of {payer}:");
            for leaving in &leaves {
                println!("  withdraws {leaving}");
            }
            for (name, amount, how) in &stays {
                println!("  leaves {amount} of {name}, which is nothing on L1: {how}");
            }
            if missing > 0 {
                println!(
                    "  funds a bond of {} ETH, which comes back",
                    ether(gwei_to_wei(missing))
                );
            }
            println!("  costs gas for about {} ETH at the present price", ether(gas));
            println!(
                "  waits {window} blocks (about {}) until it is final, and up to as long again for the bond",
                span(window)
            );
            if !self.args.keep_bond {
                println!("  in the end takes out all of that bond (--keep-bond leaves it)");
            }
        }
        ensure!(
            balance >= needed || next.is_done(),
            "{payer} has {} ETH on L1 and needs {} ETH: send it the rest, and run the same command again",
            ether(balance),
            ether(needed)
        );
        Ok(())
    }

    fn tell(&self, stage: &Value, line: &str) {
        if self.args.chain.json {
            print_line(stage);
        } else {
            println!("{line}");
        }
    }
}

fn gwei_to_wei(gwei: u64) -> U256 {
    U256::from(gwei) * U256::from(nthroot_model::params::GWEI)
}

/// Whether looking again is all that is to be done.
fn is_passing(error: &eyre::Report) -> bool {
    let node = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    node.is_some_and(|error| error.action() == Action::Retry)
}

/// An L1 asset?
fn is_l1(asset: AssetId) -> bool {
    asset.as_token().is_some()
}
