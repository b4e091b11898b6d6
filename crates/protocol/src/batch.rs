//! Batches: header, steps, touches, entries (sections 4.1 to 4.3).

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    AnchorId, BatchId, Root, Trailing, Truncated,
    codec::{Reader, count_nibble, count_u8, count_u16},
    limits::{DA_CALLDATA, MAX_BODY, MAX_CEILING, MAX_ENTRIES, MAX_RULES, MAX_TOUCHES, RULE_GAS_PER_BYTE, VERSION},
};

/// Why `submit` would not take a byte string for a batch: the shape errors of section 4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The string ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The string goes on after the last step.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// Unknown version.
    #[error("version {0}, expected 1")]
    Version(u8),
    /// Reserved or unknown data availability.
    #[error("data availability {0} is reserved or unknown")]
    DataAvailability(u8),
    /// The proof ceiling is too high.
    #[error("proof ceiling {0}, at most 10000000 is allowed")]
    Ceiling(u32),
    /// A batch has at least one step.
    #[error("the batch has no steps")]
    NoSteps,
    /// Too many entries.
    #[error("{0} entries, at most 512 are allowed")]
    TooManyEntries(u16),
    /// Too many rules.
    #[error("{0} rules, at most 32 are allowed")]
    TooManyRules(u8),
    /// A body is too long to be sent again in a proof.
    #[error("the body of step {step} has {length} bytes, at most 16384 are allowed")]
    BodyTooLong {
        /// The step.
        step: u16,
        /// Its body's length.
        length: u16,
    },
    /// A step touches no anchor, or too many.
    #[error("step {step} touches {touches} anchors, allowed are 1 to 16")]
    Touches {
        /// The step.
        step: u16,
        /// How many it touches.
        touches: usize,
    },
    /// A repeated touch names no entry of an earlier step.
    #[error("step {step} touches entry {entry} again, which no earlier step has")]
    UnknownEntry {
        /// The step.
        step: u16,
        /// The entry it names.
        entry: u16,
    },
    /// The repeated touches of a step are not in order.
    #[error("step {step} names entry {entry} out of order")]
    EntryOrder {
        /// The step.
        step: u16,
        /// The entry that is not greater than the one before.
        entry: u16,
    },
    /// The header counts other entries than the steps have.
    #[error("the header says {declared} entries, the steps have {counted}")]
    EntryCount {
        /// What the header says.
        declared: u16,
        /// What the steps have.
        counted: usize,
    },
}

/// The batch header (section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// Version, 1.
    pub version: u8,
    /// Where the steps are: 0, in calldata.
    pub data_availability: u8,
    /// Chain id.
    pub chain_id: u64,
    /// The L1 block at which the batch is judged.
    pub clock: u64,
    /// Hash of that block.
    pub clock_hash: B256,
    /// Most gas that a proof against a step may need.
    pub ceiling: u32,
    /// Which of the proposer's words this batch uses.
    pub slot: u16,
    /// Number of steps.
    pub step_count: u16,
    /// Number of entries.
    pub entry_count: u16,
    /// Rules that the calls name by their place, from 1.
    pub rules: Vec<Address>,
}

impl BatchHeader {
    /// Bytes before the rule table.
    pub const BASE_LENGTH: usize = 61;

    /// Length of the encoding.
    pub fn encoded_length(&self) -> usize {
        Self::BASE_LENGTH + 20 * self.rules.len()
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_length());
        out.extend([self.version, self.data_availability]);
        out.extend(self.chain_id.to_be_bytes());
        out.extend(self.clock.to_be_bytes());
        out.extend(self.clock_hash);
        out.extend(self.ceiling.to_be_bytes());
        out.extend(self.slot.to_be_bytes());
        out.extend(self.step_count.to_be_bytes());
        out.extend(self.entry_count.to_be_bytes());
        out.push(count_u8(self.rules.len()));
        for rule in &self.rules {
            out.extend(rule);
        }
        out
    }

    /// Reads a header without judging its values.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            version: reader.u8("version")?,
            data_availability: reader.u8("data availability")?,
            chain_id: reader.u64("chain id")?,
            clock: reader.u64("clock (L1 block)")?,
            clock_hash: reader.b256("hash of that block")?,
            ceiling: reader.u32("proof ceiling (gas)")?,
            slot: reader.u16("word slot")?,
            step_count: reader.u16("step count")?,
            entry_count: reader.u16("entry count")?,
            rules: (0..reader.u8("rule count")?)
                .map(|_| reader.address("rule"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What section 4.4 requires of the header by itself.
    fn check(&self) -> Result<(), BatchError> {
        if self.version != VERSION {
            return Err(BatchError::Version(self.version));
        }
        if self.data_availability != DA_CALLDATA {
            return Err(BatchError::DataAvailability(self.data_availability));
        }
        if self.ceiling > MAX_CEILING {
            return Err(BatchError::Ceiling(self.ceiling));
        }
        if self.step_count == 0 {
            return Err(BatchError::NoSteps);
        }
        if self.entry_count > MAX_ENTRIES {
            return Err(BatchError::TooManyEntries(self.entry_count));
        }
        if self.rules.len() > MAX_RULES {
            return Err(BatchError::TooManyRules(count_u8(self.rules.len())));
        }
        Ok(())
    }
}

/// The first touch of an anchor in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshTouch {
    /// The anchor.
    pub anchor: AnchorId,
    /// Its root after the step.
    pub root: Root,
    /// The id that its head must carry.
    pub parent: BatchId,
}

/// A touch of an anchor that an earlier step of the batch touched or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedTouch {
    /// The entry under which the earlier step touched or opened it.
    pub entry: u16,
    /// Its root after the step.
    pub root: Root,
}

/// A payment on L1 that a step claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Who is paid.
    pub recipient: Address,
    /// In which L1 token; zero is ether.
    pub token: Address,
    /// How much.
    pub amount: u128,
}

impl Withdrawal {
    /// Bytes on the wire.
    pub const LENGTH: usize = 56;

    /// `recipient (20) ‖ token (20) ‖ amount (16)`.
    pub fn encode(&self) -> [u8; 56] {
        let mut out = [0; 56];
        out[..20].copy_from_slice(self.recipient.as_slice());
        out[20..40].copy_from_slice(self.token.as_slice());
        out[40..].copy_from_slice(&self.amount.to_be_bytes());
        out
    }

    /// The withdrawal that these bytes encode.
    ///
    /// # Errors
    ///
    /// If they are not as many as it takes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        let mut reader = Reader::new(bytes);
        let withdrawal = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(withdrawal)
    }

    /// Its leaf in the withdrawal tree.
    pub fn leaf(&self) -> B256 {
        keccak256(self.encode())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            recipient: reader.address("recipient")?,
            token: reader.token("token")?,
            amount: reader.amount("amount")?,
        })
    }
}

/// A step as it is posted (section 4.2). Its body stays raw: `submit` does not look into it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Step {
    /// First touches.
    pub fresh: Vec<FreshTouch>,
    /// Anchors it opens, each by its root after the step.
    pub opened: Vec<Root>,
    /// Repeated touches.
    pub again: Vec<RepeatedTouch>,
    /// Withdrawals.
    pub withdrawals: Vec<Withdrawal>,
    /// The body (section 5).
    pub body: Bytes,
}

impl Step {
    /// Number of touches of all kinds.
    pub fn touches(&self) -> usize {
        self.fresh.len() + self.opened.len() + self.again.len()
    }

    /// The roots after the step, in the order fresh, opened, again.
    pub fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        let fresh = self.fresh.iter().map(|touch| touch.root);
        let again = self.again.iter().map(|touch| touch.root);
        fresh.chain(self.opened.iter().copied()).chain(again)
    }

    /// Length of the encoding.
    pub fn encoded_length(&self) -> usize {
        4 + 39 * self.fresh.len()
            + 27 * self.opened.len()
            + 29 * self.again.len()
            + Withdrawal::LENGTH * self.withdrawals.len()
            + self.body.len()
    }

    /// Gas that its rules may take in a batch of other steps too (point 1 of section 6). Alone in its batch it may take any.
    pub fn rule_gas_beside_others(&self) -> u64 {
        RULE_GAS_PER_BYTE.saturating_mul(u64::try_from(self.encoded_length()).unwrap_or(u64::MAX))
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_length());
        out.extend(count_u16(self.body.len()).to_be_bytes());
        out.push(count_nibble(self.fresh.len()) << 4 | count_nibble(self.opened.len()));
        out.push(count_nibble(self.again.len()) << 4 | count_nibble(self.withdrawals.len()));
        for FreshTouch { anchor, root, parent } in &self.fresh {
            out.extend(anchor.to_bytes());
            out.extend(root.0);
            out.extend(parent.to_bytes());
        }
        for root in &self.opened {
            out.extend(root.0);
        }
        for RepeatedTouch { entry, root } in &self.again {
            out.extend(entry.to_be_bytes());
            out.extend(root.0);
        }
        for withdrawal in &self.withdrawals {
            out.extend(withdrawal.encode());
        }
        out.extend(&self.body);
        out
    }

    /// Reads a step and judges its own shape; `index` is only for the error.
    pub(crate) fn read(reader: &mut Reader<'_>, index: u16) -> Result<Self, BatchError> {
        let length = reader.u16("body length")?;
        if usize::from(length) > MAX_BODY {
            return Err(BatchError::BodyTooLong { step: index, length });
        }
        let counts = [
            reader.u8("fresh ‖ opened touches")?,
            reader.u8("repeated touches ‖ withdrawals")?,
        ];
        let [fresh, opened, again, withdrawals] = [counts[0] >> 4, counts[0] & 0x0f, counts[1] >> 4, counts[1] & 0x0f];
        let touches = usize::from(fresh) + usize::from(opened) + usize::from(again);
        if touches == 0 || touches > MAX_TOUCHES {
            return Err(BatchError::Touches { step: index, touches });
        }

        let fresh = (0..fresh).map(|_| {
            reader.section("fresh touch", |reader| {
                Ok::<_, Truncated>(FreshTouch {
                    anchor: reader.anchor("anchor")?,
                    root: reader.root("root after the step")?,
                    parent: reader.batch("parent")?,
                })
            })
        });
        let fresh = fresh.collect::<Result<_, _>>()?;
        let opened = (0..opened)
            .map(|_| reader.root("opened anchor: root after the step"))
            .collect::<Result<_, _>>()?;
        let again = (0..again).map(|_| {
            reader.section("repeated touch", |reader| {
                Ok::<_, Truncated>(RepeatedTouch {
                    entry: reader.u16("entry")?,
                    root: reader.root("root after the step")?,
                })
            })
        });
        let again: Vec<RepeatedTouch> = again.collect::<Result<_, _>>()?;
        let withdrawals = (0..withdrawals)
            .map(|_| reader.section("withdrawal", Withdrawal::read))
            .collect::<Result<_, _>>()?;
        let body = Bytes::copy_from_slice(reader.take("body", length.into())?);

        for pair in again.windows(2) {
            if pair[0].entry >= pair[1].entry {
                return Err(BatchError::EntryOrder {
                    step: index,
                    entry: pair[1].entry,
                });
            }
        }
        Ok(Self {
            fresh,
            opened,
            again,
            withdrawals,
            body,
        })
    }
}

/// A step with its place in a batch and the names of all its anchors: what an evaluation needs of the batch's bookkeeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedStep {
    /// Index of the step in its batch.
    pub index: u16,
    /// The step.
    pub step: Step,
    /// Ids of the anchors it opens.
    pub opened: Vec<AnchorId>,
    /// Ids of the anchors it touches again.
    pub again: Vec<AnchorId>,
}

impl PlacedStep {
    /// The ids of its anchors in the order fresh, opened, again.
    pub fn anchors(&self) -> impl Iterator<Item = AnchorId> + '_ {
        let fresh = self.step.fresh.iter().map(|touch| touch.anchor);
        fresh
            .chain(self.opened.iter().copied())
            .chain(self.again.iter().copied())
    }
}

/// A batch: what `submit` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The header.
    pub header: BatchHeader,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Batch {
    /// Sets the counts in the header to what the steps have.
    pub fn seal(&mut self) {
        self.header.step_count = count_u16(self.steps.len());
        self.header.entry_count = count_u16(self.steps.iter().map(|step| step.fresh.len() + step.opened.len()).sum());
    }

    /// The encoding. The header's counts are written as they stand: see [`Self::seal`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.header.encode();
        for step in &self.steps {
            out.extend(step.encode());
        }
        out
    }

    /// The batch that `bytes` encode.
    ///
    /// # Errors
    ///
    /// If the bytes break a limit of section 1 or a shape of sections 4.1 to 4.3.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, BatchError> {
        let header = reader.section("header", BatchHeader::read)?;
        header.check()?;

        let mut steps = Vec::new();
        let mut entries = 0;
        for index in 0..header.step_count {
            let step = reader.numbered("step", index.into(), |reader| Step::read(reader, index))?;
            // The touches of a step are in order, so its last one is the greatest.
            if let Some(touch) = step.again.last().filter(|touch| usize::from(touch.entry) >= entries) {
                return Err(BatchError::UnknownEntry {
                    step: index,
                    entry: touch.entry,
                });
            }
            entries += step.fresh.len() + step.opened.len();
            steps.push(step);
        }
        reader.finish()?;
        if entries != usize::from(header.entry_count) {
            return Err(BatchError::EntryCount {
                declared: header.entry_count,
                counted: entries,
            });
        }
        Ok(Self { header, steps })
    }
}
