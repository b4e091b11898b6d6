//! One who sees L1 as it is, and says in the end whether all is well.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use nthroot_model::{
    anchor::AnchorState,
    ledger::{Judgement, Ledger},
};
use nthroot_node::{
    Follower,
    inputs::{Input, What},
};
use nthroot_protocol::{AssetId, BatchId, Head, Status};

use crate::world::World;

/// A batch on L1.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) proposer: Address,
    pub(crate) block: u64,
    /// Steps that took effect.
    pub(crate) steps: usize,
    /// Steps that had none, since the heads had moved.
    pub(crate) skipped: usize,
    /// Why it is a lie, if it is.
    pub(crate) lie: Option<String>,
    /// Bodies of its steps that took effect.
    bodies: Vec<Bytes>,
    pub(crate) convicted: Option<u64>,
    pub(crate) burnt: U256,
    pub(crate) unwound: bool,
}

/// A follower, and what it has seen happen on the chain as it is now.
pub(crate) struct Judge {
    pub(crate) follower: Follower,
    pub(crate) batches: BTreeMap<BatchId, Seen>,
    /// Blocks that were rolled back.
    pub(crate) rolled_back: u64,
}

impl Judge {
    pub(crate) async fn new(world: &World) -> Self {
        Self {
            follower: world.follower().await,
            batches: BTreeMap::new(),
            rolled_back: 0,
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.follower.ledger()
    }

    /// Looks at what is new on L1.
    pub(crate) async fn look(&mut self) {
        let before = self.follower.tip().number;
        let news = self.follower.sync().await;
        let news = news.unwrap_or_else(|error| panic!("it sees L1 as it is, and {error}"));
        self.rolled_back += news.rolled_back;
        let left = before - news.rolled_back;
        self.batches.retain(|_, seen| seen.block <= left);
        for seen in self.batches.values_mut() {
            if seen.convicted.is_some_and(|block| block > left) {
                seen.convicted = None;
            }
        }
        for input in news.inputs {
            self.note(&input);
        }
    }

    fn note(&mut self, input: &Input) {
        match &input.what {
            What::Submitted { proposer, id, .. } => {
                let ledger = self.follower.ledger();
                let (mut bodies, mut skipped) = (Vec::new(), 0);
                for (placed, judged) in ledger.steps(*id).unwrap_or_default() {
                    match judged {
                        Judgement::Skipped(_) => skipped += 1,
                        _ => bodies.extend(placed.map(|placed| placed.step.body.clone())),
                    }
                }
                let lie = match (ledger.lies_of(*id).first(), ledger.status(*id)) {
                    (Some(lie), _) => Some(format!("{:?}", lie.reason)),
                    // It was over before it was looked at. Of no other is nothing kept so soon.
                    (None, Some(Status::Unwound)) => Some("Gone".to_owned()),
                    (None, _) => None,
                };
                let batch = Seen {
                    proposer: *proposer,
                    block: input.block,
                    steps: bodies.len(),
                    skipped,
                    lie,
                    bodies,
                    convicted: None,
                    burnt: U256::ZERO,
                    unwound: false,
                };
                self.batches.insert(*id, batch);
            }
            What::Convicted { id, slashed, unwound } => {
                if let Some(seen) = self.batches.get_mut(id) {
                    seen.convicted = Some(input.block);
                    // Half goes to the challenger, rounded down.
                    seen.burnt = *slashed - *slashed / U256::from(2);
                    seen.unwound = *unwound;
                }
            }
            _ => {}
        }
    }

    /// Whether a step with this signature took effect, and still does.
    pub(crate) fn has_happened(&self, signature: &[u8]) -> bool {
        let standing = |(id, _): &(&BatchId, &Seen)| self.ledger().status(**id) == Some(Status::Live);
        let mut bodies = self.batches.iter().filter(standing).flat_map(|(_, seen)| &seen.bodies);
        bodies.any(|body| body.windows(signature.len()).any(|part| part == signature))
    }

    /// What has to be done yet about lies; nothing if all is as it should be.
    pub(crate) fn open(&self) -> Option<String> {
        let ledger = self.ledger();
        let (lies, rollbacks) = (ledger.lies(), ledger.rollbacks());
        match (lies.first(), rollbacks.first(), ledger.oldest_fault()) {
            (None, None, None) => None,
            (lie, rollback, fault) => Some(format!(
                "{} lies, first {lie:?}; {} roll-backs, first {rollback:?}; oldest fault {fault:?}",
                lies.len(),
                rollbacks.len()
            )),
        }
    }

    /// Every lie was convicted within its window, and nothing else was. Blocks from each lie to its proof.
    pub(crate) fn check_lies(&self, honest: &[Address], wrong: &mut Vec<String>) -> Vec<u64> {
        let window = self.ledger().params().window;
        let mut delays = Vec::new();
        for (id, seen) in &self.batches {
            match (&seen.lie, seen.convicted) {
                (Some(_), Some(block)) if block <= seen.block + window => delays.push(block - seen.block),
                (Some(lie), late) => wrong.push(format!("lie {lie} of batch {id} in block {}: {late:?}", seen.block)),
                (None, Some(_)) => wrong.push(format!("batch {id} is no lie, and was convicted")),
                (None, None) => {}
            }
            let status = self.ledger().status(*id);
            if honest.contains(&seen.proposer) && status != Some(Status::Live) {
                wrong.push(format!("batch {id} of an honest proposer is {status:?}: {seen:?}"));
            }
        }
        delays.sort_unstable();
        delays
    }

    /// What the bridge has is what it owes, of ether and of each token.
    pub(crate) async fn check_money(&self, world: &World, bonds: &[Address], wrong: &mut Vec<String>) {
        let ledger = self.ledger();
        let burnt: U256 = self.batches.values().map(|seen| seen.burnt).sum();
        let bonds: u128 = bonds
            .iter()
            .map(|account| u128::from(ledger.bond(*account).balance))
            .sum();
        for token in [Address::ZERO, world.tokens[0], world.tokens[1]] {
            let has = world.balance(token).await;
            let mut owes = U256::from(owed(ledger, token));
            if token.is_zero() {
                owes += burnt + U256::from(bonds) * U256::from(1_000_000_000);
            }
            let counted = ledger.held(token);
            if has != owes || has != counted {
                wrong.push(format!(
                    "of {token} the bridge has {has}, it owes {owes}, the ledger counts {counted}"
                ));
            }
        }
    }

    /// What nodes that agree say at this block: the keccak of all anchors in order, each as id and head.
    pub(crate) fn digest(&self) -> B256 {
        let mut heads: Vec<_> = self.ledger().anchors().map(|(id, head, _)| (id, head)).collect();
        heads.sort_unstable_by_key(|(id, _)| *id);
        let bytes = heads.into_iter().flat_map(|(id, head)| {
            let word = Head::to_word(Some(head));
            id.to_bytes().into_iter().chain(word.0)
        });
        keccak256(bytes.collect::<Vec<u8>>())
    }
}

/// What is in fragments, and in withdrawals that were not paid.
fn owed(ledger: &Ledger, token: Address) -> u128 {
    let states = ledger.anchors().filter_map(|(_, _, state)| state.known());
    let fragments = states.flat_map(AnchorState::fragments);
    let held: u128 = fragments
        .map(|(_, fragment)| fragment.balance(AssetId::token(token)))
        .sum();
    let live = ledger.batches().filter(|id| ledger.status(*id) == Some(Status::Live));
    let claims = live.flat_map(|id| ledger.claims(id).unwrap_or_default());
    let unpaid = claims.filter(|claim| !claim.paid && claim.withdrawal.token == token);
    held + unpaid.map(|claim| claim.withdrawal.amount).sum::<u128>()
}
