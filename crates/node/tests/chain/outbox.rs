//! Each job happens exactly once on L1, whatever nodes, disks, fees and reorganisations do meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use nthroot_node::{
    Call, L1, Sender,
    devnet::Devnet,
    fees::FeePolicy,
    inputs::{self, Block},
    outbox::{Event, Job, Outbox, Purpose},
    store::{Memory, Store, Table},
};
use nthroot_protocol::BatchId;
use serde::Serialize;
use serde_json::json;

use crate::{
    faulty::{Fault, faulty},
    world::{ETHER, anvil},
};

pub(crate) const GWEI: u128 = 1_000_000_000;

/// A chain that mines when it is told to.
pub(crate) struct Chain {
    pub(crate) devnet: Devnet,
}

impl Chain {
    pub(crate) async fn new() -> Self {
        let devnet = Devnet::start_program(anvil().as_os_str()).await.expect("anvil starts");
        let chain = Self { devnet };
        chain.ask("evm_setAutomine", (false,)).await;
        chain
    }

    pub(crate) async fn ask(
        &self,
        method: &'static str,
        params: impl Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin,
    ) {
        let provider = self.l1().provider();
        let _: serde_json::Value = provider.raw_request(method.into(), params).await.unwrap();
    }

    pub(crate) const fn l1(&self) -> &L1 {
        self.devnet.l1()
    }

    /// A key with 100 ether that nobody has used.
    pub(crate) async fn key(&self, name: &str) -> PrivateKeySigner {
        let key = PrivateKeySigner::from_bytes(&keccak256(name)).unwrap();
        self.ask("anvil_setBalance", (key.address(), U256::from(100 * ETHER)))
            .await;
        key
    }

    pub(crate) async fn outbox(&self, name: &str) -> Outbox {
        Outbox::open(self.l1().clone(), self.key(name).await, Arc::new(Memory::new())).unwrap()
    }

    pub(crate) async fn mine(&self) {
        self.devnet.mine(1).await.unwrap();
    }

    /// The next block's base fee, from which later ones follow.
    pub(crate) async fn base_fee(&self, wei: u128) {
        self.ask("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await;
    }

    pub(crate) async fn tip(&self) -> Block {
        inputs::block(self.l1(), BlockNumberOrTag::Latest).await.unwrap()
    }

    pub(crate) async fn balance(&self, of: Address) -> u64 {
        self.l1().provider().get_balance(of).await.unwrap().to()
    }

    pub(crate) async fn count(&self, of: Address) -> u64 {
        self.l1().provider().get_transaction_count(of).await.unwrap()
    }

    /// A tick that sees nothing as final.
    pub(crate) async fn tick(&self, outbox: &mut Outbox, wanted: &[Job]) -> Vec<Event> {
        outbox.tick(self.tip().await, 0, wanted).await.unwrap()
    }
}

pub(crate) fn rows(store: &dyn Store) -> usize {
    let mut rows = 0;
    let mut count = |_: &[u8], _: &[u8]| {
        rows += 1;
        Ok(())
    };
    store.scan(Table::Outbox, &mut count).unwrap();
    rows
}

pub(crate) fn batch(number: u64) -> BatchId {
    BatchId::from_u64(number).unwrap()
}

/// Where the effect of a job is seen: it sends a wei there.
pub(crate) fn place(purpose: Purpose) -> Address {
    Address::from_word(keccak256(format!("{purpose:?}")))
}

pub(crate) fn job(purpose: Purpose, policy: FeePolicy) -> Job {
    let call = Call::new(place(purpose), []).value(U256::from(1)).gas(21_000);
    Job {
        purpose,
        call,
        policy,
        uses: None,
    }
}

pub(crate) fn urgent(number: u64) -> Job {
    job(Purpose::Convict(batch(number)), FeePolicy::urgent(ETHER))
}

pub(crate) fn sent(events: &[Event]) -> Vec<B256> {
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
    let store = Arc::new(Memory::new());
    let mut outbox = Outbox::open(chain.l1().clone(), key, store.clone()).unwrap();
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

    assert_eq!(rows(&*store), 1);
    let tip = chain.tip().await;
    assert!(outbox.tick(tip, tip.number, &[]).await.unwrap().is_empty());
    assert_eq!((outbox.entries().count(), rows(&*store)), (0, 0));
}

#[tokio::test]
async fn an_urgent_job_is_raised_every_block_and_is_included_when_fees_allow() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("raise").await;
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
    let mut outbox = chain.outbox("dropped").await;
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

#[tokio::test]
async fn what_a_reorganisation_took_back_is_included_again_and_once() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("reorg").await;
    let wanted = [urgent(1), urgent(2)];
    chain.devnet.mine(3).await.unwrap();
    chain.tick(&mut outbox, &wanted).await;
    chain.mine().await;
    assert_eq!(chain.tick(&mut outbox, &wanted).await.len(), 2);
    chain.devnet.reorg(2).await.unwrap();
    assert_eq!(chain.balance(place(wanted[0].purpose)).await, 0);

    let events = chain.tick(&mut outbox, &wanted).await;
    let taken = events.iter().filter(|event| matches!(event, Event::Unmined { .. }));
    assert_eq!(taken.count(), 2, "{events:?}");
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        matches!(&events[..], [Event::Included { .. }, Event::Included { .. }]),
        "{events:?}"
    );
    assert_eq!(chain.count(outbox.address()).await, 2);
    for job in &wanted {
        assert_eq!(chain.balance(place(job.purpose)).await, 1);
    }
}

#[tokio::test]
async fn a_nonce_that_is_not_wanted_any_more_serves_another_job_or_is_cancelled() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("changes").await;
    chain.tick(&mut outbox, &[urgent(1), urgent(2)]).await;
    // The third takes over from the first, nobody from the second.
    let events = chain.tick(&mut outbox, &[urgent(3)]).await;
    assert!(
        matches!(
            &events[..],
            [
                Event::Sent { purpose: Some(Purpose::Convict(third)), nonce: 0, .. },
                Event::Sent { purpose: None, nonce: 1, .. }
            ] if *third == batch(3)
        ),
        "{events:?}"
    );
    chain.mine().await;
    let events = chain.tick(&mut outbox, &[]).await;
    assert!(
        matches!(
            &events[..],
            [Event::Included { .. }, Event::Included { purpose: None, .. }]
        ),
        "{events:?}"
    );
    for (number, effect) in [(1, 0), (2, 0), (3, 1)] {
        assert_eq!(chain.balance(place(urgent(number).purpose)).await, effect, "{number}");
    }
}

/// An earlier version of a nonce may be included as well as the newest.
#[tokio::test]
async fn a_job_that_is_wanted_again_stays_under_its_nonce() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("again").await;
    chain.tick(&mut outbox, &[urgent(1)]).await;
    chain.tick(&mut outbox, &[urgent(2)]).await;
    let events = chain.tick(&mut outbox, &[urgent(2), urgent(1)]).await;
    assert!(
        events.is_empty(),
        "the first waits, since it may be included yet: {events:?}"
    );
    chain.mine().await;
    chain.tick(&mut outbox, &[urgent(1)]).await;
    chain.mine().await;
    chain.tick(&mut outbox, &[]).await;
    for number in [1, 2] {
        assert_eq!(chain.balance(place(urgent(number).purpose)).await, 1, "{number}");
    }
}

#[tokio::test]
async fn what_failed_is_told_with_its_reason_before_it_is_sent_again() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("fails").await;
    // Code that reverts with a byte.
    let code = "0x60ff5f5360015ffd";
    let callee = Address::repeat_byte(0xcc);
    chain.ask("anvil_setCode", (callee, code)).await;
    let wanted = [Job {
        purpose: Purpose::Convict(batch(1)),
        call: Call::new(callee, []).gas(50_000),
        policy: FeePolicy::urgent(ETHER),
        uses: None,
    }];
    chain.tick(&mut outbox, &wanted).await;
    chain.mine().await;
    // Whoever wants it has not been told yet, and may find that it cannot succeed.
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        matches!(&events[..], [Event::Failed { revert, .. }] if revert.0 == [0xff][..]),
        "{events:?}"
    );
    let failed: Vec<_> = outbox.failed().collect();
    assert_eq!(failed, [(wanted[0].purpose, chain.tip().await.number)]);
    assert_eq!(sent(&chain.tick(&mut outbox, &wanted).await).len(), 1);
}

#[tokio::test]
async fn a_nonce_below_all_others_that_a_reorganisation_freed_is_filled() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("gap").await;
    chain.devnet.mine(2).await.unwrap();
    let sender = Sender::new(chain.l1().clone(), chain.key("gap").await);
    let elsewhere = Call::new(Address::repeat_byte(9), []).value(U256::from(1)).gas(21_000);
    let sending = tokio::spawn(async move { sender.send(elsewhere).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    chain.mine().await;
    let foreign = sending.await.unwrap().unwrap().hash();
    chain.tick(&mut outbox, &[urgent(1)]).await;
    chain.devnet.reorg(1).await.unwrap();
    chain.ask("anvil_dropTransaction", (foreign,)).await;
    assert_eq!(chain.count(outbox.address()).await, 0);
    // anvil takes up what stands behind the freed nonce only after that is filled, and it is sent again.
    for _ in 0..2 {
        chain.tick(&mut outbox, &[urgent(1)]).await;
        chain.mine().await;
    }
    assert_eq!(chain.balance(place(urgent(1).purpose)).await, 1);
    assert_eq!(chain.count(outbox.address()).await, 2);
}

#[tokio::test]
async fn a_node_that_lags_behind_has_nothing_sent_twice() {
    let chain = Chain::new().await;
    let lagging = Arc::new(AtomicI64::new(0));
    let lags = Arc::clone(&lagging);
    let l1 = faulty(chain.devnet.url(), move |method, _| match method {
        "eth_getTransactionCount" if lags.load(Ordering::SeqCst) & 1 != 0 => Fault::Lie(json!("0x0")),
        "eth_getTransactionReceipt" if lags.load(Ordering::SeqCst) & 2 != 0 => Fault::Lie(json!(null)),
        _ => Fault::None,
    })
    .await;
    let mut outbox = Outbox::open(l1, chain.key("lag").await, Arc::new(Memory::new())).unwrap();
    for number in 1..=8 {
        lagging.store(0, Ordering::SeqCst);
        let wanted = [urgent(number)];
        chain.tick(&mut outbox, &wanted).await;
        chain.mine().await;
        for lag in [1, 3, 2, 1] {
            lagging.store(lag, Ordering::SeqCst);
            chain.tick(&mut outbox, &wanted).await;
            chain.mine().await;
        }
    }
    lagging.store(0, Ordering::SeqCst);
    chain.tick(&mut outbox, &[]).await;
    assert_eq!(chain.count(outbox.address()).await, 8);
    for number in 1..=8 {
        assert_eq!(chain.balance(place(urgent(number).purpose)).await, 1, "{number}");
    }
}
