//! Assignment of claims (section 9): the offer that a recipient signs, EIP-712, and what the bridge keeps.

use alloy_primitives::{Address, B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::Domain;

const ASSIGNMENT_TYPE: &str = "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,\
                               address token,uint256 price,uint256 deadline)";

/// What the present recipient of a claim offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Keccak of the batch's commitment preimage.
    pub commitment: B256,
    /// Position of the withdrawal.
    pub position: u8,
    /// How often the claim was assigned before.
    pub sequence: u128,
    /// The present recipient.
    pub from: Address,
    /// The next one; none: whoever pays.
    pub to: Option<Address>,
    /// In what the price is paid; zero for ether.
    pub token: Address,
    /// The price.
    pub price: U256,
    /// Last L1 block at which the offer holds.
    pub deadline: U256,
}

impl Assignment {
    /// `hashStruct` of the offer.
    pub fn struct_hash(&self) -> B256 {
        let words = [
            keccak256(ASSIGNMENT_TYPE),
            self.commitment,
            U256::from(self.position).into(),
            U256::from(self.sequence).into(),
            self.from.into_word(),
            self.to.unwrap_or_default().into_word(),
            self.token.into_word(),
            self.price.into(),
            self.deadline.into(),
        ];
        keccak256(words.concat())
    }

    /// The hash that is signed: `keccak(0x1901 ‖ domain separator ‖ hashStruct)`.
    pub fn signing_hash(&self, domain: &Domain) -> B256 {
        let (separator, message) = (domain.separator(), self.struct_hash());
        keccak256([&[0x19, 0x01], separator.as_slice(), message.as_slice()].concat())
    }
}

/// The storage word of an assigned claim: `number of assignments so far (12 bytes) ‖ present recipient (20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedClaim {
    /// How often it was assigned, which is the sequence of the next offer.
    pub assignments: u128,
    /// The present recipient.
    pub recipient: Address,
}

impl AssignedClaim {
    /// The storage word.
    pub fn pack(&self) -> B256 {
        let mut word = self.recipient.into_word();
        // Ninety-six bits of assignments cannot be made.
        word[..12].copy_from_slice(&self.assignments.to_be_bytes()[4..]);
        word
    }

    /// From the storage word. The zero word is none: the claim was never assigned.
    pub fn unpack(word: B256) -> Option<Self> {
        let mut assignments = [0; 16];
        assignments[4..].copy_from_slice(&word[..12]);
        (!word.is_zero()).then(|| Self {
            assignments: u128::from_be_bytes(assignments),
            recipient: Address::from_word(word),
        })
    }
}
