//! Applying a call's effects (section 6.3).

use alloy_primitives::Address;
use nthroot_protocol::{
    AssetId, Effect, Fragment, Key, Kind, Lease, Withdrawal,
    limits::{MAX_ASSETS, MAX_DATA, MAX_DEPTH, MAX_LEASE, MAX_STEP_WITHDRAWALS},
};

use crate::{
    call::{Participant, Progress},
    invalid::EffectFault,
};

/// What the effects of one call act on.
pub(crate) struct Frame<'a> {
    /// The call's rule.
    pub(crate) rule: Address,
    /// Whether that is the Account rule.
    pub(crate) is_account: bool,
    /// The batch's clock.
    pub(crate) clock: u64,
    /// The listed fragments, then those that the call has opened so far.
    pub(crate) participants: Vec<Participant>,
    /// The step as far as it has come. The states of its fragments are those before the call.
    pub(crate) step: &'a mut Progress,
}

impl Frame<'_> {
    /// Applies one effect.
    pub(crate) fn apply(&mut self, effect: Effect) -> Result<(), EffectFault> {
        match effect {
            Effect::Move {
                from,
                to,
                asset,
                amount,
            } => {
                if from == to {
                    return Err(EffectFault::SelfMove { position: from });
                }
                self.debit(from, asset, amount)?;
                self.credit(to, asset, amount)
            }
            Effect::Mint { to, tag, amount } => self.credit(to, AssetId::issued(self.rule, tag), amount),
            Effect::Burn { from, tag, amount } => self.debit(from, AssetId::issued(self.rule, tag), amount),
            Effect::Write { fragment, data } => {
                let written = self.with_authority(fragment)?;
                if data.len() > MAX_DATA {
                    return Err(EffectFault::DataLength { length: data.len() });
                }
                written.state.data = data;
                Ok(())
            }
            Effect::Open {
                depth,
                kind,
                controller,
            } => self.open(depth, kind, controller),
            Effect::Withdraw {
                from,
                recipient,
                token,
                amount,
            } => {
                if recipient.is_zero() {
                    return Err(EffectFault::ZeroRecipient);
                }
                self.debit(from, AssetId::token(token), amount)?;
                let withdrawals = &mut self.step.withdrawals;
                if withdrawals.len() >= MAX_STEP_WITHDRAWALS {
                    return Err(EffectFault::TooManyWithdrawals);
                }
                withdrawals.push(Withdrawal {
                    recipient,
                    token,
                    amount,
                });
                Ok(())
            }
            Effect::SetController {
                fragment,
                kind,
                controller,
            } => {
                let key = Key::new(kind, controller)?;
                let state = &mut self.settable(fragment)?.state;
                (state.kind, state.controller) = (key.kind(), key.controller());
                Ok(())
            }
            Effect::SetLease {
                fragment,
                holder,
                last_block,
            } => {
                let lease = self.lease(holder, last_block)?;
                let leased = self.settable(fragment)?;
                if leased.leaf != 0 {
                    return Err(EffectFault::NotHeader { position: fragment });
                }
                leased.state.lease = lease;
                Ok(())
            }
            Effect::OpenLeaf {
                header,
                kind,
                controller,
            } => self.open_leaf(header, kind, controller),
            // Those in front were taken before the signatures were judged.
            Effect::Meaning { authorisation, .. } => Err(EffectFault::MeaningTooLate { authorisation }),
        }
    }

    fn participant(&mut self, position: u8) -> Result<&mut Participant, EffectFault> {
        let positions = self.participants.len();
        self.participants
            .get_mut(usize::from(position))
            .ok_or(EffectFault::Position { position, positions })
    }

    fn with_authority(&mut self, position: u8) -> Result<&mut Participant, EffectFault> {
        let participant = self.participant(position)?;
        if participant.authority {
            Ok(participant)
        } else {
            Err(EffectFault::NoAuthority { position })
        }
    }

    fn debit(&mut self, position: u8, asset: AssetId, amount: u128) -> Result<(), EffectFault> {
        let Participant { state, outflows, .. } = self.with_authority(position)?;
        if amount == 0 {
            return Err(EffectFault::ZeroAmount);
        }
        let balance = state.balance(asset);
        let Some(rest) = balance.checked_sub(amount) else {
            return Err(EffectFault::Balance {
                position,
                asset,
                balance,
                amount,
            });
        };
        if let Some(outflows) = outflows {
            // The sum of all debits stays within what was signed if each stays within what the earlier ones left of it.
            let left = outflows.get(&asset).copied().unwrap_or(0);
            let Some(after) = left.checked_sub(amount) else {
                return Err(EffectFault::Outflow {
                    position,
                    asset,
                    left,
                    amount,
                });
            };
            outflows.insert(asset, after);
        }
        if rest == 0 {
            state.assets.remove(&asset);
        } else {
            state.assets.insert(asset, rest);
        }
        Ok(())
    }

    fn credit(&mut self, position: u8, asset: AssetId, amount: u128) -> Result<(), EffectFault> {
        let Participant { state, credited, .. } = self.participant(position)?;
        if amount == 0 {
            return Err(EffectFault::ZeroAmount);
        }
        let balance = state.balance(asset);
        if *credited && balance == 0 {
            return Err(EffectFault::NewAsset { position, asset });
        }
        let Some(sum) = balance.checked_add(amount) else {
            return Err(EffectFault::Overflow {
                position,
                asset,
                balance,
                amount,
            });
        };
        state.assets.insert(asset, sum);
        if state.assets.len() > MAX_ASSETS {
            return Err(EffectFault::TooManyAssets { position, asset });
        }
        Ok(())
    }

    /// A fragment whose controller and lease the call may set.
    fn settable(&mut self, position: u8) -> Result<&mut Participant, EffectFault> {
        let is_account = self.is_account;
        let participant = self.with_authority(position)?;
        if is_account || participant.state.kind == Kind::Rule {
            Ok(participant)
        } else {
            Err(EffectFault::KeysOwn { position })
        }
    }

    /// The lease that two operands mean, or none if both are zero.
    fn lease(&self, holder: Address, last_block: u64) -> Result<Option<Lease>, EffectFault> {
        match (holder.is_zero(), last_block == 0) {
            (true, true) => return Ok(None),
            (false, false) => {}
            _ => return Err(EffectFault::HalfLease { holder, last_block }),
        }
        let most = self.clock.saturating_add(MAX_LEASE);
        if last_block > most {
            return Err(EffectFault::LeaseTooLong { last_block, most });
        }
        Ok(Some(Lease { holder, last_block }))
    }

    /// Opens the step's next opened touch.
    fn open(&mut self, depth: u8, kind: u8, controller: Address) -> Result<(), EffectFault> {
        let kind = self.opened_kind(kind, controller)?;
        if depth > MAX_DEPTH {
            return Err(EffectFault::Depth(depth));
        }
        let number = self.step.to_open.pop_front().ok_or(EffectFault::NothingToOpen)?;
        self.step.depths.push(depth);
        self.join(number, kind, controller);
        Ok(())
    }

    /// Opens the step's next leaf that does not exist.
    fn open_leaf(&mut self, header: u8, kind: u8, controller: Address) -> Result<(), EffectFault> {
        let kind = self.opened_kind(kind, controller)?;
        let Participant { leaf, touch, .. } = *self.with_authority(header)?;
        if leaf != 0 {
            return Err(EffectFault::NotHeader { position: header });
        }
        let number = self.step.leaves_to_open.pop_front().ok_or(EffectFault::NoLeafToOpen)?;
        if self.step.fragments[number].touch != touch {
            return Err(EffectFault::OtherAnchor { position: header });
        }
        self.join(number, kind, controller);
        Ok(())
    }

    /// The kind of what may be opened: a key's, or this rule's own.
    fn opened_kind(&self, kind: u8, controller: Address) -> Result<Kind, EffectFault> {
        if kind != Kind::Rule.to_u8() {
            return Ok(Key::new(kind, controller)?.kind());
        }
        if controller != self.rule {
            let rule = self.rule;
            return Err(EffectFault::OpenUnderOtherRule { controller, rule });
        }
        Ok(Kind::Rule)
    }

    /// A fragment that was just opened. The call has authority over it if its own rule controls it.
    fn join(&mut self, number: usize, kind: Kind, controller: Address) {
        let opened = &self.step.fragments[number];
        self.participants.push(Participant {
            number,
            touch: opened.touch,
            leaf: opened.leaf,
            id: opened.id,
            state: Fragment::new(kind, controller),
            authority: kind == Kind::Rule,
            credited: false,
            outflows: None,
        });
    }
}
