//! The least gas that a call may commit, to the unit: where the contracts change their verdict, a node does.

use nthroot_protocol::AccountOp;

use crate::{
    SPECS,
    bases::Base,
    compose::{take_over, way_out},
    deeds::Deed,
    draft::Draft,
    stage::{CHALLENGER, ETHER, MALLORY},
    world::World,
};

/// What the chain says of a step with the gas that it commits, and the model says the same.
fn is_lie(world: &World, draft: &Draft) -> bool {
    let mut world = world.clone();
    let (_, id) = world.stage.submit(MALLORY, &draft.batch(&world));
    let challenge = world.stage.challenge_call(id, 0);
    let receipt = world.stage.l1.send(CHALLENGER, &challenge).expect("sent");
    let committed: Vec<u32> = draft.body.calls.iter().map(|call| call.gas).collect();
    assert_eq!(
        receipt.success,
        world.stage.is_lie(id),
        "with {committed:?} gas: {:?}",
        world.stage.ledger.judgement(id)
    );
    receipt.success
}

/// The least gas with which a call of an honest step is valid.
fn threshold(world: &World, honest: &Draft, call: usize) -> u32 {
    let with = |gas| {
        let mut draft = honest.clone();
        draft.body.calls[call].gas = gas;
        draft
    };
    let (mut little, mut enough) = (0, honest.body.calls[call].gas);
    assert!(is_lie(world, &with(little)) && !is_lie(world, &with(enough)));
    while enough - little > 1 {
        let gas = u32::midpoint(little, enough);
        if is_lie(world, &with(gas)) {
            little = gas;
        } else {
            enough = gas;
        }
    }
    enough
}

/// What users do with their own fragments.
fn own(world: &World) -> Deed {
    let open = AccountOp::Open {
        depth: 3,
        kind: 1,
        controller: MALLORY,
        assets: vec![(world.token(2), ETHER)],
    };
    let lease = AccountOp::SetLease {
        holder: MALLORY,
        last_block: world.clock() + 9,
    };
    let withdraw = AccountOp::Withdraw {
        recipient: MALLORY,
        token: Default::default(),
        amount: ETHER,
    };
    Deed::Account(0, vec![open, lease, withdraw])
}

#[test]
fn a_unit_of_gas_decides_on_chain_and_in_a_node_alike() {
    for spec in SPECS {
        let world = World::new(spec);
        let mut steps: Vec<(String, World, Vec<Deed>)> = Vec::new();
        for base in Base::ALL {
            let mut world = world.clone();
            let deed = base.deed(&mut world);
            steps.push((base.what().to_owned(), world, vec![deed]));
        }
        steps.push(("account".into(), world.clone(), vec![own(&world)]));
        let out = way_out(&world).expect("a price");
        steps.push(("three rules".into(), world.clone(), out.into()));
        let over = take_over(&world);
        steps.push(("a title".into(), world.clone(), over.into()));
        for (what, mut world, deeds) in steps {
            let honest = Draft::new(&mut world, &deeds);
            for call in 0..honest.body.calls.len() {
                let gas = threshold(&world, &honest, call);
                println!("{what:<48} {call} {gas:>8} {spec:?}");
            }
        }
    }
}
