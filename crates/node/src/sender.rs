//! Sending transactions: explicit gas, raised fees, and the receipt read.

use alloy::{
    consensus::{BlockHeader as _, Transaction as _},
    eips::{BlockId, BlockNumberOrTag, Encodable2718, eip1559::BaseFeeParams},
    network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder},
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::Provider,
    rpc::types::{
        TransactionReceipt, TransactionRequest,
        simulate::{SimBlock, SimCallResult, SimulatePayload},
    },
    signers::local::PrivateKeySigner,
    sol_types::SolEvent,
    transports::{TransportError, TransportErrorKind},
};
use tracing::{debug, warn};

use crate::{
    error::{Error, Result},
    fees::{FeePolicy, Offer},
    l1::L1,
    revert::Revert,
};

/// Gas of a transaction that only moves ether.
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// Gas. No transaction may have more (EIP-7825).
pub const MAX_TX_GAS: u64 = 1 << 24;

/// Somebody waits for it and sees what it costs: there is no other bound.
const POLICY: FeePolicy = FeePolicy::patient(u128::MAX);

/// Blocks. A transaction that is not included by then is given up: its caller looks again at what is to be done.
const GIVE_UP: u64 = 30;

/// How often fees are raised at once to replace a transaction that was given up.
const MAX_RAISES: u32 = 20;

/// Per cent that an estimate is raised by: the state may change before inclusion.
const ESTIMATE_MARGIN: u64 = 25;

/// A transaction to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// To whom, or a creation.
    pub to: TxKind,
    /// Wei.
    pub value: U256,
    /// Calldata.
    pub input: Bytes,
    /// Gas limit. None: the node's estimate and a margin.
    pub gas: Option<u64>,
}

impl Call {
    /// A call without ether.
    pub fn new(to: Address, input: impl Into<Bytes>) -> Self {
        Self {
            to: to.into(),
            value: U256::ZERO,
            input: input.into(),
            gas: None,
        }
    }

    /// The creation of a contract.
    pub fn create(initcode: impl Into<Bytes>) -> Self {
        Self {
            to: TxKind::Create,
            value: U256::ZERO,
            input: initcode.into(),
            gas: None,
        }
    }

    /// With this much wei.
    #[must_use]
    pub fn value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// With this gas limit.
    #[must_use]
    pub fn gas(mut self, gas: u64) -> Self {
        self.gas = Some(gas.min(MAX_TX_GAS));
        self
    }

    /// Whether a transaction of this call, which has its gas limit, does what this one wants.
    pub(crate) fn is_carried_by(&self, sent: &Self) -> bool {
        let gas = self.gas.or(sent.gas);
        *sent == Self { gas, ..self.clone() }
    }

    pub(crate) fn request(&self, from: Address) -> TransactionRequest {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_value(self.value)
            .with_input(self.input.clone())
            .with_kind(self.to);
        match self.gas {
            Some(gas) => request.with_gas_limit(gas),
            None => request,
        }
    }
}

/// A transaction that was included and did what it should.
#[derive(Debug, Clone)]
pub struct Mined {
    /// Its receipt.
    pub receipt: TransactionReceipt,
    /// Bytes of its calldata.
    pub calldata: usize,
}

impl Mined {
    /// Its hash.
    pub const fn hash(&self) -> B256 {
        self.receipt.transaction_hash
    }

    /// Gas that it paid for.
    pub const fn gas(&self) -> u64 {
        self.receipt.gas_used
    }

    /// Its block.
    pub fn block(&self) -> u64 {
        self.receipt.block_number.unwrap_or_default()
    }

    /// What its sender paid for the gas, in wei.
    pub fn fee(&self) -> U256 {
        U256::from(self.receipt.gas_used) * U256::from(self.receipt.effective_gas_price)
    }

    /// The first event `E` that `emitter` emitted.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn event<E: SolEvent>(&self, emitter: Address) -> Result<E> {
        self.events(emitter).next().ok_or(Error::NoEvent {
            hash: self.hash(),
            event: E::SIGNATURE,
        })
    }

    /// The events `E` that `emitter` emitted.
    pub fn events<E: SolEvent>(&self, emitter: Address) -> impl Iterator<Item = E> + '_ {
        let logs = self.receipt.logs().iter().filter(move |log| log.address() == emitter);
        logs.filter_map(|log| E::decode_log(&log.inner).ok())
            .map(|log| log.data)
    }
}

/// A key that sends transactions, one after the other: nothing else may send with it meanwhile.
#[derive(Clone)]
pub struct Sender {
    l1: L1,
    address: Address,
    wallet: EthereumWallet,
    /// Wei per gas that are paid at most.
    most: u128,
}

impl Sender {
    /// Sends to this L1 with this key.
    pub fn new(l1: L1, signer: PrivateKeySigner) -> Self {
        Self::with_wallet(l1, signer.into())
    }

    /// Sends to this L1 with the key of a wallet, which may be a device.
    pub fn with_wallet(l1: L1, wallet: EthereumWallet) -> Self {
        Self {
            l1,
            address: wallet.default_signer().address(),
            wallet,
            most: u128::MAX,
        }
    }

    /// Offers no more than so many wei for a unit of gas, whatever the base fee becomes and the L1 node proposes.
    #[must_use]
    pub const fn paying_at_most(mut self, price: u128) -> Self {
        self.most = price;
        self
    }

    /// Whose transactions these are.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Where they are sent.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// What the call would return, as the node sees it now.
    ///
    /// # Errors
    ///
    /// [`Error::WouldFail`] if the call reverts; or if the node does not answer.
    pub async fn simulate(&self, call: &Call) -> Result<Bytes> {
        simulate(&self.l1, self.address, call).await
    }

    /// Sends the call, waits for it, and checks that it succeeded.
    ///
    /// # Errors
    ///
    /// [`Error::WouldFail`] if nothing was sent because the call reverts, [`Error::Failed`] if it was included and
    /// reverted, [`Error::NotIncluded`] if it was not included in time; or if the node does not answer.
    pub async fn send(&self, call: Call) -> Result<Mined> {
        let nonce = self.nonce().await?;
        self.send_under(nonce, call).await
    }

    /// The same under a nonce that was asked for before the caller looked whether there is anything to send: what was included in between
    /// is not sent twice.
    pub(crate) async fn send_under(&self, nonce: u64, call: Call) -> Result<Mined> {
        let call = self.with_gas(call).await?;
        let pending = self.broadcast(call, nonce).await?;
        self.finish(pending).await
    }

    /// Sends calls under consecutive nonces without waiting for each, then waits for all. Their gas must be given, since
    /// the later ones may depend on the earlier.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], for the first that fails.
    pub async fn send_all(&self, calls: Vec<Call>) -> Result<Vec<Mined>> {
        let mut nonce = self.nonce().await?;
        let mut pending = Vec::with_capacity(calls.len());
        for call in calls {
            let call = self.with_gas(call).await?;
            pending.push(self.broadcast(call, nonce).await?);
            nonce += 1;
        }
        let mut mined = Vec::with_capacity(pending.len());
        for one in pending {
            mined.push(self.finish(one).await?);
        }
        Ok(mined)
    }

    /// That of the next transaction to be included. One that was given up has it too, and is replaced: behind it nothing
    /// would ever be included.
    pub(crate) async fn nonce(&self) -> Result<u64> {
        Ok(self.l1.provider().get_transaction_count(self.address).latest().await?)
    }

    async fn with_gas(&self, mut call: Call) -> Result<Call> {
        if call.gas.is_none() {
            let gas = estimate(&self.l1, self.address, &call).await?;
            call = call.gas(gas);
        }
        Ok(call)
    }

    async fn broadcast(&self, call: Call, nonce: u64) -> Result<Pending> {
        let head = self.l1.header(BlockNumberOrTag::Latest).await?;
        let mut pending = Pending {
            calldata: call.input.len(),
            request: call
                .request(self.address)
                .with_nonce(nonce)
                .with_chain_id(self.l1.chain_id()),
            hashes: Vec::new(),
            offer: None,
            first: head.number,
            last: head.number,
        };
        self.set_fees(&mut pending, 0).await?;
        let mut raises = 0;
        while let Err(error) = self.publish(&mut pending).await {
            // Something that was given up stands in its place, and its fees must be topped.
            let refused = error
                .as_error_resp()
                .is_some_and(|error| error.message.contains("underpriced"));
            if !refused || raises == MAX_RAISES {
                return Err(error.into());
            }
            raises += 1;
            self.set_fees(&mut pending, u64::MAX).await?;
        }
        Ok(pending)
    }

    /// What the policy offers after so many blocks of waiting, beside what it offers already.
    async fn set_fees(&self, pending: &mut Pending, waited: u64) -> Result<()> {
        let head = self.l1.header(BlockNumberOrTag::Latest).await?;
        let tip = self.l1.provider().get_max_priority_fee_per_gas().await?;
        let base = head.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default();
        let gas = pending.request.gas.unwrap_or(MAX_TX_GAS);
        if pending.offer.is_none() && u128::from(base) > self.most {
            return Err(Error::TooDear {
                found: base.into(),
                most: self.most,
            });
        }
        let policy = FeePolicy {
            max_fee_budget_wei: self.most.saturating_mul(gas.into()),
            ..POLICY
        };
        let offer = policy.offer(base.into(), tip, waited, pending.offer, gas);
        pending.offer = Some(offer);
        pending.request.max_fee_per_gas = Some(offer.max_fee);
        pending.request.max_priority_fee_per_gas = Some(offer.max_priority_fee);
        Ok(())
    }

    /// Hands the transaction, as it now is, to the node.
    async fn publish(&self, pending: &mut Pending) -> Result<(), TransportError> {
        let signed = pending
            .request
            .clone()
            .build(&self.wallet)
            .await
            .map_err(TransportErrorKind::custom)?;
        let hash = *signed.tx_hash();
        let raw = signed.encoded_2718();
        debug!(%hash, bytes = raw.len(), "sending");
        // Its receipt is awaited in `finish`, together with those of the other versions. That of an earlier run, whose connection was
        // lost, is the same to the byte if fees are.
        match self.l1.provider().send_raw_transaction(&raw).await {
            Err(error) if !is_known(&error) => return Err(error),
            _ => pending.hashes.push(hash),
        }
        Ok(())
    }

    async fn finish(&self, mut pending: Pending) -> Result<Mined> {
        loop {
            for hash in &pending.hashes {
                let Some(receipt) = self.l1.provider().get_transaction_receipt(*hash).await? else {
                    continue;
                };
                if receipt.status() {
                    return Ok(Mined {
                        receipt,
                        calldata: pending.calldata,
                    });
                }
                return Err(Error::Failed {
                    hash: *hash,
                    gas_used: receipt.gas_used,
                    revert: reason(&self.l1, &receipt).await,
                });
            }
            let block = self.l1.block_number().await?;
            if block > pending.first + GIVE_UP {
                return Err(Error::NotIncluded {
                    hash: pending.hashes.last().copied().unwrap_or_default(),
                    blocks: GIVE_UP,
                });
            }
            if block > pending.last + POLICY.patience {
                warn!(
                    nonce = pending.request.nonce,
                    "not included, sending again with higher fees"
                );
                let waited = block - pending.last;
                self.set_fees(&mut pending, waited).await?;
                pending.last = block;
                // An earlier version may have been included meanwhile: its receipt will tell.
                if let Err(error) = self.publish(&mut pending).await {
                    warn!(%error, "not sent again");
                }
            }
            tokio::time::sleep(self.l1.poll()).await;
        }
    }
}

/// What the call would return if `from` sent it after the latest block: what the node has pending may never be included, a
/// transaction of the same purpose among it.
///
/// # Errors
///
/// [`Error::WouldFail`] if it reverts; or if the node does not answer.
pub(crate) async fn simulate(l1: &L1, from: Address, call: &Call) -> Result<Bytes> {
    let answer = l1.provider().call(call.request(from)).latest().await;
    answer.map_err(refusal)
}

/// Gas that the call would use in the next block, if the node can tell.
///
/// # Errors
///
/// If it reverts there, or the node does not know `eth_simulateV1`, or does not answer.
pub(crate) async fn gas_used(l1: &L1, from: Address, call: &Call) -> Result<u64> {
    let payload = SimulatePayload::default().extend(SimBlock::default().call(call.request(from)));
    let blocks = l1.provider().simulate(&payload).await?;
    let answer = blocks.first().and_then(|block| block.calls.first());
    match answer.ok_or_else(|| Error::missing("answer to a simulation"))? {
        SimCallResult {
            status: true, gas_used, ..
        } => Ok(*gas_used),
        SimCallResult { return_data, .. } => Err(Error::WouldFail(Revert(return_data.clone()))),
    }
}

/// A gas limit for the call: the node's estimate, and a margin.
///
/// # Errors
///
/// As [`simulate`].
pub(crate) async fn estimate(l1: &L1, from: Address, call: &Call) -> Result<u64> {
    let estimate = l1.provider().estimate_gas(call.request(from)).await.map_err(refusal)?;
    Ok(with_margin(estimate))
}

/// The same for a call that must come after the latest block and nothing else: what the node has pending may be an earlier version of
/// it, beside which it would fail.
///
/// # Errors
///
/// As [`simulate`].
pub(crate) async fn estimate_at_latest(l1: &L1, from: Address, call: &Call) -> Result<u64> {
    let estimate = l1.provider().estimate_gas(call.request(from)).block(BlockId::latest());
    Ok(with_margin(estimate.await.map_err(refusal)?))
}

fn with_margin(estimate: u64) -> u64 {
    estimate
        .saturating_add(estimate / 100 * ESTIMATE_MARGIN)
        .min(MAX_TX_GAS)
}

/// Why an included transaction failed: what the same call answers on the block before, or if it is not refused there, because
/// something in the block itself came first, on that. Empty if that cannot be told.
pub(crate) async fn reason(l1: &L1, receipt: &TransactionReceipt) -> Revert {
    let block = receipt.block_number.unwrap_or_default();
    let sent = l1.provider().get_transaction_by_hash(receipt.transaction_hash).await;
    let Some(sent) = sent.ok().flatten() else {
        return Revert(Bytes::new());
    };
    let call = Call {
        to: sent.kind(),
        value: sent.value(),
        input: sent.input().clone(),
        gas: Some(sent.gas_limit()),
    };
    for block in [block.saturating_sub(1), block] {
        let answer = l1
            .provider()
            .call(call.request(receipt.from))
            .block(BlockId::number(block));
        if let Some(revert) = answer.await.err().as_ref().and_then(Revert::of) {
            return revert;
        }
    }
    Revert(Bytes::new())
}

/// Whether the node has the very transaction already, in the words of the usual clients.
pub(crate) fn is_known(error: &TransportError) -> bool {
    let says = |words: &str| {
        let response = error.as_error_resp();
        response.is_some_and(|error| error.message.to_ascii_lowercase().contains(words))
    };
    says("already known") || says("already imported") || says("alreadyknown")
}

/// A node that refuses a call or an estimate says why.
fn refusal(error: TransportError) -> Error {
    match Revert::of(&error) {
        Some(revert) => Error::WouldFail(revert),
        None => error.into(),
    }
}

/// A transaction on its way, in all versions that were sent.
struct Pending {
    request: TransactionRequest,
    calldata: usize,
    hashes: Vec<B256>,
    offer: Option<Offer>,
    first: u64,
    last: u64,
}
