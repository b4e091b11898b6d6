//! The message that a key signs (section 5.1), EIP-712.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_primitives::{Address, B256, keccak256};

use crate::{FragmentId, Outflow};

const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// What stands behind the intent in every signed struct.
const KERNEL_MEMBERS: &str = "address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows";
const OUTFLOW_TYPE: &str = "Outflow(bytes32 asset,uint128 amount)";

/// `(hash of DOMAIN_TYPE, of the name, of the version)`.
static DOMAIN_HASHES: LazyLock<[B256; 3]> = LazyLock::new(|| [DOMAIN_TYPE, "nthroot", "1"].map(keccak256));
static OUTFLOW_TYPE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(OUTFLOW_TYPE));
/// Type hash of the signed struct for a payload that is its own intent.
static OPAQUE_TYPE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(authorisation_type("bytes", BTreeMap::new())));

/// Concatenates the words of an EIP-712 encoding.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn word(mut self, word: B256) -> Self {
        self.0.extend(word);
        self
    }

    fn number(mut self, bytes: &[u8]) -> Self {
        self.0.extend(std::iter::repeat_n(0, 32 - bytes.len().min(32)));
        self.0.extend(bytes);
        self
    }

    fn hash(self) -> B256 {
        keccak256(self.0)
    }
}

/// The signing domain: name `nthroot`, version `1`, and these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// The chain id that the batch carries.
    pub chain_id: u64,
    /// The bridge.
    pub bridge: Address,
}

impl Domain {
    /// The domain separator.
    pub fn separator(&self) -> B256 {
        let [domain, name, version] = *DOMAIN_HASHES;
        Words::default()
            .word(domain)
            .word(name)
            .word(version)
            .number(&self.chain_id.to_be_bytes())
            .number(self.bridge.as_slice())
            .hash()
    }
}

/// What a payload means, in the words of EIP-712: all that a rule can say about what its users sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meaning {
    /// Type hash of the signed struct.
    pub type_hash: B256,
    /// Its second word: `hashStruct` of the intent, or the hash of a payload that means nothing beyond its bytes.
    pub struct_hash: B256,
}

impl Meaning {
    /// That of a payload of which the rule says nothing: the intent is its bytes.
    pub fn opaque(payload: &[u8]) -> Self {
        Self {
            type_hash: *OPAQUE_TYPE_HASH,
            struct_hash: keccak256(payload),
        }
    }

    /// That of a payload for which a rule has a struct. `type_string` is the struct's `encodeType`: its own type first, then
    /// those that it refers to. If `Outflow` is among them it is the kernel's. `struct_hash` is the struct's `hashStruct`.
    pub fn of(type_string: &str, struct_hash: B256) -> Self {
        // No member's type has parentheses, so each type ends with the next one.
        let types = type_string.split_inclusive(')');
        let types: BTreeMap<&str, &str> = types.map(|definition| (name_of(definition), definition)).collect();
        Self {
            type_hash: keccak256(authorisation_type(name_of(type_string), types)),
            struct_hash,
        }
    }
}

/// `encodeType` of the signed struct with an intent of this type: first its own, then those that it refers to by name.
fn authorisation_type(intent: &str, mut types: BTreeMap<&str, &str>) -> String {
    types.insert(name_of(OUTFLOW_TYPE), OUTFLOW_TYPE);
    let referred: String = types.into_values().collect();
    format!("Authorisation({intent} intent,{KERNEL_MEMBERS}){referred}")
}

/// The name of the first type in an `encodeType`.
fn name_of(type_string: &str) -> &str {
    type_string.split('(').next().unwrap_or_default()
}

/// What a fragment's key consents to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// What the payload means.
    pub meaning: Meaning,
    /// The rule of the call.
    pub rule: Address,
    /// The fragment that consents.
    pub fragment: FragmentId,
    /// Its nonce when the call starts.
    pub nonce: u64,
    /// Last L1 block at which the consent holds.
    pub valid_until: u64,
    /// Largest outflows.
    pub outflows: Vec<Outflow>,
}

impl SignedMessage {
    /// `hashStruct` of the message.
    pub fn struct_hash(&self) -> B256 {
        let outflow_type = *OUTFLOW_TYPE_HASH;
        let outflows = self.outflows.iter().fold(Words::default(), |words, outflow| {
            let hash = Words::default()
                .word(outflow_type)
                .word(outflow.asset.0)
                .number(&outflow.amount.to_be_bytes())
                .hash();
            words.word(hash)
        });
        Words::default()
            .word(self.meaning.type_hash)
            .word(self.meaning.struct_hash)
            .number(self.rule.as_slice())
            .number(&self.fragment.to_bytes())
            .number(&self.nonce.to_be_bytes())
            .number(&self.valid_until.to_be_bytes())
            .word(outflows.hash())
            .hash()
    }

    /// The digest, which is signed: `keccak(0x1901 ‖ domain separator ‖ hashStruct)`.
    pub fn signing_hash(&self, domain: &Domain) -> B256 {
        keccak256(
            [
                &[0x19, 0x01],
                domain.separator().as_slice(),
                self.struct_hash().as_slice(),
            ]
            .concat(),
        )
    }
}
