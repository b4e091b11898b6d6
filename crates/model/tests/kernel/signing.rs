//! Signatures (section 5). That the signed hash is the one of EIP-712 is tested in the protocol crate.

use alloy_primitives::{Address, B256, U256, eip191_hash_message, hex, keccak256};
use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};
use nthroot_model::signing::{address_of, recover, sign};
use nthroot_protocol::CompactSignature;

use crate::world::key;

/// Order of secp256k1.
const ORDER: [u8; 32] = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

const DIGEST: B256 = B256::repeat_byte(0x1d);

fn words(signature: CompactSignature) -> (U256, U256) {
    (
        U256::from_be_slice(&signature[..32]),
        U256::from_be_slice(&signature[32..]),
    )
}

fn compact(r: U256, s: U256) -> CompactSignature {
    CompactSignature::from_slice(&[r.to_be_bytes::<32>(), s.to_be_bytes::<32>()].concat())
}

/// The two examples of EIP-2098, one for each parity.
#[test]
fn signatures_are_those_of_eip_2098() {
    let key = SigningKey::from_slice(&hex!(
        "1234567890123456789012345678901234567890123456789012345678901234"
    ))
    .unwrap();
    let check = |message: &str, signature: [u8; 64]| {
        let digest = eip191_hash_message(message);
        assert_eq!(sign(&key, digest), CompactSignature::from(signature));
        assert_eq!(recover(digest, &signature.into()), Some(address_of(&key)));
    };
    check(
        "Hello World",
        hex!(
            "68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90"
            "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064"
        ),
    );
    check(
        "It's a small(er) world",
        hex!(
            "9328da16089fcba9bececa81663203989f2df5fe1faa6291a45381c81bd17f76"
            "939c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793"
        ),
    );
}

#[test]
fn a_signature_recovers_its_signer_and_no_other_digest_does() {
    for n in 1..=20 {
        let signature = sign(&key(n), DIGEST);
        assert_eq!(recover(DIGEST, &signature), Some(address_of(&key(n))));
        assert_ne!(recover(B256::repeat_byte(n), &signature), Some(address_of(&key(n))));
    }
}

/// Of the s above half the order, those below 2^255 are all that the compact form can hold.
#[test]
fn the_higher_s_is_refused() {
    let half: U256 = U256::from_be_bytes(ORDER) >> 1;
    let most = U256::MAX >> 1;
    let (r, _) = words(sign(&key(1), DIGEST));
    for s in [U256::ONE, half - U256::ONE, half] {
        assert!(recover(DIGEST, &compact(r, s)).is_some());
    }
    for s in [half + U256::ONE, half + U256::from(2), most] {
        assert_eq!(recover(DIGEST, &compact(r, s)), None);
    }
}

#[test]
fn r_and_s_are_between_zero_and_the_order() {
    let order = U256::from_be_bytes(ORDER);
    let (r, s) = words(sign(&key(1), DIGEST));
    for (r, s) in [
        (U256::ZERO, s),
        (order, s),
        (U256::MAX, s),
        (r, U256::ZERO),
        (r, U256::ONE << 255),
        (U256::ZERO, U256::ZERO),
    ] {
        assert_eq!(recover(DIGEST, &compact(r, s)), None);
    }
}

#[test]
fn an_x_coordinate_off_the_curve_is_nobodys() {
    // x = 5 is on no point of y² = x³ + 7.
    let (_, s) = words(sign(&key(1), DIGEST));
    assert_eq!(recover(DIGEST, &compact(U256::from(5), s)), None);
}

/// Recovery as k256 does it, which shares no code with what the model uses.
fn recover_by_k256(digest: B256, signature: &CompactSignature) -> Option<Address> {
    let mut r_s = signature.0;
    let odd = r_s[32] & 0x80 != 0;
    r_s[32] &= 0x7f;
    let signature = k256::ecdsa::Signature::from_slice(&r_s).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, RecoveryId::new(odd, false)).ok()?;
    Some(address(&key)).filter(|signer| !signer.is_zero())
}

fn address(key: &VerifyingKey) -> Address {
    Address::from_word(keccak256(&key.to_encoded_point(false).as_bytes()[1..]))
}

/// For every class of digest, r, s and parity, on both sides of each limit, and for random ones.
#[test]
fn two_implementations_recover_the_same_signer() {
    let order = U256::from_be_bytes(ORDER);
    let field = U256::MAX - U256::from(0x1_0000_03d0_u64);
    let around = |x: U256| [x - U256::ONE, x, x.wrapping_add(U256::ONE)];
    let mut numbers = vec![U256::ZERO, U256::ONE, U256::from(2), U256::MAX, U256::MAX >> 1];
    for limit in [
        order,
        order >> 1,
        (order >> 1) + U256::ONE,
        field,
        field - order,
        U256::ONE << 255,
    ] {
        numbers.extend(around(limit));
    }
    for n in 0..12_u8 {
        let (r, s) = words(sign(&key(n + 1), B256::repeat_byte(n)));
        numbers.extend([r, s & (U256::MAX >> 1), keccak256([n]).into()]);
    }
    let (mut some, mut none) = (0, 0);
    let mut check = |digest: B256, signature: CompactSignature| {
        let expected = recover_by_k256(digest, &signature);
        assert_eq!(recover(digest, &signature), expected, "{digest} {signature}");
        *if expected.is_some() { &mut some } else { &mut none } += 1;
    };
    for digest in [
        B256::ZERO,
        DIGEST,
        ORDER.into(),
        B256::repeat_byte(0xff),
        (order - U256::ONE).into(),
    ] {
        for r in &numbers {
            for s in &numbers {
                check(digest, compact(*r, *s));
            }
        }
    }
    for n in 0..500_u16 {
        let (digest, r, s) = (
            keccak256([n.to_be_bytes()].concat()),
            keccak256(n.to_le_bytes()),
            keccak256([n.to_le_bytes(), [1, 1]].concat()),
        );
        check(digest, CompactSignature::from_slice(&[r, s].concat()));
        check(digest, sign(&key(1 + n.to_le_bytes()[0] % 7), digest));
    }
    assert!(some > 1_000 && none > 1_000, "{some} signers, {none} of nobody");
}
