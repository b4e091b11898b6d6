//! The gas that a batch's transaction is given suffices under each fork.
#![allow(clippy::print_stdout, reason = "what was measured")]

use alloy::primitives::{Address, FixedBytes, U256};
use nthroot_bindings::Bridge;
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_node::proposer::{MOST_GAS, gas_of};
use nthroot_protocol::{AnchorId, Batch, BatchHeader, BatchId, FreshTouch, Key, RepeatedTouch, Root, Step, Withdrawal};

const PROPOSER: Address = Address::repeat_byte(0xb0);
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A batch's steps by numbers: how many, and in each the fresh, opened and repeated touches, withdrawals, and bytes of body.
type Shape = (usize, usize, usize, usize, usize, usize);

/// What posting takes. `submit` looks at no body and no root, so neither has to be right here.
fn check(spec: SpecId, shape: Shape) -> (u64, u64) {
    let (steps, fresh, opened, again, withdrawals, body) = shape;
    let mut world = Deployed::new(spec, Parameters::default()).unwrap();
    world.chain.fund(PROPOSER, ETHER * U256::from(100_000));
    world.chain.mine(200_000);
    let fund = Bridge::fundBondCall { proposer: PROPOSER };
    let funded = world.send_value(PROPOSER, ETHER * U256::from(1_000), &fund).unwrap();
    assert!(funded.success);
    let key = FixedBytes(Key::Secp256k1(PROPOSER).to_bytes());
    let mut touch = || {
        world.chain.mine(1);
        let deposit = world.send_value(PROPOSER, ETHER, &Bridge::depositCall { key }).unwrap();
        assert!(deposit.success);
        let parent = BatchId::new(world.chain.number() - world.deployment_block, 1).unwrap();
        FreshTouch {
            anchor: AnchorId::new(parent, 0),
            root: Root::of(b"any"),
            parent,
        }
    };
    let step = |number: usize| Step {
        fresh: (0..fresh).map(|_| touch()).collect(),
        opened: vec![Root::of(b"new"); opened],
        // Those of the step before.
        again: (0..again.min(number * (fresh + opened)))
            .map(|place| RepeatedTouch {
                entry: u16::try_from((number - 1) * (fresh + opened) + place).unwrap(),
                root: Root::of(b"again"),
            })
            .collect(),
        withdrawals: vec![
            Withdrawal {
                recipient: PROPOSER,
                token: Address::ZERO,
                amount: 1,
            };
            withdrawals
        ],
        body: vec![0xa5; body].into(),
    };
    let steps: Vec<Step> = (0..steps).map(step).collect();
    world.chain.mine(1);
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
            rules: Vec::new(),
        },
        steps,
    };
    batch.seal();
    let submit = Bridge::submitCall {
        batch: batch.encode().into(),
    };
    let receipt = world.send(PROPOSER, &submit).unwrap();
    assert!(receipt.success, "{shape:?}: {}", receipt.output);
    (receipt.gas, gas_of(&batch))
}

#[test]
fn the_gas_of_a_batch_suffices_whatever_the_fork() {
    let shapes: [Shape; 8] = [
        (1, 1, 0, 0, 0, 200),
        (1, 0, 1, 0, 0, 0),
        (60, 2, 0, 0, 0, 500),
        (60, 1, 1, 0, 0, 300),
        (40, 0, 2, 0, 0, 10),
        (60, 1, 0, 1, 0, 0),
        (17, 1, 0, 0, 15, 100),
        (12, 1, 0, 0, 0, 8_000),
    ];
    let mut failed = false;
    for spec in [SpecId::OSAKA, SpecId::AMSTERDAM] {
        for shape in shapes {
            let (taken, given) = check(spec, shape);
            println!("{spec:?} {shape:?}: {taken} of {given}");
            failed |= taken > given || given > MOST_GAS;
        }
    }
    assert!(!failed, "see above");
}
