//! Reading and writing of the packed big-endian layouts.

use alloy_primitives::{Address, B256};

use crate::{
    AnchorId, AssetId, BatchId, FragmentId, Root,
    trace::{Field, FieldKind},
};

/// The input ended inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the input ends at byte {at}, {missing} bytes short")]
pub struct Truncated {
    /// Offset of the field that could not be read.
    pub at: usize,
    /// How many of its bytes are not there.
    pub missing: usize,
}

/// The input goes on after what it encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes follow the end")]
pub struct Trailing(pub usize);

/// A cursor over bytes. Every method either advances or fails, and none panics. Each read says what it reads, in the words of the
/// specification: that costs nothing unless the reader is [traced](crate::trace).
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    trace: Option<Trace>,
}

/// What a traced reader has read.
#[derive(Debug, Default)]
struct Trace {
    fields: Vec<Field>,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            trace: None,
        }
    }

    /// One that remembers what it reads.
    pub(crate) fn traced(bytes: &'a [u8]) -> Self {
        Self {
            trace: Some(Trace::default()),
            ..Self::new(bytes)
        }
    }

    /// What it has read.
    pub(crate) fn into_fields(self) -> Vec<Field> {
        self.trace.map(|trace| trace.fields).unwrap_or_default()
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Fields that belong together.
    pub(crate) fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.group(name, None, read)
    }

    /// The same of the one with this number, from 0, among several.
    pub(crate) fn numbered<T>(&mut self, name: &'static str, number: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.group(name, Some(number), read)
    }

    fn group<T>(&mut self, name: &'static str, number: Option<usize>, read: impl FnOnce(&mut Self) -> T) -> T {
        let begin = self.at;
        let place = self.trace.as_mut().map(|trace| {
            trace.fields.push(Field {
                depth: trace.depth,
                name,
                number,
                at: begin,
                length: 0,
                kind: FieldKind::Section,
            });
            trace.depth += 1;
            trace.fields.len() - 1
        });
        let value = read(self);
        if let (Some(trace), Some(place)) = (&mut self.trace, place) {
            trace.depth -= 1;
            trace.fields[place].length = self.at - begin;
        }
        value
    }

    fn field(&mut self, name: &'static str, kind: FieldKind, length: usize) -> Result<&'a [u8], Truncated> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| Truncated {
            at: self.at,
            missing: length.saturating_sub(rest.len()),
        })?;
        if let Some(trace) = &mut self.trace {
            trace.fields.push(Field {
                depth: trace.depth,
                name,
                number: None,
                at: self.at,
                length,
                kind,
            });
        }
        self.at += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, name: &'static str, kind: FieldKind) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.field(name, kind, N)?);
        Ok(array)
    }

    pub(crate) fn take(&mut self, name: &'static str, length: usize) -> Result<&'a [u8], Truncated> {
        self.field(name, FieldKind::Bytes, length)
    }

    pub(crate) fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], Truncated> {
        self.fixed(name, if N < 16 { FieldKind::Number } else { FieldKind::Bytes })
    }

    pub(crate) fn u8(&mut self, name: &'static str) -> Result<u8, Truncated> {
        Ok(self.fixed::<1>(name, FieldKind::Number)?[0])
    }

    pub(crate) fn u16(&mut self, name: &'static str) -> Result<u16, Truncated> {
        Ok(u16::from_be_bytes(self.fixed(name, FieldKind::Number)?))
    }

    pub(crate) fn u32(&mut self, name: &'static str) -> Result<u32, Truncated> {
        Ok(u32::from_be_bytes(self.fixed(name, FieldKind::Number)?))
    }

    pub(crate) fn u64(&mut self, name: &'static str) -> Result<u64, Truncated> {
        Ok(u64::from_be_bytes(self.fixed(name, FieldKind::Number)?))
    }

    /// Base units of an asset, 16 bytes.
    pub(crate) fn amount(&mut self, name: &'static str) -> Result<u128, Truncated> {
        Ok(u128::from_be_bytes(self.fixed(name, FieldKind::Amount)?))
    }

    pub(crate) fn address(&mut self, name: &'static str) -> Result<Address, Truncated> {
        Ok(Address::from(self.fixed(name, FieldKind::Address)?))
    }

    /// An L1 token by its address; zero is ether.
    pub(crate) fn token(&mut self, name: &'static str) -> Result<Address, Truncated> {
        Ok(Address::from(self.fixed(name, FieldKind::Token)?))
    }

    pub(crate) fn b256(&mut self, name: &'static str) -> Result<B256, Truncated> {
        Ok(B256::from(self.fixed(name, FieldKind::Bytes)?))
    }

    pub(crate) fn asset(&mut self, name: &'static str) -> Result<AssetId, Truncated> {
        Ok(AssetId(self.fixed(name, FieldKind::Asset)?.into()))
    }

    pub(crate) fn batch(&mut self, name: &'static str) -> Result<BatchId, Truncated> {
        Ok(BatchId::from_bytes(self.fixed(name, FieldKind::Batch)?))
    }

    pub(crate) fn anchor(&mut self, name: &'static str) -> Result<AnchorId, Truncated> {
        Ok(AnchorId::from_bytes(self.fixed(name, FieldKind::Anchor)?))
    }

    pub(crate) fn fragment(&mut self, name: &'static str) -> Result<FragmentId, Truncated> {
        Ok(FragmentId::from_bytes(self.fixed(name, FieldKind::Fragment)?))
    }

    pub(crate) fn root(&mut self, name: &'static str) -> Result<Root, Truncated> {
        Ok(Root(self.fixed::<27>(name, FieldKind::Bytes)?.into()))
    }

    /// The word of a head, or of none.
    pub(crate) fn head(&mut self, name: &'static str) -> Result<B256, Truncated> {
        Ok(B256::from(self.fixed(name, FieldKind::Head)?))
    }

    /// Ends the reading: nothing may be left.
    pub(crate) const fn finish(&self) -> Result<(), Trailing> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Trailing(left)),
        }
    }
}

/// A count as one byte. What does not fit saturates: it is over every limit, so no decoder takes it for something else.
pub(crate) fn count_u8(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// A count as two bytes, saturating as [`count_u8`] does.
pub(crate) fn count_u16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// A count as four bits, saturating as [`count_u8`] does.
pub(crate) fn count_nibble(count: usize) -> u8 {
    count_u8(count).min(0x0f)
}
