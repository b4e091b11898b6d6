//! Fragments that a history of calls leaves behind: the kernel's effects, without signatures and limits that no generator reaches.

use alloy::primitives::{Address, B256};
use nthroot_model::rule::FragmentView;
use nthroot_protocol::{AssetId, Effect, FragmentId, Kind};

use crate::{
    case::{Case, RULE},
    rng::Rng,
};

/// A call of a rule, and which fragments of the world it lists.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) case: Case,
    pub(crate) listed: Vec<usize>,
}

/// All fragments.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) fragments: Vec<FragmentView>,
    pub(crate) clock: u64,
}

impl World {
    pub(crate) const fn new(clock: u64) -> Self {
        let fragments = Vec::new();
        Self { fragments, clock }
    }

    /// A fragment of a key, which holds up to `luggage` assets that the rule does not look for.
    pub(crate) fn user(&mut self, rng: &mut Rng, luggage: usize) -> usize {
        let id = self.next_id();
        let mut assets: Vec<_> = (0..luggage)
            .map(|_| (AssetId(B256::from_slice(&rng.bytes(32))), rng.of_bits(127) + 1))
            .collect();
        assets.sort_unstable();
        self.fragments.push(FragmentView {
            id,
            kind: rng.pick(&[Kind::Secp256k1, Kind::P256]),
            controller: Address::from_slice(&rng.bytes(20)),
            assets,
            data: Vec::new(),
        });
        self.fragments.len() - 1
    }

    fn next_id(&self) -> FragmentId {
        fragment_id((self.fragments.len() as u64 + 1) << 40, 0)
    }

    /// A call on fragments of the world.
    pub(crate) fn call(&self, listed: &[usize]) -> Case {
        Case {
            clock: self.clock,
            proposer: Address::repeat_byte(0x99),
            fragments: listed.iter().map(|place| self.fragments[*place].clone()).collect(),
            authorisations: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Applies effects of a call. What keys lack they are given; what the rule's own fragments lack must not happen. Returns
    /// which fragments were opened; or `None`, and nothing is applied, if a kernel would refuse that somebody has more than an
    /// amount can be.
    pub(crate) fn apply(&mut self, turn: &Turn, effects: &[Effect]) -> Option<Vec<usize>> {
        let mut next = self.clone();
        let mut listed = turn.listed.clone();
        for effect in effects {
            match effect {
                Effect::Move {
                    from,
                    to,
                    asset,
                    amount,
                } => {
                    next.debit(listed[usize::from(*from)], *asset, *amount);
                    next.credit(listed[usize::from(*to)], *asset, *amount)?;
                }
                Effect::Mint { to, tag, amount } => {
                    next.credit(listed[usize::from(*to)], AssetId::issued(RULE, *tag), *amount)?;
                }
                Effect::Burn { from, tag, amount } => {
                    next.debit(listed[usize::from(*from)], AssetId::issued(RULE, *tag), *amount);
                }
                Effect::Write { fragment, data } => {
                    next.fragments[listed[usize::from(*fragment)]].data = data.to_vec();
                }
                Effect::Open { .. } => listed.push(next.open(next.next_id())),
                Effect::OpenLeaf { header, .. } => {
                    let anchor = next.fragments[listed[usize::from(*header)]].id.to_bytes();
                    let anchor = u64::from_be_bytes(anchor[..8].try_into().expect("8 bytes")) >> 8;
                    let leaf = u32::try_from(next.fragments.len()).expect("few");
                    listed.push(next.open(fragment_id(anchor, leaf)));
                }
                Effect::Meaning { .. } => {}
                other => panic!("no rule here does this: {other:?}"),
            }
        }
        *self = next;
        Some(listed.split_off(turn.listed.len()))
    }

    fn open(&mut self, id: FragmentId) -> usize {
        self.fragments.push(FragmentView {
            id,
            kind: Kind::Rule,
            controller: RULE,
            assets: Vec::new(),
            data: Vec::new(),
        });
        self.fragments.len() - 1
    }

    fn debit(&mut self, place: usize, asset: AssetId, amount: u128) {
        let fragment = &mut self.fragments[place];
        let held = holding(fragment, asset);
        assert!(
            held >= amount || fragment.kind != Kind::Rule,
            "{held} of {asset} in {}, {amount} taken",
            fragment.id
        );
        set(fragment, asset, held.saturating_sub(amount));
    }

    fn credit(&mut self, place: usize, asset: AssetId, amount: u128) -> Option<()> {
        let fragment = &mut self.fragments[place];
        let held = holding(fragment, asset).checked_add(amount)?;
        set(fragment, asset, held);
        Some(())
    }
}

pub(crate) fn fragment_id(anchor: u64, leaf: u32) -> FragmentId {
    let number = u128::from(anchor) << 24 | u128::from(leaf);
    let [_, _, _, _, _, _, id @ ..] = number.to_be_bytes();
    FragmentId::from_bytes(id)
}

/// What a fragment holds of an asset.
pub(crate) fn holding(fragment: &FragmentView, asset: AssetId) -> u128 {
    let held = fragment.assets.iter().find(|(held, _)| *held == asset);
    held.map_or(0, |(_, amount)| *amount)
}

fn set(fragment: &mut FragmentView, asset: AssetId, amount: u128) {
    fragment.assets.retain(|(held, _)| *held != asset);
    if amount != 0 {
        fragment.assets.push((asset, amount));
        fragment.assets.sort_unstable();
    }
}
