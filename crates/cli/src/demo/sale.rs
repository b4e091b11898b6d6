//! A claim that is sold before its batch is final.

use alloy::{
    primitives::{Address, U256},
    signers::SignerSync,
};
use eyre::{OptionExt, Result};
use nthroot_bindings::bridge::Bridge::BridgeErrors;
use nthroot_model::rule::Rules;
use nthroot_node::{Follower, claims};
use nthroot_protocol::BatchId;

use crate::demo::{
    cast::Role,
    stage::{Stage, UNIT},
    story::refusal,
};

/// Wei that the claim is for.
pub(crate) const AMOUNT: u128 = UNIT / 10;
/// Wei that Wanda pays for it.
const PRICE: u128 = UNIT * 99 / 1000;
/// Blocks. How long the offer holds.
const OFFER: u64 = 10;

/// A claim that was sold: its batch.
pub(crate) struct Sold(BatchId);

/// Bob sells his claim to Wanda.
pub(crate) async fn play(stage: &mut Stage, id: BatchId) -> Result<Sold> {
    stage
        .narrator
        .act("Bob sells his claim to Wanda, who need not wait for finality to know");
    let mut wandas = Follower::start(stage.chain.l1().clone(), stage.deployment.clone(), Rules::default()).await?;
    wandas.sync().await?;
    stage.narrator.check(
        "Wanda derived all from L1: no step of Bob's batch, or of any that it builds on, is a lie",
        claims::is_sound(wandas.ledger(), id)?,
    )?;
    let claim = claims::unpaid(wandas.ledger(), id)?
        .pop()
        .ok_or_eyre("no claim to sell")?;
    let (bob, wanda) = (stage.address(Role::Bob), stage.address(Role::Wanda));
    let deadline = wandas.tip().number + OFFER;
    let offer = claim.offer(Some(wanda), Address::ZERO, U256::from(PRICE), deadline);
    let signature = stage
        .actor(Role::Bob)
        .key
        .sign_hash_sync(&offer.signing_hash(&stage.domain()))?;

    let before = stage.eth_of(Role::Bob).await?;
    let take = claim.take(stage.deployment.bridge, &offer, wanda, signature.as_bytes().into());
    let what = "takes Bob's offer: pays 0.099 ETH for his claim to 0.1 ETH";
    stage.send(Role::Wanda, what, take.clone()).await?;
    let paid = stage.eth_of(Role::Bob).await? - before;
    stage.actor_mut(Role::Bob).received += paid;
    stage
        .narrator
        .check_equal("Bob has 0.099 ETH on L1, at once", &paid, &U256::from(PRICE))?;
    stage.sync().await?;
    let sold = claims::unpaid(stage.ledger(), id)?.pop().ok_or_eyre("no claim left")?;
    let [first, present] = [sold.claim.withdrawal.recipient, sold.claim.recipient];
    stage
        .narrator
        .check_equal("The claim is Wanda's now", &[first, present], &[bob, wanda])?;
    let again = refusal(stage, Role::Wanda, &take).await?;
    stage.narrator.check(
        "The offer is used up: it is refused the second time",
        matches!(again, BridgeErrors::NotRecipient(_)),
    )?;
    Ok(Sold(id))
}

/// Once its batch is final, the claim is paid to Wanda.
pub(crate) async fn settle(stage: &mut Stage, Sold(id): &Sold) -> Result<()> {
    let claim = claims::unpaid(stage.ledger(), *id)?
        .pop()
        .ok_or_eyre("no claim to pay")?;
    let final_at = stage.ledger().final_at(*id).ok_or_eyre("never final")?;
    stage.narrator.progress(format!("Waiting for block {final_at}"));
    stage.chain.advance_to(final_at).await?;
    stage.sync().await?;
    let before = stage.eth_of(Role::Wanda).await?;
    let mined = stage
        .send(
            Role::Wanda,
            "claims what she bought",
            claim.call(stage.deployment.bridge),
        )
        .await?;
    let paid = stage.eth_of(Role::Wanda).await? + mined.fee() - before;
    stage.actor_mut(Role::Wanda).received += paid;
    stage
        .narrator
        .check_equal("Wanda got Bob's 0.1 ETH", &paid, &U256::from(AMOUNT))?;
    stage.sync().await
}
