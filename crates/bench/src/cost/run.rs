//! Whole transactions, and what is noted of them.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use nthroot_evm::{Deployed, Receipt};

use super::schedule::Cost;

/// What somebody does, and what it costs under one schedule.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which table it belongs to.
    pub group: Group,
    /// What is done.
    pub what: String,
    /// What its transaction costs, or one more of it.
    pub cost: Cost,
    /// How many users that serves: who else would each send a transaction of their own.
    pub users: u64,
}

/// A table of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Deposits and bonds.
    In,
    /// One more operation of a rule in a batch.
    Rule,
    /// One more swap in a batch.
    Exchange,
    /// Claims and their sale.
    Out,
    /// Challenges and roll-back.
    Proof,
    /// Rules put on the chain.
    Register,
    /// What users do on L1 instead.
    L1,
}

/// Rows of a group, as they are measured.
pub(super) struct Rows {
    group: Group,
    rows: Vec<Row>,
}

impl Rows {
    pub(super) const fn new(group: Group) -> Self {
        Self {
            group,
            rows: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, what: impl Into<String>, users: u64, cost: Cost) {
        self.rows.push(Row {
            group: self.group,
            what: what.into(),
            cost,
            users,
        });
    }

    /// A transaction of one user.
    pub(super) fn one(&mut self, what: impl Into<String>, cost: Cost) {
        self.put(what, 1, cost);
    }

    pub(super) fn finish(self) -> Vec<Row> {
        self.rows
    }
}

/// Sends a transaction, which must take effect.
///
/// # Panics
///
/// If it reverts: then there is nothing to measure.
pub(super) fn send(l1: &mut Deployed, from: Address, to: Address, value: u128, data: Vec<u8>) -> (Cost, Receipt) {
    let bytes = data.len();
    let receipt = l1
        .chain
        .send_with_most_gas(from, to, U256::from(value), Bytes::from(data))
        .expect("L1 takes it");
    assert!(receipt.success, "it takes effect: {}", receipt.output);
    (Cost::of(&receipt, bytes), receipt)
}

/// Sends a call to the bridge, which must take effect.
pub(super) fn call(l1: &mut Deployed, from: Address, value: u128, call: &impl SolCall) -> Cost {
    send(l1, from, l1.bridge, value, call.abi_encode()).0
}

impl Cost {
    /// Of a transaction with so many bytes of calldata.
    pub const fn of(receipt: &Receipt, bytes: usize) -> Self {
        Self {
            gas: receipt.gas,
            executed: receipt.executed,
            floor: receipt.floor,
            bytes,
        }
    }
}
