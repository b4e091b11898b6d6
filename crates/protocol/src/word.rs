//! The batch word (section 4.7).

use alloy_primitives::{FixedBytes, U256};
use serde::{Deserialize, Serialize};

use crate::{Preimage, limits::MAX_BLOCK_OFFSET};

/// What has become of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Status {
    /// Nothing has been shown against it.
    Live = 0,
    /// A lie in it was proved.
    Faulty = 1,
    /// It builds on a faulty or condemned batch.
    Condemned = 2,
    /// Its heads were restored.
    Unwound = 3,
}

/// The storage word of a batch.
///
/// ```text
/// 255 … 56  first 25 bytes of keccak(commitment preimage)
///  55 … 54  status
///       53  zero
///       52  many: the batch has more than 24 withdrawals
///       51  assigned: a claim of the batch was assigned
///  50 … 24  block − deployment block
///  23 …  0  not many: bit p is set while the withdrawal at position p is unpaid
///           many: how many are unpaid
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchWord {
    /// First 25 bytes of the preimage's hash.
    pub commitment: FixedBytes<25>,
    /// What has become of the batch.
    pub status: Status,
    /// Its L1 block, counted from the deployment.
    pub block_offset: u32,
    /// Whether the batch has more withdrawals than the word has bits for.
    pub many: bool,
    /// Whether a claim of the batch was assigned.
    pub assigned: bool,
    /// Which withdrawals are unpaid, or how many if they are many. Zero if all is paid.
    pub unpaid: u32,
}

impl BatchWord {
    /// Most withdrawals for which the word has a bit each.
    pub const MAX_BITS: u8 = 24;

    /// The word of a batch that was just posted: live, nothing paid. The block is that of the id.
    pub fn new(preimage: &Preimage) -> Self {
        let count = preimage.withdrawal_count;
        let many = count > Self::MAX_BITS;
        Self {
            commitment: Self::commitment(preimage),
            status: Status::Live,
            // An id has 27 bits of block.
            block_offset: u32::try_from(preimage.id.block_offset()).unwrap_or_default(),
            many,
            assigned: false,
            unpaid: if many { count.into() } else { (1 << count) - 1 },
        }
    }

    /// What the word keeps of a preimage's hash.
    pub fn commitment(preimage: &Preimage) -> FixedBytes<25> {
        FixedBytes::from_slice(&preimage.hash()[..25])
    }

    /// Whether the word is that of this preimage, whatever its status.
    pub fn opens_to(&self, preimage: &Preimage) -> bool {
        self.commitment == Self::commitment(preimage)
    }

    /// Whether the withdrawal at `position` of `count` is unpaid. `paid` are the bits in the batch's paid slot, which matter
    /// only if there are many.
    pub fn is_unpaid(&self, position: u8, count: u8, paid: U256) -> bool {
        if self.many {
            position < count && !paid.bit(position.into())
        } else {
            position < Self::MAX_BITS && self.unpaid >> position & 1 == 1
        }
    }

    /// The word after the withdrawal at `position`, which is unpaid, was paid.
    #[must_use]
    pub fn pay(self, position: u8) -> Self {
        let unpaid = if self.many {
            self.unpaid.saturating_sub(1)
        } else {
            self.unpaid & !1_u32.checked_shl(position.into()).unwrap_or_default()
        };
        Self { unpaid, ..self }
    }

    /// The storage word.
    pub fn pack(&self) -> U256 {
        let status = self.status as u8;
        U256::from_be_slice(self.commitment.as_slice()) << 56
            | U256::from(status) << 54
            | U256::from(self.many) << 52
            | U256::from(self.assigned) << 51
            | U256::from(u64::from(self.block_offset) & MAX_BLOCK_OFFSET) << 24
            | U256::from(self.unpaid & 0x00ff_ffff)
    }

    /// The batch in a storage word, or none if the bit is set that is always zero.
    pub fn unpack(word: U256) -> Option<Self> {
        let bytes: [u8; 32] = word.to_be_bytes();
        let low = u64::from_be_bytes(bytes[24..].try_into().ok()?);
        let status = match low >> 54 & 3 {
            0 => Status::Live,
            1 => Status::Faulty,
            2 => Status::Condemned,
            _ => Status::Unwound,
        };
        (low >> 53 & 1 == 0).then_some(())?;
        Some(Self {
            commitment: FixedBytes::from_slice(&bytes[..25]),
            status,
            block_offset: u32::try_from(low >> 24 & MAX_BLOCK_OFFSET).ok()?,
            many: low >> 52 & 1 == 1,
            assigned: low >> 51 & 1 == 1,
            unpaid: u32::try_from(low & 0x00ff_ffff).ok()?,
        })
    }
}
