//! Who takes part, and the honest batches that lies are made from.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use nthroot_evm::SpecId;
use nthroot_model::{
    authenticator::Authenticator,
    builder::{Name, StepPlan},
    signing::{Signer, authorise},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, Call, Domain, Effect, Key, Meaning, SignedMessage};

use crate::stage::{ETHER, MALLORY, Stage};

/// Another proposer.
pub(crate) const OTHER: Address = Address::repeat_byte(0x07);

/// Depth of the club's cohort, and leaves of it.
pub(crate) const DEPTH: u8 = 4;
pub(crate) const BOBS: u32 = 3;
pub(crate) const EMPTY: u32 = 5;
pub(crate) const CAROLS: u32 = 9;

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Alice,
    Bob,
    /// Has a passkey.
    Carol,
    /// Carol, when she signs without a browser.
    CarolsKey,
}

impl User {
    pub(crate) fn signer(self) -> Box<dyn Signer> {
        let account = |byte: u8| k256::ecdsa::SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let passkey = || p256::ecdsa::SigningKey::from_slice(&[0xca; 32]).expect("below the order");
        match self {
            Self::Alice => Box::new(account(0xa1)),
            Self::Bob => Box::new(account(0xb0)),
            Self::Carol => Box::new(Authenticator::new(passkey(), "example.org")),
            Self::CarolsKey => Box::new(passkey()),
        }
    }

    pub(crate) fn key(self) -> Key {
        self.signer().key()
    }
}

/// An honest batch of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Alice pays Bob and withdraws.
    Payment,
    /// Alice opens a leaf in the club for Bob, and another cohort for herself.
    Opening,
    /// Alice pays Bob and Carol in the club, which Mallory leases: neither signs.
    Leased,
    /// The same when the lease is over: both sign.
    Over,
    /// Carol pays Bob with her passkey.
    Passkey,
    /// And with the key alone.
    P256,
    /// Bob pays from what another proposer leases.
    Foreign,
    /// A rule pays Carol in the club from what Alice has outside.
    Ruled,
    /// It pays Bob there, and says what Alice, and Carol by her passkey, mean by what they signed.
    Meant,
}

impl Base {
    pub(crate) const ALL: [Self; 9] = [
        Self::Payment,
        Self::Opening,
        Self::Leased,
        Self::Over,
        Self::Passkey,
        Self::P256,
        Self::Foreign,
        Self::Ruled,
        Self::Meant,
    ];
}

pub(crate) struct Honest {
    pub(crate) batch: Batch,
    pub(crate) proposer: Address,
    /// What is signed in its only call.
    pub(crate) signed: Vec<(User, SignedMessage)>,
}

/// A bridge with users: deposits of 100 ETH, a club, one payment behind them.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) stage: Stage,
    pub(crate) alice: AnchorId,
    pub(crate) bob: AnchorId,
    pub(crate) carol: AnchorId,
    /// Bob's, leased to another proposer.
    pub(crate) leased: AnchorId,
    /// A cohort of Alice's, leased to Mallory, in which Bob and Carol have leaves.
    pub(crate) club: AnchorId,
}

/// A step that is being planned: a call of one rule, and who signs for it.
struct Plan<'a> {
    cast: &'a mut Cast,
    proposer: Address,
    rule: u8,
    names: Vec<Name>,
    extra: Bytes,
    /// Position, user, message and payload.
    signed: Vec<(u8, User, SignedMessage, Bytes)>,
}

impl Plan<'_> {
    /// Has a user sign for the fragment at `position`.
    fn sign(&mut self, position: u8, user: User, ops: &[AccountOp], outflow: u128) {
        let at = match self.names[usize::from(position)] {
            Name::Leaf(anchor, leaf) => (anchor, leaf),
            Name::Anchor(anchor) => (anchor, 0),
            _ => unreachable!("new fragments sign nothing"),
        };
        let rule = self.cast.rule(self.rule);
        let payload = AccountOp::encode_payload(ops);
        let message = self.cast.stage.message(at, rule, &payload, outflow);
        self.signed.push((position, user, message, payload.into()));
    }

    /// Has a user sign that it means a sale by its payload, of which the price is the only byte.
    fn mean(&mut self, position: u8, user: User, price: u8, outflow: u128) {
        self.sign(position, user, &[], outflow);
        if let Some((_, _, message, payload)) = self.signed.last_mut() {
            (message.meaning, *payload) = (sale(price), vec![price].into());
        }
    }

    fn signed_by(mut self, signers: &[(u8, User, Vec<AccountOp>, u128)]) -> Honest {
        for (position, user, ops, outflow) in signers {
            self.sign(*position, *user, ops, *outflow);
        }
        self.build()
    }

    fn build(self) -> Honest {
        let domain = self.cast.stage.domain();
        // What the call opens it does not list.
        let exists = |name: &Name| match name {
            Name::Leaf(anchor, leaf) => self.cast.stage.anchor(*anchor).fragment(*leaf).is_some(),
            Name::Anchor(_) => true,
            _ => false,
        };
        let call = Call {
            rule: self.rule,
            gas: 200_000,
            max_effects: 400,
            fragments: (0..)
                .zip(&self.names)
                .filter(|(_, name)| exists(name))
                .map(|(place, _)| place)
                .collect(),
            authorisations: self
                .signed
                .iter()
                .map(|(position, user, message, payload)| {
                    authorise(user.signer().as_ref(), &domain, message, payload.clone(), *position)
                })
                .collect(),
            extra: self.extra,
        };
        let mut builder = self.cast.stage.builder(self.proposer);
        let plan = StepPlan {
            fragments: self.names,
            body: vec![call].into(),
        };
        builder.step(&plan).expect("honest");
        Honest {
            batch: builder.build().expect("complete"),
            proposer: self.proposer,
            signed: self
                .signed
                .into_iter()
                .map(|(_, user, message, _)| (user, message))
                .collect(),
        }
    }
}

impl Cast {
    pub(crate) fn new(spec: SpecId) -> Self {
        let mut stage = Stage::new(spec);
        stage.bond(OTHER);
        let alice = stage.deposit(User::Alice.key(), 100 * ETHER);
        let bob = stage.deposit(User::Bob.key(), 100 * ETHER);
        let carol = stage.deposit(User::Carol.key(), 100 * ETHER);
        let leased = stage.deposit(User::Bob.key(), 100 * ETHER);
        stage.mine(1);
        let mut cast = Self {
            stage,
            alice,
            bob,
            carol,
            leased,
            club: AnchorId::default(),
        };
        cast.found();
        cast
    }

    /// Posts what the honest batches need: the club, leases, and payments so that nonces are not zero.
    fn found(&mut self) {
        let open = AccountOp::Open {
            depth: DEPTH,
            kind: 1,
            controller: User::Alice.key().controller(),
            assets: vec![(AssetId::ETH, 20 * ETHER)],
        };
        let batch = self.account(
            MALLORY,
            vec![Name::Anchor(self.alice), Name::New],
            &[(0, User::Alice, vec![open], 20 * ETHER)],
        );
        let id = self.stage.post(MALLORY, &batch.batch);
        self.club = AnchorId::new(id, 1);

        let last_block = self.stage.l1.chain.number() + 60;
        let member = |user: User| AccountOp::OpenLeaf {
            kind: user.key().kind().to_u8(),
            controller: user.key().controller(),
            assets: vec![(AssetId::ETH, 5 * ETHER)],
        };
        let lease = AccountOp::SetLease {
            holder: MALLORY,
            last_block,
        };
        let names = vec![
            Name::Anchor(self.club),
            Name::Leaf(self.club, BOBS),
            Name::Leaf(self.club, CAROLS),
        ];
        let ops = vec![member(User::Bob), member(User::Carol), lease];
        let batch = self.account(MALLORY, names, &[(0, User::Alice, ops, 10 * ETHER)]);
        self.stage.post(MALLORY, &batch.batch);

        let lease = AccountOp::SetLease {
            holder: OTHER,
            last_block,
        };
        let batch = self.account(
            OTHER,
            vec![Name::Anchor(self.leased)],
            &[(0, User::Bob, vec![lease], 0)],
        );
        self.stage.post(OTHER, &batch.batch);
        let batch = self.honest(Base::Payment);
        self.stage.post(MALLORY, &batch.batch);
        let batch = self.honest(Base::Passkey);
        self.stage.post(MALLORY, &batch.batch);
    }

    pub(crate) fn rule(&self, index: u8) -> Address {
        match index {
            0 => self.stage.l1.account,
            index => self.stage.table[usize::from(index) - 1],
        }
    }

    /// A step with a call of the Account rule. Only those that the call does not open are listed.
    fn account(&mut self, proposer: Address, names: Vec<Name>, signers: &[(u8, User, Vec<AccountOp>, u128)]) -> Honest {
        let plan = self.plan(proposer, 0, names, Bytes::new());
        plan.signed_by(signers)
    }

    fn plan(&mut self, proposer: Address, rule: u8, names: Vec<Name>, extra: Bytes) -> Plan<'_> {
        Plan {
            cast: self,
            proposer,
            rule,
            names,
            extra,
            signed: Vec::new(),
        }
    }

    pub(crate) fn pay(anchor: AnchorId, leaf: u32, amount: u128) -> AccountOp {
        AccountOp::Pay {
            to: anchor.leaf(leaf).expect("a leaf"),
            asset: AssetId::ETH,
            amount,
        }
    }

    /// What Alice does when she pays Bob and withdraws.
    pub(crate) fn payment(&self, amount: u128) -> Vec<AccountOp> {
        let withdraw = AccountOp::Withdraw {
            recipient: User::Alice.key().controller(),
            token: Address::ZERO,
            amount: ETHER,
        };
        vec![Self::pay(self.bob, 0, amount), withdraw]
    }

    /// What a rule does to pay from Alice.
    pub(crate) const fn payment_by_rule(to: u8) -> Effect {
        Effect::Move {
            from: 0,
            to,
            asset: AssetId::ETH,
            amount: ETHER,
        }
    }

    /// The leaf and the cohort that Alice opens.
    pub(crate) fn openings() -> [AccountOp; 2] {
        let assets = vec![(AssetId::ETH, ETHER)];
        let leaf = AccountOp::OpenLeaf {
            kind: 1,
            controller: User::Bob.key().controller(),
            assets: assets.clone(),
        };
        let cohort = AccountOp::Open {
            depth: DEPTH,
            kind: 1,
            controller: User::Alice.key().controller(),
            assets,
        };
        [leaf, cohort]
    }

    /// An honest batch of now.
    pub(crate) fn honest(&mut self, base: Base) -> Honest {
        let (alice, bob, carol, club) = (self.alice, self.bob, self.carol, self.club);
        let [bobs, carols] = [BOBS, CAROLS].map(|leaf| Name::Leaf(club, leaf));
        let to_club = vec![Self::pay(club, BOBS, ETHER), Self::pay(club, CAROLS, ETHER)];
        let consent = Vec::new;
        match base {
            Base::Payment => {
                let payment = self.payment(2 * ETHER);
                self.account(
                    MALLORY,
                    vec![Name::Anchor(alice), Name::Anchor(bob)],
                    &[(0, User::Alice, payment, 3 * ETHER), (1, User::Bob, consent(), 0)],
                )
            }
            Base::Opening => self.account(
                MALLORY,
                vec![Name::Anchor(club), Name::Leaf(club, EMPTY), Name::New],
                &[(0, User::Alice, Self::openings().to_vec(), 2 * ETHER)],
            ),
            Base::Leased => self.account(
                MALLORY,
                vec![bobs, carols, Name::Anchor(alice)],
                &[(2, User::Alice, to_club, 2 * ETHER)],
            ),
            Base::Over => {
                self.stage.mine(70);
                self.account(
                    MALLORY,
                    vec![bobs, carols, Name::Anchor(alice)],
                    &[
                        (0, User::Bob, consent(), 0),
                        (1, User::Carol, consent(), 0),
                        (2, User::Alice, to_club, 2 * ETHER),
                    ],
                )
            }
            Base::Passkey | Base::P256 => {
                let carols = if base == Base::P256 {
                    User::CarolsKey
                } else {
                    User::Carol
                };
                let payment = vec![Self::pay(bob, 0, ETHER)];
                self.account(
                    MALLORY,
                    vec![Name::Anchor(carol), Name::Anchor(bob)],
                    &[(0, carols, payment, ETHER), (1, User::Bob, consent(), 0)],
                )
            }
            Base::Foreign => {
                let payment = vec![Self::pay(bob, 0, ETHER)];
                self.account(
                    OTHER,
                    vec![Name::Anchor(self.leased), Name::Anchor(bob)],
                    &[(0, User::Bob, payment, ETHER), (1, User::Bob, consent(), 0)],
                )
            }
            Base::Ruled => {
                let extra = Effect::encode_list(&[Self::payment_by_rule(1)]).into();
                let names = vec![Name::Anchor(alice), carols];
                let mut plan = self.plan(MALLORY, crate::stage::PUPPET, names, extra);
                plan.sign(0, User::Alice, &[], ETHER);
                plan.build()
            }
            Base::Meant => {
                let meanings = [Effect::meaning(0, sale(1)), Effect::meaning(1, sale(2))];
                let effects = [meanings.as_slice(), &[Self::payment_by_rule(2)]].concat();
                let names = vec![Name::Anchor(alice), Name::Anchor(carol), bobs];
                let mut plan = self.plan(
                    MALLORY,
                    crate::stage::PUPPET,
                    names,
                    Effect::encode_list(&effects).into(),
                );
                plan.mean(0, User::Alice, 1, ETHER);
                plan.mean(1, User::Carol, 2, 0);
                plan.build()
            }
        }
    }
}

/// A struct of a rule's, as it stands under a signature.
pub(crate) fn sale(price: u8) -> Meaning {
    let type_string = "Sale(uint8 price)";
    let words = [keccak256(type_string), B256::with_last_byte(price)];
    Meaning::of(type_string, keccak256(words.concat()))
}

/// A domain that is not the bridge's.
pub(crate) fn other_domain(cast: &Cast, change: impl FnOnce(&mut Domain)) -> Domain {
    let mut domain = cast.stage.domain();
    change(&mut domain);
    domain
}
