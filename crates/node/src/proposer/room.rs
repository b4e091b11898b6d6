//! What a batch has room for: calldata, gas, entries, and the bond that it locks.

use nthroot_model::{builder::ReadyStep, params::Params};
use nthroot_protocol::{
    Batch, Step,
    limits::{MAX_BATCH_WITHDRAWALS, MAX_CEILING, MAX_ENTRIES},
};

/// Bytes of a transaction that nodes pass on, 128 KiB, less what it has beside the batch, at most.
pub const MOST_CALLDATA: usize = (128 << 10) - 1_024;

/// Gas of a transaction, at most (EIP-7825).
pub const MOST_GAS: u64 = 1 << 24;

/// By how much later steps can raise a step's proof gas at most: 35 siblings in the tree over its batch's steps, 64 gas a byte.
const SIBLINGS_GAS: u64 = 35 * 32 * 64;

/// What posting takes beside its calldata, in gas: measured, and rounded up under the dearer of the forks that are known.
mod gas {
    /// A batch.
    pub(super) const BATCH: u64 = 270_000;
    /// A byte, beside the floor: calldata, copying, hashing.
    pub(super) const BYTE: u64 = 18;
    /// A byte, if that is dearer than all the rest (EIP-7976).
    pub(super) const FLOOR_BYTE: u64 = 64;
    /// A step.
    pub(super) const STEP: u64 = 2_500;
    /// An anchor that is touched for the first time.
    pub(super) const FRESH: u64 = 14_000;
    /// One that is opened.
    pub(super) const OPENED: u64 = 114_000;
    /// One that is touched again.
    pub(super) const AGAIN: u64 = 2_500;
    /// A withdrawal.
    pub(super) const WITHDRAWAL: u64 = 2_500;
}

/// What one batch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes, at most [`MOST_CALLDATA`].
    pub calldata: usize,
    /// Gas of its transaction, as it is reckoned beforehand; at most [`MOST_GAS`].
    pub gas: u64,
    /// Entries.
    pub entries: usize,
    /// Proof ceiling.
    pub ceiling: u32,
    /// Proof gas up to which a step is not dear: what is dearer is taken when the others are, since it raises the bond that all
    /// of them lock.
    pub cheap: u32,
    /// Bond that it locks, in gwei.
    pub lock: u64,
}

impl Default for Room {
    /// All but what protocol and nodes refuse; a lock is bounded by what is free.
    fn default() -> Self {
        Self {
            calldata: MOST_CALLDATA,
            gas: MOST_GAS - (1 << 21),
            entries: MAX_ENTRIES.into(),
            ceiling: MAX_CEILING,
            cheap: 1_500_000,
            lock: u64::MAX,
        }
    }
}

/// What a batch takes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    bytes: usize,
    execution: u64,
    entries: usize,
    withdrawals: usize,
    ceiling: u64,
    is_empty: bool,
    /// Its step bears no other beside it.
    is_closed: bool,
}

/// Why a step does not go into a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// There is no room left.
    Full,
    /// Its proof is dear, or it goes alone: it may go when the others are in, or are none.
    Dear,
}

impl Load {
    /// Of a batch with so many rules.
    pub(super) const fn new(rules: usize) -> Self {
        Self {
            bytes: 61 + 20 * rules,
            execution: gas::BATCH,
            entries: 0,
            withdrawals: 0,
            ceiling: 0,
            is_empty: true,
            is_closed: false,
        }
    }

    /// With one more step, if there is room for it.
    pub(super) fn with(self, ready: &ReadyStep, room: &Room, params: &Params, dear: bool) -> Result<Self, NoRoom> {
        let step = ready.step();
        if self.is_closed {
            return Err(NoRoom::Full);
        }
        // One that goes alone waits until it is the oldest, or nothing else can go.
        if ready.goes_alone() && !self.is_empty {
            return Err(NoRoom::Dear);
        }
        let load = Self {
            bytes: self.bytes + step.encoded_length(),
            execution: self.execution + execution(step),
            entries: self.entries + ready.entries(),
            withdrawals: self.withdrawals + step.withdrawals.len(),
            ceiling: self.ceiling.max(ready.proof_gas.saturating_add(SIBLINGS_GAS)),
            is_empty: false,
            is_closed: ready.goes_alone(),
        };
        let fits = load.bytes <= room.calldata.min(MOST_CALLDATA)
            && load.gas() <= room.gas.min(MOST_GAS)
            && load.entries <= room.entries.min(MAX_ENTRIES.into())
            && load.withdrawals <= MAX_BATCH_WITHDRAWALS
            && load.ceiling <= u64::from(room.ceiling.min(MAX_CEILING))
            && load.lock(params) <= room.lock;
        if !fits {
            return Err(NoRoom::Full);
        }
        // Up to the least lock a higher ceiling costs nothing.
        let costs_nothing = load.lock(params) <= params.lock(0, 0);
        if !dear && load.ceiling > u64::from(room.cheap) && load.ceiling > self.ceiling && !costs_nothing {
            return Err(NoRoom::Dear);
        }
        Ok(load)
    }

    /// Gas of its transaction.
    pub(super) fn gas(&self) -> u64 {
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        let floor = gas::BATCH.saturating_add(gas::FLOOR_BYTE.saturating_mul(bytes));
        floor.max(self.execution.saturating_add(gas::BYTE.saturating_mul(bytes)))
    }

    fn lock(&self, params: &Params) -> u64 {
        let ceiling = u32::try_from(self.ceiling).unwrap_or(u32::MAX);
        params.lock(ceiling, u16::try_from(self.entries).unwrap_or(u16::MAX))
    }
}

/// Gas that suffices for the transaction which posts a batch, whatever of it is applied.
pub fn gas_of(batch: &Batch) -> u64 {
    let load = Load::new(batch.header.rules.len());
    let add = |load: Load, step: &Step| Load {
        bytes: load.bytes + step.encoded_length(),
        execution: load.execution + execution(step),
        ..load
    };
    batch.steps.iter().fold(load, add).gas()
}

/// Gas of a step beside its bytes.
fn execution(step: &Step) -> u64 {
    let times = |count: usize, gas: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(gas);
    gas::STEP
        + times(step.fresh.len(), gas::FRESH)
        + times(step.opened.len(), gas::OPENED)
        + times(step.again.len(), gas::AGAIN)
        + times(step.withdrawals.len(), gas::WITHDRAWAL)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, Bytes};
    use nthroot_model::{
        builder::{BatchBuilder, Name, Posting, StepPlan},
        kernel::{Env, Signatures},
        ledger::Ledger,
        rule::Rules,
    };
    use nthroot_protocol::{AnchorId, Authorisation, Call, CompactSignature, Key, Signature};

    use super::*;

    const PROPOSER: Address = Address::repeat_byte(0xb0);
    const USER: Address = Address::repeat_byte(0xaa);

    /// Some fragments a block before the tip.
    fn world() -> (Ledger, Vec<AnchorId>) {
        let params = Params {
            chain_id: 1,
            deployment_block: 100,
            window: 20,
            insured_gas_price: 1_000_000_000,
            min_lock: 12_200_000 * 1_000_000_000,
            caps: None,
        };
        let env = Env {
            account_rule: Address::repeat_byte(0xac),
            bridge: Address::repeat_byte(0xb1),
            rules: Rules::default(),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(100, B256::ZERO).unwrap();
        let mut deposit = || ledger.deposit(Key::Secp256k1(USER), Address::ZERO, 1).unwrap();
        let anchors = (0..3).map(|_| AnchorId::new(deposit(), 0)).collect();
        ledger.begin_block(101, B256::ZERO).unwrap();
        (ledger, anchors)
    }

    /// A fragment consents, and nothing happens.
    fn consent(anchor: AnchorId, gas: u32) -> StepPlan {
        let signed = Authorisation {
            position: 0,
            valid_until: u64::MAX,
            outflows: Vec::new(),
            payload: Bytes::new(),
            signature: Signature::Secp256k1(CompactSignature::ZERO),
        };
        let call = Call {
            rule: 0,
            gas,
            max_effects: 0,
            fragments: vec![0],
            authorisations: vec![signed],
            extra: Bytes::new(),
        };
        StepPlan {
            fragments: vec![Name::Anchor(anchor)],
            body: vec![call].into(),
        }
    }

    #[test]
    fn a_step_of_much_gas_goes_alone() {
        let (ledger, anchors) = world();
        let posting = Posting {
            proposer: PROPOSER,
            clock: 100,
            clock_hash: B256::ZERO,
            slot: 0,
            ceiling: MAX_CEILING,
        };
        let builder = BatchBuilder::new(&ledger, posting).signatures(Signatures::Trusted);
        let ready = |place: usize, gas: u32| builder.evaluate(&consent(anchors[place], gas)).unwrap();
        let room = Room::default();
        let with = |load: Load, step: &ReadyStep, dear| load.with(step, &room, ledger.params(), dear);
        // 39 bytes of touch, 4 before it, and the body.
        let most = 600 * 134;
        let (cheap, dear) = (ready(0, most), ready(1, most + 1));
        assert!(!cheap.goes_alone() && dear.goes_alone());

        let load = with(Load::new(0), &cheap, false).unwrap();
        assert!(with(load, &ready(2, most), false).is_ok());
        for last in [false, true] {
            assert_eq!(
                with(load, &dear, last),
                Err(NoRoom::Dear),
                "it waits until it is the first"
            );
            let alone = with(Load::new(0), &dear, last).unwrap();
            assert_eq!(with(alone, &cheap, last), Err(NoRoom::Full), "nothing goes beside it");
            assert_eq!(with(alone, &ready(2, most + 1), last), Err(NoRoom::Full));
        }
    }
}
