//! A ledger with users on it, what a node shows of it, and a server that answers from that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::k256::ecdsa::SigningKey,
};
use jsonrpsee::{
    core::{ClientError, client::ClientT, params::ArrayParams},
    http_client::HttpClient,
    ws_client::{WsClient, WsClientBuilder},
};
use nthroot_api::Bundle;
use nthroot_model::{
    builder::{BatchBuilder, Posting},
    kernel::Env,
    ledger::{Judgement, Ledger, State},
    params::Params,
    rule::Rules,
    signing::address_of,
};
use nthroot_node::{
    Deployment, Parameters,
    index::Index,
    inputs::Block,
    mempool::{self, Carrier, Mempool},
    server::{Intake, Limits, Server},
    store::Memory,
    view::View,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, BatchId, Domain, Fragment, FragmentId, Key, Root, limits::MAX_CEILING,
};
use nthroot_wallet::{
    Intent, Request, RuleBook, SignedIntent,
    account::{self, Party, Terms},
};
use serde_json::Value;
use tokio::sync::watch;

pub(crate) const BOOK: RuleBook = RuleBook {
    account: Address::repeat_byte(0xa0),
    swap: Address::repeat_byte(0xa1),
    pool: Address::repeat_byte(0xa2),
    credit: Address::repeat_byte(0xa3),
};
pub(crate) const DOMAIN: Domain = Domain {
    chain_id: 1,
    bridge: Address::repeat_byte(0xb7),
};
const PROPOSER: u8 = 200;
pub(crate) const DEPLOYED: u64 = 100;
/// Blocks.
pub(crate) const WINDOW: u64 = 20;

pub(crate) fn secret(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user + 1; 32]).unwrap()
}

pub(crate) fn address(user: u8) -> Address {
    address_of(&secret(user))
}

pub(crate) fn key(user: u8) -> Key {
    Key::Secp256k1(address(user))
}

pub(crate) fn hash_of(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    settled: Ledger,
    finalised: u64,
    views: watch::Sender<View>,
}

impl World {
    pub(crate) fn new() -> Self {
        let params = Params {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            window: WINDOW,
            insured_gas_price: 1,
            min_lock: 1_000_000_000,
            caps: None,
        };
        let env = Env {
            account_rule: BOOK.account,
            bridge: DOMAIN.bridge,
            rules: Rules::default(),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, hash_of(DEPLOYED)).unwrap();
        for rule in BOOK.table() {
            ledger.register_rule(rule, DEPLOYED);
        }
        ledger
            .fund_bond(address(PROPOSER), 100_000_000_000_000_000_000)
            .unwrap();
        let settled = ledger.clone();
        let (views, _) = watch::channel(view(&ledger, &settled, DEPLOYED));
        let mut world = Self {
            ledger,
            settled,
            finalised: DEPLOYED,
            views,
        };
        world.advance(2);
        world
    }

    pub(crate) fn advance(&mut self, blocks: u64) {
        for _ in 0..blocks {
            let block = self.ledger.block() + 1;
            self.ledger.begin_block(block, hash_of(block)).unwrap();
        }
        self.publish();
    }

    /// L1 finalises all that is there.
    pub(crate) fn finalise(&mut self) {
        self.settled = self.ledger.clone();
        self.finalised = self.ledger.block();
        self.publish();
    }

    fn publish(&self) {
        self.views
            .send_replace(view(&self.ledger, &self.settled, self.finalised));
    }

    /// What is published.
    pub(crate) fn view(&self) -> View {
        self.views.borrow().clone()
    }

    pub(crate) fn views(&self) -> watch::Receiver<View> {
        self.views.subscribe()
    }

    /// A fragment with ether.
    pub(crate) fn deposit(&mut self, user: u8, wei: u128) -> FragmentId {
        let id = self.ledger.deposit(key(user), Address::ZERO, wei).unwrap();
        self.advance(1);
        AnchorId::new(id, 0).fragment()
    }

    pub(crate) fn state(&self, id: FragmentId) -> &Fragment {
        let state = self.ledger.state(id.anchor()).and_then(State::known).unwrap();
        state.fragment(id.leaf()).unwrap()
    }

    /// Posts a step in which these users do something with their fragments, in this order.
    pub(crate) fn post(&mut self, parties: &[(u8, FragmentId, Vec<AccountOp>)]) -> BatchId {
        let id = self.submit(parties, |_| {});
        let judged = self.ledger.judgement(id).unwrap();
        assert!(matches!(judged[..], [Judgement::Valid]), "{judged:?}");
        id
    }

    /// Posts the same with a root that is not what comes out.
    pub(crate) fn lie(&mut self, parties: &[(u8, FragmentId, Vec<AccountOp>)]) -> BatchId {
        self.submit(parties, |root| *root = Root([7; 27].into()))
    }

    fn submit(&mut self, parties: &[(u8, FragmentId, Vec<AccountOp>)], change: impl FnOnce(&mut Root)) -> BatchId {
        let clock = self.ledger.block() - 1;
        let posting = Posting {
            proposer: address(PROPOSER),
            clock,
            clock_hash: hash_of(clock),
            slot: self.ledger.free_slot(address(PROPOSER)).unwrap(),
            ceiling: MAX_CEILING,
        };
        let terms = Terms {
            domain: DOMAIN,
            book: BOOK,
            valid_until: 5_000,
        };
        let secrets: Vec<SigningKey> = parties.iter().map(|(user, ..)| secret(*user)).collect();
        let signing = parties.iter().zip(&secrets).map(|((_, fragment, ops), secret)| {
            Party::signing(secret, *fragment, self.state(*fragment).nonce, ops.clone())
        });
        let plan = account::plan(&terms, &signing.collect::<Vec<_>>()).unwrap();
        let mut builder = BatchBuilder::new(&self.ledger, posting).rule_table(BOOK.table());
        builder.step(&plan).unwrap();
        let mut batch = builder.build().unwrap();
        change(&mut batch.steps[0].fresh[0].root);
        let submitted = self.ledger.submit(address(PROPOSER), &batch.encode()).unwrap();
        self.advance(1);
        submitted.id
    }

    /// A withdrawal of ether to oneself.
    pub(crate) fn withdraw(&mut self, user: u8, fragment: FragmentId, amount: u128) -> BatchId {
        let withdraw = AccountOp::Withdraw {
            recipient: address(user),
            token: Address::ZERO,
            amount,
        };
        self.post(&[(user, fragment, vec![withdraw])])
    }

    /// A bundle in which a user's fragment pays another user's.
    pub(crate) fn payment(&self, [payer, payee]: [(u8, FragmentId); 2], amount: u128) -> Bundle {
        Bundle(vec![
            self.signed(payer, vec![pay(payee.1, amount)]),
            self.signed(payee, Vec::new()),
        ])
    }

    pub(crate) fn signed(&self, (user, fragment): (u8, FragmentId), ops: Vec<AccountOp>) -> SignedIntent {
        let intent = Intent {
            request: Request::Account(ops),
            fragment,
            nonce: self.state(fragment).nonce,
            valid_until: 5_000,
        };
        intent.sign(&BOOK, &DOMAIN, &secret(user))
    }

    /// A server without intake.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(limits(), None).await
    }

    pub(crate) async fn serve_with(&self, limits: Limits, intake: Option<Arc<dyn Intake>>) -> Server {
        Server::start(limits, self.views(), intake).await.unwrap()
    }

    /// A mempool as nodes have it, kept in memory.
    pub(crate) fn mempool(&self, limits: mempool::Limits) -> Arc<Mutex<Mempool>> {
        let carrier = Carrier::new(secret(PROPOSER));
        let mut mempool = Mempool::open(Arc::new(Memory::default()), limits, carrier).unwrap();
        mempool.on_view(&self.view());
        Arc::new(Mutex::new(mempool))
    }
}

pub(crate) const fn pay(to: FragmentId, amount: u128) -> AccountOp {
    AccountOp::Pay {
        to,
        asset: AssetId::ETH,
        amount,
    }
}

/// On any port; nobody is asked to wait.
pub(crate) fn limits() -> Limits {
    Limits {
        listen: ([127, 0, 0, 1], 0).into(),
        requests_per_second: 1_000_000,
        burst: 1_000_000,
        ..Limits::default()
    }
}

fn block(number: u64) -> Block {
    Block {
        number,
        hash: hash_of(number),
        parent: hash_of(number - 1),
    }
}

fn view(ledger: &Ledger, settled: &Ledger, finalised: u64) -> View {
    let number = ledger.block();
    View {
        deployment: Arc::new(Deployment {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            bridge: DOMAIN.bridge,
            verifier: Address::repeat_byte(1),
            registry: Address::repeat_byte(2),
            account: BOOK.account,
            parameters: Parameters {
                window: WINDOW,
                insured_gas_price: 1,
                min_lock: 1_000_000_000,
                caps: BTreeMap::new(),
            },
        }),
        book: BOOK,
        index: Index::of(ledger),
        ledger: ledger.clone(),
        settled_index: Index::of(settled),
        settled: settled.clone(),
        tip: block(number),
        finalised: block(finalised),
        synced: true,
    }
}

pub(crate) fn http(server: &Server) -> HttpClient {
    HttpClient::builder()
        .build(format!("http://{}", server.address()))
        .unwrap()
}

pub(crate) async fn ws(server: &Server) -> WsClient {
    WsClientBuilder::default()
        .build(format!("ws://{}", server.address()))
        .await
        .unwrap()
}

/// Asks as any program does.
pub(crate) async fn ask(client: &HttpClient, method: &str, params: &[Value]) -> Result<Value, ClientError> {
    let mut array = ArrayParams::new();
    for param in params {
        array.insert(param).unwrap();
    }
    client.request(method, array).await
}

/// Waits until something holds, for some seconds at most.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
