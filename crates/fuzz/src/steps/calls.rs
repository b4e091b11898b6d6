//! Random bodies: calls, what is signed for them, and what their rules return.

use std::collections::VecDeque;

use alloy::primitives::{Address, B256};
use nthroot_protocol::{
    AccountOp, AssetId, Authorisation, Body, Call, Domain, FragmentId, Kind, Meaning, Outflow, SignedMessage,
};

use super::{
    choices::Choices,
    meanings::{self, Missigned},
    scene::{CLOCK, PROPOSER, Scene},
    users,
};

impl Scene {
    pub(crate) fn body(&self, c: &mut Choices<'_>) -> (Body, Vec<Missigned>) {
        let mut draft = Draft::new(self);
        let calls = 1 + if c.once_in(3) { 1 + c.below(3) } else { 0 };
        let body = Body {
            leaves: self.table(c),
            calls: (0..calls).map(|_| draft.call(c)).collect(),
        };
        (body, draft.missigned)
    }
}

/// A fragment of the step, as the calls so far have left it if they are valid.
pub(crate) struct Slot {
    pub(crate) touch: usize,
    pub(crate) leaf: u32,
    pub(crate) id: FragmentId,
    is_new: bool,
    exists: bool,
    pub(crate) kind: Kind,
    pub(crate) controller: Address,
    nonce: u64,
    /// What it held before the step.
    pub(crate) assets: Vec<AssetId>,
    /// Whether its anchor is leased to the proposer.
    leased: bool,
}

/// A call that is being made: its rule, and who takes part.
pub(crate) struct Cast {
    pub(crate) rule: u8,
    pub(crate) address: Address,
    /// The listed fragments, then those that the call opens; by slots.
    pub(crate) parties: Vec<usize>,
    pub(crate) listed: usize,
    pub(crate) signs: Vec<bool>,
}

/// A body that is being made.
pub(crate) struct Draft<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) slots: Vec<Slot>,
    pub(crate) to_open: VecDeque<usize>,
    pub(crate) leaves_to_open: VecDeque<usize>,
    pub(crate) calls: u8,
    missigned: Vec<Missigned>,
}

impl<'a> Draft<'a> {
    fn new(scene: &'a Scene) -> Self {
        let mut draft = Self {
            scene,
            slots: Vec::new(),
            to_open: VecDeque::new(),
            leaves_to_open: VecDeque::new(),
            calls: 0,
            missigned: Vec::new(),
        };
        for (touch, plan) in scene.touches.iter().enumerate() {
            let lease = plan.state.as_ref().and_then(|state| state.header().lease);
            let leased = lease.is_some_and(|lease| lease.runs(CLOCK) && lease.holder == PROPOSER);
            for leaf in std::iter::once(0).chain(plan.further.iter().copied()) {
                let state = plan.state.as_ref().and_then(|state| state.fragment(leaf));
                if state.is_none() {
                    let queue = if leaf == 0 {
                        &mut draft.to_open
                    } else {
                        &mut draft.leaves_to_open
                    };
                    queue.push_back(draft.slots.len());
                }
                draft.slots.push(Slot {
                    touch,
                    leaf,
                    id: plan.anchor.leaf(leaf).unwrap_or_default(),
                    is_new: plan.is_new,
                    exists: state.is_some(),
                    kind: state.map_or(Kind::Rule, |state| state.kind),
                    controller: state.map_or(Address::ZERO, |state| state.controller),
                    nonce: state.map_or(0, |state| state.nonce),
                    assets: state.map_or(Vec::new(), |state| state.assets.keys().copied().collect()),
                    leased,
                });
            }
        }
        draft
    }

    fn call(&mut self, c: &mut Choices<'_>) -> Call {
        let mut cast = self.cast(c);
        // What a fragment signs holds as the call begins.
        let signers: Vec<usize> = (0..cast.listed).filter(|position| cast.signs[*position]).collect();
        let mut payloads = Vec::new();
        let mut extra = Vec::new();
        // The Account rule says nothing.
        let mut said = vec![None; signers.len()];
        if cast.rule == 0 {
            for (place, position) in signers.iter().enumerate() {
                let ops = self.operations(c, &mut cast, *position, place == 0);
                payloads.push(ops);
            }
            if c.mistake(24) {
                extra.push(0);
            }
        } else {
            for _ in &signers {
                let length = c.below(8);
                payloads.push((c.bytes(length), Vec::new()));
            }
            said = meanings::said(c, payloads.iter().map(|(payload, _)| payload.as_slice()));
            extra = self.effects(c, &mut cast, &said);
            if cast.rule == 2 {
                extra = return_data(c, &extra);
            }
        }
        let mut authorisations = Vec::new();
        for ((position, (payload, _)), said) in signers.iter().zip(&payloads).zip(said) {
            authorisations.push(self.authorise(c, &cast, *position, payload, said));
        }
        if c.mistake(24) {
            authorisations.reverse();
        }
        // Operations of the Account rule set controllers behind the signatures.
        for (position, (_, ops)) in signers.iter().zip(&payloads) {
            for op in ops {
                if let AccountOp::SetController { kind, controller } = op {
                    self.set_controller(cast.parties[*position], *kind, *controller);
                }
            }
        }
        self.calls += 1;
        let number = |slot: &usize| u8::try_from(*slot).expect("few");
        let mut fragments: Vec<u8> = cast.parties[..cast.listed].iter().map(number).collect();
        if c.mistake(32) {
            fragments.push(c.pick(&[0, 1, 15, 16, 255]));
        }
        Call {
            rule: cast.rule,
            gas: 300_000,
            max_effects: if c.mistake(16) { c.pick(&[0, 51, 8_192]) } else { 4_096 },
            fragments,
            authorisations,
            extra: extra.into(),
        }
    }

    /// Who takes part in the next call. The first call lists all that there is.
    fn cast(&self, c: &mut Choices<'_>) -> Cast {
        let rules = &self.scene.rules;
        let is_first = self.calls == 0;
        let mut existing: Vec<usize> = (0..self.slots.len()).filter(|slot| self.slots[*slot].exists).collect();
        if !is_first {
            existing.retain(|_| c.once_in(2));
        }
        let under_puppet = |slot: &usize| {
            let Slot { kind, controller, .. } = self.slots[*slot];
            kind == Kind::Rule && controller == rules.puppet
        };
        let rule = match c.below(32) {
            _ if existing.iter().any(under_puppet) && !c.mistake(8) => 1,
            0..=19 => 0,
            20..=28 => 1,
            29 => 2,
            _ if c.mistake(2) => u8::try_from(3 + c.below(6)).expect("few"),
            _ => 0,
        };
        let address = match rule {
            0 => self.scene.env.account_rule,
            rule => rules.table().get(usize::from(rule) - 1).copied().unwrap_or_default(),
        };
        // A header may stay out of what happens in its cohort.
        let needless = |slot: &Slot| {
            let opens = self
                .leaves_to_open
                .iter()
                .any(|other| self.slots[*other].touch == slot.touch);
            let last = self.slots.iter().filter(|other| other.touch == slot.touch).count() == 1;
            slot.leaf == 0 && !opens && !last
        };
        existing.retain(|slot| {
            let slot = &self.slots[*slot];
            let foreign = slot.kind == Kind::Rule && slot.controller != address;
            (is_first || !foreign) && !(needless(slot) && c.once_in(2))
        });
        if c.mistake(16) {
            existing.retain(|_| !c.once_in(3));
        }
        if c.mistake(24) {
            let all = self.slots.len();
            existing = (0..1 + c.below(all)).map(|_| c.below(all + 1)).collect();
        }
        if existing.is_empty() {
            existing.push(0);
        }
        if c.once_in(8) {
            existing.reverse();
        }
        let lazy = c.mistake(12);
        let signs = existing.iter().map(|slot| {
            let Some(slot) = self.slots.get(*slot) else {
                return false;
            };
            let can = slot.kind != Kind::Rule && (!slot.is_new || c.mistake(8));
            can && !(slot.leased && c.once_in(2)) && !(lazy && c.once_in(2)) || c.mistake(64)
        });
        Cast {
            rule,
            address,
            listed: existing.len(),
            signs: signs.collect(),
            parties: existing,
        }
    }

    /// Positions over which the call has authority.
    pub(crate) fn with_authority(&self, cast: &Cast) -> Vec<u8> {
        let has = |position: &usize| {
            let Some(slot) = self.slots.get(cast.parties[*position]) else {
                return false;
            };
            cast.signs.get(*position).copied().unwrap_or(false)
                || slot.kind == Kind::Rule && slot.controller == cast.address
        };
        let positions = (0..cast.parties.len()).filter(has);
        positions.map(|position| u8::try_from(position).expect("few")).collect()
    }

    /// Positions of listed fragments whose consent is not needed for what they are given, and who have given none.
    pub(crate) fn unsigned(&self, cast: &Cast) -> Vec<u8> {
        let unsigned = (0..cast.listed).filter(|position| !cast.signs[*position]);
        unsigned.map(|position| u8::try_from(position).expect("few")).collect()
    }

    pub(crate) fn set_controller(&mut self, slot: usize, kind: u8, controller: Address) {
        if let (Some(kind), Some(slot)) = (Kind::from_u8(kind), self.slots.get_mut(slot)) {
            (slot.kind, slot.controller) = (kind, controller);
        }
    }

    /// Takes the next fragment that is to be opened from one of the queues.
    pub(crate) fn open(&mut self, cast: &mut Cast, is_leaf: bool, kind: u8, controller: Address) {
        let queue = if is_leaf {
            &mut self.leaves_to_open
        } else {
            &mut self.to_open
        };
        if let Some(slot) = queue.pop_front() {
            self.slots[slot].exists = true;
            self.set_controller(slot, kind, controller);
            cast.parties.push(slot);
        }
    }

    fn authorise(
        &mut self,
        c: &mut Choices<'_>,
        cast: &Cast,
        position: usize,
        payload: &[u8],
        said: Option<Meaning>,
    ) -> Authorisation {
        let mut outflows: Vec<Outflow> = Vec::new();
        let mut assets = self.scene.assets();
        assets.sort();
        for asset in assets {
            if !c.mistake(12) {
                let small = if c.mistake(4) { c.pick(&[10, 0, 1]) } else { 2_000 };
                let amount = c.pick(&[u128::MAX, small, u128::MAX]);
                outflows.push(Outflow { asset, amount });
            }
        }
        if c.mistake(24) {
            outflows.reverse();
        }
        let slot = self.slots.get_mut(cast.parties[position]);
        let (fragment, nonce, kind, controller) =
            slot.map_or((FragmentId::ZERO, 0, Kind::Rule, Address::ZERO), |slot| {
                let nonce = slot.nonce;
                slot.nonce = nonce.wrapping_add(1);
                (slot.id, nonce, slot.kind, slot.controller)
            });
        let (meaning, wrong) = meanings::signed(c, said, payload);
        let position = u8::try_from(position).expect("few");
        self.missigned.extend(wrong.map(|what| (self.calls, position, what)));
        let message = SignedMessage {
            meaning,
            rule: if c.mistake(100) { Address::ZERO } else { cast.address },
            fragment,
            nonce: if c.mistake(100) { nonce.wrapping_sub(1) } else { nonce },
            valid_until: if c.mistake(32) {
                CLOCK - 1
            } else {
                c.pick(&[u64::MAX, CLOCK, CLOCK + 1])
            },
            outflows,
        };
        let domain = Domain {
            chain_id: if c.mistake(100) { 2 } else { self.scene.chain_id },
            bridge: if c.mistake(100) {
                Address::ZERO
            } else {
                self.scene.env.bridge
            },
        };
        Authorisation {
            position: if c.mistake(64) { c.pick(&[16, 255]) } else { position },
            valid_until: message.valid_until,
            outflows: message.outflows.clone(),
            signature: users::sign(c, kind, controller, message.signing_hash(&domain)),
            payload: payload.to_vec().into(),
        }
    }
}

/// Return data as such: offset, length, effects, padding; with a mistake now and then.
fn return_data(c: &mut Choices<'_>, effects: &[u8]) -> Vec<u8> {
    let mut data = B256::left_padding_from(&[32]).to_vec();
    let length = u32::try_from(effects.len()).expect("short");
    data.extend(B256::left_padding_from(&length.to_be_bytes()));
    data.extend(effects);
    data.resize(64 + effects.len().next_multiple_of(32), 0);
    if c.mistake(2) {
        match c.below(5) {
            0 => data.push(0),
            1 => data.truncate(data.len() - 1),
            2 => {
                let length = data.len();
                data[length - 1] ^= c.byte();
            }
            3 => super::lies::flip(c, &mut data[..64]),
            _ => data.truncate(c.below(80)),
        }
    }
    data
}
