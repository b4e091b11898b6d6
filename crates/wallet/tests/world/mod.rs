//! A ledger with the rules and users on it, whose steps are planned by the wallet and judged by the model.

use alloy_primitives::{Address, B256, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    builder::{BatchBuilder, Posting, StepError, StepPlan},
    kernel::Env,
    ledger::{Judgement, Ledger, State},
    params::Params,
    rule::Rules,
    rules,
    signing::address_of,
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, BatchId, Domain, Fragment, FragmentId, Key, limits::MAX_CEILING};
use nthroot_wallet::{
    Intent, Plan, Request, RuleBook, SignedIntent,
    account::{self, Party, Terms},
};

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
const PROPOSER: Address = Address::repeat_byte(0x70);
const DEPLOYED: u64 = 100;

/// Two tokens that everybody has.
pub(crate) fn asset(n: u8) -> AssetId {
    AssetId::token(Address::repeat_byte(n))
}

pub(crate) fn key(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user + 1; 32]).unwrap()
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) fn new() -> Self {
        let params = Params {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            window: 20,
            insured_gas_price: 1,
            min_lock: 1_000_000_000,
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
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, hash_of(DEPLOYED)).unwrap();
        for rule in BOOK.table() {
            ledger.register_rule(rule, DEPLOYED);
        }
        ledger.fund_bond(PROPOSER, 100_000_000_000_000_000_000).unwrap();
        let mut world = Self { ledger };
        world.advance(1);
        world
    }

    pub(crate) fn advance(&mut self, blocks: u64) {
        for _ in 0..blocks {
            let block = self.ledger.block() + 1;
            self.ledger.begin_block(block, hash_of(block)).unwrap();
        }
    }

    /// The clock of the next batch.
    pub(crate) fn clock(&self) -> u64 {
        self.ledger.block() - 1
    }

    /// A fragment with these assets, tokens, of a user.
    pub(crate) fn fragment(&mut self, user: u8, assets: &[(AssetId, u128)]) -> FragmentId {
        let owner = key(user);
        let deposits: Vec<FragmentId> = assets
            .iter()
            .map(|(asset, amount)| {
                let token = asset.as_token().unwrap();
                let id = self.ledger.deposit(Key::Secp256k1(address_of(&owner)), token, *amount);
                AnchorId::new(id.unwrap(), 0).fragment()
            })
            .collect();
        self.advance(1);
        let [into, others @ ..] = deposits.as_slice() else {
            panic!("no assets")
        };
        if others.is_empty() {
            return *into;
        }
        let mut parties = vec![Party::signing(&owner, *into, 0, Vec::new())];
        for (from, (asset, amount)) in others.iter().zip(&assets[1..]) {
            let pay = AccountOp::Pay {
                to: *into,
                asset: *asset,
                amount: *amount,
            };
            parties.push(Party::signing(&owner, *from, 0, vec![pay]));
        }
        let terms = Terms {
            domain: DOMAIN,
            book: BOOK,
            valid_until: 10_000,
        };
        let plan = account::plan(&terms, &parties).unwrap();
        self.post(&plan).unwrap();
        *into
    }

    /// The intent of a user's fragment, signed at its present nonce.
    pub(crate) fn sign(&self, user: u8, fragment: FragmentId, request: Request) -> SignedIntent {
        let intent = Intent {
            request,
            fragment,
            nonce: self.state(fragment).nonce,
            valid_until: 10_000,
        };
        intent.sign(&BOOK, &DOMAIN, &key(user))
    }

    pub(crate) fn state(&self, id: FragmentId) -> &Fragment {
        let state = self.ledger.state(id.anchor()).and_then(State::known).unwrap();
        state.fragment(id.leaf()).unwrap()
    }

    pub(crate) fn balance(&self, id: FragmentId, asset: AssetId) -> u128 {
        self.state(id).balance(asset)
    }

    /// Posts a step, which must turn out valid for whoever follows. Returns the batch's id.
    pub(crate) fn post(&mut self, plan: &StepPlan) -> Result<BatchId, StepError> {
        let clock = self.clock();
        let posting = Posting {
            proposer: PROPOSER,
            clock,
            clock_hash: hash_of(clock),
            slot: self.ledger.free_slot(PROPOSER).unwrap(),
            ceiling: MAX_CEILING,
        };
        let mut builder = BatchBuilder::new(&self.ledger, posting).rule_table(BOOK.table());
        builder.step(plan)?;
        let batch = builder.build().unwrap().encode();
        let submitted = self.ledger.submit(PROPOSER, &batch).unwrap();
        let judged = self.ledger.judgement(submitted.id).unwrap();
        assert!(matches!(judged[..], [Judgement::Valid]), "{judged:?}");
        self.advance(1);
        Ok(submitted.id)
    }

    /// Posts a step of one call, planned by `add`.
    pub(crate) fn run(&mut self, add: impl FnOnce(&mut Plan)) -> BatchId {
        let mut plan = Plan::new(BOOK);
        add(&mut plan);
        self.post(&plan.finish()).unwrap()
    }

    /// What a batch opened.
    pub(crate) fn opened(&self, batch: BatchId) -> FragmentId {
        let mut opened = self.ledger.anchors().filter(|(id, ..)| id.batch() == batch);
        opened.next().unwrap().0.fragment()
    }
}

fn hash_of(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}
