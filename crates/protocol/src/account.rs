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
    /// Opens a fragment and pays into it.
    Open {
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
                kind,
                controller,
                assets,
            } => {
                out.extend([2, *kind]);
                out.extend(controller);
                out.push(count_u8(assets.len()));
                for (asset, amount) in assets {
                    out.extend(asset.0);
                    out.extend(amount.to_be_bytes());
                }
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
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, AccountOpError> {
        Ok(match reader.u8()? {
            1 => Self::Pay {
                to: FragmentId::from_bytes(reader.array()?),
                asset: AssetId(reader.b256()?),
                amount: reader.u128()?,
            },
            2 => {
                let kind = reader.u8()?;
                let controller = reader.address()?;
                let count = reader.u8()?;
                let asset = |_| Ok::<_, Truncated>((AssetId(reader.b256()?), reader.u128()?));
                Self::Open {
                    kind,
                    controller,
                    assets: (0..count).map(asset).collect::<Result<_, _>>()?,
                }
            }
            3 => Self::Withdraw {
                recipient: reader.address()?,
                token: reader.address()?,
                amount: reader.u128()?,
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
        let mut reader = Reader::new(bytes);
        let mut ops = Vec::new();
        while reader.remaining() > 0 {
            ops.push(Self::read(&mut reader)?);
        }
        Ok(ops)
    }
}
