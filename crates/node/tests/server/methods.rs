//! What each method says.

use alloy::{primitives::U256, sol_types::SolCall};
use nthroot_api::{ApiClient, ClaimId, StepInfo};
use nthroot_bindings::Bridge;
use nthroot_protocol::{AccountOp, AssetId, BatchId, FragmentId};

use crate::world::{BOOK, DEPLOYED, DOMAIN, WINDOW, World, address, http, key, limits, pay};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_what_it_follows_and_how_far() {
    let mut world = World::new();
    world.finalise();
    world.advance(3);
    let chain = http(&world.serve().await).chain().await.unwrap();
    assert_eq!((chain.chain_id, chain.bridge), (DOMAIN.chain_id, DOMAIN.bridge));
    assert_eq!((chain.rules, chain.window, chain.fault), (BOOK, WINDOW, None));
    let view = world.view();
    assert_eq!((chain.tip.block, chain.tip.hash), (view.tip.number, view.tip.hash));
    assert_eq!(chain.tip.finalised, view.tip.number - 3);
    assert!(chain.tip.synced);
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_are_pending_at_once_and_final_after_the_window() {
    let mut world = World::new();
    let (alice, bob) = (world.deposit(1, 1_000), world.deposit(2, 500));
    let server = world.serve().await;
    let client = http(&server);
    let amounts = async |id| {
        let info = client.fragment(id).await.unwrap().unwrap();
        let amount = |state: Option<nthroot_api::FragmentState>| state.map(|state| state.assets[0].amount);
        (amount(info.pending), amount(info.settled), info.final_at)
    };
    // L1 may yet take a deposit back.
    assert_eq!(amounts(alice).await, (Some(1_000), None, None));
    world.finalise();
    let deposited = DEPLOYED + alice.anchor().batch().block_offset();
    assert_eq!(amounts(alice).await, (Some(1_000), Some(1_000), Some(deposited)));

    let batch = world.post(&[(1, alice, vec![pay(bob, 100)]), (2, bob, vec![])]);
    let final_at = world.ledger.window_end(batch) + 1;
    assert_eq!(amounts(alice).await, (Some(900), Some(1_000), Some(final_at)));
    assert_eq!(amounts(bob).await, (Some(600), Some(500), Some(final_at)));
    // A second one on top of it: what is final is still what was before both.
    world.post(&[(2, bob, vec![pay(alice, 1)]), (1, alice, vec![])]);
    assert_eq!(amounts(bob).await, (Some(599), Some(500), Some(final_at + 1)));
    world.advance(final_at - 1 - world.ledger.block());
    assert_eq!(amounts(bob).await.1, Some(500));
    world.advance(1);
    assert_eq!(amounts(bob).await.1, Some(600), "the first is final, the second is not");
    world.advance(1);
    assert_eq!(amounts(bob).await.1, Some(599));
    let none: FragmentId = "9.9/9#9".parse().unwrap();
    assert_eq!(client.fragment(none).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_liar_wrote_is_neither_pending_nor_final() {
    let mut world = World::new();
    let (alice, bob) = (world.deposit(1, 1_000), world.deposit(2, 500));
    world.finalise();
    let lie = world.lie(&[(1, alice, vec![pay(bob, 100)]), (2, bob, vec![])]);
    let server = world.serve().await;
    let client = http(&server);
    let info = client.fragment(alice).await.unwrap().unwrap();
    assert_eq!(info.pending, None);
    assert_eq!(info.settled.unwrap().assets[0].amount, 1_000);
    assert_eq!(info.head.id, lie);
    assert_eq!(client.proof(alice).await.unwrap(), None, "nobody knows the state");
    let batch = client.batch(lie).await.unwrap().unwrap();
    assert!(matches!(&batch.steps[..], [StepInfo::Lie(_)]), "{batch:?}");
    let found = client.fragments_of(key(1), None).await.unwrap();
    assert_eq!(found.items.len(), 1, "its owner still finds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_convinces_whoever_has_the_head_from_l1() {
    let mut world = World::new();
    let alice = world.deposit(1, 1_000);
    // One that opens a cohort, so that there is a path.
    let cohort = AccountOp::Open {
        kind: nthroot_protocol::Kind::Secp256k1.to_u8(),
        controller: address(1),
        depth: 3,
        assets: vec![(AssetId::ETH, 100)],
    };
    let opened = world.post(&[(1, alice, vec![cohort])]);
    let server = world.serve().await;
    let client = http(&server);
    let in_cohort = world.ledger.anchors().find(|(id, ..)| id.batch() == opened).unwrap().0;
    for id in [alice, in_cohort.fragment()] {
        let proof = client.proof(id).await.unwrap().unwrap();
        let head = world.ledger.head(id.anchor()).unwrap();
        assert_eq!(&proof.verify(head).unwrap(), world.state(id));
        assert_eq!(proof.block, world.ledger.block());
        assert_eq!(proof.siblings.len(), usize::from(proof.depth));
    }
    assert_eq!(client.proof(in_cohort.leaf(3).unwrap()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_ended_until_there_is_no_more() {
    let mut world = World::new();
    let mine: Vec<FragmentId> = (0..5).map(|n| world.deposit(1, 100 + n)).collect();
    world.deposit(2, 7);
    let batches: Vec<BatchId> = mine.iter().map(|id| world.withdraw(1, *id, 10)).collect();
    let server = world
        .serve_with(
            nthroot_node::server::Limits {
                max_page: 2,
                ..limits()
            },
            None,
        )
        .await;
    let client = http(&server);

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = client.fragments_of(key(1), after).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|info| info.id));
        after = found.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(found, mine);

    let (mut found, mut before) = (Vec::new(), None);
    loop {
        // Never more than the node allows.
        let page = client.batches(before, Some(100)).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|info| info.id));
        before = found.last().copied();
        if !page.more {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, batches, "newest first");
    assert_eq!(client.batches(None, Some(1)).await.unwrap().items.len(), 1);

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = client.claims(address(1), after).await.unwrap();
        found.extend(page.items.iter().map(|claim| claim.batch));
        after = page.items.last().map(|claim| ClaimId {
            batch: claim.batch,
            position: claim.position,
        });
        if !page.more {
            break;
        }
    }
    assert_eq!(found, batches);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_can_be_pushed_once_its_batch_is_final() {
    let mut world = World::new();
    let alice = world.deposit(1, 1_000);
    let batch = world.withdraw(1, alice, 300);
    let server = world.serve().await;
    let client = http(&server);
    let claim = client.claims(address(1), None).await.unwrap().items.remove(0);
    assert_eq!((claim.batch, claim.amount, claim.paid), (batch, 300, false));
    assert_eq!(claim.payable_at, Some(world.ledger.window_end(batch) + 1));
    assert_eq!(client.claim_call(batch, 0).await.unwrap(), None, "not yet");
    world.advance(WINDOW);
    let call = client.claim_call(batch, 0).await.unwrap().unwrap();
    assert_eq!(call.to, DOMAIN.bridge);
    let call = Bridge::claimCall::abi_decode(&call.data).unwrap();
    let siblings: Vec<_> = call
        .siblings
        .chunks(32)
        .map(alloy::primitives::B256::from_slice)
        .collect();
    assert_eq!(call.position, U256::ZERO);
    let withdrawal = nthroot_protocol::Withdrawal {
        recipient: call.withdrawal.recipient,
        token: call.withdrawal.token,
        amount: call.withdrawal.amount,
    };
    // The model pays it, as the bridge would.
    world.ledger.claim(&call.preimage, 0, withdrawal, &siblings).unwrap();
    world.advance(1);
    assert_eq!(client.claim_call(batch, 0).await.unwrap(), None, "paid");
    assert_eq!(client.claim_call(batch, 1).await.unwrap(), None, "no such position");
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_equal_where_the_heads_are() {
    let mut world = World::new();
    let alice = world.deposit(1, 1_000);
    world.finalise();
    let server = world.serve().await;
    let client = http(&server);
    let digest = client.digest(None).await.unwrap().unwrap();
    // keccak(id ‖ head), of the one anchor that there is.
    let mut bytes = alice.anchor().to_bytes().to_vec();
    bytes.extend(nthroot_protocol::Head::to_word(world.ledger.head(alice.anchor())));
    assert_eq!(digest.digest, alloy::primitives::keccak256(bytes));
    assert_eq!(
        (digest.block, digest.hash),
        (world.view().tip.number, world.view().tip.hash)
    );

    let other = World::new();
    let other = http(&other.serve().await).digest(None).await.unwrap().unwrap();
    assert_ne!(other.digest, digest.digest);

    world.withdraw(1, alice, 1);
    let now = client.digest(None).await.unwrap().unwrap();
    assert_ne!(now.digest, digest.digest);
    // What L1 has finalised is as it was.
    let settled = client.digest(Some(digest.block)).await.unwrap().unwrap();
    assert_eq!(settled, digest);
    let at_tip = client.digest(Some(now.block)).await.unwrap().unwrap();
    assert_eq!(at_tip, now);
    assert_eq!(client.digest(Some(1)).await.unwrap(), None);
}
