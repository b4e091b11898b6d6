//! The state of a fragment and its canonical encoding (section 3).

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    AssetId, Assets, Key, Kind, Root, Trailing, Truncated,
    codec::{Reader, count_u8, count_u16},
    cohort,
    limits::{MAX_ASSETS, MAX_DATA},
};

/// First byte of a fragment's encoding. Nodes and roots of cohorts begin otherwise.
pub(crate) const LEAF_DOMAIN: u8 = 0x00;

/// Bit of the kind's byte: a lease follows the nonce.
const LEASED: u8 = 0x80;

/// An anchor that only one proposer may touch for a while. It stands in leaf 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who may touch the anchor.
    pub holder: Address,
    /// Last L1 block, by the clock of a batch, at which it runs.
    pub last_block: u64,
}

impl Lease {
    /// Whether it runs at this clock.
    pub const fn runs(&self, clock: u64) -> bool {
        clock <= self.last_block
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
    /// Who alone may touch the anchor, if this is its leaf 0. Neither the holder nor the last block is zero.
    pub lease: Option<Lease>,
    /// What it holds; amounts are not zero.
    pub assets: Assets,
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
    /// The controller kind is unknown.
    #[error("controller kind {0:#04x} is unknown")]
    Kind(u8),
    /// The holder or the last block of a lease is zero.
    #[error("a lease of {0} until block {1}: neither may be zero")]
    Lease(Address, u64),
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
    /// A fragment as an *open* effect or a deposit begins it: nonce 0, no lease, no assets, no data.
    pub const fn new(kind: Kind, controller: Address) -> Self {
        Self {
            kind,
            controller,
            nonce: 0,
            lease: None,
            assets: Assets::new(),
            data: Bytes::new(),
        }
    }

    /// What a deposit opens (section 3).
    pub fn deposited(key: Key, token: Address, amount: u128) -> Self {
        let mut fragment = Self::new(key.kind(), key.controller());
        fragment.assets.insert(AssetId::token(token), amount);
        fragment
    }

    /// How much of an asset it holds.
    pub fn balance(&self, asset: AssetId) -> u128 {
        self.assets.get(&asset).copied().unwrap_or_default()
    }

    /// Length of the canonical encoding.
    pub fn encoded_length(&self) -> usize {
        let lease = if self.lease.is_some() { 28 } else { 0 };
        33 + lease + 48 * self.assets.len() + self.data.len()
    }

    /// The canonical encoding. A value over the limits encodes to bytes that do not decode.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_length());
        let leased = if self.lease.is_some() { LEASED } else { 0 };
        out.extend([LEAF_DOMAIN, self.kind.to_u8() | leased]);
        out.extend(self.controller);
        out.extend(self.nonce.to_be_bytes());
        if let Some(Lease { holder, last_block }) = self.lease {
            out.extend(holder);
            out.extend(last_block.to_be_bytes());
        }
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
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FragmentError> {
        let domain = reader.u8("domain")?;
        if domain != LEAF_DOMAIN {
            return Err(FragmentError::Domain(domain));
        }
        let byte = reader.u8("kind (plus 0x80: leased)")?;
        let kind = Kind::from_u8(byte & !LEASED).ok_or(FragmentError::Kind(byte))?;
        let controller = reader.address("controller")?;
        let nonce = reader.u64("nonce")?;
        let lease = if byte & LEASED == 0 {
            None
        } else {
            let (holder, last_block) = (reader.address("lease holder")?, reader.u64("last block of the lease")?);
            if holder.is_zero() || last_block == 0 {
                return Err(FragmentError::Lease(holder, last_block));
            }
            Some(Lease { holder, last_block })
        };

        let count = reader.u8("assets")?;
        if usize::from(count) > MAX_ASSETS {
            return Err(FragmentError::TooManyAssets(count));
        }
        let mut assets = Assets::new();
        let mut last = None;
        for _ in 0..count {
            let asset = reader.asset("asset")?;
            let amount = reader.amount("amount")?;
            if last.replace(asset).is_some_and(|last| last >= asset) {
                return Err(FragmentError::AssetOrder(asset));
            }
            if amount == 0 {
                return Err(FragmentError::ZeroAmount(asset));
            }
            assets.insert(asset, amount);
        }

        let length = reader.u16("data length")?;
        if usize::from(length) > MAX_DATA {
            return Err(FragmentError::DataTooLong(length));
        }
        let data = Bytes::copy_from_slice(reader.take("data", length.into())?);
        reader.finish()?;
        Ok(Self {
            kind,
            controller,
            nonce,
            lease,
            assets,
            data,
        })
    }

    /// The value of its leaf: keccak of the canonical encoding.
    pub fn leaf_value(&self) -> B256 {
        keccak256(self.encode())
    }

    /// The root of an anchor of depth 0 that is this fragment.
    pub fn root(&self) -> Root {
        cohort::root(0, self.leaf_value())
    }
}
