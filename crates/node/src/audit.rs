//! An audit of a live deployment from L1 alone: everything is derived again and every signature checked, what the bridge holds is
//! compared with what that says, and what is not as it should be is named.
//!
//! It is of one block, which is chosen first: all that is asked of the L1 node is asked of that block.

mod deployed;
mod events;
mod findings;
mod money;
mod seen;
mod slots;
mod stakes;

use std::{sync::Arc, time::Instant};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, U256},
};
use serde::{Serialize, Serializer};

pub use self::{
    deployed::{Code, Rule},
    events::Events,
    findings::{Finding, Level},
    money::{Asset, Unpaid, When},
    seen::{Batch, Lie, fault_name},
    slots::{Difference, Storage},
    stakes::{Exposure, Lease, Stake},
};
use self::{findings::Findings, seen::Seen};
use crate::{
    deploy::Deployment,
    error::{Error, Result},
    follower::{Follower, Options},
    l1::L1,
    rules,
    store::Memory,
};

/// Blocks. Ethereum finalises the block before the last two epochs: 64 to 95 back, when all is well.
const USUAL_LAG: u64 = 96;

/// Seconds. An L1 node whose latest block is older knows not what the others know.
const STALE: u64 = 300;

/// What an audit found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
    /// The block that it is of.
    pub block: Pinned,
    /// The L1 node.
    pub l1: Node,
    /// The contracts.
    pub codes: Vec<Code>,
    /// The rules that are registered.
    pub rules: Vec<Rule>,
    /// Every batch, oldest first.
    pub batches: Vec<Batch>,
    /// What happened besides.
    pub events: Events,
    /// What the bridge keeps.
    pub storage: Storage,
    /// What it holds and owes, of each asset.
    pub assets: Vec<Asset>,
    /// What proposers have at stake.
    pub stakes: Vec<Stake>,
    /// The leases that anchors have, running or over.
    pub leases: Vec<Lease>,
    /// The withdrawals that are not paid.
    pub unpaid: Vec<Unpaid>,
    /// How many withdrawals were paid.
    pub paid: usize,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Wrong)
    }
}

/// A block, chosen by its hash.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pinned {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, in seconds.
    pub timestamp: u64,
    /// Whether L1 has finalised it: else it can go yet.
    pub is_final: bool,
    #[serde(skip)]
    state_root: B256,
}

impl Pinned {
    pub(crate) const fn id(&self) -> BlockId {
        BlockId::hash(self.hash)
    }
}

/// The L1 node, as far as it says.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The chain.
    pub chain_id: u64,
    /// Its latest block.
    pub latest: u64,
    /// The last block that it calls final, if it calls any.
    pub finalized: Option<u64>,
    /// Wei for a unit of gas in the latest block.
    pub base_fee: u64,
    /// Seconds from the latest block until now.
    pub age: u64,
}

/// An audit that has chosen its block, and not read more.
pub struct Audit {
    l1: L1,
    deployment: Arc<Deployment>,
    block: Pinned,
    node: Node,
    began: Instant,
    findings: Findings,
}

impl Audit {
    /// Chooses the block.
    ///
    /// # Errors
    ///
    /// If the L1 node does not answer, or has no such block; or if the deployment is younger than the block.
    pub async fn pin(l1: L1, deployment: Deployment, block: BlockNumberOrTag) -> Result<Self> {
        let began = Instant::now();
        let header = l1.header(block).await?;
        let mut findings = Findings::default();
        if header.inner.hash_slow() != header.hash {
            findings.wrong(
                "header",
                format!("block {}: its header has another hash", header.number),
            );
        }
        if header.number < deployment.deployment_block {
            return Err(Error::missing(format!(
                "block of the deployment ({}) at or before block {}: take a later one",
                deployment.deployment_block, header.number
            )));
        }
        let latest = l1.header(BlockNumberOrTag::Latest).await?;
        let finalized = l1
            .header(BlockNumberOrTag::Finalized)
            .await
            .ok()
            .map(|header| header.number);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let node = Node {
            chain_id: l1.chain_id(),
            latest: latest.number,
            finalized,
            base_fee: latest.base_fee_per_gas.unwrap_or_default(),
            age: now.map_or(0, |now| now.as_secs()).saturating_sub(latest.timestamp),
        };
        Ok(Self {
            l1,
            deployment: Arc::new(deployment),
            block: Pinned {
                number: header.number,
                hash: header.hash,
                timestamp: header.timestamp,
                is_final: finalized.is_some_and(|finalized| header.number <= finalized),
                state_root: header.state_root,
            },
            node,
            began,
            findings,
        })
    }

    /// Lets only these tokens decide, and ether: what the bridge lacks of another is a notice. Anyone can deposit a token that misbehaves, and
    /// it harms nobody else.
    #[must_use]
    pub fn of_assets(mut self, tokens: impl IntoIterator<Item = Address>) -> Self {
        self.findings.decide_by(tokens.into_iter().collect());
        self
    }

    /// The block.
    pub const fn block(&self) -> Pinned {
        self.block
    }

    /// A follower that derives everything up to it, and believes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::WrongDeployment`] if the contracts are not those of the manifest. If the L1 node fails.
    pub async fn follower(&self) -> Result<Follower> {
        let options = Options {
            trust_final_signatures: false,
            up_to: Some(self.block.number),
            // What differs is to be named.
            compare_state: false,
            ..Options::default()
        };
        let twins = rules::twins(&rules::book(&self.deployment));
        let deployment = Deployment::clone(&self.deployment);
        Follower::open_with(self.l1.clone(), deployment, twins, Arc::new(Memory::new()), options).await
    }

    /// Derives with this follower, by `sync`, and compares. What cannot be derived further is a finding too: then nothing else is
    /// in the report.
    ///
    /// # Errors
    ///
    /// If the L1 node fails.
    pub async fn run(
        mut self,
        follower: &mut Follower,
        sync: impl AsyncFnOnce(&mut Follower) -> Result<()>,
    ) -> Result<Report> {
        let seen = Arc::new(Seen::default());
        follower.set_witness(Arc::clone(&seen) as _);
        sync(follower).await?;
        if follower.tip().hash != self.block.hash {
            return Err(Error::Reorg {
                number: self.block.number,
                expected: self.block.hash,
                found: follower.tip().hash,
            });
        }
        let (l1, deployment, findings) = (&self.l1, &self.deployment, &mut self.findings);
        let ledger = follower.ledger();
        let inputs = events::read(l1, deployment, self.block.number).await?;
        let events = events::explain(l1, deployment, &inputs, findings).await?;
        let batches = seen.batches(ledger, &inputs, findings);
        let account = slots::account(l1, deployment, &self.block, findings).await?;
        let written = seen.written(&inputs);
        let storage = slots::compare(l1, deployment, &self.block, &account, ledger, &written, findings).await?;
        let (codes, rules) = deployed::look(l1, deployment, &self.block, ledger, &inputs, &batches, findings).await?;
        let honest = money::without_lies(ledger);
        let assets = money::assets(
            l1,
            deployment,
            &self.block,
            account.balance,
            ledger,
            &honest,
            &inputs,
            findings,
        )
        .await?;
        let unpaid = money::unpaid(ledger)?;
        let stakes = stakes::stakes(ledger, &written.proposers, &batches, self.node.base_fee, findings);
        let leases = stakes::leases(ledger, &seen);
        look_at_node(&self.node, findings);
        let paid = money::paid(&inputs);
        Ok(Report {
            findings: self.findings.sorted(),
            block: self.block,
            l1: self.node,
            codes,
            rules,
            batches,
            events,
            storage,
            assets,
            stakes,
            leases,
            unpaid,
            paid,
            seconds: self.began.elapsed().as_secs_f64(),
        })
    }
}

fn look_at_node(node: &Node, findings: &mut Findings) {
    match node.finalized {
        None => findings.notice("finality", "the L1 node calls no block final".to_owned()),
        Some(last) if node.latest.saturating_sub(last) > USUAL_LAG => findings.notice(
            "finality",
            format!(
                "the last final block is {last}, {} before the latest: usual are at most {USUAL_LAG}",
                node.latest - last
            ),
        ),
        Some(_) => {}
    }
    if node.age > STALE {
        let age = node.age;
        findings.notice(
            "finality",
            format!("the L1 node's latest block is {age} s old: it may be behind"),
        );
    }
}

/// As JSON has it everywhere: a decimal string.
fn decimal<S: Serializer>(number: &U256, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
