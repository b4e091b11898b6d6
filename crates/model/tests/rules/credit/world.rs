//! A market, its users and their fragments. What is done to them goes through the kernel.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    invalid::{CallFault, Invalid},
    kernel::{self, Env, Failure, Terms as BatchTerms, Touch},
    rule::{AuthorisationView, FragmentView, Rules},
    rules::credit::{self, Credit, CreditFault, quotes},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, BatchId, Body, Call, Domain, Effect, Fragment, FragmentId, Kind,
    LeafTable, Meaning, Outflow, SignedMessage,
    rules::credit::{CreditOp, Market, Position, Terms, shares_tag},
};

pub(super) use super::words::*;

pub(super) const RULE: Address = Address::repeat_byte(0xc4);
pub(super) const ACCOUNT: Address = Address::repeat_byte(0xac);
pub(super) const START: u64 = 1_000;
/// Users have keys 1 to this.
pub(super) const USERS: u8 = 5;
/// What each of them has at first of both assets.
pub(super) const RICHES: u128 = 1_000_000_000_000;
pub(super) const WAD: u128 = 1_000_000_000_000_000_000;
const DOMAIN: Domain = Domain {
    chain_id: 31_337,
    bridge: Address::repeat_byte(0xb1),
};

pub(super) fn gold() -> AssetId {
    AssetId::token(Address::repeat_byte(0x60))
}

pub(super) fn usd() -> AssetId {
    AssetId::token(Address::repeat_byte(0x20))
}

/// A debt of one for each unit of gold, a thousandth of interest in a block, a call fee of 5 %, ten blocks of grace, 100 of
/// rise and 100 of fall.
pub(super) fn terms() -> Terms {
    Terms {
        depth: 0,
        collateral: gold(),
        asset: usd(),
        ratio: WAD,
        rate: 1_000_000_000_000_000,
        minimum: 100,
        call_fee: 50_000,
        grace: 10,
        rise: 100,
        fall: 100,
    }
}

fn key(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user; 32]).unwrap()
}

/// The fragment of a user.
pub(super) fn user(n: u8) -> FragmentId {
    AnchorId::new(BatchId::new(n.into(), 1).unwrap(), 0).fragment()
}

/// What a user asks for, as it could be posted. Tests change one thing of it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) by: u8,
    pub(super) op: CreditOp,
    /// Fragments under the rule that the call lists, before the user's.
    pub(super) listed: Vec<FragmentId>,
    pub(super) extra: Vec<u8>,
    pub(super) valid_until: u64,
    pub(super) nonce: u64,
    /// Instead of what the operation takes.
    pub(super) outflows: Option<Vec<Outflow>>,
    /// Assets in what is signed.
    pub(super) assets: (AssetId, AssetId),
}

#[derive(Clone)]
pub(super) struct World {
    env: Env,
    pub(super) clock: u64,
    pub(super) fragments: BTreeMap<FragmentId, Fragment>,
    /// Positions by market and serial.
    pub(super) positions: BTreeMap<(FragmentId, u64), FragmentId>,
    /// Anchors opened in the present batch.
    new: BTreeSet<AnchorId>,
    /// Whether what comes next is in the same batch.
    pub(super) same_batch: bool,
    batches: u16,
}

impl World {
    /// Users and no market.
    pub(super) fn empty() -> Self {
        let fragments = (1..=USERS).map(|n| {
            let mut fragment = Fragment::new(Kind::Secp256k1, signing::address_of(&key(n)));
            fragment.assets.extend([(gold(), RICHES), (usd(), RICHES)]);
            (user(n), fragment)
        });
        Self {
            env: Env {
                account_rule: ACCOUNT,
                bridge: DOMAIN.bridge,
                rules: Rules::default().with(RULE, Credit),
            },
            clock: START,
            fragments: fragments.collect(),
            positions: BTreeMap::new(),
            new: BTreeSet::new(),
            same_batch: false,
            batches: 0,
        }
    }

    /// Users and a market, and its id.
    pub(super) fn with(terms: Terms) -> (Self, FragmentId) {
        let mut world = Self::empty();
        world.create(terms);
        let market = *world.fragments.keys().next_back().unwrap();
        (world, market)
    }

    /// A market to which user 1 has lent so much.
    pub(super) fn lent(terms: Terms, amount: u128) -> (Self, FragmentId) {
        let (mut world, market) = Self::with(terms);
        world.lend(1, market, amount);
        (world, market)
    }

    /// What comes next is in another batch.
    pub(super) fn next_batch(&mut self) {
        self.same_batch = false;
        self.new.clear();
    }

    pub(super) fn pass(&mut self, blocks: u64) {
        self.clock += blocks;
    }

    pub(super) fn market(&self, id: FragmentId) -> Market {
        Market::decode(&self.fragments[&id].data).unwrap()
    }

    pub(super) fn position(&self, market: FragmentId, serial: u64) -> Position {
        self.find(market, serial).unwrap()
    }

    /// The position, unless it is closed.
    pub(super) fn find(&self, market: FragmentId, serial: u64) -> Option<Position> {
        let data = &self.fragments[&self.positions[&(market, serial)]].data;
        (!data.is_empty()).then(|| Position::decode(data).unwrap())
    }

    /// C.
    pub(super) fn collateral(&self, market: FragmentId, serial: u64) -> u128 {
        let collateral = self.market(market).terms.collateral;
        self.fragments[&self.positions[&(market, serial)]].balance(collateral)
    }

    pub(super) fn held(&self, by: u8, asset: AssetId) -> u128 {
        self.fragments[&user(by)].balance(asset)
    }

    pub(super) fn shares(&self, by: u8, market: FragmentId) -> u128 {
        self.held(by, AssetId::issued(RULE, shares_tag(market)))
    }

    pub(super) fn idle(&self, market: FragmentId) -> u128 {
        self.fragments[&market].balance(self.market(market).terms.asset)
    }

    pub(super) fn low(&self, market: FragmentId) -> U256 {
        quotes::low(&self.market(market), self.idle(market), self.clock).unwrap()
    }

    pub(super) fn high(&self, market: FragmentId) -> U256 {
        quotes::high(&self.market(market), self.idle(market), self.clock).unwrap()
    }

    pub(super) fn debt(&self, market: FragmentId, serial: u64) -> u128 {
        let debt = quotes::debt_up(&self.market(market).terms, &self.position(market, serial), self.clock);
        debt.unwrap().try_into().unwrap()
    }

    /// How much there is of an asset.
    pub(super) fn supply(&self, asset: AssetId) -> u128 {
        self.fragments.values().map(|fragment| fragment.balance(asset)).sum()
    }

    /// An operation as an honest user asks for it.
    pub(super) fn request(&self, by: u8, op: CreditOp) -> Request {
        let position = |market, serial| self.positions.get(&(market, serial)).copied();
        let (listed, market) = match op {
            CreditOp::Create(_) => (vec![], None),
            CreditOp::Lend { market, .. }
            | CreditOp::Redeem { market, .. }
            | CreditOp::Borrow { market, serial: 0, .. } => (vec![Some(market)], Some(market)),
            CreditOp::Borrow { market, serial, .. }
            | CreditOp::Repay { market, serial, .. }
            | CreditOp::Call { market, serial, .. }
            | CreditOp::Bid { market, serial, .. } => (vec![Some(market), position(market, serial)], Some(market)),
            CreditOp::Add { market, serial, .. } | CreditOp::Close { market, serial } => {
                (vec![position(market, serial)], Some(market))
            }
        };
        let data = market.and_then(|id| Market::decode(&self.fragments.get(&id)?.data).ok());
        let assets = data.map_or((gold(), usd()), |market| (market.terms.collateral, market.terms.asset));
        let is_create = matches!(op, CreditOp::Create(_));
        Request {
            by,
            op,
            listed: listed.into_iter().flatten().collect(),
            extra: if is_create { RULE.to_vec() } else { vec![] },
            valid_until: self.clock,
            nonce: self.fragments[&user(by)].nonce,
            outflows: None,
            assets,
        }
    }

    fn view(&self, id: FragmentId) -> FragmentView {
        let fragment = &self.fragments[&id];
        FragmentView {
            id: if self.new.contains(&id.anchor()) {
                FragmentId::ZERO
            } else {
                id
            },
            kind: fragment.kind,
            controller: fragment.controller,
            assets: fragment
                .assets
                .iter()
                .map(|(asset, amount)| (*asset, *amount))
                .collect(),
            data: fragment.data.to_vec(),
        }
    }

    /// What the rule answers.
    pub(super) fn ask(&self, request: &Request) -> Result<Vec<Effect>, CreditFault> {
        let listed = request.listed.iter().copied().chain([user(request.by)]);
        let views: Vec<FragmentView> = listed.map(|id| self.view(id)).collect();
        let authorisation = AuthorisationView {
            fragment: u8::try_from(request.listed.len()).unwrap(),
            payload: request.op.encode(),
        };
        credit::effects(self.clock, &views, &[authorisation], &request.extra)
    }

    /// What the rule answers to an honest user.
    pub(super) fn effects(&self, by: u8, op: CreditOp) -> Result<Vec<Effect>, CreditFault> {
        self.ask(&self.request(by, op))
    }

    /// Posts it.
    pub(super) fn post(&mut self, request: &Request) -> Result<Vec<Effect>, CallFault> {
        let effects = self.ask(request);
        let position = u8::try_from(request.listed.len()).unwrap();
        let needed = || outflows(position, effects.as_deref().unwrap_or_default());
        let message = SignedMessage {
            meaning: request.op.meaning(request.assets.0, request.assets.1),
            rule: RULE,
            fragment: user(request.by),
            nonce: request.nonce,
            valid_until: request.valid_until,
            outflows: request.outflows.clone().unwrap_or_else(needed),
        };
        let signed = signing::authorise(
            &key(request.by),
            &DOMAIN,
            &message,
            request.op.encode().into(),
            position,
        );
        let listed: Vec<FragmentId> = request.listed.iter().copied().chain([user(request.by)]).collect();
        let opens = match request.op {
            CreditOp::Create(_) => Some(None),
            CreditOp::Borrow { market, serial: 0, .. } if self.fragments.contains_key(&market) => {
                let depth = Market::decode(&self.fragments[&market].data).map_or(0, |market| market.terms.depth);
                Some((depth != 0).then_some(market.anchor()))
            }
            _ => None,
        };
        let opened = self.run(1, &listed, vec![signed], &request.extra, opens)?;
        if let (CreditOp::Borrow { market, serial: 0, .. }, Some(id)) = (request.op, opened) {
            self.positions.insert((market, self.market(market).serial), id);
        }
        Ok(effects.unwrap())
    }

    /// What an honest user does.
    pub(super) fn act(&mut self, by: u8, op: CreditOp) -> Result<Vec<Effect>, CallFault> {
        self.post(&self.request(by, op))
    }

    pub(super) fn create(&mut self, terms: Terms) -> Vec<Effect> {
        self.act(1, CreditOp::Create(terms)).unwrap()
    }

    /// Returns the shares.
    pub(super) fn lend(&mut self, by: u8, market: FragmentId, amount: u128) -> u128 {
        let before = self.shares(by, market);
        self.act(by, lend(market, amount)).unwrap();
        self.shares(by, market) - before
    }

    /// Returns what the shares were redeemed for.
    pub(super) fn redeem(&mut self, by: u8, market: FragmentId, shares: u128) -> u128 {
        let asset = self.market(market).terms.asset;
        let before = self.held(by, asset);
        self.act(by, redeem(market, shares)).unwrap();
        self.held(by, asset) - before
    }

    /// Opens a position. Returns its serial.
    pub(super) fn open(&mut self, by: u8, market: FragmentId, added: u128, amount: u128) -> u64 {
        self.act(by, borrow(market, 0, added, amount)).unwrap();
        self.market(market).serial
    }

    pub(super) fn repay(&mut self, by: u8, market: FragmentId, serial: u64) {
        self.act(by, repay(market, serial, u128::MAX, 0)).unwrap();
    }

    pub(super) fn call(&mut self, by: u8, market: FragmentId, serial: u64) {
        self.act(by, call(market, serial)).unwrap();
    }

    /// Returns what was asked and what was offered.
    pub(super) fn bid(&mut self, by: u8, market: FragmentId, serial: u64) -> (u128, u128) {
        let Terms { asset, collateral, .. } = self.market(market).terms;
        let (before, had) = (self.held(by, asset), self.held(by, collateral));
        self.act(by, bid(market, serial)).unwrap();
        (before - self.held(by, asset), self.held(by, collateral) - had)
    }

    /// One user pays another by the Account rule; both sign.
    pub(super) fn pay(&mut self, from: u8, to: u8, asset: AssetId, amount: u128) {
        let payment = AccountOp::encode_payload(&[AccountOp::Pay {
            to: user(to),
            asset,
            amount,
        }]);
        let mut parties = [(from, payment, vec![Outflow { asset, amount }]), (to, vec![], vec![])];
        parties.sort_by_key(|(n, ..)| *n);
        let authorisations = (0..).zip(parties).map(|(position, (n, payload, outflows))| {
            let message = SignedMessage {
                meaning: Meaning::opaque(&payload),
                rule: ACCOUNT,
                fragment: user(n),
                nonce: self.fragments[&user(n)].nonce,
                valid_until: self.clock,
                outflows,
            };
            signing::authorise(&key(n), &DOMAIN, &message, payload.into(), position)
        });
        let authorisations = authorisations.collect();
        let listed = [user(from.min(to)), user(from.max(to))];
        self.run(0, &listed, authorisations, &[], None).unwrap();
    }

    /// Runs a call of a step of its own. `opens`: a new anchor, or a leaf of this one. Returns the id of what it opened.
    fn run(
        &mut self,
        rule: u8,
        listed: &[FragmentId],
        authorisations: Vec<Authorisation>,
        extra: &[u8],
        opens: Option<Option<AnchorId>>,
    ) -> Result<Option<FragmentId>, CallFault> {
        let opened = opens.map(|cohort| match cohort {
            None => {
                let block = START + u64::from(self.batches);
                AnchorId::new(BatchId::new(block, 2).unwrap(), 0).fragment()
            }
            Some(anchor) => {
                let leaves = self.fragments.keys().filter(|id| id.anchor() == anchor);
                anchor.leaf(leaves.map(|id| id.leaf()).max().unwrap() + 1).unwrap()
            }
        });
        // Every leaf that is named brings its header along.
        let named = listed.iter().chain(&opened);
        let ids: BTreeSet<FragmentId> = named.flat_map(|id| [id.anchor().fragment(), *id]).collect();
        let numbers: BTreeMap<FragmentId, u8> = ids.iter().copied().zip(0..).collect();
        let mut touches: Vec<Touch> = Vec::new();
        let mut last = None;
        for id in &ids {
            if last != Some(id.anchor()) {
                last = Some(id.anchor());
                let is_new = self.new.contains(&id.anchor()) || opened == Some(*id);
                touches.push(Touch {
                    anchor: (!is_new).then_some(id.anchor()),
                    leaves: vec![],
                });
            }
            let leaves = &mut touches.last_mut().unwrap().leaves;
            leaves.push((id.leaf(), self.fragments.get(id).cloned()));
        }
        let body = Body {
            leaves: None::<LeafTable>,
            calls: vec![Call {
                rule,
                gas: 1_000_000,
                max_effects: 1_024,
                fragments: listed.iter().map(|id| numbers[id]).collect(),
                authorisations,
                extra: extra.to_vec().into(),
            }],
        };
        let terms = BatchTerms {
            chain_id: DOMAIN.chain_id,
            clock: self.clock,
            proposer: Address::repeat_byte(0x70),
            rules: vec![RULE],
        };
        let outcome = kernel::execute(&self.env, &terms, &body, touches).map_err(|failure| match failure {
            Failure::Invalid(Invalid::Call { fault, .. }) => fault,
            other => panic!("{other:?}"),
        })?;
        for (id, state) in ids.iter().zip(outcome.states) {
            self.fragments.insert(*id, state);
        }
        self.batches += 1;
        if self.same_batch {
            self.new
                .extend(opened.map(FragmentId::anchor).filter(|_| opens == Some(None)));
        } else {
            self.new.clear();
        }
        Ok(opened)
    }
}

/// What effects take from the fragment at a position.
fn outflows(position: u8, effects: &[Effect]) -> Vec<Outflow> {
    let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
    for effect in effects {
        let (asset, amount) = match *effect {
            Effect::Move {
                from, asset, amount, ..
            } if from == position => (asset, amount),
            Effect::Burn { from, tag, amount } if from == position => (AssetId::issued(RULE, tag), amount),
            _ => continue,
        };
        *sums.entry(asset).or_default() += amount;
    }
    let outflow = |(asset, amount)| Outflow { asset, amount };
    sums.into_iter().map(outflow).collect()
}
