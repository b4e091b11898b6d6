//! Signatures (sections 5 and 5.1): of secp256k1 keys in the compact form of EIP-2098, of P-256 keys, and assertions.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, b256, keccak256};
use k256::ecdsa::{SigningKey, VerifyingKey};
use nthroot_protocol::{
    Assertion, Authorisation, CompactSignature, Domain, Key, Kind, P256Signature, Signature, SignedMessage,
};
use p256::{
    EncodedPoint,
    ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier},
};
use secp256k1::{
    Message, Secp256k1, VerifyOnly,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use sha2::{Digest, Sha256};

/// Highest bit of the second word: the parity of the y coordinate of the signature's point.
const Y_PARITY: u8 = 0x80;

/// Address of a public key: the last 20 bytes of the keccak of its coordinates `x (32) ‖ y (32)`.
fn address(key: &VerifyingKey) -> Address {
    // The uncompressed form is 0x04 ‖ x ‖ y.
    let point = key.to_encoded_point(false);
    Address::from_word(keccak256(point.as_bytes().get(1..).unwrap_or_default()))
}

/// The address of a key.
pub fn address_of(key: &SigningKey) -> Address {
    address(key.verifying_key())
}

/// Half the order of secp256k1, rounded down: the greatest s.
const MAX_S: B256 = b256!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/// Its tables take long to make, so there is one.
static SECP256K1: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// Who signed `digest`. None if r or s is zero or not below the group order, if s is above half of it, if no key fits, or
/// if the signer is the zero address.
pub fn recover(digest: B256, signature: &CompactSignature) -> Option<Address> {
    let mut r_s = signature.0;
    let odd = r_s[32] & Y_PARITY != 0;
    r_s[32] &= !Y_PARITY;
    if r_s[32..] > MAX_S[..] {
        return None;
    }
    // As in the EVM's ecrecover, r is the x coordinate itself, not its remainder by the order.
    let parity = if odd { RecoveryId::One } else { RecoveryId::Zero };
    // Refuses r and s that are not below the order, and then those that are zero.
    let signature = RecoverableSignature::from_compact(&r_s, parity).ok()?;
    let key = SECP256K1
        .recover_ecdsa(Message::from_digest(digest.0), &signature)
        .ok()?;
    // The uncompressed form is 0x04 ‖ x ‖ y.
    let signer = Address::from_word(keccak256(&key.serialize_uncompressed()[1..]));
    Some(signer).filter(|signer| !signer.is_zero())
}

/// Signs `digest`, deterministically (RFC 6979) and with the lower s.
///
/// # Panics
///
/// If r or s comes out as zero, which happens with probability 2^−255.
pub fn sign(key: &SigningKey, digest: B256) -> CompactSignature {
    let (signature, id) = key
        .sign_prehash_recoverable(digest.as_slice())
        .expect("32 bytes can be signed");
    let mut bytes: [u8; 64] = signature.to_bytes().into();
    if id.is_y_odd() {
        bytes[32] |= Y_PARITY;
    }
    bytes.into()
}

/// The hash that an authenticator signs for `digest`: sha256 of the authenticator data and the hash of the client data.
fn assertion_hash(digest: B256, assertion: &Assertion) -> B256 {
    let client_data = Sha256::digest(assertion.client_data(digest));
    let hash = Sha256::new()
        .chain_update(&assertion.authenticator_data)
        .chain_update(client_data);
    B256::from_slice(&hash.finalize())
}

/// The controller of the P-256 key (x, y): the last 20 bytes of `keccak(x ‖ y)`.
fn p256_controller(x: B256, y: B256) -> Address {
    Address::from_word(keccak256([x, y].concat()))
}

/// Whether the signature is one of `hash` by the key that it carries, which lies on the curve, with s at most half the order.
fn verify_p256(hash: B256, signature: &P256Signature) -> bool {
    let P256Signature { r, s, x, y } = signature;
    let point = EncodedPoint::from_affine_coordinates(&x.0.into(), &y.0.into(), false);
    // Both refuse what is out of range, and the first what is not on the curve.
    let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point);
    let signature = p256::ecdsa::Signature::from_scalars(r.0, s.0);
    let (Ok(key), Ok(signature)) = (key, signature) else {
        return false;
    };
    signature.normalize_s().is_none() && key.verify_prehash(hash.as_slice(), &signature).is_ok()
}

/// Why a signature is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The scheme is not one for the fragment's controller.
    #[error("scheme {scheme} is not for a controller of kind {}", kind.to_u8())]
    Scheme {
        /// Kind of the controller.
        kind: Kind,
        /// Scheme of the signature.
        scheme: u8,
    },
    /// The signature is not that of the controller.
    #[error("expected signer {controller}, found {signer:?}")]
    Signer {
        /// Who should have signed.
        controller: Address,
        /// Whose it is, or says to be; none if it is nobody's.
        signer: Option<Address>,
    },
    /// The signature does not fit the key that it carries.
    #[error("the signature does not fit its key")]
    Verification,
    /// The authenticator does not say that a user was present.
    #[error("the authenticator data does not say that a user was present")]
    UserAbsent,
}

/// Whether a signature of `digest` is good for a fragment with this controller.
///
/// # Errors
///
/// If it is not.
pub fn check(digest: B256, signature: &Signature, kind: Kind, controller: Address) -> Result<(), BadSignature> {
    let is_controller = |signer: Option<Address>| {
        let known = signer == Some(controller);
        known.then_some(()).ok_or(BadSignature::Signer { controller, signer })
    };
    let (hash, signature) = match (signature, kind) {
        // The zero address signs nothing: `recover` gives none for it.
        (Signature::Secp256k1(signature), Kind::Secp256k1) => return is_controller(recover(digest, signature)),
        (Signature::P256(signature), Kind::P256) => (digest, signature),
        (Signature::WebAuthn(signature, assertion), Kind::P256) => {
            if !assertion.user_was_present() {
                return Err(BadSignature::UserAbsent);
            }
            (assertion_hash(digest, assertion), signature)
        }
        _ => {
            let scheme = signature.scheme();
            return Err(BadSignature::Scheme { kind, scheme });
        }
    };
    is_controller(Some(p256_controller(signature.x, signature.y)))?;
    let good = verify_p256(hash, signature);
    good.then_some(()).ok_or(BadSignature::Verification)
}

/// Whoever can sign for a key.
pub trait Signer {
    /// The key.
    fn key(&self) -> Key;

    /// A good signature of `digest`.
    fn sign(&self, digest: B256) -> Signature;
}

impl Signer for SigningKey {
    fn key(&self) -> Key {
        Key::Secp256k1(address_of(self))
    }

    fn sign(&self, digest: B256) -> Signature {
        Signature::Secp256k1(sign(self, digest))
    }
}

impl Signer for p256::ecdsa::SigningKey {
    fn key(&self) -> Key {
        let (x, y) = coordinates(self);
        Key::P256(p256_controller(x, y))
    }

    fn sign(&self, digest: B256) -> Signature {
        Signature::P256(sign_p256(self, digest))
    }
}

/// A P-256 key's assertion: its signature of what an authenticator signs for `digest`.
pub fn assert(key: &p256::ecdsa::SigningKey, digest: B256, assertion: Assertion) -> Signature {
    Signature::WebAuthn(sign_p256(key, assertion_hash(digest, &assertion)), assertion)
}

/// Signs a hash with the lower s.
fn sign_p256(key: &p256::ecdsa::SigningKey, hash: B256) -> P256Signature {
    let signature: p256::ecdsa::Signature = key.sign_prehash(hash.as_slice()).expect("32 bytes can be signed");
    let signature = signature.normalize_s().unwrap_or(signature);
    let (r, s) = signature.split_bytes();
    let (x, y) = coordinates(key);
    P256Signature {
        r: B256::from_slice(&r),
        s: B256::from_slice(&s),
        x,
        y,
    }
}

fn coordinates(key: &p256::ecdsa::SigningKey) -> (B256, B256) {
    // The uncompressed form is 0x04 ‖ x ‖ y.
    let point = key.verifying_key().to_encoded_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    (B256::from_slice(x), B256::from_slice(y))
}

/// The authorisation by which a key consents to `message`, for the fragment at `position` of a call. `payload` is what the
/// rule gets of it, and the message says what that means.
pub fn authorise(
    signer: &(impl Signer + ?Sized),
    domain: &Domain,
    message: &SignedMessage,
    payload: Bytes,
    position: u8,
) -> Authorisation {
    Authorisation {
        position,
        valid_until: message.valid_until,
        outflows: message.outflows.clone(),
        payload,
        signature: signer.sign(message.signing_hash(domain)),
    }
}
