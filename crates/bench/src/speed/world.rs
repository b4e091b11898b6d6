//! Payments between fragments chosen at random, in batches with as many steps as fit: 512 anchors, 128 KiB.
//!
//! The payer signs, and so does the payee unless the proposer holds a lease of its anchor: one signature a step, or two. A batch
//! is posted in a block of its own.

use std::collections::BTreeSet;

use alloy::signers::k256::ecdsa::SigningKey;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    kernel::Env,
    ledger::Ledger,
    params::Params,
    signing::Signer,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Body, Call, CompactSignature, FragmentId, Outflow, Signature,
    limits::{MAX_CEILING, MAX_ENTRIES, MAX_LEASE},
};
use rand::{Rng, rngs::StdRng};

const ETHER: u128 = 1_000_000_000_000_000_000;
const DEPLOYED: u64 = 100;
/// Bytes of a transaction that L1 nodes pass on, less what is around the batch.
const MAX_BATCH: usize = 131_072 - 1_024;
/// Deposits of a block.
const DEPOSITS: usize = 8_000;
/// Keys are dear to make: fragments share them.
const KEYS: usize = 256;

/// Who posts all batches.
pub const PROPOSER: Address = Address::repeat_byte(1);

fn key(number: usize) -> SigningKey {
    SigningKey::from_slice(keccak256(number.to_be_bytes()).as_slice()).expect("a scalar")
}

fn hash(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

/// A ledger on which everybody has a deposit.
pub struct World {
    /// The ledger.
    pub ledger: Ledger,
    keys: Vec<SigningKey>,
    anchors: Vec<AnchorId>,
}

/// A batch, and what it is made of.
#[derive(Debug)]
pub struct Posted {
    /// What `submit` takes.
    pub bytes: Vec<u8>,
    /// Steps in it.
    pub steps: usize,
}

impl World {
    /// So many deposits of one ether, judged by `env`.
    pub fn new(fragments: usize, env: Env) -> Self {
        let params = Params {
            chain_id: 1,
            deployment_block: DEPLOYED,
            window: 50_400,
            insured_gas_price: 1_000_000_000,
            min_lock: Params::least_min_lock(1_000_000_000),
            caps: None,
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, hash(DEPLOYED)).expect("the first block");
        ledger.fund_bond(PROPOSER, 1_000_000 * ETHER).expect("whole gwei");
        let keys: Vec<SigningKey> = (0..KEYS).map(key).collect();
        let mut anchors = Vec::with_capacity(fragments);
        for number in 0..fragments {
            if number % DEPOSITS == 0 {
                begin_next(&mut ledger);
            }
            let deposited = ledger.deposit(keys[number % KEYS].key(), Address::ZERO, ETHER);
            anchors.push(AnchorId::new(deposited.expect("a deposit"), 0));
        }
        begin_next(&mut ledger);
        Self { ledger, keys, anchors }
    }

    /// Deposits are in the order of their ids.
    fn place(&self, fragment: FragmentId) -> usize {
        self.anchors.binary_search(&fragment.anchor()).expect("a deposit")
    }

    /// A call of the Account rule, in which these fragments say something each; to be signed.
    fn plan(&self, fragments: &[usize], says: &[(u8, Option<Outflow>, Vec<AccountOp>)]) -> StepPlan {
        let authorisation = |(position, outflow, ops): &(u8, Option<Outflow>, Vec<AccountOp>)| Authorisation {
            position: *position,
            valid_until: u64::MAX,
            outflows: outflow.iter().copied().collect(),
            payload: AccountOp::encode_payload(ops).into(),
            signature: Signature::Secp256k1(CompactSignature::ZERO),
        };
        let call = Call {
            rule: 0,
            gas: 50_000,
            max_effects: 256,
            fragments: (0..).take(fragments.len()).collect(),
            authorisations: says.iter().map(authorisation).collect(),
            extra: Bytes::new(),
        };
        StepPlan {
            fragments: fragments
                .iter()
                .map(|fragment| Name::Anchor(self.anchors[*fragment]))
                .collect(),
            body: Body::from(vec![call]),
        }
    }

    fn payment(&self, from: usize, to: usize, amount: u128, payee_signs: bool) -> StepPlan {
        let asset = AssetId::ETH;
        let to_id = self.anchors[to].fragment();
        let pay = AccountOp::Pay {
            to: to_id,
            asset,
            amount,
        };
        let mut says = vec![(0, Some(Outflow { asset, amount }), vec![pay])];
        if payee_signs {
            says.push((1, None, Vec::new()));
        }
        self.plan(&[from, to], &says)
    }

    fn lease(&self, fragment: usize, last_block: u64) -> StepPlan {
        let lease = AccountOp::SetLease {
            holder: PROPOSER,
            last_block,
        };
        self.plan(&[fragment], &[(0, None, vec![lease])])
    }

    /// A batch of these steps for the next block, or of as many as fit, and how many these are.
    fn batch(&self, ledger: &Ledger, slot: u16, plans: impl Iterator<Item = StepPlan>) -> Posted {
        let clock = ledger.block();
        let posting = Posting {
            proposer: PROPOSER,
            clock,
            clock_hash: hash(clock),
            slot,
            ceiling: MAX_CEILING,
        };
        let mut builder = BatchBuilder::new(ledger, posting);
        let mut bytes = 0;
        for mut plan in plans {
            let signer = |fragment: FragmentId| Some(&self.keys[self.place(fragment) % KEYS] as &dyn Signer);
            builder.sign(&mut plan, signer).expect("it can be built");
            // No step is longer than with fresh touches.
            bytes += plan.body.encode().len() + 4 + 39 * plan.fragments.len();
            if bytes > MAX_BATCH {
                break;
            }
            builder.step(&plan).expect("it is valid");
        }
        let ceiling = builder.proof_gas().into_iter().max().unwrap_or_default();
        builder.set_ceiling(u32::try_from(ceiling).expect("below the limit"));
        let batch = builder.build().expect("a batch");
        Posted {
            bytes: batch.encode(),
            steps: batch.steps.len(),
        }
    }

    /// Batches of payments, and the ledger on which they are posted in the next blocks.
    pub fn payments(&self, batches: usize, payee_signs: bool, rng: &mut StdRng) -> (Ledger, Vec<Posted>) {
        let pairs: Vec<Vec<(usize, usize)>> = (0..batches).map(|_| self.pairs(rng)).collect();
        let mut ledger = self.ledger.clone();
        let mut slots = 0..;
        let mut post = |ledger: &mut Ledger, plans: &mut dyn Iterator<Item = StepPlan>| {
            let batch = self.batch(ledger, slots.next().expect("few"), plans);
            begin_next(ledger);
            ledger.submit(PROPOSER, &batch.bytes).expect("it is accepted");
            batch
        };
        if !payee_signs {
            for pairs in &pairs {
                let payees: BTreeSet<usize> = pairs.iter().map(|(_, to)| *to).collect();
                let last_block = ledger.block() + MAX_LEASE;
                post(
                    &mut ledger,
                    &mut payees.into_iter().map(|payee| self.lease(payee, last_block)),
                );
            }
        }
        let start = ledger.clone();
        let batches = pairs.into_iter().map(|pairs| {
            let amounts = (1..).zip(pairs.iter().cycle());
            let mut payments = amounts.map(|(amount, (from, to))| self.payment(*from, *to, amount, payee_signs));
            post(&mut ledger, &mut payments)
        });
        let batches = batches.collect();
        (start, batches)
    }

    /// Who pays whom in a batch.
    fn pairs(&self, rng: &mut StdRng) -> Vec<(usize, usize)> {
        let mut used = BTreeSet::new();
        let most = usize::from(MAX_ENTRIES).min(self.anchors.len());
        while used.len() < most {
            used.insert(rng.random_range(0..self.anchors.len()));
        }
        let (payers, payees): (Vec<usize>, Vec<usize>) = used.into_iter().partition(|fragment| fragment % 2 == 0);
        payers.into_iter().zip(payees).collect()
    }
}

/// Begins the ledger's next block.
pub fn begin_next(ledger: &mut Ledger) {
    let next = ledger.block() + 1;
    ledger.begin_block(next, hash(next)).expect("the next block");
}
