//! Steps on cohorts as the builder makes them, on a ledger that judges them and holds the evidence.

use alloy_primitives::{Address, B256};
use nthroot_model::{
    builder::{BatchBuilder, BuiltStep, Name, Posting, StepError, StepPlan},
    invalid::{CallFault, Invalid},
    kernel::{Env, Failure},
    ledger::{Judgement, Ledger},
    params::Params,
    rule::{AuthorisationView, Context, FragmentView, Rules},
    signing::{self, Signer},
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Batch, BatchId, Body, Call, Domain, Effect, Evidence, FragmentId, Key,
    LeafTable, Lease, Meaning, Outflow, Signature, SignedMessage,
};

use crate::meanings::sale;
use crate::world::{
    ACCOUNT, DOMAIN, PUPPET, Returned, authenticator, holder, key, open_cohort, open_leaf, passkey, passkey_holder,
    transfer, write,
};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
const DEPLOYED: u64 = 100;

/// A rule that reads a price in each payload and says so, and leaves an empty one as it is. Then it does as it is told.
const SHOP: Address = Address::repeat_byte(0x50);

fn shop(_: &Context, _: &[FragmentView], authorisations: &[AuthorisationView], extra: &[u8]) -> Returned {
    let meanings = (0..).zip(authorisations).filter_map(|(number, signed)| {
        let price = signed.payload.first()?;
        Some(Effect::meaning(number, sale(*price)))
    });
    Ok([Effect::encode_list(&meanings.collect::<Vec<_>>()), extra.to_vec()].concat())
}

fn eth() -> AssetId {
    AssetId::ETH
}

/// A signer with its fragment, the position of that in the call, its operations and the most that it lets go.
type Signing<'a> = (&'a dyn Signer, Name, u8, &'a [AccountOp], u128);

/// A bridge on which ALICE has posted a batch that opened a cohort of depth 3 for key 1, with 900 ETH in its header.
struct Site {
    ledger: Ledger,
    cohort: AnchorId,
}

impl Site {
    fn new() -> Self {
        let params = Params {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            window: 50,
            insured_gas_price: 1,
            min_lock: 1_000_000_000,
            caps: None,
        };
        let puppet =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]| -> Returned { Ok(extra.to_vec()) };
        let env = Env {
            account_rule: ACCOUNT,
            bridge: DOMAIN.bridge,
            rules: Rules::default().with(PUPPET, puppet).with(SHOP, shop),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, B256::ZERO).unwrap();
        ledger.register_rule(PUPPET, DEPLOYED);
        ledger.register_rule(SHOP, DEPLOYED);
        for proposer in [ALICE, BOB] {
            ledger.fund_bond(proposer, 1_000_000_000_000_000_000).unwrap();
        }
        let deposit = ledger.deposit(Key::Secp256k1(holder(1)), Address::ZERO, 1_000).unwrap();
        let mut site = Self {
            ledger,
            cohort: AnchorId::new(deposit, 0),
        };
        site.next_block();
        let from = Name::Anchor(site.cohort);
        let mut builder = site.builder(ALICE);
        let open = AccountOp::Open {
            depth: 3,
            kind: 1,
            controller: holder(1),
            assets: vec![(eth(), 900)],
        };
        let call = site.account(&builder, &[0], &[(&key(1), from, 0, &[open], 900)]);
        let built = builder.step(&plan(&[from, Name::New], vec![call])).unwrap();
        let (id, _) = site.submit(ALICE, &builder.build().unwrap());
        site.cohort = AnchorId::new(id, built.entries[1]);
        site
    }

    fn next_block(&mut self) {
        self.ledger.begin_block(self.ledger.block() + 1, B256::ZERO).unwrap();
    }

    fn builder(&self, proposer: Address) -> BatchBuilder<'_> {
        let posting = Posting {
            proposer,
            clock: self.ledger.block() - 1,
            clock_hash: B256::ZERO,
            slot: self.ledger.free_slot(proposer).unwrap(),
            ceiling: 5_000_000,
        };
        BatchBuilder::new(&self.ledger, posting).rule_table(vec![PUPPET, SHOP])
    }

    /// Posts the batch and goes on to the next block, in which others can build on it. Returns what its steps are found to be.
    fn submit(&mut self, proposer: Address, batch: &Batch) -> (BatchId, Vec<Judgement>) {
        let id = self.ledger.submit(proposer, &batch.encode()).unwrap().id;
        let judgement = self.ledger.judgement(id).unwrap();
        let judgement = judgement.into_iter().cloned().collect();
        self.next_block();
        (id, judgement)
    }

    fn leaf(&self, leaf: u32) -> Name {
        Name::Leaf(self.cohort, leaf)
    }

    /// A call of the Account rule.
    fn account(&self, builder: &BatchBuilder<'_>, fragments: &[u8], signers: &[Signing<'_>]) -> Call {
        let sign = |(signer, name, position, ops, outflow): &Signing<'_>| {
            let (Name::Anchor(anchor) | Name::Leaf(anchor, _)) = *name else {
                panic!("new fragments sign nothing");
            };
            let payload = AccountOp::encode_payload(ops);
            let message = SignedMessage {
                meaning: Meaning::opaque(&payload),
                rule: ACCOUNT,
                fragment: anchor.leaf(name.leaf()).unwrap(),
                nonce: builder.state(*name).unwrap().map_or(0, |state| state.nonce),
                valid_until: u64::MAX,
                outflows: vec![Outflow {
                    asset: eth(),
                    amount: *outflow,
                }],
            };
            sign(*signer, &message, payload, *position)
        };
        Call {
            rule: 0,
            gas: 50_000,
            max_effects: 1_000,
            fragments: fragments.to_vec(),
            authorisations: signers.iter().map(sign).collect(),
            extra: Default::default(),
        }
    }
}

fn sign(signer: &dyn Signer, message: &SignedMessage, payload: Vec<u8>, position: u8) -> Authorisation {
    let domain: Domain = DOMAIN;
    signing::authorise(signer, &domain, message, payload.into(), position)
}

fn plan(fragments: &[Name], calls: Vec<Call>) -> StepPlan {
    StepPlan {
        fragments: fragments.to_vec(),
        body: Body::from(calls),
    }
}

fn echo(fragments: &[u8], effects: &[Effect]) -> Call {
    Call {
        rule: 1,
        gas: 10_000,
        max_effects: 1_000,
        fragments: fragments.to_vec(),
        authorisations: Vec::new(),
        extra: Effect::encode_list(effects).into(),
    }
}

fn open_for(controller: Address, kind: u8, amount: u128) -> AccountOp {
    AccountOp::OpenLeaf {
        kind,
        controller,
        assets: vec![(eth(), amount)],
    }
}

/// Key 1 opens leaf 2 for passkey 2 and leaf 5 for key 3; the plan names them in another order than the wire.
fn populate(site: &Site, builder: &mut BatchBuilder<'_>) -> BuiltStep {
    let header = Name::Anchor(site.cohort);
    let ops = [open_for(passkey_holder(2), 2, 100), open_for(holder(3), 1, 50)];
    let call = site.account(builder, &[1], &[(&key(1), header, 0, &ops, 150)]);
    builder
        .step(&plan(&[site.leaf(5), header, site.leaf(2)], vec![call]))
        .unwrap()
}

/// Passkey 2 pays 40 from leaf 2 to leaf 5 and withdraws 10, by an assertion; key 3 consents.
fn spend(site: &Site, builder: &mut BatchBuilder<'_>) -> BuiltStep {
    let (from, to) = (site.leaf(2), site.leaf(5));
    let ops = [
        AccountOp::Pay {
            to: site.cohort.leaf(5).unwrap(),
            asset: eth(),
            amount: 40,
        },
        AccountOp::Withdraw {
            recipient: holder(9),
            token: Address::ZERO,
            amount: 10,
        },
    ];
    let signers: [Signing<'_>; 2] = [(&authenticator(2), from, 1, &ops, 50), (&key(3), to, 0, &[], 0)];
    let mut call = site.account(builder, &[0, 1], &signers);
    call.authorisations.reverse();
    builder.step(&plan(&[to, from], vec![call])).unwrap()
}

#[test]
fn leaves_are_opened_and_spent_by_their_keys() {
    let mut site = Site::new();
    let mut builder = site.builder(ALICE);
    assert_eq!(builder.state(site.leaf(2)), Ok(None));
    let built = populate(&site, &mut builder);
    assert_eq!(built.entries, [0, 0, 0]);
    // The touch is a repeated one now.
    let built = spend(&site, &mut builder);
    assert_eq!((built.entries, built.withdrawals.len()), (vec![0, 0], 1));
    let batch = builder.build().unwrap();
    assert_eq!(LeafTable::of(&batch.steps[1]), LeafTable(vec![vec![2, 5]]));
    let proof_gas = builder.proof_gas();
    let (id, judgement) = site.submit(ALICE, &batch);
    assert_eq!(judgement, [Judgement::Valid, Judgement::Valid]);

    let state = site.ledger.state(site.cohort).unwrap().known().unwrap();
    let held: Vec<(u32, u128)> = state
        .fragments()
        .map(|(leaf, fragment)| (leaf, fragment.balance(eth())))
        .collect();
    assert_eq!(held, [(0, 750), (2, 50), (5, 90)]);
    assert_eq!(state.root(), site.ledger.head(site.cohort).unwrap().root);
    // The evidence opens, and what it costs is what the builder reckoned.
    for (step, proof_gas) in (0..).zip(proof_gas) {
        let evidence = Evidence::decode(&site.ledger.evidence(id, step).unwrap()).unwrap();
        assert_eq!(evidence.check_opening(), Ok(()));
        let sizes = nthroot_protocol::ProofSizes::of(&evidence.proofs);
        let body = Body::of(&evidence.placed.step).unwrap();
        let table = nthroot_protocol::proof_gas::PROOF_GAS;
        let evaluation = table.evaluation(&evidence.placed.step, sizes, &body);
        assert_eq!(table.proof(evidence.encoded_length(), evaluation), proof_gas);
    }
}

/// Whoever changes what the step says of a cohort is convicted on the evidence that a follower holds.
#[test]
fn lies_about_leaves_are_convicted() {
    let changes: [fn(&mut Batch); 5] = [
        |batch| batch.steps[1].again[0].root.0[0] ^= 1,
        |batch| batch.steps[1].withdrawals[0].amount += 1,
        // A leaf that is not there; a leaf that was not opened; no table that can be read.
        |batch| rename(batch, vec![2, 8]),
        |batch| rename(batch, vec![2, 6]),
        |batch| rename(batch, vec![5, 2]),
    ];
    for change in changes {
        let mut site = Site::new();
        let mut builder = site.builder(ALICE);
        populate(&site, &mut builder);
        spend(&site, &mut builder);
        let mut batch = builder.build().unwrap();
        change(&mut batch);
        let (id, judgement) = site.submit(ALICE, &batch);
        assert!(
            matches!(judgement[..], [Judgement::Valid, Judgement::Lie(_)]),
            "{judgement:?}"
        );
        let evidence = site.ledger.evidence(id, 1).unwrap();
        let conviction = site.ledger.convict(&evidence, &[]).unwrap();
        assert_eq!(Judgement::Lie(conviction.reason.unwrap()), judgement[1]);
    }
}

fn rename(batch: &mut Batch, further: Vec<u32>) {
    let mut body = Body::of(&batch.steps[1]).unwrap();
    body.leaves = Some(LeafTable(vec![further]));
    batch.steps[1].body = body.encode().into();
}

#[test]
fn a_cohort_of_this_batch_is_filled_by_its_rule() {
    let mut site = Site::new();
    let header = Name::Anchor(site.cohort);
    let mut builder = site.builder(ALICE);
    // The header pays for a cohort of depth 24 of the puppet.
    let message = SignedMessage {
        meaning: Meaning::opaque(&[]),
        rule: PUPPET,
        fragment: site.cohort.fragment(),
        nonce: builder.state(header).unwrap().unwrap().nonce,
        valid_until: u64::MAX,
        outflows: vec![Outflow {
            asset: eth(),
            amount: 100,
        }],
    };
    let mut call = echo(&[0], &[open_cohort(24, 3, PUPPET), transfer(0, 1, eth(), 100)]);
    call.authorisations = vec![sign(&key(1), &message, Vec::new(), 0)];
    let entry = builder.step(&plan(&[header, Name::New], vec![call])).unwrap().entries[1];
    let last = (1 << 24) - 1;
    let effects = [
        open_leaf(0, 3, PUPPET),
        open_leaf(0, 2, passkey_holder(4)),
        transfer(0, 1, eth(), 30),
        transfer(1, 2, eth(), 20),
    ];
    // Named from the last to the first; the header is place 2.
    let names = [
        Name::EntryLeaf(entry, last),
        Name::EntryLeaf(entry, 7),
        Name::Entry(entry),
    ];
    let built = builder.step(&plan(&names, vec![echo(&[2], &effects)])).unwrap();
    assert_eq!(built.entries, [entry; 3]);
    let held = names.map(|name| builder.state(name).unwrap().unwrap().balance(eth()));
    assert_eq!(held, [20, 10, 70]);
    // A later step works on a leaf without listing the header.
    let again = plan(&[Name::EntryLeaf(entry, 7)], vec![echo(&[0], &[write(0, b"x")])]);
    builder.step(&again).unwrap();
    let batch = builder.build().unwrap();
    let (id, judgement) = site.submit(ALICE, &batch);
    assert_eq!(judgement, [Judgement::Valid, Judgement::Valid, Judgement::Valid]);
    let cohort = AnchorId::new(id, entry);
    let state = site.ledger.state(cohort).unwrap().known().unwrap();
    assert_eq!(
        (state.depth(), state.root()),
        (24, site.ledger.head(cohort).unwrap().root)
    );
    assert_eq!(state.fragment(7).unwrap().data[..], b"x"[..]);
    assert_eq!(state.fragment(last).unwrap().controller, passkey(4).key().controller());
}

#[test]
fn a_lease_binds_the_builder_and_lets_its_holder_credit() {
    let mut site = Site::new();
    let header = Name::Anchor(site.cohort);
    let mut builder = site.builder(ALICE);
    populate(&site, &mut builder);
    let last_block = site.ledger.block() + 20;
    let lease = AccountOp::SetLease {
        holder: ALICE,
        last_block,
    };
    let call = site.account(&builder, &[0], &[(&key(1), header, 0, &[lease], 0)]);
    builder.step(&plan(&[header], vec![call])).unwrap();
    let batch = builder.build().unwrap();
    site.submit(ALICE, &batch);

    // Key 3 pays key 1, who does not sign: with the lease its holder posts it, and nobody else.
    let from = site.leaf(5);
    let pay = AccountOp::Pay {
        to: site.cohort.fragment(),
        asset: eth(),
        amount: 5,
    };
    let step = |builder: &BatchBuilder<'_>| {
        let call = site.account(builder, &[0, 1], &[(&key(3), from, 0, std::slice::from_ref(&pay), 5)]);
        plan(&[from, header], vec![call])
    };
    let mut builder = site.builder(BOB);
    let holder = ALICE;
    let (touch, lease) = (0, Lease { holder, last_block });
    let leased = StepError::Failure(Failure::Invalid(Invalid::Leased { touch, lease }));
    assert_eq!(builder.step(&step(&builder)), Err(leased));
    let mut builder = site.builder(ALICE);
    builder.step(&step(&builder)).unwrap();
    let batch = builder.build().unwrap();
    // The same batch is a lie if BOB posts it.
    let mut other = site.ledger.clone();
    let id = other.submit(BOB, &batch.encode()).unwrap().id;
    let lie = Judgement::Lie(Invalid::Leased { touch, lease });
    assert_eq!(other.judgement(id).unwrap(), [&lie]);
    assert_eq!(site.submit(ALICE, &batch).1, [Judgement::Valid]);
}

#[test]
fn leaves_are_limited_and_named_once() {
    let site = Site::new();
    let mut builder = site.builder(ALICE);
    let mut refused = |names: &[Name]| builder.step(&plan(names, Vec::new())).unwrap_err();
    let (leaf, depth) = (8, 3);
    assert_eq!(refused(&[site.leaf(8)]), StepError::Leaf { leaf, depth });
    let twice = StepError::Twice(Some(site.cohort));
    assert_eq!(refused(&[site.leaf(4), site.leaf(4)]), twice);
    assert_eq!(refused(&[site.leaf(0), Name::Anchor(site.cohort)]), twice);
    let mut names: Vec<Name> = (1..=7).map(|leaf| site.leaf(leaf)).collect();
    names.extend([Name::New; 9]);
    assert_eq!(refused(&names), StepError::TooManyFragments(17));
}

/// Of three who take part in a sale the proposer can sign for two; the third has signed already, with a passkey.
#[test]
fn a_plan_is_signed_over_what_its_rules_say() {
    let mut site = Site::new();
    let mut builder = site.builder(ALICE);
    populate(&site, &mut builder);
    let names = [site.leaf(5), Name::Anchor(site.cohort), site.leaf(2)];
    let message = |position: usize, meaning: Meaning, outflow: u128| SignedMessage {
        meaning,
        rule: SHOP,
        fragment: site.cohort.leaf(names[position].leaf()).unwrap(),
        nonce: builder.state(names[position]).unwrap().unwrap().nonce,
        valid_until: u64::MAX,
        outflows: vec![Outflow {
            asset: eth(),
            amount: outflow,
        }],
    };
    let expected = [
        message(0, Meaning::opaque(&[]), 3),
        message(1, sale(7), 7),
        message(2, sale(9), 9),
    ];
    let theirs = sign(&passkey(2), &expected[2], vec![9], 2);
    let unsigned = |position: u8, payload: &'static [u8]| Authorisation {
        position,
        valid_until: u64::MAX,
        outflows: expected[usize::from(position)].outflows.clone(),
        payload: payload.into(),
        signature: Signature::Secp256k1(Default::default()),
    };
    let mut call = echo(&[0, 1, 2], &[transfer(1, 0, eth(), 7), transfer(2, 1, eth(), 9)]);
    call.rule = 2;
    call.authorisations = vec![unsigned(0, &[]), unsigned(1, &[7]), theirs.clone()];
    // A second call, at the next nonces.
    let mut second = call.clone();
    second.authorisations.pop();
    second.fragments.pop();
    second.extra = Effect::encode_list(&[transfer(0, 1, eth(), 3)]).into();
    let mut plan = plan(&names, vec![call, second]);

    let refused = |plan: &StepPlan| match builder.clone().step(plan) {
        Err(StepError::Failure(Failure::Invalid(Invalid::Call { call, fault }))) => (call, fault),
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(&plan), (0, CallFault::Signature { position: 0, .. })));
    let messages = builder.messages(&plan).unwrap();
    let next = |message: &SignedMessage| SignedMessage {
        nonce: message.nonce + 1,
        ..message.clone()
    };
    let later = expected[..2].iter().map(next).collect();
    assert_eq!(messages, [expected.to_vec(), later]);

    let keys = [key(3), key(1)];
    let signer = |fragment: FragmentId| {
        let place = expected.iter().position(|message| message.fragment == fragment);
        keys.get(place?).map(|key| key as &dyn Signer)
    };
    builder.sign(&mut plan, signer).unwrap();
    assert_eq!(plan.body.calls[0].authorisations[2], theirs);
    builder.step(&plan).unwrap();
    let batch = builder.build().unwrap();
    assert_eq!(site.submit(ALICE, &batch).1, [Judgement::Valid, Judgement::Valid]);

    // What is wrong beside signatures is refused before anybody signs.
    let builder = site.builder(ALICE);
    plan.body.calls.truncate(1);
    plan.body.calls[0].extra = Effect::encode_list(&[transfer(1, 0, eth(), 8)]).into();
    let refused = builder.messages(&plan).unwrap_err();
    assert_eq!(builder.sign(&mut plan, signer), Err(refused.clone()));
    assert!(matches!(
        refused,
        StepError::Failure(Failure::Invalid(Invalid::Call {
            fault: CallFault::Effect { effect: 2, .. },
            ..
        }))
    ));
}
