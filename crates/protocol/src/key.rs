//! Keys and kinds of controllers (section 3).

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// Who controls a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A secp256k1 key, named by its Ethereum address.
    Secp256k1 = 1,
    /// A P-256 key, named by the last 20 bytes of `keccak(x (32) ‖ y (32))`.
    P256 = 2,
    /// A rule, named by its contract's address.
    Rule = 3,
}

impl Kind {
    /// The kind with this number, if there is one.
    pub const fn from_u8(kind: u8) -> Option<Self> {
        match kind {
            1 => Some(Self::Secp256k1),
            2 => Some(Self::P256),
            3 => Some(Self::Rule),
            _ => None,
        }
    }

    /// The number of the kind.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// Whether it is a kind of key.
    pub const fn is_key(self) -> bool {
        !matches!(self, Self::Rule)
    }
}

/// Why a kind and a controller are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The kind is not one of a key.
    #[error("kind {0} is not that of a key")]
    Kind(u8),
    /// No key has the controller zero.
    #[error("the controller is zero")]
    ZeroController,
}

/// Names a key: `kind ‖ controller (20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    /// A secp256k1 key, by its Ethereum address.
    Secp256k1(Address),
    /// A P-256 key, say a passkey, by the last 20 bytes of `keccak(x (32) ‖ y (32))`.
    P256(Address),
}

impl Key {
    /// Bytes on the wire.
    pub const LENGTH: usize = 21;

    /// The key of this kind with this controller.
    ///
    /// # Errors
    ///
    /// If the kind is not one of a key, or the controller is zero.
    pub fn new(kind: u8, controller: Address) -> Result<Self, KeyError> {
        let key = match Kind::from_u8(kind) {
            Some(Kind::Secp256k1) => Self::Secp256k1(controller),
            Some(Kind::P256) => Self::P256(controller),
            Some(Kind::Rule) | None => return Err(KeyError::Kind(kind)),
        };
        if controller.is_zero() {
            return Err(KeyError::ZeroController);
        }
        Ok(key)
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Secp256k1(_) => Kind::Secp256k1,
            Self::P256(_) => Kind::P256,
        }
    }

    /// Its controller.
    pub const fn controller(&self) -> Address {
        match self {
            Self::Secp256k1(controller) | Self::P256(controller) => *controller,
        }
    }

    /// 21 bytes.
    pub fn to_bytes(&self) -> [u8; 21] {
        let mut out = [0; 21];
        out[0] = self.kind().to_u8();
        out[1..].copy_from_slice(self.controller().as_slice());
        out
    }

    /// From 21 bytes.
    ///
    /// # Errors
    ///
    /// If they are not a key.
    pub fn from_bytes([kind, controller @ ..]: [u8; 21]) -> Result<Self, KeyError> {
        Self::new(kind, controller.into())
    }
}
