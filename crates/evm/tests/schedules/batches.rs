//! Batches: honest ones by the model's builder, and what becomes of them when one thing is changed.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, BatchHeader, Body, Call, Domain, Effect, Fragment, FreshTouch,
    Kind, Outflow, RepeatedTouch, Root, SignedMessage, Step, Withdrawal,
};

use crate::{
    choices::Choices,
    world::{SLOTS, World},
};

/// Keys and addresses of three users. Deriving an address takes long.
static USERS: LazyLock<[(SigningKey, Address); 3]> = LazyLock::new(|| {
    [1, 2, 3].map(|byte| {
        let key = SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let address = signing::address_of(&key);
        (key, address)
    })
});

pub(crate) fn user(user: usize) -> Address {
    USERS[user].1
}

const TAG: B256 = B256::repeat_byte(7);

/// Builds the steps of one batch.
struct Draft<'a, 'b> {
    world: &'a World,
    builder: BatchBuilder<'a>,
    /// Vaults: fragments of the puppet, those opened in this batch too.
    vaults: Vec<Name>,
    choices: &'a mut Choices<'b>,
}

/// A batch that was valid when it was built. None if the choices made no step.
pub(crate) fn honest(world: &World, proposer: Address, choices: &mut Choices<'_>) -> Option<Batch> {
    let now = world.ledger.block();
    let age = if choices.once_in(5) {
        choices.below(33) as u64
    } else {
        0
    };
    let clock = (now - 1).saturating_sub(age).max(world.l1.deployment_block);
    let free = world.ledger.free_slot(proposer).filter(|slot| *slot < SLOTS);
    let any = u16::from(choices.byte()) % SLOTS;
    let slot = if any == SLOTS - 1 { any } else { free.unwrap_or(any) };
    let posting = Posting {
        proposer,
        clock,
        clock_hash: world.hashes[&clock],
        slot,
        // Above 5,300,000 the lock is more than the least one.
        ceiling: choices.pick(&[5_000_000, 10_000_000, 5_300_001, 7_654_321]),
    };
    let table = choices.pick(&[vec![world.puppet], vec![world.puppet, world.l1.account]]);
    let vault = |fragment: &Fragment| fragment.kind == Kind::Rule;
    let known = world.ledger.anchors();
    let vaults = known.filter(|(.., state)| state.known().is_some_and(vault));
    let vaults = vaults.map(|(anchor, ..)| Name::Anchor(anchor)).collect();
    let count = choices.pick(&[1, 2, 3, 4, 6]);
    let mut draft = Draft {
        world,
        builder: BatchBuilder::new(&world.ledger, posting).rule_table(table),
        vaults,
        choices,
    };
    for _ in 0..count {
        draft.step();
    }
    let needed = draft.builder.proof_gas().into_iter().max()?;
    // Often the lowest ceiling that an honest proposer can have.
    if !draft.choices.once_in(3) {
        draft.builder.set_ceiling(u32::try_from(needed).ok()?);
    }
    draft.builder.build().ok()
}

impl Draft<'_, '_> {
    /// Adds a step, if what the choices name exists and can be built on.
    fn step(&mut self) -> Option<()> {
        let (x, state) = self.key(None)?;
        let plan = match self.choices.below(8) {
            0 | 1 => self.withdraw(x, &state)?,
            2 => self.split(x, &state)?,
            3 | 4 => self.pay(x, &state)?,
            5 => self.open_vault(x, &state)?,
            _ => self.use_vault(x, &state)?,
        };
        let built = self.builder.step(&plan).ok()?;
        for (name, entry) in plan.fragments.iter().zip(built.entries) {
            let state = self.builder.state(Name::Entry(entry)).ok().flatten();
            if *name == Name::New && state.is_some_and(|state| state.kind == Kind::Rule) {
                self.vaults.push(Name::Entry(entry));
            }
        }
        Some(())
    }

    /// A fragment of a key that can be built on, other than `not`.
    fn key(&mut self, not: Option<AnchorId>) -> Option<(AnchorId, Fragment)> {
        let anchors = self.world.ledger.anchors().map(|(anchor, ..)| anchor);
        let state = |anchor: AnchorId| {
            let state = self.builder.state(Name::Anchor(anchor)).ok()??;
            (state.kind == Kind::Key && Some(anchor) != not).then_some((anchor, state))
        };
        let keys: Vec<_> = anchors.filter_map(state).collect();
        (!keys.is_empty()).then(|| self.choices.pick(&keys))
    }

    /// An asset of a fragment and an amount of it.
    fn part(&mut self, state: &Fragment) -> Option<(AssetId, u128)> {
        let assets: Vec<(AssetId, u128)> = state.assets.iter().map(|(asset, amount)| (*asset, *amount)).collect();
        let (asset, all) = (!assets.is_empty()).then(|| self.choices.pick(&assets))?;
        Some((asset, self.choices.pick(&[1, 1 + all / 7, all / 2 + 1, all]).min(all)))
    }

    fn sign(&self, position: u8, x: AnchorId, state: &Fragment, rule: Address, payload: Vec<u8>) -> Authorisation {
        let message = SignedMessage {
            rule,
            payload: payload.into(),
            fragment: x.fragment(),
            nonce: state.nonce,
            valid_until: u64::MAX,
            outflows: state
                .assets
                .iter()
                .map(|(asset, amount)| Outflow {
                    asset: *asset,
                    amount: *amount,
                })
                .collect(),
        };
        let domain = Domain {
            chain_id: self.world.ledger.params().chain_id,
            bridge: self.world.l1.bridge,
        };
        let signer = USERS.iter().find(|(_, address)| *address == state.controller);
        signing::authorise(&signer.expect("a user").0, &domain, &message, position)
    }

    fn account_call(&self, fragments: Vec<u8>, authorisations: Vec<Authorisation>) -> Call {
        Call {
            rule: 0,
            gas: 200_000,
            max_effects: 512,
            fragments,
            authorisations,
            extra: Bytes::new(),
        }
    }

    fn puppet_call(&self, fragments: Vec<u8>, effects: &[Effect], authorisations: Vec<Authorisation>) -> Call {
        let extra = Effect::encode_list(effects);
        Call {
            rule: 1,
            gas: 100_000,
            max_effects: u16::try_from(extra.len()).expect("short"),
            fragments,
            authorisations,
            extra: extra.into(),
        }
    }

    fn withdraw(&mut self, x: AnchorId, state: &Fragment) -> Option<StepPlan> {
        let (asset, amount) = self.part(state)?;
        // The bridge takes no ETH: such a payment fails for ever.
        let recipient = if self.choices.once_in(8) {
            self.world.l1.bridge
        } else {
            user(self.choices.below(3))
        };
        let op = AccountOp::Withdraw {
            recipient,
            token: asset.as_token()?,
            amount,
        };
        let payload = AccountOp::encode_payload(&[op]);
        let signed = self.sign(0, x, state, self.world.l1.account, payload);
        Some(StepPlan {
            fragments: vec![Name::Anchor(x)],
            body: Body {
                calls: vec![self.account_call(vec![0], vec![signed])],
            },
        })
    }

    fn split(&mut self, x: AnchorId, state: &Fragment) -> Option<StepPlan> {
        let op = AccountOp::Open {
            kind: 1,
            controller: user(self.choices.below(3)),
            assets: vec![self.part(state)?],
        };
        let payload = AccountOp::encode_payload(&[op]);
        let signed = self.sign(0, x, state, self.world.l1.account, payload);
        Some(StepPlan {
            fragments: vec![Name::Anchor(x), Name::New],
            body: Body {
                calls: vec![self.account_call(vec![0], vec![signed])],
            },
        })
    }

    fn pay(&mut self, x: AnchorId, state: &Fragment) -> Option<StepPlan> {
        let (y, other) = self.key(Some(x))?;
        let (asset, amount) = self.part(state)?;
        let op = AccountOp::Pay {
            to: y.fragment(),
            asset,
            amount,
        };
        let account = self.world.l1.account;
        let payer = self.sign(0, x, state, account, AccountOp::encode_payload(&[op]));
        let payee = self.sign(1, y, &other, account, Vec::new());
        Some(StepPlan {
            fragments: vec![Name::Anchor(x), Name::Anchor(y)],
            body: Body {
                calls: vec![self.account_call(vec![0, 1], vec![payer, payee])],
            },
        })
    }

    fn open_vault(&mut self, x: AnchorId, state: &Fragment) -> Option<StepPlan> {
        let (asset, amount) = self.part(state)?;
        let effects = [
            Effect::Open {
                kind: 3,
                controller: self.world.puppet,
            },
            Effect::Move {
                from: 0,
                to: 1,
                asset,
                amount,
            },
        ];
        let signed = self.sign(0, x, state, self.world.puppet, vec![1, 2, 3]);
        Some(StepPlan {
            fragments: vec![Name::Anchor(x), Name::New],
            body: Body {
                calls: vec![self.puppet_call(vec![0], &effects, vec![signed])],
            },
        })
    }

    /// A vault keeps data, issues something, and pays or withdraws what it has.
    fn use_vault(&mut self, x: AnchorId, state: &Fragment) -> Option<StepPlan> {
        let vault = (!self.vaults.is_empty()).then(|| self.choices.pick(&self.vaults))?;
        let held = self.builder.state(vault).ok()??;
        let mut effects = vec![Effect::Write {
            fragment: 0,
            data: vec![self.choices.byte(), self.choices.byte()].into(),
        }];
        if self.choices.once_in(2) {
            effects.push(Effect::Mint {
                to: 0,
                tag: TAG,
                amount: 3,
            });
        }
        let mut fragments = vec![vault];
        let mut signed = Vec::new();
        if let Some((asset, amount)) = self.part(&held) {
            match (asset.as_token(), self.choices.once_in(2)) {
                (Some(token), true) => effects.push(Effect::Withdraw {
                    from: 0,
                    recipient: user(0),
                    token,
                    amount,
                }),
                _ => {
                    fragments.push(Name::Anchor(x));
                    signed.push(self.sign(1, x, state, self.world.puppet, Vec::new()));
                    effects.push(Effect::Move {
                        from: 0,
                        to: 1,
                        asset,
                        amount,
                    });
                }
            }
        }
        let numbers = (0..).take(fragments.len()).collect();
        Some(StepPlan {
            body: Body {
                calls: vec![self.puppet_call(numbers, &effects, signed)],
            },
            fragments,
        })
    }
}

/// A batch of somebody who knows no states: a step on the present heads of some anchors, without a body. It is a lie, or, on top
/// of another lie, nothing that anybody could judge.
pub(crate) fn blind(world: &World, proposer: Address, spread: bool, choices: &mut Choices<'_>) -> Option<Batch> {
    let clock = world.ledger.block() - 1;
    let is_known = |known: bool| {
        let anchors = world.ledger.anchors();
        let anchors = anchors.filter(move |(.., state)| state.known().is_some() == known);
        anchors.map(|(anchor, head, _)| (anchor, head.id)).collect::<Vec<_>>()
    };
    let [known, unknown] = [true, false].map(is_known);
    let count = if spread { 1 } else { 1 + choices.below(3) };
    let mut fresh = Vec::new();
    for _ in 0..count {
        // Cones grow where lies are; spread ones fill the set of faults.
        let on_lies = !spread && !unknown.is_empty() && !choices.once_in(3);
        let from = if on_lies || known.is_empty() { &unknown } else { &known };
        let (anchor, parent) = choices.pick(from);
        let root = Root::of(&[choices.byte()]);
        if fresh.iter().all(|touch: &FreshTouch| touch.anchor != anchor) {
            fresh.push(FreshTouch { anchor, root, parent });
        }
    }
    let opened = vec![Root::of(b"opened"); choices.below(2)];
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: world.ledger.params().chain_id,
            clock,
            clock_hash: world.hashes[&clock],
            ceiling: 1_000_000,
            slot: world.ledger.free_slot(proposer).filter(|slot| *slot < SLOTS)?,
            step_count: 0,
            entry_count: 0,
            rules: Vec::new(),
        },
        steps: vec![Step {
            fresh,
            opened,
            ..Step::default()
        }],
    };
    batch.seal();
    Some(batch)
}

/// Changes one thing that makes a step a lie, mostly. (Some changes are refused, some make no difference.)
pub(crate) fn corrupt(batch: &mut Batch, c: &mut Choices<'_>) {
    let index = c.below(batch.steps.len());
    let again = batch.steps[index].clone();
    let step = &mut batch.steps[index];
    let wrong = Root::of(&[c.byte()]);
    let invented = Withdrawal {
        recipient: user(0),
        token: Address::ZERO,
        amount: 1,
    };
    match c.below(12) {
        0 | 1 if !step.fresh.is_empty() => step.fresh[0].root = wrong,
        2 if !step.opened.is_empty() => step.opened[0] = wrong,
        3 if !step.again.is_empty() => step.again[0].root = wrong,
        4 if !step.withdrawals.is_empty() => step.withdrawals[0].amount += 1,
        5 => step.withdrawals.clear(),
        6 => step.withdrawals.push(invented),
        7 => step.body.truncate(c.below(256)),
        8 => batch.header.ceiling = c.pick(&[0, batch.header.ceiling - 1]),
        9 => {
            let mut body = step.body.to_vec();
            let place = (c.below(256) * 256 + c.below(256)) % body.len().max(1);
            if let Some(byte) = body.get_mut(place) {
                *byte ^= c.byte().max(1);
            }
            step.body = body.into();
        }
        10 => {
            let Ok(mut body) = Body::parse(&step.body) else { return };
            let signed = body.calls.iter_mut().flat_map(|call| call.authorisations.iter_mut());
            if let Some(authorisation) = signed.last() {
                authorisation.signature[40] ^= 1;
            }
            step.body = body.encode().into();
        }
        // A transfer that is carried out twice.
        _ => {
            batch.steps.push(again);
            batch.seal();
        }
    }
}

/// The batch's bytes with a shape that is wrong, or a header that does not fit the chain.
pub(crate) fn malform(batch: &mut Batch, c: &mut Choices<'_>) -> Vec<u8> {
    let header = &mut batch.header;
    let index = c.below(batch.steps.len());
    match c.below(18) {
        0 => header.version = c.pick(&[0, 2]),
        1 => header.data_availability = 1,
        2 => header.chain_id += 1,
        3 => header.clock += 1 + c.below(3) as u64,
        4 => header.clock = header.clock.saturating_sub(1 + c.below(64) as u64),
        5 => header.clock_hash = B256::repeat_byte(c.byte()),
        6 => header.ceiling = 10_000_001,
        7 => header.step_count = c.pick(&[0, header.step_count + 1, header.step_count - 1]),
        8 => header.entry_count = c.pick(&[0, header.entry_count + 1, header.entry_count.max(1) - 1, 513]),
        9 => header.rules.push(Address::repeat_byte(c.byte())),
        10 => {
            let mut bytes = batch.encode();
            bytes.truncate(c.below(256) * bytes.len() / 256);
            return bytes;
        }
        11 => {
            let mut bytes = batch.encode();
            bytes.push(c.byte());
            return bytes;
        }
        12 => {
            let entry = u16::from(c.byte()) % 4;
            let root = Root::of(b"again");
            batch.steps[index].again.push(RepeatedTouch { entry, root });
        }
        13 => batch.steps[index].body = vec![0; 16_385].into(),
        14 => {
            batch.steps[index].fresh.clear();
            batch.steps[index].opened.clear();
            batch.steps[index].again.clear();
            batch.seal();
        }
        15 => header.rules = vec![header.rules.first().copied().unwrap_or_default(); 33],
        16 => {
            let fresh = batch.steps[index].fresh.clone();
            batch.steps[index].fresh.extend(fresh);
            batch.seal();
        }
        _ => {
            let mut bytes = batch.encode();
            let place = (c.below(256) * 256 + c.below(256)) % bytes.len();
            bytes[place] ^= c.byte().max(1);
            return bytes;
        }
    }
    batch.encode()
}
