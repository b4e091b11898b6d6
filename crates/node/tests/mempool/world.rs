//! A ledger with the rules and users on it, and a proposer whose node sees it block by block.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::k256::ecdsa::SigningKey,
};
use nthroot_api::{AssetAmount, Bundle, IntentId, IntentStatus, Refusal};
use nthroot_model::{
    builder::{BatchBuilder, Posting, StepPlan},
    kernel::Env,
    ledger::{Judgement, Ledger, State},
    params::Params,
    rule::Rules,
    rules,
    signing::{Signer, address_of},
};
use nthroot_node::{
    Deployment, Parameters, View,
    index::Index,
    inputs::Block,
    mempool::{Carrier, Limits, Mempool},
    proposer::{Packed, Room, pack},
    store::{Memory, Store},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Batch, BatchId, Domain, Fragment, FragmentId, Key, limits::MAX_CEILING,
};
use nthroot_wallet::{Intent, Request, RuleBook, SignedIntent};

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
const DEPLOYED: u64 = 100;
/// Blocks.
pub(crate) const WINDOW: u64 = 20;
/// gwei.
pub(crate) const MIN_LOCK: u64 = 12_200_000;
const GWEI: u128 = 1_000_000_000;

/// The proposer whose mempool it is, one who competes, and one who lies.
pub(crate) const OURS: u8 = 200;
pub(crate) const RIVAL: u8 = 201;
pub(crate) const LIAR: u8 = 202;

pub(crate) fn key(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user + 1; 32]).unwrap()
}

pub(crate) fn address(user: u8) -> Address {
    address_of(&key(user))
}

/// A token that everybody has.
pub(crate) fn asset(n: u8) -> AssetId {
    AssetId::token(Address::repeat_byte(n))
}

pub(crate) fn pay(to: FragmentId, amount: u128) -> AccountOp {
    AccountOp::Pay {
        to,
        asset: asset(1),
        amount,
    }
}

/// Opens a fragment for somebody.
pub(crate) fn open(user: u8, amount: u128) -> AccountOp {
    AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: address(user),
        assets: vec![(asset(1), amount)],
    }
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    /// Blocks of another branch have other hashes.
    pub(crate) branch: u8,
    finalised: u64,
    settled: Ledger,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_min_lock(MIN_LOCK)
    }

    /// With another least lock, in gwei.
    pub(crate) fn with_min_lock(min_lock: u64) -> Self {
        let params = Params {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            window: WINDOW,
            insured_gas_price: GWEI,
            min_lock: u128::from(min_lock) * GWEI,
            caps: None,
        };
        let env = Env {
            account_rule: BOOK.account,
            bridge: DOMAIN.bridge,
            rules: Rules::default()
                .with(BOOK.swap, rules::swap::Swap)
                .with(BOOK.pool, rules::pool::Pool)
                .with(BOOK.credit, rules::credit::Credit),
        };
        let ledger = Ledger::new(params, env);
        let mut world = Self {
            settled: ledger.clone(),
            ledger,
            branch: 0,
            finalised: DEPLOYED,
        };
        world.ledger.begin_block(DEPLOYED, world.hash_of(DEPLOYED)).unwrap();
        for rule in BOOK.table() {
            world.ledger.register_rule(rule, DEPLOYED);
        }
        for proposer in [OURS, RIVAL, LIAR] {
            world.ledger.fund_bond(address(proposer), 1_000_000_000 * GWEI).unwrap();
        }
        world.mine();
        world
    }

    pub(crate) fn hash_of(&self, block: u64) -> B256 {
        keccak256([&block.to_be_bytes()[..], &[self.branch]].concat())
    }

    pub(crate) fn mine(&mut self) {
        let block = self.ledger.block() + 1;
        self.ledger.begin_block(block, self.hash_of(block)).unwrap();
    }

    pub(crate) fn tip(&self) -> u64 {
        self.ledger.block()
    }

    /// As a follower shows it, which forgets the steps of what is final.
    pub(crate) fn view(&self) -> View {
        let number = self.tip();
        let mut ledger = self.ledger.clone();
        ledger.forget_valid_steps(self.finalised);
        View {
            deployment: Arc::new(Deployment {
                chain_id: DOMAIN.chain_id,
                deployment_block: DEPLOYED,
                bridge: DOMAIN.bridge,
                verifier: Address::ZERO,
                registry: Address::ZERO,
                account: BOOK.account,
                parameters: Parameters {
                    window: WINDOW,
                    insured_gas_price: 1_000_000_000,
                    min_lock: u128::from(MIN_LOCK) * GWEI,
                    caps: std::collections::BTreeMap::new(),
                },
            }),
            book: BOOK,
            ledger,
            index: Index::default(),
            settled: self.settled.clone(),
            settled_index: Index::default(),
            tip: Block {
                number,
                hash: self.hash_of(number),
                parent: self.hash_of(number - 1),
            },
            finalised: Block {
                number: self.finalised,
                hash: self.hash_of(self.finalised),
                parent: self.hash_of(self.finalised - 1),
            },
            synced: true,
        }
    }

    /// L1 finalises all that is there.
    pub(crate) fn finalise(&mut self) {
        self.finalise_to(self.ledger.clone());
    }

    /// L1 finalises what is there up to an earlier ledger.
    pub(crate) fn finalise_to(&mut self, settled: Ledger) {
        self.finalised = settled.block();
        self.settled = settled;
    }

    /// A fragment of a user, from a deposit of a token in this block.
    pub(crate) fn deposit(&mut self, user: u8, n: u8, amount: u128) -> FragmentId {
        self.deposit_for(Key::Secp256k1(address(user)), n, amount)
    }

    pub(crate) fn deposit_for(&mut self, key: Key, n: u8, amount: u128) -> FragmentId {
        let id = self.ledger.deposit(key, Address::repeat_byte(n), amount).unwrap();
        AnchorId::new(id, 0).fragment()
    }

    pub(crate) fn fragment(&self, id: FragmentId) -> &Fragment {
        let state = self.ledger.state(id.anchor()).and_then(State::known).unwrap();
        state.fragment(id.leaf()).unwrap()
    }

    pub(crate) fn balance(&self, id: FragmentId) -> u128 {
        self.fragment(id).balance(asset(1))
    }

    /// A batch of somebody else in the next block.
    pub(crate) fn post(&mut self, proposer: u8, plans: &[StepPlan], tamper: impl FnOnce(&mut Batch)) -> BatchId {
        let proposer = address(proposer);
        let clock = self.tip();
        let posting = Posting {
            proposer,
            clock,
            clock_hash: self.hash_of(clock),
            slot: self.ledger.free_slot(proposer).unwrap(),
            ceiling: MAX_CEILING,
        };
        let mut builder = BatchBuilder::new(&self.ledger, posting).rule_table(BOOK.table());
        for plan in plans {
            builder.step(plan).unwrap();
        }
        let mut batch = builder.build().unwrap();
        tamper(&mut batch);
        let batch = batch.encode();
        self.mine();
        self.ledger.submit(proposer, &batch).unwrap().id
    }

    /// Our batch in the next block. No step of it may be a lie.
    pub(crate) fn include(&mut self, packed: &Packed) -> BatchId {
        self.mine();
        let submitted = self.ledger.submit(address(OURS), &packed.bytes).unwrap();
        for judgement in self.ledger.judgement(submitted.id).unwrap() {
            assert!(
                matches!(judgement, Judgement::Valid | Judgement::Skipped(_)),
                "an honest proposer posted {judgement:?}"
            );
        }
        submitted.id
    }
}

/// An intent of a user's fragment.
pub(crate) fn sign(signer: &dyn Signer, fragment: FragmentId, nonce: u64, request: Request) -> SignedIntent {
    sign_until(signer, fragment, nonce, request, 5_000)
}

pub(crate) fn sign_until(
    signer: &dyn Signer,
    fragment: FragmentId,
    nonce: u64,
    request: Request,
    valid_until: u64,
) -> SignedIntent {
    let intent = Intent {
        request,
        fragment,
        nonce,
        valid_until,
    };
    intent.sign(&BOOK, &DOMAIN, signer)
}

/// Operations of the Account rule, alone.
pub(crate) fn alone(user: u8, fragment: FragmentId, nonce: u64, ops: Vec<AccountOp>) -> Bundle {
    Bundle(vec![sign(&key(user), fragment, nonce, Request::Account(ops))])
}

/// A payment to somebody who consents.
pub(crate) fn payment(from: (u8, FragmentId, u64), to: (u8, FragmentId, u64), amount: u128) -> Bundle {
    Bundle(vec![
        sign(&key(from.0), from.1, from.2, Request::Account(vec![pay(to.1, amount)])),
        sign(&key(to.0), to.1, to.2, Request::Account(Vec::new())),
    ])
}

/// A mempool and its proposer.
pub(crate) struct Node {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) limits: Limits,
    pub(crate) carrier: Carrier,
    pub(crate) mempool: Mempool,
    pub(crate) room: Room,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Carrier::new(key(OURS)))
    }

    pub(crate) fn with(limits: Limits, carrier: Carrier) -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let mempool = Mempool::open(Arc::clone(&store), limits, carrier.clone()).unwrap();
        Self {
            store,
            limits,
            carrier,
            mempool,
            room: Room::default(),
        }
    }

    /// One that asks for a fee.
    pub(crate) fn charging(amount: u128, tills: Vec<FragmentId>) -> Self {
        let fee = AssetAmount {
            asset: asset(1),
            amount,
        };
        Self::with(Limits::default(), Carrier::new(key(OURS)).charging(fee, tills))
    }

    /// As after a crash.
    pub(crate) fn restart(&mut self) {
        self.mempool = Mempool::open(Arc::clone(&self.store), self.limits, self.carrier.clone()).unwrap();
    }

    pub(crate) fn see(&mut self, world: &World) {
        self.mempool.on_view(&world.view());
    }

    /// Sees what is final, as a follower shows it before it forgets the steps.
    pub(crate) fn witness(&mut self, settled: &Ledger) {
        for batch in settled.batches() {
            self.mempool.witness(settled, batch);
        }
        assert!(self.mempool.keep_witnessed());
    }

    pub(crate) fn send(&mut self, world: &World, bundle: Bundle) -> Result<IntentId, Refusal> {
        let view = world.view();
        self.mempool.on_view(&view);
        self.mempool.accept(&view, bundle)
    }

    pub(crate) fn pack(&self, world: &World) -> Option<Packed> {
        pack(&self.mempool, &world.view(), &self.room, None).packed
    }

    pub(crate) fn status(&self, world: &World, id: IntentId) -> IntentStatus {
        self.mempool.status(&world.view(), id).unwrap().status
    }

    pub(crate) fn is_waiting(&self, world: &World, id: IntentId) -> bool {
        matches!(self.status(world, id), IntentStatus::Waiting { .. })
    }

    /// Packs what waits, and includes it in the next block.
    pub(crate) fn step(&mut self, world: &mut World) -> Option<BatchId> {
        self.see(world);
        let packed = self.pack(world)?;
        let batch = world.include(&packed);
        self.see(world);
        Some(batch)
    }
}
