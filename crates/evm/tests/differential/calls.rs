//! Random bodies: calls, what is signed for them, and what their rules return.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use nthroot_model::signing;
use nthroot_protocol::{AccountOp, Authorisation, Body, Call, Domain, Effect, Fragment, Kind, Outflow, SignedMessage};

use crate::{
    choices::Choices,
    scene::{CLOCK, Scene, TAG, TOKEN, USERS, flip, user},
};

impl Scene {
    fn amount(c: &mut Choices<'_>) -> u128 {
        if c.once_in(6) {
            c.pick(&[0, 999, 1_000, 1_001, u128::MAX, 5, 7])
        } else {
            c.pick(&[1, 2, 3])
        }
    }

    pub(crate) fn body(&self, c: &mut Choices<'_>) -> Body {
        let mut nonces: BTreeMap<usize, u64> = BTreeMap::new();
        let calls = 1 + if c.once_in(4) { 1 + c.below(3) } else { 0 };
        Body {
            calls: (0..calls).map(|_| self.call(c, &mut nonces)).collect(),
        }
    }

    fn call(&self, c: &mut Choices<'_>, nonces: &mut BTreeMap<usize, u64>) -> Call {
        let touches = self.anchors.len();
        let puppets = |state: &Fragment| state.kind == Kind::Rule && state.controller == self.rules.puppet;
        let rule = match c.below(32) {
            0..=17 if self.states.iter().flatten().any(puppets) => 1,
            0..=17 => 0,
            18..=27 => 1,
            28..=30 => 2,
            _ => u8::try_from(3 + c.below(6)).expect("few"),
        };
        let existing = |number: &usize| self.states[*number].is_some();
        let mut fragments: Vec<usize> = (0..touches).filter(existing).collect();
        if c.once_in(16) {
            fragments = (0..1 + c.below(touches)).map(|_| c.below(touches + 1)).collect();
        }
        let listed = fragments.len();
        let rule_address = match rule {
            0 => self.env.account_rule,
            rule => self
                .rules
                .table()
                .get(usize::from(rule) - 1)
                .copied()
                .unwrap_or_default(),
        };

        let mut authorisations = Vec::new();
        let lazy = c.once_in(12);
        for (position, number) in fragments.iter().enumerate() {
            let state = self.states.get(*number).and_then(Option::as_ref);
            let signs = state.is_some_and(|state| state.kind == Kind::Key) && !(lazy && c.once_in(2)) || c.once_in(64);
            if signs {
                authorisations.push(self.authorise(c, rule, rule_address, &fragments, position, nonces));
            }
        }
        if c.once_in(24) {
            authorisations.reverse();
        }

        let extra: Vec<u8> = match rule {
            0 if !c.once_in(24) => Vec::new(),
            2 => self.return_data(c, listed),
            _ => self.effects(c, listed),
        };
        Call {
            rule,
            gas: 300_000,
            max_effects: if c.once_in(16) { c.pick(&[0, 51, 8_192]) } else { 2_048 },
            fragments: fragments
                .iter()
                .map(|number| u8::try_from(*number).expect("few"))
                .collect(),
            authorisations,
            extra: extra.into(),
        }
    }

    fn authorise(
        &self,
        c: &mut Choices<'_>,
        rule: u8,
        rule_address: Address,
        fragments: &[usize],
        position: usize,
        nonces: &mut BTreeMap<usize, u64>,
    ) -> Authorisation {
        let number = fragments[position];
        let state = self.states.get(number).and_then(Option::as_ref);
        let nonce = nonces
            .entry(number)
            .or_insert_with(|| state.map_or(0, |state| state.nonce));
        let mut outflows: Vec<Outflow> = Vec::new();
        let mut assets = self.assets();
        assets.sort();
        for asset in assets {
            if !c.once_in(12) {
                outflows.push(Outflow {
                    asset,
                    amount: c.pick(&[u128::MAX, 2_000, u128::MAX, u128::MAX, 10, 0]),
                });
            }
        }
        if c.once_in(24) {
            outflows.reverse();
        }
        let payload = if rule == 0 {
            self.payload(c, fragments)
        } else {
            let length = c.below(8);
            c.bytes(length)
        };
        let message = SignedMessage {
            rule: if c.once_in(200) { Address::ZERO } else { rule_address },
            payload: payload.into(),
            fragment: self
                .anchors
                .get(number)
                .map(|anchor| anchor.fragment())
                .unwrap_or_default(),
            nonce: if c.once_in(200) { nonce.wrapping_sub(1) } else { *nonce },
            valid_until: if c.once_in(32) {
                CLOCK - 1
            } else {
                c.pick(&[u64::MAX, CLOCK, CLOCK + 1])
            },
            outflows,
        };
        *nonce = nonce.wrapping_add(1);
        let domain = Domain {
            chain_id: if c.once_in(200) { 2 } else { self.chain_id },
            bridge: if c.once_in(200) { Address::ZERO } else { self.env.bridge },
        };
        let signer = (0..3)
            .find(|n| state.is_some_and(|state| state.controller == user(*n)))
            .unwrap_or(0);
        let signer = if c.once_in(200) { (signer + 1) % 3 } else { signer };
        let position = u8::try_from(position).expect("few");
        let mut authorisation = signing::authorise(&USERS[signer].0, &domain, &message, position);
        if c.once_in(200) {
            let mut signature: [u8; 64] = authorisation.signature.into();
            flip(c, &mut signature);
            authorisation.signature = signature.into();
        }
        authorisation
    }

    /// Operations of the Account rule.
    fn payload(&self, c: &mut Choices<'_>, fragments: &[usize]) -> Vec<u8> {
        let count = c.pick(&[0, 1, 1, 1, 2, 3]);
        let opens = self.counts[1] > 0;
        let ops: Vec<AccountOp> = (0..count)
            .map(|_| {
                let [eth, token, ..] = self.assets();
                let asset = if c.once_in(4) {
                    c.pick(&self.assets())
                } else {
                    c.pick(&[eth, token])
                };
                match c.below(if opens { 8 } else { 4 }) {
                    0..=2 => AccountOp::Pay {
                        to: fragments
                            .get(c.below(fragments.len()))
                            .and_then(|number| self.anchors.get(*number))
                            .map(|anchor| anchor.fragment())
                            .unwrap_or_default(),
                        asset,
                        amount: Self::amount(c),
                    },
                    3 => AccountOp::Withdraw {
                        recipient: if c.once_in(8) { Address::ZERO } else { user(c.below(3)) },
                        token: c.pick(&[Address::ZERO, TOKEN]),
                        amount: Self::amount(c),
                    },
                    _ => AccountOp::Open {
                        kind: if c.once_in(8) { c.pick(&[0, 2, 3]) } else { 1 },
                        controller: if c.once_in(8) { Address::ZERO } else { user(c.below(3)) },
                        assets: (0..c.below(3))
                            .map(|_| (c.pick(&self.assets()), Self::amount(c)))
                            .collect(),
                    },
                }
            })
            .collect();
        let mut payload = AccountOp::encode_payload(&ops);
        if c.once_in(24) {
            flip(c, &mut payload);
        }
        if c.once_in(32) {
            payload.truncate(c.below(64));
        }
        payload
    }

    /// Effects, as the puppet returns them.
    fn effects(&self, c: &mut Choices<'_>, listed: usize) -> Vec<u8> {
        let count = if c.once_in(16) {
            c.pick(&[0, 64, 65, 70])
        } else {
            1 + c.below(3)
        };
        let position = |c: &mut Choices<'_>| {
            let beyond = if c.once_in(12) { 1 } else { 0 };
            u8::try_from(c.below(listed + beyond)).expect("few")
        };
        let opens = self.counts[1] > 0;
        let effects: Vec<Effect> = (0..count)
            .map(|_| match c.below(if opens { 8 } else { 7 }) {
                0..=2 => {
                    let from = position(c);
                    let next = if c.once_in(16) { from } else { from + 1 };
                    let to = if usize::from(next) < listed { next } else { 0 };
                    let asset = if c.once_in(4) {
                        c.pick(&self.assets())
                    } else {
                        self.assets()[c.below(2)]
                    };
                    Effect::Move {
                        from,
                        to,
                        asset,
                        amount: Self::amount(c),
                    }
                }
                3 => Effect::Mint {
                    to: position(c),
                    tag: TAG,
                    amount: Self::amount(c),
                },
                4 => Effect::Burn {
                    from: position(c),
                    tag: TAG,
                    amount: Self::amount(c),
                },
                5 => {
                    let length = if c.once_in(8) { 2_040 + c.below(16) } else { c.below(24) };
                    Effect::Write {
                        fragment: position(c),
                        data: vec![c.byte(); length].into(),
                    }
                }
                6 => Effect::Withdraw {
                    from: position(c),
                    recipient: if c.once_in(12) { Address::ZERO } else { user(0) },
                    token: c.pick(&[Address::ZERO, TOKEN]),
                    amount: Self::amount(c),
                },
                _ => {
                    let (kind, controller) = c.pick(&[(1, user(0)), (3, self.rules.puppet), (1, user(1))]);
                    let kind = if c.once_in(12) { c.byte() } else { kind };
                    let controller = if c.once_in(12) { Address::ZERO } else { controller };
                    Effect::Open { kind, controller }
                }
            })
            .collect();
        let mut bytes = Effect::encode_list(&effects);
        if c.once_in(16) {
            flip(c, &mut bytes);
        }
        if c.once_in(24) {
            bytes.truncate(c.below(128));
        }
        bytes
    }

    /// Return data as such: offset, length, effects, padding; with a mistake now and then.
    fn return_data(&self, c: &mut Choices<'_>, listed: usize) -> Vec<u8> {
        let effects = self.effects(c, listed);
        let mut data = B256::left_padding_from(&[32]).to_vec();
        data.extend(B256::left_padding_from(
            &u32::try_from(effects.len()).expect("short").to_be_bytes(),
        ));
        data.extend(&effects);
        data.resize(64 + effects.len().next_multiple_of(32), 0);
        match c.below(10) {
            0 => data.push(0),
            1 => data.truncate(data.len() - 1),
            2 => {
                let length = data.len();
                data[length - 1] ^= c.byte();
            }
            3 => flip(c, &mut data[..64]),
            4 => data.truncate(c.below(80)),
            _ => {}
        }
        data
    }
}
