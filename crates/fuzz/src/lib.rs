//! What a fuzzer runs: bytes, taken as something that the protocol has a meaning for, and judged twice.
//!
//! Each [`Target`] is a function of its input alone, and panics where two readings of one page differ: the model's and the contracts',
//! or a decoder's and its encoder's. The engine is apart, in `fuzz/`: it mutates inputs, and is told which way they go through
//! both. What it kept, minimised, lies in `corpus/`, and is run by the tests.

pub mod corpus;
pub mod judges;
pub mod steps;

mod codec;
mod evidence;
mod limits;
mod rules;
mod verdict;

use nthroot_evm::Jump;

pub use corpus::seeds;

/// What inputs are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Encodings: what decodes encodes to the same bytes, and the contracts' decoders take what ours take.
    Codec,
    /// Evidence, byte by byte, with its openings, signatures and outcome mended as its first byte asks.
    Evidence,
    /// Choices of which a step is made, honest or with something wrong.
    Verdict,
    /// A call of a rule that comes with the bridge: its code and its twin.
    Rules,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Codec, Self::Evidence, Self::Verdict, Self::Rules];

    /// As files and commands name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Evidence => "evidence",
            Self::Verdict => "verdict",
            Self::Rules => "rules",
        }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// A target with what it needs: contracts on a chain, and their model.
pub struct Fuzzer(Parts);

enum Parts {
    Codec(Box<codec::Codec>),
    Evidence(Box<evidence::Mended>),
    Verdict(Box<verdict::Steps>),
    Rules(Box<rules::Calls>),
}

impl Fuzzer {
    /// Ready for inputs.
    pub fn new(target: Target) -> Self {
        Self(match target {
            Target::Codec => Parts::Codec(Box::default()),
            Target::Evidence => Parts::Evidence(Box::default()),
            Target::Verdict => Parts::Verdict(Box::default()),
            Target::Rules => Parts::Rules(Box::default()),
        })
    }

    /// Runs one input, tells each jump that a contract takes, and says in a word what the input was a case of.
    ///
    /// # Panics
    ///
    /// If two readings differ: that is a finding.
    pub fn run(&mut self, input: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        match &mut self.0 {
            Parts::Codec(codec) => codec.run(input, seen),
            Parts::Evidence(mended) => mended.run(input, seen),
            Parts::Verdict(steps) => steps.run(input, seen),
            Parts::Rules(calls) => calls.run(input),
        }
    }
}
