//! Claims: paid, given away, sold.

use alloy::primitives::{Address, Bytes, U256};
use nthroot_bindings::{Bridge, bridge::IBridge};
use nthroot_fuzz::steps::Choices;
use nthroot_model::{
    ledger::{Assigned, Claim, Consent, Offer, Sale},
    signing,
};
use nthroot_protocol::{Assignment, BatchId, Domain, Withdrawal};

use crate::{
    actions::event,
    reverts::{self, error_of},
    users::{self, ACCOUNTS},
    world::{PROPOSERS, SOMEBODY, WALLET, World},
};

fn wire(withdrawal: &Withdrawal) -> IBridge::Withdrawal {
    IBridge::Withdrawal {
        recipient: withdrawal.recipient,
        token: withdrawal.token,
        amount: withdrawal.amount,
    }
}

impl World {
    fn some_claim(&self, c: &mut Choices<'_>) -> Option<(BatchId, Claim)> {
        let claims = |id: BatchId| {
            let claims = self.ledger.claims(id).expect("nothing is pruned");
            claims.into_iter().map(move |claim| (id, claim))
        };
        let claims: Vec<(BatchId, Claim)> = self.batches().into_iter().flat_map(claims).collect();
        // `pick` reads one byte.
        let many = claims.len().div_ceil(256).max(1);
        let claims: Vec<_> = claims.into_iter().skip(c.below(many)).step_by(many).collect();
        (!claims.is_empty()).then(|| c.pick(&claims))
    }

    pub(crate) fn claim_something(&mut self, c: &mut Choices<'_>) {
        let Some((mut id, mut claim)) = self.some_claim(c) else {
            return;
        };
        if c.once_in(4) {
            match c.below(5) {
                0 => claim.withdrawal.amount += 1,
                1 => claim.position = c.pick(&[claim.position.saturating_add(1), 24, 255]),
                2 => claim.withdrawal.recipient = users::account(c.below(ACCOUNTS)),
                3 => claim.siblings.push(claim.withdrawal.leaf()),
                _ => id = c.pick(&self.batches()),
            }
        }
        self.claim(id, &claim);
    }

    pub(crate) fn claim(&mut self, id: BatchId, claim: &Claim) {
        self.log.push(format!("claim {} of {id}", claim.position));
        let Withdrawal { token, amount, .. } = claim.withdrawal;
        let preimage = self.preimage(id);
        let call = Bridge::claimCall {
            preimage: preimage.clone().into(),
            position: U256::from(claim.position),
            withdrawal: wire(&claim.withdrawal),
            siblings: claim.siblings.concat().into(),
        };
        // That of the position named, which need not be that of the claim.
        let claims = self.ledger.claims(id).expect("nothing is pruned");
        let named = claims.get(usize::from(claim.position)).unwrap_or(claim);
        let (recipient, assignments) = (named.recipient, named.assignments);
        let before = self.balance(recipient, token);
        let receipt = self.send(SOMEBODY, 0, &call);
        // Whether a payment arrives is not in the model.
        let mut paid = self.ledger.clone();
        match paid.claim(&preimage, claim.position, claim.withdrawal, &claim.siblings) {
            Ok(payment) => {
                assert_eq!(payment.recipient, recipient, "the present recipient");
                if error_of(&receipt) == Some("PaymentFailed") {
                    assert_eq!(
                        (recipient, token),
                        (self.l1.bridge, Address::ZERO),
                        "only the bridge takes no ETH"
                    );
                    self.note("claim not taken by its recipient");
                    return;
                }
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model pays",
                    error_of(&receipt)
                );
                let event: Bridge::Claimed = event(&receipt).expect("an event");
                let said = (
                    event.id.to::<u64>(),
                    event.position,
                    event.recipient,
                    event.token,
                    event.amount,
                );
                let position = U256::from(payment.position);
                assert_eq!(said, (id.to_u64(), position, recipient, token, amount), "the event");
                let asset = usize::from(!token.is_zero());
                if recipient == self.l1.bridge {
                    self.burnt[asset] += amount;
                } else {
                    assert_eq!(
                        self.balance(recipient, token) - before,
                        U256::from(amount),
                        "the payment"
                    );
                    self.custody[asset] -= amount;
                }
                self.ledger = paid;
                let many = self.ledger.claims(id).expect("nothing is pruned").len() > 24;
                self.note(match (many, assignments) {
                    (true, _) => "claim paid, of many",
                    (false, 0) => "claim paid",
                    (false, _) => "claim paid to its buyer",
                });
            }
            Err(error) => self.refused("claim", &receipt, reverts::claim(&error), &error),
        }
    }

    /// The present recipient gives a claim away, or somebody takes an offer of theirs: as it was signed, or not.
    pub(crate) fn assign_something(&mut self, c: &mut Choices<'_>) {
        let Some((id, claim)) = self.some_claim(c) else {
            return;
        };
        let now = self.ledger.block();
        let from = claim.recipient;
        let others = [
            users::account(0),
            users::account(1),
            SOMEBODY,
            PROPOSERS[2],
            self.l1.bridge,
        ];
        let mut sale = Sale {
            from,
            to: c.pick(&others),
            open: c.once_in(3),
            token: c.pick(&[Address::ZERO, self.token]),
            price: U256::from(c.pick(&[0_u64, 1, 900])),
            deadline: U256::from(now) + U256::from(c.pick(&[0_u64, 7, u64::MAX])),
        };
        let mut message = Assignment {
            commitment: self.ledger.preimage(id).expect("nothing is pruned").hash(),
            position: claim.position,
            sequence: claim.assignments,
            from,
            to: (!sale.open).then_some(sale.to),
            token: sale.token,
            price: sale.price,
            deadline: sale.deadline,
        };
        let mut signer = (0..ACCOUNTS).find(|user| users::account(*user) == from).unwrap_or(0);
        let mut sender = SOMEBODY;
        let mut wrong_value = false;
        match c.below(24) {
            0..=3 => sender = from,
            4 => sale.price += U256::ONE,
            5 => sale.open = !sale.open,
            // An offer that an earlier assignment, or another batch, used up.
            6 => message.sequence = message.sequence.wrapping_sub(1) & ((1 << 96) - 1),
            7 => message.commitment = self.ledger.preimage(c.pick(&self.batches())).expect("known").hash(),
            8 => signer = (signer + 1) % ACCOUNTS,
            9 => {
                sale.deadline = U256::from(now - 1);
                message.deadline = sale.deadline;
            }
            10 => sale.from = users::account(c.below(ACCOUNTS)),
            11 => sale.to = Address::ZERO,
            12 => wrong_value = true,
            13 => sale.to = users::account(2),
            14 => message.position ^= 1,
            _ => {}
        }
        // Contracts send nothing.
        if [self.l1.bridge, WALLET].contains(&sender) {
            sender = SOMEBODY;
        }
        let due = if sale.token.is_zero() && sender != sale.from {
            sale.price
        } else {
            U256::ZERO
        };
        let signature = self.sign_offer(signer, &message);
        self.assign(sender, due + U256::from(wrong_value), id, &claim, sale, &signature);
    }

    fn sign_offer(&self, user: usize, message: &Assignment) -> Vec<u8> {
        let domain = Domain {
            chain_id: self.ledger.params().chain_id,
            bridge: self.l1.bridge,
        };
        let mut signature = signing::sign(&users::secret(user), message.signing_hash(&domain)).to_vec();
        // From the compact form to the usual one.
        let odd = signature[32] >> 7;
        signature[32] &= 0x7f;
        signature.push(27 + odd);
        signature
    }

    fn assign(&mut self, sender: Address, value: U256, id: BatchId, claim: &Claim, sale: Sale, signature: &[u8]) {
        self.log.push(format!(
            "{sender} assigns claim {} of {id} with {value} wei: {sale:?}",
            claim.position
        ));
        let preimage = self.preimage(id);
        let call = Bridge::assignCall {
            preimage: preimage.clone().into(),
            position: U256::from(claim.position),
            withdrawal: wire(&claim.withdrawal),
            siblings: claim.siblings.concat().into(),
            terms: IBridge::Terms {
                from: sale.from,
                to: sale.to,
                token: sale.token,
                price: sale.price,
                deadline: sale.deadline,
                open: sale.open,
            },
            signature: Bytes::copy_from_slice(signature),
        };
        let before = self.balance(sale.from, sale.token);
        let receipt = self.send(sender, value.to(), &call);
        let consent = match sale.from {
            WALLET => Consent::Contract(true),
            from if from == self.l1.bridge => Consent::Contract(false),
            _ => Consent::Signature(signature),
        };
        let offer = Offer {
            preimage: &preimage,
            position: claim.position,
            withdrawal: claim.withdrawal,
            siblings: &claim.siblings,
            sale,
            consent,
        };
        match self.ledger.assign(sender, value, &offer) {
            Ok(Assigned { paid, .. }) => {
                assert!(
                    receipt.success,
                    "the contract says {:?}, the model assigns",
                    error_of(&receipt)
                );
                let event: Bridge::Assigned = event(&receipt).expect("an event");
                let said = (event.id.to::<u64>(), event.position, event.from, event.to);
                let position = U256::from(claim.position);
                assert_eq!(said, (id.to_u64(), position, sale.from, sale.to), "the event");
                if sender != sale.from {
                    assert_eq!(self.balance(sale.from, sale.token) - before, paid, "the price");
                }
                self.note(match (sender == sale.from, sale.open) {
                    (true, _) => "claim given away",
                    _ if sale.from == WALLET => "claim sold by a contract",
                    (false, false) => "claim sold",
                    (false, true) => "claim sold to whoever paid",
                });
            }
            Err(error) => self.refused("assignment", &receipt, reverts::assign(&error), &error),
        }
    }

    pub(crate) fn balance(&mut self, account: Address, token: Address) -> U256 {
        if token.is_zero() {
            return self.l1.chain.balance(account);
        }
        let call = nthroot_bindings::mocks::Token::balanceOfCall { account };
        // What a liar names need not be a token.
        self.l1.chain.view(token, &call).unwrap_or_default()
    }
}
