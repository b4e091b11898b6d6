//! The state of a fragment and its canonical encoding (section 3).

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    AssetId, Root, Trailing, Truncated,
    codec::{Reader, count_u8, count_u16},
    limits::{MAX_ASSETS, MAX_DATA},
};

/// First byte of a fragment's encoding. Nodes and anchors of cohorts begin otherwise (reserved).
const LEAF_DOMAIN: u8 = 0x00;

/// Who controls a fragment. P-256 keys (2) and leases (bit `0x80`) are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A secp256k1 key, named by its Ethereum address.
    Key = 1,
    /// A rule, named by its contract's address.
    Rule = 3,
}

impl Kind {
    /// The kind with this number, unless it is reserved or unknown.
    pub const fn from_u8(kind: u8) -> Option<Self> {
        match kind {
            1 => Some(Self::Key),
            3 => Some(Self::Rule),
            _ => None,
        }
    }

    /// The number of the kind.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }
}

/// The state of a fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// What its controller is.
    pub kind: Kind,
    /// Its controller.
    pub controller: Address,
    /// How many calls it has authorised.
    pub nonce: u64,
    /// What it holds. Sorted by construction; amounts are not zero.
    pub assets: BTreeMap<AssetId, u128>,
    /// What rules keep in it.
    pub data: Bytes,
}

/// Why bytes are not a fragment's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// The bytes end too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The bytes go on.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// The first byte is not that of a leaf.
    #[error("domain byte {0:#04x} is not that of a fragment")]
    Domain(u8),
    /// The controller kind is reserved or unknown.
    #[error("controller kind {0:#04x} is reserved or unknown")]
    Kind(u8),
    /// Too many assets.
    #[error("{0} assets, at most 32 are allowed")]
    TooManyAssets(u8),
    /// An asset id is not greater than the one before.
    #[error("asset {0} does not follow the one before in order")]
    AssetOrder(AssetId),
    /// An amount is zero.
    #[error("asset {0} has the amount zero")]
    ZeroAmount(AssetId),
    /// Too much data.
    #[error("{0} bytes of data, at most 2048 are allowed")]
    DataTooLong(u16),
}

impl Fragment {
    /// A fragment as an *open* effect or a deposit begins it: nonce 0, no assets, no data.
    pub const fn new(kind: Kind, controller: Address) -> Self {
        Self {
            kind,
            controller,
            nonce: 0,
            assets: BTreeMap::new(),
            data: Bytes::new(),
        }
    }

    /// What a deposit opens (section 3).
    pub fn deposited(controller: Address, token: Address, amount: u128) -> Self {
        let mut fragment = Self::new(Kind::Key, controller);
        fragment.assets.insert(AssetId::token(token), amount);
        fragment
    }

    /// How much of an asset it holds.
    pub fn balance(&self, asset: AssetId) -> u128 {
        self.assets.get(&asset).copied().unwrap_or_default()
    }

    /// The canonical encoding. A value over the limits encodes to bytes that do not decode.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(33 + 48 * self.assets.len() + self.data.len());
        out.extend([LEAF_DOMAIN, self.kind.to_u8()]);
        out.extend(self.controller);
        out.extend(self.nonce.to_be_bytes());
        out.push(count_u8(self.assets.len()));
        for (asset, amount) in &self.assets {
            out.extend(asset.0);
            out.extend(amount.to_be_bytes());
        }
        out.extend(count_u16(self.data.len()).to_be_bytes());
        out.extend(&self.data);
        out
    }

    /// The state that `bytes` encode.
    ///
    /// # Errors
    ///
    /// If the bytes break any line of the table in section 3, they are not a state.
    pub fn decode(bytes: &[u8]) -> Result<Self, FragmentError> {
        let mut reader = Reader::new(bytes);
        let domain = reader.u8()?;
        if domain != LEAF_DOMAIN {
            return Err(FragmentError::Domain(domain));
        }
        let kind = reader.u8()?;
        let kind = Kind::from_u8(kind).ok_or(FragmentError::Kind(kind))?;
        let controller = reader.address()?;
        let nonce = reader.u64()?;

        let count = reader.u8()?;
        if usize::from(count) > MAX_ASSETS {
            return Err(FragmentError::TooManyAssets(count));
        }
        let mut assets = BTreeMap::new();
        for _ in 0..count {
            let asset = AssetId(reader.b256()?);
            let amount = reader.u128()?;
            if assets.last_key_value().is_some_and(|(last, _)| *last >= asset) {
                return Err(FragmentError::AssetOrder(asset));
            }
            if amount == 0 {
                return Err(FragmentError::ZeroAmount(asset));
            }
            assets.insert(asset, amount);
        }

        let length = reader.u16()?;
        if usize::from(length) > MAX_DATA {
            return Err(FragmentError::DataTooLong(length));
        }
        let data = Bytes::copy_from_slice(reader.take(length.into())?);
        reader.finish()?;
        Ok(Self {
            kind,
            controller,
            nonce,
            assets,
            data,
        })
    }

    /// The root of its canonical encoding.
    pub fn root(&self) -> Root {
        Root::of(&self.encode())
    }
}
