//! What the bridge's account is on L1, compared with what follows from its inputs: by one root, and slot by slot where that differs.

mod walk;

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    consensus::TrieAccount,
    primitives::{Address, B256, U256, keccak256},
    providers::Provider as _,
    rlp,
    trie::{HashBuilder, Nibbles, proof::verify_proof, root::storage_root_unhashed},
};
use nthroot_model::ledger::Ledger;
use nthroot_protocol::storage::{
    GLOBAL_SLOT, anchor_slot, assignment_slot, batch_slot, bond_slot, cap_slot, paid_slot,
};
use serde::Serialize;

use super::{Pinned, findings::Findings, seen::Written};
use crate::{deploy::Deployment, error::Result, l1::L1};

/// Slots that are asked for at a time.
const SLOTS: usize = 256;

/// The bridge's account at a block.
pub(super) struct Account {
    pub(super) balance: U256,
    /// None if the L1 node gives no proofs.
    storage_root: Option<B256>,
    /// Whether what the L1 node says of its storage is proved.
    proven: bool,
}

/// The bridge's storage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// How many slots follow from the bridge's inputs.
    pub slots: usize,
    /// The root of them.
    pub derived: B256,
    /// The root that L1 has, if its node says one.
    pub found: Option<B256>,
    /// Whether that was proved against the block's state root.
    pub proven: bool,
    /// Slots that are zero and that the node's trie counts all the same. Those of L1 count none.
    pub zeros: usize,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

/// A slot that is not what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The slot; none if only its hash is known.
    pub slot: Option<B256>,
    /// Its keccak, by which the trie has it.
    pub hash: B256,
    /// What the specification keeps in it.
    pub name: String,
    /// What L1 has.
    pub found: B256,
    /// What follows.
    pub derived: B256,
}

/// An account, held against the block's state root; none if the L1 node gives no proofs. A proof that is none is a finding.
pub(super) async fn prove(
    l1: &L1,
    address: Address,
    block: &Pinned,
    findings: &mut Findings,
) -> Result<Option<TrieAccount>> {
    let proof = match l1.provider().get_proof(address, Vec::new()).block_id(block.id()).await {
        Ok(proof) => proof,
        Err(error) if error.is_error_resp() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let key = Nibbles::unpack(keccak256(address));
    if let Err(error) = verify_proof(block.state_root, key, Some(rlp::encode(account)), &proof.account_proof) {
        findings.wrong(
            "proof",
            format!("what the L1 node says of {address} is not in the block's state: {error}"),
        );
    }
    Ok(Some(account))
}

/// Asks for the bridge's account, with a proof if the node gives one.
pub(super) async fn account(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    findings: &mut Findings,
) -> Result<Account> {
    let (provider, bridge) = (l1.provider(), deployment.bridge);
    if let Some(account) = prove(l1, bridge, block, findings).await? {
        return Ok(Account {
            balance: account.balance,
            storage_root: Some(account.storage_root),
            proven: true,
        });
    }
    findings.notice(
        "proof",
        "the L1 node proves nothing of what the bridge holds: it is believed".to_owned(),
    );
    Ok(Account {
        balance: provider.get_balance(bridge).block_id(block.id()).await?,
        storage_root: None,
        proven: false,
    })
}

/// Compares. `written` is for what slots may have been written, so that those are looked at too that should be zero.
pub(super) async fn compare(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    account: &Account,
    ledger: &Ledger,
    written: &Written,
    findings: &mut Findings,
) -> Result<Storage> {
    let derived: BTreeMap<B256, U256> = ledger.storage().collect();
    let root = storage_root_unhashed(derived.iter().map(|(slot, word)| (*slot, *word)));
    let mut storage = Storage {
        slots: derived.len(),
        derived: root,
        found: account.storage_root,
        proven: account.proven,
        zeros: 0,
        differences: Vec::new(),
    };
    if account.storage_root == Some(root) {
        return Ok(storage);
    }
    let names = names(deployment, ledger, written);
    let known: BTreeSet<B256> = derived.keys().chain(names.keys()).copied().collect();
    let known: Vec<B256> = known.into_iter().collect();
    for slots in known.chunks(SLOTS) {
        for (slot, found) in words(l1, deployment, block, account, slots).await? {
            let expected = derived.get(&slot).copied().unwrap_or_default();
            if found != expected {
                storage.differences.push(Difference {
                    slot: Some(slot),
                    hash: keccak256(slot),
                    name: names
                        .get(&slot)
                        .cloned()
                        .unwrap_or_else(|| "a slot of the specification".to_owned()),
                    found: found.into(),
                    derived: expected.into(),
                });
            }
        }
    }
    if account.storage_root.is_some() {
        let known: BTreeSet<B256> = known.iter().map(keccak256).collect();
        let walk = walk::walk(l1, deployment.bridge, block.id(), &derived).await?;
        let mut zeros = Vec::new();
        for (hash, found) in walk.leaves {
            if found.is_zero() {
                zeros.push(hash);
            } else if !known.contains(&hash) {
                storage.differences.push(Difference {
                    slot: None,
                    hash,
                    name: "nothing that the specification knows".to_owned(),
                    found: found.into(),
                    derived: B256::ZERO,
                });
            }
        }
        storage.zeros = zeros.len();
        if !walk.is_whole {
            findings.wrong(
                "storage",
                "there are more slots that differ than could be looked for".to_owned(),
            );
        } else if account.storage_root != Some(root_of(&derived, &storage.differences, &zeros)) {
            let found = account.storage_root.unwrap_or_default();
            findings.wrong(
                "storage",
                format!("the storage root is {found}, {root} follows, and what the L1 node says of slots leads to neither: it contradicts itself"),
            );
        }
    }
    for difference in &storage.differences {
        let Difference {
            slot,
            hash,
            name,
            found,
            derived,
        } = difference;
        let place = slot.map_or_else(|| format!("the slot with hash {hash}"), |slot| format!("slot {slot}"));
        findings.wrong(
            "storage",
            format!("{place} ({name}) is {found}, what follows is {derived}"),
        );
    }
    Ok(storage)
}

/// The root of what an L1 node says there is: nothing that it says of single slots counts if that does not lead to its root.
fn root_of(derived: &BTreeMap<B256, U256>, differences: &[Difference], zeros: &[B256]) -> B256 {
    let mut leaves: BTreeMap<B256, U256> = derived.iter().map(|(slot, word)| (keccak256(slot), *word)).collect();
    for difference in differences {
        leaves.insert(difference.hash, difference.found.into());
    }
    leaves.retain(|_, word| !word.is_zero());
    leaves.extend(zeros.iter().map(|hash| (*hash, U256::ZERO)));
    let mut builder = HashBuilder::default();
    for (hash, word) in leaves {
        builder.add_leaf(Nibbles::unpack(hash), &rlp::encode(word));
    }
    builder.root()
}

/// The words in these slots.
async fn words(
    l1: &L1,
    deployment: &Deployment,
    block: &Pinned,
    account: &Account,
    slots: &[B256],
) -> Result<Vec<(B256, U256)>> {
    let (provider, bridge) = (l1.provider(), deployment.bridge);
    if account.storage_root.is_some() {
        let proof = provider.get_proof(bridge, slots.to_vec()).block_id(block.id()).await?;
        let found = proof.storage_proof.iter();
        return Ok(found.map(|found| (found.key.as_b256(), found.value)).collect());
    }
    let mut words = Vec::with_capacity(slots.len());
    for slot in slots {
        let word = provider
            .get_storage_at(bridge, (*slot).into())
            .block_id(block.id())
            .await?;
        words.push((*slot, word));
    }
    Ok(words)
}

/// What each slot is that may have been written.
fn names(deployment: &Deployment, ledger: &Ledger, written: &Written) -> BTreeMap<B256, String> {
    let mut names = BTreeMap::from([(GLOBAL_SLOT, "the global word: last id and faults".to_owned())]);
    let anchors = ledger.anchors().map(|(anchor, _, _)| anchor);
    for anchor in anchors.chain(written.anchors.iter().copied()) {
        names.insert(anchor_slot(anchor), format!("head of anchor {anchor}"));
    }
    for ((proposer, k), batch) in &written.words {
        names.insert(
            batch_slot(*proposer, *k),
            format!("word {k} of proposer {proposer}, last used by batch {batch}"),
        );
    }
    for batch in &written.batches {
        names.insert(paid_slot(*batch), format!("what is paid of batch {batch}"));
    }
    for (batch, position) in &written.assignments {
        names.insert(
            assignment_slot(*batch, *position),
            format!("assignment of withdrawal {position} of batch {batch}"),
        );
    }
    for proposer in &written.proposers {
        names.insert(bond_slot(*proposer), format!("bond of {proposer}"));
    }
    for token in deployment.parameters.caps.keys() {
        names.insert(cap_slot(*token), format!("cap of token {token}"));
    }
    names
}
