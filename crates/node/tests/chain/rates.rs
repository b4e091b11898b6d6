//! How fast a follower is, and how much room a ledger takes. Not part of the common run: `cargo test -p nthroot-node --test chain
//! rates -- --ignored --nocapture` says the figures on the standard output of the tests.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256},
    trie::root::storage_root_unhashed,
};
use nthroot_model::{kernel::Env, ledger::Ledger, params::Params, rule::Rules};
use nthroot_node::{
    Proposer,
    follower::Options,
    store::{Change, Redb, Store, Table},
};
use nthroot_protocol::Key;

use crate::{
    history::History,
    world::{ETHER, party, withdraw},
};

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes"]
async fn steps_per_second_from_a_local_node() {
    const STEPS: usize = 100;
    // As many as the bond covers.
    const BATCHES: u64 = 15;
    let history = History::new().await;
    let (users, proposer) = (history.world.actor("users").await, history.world.proposer("prop").await);
    let mut anchors = Vec::new();
    for _ in 0..STEPS {
        anchors.push(history.world.deposit(&users, ETHER / 100).await);
    }
    let poster = Proposer::new(proposer.sender.clone());
    for nonce in 0..BATCHES {
        let follower = history.world.follower().await;
        let ops = [withdraw(users.address(), 1)];
        let plans: Vec<_> = anchors
            .iter()
            .map(|anchor| history.world.plan(&[party(&users, *anchor, nonce, &ops)]))
            .collect();
        let batch = poster.build(&follower, None, &plans).unwrap();
        poster.post(&follower, &batch).await.unwrap();
    }
    history.world.devnet.mine(120).await.unwrap();
    for trust in [false, true] {
        let options = Options {
            trust_final_signatures: trust,
            ..Options::default()
        };
        let mut follower = history.follower_of(history.world.devnet.l1().clone(), options).await;
        let began = Instant::now();
        follower.sync().await.unwrap();
        let (seconds, steps) = (began.elapsed().as_secs_f64(), follower.progress().borrow().steps);
        say(&format!(
            "trust {trust}: {steps} steps in {seconds:.3} s, {:.0} per second",
            f64::from(u32::try_from(steps).unwrap()) / seconds
        ));
    }
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn terms() -> (Params, Env) {
    let params = Params {
        chain_id: 1,
        deployment_block: 0,
        window: 50_400,
        insured_gas_price: 1,
        min_lock: 1,
        caps: None,
    };
    let env = Env {
        account_rule: Address::repeat_byte(1),
        bridge: Address::repeat_byte(2),
        rules: Rules::default(),
    };
    (params, env)
}

#[test]
#[ignore = "a measurement of minutes"]
fn room_for_a_million_fragments() {
    let folder = tempfile::tempdir().unwrap();
    for count in [100_000_u32, 1_000_000] {
        let empty = resident();
        let (params, env) = terms();
        let mut ledger = Ledger::new(params, env);
        for number in 0..count {
            if number % 100 == 0 {
                ledger.begin_block(u64::from(number / 100) + 1, B256::ZERO).unwrap();
            }
            let mut owner = Address::repeat_byte(7);
            owner.0[..4].copy_from_slice(&number.to_be_bytes());
            ledger.deposit(Key::Secp256k1(owner), Address::ZERO, 1 << 60).unwrap();
        }
        let memory = resident() - empty;
        let index = nthroot_node::index::Index::of(&ledger);
        let with_index = resident() - empty;

        let began = Instant::now();
        let root = storage_root_unhashed(ledger.storage());
        let proved = began.elapsed();

        let path = folder.path().join(count.to_string());
        let store = Redb::open(&path).unwrap();
        let began = Instant::now();
        let rows = ledger.rows_since(None);
        let row = |(key, value)| Change {
            table: Table::Ledger,
            key,
            value,
        };
        let changes: Vec<Change> = rows.into_iter().map(row).collect();
        let bytes: usize = changes
            .iter()
            .map(|row| row.key.len() + row.value.as_ref().map_or(0, Vec::len))
            .sum();
        store.commit(&changes).unwrap();
        let written = began.elapsed();
        drop((store, changes, index, ledger));

        let began = Instant::now();
        let store: Arc<dyn Store> = Arc::new(Redb::open(&path).unwrap());
        let opened: Duration = began.elapsed();
        let mut rows = Vec::new();
        store
            .scan(Table::Ledger, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                Ok(())
            })
            .unwrap();
        let (params, env) = terms();
        let ledger = Ledger::from_rows(params, env, rows).unwrap();
        assert_eq!(ledger.anchors().count(), usize::try_from(count).unwrap());
        let resumed = began.elapsed();
        let file = std::fs::metadata(&path).unwrap().len();
        say(&format!(
            "{count} fragments: {} B of rows and {} B of file each; memory {} B each, {} B with its index; written in {written:?}, \
             opened in {opened:?}, resumed in {resumed:?}; storage root {root} in {proved:?}",
            bytes / usize::try_from(count).unwrap(),
            file / u64::from(count),
            memory / usize::try_from(count).unwrap(),
            with_index / usize::try_from(count).unwrap(),
        ));
    }
}
