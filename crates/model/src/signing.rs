//! Signatures of secp256k1 keys in the compact form of EIP-2098 (sections 5 and 5.1).

use alloy_primitives::{Address, B256, keccak256};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use nthroot_protocol::{Authorisation, CompactSignature, Domain, SignedMessage};

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

/// Who signed `digest`. None if r or s is zero or not below the group order, if s is above half of it, if no key fits, or
/// if the signer is the zero address.
pub fn recover(digest: B256, signature: &CompactSignature) -> Option<Address> {
    let mut r_s = signature.0;
    let odd = r_s[32] & Y_PARITY != 0;
    r_s[32] &= !Y_PARITY;

    // Refuses r and s outside 1 … order − 1.
    let signature = Signature::from_slice(&r_s).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    // As in the EVM's ecrecover, r is the x coordinate itself, not its remainder by the order.
    let key = VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, RecoveryId::new(odd, false)).ok()?;
    Some(address(&key)).filter(|signer| !signer.is_zero())
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

/// The authorisation by which `key` consents to `message`, for the fragment at `position` of a call.
pub fn authorise(key: &SigningKey, domain: &Domain, message: &SignedMessage, position: u8) -> Authorisation {
    Authorisation {
        position,
        valid_until: message.valid_until,
        outflows: message.outflows.clone(),
        payload: message.payload.clone(),
        signature: sign(key, message.signing_hash(domain)),
    }
}
