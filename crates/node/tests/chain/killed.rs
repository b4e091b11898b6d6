//! Whoever is killed at any moment goes on where they were: nothing is lost, and nothing happens twice.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use alloy::{primitives::keccak256, providers::Provider};
use nthroot_node::{
    Error,
    fees::FeePolicy,
    outbox::{Outbox, Purpose},
    store::Memory,
};

use crate::{
    faulty::{Fault, Killed, faulty},
    outbox::{Chain, GWEI, job, place, rows},
    world::ETHER,
};

/// Where a process is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// Before a commit is written.
    Commit(i64),
    /// After a commit was written.
    Committed(i64),
    /// Before a transaction arrives at the node.
    Send(i64),
    /// After it arrived.
    Sent(i64),
}

/// What happens meanwhile: jobs come and go, fees rise, nodes drop, blocks are taken back. `slow` is a restart that takes a
/// block, after which the caller does not know of that block yet. Says whether it came to the kill.
async fn history(chain: &Chain, kill: Kill, slow: bool) -> bool {
    let name = format!("{kill:?} {slow}");
    let key = chain.key(&name).await;
    let address = key.address();
    let store = Arc::new(Memory::new());
    let purpose = |number: u64| Purpose::Other(keccak256(format!("{name} {number}")));
    let (commits, written, sends) = match kill {
        Kill::Commit(at) => (at, false, i64::MAX),
        Kill::Committed(at) => (at, true, i64::MAX),
        Kill::Send(at) | Kill::Sent(at) => (i64::MAX, false, at),
    };
    let left = AtomicI64::new(sends);
    let l1 = faulty(chain.devnet.url(), move |method, _| {
        if method != "eth_sendRawTransaction" {
            return Fault::None;
        }
        match left.fetch_sub(1, Ordering::SeqCst) {
            0 if matches!(kill, Kill::Sent(_)) => Fault::Unanswered,
            0 => Fault::Lost,
            _ => Fault::None,
        }
    })
    .await;
    let first = Arc::new(Killed::at(Arc::clone(&store), commits, written));
    let mut outbox = Outbox::open(l1, key.clone(), first).unwrap();
    let mut killed = false;
    for round in 0..21_u64 {
        // Each comes in a round of its own, the third is not wanted for a while.
        let mut wanted = Vec::new();
        for number in (0..=round.min(3)).filter(|number| *number != 2 || !(3..6).contains(&round)) {
            if chain.balance(place(purpose(number))).await == 0 {
                wanted.push(job(purpose(number), FeePolicy::urgent(ETHER)));
            }
        }
        let tip = chain.tip().await;
        let finalised = tip.number - if round == 20 { 0 } else { 2 };
        while let Err(error) = outbox.tick(tip, finalised, &wanted).await {
            assert!(!killed, "{kill:?}: {error}");
            assert!(matches!(error, Error::Outbox(_) | Error::Transport(_)), "{error}");
            killed = true;
            if slow {
                chain.mine().await;
            }
            outbox = Outbox::open(chain.l1().clone(), key.clone(), store.clone()).unwrap();
        }
        match round {
            // Too dear for what is offered so far.
            1 => chain.base_fee(20 * GWEI).await,
            4 => chain.ask("anvil_dropAllTransactions", ()).await,
            _ => {}
        }
        if round % 2 == 1 {
            chain.mine().await;
        }
        if round == 7 {
            chain.devnet.reorg(1).await.unwrap();
        }
    }
    for number in 0..4 {
        let effects = chain.balance(place(purpose(number))).await;
        assert_eq!(effects, 1, "job {number} of {kill:?}");
    }
    let pending = chain.l1().provider().get_transaction_count(address).pending();
    assert_eq!(pending.await.unwrap(), chain.count(address).await, "{kill:?}");
    assert_eq!((outbox.entries().count(), rows(&*store)), (0, 0), "{kill:?}");
    killed
}

#[tokio::test]
async fn whoever_is_killed_at_any_moment_does_each_job_once() {
    let chain = Chain::new().await;
    chain.devnet.mine(70).await.unwrap();
    let mut moments = 0;
    for kind in [Kill::Commit, Kill::Committed, Kill::Send, Kill::Sent] {
        for slow in [false, true] {
            for at in 0.. {
                if !history(&chain, kind(at), slow).await {
                    break;
                }
                moments += 1;
            }
        }
    }
    assert!(moments >= 70, "killed at {moments} moments only");
}
