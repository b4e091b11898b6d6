//! Reading and writing of the packed big-endian layouts.

use alloy_primitives::{Address, B256};

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

/// A cursor over bytes. Every method either advances or fails, and none panics.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| Truncated {
            at: self.at,
            missing: length.saturating_sub(rest.len()),
        })?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Truncated> {
        Ok(u128::from_be_bytes(self.array()?))
    }

    pub(crate) fn address(&mut self) -> Result<Address, Truncated> {
        Ok(Address::from(self.array()?))
    }

    pub(crate) fn b256(&mut self) -> Result<B256, Truncated> {
        Ok(B256::from(self.array()?))
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
