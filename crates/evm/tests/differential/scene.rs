//! Random steps: mostly sensible, often with one thing wrong, sometimes nonsense.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    kernel::{self, Env, Terms, Touch},
    rule::{AuthorisationView, Context, FragmentView, RuleFailure, Rules},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, BatchHeader, BatchId, Body, Call, Domain, Effect, Evidence, Fragment,
    FreshTouch, Kind, Outflow, PlacedStep, Preimage, RepeatedTouch, Root, SignedMessage, Step, Withdrawal,
    commitment::step_commitment, limits::MAX_BODY, tree,
};

use crate::choices::Choices;

const TOKEN: Address = Address::repeat_byte(0x70);
const TAG: B256 = B256::repeat_byte(7);
const PROPOSER: Address = Address::repeat_byte(0xb0);
const CLOCK: u64 = 1_000;

/// The test rules' addresses, in the order in which rule tables name them from 1.
#[derive(Clone, Copy)]
pub(crate) struct TestRules {
    pub(crate) puppet: Address,
    pub(crate) raw: Address,
    pub(crate) reverter: Address,
    pub(crate) looper: Address,
}

impl TestRules {
    fn table(&self) -> Vec<Address> {
        // The last one has no code.
        vec![
            self.puppet,
            self.raw,
            self.reverter,
            self.looper,
            Address::repeat_byte(0xcc),
        ]
    }

    /// Their native twins.
    pub(crate) fn twins(&self) -> Rules {
        let fail =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], _: &[u8]| Err(RuleFailure("fails".into()));
        Rules::default()
            .with(self.puppet, |_: &_, _: &[_], _: &[_], extra: &[u8]| Ok(extra.to_vec()))
            .with(self.raw, |_: &_, _: &[_], _: &[_], extra: &[u8]| abi_bytes(extra))
            .with(self.reverter, fail)
            .with(self.looper, fail)
            .with(Address::repeat_byte(0xcc), fail)
    }
}

/// The bytes that return data encodes, by the letter of section 6.1.
fn abi_bytes(data: &[u8]) -> Result<Vec<u8>, RuleFailure> {
    let failure = || RuleFailure("not the encoding of one byte string".into());
    let word = |at: usize| data.get(at..at + 32).ok_or_else(failure);
    let mut offset = [0; 32];
    offset[31] = 32;
    if word(0)? != offset || word(32)?[..28] != [0; 28] {
        return Err(failure());
    }
    let length = u32::from_be_bytes(word(32)?[28..].try_into().expect("4 bytes")) as usize;
    if data.len() != 64 + length.next_multiple_of(32) || data[64 + length..].iter().any(|byte| *byte != 0) {
        return Err(failure());
    }
    Ok(data[64..64 + length].to_vec())
}

/// Keys and addresses of three users. Deriving an address takes longer than the rest of a case.
static USERS: LazyLock<[(SigningKey, Address); 3]> = LazyLock::new(|| {
    [1, 2, 3].map(|byte| {
        let key = SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let address = signing::address_of(&key);
        (key, address)
    })
});

fn user(user: usize) -> Address {
    USERS[user].1
}

/// A step and what it is judged against.
pub(crate) struct Scene {
    pub(crate) env: Env,
    rules: TestRules,
    chain_id: u64,
    own: BatchId,
    anchors: Vec<AnchorId>,
    states: Vec<Option<Fragment>>,
    /// Numbers of fresh, opened, repeated touches.
    counts: [usize; 3],
}

impl Scene {
    /// The evidence that the choices make. Its openings hold, whatever else is wrong.
    pub(crate) fn evidence(c: &mut Choices<'_>, env: &Env, rules: TestRules, chain_id: u64) -> Vec<u8> {
        let scene = Self::new(c, env.clone(), rules, chain_id);
        let body = scene.body(c);
        let mut step = scene.step(c, &body);
        let mut pre_states: Vec<Vec<u8>> = scene.states.iter().flatten().map(Fragment::encode).collect();
        if c.once_in(12) {
            tamper_step(c, &mut step);
        }
        // A longer one cannot be posted, so that nothing need be said of it.
        step.body.truncate(MAX_BODY);
        if c.once_in(16) && !pre_states.is_empty() {
            let state = c.below(pre_states.len());
            flip(c, &mut pre_states[state]);
        }
        let mut bytes = scene.prove(c, step, pre_states);
        if c.once_in(16) {
            flip(c, &mut bytes);
        }
        bytes
    }

    fn new(c: &mut Choices<'_>, env: Env, rules: TestRules, chain_id: u64) -> Self {
        let own = BatchId::new(2_000, 1).expect("in range");
        let counts = match c.below(8) {
            0..=3 => [2, 0, 0],
            4 => [1, 1, 0],
            5 => [1, 0, 1],
            6 => [2, 1, 1],
            _ => [c.below(4), c.below(3), c.below(3) + 1],
        };
        let mut scene = Self {
            env,
            rules,
            chain_id,
            own,
            anchors: Vec::new(),
            states: Vec::new(),
            counts,
        };
        for index in 0..counts.iter().sum::<usize>() {
            let opened = (counts[0]..counts[0] + counts[1]).contains(&index);
            // A repeated touch may be of an anchor that the batch itself opened.
            let new = opened || index >= counts[0] && c.once_in(12);
            let number = u16::try_from(index).expect("few");
            let batch = BatchId::new(100 + u64::from(number), 1).expect("in range");
            scene.anchors.push(if new {
                AnchorId::new(own, number)
            } else {
                AnchorId::new(batch, 0)
            });
            scene.states.push((!opened).then(|| scene.state(c)));
        }
        scene
    }

    fn assets(&self) -> [AssetId; 4] {
        [
            AssetId::ETH,
            AssetId::token(TOKEN),
            AssetId::issued(self.rules.puppet, TAG),
            AssetId::issued(self.env.account_rule, TAG),
        ]
    }

    fn state(&self, c: &mut Choices<'_>) -> Fragment {
        let mut state = match c.below(8) {
            0..=6 => Fragment::new(Kind::Key, user(c.below(3))),
            _ if !c.once_in(4) => Fragment::new(Kind::Rule, self.rules.puppet),
            _ => Fragment::new(
                Kind::Rule,
                c.pick(&[self.env.account_rule, self.rules.raw, Address::ZERO]),
            ),
        };
        for asset in self.assets() {
            if !c.once_in(6) {
                let amount = c.pick(&[1_000, 1_000, 1_000, 1_000, 7, 1, u128::MAX - 5]);
                state.assets.insert(asset, amount);
            }
        }
        if c.once_in(16) {
            // Up to the limit, so that one more asset is too many.
            let more = 25 + c.below(4);
            state
                .assets
                .extend((0_u8..).take(more).map(|n| (AssetId(keccak256([n])), 1)));
        }
        if c.once_in(4) {
            let length = c.below(40);
            state.data = c.bytes(length).into();
        }
        if c.once_in(24) {
            state.nonce = c.pick(&[5, u64::MAX, u64::MAX - 1]);
        }
        state
    }

    fn amount(c: &mut Choices<'_>) -> u128 {
        if c.once_in(6) {
            c.pick(&[0, 999, 1_000, 1_001, u128::MAX, 5, 7])
        } else {
            c.pick(&[1, 2, 3])
        }
    }

    fn body(&self, c: &mut Choices<'_>) -> Body {
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

    /// The step with the roots and withdrawals that its body leads to, or arbitrary ones if it leads nowhere.
    fn step(&self, c: &mut Choices<'_>, body: &Body) -> Step {
        let terms = Terms {
            chain_id: self.chain_id,
            clock: CLOCK,
            proposer: PROPOSER,
            rules: self.rules.table(),
        };
        let touches = self.anchors.iter().zip(&self.states).map(|(anchor, state)| Touch {
            anchor: (anchor.batch() != self.own).then_some(*anchor),
            state: state.clone(),
        });
        let outcome = kernel::execute(&self.env, &terms, body, touches.collect());
        let (roots, withdrawals) = outcome.map_or_else(
            |_| (vec![Root::of(b"nothing"); self.anchors.len()], Vec::new()),
            |outcome| (outcome.states.iter().map(Fragment::root).collect(), outcome.withdrawals),
        );
        let [fresh, opened, _] = self.counts;
        let entry = |n: usize| u16::try_from(n).expect("few");
        let mut step = Step {
            fresh: (0..fresh)
                .map(|n| FreshTouch {
                    anchor: self.anchors[n],
                    root: roots[n],
                    parent: self.anchors[n].batch(),
                })
                .collect(),
            opened: roots[fresh..fresh + opened].to_vec(),
            again: (fresh + opened..roots.len())
                .map(|n| RepeatedTouch {
                    entry: entry(n),
                    root: roots[n],
                })
                .collect(),
            withdrawals,
            body: body.encode().into(),
        };
        if c.once_in(12) {
            lie(c, &mut step);
        }
        step
    }

    /// Evidence whose openings hold.
    fn prove(&self, c: &mut Choices<'_>, step: Step, pre_states: Vec<Vec<u8>>) -> Vec<u8> {
        let step_count = c.pick(&[1, 2, 8, 9, 20, 1_000]);
        let index = c.below(usize::from(step_count).min(256));
        let ids = |from: usize, count: usize| self.anchors.iter().skip(from).take(count).copied().collect();
        let mut evidence = Evidence {
            preimage: Preimage {
                id: self.own,
                proposer: PROPOSER,
                withdrawal_count: 0,
                entries_written: 0,
                entries_hash: B256::ZERO,
                step_root: B256::ZERO,
                withdrawal_root: B256::ZERO,
                header: BatchHeader {
                    version: 1,
                    data_availability: 0,
                    chain_id: self.chain_id,
                    clock: CLOCK,
                    clock_hash: B256::ZERO,
                    ceiling: if c.once_in(24) {
                        c.pick(&[0, 500_000, 700_000])
                    } else {
                        10_000_000
                    },
                    slot: 0,
                    step_count,
                    entry_count: 0,
                    rules: self.rules.table(),
                },
            },
            siblings: vec![
                B256::repeat_byte(c.byte());
                tree::sibling_count(step_count.into(), index).expect("index in range")
            ],
            placed: PlacedStep {
                index: u16::try_from(index).expect("below 256"),
                opened: ids(self.counts[0], step.opened.len()),
                again: ids(self.counts[0] + self.counts[1], step.again.len()),
                step,
            },
            pre_states,
        };
        let leaf = step_commitment(&evidence.pre_entries(), &evidence.placed.step.encode());
        evidence.preimage.step_root =
            tree::root_from(leaf, step_count.into(), index, &evidence.siblings).expect("index in range");
        evidence.encode()
    }
}

/// Changes one thing that the step says of its outcome.
fn lie(c: &mut Choices<'_>, step: &mut Step) {
    let wrong = Root::of(b"wrong");
    match c.below(5) {
        0 if !step.fresh.is_empty() => step.fresh[0].root = wrong,
        1 if !step.opened.is_empty() => step.opened[0] = wrong,
        2 if !step.again.is_empty() => step.again[0].root = wrong,
        3 if !step.withdrawals.is_empty() => {
            step.withdrawals.pop();
        }
        _ => step.withdrawals.push(Withdrawal {
            recipient: user(0),
            token: TOKEN,
            amount: 1,
        }),
    }
}

/// Makes the body other bytes.
fn tamper_step(c: &mut Choices<'_>, step: &mut Step) {
    let mut body = step.body.to_vec();
    match c.below(4) {
        0 => {
            let length = c.below(256);
            body = c.bytes(length);
        }
        1 => body.truncate(body.len() * c.below(64) / 64),
        2 => body.push(c.byte()),
        _ => flip(c, &mut body),
    }
    step.body = Bytes::from(body);
}

/// Changes one byte.
fn flip(c: &mut Choices<'_>, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let place = (c.below(256) * 256 + c.below(256)) % bytes.len();
        bytes[place] ^= c.byte().max(1);
    }
}
