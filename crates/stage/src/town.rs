//! Users who hold a token each, by themselves and in a cohort whose other leaves are taken.

use alloy::primitives::{Address, B256, Bytes};
use k256::ecdsa::SigningKey;
use nthroot_evm::SpecId;
use nthroot_model::{
    builder::{Name, StepPlan},
    signing::{Signer, authorise},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, Body, Call, Effect, Outflow};

use crate::stage::{ETHER, MALLORY, PUPPET, Stage};

/// Users of each sort.
const USERS: u8 = 4;
/// Depth of the cohort.
const DEPTH: u8 = 20;
/// What each user holds of their token.
const WEALTH: u128 = 1_000 * ETHER + 7;

#[derive(Clone)]
pub struct Town {
    pub stage: Stage,
    founder: SigningKey,
    users: Vec<SigningKey>,
    /// Fragments of the users by themselves.
    houses: Vec<AnchorId>,
    /// A cohort in which they have leaves.
    block: AnchorId,
}

/// Where users have what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By themselves.
    House,
    /// In one cohort, as far from each other as can be.
    Scattered,
    /// In one cohort, side by side.
    Neighbours,
}

impl Place {
    /// A user's leaf.
    fn leaf(self, user: usize) -> u32 {
        let user = u32::try_from(user).expect("few");
        match self {
            Self::House => 0,
            Self::Scattered => user << (DEPTH - 2) | 0x1234,
            Self::Neighbours => user + 4,
        }
    }
}

impl Town {
    pub fn new(spec: SpecId) -> Self {
        let mut stage = Stage::new(spec);
        let key = |byte| SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let founder = key(0xf0);
        let home = stage.deposit(founder.key(), 100 * ETHER);
        stage.mine(1);
        let mut town = Self {
            stage,
            founder,
            users: (1..=USERS).map(key).collect(),
            houses: Vec::new(),
            block: AnchorId::default(),
        };

        // A house for each user with their token in it, and the cohort.
        let mut effects = Vec::new();
        for (place, user) in (0..).zip(&town.users) {
            effects.extend([open(0, user), mint(1 + place)]);
        }
        effects.push(open(DEPTH, &town.founder));
        let names = std::iter::once(Name::Anchor(home)).chain([Name::New; USERS as usize + 1]);
        let plan = town.founded(names.collect(), (home, 0), 0, &effects);
        let (id, entries) = town.post(&[plan]);
        town.houses = entries[0][1..=usize::from(USERS)]
            .iter()
            .map(|entry| AnchorId::new(id, *entry))
            .collect();
        town.block = AnchorId::new(id, entries[0][usize::from(USERS) + 1]);

        // Leaves for the users, and one beside each node of their paths.
        let of = |place: Place| (0..usize::from(USERS)).map(move |user| place.leaf(user));
        let leaves: Vec<u32> = of(Place::Scattered).collect();
        let mut effects = Vec::new();
        for (place, user) in (0..).zip(&town.users) {
            effects.extend([open_leaf(user), mint(1 + place)]);
        }
        let names = |leaves: &[u32]| {
            let leaves = leaves.iter().map(|leaf| Name::Leaf(town.block, *leaf));
            std::iter::once(Name::Anchor(town.block))
                .chain(leaves)
                .collect::<Vec<_>>()
        };
        let neighbours: Vec<u32> = of(Place::Neighbours).collect();
        let mut plans = vec![
            town.founded(names(&leaves), (town.block, 0), 0, &effects),
            town.founded(names(&neighbours), (town.block, 0), 1, &effects),
        ];
        let beside: Vec<u32> = leaves
            .iter()
            .flat_map(|leaf| (0..u32::from(DEPTH - 2)).map(move |level| leaf ^ 1 << level))
            .chain([1, 2, 8])
            .collect();
        for (nonce, leaves) in (2..).zip(beside.chunks(15)) {
            let mut leaves = leaves.to_vec();
            leaves.sort_unstable();
            let effects = vec![open_leaf(&town.founder); leaves.len()];
            plans.push(town.founded(names(&leaves), (town.block, 0), nonce, &effects));
        }
        town.post(&plans);
        town
    }

    /// A step in which the founder has the puppet do something with `at`, the first fragment.
    fn founded(&self, fragments: Vec<Name>, at: (AnchorId, u32), earlier: u64, effects: &[Effect]) -> StepPlan {
        let rule = self.stage.table[usize::from(PUPPET) - 1];
        let mut message = self.stage.message(at, rule, &[], 0);
        message.nonce += earlier;
        let extra: Bytes = Effect::encode_list(effects).into();
        let call = Call {
            rule: PUPPET,
            gas: 100_000,
            max_effects: u16::try_from(extra.len()).expect("short"),
            fragments: vec![0],
            authorisations: vec![authorise(
                &self.founder,
                &self.stage.domain(),
                &message,
                Bytes::new(),
                0,
            )],
            extra,
        };
        StepPlan {
            fragments,
            body: vec![call].into(),
        }
    }

    fn post(&mut self, plans: &[StepPlan]) -> (nthroot_protocol::BatchId, Vec<Vec<u16>>) {
        let mut builder = self.stage.builder(MALLORY);
        let entries = plans.iter().map(|plan| builder.step(plan).expect("honest").entries);
        let entries = entries.collect();
        let batch = builder.build().expect("complete");
        (self.stage.post(MALLORY, &batch), entries)
    }

    fn token(&self, user: usize) -> AssetId {
        let tag = B256::with_last_byte(u8::try_from(user).expect("few") + 1);
        AssetId::issued(self.stage.table[usize::from(PUPPET) - 1], tag)
    }

    /// A call of the Account rule in which some of the users pay the next one each, in a ring; with two users only the first pays.
    fn payments(&self, place: Place, users: usize, earlier: u64) -> (Vec<Name>, Body) {
        let at = |user: usize| {
            let anchor = if place == Place::House {
                self.houses[user]
            } else {
                self.block
            };
            (anchor, place.leaf(user))
        };
        let pays = |user: usize| users > 2 || user == 0;
        let authorisations = (0..users).map(|user| {
            let (to, leaf) = at((user + 1) % users);
            let (asset, amount) = (self.token(user), ETHER + 1);
            let pay = AccountOp::Pay {
                to: to.leaf(leaf).expect("a leaf"),
                asset,
                amount,
            };
            let ops = if pays(user) { vec![pay] } else { Vec::new() };
            let payload = AccountOp::encode_payload(&ops);
            let mut message = self.stage.message(at(user), self.stage.l1.account, &payload, 0);
            message.nonce += earlier;
            if pays(user) {
                message.outflows = vec![Outflow { asset, amount }];
            }
            let position = u8::try_from(user).expect("few");
            authorise(
                &self.users[user],
                &self.stage.domain(),
                &message,
                payload.into(),
                position,
            )
        });
        let call = Call {
            rule: 0,
            gas: 60_000,
            max_effects: 51 * u16::try_from(users).expect("few"),
            fragments: (0..).take(users).collect(),
            authorisations: authorisations.collect(),
            extra: Bytes::new(),
        };
        let names = (0..users).map(|user| {
            let (anchor, leaf) = at(user);
            Name::Leaf(anchor, leaf)
        });
        (names.collect(), vec![call].into())
    }

    /// A batch of one step, in which some users pay each other.
    pub fn ring(&mut self, place: Place, users: usize) -> Batch {
        let (fragments, body) = self.payments(place, users, 0);
        let posting = self.stage.posting(MALLORY);
        // No rule but the Account rule: no table.
        let mut builder = nthroot_model::builder::BatchBuilder::new(&self.stage.ledger, posting);
        builder.step(&StepPlan { fragments, body }).expect("honest");
        builder.build().expect("complete")
    }

    /// A batch of one step, in which a new user withdraws ether to an account twice.
    pub fn withdrawals(&mut self, recipient: Address) -> Batch {
        let user = &self.users[0];
        let anchor = self.stage.deposit(user.key(), ETHER);
        self.stage.mine(1);
        let withdraw = AccountOp::Withdraw {
            recipient,
            token: Address::ZERO,
            amount: ETHER / 4,
        };
        let payload = AccountOp::encode_payload(&[withdraw.clone(), withdraw]);
        let message = self.stage.message((anchor, 0), self.stage.l1.account, &payload, ETHER);
        let call = Call {
            rule: 0,
            gas: 60_000,
            max_effects: 2 * 58,
            fragments: vec![0],
            authorisations: vec![authorise(user, &self.stage.domain(), &message, payload.into(), 0)],
            extra: Bytes::new(),
        };
        let posting = self.stage.posting(MALLORY);
        let mut builder = nthroot_model::builder::BatchBuilder::new(&self.stage.ledger, posting);
        let plan = StepPlan {
            fragments: vec![Name::Anchor(anchor)],
            body: vec![call].into(),
        };
        builder.step(&plan).expect("honest");
        builder.build().expect("complete")
    }

    /// A step in which one of two pays the other in the cohort, after so many like it.
    pub fn transfer(&self, earlier: usize) -> StepPlan {
        let (fragments, body) = self.payments(Place::Scattered, 2, u64::try_from(earlier).expect("few"));
        StepPlan { fragments, body }
    }

    /// A batch of so many transfers in the cohort, and the length of the last one's body.
    pub fn transfers(&mut self, count: usize) -> (Batch, usize) {
        let plans: Vec<StepPlan> = (0..count).map(|nth| self.transfer(nth)).collect();
        let posting = self.stage.posting(MALLORY);
        let mut builder = nthroot_model::builder::BatchBuilder::new(&self.stage.ledger, posting);
        for plan in &plans {
            builder.step(plan).expect("honest");
        }
        let batch = builder.build().expect("complete");
        let body = batch.steps.last().map_or(0, |step| step.body.len());
        (batch, body)
    }
}

/// An anchor of this depth for a user.
pub fn open(depth: u8, user: &SigningKey) -> Effect {
    let key = user.key();
    Effect::Open {
        depth,
        kind: key.kind().to_u8(),
        controller: key.controller(),
    }
}

/// A leaf for a user, in the cohort of the call's first fragment.
pub fn open_leaf(user: &SigningKey) -> Effect {
    let key = user.key();
    Effect::OpenLeaf {
        header: 0,
        kind: key.kind().to_u8(),
        controller: key.controller(),
    }
}

/// Gives the fragment that is opened as number `to` its token.
fn mint(to: u8) -> Effect {
    Effect::Mint {
        to,
        tag: B256::with_last_byte(to),
        amount: WEALTH,
    }
}
