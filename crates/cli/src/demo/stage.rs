//! Where the story plays: the chain, the contracts, the people and their books.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, U256, aliases::U56},
    providers::Provider as _,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{Result, WrapErr, ensure};
use nthroot_bindings::{Bridge, bridge::Bridge::BridgeInstance, mocks::Token};
use nthroot_model::{
    anchor::AnchorState,
    builder::StepPlan,
    ledger::{Ledger, State},
};
use nthroot_node::{
    Call, Deployment, Follower, Mined, Parameters, Proposer, deploy::deploy_apart, proposer::Posted, rules,
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Batch, BatchId, Domain, Fragment, FragmentId, Head, Key};
use nthroot_wallet::account::{self, Party, Terms};

use crate::{
    demo::{
        cast::{Actor, Role, derived_key},
        chain::Chain,
        report::Narrator,
    },
    text::ether,
};

/// 1 ether, in wei. The token has as many decimals.
pub(crate) const UNIT: u128 = 1_000_000_000_000_000_000;

/// Wei per gas. Up to this gas price half a slashed bond outweighs the cost of its proof.
const INSURED_GAS_PRICE: u64 = 20_000_000_000;

/// Wei. Least bond of a batch: the least that the bridge allows (section 8 of the specification).
const MIN_LOCK: u128 = 2 * 6_100_000 * INSURED_GAS_PRICE as u128;

/// Blocks. How long a signed intent holds.
pub(crate) const VALIDITY: u64 = 1_000;

/// Where the story plays.
pub(crate) struct Stage {
    pub(crate) chain: Chain,
    pub(crate) narrator: Narrator,
    pub(crate) deployment: Deployment,
    pub(crate) token: Address,
    pub(crate) follower: Follower,
    /// Wei slashed and paid to nobody.
    pub(crate) burnt: U256,
    /// Keys of the many whose transfers are measured.
    pub(crate) crowd: Vec<PrivateKeySigner>,
    cast: Vec<Actor>,
}

impl Stage {
    /// Funds everybody, deploys the contracts and a token, and starts to follow.
    pub(crate) async fn set_up(
        chain: Chain,
        mut narrator: Narrator,
        deployer: PrivateKeySigner,
        named: [Option<PrivateKeySigner>; 5],
        window: u64,
    ) -> Result<Self> {
        let [alice, bob, paula, mallory, wanda] = named;
        let mut named = [Some(deployer.clone()), alice, bob, None, paula, mallory, wanda].into_iter();
        let mut cast = Vec::new();
        for role in Role::ALL {
            let key = match named.next().flatten() {
                Some(key) => key,
                None => derived_key(&deployer, role.name())?,
            };
            cast.push(Actor::new(role, key, chain.l1()));
        }

        narrator.act("Deployment");
        for actor in &cast[1..] {
            let amount = match actor.role {
                Role::Carol => continue,
                Role::Wanda => UNIT / 10,
                Role::Paula => 3 * UNIT,
                _ => 2 * UNIT,
            };
            let call = Call::new(actor.address(), vec![]).value(U256::from(amount));
            cast[0].sender.send(call).await.wrap_err("funding the cast")?;
        }
        let parameters = Parameters {
            window,
            insured_gas_price: INSURED_GAS_PRICE,
            min_lock: MIN_LOCK,
            caps: BTreeMap::new(),
        };
        let salt = chain.salt().await?;
        let (deployment, transactions) = deploy_apart(&cast[0].sender, parameters, salt).await?;
        for (what, mined) in &transactions {
            narrator.transaction(Role::Deployer.name(), format!("deploys: {what}"), mined);
        }
        let token = cast[0].sender.send(Call::create(Token::BYTECODE.clone())).await?;
        narrator.transaction(Role::Deployer.name(), "deploys: an OpenZeppelin ERC-20, TUSD", &token);
        let token = token.receipt.contract_address.unwrap_or_default();
        for role in [Role::Alice, Role::Bob] {
            let to = cast[role as usize].address();
            let mint = Token::mintCall {
                to,
                amount: U256::from(1000 * UNIT),
            };
            cast[0].sender.send(Call::new(token, mint.abi_encode())).await?;
        }
        narrator.note(format!(
            "Bridge {} on chain {}, from block {}, window {window} blocks",
            deployment.bridge, deployment.chain_id, deployment.deployment_block
        ));
        narrator.report.deployment = Some(deployment.clone());

        let follower = Follower::start(
            chain.l1().clone(),
            deployment.clone(),
            rules::twins(&rules::book(&deployment)),
        )
        .await?;
        let mut stage = Self {
            chain,
            narrator,
            deployment,
            token,
            follower,
            burnt: U256::ZERO,
            crowd: Vec::new(),
            cast,
        };
        for role in Role::ALL {
            let (eth, token) = (stage.eth_of(role).await?, stage.token_of(role).await?);
            let actor = stage.actor_mut(role);
            (actor.eth_before, actor.token_before) = (eth, token);
        }
        Ok(stage)
    }

    pub(crate) fn actor(&self, role: Role) -> &Actor {
        &self.cast[role as usize]
    }

    pub(crate) fn actor_mut(&mut self, role: Role) -> &mut Actor {
        &mut self.cast[role as usize]
    }

    pub(crate) fn address(&self, role: Role) -> Address {
        self.actor(role).address()
    }

    pub(crate) fn key(&self, role: Role) -> Key {
        Key::Secp256k1(self.address(role))
    }

    pub(crate) fn bridge(&self) -> BridgeInstance<&alloy::providers::DynProvider> {
        Bridge::new(self.deployment.bridge, self.chain.l1().provider())
    }

    /// Lets somebody send a transaction, reports it and enters it in the books.
    pub(crate) async fn send(&mut self, role: Role, what: impl Into<String>, call: Call) -> Result<Mined> {
        let what = what.into();
        let value = call.value;
        let mined = self
            .actor(role)
            .sender
            .send(call)
            .await
            .wrap_err_with(|| format!("{}: {what}", role.name()))?;
        self.sent(role, what, &mined, value);
        Ok(mined)
    }

    /// Reports a transaction that somebody sent, and enters it in the books.
    pub(crate) fn sent(&mut self, role: Role, what: impl Into<String>, mined: &Mined, value: U256) {
        self.actor_mut(role).book(mined, value);
        self.narrator.transaction(role.name(), what, mined);
    }

    /// A call of the bridge.
    pub(crate) fn bridge_call(&self, call: &impl SolCall) -> Call {
        Call::new(self.deployment.bridge, call.abi_encode())
    }

    /// Deposits ether under the sender's own key, and returns the deposit's id.
    pub(crate) async fn deposit(&mut self, role: Role, amount: u128) -> Result<(BatchId, Mined)> {
        self.deposit_for(role, self.key(role), amount, "").await
    }

    /// Deposits ether under a key, and returns the deposit's id.
    pub(crate) async fn deposit_for(
        &mut self,
        role: Role,
        key: Key,
        amount: u128,
        for_whom: &str,
    ) -> Result<(BatchId, Mined)> {
        let key = key.to_bytes().into();
        let call = self.bridge_call(&Bridge::depositCall { key }).value(U256::from(amount));
        let what = format!("deposits {} ETH{for_whom}", ether(U256::from(amount)));
        let mined = self.send(role, what, call).await?;
        Ok((self.deposited(&mined)?, mined))
    }

    /// Deposits tokens under the sender's own key, and returns the deposit's id.
    pub(crate) async fn deposit_token(&mut self, role: Role, amount: u128) -> Result<BatchId> {
        let (key, token) = (self.key(role).to_bytes().into(), self.token);
        let what = ether(U256::from(amount));
        let amount = U256::from(amount);
        let approve = Token::approveCall {
            spender: self.deployment.bridge,
            value: amount,
        };
        self.send(
            role,
            format!("lets the bridge take {what} TUSD"),
            Call::new(token, approve.abi_encode()),
        )
        .await?;
        let call = self.bridge_call(&Bridge::depositTokenCall { token, amount, key });
        let mined = self.send(role, format!("deposits {what} TUSD"), call).await?;
        self.deposited(&mined)
    }

    pub(crate) fn deposited(&self, mined: &Mined) -> Result<BatchId> {
        let event: Bridge::Deposited = mined.event(self.deployment.bridge)?;
        BatchId::from_u64(event.id.to()).ok_or_else(|| eyre::eyre!("the bridge gave a deposit the id {}", event.id))
    }

    pub(crate) async fn eth_of(&self, role: Role) -> Result<U256> {
        self.eth_at(self.address(role)).await
    }

    pub(crate) async fn eth_at(&self, address: Address) -> Result<U256> {
        Ok(self.chain.l1().provider().get_balance(address).await?)
    }

    pub(crate) async fn token_of(&self, role: Role) -> Result<U256> {
        self.token_at(self.address(role)).await
    }

    pub(crate) async fn token_at(&self, address: Address) -> Result<U256> {
        Ok(Token::new(self.token, self.chain.l1().provider())
            .balanceOf(address)
            .call()
            .await?)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.follower.ledger()
    }

    /// Derives up to the latest block; ends the run if chain and model differ.
    pub(crate) async fn sync(&mut self) -> Result<()> {
        self.follower.sync().await?;
        Ok(())
    }

    /// Compares every head with the bridge's.
    pub(crate) async fn check_heads(&mut self, what: &str) -> Result<()> {
        self.sync().await?;
        let mut same = true;
        for (anchor, head, _) in self.ledger().anchors() {
            same &= self.head(anchor).await? == Some(head);
        }
        self.narrator.check(what, same)
    }

    /// The head of an anchor, as the bridge says.
    pub(crate) async fn head(&self, anchor: AnchorId) -> Result<Option<Head>> {
        let number = U56::from(anchor.to_u64());
        Ok(Head::from_word(self.bridge().headOf(number).call().await?))
    }

    pub(crate) async fn heads(&self, anchors: &[AnchorId; 2]) -> Result<[Option<Head>; 2]> {
        Ok([self.head(anchors[0]).await?, self.head(anchors[1]).await?])
    }

    /// The fragment at leaf 0 of an anchor.
    pub(crate) fn fragment(&self, anchor: AnchorId) -> Result<&Fragment> {
        let state = self.ledger().state(anchor).and_then(State::known);
        let state = state.ok_or_else(|| eyre::eyre!("the state of {anchor} is not known"))?;
        Ok(state.header())
    }

    /// What all fragments, or those of one controller, hold of an asset.
    pub(crate) fn holdings(&self, controller: Option<Address>, asset: AssetId) -> U256 {
        let states = self.ledger().anchors().filter_map(|(_, _, state)| state.known());
        let fragments = states.flat_map(AnchorState::fragments).map(|(_, fragment)| fragment);
        let of = fragments.filter(|fragment| controller.is_none_or(|controller| controller == fragment.controller));
        of.map(|fragment| U256::from(fragment.balance(asset))).sum()
    }

    pub(crate) async fn fund_bond(&mut self, role: Role, amount: u128) -> Result<()> {
        let proposer = self.address(role);
        let amount = U256::from(amount);
        let call = self.bridge_call(&Bridge::fundBondCall { proposer }).value(amount);
        self.send(role, format!("funds a bond of {} ETH", ether(amount)), call)
            .await?;
        Ok(())
    }

    pub(crate) async fn bond_of(&self, role: Role) -> Result<U256> {
        Ok(self.bridge().bondOf(self.address(role)).call().await?.balance)
    }

    /// What signatures of the bridge's users refer to.
    pub(crate) const fn domain(&self) -> Domain {
        Domain {
            chain_id: self.deployment.chain_id,
            bridge: self.deployment.bridge,
        }
    }

    /// What somebody does with a fragment whose nonce is this by then.
    pub(crate) fn party(&self, role: Role, fragment: FragmentId, nonce: u64, ops: Vec<AccountOp>) -> Party<'_> {
        Party::signing(self.actor(role).key.credential(), fragment, nonce, ops)
    }

    /// The step in which these act.
    ///
    /// # Panics
    ///
    /// If somebody acts twice: the story is written so that nobody does.
    pub(crate) fn plan(&self, parties: &[Party<'_>]) -> StepPlan {
        let terms = Terms {
            domain: self.domain(),
            book: rules::book(&self.deployment),
            valid_until: self.follower.tip().number + VALIDITY,
        };
        account::plan(&terms, parties).expect("nobody acts twice in a call")
    }

    /// Builds a batch of these steps, lets `tamper` change it, and posts it.
    pub(crate) async fn post(
        &mut self,
        role: Role,
        what: impl Into<String>,
        slot: u16,
        plans: &[StepPlan],
        tamper: impl FnOnce(&mut Batch),
    ) -> Result<(Posted, Batch)> {
        self.sync().await?;
        let proposer = Proposer::new(self.actor(role).sender.clone()).with_rules(rules::book(&self.deployment).table());
        let mut batch = proposer.build(&self.follower, Some(slot), plans)?;
        tamper(&mut batch);
        let posted = proposer.post(&self.follower, &batch).await?;
        self.sent(role, what, &posted.mined, U256::ZERO);
        ensure!(posted.skipped.is_empty(), "steps of batch {} were skipped", posted.id);
        self.sync().await?;
        Ok((posted, batch))
    }
}
