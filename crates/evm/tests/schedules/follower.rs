//! A second ledger, which sees nothing but events and the batches in calldata, as those do that follow L1.

use alloy::{
    primitives::{Address, U256},
    sol_types::{SolCall, SolEventInterface},
};
use nthroot_bindings::{Bridge, bridge::Bridge::BridgeEvents};
use nthroot_evm::Receipt;
use nthroot_model::ledger::Ledger;
use nthroot_protocol::{BatchId, Key};

use crate::world::{PROPOSERS, SLOTS, SOMEBODY, World};

fn id(number: impl TryInto<u64>) -> BatchId {
    let number = number.try_into().ok().expect("40 bits");
    BatchId::from_u64(number).expect("an id")
}

fn position(position: U256) -> u8 {
    position.try_into().expect("a byte")
}

impl World {
    /// Tells it of a transaction.
    pub(crate) fn follow(&mut self, from: Address, calldata: &[u8], receipt: &Receipt) {
        for log in receipt.logs.iter().filter(|log| log.address == self.l1.bridge) {
            let event = BridgeEvents::decode_log(log).expect("an event of the bridge").data;
            apply(&mut self.followed, from, calldata, event);
        }
    }

    /// It comes to the same as the ledger that checks every call.
    pub(crate) fn compare_followed(&self) {
        let (ledger, followed) = (&self.ledger, &self.followed);
        assert_eq!(ledger.global(), followed.global(), "the global word");
        for anchor in &self.anchors {
            assert_eq!(ledger.head(*anchor), followed.head(*anchor), "head of {anchor}");
            assert_eq!(ledger.state(*anchor), followed.state(*anchor), "state of {anchor}");
        }
        for account in PROPOSERS.into_iter().chain([SOMEBODY]) {
            assert_eq!(ledger.bond(account), followed.bond(account), "bond of {account}");
            for slot in 0..SLOTS {
                let words = [ledger, followed].map(|ledger| ledger.word(account, slot));
                assert_eq!(words[0], words[1], "word {slot} of {account}");
            }
        }
        for batch in ledger.batches() {
            let claims = [ledger, followed].map(|ledger| ledger.claims(batch).expect("nothing is pruned"));
            assert_eq!(claims[0], claims[1], "claims of {batch}");
        }
        for token in [Address::ZERO, self.token] {
            assert_eq!(ledger.held(token), followed.held(token), "what is held of {token}");
        }
    }
}

fn apply(ledger: &mut Ledger, from: Address, calldata: &[u8], event: BridgeEvents) {
    match event {
        BridgeEvents::Deposited(event) => {
            let key = Key::from_bytes(event.key.0).expect("a key");
            let given = ledger.on_deposited(key, event.token, event.amount);
            assert_eq!(given.expect("an id"), id(event.id));
        }
        BridgeEvents::BatchSubmitted(event) => {
            let Bridge::submitCall { batch } = Bridge::submitCall::abi_decode(calldata).expect("a call of submit");
            let submitted = ledger.submit(from, &batch).expect("L1 took it");
            assert_eq!((submitted.id, submitted.word.pack()), (id(event.id), event.word));
        }
        BridgeEvents::StepsSkipped(_) | BridgeEvents::OrphanFeePaid(_) => {}
        BridgeEvents::Condemned(event) => ledger.on_condemned(id(event.id)).expect("a live batch"),
        BridgeEvents::Unwound(event) => {
            let unwound = ledger.on_unwound(id(event.id)).expect("a doomed batch");
            assert_eq!(unwound.batch, id(event.id));
        }
        BridgeEvents::Claimed(event) => {
            let paid = ledger.on_claimed(id(event.id), position(event.position));
            let paid = paid.expect("an unpaid withdrawal");
            let said = (event.recipient, event.token, event.amount);
            assert_eq!(said, (paid.recipient, paid.withdrawal.token, paid.withdrawal.amount));
        }
        BridgeEvents::Assigned(event) => {
            let position = position(event.position);
            let assigned = ledger.on_assigned(id(event.id), position, event.from, event.to);
            assert_eq!(assigned.expect("an unpaid claim").position, position);
        }
        BridgeEvents::BondFunded(event) => {
            let funded = ledger.fund_bond(event.proposer, event.amount.to());
            funded.expect("whole gwei");
        }
        BridgeEvents::BondWithdrawn(event) => {
            let withdrawn = ledger.withdraw_bond(event.proposer, event.amount.to());
            withdrawn.expect("free bond");
        }
        BridgeEvents::Convicted(event) => {
            let known = ledger.on_convicted(id(event.id), event.unwound);
            known.expect("a batch that can be convicted");
        }
    }
}
