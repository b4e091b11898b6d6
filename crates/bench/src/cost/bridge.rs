//! What users, proposers and challengers send to the bridge, each in a transaction of its own.

use alloy::{
    primitives::{Address, Bytes, FixedBytes, U256},
    sol_types::SolCall,
};
use k256::ecdsa::SigningKey;
use nthroot_bindings::{Bridge, RuleRegistry, account, bridge::IBridge, credit, mocks::Token, pool, swap};
use nthroot_evm::{Deployed, Parameters};
use nthroot_model::{
    ledger::Claim,
    signing::{self, Signer},
};
use nthroot_protocol::{Assignment, Batch, BatchId, FragmentId, PreEntry, Root, Step};
use nthroot_stage::{
    crowd::{Crowd, PAID},
    stage::{CHALLENGER, ETHER, MALLORY, Stage},
};

use super::{
    run::{Group, Row, Rows, call, send},
    schedule::Schedule,
};

/// Has ether and nothing else on L1.
const SOMEBODY: Address = Address::repeat_byte(0x5a);

/// Deposits and bonds.
pub(super) fn coming_in(schedule: Schedule) -> Vec<Row> {
    let mut rows = Rows::new(Group::In);
    let mut l1 = Crowd::new(schedule.spec(), 2, 1).stage.l1;
    let ether = U256::from(1_000 * ETHER);
    l1.chain.fund(SOMEBODY, ether);
    let key = FixedBytes(signer().key().to_bytes());
    let deposit = Bridge::depositCall { key };
    for what in ["deposit ETH, an account's first", "deposit ETH again"] {
        rows.one(what, call(&mut l1, SOMEBODY, PAID, &deposit));
        l1.chain.mine(1);
    }

    let token = l1.chain.create(SOMEBODY, Token::BYTECODE.clone()).expect("it deploys");
    let mint = Token::mintCall {
        to: SOMEBODY,
        amount: ether,
    };
    send(&mut l1, SOMEBODY, token, 0, mint.abi_encode());
    let approve = Token::approveCall {
        spender: l1.bridge,
        value: U256::MAX,
    };
    let (cost, _) = send(&mut l1, SOMEBODY, token, 0, approve.abi_encode());
    rows.one("approve an ERC-20, once and without limit", cost);
    let deposit = |amount| Bridge::depositTokenCall { token, amount, key };
    let paid = U256::from(PAID);
    for what in ["deposit an ERC-20, the first ever of it", "deposit an ERC-20 again"] {
        rows.one(what, call(&mut l1, SOMEBODY, 0, &deposit(paid)));
        l1.chain.mine(1);
    }
    let rest = ether - paid - paid;
    rows.one(
        "deposit an ERC-20, all that is left",
        call(&mut l1, SOMEBODY, 0, &deposit(rest)),
    );

    let fund = Bridge::fundBondCall { proposer: SOMEBODY };
    for what in ["fund a bond, a proposer's first", "fund a bond again"] {
        rows.one(what, call(&mut l1, SOMEBODY, ETHER, &fund));
    }
    let withdraw = Bridge::withdrawBondCall {
        amount: U256::from(ETHER),
        to: SOMEBODY,
    };
    rows.one("withdraw a part of a bond", call(&mut l1, SOMEBODY, 0, &withdraw));
    rows.finish()
}

/// Claims out of a small and a full batch, and their sale.
pub(super) fn going_out(schedule: Schedule) -> Vec<Row> {
    let mut rows = Rows::new(Group::Out);
    let mut crowd = Crowd::new(schedule.spec(), 255, 2);
    crowd.stage.l1.chain.fund(SOMEBODY, U256::from(ETHER));
    let token = crowd.assets[1].as_token().expect("an ERC-20");
    let mint = Token::mintCall {
        to: SOMEBODY,
        amount: U256::from(ETHER),
    };
    send(&mut crowd.stage.l1, MALLORY, token, 0, mint.abi_encode());

    let small = [crowd.withdrawal_to(0, SOMEBODY), crowd.withdrawal_to(1, SOMEBODY)];
    let small = crowd.happens(&small);
    let full: Vec<_> = (2..255).map(|user| crowd.withdrawal_to(user, SOMEBODY)).collect();
    let full = crowd.happens(&full);
    let nobody = Address::repeat_byte(0x5b);
    let moved = [crowd.withdrawal_to(0, nobody), crowd.withdrawal_to(1, nobody)];
    let moved = crowd.happens(&moved);
    let seller = [crowd.withdrawal_to(0, signer().key().controller())];
    let sold = crowd.happens(&seller);
    sales(&crowd.stage, sold, &mut rows);

    crowd.settle();
    let Stage { l1, ledger, .. } = &mut crowd.stage;
    let mut claims = |id: BatchId, what: [&str; 2]| {
        // The last ones stay unpaid: a word whose last bit goes is another case.
        for (position, what) in what.into_iter().enumerate() {
            let claim = ledger.claims(id).expect("kept").swap_remove(position);
            let preimage: Bytes = ledger.preimage(id).expect("kept").encode().into();
            rows.one(what, call(l1, SOMEBODY, 0, &claimed(preimage, &claim)));
        }
    };
    claims(
        full,
        [
            "claim ETH of 253 withdrawals, the first of them",
            "claim an ERC-20 of 253 withdrawals",
        ],
    );
    claims(
        small,
        [
            "claim ETH of 2 withdrawals",
            "claim an ERC-20 of 2 withdrawals, the last of them",
        ],
    );
    claims(
        moved,
        [
            "claim ETH of 2 withdrawals, to a new account",
            "claim an ERC-20 of 2, the last, to a new holder",
        ],
    );
    rows.finish()
}

fn withdrawal(claim: &Claim) -> IBridge::Withdrawal {
    IBridge::Withdrawal {
        recipient: claim.withdrawal.recipient,
        token: claim.withdrawal.token,
        amount: claim.withdrawal.amount,
    }
}

fn claimed(preimage: Bytes, claim: &Claim) -> Bridge::claimCall {
    Bridge::claimCall {
        preimage,
        position: U256::from(claim.position),
        withdrawal: withdrawal(claim),
        siblings: claim.siblings.concat().into(),
    }
}

/// A claim is sold by a signed offer, and given away by its buyer.
fn sales(stage: &Stage, id: BatchId, rows: &mut Rows) {
    let mut l1 = stage.l1.clone();
    let claim = stage.ledger.claims(id).expect("kept").swap_remove(0);
    let preimage = stage.ledger.preimage(id).expect("kept").encode();
    let mut terms = IBridge::Terms {
        from: claim.withdrawal.recipient,
        to: SOMEBODY,
        token: Address::ZERO,
        price: U256::from(PAID - PAID / 1_000),
        deadline: U256::from(l1.chain.number() + 100),
        open: true,
    };
    let offer = Assignment {
        commitment: alloy::primitives::keccak256(&preimage),
        position: claim.position,
        sequence: 0,
        from: terms.from,
        to: None,
        token: terms.token,
        price: terms.price,
        deadline: terms.deadline,
    };
    let mut signature = signing::sign(&signer(), offer.signing_hash(&stage.domain())).to_vec();
    // From the compact form to the usual one.
    let odd = signature[32] >> 7;
    signature[32] &= 0x7f;
    signature.push(27 + odd);
    let assign = |terms: IBridge::Terms, signature: Vec<u8>| Bridge::assignCall {
        preimage: preimage.clone().into(),
        position: U256::from(claim.position),
        withdrawal: withdrawal(&claim),
        siblings: claim.siblings.concat().into(),
        terms,
        signature: signature.into(),
    };
    // The seller is paid, so it has an account: else paying it would be dearer.
    l1.chain.fund(terms.from, U256::from(ETHER));
    let price = terms.price.to::<u128>();
    let bought = call(&mut l1, SOMEBODY, price, &assign(terms.clone(), signature));
    rows.one("buy a claim for ETH", bought);
    (terms.from, terms.to) = (SOMEBODY, CHALLENGER);
    let given = call(&mut l1, SOMEBODY, 0, &assign(terms, Vec::new()));
    rows.one("give a bought claim away", given);
}

fn signer() -> SigningKey {
    SigningKey::from_slice(&[0x5c; 32]).expect("below the order")
}

/// Conviction, condemning and unwinding, of batches of two anchors and of as many as one can have.
pub(super) fn roll_back(schedule: Schedule, transfers: usize) -> Vec<Row> {
    let mut rows = Rows::new(Group::Proof);
    let mut crowd = Crowd::new(schedule.spec(), 2 * transfers + 1, 1);
    let plans: Vec<_> = (0..transfers).map(|nth| crowd.transfer(2 * nth, 2 * nth + 1)).collect();
    let orphan = [crowd.transfer(1, 2 * transfers)];
    for count in [1, transfers] {
        let (mut bad, mut child) = (crowd.batch(&plans[..count]), crowd.batch(&orphan));
        let mut stage = crowd.stage.clone();
        lie(&mut bad.steps[0]);
        let (_, parent) = stage.submit(MALLORY, &bad);
        stage.mine(1);
        // What is built on it: `submit` looks at whose head a touch names, and nothing else.
        renew(&mut stage, &mut child, crowd.home(1), parent);
        let (_, orphan) = stage.submit(MALLORY, &child);
        stage.mine(1);
        let anchors = 2 * count;
        let evidence = stage.challenge_call(parent, 0);
        let entries = |id: BatchId| PreEntry::encode_list(stage.ledger.entries(id).expect("kept"));
        let preimage = |id: BatchId| stage.ledger.preimage(id).expect("kept").encode();
        let touched = stage.ledger.entries(orphan).expect("kept").iter();
        let index = touched
            .enumerate()
            .find(|(_, entry)| entry.head.is_some_and(|head| head.id == parent));
        let condemn = Bridge::condemnCall {
            child: preimage(orphan).into(),
            childEntries: entries(orphan).into(),
            index: U256::from(index.expect("built on it").0),
            parent: preimage(parent).into(),
        };
        let unwind = |id: BatchId| Bridge::unwindCall {
            preimage: preimage(id).into(),
            entries: entries(id).into(),
        };
        let mut l1 = stage.l1.clone();
        let convict = Bridge::challengeCall {
            entries: Bytes::new(),
            evidence: evidence.evidence.clone(),
        };
        let convicted = call(&mut l1, CHALLENGER, 0, &convict);
        let condemned = call(&mut l1, CHALLENGER, 0, &condemn);
        let orphaned = call(&mut l1, CHALLENGER, 0, &unwind(orphan));
        let unwound = call(&mut l1, CHALLENGER, 0, &unwind(parent));
        if count == 1 {
            rows.one(
                "convict a lie about a transfer, batch of 1 step, later unwound",
                convicted,
            );
            rows.one("condemn an orphan of 2 anchors", condemned);
            rows.one("unwind an orphan of 2 anchors, with its fee", orphaned);
        }
        rows.one(format!("unwind a faulty batch of {anchors} anchors"), unwound);

        let mut alone = crowd.stage.clone();
        let (_, id) = alone.submit(MALLORY, &bad);
        let both = alone.challenge_call(id, 0);
        let at_once = call(&mut alone.l1, CHALLENGER, 0, &both);
        rows.one(
            format!("convict and unwind at once a batch of {anchors} anchors"),
            at_once,
        );
    }
    rows.finish()
}

/// The step claims another root than it leads to.
fn lie(step: &mut Step) {
    step.fresh.last_mut().expect("touched").root = Root::of(b"wrong");
}

/// The batch as one of now that is built on `parent`.
fn renew(stage: &mut Stage, batch: &mut Batch, at: FragmentId, parent: BatchId) {
    let posting = stage.posting(MALLORY);
    batch.header.clock = posting.clock;
    batch.header.clock_hash = posting.clock_hash;
    batch.header.slot = posting.slot;
    for touch in &mut batch.steps[0].fresh {
        if touch.anchor == at.anchor() {
            touch.parent = parent;
        }
    }
}

/// Putting each rule on the chain.
pub(super) fn registering(schedule: Schedule) -> Vec<Row> {
    let mut rows = Rows::new(Group::Register);
    let rules = [
        ("Account", &account::Account::DEPLOYED_BYTECODE),
        ("Swap", &swap::Swap::DEPLOYED_BYTECODE),
        ("Pool", &pool::Pool::DEPLOYED_BYTECODE),
        ("Credit", &credit::Credit::DEPLOYED_BYTECODE),
    ];
    let mut l1 = Deployed::new(schedule.spec(), Parameters::default()).expect("it deploys");
    // One that knows none of them yet.
    let registry = l1.chain.create(l1.deployer, RuleRegistry::BYTECODE.clone());
    let registry = registry.expect("it deploys");
    for (name, runtime) in rules {
        let register = RuleRegistry::registerCall {
            runtime: runtime.clone(),
        };
        let (cost, _) = send(&mut l1, SOMEBODY, registry, 0, register.abi_encode());
        rows.one(format!("register the {name} rule ({} bytes)", runtime.len()), cost);
    }
    rows.finish()
}
