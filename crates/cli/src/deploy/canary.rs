//! A little ether through a new bridge and out again, by the ways that everybody's takes.

use alloy::{primitives::U256, sol_types::SolCall};
use eyre::{Result, bail, ensure};
use nthroot_bindings::Bridge;
use nthroot_model::params::GWEI;
use nthroot_node::{Call, Sender, config::Wei};
use nthroot_protocol::{AnchorId, AssetId, BatchId};

use super::Args;
use crate::{args::Chain, client::Client, progress::span, rescue, sign::confirm};

/// Deposits, unless a fragment of the key is there already, and gets all of it out again as `nthroot rescue` does, which goes on from
/// whatever L1 says. What the key and the payer have beside the canary is refused: all of it would be taken out.
pub(super) async fn run(args: &Args, amount: u128) -> Result<()> {
    let chain = Chain {
        rpc_url: Some(args.rpc_url.clone()),
        node: None,
        deployment: args.out.clone(),
        no_store: true,
        json: args.json,
    };
    let (key, payer) = (args.key.require()?.key(), args.key.payer()?);
    let to = payer.address();
    let client = Client::connect(&chain).await?;
    let own = client.own(key);
    let of_canary = |asset: &AssetId, held: u128| *asset == AssetId::ETH && held <= amount;
    if let [(id, fragment)] = own[..] {
        ensure!(
            fragment.assets.iter().all(|(asset, held)| of_canary(asset, *held)),
            "the key's fragment {id} holds more than the canary, which takes out all of it: name a key that has nothing in this bridge"
        );
    }
    // Interrupted, it has left the lock of its one small batch, which is the least one.
    let bond = client.ledger().bond(to).balance;
    let lock = client.ledger().params().lock(0, 0);
    let of_canary = if own.is_empty() { 0 } else { lock };
    ensure!(
        bond <= of_canary,
        "{to} has a bond of {} in this bridge, and the canary takes out all of it: name a --payer without one",
        gwei(bond)
    );
    confirm(
        args.yes,
        &format!(
            "Send the canary of {}? It and a bond of {} come back to {to}.",
            Wei(amount),
            gwei(lock)
        ),
        "the canary was not sent",
    )?;
    let fragment = match own[..] {
        [] => {
            let sender = Sender::new(client.l1.clone(), payer);
            let deposit = Bridge::depositCall {
                key: key.to_bytes().into(),
            };
            let call = Call::new(client.bridge(), deposit.abi_encode()).value(U256::from(amount));
            let mined = sender.send(call).await?;
            let event: Bridge::Deposited = mined.event(client.bridge())?;
            let id = BatchId::from_u64(event.id.to()).unwrap_or_default();
            AnchorId::new(id, 0).fragment()
        }
        [(id, _)] => id,
        _ => bail!(
            "the key has {} fragments in this bridge: the canary is for a key without any",
            own.len()
        ),
    };
    let window = client.ledger().params().window;
    eprintln!(
        "\nThe canary is fragment {fragment}. It is out in about {}; when this is interrupted, the same command goes on, or\n  nthroot rescue \
         {fragment} --to {to} --deployment {}",
        span(window),
        args.out.display()
    );
    rescue::run(rescue::Args::everything(fragment, to, chain, args.key.clone())).await
}

fn gwei(amount: u64) -> Wei {
    Wei(u128::from(amount) * u128::from(GWEI))
}
