//! Batches that are valid when they are built: steps of the Account rule and of the puppet, on fragments of their own and in
//! cohorts.

use alloy::primitives::{Address, Bytes};
use nthroot_fuzz::steps::Choices;
use nthroot_model::{
    anchor::AnchorState,
    builder::{BatchBuilder, Name, Posting, StepPlan},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, Call, Domain, Effect, Fragment, FragmentId, Kind, Meaning,
    Outflow, SignedMessage,
};

use crate::{
    users,
    world::{PROPOSERS, SLOTS, World},
};

/// Leaves that are used, in cohorts that are deep enough: neighbours, and some far apart.
pub(crate) const LEAVES: [u32; 7] = [1, 2, 3, 5, 6, 1 << 19, (1 << 24) - 1];

/// A fragment that can be built on.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) name: Name,
    pub(crate) id: FragmentId,
    pub(crate) state: Fragment,
}

/// Builds the steps of one batch.
pub(crate) struct Draft<'a, 'b> {
    pub(crate) world: &'a World,
    pub(crate) builder: BatchBuilder<'a>,
    pub(crate) posting: Posting,
    /// Leaf 0 of anchors of the puppet that this batch opened.
    pub(crate) vaults: Vec<Name>,
    pub(crate) choices: &'a mut Choices<'b>,
}

/// A batch that was valid when it was built. None if the choices made no step.
pub(crate) fn honest(world: &World, proposer: Address, choices: &mut Choices<'_>) -> Option<Batch> {
    let now = world.ledger.block();
    let age = if choices.once_in(5) {
        choices.below(33) as u64
    } else {
        0
    };
    let clock = (now - 1).saturating_sub(age).max(world.l1.deployment_block);
    let free = world.ledger.free_slot(proposer).filter(|slot| *slot < SLOTS);
    let any = u16::from(choices.byte()) % SLOTS;
    let slot = if any == SLOTS - 1 { any } else { free.unwrap_or(any) };
    let posting = Posting {
        proposer,
        clock,
        clock_hash: world.hashes[&clock],
        slot,
        // Above 6,100,000 the lock is more than the least one.
        ceiling: choices.pick(&[5_000_000, 10_000_000, 6_100_001, 7_654_321]),
    };
    let table = choices.pick(&[vec![world.puppet], vec![world.puppet, world.l1.account]]);
    let count = choices.pick(&[1, 2, 3, 4, 6]);
    let withdraws_much = choices.once_in(6);
    let mut draft = Draft {
        world,
        builder: BatchBuilder::new(&world.ledger, posting).rule_table(table),
        posting,
        vaults: Vec::new(),
        choices,
    };
    for _ in 0..count {
        draft.step(withdraws_much);
    }
    let needed = draft.builder.proof_gas().into_iter().max()?;
    // Often the lowest ceiling that an honest proposer can have.
    if !draft.choices.once_in(3) {
        draft.builder.set_ceiling(u32::try_from(needed).ok()?);
    }
    draft.builder.build().ok()
}

/// Where histories begin: user 0 opens a cohort out of a deposit, then leaves in it for three users, and leases it.
pub(crate) fn cohort(world: &World, from: AnchorId, header: Option<AnchorId>) -> Batch {
    let clock = world.ledger.block() - 1;
    let posting = Posting {
        proposer: PROPOSERS[1],
        clock,
        clock_hash: world.hashes[&clock],
        slot: world.ledger.free_slot(PROPOSERS[1]).expect("a free word slot"),
        ceiling: 5_000_000,
    };
    let mut draft = Draft {
        world,
        builder: BatchBuilder::new(&world.ledger, posting),
        posting,
        vaults: Vec::new(),
        choices: &mut Choices::new(&[]),
    };
    let plan = match header {
        None => {
            let key = users::key(0);
            let open = AccountOp::Open {
                depth: 3,
                kind: key.kind().to_u8(),
                controller: key.controller(),
                assets: vec![(AssetId::ETH, 600_000)],
            };
            let x = draft.held(from, 0).expect("a deposit");
            draft.account(&[(&x, vec![open])], vec![Name::New])
        }
        Some(header) => {
            let leaf = |user| AccountOp::OpenLeaf {
                kind: users::key(user).kind().to_u8(),
                controller: users::key(user).controller(),
                assets: vec![(AssetId::ETH, 100_000)],
            };
            let lease = AccountOp::SetLease {
                holder: PROPOSERS[0],
                last_block: clock + 64,
            };
            let x = draft.held(header, 0).expect("the header");
            let leaves = LEAVES[..3].iter().map(|leaf| Name::Leaf(header, *leaf)).collect();
            draft.account(&[(&x, vec![leaf(0), leaf(3), leaf(4), lease])], leaves)
        }
    };
    draft.builder.step(&plan).expect("a valid step");
    draft.builder.build().expect("a valid batch")
}

fn assets(state: &Fragment) -> Vec<(AssetId, u128)> {
    state.assets.iter().map(|(asset, amount)| (*asset, *amount)).collect()
}

impl Draft<'_, '_> {
    /// Adds a step, if what the choices name exists and can be built on.
    fn step(&mut self, withdraws_much: bool) -> Option<()> {
        let x = self.fragment(|held| held.state.kind.is_key())?;
        let plan = match self.choices.below(20) {
            _ if withdraws_much => self.withdraw(&x, 15)?,
            0 | 1 => self.withdraw(&x, 2)?,
            2 | 3 => self.split(&x)?,
            4 | 5 => self.pay(&x, |_, _| true)?,
            6 | 7 => self.pay(&x, |x, y| x.id.anchor() == y.id.anchor())?,
            8..=10 => self.open_leaves()?,
            11 | 12 => self.set_lease()?,
            13 | 14 => self.credit()?,
            15 => self.set_controller(&x),
            16 => self.open_vault(&x)?,
            _ => self.use_vault(&x)?,
        };
        let built = self.builder.step(&plan).ok()?;
        for (name, entry) in plan.fragments.iter().zip(built.entries) {
            let state = self.builder.state(Name::Entry(entry)).ok().flatten();
            if *name == Name::New && state.is_some_and(|state| state.kind == Kind::Rule) {
                self.vaults.push(Name::Entry(entry));
            }
        }
        Some(())
    }

    /// A fragment, if it exists and can be built on now.
    fn held(&self, anchor: AnchorId, leaf: u32) -> Option<Held> {
        let name = if leaf == 0 {
            Name::Anchor(anchor)
        } else {
            Name::Leaf(anchor, leaf)
        };
        Some(Held {
            name,
            id: anchor.leaf(leaf)?,
            state: self.builder.state(name).ok()??,
        })
    }

    /// The fragments of an anchor that can be built on now.
    fn fragments(&self, anchor: AnchorId, state: &AnchorState) -> Vec<Held> {
        let leaves = LEAVES.into_iter().filter(|leaf| state.has_leaf(*leaf));
        let leaves = std::iter::once(0).chain(leaves);
        leaves.filter_map(|leaf| self.held(anchor, leaf)).collect()
    }

    /// Some fragment like this.
    pub(crate) fn fragment(&mut self, like: impl Fn(&Held) -> bool) -> Option<Held> {
        let known = self.world.ledger.anchors();
        let known = known.filter_map(|(anchor, _, state)| Some((anchor, state.known()?)));
        let held: Vec<Held> = known
            .flat_map(|(anchor, state)| self.fragments(anchor, state))
            .filter(like)
            .collect();
        (!held.is_empty()).then(|| self.choices.pick(&held))
    }

    /// An asset of a fragment and an amount of it.
    pub(crate) fn part(&mut self, state: &Fragment) -> Option<(AssetId, u128)> {
        let assets = assets(state);
        let (asset, all) = (!assets.is_empty()).then(|| self.choices.pick(&assets))?;
        Some((asset, self.choices.pick(&[1, 1 + all / 7, all / 2 + 1, all]).min(all)))
    }

    pub(crate) fn sign(&self, position: u8, x: &Held, rule: Address, payload: Vec<u8>) -> Authorisation {
        let outflow = |(asset, amount)| Outflow { asset, amount };
        let message = SignedMessage {
            meaning: Meaning::opaque(&payload),
            rule,
            fragment: x.id,
            nonce: x.state.nonce,
            valid_until: u64::MAX,
            outflows: assets(&x.state).into_iter().map(outflow).collect(),
        };
        let domain = Domain {
            chain_id: self.world.ledger.params().chain_id,
            bridge: self.world.l1.bridge,
        };
        signing::authorise(
            users::signer(x.state.controller),
            &domain,
            &message,
            payload.into(),
            position,
        )
    }

    /// A step of the Account rule. Whoever has no operations consents, or is merely credited if that suffices.
    pub(crate) fn account(&mut self, parties: &[(&Held, Vec<AccountOp>)], opened: Vec<Name>) -> StepPlan {
        let mut signed = Vec::new();
        for (position, (x, ops)) in (0..).zip(parties) {
            if !ops.is_empty() || !self.is_credited(x) {
                signed.push(self.sign(position, x, self.world.l1.account, AccountOp::encode_payload(ops)));
            }
        }
        let call = Call {
            rule: 0,
            gas: 60_000,
            max_effects: 1_024,
            fragments: (0..).take(parties.len()).collect(),
            authorisations: signed,
            extra: Bytes::new(),
        };
        StepPlan {
            fragments: parties.iter().map(|(x, _)| x.name).chain(opened).collect(),
            body: vec![call].into(),
        }
    }

    /// Whether an anchor is leased to this proposer.
    pub(crate) fn is_mine(&self, anchor: AnchorId) -> bool {
        let header = self.builder.state(Name::Anchor(anchor)).ok().flatten();
        let lease = header.and_then(|header| header.lease);
        lease.is_some_and(|lease| lease.runs(self.posting.clock) && lease.holder == self.posting.proposer)
    }

    /// Whether a fragment is paid without its consent.
    fn is_credited(&mut self, x: &Held) -> bool {
        self.is_mine(x.id.anchor()) && !self.choices.once_in(4)
    }

    pub(crate) fn puppet(
        &self,
        fragments: Vec<Name>,
        listed: u8,
        effects: &[Effect],
        signed: Vec<Authorisation>,
    ) -> StepPlan {
        let extra = Effect::encode_list(effects);
        let call = Call {
            rule: 1,
            gas: 30_000,
            max_effects: u16::try_from(extra.len()).expect("short"),
            fragments: (0..listed).collect(),
            authorisations: signed,
            extra: extra.into(),
        };
        StepPlan {
            fragments,
            body: vec![call].into(),
        }
    }
}
