//! A bridge in an EVM and the model of it, kept in step.

use alloy::{
    primitives::{Address, Bytes, FixedBytes, U256, Uint},
    sol_types::SolEvent,
};
use nthroot_bindings::{Bridge, mocks};
use nthroot_evm::{Deployed, Parameters, Receipt, SpecId, rule::Bytecode};
use nthroot_model::{
    anchor::AnchorState,
    builder::{BatchBuilder, Posting},
    kernel::Env,
    ledger::{Conviction, Judgement, Ledger},
    params::Params,
    rule::Rules,
};
use nthroot_protocol::{
    AnchorId, AssetId, Batch, BatchId, Domain, Fragment, Head, Key, Meaning, Outflow, PreEntry, SignedMessage,
};

pub const ETHER: u128 = 1_000_000_000_000_000_000;
pub const MALLORY: Address = Address::repeat_byte(0x3a);
pub const CHALLENGER: Address = Address::repeat_byte(0xc4);

/// Places of the test rules in the rule table.
pub const PUPPET: u8 = 1;
pub const RAW: u8 = 2;
pub const REVERTER: u8 = 3;
pub const LOOPER: u8 = 4;
pub const SPINNER: u8 = 5;

/// A rule that goes round as often as `extra` says, for 40 gas each time, and does nothing. `extra` comes last in the
/// calldata, as length ‖ bytes.
///
/// PUSH1 132 CALLDATALOAD PUSH1 36 ADD CALLDATALOAD · JUMPDEST DUP1 ISZERO PUSH1 20 JUMPI PUSH1 1 SWAP1 SUB PUSH1 7 JUMP ·
/// JUMPDEST PUSH1 32 PUSH0 MSTORE PUSH1 64 PUSH0 RETURN
const SPINNER_CODE: [u8; 29] = alloy::hex!("608435602401355b801560145760019003600756" "5b60205f5260405ff3");

/// A bridge and its model, which judges the test rules by their code.
#[derive(Clone)]
pub struct Stage {
    pub l1: Deployed,
    pub ledger: Ledger,
    pub table: Vec<Address>,
}

/// What a challenge took.
pub struct Challenged {
    pub receipt: Receipt,
    pub conviction: Conviction,
    /// Bytes.
    pub evidence: usize,
}

impl Stage {
    /// A bridge with test rules and no deposits, of which Mallory is a proposer.
    pub fn new(spec: SpecId) -> Self {
        Self::with_rules(spec, |_, rules| (Vec::new(), rules))
    }

    /// The same with more rules, which `register` puts on the chain: their addresses, and the twins with theirs.
    pub fn with_rules(spec: SpecId, register: impl FnOnce(&mut Deployed, Rules) -> (Vec<Address>, Rules)) -> Self {
        let mut l1 = Deployed::new(spec, Parameters::default()).expect("it deploys");
        let codes = [
            &mocks::Puppet::DEPLOYED_BYTECODE,
            &mocks::RawReturn::DEPLOYED_BYTECODE,
            &mocks::Reverter::DEPLOYED_BYTECODE,
            &mocks::Looper::DEPLOYED_BYTECODE,
            &SPINNER_CODE.into(),
        ];
        let (mut table, mut rules) = (Vec::new(), Rules::default());
        for code in codes {
            let rule = l1.register(code.clone()).expect("it registers");
            table.push(rule);
            rules = rules.with(rule, Bytecode::new(spec, code.clone()));
        }
        let (more, rules) = register(&mut l1, rules);
        table.extend(more);
        let registered = l1.chain.number() - 1; // the last of them
        let params = Params {
            chain_id: l1.chain.chain_id(),
            deployment_block: l1.deployment_block,
            window: l1.parameters.window,
            insured_gas_price: l1.parameters.insured_gas_price.into(),
            min_lock: l1.parameters.min_lock.into(),
            caps: Default::default(),
        };
        let env = Env {
            account_rule: l1.account,
            bridge: l1.bridge,
            rules,
        };
        let mut ledger = Ledger::new(params, env);
        for rule in &table {
            ledger.register_rule(*rule, registered);
        }
        let mut stage = Self { l1, ledger, table };
        stage.enter_block();
        stage.l1.chain.fund(CHALLENGER, U256::from(ETHER));
        stage.bond(MALLORY);
        stage
    }

    /// Gives a proposer a bond.
    pub fn bond(&mut self, proposer: Address) {
        self.l1.chain.fund(proposer, U256::from(10_000 * ETHER));
        let bond = Bridge::fundBondCall { proposer };
        let receipt = self.l1.send_value(proposer, U256::from(1_000 * ETHER), &bond);
        assert!(receipt.expect("sent").success);
        self.ledger.fund_bond(proposer, 1_000 * ETHER).expect("whole gwei");
    }

    fn enter_block(&mut self) {
        let number = self.l1.chain.number();
        for block in self.ledger.block() + 1..=number {
            // The hash of a block is known when it is over; clocks are older than the block they are used in.
            let hash = self.l1.chain.block_hash(block);
            self.ledger.begin_block(block, hash).expect("in order");
        }
    }

    pub fn mine(&mut self, blocks: u64) {
        self.l1.chain.mine(blocks);
        self.enter_block();
    }

    /// Deposits ether.
    pub fn deposit(&mut self, key: Key, wei: u128) -> AnchorId {
        let deposit = Bridge::depositCall {
            key: FixedBytes(key.to_bytes()),
        };
        let receipt = self.l1.send_value(MALLORY, U256::from(wei), &deposit);
        assert!(receipt.expect("sent").success);
        let id = self.ledger.deposit(key, Address::ZERO, wei);
        AnchorId::new(id.expect("a deposit"), 0)
    }

    /// Deposits an ERC-20 that Mallory has and lets the bridge take.
    pub fn deposit_token(&mut self, key: Key, token: Address, amount: u128) -> AnchorId {
        let deposit = Bridge::depositTokenCall {
            token,
            amount: U256::from(amount),
            key: FixedBytes(key.to_bytes()),
        };
        let receipt = self.l1.send(MALLORY, &deposit);
        assert!(receipt.expect("sent").success);
        let id = self.ledger.deposit(key, token, amount);
        AnchorId::new(id.expect("a deposit"), 0)
    }

    pub fn domain(&self) -> Domain {
        Domain {
            chain_id: self.l1.chain.chain_id(),
            bridge: self.l1.bridge,
        }
    }

    /// What stands under an anchor.
    pub fn anchor(&self, anchor: AnchorId) -> &AnchorState {
        let state = self.ledger.state(anchor);
        state.and_then(|state| state.known()).expect("known")
    }

    pub fn fragment(&self, anchor: AnchorId, leaf: u32) -> &Fragment {
        self.anchor(anchor).fragment(leaf).expect("it exists")
    }

    /// What a fragment signs so that a rule may take `outflow` wei from it at most.
    pub fn message(
        &self,
        (anchor, leaf): (AnchorId, u32),
        rule: Address,
        payload: &[u8],
        outflow: u128,
    ) -> SignedMessage {
        let outflow = Outflow {
            asset: AssetId::ETH,
            amount: outflow,
        };
        SignedMessage {
            meaning: Meaning::opaque(payload),
            rule,
            fragment: anchor.leaf(leaf).expect("a leaf"),
            nonce: self.fragment(anchor, leaf).nonce,
            valid_until: self.l1.chain.number() + 1_000,
            outflows: if outflow.amount > 0 { vec![outflow] } else { vec![] },
        }
    }

    /// How a batch of now is posted.
    pub fn posting(&mut self, proposer: Address) -> Posting {
        let clock = self.l1.chain.number() - 1;
        Posting {
            proposer,
            clock,
            clock_hash: self.l1.chain.block_hash(clock),
            slot: self.ledger.free_slot(proposer).expect("65,536 slots"),
            ceiling: 10_000_000,
        }
    }

    /// A builder of a batch of now, which may use all test rules.
    pub fn builder(&mut self, proposer: Address) -> BatchBuilder<'_> {
        let posting = self.posting(proposer);
        BatchBuilder::new(&self.ledger, posting).rule_table(self.table.clone())
    }

    /// Posts a batch on both sides; what L1 answers, and the batch's id.
    pub fn submit(&mut self, proposer: Address, batch: &Batch) -> (Receipt, BatchId) {
        let bytes = batch.encode();
        let call = Bridge::submitCall {
            batch: bytes.clone().into(),
        };
        let receipt = self.l1.send(proposer, &call).expect("sent");
        assert!(receipt.success, "L1 takes it: {}", receipt.output);
        let submitted = self.ledger.submit(proposer, &bytes).expect("the model takes it");
        let event = Bridge::BatchSubmitted::decode_log(&receipt.logs[0]).expect("an event");
        assert_eq!(event.word, submitted.word.pack(), "the same commitment");
        (receipt, submitted.id)
    }

    /// Posts a batch that is as it should be, and goes on to the next block.
    pub fn post(&mut self, proposer: Address, batch: &Batch) -> BatchId {
        let (_, id) = self.submit(proposer, batch);
        assert!(!self.is_lie(id), "{:?}", self.ledger.judgement(id));
        self.mine(1);
        id
    }

    /// Whether the model sees that the batch's first step is a lie.
    pub fn is_lie(&self, id: BatchId) -> bool {
        !matches!(self.ledger.judgement(id).expect("kept")[0], Judgement::Valid)
    }

    /// The call that challenges a step, with the batch's entries.
    pub fn challenge_call(&self, id: BatchId, step: u16) -> Bridge::challengeCall {
        let evidence = self.ledger.evidence(id, step).expect("known pre-states");
        let entries = PreEntry::encode_list(self.ledger.entries(id).expect("kept"));
        Bridge::challengeCall {
            evidence: evidence.into(),
            entries: entries.into(),
        }
    }

    /// The bond of a proposer, wei.
    pub fn bond_of(&mut self, proposer: Address) -> U256 {
        let call = Bridge::bondOfCall { proposer };
        self.l1.chain.view(self.l1.bridge, &call).expect("a view").balance
    }

    /// Challenges a step by a whole transaction, which convicts the batch and takes it back.
    pub fn challenge(&mut self, id: BatchId, step: u16) -> Challenged {
        let entries = self.ledger.entries(id).expect("kept").to_vec();
        let proposer = self.ledger.preimage(id).expect("kept").proposer;
        let before = self.bond_of(proposer);
        let call = self.challenge_call(id, step);
        let receipt = self.l1.send(CHALLENGER, &call).expect("one transaction");
        assert!(receipt.success, "it is convicted: {}", receipt.output);
        let event = Bridge::Convicted::decode_log(&receipt.logs[0]).expect("an event");
        let conviction = self.ledger.convict(&call.evidence, &call.entries);
        let conviction = conviction.expect("the model convicts");
        assert!(conviction.unwound, "nothing was built on it");
        assert_eq!(event.slashed, U256::from(conviction.slashed));
        assert_eq!(before - self.bond_of(proposer), event.slashed, "the bond pays");
        let richer = U256::from(ETHER) + U256::from(conviction.reward);
        assert_eq!(self.l1.chain.balance(CHALLENGER), richer, "half to the challenger");
        for PreEntry { anchor, head } in entries {
            let call = Bridge::headOfCall {
                anchor: Uint::from(anchor.to_u64()),
            };
            let now = self.l1.chain.view(self.l1.bridge, &call).expect("a view");
            assert_eq!(now, Head::to_word(head), "rolled back");
        }
        let again = self.l1.send(CHALLENGER, &call).expect("sent");
        assert!(again.error::<Bridge::WrongStatus>().is_some(), "convicted once");
        Challenged {
            receipt,
            conviction,
            evidence: call.evidence.len(),
        }
    }

    /// Asserts that a step cannot be convicted.
    pub fn assert_valid(&mut self, id: BatchId, step: u16) {
        let call = self.challenge_call(id, step);
        for entries in [Bytes::new(), call.entries] {
            let call = Bridge::challengeCall {
                evidence: call.evidence.clone(),
                entries,
            };
            let receipt = self.l1.send(CHALLENGER, &call).expect("sent");
            assert!(receipt.error::<Bridge::StepIsValid>().is_some(), "{}", receipt.output);
        }
    }
}
