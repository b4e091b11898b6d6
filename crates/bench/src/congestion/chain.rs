//! The same on a real chain: other traffic fills blocks until the base fee moves, and the real watcher's proof has to get in.
//!
//! What happens is predicted beside it, by [`build`], [`Market`] and [`Bidder`] from the same demand. Two things are anvil's own: it takes
//! who offers most in all first, whatever of it is a tip, and forgets who cannot pay the base fee when it builds a block.

use std::{ffi::OsStr, sync::Arc};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider as _,
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use eyre::{OptionExt as _, Result, ensure};
use nthroot_bindings::Bridge;
use nthroot_model::rule::Rules;
use nthroot_node::{
    Call, Deployment, Follower, Proposer, Sender, deploy,
    devnet::Devnet,
    fees::{FeePolicy, Offer},
    outbox::{Event, Outbox, Purpose},
    rules,
    store::Memory,
    watcher::{self, Duties},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, BatchId, Domain, Fragment, Key};
use nthroot_wallet::account::{self, Party, Terms};
use serde::Serialize;
use serde_json::json;

use super::{
    bidder::Bidder,
    block::{Order, Want, build},
    market::Market,
};
use crate::window::preset::Preset;

/// 1 ether, in wei.
const ETHER: u128 = 1_000_000_000_000_000_000;

/// Code that runs until its gas is used up: `JUMPDEST PUSH0 JUMP`.
const BURNER: [u8; 3] = [0x5b, 0x5f, 0x56];

/// Blocks after which the proof is given up.
const PATIENCE: u64 = 60;

/// A block, on the chain or as predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Wei for a unit of gas.
    pub base_fee: u64,
    /// Gas that it uses.
    pub gas_used: u64,
    /// What the proof offered for it.
    pub offer: Option<Offer>,
    /// Whether the proof is in it.
    pub convicts: bool,
}

/// What happened, and what was predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// From the block after the lie to the one after the conviction.
    pub chain: Vec<Block>,
    /// The same as predicted.
    pub predicted: Vec<Block>,
    /// Gas limit of the proof, and gas that it used.
    pub gas: (u64, u64),
    /// What it cost, in wei.
    pub cost: u128,
    /// What it brought, in wei.
    pub reward: u128,
}

/// What others send before each block: gas, and what they offer at most for a unit of it, all of it as a tip.
pub type Traffic = Vec<Vec<(u64, u128)>>;

/// Somebody with a key and ether.
struct Actor {
    key: PrivateKeySigner,
    sender: Sender,
}

/// A chain with a bridge, and a lie in its latest block.
struct Scene {
    devnet: Devnet,
    deployment: Deployment,
    watcher: PrivateKeySigner,
    lie: BatchId,
}

/// Lets a real watcher prove a real lie on an anvil, while others send this traffic.
///
/// # Errors
///
/// If there is no anvil, or something on it fails.
pub async fn run(anvil: Option<&OsStr>, traffic: &Traffic, policy: FeePolicy) -> Result<Run> {
    let devnet = match anvil {
        Some(program) => Devnet::start_program(program).await?,
        None => Devnet::start().await?,
    };
    let scene = Scene::set_up(devnet).await?;
    scene.play(traffic, policy).await
}

impl Scene {
    async fn set_up(devnet: Devnet) -> Result<Self> {
        let funder = Sender::new(devnet.l1().clone(), Devnet::funded_key()?);
        let presets = Preset::all()?;
        let (_, prudent) = presets.get(1).ok_or_eyre("no preset")?;
        let (deployment, _) = deploy(&funder, prudent.parameters()?).await?;
        let [liar, watcher] = [actor(&funder, "liar").await?, actor(&funder, "watcher").await?];
        let bridge = deployment.bridge;
        let fund = Bridge::fundBondCall {
            proposer: liar.sender.address(),
        };
        let bond = Call::new(bridge, fund.abi_encode()).value(U256::from(10 * ETHER));
        liar.sender.send(bond).await?;
        let (from, to) = (deposit(&deployment, &liar).await?, deposit(&deployment, &liar).await?);

        let terms = Terms {
            domain: Domain {
                chain_id: deployment.chain_id,
                bridge,
            },
            book: rules::book(&deployment),
            valid_until: 1_000_000,
        };
        let pay = AccountOp::Pay {
            to: to.fragment(),
            asset: AssetId::ETH,
            amount: ETHER / 4,
        };
        let party = |anchor: AnchorId, ops| Party::signing(liar.key.credential(), anchor.fragment(), 0, ops);
        let plan = account::plan(&terms, &[party(from, vec![pay]), party(to, vec![])])?;
        let mut follower = Follower::start(devnet.l1().clone(), deployment.clone(), Rules::default()).await?;
        follower.sync().await?;
        let proposer = Proposer::new(liar.sender.clone());
        let mut batch = proposer.build(&follower, Some(0), &[plan])?;
        // The payer claims to have a million ether afterwards.
        let rich = Fragment {
            nonce: 1,
            ..Fragment::deposited(key(&liar), Address::ZERO, 1_000_000 * ETHER)
        };
        let touched = batch.steps.first_mut().and_then(|step| step.fresh.first_mut());
        touched.ok_or_eyre("a step that touches nothing")?.root = rich.root();
        let lie = proposer.post(&follower, &batch).await?.id;
        Ok(Self {
            devnet,
            deployment,
            watcher: watcher.key,
            lie,
        })
    }

    async fn ask(&self, method: &'static str, params: serde_json::Value) -> Result<serde_json::Value> {
        Ok(self.devnet.l1().provider().raw_request(method.into(), params).await?)
    }

    /// Gas that the proof uses, by proving the lie and taking that back.
    async fn measured(&self, follower: &Follower) -> Result<u64> {
        let before = self.ask("evm_snapshot", json!([])).await?;
        let proof = watcher::challenge(follower.ledger(), self.lie, 0)?;
        let sender = Sender::new(self.devnet.l1().clone(), self.watcher.clone());
        let mined = sender.send(proof.call(self.deployment.bridge)).await?;
        self.ask("evm_revert", json!([before])).await?;
        // The base fee of the block after that is still the one of the block that is gone.
        self.devnet.mine(1).await?;
        Ok(mined.gas())
    }

    /// Sends gas to be burnt, from an account that nobody had.
    async fn burn(&self, number: usize, gas: u64, max_fee: u128) -> Result<()> {
        let from = Address::from_word(keccak256(format!("traffic {number}")));
        self.ask("anvil_setBalance", json!([from, U256::from(1_000 * ETHER)]))
            .await?;
        let transaction = json!({
            "from": from,
            "to": burner(),
            "gas": U256::from(gas),
            "maxFeePerGas": U256::from(max_fee),
            "maxPriorityFeePerGas": U256::from(max_fee),
        });
        self.ask("eth_sendTransaction", json!([transaction])).await?;
        Ok(())
    }

    async fn play(self, traffic: &Traffic, policy: FeePolicy) -> Result<Run> {
        let l1 = self.devnet.l1();
        let mut follower = Follower::start(l1.clone(), self.deployment.clone(), Rules::default()).await?;
        follower.sync().await?;
        let used = self.measured(&follower).await?;
        self.ask("evm_setAutomine", json!([false])).await?;
        self.ask("anvil_autoImpersonateAccount", json!([true])).await?;
        self.ask("anvil_setCode", json!([burner(), Bytes::from(BURNER)]))
            .await?;
        let mut duties = Duties::new(l1.clone(), self.deployment.bridge, policy);
        let mut outbox = Outbox::open(l1.clone(), self.watcher.clone(), Arc::new(Memory::new()))?;

        let mut prediction = None;
        let (mut chain, mut sent, mut limit) = (Vec::new(), 0, 0);
        let (mut cost, mut convicted, mut standing) = (0, None, None);
        for round in 0..PATIENCE {
            follower.sync().await?;
            let tip = follower.tip();
            let work = duties.of(follower.ledger(), &outbox).await;
            ensure!(
                work.failed.is_empty() && work.refused.is_empty(),
                "{:?} {:?}",
                work.failed,
                work.refused
            );
            let suggested = l1.provider().get_max_priority_fee_per_gas().await?;
            if let Some(job) = work.jobs.first().filter(|_| prediction.is_none()) {
                limit = job.call.gas.ok_or_eyre("a proof without a gas limit")?;
                let bidder = Bidder::new(job.policy, limit, used);
                prediction = Some(Prediction::new(self.block(tip.number).await?, bidder));
            }
            let empty = Vec::new();
            let arriving = usize::try_from(round).ok().and_then(|round| traffic.get(round));
            let arriving = arriving.unwrap_or(&empty);
            for (gas, max_fee) in arriving {
                self.burn(sent, *gas, *max_fee).await?;
                sent += 1;
            }
            for event in outbox.tick(tip, 0, &work.jobs).await? {
                match event {
                    Event::Sent { offer, .. } => standing = Some(offer),
                    Event::Included {
                        purpose: Some(Purpose::Convict(batch)),
                        block,
                        fee,
                        ..
                    } if batch == self.lie => {
                        convicted = Some(block);
                        cost = fee.saturating_to();
                        standing = None;
                    }
                    event => ensure!(matches!(event, Event::Exhausted { .. }), "{event:?}"),
                }
            }
            if let Some(prediction) = &mut prediction {
                prediction.block(tip.number, suggested, arriving);
            }
            self.devnet.mine(1).await?;
            let (base_fee, gas_used) = self.block(tip.number + 1).await?;
            chain.push(Block {
                base_fee,
                gas_used,
                offer: standing,
                convicts: false,
            });
            if let Some(convicted) = convicted {
                let first = tip.number - round + 1;
                let place = usize::try_from(convicted - first)?;
                chain.get_mut(place).ok_or_eyre("a conviction before the lie")?.convicts = true;
                break;
            }
        }
        let lock = self.deployment.parameters.min_lock;
        Ok(Run {
            chain,
            predicted: prediction.map_or_else(Vec::new, |prediction| prediction.blocks),
            gas: (limit, used),
            cost,
            reward: lock / 2,
        })
    }

    /// Base fee and gas of a block.
    async fn block(&self, number: u64) -> Result<(u64, u64)> {
        let block = BlockNumberOrTag::Number(number);
        let block = self.devnet.l1().provider().get_block_by_number(block).await?;
        let header = block.ok_or_eyre("a block that is not there")?.header;
        Ok((header.base_fee_per_gas.ok_or_eyre("no base fee")?, header.gas_used))
    }
}

/// What is predicted, block by block, from what the lie's block was like and what others send.
struct Prediction {
    base_fee: u64,
    bidder: Bidder,
    others: Vec<Want>,
    blocks: Vec<Block>,
}

impl Prediction {
    fn new((base_fee, gas_used): (u64, u64), bidder: Bidder) -> Self {
        Self {
            base_fee: Market::MAINNET.next_base_fee(base_fee, gas_used),
            bidder,
            others: Vec::new(),
            blocks: Vec::new(),
        }
    }

    fn is_convicted(&self) -> bool {
        self.blocks.iter().any(|block| block.convicts)
    }

    /// The block after `tip`.
    fn block(&mut self, tip: u64, suggested: u128, arriving: &[(u64, u128)]) {
        let arriving = arriving.iter().map(|(gas, max_fee)| Want {
            gas: *gas,
            used: *gas,
            max_fee: *max_fee,
            tip: *max_fee,
        });
        self.others.extend(arriving);
        let mut waiting = self.others.clone();
        let proof = waiting.len();
        let offer = if self.is_convicted() {
            None
        } else {
            self.bidder.tick(tip, self.base_fee, suggested)
        };
        waiting.extend(offer.map(|offer| self.bidder.want(offer)));
        let built = build(Market::MAINNET, self.base_fee, Order::MaxFee, &waiting);
        let mut place = 0..;
        let base_fee = u128::from(self.base_fee);
        self.others.retain(|want| {
            let is_in = place.next().is_some_and(|place| built.taken.contains(&place));
            !is_in && want.max_fee >= base_fee
        });
        self.blocks.push(Block {
            base_fee: self.base_fee,
            gas_used: built.gas_used,
            offer,
            convicts: built.taken.contains(&proof),
        });
        self.base_fee = Market::MAINNET.next_base_fee(self.base_fee, built.gas_used);
    }
}

fn burner() -> Address {
    Address::repeat_byte(0xbb)
}

fn key(actor: &Actor) -> Key {
    Key::Secp256k1(actor.sender.address())
}

async fn actor(funder: &Sender, name: &str) -> Result<Actor> {
    let secret: B256 = keccak256(name);
    let key = PrivateKeySigner::from_bytes(&secret)?;
    let ether = Call::new(key.address(), vec![]).value(U256::from(100 * ETHER));
    funder.send(ether).await?;
    Ok(Actor {
        sender: Sender::new(funder.l1().clone(), key.clone()),
        key,
    })
}

async fn deposit(deployment: &Deployment, actor: &Actor) -> Result<AnchorId> {
    let key = key(actor).to_bytes().into();
    let call = Call::new(deployment.bridge, Bridge::depositCall { key }.abi_encode()).value(U256::from(ETHER));
    let mined = actor.sender.send(call).await?;
    let event: Bridge::Deposited = mined.event(deployment.bridge)?;
    let id = BatchId::from_u64(event.id.to()).ok_or_eyre("an id of more than 40 bits")?;
    Ok(AnchorId::new(id, 0))
}

/// Traffic that fills blocks for a while: `blocks` times `each` transactions of `gas` gas, whose offers are spread evenly from
/// `low` to `high` wei, a part of which therefore waits longer than a block.
pub fn traffic(blocks: usize, each: u64, gas: u64, (low, high): (u128, u128)) -> Traffic {
    let all = u128::from(each)
        .saturating_mul(u128::try_from(blocks).unwrap_or(1))
        .max(1);
    let step = (high - low) / all;
    // A stride that shares no factor with the number of all: each offer is made once, in no order.
    let stride = (all / 2..).find(|stride| gcd(*stride, all) == 1).unwrap_or(1);
    let mut numbers = (0..all).map(|number| low + step * (number * stride % all));
    let block = |_| {
        numbers
            .by_ref()
            .take(usize::try_from(each).unwrap_or(0))
            .map(|fee| (gas, fee))
            .collect()
    };
    (0..blocks).map(block).collect()
}

const fn gcd(one: u128, other: u128) -> u128 {
    if other == 0 { one } else { gcd(other, one % other) }
}
