//! A little ether through a new bridge and out again, by the ways that everybody's takes.

use alloy::{primitives::U256, sol_types::SolCall};
use eyre::{Result, bail};
use nthroot_bindings::Bridge;
use nthroot_node::{Call, Sender};
use nthroot_protocol::{AnchorId, BatchId};

use super::Args;
use crate::{args::Chain, client::Client, progress::span, rescue};

/// Deposits, unless a fragment of the key is there already, and gets all of it out again as `nthroot rescue` does, which goes on from
/// whatever L1 says.
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
    let own: Vec<_> = client.own(key).into_iter().map(|(id, _)| id).collect();
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
        [fragment] => fragment,
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
