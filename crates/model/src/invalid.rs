//! Why a step is invalid: a variant for each condition of section 6, for people and for those who watch batches.

use alloy_primitives::Address;
use nthroot_protocol::{AssetId, BodyError, EffectError, FragmentError, Root, Withdrawal};

use crate::rule::RuleFailure;

/// Why a step is invalid. Fragments are numbered as in section 5: fresh, opened, again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The body is not well formed.
    #[error("the body is not well formed: {0}")]
    Body(#[from] BodyError),
    /// A proof against the step may need more gas than the ceiling allows.
    #[error("proof gas {needed}, the ceiling is {ceiling}")]
    ProofGas {
        /// The batch's ceiling.
        ceiling: u32,
        /// The step's proof gas.
        needed: u64,
    },
    /// A pre-state is not a state.
    #[error("pre-state {index} is not a state: {error}")]
    PreState {
        /// Its place among the fresh, then the repeated touches.
        index: usize,
        /// Why not.
        error: FragmentError,
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
    /// An opened touch was not opened.
    #[error("fragment {fragment} was to be opened and was not")]
    Unopened {
        /// The fragment.
        fragment: usize,
    },
    /// A fragment's state has not the root that the step says.
    #[error("fragment {fragment}: the step says root {stated}, its state has {actual}")]
    Root {
        /// The fragment.
        fragment: usize,
        /// The root after the step, as posted.
        stated: Root,
        /// The root of the state that the calls leave.
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
    /// No earlier call has opened a listed fragment.
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
    /// Only a key authorises.
    #[error("position {position} has no key and cannot authorise")]
    KeylessSigner {
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
    /// The signature is not that of the controller.
    #[error("authorisation of position {position}: expected signer {controller}, found {signer:?}")]
    Signer {
        /// The position.
        position: u8,
        /// Who should have signed.
        controller: Address,
        /// Who did; none if the signature is of nobody.
        signer: Option<Address>,
    },
    /// The nonce cannot grow.
    #[error("position {position} has used its last nonce")]
    NonceExhausted {
        /// The position.
        position: u8,
    },
    /// A fragment with a key is listed without its consent.
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
    /// Too much data.
    #[error("{length} bytes of data, at most 2048 are allowed")]
    DataLength {
        /// Length of the data.
        length: usize,
    },
    /// The kind is reserved, unknown, or not one to open.
    #[error("a fragment of kind {0} cannot be opened")]
    OpenKind(u8),
    /// A key's address is not zero.
    #[error("the controller is zero")]
    ZeroController,
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
    /// Nobody can be paid at the zero address.
    #[error("the recipient is zero")]
    ZeroRecipient,
    /// More withdrawals than a step can have.
    #[error("more than 15 withdrawals")]
    TooManyWithdrawals,
}
