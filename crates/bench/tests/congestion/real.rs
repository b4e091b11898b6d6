//! A real chain whose blocks others fill: what was predicted happens, to the wei.

use std::path::{Path, PathBuf};

use nthroot_bench::congestion::chain::{Run, Traffic, run, traffic};
use nthroot_node::fees::FeePolicy;

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = GWEI * GWEI;

/// The anvil of the environment, or the one that npm installed.
fn anvil() -> PathBuf {
    if let Some(anvil) = std::env::var_os("ANVIL") {
        return anvil.into();
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/@foundry-rs");
    let mut packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    packages
        .find_map(|package| {
            let anvil = package
                .path()
                .join(format!("bin/anvil{}", std::env::consts::EXE_SUFFIX));
            anvil.exists().then_some(anvil)
        })
        .expect("these tests need anvil: run `cargo xtask setup`, or set ANVIL to its path")
}

async fn play(traffic: &Traffic, policy: FeePolicy) -> Run {
    run(Some(anvil().as_os_str()), traffic, policy).await.unwrap()
}

/// Blocks until the one that convicts.
fn waited(run: &Run) -> Option<usize> {
    Some(run.chain.iter().position(|block| block.convicts)? + 1)
}

#[tokio::test]
async fn a_proof_among_others_gets_in_when_and_at_the_base_fees_that_were_predicted() {
    // Twelve of 7.5 million gas for each block, which has room for eight of them.
    let busy = traffic(14, 12, 7_500_000, (20 * GWEI, 200 * GWEI));
    let run = play(&busy, FeePolicy::urgent(ETHER)).await;
    assert_eq!(run.chain, run.predicted);
    let waited = waited(&run).unwrap();
    assert!((3..12).contains(&waited), "it had to wait, and was raised: {waited}");
    let (first, last) = (run.chain[0].base_fee, run.chain.last().unwrap().base_fee);
    assert!(last > first * 13 / 10, "the base fee moved: {first} to {last}");
    assert!(run.cost < run.reward);
}

#[tokio::test]
async fn who_does_not_raise_waits_until_others_have_gone_as_predicted() {
    let busy = traffic(10, 12, 7_500_000, (20 * GWEI, 60 * GWEI));
    let constant = FeePolicy {
        patience: u64::MAX,
        ..FeePolicy::urgent(ETHER)
    };
    let run = play(&busy, constant).await;
    assert_eq!(run.chain, run.predicted);
    assert!(waited(&run).unwrap() > 10, "{:?}", waited(&run));
}

#[tokio::test]
async fn a_proof_alone_is_in_the_next_block() {
    let run = play(&Vec::new(), FeePolicy::urgent(ETHER)).await;
    assert_eq!(run.chain, run.predicted);
    assert_eq!(waited(&run), Some(1));
}
