//! Where keys and addresses with secrets in them come from. None of them is ever shown.

use std::{
    fmt::{self, Debug, Display, Formatter},
    fs,
    path::{Path, PathBuf},
};

use alloy::{primitives::hex, signers::local::PrivateKeySigner, transports::http::reqwest::Url};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The files of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyFiles {
    /// A standard encrypted keystore.
    pub keystore: Option<PathBuf>,
    /// Its password: the first line of this file.
    pub password_file: Option<PathBuf>,
    /// Or the key itself, in hexadecimal.
    pub file: Option<PathBuf>,
}

impl KeyFiles {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// Which file cannot be read, or is none. What is in it is not said.
    pub fn read(&self) -> Result<PrivateKeySigner, String> {
        let bytes = match (&self.keystore, &self.password_file, &self.file) {
            (Some(keystore), Some(password), None) => {
                let password = read(password)?;
                let password = password.lines().next().unwrap_or_default();
                eth_keystore::decrypt_key(keystore, password).map_err(|error| match error {
                    eth_keystore::KeystoreError::MacMismatch => {
                        format!("{}: the password is not that of this keystore", keystore.display())
                    }
                    error => format!("{}: no keystore that can be read: {error}", keystore.display()),
                })?
            }
            (None, None, Some(file)) => hex::decode(read(file)?.trim()).map_err(|_| not_a_key(file))?,
            _ => return Err("either a keystore and a password_file, or a file is needed".to_owned()),
        };
        let file = self.keystore.as_ref().or(self.file.as_ref());
        PrivateKeySigner::from_slice(&bytes).map_err(|_| file.map_or_else(String::new, |file| not_a_key(file)))
    }

    /// Paths that are relative become those of a folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.keystore, &mut self.password_file, &mut self.file]
            .into_iter()
            .flatten()
        {
            *path = folder.join(&path);
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn not_a_key(path: &Path) -> String {
    format!("{}: not a key of 32 bytes in hexadecimal", path.display())
}

/// An address on the web that may have a secret in it: only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(pub Url);

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Debug for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is wrong is not shown: a secret may be in it.
        let url = Url::parse(&String::deserialize(deserializer)?).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.map(Self)
            .ok_or_else(|| de::Error::custom("not an address that begins with http:// or https://"))
    }
}
