//! Each job happens exactly once on L1, whatever nodes, disks, fees and reorganisations do meanwhile.

use std::sync::Arc;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use nthroot_node::{
    Call, L1,
    devnet::Devnet,
    fees::FeePolicy,
    inputs::{self, Block},
    outbox::{Event, Job, Outbox, Purpose},
    store::Store,
};
use nthroot_protocol::BatchId;
use serde::Serialize;

use crate::{
    faulty::{Disk, Killed},
    world::{ETHER, anvil},
};

const GWEI: u128 = 1_000_000_000;

/// A chain that mines when it is told to.
struct Chain {
    devnet: Devnet,
}

impl Chain {
    async fn new() -> Self {
        let devnet = Devnet::start_program(anvil().as_os_str()).await.expect("anvil starts");
        let chain = Self { devnet };
        chain.ask("evm_setAutomine", (false,)).await;
        chain
    }

    async fn ask(&self, method: &'static str, params: impl Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin) {
        let provider = self.l1().provider();
        let _: serde_json::Value = provider.raw_request(method.into(), params).await.unwrap();
    }

    const fn l1(&self) -> &L1 {
        self.devnet.l1()
    }

    /// A key with 100 ether that nobody has used.
    async fn key(&self, name: &str) -> PrivateKeySigner {
        let key = PrivateKeySigner::from_bytes(&keccak256(name)).unwrap();
        self.ask("anvil_setBalance", (key.address(), U256::from(100 * ETHER)))
            .await;
        key
    }

    async fn mine(&self) {
        self.devnet.mine(1).await.unwrap();
    }

    /// The next block's base fee, from which later ones follow.
    async fn base_fee(&self, wei: u128) {
        self.ask("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await;
    }

    async fn tip(&self) -> Block {
        inputs::block(self.l1(), BlockNumberOrTag::Latest).await.unwrap()
    }

    async fn balance(&self, of: Address) -> u64 {
        self.l1().provider().get_balance(of).await.unwrap().to()
    }

    async fn count(&self, of: Address) -> u64 {
        self.l1().provider().get_transaction_count(of).await.unwrap()
    }

    /// A tick that sees nothing as final.
    async fn tick(&self, outbox: &mut Outbox, wanted: &[Job]) -> Vec<Event> {
        outbox.tick(self.tip().await, 0, wanted).await.unwrap()
    }
}

fn disk() -> (Arc<Disk>, Arc<dyn Store>) {
    let disk = Arc::new(Disk::default());
    (Arc::clone(&disk), Arc::new(Killed::never(disk)))
}

fn batch(number: u64) -> BatchId {
    BatchId::from_u64(number).unwrap()
}

/// Where the effect of a job is seen: it sends a wei there.
fn place(purpose: Purpose) -> Address {
    Address::from_word(keccak256(format!("{purpose:?}")))
}

fn job(purpose: Purpose, policy: FeePolicy) -> Job {
    let call = Call::new(place(purpose), []).value(U256::from(1)).gas(21_000);
    Job { purpose, call, policy }
}

fn urgent(number: u64) -> Job {
    job(Purpose::Convict(batch(number)), FeePolicy::urgent(ETHER))
}

fn sent(events: &[Event]) -> Vec<B256> {
    let sent = events.iter().filter_map(|event| match event {
        Event::Sent { hash, .. } => Some(*hash),
        _ => None,
    });
    sent.collect()
}

#[tokio::test]
async fn a_job_is_sent_once_told_of_and_forgotten_when_it_is_final() {
    let chain = Chain::new().await;
    let key = chain.key("once").await;
    let (disk, store) = disk();
    let mut outbox = Outbox::open(chain.l1().clone(), key.clone(), store).unwrap();
    let wanted = [urgent(1)];

    let events = chain.tick(&mut outbox, &wanted).await;
    assert_eq!(sent(&events).len(), 1, "{events:?}");
    assert!(outbox.is_pending(wanted[0].purpose));
    assert!(
        chain.tick(&mut outbox, &wanted).await.is_empty(),
        "not twice in a block"
    );
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        matches!(&events[..], [Event::Included { purpose, waited: 1, gas_used: 21_000, .. }] if *purpose == Some(wanted[0].purpose)),
        "{events:?}"
    );
    for _ in 0..3 {
        chain.mine().await;
        assert!(chain.tick(&mut outbox, &wanted).await.is_empty(), "it is done");
    }
    assert_eq!(chain.balance(place(wanted[0].purpose)).await, 1);

    assert_eq!(disk.len(), 1);
    let tip = chain.tip().await;
    assert!(outbox.tick(tip, tip.number, &[]).await.unwrap().is_empty());
    assert_eq!((outbox.entries().count(), disk.len()), (0, 0));
}

#[tokio::test]
async fn an_urgent_job_is_raised_every_block_and_is_included_when_fees_allow() {
    let chain = Chain::new().await;
    let mut outbox = Outbox::open(chain.l1().clone(), chain.key("raise").await, disk().1).unwrap();
    let wanted = [urgent(1)];
    let mut offers = Vec::new();
    // Nodes include nothing that offers less than a base fee which rises faster than they raise it.
    for wei in [20, 60, 60] {
        let events = chain.tick(&mut outbox, &wanted).await;
        let [Event::Sent { offer, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        offers.push(*offer);
        chain.base_fee(wei * GWEI).await;
        chain.mine().await;
        if chain.balance(place(wanted[0].purpose)).await == 1 {
            break;
        }
    }
    assert!(offers.windows(2).all(|two| two[1].replaces(two[0])), "{offers:?}");
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(matches!(&events[..], [Event::Included { .. }]), "{offers:?} {events:?}");
    assert!(offers.len() > 1, "no fee was raised");
    assert_eq!(chain.count(outbox.address()).await, 1);
}

#[tokio::test]
async fn what_the_node_dropped_is_sent_again_byte_for_byte() {
    let chain = Chain::new().await;
    let mut outbox = Outbox::open(chain.l1().clone(), chain.key("dropped").await, disk().1).unwrap();
    // It may wait for three blocks, so nothing else than the drop has it sent again.
    let wanted = [job(Purpose::Convict(batch(1)), FeePolicy::patient(ETHER))];
    let first = sent(&chain.tick(&mut outbox, &wanted).await);
    chain.ask("anvil_dropTransaction", (first[0],)).await;
    chain.mine().await;
    assert_eq!(sent(&chain.tick(&mut outbox, &wanted).await), first);
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        matches!(&events[..], [Event::Included { hash, .. }] if *hash == first[0]),
        "{events:?}"
    );
}
