//! Types and codec of the wire format, its limits and its hashing. No I/O.
//!
//! Everything here is written from `docs/spec.md`; section numbers in the comments are sections of that page. Decoding is
//! strict and total: each value has one encoding, and every other input is a typed error, never a panic. Encoding does not
//! judge: the fields of wire structs are public, so that tests and adversaries can encode what a decoder would refuse.

pub mod assets;
pub mod assignment;
pub mod batch;
pub mod body;
pub mod cohort;
pub mod commitment;
pub mod effect;
pub mod evidence;
pub mod fragment;
pub mod global;
pub mod ids;
pub mod key;
pub mod leaves;
pub mod limits;
pub mod proof_gas;
pub mod rules;
pub mod signature;
pub mod signing;
pub mod storage;
pub mod trace;
pub mod tree;
pub mod word;

mod codec;

pub use assets::Assets;
pub use assignment::{AssignedClaim, Assignment};
pub use batch::{Batch, BatchError, BatchHeader, FreshTouch, PlacedStep, RepeatedTouch, Step, Withdrawal};
pub use body::{Authorisation, Body, BodyError, Call, Outflow};
pub use codec::{Trailing, Truncated};
pub use cohort::Cohort;
pub use commitment::{PreEntry, Preimage, PreimageError};
pub use effect::{Effect, EffectError};
pub use evidence::{AnchorProof, Evidence, EvidenceError, ProofSizes};
pub use fragment::{Fragment, FragmentError, Lease};
pub use global::GlobalWord;
pub use ids::{AnchorId, AssetId, BatchId, FragmentId, Head, ParseIdError, Root};
pub use key::{Key, KeyError, Kind};
pub use leaves::LeafTable;
pub use rules::account::AccountOp;
pub use signature::{Assertion, CompactSignature, P256Signature, Signature};
pub use signing::{Domain, Meaning, SignedMessage};
pub use word::{BatchWord, Status};
