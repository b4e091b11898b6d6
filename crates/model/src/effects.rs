//! Applying a call's effects (section 6.3).

use std::collections::VecDeque;

use alloy_primitives::Address;
use nthroot_protocol::{
    AssetId, Effect, Fragment, Kind, Withdrawal,
    limits::{MAX_ASSETS, MAX_DATA, MAX_STEP_WITHDRAWALS},
};

use crate::{call::Participant, invalid::EffectFault};

/// What the effects of one call act on.
pub(crate) struct Frame<'a> {
    /// The call's rule.
    pub(crate) rule: Address,
    /// The listed fragments, then those that the call has opened so far.
    pub(crate) participants: Vec<Participant>,
    /// Numbers of the step's touches still to be opened.
    pub(crate) to_open: &'a mut VecDeque<usize>,
    /// The step's withdrawals so far.
    pub(crate) withdrawals: &'a mut Vec<Withdrawal>,
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
            Effect::Open { kind, controller } => self.open(kind, controller),
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
                if self.withdrawals.len() >= MAX_STEP_WITHDRAWALS {
                    return Err(EffectFault::TooManyWithdrawals);
                }
                self.withdrawals.push(Withdrawal {
                    recipient,
                    token,
                    amount,
                });
                Ok(())
            }
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
        let Participant { state, .. } = self.participant(position)?;
        if amount == 0 {
            return Err(EffectFault::ZeroAmount);
        }
        let balance = state.balance(asset);
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

    /// Opens the step's next opened touch. The call has authority over it if its own rule controls it.
    fn open(&mut self, kind: u8, controller: Address) -> Result<(), EffectFault> {
        let kind = Kind::from_u8(kind).ok_or(EffectFault::OpenKind(kind))?;
        match kind {
            Kind::Key if controller.is_zero() => return Err(EffectFault::ZeroController),
            Kind::Rule if controller != self.rule => {
                return Err(EffectFault::OpenUnderOtherRule {
                    controller,
                    rule: self.rule,
                });
            }
            Kind::Key | Kind::Rule => {}
        }
        let number = self.to_open.pop_front().ok_or(EffectFault::NothingToOpen)?;
        self.participants.push(Participant {
            number,
            id: None,
            state: Fragment::new(kind, controller),
            authority: kind == Kind::Rule,
            outflows: None,
        });
        Ok(())
    }
}
