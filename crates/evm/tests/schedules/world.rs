//! The bridge and the ledger side by side, and everything that must be equal in them.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolConstructor},
};
use nthroot_bindings::{Bridge, bridge::IBridge, mocks};
use nthroot_evm::{Deployed, Parameters, Receipt, SpecId, deployable};
use nthroot_model::{
    anchor::AnchorState,
    kernel::Env,
    ledger::{Judgement, Ledger},
    params::Params,
    rule::Rules,
};
use nthroot_protocol::{AnchorId, AssetId, BatchId, Head, PreEntry, Status};

use crate::{
    draft,
    reverts::error_of,
    users::{self, ACCOUNTS, USERS},
};

pub(crate) const PROPOSERS: [Address; 3] = [
    Address::repeat_byte(0xa1),
    Address::repeat_byte(0xb0),
    Address::repeat_byte(0xc2),
];
/// Deposits, challenges, funds and claims for others.
pub(crate) const SOMEBODY: Address = Address::repeat_byte(0x5b);
/// A contract that takes ether, and signs whatever it is asked to.
pub(crate) const WALLET: Address = Address::repeat_byte(0x1a);
/// Answers every call with the magic value of ERC-1271: PUSH4 1626ba7e, PUSH1 e0, SHL, PUSH0, MSTORE, PUSH1 20, PUSH0, RETURN.
const WALLET_CODE: [u8; 14] = alloy::primitives::hex!("631626ba7e60e01b5f5260205ff3");
pub(crate) const SLOTS: u16 = 8;
const ETHER: u128 = 1_000_000_000_000_000_000;
/// Batches that the first proposer can have at stake: many; the last one: a few.
const BONDS: [u128; 3] = [2 * ETHER, ETHER / 2, ETHER / 20];

/// Most wei that the bridge may hold after a deposit, where it is capped: the first bonds and deposits and a few more.
const ETH_CAP: U256 = U256::from_limbs([2_550_000_000_008_500_000, 0, 0, 0]);
/// Most tokens.
const TOKEN_CAP: U256 = U256::from_limbs([800_000, 0, 0, 0]);

/// What a bridge takes.
#[derive(Clone, Copy)]
pub(crate) enum Assets {
    Any,
    EthAndToken,
    Eth,
}

/// Deploys a bridge beside the one that is there, and takes its place.
fn deploy_bridge(l1: &mut Deployed, caps: Option<&BTreeMap<Address, U256>>) {
    let caps = caps.into_iter().flatten();
    let caps = caps.map(|(token, cap)| IBridge::AssetCap {
        token: *token,
        cap: *cap,
    });
    let arguments = Bridge::constructorCall {
        window: U256::from(l1.parameters.window),
        insuredGasPrice: U256::from(l1.parameters.insured_gas_price),
        minLock: U256::from(l1.parameters.min_lock),
        verifier: l1.verifier,
        registry: l1.registry,
        caps: caps.collect(),
    };
    let code = [
        deployable("Bridge", &Bridge::BYTECODE).as_ref(),
        &arguments.abi_encode(),
    ]
    .concat();
    l1.deployment_block = l1.chain.number();
    l1.bridge = l1.chain.create(l1.deployer, code.into()).expect("it deploys");
    l1.chain.mine(1);
}

/// How often what happened.
pub(crate) type Tally = BTreeMap<String, u64>;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) l1: Deployed,
    /// Fed with calls, and checks what the bridge checks.
    pub(crate) ledger: Ledger,
    /// Fed with events.
    pub(crate) followed: Ledger,
    pub(crate) puppet: Address,
    pub(crate) token: Address,
    pub(crate) hashes: BTreeMap<u64, B256>,
    /// Every anchor that was ever open.
    pub(crate) anchors: BTreeSet<AnchorId>,
    /// Batches that were built and not yet posted.
    pub(crate) waiting: Vec<(Address, Vec<u8>)>,
    /// What the bridge should hold, by what went in and out: ETH, tokens.
    pub(crate) custody: [u128; 2],
    /// What is nobody's: half of what was slashed; tokens that were paid to the bridge itself.
    pub(crate) burnt: [u128; 2],
    /// What was done, for people.
    pub(crate) log: Vec<String>,
    pub(crate) tally: Tally,
}

impl World {
    /// A bridge that takes any token, or only some, each up to its cap.
    pub(crate) fn new(assets: Assets) -> Self {
        let parameters = Parameters::default();
        let mut l1 = Deployed::new(SpecId::OSAKA, parameters).expect("it deploys");
        let registered = l1.chain.number();
        let puppet = l1
            .register(mocks::Puppet::DEPLOYED_BYTECODE.clone())
            .expect("it registers");
        let token = l1
            .chain
            .create(l1.deployer, mocks::Token::BYTECODE.clone())
            .expect("it deploys");
        let caps = match assets {
            Assets::Any => None,
            Assets::EthAndToken => Some(BTreeMap::from([(Address::ZERO, ETH_CAP), (token, TOKEN_CAP)])),
            Assets::Eth => Some(BTreeMap::from([(Address::ZERO, ETH_CAP)])),
        };
        deploy_bridge(&mut l1, caps.as_ref());
        let env = Env {
            account_rule: l1.account,
            bridge: l1.bridge,
            rules: Rules::default().with(puppet, |_: &_, _: &[_], _: &[_], extra: &[u8]| Ok(extra.to_vec())),
        };
        let params = Params {
            chain_id: l1.chain.chain_id(),
            deployment_block: l1.deployment_block,
            window: parameters.window,
            insured_gas_price: parameters.insured_gas_price.into(),
            min_lock: parameters.min_lock.into(),
            caps,
        };
        let ledger = Ledger::new(params, env);
        let mut world = Self {
            followed: ledger.clone(),
            ledger,
            puppet,
            token,
            hashes: BTreeMap::new(),
            anchors: BTreeSet::new(),
            waiting: Vec::new(),
            custody: [0, 0],
            burnt: [0, 0],
            log: Vec::new(),
            tally: Tally::new(),
            l1,
        };
        for block in world.l1.deployment_block..=world.l1.chain.number() {
            world.begin_block(block);
        }
        for ledger in [&mut world.ledger, &mut world.followed] {
            ledger.register_rule(world.l1.account, 0);
            ledger.register_rule(puppet, registered);
        }
        world.prepare_accounts();
        world.prepare_cohort();
        world.log.clear();
        world.tally.clear();
        world
    }

    fn prepare_accounts(&mut self) {
        let (token, bridge) = (self.token, self.l1.bridge);
        let accounts = (0..ACCOUNTS).map(users::account);
        for account in PROPOSERS.into_iter().chain([SOMEBODY]).chain(accounts) {
            self.l1.chain.fund(account, U256::from(1_000 * ETHER));
        }
        self.l1.chain.set_code(WALLET, Bytes::from_static(&WALLET_CODE));
        let mint = mocks::Token::mintCall {
            to: SOMEBODY,
            amount: U256::from(ETHER),
        };
        let approve = mocks::Token::approveCall {
            spender: bridge,
            value: U256::MAX,
        };
        for data in [mint.abi_encode(), approve.abi_encode()] {
            let receipt = self.l1.chain.send(SOMEBODY, token, U256::ZERO, data.into());
            assert!(receipt.expect("it fits").success);
        }
        for (proposer, wei) in PROPOSERS.into_iter().zip(BONDS) {
            let call = Bridge::fundBondCall { proposer };
            assert!(self.send(SOMEBODY, wei, &call).success);
            self.ledger.fund_bond(proposer, wei).expect("whole gwei");
            self.custody[0] += wei;
        }
        for number in 0..7 {
            let key = users::key(number % USERS);
            assert!(self.send_deposit(key.to_bytes(), Address::ZERO, 1_000_000).success);
            let id = self.ledger.deposit(key, Address::ZERO, 1_000_000);
            self.anchors.insert(AnchorId::new(id.expect("an id is left"), 0));
            self.custody[0] += 1_000_000;
        }
    }

    fn prepare_cohort(&mut self) {
        let from = *self.anchors.first().expect("a deposit");
        let mut header = None;
        for _ in 0..2 {
            self.advance(1);
            let batch = draft::cohort(self, from, header);
            self.submit("cohort", PROPOSERS[1], &batch.encode());
            let id = self.ledger.global().last;
            header = Some(AnchorId::new(id, 1));
        }
    }

    /// Tells the ledger of the block that L1 is filling. Every block is told, so that every clock's hash is known.
    pub(crate) fn begin_block(&mut self, number: u64) {
        let hash = self.l1.chain.block_hash(number);
        self.hashes.insert(number, hash);
        for ledger in [&mut self.ledger, &mut self.followed] {
            ledger.begin_block(number, hash).expect("blocks follow each other");
        }
    }

    pub(crate) fn send(&mut self, from: Address, wei: u128, call: &impl SolCall) -> Receipt {
        let sent = self.l1.send_value(from, U256::from(wei), call);
        let receipt = sent.expect("L1 takes the transaction");
        self.follow(from, &call.abi_encode(), &receipt);
        receipt
    }

    pub(crate) fn note(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// Both sides refuse, for a reason that has the same meaning.
    pub(crate) fn refused(&mut self, action: &str, receipt: &Receipt, reasons: &[&str], model: &dyn std::fmt::Display) {
        assert!(
            !receipt.success,
            "{action}: the contract accepts, the model says: {model}"
        );
        let name = error_of(receipt).expect("a named error");
        assert!(
            reasons.contains(&name),
            "{action}: the contract says {name}, the model: {model}"
        );
        self.note(format!("{action} refused: {name}"));
    }

    pub(crate) fn preimage(&self, id: BatchId) -> Vec<u8> {
        self.ledger.preimage(id).expect("nothing is pruned").encode()
    }

    pub(crate) fn entries(&self, id: BatchId) -> Vec<u8> {
        PreEntry::encode_list(self.ledger.entries(id).expect("nothing is pruned"))
    }

    pub(crate) fn batches(&self) -> Vec<BatchId> {
        self.ledger.batches().collect()
    }

    /// Whether the batch's word still is that of the batch.
    pub(crate) fn has_word(&self, id: BatchId) -> bool {
        let preimage = self.ledger.preimage(id).expect("nothing is pruned");
        let word = self.ledger.word(preimage.proposer, preimage.header.slot);
        word.is_some_and(|word| word.opens_to(preimage))
    }

    /// Whether all its applied steps are known to be valid.
    pub(crate) fn is_honest(&self, id: BatchId) -> bool {
        let judgements = self.ledger.judgement(id).expect("nothing is pruned");
        judgements
            .iter()
            .all(|judgement| matches!(judgement, Judgement::Valid | Judgement::Skipped(_)))
    }

    fn view<C: SolCall>(&mut self, call: &C) -> Option<C::Return> {
        self.l1.chain.view(self.l1.bridge, call)
    }

    /// Compares everything that L1 shows with what the ledger says.
    pub(crate) fn compare(&mut self) {
        for anchor in self.anchors.clone() {
            let call = Bridge::headOfCall {
                anchor: anchor.to_u64().try_into().expect("56 bits"),
            };
            let expected = Head::to_word(self.ledger.head(anchor));
            assert_eq!(self.view(&call), Some(expected), "head of {anchor}");
        }
        for proposer in PROPOSERS {
            for slot in 0..SLOTS {
                let expected = self.ledger.word(proposer, slot).map_or(U256::ZERO, |word| word.pack());
                let word = self.view(&Bridge::wordOfCall { proposer, slot });
                assert_eq!(word, Some(expected), "word {slot} of {proposer}");
            }
        }
        for account in PROPOSERS.into_iter().chain([SOMEBODY]) {
            let bond = self.view(&Bridge::bondOfCall { proposer: account }).expect("a bond");
            let expected = [self.ledger.bond(account).balance, self.ledger.free_bond(account)];
            let gwei = U256::from(1_000_000_000);
            assert_eq!(
                [bond.balance, bond.free],
                expected.map(|n| U256::from(n) * gwei),
                "bond of {account}"
            );
        }
        if self.ledger.global().more > 0 {
            self.note("more faults than fields");
        }
        let fault = self.ledger.oldest_fault().map_or(1 << 40, BatchId::to_u64);
        assert_eq!(
            self.view(&Bridge::oldestFaultCall {}),
            Some(U256::from(fault)),
            "oldest fault"
        );
        for id in self.batches() {
            self.compare_batch(id, fault);
        }
        self.compare_custody();
        self.compare_followed();
    }

    fn compare_batch(&mut self, id: BatchId, fault: u64) {
        let preimage = Bytes::from(self.preimage(id));
        let status = self.view(&Bridge::statusCall {
            preimage: preimage.clone(),
        });
        let final_at = self.view(&Bridge::finalAtCall { preimage });
        if !self.has_word(id) {
            assert_eq!((status, final_at), (None, None), "the word of {id} was used again");
            return;
        }
        self.compare_assignments(id);
        let expected = self.ledger.status(id).expect("it is known");
        assert_eq!(status, Some(expected as u8), "status of {id}");
        let window_end = U256::from(self.ledger.window_end(id) + 1);
        assert_eq!(
            final_at,
            (expected == Status::Live).then_some(window_end),
            "finalAt of {id}"
        );
        let is_final = final_at.is_some_and(|at| U256::from(self.l1.chain.number()) >= at) && fault >= id.to_u64();
        assert_eq!(is_final, self.ledger.is_final(id), "finality of {id}");
    }

    fn compare_assignments(&mut self, id: BatchId) {
        let claims = self.ledger.claims(id).expect("nothing is pruned");
        // The first as an example of those that were not.
        let assigned = claims
            .iter()
            .filter(|claim| claim.assignments > 0 || claim.position == 0);
        for claim in assigned {
            let call = Bridge::assignmentOfCall {
                id: id.to_u64().try_into().expect("40 bits"),
                position: claim.position,
            };
            let found = self.view(&call).expect("a view");
            let recipient = if claim.assignments > 0 {
                claim.recipient
            } else {
                Address::ZERO
            };
            let expected = (recipient, U256::from(claim.assignments));
            assert_eq!(
                (found.recipient, found.count),
                expected,
                "claim {} of {id}",
                claim.position
            );
        }
    }

    /// The bridge holds what came in and has not gone out, and that covers what it owes.
    fn compare_custody(&mut self) {
        let bridge = self.l1.bridge;
        let eth: u128 = self.l1.chain.balance(bridge).to();
        let call = mocks::Token::balanceOfCall { account: bridge };
        let tokens: u128 = self.l1.chain.view(self.token, &call).expect("a balance").to();
        assert_eq!([eth, tokens], self.custody, "what the bridge holds");

        let accounts = PROPOSERS.into_iter().chain([SOMEBODY]);
        let bonds: u128 = accounts
            .map(|account| u128::from(self.ledger.bond(account).balance))
            .sum();
        let owed = [
            self.owed(Address::ZERO) + bonds * 1_000_000_000 + self.burnt[0],
            self.owed(self.token) + self.burnt[1],
        ];
        assert!(eth >= owed[0] && tokens >= owed[1], "{eth}, {tokens} cover {owed:?}");
        // Where nothing is in doubt, nothing is lost either.
        if self.nothing_in_doubt() {
            assert_eq!([eth, tokens], owed, "what the bridge owes");
            self.note("all accounted for");
        }
    }

    /// What is in fragments whose states are known, and in unpaid withdrawals of honest batches that were not reverted.
    fn owed(&self, token: Address) -> u128 {
        let states = self.ledger.anchors().filter_map(|(_, _, state)| state.known());
        let fragments = states.flat_map(AnchorState::fragments);
        let held: u128 = fragments
            .map(|(_, fragment)| fragment.balance(AssetId::token(token)))
            .sum();
        let live = |id: &BatchId| self.ledger.status(*id) == Some(Status::Live) && self.is_honest(*id);
        let claims = self.batches().into_iter().filter(live);
        let claims = claims.flat_map(|id| self.ledger.claims(id).expect("nothing is pruned"));
        let unpaid = claims.filter(|claim| !claim.paid && claim.withdrawal.token == token);
        held + unpaid.map(|claim| claim.withdrawal.amount).sum::<u128>()
    }

    fn nothing_in_doubt(&self) -> bool {
        let settled = |id: BatchId| match self.ledger.status(id) {
            Some(Status::Live) => self.is_honest(id),
            status => status == Some(Status::Unwound),
        };
        self.batches().into_iter().all(settled)
    }
}
