//! What L1 has: transactions with what they caused, and batches by their ids.

use std::sync::{Arc, Mutex, PoisonError};

use alloy::{
    consensus::Transaction as _,
    eips::BlockNumberOrTag,
    network::TransactionResponse as _,
    primitives::{Address, B256, U256, utils::format_ether},
    providers::Provider as _,
    rpc::types::{Filter, Log, Transaction, TransactionReceipt, TransactionRequest},
    sol_types::{SolEvent as _, SolEventInterface as _},
};
use eyre::{OptionExt as _, Result, WrapErr as _};
use nthroot_bindings::{Bridge, RuleRegistry, bridge::Bridge::BridgeEvents};
use nthroot_model::ledger::Ledger;
use nthroot_node::{
    Follower, L1, Revert,
    follower::{Options, Witness},
    rules,
    store::Memory,
};
use nthroot_protocol::{AssetId, BatchId, Status};
use serde_json::json;

use super::{
    call::{self, Deed},
    known::Known,
    out::{Out, asset_text},
    step::Told,
};
use crate::{args::Manifest, cache, text::thousands};

/// Looks at L1.
pub(super) struct Look<'a> {
    pub(super) l1: &'a L1,
    pub(super) manifest: &'a Manifest,
    /// Whether the states before it are derived.
    pub(super) derives: bool,
}

/// Keeps the ledger right after a batch.
struct Capture {
    batch: BatchId,
    ledger: Mutex<Option<Ledger>>,
}

impl Witness for Capture {
    fn see(&self, ledger: &Ledger, batch: BatchId) {
        if batch == self.batch {
            *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Some(ledger.clone());
        }
    }

    fn keep(&self) -> bool {
        // Each look begins at the deployment.
        true
    }
}

impl Look<'_> {
    /// The transaction that got this id.
    pub(super) async fn batch(&self, out: &mut Out, id: BatchId) -> Result<()> {
        let deployment = &self.manifest.deployment;
        let block = deployment.deployment_block.saturating_add(id.block_offset());
        let filter = Filter::new()
            .address(deployment.bridge)
            .topic1(B256::from(U256::from(id.to_u64())))
            .select(block..=block);
        let logs = self.l1.provider().get_logs(&filter).await?;
        let made = |log: &&Log| {
            let event = log.topic0().copied();
            [
                Bridge::BatchSubmitted::SIGNATURE_HASH,
                Bridge::Deposited::SIGNATURE_HASH,
            ]
            .iter()
            .any(|signature| event == Some(*signature))
        };
        let hash = logs.iter().find(made).and_then(|log| log.transaction_hash);
        let hash = hash.ok_or_else(|| eyre::eyre!("block {block} has no batch or deposit {id}"))?;
        self.transaction(out, hash).await
    }

    /// A transaction.
    pub(super) async fn transaction(&self, out: &mut Out, hash: B256) -> Result<()> {
        let provider = self.l1.provider();
        let transaction = provider.get_transaction_by_hash(hash).await?;
        let transaction = transaction.ok_or_else(|| eyre::eyre!("the L1 node has no transaction {hash}"))?;
        let receipt = provider.get_transaction_receipt(hash).await?;
        out.heading(format!("transaction {hash}"));
        let Some(receipt) = receipt else {
            out.say("block", "none yet: it waits");
            self.call(out, &Known::of(Some(self.manifest)), &transaction, None);
            return Ok(());
        };
        self.circumstances(out, &transaction, &receipt).await?;
        let mut known = Known::of(Some(self.manifest));
        let mut deed = None;
        if self.derives
            && let Some(batch) = self.posted(&receipt)
        {
            let block = receipt.block_number.ok_or_eyre("the receipt names no block")?;
            let ledger = self
                .derive(batch, block)
                .await
                .wrap_err("the states before it cannot be derived")?;
            known = known.with(ledger.env().clone());
            deed = Some(Deed {
                steps: Told::of_batch(&known, &ledger, batch),
            });
            out.fact("batch", batch);
            self.fate(out, &ledger, batch).await?;
        } else {
            known = self.with_rules(known, &transaction).await?;
        }
        self.call(out, &known, &transaction, deed.as_ref());
        self.events(out, &receipt);
        if !receipt.status() {
            self.failure(out, &transaction, &receipt).await?;
        }
        Ok(())
    }

    async fn circumstances(
        &self,
        out: &mut Out,
        transaction: &Transaction,
        receipt: &TransactionReceipt,
    ) -> Result<()> {
        let block = receipt.block_number.ok_or_eyre("the receipt names no block")?;
        let finalized = self.l1.header(BlockNumberOrTag::Finalized).await.ok();
        let is_final = finalized.is_some_and(|header| block <= header.number);
        let cost = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        let finality = if is_final {
            "final on L1"
        } else {
            "L1 has not finalised it"
        };
        out.deeper(|out| {
            out.say("from", transaction.from());
            match transaction.to() {
                Some(to) => out.say("to", self.name(to)),
                None => out.say("to", "nobody: it creates a contract"),
            }
            if !transaction.value().is_zero() {
                out.say("value", format!("{} ETH", format_ether(transaction.value())));
            }
            out.say("block", format!("{}, {finality}", thousands(block)));
            let (gas, price) = (thousands(receipt.gas_used), receipt.effective_gas_price);
            out.say("gas used", format!("{gas} at {price} wei: {} ETH", format_ether(cost)));
            out.say("calldata", format!("{} bytes", transaction.input().len()));
            if receipt.status() {
                out.say("status", "succeeded");
            } else {
                out.warn("status", "failed");
            }
        });
        out.fact(
            "transaction",
            json!({
                "hash": receipt.transaction_hash,
                "from": transaction.from(),
                "to": transaction.to(),
                "value": transaction.value().to_string(),
                "block": block,
                "isFinal": is_final,
                "gasUsed": receipt.gas_used,
                "succeeded": receipt.status(),
            }),
        );
        Ok(())
    }

    fn name(&self, address: Address) -> String {
        let deployment = &self.manifest.deployment;
        let names = [
            (deployment.bridge, "the bridge"),
            (deployment.registry, "the registry of rules"),
        ];
        match names.into_iter().find(|(known, _)| *known == address) {
            Some((_, name)) => format!("{address}, {name}"),
            None => address.to_string(),
        }
    }

    /// The call, if it is one of the bridge or its registry.
    fn call(&self, out: &mut Out, known: &Known, transaction: &Transaction, deed: Option<&Deed>) {
        let deployment = &self.manifest.deployment;
        match transaction.to() {
            Some(to) if [deployment.bridge, deployment.registry].contains(&to) => {
                call::explain(out, known, deed, transaction.input());
            }
            Some(_) => {
                out.fact("kind", "other");
                out.say("call", "of another contract, or of none");
            }
            None => {
                out.fact("kind", "create");
                out.say("call", "none: it creates a contract");
            }
        }
    }

    /// The batch that a transaction posted.
    fn posted(&self, receipt: &TransactionReceipt) -> Option<BatchId> {
        let logs = receipt
            .logs()
            .iter()
            .filter(|log| log.address() == self.manifest.deployment.bridge);
        let mut posted = logs.filter_map(|log| Bridge::BatchSubmitted::decode_log(&log.inner).ok());
        BatchId::from_u64(posted.next()?.id.to())
    }

    /// The ledger right after a batch.
    async fn derive(&self, batch: BatchId, block: u64) -> Result<Ledger> {
        let options = Options {
            up_to: Some(block),
            // Only what follows from the inputs counts here: `nthroot audit` compares.
            compare_state: false,
            ..Options::default()
        };
        let deployment = self.manifest.deployment.clone();
        let twins = rules::twins(&rules::book(&deployment));
        let mut follower =
            Follower::open_with(self.l1.clone(), deployment, twins, Arc::new(Memory::new()), options).await?;
        let capture = Arc::new(Capture {
            batch,
            ledger: Mutex::new(None),
        });
        follower.set_witness(Arc::clone(&capture) as _);
        cache::sync(&mut follower).await?;
        let ledger = capture.ledger.lock().unwrap_or_else(PoisonError::into_inner).take();
        ledger.ok_or_else(|| eyre::eyre!("batch {batch} does not follow from L1"))
    }

    /// Evidence is judged by itself, but for rules of which only their code is known.
    async fn with_rules(&self, known: Known, transaction: &Transaction) -> Result<Known> {
        let Some(mut env) = known.env.clone() else {
            return Ok(known);
        };
        for rule in call::rules(transaction.input()) {
            if env.rules.get(rule).is_none() && rule != env.account_rule {
                let code = self.l1.provider().get_code_at(rule).await?;
                // One that was never registered stays unknown.
                if let Ok(more) = rules::learn(&env.rules, self.manifest.deployment.registry, rule, code) {
                    env.rules = more;
                }
            }
        }
        Ok(known.with(env))
    }

    /// What has become of a batch until now.
    async fn fate(&self, out: &mut Out, ledger: &Ledger, batch: BatchId) -> Result<()> {
        let Ok(preimage) = ledger.preimage(batch) else {
            return Ok(());
        };
        let bridge = Bridge::new(self.manifest.deployment.bridge, self.l1.provider());
        let bytes = alloy::primitives::Bytes::from(preimage.encode());
        let status = bridge.status(bytes).call().await.ok();
        let known = [Status::Live, Status::Faulty, Status::Condemned, Status::Unwound];
        let status = status.and_then(|status| known.into_iter().find(|known| *known as u8 == status));
        let status = status.map_or_else(
            // Its word slot was used again: only what is final, with all paid, or unwound makes room.
            || "over: its word slot was used again".to_owned(),
            |status| format!("{status:?}").to_lowercase(),
        );
        let (block, end) = (ledger.block(), ledger.window_end(batch));
        out.deeper(|out| {
            out.say("batch", format!("{batch}, posted in block {}", thousands(block)));
            out.say("status now", &status);
            out.say("can be challenged until block", thousands(end));
            out.say("commitment", preimage.hash());
        });
        out.fact("status", status);
        out.fact("windowEnd", end);
        Ok(())
    }

    fn events(&self, out: &mut Out, receipt: &TransactionReceipt) {
        let deployment = &self.manifest.deployment;
        let mut events = Vec::new();
        for log in receipt.logs() {
            if log.address() == deployment.bridge {
                let event = BridgeEvents::decode_log(&log.inner).map(|event| told(&event.data));
                events.push(event.unwrap_or_else(|error| ("unreadable", error.to_string())));
            } else if log.address() == deployment.registry {
                let event = RuleRegistry::RuleRegistered::decode_log(&log.inner);
                let event = event.map(|event| ("RuleRegistered", format!("{}, {} bytes", event.rule, event.size)));
                events.push(event.unwrap_or_else(|error| ("unreadable", error.to_string())));
            }
        }
        if !events.is_empty() {
            out.heading("what was said of it (events)");
            out.deeper(|out| {
                for (name, text) in events {
                    out.add("events", name);
                    out.say(name, text);
                }
            });
        }
    }

    /// Why a transaction failed, as a call at the block before tells.
    async fn failure(&self, out: &mut Out, transaction: &Transaction, receipt: &TransactionReceipt) -> Result<()> {
        let before = receipt.block_number.unwrap_or_default().saturating_sub(1);
        let mut call = TransactionRequest::default()
            .from(transaction.from())
            .input(transaction.input().clone().into())
            .value(transaction.value())
            .gas_limit(transaction.gas_limit());
        call.to = Some(transaction.kind());
        let why = match self.l1.provider().call(call).number(before).await {
            Ok(_) => "not told: at the block before it would have succeeded".to_owned(),
            Err(error) => Revert::of(&error).map_or_else(|| error.to_string(), |revert| revert.to_string()),
        };
        out.warn("failed", &why);
        out.fact("failure", why);
        Ok(())
    }
}

/// What an event says.
fn told(event: &BridgeEvents) -> (&'static str, String) {
    let id = |id: u64| BatchId::from_u64(id).map_or_else(|| id.to_string(), |id| id.to_string());
    let asset = |token: Address| asset_text(AssetId::token(token));
    match event {
        BridgeEvents::Deposited(event) => (
            "Deposited",
            format!(
                "{} of {} under key {}: opens anchor {}/0",
                event.amount,
                asset(event.token),
                event.key,
                id(event.id.to())
            ),
        ),
        BridgeEvents::BatchSubmitted(event) => (
            "BatchSubmitted",
            format!("batch {}, word {:#x}", id(event.id.to()), event.word),
        ),
        BridgeEvents::StepsSkipped(event) => (
            "StepsSkipped",
            format!("batch {}: bits {}", id(event.id.to()), event.skipped),
        ),
        BridgeEvents::Convicted(event) => (
            "Convicted",
            format!(
                "batch {} of {} by {}: {} wei slashed{}",
                id(event.id.to()),
                event.proposer,
                event.challenger,
                event.slashed,
                if event.unwound { ", unwound at once" } else { "" }
            ),
        ),
        BridgeEvents::Condemned(event) => (
            "Condemned",
            format!("batch {}, built on {}", id(event.id.to()), id(event.parent.to())),
        ),
        BridgeEvents::Unwound(event) => ("Unwound", format!("batch {}", id(event.id.to()))),
        BridgeEvents::Claimed(event) => (
            "Claimed",
            format!(
                "withdrawal {} of batch {}: {} of {} to {}",
                event.position,
                id(event.id.to()),
                event.amount,
                asset(event.token),
                event.recipient
            ),
        ),
        BridgeEvents::Assigned(event) => (
            "Assigned",
            format!(
                "withdrawal {} of batch {} from {} to {} for {} of {}",
                event.position,
                id(event.id.to()),
                event.from,
                event.to,
                event.price,
                asset(event.token)
            ),
        ),
        BridgeEvents::OrphanFeePaid(event) => (
            "OrphanFeePaid",
            format!(
                "{} wei of {} to {} for batch {}",
                event.amount,
                event.proposer,
                event.to,
                id(event.id.to())
            ),
        ),
        BridgeEvents::BondFunded(event) => (
            "BondFunded",
            format!("{} wei for {} by {}", event.amount, event.proposer, event.from),
        ),
        BridgeEvents::BondWithdrawn(event) => (
            "BondWithdrawn",
            format!("{} wei of {} to {}", event.amount, event.proposer, event.to),
        ),
    }
}
