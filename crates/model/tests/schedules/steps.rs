//! Honest steps: what users sign, of every scheme, on single fragments and in cohorts, with and without leases.

use std::sync::LazyLock;

use alloy_primitives::{Address, Bytes};
use nthroot_model::{
    authenticator::Authenticator,
    builder::{BatchBuilder, Name, StepPlan},
    ledger::{Ledger, State},
    signing::{self, Signer},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Body, Call, Domain, Fragment, FragmentId, Key, Lease, Meaning,
    Outflow, SignedMessage,
};

use crate::random::{Pick, Rng};

pub(crate) const ACCOUNT: Address = Address::repeat_byte(0xac);
pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
pub(crate) const DOMAIN: Domain = Domain {
    chain_id: 1,
    bridge: Address::repeat_byte(0xb7),
};
pub(crate) const USERS: usize = 5;

/// A user's key. The first three have secp256k1 keys, then come a P-256 key and a passkey.
pub(crate) fn user(number: usize) -> Box<dyn Signer> {
    let bytes = [u8::try_from(number).unwrap() + 1; 32];
    let p256 = || p256::ecdsa::SigningKey::from_slice(&bytes).unwrap();
    match number {
        0..=2 => Box::new(k256::ecdsa::SigningKey::from_slice(&bytes).unwrap()),
        3 => Box::new(p256()),
        _ => Box::new(Authenticator::new(p256(), "wallet.example")),
    }
}

/// The users' keys, which take long to derive.
static KEYS: LazyLock<[Key; USERS]> = LazyLock::new(|| std::array::from_fn(|number| user(number).key()));

pub(crate) fn key_of(number: usize) -> Key {
    KEYS[number]
}

/// The user whose key controls a fragment.
fn owner(fragment: &Fragment) -> Option<usize> {
    let controls = |key: &Key| (key.kind(), key.controller()) == (fragment.kind, fragment.controller);
    KEYS.iter().position(controls)
}

/// What the first authorisation of a step says, and who signed it.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) user: usize,
    pub(crate) message: SignedMessage,
    pub(crate) payload: Bytes,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Pay,
    Open,
    Withdraw,
    SetController,
    SetLease,
    EndLease,
    OpenLeaf,
}

/// What a step will be: the choices are made when it is built.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    kind: Kind,
    picks: [Pick; 3],
    amount: u128,
    /// Blocks after the clock at which the consent ends.
    valid: u64,
    /// Blocks after the clock at which a lease ends.
    lease: u64,
}

impl Seed {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        use Kind::{EndLease, Open, OpenLeaf, Pay, SetController, SetLease, Withdraw};
        const KINDS: [Kind; 13] = [
            Pay,
            Pay,
            Pay,
            Pay,
            Open,
            Open,
            Withdraw,
            Withdraw,
            SetController,
            SetLease,
            EndLease,
            OpenLeaf,
            OpenLeaf,
        ];
        Self {
            kind: KINDS[rng.below(KINDS.len())],
            picks: [(); 3].map(|()| rng.pick()),
            amount: 1 + u128::from(rng.next() % 50),
            valid: [0, 1, 4, 100][rng.below(4)],
            lease: [0, 1, 5, 20, 64, 64][rng.below(6)],
        }
    }
}

/// A fragment of a user's that can be worked on.
#[derive(Clone)]
struct Owned {
    name: Name,
    id: FragmentId,
    user: usize,
    state: Fragment,
}

/// Who builds, and on what.
pub(crate) struct Drafting<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: u64,
    pub(crate) proposer: Address,
    pub(crate) proposers: &'a [Address],
}

impl Drafting<'_> {
    /// The users' fragments as the steps so far leave them.
    fn owned(&self, builder: &BatchBuilder<'_>) -> Vec<Owned> {
        let mut owned = Vec::new();
        for (anchor, _, state) in self.ledger.anchors() {
            let Some(known) = state.known() else { continue };
            for (leaf, _) in known.fragments() {
                let name = name(anchor, leaf);
                let id = anchor.leaf(leaf).expect("24 bits");
                if let Ok(Some(state)) = builder.state(name)
                    && let Some(user) = owner(&state)
                {
                    owned.push(Owned { name, id, user, state });
                }
            }
        }
        owned
    }

    /// Whether the fragment may be credited without its consent: under a lease of the proposer's, in an asset that it holds.
    fn is_credited(&self, builder: &BatchBuilder<'_>, to: &Owned) -> bool {
        let header = builder.state(Name::Anchor(to.id.anchor())).ok().flatten();
        let lease = header.and_then(|header| header.lease);
        let own = |lease: Lease| lease.runs(self.clock) && lease.holder == self.proposer;
        lease.is_some_and(own) && to.state.balance(token()) > 0
    }

    /// A leaf of the anchor, from 1, that nobody has opened.
    fn free_leaf(&self, anchor: AnchorId) -> Option<u32> {
        let known = self.ledger.state(anchor).and_then(State::known)?;
        (1..4).find(|leaf| known.has_leaf(*leaf) && known.fragment(*leaf).is_none())
    }

    fn consent(&self, seed: &Seed, of: &Owned, ops: &[AccountOp], outflow: u128) -> Signed {
        let outflow = Outflow {
            asset: token(),
            amount: outflow,
        };
        let payload = AccountOp::encode_payload(ops);
        Signed {
            user: of.user,
            message: SignedMessage {
                meaning: Meaning::opaque(&payload),
                rule: ACCOUNT,
                fragment: of.id,
                nonce: of.state.nonce,
                valid_until: self.clock + seed.valid,
                outflows: if outflow.amount > 0 { vec![outflow] } else { Vec::new() },
            },
            payload: payload.into(),
        }
    }

    /// The step of a seed, if there is something to do it with. It may still be refused: then it is no honest step.
    pub(crate) fn step(&self, builder: &BatchBuilder<'_>, seed: &Seed) -> Option<(StepPlan, Signed, bool)> {
        let owned = self.owned(builder);
        let [first, second, third] = seed.picks;
        let all: Vec<&Owned> = owned.iter().collect();
        // Most fragments are no headers with room, no leaves, and not to be credited: those that are get a chance.
        let some =
            |wanted: &dyn Fn(&Owned) -> bool| all.iter().copied().filter(|owned| wanted(owned)).collect::<Vec<_>>();
        let from = match seed.kind {
            Kind::OpenLeaf => first.of(&some(&|owned| {
                owned.id.leaf() == 0 && self.free_leaf(owned.id.anchor()).is_some()
            })),
            _ => first.of(&all),
        }?;
        let preferred = match (seed.kind, third.below(3)) {
            (Kind::Pay, 0) => some(&|owned| self.is_credited(builder, owned)),
            (Kind::Pay, 1) => some(&|owned| owned.id.leaf() > 0),
            _ => Vec::new(),
        };
        let other = second.of(&preferred).or_else(|| second.of(&all))?;
        let key = key_of(third.below(USERS));
        let (kind, controller) = (key.kind().to_u8(), key.controller());
        let (amount, assets) = (seed.amount, vec![(token(), seed.amount)]);
        let mut names = vec![from.name];
        let (op, outflow) = match seed.kind {
            Kind::Pay => {
                names.push(other.name);
                let (to, asset) = (other.id, token());
                (AccountOp::Pay { to, asset, amount }, amount)
            }
            Kind::Open => {
                names.push(Name::New);
                let depth = u8::try_from(second.below(3)).unwrap();
                let open = AccountOp::Open {
                    depth,
                    kind,
                    controller,
                    assets,
                };
                (open, amount)
            }
            Kind::Withdraw => {
                let withdraw = AccountOp::Withdraw {
                    recipient: Address::repeat_byte(0xee),
                    token: TOKEN,
                    amount,
                };
                (withdraw, amount)
            }
            Kind::SetController => (AccountOp::SetController { kind, controller }, 0),
            Kind::SetLease => {
                let own = third.below(2) == 0;
                let lease = AccountOp::SetLease {
                    holder: if own { self.proposer } else { second.of(self.proposers)? },
                    last_block: self.clock + seed.lease,
                };
                (lease, 0)
            }
            Kind::EndLease => {
                let lease = AccountOp::SetLease {
                    holder: Address::ZERO,
                    last_block: 0,
                };
                (lease, 0)
            }
            Kind::OpenLeaf => {
                names.push(Name::Leaf(from.id.anchor(), self.free_leaf(from.id.anchor())?));
                let open = AccountOp::OpenLeaf {
                    kind,
                    controller,
                    assets,
                };
                (open, amount)
            }
        };
        let signed = self.consent(seed, from, &[op], outflow);
        let mut authorisations = vec![authorise(&signed, 0)];
        let credited = matches!(seed.kind, Kind::Pay) && self.is_credited(builder, other);
        if matches!(seed.kind, Kind::Pay) && !credited {
            authorisations.push(authorise(&self.consent(seed, other, &[], 0), 1));
        }
        // A fragment that the step opens is none of the call's.
        let listed = if matches!(seed.kind, Kind::Pay) {
            vec![0, 1]
        } else {
            vec![0]
        };
        let call = Call {
            rule: 0,
            gas: 50_000,
            max_effects: 512,
            fragments: listed,
            authorisations,
            extra: Bytes::new(),
        };
        let body = Body {
            leaves: None,
            calls: vec![call],
        };
        let plan = StepPlan { fragments: names, body };
        Some((plan, signed, credited))
    }
}

pub(crate) fn authorise(signed: &Signed, position: u8) -> Authorisation {
    let Signed {
        user: n,
        message,
        payload,
    } = signed;
    signing::authorise(user(*n).as_ref(), &DOMAIN, message, payload.clone(), position)
}

pub(crate) fn token() -> AssetId {
    AssetId::token(TOKEN)
}

const fn name(anchor: AnchorId, leaf: u32) -> Name {
    if leaf == 0 {
        Name::Anchor(anchor)
    } else {
        Name::Leaf(anchor, leaf)
    }
}
