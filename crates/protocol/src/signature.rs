//! Signatures on the wire (section 5), and the client data of an assertion (section 5.1).

use alloy_primitives::{B256, Bytes, FixedBytes};
use serde::{Deserialize, Serialize};

use crate::{
    BodyError, Truncated,
    codec::{Reader, count_u8, count_u16},
};

/// A raw secp256k1 signature in the compact form of EIP-2098: `r (32) ‖ yParity << 255 | s`.
pub type CompactSignature = FixedBytes<64>;

/// A raw P-256 signature with the key that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct P256Signature {
    /// r.
    pub r: B256,
    /// s, at most half the group order.
    pub s: B256,
    /// The x coordinate of the key.
    pub x: B256,
    /// Its y coordinate.
    pub y: B256,
}

/// What a browser's authenticator signs, but for the digest that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The authenticator data: hash of the site (32), flags (1), counter (4), and what extensions add.
    pub authenticator_data: Bytes,
    /// What follows the challenge's value and its closing quotation mark in the client data.
    pub client_data_rest: Bytes,
}

impl Assertion {
    /// Least length of the authenticator data.
    pub const MIN_AUTHENTICATOR_DATA: usize = 37;
    /// Where the flags stand in the authenticator data. Their lowest bit: a user was present.
    pub const FLAGS: usize = 32;

    /// The client data for a digest.
    pub fn client_data(&self, digest: B256) -> Vec<u8> {
        let mut out = br#"{"type":"webauthn.get","challenge":""#.to_vec();
        out.extend(base64url(digest));
        out.push(b'"');
        out.extend(&self.client_data_rest);
        out
    }

    /// Whether the authenticator data has its least length and says that a user was present.
    pub fn user_was_present(&self) -> bool {
        let data = &self.authenticator_data;
        data.len() >= Self::MIN_AUTHENTICATOR_DATA && data[Self::FLAGS] & 1 == 1
    }
}

/// Base64url without padding (RFC 4648, section 5).
fn base64url(hash: B256) -> [u8; 43] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bit = |at: usize| hash.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    // 43 characters of six bits: two bits are filled up with zeros.
    std::array::from_fn(|place| {
        let six = (0..6).fold(0, |six, n| six << 1 | usize::from(bit(6 * place + n)));
        ALPHABET[six]
    })
}

/// The signature of a fragment's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signature {
    /// Scheme 1: secp256k1.
    Secp256k1(CompactSignature),
    /// Scheme 2: P-256.
    P256(P256Signature),
    /// Scheme 3: P-256, over an assertion as a browser's authenticator makes it.
    WebAuthn(P256Signature, Assertion),
}

impl Signature {
    /// The number of its scheme.
    pub const fn scheme(&self) -> u8 {
        match self {
            Self::Secp256k1(_) => 1,
            Self::P256(_) => 2,
            Self::WebAuthn(..) => 3,
        }
    }

    /// As an authorisation has it: its scheme, and what that says.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.scheme());
        match self {
            Self::Secp256k1(signature) => out.extend(signature),
            Self::P256(signature) => signature.write(out),
            Self::WebAuthn(signature, assertion) => {
                signature.write(out);
                out.push(count_u8(assertion.authenticator_data.len()));
                out.extend(&assertion.authenticator_data);
                out.extend(count_u16(assertion.client_data_rest.len()).to_be_bytes());
                out.extend(&assertion.client_data_rest);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(match reader.u8("scheme")? {
            1 => Self::Secp256k1(reader.array("r ‖ yParity << 255 | s")?.into()),
            2 => Self::P256(P256Signature::read(reader)?),
            3 => {
                let signature = P256Signature::read(reader)?;
                let length = reader.u8("authenticator data length")?;
                let authenticator_data = Bytes::copy_from_slice(reader.take("authenticator data", length.into())?);
                let length = reader.u16("rest of client data length")?;
                let client_data_rest = Bytes::copy_from_slice(reader.take("rest of client data", length.into())?);
                let assertion = Assertion {
                    authenticator_data,
                    client_data_rest,
                };
                Self::WebAuthn(signature, assertion)
            }
            scheme => return Err(BodyError::Scheme(scheme)),
        })
    }
}

impl P256Signature {
    fn write(&self, out: &mut Vec<u8>) {
        for word in [self.r, self.s, self.x, self.y] {
            out.extend(word);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            r: reader.b256("r")?,
            s: reader.b256("s")?,
            x: reader.b256("x")?,
            y: reader.b256("y")?,
        })
    }
}
