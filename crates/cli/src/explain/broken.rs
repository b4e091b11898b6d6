//! What is wrong with bytes that cannot be read: which byte, and which rule of the specification it breaks.

use nthroot_protocol::{
    BatchError, BodyError, EvidenceError, FragmentError, PreimageError, Trailing, Truncated,
    rules::{
        account::AccountOpError,
        credit::CreditError,
        pool::PoolCodecError,
        swap::{FillError, SwapError},
    },
    trace::{Field, FieldKind},
};

/// Why bytes could not be read further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The first byte of what is wrong, or the one that is missing, in what is explained.
    pub(super) byte: usize,
    /// The rule, in the words of the specification.
    pub(super) rule: &'static str,
    /// What is wrong.
    pub(super) says: String,
}

/// Where a fault is.
pub(super) enum Where {
    /// A field that begins here and lacks so many bytes.
    CutOff(usize, usize),
    /// So many bytes before the end.
    FromEnd(usize),
    /// The last field of this name.
    Field(&'static str),
    /// The field that was read last.
    Last,
}

/// A decoder's error that can be placed.
pub(super) trait Fault: std::fmt::Display {
    fn place(&self) -> (Where, &'static str);
}

impl Broken {
    /// Of an error of a decoder that has read these fields, from bytes of this length that begin at `base`.
    pub(super) fn of(fault: &impl Fault, fields: &[Field], base: usize, length: usize) -> Self {
        let (place, rule) = fault.place();
        let mut read = fields.iter().rev().filter(|field| field.kind != FieldKind::Section);
        let byte = match place {
            Where::CutOff(byte, _) => byte,
            Where::FromEnd(bytes) => length.saturating_sub(bytes),
            Where::Field(name) => read.find(|field| field.name == name).map_or(0, |field| field.at),
            Where::Last => read.next().map_or(0, |field| field.at),
        };
        Self {
            byte: base + byte,
            rule,
            // The error's own offset is that of the part.
            says: match place {
                Where::CutOff(_, missing) => format!("what begins here is cut off, {missing} bytes short"),
                _ => fault.to_string(),
            },
        }
    }
}

const fn truncated(Truncated { at, missing }: Truncated) -> Where {
    Where::CutOff(at, missing)
}

const fn trailing(Trailing(bytes): Trailing) -> Where {
    Where::FromEnd(bytes)
}

const fn field(name: &'static str) -> Where {
    Where::Field(name)
}

const LAST: Where = Where::Last;

impl Fault for BatchError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (
                truncated(*error),
                "4: a batch is a header and then `step count` whole steps",
            ),
            Self::Trailing(error) => (trailing(*error), "4: nothing follows the last step"),
            Self::Version(_) => (field("version"), "4.1: version = 1"),
            Self::DataAvailability(_) => (field("data availability"), "4.1: data availability 0; 1 is reserved"),
            Self::Ceiling(_) => (field("proof ceiling (gas)"), "1: MAX_CEILING is 10,000,000 gas"),
            Self::NoSteps => (field("step count"), "4.1: step count ≥ 1"),
            Self::TooManyEntries(_) => (field("entry count"), "1: MAX_ENTRIES is 512"),
            Self::TooManyRules(_) => (field("rule count"), "1: MAX_RULES is 32"),
            Self::BodyTooLong { .. } => (LAST, "1: MAX_BODY is 16,384 bytes"),
            Self::Touches { .. } => (field("fresh ‖ opened touches"), "4.2: 1 ≤ fresh + opened + again ≤ 16"),
            Self::UnknownEntry { .. } => (
                field("entry"),
                "4.3: a repeated touch names the entry of an anchor that an earlier step touched or opened",
            ),
            Self::EntryOrder { .. } => (
                field("entry"),
                "4.3: entry numbers within a step's repeated touches strictly increase",
            ),
            Self::EntryCount { .. } => (
                field("entry count"),
                "4.3: the number of entries equals the header's entry count",
            ),
        }
    }
}

impl Fault for BodyError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (truncated(*error), "5: the body ends with its last call, not before"),
            Self::Trailing(error) => (trailing(*error), "5: the body ends with its last call"),
            Self::Form(_) => (LAST, "5: form 0 or 1"),
            Self::LeafOrder(_) => (LAST, "5: leaves strictly increase, the first is ≥ 1"),
            Self::StepFragments(_) => (LAST, "1: MAX_FRAGMENTS is 16"),
            Self::Calls(_) => (LAST, "5: 1 to 16 calls"),
            Self::Fragments(_) => (LAST, "5: a call lists 1 to 16 fragments"),
            Self::Authorisations(_) => (LAST, "5: a call has at most as many authorisations as fragments"),
            Self::Outflows(_) => (LAST, "5: at most 32 outflows"),
            Self::EffectsLength(_) => (LAST, "1: MAX_EFFECT_BYTES is 8,192"),
            Self::Scheme(_) => (LAST, "5: scheme 1, 2 or 3"),
        }
    }
}

impl Fault for EvidenceError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (truncated(*error), "7: evidence has all parts of its table"),
            Self::Trailing(error) => (trailing(*error), "7: it ends with the last sibling"),
            Self::StepIndex { .. } => (LAST, "7: the step index is below the step count"),
            Self::Step(error) => error.place(),
            Self::Depth(_) => (LAST, "7: depth is at most 24"),
            Self::NotAPreState(_) => (LAST, "7: each pre-state given starts with 0x00"),
            Self::Opening(_) => (field("step index"), "7.2: the step must open the step root"),
        }
    }
}

impl Fault for PreimageError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (truncated(*error), "4.6: a commitment preimage has 185 + 20 r bytes"),
            Self::Trailing(error) => (trailing(*error), "9: a call takes exactly the preimage's bytes"),
        }
    }
}

impl Fault for Truncated {
    fn place(&self) -> (Where, &'static str) {
        (truncated(*self), "4.6: an entry has 39 bytes")
    }
}

impl Fault for FragmentError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (truncated(*error), "3: a state has all fields of its table"),
            Self::Trailing(error) => (trailing(*error), "3: the encoding ends with the data"),
            Self::Domain(_) => (LAST, "3: the domain of leaves is 0x00"),
            Self::Kind(_) => (LAST, "3: kinds of controllers are 1, 2 and 3"),
            Self::Lease(..) => (field("lease holder"), "3: holder and last block are not zero"),
            Self::TooManyAssets(_) => (LAST, "1: MAX_ASSETS is 32"),
            Self::AssetOrder(_) => (field("asset"), "3: asset ids strictly increase"),
            Self::ZeroAmount(_) => (LAST, "3: amounts are not zero"),
            Self::DataTooLong(_) => (LAST, "1: MAX_DATA is 2,048 bytes"),
        }
    }
}

impl Fault for AccountOpError {
    fn place(&self) -> (Where, &'static str) {
        match self {
            Self::Truncated(error) => (truncated(*error), "6.4: a payload that ends inside an operation fails"),
            Self::Code(_) => (LAST, "6.4: operations have the codes 1 to 6"),
        }
    }
}

impl Fault for SwapError {
    fn place(&self) -> (Where, &'static str) {
        let rule = "docs/rules/swap.md: every line of the table of intents holds";
        match self {
            Self::Truncated(error) => (truncated(*error), rule),
            Self::Trailing(error) => (trailing(*error), rule),
            Self::AssetOrder(_) => (field("asset"), rule),
            Self::CounterpartyOrder(_) => (field("counterparty"), rule),
            Self::Curve { .. } => (field("curve begins (L1 block)"), rule),
            Self::NoLegs => (field("legs"), rule),
            Self::GiveFalls(_) | Self::GetRises(_) | Self::NothingGiven => (field("amount at the end"), rule),
            Self::Form(_) => (LAST, rule),
        }
    }
}

impl Fault for FillError {
    fn place(&self) -> (Where, &'static str) {
        let rule = "docs/rules/swap.md: what a fill is";
        match self {
            Self::Truncated(error) => (truncated(*error), rule),
            Self::AssetOrder(_) => (field("asset"), rule),
            Self::Asset { .. } => (field("number of the asset"), rule),
        }
    }
}

impl Fault for PoolCodecError {
    fn place(&self) -> (Where, &'static str) {
        let rule = "docs/rules/pool.md: payloads and data of pools";
        match self {
            Self::Truncated(error) => (truncated(*error), rule),
            Self::Trailing(error) => (trailing(*error), rule),
            Self::Code(_) | Self::Side(_) | Self::Fee(_) => (LAST, rule),
            Self::AssetOrder => (field("asset 1"), rule),
        }
    }
}

impl Fault for CreditError {
    fn place(&self) -> (Where, &'static str) {
        let rule = "docs/rules/credit.md: payloads, and data of markets and positions";
        match self {
            Self::Truncated(error) => (truncated(*error), rule),
            Self::Trailing(error) => (trailing(*error), rule),
            _ => (LAST, rule),
        }
    }
}
