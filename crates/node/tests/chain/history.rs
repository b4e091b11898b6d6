//! People who do everything that there is, so that a chain has a history; and followers compared to the row.

use std::sync::Arc;

use alloy::{primitives::U256, providers::Provider, trie::root::storage_root_unhashed};
use nthroot_model::{
    ledger::{Ledger, State},
    rule::Rules,
};
use nthroot_node::{Follower, L1, Proposer, Watcher, follower::Options, index::Index, store::Memory};
use nthroot_protocol::{AccountOp, AnchorId, Batch, Body, Fragment, Signature, storage};

use crate::world::{Actor, ETHER, World, party, withdraw};

pub(crate) struct History {
    pub(crate) world: World,
    pub(crate) alice: Actor,
    pub(crate) paula: Actor,
    mallory: Actor,
    wanda: Actor,
    /// Of Alice and of Mallory.
    anchors: [AnchorId; 2],
}

impl History {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let (alice, wanda) = (world.actor("alice").await, world.actor("wanda").await);
        let (paula, mallory) = (world.proposer("paula").await, world.proposer("mallory").await);
        let anchors = [world.deposit(&alice, ETHER).await, world.deposit(&mallory, ETHER).await];
        Self {
            world,
            alice,
            paula,
            mallory,
            wanda,
            anchors,
        }
    }

    pub(crate) async fn block(&self) -> u64 {
        self.world.devnet.l1().block_number().await.unwrap()
    }

    /// One thing after another happens: deposits, payments, a lie and its conviction; then nothing, up to a last deposit in block
    /// `last`. Another seed, another history.
    pub(crate) async fn go_on(&self, last: u64, seed: u64) {
        for turn in seed..seed + 7 {
            let kind = [0, 1, 2, 3, 1, 2, 0][usize::try_from(turn % 7).expect("it is below 7")];
            if self.block().await + 1 < last {
                self.act(kind, seed).await;
            }
        }
        let empty = last.saturating_sub(self.block().await + 1);
        if empty > 0 {
            self.world.devnet.mine(empty).await.unwrap();
        }
        self.act(0, seed).await;
    }

    async fn act(&self, kind: u64, seed: u64) {
        let mut follower = self.world.follower().await;
        let [alices, mallorys] = self.anchors;
        let amount = u128::from(seed) + 1;
        match kind {
            0 => drop(self.world.deposit(&self.alice, ETHER / 1_000 + amount).await),
            1 => {
                let ops = [withdraw(self.alice.address(), amount)];
                self.post(&follower, &self.paula, &self.alice, alices, &ops, |_| ())
                    .await;
            }
            2 => {
                let rich = Fragment {
                    nonce: 1,
                    ..Fragment::deposited(self.mallory.key(), Default::default(), amount * ETHER)
                };
                let enrich = |batch: &mut Batch| batch.steps[0].fresh[0].root = rich.root();
                self.post(&follower, &self.mallory, &self.mallory, mallorys, &[], enrich)
                    .await;
            }
            _ => drop(
                Watcher::new(self.wanda.sender.clone())
                    .defend(&mut follower)
                    .await
                    .unwrap(),
            ),
        }
    }

    /// Posts what somebody does with an anchor, if its state is known and a fault does not forbid it.
    async fn post(
        &self,
        follower: &Follower,
        proposer: &Actor,
        actor: &Actor,
        anchor: AnchorId,
        ops: &[AccountOp],
        tamper: impl FnOnce(&mut Batch),
    ) {
        let Some(state) = follower.ledger().state(anchor).and_then(State::known) else {
            return;
        };
        let plan = self.world.plan(&[party(actor, anchor, state.header().nonce, ops)]);
        let proposer = Proposer::new(proposer.sender.clone());
        let mut batch = proposer.build(follower, None, &[plan]).unwrap();
        tamper(&mut batch);
        proposer.post(follower, &batch).await.unwrap();
    }

    /// Mallory posts a step of her own with a signature that is none. Returns her anchor.
    pub(crate) async fn post_with_a_bad_signature(&self) -> AnchorId {
        let follower = self.world.follower().await;
        let spoil = |batch: &mut Batch| {
            let step = &mut batch.steps[0];
            let mut body = Body::of(step).unwrap();
            let signature = &mut body.calls[0].authorisations[0].signature;
            let Signature::Secp256k1(compact) = signature else {
                panic!("{signature:?}")
            };
            compact.0[31] ^= 1;
            step.body = body.encode().into();
        };
        let anchor = self.anchors[1];
        self.post(&follower, &self.mallory, &self.mallory, anchor, &[], spoil)
            .await;
        anchor
    }

    pub(crate) async fn snapshot(&self) -> String {
        let provider = self.world.devnet.l1().provider();
        provider.raw_request("evm_snapshot".into(), ()).await.unwrap()
    }

    pub(crate) async fn revert(&self, snapshot: String) {
        let provider = self.world.devnet.l1().provider();
        let done: bool = provider.raw_request("evm_revert".into(), (snapshot,)).await.unwrap();
        assert!(done);
    }

    /// A follower that reads `l1` as `options` say and keeps nothing.
    pub(crate) async fn follower_of(&self, l1: L1, options: Options) -> Follower {
        let (deployment, store) = (self.world.deployment.clone(), Arc::new(Memory::new()));
        let follower = Follower::open_with(l1, deployment, Rules::default(), store, options);
        follower.await.unwrap()
    }

    /// The follower has derived what one derives that starts now; and that is what the bridge has.
    pub(crate) async fn assert_fresh(&self, follower: &Follower) {
        let fresh = self.world.follower().await;
        assert_eq!(follower.tip(), fresh.tip());
        assert_eq!(follower.finalised(), fresh.finalised());
        assert_eq!(rows(follower.ledger()), rows(fresh.ledger()));
        assert_eq!(rows(follower.settled()), rows(fresh.settled()));
        let view = follower.view();
        assert_eq!(view.index, Index::of(&view.ledger));
        assert_eq!(view.settled_index, Index::of(&view.settled));
        self.assert_bridge(fresh.ledger()).await;
    }

    /// The bridge has these heads, and in each slot this word.
    async fn assert_bridge(&self, ledger: &Ledger) {
        let (provider, bridge) = (self.world.devnet.l1().provider(), self.world.deployment.bridge);
        let proof = provider.get_proof(bridge, Vec::new()).await.unwrap();
        assert_eq!(storage_root_unhashed(ledger.storage()), proof.storage_hash);
        for (anchor, head, _) in ledger.anchors() {
            assert_eq!(self.world.head(anchor).await, Some(head), "head of {anchor}");
        }
        for (actor, slot) in [&self.paula, &self.mallory]
            .into_iter()
            .flat_map(|actor| (0..8).map(move |slot| (actor, slot)))
        {
            let place = storage::batch_slot(actor.address(), slot);
            let found = provider.get_storage_at(bridge, place.into()).await.unwrap();
            let word = ledger.word(actor.address(), slot);
            assert_eq!(
                found,
                word.map_or(U256::ZERO, |word| word.pack()),
                "slot {slot} of {}",
                actor.address()
            );
        }
    }
}

/// All that a ledger says, but for hashes of blocks, of which those are known that were asked for.
pub(crate) fn rows(ledger: &Ledger) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut ledger = ledger.clone();
    ledger.prune_final();
    ledger.forget_valid_steps(u64::MAX);
    let mut rows = ledger.rows_since(None);
    rows.retain(|(key, _)| key[0] != 1);
    rows.sort();
    rows
}
