//! What the values of rows are read by: every field of them or nothing.

use alloy_primitives::U256;
use nthroot_protocol::{AnchorId, BatchId, Evidence, Fragment, PreEntry, Preimage, Withdrawal};

use super::{JudgedStep, Judgement, Opening, Unjudged};
use crate::{
    kernel::{self, Env, Verdict},
    walk::{Skip, Stale},
};

/// What is known behind a head.
pub(super) enum Behind {
    Nothing,
    /// A state, and whether it is the present one.
    State {
        is_present: bool,
        depth: u8,
        header: Fragment,
    },
}

/// How a state before a batch is kept.
pub(super) enum Before {
    Unknown,
    Known {
        header: Fragment,
        /// The leaves that differ from the state after, as they were.
        leaves: Vec<(u32, Option<Fragment>)>,
    },
}

/// What is read of a value: fields from the front, each or nothing.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn u256(&mut self) -> Option<U256> {
        self.array::<32>().map(U256::from_be_bytes)
    }

    pub(super) fn batch(&mut self) -> Option<BatchId> {
        self.array().map(BatchId::from_bytes)
    }

    pub(super) fn anchor(&mut self) -> Option<AnchorId> {
        self.array().map(AnchorId::from_bytes)
    }

    /// Bytes behind their length, of two bytes.
    pub(super) fn bytes16(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u16::from_be_bytes)?;
        self.take(length.into())
    }

    /// Bytes behind their length, of four bytes.
    pub(super) fn bytes32(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u32::from_be_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn skip(&mut self) -> Option<Skip> {
        let code = self.u8()?;
        if code == 0 {
            return Some(Skip::Poisoned(self.array().map(u16::from_be_bytes)?));
        }
        let anchor = self.anchor()?;
        let reason = match code {
            1 => Stale::NoHead,
            2 => Stale::OtherParent {
                head: self.batch()?,
                parent: self.batch()?,
            },
            3 => Stale::AfterClock(self.batch()?),
            4 => Stale::Fault {
                head: self.batch()?,
                fault: self.batch()?,
            },
            _ => return None,
        };
        Some(Skip::Stale { anchor, reason })
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

impl Fields<'_> {
    pub(super) fn behind(&mut self) -> Option<Behind> {
        let is_present = match self.u8()? {
            0 => return Some(Behind::Nothing),
            1 => true,
            2 => false,
            _ => return None,
        };
        Some(Behind::State {
            is_present,
            depth: self.u8()?,
            header: Fragment::decode(std::mem::take(&mut self.0)).ok()?,
        })
    }

    pub(super) fn batch_parts(&mut self) -> Option<(Preimage, Vec<Withdrawal>, Vec<PreEntry>)> {
        let preimage = Preimage::decode(self.bytes16()?).ok()?;
        let withdrawals = self.take(usize::from(preimage.withdrawal_count) * Withdrawal::LENGTH)?;
        let withdrawals = withdrawals.chunks(Withdrawal::LENGTH).map(Withdrawal::decode);
        let withdrawals = withdrawals.collect::<Result<_, _>>().ok()?;
        let entries = self.take(usize::from(preimage.entries_written) * PreEntry::LENGTH)?;
        Some((preimage, withdrawals, PreEntry::decode_list(entries).ok()?))
    }

    pub(super) fn step(&mut self, env: &Env, preimage: &Preimage, index: u16) -> Option<JudgedStep> {
        let judged = |judgement| {
            Some(JudgedStep {
                judgement,
                opening: None,
            })
        };
        match self.u8()? {
            0 => judged(Judgement::Valid),
            1 => judged(Judgement::Skipped(self.skip()?)),
            2 => judged(Judgement::Unjudged(Unjudged::PreState(self.anchor()?))),
            3 => {
                let evidence = Evidence::decode(self.bytes32()?).ok()?;
                let opens = evidence.preimage == *preimage && evidence.placed.index == index;
                (opens && evidence.check_opening().is_ok()).then_some(())?;
                let judgement = match kernel::evaluate(env, preimage, &evidence.placed, &evidence.proofs) {
                    Ok(Verdict::Valid(_)) => Judgement::Valid,
                    Ok(Verdict::Invalid(reason)) => Judgement::Lie(reason),
                    Err(undecided) => Judgement::Unjudged(undecided.into()),
                };
                Some(JudgedStep {
                    judgement,
                    opening: Some(Opening::Evidence(Box::new(evidence))),
                })
            }
            _ => None,
        }
    }

    pub(super) fn changes(&mut self, entries: &[PreEntry]) -> Option<Vec<Before>> {
        let open = entries.iter().filter(|entry| entry.head.is_some());
        let befores = open.map(|_| self.before()).collect::<Option<_>>()?;
        self.end()?;
        Some(befores)
    }

    fn before(&mut self) -> Option<Before> {
        match self.u8()? {
            0 => return Some(Before::Unknown),
            1 => {}
            _ => return None,
        }
        let header = Fragment::decode(self.bytes16()?).ok()?;
        let count = self.array().map(u32::from_be_bytes)?;
        let mut leaves: Vec<(u32, Option<Fragment>)> = Vec::new();
        for _ in 0..count {
            let leaf = self.array().map(u32::from_be_bytes)?;
            let last = leaves.last().map_or(0, |(last, _)| *last);
            (leaf > last).then_some(())?;
            let bytes = self.bytes16()?;
            let fragment = || Fragment::decode(bytes).ok().map(Some);
            leaves.push((leaf, if bytes.is_empty() { None } else { fragment()? }));
        }
        Some(Before::Known { header, leaves })
    }
}
