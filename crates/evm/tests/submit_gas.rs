//! What posting costs: whole cold transactions. `submit` looks at no body and no root, so neither has to be right here.
#![allow(clippy::print_stdout, reason = "what was measured")]

use alloy::primitives::{Address, FixedBytes, U256};
use nthroot_bindings::Bridge;
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_protocol::{AnchorId, Batch, BatchHeader, BatchId, FreshTouch, Key, Root, Step};

const PROPOSER: Address = Address::repeat_byte(0xb0);
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A bridge some weeks old, with `users` deposits.
fn world(spec: SpecId, users: usize) -> (Deployed, Vec<FreshTouch>) {
    let mut world = Deployed::new(spec, Parameters::default()).unwrap();
    world.chain.fund(PROPOSER, ETHER * U256::from(10_000));
    world.chain.mine(200_000);
    let fund = Bridge::fundBondCall { proposer: PROPOSER };
    assert!(
        world
            .send_value(PROPOSER, ETHER * U256::from(1_000), &fund)
            .unwrap()
            .success
    );
    let key = FixedBytes(Key::Secp256k1(PROPOSER).to_bytes());
    let touches = (0..users)
        .map(|_| {
            world.chain.mine(1);
            let receipt = world.send_value(PROPOSER, ETHER, &Bridge::depositCall { key }).unwrap();
            assert!(receipt.success);
            let parent = BatchId::new(world.chain.number() - world.deployment_block, 1).unwrap();
            FreshTouch {
                anchor: AnchorId::new(parent, 0),
                root: Root::of(b"any"),
                parent,
            }
        })
        .collect();
    world.chain.mine(1);
    (world, touches)
}

/// Posts a batch in which each step touches two anchors; returns its gas and the touches of the next one.
fn post(world: &mut Deployed, touches: &[FreshTouch]) -> (u64, Vec<FreshTouch>) {
    let clock = world.chain.number() - 1;
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: world.chain.chain_id(),
            clock,
            clock_hash: world.chain.block_hash(clock),
            ceiling: 1_000_000,
            slot: 0,
            step_count: 0,
            entry_count: 0,
            rules: vec![],
        },
        steps: touches
            .chunks(2)
            .map(|pair| Step {
                fresh: pair.to_vec(),
                ..Step::default()
            })
            .collect(),
    };
    batch.seal();
    let receipt = world
        .send(
            PROPOSER,
            &Bridge::submitCall {
                batch: batch.encode().into(),
            },
        )
        .unwrap();
    assert!(receipt.success, "{}", receipt.output);
    let id = BatchId::new(world.chain.number() - world.deployment_block, 1).unwrap();
    // Long enough for the word slot to be free again.
    world.chain.mine(world.parameters.window + 5);
    let next = touches
        .iter()
        .map(|touch| FreshTouch { parent: id, ..*touch })
        .collect();
    (receipt.gas, next)
}

/// Gas of one more user root (two a step, bodies apart) and of a batch beside its roots, steady state. The bounds are what is
/// reached, to notice a step back; the targets are what the design asks for.
#[test]
fn a_user_root_and_a_batch_cost_no_more_than_they_did() {
    for (spec, root_bound, root_target, batch_bound, batch_target) in [
        (SpecId::OSAKA, 6_200.0, 6_000, 44_000.0, 40_000),
        (SpecId::AMSTERDAM, 13_400.0, 13_250, 59_700.0, 56_000),
    ] {
        let (mut world, touches) = world(spec, 100);
        let (_, touches) = post(&mut world, &touches);
        let (hundred, touches) = post(&mut world, &touches);
        let (two, _) = post(&mut world, &touches[..2]);
        let gas = |gas: u64| f64::from(u32::try_from(gas).expect("below the cap"));
        let root = gas(hundred - two) / 98.0;
        let batch = gas(two) - 2.0 * root;
        println!("{spec:?}: a user root {root:.0} (target {root_target}), a batch {batch:.0} (target {batch_target})");
        assert!(root <= root_bound && batch <= batch_bound);
    }
}
