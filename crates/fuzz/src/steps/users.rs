//! Who signs, and how signatures go wrong.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, U256, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::signing::{self, Signer};
use nthroot_protocol::{Assertion, Fragment, Key, Kind, P256Signature, Signature};
use p256::ecdsa::SigningKey as P256Key;

use super::{choices::Choices, lies::flip};

/// Order of P-256.
const ORDER_P256: U256 = U256::from_be_bytes(alloy::hex!(
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
));

/// What s of a P-256 signature is at most.
pub fn half_order() -> B256 {
    B256::from(ORDER_P256 >> 1)
}

/// Whether the signature carries the coordinates that are no key.
pub fn is_off_the_curve(signature: &P256Signature) -> bool {
    matches!(&USERS[5].0, User::OffTheCurve(x, y) if (signature.x, signature.y) == (*x, *y))
}

/// A key of one of the two kinds, or coordinates that are no key.
enum User {
    Secp256k1(SigningKey),
    P256(P256Key),
    OffTheCurve(B256, B256),
}

/// Three accounts, two passkeys, and one that cannot sign. Deriving addresses takes longer than the rest of a case.
static USERS: LazyLock<[(User, Key); 6]> = LazyLock::new(|| {
    let account = |byte| {
        let key = SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let name = key.key();
        (User::Secp256k1(key), name)
    };
    let passkey = |byte| {
        let key = P256Key::from_slice(&[byte; 32]).expect("below the order");
        let name = key.key();
        (User::P256(key), name)
    };
    let (x, y) = (B256::repeat_byte(5), B256::repeat_byte(6));
    let off = Key::P256(Address::from_word(keccak256([x, y].concat())));
    [
        account(1),
        account(2),
        account(3),
        passkey(4),
        passkey(5),
        (User::OffTheCurve(x, y), off),
    ]
});

/// A user's key, as effects and operations name it.
pub(crate) fn key(c: &mut Choices<'_>) -> Key {
    let known = if c.mistake(16) { 6 } else { 5 };
    USERS[c.below(known)].1
}

/// An account.
pub(crate) fn account(c: &mut Choices<'_>) -> Address {
    USERS[c.below(3)].1.controller()
}

/// A fragment of a user.
pub(crate) fn owned(c: &mut Choices<'_>) -> Fragment {
    let key = key(c);
    Fragment::new(key.kind(), key.controller())
}

/// The signature of a digest by whoever controls a fragment, if that is a user; else somebody's.
pub(crate) fn sign(c: &mut Choices<'_>, kind: Kind, controller: Address, digest: B256) -> Signature {
    let known = USERS
        .iter()
        .position(|(_, key)| key.kind() == kind && key.controller() == controller);
    let place = known.unwrap_or(0);
    let place = if c.mistake(100) { (place + 1) % 6 } else { place };
    let digest = if c.mistake(100) { keccak256(digest) } else { digest };
    let mut signature = match &USERS[place].0 {
        User::Secp256k1(key) => key.sign(digest),
        User::P256(key) if c.once_in(2) => signing::assert(key, digest, assertion(c)),
        User::P256(key) => key.sign(digest),
        User::OffTheCurve(x, y) => Signature::P256(P256Signature {
            r: digest,
            s: B256::with_last_byte(1),
            x: *x,
            y: *y,
        }),
    };
    if c.mistake(24) {
        damage(c, &mut signature);
    }
    signature
}

/// What an authenticator says beside the digest.
fn assertion(c: &mut Choices<'_>) -> Assertion {
    let length = if c.mistake(20) {
        c.pick(&[36, 0, 33])
    } else {
        37 + c.pick(&[0, 0, 1, 218])
    };
    let mut data = vec![c.byte(); length];
    if let Some(flags) = data.get_mut(Assertion::FLAGS) {
        *flags = if c.mistake(20) { *flags & !1 } else { *flags | 1 };
    }
    let rest = match c.below(4) {
        0 => br#","origin":"https://example.org","crossOrigin":false}"#.to_vec(),
        1 => Vec::new(),
        2 => vec![c.byte(); 700],
        _ => {
            let length = c.below(40);
            c.bytes(length)
        }
    };
    Assertion {
        authenticator_data: data.into(),
        client_data_rest: rest.into(),
    }
}

/// Makes it another signature.
fn damage(c: &mut Choices<'_>, signature: &mut Signature) {
    match signature {
        // Above half the order, which is 7fff…5d57…20a0: the highest bit is that of the parity.
        Signature::Secp256k1(compact) if c.once_in(2) => {
            compact[33..].fill(0xff);
            compact[32] |= 0x7f;
        }
        Signature::Secp256k1(compact) => flip(c, compact.as_mut_slice()),
        Signature::P256(p256) | Signature::WebAuthn(p256, _) => match c.below(5) {
            0 | 1 => p256.s = (ORDER_P256 - U256::from_be_bytes(p256.s.0)).into(),
            2 => (p256.x, p256.y) = (p256.y, p256.x),
            3 => p256.r = B256::ZERO,
            _ => {
                let part = c.below(4);
                let word = [&mut p256.r, &mut p256.s, &mut p256.x, &mut p256.y]
                    .into_iter()
                    .nth(part);
                flip(c, word.expect("four").as_mut_slice());
            }
        },
    }
}
