//! Whatever comes in, and whatever others post meanwhile, what is packed is accepted and no step of it is a lie.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use nthroot_model::ledger::{Judgement, Ledger, SubmitError};
use nthroot_node::proposer::Packed;
use nthroot_protocol::{AccountOp, BatchId, FragmentId, Status, limits::MAX_CLOCK_AGE};
use nthroot_wallet::{Request, States as _, account};
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

use crate::world::{BOOK, DOMAIN, LIAR, Node, OURS, RIVAL, World, address, asset, key, open, pay, sign_until};

const USERS: u8 = 6;

/// Something that happens, with some dice.
type Event = (u8, u8, u8, u8);

/// How often each thing was reached.
type Counts = BTreeMap<&'static str, u32>;

struct Run {
    world: World,
    node: Node,
    fragments: Vec<FragmentId>,
    sent: BTreeMap<IntentId, Bundle>,
    /// Ledgers to go back to.
    past: Vec<Ledger>,
    counts: Counts,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        let tills = vec![world.deposit(OURS, 1, 1)];
        let fragments = (0..USERS).map(|user| world.deposit(user, 1, 1_000)).collect();
        world.mine();
        Self {
            past: vec![world.ledger.clone()],
            world,
            node: Node::charging(1, tills),
            fragments,
            sent: BTreeMap::new(),
            counts: Counts::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A fragment of a user, with its nonce, if its state is known.
    fn nonce(&self, user: u8) -> Option<(FragmentId, u64)> {
        let fragment = self.fragments[usize::from(user)];
        let state = self.world.ledger.state(fragment.anchor())?.known()?;
        Some((fragment, state.header().nonce))
    }

    fn ops(&self, a: u8, b: u8) -> Vec<AccountOp> {
        let fee = pay(self.node.carrier.tills[0], 1);
        let amount = u128::from(b) * 4;
        match a % 4 {
            0 => vec![fee, open(a % USERS, amount)],
            1 => vec![
                AccountOp::Withdraw {
                    recipient: address(a),
                    token: asset(1).as_token().unwrap_or_default(),
                    amount,
                },
                fee,
            ],
            2 => vec![
                fee,
                AccountOp::SetLease {
                    holder: address(if b.is_multiple_of(2) { OURS } else { RIVAL }),
                    last_block: self.world.tip() + u64::from(b % 5),
                },
            ],
            _ => vec![fee],
        }
    }

    /// Somebody sends a bundle, mostly a good one.
    fn send(&mut self, user: u8, a: u8, b: u8) {
        let Some((fragment, nonce)) = self.nonce(user) else {
            return;
        };
        let nonce = nonce + u64::from(a % 3);
        let ops = self.ops(a, b);
        let valid_until = self.world.tip() + 3 + u64::from(b % 16);
        let mut intents = vec![sign_until(
            &key(user),
            fragment,
            nonce,
            Request::Account(ops),
            valid_until,
        )];
        let other = b % USERS;
        if a.is_multiple_of(5)
            && other != user
            && let Some((to, nonce)) = self.nonce(other)
        {
            let fee = pay(self.node.carrier.tills[0], 1);
            let request = Request::Account(vec![fee, pay(to, u128::from(b))]);
            intents[0] = sign_until(&key(user), fragment, intents[0].nonce, request, valid_until);
            intents.push(sign_until(
                &key(other),
                to,
                nonce,
                Request::Account(Vec::new()),
                valid_until,
            ));
        }
        let bundle = Bundle(intents);
        let answer = self.node.send(&self.world, bundle.clone());
        if let Ok(id) = answer {
            self.sent.insert(id, bundle);
        }
        self.count(answer.as_ref().map_or_else(Refusal::kind, |_| "taken"));
    }

    /// Somebody else's batch in this block, on heads as they are; with a lie if he is a liar.
    fn rival(&mut self, proposer: u8, user: u8, other: u8, clock: u64) {
        let terms = account::Terms {
            domain: DOMAIN,
            book: BOOK,
            valid_until: 5_000,
        };
        let plan = |user: u8| {
            let (fragment, nonce) = self.nonce(user)?;
            let signer = key(user);
            let party = account::Party::signing(&signer, fragment, nonce, vec![open(user, 1)]);
            account::plan(&terms, &[party]).ok()
        };
        let users: BTreeSet<u8> = [user, other].into();
        let plans: Vec<_> = users.into_iter().filter_map(plan).collect();
        let posting = nthroot_model::builder::Posting {
            proposer: address(proposer),
            clock,
            clock_hash: self.world.hash_of(clock),
            slot: self.world.ledger.free_slot(address(proposer)).unwrap(),
            ceiling: nthroot_protocol::limits::MAX_CEILING,
        };
        let mut builder = nthroot_model::builder::BatchBuilder::new(&self.world.ledger, posting);
        let built = plans.iter().filter(|plan| builder.step(plan).is_ok()).count();
        let Ok(mut batch) = builder.build() else { return };
        if proposer == LIAR {
            batch.steps[0].fresh[0].root.0[0] ^= 1;
        }
        let batch = batch.encode();
        if self.world.ledger.submit(address(proposer), &batch).is_ok() {
            self.count(if proposer == LIAR { "lie" } else { "rival" });
            assert!(built > 0);
        }
    }

    /// The next block: somebody else may be first, then our batch, which was packed before.
    fn block(&mut self, a: u8, b: u8, c: u8) {
        self.node.see(&self.world);
        let packed = self.node.pack(&self.world);
        let clock = self.world.tip();
        if let Some(packed) = &packed {
            self.check_foundations(packed);
        }
        self.world.mine();
        match a % 8 {
            0 | 1 => self.rival(RIVAL, b % USERS, c % USERS, clock),
            2 => self.rival(LIAR, b % USERS, c % USERS, clock),
            // A while in which nobody posts anything.
            3 => (0..c % 32).for_each(|_| self.world.mine()),
            _ => {}
        }
        if let Some(packed) = packed {
            self.submit(&packed);
        }
        self.past.push(self.world.ledger.clone());
        self.node.see(&self.world);
    }

    fn submit(&mut self, packed: &Packed) {
        let id = match self.world.ledger.submit(address(OURS), &packed.bytes) {
            Ok(submitted) => submitted.id,
            Err(SubmitError::NothingApplied) => return self.count("nothing applied"),
            Err(error) => panic!("L1 refuses our batch: {error}"),
        };
        let judged: Vec<Judgement> = self.world.ledger.judgement(id).unwrap().into_iter().cloned().collect();
        for judgement in judged {
            match judgement {
                Judgement::Valid => self.count("valid"),
                Judgement::Skipped(_) => self.count("skipped"),
                lie => panic!("our step is {lie:?}"),
            }
        }
    }

    /// No head that a batch builds on was written by a batch with a lie, or by one that stands on such a batch.
    fn check_foundations(&self, packed: &Packed) {
        for touch in packed.batch.steps.iter().flat_map(|step| &step.fresh) {
            assert!(!falls(&self.world.ledger, touch.parent), "{} falls", touch.parent);
        }
    }

    /// A lie is proved, and what stands on it condemned and unwound.
    fn prove(&mut self) {
        let ledger = &mut self.world.ledger;
        let Some(lie) = ledger.lies().into_iter().next() else {
            return;
        };
        let evidence = ledger.evidence(lie.batch, lie.step).unwrap();
        ledger.convict(&evidence, &[]).unwrap();
        while let Some(rollback) = ledger.rollbacks().into_iter().next_back() {
            match rollback {
                nthroot_model::ledger::Rollback::Condemn { child, .. } => ledger.on_condemned(child).unwrap(),
                nthroot_model::ledger::Rollback::Unwind(batch) => drop(ledger.on_unwound(batch).unwrap()),
            }
        }
        assert_eq!(ledger.oldest_fault(), None);
        self.count("proved");
        self.node.see(&self.world);
    }

    fn reorganise(&mut self, depth: u8) {
        // What is final stays.
        let keep = self.past.len().saturating_sub(usize::from(depth)).max(1);
        self.past.truncate(keep);
        self.world.ledger = self.past[keep - 1].clone();
        self.world.branch = self.world.branch.wrapping_add(1);
        // Hashes of kept blocks stay; those of new ones differ.
        self.node.see(&self.world);
        self.count("reorganised");
    }

    /// L1 finalises all but some blocks. A node that was away sees it in bulk, before or after it is killed.
    fn finalise(&mut self, a: u8, b: u8) {
        let keep = 1 + usize::from(a % 6).min(self.past.len() - 1);
        let settled = self.past[self.past.len() - keep].clone();
        self.past.drain(..self.past.len() - keep);
        if b.is_multiple_of(3) {
            self.node.restart();
        }
        self.node.witness(&settled);
        if b.is_multiple_of(2) {
            self.node.restart();
        }
        self.world.finalise_to(settled);
        self.node.see(&self.world);
        self.count("finalised");
    }

    /// Whether a step that stands carried a bundle out.
    fn happened(&self, bundle: &Bundle) -> bool {
        let ledger = &self.world.ledger;
        let live = ledger.batches().filter(|id| ledger.status(*id) == Some(Status::Live));
        let steps = live.flat_map(|id| ledger.steps(id).unwrap());
        let mut valid = steps.filter(|(_, judgement)| **judgement == Judgement::Valid);
        let mut signatures = bundle.0.iter().map(|signed| signed.signature.encode());
        valid.any(|(placed, _)| {
            let body = &placed.unwrap().step.body;
            signatures
                .clone()
                .all(|signature| body.windows(signature.len()).any(|part| part == signature))
        }) && signatures.next().is_some()
    }

    /// What is said of each bundle is so, whether or not it can change.
    fn check_statuses(&mut self) {
        let view = self.world.view();
        for (id, bundle) in &self.sent {
            let happened = self.happened(bundle);
            let next = |fragment| self.world.ledger.fragment(fragment).map(|state| state.nonce);
            let used = bundle.0.iter().any(|signed| Some(signed.nonce) < next(signed.fragment));
            // Behind a lie.
            let unknown = bundle.0.iter().any(|signed| next(signed.fragment).is_none());
            let last = bundle.0.iter().map(|signed| signed.valid_until).min().unwrap();
            let late = last + MAX_CLOCK_AGE <= self.world.tip();
            let info = self.node.mempool.status(&view, *id);
            let (what, so) = match info.expect("all are remembered").status {
                IntentStatus::Included { .. } => ("included", happened),
                IntentStatus::Final { batch, .. } => ("final", happened && self.world.ledger.is_final(batch)),
                IntentStatus::Waiting { .. } | IntentStatus::Posted { .. } => ("waits", !happened && !used && !late),
                IntentStatus::Dropped { reason, settled } => match reason {
                    // It was so when it became too late.
                    Refusal::Overtaken if settled => ("overtaken for good", !happened && (used || late || unknown)),
                    Refusal::Overtaken => ("overtaken", !happened && (used || unknown)),
                    Refusal::Expired { .. } => ("too late", !happened && late),
                    Refusal::Replaced { .. } => ("replaced", !happened),
                    reason => panic!("{id}: {reason}"),
                },
            };
            assert!(
                so,
                "{id} is said to be {what}; it has happened: {happened}, its nonce is used: {used}"
            );
            *self.counts.entry(what).or_default() += 1;
        }
    }
}

/// Whether a batch is a lie in part, or stands on one.
fn falls(ledger: &Ledger, id: BatchId) -> bool {
    let Some(judgement) = ledger.judgement(id).ok().filter(|_| !ledger.is_final(id)) else {
        return false;
    };
    let lie = |judgement: &&Judgement| matches!(judgement, Judgement::Lie(_) | Judgement::Unjudged(_));
    let entries = ledger.entries(id).unwrap_or_default();
    let parents = entries.iter().filter_map(|entry| entry.head.map(|head| head.id));
    judgement.iter().any(lie) || parents.into_iter().any(|parent| falls(ledger, parent))
}

fn run(events: &[Event]) -> Counts {
    let mut run = Run::new();
    for (what, a, b, c) in events {
        match what % 16 {
            0..=8 => run.send(a % USERS, *b, *c),
            9..=12 => run.block(*a, *b, *c),
            13 => run.prove(),
            14 if b.is_multiple_of(2) => run.reorganise(a % 6),
            14 => run.finalise(*a, *c),
            _ => {
                run.node.restart();
                run.node.see(&run.world);
                run.count("restarted");
            }
        }
        run.check_statuses();
    }
    run.counts
}

#[test]
fn whatever_comes_in_no_packed_step_is_a_lie_or_stands_on_one() {
    let total = RefCell::new(Counts::new());
    let config = ProptestConfig {
        cases: std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|cases| cases.parse().ok())
            .unwrap_or(48),
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(events in vec(any::<Event>(), 20..160))| {
        for (what, count) in run(&events) {
            *total.borrow_mut().entry(what).or_default() += count;
        }
    });
    let total = total.into_inner();
    for what in [
        "taken",
        "valid",
        "skipped",
        "nothing applied",
        "rival",
        "lie",
        "proved",
        "reorganised",
        "finalised",
        "restarted",
        "included",
        "final",
        "waits",
        "overtaken",
        "overtaken for good",
        "too late",
        "replaced",
        "unverified",
        "leased",
        "nonceGap",
        "invalid",
    ] {
        assert!(
            total.get(what).is_some_and(|count| *count >= 5),
            "{what} was hardly reached: {total:?}"
        );
    }
}
