//! Types and codec of the wire format, its limits and its hashing. No I/O.
//!
//! Everything here is written from `docs/spec.md`; section numbers in the comments are sections of that page. Decoding is
//! strict and total: each value has one encoding, and every other input is a typed error, never a panic. Encoding does not
//! judge: the fields of wire structs are public, so that tests and adversaries can encode what a decoder would refuse.

pub mod account;
pub mod batch;
pub mod body;
pub mod commitment;
pub mod effect;
pub mod evidence;
pub mod fragment;
pub mod global;
pub mod ids;
pub mod limits;
pub mod proof_gas;
pub mod signing;
pub mod storage;
pub mod tree;
pub mod word;

mod codec;

pub use account::AccountOp;
pub use batch::{Batch, BatchError, BatchHeader, FreshTouch, PlacedStep, RepeatedTouch, Step, Withdrawal};
pub use body::{Authorisation, Body, BodyError, Call, Outflow};
pub use codec::{Trailing, Truncated};
pub use commitment::{PreEntry, Preimage, PreimageError};
pub use effect::{Effect, EffectError};
pub use evidence::{Evidence, EvidenceError};
pub use fragment::{Fragment, FragmentError, Kind};
pub use global::GlobalWord;
pub use ids::{AnchorId, AssetId, BatchId, FragmentId, Head, ParseIdError, Root};
pub use signing::{Domain, SignedMessage};
pub use word::{BatchWord, Status};

/// A raw secp256k1 signature in the compact form of EIP-2098: `r (32) ‖ yParity << 255 | s`.
pub type CompactSignature = alloy_primitives::FixedBytes<64>;
