//! Intents over the wire, into a real mempool.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use jsonrpsee::core::ClientError;
use nthroot_api::{ApiClient, Bundle, IntentId, IntentStatus, Refusal};
use nthroot_node::mempool;

use crate::world::{World, http, limits};

fn refusal(answer: Result<IntentId, ClientError>) -> Refusal {
    let Err(ClientError::Call(error)) = answer else {
        panic!("{answer:?}")
    };
    let refusal = Refusal::of(&error).expect("its data says why");
    assert_eq!(
        (error.code(), error.message()),
        (refusal.code(), refusal.to_string().as_str())
    );
    refusal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_proposer_says_that_it_carries_nothing() {
    let mut world = World::new();
    let (alice, bob) = (world.deposit(1, 100), world.deposit(2, 100));
    let client = http(&world.serve().await);
    assert_eq!(client.terms().await.unwrap(), None);
    assert_eq!(client.intent(IntentId::ZERO).await.unwrap(), None);
    let bundle = world.payment([(1, alice), (2, bob)], 1);
    assert_eq!(refusal(client.send(bundle).await), Refusal::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_waits_and_what_could_not_happen_is_refused_at_once() {
    let mut world = World::new();
    let (alice, bob) = (world.deposit(1, 100), world.deposit(2, 100));
    let server = world
        .serve_with(limits(), Some(world.mempool(mempool::Limits::default())))
        .await;
    let client = http(&server);
    let terms = client.terms().await.unwrap().unwrap();
    assert_eq!(terms.waiting, 0);
    let bundle = world.payment([(1, alice), (2, bob)], 1);
    let id = client.send(bundle.clone()).await.unwrap();
    assert_eq!(id, bundle.id());
    let info = client.intent(id).await.unwrap().unwrap();
    assert!(matches!(info.status, IntentStatus::Waiting { .. }), "{info:?}");
    assert_eq!(info.as_of, world.view().tip.number);
    assert_eq!(client.terms().await.unwrap().unwrap().waiting, 1);

    let mut forged = world.payment([(1, bob), (2, alice)], 1);
    forged.0[0].nonce += 7;
    let refused = refusal(client.send(forged).await);
    assert!(
        matches!(refused, Refusal::Signature { .. } | Refusal::NonceGap { .. }),
        "{refused:?}"
    );
    let refused = refusal(client.send(Bundle(Vec::new())).await);
    assert!(matches!(refused, Refusal::Bundle { .. }), "{refused:?}");
}

/// How many are taken in a second depends on the machine; that none is lost does not.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_send_at_once_are_all_answered() {
    const CLIENTS: usize = 16;
    const EACH: usize = 24;
    let mut world = World::new();
    let mut bundles = Vec::new();
    for n in 0..CLIENTS * EACH {
        let user = u8::try_from(n % 100).unwrap();
        let id = world
            .ledger
            .deposit(crate::world::key(user), alloy::primitives::Address::ZERO, 1_000)
            .unwrap();
        bundles.push((user, nthroot_protocol::AnchorId::new(id, 0).fragment()));
    }
    world.advance(1);
    let bundles: Vec<Bundle> = bundles
        .into_iter()
        .map(|payer| {
            let withdraw = nthroot_protocol::AccountOp::Withdraw {
                recipient: crate::world::address(payer.0),
                token: alloy::primitives::Address::ZERO,
                amount: 1,
            };
            Bundle(vec![world.signed(payer, vec![withdraw])])
        })
        .collect();
    let mempool = world.mempool(mempool::Limits::default());
    let server = world.serve_with(limits(), Some(mempool.clone())).await;
    let taken = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for bundles in bundles.chunks(EACH) {
            let (server, taken, handle) = (&server, &taken, tokio::runtime::Handle::current());
            scope.spawn(move || {
                handle.block_on(async {
                    let client = http(server);
                    for bundle in bundles {
                        let id = client.send(bundle.clone()).await.unwrap();
                        assert_eq!(id, bundle.id());
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("{CLIENTS} clients, {} bundles in {seconds:.3} s", CLIENTS * EACH);
    assert_eq!(taken.into_inner(), CLIENTS * EACH);
    assert_eq!(mempool.lock().unwrap().len(), CLIENTS * EACH);
}
