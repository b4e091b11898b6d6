"""The two curves, by libraries: nothing of the specification but what a signature is."""

from coincurve import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_hash.auto import keccak

from codec import u


def ecrecover(digest: bytes, r: bytes, s: int, parity: int) -> bytes | None:
    try:
        key = PublicKey.from_signature_and_message(r + u(s, 32) + u(parity, 1), digest, hasher=None)
    except ValueError:
        return None
    except Exception:  # what coincurve raises when no point fits
        return None
    return keccak(key.format(compressed=False)[1:])[12:]


def p256(digest: bytes, r: int, s: int, key: bytes) -> bool:
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + key)
        public.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        return True
    except (InvalidSignature, ValueError):
        return False
