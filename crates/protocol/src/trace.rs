//! How a decoder reads bytes: each field with its name, its place and its kind, up to where the decoder fails.
//!
//! For those who want to see bytes and meaning side by side. The decoders are the same that everything else uses, so that what is
//! shown is what is done.

use alloy_primitives::{Address, B256};

use crate::{
    AccountOp, AnchorId, AssetId, Batch, BatchError, BatchId, Body, BodyError, Evidence, EvidenceError, Fragment,
    FragmentError, FragmentId, Head, PreEntry, Preimage, PreimageError, Step, Truncated,
    codec::Reader,
    rules::{
        account::AccountOpError,
        credit::{CreditError, CreditOp, Market, Position},
        pool::{PoolCodecError, PoolOp, PoolState},
        swap::{Fill, FillError, SwapError, SwapIntent},
    },
};

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// None by itself: the fields after it that are deeper belong to it.
    Section,
    /// A number of at most 8 bytes.
    Number,
    /// Base units of an asset.
    Amount,
    /// Bytes, a hash or a root.
    Bytes,
    /// An address.
    Address,
    /// An L1 token by its address; zero is ether.
    Token,
    /// An asset's id.
    Asset,
    /// A batch id.
    Batch,
    /// An anchor id.
    Anchor,
    /// A fragment id.
    Fragment,
    /// The word of a head.
    Head,
}

/// A field as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// How many sections it is in.
    pub depth: usize,
    /// What it is called.
    pub name: &'static str,
    /// Its number, from 0, if it is one of several sections.
    pub number: Option<usize>,
    /// Offset of its first byte.
    pub at: usize,
    /// How many bytes it has.
    pub length: usize,
    /// What it is.
    pub kind: FieldKind,
}

/// What a field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing by itself.
    Section,
    /// A number.
    Number(u64),
    /// Base units of an asset.
    Amount(u128),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An address.
    Address(Address),
    /// An asset.
    Asset(AssetId),
    /// A batch or a deposit.
    Batch(BatchId),
    /// An anchor.
    Anchor(AnchorId),
    /// A fragment.
    Fragment(FragmentId),
    /// A head; none if there is none.
    Head(Option<Head>),
}

impl Field {
    /// Its bytes, in what it was read from.
    pub fn bytes<'a>(&self, of: &'a [u8]) -> &'a [u8] {
        of.get(self.at..self.at.saturating_add(self.length)).unwrap_or_default()
    }

    /// What it says. Bytes that are not those it was read from are bytes.
    pub fn value<'a>(&self, of: &'a [u8]) -> Value<'a> {
        let bytes = self.bytes(of);
        let value = match self.kind {
            FieldKind::Section => Some(Value::Section),
            FieldKind::Number => bytes
                .len()
                .le(&8)
                .then(|| Value::Number(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))),
            FieldKind::Amount => bytes
                .try_into()
                .ok()
                .map(|bytes| Value::Amount(u128::from_be_bytes(bytes))),
            FieldKind::Bytes => None,
            FieldKind::Address => Address::try_from(bytes).ok().map(Value::Address),
            FieldKind::Token => Address::try_from(bytes)
                .ok()
                .map(|token| Value::Asset(AssetId::token(token))),
            FieldKind::Asset => B256::try_from(bytes).ok().map(|asset| Value::Asset(AssetId(asset))),
            FieldKind::Batch => bytes
                .try_into()
                .ok()
                .map(|bytes| Value::Batch(BatchId::from_bytes(bytes))),
            FieldKind::Anchor => bytes
                .try_into()
                .ok()
                .map(|bytes| Value::Anchor(AnchorId::from_bytes(bytes))),
            FieldKind::Fragment => bytes
                .try_into()
                .ok()
                .map(|bytes| Value::Fragment(FragmentId::from_bytes(bytes))),
            FieldKind::Head => B256::try_from(bytes)
                .ok()
                .map(|word| Value::Head(Head::from_word(word))),
        };
        value.unwrap_or(Value::Bytes(bytes))
    }
}

/// What a decoder made of bytes.
#[derive(Debug)]
pub struct Traced<T, E> {
    /// The fields, in the order in which they were read: all before the one at which it failed, if it did.
    pub fields: Vec<Field>,
    /// What they are, or why they are nothing.
    pub result: Result<T, E>,
}

fn traced<T, E>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T, E>) -> Traced<T, E> {
    let mut reader = Reader::traced(bytes);
    let result = read(&mut reader);
    Traced {
        fields: reader.into_fields(),
        result,
    }
}

/// A batch, as [`Batch::parse`] reads it.
pub fn batch(bytes: &[u8]) -> Traced<Batch, BatchError> {
    traced(bytes, Batch::read)
}

/// The body of a step, as [`Body::of`] reads it.
pub fn body(step: &Step) -> Traced<Body, BodyError> {
    let touched = step.fresh.len() + step.again.len();
    traced(&step.body, |reader| Body::read(reader, touched, step.opened.len()))
}

/// Evidence, as [`Evidence::decode`] reads it.
pub fn evidence(bytes: &[u8]) -> Traced<Evidence, EvidenceError> {
    traced(bytes, Evidence::read)
}

/// A commitment preimage, as [`Preimage::decode`] reads it.
pub fn preimage(bytes: &[u8]) -> Traced<Preimage, PreimageError> {
    traced(bytes, Preimage::read_whole)
}

/// A list of entries, as [`PreEntry::decode_list`] reads it.
pub fn entries(bytes: &[u8]) -> Traced<Vec<PreEntry>, Truncated> {
    traced(bytes, PreEntry::read_list)
}

/// A fragment's state, as [`Fragment::decode`] reads it.
pub fn fragment(bytes: &[u8]) -> Traced<Fragment, FragmentError> {
    traced(bytes, Fragment::read)
}

/// A payload of the Account rule, as [`AccountOp::decode_payload`] reads it.
pub fn account(bytes: &[u8]) -> Traced<Vec<AccountOp>, AccountOpError> {
    traced(bytes, AccountOp::read_list)
}

/// A payload of the Swap rule, as [`SwapIntent::decode`] reads it.
pub fn swap(bytes: &[u8]) -> Traced<SwapIntent, SwapError> {
    traced(bytes, SwapIntent::read)
}

/// What satisfies intents, of which so many may be filled in part, as [`Fill::decode`] reads it.
pub fn fill(bytes: &[u8], partial: usize) -> Traced<Fill, FillError> {
    traced(bytes, |reader| Fill::read(reader, partial))
}

/// A payload of the Pool rule, as [`PoolOp::decode`] reads it.
pub fn pool(bytes: &[u8]) -> Traced<PoolOp, PoolCodecError> {
    traced(bytes, PoolOp::read)
}

/// The data of a pool, as [`PoolState::decode`] reads it.
pub fn pool_state(bytes: &[u8]) -> Traced<PoolState, PoolCodecError> {
    traced(bytes, PoolState::read)
}

/// A payload of the Credit rule, as [`CreditOp::decode`] reads it.
pub fn credit(bytes: &[u8]) -> Traced<CreditOp, CreditError> {
    traced(bytes, CreditOp::read)
}

/// The data of a market, as [`Market::decode`] reads it.
pub fn market(bytes: &[u8]) -> Traced<Market, CreditError> {
    traced(bytes, Market::read)
}

/// The data of a position, as [`Position::decode`] reads it.
pub fn position(bytes: &[u8]) -> Traced<Position, CreditError> {
    traced(bytes, Position::read)
}
