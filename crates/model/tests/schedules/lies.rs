//! Lies: an honest batch with one thing of one step changed.

use alloy_primitives::{Address, B256};
use nthroot_model::signing;
use nthroot_protocol::{AccountOp, Batch, Body, Meaning, Root, Signature, Withdrawal};

use crate::steps::{ACCOUNT, DOMAIN, Signed, TOKEN, USERS, user};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    WrongRoot,
    WrongOpenedRoot,
    Overdraft,
    OutflowAboveWhatWasSigned,
    BadSignature,
    SignedByAnother,
    ReplayedNonce,
    OtherChain,
    OtherBridge,
    OtherRule,
    ExpiredAtTheClock,
    TouchWithoutConsent,
    CreditWithoutConsent,
    SameFragmentTwice,
    EmptyBody,
    TruncatedBody,
    TrailingByte,
    UnknownForm,
    RuleNotInTheTable,
    EffectsLongerThanCommitted,
    WithdrawalNotBacked,
    WithdrawalToAnother,
    WithdrawalDropped,
    AnchorOpenedByNobody,
    AboveItsCeiling,
    MoreGasThanItsBytesAllow,
}

impl Lie {
    pub(crate) const ALL: [Self; 26] = [
        Self::WrongRoot,
        Self::WrongOpenedRoot,
        Self::Overdraft,
        Self::OutflowAboveWhatWasSigned,
        Self::BadSignature,
        Self::SignedByAnother,
        Self::ReplayedNonce,
        Self::OtherChain,
        Self::OtherBridge,
        Self::OtherRule,
        Self::ExpiredAtTheClock,
        Self::TouchWithoutConsent,
        Self::CreditWithoutConsent,
        Self::SameFragmentTwice,
        Self::EmptyBody,
        Self::TruncatedBody,
        Self::TrailingByte,
        Self::UnknownForm,
        Self::RuleNotInTheTable,
        Self::EffectsLongerThanCommitted,
        Self::WithdrawalNotBacked,
        Self::WithdrawalToAnother,
        Self::WithdrawalDropped,
        Self::AnchorOpenedByNobody,
        Self::AboveItsCeiling,
        Self::MoreGasThanItsBytesAllow,
    ];

    /// What the model must find wrong: the beginning of its reason, after the call.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::WrongRoot | Self::WrongOpenedRoot => "Root {",
            Self::Overdraft => "Balance {",
            Self::OutflowAboveWhatWasSigned => "Outflow {",
            Self::BadSignature
            | Self::SignedByAnother
            | Self::ReplayedNonce
            | Self::OtherChain
            | Self::OtherBridge
            | Self::OtherRule => "Signature {",
            Self::ExpiredAtTheClock => "Expired {",
            // Under a lease of the proposer's the fragment need not consent; but then nothing is asked for. And where a touch is
            // put before repeated ones, calls name others than they did.
            Self::TouchWithoutConsent | Self::AnchorOpenedByNobody => "",
            Self::CreditWithoutConsent => "NotAuthorised {",
            Self::SameFragmentTwice => "FragmentTwice {",
            Self::EmptyBody | Self::TruncatedBody => "Body(Truncated",
            Self::TrailingByte => "Body(Trailing",
            Self::UnknownForm => "Body(Form",
            Self::RuleNotInTheTable => "RuleIndex {",
            Self::EffectsLongerThanCommitted => "EffectsLength {",
            Self::WithdrawalNotBacked | Self::WithdrawalToAnother | Self::WithdrawalDropped => "Withdrawals {",
            Self::AboveItsCeiling => "ProofGas {",
            Self::MoreGasThanItsBytesAllow => "RuleGas {",
        }
    }

    /// Changes a step. None if the step has nothing to change in this way.
    pub(crate) fn apply(self, batch: &mut Batch, index: usize, signed: &Signed) -> Option<()> {
        let clock = batch.header.clock;
        let step = &mut batch.steps[index];
        let mut body = Body::parse(&step.body, step.fresh.len() + step.again.len(), step.opened.len()).ok()?;
        let call = &mut body.calls[0];
        let (mut other, mut domain) = (signed.clone(), DOMAIN);
        match self {
            Self::WrongRoot => {
                let fresh = step.fresh.first_mut().map(|touch| &mut touch.root);
                *fresh.or_else(|| step.again.first_mut().map(|touch| &mut touch.root))? = Root::of(b"anything");
            }
            Self::WrongOpenedRoot => *step.opened.first_mut()? = Root::of(b"anything"),
            Self::Overdraft => {
                let mut ops = AccountOp::decode_payload(&other.payload).ok()?;
                match &mut ops[0] {
                    AccountOp::Pay { amount, .. } | AccountOp::Withdraw { amount, .. } => *amount = 1 << 90,
                    AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => assets[0].1 = 1 << 90,
                    AccountOp::SetController { .. } | AccountOp::SetLease { .. } => return None,
                }
                other.payload = AccountOp::encode_payload(&ops).into();
                other.message.meaning = Meaning::opaque(&other.payload);
                other.message.outflows[0].amount = u128::MAX;
            }
            Self::OutflowAboveWhatWasSigned => other.message.outflows.first_mut()?.amount -= 1,
            Self::SignedByAnother => other.user = (other.user + 1) % USERS,
            Self::ReplayedNonce => other.message.nonce = other.message.nonce.wrapping_sub(1),
            Self::OtherChain => domain.chain_id += 1,
            Self::OtherBridge => domain.bridge = TOKEN,
            Self::OtherRule => other.message.rule = TOKEN,
            Self::ExpiredAtTheClock => other.message.valid_until = clock - 1,
            Self::TouchWithoutConsent => call.authorisations.clear(),
            // Where there is a second one, no lease stands for it.
            Self::CreditWithoutConsent => call.authorisations.drain(1..).next().map(drop)?,
            Self::SameFragmentTwice => call.fragments.push(call.fragments[0]),
            Self::RuleNotInTheTable => call.rule = 9,
            Self::EffectsLongerThanCommitted => call.max_effects = 1,
            Self::WithdrawalNotBacked => step.withdrawals.push(Withdrawal {
                recipient: ACCOUNT,
                token: TOKEN,
                amount: 1,
            }),
            Self::WithdrawalToAnother => step.withdrawals.first_mut()?.recipient = Address::repeat_byte(1),
            Self::WithdrawalDropped => step.withdrawals.pop().map(drop)?,
            Self::AnchorOpenedByNobody => step.opened.push(Root::of(b"mine")),
            Self::AboveItsCeiling => batch.header.ceiling = 100_000,
            Self::MoreGasThanItsBytesAllow if batch.header.step_count == 1 => return None,
            Self::MoreGasThanItsBytesAllow => call.gas = 1_000_000,
            // Below: these change encoded bytes.
            Self::BadSignature | Self::EmptyBody | Self::TruncatedBody | Self::TrailingByte | Self::UnknownForm => {}
        }
        let step = &mut batch.steps[index];
        if other.message != signed.message || other.user != signed.user || domain != DOMAIN {
            let signer = user(other.user);
            body.calls[0].authorisations[0] =
                signing::authorise(signer.as_ref(), &domain, &other.message, other.payload, 0);
        }
        if self == Self::BadSignature {
            match &mut body.calls[0].authorisations[0].signature {
                Signature::Secp256k1(signature) => signature[40] ^= 1,
                Signature::P256(signature) | Signature::WebAuthn(signature, _) => {
                    signature.s ^= B256::with_last_byte(1);
                }
            }
        }
        let mut bytes = body.encode();
        match self {
            Self::EmptyBody => bytes.clear(),
            Self::TruncatedBody => bytes.truncate(bytes.len() - 1),
            Self::TrailingByte => bytes.push(0),
            Self::UnknownForm => bytes[0] = 2,
            _ => {}
        }
        step.body = bytes.into();
        batch.seal();
        Some(())
    }
}
