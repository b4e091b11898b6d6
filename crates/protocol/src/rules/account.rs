//! The language of the Account rule's payloads (section 6.4).

use alloy_primitives::Address;

use crate::{
    AssetId, FragmentId, Truncated,
    codec::{Reader, count_u8},
};

/// One operation on the signer's own fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountOp {
    /// Pays a listed fragment.
    Pay {
        /// The fragment's id.
        to: FragmentId,
        /// The asset.
        asset: AssetId,
        /// The amount.
        amount: u128,
    },
    /// Opens an anchor and pays into its leaf 0.
    Open {
        /// Depth of its cohort.
        depth: u8,
        /// Kind of its controller.
        kind: u8,
        /// Its controller.
        controller: Address,
        /// What is paid into it.
        assets: Vec<(AssetId, u128)>,
    },
    /// Withdraws to L1.
    Withdraw {
        /// Who is paid on L1.
        recipient: Address,
        /// In which token; zero is ether.
        token: Address,
        /// The amount.
        amount: u128,
    },
    /// Gives the fragment to another key.
    SetController {
        /// Kind of the key.
        kind: u8,
        /// The key.
        controller: Address,
    },
    /// Leases the anchor, of which the fragment is leaf 0, or ends its lease.
    SetLease {
        /// Who alone may touch it; zero for nobody in particular.
        holder: Address,
        /// The last block at which the lease runs; zero if there is no holder.
        last_block: u64,
    },
    /// Opens a leaf of the cohort, of which the fragment is the header, and pays into it.
    OpenLeaf {
        /// Kind of its controller.
        kind: u8,
        /// Its controller.
        controller: Address,
        /// What is paid into it.
        assets: Vec<(AssetId, u128)>,
    },
}

/// Why bytes are not a payload of the Account rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountOpError {
    /// The payload ends inside an operation.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Unknown code.
    #[error("account operation code {0} is unknown")]
    Code(u8),
}

impl AccountOp {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pay { to, asset, amount } => {
                out.push(1);
                out.extend(to.to_bytes());
                out.extend(asset.0);
                out.extend(amount.to_be_bytes());
            }
            Self::Open {
                depth,
                kind,
                controller,
                assets,
            } => {
                out.extend([2, *depth, *kind]);
                out.extend(controller);
                write_assets(assets, out);
            }
            Self::Withdraw {
                recipient,
                token,
                amount,
            } => {
                out.push(3);
                out.extend(recipient);
                out.extend(token);
                out.extend(amount.to_be_bytes());
            }
            Self::SetController { kind, controller } => {
                out.extend([4, *kind]);
                out.extend(controller);
            }
            Self::SetLease { holder, last_block } => {
                out.push(5);
                out.extend(holder);
                out.extend(last_block.to_be_bytes());
            }
            Self::OpenLeaf {
                kind,
                controller,
                assets,
            } => {
                out.extend([6, *kind]);
                out.extend(controller);
                write_assets(assets, out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, AccountOpError> {
        Ok(match reader.u8("operation")? {
            1 => Self::Pay {
                to: reader.fragment("to")?,
                asset: reader.asset("asset")?,
                amount: reader.amount("amount")?,
            },
            2 => Self::Open {
                depth: reader.u8("depth")?,
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
                assets: read_assets(reader)?,
            },
            3 => Self::Withdraw {
                recipient: reader.address("recipient")?,
                token: reader.token("token")?,
                amount: reader.amount("amount")?,
            },
            4 => Self::SetController {
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
            },
            5 => Self::SetLease {
                holder: reader.address("holder")?,
                last_block: reader.u64("last block")?,
            },
            6 => Self::OpenLeaf {
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
                assets: read_assets(reader)?,
            },
            code => return Err(AccountOpError::Code(code)),
        })
    }

    /// The payload that holds these operations. The empty payload merely consents.
    pub fn encode_payload(ops: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        for op in ops {
            op.write(&mut out);
        }
        out
    }

    /// The operations in a payload.
    ///
    /// # Errors
    ///
    /// If the payload is anything but whole operations.
    pub fn decode_payload(bytes: &[u8]) -> Result<Vec<Self>, AccountOpError> {
        Self::read_list(&mut Reader::new(bytes))
    }

    pub(crate) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Self>, AccountOpError> {
        let mut ops = Vec::new();
        while reader.remaining() > 0 {
            ops.push(reader.numbered("operation", ops.len(), Self::read)?);
        }
        Ok(ops)
    }
}

fn write_assets(assets: &[(AssetId, u128)], out: &mut Vec<u8>) {
    out.push(count_u8(assets.len()));
    for (asset, amount) in assets {
        out.extend(asset.0);
        out.extend(amount.to_be_bytes());
    }
}

fn read_assets(reader: &mut Reader<'_>) -> Result<Vec<(AssetId, u128)>, Truncated> {
    let count = reader.u8("assets")?;
    (0..count)
        .map(|_| Ok((reader.asset("asset")?, reader.amount("amount")?)))
        .collect()
}
