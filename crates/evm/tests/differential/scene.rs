//! Random steps: mostly sensible, often with one thing wrong, sometimes nonsense.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    kernel::{self, Env, Terms, Touch},
    signing,
};
use nthroot_protocol::{
    AnchorId, AssetId, BatchHeader, BatchId, Body, Evidence, Fragment, FreshTouch, Kind, PlacedStep, Preimage,
    RepeatedTouch, Root, Step, Withdrawal, commitment::step_commitment, limits::MAX_BODY, tree,
};

use crate::{choices::Choices, rules::TestRules};

pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
pub(crate) const TAG: B256 = B256::repeat_byte(7);
const PROPOSER: Address = Address::repeat_byte(0xb0);
pub(crate) const CLOCK: u64 = 1_000;

/// Keys and addresses of three users. Deriving an address takes longer than the rest of a case.
pub(crate) static USERS: LazyLock<[(SigningKey, Address); 3]> = LazyLock::new(|| {
    [1, 2, 3].map(|byte| {
        let key = SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let address = signing::address_of(&key);
        (key, address)
    })
});

pub(crate) fn user(user: usize) -> Address {
    USERS[user].1
}

/// A step and what it is judged against.
pub(crate) struct Scene {
    pub(crate) env: Env,
    pub(crate) rules: TestRules,
    pub(crate) chain_id: u64,
    own: BatchId,
    pub(crate) anchors: Vec<AnchorId>,
    pub(crate) states: Vec<Option<Fragment>>,
    /// Numbers of fresh, opened, repeated touches.
    pub(crate) counts: [usize; 3],
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

    pub(crate) fn assets(&self) -> [AssetId; 4] {
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
pub(crate) fn flip(c: &mut Choices<'_>, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let place = (c.below(256) * 256 + c.below(256)) % bytes.len();
        bytes[place] ^= c.byte().max(1);
    }
}
