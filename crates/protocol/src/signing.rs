//! The message that a key signs (section 5.1), EIP-712.

use alloy_primitives::{Address, B256, Bytes, keccak256};

use crate::{FragmentId, Outflow};

const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const AUTHORISATION_TYPE: &str = "Authorisation(address rule,bytes payload,uint80 fragment,uint64 nonce,uint64 validUntil,\
                                  Outflow[] outflows)Outflow(bytes32 asset,uint128 amount)";
const OUTFLOW_TYPE: &str = "Outflow(bytes32 asset,uint128 amount)";

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
        Words::default()
            .word(keccak256(DOMAIN_TYPE))
            .word(keccak256("nthroot"))
            .word(keccak256("1"))
            .number(&self.chain_id.to_be_bytes())
            .number(self.bridge.as_slice())
            .hash()
    }
}

/// What a fragment's key consents to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// The rule of the call.
    pub rule: Address,
    /// The payload for that rule.
    pub payload: Bytes,
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
        let outflow_type = keccak256(OUTFLOW_TYPE);
        let outflows = self.outflows.iter().fold(Words::default(), |words, outflow| {
            let hash = Words::default()
                .word(outflow_type)
                .word(outflow.asset.0)
                .number(&outflow.amount.to_be_bytes())
                .hash();
            words.word(hash)
        });
        Words::default()
            .word(keccak256(AUTHORISATION_TYPE))
            .number(self.rule.as_slice())
            .word(keccak256(&self.payload))
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
