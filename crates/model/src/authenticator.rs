//! A software authenticator: a P-256 key that answers as a browser does (section 5.1). For tests and demonstrations; a person
//! keeps such a key in a device.

use alloy_primitives::B256;
use nthroot_protocol::{Assertion, Key, Signature};
use p256::ecdsa::SigningKey;
use sha2::{Digest, Sha256};

use crate::signing::{self, Signer};

/// User present and user verified.
const FLAGS: u8 = 0b101;

/// A passkey for one site.
#[derive(Debug, Clone)]
pub struct Authenticator {
    key: SigningKey,
    domain: String,
}

impl Authenticator {
    /// A passkey for the site at `https://domain`.
    pub fn new(key: SigningKey, domain: impl Into<String>) -> Self {
        Self {
            key,
            domain: domain.into(),
        }
    }

    /// What it signs beside the digest. Its counter stays zero, as that of a synchronised passkey does.
    fn assertion(&self) -> Assertion {
        let mut authenticator_data = Sha256::digest(&self.domain).to_vec();
        authenticator_data.extend([FLAGS, 0, 0, 0, 0]);
        let client_data_rest = format!(r#","origin":"https://{}","crossOrigin":false}}"#, self.domain);
        Assertion {
            authenticator_data: authenticator_data.into(),
            client_data_rest: client_data_rest.into_bytes().into(),
        }
    }
}

impl Signer for Authenticator {
    fn key(&self) -> Key {
        self.key.key()
    }

    fn sign(&self, digest: B256) -> Signature {
        signing::assert(&self.key, digest, self.assertion())
    }
}
