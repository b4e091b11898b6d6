//! Reading what a contract answers when it refuses.

use std::fmt::{self, Display, Formatter};

use alloy::{
    primitives::{Bytes, hex},
    sol_types::SolInterface,
    transports::TransportError,
};
use nthroot_bindings::{bridge::Bridge::BridgeErrors, fraud_verifier::FraudVerifier::FraudVerifierErrors};

/// The data with which a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert(pub Bytes);

impl Revert {
    /// The revert in an answer of the L1 node; none if the node failed in another way.
    pub fn of(error: &TransportError) -> Option<Self> {
        let response = error.as_error_resp()?;
        // Nodes answer 3 for a revert, with its data; some leave out the data when it is empty.
        response
            .as_revert_data()
            .or_else(|| (response.code == 3 || response.message.contains("revert")).then(Bytes::new))
            .map(Self)
    }

    /// The bridge's error, if it is one.
    pub fn bridge_error(&self) -> Option<BridgeErrors> {
        BridgeErrors::abi_decode(&self.0).ok()
    }

    /// Whether the bridge says that a batch is not any more what the caller took it for: somebody else was faster.
    pub fn is_late(&self) -> bool {
        use BridgeErrors::{NotHead, UnknownBatch, WrongStatus};
        matches!(self.bridge_error(), Some(NotHead(_) | UnknownBatch(_) | WrongStatus(_)))
    }

    /// Whether the challenged step is what its proposer said.
    pub fn is_step_is_valid(&self) -> bool {
        matches!(self.bridge_error(), Some(BridgeErrors::StepIsValid(_)))
    }
}

impl Display for Revert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.bridge_error() {
            write!(f, "{error:?}")
        } else if let Ok(error) = FraudVerifierErrors::abi_decode(&self.0) {
            write!(f, "{error:?}")
        } else {
            write!(f, "revert data 0x{}", hex::encode(&self.0))
        }
    }
}
