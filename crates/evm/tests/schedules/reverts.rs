//! The contract's custom errors beside the model's typed ones.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy::primitives::keccak256;
use nthroot_evm::Receipt;
use nthroot_model::ledger::{
    AssignError, BondError, ChallengeError, ClaimError, CondemnError, DepositError, SubmitError, UnwindError, WordError,
};
use nthroot_protocol::BatchError;

/// Written out, since some are raised in assembly or by the verifier and do not stand in the bridge's ABI.
const ERRORS: [&str; 50] = [
    "SenderNotPlain(address,address)",
    "BatchTruncated(uint256,uint256)",
    "UnsupportedVersion(uint8)",
    "UnsupportedDataAvailability(uint8)",
    "WrongChain(uint256,uint256)",
    "ClockOutOfRange(uint256,uint256,uint256)",
    "ClockHashMismatch(bytes32,bytes32)",
    "CeilingTooHigh(uint256,uint256)",
    "NoSteps()",
    "TooManyEntries(uint256,uint256)",
    "TooManyRules(uint256,uint256)",
    "RuleNotRegistered(address,uint256,uint256)",
    "IdsExhausted()",
    "WordSlotBusy(uint256,uint256)",
    "BondTooSmall(uint256,uint256)",
    "BondTooLarge(uint256)",
    "MalformedStep(uint256)",
    "MalformedBatch()",
    "NothingApplied()",
    "TooManyWithdrawals(uint256)",
    "PreimageTruncated(uint256,uint256)",
    "UnknownBatch(uint256,bytes32)",
    "WrongStatus(uint8)",
    "ChallengeWindowOver(uint256,uint256)",
    "EntriesMismatch(bytes32,bytes32)",
    "EvidenceLength(uint256,uint256)",
    "StepOutOfRange(uint256,uint256)",
    "StepNotInBatch(bytes32,bytes32)",
    "NeedGas(uint256,uint256)",
    "StepIsValid()",
    "EntryOutOfRange(uint256,uint256)",
    "NotParent(uint40,uint40)",
    "NotHead(uint256,bytes32)",
    "NotFinal(uint256,uint256,uint256)",
    "AlreadyPaid(uint256)",
    "WithdrawalNotOpen(bytes32,bytes32)",
    "PaymentFailed(address,uint256)",
    "Frozen(uint256)",
    "NotWholeGwei(uint256)",
    "BadKey(bytes21)",
    "AssetNotListed(address)",
    "CapExceeded(address,uint256,uint256)",
    "NotRecipient(address,address)",
    "ZeroRecipient()",
    "BadSignature(address,bytes32)",
    "OfferExpired(uint256,uint256)",
    "WrongValue(uint256,uint256)",
    "DepthTooLarge(uint256)",
    "NotAPreState(uint256)",
    "ZeroAmount()",
];

static NAMES: LazyLock<BTreeMap<[u8; 4], &str>> = LazyLock::new(|| {
    ERRORS
        .iter()
        .map(|error| {
            let hash = keccak256(error);
            let name = error.split('(').next().unwrap_or_default();
            ([hash[0], hash[1], hash[2], hash[3]], name)
        })
        .collect()
});

/// The name of the error with which a transaction reverted. None if it succeeded, or if it has no data (out of gas).
pub(crate) fn error_of(receipt: &Receipt) -> Option<&'static str> {
    if receipt.success || receipt.output.is_empty() {
        return None;
    }
    let selector = receipt.output.get(..4).and_then(|bytes| bytes.try_into().ok());
    let name = selector.and_then(|selector: [u8; 4]| NAMES.get(&selector).copied());
    Some(name.unwrap_or_else(|| panic!("an unnamed revert: {}", receipt.output)))
}

/// What `submit` checks, in the order in which the contract does. What comes last is all found in one walk over the steps.
const SUBMIT_ORDER: [&str; 16] = [
    "BatchTruncated",
    "UnsupportedVersion",
    "UnsupportedDataAvailability",
    "WrongChain",
    "ClockOutOfRange",
    "ClockHashMismatch",
    "CeilingTooHigh",
    "NoSteps",
    "TooManyEntries",
    "TooManyRules",
    "RuleNotRegistered",
    "IdsExhausted",
    "WordSlotBusy",
    "BondTooSmall",
    "MalformedStep",
    "MalformedBatch",
];

/// Whether both sides refuse a batch for the same reason. The model reads the whole batch before it looks at the chain, so where
/// it finds a wrong shape the contract may have found something else before.
pub(crate) fn same_refusal(model: &SubmitError, contract: &str) -> bool {
    let exactly = |name: &str| contract == name;
    let or_earlier = |name: &str| {
        let place = |name: &str| SUBMIT_ORDER.iter().position(|other| *other == name);
        place(contract).is_some_and(|found| Some(found) <= place(name))
    };
    match model {
        SubmitError::Shape(error) => match error {
            BatchError::Version(_) => or_earlier("UnsupportedVersion"),
            BatchError::DataAvailability(_) => or_earlier("UnsupportedDataAvailability"),
            BatchError::Ceiling(_) => or_earlier("CeilingTooHigh"),
            BatchError::NoSteps => or_earlier("NoSteps"),
            BatchError::TooManyEntries(_) => or_earlier("TooManyEntries"),
            BatchError::TooManyRules(_) => or_earlier("TooManyRules"),
            BatchError::Truncated(_)
            | BatchError::Trailing(_)
            | BatchError::BodyTooLong { .. }
            | BatchError::Touches { .. }
            | BatchError::UnknownEntry { .. }
            | BatchError::EntryOrder { .. }
            | BatchError::EntryCount { .. } => or_earlier("MalformedBatch") || exactly("TooManyWithdrawals"),
        },
        SubmitError::ChainId { .. } => exactly("WrongChain"),
        SubmitError::Clock { .. } => exactly("ClockOutOfRange"),
        SubmitError::ClockHash { .. } => exactly("ClockHashMismatch"),
        SubmitError::ClockHashUnknown(clock) => panic!("the ledger was told every hash, not that of {clock}"),
        SubmitError::Rule { .. } => exactly("RuleNotRegistered"),
        SubmitError::SlotInUse { .. } => exactly("WordSlotBusy"),
        SubmitError::Bond(_) => exactly("BondTooSmall"),
        SubmitError::Ids(_) => exactly("IdsExhausted"),
        SubmitError::NothingApplied => exactly("NothingApplied"),
        SubmitError::TooManyWithdrawals(_) => exactly("TooManyWithdrawals"),
    }
}

/// Whether both sides refuse a challenge for the same reason.
pub(crate) fn same_acquittal(model: &ChallengeError, wrong_entries: bool, contract: &str) -> bool {
    // The contract looks at the entries before the verdict, the model after it.
    if wrong_entries && contract == "EntriesMismatch" {
        return !matches!(model, ChallengeError::Word(_) | ChallengeError::WindowOver { .. });
    }
    match model {
        // Not evidence: the model sees that first, the contract where it stumbles. But it never comes to a verdict.
        ChallengeError::Evidence(nthroot_protocol::EvidenceError::Opening(_)) => contract == "StepNotInBatch",
        ChallengeError::Evidence(_) => !matches!(contract, "StepIsValid" | "NeedGas"),
        ChallengeError::Word(WordError::Status { .. }) => contract == "WrongStatus",
        ChallengeError::Word(_) => contract == "UnknownBatch",
        ChallengeError::WindowOver { .. } => contract == "ChallengeWindowOver",
        ChallengeError::StepIsValid(_) => contract == "StepIsValid",
        ChallengeError::Entries(_) => contract == "EntriesMismatch",
        ChallengeError::Undecided(_) | ChallengeError::TooManyFaults => false,
    }
}

fn word(error: &WordError) -> &'static [&'static str] {
    match error {
        WordError::Preimage(_) => &["PreimageTruncated", "UnknownBatch"],
        WordError::Status { .. } => &["WrongStatus"],
        WordError::Mismatch { .. } | WordError::Unknown(_) | WordError::Pruned(_) => &["UnknownBatch"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn condemn(error: &CondemnError) -> &'static [&'static str] {
    match error {
        // Both words are loaded before either status is looked at.
        CondemnError::Word(WordError::Status { .. }) => &["WrongStatus", "UnknownBatch"],
        CondemnError::Word(error) => word(error),
        CondemnError::Entries(_) => &["EntriesMismatch"],
        CondemnError::Index { .. } => &["EntryOutOfRange"],
        CondemnError::NotParent { .. } => &["NotParent"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn unwind(error: &UnwindError) -> &'static [&'static str] {
    match error {
        UnwindError::Word(error) => word(error),
        UnwindError::Entries(_) => &["EntriesMismatch"],
        UnwindError::NotHead { .. } => &["NotHead"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn claim(error: &ClaimError) -> &'static [&'static str] {
    match error {
        ClaimError::Word(error) => word(error),
        ClaimError::InWindow { .. } | ClaimError::Fault { .. } => &["NotFinal"],
        ClaimError::NothingToPay(_) => &["AlreadyPaid"],
        ClaimError::Opening(_) => &["WithdrawalNotOpen"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn assign(error: &AssignError) -> &'static [&'static str] {
    match error {
        // It need not be final, so it is another refusal.
        AssignError::Claim(ClaimError::Fault { .. }) => &["Frozen"],
        AssignError::Claim(error) => claim(error),
        AssignError::NotRecipient { .. } => &["NotRecipient"],
        AssignError::ZeroRecipient => &["ZeroRecipient"],
        AssignError::Expired { .. } => &["OfferExpired"],
        AssignError::Signature(_) => &["BadSignature"],
        AssignError::Value { .. } => &["WrongValue"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn bond(error: &BondError) -> &'static [&'static str] {
    match error {
        BondError::NotWholeGwei(_) => &["NotWholeGwei"],
        BondError::TooMuch(_) => &["BondTooLarge"],
        BondError::TooLow(_) => &["BondTooSmall"],
        BondError::Frozen(_) => &["Frozen"],
    }
}

/// Names that the contract may give to what the model found.
pub(crate) fn deposit(error: &DepositError) -> &'static [&'static str] {
    match error {
        DepositError::ZeroController => &["BadKey"],
        DepositError::NotListed(_) => &["AssetNotListed"],
        DepositError::Cap { .. } => &["CapExceeded"],
        DepositError::ZeroAmount => &["ZeroAmount"],
        DepositError::Ids(_) => &["IdsExhausted"],
    }
}
