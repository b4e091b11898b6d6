//! The same batches on the contracts, in the model and by the rule that simulations use.

use alloy::sol_types::SolEvent;
use nthroot_bench::spectrum::{
    blast::fallen,
    contention::{Scene, Touches, skipped},
};
use nthroot_bindings::Bridge;
use nthroot_evm::SpecId;
use nthroot_model::ledger::{Rollback, SubmitError};
use nthroot_protocol::{AnchorId, Batch, BatchHeader, BatchId, FreshTouch, Key, RepeatedTouch, Root, Status, Step};
use nthroot_stage::stage::{ETHER, MALLORY, Stage};
use rand::{SeedableRng, rngs::StdRng};

/// A bridge with roots, in blocks that are over.
fn roots(count: u32) -> (Stage, Vec<AnchorId>) {
    let mut stage = Stage::new(SpecId::OSAKA);
    let anchors = (0..count)
        .map(|_| stage.deposit(Key::Secp256k1(MALLORY), ETHER))
        .collect();
    stage.mine(2);
    (stage, anchors)
}

/// A batch whose steps touch these roots and say nothing: only whose heads they name matters here.
fn batch(stage: &mut Stage, view: &[(AnchorId, BatchId)], steps: &[Touches], slot: u16) -> Batch {
    let posting = stage.posting(MALLORY);
    let mut entries: Vec<u32> = Vec::new();
    let step = |touches: &Touches| {
        let mut step = Step::default();
        let root = Root::of(b"any");
        for touched in touches {
            match entries.iter().position(|entry| entry == touched) {
                Some(entry) => step.again.push(RepeatedTouch {
                    entry: u16::try_from(entry).expect("few"),
                    root,
                }),
                None => {
                    let (anchor, parent) = view[usize::try_from(*touched).expect("few")];
                    step.fresh.push(FreshTouch { anchor, root, parent });
                    entries.push(*touched);
                }
            }
        }
        step.again.sort_by_key(|touch| touch.entry);
        step
    };
    let steps = steps.iter().map(step).collect();
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: stage.l1.chain.chain_id(),
            clock: posting.clock,
            clock_hash: posting.clock_hash,
            ceiling: 1_000_000,
            slot,
            step_count: 0,
            entry_count: 0,
            rules: Vec::new(),
        },
        steps,
    };
    batch.seal();
    batch
}

/// The roots with the ids that wrote their heads.
fn view(stage: &Stage, anchors: &[AnchorId]) -> Vec<(AnchorId, BatchId)> {
    let parent = |anchor| stage.ledger.head(anchor).expect("open").id;
    anchors.iter().map(|anchor| (*anchor, parent(*anchor))).collect()
}

fn bits(skipped: &[u8], steps: usize) -> Vec<bool> {
    let bit = |step: usize| skipped.get(step / 8).is_some_and(|byte| byte >> (step % 8) & 1 == 1);
    (0..steps).map(bit).collect()
}

#[test]
fn who_is_skipped_is_whom_contracts_and_model_skip() {
    let mut random = StdRng::seed_from_u64(17);
    let (mut lost, mut kept, mut nothing) = (0, 0, 0);
    for single in [1.0, 0.6, 0.0] {
        for proposers in [2, 3] {
            let (mut stage, anchors) = roots(12);
            let scene = Scene {
                roots: 12,
                steps: 18,
                single,
                proposers,
            };
            let drawn: Vec<_> = scene
                .draw(&mut random)
                .into_iter()
                .filter(|batch| !batch.is_empty())
                .collect();
            let view = view(&stage, &anchors);
            for (slot, (steps, said)) in (0..).zip(drawn.iter().zip(skipped(&drawn))) {
                let batch = batch(&mut stage, &view, steps, slot);
                let bytes = batch.encode();
                let call = Bridge::submitCall {
                    batch: bytes.clone().into(),
                };
                let receipt = stage.l1.send(MALLORY, &call).expect("sent");
                match stage.ledger.submit(MALLORY, &bytes) {
                    Ok(submitted) => {
                        assert!(receipt.success, "{}", receipt.output);
                        let event = receipt
                            .logs
                            .iter()
                            .find_map(|log| Bridge::StepsSkipped::decode_log(log).ok());
                        let event = event.map(|event| event.skipped.to_vec()).unwrap_or_default();
                        assert_eq!(bits(&event, steps.len()), said, "the contract's");
                        assert_eq!(bits(&submitted.skipped, steps.len()), said, "the model's");
                    }
                    Err(SubmitError::NothingApplied) => {
                        assert!(!receipt.success && said.iter().all(|skipped| *skipped));
                        nothing += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
                lost += said.iter().filter(|skipped| **skipped).count();
                kept += said.iter().filter(|skipped| !**skipped).count();
            }
        }
    }
    assert!(
        lost > 20 && kept > 40,
        "{lost} skipped, {kept} kept, {nothing} batches of nothing"
    );
}

#[test]
fn what_falls_with_a_lie_is_what_is_condemned() {
    let mut random = StdRng::seed_from_u64(23);
    let (mut fell, mut stood) = (0, 0);
    for _ in 0..6 {
        let (mut stage, anchors) = roots(30);
        let scene = Scene {
            roots: 30,
            steps: 2,
            single: 0.5,
            proposers: 1,
        };
        let drawn: Vec<Vec<Touches>> = (0..10).map(|_| scene.draw(&mut random).concat()).collect();
        let ids: Vec<BatchId> = (0..)
            .zip(&drawn)
            .map(|(slot, steps)| {
                let view = view(&stage, &anchors);
                let batch = batch(&mut stage, &view, steps, slot);
                let (_, id) = stage.submit(MALLORY, &batch);
                stage.mine(1);
                id
            })
            .collect();
        let evidence = stage.ledger.evidence(ids[0], 0).expect("on deposits");
        let conviction = stage
            .ledger
            .convict(&evidence, &[])
            .expect("a step without a body is a lie");
        assert!(!conviction.unwound);
        while let Some(child) = stage.ledger.rollbacks().into_iter().find_map(|next| match next {
            Rollback::Condemn { child, .. } => Some(child),
            Rollback::Unwind(_) => None,
        }) {
            stage.ledger.on_condemned(child).expect("built on a lie");
        }
        let condemned = ids.iter().map(|id| stage.ledger.status(*id) != Some(Status::Live));
        let condemned: Vec<bool> = condemned.collect();
        assert_eq!(condemned, fallen(&drawn));
        fell += condemned.iter().filter(|falls| **falls).count();
        stood += condemned.iter().filter(|falls| !**falls).count();
    }
    assert!(fell > 12 && stood > 12, "{fell} fell, {stood} stood");
}
