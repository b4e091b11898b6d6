//! The liar is the honest proposer with one thing changed. Each such lie is convicted in one transaction; the batch it was
//! made from cannot be.
#![allow(clippy::print_stdout, reason = "a table of what was measured")]

mod cohorts;
mod honest;
mod keys;
mod meanings;
mod payments;

use alloy::primitives::{Address, Bytes};
use nthroot_bindings::Bridge;
use nthroot_evm::SpecId;
use nthroot_model::signing::authorise;
use nthroot_protocol::{BatchHeader, BatchId, Body, Domain, Meaning, Root, SignedMessage, Step};
use nthroot_stage::stage;

use crate::{
    honest::{Base, Cast, Honest, User},
    stage::CHALLENGER,
};

const TX_GAS_CAP: u64 = 1 << 24;

/// An honest batch with one thing changed.
struct Lie {
    /// What is changed.
    name: &'static str,
    /// The honest batch.
    base: Base,
    /// What the model must find wrong: part of its reason.
    reason: &'static str,
    tell: fn(&Cast, &mut Draft),
}

/// A batch of one step that is being changed.
struct Draft {
    header: BatchHeader,
    step: Step,
    body: Body,
    /// Who posts it.
    proposer: Address,
    /// What is signed in the first call, and by whom.
    signed: Vec<(User, SignedMessage)>,
    /// A change to the encoded body.
    bytes: fn(&mut Vec<u8>),
}

impl Draft {
    /// Has an authorisation of the first call signed again, by the same user.
    fn sign_other(&mut self, cast: &Cast, place: usize, change: impl FnOnce(&mut SignedMessage)) {
        change(&mut self.signed[place].1);
        self.sign_as(place, self.signed[place].0, &cast.stage.domain());
    }

    /// Has an authorisation of the first call signed by somebody, for some domain.
    fn sign_as(&mut self, place: usize, user: User, domain: &Domain) {
        let authorisation = &mut self.body.calls[0].authorisations[place];
        let message = &self.signed[place].1;
        let payload = authorisation.payload.clone();
        *authorisation = authorise(user.signer().as_ref(), domain, message, payload, authorisation.position);
    }

    /// Has the first authorisation of the first call signed again with another payload.
    fn sign_payload(&mut self, cast: &Cast, payload: Vec<u8>) {
        self.sign_other(cast, 0, |message| message.meaning = Meaning::opaque(&payload));
        self.body.calls[0].authorisations[0].payload = payload.into();
    }
}

/// All lies.
fn lies() -> impl Iterator<Item = &'static Lie> {
    [payments::LIES, cohorts::LIES, keys::LIES, meanings::LIES]
        .into_iter()
        .flatten()
}

/// Posts the honest batch with a lie in it.
fn tell(lie: &Lie, cast: &mut Cast) -> BatchId {
    let Honest {
        mut batch,
        proposer,
        signed,
    } = cast.honest(lie.base);
    let step = batch.steps.remove(0);
    let mut draft = Draft {
        body: Body::of(&step).expect("honest"),
        step,
        header: batch.header.clone(),
        proposer,
        signed,
        bytes: |_| (),
    };
    (lie.tell)(cast, &mut draft);
    let mut body = draft.body.encode();
    (draft.bytes)(&mut body);
    batch.header = draft.header;
    batch.header.slot = cast.stage.ledger.free_slot(draft.proposer).expect("65,536 slots");
    batch.steps = vec![Step {
        body: body.into(),
        ..draft.step
    }];
    batch.seal();
    cast.stage.submit(draft.proposer, &batch).1
}

/// Bytes of evidence and gas of the challenge that convicts.
fn convict(lie: &Lie, mut cast: Cast) -> (usize, u64) {
    let id = tell(lie, &mut cast);
    assert!(cast.stage.is_lie(id), "{}: the model sees it", lie.name);
    let challenged = cast.stage.challenge(id, 0);
    let reason = format!("{:?}", challenged.conviction.reason);
    assert!(
        reason.contains(lie.reason),
        "{} is wrong in that way only: {reason}",
        lie.name
    );
    assert!(challenged.receipt.gas < TX_GAS_CAP);
    (challenged.evidence, challenged.receipt.gas)
}

#[test]
fn each_lie_is_convicted_in_one_transaction() {
    let cast = Cast::new(SpecId::OSAKA);
    println!("{:<52} {:>8} {:>9}", "lie", "bytes", "gas");
    for lie in lies() {
        let (size, gas) = convict(lie, cast.clone());
        println!("{:<52} {size:>8} {gas:>9}", lie.name);
    }
}

#[test]
fn each_lie_is_convicted_under_the_coming_gas_schedule() {
    let cast = Cast::new(SpecId::AMSTERDAM);
    for lie in lies() {
        convict(lie, cast.clone());
    }
}

#[test]
fn the_honest_twins_cannot_be_convicted() {
    for spec in [SpecId::OSAKA, SpecId::AMSTERDAM] {
        let cast = Cast::new(spec);
        for base in Base::ALL {
            let mut cast = cast.clone();
            let Honest { batch, proposer, .. } = cast.honest(base);
            let (_, id) = cast.stage.submit(proposer, &batch);
            assert!(!cast.stage.is_lie(id), "{base:?}: the model finds it valid");
            cast.stage.assert_valid(id, 0);
        }
    }
}

/// What proposers commit is twice what they measured, so a fork that reprices gas after they posted changes no verdict.
#[test]
fn a_fork_between_posting_and_challenge_changes_no_verdict() {
    let cast = Cast::new(SpecId::OSAKA);
    for base in Base::ALL {
        let mut cast = cast.clone();
        let Honest { batch, proposer, .. } = cast.honest(base);
        let (_, id) = cast.stage.submit(proposer, &batch);
        cast.stage.l1.chain.fork(SpecId::AMSTERDAM);
        cast.stage.assert_valid(id, 0);
    }
    for lie in lies() {
        let mut cast = cast.clone();
        let id = tell(lie, &mut cast);
        cast.stage.l1.chain.fork(SpecId::AMSTERDAM);
        cast.stage.challenge(id, 0);
    }
}

/// Nor does any change to the evidence convict an honest batch: it opens something else, or nothing.
#[test]
fn no_change_to_the_evidence_convicts_an_honest_batch() {
    let cast = Cast::new(SpecId::OSAKA);
    for base in [Base::Payment, Base::Leased, Base::Meant] {
        let mut cast = cast.clone();
        let Honest { batch, proposer, .. } = cast.honest(base);
        let (_, id) = cast.stage.submit(proposer, &batch);
        let evidence = cast.stage.ledger.evidence(id, 0).expect("known pre-states");
        for place in 0..evidence.len() {
            let mut changed = evidence.clone();
            changed[place] ^= 1 << (place % 8);
            let call = Bridge::challengeCall {
                evidence: changed.into(),
                entries: Bytes::new(),
            };
            let receipt = cast.stage.l1.send(CHALLENGER, &call).expect("sent");
            assert!(
                !receipt.success && !receipt.output.is_empty(),
                "byte {place}: a named error"
            );
        }
    }
}

/// A root that is nobody's.
fn wrong_root() -> Root {
    Root::of(b"anything")
}
