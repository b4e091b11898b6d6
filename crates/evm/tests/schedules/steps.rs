//! The steps of honest batches: what users do by the Account rule, and what the puppet does.

use alloy::primitives::{Address, B256};
use nthroot_model::{
    anchor::AnchorState,
    builder::{Name, StepPlan},
};
use nthroot_protocol::{AccountOp, AnchorId, Effect, FragmentId, Kind};

use crate::{
    draft::{Draft, Held, LEAVES},
    users::{self, ACCOUNTS, USERS},
    world::{PROPOSERS, WALLET},
};

const TAG: B256 = B256::repeat_byte(7);
const DEPTHS: [u8; 6] = [0, 0, 1, 3, 20, 24];

impl Draft<'_, '_> {
    /// Somebody pays a fragment whose anchor is leased to this proposer, in what it has already.
    pub(crate) fn credit(&mut self) -> Option<StepPlan> {
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

    pub(crate) fn withdraw(&mut self, x: &Held, most: usize) -> Option<StepPlan> {
        let count = 1 + self.choices.below(most);
        let (asset, all) = self.part(&x.state)?;
        let (token, all) = (asset.as_token()?, x.state.balance(asset).min(all * count as u128));
        let amount = all / count as u128;
        let mut ops = Vec::new();
        for _ in 0..if amount == 0 { 0 } else { count } {
            // The bridge takes no ETH: such a payment fails for ever.
            let recipient = match self.choices.below(16) {
                15 => self.world.l1.bridge,
                14 => WALLET,
                user => users::account(user % ACCOUNTS),
            };
            ops.push(AccountOp::Withdraw {
                recipient,
                token,
                amount,
            });
        }
        (!ops.is_empty()).then(|| self.account(&[(x, ops)], Vec::new()))
    }

    pub(crate) fn split(&mut self, x: &Held) -> Option<StepPlan> {
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
    pub(crate) fn pay(&mut self, x: &Held, like: impl Fn(&Held, &Held) -> bool) -> Option<StepPlan> {
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

    pub(crate) fn open_leaves(&mut self) -> Option<StepPlan> {
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

    pub(crate) fn set_lease(&mut self) -> Option<StepPlan> {
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

    pub(crate) fn set_controller(&mut self, x: &Held) -> StepPlan {
        let key = users::key(self.choices.below(USERS));
        let op = AccountOp::SetController {
            kind: key.kind().to_u8(),
            controller: key.controller(),
        };
        self.account(&[(x, vec![op])], Vec::new())
    }

    pub(crate) fn open_vault(&mut self, x: &Held) -> Option<StepPlan> {
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
    pub(crate) fn use_vault(&mut self, x: &Held) -> Option<StepPlan> {
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
        let anchor = id.filter(|id| id.leaf() == 0).map(FragmentId::anchor);
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
