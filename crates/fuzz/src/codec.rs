//! Encodings: what decodes encodes to the same bytes, so that each value has one encoding; and the contracts take what we take.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use nthroot_bindings::mocks::Decoders;
use nthroot_evm::{Chain, Jump, SpecId};
use nthroot_protocol::{
    AccountOp, AssignedClaim, Batch, BatchWord, Body, Effect, Evidence, Fragment, GlobalWord, Head, Key, PreEntry,
    Preimage, ProofSizes, Step, Withdrawal,
    proof_gas::PROOF_GAS,
    rules::{
        credit::{Market, Position},
        pool::{PoolOp, PoolState},
        swap::SwapIntent,
    },
};

/// What an input's first byte makes of the rest, by number.
pub(crate) const FRAGMENT: u8 = 0;
pub(crate) const BODY: u8 = 1;
pub(crate) const BATCH: u8 = 2;
pub(crate) const EVIDENCE: u8 = 3;
pub(crate) const PREIMAGE: u8 = 4;
pub(crate) const EFFECTS: u8 = 5;
pub(crate) const ACCOUNT: u8 = 6;
pub(crate) const ENTRIES: u8 = 7;
pub(crate) const SWAP: u8 = 8;
pub(crate) const POOL: u8 = 9;
pub(crate) const POOL_STATE: u8 = 10;
pub(crate) const MARKET: u8 = 11;
pub(crate) const POSITION: u8 = 12;
pub(crate) const WITHDRAWAL: u8 = 13;
pub(crate) const WORDS: u8 = 14;
const KINDS: u8 = 15;

pub(crate) struct Codec {
    chain: Chain,
    decoders: Address,
}

impl Default for Codec {
    fn default() -> Self {
        let mut chain = Chain::new(SpecId::OSAKA);
        let decoders = Address::repeat_byte(0xdc);
        chain.set_code(decoders, Decoders::DEPLOYED_BYTECODE.clone());
        Self { chain, decoders }
    }
}

/// Nothing, or the same bytes again.
fn canonical<T, E>(
    name: &'static str,
    bytes: &[u8],
    decoded: Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> &'static str {
    decoded.map_or("refused", |value| {
        assert_eq!(encode(&value), bytes, "{name}: a second encoding of one value");
        name
    })
}

impl Codec {
    pub(crate) fn run(&mut self, input: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        let Some((kind, bytes)) = input.split_first() else {
            return "refused";
        };
        match kind % KINDS {
            FRAGMENT => self.fragment(bytes, seen),
            BODY => self.body(bytes, seen),
            BATCH => canonical("batch", bytes, Batch::parse(bytes), Batch::encode),
            EVIDENCE => canonical("evidence", bytes, Evidence::decode(bytes), |evidence| {
                assert_eq!(evidence.encoded_length(), bytes.len());
                evidence.encode()
            }),
            PREIMAGE => canonical("preimage", bytes, Preimage::decode(bytes), |preimage| {
                assert_eq!(preimage.encoded_length(), bytes.len());
                preimage.encode()
            }),
            EFFECTS => canonical("effects", bytes, Effect::decode_list(bytes), |effects| {
                Effect::encode_list(effects)
            }),
            ACCOUNT => canonical("operations", bytes, AccountOp::decode_payload(bytes), |ops| {
                AccountOp::encode_payload(ops)
            }),
            ENTRIES => canonical("entries", bytes, PreEntry::decode_list(bytes), |entries| {
                PreEntry::encode_list(entries)
            }),
            SWAP => canonical("swap", bytes, SwapIntent::decode(bytes), SwapIntent::encode),
            POOL => canonical("pool", bytes, PoolOp::decode(bytes), PoolOp::encode),
            POOL_STATE => canonical("pool state", bytes, PoolState::decode(bytes), PoolState::encode),
            MARKET => canonical("market", bytes, Market::decode(bytes), Market::encode),
            POSITION => canonical("position", bytes, Position::decode(bytes), Position::encode),
            WITHDRAWAL => canonical("withdrawal", bytes, Withdrawal::decode(bytes), |withdrawal| {
                withdrawal.encode().into()
            }),
            _ => words(bytes),
        }
    }

    /// As the verifier takes and hashes it.
    fn fragment(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        let hash = self.ask(
            &Decoders::stateCall {
                encoded: bytes.to_vec().into(),
            },
            seen,
        );
        let decoded = Fragment::decode(bytes);
        assert_eq!(hash, decoded.is_ok().then(|| keccak256(bytes)), "{decoded:?}");
        canonical("fragment", bytes, decoded, |state| {
            assert_eq!(state.encoded_length(), bytes.len());
            state.encode()
        })
    }

    /// Of a step with as many touches and opened anchors as the first byte says. Behind its leaf table as the verifier takes it.
    fn body(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        let (counts, bytes) = bytes
            .split_first()
            .map_or((0, bytes), |(counts, bytes)| (*counts, bytes));
        let (touched, opened) = (usize::from(counts & 3), usize::from(counts >> 2 & 3));
        let parsed = Body::parse(bytes, touched, opened);
        let table = parsed.as_ref().ok().and_then(|body| body.leaves.as_ref());
        let calls_at = match (bytes.first(), table) {
            (Some(1), Some(table)) => 1 + touched + 3 * table.len(),
            (Some(0), _) => 1,
            // It cannot be said where the calls are.
            _ => return canonical("body", bytes, parsed, Body::encode),
        };
        let call = Decoders::bodyCall {
            encoded: bytes.to_vec().into(),
            callsAt: U256::from(calls_at),
        };
        let found = self.ask(&call, seen).expect("it never reverts");
        assert_eq!(found.wellFormed, parsed.is_ok(), "{parsed:?}");
        if let Ok(body) = &parsed {
            let without = Body {
                calls: Vec::new(),
                ..body.clone()
            };
            let gas = |body: &Body| PROOF_GAS.evaluation(&Step::default(), ProofSizes::default(), body);
            assert_eq!(found.gas_, U256::from(gas(body) - gas(&without)));
        }
        canonical("body", bytes, parsed, Body::encode)
    }

    /// What the contract says; nothing if it reverts.
    fn ask<C: SolCall>(&mut self, call: &C, seen: &mut dyn FnMut(Jump)) -> Option<C::Return> {
        let data: Bytes = call.abi_encode().into();
        let receipt = self
            .chain
            .watch(Address::ZERO, self.decoders, data, seen)
            .expect("L1 takes the transaction");
        let answer = || C::abi_decode_returns(&receipt.output).expect("an answer");
        receipt.success.then(answer)
    }
}

/// Words of storage, and what stands in a few bytes.
fn words(bytes: &[u8]) -> &'static str {
    let mut padded = [0; 32];
    let length = bytes.len().min(32);
    padded[..length].copy_from_slice(&bytes[..length]);
    let word = B256::from(padded);
    let number = U256::from_be_bytes(padded);
    if let Some(batch) = BatchWord::unpack(number) {
        assert_eq!(batch.pack(), number);
    }
    if let Some(claim) = AssignedClaim::unpack(word) {
        assert_eq!(claim.pack(), word);
    }
    assert_eq!(Head::to_word(Head::from_word(word)), word);
    assert_eq!(
        GlobalWord::unpack(GlobalWord::unpack(number).pack()),
        GlobalWord::unpack(number)
    );
    let key: [u8; 21] = padded[..21].try_into().expect("21 bytes");
    Key::from_bytes(key).map_or("words", |key| {
        assert_eq!(key.to_bytes()[..], padded[..21]);
        "key"
    })
}
