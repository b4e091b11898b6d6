//! What bundles that wait take in memory is what a mempool counts, so that its bound is one.
#![allow(clippy::print_stdout, reason = "what was measured")]

use std::{fs, process::Command, sync::Arc};

use nthroot_api::Bundle;
use nthroot_node::{
    Result,
    mempool::{Carrier, Limits, Mempool},
    store::{Change, Store, Table},
};
use nthroot_protocol::FragmentId;

use crate::world::{OURS, World, alone, key, open, pay, payment};

const BUNDLES: usize = 3_000;

/// A store that keeps nothing, so that only the mempool is measured.
struct Nowhere;

impl Store for Nowhere {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn commit(&self, _: &[Change]) -> Result<()> {
        Ok(())
    }

    fn replace(&self, _: &[Table], _: &[Change]) -> Result<()> {
        Ok(())
    }
}

/// Bytes of memory that this process has.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<usize>().unwrap() << 10
}

/// Measures how much a bundle takes, and how much is counted.
fn measure(what: &str, bundle: impl Fn(&[FragmentId]) -> Bundle) -> (usize, usize) {
    let mut world = World::new();
    let fragments: Vec<[FragmentId; 2]> = (0..BUNDLES)
        .map(|_| {
            world.mine();
            [1, 2].map(|user| world.deposit(user, 1, 1_000))
        })
        .collect();
    world.mine();
    let limits = Limits::default();
    let mut mempool = Mempool::open(Arc::new(Nowhere), limits, Carrier::new(key(OURS))).unwrap();
    let view = world.view();
    mempool.on_view(&view);
    let before = memory();
    for fragments in &fragments {
        mempool.accept(&view, bundle(fragments)).unwrap();
    }
    let taken = (memory() - before) / BUNDLES;
    let counted = mempool.bytes() / BUNDLES;
    println!("{what}: {taken} bytes are taken, {counted} are counted");
    (taken, counted)
}

/// Which one a process measures.
const SHAPE: &str = "NTHROOT_TEST_SHAPE";

#[test]
#[ignore = "measures its process: what_bundles_take_is_what_is_counted runs it in one of its own"]
fn of_this_process() {
    let shape = std::env::var(SHAPE).unwrap_or_default();
    let (taken, counted) = measure(&shape, |of| match &*shape {
        "one intent" => alone(1, of[0], 0, vec![open(1, 5)]),
        "two intents" => payment((1, of[0], 0), (2, of[1], 0), 10),
        _ => {
            let pays = (1..=30).map(|amount| pay(of[1], amount)).collect();
            Bundle([alone(1, of[0], 0, pays).0, alone(2, of[1], 0, Vec::new()).0].concat())
        }
    });
    assert!(taken <= counted && counted <= 2 * taken, "see above");
}

#[test]
fn what_bundles_take_is_what_is_counted() {
    for shape in ["one intent", "two intents", "30 operations"] {
        let own = std::env::current_exe().unwrap();
        let test = ["--exact", "memory::of_this_process", "--ignored", "--nocapture"];
        let run = Command::new(own).args(test).env(SHAPE, shape).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        println!("{said}");
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }
}
