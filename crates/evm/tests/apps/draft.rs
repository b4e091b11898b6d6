//! An honest step that is being changed: what is posted of it, and the states that its roots are of.

use std::collections::BTreeMap;

use nthroot_model::{anchor::AnchorState, builder::StepPlan, signing::authorise};
use nthroot_protocol::{
    AnchorId, AssetId, Batch, Body, Fragment, FragmentId, Kind, LeafTable, SignedMessage, Step,
    rules::{
        credit::{Market, Position},
        pool::PoolState,
    },
};
use nthroot_wallet::{Request, RuleBook};

pub(crate) use crate::bases::Who;
use crate::{
    deeds::{Deed, Scribe, Signed},
    stage::MALLORY,
    world::{World, address, key},
};

#[derive(Clone)]
pub(crate) struct Draft {
    batch: Batch,
    pub(crate) body: Body,
    /// What is signed in each call, and by whom.
    pub(crate) signed: Vec<Signed>,
    /// The states that the step says it leads to, by touches.
    after: Vec<AnchorState>,
    /// The leaves that it works on, by touches.
    leaves: Vec<Vec<u32>>,
    book: RuleBook,
}

impl Draft {
    /// An honest step of now.
    pub(crate) fn new(world: &mut World, deeds: &[Deed]) -> Self {
        let (plan, signed) = Scribe::new(world).step(deeds);
        Self::of(world, &plan, signed)
    }

    /// An honest step of now, from its plan.
    pub(crate) fn of(world: &mut World, plan: &StepPlan, signed: Vec<Signed>) -> Self {
        // The rule table goes no further than the last rule that is used.
        let last = plan.body.calls.iter().map(|call| call.rule).max().unwrap_or_default();
        let table = world.book.table().into_iter().take(last.into()).collect();
        let mut builder = world.builder().rule_table(table);
        builder.step(plan).expect("honest");
        let batch = builder.build().expect("complete");

        // What it leads to, one looks up where it has happened.
        let mut ledger = world.stage.ledger.clone();
        let id = ledger.submit(MALLORY, &batch.encode()).expect("the model takes it").id;
        let step = &batch.steps[0];
        let fresh = step.fresh.iter().map(|touch| touch.anchor);
        let opened = (step.fresh.len()..).take(step.opened.len());
        let opened = opened.map(|entry| AnchorId::new(id, u16::try_from(entry).expect("few")));
        let state = |anchor| {
            ledger
                .state(anchor)
                .and_then(|state| state.known())
                .expect("known")
                .clone()
        };
        let after: Vec<AnchorState> = fresh.chain(opened).map(state).collect();
        let table = LeafTable::of(step);
        let leaves = (0..after.len()).map(|touch| {
            let further = if touch < step.fresh.len() {
                table.further(touch)
            } else {
                &[]
            };
            std::iter::once(0).chain(further.iter().copied()).collect()
        });
        Self {
            body: Body::of(step).expect("honest"),
            signed,
            leaves: leaves.collect(),
            after,
            book: world.book,
            batch,
        }
    }

    /// The batch, with roots of the states as they have become.
    pub(crate) fn batch(&self, world: &World) -> Batch {
        let mut batch = self.batch.clone();
        batch.header.slot = world.stage.ledger.free_slot(MALLORY).expect("65,536 slots");
        batch.steps = vec![self.step()];
        batch.seal();
        batch
    }

    pub(crate) fn step(&self) -> Step {
        let mut step = self.batch.steps[0].clone();
        let fresh = step.fresh.iter_mut().map(|touch| &mut touch.root);
        for (root, state) in fresh.chain(&mut step.opened).zip(&self.after) {
            *root = state.root();
        }
        step.body = self.body.encode().into();
        step
    }

    /// Takes over what another step says that it leads to, and withdraws; what that one does not touch is as it was.
    pub(crate) fn claim(&mut self, world: &World, other: &Self, parties: &[(Who, FragmentId)]) {
        for (who, id) in parties {
            let state = other
                .find(*who)
                .map_or_else(|| world.fragment(*id), |_| other.state(*who))
                .clone();
            self.edit(*who, |fragment| *fragment = state);
        }
        self.batch.steps[0]
            .withdrawals
            .clone_from(&other.batch.steps[0].withdrawals);
    }

    /// Has it posted in the block that is being filled.
    pub(crate) fn post_at(&mut self, world: &mut World) {
        let posting = world.stage.posting(MALLORY);
        (self.batch.header.clock, self.batch.header.clock_hash) = (posting.clock, posting.clock_hash);
    }

    /// Has its calls in another order, each signed for its place.
    pub(crate) fn reorder(&mut self, world: &World, order: &[usize]) {
        self.body.calls = order.iter().map(|call| self.body.calls[*call].clone()).collect();
        self.signed = order.iter().map(|call| self.signed[*call].clone()).collect();
        let mut used = BTreeMap::new();
        for call in 0..order.len() {
            for place in 0..self.signed[call].len() {
                let user = self.signed[call][place].0;
                let used = used.entry(user).or_insert(world.home(user).nonce);
                self.sign_other(world, (call, place), |message| message.nonce = *used);
                *used += 1;
            }
        }
    }

    fn is(&self, who: Who, fragment: &Fragment) -> bool {
        let under = |rule| fragment.kind == Kind::Rule && fragment.controller == rule;
        let is_market = fragment.data.first() == Some(&1);
        match who {
            Who::User(user) => fragment.kind != Kind::Rule && fragment.controller == address(user),
            Who::Pool => under(self.book.pool),
            Who::Market => under(self.book.credit) && is_market,
            Who::Position => under(self.book.credit) && !is_market,
        }
    }

    fn find(&self, who: Who) -> Option<(usize, u32)> {
        let places = self.leaves.iter().enumerate();
        let mut places = places.flat_map(|(touch, leaves)| leaves.iter().map(move |leaf| (touch, *leaf)));
        places.find(|(touch, leaf)| {
            let fragment = self.after[*touch].fragment(*leaf);
            fragment.is_some_and(|fragment| self.is(who, fragment))
        })
    }

    fn place(&self, who: Who) -> (usize, u32) {
        self.find(who).unwrap_or_else(|| panic!("{who:?} takes part"))
    }

    /// What a fragment is said to become.
    pub(crate) fn state(&self, who: Who) -> &Fragment {
        let (touch, leaf) = self.place(who);
        self.after[touch].fragment(leaf).expect("found there")
    }

    /// Says that a fragment becomes something else.
    pub(crate) fn edit(&mut self, who: Who, change: impl FnOnce(&mut Fragment)) {
        let (touch, leaf) = self.place(who);
        let mut fragment = self.after[touch].fragment(leaf).expect("found there").clone();
        change(&mut fragment);
        assert!(self.after[touch].set(leaf, fragment));
    }

    /// Says that a fragment has more of an asset.
    pub(crate) fn gain(&mut self, who: Who, asset: AssetId, amount: u128) {
        self.edit(who, |fragment| {
            let now = fragment.balance(asset) + amount;
            fragment.assets.insert(asset, now);
        });
    }

    /// Says that a fragment has less of an asset.
    pub(crate) fn lose(&mut self, who: Who, asset: AssetId, amount: u128) {
        self.edit(who, |fragment| {
            let left = fragment.balance(asset) - amount;
            fragment.assets.remove(&asset);
            if left > 0 {
                fragment.assets.insert(asset, left);
            }
        });
    }

    /// Says that what one has more another has less: nothing is out of nothing, and still it is a lie.
    pub(crate) fn shift(&mut self, asset: AssetId, from: Who, to: Who, amount: u128) {
        self.lose(from, asset, amount);
        self.gain(to, asset, amount);
    }

    pub(crate) fn pool(&mut self, change: impl FnOnce(&mut PoolState)) {
        self.edit(Who::Pool, |fragment| {
            let mut state = PoolState::decode(&fragment.data).expect("a pool");
            change(&mut state);
            fragment.data = state.encode().into();
        });
    }

    pub(crate) fn market(&mut self, change: impl FnOnce(&mut Market)) {
        self.edit(Who::Market, |fragment| {
            let mut market = Market::decode(&fragment.data).expect("a market");
            change(&mut market);
            fragment.data = market.encode().into();
        });
    }

    pub(crate) fn position(&mut self, change: impl FnOnce(&mut Position)) {
        self.edit(Who::Position, |fragment| {
            let mut position = Position::decode(&fragment.data).expect("a position");
            change(&mut position);
            fragment.data = position.encode().into();
        });
    }

    /// Has an authorisation signed again, by the same user.
    pub(crate) fn sign_other(
        &mut self,
        world: &World,
        (call, place): (usize, usize),
        change: impl FnOnce(&mut SignedMessage),
    ) {
        change(&mut self.signed[call][place].1);
        let user = self.signed[call][place].0;
        self.sign_as(world, (call, place), user);
    }

    /// Has its user ask for something else.
    pub(crate) fn ask(&mut self, world: &World, (call, place): (usize, usize), request: &Request) {
        self.body.calls[call].authorisations[place].payload = request.payload();
        self.sign_other(world, (call, place), |message| {
            message.meaning = request.meaning();
            message.outflows = request.outflows(&world.book);
        });
    }

    /// Has an authorisation signed by somebody.
    pub(crate) fn sign_as(&mut self, world: &World, (call, place): (usize, usize), user: usize) {
        let authorisation = &mut self.body.calls[call].authorisations[place];
        let message = &self.signed[call][place].1;
        let payload = authorisation.payload.clone();
        *authorisation = authorise(
            &key(user),
            &world.stage.domain(),
            message,
            payload,
            authorisation.position,
        );
    }
}
