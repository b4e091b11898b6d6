//! A step to be changed in one place, in the midst of a batch.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use nthroot_model::{
    anchor::{self, AnchorState},
    kernel::{self, Env, Failure, Outcome, Terms, Touch, Undecided, Verdict},
    rule::{AuthorisationView, Context, FragmentView, RuleFailure, Rules},
};
use nthroot_protocol::{
    AnchorId, AnchorProof, BatchHeader, Body, Call, Fragment, FreshTouch, LeafTable, PlacedStep, Preimage,
    RepeatedTouch, Root, Step,
};

use crate::world::{ACCOUNT, CLOCK, DOMAIN, FAILING, PROPOSER, PUPPET, Returned, TABLE, anchor, batch, new_anchor};

/// An anchor that a step touches, before the step.
#[derive(Clone)]
pub(crate) struct Touched {
    pub(crate) anchor: AnchorId,
    pub(crate) depth: u8,
    pub(crate) header: Fragment,
    /// The further leaves that exist.
    pub(crate) leaves: BTreeMap<u32, Fragment>,
    /// Those that the step works on.
    pub(crate) named: Vec<u32>,
}

impl Touched {
    fn single(anchor: AnchorId, header: Fragment) -> Self {
        Self {
            anchor,
            depth: 0,
            header,
            leaves: BTreeMap::new(),
            named: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> AnchorState {
        let mut state = AnchorState::new(self.depth, self.header.clone());
        for (leaf, fragment) in &self.leaves {
            assert!(state.set(*leaf, fragment.clone()));
        }
        state
    }

    fn touch(&self) -> Touch {
        let named = self.named.iter().map(|leaf| (*leaf, self.leaves.get(leaf).cloned()));
        Touch {
            anchor: Some(self.anchor).filter(|anchor| anchor.batch() != batch()),
            leaves: std::iter::once((0, Some(self.header.clone()))).chain(named).collect(),
        }
    }
}

/// A step before it is evaluated.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) env: Env,
    pub(crate) terms: Terms,
    pub(crate) fresh: Vec<Touched>,
    pub(crate) opened: usize,
    pub(crate) again: Vec<Touched>,
    pub(crate) calls: Vec<Call>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let puppet =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]| -> Returned { Ok(extra.to_vec()) };
        let failing = |_: &Context, _: &[FragmentView], _: &[AuthorisationView], _: &[u8]| -> Returned {
            Err(RuleFailure("always".to_owned()))
        };
        Self {
            env: Env {
                account_rule: ACCOUNT,
                bridge: DOMAIN.bridge,
                rules: Rules::default().with(PUPPET, puppet).with(FAILING, failing),
            },
            terms: Terms {
                chain_id: DOMAIN.chain_id,
                clock: CLOCK,
                proposer: PROPOSER,
                rules: TABLE.to_vec(),
            },
            fresh: Vec::new(),
            opened: 0,
            again: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// With a fresh touch of anchor n.
    pub(crate) fn fresh(mut self, n: u16, fragment: Fragment) -> Self {
        self.fresh.push(Touched::single(anchor(n), fragment));
        self
    }

    /// With a fresh touch of the cohort at anchor n, of which the step works on these leaves, existing or not.
    pub(crate) fn cohort(mut self, n: u16, depth: u8, header: Fragment, leaves: &[(u32, Option<Fragment>)]) -> Self {
        let existing = leaves.iter().filter_map(|(leaf, state)| Some((*leaf, state.clone()?)));
        self.fresh.push(Touched {
            depth,
            leaves: existing.collect(),
            named: leaves.iter().map(|(leaf, _)| *leaf).collect(),
            ..Touched::single(anchor(n), header)
        });
        self
    }

    pub(crate) fn opening(mut self, count: usize) -> Self {
        self.opened = count;
        self
    }

    pub(crate) fn again(mut self, anchor: AnchorId, fragment: Fragment) -> Self {
        self.again.push(Touched::single(anchor, fragment));
        self
    }

    pub(crate) fn call(mut self, call: Call) -> Self {
        self.calls.push(call);
        self
    }

    pub(crate) fn body(&self) -> Body {
        let touched = self.fresh.iter().chain(&self.again);
        let table = LeafTable(touched.map(|touched| touched.named.clone()).collect());
        Body {
            leaves: (!table.is_empty()).then_some(table),
            calls: self.calls.clone(),
        }
    }

    pub(crate) fn execute(&self) -> Result<Outcome, Failure> {
        let new = Touch {
            anchor: None,
            leaves: vec![(0, None)],
        };
        let touches = self.fresh.iter().map(Touched::touch);
        let touches = touches.chain(std::iter::repeat_n(new, self.opened));
        let touches = touches.chain(self.again.iter().map(Touched::touch));
        kernel::execute(&self.env, &self.terms, &self.body(), touches.collect())
    }

    /// The step as an honest proposer posts it.
    pub(crate) fn post(&self) -> Posted {
        let outcome = self.execute().unwrap();
        let root = Root::default();
        let fresh = self.fresh.iter().map(|touched| FreshTouch {
            anchor: touched.anchor,
            root,
            parent: touched.anchor.batch(),
        });
        let again = (0..).take(self.again.len()).map(|entry| RepeatedTouch { entry, root });
        let mut step = Step {
            fresh: fresh.collect(),
            opened: vec![root; self.opened],
            again: again.collect(),
            withdrawals: outcome.withdrawals.clone(),
            body: self.body().encode().into(),
        };
        let before: Vec<AnchorState> = self.fresh.iter().chain(&self.again).map(Touched::state).collect();
        let proofs = anchor::prove(&step, &before);
        let before: Vec<&AnchorState> = before.iter().collect();
        let after = anchor::advance(&step, &LeafTable::of(&step), &before, outcome);
        let mut roots = after.iter().map(AnchorState::root);
        let mut root = || roots.next().unwrap();
        step.fresh.iter_mut().for_each(|touch| touch.root = root());
        step.opened.fill_with(&mut root);
        step.again.iter_mut().for_each(|touch| touch.root = root());
        Posted {
            env: self.env.clone(),
            preimage: Preimage {
                id: batch(),
                proposer: self.terms.proposer,
                withdrawal_count: 0,
                entries_written: 0,
                entries_hash: B256::ZERO,
                step_root: B256::ZERO,
                withdrawal_root: B256::ZERO,
                header: BatchHeader {
                    version: 1,
                    data_availability: 0,
                    chain_id: self.terms.chain_id,
                    clock: self.terms.clock,
                    clock_hash: B256::ZERO,
                    ceiling: 10_000_000,
                    slot: 0,
                    step_count: 20,
                    entry_count: 100,
                    rules: self.terms.rules.clone(),
                },
            },
            placed: PlacedStep {
                index: 9,
                opened: (50..).take(self.opened).map(new_anchor).collect(),
                again: self.again.iter().map(|touched| touched.anchor).collect(),
                step,
            },
            proofs,
        }
    }
}

/// A posted step.
#[derive(Clone)]
pub(crate) struct Posted {
    pub(crate) env: Env,
    pub(crate) preimage: Preimage,
    pub(crate) placed: PlacedStep,
    pub(crate) proofs: Vec<AnchorProof>,
}

impl Posted {
    pub(crate) fn evaluate(&self) -> Result<Verdict, Undecided> {
        kernel::evaluate(&self.env, &self.preimage, &self.placed, &self.proofs)
    }
}
