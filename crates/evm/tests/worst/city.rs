//! The fragments that the worst steps work on, made honestly: as full as they can be, in cohorts as deep as they can be, in which
//! no sibling is zero.

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::Bridge;
use nthroot_evm::SpecId;
use nthroot_model::{
    builder::{Name, StepPlan},
    signing::{self, Signer},
};
use nthroot_protocol::{
    AccountOp, AnchorId, Assertion, AssetId, Authorisation, Batch, BatchId, Body, Call, Effect, FreshTouch, Outflow,
    RepeatedTouch, Root, SignedMessage, Step,
    limits::{MAX_ASSETS, MAX_BODY, MAX_CEILING, MAX_DATA, MAX_DEPTH, MAX_ENTRIES, MAX_NIBBLE, MAX_RULES},
    tree,
};
use p256::ecdsa::SigningKey;

use crate::{
    stage::{ETHER, MALLORY, PUPPET, SPINNER, Stage},
    steps::{Kind, Worst},
};

/// Who opens what only makes roll-backs dear.
const OTHER: Address = Address::repeat_byte(0x07);

/// Anchors of each sort.
const ANCHORS: usize = 16;

/// More steps than L1 takes in one transaction.
const MOST_STEPS: usize = 12_000;
/// Gas that a transaction may have.
const TX_GAS_CAP: usize = 1 << 24;

/// Bytes of the longest leaf table.
const LEAF_TABLE: usize = 46;

/// Gas for a call that does not spin, when it is tried out how much the step takes beside.
const TRIAL_GAS: u32 = 100_000;

/// Gas that the spinner takes beside its rounds, and of one round.
const SPIN_BASE: u32 = 1_000;
const SPIN: u32 = 40;

/// How something is signed.
#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    P256,
    /// With so many bytes of authenticator data, and of client data behind the challenge.
    WebAuthn(usize, usize),
}

#[derive(Clone)]
pub(crate) struct City {
    pub(crate) stage: Stage,
    key: SigningKey,
    /// Single fragments that hold ether.
    pub(crate) homes: Vec<AnchorId>,
    /// Cohorts with full headers under a lease, each with 24 leaves beside the path of leaf 0.
    pub(crate) towers: Vec<AnchorId>,
    /// A cohort with a full header and 15 full leaves, scattered, and leaves beside the path of each.
    pub(crate) forest: AnchorId,
    /// Anchors of which nothing is known, and who wrote their heads.
    ballast: Vec<(AnchorId, BatchId)>,
}

/// Leaf `n` of the forest, for n below 16.
pub(crate) const fn tree(n: u32) -> u32 {
    n << 20
}

/// A worst step, as the steps' file plans it.
pub(crate) struct Plan {
    pub(crate) names: Vec<Name>,
    pub(crate) calls: Vec<Call>,
}

impl City {
    pub(crate) fn new(spec: SpecId) -> Self {
        let mut stage = Stage::new(spec);
        stage.bond(OTHER);
        // The longest table: nothing forbids to name a rule twice.
        stage.table.resize(MAX_RULES, stage.table[0]);
        let key = SigningKey::from_slice(&[0xca; 32]).expect("below the order");
        let homes = (0..ANCHORS).map(|_| stage.deposit(key.key(), 100 * ETHER)).collect();
        stage.mine(1);
        let mut city = Self {
            stage,
            key,
            homes,
            towers: Vec::new(),
            forest: AnchorId::default(),
            ballast: Vec::new(),
        };
        city.open();
        city.settle();
        city.fill();
        city.load();
        city
    }

    /// Opens the cohorts, from the homes.
    fn open(&mut self) {
        let open = AccountOp::Open {
            depth: MAX_DEPTH,
            kind: 2,
            controller: self.key.key().controller(),
            assets: vec![(AssetId::ETH, 20 * ETHER)],
        };
        let mut plans: Vec<StepPlan> = Vec::new();
        for (place, home) in self.homes.iter().chain(&self.homes[..1]).enumerate() {
            let second = u64::from(place == ANCHORS);
            let signed = self.sign(Scheme::P256, (*home, 0), second, 0, std::slice::from_ref(&open), 1);
            plans.push(StepPlan {
                fragments: vec![Name::Anchor(*home), Name::New],
                body: vec![call(0, vec![0], vec![signed], Bytes::new())].into(),
            });
        }
        let (id, opened) = self.post(&plans);
        self.towers = opened.iter().map(|entries| AnchorId::new(id, entries[1])).collect();
        self.forest = self.towers.pop().expect("the last one");
    }

    /// Opens leaves beside the paths, so that no sibling is zero.
    fn settle(&mut self) {
        let mut plans = Vec::new();
        let beside_header: Vec<u32> = (0..u32::from(MAX_DEPTH)).map(|level| 1 << level).collect();
        let beside_trees = (0..16).flat_map(|n| (0..20).map(move |level| tree(n) | 1 << level));
        let forest: Vec<u32> = (1..16).map(tree).chain(beside_trees).collect();
        let cohorts = self.towers.iter().map(|tower| (*tower, &beside_header));
        for (cohort, leaves) in cohorts.chain([(self.forest, &forest)]) {
            for (nonce, leaves) in (0..).zip(leaves.chunks(15)) {
                let open = AccountOp::OpenLeaf {
                    kind: 2,
                    controller: self.key.key().controller(),
                    assets: Vec::new(),
                };
                let signed = self.sign(Scheme::P256, (cohort, 0), nonce, 0, &vec![open; leaves.len()], 0);
                let leaves = leaves.iter().map(|leaf| Name::Leaf(cohort, *leaf));
                plans.push(StepPlan {
                    fragments: std::iter::once(Name::Anchor(cohort)).chain(leaves).collect(),
                    body: vec![call(0, vec![0], vec![signed], Bytes::new())].into(),
                });
            }
        }
        self.post(&plans);
    }

    /// Gives the towers' headers and the trees of the forest all that a fragment can hold.
    fn fill(&mut self) {
        let lease = AccountOp::SetLease {
            holder: MALLORY,
            last_block: self.stage.l1.chain.number() + 60,
        };
        let headers = self.towers.iter().map(|tower| (*tower, 0));
        let trees = (0..16).map(|n| (self.forest, tree(n)));
        for places in [headers.collect::<Vec<_>>(), trees.collect()] {
            let plans: Vec<StepPlan> = places
                .into_iter()
                .map(|at| {
                    let held = self.stage.fragment(at.0, at.1).assets.len();
                    let mints = (held..MAX_ASSETS).map(|n| Effect::Mint {
                        to: 0,
                        tag: B256::with_last_byte(u8::try_from(n).expect("few")),
                        amount: u128::MAX - 1_000_000,
                    });
                    let write = Effect::Write {
                        fragment: 0,
                        data: vec![0xda; MAX_DATA].into(),
                    };
                    let effects: Vec<Effect> = mints.chain([write]).collect();
                    let signed = self.sign(Scheme::P256, at, 0, PUPPET, &[], 0);
                    let mut calls = vec![call(
                        PUPPET,
                        vec![0],
                        vec![signed],
                        Effect::encode_list(&effects).into(),
                    )];
                    if at.1 == 0 {
                        let signed = self.sign(Scheme::P256, at, 1, 0, std::slice::from_ref(&lease), 0);
                        calls.push(call(0, vec![0], vec![signed], Bytes::new()));
                    }
                    StepPlan {
                        fragments: vec![Name::Leaf(at.0, at.1)],
                        body: calls.into(),
                    }
                })
                .collect();
            self.post(&plans);
        }
    }

    /// Opens anchors by batches that are lies, which nobody has challenged yet. New state is dear in the fork to come: hence
    /// several.
    fn load(&mut self) {
        let opened = Step {
            opened: vec![Root::of(b"unknown"); MAX_NIBBLE],
            ..Step::default()
        };
        for home in self.homes.clone().into_iter().take(4) {
            let signed = self.sign(Scheme::P256, (home, 0), 0, 0, &[], 0);
            let consent = StepPlan {
                fragments: vec![Name::Anchor(home)],
                body: vec![call(0, vec![0], vec![signed], Bytes::new())].into(),
            };
            let mut builder = self.stage.builder(OTHER);
            builder.step(&consent).expect("honest");
            let mut batch = builder.build().expect("complete");
            batch.steps.extend(vec![opened.clone(); 9]);
            batch.seal();
            let (_, id) = self.stage.submit(OTHER, &batch);
            let opened = 1..batch.header.entry_count;
            self.ballast.extend(opened.map(|entry| (AnchorId::new(id, entry), id)));
            self.stage.mine(1);
        }
    }

    /// Posts an honest batch. Its id, and the entry numbers of each step.
    fn post(&mut self, plans: &[StepPlan]) -> (BatchId, Vec<Vec<u16>>) {
        let mut builder = self.stage.builder(MALLORY);
        let entries = plans.iter().map(|plan| builder.step(plan).expect("honest").entries);
        let entries = entries.collect();
        let batch = builder.build().expect("complete");
        (self.stage.post(MALLORY, &batch), entries)
    }

    /// A signature for the fragment at `position` of a call. `earlier`: how many the batch has of it before this one. Its
    /// outflows: so many of the assets that it holds, all of each.
    pub(crate) fn sign(
        &self,
        scheme: Scheme,
        at: (AnchorId, u32),
        earlier: u64,
        rule: u8,
        ops: &[AccountOp],
        outflows: usize,
    ) -> Authorisation {
        let payload = AccountOp::encode_payload(ops);
        self.sign_payload(scheme, at, earlier, rule, payload, outflows)
    }

    pub(crate) fn sign_payload(
        &self,
        scheme: Scheme,
        (anchor, leaf): (AnchorId, u32),
        earlier: u64,
        rule: u8,
        payload: Vec<u8>,
        outflows: usize,
    ) -> Authorisation {
        let table = &self.stage.table;
        let rule = usize::from(rule)
            .checked_sub(1)
            .map_or(self.stage.l1.account, |place| table[place]);
        let mut message = self.stage.message((anchor, leaf), rule, &payload, 0);
        message.nonce += earlier;
        if outflows > 0 {
            let held = self.stage.fragment(anchor, leaf).assets.keys();
            let outflow = |asset: &AssetId| Outflow {
                asset: *asset,
                amount: u128::MAX,
            };
            message.outflows = held.take(outflows).map(outflow).collect();
        }
        self.authorise(scheme, &message, payload)
    }

    fn authorise(&self, scheme: Scheme, message: &SignedMessage, payload: Vec<u8>) -> Authorisation {
        let digest = message.signing_hash(&self.stage.domain());
        let signature = match scheme {
            Scheme::P256 => self.key.sign(digest),
            Scheme::WebAuthn(data, rest) => {
                let assertion = Assertion {
                    authenticator_data: vec![0xff; data].into(),
                    client_data_rest: vec![b'x'; rest].into(),
                };
                signing::assert(&self.key, digest, assertion)
            }
        };
        Authorisation {
            position: 0,
            valid_until: message.valid_until,
            outflows: message.outflows.clone(),
            payload: payload.into(),
            signature,
        }
    }

    /// A batch of a worst step as it should be, and of what it takes before it; and the step's index.
    pub(crate) fn honest(&mut self, worst: &Worst) -> (Batch, u16) {
        let plan = (worst.make)(self);
        let anchors = plan.names.iter().filter(|name| matches!(name, Name::Anchor(_))).count();
        // No more than 15 touches of a kind: the last anchor is touched by a step before.
        let before = (anchors > MAX_NIBBLE).then(|| {
            let Some(Name::Anchor(last)) = plan.names.last() else {
                unreachable!("all are anchors")
            };
            let signed = self.sign(Scheme::P256, (*last, 0), 0, 0, &[], 0);
            StepPlan {
                fragments: vec![Name::Anchor(*last)],
                body: vec![call(0, vec![0], vec![signed], Bytes::new())].into(),
            }
        });
        let mut body = Body::from(plan.calls);
        if matches!(worst.kind, Kind::Spins | Kind::SpinsAlone) {
            let (room, calls) = (MAX_BODY - LEAF_TABLE - body.encode().len(), body.calls.len());
            for call in &mut body.calls {
                // Beside other steps gas is paid for by bytes.
                let padding = if worst.kind == Kind::Spins { room } else { 32 };
                call.extra = vec![0; padding / calls].into();
            }
            let gas = self.gas_to_spin(worst.kind, before.as_ref(), &plan.names, &body);
            let calls = u32::try_from(body.calls.len()).expect("few");
            for call in &mut body.calls {
                call.gas = gas / calls;
                let rounds = call.gas.saturating_sub(SPIN_BASE) / SPIN;
                let mut extra = B256::left_padding_from(&rounds.to_be_bytes()).to_vec();
                extra.resize(call.extra.len(), 0);
                call.extra = extra.into();
            }
        }
        self.build(before.as_ref(), &plan.names, &body)
    }

    /// The batch with a worst step in it, wrong in its last root, and the step's index.
    pub(crate) fn lie(&mut self, worst: &Worst) -> (Batch, u16) {
        let (mut batch, index) = self.honest(worst);
        let step = &mut batch.steps[usize::from(index)];
        let last = step.again.last_mut().map(|touch| &mut touch.root);
        let last = last.or(step.opened.last_mut());
        let last = last.or(step.fresh.last_mut().map(|touch| &mut touch.root));
        *last.expect("it has touches") = Root::of(b"wrong");
        if worst.kind == Kind::AboveItsCeiling {
            // Enough for the step before.
            batch.header.ceiling = MAX_CEILING / 2;
        }
        if worst.kind != Kind::SpinsAlone {
            self.pad(&mut batch);
        }
        (batch, index)
    }

    fn build(&mut self, before: Option<&StepPlan>, names: &[Name], body: &Body) -> (Batch, u16) {
        let mut builder = self.stage.builder(MALLORY);
        if let Some(before) = before {
            builder.step(before).expect("honest");
        }
        let plan = StepPlan {
            fragments: names.to_vec(),
            body: body.clone(),
        };
        let built = builder.step(&plan).expect("valid as it stands");
        (builder.build().expect("complete"), built.index)
    }

    /// What a step's rules may spend so that its proof gas is the highest ceiling.
    fn gas_to_spin(&mut self, kind: Kind, before: Option<&StepPlan>, names: &[Name], body: &Body) -> u32 {
        let mut builder = self.stage.builder(MALLORY);
        if let Some(before) = before {
            builder.step(before).expect("honest");
        }
        let mut body = body.clone();
        for call in &mut body.calls {
            call.gas = TRIAL_GAS;
        }
        let fragments = names.to_vec();
        let plan = StepPlan { fragments, body };
        let built = builder.step(&plan).expect("valid as it stands");
        let tried = u64::from(TRIAL_GAS) * plan.body.calls.len() as u64;
        let needed = builder.proof_gas()[usize::from(built.index)] - tried;
        // In the long batch the path is longer: 24 gas for each byte of it.
        let path = |steps| tree::sibling_count(steps, built.index.into()).expect("in range");
        let longer = path(MOST_STEPS) - path(usize::from(built.index) + 1);
        let needed = usize::try_from(needed).expect("below the ceiling") + 24 * 32 * longer;
        let paid = u32::try_from(builder.steps()[usize::from(built.index)].rule_gas_beside_others());
        let left = MAX_CEILING - u32::try_from(needed).expect("below the ceiling");
        if kind == Kind::SpinsAlone {
            left
        } else {
            left.min(paid.expect("below the ceiling"))
        }
    }

    /// Adds steps, of which nothing is said but what they touch, until the batch has as many entries as it may and as many steps
    /// as L1 takes.
    fn pad(&mut self, batch: &mut Batch) {
        batch.seal();
        let room = usize::from(MAX_ENTRIES - batch.header.entry_count);
        let touches: Vec<FreshTouch> = self
            .ballast
            .iter()
            .take(room)
            .map(|(anchor, parent)| FreshTouch {
                anchor: *anchor,
                root: Root::of(b"unknown too"),
                parent: *parent,
            })
            .collect();
        batch.steps.extend(touches.chunks(MAX_NIBBLE).map(|touches| Step {
            fresh: touches.to_vec(),
            ..Step::default()
        }));
        let filler = Step {
            again: vec![RepeatedTouch {
                entry: 0,
                root: Root::of(b"again"),
            }],
            ..Step::default()
        };
        // From what two short ones cost, and then as many fewer as it takes.
        let least = batch.steps.len();
        let mut gas = |steps: usize| {
            batch.steps.resize(steps, filler.clone());
            batch.seal();
            self.gas_to_submit(batch)
        };
        let (few, more) = (gas(least), gas(least + 500));
        let (few, more) = few.zip(more).expect("L1 takes short ones");
        let mut steps = least + 500 * (TX_GAS_CAP - few) / (more - few);
        while gas(steps).is_none() {
            steps -= steps / 50;
        }
    }

    /// What it costs to post a batch, if L1 takes it.
    fn gas_to_submit(&mut self, batch: &Batch) -> Option<usize> {
        let call = Bridge::submitCall {
            batch: batch.encode().into(),
        };
        let l1 = &mut self.stage.l1;
        let receipt = l1.chain.simulate(MALLORY, l1.bridge, call.abi_encode().into()).ok()?;
        let gas = usize::try_from(receipt.gas).expect("below the cap");
        receipt.success.then_some(gas)
    }
}

/// A call of a rule. The positions of its authorisations are set to their places.
pub(crate) fn call(rule: u8, fragments: Vec<u8>, mut authorisations: Vec<Authorisation>, extra: Bytes) -> Call {
    for (place, authorisation) in (0..).zip(&mut authorisations) {
        authorisation.position = place;
    }
    let max_effects = match rule {
        SPINNER => 0,
        PUPPET => u16::try_from(extra.len()).expect("short"),
        _ => 1_500,
    };
    let mut call = Call {
        rule,
        gas: 0,
        max_effects,
        fragments,
        authorisations,
        extra,
    };
    // What its own bytes pay for.
    let length = Body::from(vec![call.clone()]).encode().len();
    call.gas = 400_000.min(u32::try_from(600 * length).expect("short"));
    call
}
