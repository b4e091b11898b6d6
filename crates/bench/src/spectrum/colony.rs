//! Users in cohorts of any depth, whose other leaves are taken, and what they pay each other.

use alloy::primitives::{Address, B256, Bytes};
use k256::ecdsa::SigningKey;
use nthroot_evm::SpecId;
use nthroot_model::{
    builder::{BatchBuilder, Name, StepPlan},
    signing::{Signer, authorise},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, Call, Effect, FragmentId};
use nthroot_stage::{
    stage::{ETHER, MALLORY, PUPPET, Stage},
    town::{open, open_leaf},
};
use nthroot_wallet::{Consent, Intent, Plan, Request, RuleBook};

use super::grid::Kind;

/// Users of the first cohort: as many as a step can name beside its leaf 0.
pub(super) const USERS: usize = 15;
/// What is paid.
const PAID: u128 = nthroot_stage::crowd::PAID / 1_000;

/// A bridge with two cohorts of a depth: [`USERS`] users in the first, or as many as it has leaves for, and one in the second. At
/// depth 0, each has a root.
#[derive(Clone)]
pub(super) struct Colony {
    pub(super) stage: Stage,
    depth: u8,
    founder: SigningKey,
    /// Has nothing to do with the cohorts.
    home: FragmentId,
    other: FragmentId,
    users: Vec<FragmentId>,
    stranger: FragmentId,
}

impl Colony {
    pub(super) fn new(spec: SpecId, depth: u8) -> Self {
        let mut stage = Stage::new(spec);
        let founder = key(0);
        let [home, other, founding] = [0; 3].map(|_| stage.deposit(founder.key(), ETHER));
        stage.mine(1);
        let mut colony = Self {
            stage,
            depth,
            founder,
            home: home.fragment(),
            other: other.fragment(),
            users: Vec::new(),
            stranger: home.fragment(),
        };
        if depth == 0 {
            colony.found_roots(founding);
        } else {
            colony.found_cohorts(founding);
        }
        let window = colony.stage.l1.parameters.window;
        colony.stage.mine(2 * (window + 1));
        colony
    }

    fn found_roots(&mut self, founding: AnchorId) {
        let open = |user: usize| open(0, &key(user + 1));
        let effects = (0..USERS).flat_map(|user| [open(user), mint(user + 1)]);
        let names = std::iter::once(Name::Anchor(founding)).chain([Name::New; USERS]);
        let plan = self.puppet(names.collect(), (founding, 0), 0, &effects.collect::<Vec<_>>());
        let (id, entries) = self.post(&[plan]);
        let root = |entry: &u16| AnchorId::new(id, *entry).fragment();
        self.users = entries[0][1..].iter().map(root).collect();
        self.stranger = self.users[USERS - 1];
    }

    fn found_cohorts(&mut self, founding: AnchorId) {
        let effects = [open(self.depth, &key(0)), open(self.depth, &key(0))];
        let names = vec![Name::Anchor(founding), Name::New, Name::New];
        let plan = self.puppet(names, (founding, 0), 0, &effects);
        let (id, entries) = self.post(&[plan]);
        let [first, second] = [1, 2].map(|place| AnchorId::new(id, entries[0][place]));
        let leaves = places(self.depth);
        self.settle(first, &leaves);
        self.settle(second, &leaves[..1]);
        self.users = leaves.iter().filter_map(|leaf| first.leaf(*leaf)).collect();
        self.stranger = second.leaf(leaves[0]).expect("a leaf");
    }

    /// Opens leaves for users, and one beside each node of their paths and of leaf 0's.
    fn settle(&mut self, cohort: AnchorId, leaves: &[u32]) {
        let mut taken: Vec<u32> = leaves.iter().chain([&0]).copied().collect();
        let mut plans = Vec::new();
        let names = |leaves: &[u32]| -> Vec<Name> {
            let leaves = leaves.iter().map(|leaf| Name::Leaf(cohort, *leaf));
            std::iter::once(Name::Anchor(cohort)).chain(leaves).collect()
        };
        let effects = (1..=leaves.len()).flat_map(|user| [open_leaf(&key(user)), mint(user)]);
        plans.push(self.puppet(names(leaves), (cohort, 0), 0, &effects.collect::<Vec<_>>()));
        let mut beside = Vec::new();
        for leaf in taken.clone() {
            for level in 0..u32::from(self.depth) {
                // None yet in the subtree beside the path's node at this level.
                let subtree = (leaf ^ 1 << level) >> level;
                if taken.iter().all(|other| other >> level != subtree) {
                    taken.push(subtree << level);
                    beside.push(subtree << level);
                }
            }
        }
        for (nonce, leaves) in (1..).zip(beside.chunks(USERS)) {
            let mut leaves = leaves.to_vec();
            leaves.sort_unstable();
            let effects = vec![open_leaf(&self.founder); leaves.len()];
            plans.push(self.puppet(names(&leaves), (cohort, 0), nonce, &effects));
        }
        self.post(&plans);
    }

    /// A step in which the founder has the puppet do something with `at`.
    fn puppet(&self, fragments: Vec<Name>, at: (AnchorId, u32), earlier: u64, effects: &[Effect]) -> StepPlan {
        let rule = self.stage.table[usize::from(PUPPET) - 1];
        let mut message = self.stage.message(at, rule, &[], 0);
        message.nonce += earlier;
        let extra: Bytes = Effect::encode_list(effects).into();
        let signed = authorise(&self.founder, &self.stage.domain(), &message, Bytes::new(), 0);
        let call = Call {
            rule: PUPPET,
            gas: 50_000,
            max_effects: u16::try_from(extra.len()).expect("short"),
            fragments: vec![0],
            authorisations: vec![signed],
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

    /// A step of so many payments. None: the cohort has too few users, or a step too little room.
    pub(super) fn payments(&self, kind: Kind, operations: usize, earlier: u64) -> Option<StepPlan> {
        let users = match kind {
            Kind::Pairs | Kind::Credited => 2 * operations,
            Kind::Ring => operations.min(USERS),
            Kind::Across => 2,
        };
        let fits = match kind {
            Kind::Pairs => true,
            Kind::Credited => self.depth > 0,
            Kind::Ring => operations > 1 && operations.is_multiple_of(users),
            Kind::Across => self.depth > 0 && operations == 1,
        };
        if !fits || users > self.users.len().max(2) || (self.users.len() < 2 && kind != Kind::Across) {
            return None;
        }
        let mut parties: Vec<_> = (0..users)
            .map(|user| (self.users[user % self.users.len()], key(user + 1)))
            .collect();
        if kind == Kind::Across {
            parties[1] = (self.stranger, key(1));
        }
        let asset = AssetId::issued(self.stage.table[usize::from(PUPPET) - 1], B256::with_last_byte(1));
        let consents = (0..users).map(|place| {
            let (fragment, key) = &parties[place];
            let pays = if kind == Kind::Ring {
                operations / users
            } else {
                1 - place % 2
            };
            let pay = |nth: usize| AccountOp::Pay {
                to: parties[(place + 1 + nth) % users].0,
                asset,
                amount: PAID,
            };
            let ops: Vec<AccountOp> = (0..pays).map(pay).collect();
            if kind == Kind::Credited && ops.is_empty() {
                return Consent::Credited(*fragment);
            }
            self.signed(*fragment, key, ops, earlier)
        });
        Some(self.account(&consents.collect::<Vec<_>>()))
    }

    /// Leases the first cohort to Mallory, who then credits its users without asking them.
    pub(super) fn lease(&mut self) {
        let header = self.users[0].anchor().fragment();
        let lease = AccountOp::SetLease {
            holder: MALLORY,
            last_block: self.stage.l1.chain.number() + 60,
        };
        let plan = self.account(&[self.signed(header, &self.founder, vec![lease], 0)]);
        let batch = self.batch(&[plan]);
        self.stage.post(MALLORY, &batch);
    }

    /// A step of somebody by themselves: one of two.
    pub(super) fn idle(&self, second: bool) -> StepPlan {
        let at = if second { self.other } else { self.home };
        self.account(&[self.signed(at, &self.founder, Vec::new(), 0)])
    }

    fn signed(&self, fragment: FragmentId, key: &SigningKey, ops: Vec<AccountOp>, earlier: u64) -> Consent {
        let intent = Intent {
            request: Request::Account(ops),
            fragment,
            nonce: self.stage.fragment(fragment.anchor(), fragment.leaf()).nonce + earlier,
            valid_until: self.stage.l1.chain.number() + 1_000,
        };
        Consent::Signed(Box::new(intent.sign(&self.book(), &self.stage.domain(), key)))
    }

    fn account(&self, consents: &[Consent]) -> StepPlan {
        let mut plan = Plan::new(self.book());
        plan.account(consents, &[]).expect("it fits");
        plan.finish()
    }

    /// The Account rule is the only one.
    fn book(&self) -> RuleBook {
        RuleBook {
            account: self.stage.l1.account,
            swap: Address::ZERO,
            pool: Address::ZERO,
            credit: Address::ZERO,
        }
    }

    /// A batch of these steps, without a rule table.
    pub(super) fn batch(&mut self, plans: &[StepPlan]) -> Batch {
        let posting = self.stage.posting(MALLORY);
        let mut builder = BatchBuilder::new(&self.stage.ledger, posting);
        for plan in plans {
            builder.step(plan).expect("honest");
        }
        builder.build().expect("complete")
    }

    /// Proof gas of a step by itself, as the formula bounds it.
    pub(super) fn bound(&mut self, plan: &StepPlan) -> u64 {
        let posting = self.stage.posting(MALLORY);
        let builder = BatchBuilder::new(&self.stage.ledger, posting);
        builder.evaluate(plan).expect("honest").proof_gas
    }
}

/// Leaves of users in a cohort, as far from each other as can be. Leaf 0 is nobody's of them, but in the smallest cohort.
fn places(depth: u8) -> Vec<u32> {
    let leaves = 1_u32 << depth;
    let count = u32::try_from(USERS).expect("few").min(leaves - 1);
    let apart = leaves / (count + 1);
    (1..=count).map(|place| place * apart).collect()
}

fn key(user: usize) -> SigningKey {
    let byte = u8::try_from(user + 1).expect("few");
    SigningKey::from_slice(&[byte; 32]).expect("below the order")
}

/// Gives the fragment that is opened as number `to` what all of them have.
fn mint(to: usize) -> Effect {
    Effect::Mint {
        to: u8::try_from(to).expect("few"),
        tag: B256::with_last_byte(1),
        amount: 1_000 * ETHER + 7,
    }
}
