//! Random steps: mostly sensible, often with one thing wrong, sometimes nonsense.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use nthroot_model::{
    anchor::{self, AnchorState},
    kernel::{self, Env, Terms, Touch},
};
use nthroot_protocol::{
    AnchorId, AssetId, BatchHeader, BatchId, Body, Evidence, Fragment, FreshTouch, Kind, LeafTable, Lease, PlacedStep,
    Preimage, RepeatedTouch, Root, Step,
    commitment::step_commitment,
    limits::{MAX_BODY, MAX_LEASE},
    tree,
};

use super::{choices::Choices, lies, meanings::Missigned, rules::TestRules, users};

pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
pub(crate) const TAG: B256 = B256::repeat_byte(7);
pub(crate) const PROPOSER: Address = Address::repeat_byte(0xb0);
/// The clock of every step.
pub const CLOCK: u64 = 1_000;

/// A touch of the step.
pub(crate) struct TouchPlan {
    pub(crate) anchor: AnchorId,
    /// Whether the anchor was opened in the batch, by this step or an earlier one.
    pub(crate) is_new: bool,
    /// None if the step opens it.
    pub(crate) state: Option<AnchorState>,
    /// The further leaves that the step works on.
    pub(crate) further: Vec<u32>,
}

/// A step and what it is judged against.
pub struct Scene {
    pub(crate) env: Env,
    pub(crate) rules: Arc<TestRules>,
    pub(crate) chain_id: u64,
    own: BatchId,
    pub(crate) touches: Vec<TouchPlan>,
    /// Numbers of fresh, opened, repeated touches.
    counts: [usize; 3],
}

impl Scene {
    /// The evidence that the choices make, and what in it was signed over another meaning. Its openings hold, whatever else is
    /// wrong.
    pub fn evidence(
        c: &mut Choices<'_>,
        env: &Env,
        rules: &Arc<TestRules>,
        chain_id: u64,
    ) -> (Vec<u8>, Vec<Missigned>) {
        let scene = Self::new(c, env.clone(), Arc::clone(rules), chain_id);
        let (mut body, missigned) = scene.body(c);
        scene.commit(c, &mut body);
        if c.mistake(16) {
            lies::bounds(c, &mut body);
        }
        let mut step = scene.step(c, &body);
        if c.mistake(16) {
            let mut bytes = step.body.to_vec();
            lies::bytes(c, &body, &mut bytes);
            step.body = Bytes::from(bytes);
        }
        // A longer one cannot be posted, so that nothing need be said of it.
        step.body.truncate(MAX_BODY);
        let mut bytes = scene.prove(c, step);
        if c.mistake(24) {
            lies::flip(c, &mut bytes);
        }
        (bytes, missigned)
    }

    fn new(c: &mut Choices<'_>, env: Env, rules: Arc<TestRules>, chain_id: u64) -> Self {
        let counts = match c.below(10) {
            0..=2 => [2, 0, 0],
            3 => [1, 0, 0],
            4 | 5 => [1, 1, 0],
            6 => [1, 0, 1],
            7 => [2, 1, 1],
            _ => [c.below(4), c.below(3), c.below(3) + 1],
        };
        let mut scene = Self {
            env,
            rules,
            chain_id,
            own: BatchId::new(2_000, 1).expect("in range"),
            touches: Vec::new(),
            counts,
        };
        for index in 0..counts.iter().sum::<usize>() {
            let touch = scene.touch(c, index);
            scene.touches.push(touch);
        }
        scene
    }

    fn touch(&self, c: &mut Choices<'_>, index: usize) -> TouchPlan {
        let [fresh, opened, _] = self.counts;
        let is_opened = (fresh..fresh + opened).contains(&index);
        // A repeated touch may be of an anchor that the batch itself opened.
        let is_new = is_opened || index >= fresh && c.once_in(4);
        let number = u16::try_from(index).expect("few");
        let batch = BatchId::new(100 + u64::from(number), 1).expect("in range");
        let mut touch = TouchPlan {
            anchor: AnchorId::new(if is_new { self.own } else { batch }, number),
            is_new,
            state: None,
            further: Vec::new(),
        };
        if !is_opened {
            let depth = match c.below(4) {
                0 | 1 => 0,
                2 => 1 + c.below(3),
                _ => c.below(25),
            };
            self.fill(c, &mut touch, u8::try_from(depth).expect("at most 24"));
        }
        touch
    }

    /// Makes a cohort, and chooses which of its leaves the step works on.
    fn fill(&self, c: &mut Choices<'_>, touch: &mut TouchPlan, depth: u8) {
        let mut header = self.state(c, touch.is_new);
        if c.once_in(4) {
            header.lease = Some(lease(c));
        }
        let mut state = AnchorState::new(depth, header);
        let mut leaves = Vec::new();
        if depth > 0 {
            for _ in 0..c.below(5) {
                let random = u32::from_be_bytes([0, c.byte(), c.byte(), c.byte()]);
                let near = leaves.last().map_or(1, |leaf| leaf ^ 1);
                let leaf = c.pick(&[random, near, 1]) & ((1 << depth) - 1);
                leaves.push(leaf);
                if c.once_in(2) && leaf != 0 {
                    let mut occupant = self.state(c, touch.is_new);
                    if c.once_in(8) {
                        // That of leaf 0 alone counts.
                        occupant.lease = Some(lease(c));
                    }
                    state.set(leaf, occupant);
                }
            }
        }
        if c.once_in(4) {
            // Somebody beside whom the step works.
            leaves.pop();
        }
        if depth < 24 && c.mistake(12) {
            leaves.push(1 << depth | u32::from(c.byte()));
        }
        leaves.sort_unstable();
        leaves.dedup();
        leaves.retain(|leaf| *leaf != 0);
        touch.state = Some(state);
        touch.further = leaves;
    }

    pub(crate) fn assets(&self) -> [AssetId; 4] {
        [
            AssetId::ETH,
            AssetId::token(TOKEN),
            AssetId::issued(self.rules.puppet, TAG),
            AssetId::issued(self.env.account_rule, TAG),
        ]
    }

    /// Somebody's fragment. New ones sign nothing: those are mostly under a rule.
    fn state(&self, c: &mut Choices<'_>, is_new: bool) -> Fragment {
        let mut state = match c.below(8) {
            0..=6 if !is_new || c.mistake(4) => users::owned(c),
            _ if !c.mistake(4) => Fragment::new(Kind::Rule, self.rules.puppet),
            _ => Fragment::new(
                Kind::Rule,
                c.pick(&[self.env.account_rule, self.rules.raw, Address::ZERO]),
            ),
        };
        for asset in self.assets() {
            if !c.mistake(6) {
                let amount = c.pick(&[1_000, 1_000, 1_000, 1_000, 7, 4, u128::MAX - 5]);
                let amount = if c.mistake(16) { u128::MAX } else { amount };
                state.assets.insert(asset, amount);
            }
        }
        if c.once_in(10) {
            // Up to the limit, so that one more asset is too many.
            let full = 31 + c.below(2);
            let more = (0_u8..).take(full - state.assets.len());
            state.assets.extend(more.map(|n| (AssetId(keccak256([n])), 1)));
        }
        if c.once_in(4) {
            let length = c.below(40);
            state.data = c.bytes(length).into();
        }
        if c.once_in(24) {
            state.nonce = 5;
        }
        if c.mistake(24) {
            state.nonce = c.pick(&[u64::MAX, u64::MAX - 1]);
        }
        state
    }

    /// Commits as much gas for the calls as the step's bytes allow, if they stand for so little; sometimes a unit more.
    fn commit(&self, c: &mut Choices<'_>, body: &mut Body) {
        let [fresh, opened, again] = self.counts;
        let length = 4 + 39 * fresh + 27 * opened + 29 * again + body.encode().len();
        let calls = u32::try_from(body.calls.len()).expect("at most 16");
        let most = u32::try_from(600 * length).expect("short");
        for call in &mut body.calls {
            call.gas = call.gas.min(most / calls);
        }
        if c.mistake(12) {
            let rest = most - calls * (most / calls);
            for call in &mut body.calls {
                call.gas = most / calls;
            }
            body.calls[0].gas += rest + u32::from(c.once_in(2));
        }
    }

    /// The step with the roots and withdrawals that its body leads to, or arbitrary ones if it leads nowhere.
    fn step(&self, c: &mut Choices<'_>, body: &Body) -> Step {
        let [fresh, opened, _] = self.counts;
        let root = Root::of(b"nothing");
        let again = (fresh + opened..self.touches.len()).map(|n| u16::try_from(n).expect("few"));
        let mut step = Step {
            fresh: self.touches[..fresh]
                .iter()
                .map(|touch| FreshTouch {
                    anchor: touch.anchor,
                    root,
                    parent: touch.anchor.batch(),
                })
                .collect(),
            opened: vec![root; opened],
            again: again.map(|entry| RepeatedTouch { entry, root }).collect(),
            withdrawals: Vec::new(),
            body: body.encode().into(),
        };
        let terms = Terms {
            chain_id: self.chain_id,
            clock: CLOCK,
            proposer: PROPOSER,
            rules: self.rules.table(),
        };
        let touches = self.touches.iter().map(|touch| {
            let leaves = std::iter::once(0).chain(touch.further.iter().copied());
            let state = |leaf| touch.state.as_ref().and_then(|state| state.fragment(leaf).cloned());
            Touch {
                anchor: (!touch.is_new).then_some(touch.anchor),
                leaves: leaves.map(|leaf| (leaf, state(leaf))).collect(),
            }
        });
        if let Ok(outcome) = kernel::execute(&self.env, &terms, body, touches.collect()) {
            step.withdrawals.clone_from(&outcome.withdrawals);
            let before: Vec<_> = self.states().collect();
            let mut roots = anchor::advance(&step, &LeafTable::of(&step), &before, outcome)
                .into_iter()
                .map(|state| state.root());
            let stated = step.fresh.iter_mut().map(|touch| &mut touch.root);
            let stated = stated.chain(&mut step.opened);
            for stated in stated.chain(step.again.iter_mut().map(|touch| &mut touch.root)) {
                *stated = roots.next().unwrap_or(root);
            }
        }
        // The one lie that even a careful step may be: all of it is evaluated.
        if c.once_in(16) {
            lies::outcome(c, &mut step);
        }
        step
    }

    /// The anchors that are touched, not opened.
    fn states(&self) -> impl Iterator<Item = &AnchorState> {
        self.touches.iter().filter_map(|touch| touch.state.as_ref())
    }

    /// The leaf table, if there is anything in it.
    pub(crate) fn table(&self, c: &mut Choices<'_>) -> Option<LeafTable> {
        let touched = self.touches.iter().filter(|touch| touch.state.is_some());
        let table = LeafTable(touched.map(|touch| touch.further.clone()).collect());
        // An empty one may be written down.
        (!table.is_empty() || c.once_in(8)).then_some(table)
    }

    /// Evidence whose openings hold.
    fn prove(&self, c: &mut Choices<'_>, step: Step) -> Vec<u8> {
        let mut proofs = anchor::prove(&step, self.states());
        if c.mistake(12) {
            lies::pre_state(c, &mut proofs);
        }
        if c.mistake(24) {
            // Another tree before the step: what stands beside the leaves must be the same after it.
            for sibling in proofs.iter_mut().flat_map(|proof| &mut proof.siblings).take(1) {
                *sibling = B256::repeat_byte(c.byte());
            }
        }
        let step_count = c.pick(&[1, 2, 8, 9, 20, 1_000]);
        let index = c.below(usize::from(step_count).min(256));
        let ids = |from: usize, count: usize| {
            let touches = self.touches.iter().skip(from).take(count);
            touches.map(|touch| touch.anchor).collect()
        };
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
                    ceiling: if c.mistake(24) {
                        c.pick(&[0, 500_000, 700_000, 1_000_000])
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
            proofs,
        };
        if let Some(entries) = evidence.pre_entries() {
            let leaf = step_commitment(&entries, &evidence.placed.step.encode());
            evidence.preimage.step_root =
                tree::root_from(leaf, step_count.into(), index, &evidence.siblings).expect("index in range");
        }
        evidence.encode()
    }
}

/// A lease: mostly of the proposer, or over.
fn lease(c: &mut Choices<'_>) -> Lease {
    let last_block = c.pick(&[CLOCK, CLOCK - 1, CLOCK + 1, CLOCK + MAX_LEASE, u64::MAX, 1]);
    let other = last_block < CLOCK && c.once_in(2) || c.mistake(4);
    Lease {
        holder: if other { TOKEN } else { PROPOSER },
        last_block,
    }
}
