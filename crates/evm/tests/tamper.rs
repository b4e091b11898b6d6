//! The liar is the honest proposer with one thing changed. Each such lie is convicted in one transaction; the batch it was
//! made from cannot be.
#![allow(clippy::print_stdout, reason = "a table of what was measured")]

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolEvent,
};
use k256::ecdsa::SigningKey;
use nthroot_bindings::{Bridge, mocks};
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    kernel::Env,
    ledger::{Judgement, Ledger},
    params::Params,
    rule::{AuthorisationView, Context, FragmentView, RuleFailure, Rules},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, Body, Call, Domain, Effect, Fragment, Outflow, PreEntry, Root,
    SignedMessage, Withdrawal,
};

const ETHER: u128 = 1_000_000_000_000_000_000;
const MALLORY: Address = Address::repeat_byte(0x3a);
const CHALLENGER: Address = Address::repeat_byte(0xc4);
const TX_GAS_CAP: u64 = 1 << 24;

/// The one thing that the liar changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tamper {
    WrongRoot,
    CreditsItself,
    Overdraft,
    OutflowAboveWhatWasSigned,
    BadSignature,
    SignedByAnother,
    ReplayedNonce,
    OtherChain,
    OtherBridge,
    OtherRule,
    ExpiredAtTheClock,
    TouchWithoutConsent,
    ForeignFragmentDebited,
    JunkMintedToAStranger,
    SameFragmentTwice,
    EmptyBody,
    TruncatedBody,
    TrailingByte,
    ReservedForm,
    RuleNotInTheTable,
    RuleReverts,
    RuleLoops,
    RuleReturnsGarbage,
    RuleReturnsTooMuch,
    EffectsLongerThanCommitted,
    WithdrawalNotBacked,
    WithdrawalToAnother,
    WithdrawalDropped,
    AnchorOpenedByNobody,
    AboveItsCeiling,
}

impl Tamper {
    const ALL: [Self; 30] = [
        Self::WrongRoot,
        Self::CreditsItself,
        Self::Overdraft,
        Self::OutflowAboveWhatWasSigned,
        Self::BadSignature,
        Self::SignedByAnother,
        Self::ReplayedNonce,
        Self::OtherChain,
        Self::OtherBridge,
        Self::OtherRule,
        Self::ExpiredAtTheClock,
        Self::TouchWithoutConsent,
        Self::ForeignFragmentDebited,
        Self::JunkMintedToAStranger,
        Self::SameFragmentTwice,
        Self::EmptyBody,
        Self::TruncatedBody,
        Self::TrailingByte,
        Self::ReservedForm,
        Self::RuleNotInTheTable,
        Self::RuleReverts,
        Self::RuleLoops,
        Self::RuleReturnsGarbage,
        Self::RuleReturnsTooMuch,
        Self::EffectsLongerThanCommitted,
        Self::WithdrawalNotBacked,
        Self::WithdrawalToAnother,
        Self::WithdrawalDropped,
        Self::AnchorOpenedByNobody,
        Self::AboveItsCeiling,
    ];

    /// What the model must find wrong: part of its reason.
    const fn reason(self) -> &'static str {
        match self {
            Self::WrongRoot | Self::CreditsItself => "Root {",
            Self::Overdraft => "Balance {",
            Self::OutflowAboveWhatWasSigned => "Outflow {",
            Self::BadSignature
            | Self::SignedByAnother
            | Self::ReplayedNonce
            | Self::OtherChain
            | Self::OtherBridge
            | Self::OtherRule => "Signer {",
            Self::ExpiredAtTheClock => "Expired {",
            Self::TouchWithoutConsent | Self::ForeignFragmentDebited | Self::JunkMintedToAStranger => "NotAuthorised {",
            Self::SameFragmentTwice => "FragmentTwice {",
            Self::EmptyBody | Self::TruncatedBody => "Body(Truncated",
            Self::TrailingByte => "Body(Trailing",
            Self::ReservedForm => "Body(Form",
            Self::RuleNotInTheTable => "RuleIndex {",
            Self::RuleReverts | Self::RuleLoops | Self::RuleReturnsGarbage | Self::RuleReturnsTooMuch => "Rule(",
            Self::EffectsLongerThanCommitted => "EffectsLength {",
            Self::WithdrawalNotBacked | Self::WithdrawalToAnother | Self::WithdrawalDropped => "Withdrawals {",
            Self::AnchorOpenedByNobody => "Unopened {",
            Self::AboveItsCeiling => "ProofGas {",
        }
    }

    /// Changes the honest batch, whose only step has Alice (0) pay Bob (1) and withdraw.
    fn apply(self, stage: &Stage, batch: &mut Batch) {
        let step = &mut batch.steps[0];
        let mut body = Body::parse(&step.body).expect("honest");
        let call = &mut body.calls[0];
        let mut signed = stage.payment();
        let mut domain = stage.domain();
        let mut signer = &stage.alice;
        match self {
            Self::WrongRoot => step.fresh[0].root = Root::of(b"anything"),
            Self::CreditsItself => {
                let mut bob = Fragment::deposited(signing::address_of(&stage.bob), Address::ZERO, 900 * ETHER);
                bob.nonce = 2;
                step.fresh[1].root = bob.root();
            }
            Self::Overdraft => {
                signed.payload = stage.payload(200 * ETHER);
                signed.outflows[0].amount = u128::MAX;
            }
            Self::OutflowAboveWhatWasSigned => signed.outflows[0].amount = ETHER,
            Self::SignedByAnother => signer = &stage.bob,
            Self::ReplayedNonce => signed.nonce -= 1,
            Self::OtherChain => domain.chain_id += 1,
            Self::OtherBridge => domain.bridge = MALLORY,
            Self::OtherRule => signed.rule = stage.puppet,
            Self::ExpiredAtTheClock => signed.valid_until = batch.header.clock - 1,
            Self::TouchWithoutConsent => {
                call.authorisations.pop();
            }
            Self::ForeignFragmentDebited => {
                let asset = AssetId::ETH;
                *call = stage.puppet_call(&[Effect::Move {
                    from: 1,
                    to: 0,
                    asset,
                    amount: ETHER,
                }]);
            }
            Self::JunkMintedToAStranger => {
                *call = stage.puppet_call(&[Effect::Mint {
                    to: 1,
                    tag: B256::ZERO,
                    amount: 1,
                }]);
            }
            Self::SameFragmentTwice => call.fragments = vec![0, 1, 1],
            Self::RuleNotInTheTable => call.rule = 9,
            Self::RuleReverts => *call = stage.rule_call(3, Bytes::new()),
            Self::RuleLoops => *call = stage.rule_call(4, Bytes::new()),
            // As return data, neither is the encoding of a byte string.
            Self::RuleReturnsGarbage => *call = stage.rule_call(2, vec![7; 64].into()),
            Self::RuleReturnsTooMuch => *call = stage.rule_call(2, vec![0; 12_000].into()),
            Self::EffectsLongerThanCommitted => call.max_effects = 50,
            Self::WithdrawalNotBacked => step.withdrawals.push(Withdrawal {
                recipient: MALLORY,
                token: Address::ZERO,
                amount: ETHER,
            }),
            Self::WithdrawalToAnother => step.withdrawals[0].recipient = MALLORY,
            Self::WithdrawalDropped => step.withdrawals.clear(),
            Self::AnchorOpenedByNobody => step.opened.push(Root::of(b"mine")),
            Self::AboveItsCeiling => batch.header.ceiling = 100_000,
            // Below: these change encoded bytes.
            Self::BadSignature | Self::EmptyBody | Self::TruncatedBody | Self::TrailingByte | Self::ReservedForm => {}
        }
        let step = &mut batch.steps[0];
        if signed != stage.payment() || domain != stage.domain() || !std::ptr::eq(signer, &stage.alice) {
            body.calls[0].authorisations[0] = signing::authorise(signer, &domain, &signed, 0);
        }
        if self == Self::BadSignature {
            let mut signature: [u8; 64] = body.calls[0].authorisations[0].signature.into();
            signature[40] ^= 1;
            body.calls[0].authorisations[0].signature = signature.into();
        }
        let mut bytes = body.encode();
        match self {
            Self::EmptyBody => bytes.clear(),
            Self::TruncatedBody => bytes.truncate(bytes.len() - 1),
            Self::TrailingByte => bytes.push(0),
            Self::ReservedForm => bytes[0] = 1,
            _ => {}
        }
        step.body = bytes.into();
        batch.seal();
    }
}

/// A bridge, its model, Alice and Bob with 100 ETH each and one payment behind them.
#[derive(Clone)]
struct Stage {
    l1: Deployed,
    ledger: Ledger,
    puppet: Address,
    table: Vec<Address>,
    alice: SigningKey,
    bob: SigningKey,
    anchors: [AnchorId; 2],
}

impl Stage {
    fn new(spec: SpecId) -> Self {
        let mut l1 = Deployed::new(spec, Parameters::default()).expect("it deploys");
        let table: Vec<Address> = [
            &mocks::Puppet::DEPLOYED_BYTECODE,
            &mocks::RawReturn::DEPLOYED_BYTECODE,
            &mocks::Reverter::DEPLOYED_BYTECODE,
            &mocks::Looper::DEPLOYED_BYTECODE,
        ]
        .map(|code| l1.register(code.clone()).expect("it registers"))
        .into();
        let fail =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], _: &[u8]| Err(RuleFailure("fails".into()));
        let rules = Rules::default()
            .with(
                table[0],
                |_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]| Ok(extra.to_vec()),
            )
            .with(table[1], fail)
            .with(table[2], fail)
            .with(table[3], fail);
        let params = Params {
            chain_id: l1.chain.chain_id(),
            deployment_block: l1.deployment_block,
            window: l1.parameters.window,
            insured_gas_price: l1.parameters.insured_gas_price.into(),
            min_lock: l1.parameters.min_lock.into(),
        };
        let mut ledger = Ledger::new(
            params,
            Env {
                account_rule: l1.account,
                bridge: l1.bridge,
                rules,
            },
        );
        for rule in &table {
            ledger.register_rule(*rule, l1.deployment_block + 1);
        }
        let key = |byte: u8| SigningKey::from_slice(&[byte; 32]).expect("below the order");
        let mut stage = Self {
            puppet: table[0],
            table,
            l1,
            ledger,
            alice: key(0xa1),
            bob: key(0xb0),
            anchors: [AnchorId::default(); 2],
        };
        stage.enter_block();
        stage.l1.chain.fund(MALLORY, U256::from(1_000 * ETHER));
        let bond = Bridge::fundBondCall { proposer: MALLORY };
        assert!(
            stage
                .l1
                .send_value(MALLORY, U256::from(100 * ETHER), &bond)
                .expect("sent")
                .success
        );
        stage.ledger.fund_bond(MALLORY, 100 * ETHER).expect("whole gwei");
        for (place, user) in [stage.alice.clone(), stage.bob.clone()].iter().enumerate() {
            let controller = signing::address_of(user);
            let deposit = Bridge::depositCall { controller };
            assert!(
                stage
                    .l1
                    .send_value(MALLORY, U256::from(100 * ETHER), &deposit)
                    .expect("sent")
                    .success
            );
            let id = stage
                .ledger
                .deposit(controller, Address::ZERO, 100 * ETHER)
                .expect("a deposit");
            stage.anchors[place] = AnchorId::new(id, 0);
        }
        stage.next_block();
        // One honest payment first, so that nonces are not zero.
        let batch = stage.honest();
        stage.submit(&batch);
        stage.next_block();
        stage
    }

    fn enter_block(&mut self) {
        let number = self.l1.chain.number();
        for block in self.ledger.block() + 1..=number {
            // The hash of a block is known when it is over; clocks are older than the block they are used in.
            let hash = self.l1.chain.block_hash(block);
            self.ledger.begin_block(block, hash).expect("in order");
        }
    }

    fn next_block(&mut self) {
        self.l1.chain.mine(1);
        self.enter_block();
    }

    fn domain(&self) -> Domain {
        Domain {
            chain_id: self.l1.chain.chain_id(),
            bridge: self.l1.bridge,
        }
    }

    fn state(&self, user: usize) -> Fragment {
        self.ledger
            .state(self.anchors[user])
            .and_then(|state| state.known())
            .expect("known")
            .clone()
    }

    /// Alice pays Bob two ETH and withdraws one.
    fn payload(&self, amount: u128) -> Bytes {
        let recipient = signing::address_of(&self.alice);
        AccountOp::encode_payload(&[
            AccountOp::Pay {
                to: self.anchors[1].fragment(),
                asset: AssetId::ETH,
                amount,
            },
            AccountOp::Withdraw {
                recipient,
                token: Address::ZERO,
                amount: ETHER,
            },
        ])
        .into()
    }

    fn message(&self, user: usize, rule: Address, payload: Bytes, outflow: u128) -> SignedMessage {
        let outflow = Outflow {
            asset: AssetId::ETH,
            amount: outflow,
        };
        SignedMessage {
            rule,
            payload,
            fragment: self.anchors[user].fragment(),
            nonce: self.state(user).nonce,
            valid_until: self.l1.chain.number() + 100,
            outflows: if outflow.amount > 0 { vec![outflow] } else { vec![] },
        }
    }

    /// What Alice signs.
    fn payment(&self) -> SignedMessage {
        self.message(0, self.l1.account, self.payload(2 * ETHER), 3 * ETHER)
    }

    fn sign(&self, user: usize, message: &SignedMessage) -> Authorisation {
        let key = [&self.alice, &self.bob][user];
        signing::authorise(key, &self.domain(), message, u8::try_from(user).expect("two"))
    }

    /// A call of a rule of the table on both fragments, which both sign.
    fn rule_call(&self, index: u8, extra: Bytes) -> Call {
        let rule = self.table[usize::from(index) - 1];
        let sign = |user| self.sign(user, &self.message(user, rule, Bytes::new(), 0));
        Call {
            rule: index,
            gas: 100_000,
            max_effects: 100,
            fragments: vec![0, 1],
            authorisations: vec![sign(0), sign(1)],
            extra,
        }
    }

    /// A call of the puppet on both fragments which only Alice signs.
    fn puppet_call(&self, effects: &[Effect]) -> Call {
        let mut call = self.rule_call(1, Effect::encode_list(effects).into());
        call.authorisations.pop();
        call
    }

    fn honest(&mut self) -> Batch {
        let clock = self.l1.chain.number() - 1;
        let consent = self.message(1, self.l1.account, Bytes::new(), 0);
        let body = Body {
            calls: vec![Call {
                rule: 0,
                gas: 200_000,
                max_effects: 200,
                fragments: vec![0, 1],
                authorisations: vec![self.sign(0, &self.payment()), self.sign(1, &consent)],
                extra: Bytes::new(),
            }],
        };
        let posting = Posting {
            proposer: MALLORY,
            clock,
            clock_hash: self.l1.chain.block_hash(clock),
            slot: self.ledger.free_slot(MALLORY).expect("65,536 slots"),
            ceiling: 2_000_000,
        };
        let mut builder = BatchBuilder::new(&self.ledger, posting).rule_table(self.table.clone());
        let fragments = self.anchors.map(Name::Anchor).into();
        builder.step(&StepPlan { fragments, body }).expect("honest");
        builder.build().expect("complete")
    }

    /// Posts a batch on both sides; what it tells and whether the model sees a lie in it.
    fn submit(&mut self, batch: &Batch) -> (nthroot_protocol::BatchId, bool) {
        let bytes = batch.encode();
        let call = Bridge::submitCall {
            batch: bytes.clone().into(),
        };
        let receipt = self.l1.send(MALLORY, &call).expect("sent");
        assert!(receipt.success, "L1 takes it: {}", receipt.output);
        let submitted = self.ledger.submit(MALLORY, &bytes).expect("the model takes it");
        let event = Bridge::BatchSubmitted::decode_log(&receipt.logs[0]).expect("an event");
        assert_eq!(event.word, submitted.word.pack(), "the same commitment");
        (
            submitted.id,
            !matches!(self.ledger.judgement(submitted.id).expect("kept")[0], Judgement::Valid),
        )
    }
}

/// Bytes of evidence and gas of the challenge that convicts.
fn convict(tamper: Tamper, mut stage: Stage) -> (usize, u64) {
    let heads = stage.anchors.map(|anchor| stage.ledger.head(anchor));
    let mut batch = stage.honest();
    tamper.apply(&stage, &mut batch);
    let bond = |stage: &mut Stage| {
        let call = Bridge::bondOfCall { proposer: MALLORY };
        stage.l1.chain.view(stage.l1.bridge, &call).expect("a view").balance
    };
    let (id, lie) = stage.submit(&batch);
    assert!(lie, "{tamper:?}: the model sees it");
    let before = bond(&mut stage);

    let evidence = stage.ledger.evidence(id, 0).expect("known pre-states");
    let entries = PreEntry::encode_list(stage.ledger.entries(id).expect("kept"));
    let size = evidence.len();
    let call = Bridge::challengeCall {
        evidence: evidence.clone().into(),
        entries: entries.clone().into(),
    };
    let receipt = stage.l1.send(CHALLENGER, &call).expect("one transaction");
    assert!(receipt.success, "{tamper:?} is convicted: {}", receipt.output);
    assert!(receipt.gas < TX_GAS_CAP);
    let event = Bridge::Convicted::decode_log(&receipt.logs[0]).expect("an event");
    let conviction = stage.ledger.convict(&evidence, &entries).expect("the model convicts");
    let reason = format!("{:?}", conviction.reason);
    assert!(
        reason.contains(tamper.reason()),
        "{tamper:?} is wrong in that way only: {reason}"
    );
    assert!(conviction.unwound, "nothing was built on it");
    assert_eq!(event.slashed, U256::from(conviction.slashed));
    assert_eq!(before - bond(&mut stage), event.slashed, "the bond pays");
    assert_eq!(
        stage.l1.chain.balance(CHALLENGER),
        U256::from(conviction.reward),
        "half to the challenger"
    );
    for (anchor, head) in stage.anchors.iter().zip(heads) {
        let call = Bridge::headOfCall {
            anchor: alloy::primitives::Uint::from(anchor.to_u64()),
        };
        let now = stage.l1.chain.view(stage.l1.bridge, &call).expect("a view");
        assert_eq!(now, nthroot_protocol::Head::to_word(head), "{tamper:?}: rolled back");
    }
    let again = stage.l1.send(CHALLENGER, &call).expect("sent");
    assert!(again.error::<Bridge::WrongStatus>().is_some(), "convicted once");
    (size, receipt.gas)
}

#[test]
fn each_lie_is_convicted_in_one_transaction() {
    let stage = Stage::new(SpecId::OSAKA);
    println!("{:<28} {:>8} {:>9}", "lie", "bytes", "gas");
    for tamper in Tamper::ALL {
        let (size, gas) = convict(tamper, stage.clone());
        println!("{:<28} {size:>8} {gas:>9}", format!("{tamper:?}"));
    }
}

#[test]
fn each_lie_is_convicted_under_the_coming_gas_schedule() {
    let stage = Stage::new(SpecId::AMSTERDAM);
    for tamper in Tamper::ALL {
        convict(tamper, stage.clone());
    }
}

#[test]
fn the_honest_twin_cannot_be_convicted() {
    let mut stage = Stage::new(SpecId::OSAKA);
    let batch = stage.honest();
    let (id, lie) = stage.submit(&batch);
    assert!(!lie, "the model finds it valid");
    let evidence = stage.ledger.evidence(id, 0).expect("known pre-states");
    let entries = PreEntry::encode_list(stage.ledger.entries(id).expect("kept"));
    for entries in [Vec::new(), entries] {
        let call = Bridge::challengeCall {
            evidence: evidence.clone().into(),
            entries: entries.into(),
        };
        let receipt = stage.l1.send(CHALLENGER, &call).expect("sent");
        assert!(receipt.error::<Bridge::StepIsValid>().is_some(), "{}", receipt.output);
    }
    // Nor does any change to the evidence convict it: it opens something else, or nothing.
    for place in 0..evidence.len() {
        let mut changed = evidence.clone();
        changed[place] ^= 1 << (place % 8);
        let call = Bridge::challengeCall {
            evidence: changed.into(),
            entries: Bytes::new(),
        };
        let receipt = stage.l1.send(CHALLENGER, &call).expect("sent");
        assert!(
            !receipt.success && !receipt.output.is_empty(),
            "byte {place}: a named error"
        );
    }
}
