//! How much gas of rules a core judges in a second, for code that is made to be slow: what section "Work that verifying takes" of the
//! threat model is reckoned with.
//!
//! `cargo test --release -p nthroot-evm --test speed -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "what was measured")]

use std::time::Instant;

use alloy::primitives::Bytes;
use nthroot_evm::{Code, Outcome, SpecId};
use nthroot_protocol::limits::MAX_CEILING;

/// Bytes of code that a chain takes.
const MOST_CODE: usize = 24_576;

/// Gas per second; what is slower is no machine for a watcher.
const LEAST: f64 = 20e6;

/// Code that goes round as long as its gas lasts: what comes first, and what is repeated. Each leaves the stack as high as it was.
const LOOPS: &[(&str, &str, &str)] = &[
    ("JUMPDEST", "", "5b"),
    ("JUMP", "", ""),
    ("PUSH0 POP", "", "5f50"),
    (
        "PUSH32 POP",
        "",
        concat!(
            "7f",
            "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
            "50"
        ),
    ),
    ("DUP1 POP", "5f", "8050"),
    ("SWAP16", "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f", "9f"),
    ("ADD", "6007", "8001"),
    ("MUL", "6007", "8002"),
    ("DIV, 256 by 136 bits", DIVISION, "81810450"),
    ("SDIV, 256 by 136 bits", DIVISION, "81810550"),
    ("MOD, 256 by 136 bits", DIVISION, "81810650"),
    ("SMOD, 256 by 136 bits", DIVISION, "81810750"),
    ("ADDMOD", MODULUS, "81908008"),
    ("MULMOD", MODULUS, "81908009"),
    ("EXP, 32 bytes", MODULUS, "81900a"),
    ("EXP, 1 byte", "60ff6003", "81900a"),
    ("SIGNEXTEND", "6007", "805f0b50"),
    ("BYTE", "6007", "805f1a50"),
    ("SAR", "6007", "80601d1d50"),
    ("CLZ", "6007", "801e50"),
    ("KECCAK256, nothing", "", "5f5f2050"),
    ("KECCAK256, 32 bytes", "", "60205f2050"),
    ("KECCAK256, 135 bytes", "", "60875f2050"),
    ("KECCAK256, 136 bytes", "", "60885f2050"),
    ("KECCAK256, 100,000 bytes", "", "620186a05f2050"),
    ("CALLDATALOAD", "6007", "803550"),
    ("CALLDATACOPY, 1 byte", "", "60015f5f37"),
    ("CALLDATACOPY, 60,000 bytes", "", "61ea605f5f37"),
    ("CODECOPY, 24,000 bytes", "", "615dc05f5f39"),
    ("MCOPY, 32 bytes", "", "60205f60075e"),
    ("MCOPY, 100,000 bytes", "", "620186a05f60075e"),
    ("MLOAD", "6007", "805150"),
    ("MSTORE", "6007", "808052"),
    ("MSTORE8", "6007", "808053"),
    ("MSTORE, each time 32 bytes further", "5f", "808052602001"),
];

/// 136 bits, and above them 256.
const DIVISION: &str = concat!(
    "70",
    "ff0123456789abcdef0123456789abcdef",
    "7f",
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543211"
);

/// 248 bits, and above them 256.
const MODULUS: &str = concat!(
    "7e",
    "ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab",
    "7f",
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543211"
);

fn decode(code: &str) -> Vec<u8> {
    alloy::hex::decode(code).expect("hex")
}

/// As many rounds as fit into code, with a jump back to the first.
fn endless(before: &str, round: &str) -> Bytes {
    let (mut code, round) = (decode(before), decode(round));
    let start = u8::try_from(code.len()).expect("short");
    code.push(0x5b);
    let rounds = (MOST_CODE - code.len() - 3).checked_div(round.len()).unwrap_or(0);
    for _ in 0..rounds {
        code.extend(&round);
    }
    code.extend([0x60, start, 0x56]);
    code.into()
}

/// Three rounds, and the end.
fn finite(before: &str, round: &str) -> Bytes {
    [decode(before), decode(round).repeat(3), vec![0]].concat().into()
}

#[test]
#[ignore = "by hand: figures of an idle machine, in release"]
fn gas_that_a_core_judges_in_a_second() {
    let data = Bytes::from(vec![0xa5; 65_536]);
    let mut slowest = f64::MAX;
    for (name, before, round) in LOOPS {
        let once = Code::new(SpecId::OSAKA, finite(before, round)).call(MAX_CEILING.into(), data.clone());
        assert!(
            matches!(once, Outcome::Returned { .. }),
            "{name} is what it should be: {once:?}"
        );
        let code = Code::new(SpecId::OSAKA, endless(before, round));
        // The best of some, as on an idle machine.
        let seconds = (0..8).map(|_| {
            let start = Instant::now();
            assert_eq!(code.call(MAX_CEILING.into(), data.clone()), Outcome::Halted, "{name}");
            start.elapsed().as_secs_f64()
        });
        let best = seconds.fold(f64::MAX, f64::min);
        let speed = f64::from(MAX_CEILING) / best;
        println!("{name:<40} {:>8.0} Mgas/s", speed / 1e6);
        slowest = slowest.min(speed);
    }
    println!("{:<40} {:>8.0} Mgas/s", "the slowest", slowest / 1e6);
    assert!(slowest > LEAST, "{slowest} gas a second");
}
