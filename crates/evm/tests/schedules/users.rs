//! Who signs: accounts, a P-256 key, a passkey.

use std::sync::LazyLock;

use alloy::primitives::Address;
use k256::ecdsa::SigningKey;
use nthroot_model::{
    authenticator::Authenticator,
    signing::{Signer, address_of},
};
use nthroot_protocol::Key;

/// Users with an account on L1.
pub(crate) const ACCOUNTS: usize = 3;
/// All users.
pub(crate) const USERS: usize = ACCOUNTS + 2;

type Wallet = (Box<dyn Signer + Send + Sync>, Key);

/// Deriving a key's name takes long.
static WALLETS: LazyLock<[Wallet; USERS]> = LazyLock::new(|| {
    let p256 = |byte| p256::ecdsa::SigningKey::from_slice(&[byte; 32]).expect("below the order");
    let [a, b, c] = [0, 1, 2].map(|user| Box::new(secret(user)));
    let passkey = Authenticator::new(p256(5), "wallet.example");
    let signers: [Box<dyn Signer + Send + Sync>; USERS] = [a, b, c, Box::new(p256(4)), Box::new(passkey)];
    signers.map(|signer| {
        let key = signer.key();
        (signer, key)
    })
});

/// The secret of a user with an account.
pub(crate) fn secret(user: usize) -> SigningKey {
    let byte = u8::try_from(1 + user).expect("few users");
    SigningKey::from_slice(&[byte; 32]).expect("below the order")
}

/// A user's key.
pub(crate) fn key(user: usize) -> Key {
    WALLETS[user].1
}

/// A user's account on L1.
pub(crate) fn account(user: usize) -> Address {
    static ADDRESSES: LazyLock<[Address; ACCOUNTS]> = LazyLock::new(|| [0, 1, 2].map(|user| address_of(&secret(user))));
    ADDRESSES[user]
}

/// Whoever can sign for a fragment of this controller.
pub(crate) fn signer(controller: Address) -> &'static (dyn Signer + Send + Sync) {
    let wallet = WALLETS.iter().find(|(_, key)| key.controller() == controller);
    wallet.expect("a user's key").0.as_ref()
}
