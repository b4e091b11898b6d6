//! libFuzzer's engine around one target, `NTHROOT_TARGET`. It sees two kinds of coverage: edges of the model and of the codec, by
//! LLVM's counters, and jumps of the contracts, by [`COUNTERS`].
#![no_main]

use std::{
    cell::RefCell,
    env,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use libfuzzer_sys::fuzz_target;
use nthroot_fuzz::{Fuzzer, Target};

/// More than the contracts have jumps, so that few share a counter.
const SIZE: usize = 1 << 16;

/// How often each jump was taken in this run. libFuzzer looks at all of this section after each run, and clears it before.
#[allow(unsafe_code, reason = "the section by which libFuzzer finds counters")]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static COUNTERS: [AtomicU8; SIZE] = [const { AtomicU8::new(0) }; SIZE];

thread_local! {
    static FUZZER: RefCell<Fuzzer> = RefCell::new({
        let name = env::var("NTHROOT_TARGET").unwrap_or_default();
        Fuzzer::new(Target::named(&name).unwrap_or_else(|| panic!("NTHROOT_TARGET names no target: {name}")))
    });
}

fuzz_target!(|input: &[u8]| {
    FUZZER.with_borrow_mut(|fuzzer| {
        fuzzer.run(input, &mut |jump| {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((jump.contract, jump.from, jump.to));
            // Of a number below SIZE.
            let place = usize::try_from(hash % SIZE as u64).unwrap_or_default();
            let counter = &COUNTERS[place];
            counter.store(counter.load(Relaxed).saturating_add(1), Relaxed);
        });
    });
});
