//! What the batch word commits to: pre-entries, step commitments and the preimage (section 4.6).

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    AnchorId, BatchHeader, BatchId, Head, Trailing, Truncated, Withdrawal,
    codec::{Reader, count_u8},
    tree,
};

/// An anchor and its head before a step: `anchor id (7) ‖ head (32)`. There is no head before an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreEntry {
    /// The anchor.
    pub anchor: AnchorId,
    /// Its head before, if it was open.
    pub head: Option<Head>,
}

impl PreEntry {
    /// Bytes on the wire.
    pub const LENGTH: usize = 39;

    /// The encoding.
    pub fn encode(&self) -> [u8; 39] {
        let mut out = [0; 39];
        out[..7].copy_from_slice(&self.anchor.to_bytes());
        out[7..].copy_from_slice(Head::to_word(self.head).as_slice());
        out
    }

    /// The concatenated encodings of a list.
    pub fn encode_list(entries: &[Self]) -> Vec<u8> {
        entries.iter().flat_map(Self::encode).collect()
    }

    /// The list that `bytes` encode.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole number of entries.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, Truncated> {
        Self::read_list(&mut Reader::new(bytes))
    }

    pub(crate) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Self>, Truncated> {
        let mut entries = Vec::with_capacity(reader.remaining() / Self::LENGTH);
        while reader.remaining() > 0 {
            let entry = reader.numbered("entry", entries.len(), |reader| {
                Ok::<_, Truncated>(Self {
                    anchor: reader.anchor("anchor")?,
                    head: Head::from_word(reader.head("head before")?),
                })
            })?;
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// The commitment to an applied step: keccak of its pre-entries, in the order fresh, opened, again, the step's bytes, and
/// the number of pre-entries, without which there would be several ways to split it. (That of a skipped step is zero.)
pub fn step_commitment(pre_entries: &[PreEntry], step: &[u8]) -> B256 {
    let count = [count_u8(pre_entries.len())];
    keccak256([PreEntry::encode_list(pre_entries).as_slice(), step, &count].concat())
}

/// The withdrawal root: the tree over the withdrawals' leaves, or zero if there are none.
pub fn withdrawal_root(withdrawals: &[Withdrawal]) -> B256 {
    let leaves: Vec<B256> = withdrawals.iter().map(Withdrawal::leaf).collect();
    tree::root(&leaves).unwrap_or_default()
}

/// Why bytes are not a commitment preimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreimageError {
    /// The bytes end too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The bytes go on.
    #[error(transparent)]
    Trailing(#[from] Trailing),
}

/// The commitment preimage: everything that a batch's word stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preimage {
    /// The batch's id.
    pub id: BatchId,
    /// Who posted it.
    pub proposer: Address,
    /// Number of withdrawals of the applied steps.
    pub withdrawal_count: u8,
    /// Number of anchors written.
    pub entries_written: u16,
    /// Hash of the pre-entries of the anchors written.
    pub entries_hash: B256,
    /// Root over the step commitments.
    pub step_root: B256,
    /// Root over the withdrawals, or zero.
    pub withdrawal_root: B256,
    /// The batch's header.
    pub header: BatchHeader,
}

impl Preimage {
    /// Bytes before the header.
    pub const BASE_LENGTH: usize = 124;

    /// Length of the encoding: 185 + 20 r.
    pub fn encoded_length(&self) -> usize {
        Self::BASE_LENGTH + self.header.encoded_length()
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_length());
        out.extend(self.id.to_bytes());
        out.extend(self.proposer);
        out.push(self.withdrawal_count);
        out.extend(self.entries_written.to_be_bytes());
        out.extend(self.entries_hash);
        out.extend(self.step_root);
        out.extend(self.withdrawal_root);
        out.extend(self.header.encode());
        out
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            id: reader.batch("batch id")?,
            proposer: reader.address("proposer")?,
            withdrawal_count: reader.u8("withdrawals")?,
            entries_written: reader.u16("entries written")?,
            entries_hash: reader.b256("keccak of the entries")?,
            step_root: reader.b256("step root")?,
            withdrawal_root: reader.b256("withdrawal root")?,
            header: reader.section("header", BatchHeader::read)?,
        })
    }

    /// The preimage that `bytes` encode. Its values are not judged: only a hash in a batch word makes it one of a batch.
    ///
    /// # Errors
    ///
    /// If the bytes are shorter or longer than the preimage they begin.
    pub fn decode(bytes: &[u8]) -> Result<Self, PreimageError> {
        Self::read_whole(&mut Reader::new(bytes))
    }

    pub(crate) fn read_whole(reader: &mut Reader<'_>) -> Result<Self, PreimageError> {
        let preimage = Self::read(reader)?;
        reader.finish()?;
        Ok(preimage)
    }

    /// Keccak of the encoding, of which the batch word keeps 25 bytes.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}
