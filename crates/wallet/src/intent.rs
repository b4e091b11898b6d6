//! Intents: requests of a fragment at a nonce, and their signatures.

use alloy_primitives::{Address, Bytes};
use nthroot_model::signing::{self, BadSignature, Signer};
use nthroot_protocol::{AssetId, Authorisation, Domain, FragmentId, Key, Outflow, Signature, SignedMessage};
use serde::{Deserialize, Serialize};

use crate::request::{Request, RuleBook};

/// What a fragment's key shall consent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What it wants.
    pub request: Request,
    /// The fragment.
    pub fragment: FragmentId,
    /// Its nonce when the call starts. Each signature uses one: of several calls of a step, each has the next.
    pub nonce: u64,
    /// Last L1 block at which the consent holds.
    pub valid_until: u64,
}

impl Intent {
    /// What is signed.
    pub fn message(&self, book: &RuleBook) -> SignedMessage {
        SignedMessage {
            meaning: self.request.meaning(),
            rule: self.request.rule(book),
            fragment: self.fragment,
            nonce: self.nonce,
            valid_until: self.valid_until,
            outflows: self.request.outflows(book),
        }
    }

    /// Signs it.
    pub fn sign(&self, book: &RuleBook, domain: &Domain, signer: &(impl Signer + ?Sized)) -> SignedIntent {
        let message = self.message(book);
        self.signed(book, signer.sign(message.signing_hash(domain)))
    }

    /// With a signature that was made elsewhere: a wallet's, or an authenticator's.
    pub fn signed(&self, book: &RuleBook, signature: Signature) -> SignedIntent {
        SignedIntent {
            rule: self.request.rule(book),
            payload: self.request.payload(),
            fragment: self.fragment,
            nonce: self.nonce,
            valid_until: self.valid_until,
            outflows: self.request.outflows(book).into_iter().map(Into::into).collect(),
            signature,
        }
    }
}

/// A signed intent, as it goes from a user to whoever proposes. It needs no trust in between: what is changed in it breaks its
/// signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedIntent {
    /// The rule.
    pub rule: Address,
    /// What the rule is told.
    pub payload: Bytes,
    /// The fragment that consents.
    pub fragment: FragmentId,
    /// Its nonce when the call starts.
    pub nonce: u64,
    /// Last L1 block at which it consents.
    pub valid_until: u64,
    /// The most that it lets go.
    pub outflows: Vec<Limit>,
    /// By the fragment's key.
    pub signature: Signature,
}

/// A largest outflow. Amounts are text, since other languages read numbers with 53 bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The asset.
    pub asset: AssetId,
    /// The amount, in its units, decimal.
    #[serde(with = "crate::decimal")]
    pub amount: u128,
}

impl From<Outflow> for Limit {
    fn from(Outflow { asset, amount }: Outflow) -> Self {
        Self { asset, amount }
    }
}

impl SignedIntent {
    /// As a call has it, of the fragment at this position.
    pub fn authorisation(&self, position: u8) -> Authorisation {
        let outflow = |Limit { asset, amount }: &Limit| Outflow {
            asset: *asset,
            amount: *amount,
        };
        Authorisation {
            position,
            valid_until: self.valid_until,
            outflows: self.outflows.iter().map(outflow).collect(),
            payload: self.payload.clone(),
            signature: self.signature.clone(),
        }
    }

    /// Whether the key has signed it, if its payload means what `request` says.
    ///
    /// # Errors
    ///
    /// If it has not.
    pub fn check(&self, request: &Request, domain: &Domain, key: Key) -> Result<(), BadSignature> {
        let authorisation = self.authorisation(0);
        let message = SignedMessage {
            meaning: request.meaning(),
            rule: self.rule,
            fragment: self.fragment,
            nonce: self.nonce,
            valid_until: self.valid_until,
            outflows: authorisation.outflows,
        };
        signing::check(
            message.signing_hash(domain),
            &self.signature,
            key.kind(),
            key.controller(),
        )
    }
}
