//! The keystore: a folder of encrypted files (Web3 Secret Storage, version 3), as geth and Foundry have them.
//!
//! Beside the standard's fields a file says the `address` of its key, as geth's do, and its `curve` unless that is secp256k1. Other
//! programs that read it ignore both.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use alloy::primitives::Address;
use eth_keystore::{EthKeystore, KdfparamsType, KeystoreError};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use nthroot_protocol::Key;
use p256::elliptic_curve::rand_core::OsRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Curve, UserKey};

/// The folder, if it is not the usual one.
const FOLDER: &str = "NTHROOT_KEYS";

/// A file with the password. It is no option, so that it stands in no history and no list of processes.
const PASSWORD_FILE: &str = "NTHROOT_PASSWORD_FILE";

/// What a keystore file says openly.
#[derive(Deserialize)]
pub(crate) struct Public {
    address: Option<String>,
    curve: Option<String>,
}

impl Public {
    pub(crate) fn curve(&self) -> Result<Curve> {
        match self.curve.as_deref() {
            None | Some("secp256k1") => Ok(Curve::Secp256k1),
            Some("p256") => Ok(Curve::P256),
            Some(other) => bail!("keys of curve {other} are not supported"),
        }
    }

    /// The key, if the file says it: Foundry's do not.
    pub(crate) fn key(&self) -> Result<Option<Key>> {
        let Some(text) = &self.address else { return Ok(None) };
        let address: Address = text.parse().wrap_err("the file's address is none")?;
        Ok(Some(match self.curve()? {
            Curve::Secp256k1 => Key::Secp256k1(address),
            Curve::P256 => Key::P256(address),
        }))
    }
}

/// Keys that were decrypted, by name. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Unlocked(Arc<Mutex<BTreeMap<String, UserKey>>>);

impl Unlocked {
    pub(crate) fn open(&self, name: &str) -> Result<UserKey> {
        let mut keys = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(key) = keys.get(name) {
            return Ok(key.clone());
        }
        let key = unlock(&path_of(name)?, name)?;
        keys.insert(name.to_owned(), key.clone());
        Ok(key)
    }
}

/// `NTHROOT_KEYS`, or `nthroot/keys` where configuration belongs.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Ok(folder.into());
    }
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let config = config.ok_or_eyre("no home folder for the keystore: set NTHROOT_KEYS to one")?;
    Ok(config.join("nthroot/keys"))
}

/// The accounts, by name, with their files.
pub(crate) fn list() -> Result<Vec<(String, PathBuf)>> {
    let folder = folder()?;
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.wrap_err_with(|| format!("cannot read the keystore {}", folder.display()))?,
    };
    let mut accounts = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_name(&name) && entry.path().is_file() {
            accounts.push((name, entry.path()));
        }
    }
    accounts.sort_unstable();
    Ok(accounts)
}

/// What the file of an account says openly.
pub(crate) fn read(name: &str) -> Result<Public> {
    let path = path_of(name)?;
    serde_json::from_str(&text_of(&path, name)?).wrap_err_with(|| format!("{} is no keystore file", path.display()))
}

/// The key of an account, if its file says it.
pub(crate) fn public(name: &str) -> Result<Option<Key>> {
    read(name)?.key()
}

/// Decrypts a file, with the password of `NTHROOT_PASSWORD_FILE` or of whoever sits there.
pub(crate) fn unlock(path: &Path, name: &str) -> Result<UserKey> {
    let text = text_of(path, name)?;
    let not_one = || format!("{} is no keystore file", path.display());
    let public: Public = serde_json::from_str(&text).wrap_err_with(not_one)?;
    let curve = public.curve()?;
    let keystore: EthKeystore = serde_json::from_str(&text).wrap_err_with(not_one)?;
    check(&keystore).wrap_err_with(not_one)?;
    let password = password(&format!("Password of {name}: "))?;
    let secret = match eth_keystore::decrypt_key(path, password) {
        Err(KeystoreError::MacMismatch) => bail!("the password of {name} is another one"),
        secret => secret.wrap_err_with(not_one)?,
    };
    let key = UserKey::from_secret(curve, &secret)?;
    let said = public.key()?;
    ensure!(
        said.is_none_or(|said| said == key.key()),
        "{} says the address of another key",
        path.display()
    );
    Ok(key)
}

/// That decrypting cannot fail but for the password: the library takes these lengths for granted.
fn check(keystore: &EthKeystore) -> Result<()> {
    let crypto = &keystore.crypto;
    let (KdfparamsType::Pbkdf2 { dklen, .. } | KdfparamsType::Scrypt { dklen, .. }) = &crypto.kdfparams;
    ensure!(keystore.version == 3, "its version is {}, not 3", keystore.version);
    ensure!(
        crypto.cipher == "aes-128-ctr",
        "its cipher is {}, not aes-128-ctr",
        crypto.cipher
    );
    ensure!(
        crypto.cipherparams.iv.len() == 16 && *dklen >= 32,
        "its lengths are wrong"
    );
    Ok(())
}

/// Encrypts a key under a new name. Returns its file, which nobody else may read.
pub(crate) fn add(name: &str, key: &UserKey) -> Result<PathBuf> {
    let path = new_path(name)?;
    let password = new_password(name)?;
    // The library names the file; what it writes is completed under another name first.
    let draft = format!(".{name}.new");
    let draft_path = folder()?.join(&draft);
    eth_keystore::encrypt_key(folder()?, &mut OsRng, key.secret(), password, Some(&draft))?;
    let text = fs::read_to_string(&draft_path);
    fs::remove_file(&draft_path)?;
    let mut document: Value = serde_json::from_str(&text?)?;
    document["address"] = json!(format!("{:x}", key.key().controller()));
    if key.curve() != Curve::Secp256k1 {
        document["curve"] = json!(key.curve().name());
    }
    write_private(&path, &document.to_string())?;
    Ok(path)
}

/// Takes over the file of another program as it is, once its password was tried.
pub(crate) fn copy(name: &str, from: &Path) -> Result<(PathBuf, UserKey)> {
    let path = new_path(name)?;
    let key = unlock(from, &from.display().to_string())?;
    write_private(&path, &text_of(from, name)?)?;
    Ok((path, key))
}

/// Writes a file that only its owner may read, and that was not there.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path);
    let mut file = file.wrap_err_with(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// The file of an account.
pub(crate) fn path_of(name: &str) -> Result<PathBuf> {
    ensure!(
        is_name(name),
        "`{name}` is not the name of an account: letters, digits, `-`, `_` and `.`, not first a `.`"
    );
    Ok(folder()?.join(name))
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(good)
}

/// The file of an account that is not there yet, in a folder that is.
fn new_path(name: &str) -> Result<PathBuf> {
    let path = path_of(name)?;
    ensure!(!path.exists(), "there is an account {name} already: {}", path.display());
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    let parent = path.parent().unwrap_or(Path::new("."));
    folder
        .create(parent)
        .wrap_err_with(|| format!("cannot make the keystore {}", parent.display()))?;
    Ok(path)
}

fn text_of(path: &Path, name: &str) -> Result<String> {
    fs::read_to_string(path)
        .wrap_err_with(|| format!("no account {name} ({}): `nthroot key list` lists them", path.display()))
}

fn password(prompt: &str) -> Result<String> {
    if let Some(path) = std::env::var_os(PASSWORD_FILE) {
        let text = fs::read_to_string(&path);
        let text = text.wrap_err_with(|| format!("no password at {} ({PASSWORD_FILE})", path.to_string_lossy()))?;
        // Its last line break is the editor's.
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    ensure!(
        std::io::stdin().is_terminal(),
        "nobody is there to ask for the password: set {PASSWORD_FILE} to a file with it"
    );
    rpassword::prompt_password(prompt).wrap_err("no password")
}

fn new_password(name: &str) -> Result<String> {
    let first = password(&format!("New password of {name}: "))?;
    ensure!(
        !first.is_empty(),
        "the password is empty: anybody who reads the file would have the key"
    );
    if std::env::var_os(PASSWORD_FILE).is_none() {
        ensure!(password("Once more: ")? == first, "these are two different passwords");
    }
    Ok(first)
}
