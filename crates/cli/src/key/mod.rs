//! Keys: of users, who sign intents with them, and of those who send L1 transactions.

pub(crate) mod command;
mod store;

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, hex},
    signers::local::PrivateKeySigner,
};
use eyre::{OptionExt, Result, WrapErr};
use nthroot_model::signing::Signer;
use nthroot_protocol::Key;

/// The environment variable that holds a key. It is no option, so that it stands in no history and no list of processes.
const SECRET: &str = "NTHROOT_KEY";

/// What a person without a key is told.
pub(crate) const NO_KEY: &str = "no key: name an account with --account (`nthroot key new` makes one), or a file with --key-file, or set \
                      NTHROOT_KEY";

/// A curve on which users' keys lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Curve {
    /// That of Ethereum's accounts: it signs intents, and sends L1 transactions
    Secp256k1,
    /// That of passkeys (NIST P-256): it signs intents, but cannot send L1 transactions
    P256,
}

impl Curve {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Secp256k1 => "secp256k1",
            Self::P256 => "p256",
        }
    }
}

/// A key with its secret.
#[derive(Clone)]
pub(crate) enum UserKey {
    Secp256k1(PrivateKeySigner),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl UserKey {
    /// The key with this secret. What is wrong with another is not said: it would be shown.
    pub(crate) fn from_secret(curve: Curve, secret: &[u8]) -> Result<Self> {
        let key = match curve {
            Curve::Secp256k1 => PrivateKeySigner::from_slice(secret).ok().map(Self::Secp256k1),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(secret)
                .ok()
                .map(Box::new)
                .map(Self::P256),
        };
        key.ok_or_else(|| eyre::eyre!("this is no secret key of {}", curve.name()))
    }

    pub(crate) const fn curve(&self) -> Curve {
        match self {
            Self::Secp256k1(_) => Curve::Secp256k1,
            Self::P256(_) => Curve::P256,
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.signer().key()
    }

    /// What signs intents.
    pub(crate) fn signer(&self) -> &dyn Signer {
        match self {
            Self::Secp256k1(key) => key.credential(),
            Self::P256(key) => key.as_ref(),
        }
    }

    fn secret(&self) -> B256 {
        match self {
            Self::Secp256k1(key) => B256::from(key.to_bytes()),
            Self::P256(key) => B256::from_slice(&key.to_bytes()),
        }
    }
}

/// A key as people read and type it.
pub(crate) fn text(key: Key) -> String {
    match key {
        Key::Secp256k1(address) => address.to_string(),
        Key::P256(controller) => format!("p256:{controller}"),
    }
}

/// A key: an Ethereum address, or `p256:` and the controller of a P-256 key.
///
/// # Errors
///
/// If it is neither.
pub(crate) fn parse_key(text: &str) -> Result<Key, String> {
    let (kind, address) = match text.split_once(':') {
        Some(("p256", address)) => (2, address),
        Some(("secp256k1", address)) => (1, address),
        Some(_) => (0, text),
        None => (1, text),
    };
    let address: Result<Address, _> = address.parse();
    let key = address.ok().and_then(|address| Key::new(kind, address).ok());
    key.ok_or_else(|| {
        format!("`{text}` is not a key: an Ethereum address, or p256:ADDRESS as `nthroot key show` prints it")
    })
}

/// Whose key.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct KeyArgs {
    /// The account whose key signs, by its name in the keystore (`nthroot key list`)
    #[arg(long, value_name = "NAME", env = "NTHROOT_ACCOUNT")]
    pub(crate) account: Option<String>,

    /// A file with the private key (hexadecimal), instead of an account; without either the key is that of the environment
    /// variable NTHROOT_KEY
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// The account that sends L1 transactions and whose bond posts, if it is not the one that signs. A P-256 key needs one, since it
    /// can do neither; then NTHROOT_KEY will do too
    #[arg(long, value_name = "NAME", env = "NTHROOT_PAYER")]
    pub(crate) payer: Option<String>,

    /// What was decrypted, so that nobody is asked twice.
    #[arg(skip)]
    unlocked: store::Unlocked,
}

impl KeyArgs {
    /// The key, if there is one.
    pub(crate) fn find(&self) -> Result<Option<UserKey>> {
        if let Some(path) = &self.key_file {
            let text = std::fs::read_to_string(path).wrap_err_with(|| format!("no key at {}", path.display()))?;
            return from_hex(&text).map(Some);
        }
        match &self.account {
            Some(name) => self.unlocked.open(name).map(Some),
            None => of_environment(),
        }
    }

    pub(crate) fn require(&self) -> Result<UserKey> {
        self.find()?.ok_or_eyre(NO_KEY)
    }

    /// The public part, for which no password is asked where the keystore says it.
    pub(crate) fn public(&self) -> Result<Key> {
        if let (None, Some(name)) = (&self.key_file, &self.account)
            && let Some(key) = store::public(name)?
        {
            return Ok(key);
        }
        Ok(self.require()?.key())
    }

    /// The public part, if there is a key.
    pub(crate) fn find_public(&self) -> Result<Option<Key>> {
        if self.key_file.is_none() && self.account.is_none() && std::env::var_os(SECRET).is_none() {
            return Ok(None);
        }
        self.public().map(Some)
    }

    /// The key that sends L1 transactions.
    pub(crate) fn payer(&self) -> Result<PrivateKeySigner> {
        let (key, name) = match &self.payer {
            Some(name) => (self.unlocked.open(name)?, name.as_str()),
            None => (self.require()?, self.account.as_deref().unwrap_or("this key")),
        };
        match (key, &self.payer) {
            (UserKey::Secp256k1(key), _) => Ok(key),
            (UserKey::P256(_), None) if self.account.is_some() => match of_environment()? {
                Some(UserKey::Secp256k1(key)) => Ok(key),
                _ => Err(no_transactions(name)),
            },
            (UserKey::P256(_), _) => Err(no_transactions(name)),
        }
    }

    /// The address that sends L1 transactions, for which no password is asked where the keystore says it.
    pub(crate) fn payer_address(&self) -> Result<Address> {
        if let Some(Key::Secp256k1(address)) = self.payer.as_deref().map(store::public).transpose()?.flatten() {
            return Ok(address);
        }
        if self.payer.is_none()
            && let Key::Secp256k1(address) = self.public()?
        {
            return Ok(address);
        }
        Ok(self.payer()?.address())
    }
}

fn no_transactions(name: &str) -> eyre::Report {
    eyre::eyre!(
        "{name} is a P-256 key: it signs intents, but L1 takes no transactions from it. Name an account that pays for them with \
         --payer (or set NTHROOT_KEY), or hand intents to a node with --node"
    )
}

fn of_environment() -> Result<Option<UserKey>> {
    std::env::var(SECRET).ok().map(|text| from_hex(&text)).transpose()
}

fn from_hex(text: &str) -> Result<UserKey> {
    // What is wrong with it is not said: it would be shown.
    let bytes = hex::decode(text.trim()).ok();
    let bytes = bytes.filter(|bytes| bytes.len() == 32);
    let bytes = bytes.ok_or_eyre("the key is not 32 bytes in hexadecimal")?;
    UserKey::from_secret(Curve::Secp256k1, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_addresses_with_their_curve() {
        let address = Address::repeat_byte(7);
        for key in [Key::Secp256k1(address), Key::P256(address)] {
            assert_eq!(parse_key(&text(key)), Ok(key));
        }
        assert_eq!(parse_key(&format!("secp256k1:{address}")), Ok(Key::Secp256k1(address)));
        for wrong in [
            "",
            "alice",
            "p256:",
            "rule:0x0707070707070707070707070707070707070707",
            &Address::ZERO.to_string(),
        ] {
            assert!(parse_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        for wrong in ["11", "zz", &"ff".repeat(32)] {
            let error = format!("{:#}", from_hex(wrong).err().expect("no key"));
            assert!(!error.contains(wrong), "{error}");
        }
    }
}
