//! People who send what they signed to nodes, and look what becomes of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::Address;
use jsonrpsee::{core::ClientError, http_client::HttpClient};
use nthroot_api::{ApiClient, Bundle, FragmentState, IntentId, IntentStatus};
use nthroot_protocol::{
    AccountOp, AssetId, Domain, FragmentId,
    rules::{
        pool::{PoolOp, Side},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::{Intent, Request, RuleBook, SignedIntent};
use tokio::sync::Mutex as Turn;

use crate::{
    dice::Dice,
    tally::Tally,
    world::{Market, User},
};

/// How often a user asks for what it sent, and how often at most.
const PATIENCE: (Duration, u32) = (Duration::from_millis(1_500), 30);

/// What a node has taken.
pub(crate) struct Taken {
    pub(crate) node: usize,
    pub(crate) id: IntentId,
    pub(crate) what: &'static str,
    /// The last block at which it can happen.
    pub(crate) last: u64,
    /// Nonces that it uses.
    pub(crate) used: Vec<(FragmentId, u64)>,
    /// Signatures, as they stand in a body. Who only consents signs the same again for another bundle.
    pub(crate) signatures: Vec<Vec<u8>>,
}

/// All users, and what they know of the world.
pub(crate) struct Crowd {
    /// Each does one thing at a time.
    pub(crate) users: Vec<(User, Turn<()>)>,
    pub(crate) markets: Vec<Market>,
    pub(crate) proposers: Vec<HttpClient>,
    pub(crate) domain: Domain,
    pub(crate) book: RuleBook,
    /// L1's head.
    pub(crate) head: Arc<AtomicU64>,
    pub(crate) over: Arc<AtomicBool>,
    pub(crate) tally: Tally,
    pub(crate) taken: Mutex<Vec<Taken>>,
}

/// What somebody signs.
type Wish = (usize, u64, Request);

impl Crowd {
    /// The life of a user: it waits, and does something, again and again.
    pub(crate) async fn live(self: Arc<Self>, who: usize, mut dice: Dice, mean: Duration) {
        let pause = |dice: &mut Dice| mean * u32::try_from(dice.between(0, 2_000)).unwrap_or(0) / 1_000;
        tokio::time::sleep(pause(&mut dice)).await;
        while !self.over.load(Ordering::Relaxed) {
            self.act(who, &mut dice).await;
            tokio::time::sleep(pause(&mut dice)).await;
        }
    }

    async fn act(&self, who: usize, dice: &mut Dice) {
        let node = dice.below(self.proposers.len());
        let other = dice.below(self.users.len());
        let Ok(_turn) = self.users[who].1.try_lock() else {
            return;
        };
        let Some(own) = self.look(node, who).await else { return };
        let Some((asset, held)) = own.assets.first().map(|held| (held.asset, held.amount)) else {
            return;
        };
        let some = 1 + held / u128::from(dice.between(20, 2_000));
        match dice.below(10) {
            0..=3 => {
                let Ok(_turn) = self.users[other].1.try_lock() else {
                    return;
                };
                let Some(theirs) = self.look(node, other).await.filter(|_| other != who) else {
                    return;
                };
                let pay = AccountOp::Pay {
                    to: self.users[other].0.fragment,
                    asset,
                    amount: some,
                };
                let wishes = [
                    (who, own.nonce, Request::Account(vec![pay])),
                    (other, theirs.nonce, Request::Account(Vec::new())),
                ];
                self.ask(node, "pay", vec![wishes.to_vec()], dice).await;
            }
            4 => {
                let Some(token) = asset.as_token() else { return };
                let withdraw = AccountOp::Withdraw {
                    recipient: Address::repeat_byte(0x77),
                    token,
                    amount: some,
                };
                let wish = (who, own.nonce, Request::Account(vec![withdraw]));
                self.ask(node, "withdraw", vec![vec![wish]], dice).await;
            }
            5 => {
                let open = AccountOp::Open {
                    depth: 0,
                    kind: own.kind.to_u8(),
                    controller: own.controller,
                    assets: vec![(asset, some)],
                };
                let wish = (who, own.nonce, Request::Account(vec![open]));
                self.ask(node, "open", vec![vec![wish]], dice).await;
            }
            6 | 7 => {
                let Some((op, assets)) = self.trade(asset, some, dice) else {
                    return;
                };
                let wish = (who, own.nonce, Request::Pool { op, assets });
                self.ask(node, "trade with a pool", vec![vec![wish]], dice).await;
            }
            _ => {
                let Ok(_turn) = self.users[other].1.try_lock() else {
                    return;
                };
                let Some(theirs) = self.look(node, other).await.filter(|_| other != who) else {
                    return;
                };
                let Some(back) = theirs.assets.first().filter(|back| back.asset != asset) else {
                    return;
                };
                let amount = 1 + back.amount / u128::from(dice.between(20, 2_000));
                let give = swap((asset, some), (back.asset, amount));
                let take = swap((back.asset, amount), (asset, some));
                // Each by itself: the node brings them together.
                let wishes = [(who, own.nonce, give), (other, theirs.nonce, take)];
                self.ask(node, "swap", wishes.map(|wish| vec![wish]).to_vec(), dice)
                    .await;
            }
        }
    }

    fn trade(&self, asset: AssetId, amount: u128, dice: &mut Dice) -> Option<(PoolOp, [AssetId; 2])> {
        let markets: Vec<&Market> = self
            .markets
            .iter()
            .filter(|market| market.assets.contains(&asset))
            .collect();
        if markets.is_empty() {
            return None;
        }
        let Market { pool, assets } = **dice.pick(&markets);
        let side = Side::BOTH.into_iter().find(|side| side.of(assets) == asset)?;
        let sell = PoolOp::Sell {
            pool,
            side,
            amount,
            at_least: 1,
        };
        Some((sell, assets))
    }

    /// What a user has, as a node says.
    async fn look(&self, node: usize, who: usize) -> Option<FragmentState> {
        let info = self.proposers[node].fragment(self.users[who].0.fragment).await;
        match info {
            Ok(Some(info)) if info.pending.is_some() => return info.pending,
            Ok(Some(_)) => self.tally.count("not asked", "the fragment rests on a lie"),
            Ok(None) => self.tally.count("not asked", "the node does not know the fragment"),
            Err(_) => self.tally.count("not asked", "the node does not answer"),
        }
        None
    }

    /// Sends what users sign to a node, and waits until it has happened, or cannot any more.
    async fn ask(&self, node: usize, what: &'static str, bundles: Vec<Vec<Wish>>, dice: &mut Dice) {
        let valid_until = self.head.load(Ordering::Relaxed) + dice.between(10, 30);
        let mut taken = Vec::new();
        for wishes in bundles {
            let sign = |(who, nonce, request): Wish| self.sign(who, nonce, request, valid_until);
            let bundle = Bundle(wishes.into_iter().map(sign).collect());
            let used = bundle.0.iter().map(|intent| (intent.fragment, intent.nonce)).collect();
            let signatures = bundle.0.iter().map(|intent| intent.signature.encode()).collect();
            match self.proposers[node].send(bundle).await {
                Ok(id) => {
                    self.tally.count("intents", what);
                    taken.push(id);
                    let last = valid_until;
                    let mut all = self.taken.lock().expect("nobody panics with it");
                    all.push(Taken {
                        node,
                        id,
                        what,
                        last,
                        used,
                        signatures,
                    });
                }
                Err(error) => self.tally.count("refused", refusal(&error)),
            }
        }
        for _ in 0..PATIENCE.1 {
            if taken.is_empty() || self.over.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(PATIENCE.0).await;
            let mut waiting = Vec::new();
            for id in taken {
                let status = self.proposers[node].intent(id).await;
                let done = status.is_ok_and(|info| {
                    info.is_some_and(|info| {
                        use IntentStatus::{Dropped, Final, Included};
                        matches!(info.status, Included { .. } | Final { .. } | Dropped { .. })
                    })
                });
                if !done {
                    waiting.push(id);
                }
            }
            taken = waiting;
        }
    }

    fn sign(&self, who: usize, nonce: u64, request: Request, valid_until: u64) -> SignedIntent {
        let User { keys, fragment } = &self.users[who].0;
        let intent = Intent {
            request,
            fragment: *fragment,
            nonce,
            valid_until,
        };
        intent.sign(&self.book, &self.domain, keys.as_ref())
    }
}

fn swap(give: (AssetId, u128), get: (AssetId, u128)) -> Request {
    Request::Swap(SwapIntent {
        gives: vec![Leg::fixed(give.0, give.1)],
        gets: vec![Leg::fixed(get.0, get.1)],
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    })
}

/// Why a node took nothing, in a word.
pub(crate) fn refusal(error: &ClientError) -> String {
    let ClientError::Call(error) = error else {
        return "the node does not answer".to_owned();
    };
    let data = error
        .data()
        .and_then(|data| serde_json::from_str::<serde_json::Value>(data.get()).ok());
    let kind = data.as_ref().and_then(|data| data["kind"].as_str());
    kind.unwrap_or(error.message()).to_owned()
}
