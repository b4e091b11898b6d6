//! JSON schemas of what other crates define.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Text of a certain form.
macro_rules! text {
    ($(#[doc = $help:literal] $name:ident = $pattern:literal;)*) => {$(
        #[doc = $help]
        #[derive(Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $help.trim() })
            }
        }
    )*};
}

text! {
    /// An L1 address: 20 bytes in hexadecimal.
    Address = "^0x[0-9a-fA-F]{40}$";
    /// 32 bytes in hexadecimal.
    Hash = "^0x[0-9a-fA-F]{64}$";
    /// Bytes in hexadecimal.
    Data = "^0x([0-9a-fA-F]{2})*$";
    /// An amount in the units of its asset, decimal.
    Amount = "^[0-9]{1,39}$";
    /// A batch or a deposit: `block.sequence`, the block counted from the deployment.
    BatchId = "^[0-9]+\\.[0-9]+$";
    /// An anchor: `block.sequence/index`.
    AnchorId = "^[0-9]+\\.[0-9]+/[0-9]+$";
    /// A fragment: `block.sequence/index#leaf`.
    FragmentId = "^[0-9]+\\.[0-9]+/[0-9]+#[0-9]+$";
    /// The root of an anchor: 27 bytes in hexadecimal.
    Root = "^0x[0-9a-fA-F]{54}$";
    /// An asset: the address of an L1 token after 12 zero bytes (all zero: ether), or 32 bytes that a rule issues.
    AssetId = "^0x[0-9a-fA-F]{64}$";
    /// A secp256k1 signature of 64 bytes (EIP-2098) in hexadecimal.
    CompactSignature = "^0x[0-9a-fA-F]{128}$";
}

/// What controls a fragment.
#[derive(Debug, JsonSchema)]
pub enum Kind {
    /// A secp256k1 key; the controller is its address.
    Secp256k1,
    /// A P-256 key; the controller is the last 20 bytes of its hash.
    P256,
    /// A rule; the controller is its address.
    Rule,
}

/// Who can control a fragment by signing.
#[derive(Debug, JsonSchema)]
pub enum Key {
    /// By secp256k1.
    Secp256k1(Address),
    /// By P-256, also as a passkey.
    P256(Address),
}

/// What an anchor's storage slot holds.
#[derive(Debug, JsonSchema)]
pub struct Head {
    /// Root of the anchor's state.
    pub root: Root,
    /// The batch or deposit that wrote it.
    pub id: BatchId,
}

/// Where the rules are that come with the bridge.
#[derive(Debug, JsonSchema)]
pub struct RuleBook {
    /// The enshrined rule.
    pub account: Address,
    /// The Swap rule.
    pub swap: Address,
    /// The Pool rule.
    pub pool: Address,
    /// The Credit rule.
    pub credit: Address,
}

/// A signed intent.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIntent {
    /// The rule.
    pub rule: Address,
    /// What the rule is told.
    pub payload: Data,
    /// The fragment that consents.
    pub fragment: FragmentId,
    /// Its nonce when the call starts.
    pub nonce: u64,
    /// Last L1 block at which it consents.
    pub valid_until: u64,
    /// The most that it lets go, by strictly increasing asset.
    pub outflows: Vec<Limit>,
    /// By the fragment's key.
    pub signature: Signature,
}

/// A largest outflow.
#[derive(Debug, JsonSchema)]
pub struct Limit {
    /// The asset.
    pub asset: AssetId,
    /// The amount.
    pub amount: Amount,
}

/// The signature of a fragment's key.
#[derive(Debug, JsonSchema)]
pub enum Signature {
    /// By secp256k1.
    Secp256k1(CompactSignature),
    /// By P-256.
    P256(P256Signature),
    /// By P-256, over an assertion as a browser's authenticator makes it.
    WebAuthn(P256Signature, Assertion),
}

/// A P-256 signature with the key that made it.
#[derive(Debug, JsonSchema)]
pub struct P256Signature {
    /// r.
    pub r: Hash,
    /// s, at most half the group order.
    pub s: Hash,
    /// The x coordinate of the key.
    pub x: Hash,
    /// Its y coordinate.
    pub y: Hash,
}

/// What a browser's authenticator signs, but for the digest that was asked for.
#[derive(Debug, JsonSchema)]
pub struct Assertion {
    /// The authenticator data.
    pub authenticator_data: Data,
    /// What follows the challenge's value and its closing quotation mark in the client data.
    pub client_data_rest: Data,
}
