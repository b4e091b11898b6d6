//! A bridge with a few users, a rule that returns what it is told, and ways to post good and bad batches.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    kernel::Env,
    ledger::{Conviction, Ledger, SubmitError, Submitted},
    params::Params,
    rule::{AuthorisationView, Context, FragmentView, Rules},
    signing,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, BatchHeader, BatchId, Body, Call, Domain, Effect, Fragment,
    FreshTouch, Key, Meaning, Outflow, PreEntry, Root, SignedMessage, Step, Withdrawal,
};
use proptest::{prelude::ProptestConfig, test_runner::RngSeed};

pub(crate) const BRIDGE: Address = Address::repeat_byte(0xb7);
pub(crate) const ACCOUNT: Address = Address::repeat_byte(0xac);
/// Returns its extra as effects.
pub(crate) const ECHO: Address = Address::repeat_byte(0xec);
/// Has no twin.
pub(crate) const UNKNOWN_RULE: Address = Address::repeat_byte(0x99);
pub(crate) const ALICE: Address = Address::repeat_byte(0xa1);
pub(crate) const BOB: Address = Address::repeat_byte(0xb0);
pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
pub(crate) const CEILING: u32 = 5_000_000;
pub(crate) const WINDOW: u64 = 20;
pub(crate) const DEPLOYED: u64 = 100;

/// Seeded, so that every failure can be repeated. `PROPTEST_CASES` sets the length of a long run.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().expect("a number")),
        ..ProptestConfig::default()
    }
}

pub(crate) fn key(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user + 1; 32]).expect("not zero, below the order")
}

pub(crate) fn user(user: u8) -> Address {
    signing::address_of(&key(user))
}

/// The key of a user, as deposits name it.
pub(crate) fn key_of(number: u8) -> Key {
    Key::Secp256k1(user(number))
}

pub(crate) fn hash_of(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

pub(crate) fn root(byte: u8) -> Root {
    Root::of(&[byte])
}

fn echo(_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]) -> EchoResult {
    Ok(extra.to_vec())
}

type EchoResult = Result<Vec<u8>, nthroot_model::rule::RuleFailure>;

pub(crate) struct World {
    pub(crate) ledger: Ledger,
}

impl World {
    /// Both proposers have a bond, the rules are registered, and this is the second block after the deployment.
    pub(crate) fn new() -> Self {
        Self::with_caps(None)
    }

    /// The same with caps for deposits.
    pub(crate) fn with_caps(caps: Option<BTreeMap<Address, U256>>) -> Self {
        let params = Params {
            chain_id: 1,
            deployment_block: DEPLOYED,
            window: WINDOW,
            insured_gas_price: 1_000_000_000,
            min_lock: 1_000_000_000,
            caps,
        };
        let env = Env {
            account_rule: ACCOUNT,
            bridge: BRIDGE,
            rules: Rules::default().with(ECHO, echo),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, hash_of(DEPLOYED)).unwrap();
        ledger.register_rule(ECHO, DEPLOYED);
        ledger.register_rule(UNKNOWN_RULE, DEPLOYED);
        for proposer in [ALICE, BOB] {
            ledger.fund_bond(proposer, 100_000_000_000_000_000_000).unwrap();
        }
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

    /// Deposits, then goes on to the next block, whose batches can touch it.
    pub(crate) fn deposit(&mut self, controller: u8, amount: u128) -> AnchorId {
        let id = self.ledger.deposit(key_of(controller), TOKEN, amount).unwrap();
        self.advance(1);
        AnchorId::new(id, 0)
    }

    pub(crate) fn deposits<const N: usize>(&mut self) -> [AnchorId; N] {
        [0; N].map(|user| self.deposit(user, 1000))
    }

    pub(crate) fn posting(&self, proposer: Address) -> Posting {
        let clock = self.ledger.block() - 1;
        Posting {
            proposer,
            clock,
            clock_hash: hash_of(clock),
            slot: self.ledger.free_slot(proposer).unwrap(),
            ceiling: CEILING,
        }
    }

    pub(crate) fn builder(&self, proposer: Address) -> BatchBuilder<'_> {
        BatchBuilder::new(&self.ledger, self.posting(proposer)).rule_table(vec![ECHO])
    }

    /// A batch of these steps, whatever they are.
    pub(crate) fn raw(&self, proposer: Address, steps: Vec<Step>) -> Batch {
        let posting = self.posting(proposer);
        let mut batch = Batch {
            header: BatchHeader {
                version: 1,
                data_availability: 0,
                chain_id: 1,
                clock: posting.clock,
                clock_hash: posting.clock_hash,
                ceiling: posting.ceiling,
                slot: posting.slot,
                step_count: 0,
                entry_count: 0,
                rules: Vec::new(),
            },
            steps,
        };
        batch.seal();
        batch
    }

    pub(crate) fn submit(&mut self, proposer: Address, batch: &Batch) -> Result<Submitted, SubmitError> {
        self.ledger.submit(proposer, &batch.encode())
    }

    /// Posts a lie: one step that touches these anchors and whose body is empty.
    pub(crate) fn lie(&mut self, proposer: Address, anchors: &[AnchorId]) -> BatchId {
        let batch = self.raw(proposer, vec![self.touch(anchors)]);
        self.submit(proposer, &batch).unwrap().id
    }

    /// A step without a body that touches anchors at their present heads.
    pub(crate) fn touch(&self, anchors: &[AnchorId]) -> Step {
        let fresh = anchors.iter().map(|anchor| FreshTouch {
            anchor: *anchor,
            root: root(0xff),
            parent: self.ledger.head(*anchor).map(|head| head.id).unwrap_or_default(),
        });
        Step {
            fresh: fresh.collect(),
            ..Step::default()
        }
    }

    /// Convicts on the evidence for a step; with the entries, so that it is unwound at once if possible, or without.
    pub(crate) fn convict(&mut self, id: BatchId, step: u16, unwind: bool) -> Conviction {
        let evidence = self.ledger.evidence(id, step).unwrap();
        let entries = if unwind { self.entries(id) } else { Vec::new() };
        self.ledger.convict(&evidence, &entries).unwrap()
    }

    pub(crate) fn entries(&self, id: BatchId) -> Vec<u8> {
        PreEntry::encode_list(self.ledger.entries(id).unwrap())
    }

    pub(crate) fn preimage(&self, id: BatchId) -> Vec<u8> {
        self.ledger.preimage(id).unwrap().encode()
    }

    pub(crate) fn unwind(&mut self, id: BatchId) {
        let (preimage, entries) = (self.preimage(id), self.entries(id));
        self.ledger.unwind(&preimage, &entries).unwrap();
    }

    /// The fragment of an anchor of depth 0 whose state is known.
    pub(crate) fn fragment(&self, anchor: AnchorId) -> &Fragment {
        self.ledger.state(anchor).unwrap().known().unwrap().header()
    }

    /// All that L1 keeps and the states behind it, as text to compare.
    pub(crate) fn dump(&self) -> String {
        format!("{:?}", self.ledger)
    }

    /// Heads and states.
    pub(crate) fn anchors(&self) -> String {
        format!("{:?}", self.ledger.anchors().collect::<Vec<_>>())
    }
}

/// A body of one call.
pub(crate) fn body(call: Call) -> Body {
    Body {
        leaves: None,
        calls: vec![call],
    }
}

/// A call of the rule that returns `effects`, on the fragments with these numbers.
pub(crate) fn echo_call(fragments: &[u8], effects: &[Effect], authorisations: Vec<Authorisation>) -> Call {
    let extra = Effect::encode_list(effects);
    Call {
        rule: 1,
        gas: 10_000,
        max_effects: u16::try_from(extra.len()).unwrap(),
        fragments: fragments.to_vec(),
        authorisations,
        extra: extra.into(),
    }
}

/// The consent of a user's fragment that was open before the batch, at this place of the call.
pub(crate) fn consent(
    builder: &BatchBuilder<'_>,
    signer: u8,
    anchor: AnchorId,
    position: u8,
    rule: Address,
    payload: Vec<u8>,
    outflow: Option<(AssetId, u128)>,
) -> Authorisation {
    let state = builder.state(Name::Anchor(anchor)).unwrap().expect("open");
    let message = SignedMessage {
        meaning: Meaning::opaque(&payload),
        rule,
        fragment: anchor.fragment(),
        nonce: state.nonce,
        valid_until: u64::MAX,
        outflows: outflow
            .map(|(asset, amount)| Outflow { asset, amount })
            .into_iter()
            .collect(),
    };
    let domain = Domain {
        chain_id: 1,
        bridge: BRIDGE,
    };
    signing::authorise(&key(signer), &domain, &message, payload.into(), position)
}

/// A call of the Account rule by which one user's fragment, the first of the call, carries out operations.
pub(crate) fn account_call(
    builder: &BatchBuilder<'_>,
    signer: u8,
    anchor: AnchorId,
    fragments: &[u8],
    ops: &[AccountOp],
    outflow: u128,
) -> Call {
    let payload = AccountOp::encode_payload(ops);
    let outflow = Some((AssetId::token(TOKEN), outflow)).filter(|(_, amount)| *amount > 0);
    Call {
        rule: 0,
        gas: 50_000,
        max_effects: 2048,
        fragments: fragments.to_vec(),
        authorisations: vec![consent(builder, signer, anchor, 0, ACCOUNT, payload, outflow)],
        extra: Bytes::new(),
    }
}

/// A step in which a user splits `amount` off, for a new fragment of `to`, and withdraws `withdrawn`.
pub(crate) fn spend(
    builder: &BatchBuilder<'_>,
    signer: u8,
    anchor: AnchorId,
    split: Option<(u8, u128)>,
    withdrawn: &[u128],
) -> StepPlan {
    let mut ops = Vec::new();
    let mut fragments = vec![Name::Anchor(anchor)];
    if let Some((to, amount)) = split {
        fragments.push(Name::New);
        ops.push(AccountOp::Open {
            depth: 0,
            kind: 1,
            controller: user(to),
            assets: vec![(AssetId::token(TOKEN), amount)],
        });
    }
    ops.extend(withdrawn.iter().map(|amount| AccountOp::Withdraw {
        recipient: user(signer),
        token: TOKEN,
        amount: *amount,
    }));
    let outflow = split.map_or(0, |(_, amount)| amount) + withdrawn.iter().sum::<u128>();
    let call = account_call(builder, signer, anchor, &[0], &ops, outflow);
    StepPlan {
        fragments,
        body: body(call),
    }
}

/// A withdrawal that [`spend`] makes.
pub(crate) fn withdrawal(signer: u8, amount: u128) -> Withdrawal {
    Withdrawal {
        recipient: user(signer),
        token: TOKEN,
        amount,
    }
}
