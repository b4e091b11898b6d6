//! Some keys and rules, what keys consent to, calls and effects.

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    authenticator::Authenticator,
    rule::RuleFailure,
    signing::{self, Signer},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, BatchId, Call, Domain, Effect, Fragment, Kind, Lease, Meaning,
    Outflow, SignedMessage,
};

pub(crate) const CLOCK: u64 = 1_000;
pub(crate) const ACCOUNT: Address = Address::repeat_byte(0xac);
pub(crate) const PROPOSER: Address = Address::repeat_byte(0x70);
pub(crate) const DOMAIN: Domain = Domain {
    chain_id: 31_337,
    bridge: Address::repeat_byte(0xb1),
};

/// Returns `extra` as its effects.
pub(crate) const PUPPET: Address = Address::repeat_byte(0x91);
/// Always fails.
pub(crate) const FAILING: Address = Address::repeat_byte(0xfa);
/// Has no twin.
pub(crate) const UNKNOWN: Address = Address::repeat_byte(0x99);
/// The rule table. Tests that need one more append it, as rule 4.
pub(crate) const TABLE: [Address; 3] = [PUPPET, FAILING, UNKNOWN];

pub(crate) const ETH: AssetId = AssetId::ETH;
pub(crate) const TOKEN: Address = Address::repeat_byte(0x20);
pub(crate) const TAG: B256 = B256::repeat_byte(0x7a);

pub(crate) fn usd() -> AssetId {
    AssetId::token(TOKEN)
}

/// What the puppet issues under [`TAG`].
pub(crate) fn gold() -> AssetId {
    AssetId::issued(PUPPET, TAG)
}

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_slice(&[n; 32]).unwrap()
}

pub(crate) fn holder(n: u8) -> Address {
    signing::address_of(&key(n))
}

/// A P-256 key.
pub(crate) fn passkey(n: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[n; 32]).unwrap()
}

pub(crate) fn passkey_holder(n: u8) -> Address {
    passkey(n).key().controller()
}

/// The P-256 key in an authenticator.
pub(crate) fn authenticator(n: u8) -> Authenticator {
    Authenticator::new(passkey(n), "wallet.example")
}

pub(crate) fn fragment(kind: Kind, controller: Address, assets: &[(AssetId, u128)]) -> Fragment {
    let mut fragment = Fragment::new(kind, controller);
    fragment.assets = assets.iter().copied().collect();
    fragment
}

/// A fragment of key n.
pub(crate) fn owned(n: u8, assets: &[(AssetId, u128)]) -> Fragment {
    fragment(Kind::Secp256k1, holder(n), assets)
}

/// A fragment of P-256 key n.
pub(crate) fn passkey_owned(n: u8, assets: &[(AssetId, u128)]) -> Fragment {
    fragment(Kind::P256, passkey_holder(n), assets)
}

/// The fragment with a lease of its anchor.
pub(crate) fn leased(mut fragment: Fragment, holder: Address, last_block: u64) -> Fragment {
    fragment.lease = Some(Lease { holder, last_block });
    fragment
}

/// A fragment of the puppet.
pub(crate) fn ruled(assets: &[(AssetId, u128)]) -> Fragment {
    fragment(Kind::Rule, PUPPET, assets)
}

pub(crate) fn batch() -> BatchId {
    BatchId::new(2_000, 7).unwrap()
}

/// An anchor older than the batch. That of a fragment of key n is n, unless a test says otherwise.
pub(crate) fn anchor(n: u16) -> AnchorId {
    AnchorId::new(BatchId::new(n.into(), 1).unwrap(), 0)
}

/// An anchor that the batch opened under entry n.
pub(crate) fn new_anchor(n: u16) -> AnchorId {
    AnchorId::new(batch(), n)
}

/// How a key signs. The key is a P-256 key for the last two.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {
    Secp256k1,
    P256,
    WebAuthn,
}

/// What a key consents to.
#[derive(Clone)]
pub(crate) struct Consent {
    pub(crate) key: u8,
    pub(crate) scheme: Scheme,
    pub(crate) anchor: AnchorId,
    pub(crate) leaf: u32,
    pub(crate) nonce: u64,
    pub(crate) valid_until: u64,
    pub(crate) outflows: Vec<Outflow>,
    pub(crate) payload: Vec<u8>,
    /// What the payload means, if that is more than its bytes.
    pub(crate) meaning: Option<Meaning>,
}

impl Consent {
    /// Key n consents for the fragment at anchor n, at nonce 0, until the clock, to no outflow, with an empty payload.
    pub(crate) fn of(key: u8) -> Self {
        Self {
            key,
            scheme: Scheme::Secp256k1,
            anchor: anchor(key.into()),
            leaf: 0,
            nonce: 0,
            valid_until: CLOCK,
            outflows: Vec::new(),
            payload: Vec::new(),
            meaning: None,
        }
    }

    /// Key n consents for a leaf of the cohort at anchor m.
    pub(crate) fn at(key: u8, anchor_of: u16, leaf: u32) -> Self {
        Self {
            anchor: anchor(anchor_of),
            leaf,
            ..Self::of(key)
        }
    }

    pub(crate) fn by(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    pub(crate) fn outflow(mut self, asset: AssetId, amount: u128) -> Self {
        self.outflows.push(Outflow { asset, amount });
        self.outflows.sort_by_key(|outflow| outflow.asset);
        self
    }

    pub(crate) fn ops(mut self, ops: &[AccountOp]) -> Self {
        self.payload = AccountOp::encode_payload(ops);
        self
    }

    pub(crate) fn meaning(mut self, meaning: Meaning) -> Self {
        self.meaning = Some(meaning);
        self
    }

    pub(crate) fn nonce(mut self, nonce: u64) -> Self {
        self.nonce = nonce;
        self
    }

    pub(crate) fn message(&self, rule: Address) -> SignedMessage {
        SignedMessage {
            meaning: self.meaning.unwrap_or_else(|| Meaning::opaque(&self.payload)),
            rule,
            fragment: self.anchor.leaf(self.leaf).unwrap(),
            nonce: self.nonce,
            valid_until: self.valid_until,
            outflows: self.outflows.clone(),
        }
    }

    pub(crate) fn sign(&self, rule: Address, position: u8) -> Authorisation {
        let signer: &dyn Signer = match self.scheme {
            Scheme::Secp256k1 => &key(self.key),
            Scheme::P256 => &passkey(self.key),
            Scheme::WebAuthn => &authenticator(self.key),
        };
        signing::authorise(
            signer,
            &DOMAIN,
            &self.message(rule),
            self.payload.clone().into(),
            position,
        )
    }
}

pub(crate) fn call(rule: u8, fragments: &[u8], extra: Vec<u8>) -> Call {
    Call {
        rule,
        gas: 10_000,
        max_effects: 4_096,
        fragments: fragments.to_vec(),
        authorisations: Vec::new(),
        extra: extra.into(),
    }
}

pub(crate) fn account(fragments: &[u8]) -> Call {
    call(0, fragments, Vec::new())
}

pub(crate) fn puppet(fragments: &[u8], effects: &[Effect]) -> Call {
    call(1, fragments, Effect::encode_list(effects))
}

/// The call with one more authorisation.
pub(crate) fn with(mut call: Call, position: u8, consent: &Consent) -> Call {
    let rule = match call.rule {
        0 => ACCOUNT,
        i => TABLE[usize::from(i) - 1],
    };
    call.authorisations.push(consent.sign(rule, position));
    call
}

pub(crate) fn transfer(from: u8, to: u8, asset: AssetId, amount: u128) -> Effect {
    Effect::Move {
        from,
        to,
        asset,
        amount,
    }
}

pub(crate) fn write(fragment: u8, data: &[u8]) -> Effect {
    Effect::Write {
        fragment,
        data: data.to_vec().into(),
    }
}

pub(crate) fn open(kind: u8, controller: Address) -> Effect {
    open_cohort(0, kind, controller)
}

pub(crate) fn open_cohort(depth: u8, kind: u8, controller: Address) -> Effect {
    Effect::Open {
        depth,
        kind,
        controller,
    }
}

pub(crate) fn open_leaf(header: u8, kind: u8, controller: Address) -> Effect {
    Effect::OpenLeaf {
        header,
        kind,
        controller,
    }
}

pub(crate) fn set_controller(fragment: u8, kind: u8, controller: Address) -> Effect {
    Effect::SetController {
        fragment,
        kind,
        controller,
    }
}

pub(crate) fn set_lease(fragment: u8, holder: Address, last_block: u64) -> Effect {
    Effect::SetLease {
        fragment,
        holder,
        last_block,
    }
}

/// Return type of a twin.
pub(crate) type Returned = Result<Vec<u8>, RuleFailure>;
