//! What must hold after every action, and at the end.

use nthroot_protocol::Status;

use crate::world::{Outcome, PROPOSERS, World};

/// Fails unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)*) => {
        if !$holds {
            return Err(format!($($message)*));
        }
    };
}
pub(crate) use ensure;

impl World {
    /// What must hold now, and once all faults are resolved, which must be possible from here.
    pub(crate) fn verify(&mut self) -> Outcome {
        self.verify_now()?;
        if !self.oracle.faults.is_empty() {
            let mut copy = self.clone();
            copy.resolve(self.ledger.global().last.to_u64())
                .and_then(|()| copy.verify_now())
                .map_err(|failure| format!("resolving all faults: {failure}"))?;
            self.coverage.count("resolved from any state");
        }
        Ok(())
    }

    fn verify_now(&mut self) -> Outcome {
        self.verify_faults()?;
        self.verify_heads()?;
        self.verify_batches()?;
        self.verify_bonds()
    }

    fn verify_faults(&self) -> Outcome {
        let (known, oldest) = (self.ledger.oldest_fault(), self.oracle.oldest_fault());
        // Beyond five the word may name one that is older still: that delays, and finalises nothing.
        let right = known == oldest || (self.oracle.overflowed && known.is_some() && known < oldest);
        ensure!(right, "oldest fault {known:?}, expected {oldest:?}");
        Ok(())
    }

    /// Every anchor has the last head that was not taken back: so one that no cone reached is as if there were no faults.
    fn verify_heads(&self) -> Outcome {
        let mut open = 0;
        for anchor in self.oracle.anchors.keys() {
            let (found, expected) = (self.ledger.head(*anchor), self.oracle.head(*anchor));
            ensure!(found == expected, "head of {anchor}: {found:?}, expected {expected:?}");
            open += usize::from(expected.is_some());
        }
        ensure!(self.ledger.anchors().count() == open, "anchors that nobody opened");
        Ok(())
    }

    fn verify_batches(&mut self) -> Outcome {
        let in_cone = self.oracle.descends(|batch| batch.convicted);
        let reverted = self.oracle.descends(|batch| batch.status == Status::Unwound);
        let (known, oldest) = (self.ledger.oldest_fault(), self.oracle.oldest_fault());
        let mut finals: Vec<bool> = Vec::new();
        for place in 0..self.oracle.batches.len() {
            let batch = &self.oracle.batches[place];
            let (posted, status) = (&batch.posted, batch.status);
            let id = posted.id();
            let found = self.ledger.status(id);
            ensure!(found == Some(status), "{id} is {found:?}, expected {status:?}");
            let live = status == Status::Live;
            ensure!(live || in_cone[place], "{id} is {status:?} and no lie is behind it");
            ensure!(
                !live || !reverted[place],
                "{id} is live and builds on what was taken back"
            );

            let is_final = self.ledger.is_final(id);
            let should = live && !self.in_window(posted) && known.is_none_or(|fault| fault >= id);
            ensure!(is_final == should, "{id} is final: {is_final}, expected {should}");
            let newer = oldest.is_some_and(|fault| fault <= id);
            ensure!(!is_final || !newer, "{id} is final and newer than fault {oldest:?}");
            let settled = posted.parents.iter().all(|parent| finals[*parent]);
            ensure!(!is_final || settled, "{id} is final and builds on what is not");
            ensure!(is_final || !batch.was_final, "{id} was final and is not any more");
            self.oracle.batches[place].was_final |= is_final;
            finals.push(is_final);
        }
        Ok(())
    }

    /// What is in a bond is what came less what went, and it keeps every lock at least as long as it has to.
    fn verify_bonds(&mut self) -> Outcome {
        let oldest = self.oracle.oldest_fault();
        for place in 0..self.oracle.batches.len() {
            let posted = &self.oracle.batches[place].posted;
            // What is older than every fault stands on none of them.
            let over = oldest.is_none_or(|oldest| posted.id() < oldest) && !self.in_window(posted);
            self.oracle.batches[place].lock_over |= over;
        }
        for (proposer, account) in PROPOSERS.iter().zip(&self.accounts) {
            let left = account.withdrawn + account.slashed + account.fees;
            let expected = account.funded.checked_sub(left);
            let balance = self.ledger.bond(*proposer).balance;
            ensure!(Some(balance) == expected, "bond of {balance} gwei: {account:?}");

            let own = self.oracle.batches.iter();
            let own = own.filter(|batch| batch.posted.preimage.proposer == *proposer);
            // The lock of a convicted batch left with the conviction.
            let kept = own.filter(|batch| !batch.convicted && !batch.lock_over);
            let mut locked = 0;
            let mut provable = 0;
            for batch in kept {
                locked += batch.posted.lock;
                provable += if batch.status == Status::Unwound {
                    0
                } else {
                    batch.posted.lock
                };
            }
            ensure!(provable <= balance, "locks of {provable} gwei, a bond of {balance}");
            let free = self.ledger.free_bond(*proposer);
            let most = balance.saturating_sub(locked);
            ensure!(free <= most, "{free} gwei are free, at most {most} may be");
        }
        Ok(())
    }

    /// All is resolved; then every live batch becomes final and is paid, no other is, and bonds come free.
    pub(crate) fn finish(&mut self) -> Outcome {
        self.resolve(1)?;
        self.verify_now()?;
        let reverted = self.oracle.descends(|batch| batch.status == Status::Unwound);
        for (anchor, head, _) in self.ledger.anchors() {
            let by = self.oracle.place(head.id);
            ensure!(
                by.is_none_or(|by| !reverted[by]),
                "{anchor} descends from what was taken back"
            );
        }

        self.advance(self.ledger.params().window + 1);
        for place in 0..self.oracle.batches.len() {
            let batch = &self.oracle.batches[place];
            let (id, live) = (batch.posted.id(), batch.status == Status::Live);
            ensure!(
                self.ledger.is_final(id) == live,
                "{id} is {:?} and final: {}",
                batch.status,
                !live
            );
            for position in (0..).take(batch.posted.withdrawals.len()) {
                self.claim(place, position)?;
            }
            let unpaid = usize::from(!live) * self.oracle.batches[place].posted.withdrawals.len();
            let batch = &self.oracle.batches[place];
            let paid = batch.paid.len();
            ensure!(
                paid + unpaid == batch.posted.withdrawals.len(),
                "{id}: {paid} withdrawals were paid"
            );
        }
        self.verify_now()?;
        self.advance(self.ledger.params().window + 1);
        for proposer in PROPOSERS {
            let (free, balance) = (self.ledger.free_bond(proposer), self.ledger.bond(proposer).balance);
            ensure!(free == balance, "{free} gwei of {balance} are free in the end");
        }
        Ok(())
    }
}
