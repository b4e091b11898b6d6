//! A proposer that lies: it builds honest batches, and changes one thing.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::{RuleRegistry, mocks::Puppet};
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    ledger::Ledger,
    signing::authorise,
};
use nthroot_node::{Call as L1Call, Deployment, Follower, Proposer, Sender, rules};
use nthroot_protocol::{
    AccountOp, AssetId, Batch, Body, Call, Domain, Effect, Fragment, FragmentId, Meaning, SignedMessage,
    limits::{MAX_CEILING, MAX_LEASE},
    rules::{
        pool::{PoolOp, Side},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::{Consent, Intent, Plan, Request, RuleBook, SignedIntent, solver};

use crate::{
    dice::Dice,
    lies::{Base, LIES, Lie},
    tally::Tally,
    world::{ETHER, Keys, Market, User, World},
};

/// How long it waits for a block that has its batch. Reorganisations drop some for good.
const PATIENCE: Duration = Duration::from_secs(4);

/// Place of the rule without a twin in rule tables, behind those that come with the bridge.
const PUPPET: u8 = 4;

/// The liar, and those whose keys it has.
pub(crate) struct Liar {
    proposer: Proposer,
    sender: Sender,
    pub(crate) address: Address,
    deployment: Deployment,
    pub(crate) domain: Domain,
    book: RuleBook,
    puppet: Address,
    /// Its own fragments, of ether, a token, and ether.
    own: [User; 3],
    /// One that is leased to somebody else.
    leased: User,
    /// A pool that nobody else uses, and the one that everybody uses.
    markets: [Market; 2],
    /// Whose consent it forges.
    victims: Vec<User>,
    tally: Tally,
}

/// An honest batch that is being changed. Its first step is the one that is lied about.
pub(crate) struct Draft<'a> {
    pub(crate) batch: Batch,
    pub(crate) body: Body,
    /// What is signed in the first call, and by whom.
    pub(crate) signed: Vec<(SignedMessage, Keys)>,
    pub(crate) liar: &'a Liar,
    pub(crate) ledger: &'a Ledger,
    /// What becomes of the body's bytes in the end.
    pub(crate) spoil: fn(&mut Vec<u8>),
}

impl Draft<'_> {
    /// Has what is said in an authorisation signed again, in other words.
    pub(crate) fn sign(&mut self, place: usize, change: impl FnOnce(&mut SignedMessage)) {
        let domain = self.liar.domain;
        self.sign_for(place, &domain, change);
    }

    /// The same, for another bridge or chain.
    pub(crate) fn sign_for(&mut self, place: usize, domain: &Domain, change: impl FnOnce(&mut SignedMessage)) {
        let (message, keys) = &mut self.signed[place];
        change(message);
        let old = &mut self.body.calls[0].authorisations[place];
        *old = authorise(keys.as_ref(), domain, message, old.payload.clone(), old.position);
    }

    fn finish(&self) -> Batch {
        let mut batch = self.batch.clone();
        let mut bytes = self.body.encode();
        (self.spoil)(&mut bytes);
        batch.steps[0].body = bytes.into();
        batch.seal();
        batch
    }

    /// The least gas with which the first call does not fail, as the model judges.
    pub(crate) fn threshold(&mut self) -> u32 {
        let (mut little, mut enough) = (0, self.body.calls[0].gas);
        while enough - little > 1 {
            self.body.calls[0].gas = u32::midpoint(little, enough);
            match self.liar.judge(self.ledger, &self.finish()) {
                Some(false) => enough = self.body.calls[0].gas,
                _ => little = self.body.calls[0].gas,
            }
        }
        enough
    }
}

impl Liar {
    /// Sets the scene: fragments and a pool that nobody else touches.
    pub(crate) async fn new(world: &World, shared: Market, victims: Vec<User>, tally: Tally) -> Self {
        let key = world.bonded("liar", 20_000 * ETHER).await;
        let keys: Keys = Arc::new(key.clone().into_credential());
        let [ether, token, _] = world.assets();
        let user = |asset| world.user(Arc::clone(&keys), asset, 10_000 * ETHER);
        let own = [user(ether).await, user(token).await, user(ether).await];
        let leased = user(ether).await;
        let market = world.market(&key, world.tokens[0], [1_000 * ETHER; 2]).await;
        let sender = Sender::new(world.patient().await, key.clone());
        let puppet = rules::address_of(world.deployment.registry, &Puppet::DEPLOYED_BYTECODE);
        Self {
            proposer: Proposer::new(sender.clone()),
            address: key.address(),
            sender,
            deployment: world.deployment.clone(),
            domain: world.domain(),
            book: world.book,
            puppet,
            own,
            leased,
            markets: [market, shared],
            victims,
            tally,
        }
    }

    /// Registers a rule of which nodes have no twin, if it is not: a reorganisation may have undone it.
    pub(crate) async fn register(&self, follower: &Follower) {
        if follower.ledger().rule_registered_at(self.puppet).is_some() {
            return;
        }
        let register = RuleRegistry::registerCall {
            runtime: Puppet::DEPLOYED_BYTECODE.clone(),
        };
        let call = L1Call::new(self.deployment.registry, register.abi_encode());
        let _ = tokio::time::timeout(PATIENCE, self.sender.send(call)).await;
    }

    /// Lies once: about a base and in a way that chance picks.
    pub(crate) async fn lie(&self, follower: &Follower, dice: &mut Dice) {
        let lie = dice.pick(LIES);
        let base = *dice.pick(lie.bases);
        let Some(batch) = self.tell(follower, lie, base, dice) else {
            return;
        };
        let posted = tokio::time::timeout(PATIENCE, self.proposer.post(follower, &batch)).await;
        match posted {
            Ok(Ok(_)) => self.tally.count("lies posted", format!("{base:?}: {}", lie.name)),
            Ok(Err(error)) => {
                let error = error.to_string();
                let error = error.split([':', '(']).next().unwrap_or_default();
                self.tally.count("lies not taken", error);
            }
            Err(_) => self.tally.count("lies not taken", "it was not included"),
        }
    }

    /// Leases a fragment to somebody else, if no lease runs. This batch is honest.
    pub(crate) async fn lease(&self, follower: &Follower) {
        let tip = follower.tip();
        let Some(state) = fragment(follower.ledger(), self.leased.fragment) else {
            return;
        };
        if state.lease.is_some_and(|lease| lease.runs(tip.number + 8)) {
            return;
        }
        let lease = AccountOp::SetLease {
            holder: HOLDER,
            last_block: tip.number + MAX_LEASE,
        };
        let intent = Intent {
            request: Request::Account(vec![lease]),
            fragment: self.leased.fragment,
            nonce: state.nonce,
            valid_until: tip.number + MAX_LEASE,
        };
        let signed = intent.sign(&self.book, &self.domain, self.leased.keys.as_ref());
        let mut plan = Plan::new(self.book);
        plan.account(&[Consent::Signed(Box::new(signed))], &[])
            .expect("it fits");
        // Not while another's lease runs: then it is refused here.
        if let Ok(batch) = self.proposer.build(follower, None, &[plan.finish()]) {
            let post = self.proposer.post(follower, &batch);
            let _ = tokio::time::timeout(PATIENCE, post).await;
        }
    }

    /// A batch with this lie in it, if it can be told now.
    fn tell(&self, follower: &Follower, lie: &Lie, base: Base, dice: &mut Dice) -> Option<Batch> {
        let mut ledger = follower.ledger().clone();
        let tip = follower.tip();
        ledger.begin_block(tip.number + 1, B256::ZERO).ok()?;
        let not_told = |why: &str| {
            self.tally.count("lies not told", format!("{base:?}: {why}"));
            None
        };
        let Some((plan, signers)) = self.plan(&ledger, base, dice) else {
            return not_told("what it is about is not known");
        };
        let clock = (tip.number, tip.hash);
        let Some((batch, messages)) = self.build(follower.ledger(), base, &plan, clock) else {
            return not_told("it cannot be done honestly");
        };
        let messages = messages.into_iter().next()?;
        let mut draft = Draft {
            body: Body::of(&batch.steps[0]).ok()?,
            batch,
            signed: messages.into_iter().zip(signers).collect(),
            liar: self,
            ledger: &ledger,
            spoil: |_| {},
        };
        (lie.tell)(&mut draft);
        let batch = draft.finish();
        match self.judge(&ledger, &batch) {
            Some(true) => {}
            Some(false) => return not_told(&format!("{} is true", lie.name)),
            None => return not_told(&format!("{} is not taken by the bridge", lie.name)),
        }
        Some(batch)
    }

    /// Whether the model finds a lie in a batch. None if it would not be taken.
    fn judge(&self, ledger: &Ledger, batch: &Batch) -> Option<bool> {
        let mut ledger = ledger.clone();
        let id = ledger.submit(self.address, &batch.encode()).ok()?.id;
        Some(!ledger.lies_of(id).is_empty())
    }

    /// An honest batch of one step, and what is signed in it.
    fn build(
        &self,
        ledger: &Ledger,
        base: Base,
        plan: &StepPlan,
        (clock, clock_hash): (u64, B256),
    ) -> Option<(Batch, Vec<Vec<SignedMessage>>)> {
        let posting = Posting {
            // Honest would be who holds the lease.
            proposer: if base == Base::Leased { HOLDER } else { self.address },
            clock,
            clock_hash,
            slot: ledger.free_slot(self.address)?,
            ceiling: MAX_CEILING,
        };
        let mut table = self.book.table();
        if base == Base::Puppet {
            table.push(self.puppet);
        }
        let mut builder = BatchBuilder::new(ledger, posting).rule_table(table);
        let messages = builder.messages(plan).ok()?;
        builder.step(plan).ok()?;
        let ceiling = builder.proof_gas().into_iter().max()?;
        builder.set_ceiling(u32::try_from(ceiling).ok()?);
        Some((builder.build().ok()?, messages))
    }

    /// An honest step, and who signs its first call.
    fn plan(&self, ledger: &Ledger, base: Base, dice: &mut Dice) -> Option<(StepPlan, Vec<Keys>)> {
        let nonce = |user: &User| Some(fragment(ledger, user.fragment)?.nonce);
        let sign = |user: &User, request: Request| -> Option<SignedIntent> {
            let intent = Intent {
                request,
                fragment: user.fragment,
                nonce: nonce(user)?,
                valid_until: ledger.block() + 100,
            };
            Some(intent.sign(&self.book, &self.domain, user.keys.as_ref()))
        };
        let [ether, token, other] = &self.own;
        let mut plan = Plan::new(self.book);
        let signers: Vec<&User> = match base {
            Base::Payment | Base::Theft | Base::Leased => {
                let from = match base {
                    Base::Payment => ether,
                    Base::Leased => &self.leased,
                    _ => dice.pick(&self.victims),
                };
                let state = fragment(ledger, from.fragment)?;
                let (asset, held) = state.assets.iter().next()?;
                let (asset, amount) = (*asset, 1 + held / 100);
                let ops = vec![
                    AccountOp::Pay {
                        to: other.fragment,
                        asset,
                        amount,
                    },
                    AccountOp::Withdraw {
                        recipient: self.address,
                        token: asset.as_token()?,
                        amount,
                    },
                ];
                let parties = [
                    Consent::Signed(Box::new(sign(from, Request::Account(ops))?)),
                    Consent::Signed(Box::new(sign(other, Request::Account(Vec::new()))?)),
                ];
                plan.account(&parties, &[]).ok()?;
                vec![from, other]
            }
            Base::Swap => {
                let (gold, amount) = (self.markets[0].assets[1], ETHER);
                let intents = [
                    (ether, swap((AssetId::ETH, amount), (gold, 2 * amount))),
                    (token, swap((gold, 2 * amount), (AssetId::ETH, amount))),
                ];
                let parties = intents.each_ref().map(|(user, intent)| (user.fragment, intent.clone()));
                let fill = solver::clear(ledger.block() - 1, &parties, None).ok()?;
                let signed: Option<Vec<_>> = intents
                    .iter()
                    .map(|(user, intent)| sign(user, Request::Swap(intent.clone())))
                    .collect();
                plan.swap(&signed?, &fill).ok()?;
                vec![ether, token]
            }
            Base::OwnPool | Base::SharedPool => {
                let Market { pool, assets } = self.markets[usize::from(base == Base::SharedPool)];
                let op = PoolOp::Sell {
                    pool,
                    side: Side::Zero,
                    amount: ETHER / 100,
                    at_least: 1,
                };
                plan.pool(&[sign(ether, Request::Pool { op, assets })?]).ok()?;
                vec![ether]
            }
            Base::Puppet => {
                return Some((
                    self.puppet_plan(ledger)?,
                    vec![Arc::clone(&ether.keys), Arc::clone(&other.keys)],
                ));
            }
        };
        let keys = signers.into_iter().map(|user| Arc::clone(&user.keys)).collect();
        Some((plan.finish(), keys))
    }

    /// A payment by a rule that does as it is told.
    fn puppet_plan(&self, ledger: &Ledger) -> Option<StepPlan> {
        let [from, _, to] = &self.own;
        let effects = Effect::encode_list(&[Effect::Move {
            from: 0,
            to: 1,
            asset: AssetId::ETH,
            amount: ETHER,
        }]);
        let consent = |(position, user): (u8, &User)| {
            let message = SignedMessage {
                meaning: Meaning::opaque(&[]),
                rule: self.puppet,
                fragment: user.fragment,
                nonce: fragment(ledger, user.fragment)?.nonce,
                valid_until: ledger.block() + 100,
                outflows: vec![nthroot_protocol::Outflow {
                    asset: AssetId::ETH,
                    amount: ETHER,
                }],
            };
            Some(authorise(
                user.keys.as_ref(),
                &self.domain,
                &message,
                Bytes::new(),
                position,
            ))
        };
        let call = Call {
            rule: PUPPET,
            gas: 50_000,
            max_effects: u16::try_from(effects.len()).ok()?,
            fragments: vec![0, 1],
            authorisations: [(0, from), (1, to)].into_iter().map(consent).collect::<Option<_>>()?,
            extra: effects.into(),
        };
        Some(StepPlan {
            fragments: [from, to].map(|user| Name::Anchor(user.fragment.anchor())).to_vec(),
            body: vec![call].into(),
        })
    }
}

/// A fragment, as far as it is known.
pub(crate) fn fragment(ledger: &Ledger, id: FragmentId) -> Option<&Fragment> {
    ledger.state(id.anchor())?.known()?.fragment(id.leaf())
}

/// To whom the liar's own fragment is leased.
pub(crate) const HOLDER: Address = Address::repeat_byte(0x1e);

fn swap(give: (AssetId, u128), get: (AssetId, u128)) -> SwapIntent {
    SwapIntent {
        gives: vec![Leg::fixed(give.0, give.1)],
        gets: vec![Leg::fixed(get.0, get.1)],
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}
