//! Bodies: calls and authorisations (section 5).

use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    AssetId, LeafTable, Signature, Step, Trailing, Truncated,
    codec::{Reader, count_u8, count_u16},
    limits::{MAX_CALL_FRAGMENTS, MAX_CALLS, MAX_EFFECT_BYTES, MAX_OUTFLOWS},
};

/// Why a body is not well formed. A step with such a body is a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The body goes on after the last call.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// The form is unknown.
    #[error("form {0} is unknown")]
    Form(u8),
    /// The further leaves of a touch begin with leaf 0, or do not strictly increase.
    #[error("leaf {0} does not follow the one before in order")]
    LeafOrder(u32),
    /// The step has too many fragments.
    #[error("the step has {0} fragments, at most 16 are allowed")]
    StepFragments(usize),
    /// No call, or too many.
    #[error("{0} calls, allowed are 1 to 16")]
    Calls(u8),
    /// A call lists no fragment, or too many.
    #[error("a call lists {0} fragments, allowed are 1 to 16")]
    Fragments(u8),
    /// A call has more authorisations than fragments.
    #[error("a call has {0} authorisations, more than fragments")]
    Authorisations(u8),
    /// An authorisation has too many outflows.
    #[error("an authorisation has {0} outflows, at most 32 are allowed")]
    Outflows(u8),
    /// A call commits to longer effects than are allowed.
    #[error("a call returns up to {0} bytes of effects, at most 8192 are allowed")]
    EffectsLength(u16),
    /// The signature scheme is unknown.
    #[error("signature scheme {0} is unknown")]
    Scheme(u8),
}

/// The largest amount of an asset that a signer lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outflow {
    /// The asset.
    pub asset: AssetId,
    /// The largest sum of debits.
    pub amount: u128,
}

/// A fragment's consent to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorisation {
    /// Position of the fragment in the call's list.
    pub position: u8,
    /// Last L1 block at which it holds.
    pub valid_until: u64,
    /// Largest outflows.
    pub outflows: Vec<Outflow>,
    /// What is authorised, in the words of the rule.
    pub payload: Bytes,
    /// The signature of the fragment's key.
    pub signature: Signature,
}

impl Authorisation {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.position);
        out.extend(self.valid_until.to_be_bytes());
        out.push(count_u8(self.outflows.len()));
        for Outflow { asset, amount } in &self.outflows {
            out.extend(asset.0);
            out.extend(amount.to_be_bytes());
        }
        out.extend(count_u16(self.payload.len()).to_be_bytes());
        out.extend(&self.payload);
        self.signature.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        let position = reader.u8("position in the call")?;
        let valid_until = reader.u64("valid until (L1 block)")?;
        let count = reader.u8("outflows")?;
        if usize::from(count) > MAX_OUTFLOWS {
            return Err(BodyError::Outflows(count));
        }
        let outflow = |_| {
            reader.section("outflow", |reader| {
                Ok::<_, Truncated>(Outflow {
                    asset: reader.asset("asset")?,
                    amount: reader.amount("at most")?,
                })
            })
        };
        let outflows = (0..count).map(outflow).collect::<Result<_, _>>()?;
        let length = reader.u16("payload length")?;
        let payload = Bytes::copy_from_slice(reader.take("payload", length.into())?);
        Ok(Self {
            position,
            valid_until,
            outflows,
            payload,
            signature: reader.section("signature", Signature::read)?,
        })
    }
}

/// One invocation of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// 0: the enshrined Account rule; i: the (i − 1)th of the batch's rule table.
    pub rule: u8,
    /// Gas that the rule gets.
    pub gas: u32,
    /// Largest length of the effects that it returns.
    pub max_effects: u16,
    /// Numbers of the step's fragments that it sees.
    pub fragments: Vec<u8>,
    /// Who consents.
    pub authorisations: Vec<Authorisation>,
    /// What the proposer adds, unsigned.
    pub extra: Bytes,
}

impl Call {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.rule);
        out.extend(self.gas.to_be_bytes());
        out.extend(self.max_effects.to_be_bytes());
        out.push(count_u8(self.fragments.len()));
        out.extend(&self.fragments);
        out.push(count_u8(self.authorisations.len()));
        for authorisation in &self.authorisations {
            authorisation.write(out);
        }
        out.extend(count_u16(self.extra.len()).to_be_bytes());
        out.extend(&self.extra);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        let rule = reader.u8("rule (0: Account; i: table)")?;
        let gas = reader.u32("gas of the rule")?;
        let max_effects = reader.u16("most bytes of effects")?;
        if usize::from(max_effects) > MAX_EFFECT_BYTES {
            return Err(BodyError::EffectsLength(max_effects));
        }
        let count = reader.u8("fragments")?;
        if count == 0 || usize::from(count) > MAX_CALL_FRAGMENTS {
            return Err(BodyError::Fragments(count));
        }
        let fragments = reader.take("fragment numbers", count.into())?.to_vec();
        let signers = reader.u8("authorisations")?;
        if signers > count {
            return Err(BodyError::Authorisations(signers));
        }
        let authorisations = (0..signers)
            .map(|number| reader.numbered("authorisation", number.into(), Authorisation::read))
            .collect::<Result<_, _>>()?;
        let length = reader.u16("extra length")?;
        let extra = Bytes::copy_from_slice(reader.take("extra", length.into())?);
        Ok(Self {
            rule,
            gas,
            max_effects,
            fragments,
            authorisations,
            extra,
        })
    }
}

/// The body of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// The leaf table, if there is one. Without, the step works on leaf 0 of each touch alone.
    pub leaves: Option<LeafTable>,
    /// The calls, in the order in which they act.
    pub calls: Vec<Call>,
}

impl Body {
    /// The encoding. A value over the limits encodes to bytes that are not well formed.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        LeafTable::write(self.leaves.as_ref(), &mut out);
        out.push(count_u8(self.calls.len()));
        for call in &self.calls {
            call.write(&mut out);
        }
        out
    }

    /// The body of a step. Beyond the leaf table, order and distinctness are not judged here but in section 6.
    ///
    /// # Errors
    ///
    /// If it is not well formed.
    pub fn of(step: &Step) -> Result<Self, BodyError> {
        Self::parse(&step.body, step.fresh.len() + step.again.len(), step.opened.len())
    }

    /// The body that `bytes` encode, in a step with these numbers of fresh and repeated touches and of opened anchors.
    ///
    /// # Errors
    ///
    /// If it is not well formed.
    pub fn parse(bytes: &[u8], touched: usize, opened: usize) -> Result<Self, BodyError> {
        Self::read(&mut Reader::new(bytes), touched, opened)
    }

    pub(crate) fn read(reader: &mut Reader<'_>, touched: usize, opened: usize) -> Result<Self, BodyError> {
        let leaves = LeafTable::read(reader, touched, opened)?;
        let count = reader.u8("calls")?;
        if count == 0 || usize::from(count) > MAX_CALLS {
            return Err(BodyError::Calls(count));
        }
        let calls = (0..count)
            .map(|number| reader.numbered("call", number.into(), Call::read))
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { leaves, calls })
    }

    /// Gas that is committed for its calls, in all.
    pub fn rule_gas(&self) -> u64 {
        self.calls.iter().map(|call| u64::from(call.gas)).sum()
    }

    /// How many further leaves it works on.
    pub fn further_leaves(&self) -> usize {
        self.leaves.as_ref().map_or(0, LeafTable::len)
    }
}

impl From<Vec<Call>> for Body {
    /// A body without a leaf table.
    fn from(calls: Vec<Call>) -> Self {
        Self { leaves: None, calls }
    }
}
