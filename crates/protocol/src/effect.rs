//! Effects: what a rule returns (section 6.3).

use alloy_primitives::{Address, B256, Bytes};

use crate::{
    AssetId, Meaning, Truncated,
    codec::{Reader, count_u16},
    limits::MAX_EFFECTS,
};

/// One effect. Positions are places in the call's list of fragments, then in what the call has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Moves an amount of an asset between two fragments.
    Move {
        /// Who pays.
        from: u8,
        /// Who receives.
        to: u8,
        /// The asset.
        asset: AssetId,
        /// The amount.
        amount: u128,
    },
    /// Creates an amount of an asset that the rule issues.
    Mint {
        /// Who receives.
        to: u8,
        /// Tag under which the rule issues the asset.
        tag: B256,
        /// The amount.
        amount: u128,
    },
    /// Destroys an amount of an asset that the rule issues.
    Burn {
        /// Whose.
        from: u8,
        /// Tag under which the rule issues the asset.
        tag: B256,
        /// The amount.
        amount: u128,
    },
    /// Replaces a fragment's data.
    Write {
        /// Which fragment.
        fragment: u8,
        /// Its data from now on.
        data: Bytes,
    },
    /// Opens an anchor: the step's next opened touch.
    Open {
        /// Depth of its cohort, not yet judged.
        depth: u8,
        /// Kind of its controller, not yet judged.
        kind: u8,
        /// Its controller.
        controller: Address,
    },
    /// Withdraws an L1 asset.
    Withdraw {
        /// Whose.
        from: u8,
        /// Who is paid on L1.
        recipient: Address,
        /// In which token; zero is ether.
        token: Address,
        /// The amount.
        amount: u128,
    },
    /// Gives a fragment to a key.
    SetController {
        /// Which fragment.
        fragment: u8,
        /// Kind of its new controller, not yet judged.
        kind: u8,
        /// Its new controller.
        controller: Address,
    },
    /// Leases an anchor, or ends its lease.
    SetLease {
        /// Leaf 0 of the anchor.
        fragment: u8,
        /// Who alone may touch it; zero for nobody in particular.
        holder: Address,
        /// The last block at which the lease runs; zero if there is no holder.
        last_block: u64,
    },
    /// Opens a leaf of a cohort: the step's next leaf that does not exist.
    OpenLeaf {
        /// Leaf 0 of the cohort.
        header: u8,
        /// Kind of the new fragment's controller, not yet judged.
        kind: u8,
        /// Its controller.
        controller: Address,
    },
    /// Says what a payload means (section 5.1). Meanings stand before all other effects.
    Meaning {
        /// Number of the authorisation in the call, from 0.
        authorisation: u8,
        /// Type hash of the signed struct.
        type_hash: B256,
        /// `hashStruct` of what it calls the intent.
        struct_hash: B256,
    },
}

/// Why bytes are not a list of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// The list ends inside an effect.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The code is unknown.
    #[error("effect code {0} is unknown")]
    Code(u8),
    /// Too many effects.
    #[error("more than 64 effects")]
    TooMany,
}

impl Effect {
    /// Says what the payload of the call's authorisation with this number means.
    pub const fn meaning(authorisation: u8, meaning: Meaning) -> Self {
        let Meaning { type_hash, struct_hash } = meaning;
        Self::Meaning {
            authorisation,
            type_hash,
            struct_hash,
        }
    }

    /// Appends the encoding to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Move {
                from,
                to,
                asset,
                amount,
            } => {
                out.extend([1, *from, *to]);
                out.extend(asset.0);
                out.extend(amount.to_be_bytes());
            }
            Self::Mint { to, tag, amount } => {
                out.extend([2, *to]);
                out.extend(tag);
                out.extend(amount.to_be_bytes());
            }
            Self::Burn { from, tag, amount } => {
                out.extend([3, *from]);
                out.extend(tag);
                out.extend(amount.to_be_bytes());
            }
            Self::Write { fragment, data } => {
                out.extend([4, *fragment]);
                out.extend(count_u16(data.len()).to_be_bytes());
                out.extend(data);
            }
            Self::Open {
                depth,
                kind,
                controller,
            } => {
                out.extend([5, *depth, *kind]);
                out.extend(controller);
            }
            Self::Withdraw {
                from,
                recipient,
                token,
                amount,
            } => {
                out.extend([6, *from]);
                out.extend(recipient);
                out.extend(token);
                out.extend(amount.to_be_bytes());
            }
            Self::SetController {
                fragment,
                kind,
                controller,
            } => {
                out.extend([7, *fragment, *kind]);
                out.extend(controller);
            }
            Self::SetLease {
                fragment,
                holder,
                last_block,
            } => {
                out.extend([8, *fragment]);
                out.extend(holder);
                out.extend(last_block.to_be_bytes());
            }
            Self::OpenLeaf {
                header,
                kind,
                controller,
            } => {
                out.extend([9, *header, *kind]);
                out.extend(controller);
            }
            Self::Meaning {
                authorisation,
                type_hash,
                struct_hash,
            } => {
                out.extend([10, *authorisation]);
                out.extend(type_hash);
                out.extend(struct_hash);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, EffectError> {
        Ok(match reader.u8("effect")? {
            1 => Self::Move {
                from: reader.u8("from")?,
                to: reader.u8("to")?,
                asset: reader.asset("asset")?,
                amount: reader.amount("amount")?,
            },
            2 => Self::Mint {
                to: reader.u8("to")?,
                tag: reader.b256("tag")?,
                amount: reader.amount("amount")?,
            },
            3 => Self::Burn {
                from: reader.u8("from")?,
                tag: reader.b256("tag")?,
                amount: reader.amount("amount")?,
            },
            4 => {
                let fragment = reader.u8("fragment")?;
                let length = reader.u16("length")?;
                Self::Write {
                    fragment,
                    data: Bytes::copy_from_slice(reader.take("data", length.into())?),
                }
            }
            5 => Self::Open {
                depth: reader.u8("depth")?,
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
            },
            6 => Self::Withdraw {
                from: reader.u8("from")?,
                recipient: reader.address("recipient")?,
                token: reader.token("token")?,
                amount: reader.amount("amount")?,
            },
            7 => Self::SetController {
                fragment: reader.u8("fragment")?,
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
            },
            8 => Self::SetLease {
                fragment: reader.u8("fragment")?,
                holder: reader.address("holder")?,
                last_block: reader.u64("last block")?,
            },
            9 => Self::OpenLeaf {
                header: reader.u8("header")?,
                kind: reader.u8("kind")?,
                controller: reader.address("controller")?,
            },
            10 => Self::Meaning {
                authorisation: reader.u8("authorisation")?,
                type_hash: reader.b256("type hash")?,
                struct_hash: reader.b256("struct hash")?,
            },
            code => return Err(EffectError::Code(code)),
        })
    }

    /// The encoding of a list.
    pub fn encode_list(effects: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        for effect in effects {
            effect.write(&mut out);
        }
        out
    }

    /// The list that `bytes` encode. Whether its effects may be applied is judged by the kernel.
    ///
    /// # Errors
    ///
    /// If the bytes are not at most 64 whole effects.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, EffectError> {
        let mut reader = Reader::new(bytes);
        let mut effects = Vec::new();
        while reader.remaining() > 0 {
            if effects.len() == MAX_EFFECTS {
                return Err(EffectError::TooMany);
            }
            effects.push(Self::read(&mut reader)?);
        }
        Ok(effects)
    }
}
