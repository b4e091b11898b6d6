//! Batches that are valid when they are built: steps of the Account rule and of the puppet, on fragments of their own and in
//! cohorts.

use alloy::primitives::{Address, B256, Bytes};
use nthroot_model::{
    anchor::AnchorState,
    builder::{BatchBuilder, Name, Posting, StepPlan},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, Call, Domain, Effect, Fragment, FragmentId, Kind, Outflow,
    SignedMessage,
};

use crate::{
    choices::Choices,
    users::{self, ACCOUNTS, USERS},
    world::{PROPOSERS, SLOTS, World},
};

const TAG: B256 = B256::repeat_byte(7);
/// Leaves that are used, in cohorts that are deep enough: neighbours, and some far apart.
const LEAVES: [u32; 7] = [1, 2, 3, 5, 6, 1 << 19, (1 << 24) - 1];
const DEPTHS: [u8; 6] = [0, 0, 1, 3, 20, 24];

/// A fragment that can be built on.
#[derive(Clone)]
struct Held {
    name: Name,
    id: FragmentId,
    state: Fragment,
}

/// Builds the steps of one batch.
struct Draft<'a, 'b> {
    world: &'a World,
    builder: BatchBuilder<'a>,
    posting: Posting,
    /// Leaf 0 of anchors of the puppet that this batch opened.
    vaults: Vec<Name>,
    choices: &'a mut Choices<'b>,
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
    fn fragment(&mut self, like: impl Fn(&Held) -> bool) -> Option<Held> {
        let known = self.world.ledger.anchors();
        let known = known.filter_map(|(anchor, _, state)| Some((anchor, state.known()?)));
        let held: Vec<Held> = known
            .flat_map(|(anchor, state)| self.fragments(anchor, state))
            .filter(like)
            .collect();
        (!held.is_empty()).then(|| self.choices.pick(&held))
    }

    /// An asset of a fragment and an amount of it.
    fn part(&mut self, state: &Fragment) -> Option<(AssetId, u128)> {
        let assets = assets(state);
        let (asset, all) = (!assets.is_empty()).then(|| self.choices.pick(&assets))?;
        Some((asset, self.choices.pick(&[1, 1 + all / 7, all / 2 + 1, all]).min(all)))
    }

    fn sign(&self, position: u8, x: &Held, rule: Address, payload: Vec<u8>) -> Authorisation {
        let outflow = |(asset, amount)| Outflow { asset, amount };
        let message = SignedMessage {
            rule,
            payload: payload.into(),
            fragment: x.id,
            nonce: x.state.nonce,
            valid_until: u64::MAX,
            outflows: assets(&x.state).into_iter().map(outflow).collect(),
        };
        let domain = Domain {
            chain_id: self.world.ledger.params().chain_id,
            bridge: self.world.l1.bridge,
        };
        signing::authorise(users::signer(x.state.controller), &domain, &message, position)
    }

    /// A step of the Account rule. Whoever has no operations consents, or is merely credited if that suffices.
    fn account(&mut self, parties: &[(&Held, Vec<AccountOp>)], opened: Vec<Name>) -> StepPlan {
        let mut signed = Vec::new();
        for (position, (x, ops)) in (0..).zip(parties) {
            if !ops.is_empty() || !self.is_credited(x) {
                signed.push(self.sign(position, x, self.world.l1.account, AccountOp::encode_payload(ops)));
            }
        }
        let call = Call {
            rule: 0,
            gas: 300_000,
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
    fn is_mine(&self, anchor: AnchorId) -> bool {
        let header = self.builder.state(Name::Anchor(anchor)).ok().flatten();
        let lease = header.and_then(|header| header.lease);
        lease.is_some_and(|lease| lease.runs(self.posting.clock) && lease.holder == self.posting.proposer)
    }

    /// Whether a fragment is paid without its consent.
    fn is_credited(&mut self, x: &Held) -> bool {
        self.is_mine(x.id.anchor()) && !self.choices.once_in(4)
    }

    /// Somebody pays a fragment whose anchor is leased to this proposer, in what it has already.
    fn credit(&mut self) -> Option<StepPlan> {
        let anchors = self.world.ledger.anchors().map(|(anchor, ..)| anchor);
        let mine: Vec<AnchorId> = anchors.filter(|anchor| self.is_mine(*anchor)).collect();
        let is_payee = |y: &Held| y.state.kind.is_key() && mine.contains(&y.id.anchor()) && !y.state.assets.is_empty();
        let payee = self.fragment(is_payee)?;
        let (asset, _) = self.part(&payee.state)?;
        let payer = self.fragment(|x| x.state.kind.is_key() && x.id != payee.id && x.state.balance(asset) > 0)?;
        let op = AccountOp::Pay {
            to: payee.id,
            asset,
            amount: 1,
        };
        Some(self.account(&[(&payer, vec![op]), (&payee, Vec::new())], Vec::new()))
    }

    fn puppet(&self, fragments: Vec<Name>, listed: u8, effects: &[Effect], signed: Vec<Authorisation>) -> StepPlan {
        let extra = Effect::encode_list(effects);
        let call = Call {
            rule: 1,
            gas: 100_000,
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

    fn withdraw(&mut self, x: &Held, most: usize) -> Option<StepPlan> {
        let count = 1 + self.choices.below(most);
        let (asset, all) = self.part(&x.state)?;
        let (token, all) = (asset.as_token()?, x.state.balance(asset).min(all * count as u128));
        let amount = all / count as u128;
        let mut ops = Vec::new();
        for _ in 0..if amount == 0 { 0 } else { count } {
            // The bridge takes no ETH: such a payment fails for ever.
            let recipient = if self.choices.once_in(16) {
                self.world.l1.bridge
            } else {
                users::account(self.choices.below(ACCOUNTS))
            };
            ops.push(AccountOp::Withdraw {
                recipient,
                token,
                amount,
            });
        }
        (!ops.is_empty()).then(|| self.account(&[(x, ops)], Vec::new()))
    }

    fn split(&mut self, x: &Held) -> Option<StepPlan> {
        let key = users::key(self.choices.below(USERS));
        let op = AccountOp::Open {
            depth: self.choices.pick(&DEPTHS),
            kind: key.kind().to_u8(),
            controller: key.controller(),
            assets: vec![self.part(&x.state)?],
        };
        Some(self.account(&[(x, vec![op])], vec![Name::New]))
    }

    /// x pays up to three others.
    fn pay(&mut self, x: &Held, like: impl Fn(&Held, &Held) -> bool) -> Option<StepPlan> {
        let mut payees: Vec<Held> = Vec::new();
        for _ in 0..=self.choices.below(3) {
            let other = |y: &Held| {
                let taken = payees.iter().any(|payee| payee.id == y.id);
                y.state.kind.is_key() && y.id != x.id && !taken && like(x, y)
            };
            payees.extend(self.fragment(other));
        }
        let (asset, amount) = self.part(&x.state)?;
        let amount = (amount / payees.len().max(1) as u128).max(1);
        let pay = |payee: &Held| AccountOp::Pay {
            to: payee.id,
            asset,
            amount,
        };
        let ops = payees.iter().map(pay).collect();
        let mut parties = vec![(x, ops)];
        parties.extend(payees.iter().map(|payee| (payee, Vec::new())));
        (parties.len() > 1).then(|| self.account(&parties, Vec::new()))
    }

    /// The leaves of an anchor that can be opened.
    fn free_leaves(&self, anchor: AnchorId) -> Vec<u32> {
        let state = self.world.ledger.state(anchor).and_then(|state| state.known());
        let is_free = |leaf: &u32| {
            state.is_some_and(|state| state.has_leaf(*leaf))
                && matches!(self.builder.state(Name::Leaf(anchor, *leaf)), Ok(None))
        };
        LEAVES.into_iter().filter(is_free).collect()
    }

    fn open_leaves(&mut self) -> Option<StepPlan> {
        let header = self.header(true)?;
        let free = self.free_leaves(header.id.anchor());
        let count = (1 + self.choices.below(3)).min(free.len());
        let (asset, amount) = self.part(&header.state)?;
        let amount = (amount / (count as u128).max(1)).max(1);
        let mut ops = Vec::new();
        for _ in 0..count {
            let key = users::key(self.choices.below(USERS));
            ops.push(AccountOp::OpenLeaf {
                kind: key.kind().to_u8(),
                controller: key.controller(),
                assets: vec![(asset, amount)],
            });
        }
        let leaves = free.into_iter().take(count);
        let leaves = leaves.map(|leaf| Name::Leaf(header.id.anchor(), leaf)).collect();
        (count > 0).then(|| self.account(&[(&header, ops)], leaves))
    }

    /// Leaf 0 of an anchor of a key, mostly of a cohort.
    fn header(&mut self, of_cohort: bool) -> Option<Held> {
        let ledger = &self.world.ledger;
        let depth = |anchor| ledger.state(anchor)?.known().map(AnchorState::depth);
        let is_header = |x: &Held| x.id.leaf() == 0 && x.state.kind.is_key();
        self.fragment(|x| is_header(x) && (!of_cohort || depth(x.id.anchor()) > Some(0)))
    }

    fn set_lease(&mut self) -> Option<StepPlan> {
        let of_cohort = !self.choices.once_in(4);
        let x = self.header(of_cohort)?;
        let holder = self
            .choices
            .pick(&[PROPOSERS[0], PROPOSERS[1], self.posting.proposer, Address::ZERO]);
        let ahead = self.choices.pick(&[0, 1, 5, 64]);
        let op = AccountOp::SetLease {
            holder,
            last_block: if holder.is_zero() {
                0
            } else {
                self.posting.clock + ahead
            },
        };
        Some(self.account(&[(&x, vec![op])], Vec::new()))
    }

    fn set_controller(&mut self, x: &Held) -> StepPlan {
        let key = users::key(self.choices.below(USERS));
        let op = AccountOp::SetController {
            kind: key.kind().to_u8(),
            controller: key.controller(),
        };
        self.account(&[(x, vec![op])], Vec::new())
    }

    fn open_vault(&mut self, x: &Held) -> Option<StepPlan> {
        let (asset, amount) = self.part(&x.state)?;
        let effects = [
            Effect::Open {
                depth: self.choices.pick(&DEPTHS),
                kind: 3,
                controller: self.world.puppet,
            },
            Effect::Move {
                from: 0,
                to: 1,
                asset,
                amount,
            },
        ];
        let signed = self.sign(0, x, self.world.puppet, vec![1, 2, 3]);
        Some(self.puppet(vec![x.name, Name::New], 1, &effects, vec![signed]))
    }

    /// A fragment of the puppet, known by its id or opened in this batch.
    fn vault(&mut self) -> Option<(Name, Option<FragmentId>)> {
        if !self.vaults.is_empty() && self.choices.once_in(3) {
            return Some((self.choices.pick(&self.vaults), None));
        }
        let vault = self.fragment(|held| held.state.kind == Kind::Rule)?;
        Some((vault.name, Some(vault.id)))
    }

    /// A vault keeps data, issues something, opens a leaf, is leased or given to a key, and pays or withdraws what it has.
    fn use_vault(&mut self, x: &Held) -> Option<StepPlan> {
        let (vault, id) = self.vault()?;
        let held = self.builder.state(vault).ok()??;
        let mut effects = vec![Effect::Write {
            fragment: 0,
            data: vec![self.choices.byte(), self.choices.byte()].into(),
        }];
        if self.choices.once_in(2) {
            effects.push(Effect::Mint {
                to: 0,
                tag: TAG,
                amount: 3,
            });
        }
        let (mut fragments, mut listed) = (vec![vault], 1);
        let mut signed = Vec::new();
        if let Some((asset, amount)) = self.part(&held) {
            match (asset.as_token(), self.choices.once_in(2)) {
                (Some(token), true) => effects.push(Effect::Withdraw {
                    from: 0,
                    recipient: users::account(0),
                    token,
                    amount,
                }),
                _ => {
                    fragments.push(x.name);
                    listed = 2;
                    signed.push(self.sign(1, x, self.world.puppet, Vec::new()));
                    effects.push(Effect::Move {
                        from: 0,
                        to: 1,
                        asset,
                        amount,
                    });
                }
            }
        }
        let anchor = id.filter(|id| id.leaf() == 0).map(|id| id.anchor());
        let free = anchor.and_then(|anchor| Some(Name::Leaf(anchor, *self.free_leaves(anchor).first()?)));
        if let Some(leaf) = free.filter(|_| self.choices.once_in(2)) {
            fragments.push(leaf);
            effects.push(Effect::OpenLeaf {
                header: 0,
                kind: 3,
                controller: self.world.puppet,
            });
        }
        if vault.leaf() == 0 && self.choices.once_in(5) {
            effects.push(Effect::SetLease {
                fragment: 0,
                holder: self.posting.proposer,
                last_block: self.posting.clock + 3,
            });
        }
        if self.choices.once_in(5) {
            let key = users::key(self.choices.below(USERS));
            effects.push(Effect::SetController {
                fragment: 0,
                kind: key.kind().to_u8(),
                controller: key.controller(),
            });
        }
        Some(self.puppet(fragments, listed, &effects, signed))
    }
}
