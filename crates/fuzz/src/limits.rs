//! Bodies and states at each limit of section 1, and one beyond it: no mutation makes a list of 33 out of one of two.

use alloy::primitives::{Bytes, U256};
use nthroot_protocol::{
    AssetId, Authorisation, Body, Call, CompactSignature, Fragment, Kind, Outflow, Signature,
    limits::{MAX_ASSETS, MAX_CALL_FRAGMENTS, MAX_CALLS, MAX_DATA, MAX_EFFECT_BYTES, MAX_OUTFLOWS},
};

use crate::{codec, rules::RULE};

fn signed(outflows: usize) -> Authorisation {
    let outflow = Outflow {
        asset: AssetId::ETH,
        amount: 1,
    };
    Authorisation {
        position: 0,
        valid_until: 1,
        outflows: vec![outflow; outflows],
        payload: Bytes::new(),
        signature: Signature::Secp256k1(CompactSignature::ZERO),
    }
}

fn call(fragments: usize, authorisations: usize, outflows: usize) -> Call {
    Call {
        rule: 0,
        gas: 1,
        max_effects: 1,
        fragments: vec![0; fragments],
        authorisations: vec![signed(outflows); authorisations],
        extra: Bytes::new(),
    }
}

/// As inputs of the codec's target.
pub(crate) fn encodings() -> Vec<Vec<u8>> {
    let of = |beyond: usize| {
        let mut longest = call(1, 0, 0);
        longest.max_effects = u16::try_from(MAX_EFFECT_BYTES + beyond).expect("short");
        let bodies = [
            vec![call(1, 1, 1); MAX_CALLS + beyond],
            vec![call(MAX_CALL_FRAGMENTS + beyond, 1, 1)],
            vec![call(2, 2 + beyond, 1)],
            vec![call(1, 1, MAX_OUTFLOWS + beyond)],
            vec![longest],
        ];
        let (mut rich, mut long) = (
            Fragment::new(Kind::Secp256k1, RULE),
            Fragment::new(Kind::Secp256k1, RULE),
        );
        let assets = (0..MAX_ASSETS + beyond).map(|number| (AssetId(U256::from(number).into()), 1));
        rich.assets.extend(assets);
        long.data = vec![1; MAX_DATA + beyond].into();
        let bodies = bodies.map(|calls| [vec![codec::BODY, 1], Body::from(calls).encode()].concat());
        let states = [rich, long].map(|state| [vec![codec::FRAGMENT], state.encode()].concat());
        bodies.into_iter().chain(states)
    };
    of(0).chain(of(1)).collect()
}
