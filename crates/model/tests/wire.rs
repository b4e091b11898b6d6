//! The worked example of the specification (13): two deposits, three batches, a lie and what proves it, in all their bytes.
//!
//! `NTHROOT_VECTORS=1` writes `test/vectors/wire.json`; otherwise it is compared. `test/unit/WireVectors.t.sol` plays the file
//! against the contracts, and `tools/reader` derives it again.

use std::{fs, path::Path};

use alloy_primitives::{Address, B256, Bytes, hex, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    kernel::Env,
    ledger::{Judgement, Ledger},
    params::Params,
    rule::Rules,
    signing::{self, Signer},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, BatchId, Body, Call, Domain, Evidence, Fragment, FragmentId,
    Head, Key, Outflow, PreEntry, ProofSizes, Root, Signature, commitment, proof_gas::PROOF_GAS,
};
use serde_json::{Value, json};

const ETHER: u128 = 1_000_000_000_000_000_000;
const BRIDGE: Address = Address::repeat_byte(0xb7);
const ACCOUNT: Address = Address::repeat_byte(0xac);
const PROPOSER: Address = Address::repeat_byte(0xa1);
const DEPLOYED: u64 = 100;
const PARAMS: Params = Params {
    chain_id: 1,
    deployment_block: DEPLOYED,
    window: 20,
    insured_gas_price: 1_000_000_000,
    min_lock: 12_200_000_000_000_000,
    caps: None,
};
const DOMAIN: Domain = Domain {
    chain_id: 1,
    bridge: BRIDGE,
};
/// What the specification says to hash: types of signed structs, and names of storage slots.
const HASHED: [&str; 8] = [
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    "Authorisation(bytes intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Outflow(bytes32 asset,uint128 amount)",
    "Outflow(bytes32 asset,uint128 amount)",
    "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,uint256 price,uint256 deadline)",
    "nthroot.anchor",
    "nthroot.batch",
    "nthroot.paid",
    "nthroot.assignment",
];
/// Of a P-256 key that nobody uses.
const PASSKEY: Address = Address::repeat_byte(0x9a);

fn key(user: u8) -> SigningKey {
    SigningKey::from_slice(&[user + 1; 32]).expect("not zero, below the order")
}

fn hash_of(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

fn ether(amount: u128) -> Vec<(AssetId, u128)> {
    vec![(AssetId::ETH, amount)]
}

/// The chain, and what of it goes into the file.
struct Example {
    ledger: Ledger,
    batches: Vec<Value>,
}

impl Example {
    fn new() -> Self {
        let env = Env {
            account_rule: ACCOUNT,
            bridge: BRIDGE,
            rules: Rules::default(),
        };
        let mut ledger = Ledger::new(PARAMS, env);
        ledger.begin_block(DEPLOYED, hash_of(DEPLOYED)).unwrap();
        ledger.fund_bond(PROPOSER, ETHER).unwrap();
        let mut example = Self {
            ledger,
            batches: Vec::new(),
        };
        example.next_block();
        example
    }

    fn next_block(&mut self) {
        let block = self.ledger.block() + 1;
        self.ledger.begin_block(block, hash_of(block)).unwrap();
    }

    fn deposit(&mut self, user: u8, amount: u128) -> (AnchorId, Value) {
        let owner = Key::Secp256k1(signing::address_of(&key(user)));
        let id = self.ledger.deposit(owner, Address::ZERO, amount).unwrap();
        let anchor = AnchorId::new(id, 0);
        let state = self.ledger.state(anchor).unwrap().known().unwrap().header();
        let file = json!({
            "id": text(id.to_bytes()),
            "block": self.ledger.block(),
            "key": text(owner.to_bytes()),
            "amount": amount.to_string(),
            "anchor": text(anchor.to_bytes()),
            "state": text(state.encode()),
            "leaf": state.leaf_value(),
            "head": Head::to_word(self.ledger.head(anchor)),
        });
        (anchor, file)
    }

    fn builder(&self) -> BatchBuilder<'_> {
        let clock = self.ledger.block() - 1;
        let posting = Posting {
            proposer: PROPOSER,
            clock,
            clock_hash: hash_of(clock),
            slot: u16::try_from(self.batches.len()).unwrap(),
            ceiling: 1_000_000,
        };
        BatchBuilder::new(&self.ledger, posting)
    }

    /// Posts a batch, and notes all that follows from it.
    fn post(&mut self, batch: &Batch, digests: &[Vec<B256>]) {
        let bytes = batch.encode();
        let block = self.ledger.block();
        let posted = self.ledger.submit(PROPOSER, &bytes).unwrap();
        let id = posted.id;
        let steps = self.ledger.steps(id).unwrap().into_iter().zip(0..);
        let steps = steps.zip(digests);
        let steps: Vec<Value> = steps
            .map(|(((_, judged), index), digests)| self.step(id, index, judged, digests))
            .collect();
        let heads = posted.entries.iter().map(|entry| {
            let head = Head::to_word(self.ledger.head(entry.anchor));
            json!({ "anchor": text(entry.anchor.to_bytes()), "head": head })
        });
        let file = json!({
            "id": text(id.to_bytes()),
            "block": block,
            "clock": batch.header.clock,
            "clockHash": batch.header.clock_hash,
            "bytes": text(&bytes),
            "steps": steps,
            "entries": text(PreEntry::encode_list(&posted.entries)),
            "entriesHash": posted.preimage.entries_hash,
            "stepRoot": posted.preimage.step_root,
            "withdrawalRoot": posted.preimage.withdrawal_root,
            "preimage": text(posted.preimage.encode()),
            "commitment": posted.preimage.hash(),
            "word": B256::from(posted.word.pack()),
            "lock": posted.lock.to_string(),
            "heads": heads.collect::<Vec<_>>(),
        });
        self.batches.push(file);
        self.next_block();
    }

    fn step(&self, id: BatchId, index: u16, judged: &Judgement, digests: &[B256]) -> Value {
        let bytes = self.ledger.evidence(id, index).unwrap();
        let evidence = Evidence::decode(&bytes).unwrap();
        let (header, step) = (&evidence.preimage.header, &evidence.placed.step);
        let pre_entries = evidence.pre_entries().unwrap();
        let body = Body::of(step).unwrap();
        let sizes = ProofSizes::of(&evidence.proofs);
        let gas = PROOF_GAS.of_step(header.rules.len(), header.step_count, index, step, sizes, &body);
        json!({
            "bytes": text(step.encode()),
            "preEntries": text(PreEntry::encode_list(&pre_entries)),
            "commitment": commitment::step_commitment(&pre_entries, &step.encode()),
            "digests": digests,
            "withdrawals": step.withdrawals.iter().map(nthroot_protocol::Withdrawal::leaf).collect::<Vec<_>>(),
            "evidence": text(&bytes),
            "evidenceHash": keccak256(&bytes),
            "proofGas": gas.unwrap(),
            "valid": matches!(judged, Judgement::Valid),
        })
    }
}

/// A call of the Account rule in which the first fragment does this and the second, if there is one, consents. Unsigned.
fn call(fragments: &[u8], ops: &[AccountOp], outflow: u128) -> Call {
    let consent = |position: u8| Authorisation {
        position,
        valid_until: DEPLOYED + 50,
        outflows: Vec::new(),
        payload: Bytes::new(),
        signature: Signature::Secp256k1(signing::sign(&key(0), B256::ZERO)),
    };
    let mut first = consent(0);
    first.payload = AccountOp::encode_payload(ops).into();
    first.outflows = vec![Outflow {
        asset: AssetId::ETH,
        amount: outflow,
    }];
    let others = fragments.len().min(2);
    let authorisations = std::iter::once(first).chain((1..others).map(|_| consent(1)));
    Call {
        rule: 0,
        gas: 60_000,
        max_effects: 256,
        fragments: fragments.to_vec(),
        authorisations: authorisations.collect(),
        extra: Bytes::new(),
    }
}

fn plan(fragments: Vec<Name>, call: Call) -> StepPlan {
    StepPlan {
        fragments,
        body: Body {
            leaves: None,
            calls: vec![call],
        },
    }
}

/// Signs for the owners, adds the step, and returns the digests that they signed.
fn add(builder: &mut BatchBuilder<'_>, mut plan: StepPlan, owner: impl Fn(FragmentId) -> u8) -> Vec<B256> {
    let messages = builder.messages(&plan).unwrap().concat();
    let authorisations = plan.body.calls.iter_mut().flat_map(|call| &mut call.authorisations);
    let digests = authorisations.zip(messages).map(|(authorisation, message)| {
        let digest = message.signing_hash(&DOMAIN);
        authorisation.signature = key(owner(message.fragment)).sign(digest);
        digest
    });
    let digests = digests.collect();
    builder.step(&plan).unwrap();
    digests
}

#[test]
fn the_worked_example_is_what_the_model_says() {
    let mut example = Example::new();
    let (alice, first) = example.deposit(0, ETHER);
    let (bob, second) = example.deposit(1, ETHER / 2);
    let owner = |fragment: FragmentId| u8::from(fragment.anchor() == bob);
    example.next_block();

    // Alice pays Bob and withdraws; then she opens a cohort of her own.
    let mut digests = Vec::new();
    let mut builder = example.builder();
    let pay = [
        AccountOp::Pay {
            to: bob.fragment(),
            asset: AssetId::ETH,
            amount: ETHER / 4,
        },
        AccountOp::Withdraw {
            recipient: signing::address_of(&key(0)),
            token: Address::ZERO,
            amount: ETHER / 10,
        },
    ];
    let names = vec![Name::Anchor(alice), Name::Anchor(bob)];
    digests.push(add(&mut builder, plan(names, call(&[0, 1], &pay, ETHER)), owner));
    let open = [AccountOp::Open {
        depth: 3,
        kind: 1,
        controller: signing::address_of(&key(0)),
        assets: ether(ETHER / 5),
    }];
    let names = vec![Name::Anchor(alice), Name::New];
    digests.push(add(&mut builder, plan(names, call(&[0], &open, ETHER)), owner));
    let batch = builder.build().unwrap();
    example.post(&batch, &digests);
    digests.clear();

    // In it she opens a leaf for a passkey.
    let id = BatchId::from_bytes(hex::decode_to_array(example.batches[0]["id"].as_str().unwrap()).unwrap());
    let cohort = AnchorId::new(id, 2);
    let mut builder = example.builder();
    let open = [AccountOp::OpenLeaf {
        kind: 2,
        controller: PASSKEY,
        assets: ether(ETHER / 20),
    }];
    let names = vec![Name::Anchor(cohort), Name::Leaf(cohort, 5)];
    digests.push(add(&mut builder, plan(names, call(&[0], &open, ETHER)), |_| 0));
    let batch = builder.build().unwrap();
    example.post(&batch, &digests);
    digests.clear();

    // Bob withdraws, and the proposer says that something else came of it.
    let mut builder = example.builder();
    let withdraw = [AccountOp::Withdraw {
        recipient: signing::address_of(&key(1)),
        token: Address::ZERO,
        amount: ETHER / 2,
    }];
    let names = vec![Name::Anchor(bob)];
    digests.push(add(&mut builder, plan(names, call(&[0], &withdraw, ETHER)), owner));
    let mut batch = builder.build().unwrap();
    batch.steps[0].fresh[0].root = Root::of(b"a lie");
    example.post(&batch, &digests);

    let verdicts: Vec<_> = example
        .batches
        .iter()
        .map(|batch| batch["steps"][0]["valid"].clone())
        .collect();
    assert_eq!(verdicts, [true, true, false]);
    let leaf = Fragment::new(nthroot_protocol::Kind::P256, PASSKEY);
    let state = example.ledger.state(cohort).unwrap().known().unwrap();
    assert_eq!(state.fragment(5).map(|leaf| leaf.controller), Some(leaf.controller));
    write(&json!({
        "page": "docs/spec.md, section 13",
        "chainId": PARAMS.chain_id,
        "bridge": BRIDGE,
        "accountRule": ACCOUNT,
        "deploymentBlock": DEPLOYED,
        "window": PARAMS.window,
        "insuredGasPrice": PARAMS.insured_gas_price.to_string(),
        "minLock": PARAMS.min_lock.to_string(),
        "proposer": PROPOSER,
        "domainSeparator": DOMAIN.separator(),
        "deposits": [first, second],
        "hashes": HASHED.map(|text| json!({ "text": text, "hash": keccak256(text) })),
        "batches": example.batches,
    }));
}

fn write(file: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors/wire.json");
    let text = serde_json::to_string_pretty(file).unwrap() + "\n";
    if std::env::var_os("NTHROOT_VECTORS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap();
    let different = committed
        .lines()
        .zip(text.lines())
        .find(|(committed, said)| committed != said);
    assert!(
        committed == text,
        "{} is not what the model says, first in {different:?}; NTHROOT_VECTORS=1 writes it",
        path.display()
    );
}
