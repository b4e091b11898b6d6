//! Why a step is invalid: a variant for each condition of section 6, for people and for those who watch batches.

use alloy_primitives::Address;
use nthroot_protocol::{AssetId, BodyError, EffectError, FragmentError, KeyError, Lease, Root, Withdrawal};

use crate::{rule::RuleFailure, signing::BadSignature};

/// Why a step is invalid. Touches are numbered in the order fresh, opened, again; fragments as in section 5: leaf 0 of each
/// touch, and then its further leaves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The body is not well formed.
    #[error("the body is not well formed: {0}")]
    Body(#[from] BodyError),
    /// The rules may take more gas than the step's bytes allow, and the batch has other steps.
    #[error("{committed} gas for the calls of a step that is not alone in its batch, at most {most} is allowed")]
    RuleGas {
        /// Gas committed for the calls.
        committed: u64,
        /// 600 for each byte of the step.
        most: u64,
    },
    /// A proof against the step may need more gas than the ceiling allows.
    #[error("proof gas {needed}, the ceiling is {ceiling}")]
    ProofGas {
        /// The batch's ceiling.
        ceiling: u32,
        /// The step's proof gas.
        needed: u64,
    },
    /// A leaf is beyond its cohort.
    #[error("leaf {leaf} of touch {touch} is not in a cohort of depth {depth}")]
    Leaf {
        /// The touch.
        touch: usize,
        /// The leaf.
        leaf: u32,
        /// Depth of the cohort.
        depth: u8,
    },
    /// A pre-state is not a state.
    #[error("the pre-state of fragment {fragment} is not a state: {error}")]
    PreState {
        /// The fragment.
        fragment: usize,
        /// Why not.
        error: FragmentError,
    },
    /// There is no leaf 0 under a head: only a lie can have written it.
    #[error("the anchor of touch {touch} has no leaf 0")]
    NoHeader {
        /// The touch.
        touch: usize,
    },
    /// An anchor is leased to somebody else.
    #[error("the anchor of touch {touch} is leased to {} until block {}", lease.holder, lease.last_block)]
    Leased {
        /// The touch.
        touch: usize,
        /// The lease, which runs.
        lease: Lease,
    },
    /// A call is invalid.
    #[error("call {call}: {fault}")]
    Call {
        /// The call, from 0.
        call: usize,
        /// Why.
        fault: CallFault,
    },
    /// No call lists a fragment.
    #[error("fragment {fragment} is listed by no call")]
    Unlisted {
        /// The fragment.
        fragment: usize,
    },
    /// An opened touch, or a leaf that did not exist, was not opened.
    #[error("fragment {fragment} was to be opened and was not")]
    Unopened {
        /// The fragment.
        fragment: usize,
    },
    /// An anchor has not the root that the step says.
    #[error("touch {touch}: the step says root {stated}, the anchor has {actual}")]
    Root {
        /// The touch.
        touch: usize,
        /// The root after the step, as posted.
        stated: Root,
        /// The root of what the calls leave.
        actual: Root,
    },
    /// The calls do not produce the step's withdrawals.
    #[error("the step says {} withdrawals, its calls produce {}, or others", stated.len(), actual.len())]
    Withdrawals {
        /// As posted.
        stated: Vec<Withdrawal>,
        /// As produced.
        actual: Vec<Withdrawal>,
    },
}

/// Why a call is invalid (section 6.1). Positions are places in the call's list of fragments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// The rule index is beyond the table.
    #[error("rule index {index}, the table has {rules} rules")]
    RuleIndex {
        /// The index.
        index: u8,
        /// Length of the table.
        rules: usize,
    },
    /// The step has no such fragment.
    #[error("fragment number {number}, the step has {fragments}")]
    FragmentNumber {
        /// The number.
        number: u8,
        /// How many there are.
        fragments: usize,
    },
    /// A fragment is listed twice.
    #[error("fragment {number} is listed twice")]
    FragmentTwice {
        /// The fragment.
        number: u8,
    },
    /// A listed fragment does not exist, and no earlier call has opened it.
    #[error("fragment {number} is not open yet")]
    NotOpen {
        /// The fragment.
        number: u8,
    },
    /// An authorisation names a position beyond the list.
    #[error("authorisation of position {position}, {listed} fragments are listed")]
    Position {
        /// The position.
        position: u8,
        /// How many are listed.
        listed: usize,
    },
    /// The positions of authorisations do not strictly increase.
    #[error("authorisation of position {position} follows that of {last}")]
    PositionOrder {
        /// The position before.
        last: u8,
        /// The one that is not greater.
        position: u8,
    },
    /// The asset ids of an authorisation's outflows do not strictly increase.
    #[error("authorisation of position {position}: outflow of asset {asset} is out of order")]
    OutflowOrder {
        /// The position.
        position: u8,
        /// The asset that does not follow the one before.
        asset: AssetId,
    },
    /// A fragment opened in this batch authorises nothing.
    #[error("position {position} is new and cannot authorise")]
    NewSigner {
        /// The position.
        position: u8,
    },
    /// The authorisation is too old.
    #[error("authorisation of position {position} was valid until {valid_until}, the clock is {clock}")]
    Expired {
        /// The position.
        position: u8,
        /// The batch's clock.
        clock: u64,
        /// Last block at which it holds.
        valid_until: u64,
    },
    /// The signature is not good.
    #[error("authorisation of position {position}: {reason}")]
    Signature {
        /// The position.
        position: u8,
        /// Why not.
        reason: BadSignature,
    },
    /// The nonce cannot grow.
    #[error("position {position} has used its last nonce")]
    NonceExhausted {
        /// The position.
        position: u8,
    },
    /// A fragment with a key is listed without its consent, and the proposer does not hold a lease of its anchor.
    #[error("position {position} has not authorised the call")]
    NotAuthorised {
        /// The position.
        position: u8,
    },
    /// A fragment under another rule is listed.
    #[error("position {position} is controlled by rule {controller}, not by {rule}")]
    OtherRule {
        /// The position.
        position: u8,
        /// The rule that controls it.
        controller: Address,
        /// The call's rule.
        rule: Address,
    },
    /// The rule failed.
    #[error(transparent)]
    Rule(#[from] RuleFailure),
    /// The rule returned more than the call commits to.
    #[error("{actual} bytes of effects, the call allows {max}")]
    EffectsLength {
        /// Committed largest length.
        max: u16,
        /// Length returned.
        actual: usize,
    },
    /// What the rule returned is not a list of effects.
    #[error(transparent)]
    Effects(#[from] EffectError),
    /// An effect is invalid.
    #[error("effect {effect}: {fault}")]
    Effect {
        /// The effect, from 0.
        effect: usize,
        /// Why.
        fault: EffectFault,
    },
    /// A fragment that did not authorise the call is left as it was: listing it served only to name it.
    #[error("position {position} neither authorised the call nor changed")]
    Unchanged {
        /// The position.
        position: usize,
    },
}

/// Why an effect is invalid (section 6.3). Positions go on after the listed fragments with those that the call opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EffectFault {
    /// There is no such position.
    #[error("position {position} of {positions}")]
    Position {
        /// The position.
        position: u8,
        /// How many there are so far.
        positions: usize,
    },
    /// A move to where it comes from.
    #[error("position {position} moves to itself")]
    SelfMove {
        /// The position.
        position: u8,
    },
    /// The call has no authority over the fragment.
    #[error("no authority over position {position}")]
    NoAuthority {
        /// The position.
        position: u8,
    },
    /// No amount is zero.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The fragment holds less than the debit.
    #[error("position {position} holds {balance} of {asset}, the debit is {amount}")]
    Balance {
        /// The position.
        position: u8,
        /// The asset.
        asset: AssetId,
        /// What it holds.
        balance: u128,
        /// What should go.
        amount: u128,
    },
    /// The debit is over what the key signed for this call.
    #[error("position {position} lets go {left} more of {asset}, the debit is {amount}")]
    Outflow {
        /// The position.
        position: u8,
        /// The asset.
        asset: AssetId,
        /// What earlier debits have left of the largest outflow.
        left: u128,
        /// What should go.
        amount: u128,
    },
    /// The credit would reach 2^128.
    #[error("position {position} holds {balance} of {asset}, the credit of {amount} is too much")]
    Overflow {
        /// The position.
        position: u8,
        /// The asset.
        asset: AssetId,
        /// What it holds.
        balance: u128,
        /// What should come.
        amount: u128,
    },
    /// The fragment would hold more than 32 assets.
    #[error("position {position} has no room for asset {asset}")]
    TooManyAssets {
        /// The position.
        position: u8,
        /// The asset.
        asset: AssetId,
    },
    /// A fragment that is merely credited gets an asset that it does not hold.
    #[error("position {position} is merely credited and does not hold {asset}")]
    NewAsset {
        /// The position.
        position: u8,
        /// The asset.
        asset: AssetId,
    },
    /// Too much data.
    #[error("{length} bytes of data, at most 2048 are allowed")]
    DataLength {
        /// Length of the data.
        length: usize,
    },
    /// What is set or opened has neither a key for its controller nor the rule.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A rule opens fragments only under itself.
    #[error("a fragment under rule {controller} is opened by {rule}")]
    OpenUnderOtherRule {
        /// The controller asked for.
        controller: Address,
        /// The call's rule.
        rule: Address,
    },
    /// The step has no opened touch left.
    #[error("the step opens no more anchors")]
    NothingToOpen,
    /// No cohort is so deep.
    #[error("depth {0}, at most 24 is allowed")]
    Depth(u8),
    /// The step has no leaf left that does not exist.
    #[error("the step opens no more leaves")]
    NoLeafToOpen,
    /// The step's next leaf to open is of another anchor.
    #[error("the next leaf to open is not of the anchor of position {position}")]
    OtherAnchor {
        /// The position named as header.
        position: u8,
    },
    /// The fragment is not leaf 0 of its anchor.
    #[error("position {position} is not leaf 0 of its anchor")]
    NotHeader {
        /// The position.
        position: u8,
    },
    /// Only the Account rule sets controllers and leases of what a key controls.
    #[error("position {position} is controlled by a key, and the rule is not the Account rule")]
    KeysOwn {
        /// The position.
        position: u8,
    },
    /// A lease has a holder without a last block, or the reverse.
    #[error("a lease of {holder} until block {last_block}: both or neither are zero")]
    HalfLease {
        /// The holder.
        holder: Address,
        /// The last block.
        last_block: u64,
    },
    /// A lease ends too far ahead.
    #[error("a lease until block {last_block}, at most {most} is allowed")]
    LeaseTooLong {
        /// The last block.
        last_block: u64,
        /// The last that is allowed.
        most: u64,
    },
    /// Nobody can be paid at the zero address.
    #[error("the recipient is zero")]
    ZeroRecipient,
    /// More withdrawals than a step can have.
    #[error("more than 15 withdrawals")]
    TooManyWithdrawals,
    /// A meaning stands behind an effect that is none.
    #[error("a meaning of authorisation {authorisation} behind another effect")]
    MeaningTooLate {
        /// The authorisation.
        authorisation: u8,
    },
    /// A meaning of no authorisation.
    #[error("a meaning of authorisation {authorisation}, there are {authorisations}")]
    MeaningOfNone {
        /// The authorisation.
        authorisation: u8,
        /// How many the call has.
        authorisations: usize,
    },
    /// The authorisations of meanings do not strictly increase.
    #[error("a meaning of authorisation {authorisation} follows that of {last}")]
    MeaningOrder {
        /// The authorisation before.
        last: u8,
        /// The one that is not greater.
        authorisation: u8,
    },
}
