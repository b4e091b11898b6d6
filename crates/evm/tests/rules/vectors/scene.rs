//! What the cases have in common.

use alloy::primitives::{Address, B256};
use nthroot_model::rule::{AuthorisationView, FragmentView};
use nthroot_protocol::{AssetId, FragmentId, Kind};

use crate::{
    case::{Case, RULE},
    world::fragment_id,
};

/// Assets: ether and three tokens.
pub(crate) const ETHER: AssetId = AssetId(B256::ZERO);
pub(crate) const A: AssetId = token(0xaa);
pub(crate) const B: AssetId = token(0xbb);
pub(crate) const C: AssetId = token(0xcc);

/// The clock of most cases.
pub(crate) const CLOCK: u64 = 1_000;

const fn token(byte: u8) -> AssetId {
    let mut id = [byte; 32];
    let mut zero = 0;
    while zero < 12 {
        id[zero] = 0;
        zero += 1;
    }
    AssetId(B256::new(id))
}

/// A fragment's id: the first ones of a deployment, leaf 0.
pub(crate) fn id(number: u64) -> FragmentId {
    fragment_id((1 << 13 | number) << 16, 0)
}

/// A fragment of a key.
pub(crate) fn user(number: u8, assets: &[(AssetId, u128)]) -> FragmentView {
    FragmentView {
        id: id(100 + u64::from(number)),
        kind: Kind::Secp256k1,
        controller: Address::repeat_byte(number),
        assets: assets.to_vec(),
        data: Vec::new(),
    }
}

/// A fragment under the rule.
pub(crate) fn ruled(id: FragmentId, assets: &[(AssetId, u128)], data: Vec<u8>) -> FragmentView {
    let assets = assets.iter().filter(|(_, amount)| *amount != 0);
    FragmentView {
        id,
        kind: Kind::Rule,
        controller: RULE,
        assets: assets.copied().collect(),
        data,
    }
}

/// A call in which fragments authorise payloads.
pub(crate) fn call(fragments: Vec<FragmentView>, signed: &[(u8, Vec<u8>)], extra: &[u8]) -> Case {
    let authorisations = signed.iter().map(|(fragment, payload)| AuthorisationView {
        fragment: *fragment,
        payload: payload.clone(),
    });
    Case {
        clock: CLOCK,
        proposer: Address::repeat_byte(0x99),
        fragments,
        authorisations: authorisations.collect(),
        extra: extra.to_vec(),
    }
}

/// The same with something changed.
pub(crate) fn but(mut case: Case, change: impl FnOnce(&mut Case)) -> Case {
    change(&mut case);
    case
}
