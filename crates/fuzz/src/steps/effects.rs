//! What calls do: operations of the Account rule, and effects as a puppet returns them.

use alloy::primitives::Address;
use nthroot_protocol::{AccountOp, AssetId, Effect, Kind, Meaning, limits::MAX_LEASE};

use super::{
    calls::{Cast, Draft, Slot},
    choices::Choices,
    lies::flip,
    meanings,
    scene::{CLOCK, PROPOSER, TAG, TOKEN},
    users,
};

fn amount(c: &mut Choices<'_>) -> u128 {
    if c.mistake(6) {
        c.pick(&[0, 999, 1_000, 1_001, u128::MAX, 5, 7])
    } else {
        c.pick(&[1, 2, 3])
    }
}

/// Who pays, and who else may be paid.
fn recipient(c: &mut Choices<'_>) -> Address {
    if c.mistake(8) { Address::ZERO } else { users::account(c) }
}

/// A key, or what is none.
fn key(c: &mut Choices<'_>) -> (u8, Address) {
    let key = users::key(c);
    let kind = if c.mistake(8) {
        c.pick(&[0, 2, 3, 4])
    } else {
        key.kind().to_u8()
    };
    let controller = if c.mistake(8) { Address::ZERO } else { key.controller() };
    (kind, controller)
}

fn depth(c: &mut Choices<'_>) -> u8 {
    if c.mistake(8) {
        return c.pick(&[25, 255]);
    }
    u8::try_from(c.below(25)).expect("at most 24")
}

fn lease(c: &mut Choices<'_>) -> (Address, u64) {
    if c.mistake(2) {
        return c.pick(&[(PROPOSER, 0), (Address::ZERO, 9), (TOKEN, CLOCK + MAX_LEASE + 1)]);
    }
    c.pick(&[
        (PROPOSER, CLOCK + MAX_LEASE),
        (Address::ZERO, 0),
        (TOKEN, CLOCK),
        (TOKEN, 1),
    ])
}

impl Draft<'_> {
    /// An asset, mostly one that most fragments hold.
    fn asset(&self, c: &mut Choices<'_>) -> AssetId {
        let assets = self.scene.assets();
        if c.mistake(4) {
            c.pick(&assets)
        } else {
            c.pick(&assets[..2])
        }
    }

    fn endowment(&self, c: &mut Choices<'_>) -> Vec<(AssetId, u128)> {
        (0..c.below(3)).map(|_| (self.asset(c), amount(c))).collect()
    }

    /// Operations of the Account rule by the signer at `position`, and the payload that says them, perhaps badly.
    pub(crate) fn operations(
        &mut self,
        c: &mut Choices<'_>,
        cast: &mut Cast,
        position: usize,
        is_first: bool,
    ) -> (Vec<u8>, Vec<AccountOp>) {
        let mut ops = Vec::new();
        for _ in 0..c.pick(&[0, 1, 1, 1, 2]) {
            let to = self.slots.get(cast.parties[c.below(cast.listed)]);
            ops.push(match c.below(8) {
                0..=3 => AccountOp::Pay {
                    to: to.map(|slot| slot.id).unwrap_or_default(),
                    asset: self.asset(c),
                    amount: amount(c),
                },
                4 => AccountOp::Withdraw {
                    recipient: recipient(c),
                    token: c.pick(&[Address::ZERO, TOKEN]),
                    amount: amount(c),
                },
                5 => {
                    let (kind, controller) = key(c);
                    AccountOp::SetController { kind, controller }
                }
                6 => {
                    let (holder, last_block) = lease(c);
                    AccountOp::SetLease { holder, last_block }
                }
                _ if c.mistake(4) => AccountOp::OpenLeaf {
                    kind: 1,
                    controller: users::account(c),
                    assets: Vec::new(),
                },
                _ => AccountOp::Pay {
                    to: to.map(|slot| slot.id).unwrap_or_default(),
                    asset: AssetId::ETH,
                    amount: 1,
                },
            });
        }
        // What cannot be: paying oneself, a zero id, a lease of a leaf.
        let own = self
            .slots
            .get(cast.parties[position])
            .map_or((Default::default(), 0), |slot| (slot.id, slot.leaf));
        let sober = !c.mistake(4);
        ops.retain(|op| match op {
            AccountOp::Pay { to, .. } => !sober || *to != own.0 && *to != Default::default(),
            AccountOp::SetLease { .. } => !sober || own.1 == 0,
            _ => true,
        });

        if is_first {
            while !self.to_open.is_empty() && !c.mistake(8) {
                let (kind, controller) = key(c);
                ops.push(AccountOp::Open {
                    depth: depth(c),
                    kind,
                    controller,
                    assets: self.endowment(c),
                });
                self.open(cast, false, kind, controller);
            }
            for credited in self.unsigned(cast) {
                let Some(Slot { id, assets, .. }) = self.slots.get(cast.parties[usize::from(credited)]) else {
                    continue;
                };
                if !assets.is_empty() && !c.mistake(8) {
                    let held = c.pick(&assets[..assets.len().min(2)]);
                    ops.push(AccountOp::Pay {
                        to: *id,
                        asset: if c.mistake(4) { self.asset(c) } else { held },
                        amount: amount(c),
                    });
                }
            }
        }
        while self.opens_under(cast, position) && !c.mistake(8) {
            let (kind, controller) = key(c);
            ops.push(AccountOp::OpenLeaf {
                kind,
                controller,
                assets: self.endowment(c),
            });
            self.open(cast, true, kind, controller);
        }
        let mut payload = AccountOp::encode_payload(&ops);
        if c.mistake(24) {
            flip(c, &mut payload);
        }
        if c.mistake(32) {
            payload.truncate(c.below(64));
        }
        (payload, ops)
    }

    /// Whether the next leaf to be opened is of the anchor whose header stands at `position`.
    fn opens_under(&self, cast: &Cast, position: usize) -> bool {
        let header = cast.parties.get(position).and_then(|slot| self.slots.get(*slot));
        let next = self.leaves_to_open.front().map(|slot| &self.slots[*slot]);
        header
            .zip(next)
            .is_some_and(|(header, next)| header.leaf == 0 && header.touch == next.touch)
    }

    /// Effects, as the puppet returns them.
    pub(crate) fn effects(&mut self, c: &mut Choices<'_>, cast: &mut Cast, said: &[Option<Meaning>]) -> Vec<u8> {
        let mut effects = meanings::effects(c, said);
        self.opens(c, cast, &mut effects);
        let count = if c.mistake(16) {
            c.pick(&[0, 63, 64, 65])
        } else {
            c.below(4)
        };
        for _ in 0..count {
            let effect = self.effect(c, cast);
            if let Effect::SetController {
                fragment,
                kind,
                controller,
            } = &effect
                && let Some(slot) = cast.parties.get(usize::from(*fragment))
            {
                self.set_controller(*slot, *kind, *controller);
            }
            effects.push(effect);
        }
        // Who has not signed is changed.
        let authority = self.with_authority(cast);
        for position in self.unsigned(cast) {
            if c.mistake(12) {
                continue;
            }
            if authority.contains(&position) {
                let data = vec![c.byte(), self.calls, 0xda].into();
                effects.push(Effect::Write {
                    fragment: position,
                    data,
                });
            } else {
                effects.push(Effect::Mint {
                    to: position,
                    tag: TAG,
                    amount: amount(c),
                });
            }
        }
        if c.mistake(16) {
            // More than a step can have.
            let withdrawal = Effect::Withdraw {
                from: authority.first().copied().unwrap_or_default(),
                recipient: users::account(c),
                token: Address::ZERO,
                amount: 1,
            };
            effects.extend(vec![withdrawal; 16]);
        }
        if c.mistake(12) {
            meanings::late(c, said, &mut effects);
        }
        let mut bytes = Effect::encode_list(&effects);
        if c.mistake(16) {
            flip(c, &mut bytes);
        }
        if c.mistake(24) {
            bytes.push(c.pick(&[0, 10, 11, 255]));
        }
        if c.mistake(24) {
            bytes.truncate(c.below(128));
        }
        bytes
    }

    /// Opens what is still to be opened, as far as headers allow it.
    fn opens(&mut self, c: &mut Choices<'_>, cast: &mut Cast, effects: &mut Vec<Effect>) {
        let own = (Kind::Rule.to_u8(), cast.address);
        let controller = |c: &mut Choices<'_>| {
            if c.mistake(8) {
                (3, TOKEN)
            } else if c.once_in(3) {
                own
            } else {
                key(c)
            }
        };
        while !self.to_open.is_empty() && !c.mistake(8) {
            let (kind, controller) = controller(c);
            effects.push(Effect::Open {
                depth: depth(c),
                kind,
                controller,
            });
            self.open(cast, false, kind, controller);
        }
        let headers = self.with_authority(cast);
        while let Some(header) = headers
            .iter()
            .find(|position| self.opens_under(cast, usize::from(**position)))
        {
            if c.mistake(8) {
                break;
            }
            let header = if c.mistake(4) {
                let others = [self.unsigned(cast), headers.clone()].concat();
                c.pick(&others)
            } else {
                *header
            };
            let (kind, controller) = controller(c);
            effects.push(Effect::OpenLeaf {
                header,
                kind,
                controller,
            });
            self.open(cast, true, kind, controller);
        }
    }

    fn effect(&self, c: &mut Choices<'_>, cast: &Cast) -> Effect {
        let authority = self.with_authority(cast);
        let any = |c: &mut Choices<'_>| {
            let beyond = usize::from(c.mistake(12));
            u8::try_from(c.below(cast.parties.len() + beyond)).expect("few")
        };
        let owner = |c: &mut Choices<'_>| {
            if authority.is_empty() || c.mistake(6) {
                any(c)
            } else {
                c.pick(&authority)
            }
        };
        // Those whose controller a rule may set: what is its own.
        let settable: Vec<u8> = authority
            .iter()
            .copied()
            .filter(|position| {
                let slot = self.slots.get(cast.parties[usize::from(*position)]);
                slot.is_some_and(|slot| slot.kind == Kind::Rule)
            })
            .collect();
        let governs = !settable.is_empty() || c.mistake(4);
        let governed = |c: &mut Choices<'_>| {
            if settable.is_empty() || c.mistake(3) {
                any(c)
            } else {
                c.pick(&settable)
            }
        };
        match c.below(if governs { 11 } else { 8 }) {
            0..=2 => {
                let from = owner(c);
                let mut to = any(c);
                if to == from && !c.mistake(4) {
                    to = if from == 0 { 1 } else { 0 };
                }
                Effect::Move {
                    from,
                    to,
                    asset: self.asset(c),
                    amount: amount(c),
                }
            }
            3 => Effect::Mint {
                to: any(c),
                tag: if c.mistake(4) { Default::default() } else { TAG },
                amount: amount(c),
            },
            4 => Effect::Burn {
                from: owner(c),
                tag: TAG,
                amount: amount(c),
            },
            5 => {
                let length = if c.once_in(8) { 2_000 + c.below(49) } else { c.below(24) };
                let length = if c.mistake(4) { c.pick(&[2_049, 3_000]) } else { length };
                Effect::Write {
                    fragment: owner(c),
                    data: vec![c.byte(); length].into(),
                }
            }
            6 => Effect::Withdraw {
                from: owner(c),
                recipient: recipient(c),
                token: c.pick(&[Address::ZERO, TOKEN]),
                amount: amount(c),
            },
            // What the call has opened for a key is not the call's.
            7 if c.mistake(2) => Effect::OpenLeaf {
                header: u8::try_from(cast.parties.len() - 1).expect("few"),
                kind: 1,
                controller: users::account(c),
            },
            7 if c.mistake(4) => Effect::Open {
                depth: 0,
                kind: 1,
                controller: users::account(c),
            },
            7 => Effect::Write {
                fragment: owner(c),
                data: vec![c.byte()].into(),
            },
            8 | 9 => {
                let (kind, controller) = key(c);
                Effect::SetController {
                    fragment: governed(c),
                    kind,
                    controller,
                }
            }
            _ => {
                let (holder, last_block) = lease(c);
                Effect::SetLease {
                    fragment: governed(c),
                    holder,
                    last_block,
                }
            }
        }
    }
}
