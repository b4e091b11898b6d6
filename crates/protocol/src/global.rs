//! The global word: the last id given out and the unresolved faults (sections 4.8 and 9).

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::BatchId;

/// The word in slot 0.
///
/// ```text
/// 255 … 240  how many faults the fifth field stands for beyond the first
/// 239 …  40  five fields of 40 bits, unresolved faults, the first one lowest
///  39 …   0  the last id given out
/// ```
///
/// The set of faults has constant cost whatever their number: four fields hold one fault each. The fifth holds one, or,
/// when there are more, the lowest among them, and the counter says how many more. A field is empty if it is zero, since no
/// id is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GlobalWord {
    /// The last id given out.
    pub last: BatchId,
    /// The unresolved faults.
    pub faults: [Option<BatchId>; 5],
    /// How many faults the fifth field stands for beyond the first.
    pub more: u16,
}

impl GlobalWord {
    /// The oldest unresolved fault: nothing newer becomes final, and nothing may build on a head that is not older.
    pub fn oldest_fault(&self) -> Option<BatchId> {
        self.faults.iter().flatten().min().copied()
    }

    /// Enters a fault. False, and nothing changes, if even the counter is full.
    #[must_use]
    pub fn insert_fault(&mut self, id: BatchId) -> bool {
        if let Some(empty) = self.faults.iter_mut().find(|fault| fault.is_none()) {
            *empty = Some(id);
            return true;
        }
        let Some(more) = self.more.checked_add(1) else {
            return false;
        };
        self.more = more;
        self.faults[4] = self.faults[4].min(Some(id));
        true
    }

    /// Takes a fault out that was entered. If the fifth field stands for several, it keeps the lowest id of them until the
    /// last is resolved: too old a fault delays, too young a one would finalise.
    pub fn resolve_fault(&mut self, id: BatchId) {
        if let Some(field) = self.faults[..4].iter_mut().find(|fault| **fault == Some(id)) {
            *field = None;
        } else if let Some(more) = self.more.checked_sub(1) {
            self.more = more;
        } else {
            self.faults[4] = None;
        }
    }

    /// The storage word.
    pub fn pack(&self) -> U256 {
        let field = |fault: Option<BatchId>| U256::from(fault.unwrap_or_default().to_u64());
        let fields = self
            .faults
            .iter()
            .rev()
            .fold(U256::ZERO, |word, fault| word << 40 | field(*fault));
        U256::from(self.more) << 240 | fields << 40 | U256::from(self.last.to_u64())
    }

    /// From the storage word.
    pub fn unpack(word: U256) -> Self {
        let bytes: [u8; 32] = word.to_be_bytes();
        // Field i from the right: bytes 27 − 5 i … 32 − 5 i.
        let field = |i: usize| {
            let mut id = [0; 5];
            id.copy_from_slice(&bytes[27 - 5 * i..32 - 5 * i]);
            BatchId::from_bytes(id)
        };
        Self {
            last: field(0),
            faults: [1, 2, 3, 4, 5].map(|i| Some(field(i)).filter(|id| *id != BatchId::default())),
            more: u16::from_be_bytes([bytes[0], bytes[1]]),
        }
    }
}
