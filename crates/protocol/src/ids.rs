//! Names (section 2): batches, anchors, fragments, roots, heads and assets.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, FixedBytes, keccak256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::limits::{MAX_BLOCK_OFFSET, MAX_SEQUENCE, SEQUENCE_BITS};

/// Text that does not name what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseIdError {
    expected: &'static str,
    text: String,
}

impl ParseIdError {
    fn new(expected: &'static str, text: &str) -> Self {
        Self {
            expected,
            text: text.to_owned(),
        }
    }
}

/// Serialises through the text form, so that an id that is out of range cannot be deserialised.
macro_rules! serde_as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

serde_as_text!(BatchId AnchorId FragmentId Root AssetId);

/// Names a batch or a deposit: `(block − deployment block) << 13 | sequence`, a `u40`.
///
/// Its text is `block offset.sequence`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BatchId(u64);

impl BatchId {
    /// Bytes on the wire.
    pub const LENGTH: usize = 5;

    /// The id with this block offset and sequence, if they fit.
    pub const fn new(block_offset: u64, sequence: u16) -> Option<Self> {
        if block_offset > MAX_BLOCK_OFFSET || sequence > MAX_SEQUENCE {
            return None;
        }
        // Lossless: u16 to u64, which const code cannot write as `from`.
        Some(Self(block_offset << SEQUENCE_BITS | sequence as u64))
    }

    /// The id with this number, if it has 40 bits.
    pub const fn from_u64(id: u64) -> Option<Self> {
        if id >> 40 == 0 { Some(Self(id)) } else { None }
    }

    /// The id as a number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// L1 blocks between the deployment and the one that gave out this id.
    pub const fn block_offset(self) -> u64 {
        self.0 >> SEQUENCE_BITS
    }

    /// Place among the ids of its block, from 1.
    pub fn sequence(self) -> u16 {
        u16::try_from(self.0 & u64::from(MAX_SEQUENCE)).unwrap_or_default()
    }

    /// Five bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 5] {
        let [_, _, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From five bytes, big-endian.
    pub fn from_bytes([a, b, c, d, e]: [u8; 5]) -> Self {
        Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block_offset(), self.sequence())
    }
}

impl FromStr for BatchId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (block, sequence) = text.split_once('.')?;
            Self::new(block.parse().ok()?, sequence.parse().ok()?)
        };
        parse().ok_or_else(|| ParseIdError::new("a batch id (block.sequence)", text))
    }
}

/// Names an anchor: `batch id ‖ u16 index`, a `u56`. Its text is `batch id/index`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AnchorId(u64);

impl AnchorId {
    /// Bytes on the wire.
    pub const LENGTH: usize = 7;

    /// The anchor that a batch or deposit opened under this index.
    pub fn new(batch: BatchId, index: u16) -> Self {
        Self(batch.0 << 16 | u64::from(index))
    }

    /// The batch or deposit that opened the anchor.
    pub const fn batch(self) -> BatchId {
        BatchId(self.0 >> 16)
    }

    /// The entry number under which it was opened; 0 for a deposit.
    pub fn index(self) -> u16 {
        u16::try_from(self.0 & 0xffff).unwrap_or_default()
    }

    /// The id as a number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Seven bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 7] {
        let [_, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From seven bytes, big-endian.
    pub fn from_bytes([a, b, c, d, e, f, g]: [u8; 7]) -> Self {
        Self(u64::from_be_bytes([0, a, b, c, d, e, f, g]))
    }

    /// The fragment at leaf 0: the header, and the only one of an anchor of depth 0.
    pub const fn fragment(self) -> FragmentId {
        FragmentId { anchor: self, leaf: 0 }
    }

    /// The fragment at a leaf, if the index has 24 bits.
    pub const fn leaf(self, leaf: u32) -> Option<FragmentId> {
        if leaf >> 24 == 0 {
            Some(FragmentId { anchor: self, leaf })
        } else {
            None
        }
    }
}

impl fmt::Display for AnchorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.batch(), self.index())
    }
}

impl FromStr for AnchorId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (batch, index) = text.split_once('/')?;
            Some(Self::new(batch.parse().ok()?, index.parse().ok()?))
        };
        parse().ok_or_else(|| ParseIdError::new("an anchor id (block.sequence/index)", text))
    }
}

/// Names a fragment: `anchor id ‖ u24 leaf`, a `u80`. Its text is `anchor id#leaf`.
///
/// The zero id names nothing: it is what a rule reads for a fragment opened in the same batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FragmentId {
    anchor: AnchorId,
    leaf: u32,
}

impl FragmentId {
    /// Bytes on the wire.
    pub const LENGTH: usize = 10;

    /// What a rule reads for a fragment that was opened in the same batch.
    pub const ZERO: Self = Self {
        anchor: AnchorId(0),
        leaf: 0,
    };

    /// The anchor it stands under.
    pub const fn anchor(self) -> AnchorId {
        self.anchor
    }

    /// Its leaf: 0 for a header, and always for an anchor of depth 0.
    pub const fn leaf(self) -> u32 {
        self.leaf
    }

    /// Ten bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g] = self.anchor.to_bytes();
        let [_, x, y, z] = self.leaf.to_be_bytes();
        [a, b, c, d, e, f, g, x, y, z]
    }

    /// From ten bytes, big-endian.
    pub fn from_bytes([a, b, c, d, e, f, g, x, y, z]: [u8; 10]) -> Self {
        Self {
            anchor: AnchorId::from_bytes([a, b, c, d, e, f, g]),
            leaf: u32::from_be_bytes([0, x, y, z]),
        }
    }
}

impl fmt::Display for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.anchor, self.leaf)
    }
}

impl FromStr for FragmentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (anchor, leaf) = text.split_once('#')?;
            let leaf: u32 = leaf.parse().ok()?;
            (leaf >> 24 == 0).then_some(())?;
            Some(Self {
                anchor: anchor.parse().ok()?,
                leaf,
            })
        };
        parse().ok_or_else(|| ParseIdError::new("a fragment id (block.sequence/index#leaf)", text))
    }
}

/// The first 27 bytes of a Keccak hash. Its text is hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Root(pub FixedBytes<27>);

impl Root {
    /// Bytes on the wire.
    pub const LENGTH: usize = 27;

    /// The root of an anchor of depth 0 whose fragment has the canonical state `state`.
    pub fn of(state: &[u8]) -> Self {
        Self::truncate(keccak256(state))
    }

    /// The first 27 bytes of a hash.
    pub(crate) fn truncate(hash: B256) -> Self {
        let mut root = [0; 27];
        root.copy_from_slice(&hash[..27]);
        Self(root.into())
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Root {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseIdError::new("a root (27 bytes in hexadecimal)", text))
    }
}

/// What an anchor's storage slot holds: `root (27) ‖ id (5)`, the id of the batch or deposit that wrote it.
///
/// The zero word is not a head; where a head may be missing, the type is `Option<Head>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// Root of the anchor's state.
    pub root: Root,
    /// Who wrote it.
    pub id: BatchId,
}

impl Head {
    /// The storage word of a head, or zero if there is none.
    pub fn to_word(head: Option<Self>) -> B256 {
        let mut word = B256::ZERO;
        if let Some(Self { root, id }) = head {
            word[..27].copy_from_slice(root.0.as_slice());
            word[27..].copy_from_slice(&id.to_bytes());
        }
        word
    }

    /// The head in a storage word. The zero word is none.
    pub fn from_word(word: B256) -> Option<Self> {
        if word.is_zero() {
            return None;
        }
        let (mut root, mut id) = ([0; 27], [0; 5]);
        root.copy_from_slice(&word[..27]);
        id.copy_from_slice(&word[27..]);
        Some(Self {
            root: Root(root.into()),
            id: BatchId::from_bytes(id),
        })
    }
}

/// Names an asset: an L1 token, or one that a rule issues. Its text is hexadecimal. Ordered as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AssetId(pub B256);

impl AssetId {
    /// Ether: all zero.
    pub const ETH: Self = Self(B256::ZERO);

    /// An L1 token: `12 zero bytes ‖ token address`. The zero address is ether.
    pub fn token(token: Address) -> Self {
        Self(token.into_word())
    }

    /// What `rule` issues under `tag`: `keccak(rule ‖ tag)` with its highest bit set, so that it is no L1 token.
    pub fn issued(rule: Address, tag: B256) -> Self {
        let mut id = keccak256([rule.as_slice(), tag.as_slice()].concat());
        id[0] |= 0x80;
        Self(id)
    }

    /// The L1 token's address, if it is one.
    pub fn as_token(self) -> Option<Address> {
        self.0[..12]
            .iter()
            .all(|byte| *byte == 0)
            .then(|| Address::from_word(self.0))
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for AssetId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseIdError::new("an asset id (32 bytes in hexadecimal)", text))
    }
}
