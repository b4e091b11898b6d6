//! A user who has nothing but a passkey.

use alloy::primitives::{Address, B256, U256, keccak256};
use eyre::{Result, WrapErr};
use nthroot_model::{authenticator::Authenticator, signing::Signer};
use nthroot_protocol::{AccountOp, AnchorId, AssetId};
use nthroot_wallet::account::Party;

use crate::demo::{
    cast::Role,
    sale::{self, Sold},
    stage::{Stage, UNIT},
    story::stands,
};

/// Pia pays Bob, who withdraws and sells the claim. Returns the sale.
pub(crate) async fn play(stage: &mut Stage, bob: AnchorId) -> Result<Sold> {
    stage
        .narrator
        .act("Pia has a passkey in her phone, and no account on L1");
    let secret: B256 = keccak256([stage.actor(Role::Deployer).key.to_bytes().as_slice(), b"Pia"].concat());
    let secret = p256::ecdsa::SigningKey::from_slice(secret.as_slice()).wrap_err("no key of that hash")?;
    let passkey = Authenticator::new(secret, "wallet.example");
    let pia = passkey.key();
    let (deposit, _) = stage
        .deposit_for(Role::Bob, pia, UNIT / 20, " for Pia's passkey")
        .await?;
    stage.sync().await?;
    let anchor = AnchorId::new(deposit, 0);

    stage
        .narrator
        .note("1. Pia pays Bob 0.02 ETH by an assertion of her passkey (WebAuthn); Bob signs");
    stage.narrator.note("2. Bob withdraws 0.1 ETH to L1");
    let pay = AccountOp::Pay {
        to: bob.fragment(),
        asset: AssetId::ETH,
        amount: UNIT / 50,
    };
    let withdraw = AccountOp::Withdraw {
        recipient: stage.address(Role::Bob),
        token: Address::ZERO,
        amount: sale::AMOUNT,
    };
    let plans = [
        stage.plan(&[
            Party::signing(&passkey, anchor.fragment(), 0, vec![pay]),
            stage.party(Role::Bob, bob.fragment(), 2, vec![]),
        ]),
        stage.plan(&[stage.party(Role::Bob, bob.fragment(), 3, vec![withdraw])]),
    ];
    let (posted, _) = stage
        .post(Role::Paula, "posts a batch of these 2 steps", 4, &plans, |_| ())
        .await?;
    let held = stage.holdings(Some(pia.controller()), AssetId::ETH);
    stage
        .narrator
        .check_equal("Pia holds 0.03 ETH in the bridge", &held, &U256::from(UNIT * 3 / 100))?;
    stage.check_heads("Both heads are what the model computes").await?;
    stands(stage, posted.id, ": L1 verifies the assertion").await?;
    sale::play(stage, posted.id).await
}
