//! What users do, and how that becomes calls which they sign.

use std::collections::BTreeMap;

use nthroot_model::builder::StepPlan;
use nthroot_protocol::{
    AccountOp, AssetId, FragmentId, SignedMessage,
    rules::{
        credit::CreditOp,
        pool::PoolOp,
        swap::{Fill, Leg, SwapIntent},
    },
};
use nthroot_wallet::{Consent, Intent, Plan, Request, SignedIntent, solver};

use crate::world::{GOLD, World, key};

/// A call.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Users exchange assets.
    Swap(Vec<(usize, SwapIntent)>, Fill),
    /// Users trade with the pool, or one of them opens one.
    Pool(Vec<(usize, PoolOp)>),
    /// A user lends, borrows or bids; and the position that it is about, or the leaf where it is opened.
    Credit(usize, CreditOp, Option<FragmentId>),
    /// A user acts on its own fragment.
    Account(usize, Vec<AccountOp>),
}

/// What users sign in a call.
pub type Signed = Vec<(usize, SignedMessage)>;

/// Writes down what users do, and has them sign it. Whoever signs several calls signs each with the next nonce.
pub struct Scribe<'a> {
    world: &'a World,
    used: BTreeMap<usize, u64>,
}

impl<'a> Scribe<'a> {
    pub const fn new(world: &'a World) -> Self {
        Self {
            world,
            used: BTreeMap::new(),
        }
    }

    /// A step of these calls, and what is signed in each.
    pub fn step(&mut self, deeds: &[Deed]) -> (StepPlan, Vec<Signed>) {
        let mut plan = Plan::new(self.world.book);
        let mut all = Vec::new();
        for deed in deeds {
            let (intents, signed): (Vec<SignedIntent>, Signed) = self
                .world
                .requests(deed)
                .into_iter()
                .map(|(user, request)| self.sign(user, request))
                .unzip();
            match deed {
                Deed::Swap(_, fill) => plan.swap(&intents, fill),
                Deed::Pool(_) => plan.pool(&intents),
                Deed::Credit(_, _, position) => plan.credit(&intents[0], *position),
                Deed::Account(..) => {
                    let consent = |intent| Consent::Signed(Box::new(intent));
                    plan.account(&intents.into_iter().map(consent).collect::<Vec<_>>(), &[])
                }
            }
            .expect("it fits");
            all.push(signed);
        }
        (plan.finish(), all)
    }

    fn sign(&mut self, user: usize, request: Request) -> (SignedIntent, (usize, SignedMessage)) {
        let World { stage, book, homes, .. } = self.world;
        let used = self.used.entry(user).or_default();
        let intent = Intent {
            request,
            fragment: homes[user],
            nonce: self.world.home(user).nonce + *used,
            valid_until: stage.l1.chain.number() + 1_000,
        };
        *used += 1;
        (
            intent.sign(book, &stage.domain(), &key(user)),
            (user, intent.message(book)),
        )
    }
}

impl World {
    /// What users ask for in a call.
    pub fn requests(&self, deed: &Deed) -> Vec<(usize, Request)> {
        match deed {
            Deed::Swap(intents, _) => {
                let request = |(user, intent): &(usize, SwapIntent)| (*user, Request::Swap(intent.clone()));
                intents.iter().map(request).collect()
            }
            Deed::Pool(ops) => {
                let assets = self.pair().assets;
                let request = |(user, op): &(usize, PoolOp)| (*user, Request::Pool { op: *op, assets });
                ops.iter().map(request).collect()
            }
            Deed::Credit(user, op, _) => {
                let request = Request::Credit {
                    op: *op,
                    collateral: self.token(GOLD),
                    asset: AssetId::ETH,
                };
                vec![(*user, request)]
            }
            Deed::Account(user, ops) => vec![(*user, Request::Account(ops.clone()))],
        }
    }

    /// A swap of these intents, with the fill that the solver finds.
    pub fn swap(&self, intents: Vec<(usize, SwapIntent)>) -> Deed {
        let parties: Vec<(FragmentId, SwapIntent)> = intents
            .iter()
            .map(|(user, intent)| (self.homes[*user], intent.clone()))
            .collect();
        let fill = solver::clear(self.clock(), &parties, None).expect("they match");
        Deed::Swap(intents, fill)
    }
}

/// An intent without a curve, rewards or counterparties, which is filled in whole.
pub fn intent(gives: &[(AssetId, u128)], gets: &[(AssetId, u128)]) -> SwapIntent {
    let legs = |legs: &[(AssetId, u128)]| {
        let mut legs: Vec<Leg> = legs.iter().map(|(asset, amount)| Leg::fixed(*asset, *amount)).collect();
        legs.sort_by_key(|leg| leg.asset);
        legs
    };
    SwapIntent {
        gives: legs(gives),
        gets: legs(gets),
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}
