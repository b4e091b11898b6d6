//! Assigning claims (section 9).

use alloy_primitives::{Address, B256, U256, keccak256};
use nthroot_model::{
    ledger::{AssignError, Assigned, Claim, ClaimError, Consent, Offer, Sale, WordError},
    signing,
};
use nthroot_protocol::{AnchorId, AssignedClaim, Assignment, BatchId, Domain, Status};

use crate::world::{ALICE, BOB, BRIDGE, TOKEN, WINDOW, World, key, spend, user};

const BUYER: Address = Address::repeat_byte(0xbe);
const NEXT: Address = Address::repeat_byte(0xce);

/// A batch in which user 0 withdraws 5 and 6, and its anchor.
fn withdrawing(world: &mut World) -> (BatchId, AnchorId) {
    let anchor = world.deposit(0, 1000);
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, anchor, None, &[5, 6])).unwrap();
    let batch = builder.build().unwrap();
    (world.submit(ALICE, &batch).unwrap().id, anchor)
}

/// Terms on which user 0 sells to the buyer.
fn sale(world: &World) -> Sale {
    Sale {
        from: user(0),
        to: BUYER,
        open: false,
        token: TOKEN,
        price: U256::from(4),
        deadline: U256::from(world.ledger.block() + 2),
    }
}

/// What a user signs for these terms, as 65 bytes.
fn sign(world: &World, signer: u8, id: BatchId, position: u8, sequence: u128, sale: &Sale) -> Vec<u8> {
    let message = Assignment {
        commitment: keccak256(world.preimage(id)),
        position,
        sequence,
        from: sale.from,
        to: (!sale.open).then_some(sale.to),
        token: sale.token,
        price: sale.price,
        deadline: sale.deadline,
    };
    let domain = Domain {
        chain_id: 1,
        bridge: BRIDGE,
    };
    to_65(signing::sign(&key(signer), message.signing_hash(&domain)).0)
}

/// `r ‖ s ‖ v` of the compact form.
fn to_65(mut compact: [u8; 64]) -> Vec<u8> {
    let v = 27 + (compact[32] >> 7);
    compact[32] &= 0x7f;
    [compact.as_slice(), &[v]].concat()
}

/// Calls `assign` for a claim as it stands in the ledger.
fn assign(
    world: &mut World,
    (sender, value): (Address, u64),
    id: BatchId,
    position: u8,
    sale: Sale,
    consent: Consent<'_>,
) -> Result<Assigned, AssignError> {
    let (preimage, claim) = (world.preimage(id), claim(world, id, position));
    let offer = Offer {
        preimage: &preimage,
        position,
        withdrawal: claim.withdrawal,
        siblings: &claim.siblings,
        sale,
        consent,
    };
    world.ledger.assign(sender, U256::from(value), &offer)
}

fn claim(world: &World, id: BatchId, position: u8) -> Claim {
    world.ledger.claims(id).unwrap()[usize::from(position)].clone()
}

/// Who is paid.
fn paid(world: &mut World, id: BatchId, position: u8) -> Address {
    let (preimage, claim) = (world.preimage(id), claim(world, id, position));
    let paid = world
        .ledger
        .claim(&preimage, position, claim.withdrawal, &claim.siblings);
    paid.unwrap().recipient
}

const UNSIGNED: Consent<'_> = Consent::Signature(&[]);

#[test]
fn a_claim_is_paid_to_whom_it_was_assigned() {
    let mut world = World::new();
    let (id, _) = withdrawing(&mut world);
    let terms = sale(&world);
    assert!(!world.ledger.word(ALICE, 0).unwrap().assigned);
    let signature = sign(&world, 0, id, 1, 0, &terms);
    let assigned = assign(&mut world, (BUYER, 0), id, 1, terms, Consent::Signature(&signature));
    let expected = Assigned {
        batch: id,
        position: 1,
        assignments: 1,
        paid: U256::from(4),
    };
    assert_eq!(assigned, Ok(expected));
    assert!(world.ledger.word(ALICE, 0).unwrap().assigned);
    assert_eq!(
        (claim(&world, id, 1).recipient, claim(&world, id, 1).assignments),
        (BUYER, 1)
    );
    assert_eq!(
        (claim(&world, id, 0).recipient, claim(&world, id, 0).assignments),
        (user(0), 0)
    );

    // It can be assigned on, and given away by its recipient without any terms: then the price is not looked at.
    let gift = Sale {
        from: BUYER,
        to: NEXT,
        token: Address::ZERO,
        deadline: U256::ZERO,
        ..terms
    };
    let refused = AssignError::Value {
        expected: U256::ZERO,
        actual: U256::from(4),
    };
    assert_eq!(assign(&mut world, (BUYER, 4), id, 1, gift, UNSIGNED), Err(refused));
    let given = assign(&mut world, (BUYER, 0), id, 1, gift, UNSIGNED).unwrap();
    assert_eq!((given.assignments, given.paid), (2, U256::ZERO));
    world.advance(WINDOW + 1);
    assert_eq!(paid(&mut world, id, 1), NEXT);
    assert_eq!(paid(&mut world, id, 0), user(0));
    let back = Sale { from: NEXT, ..gift };
    let nothing = ClaimError::NothingToPay(1);
    assert_eq!(
        assign(&mut world, (NEXT, 0), id, 1, back, UNSIGNED),
        Err(nothing.into())
    );
}

#[test]
fn an_offer_dies_with_the_first_assignment() {
    let mut world = World::new();
    let (id, _) = withdrawing(&mut world);
    let terms = sale(&world);
    let signature = sign(&world, 0, id, 0, 0, &terms);
    let consent = Consent::Signature(&signature);
    assign(&mut world, (BUYER, 0), id, 0, terms, consent).unwrap();
    let refused = AssignError::NotRecipient {
        expected: BUYER,
        actual: user(0),
    };
    assert_eq!(assign(&mut world, (BUYER, 0), id, 0, terms, consent), Err(refused));
    // Nor does it live again when the claim comes back.
    let back = Sale {
        from: BUYER,
        to: user(0),
        ..terms
    };
    assign(&mut world, (BUYER, 0), id, 0, back, UNSIGNED).unwrap();
    let bad = Err(AssignError::Signature(user(0)));
    assert_eq!(assign(&mut world, (BUYER, 0), id, 0, terms, consent), bad);
    let signature = sign(&world, 0, id, 0, 2, &terms);
    assert!(assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Signature(&signature)).is_ok());
}

#[test]
fn an_offer_is_for_its_terms_only() {
    let mut world = World::new();
    let (id, _) = withdrawing(&mut world);
    // Terms whose signature has odd parity, so that it shows where that is read from.
    let signed = |price: u64| {
        let terms = Sale {
            price: U256::from(price),
            ..sale(&world)
        };
        (terms, sign(&world, 0, id, 0, 0, &terms))
    };
    let (terms, good) = (4..).map(signed).find(|(_, signature)| signature[64] == 28).unwrap();
    let open = Sale { open: true, ..terms };
    let signed_open = sign(&world, 0, id, 0, 0, &open);
    let before = world.dump();
    let mut high_s = good.clone();
    // The order less s: the other signature of the same key.
    let order = U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
    let s = order - U256::from_be_slice(&good[32..64]);
    high_s[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    high_s[64] = 27 + 28 - good[64];
    // The parity where the compact form has it.
    let mut compact = good.clone();
    compact[32] |= 0x80;
    compact[64] = 27;
    let changed: [(&str, Sale, &[u8]); 13] = [
        ("compact", terms, &compact),
        ("to", Sale { to: NEXT, ..terms }, &good),
        (
            "token",
            Sale {
                token: Address::ZERO,
                price: U256::ZERO,
                ..terms
            },
            &good,
        ),
        (
            "price",
            Sale {
                price: U256::from(3),
                ..terms
            },
            &good,
        ),
        (
            "deadline",
            Sale {
                deadline: terms.deadline + U256::ONE,
                ..terms
            },
            &good,
        ),
        ("named, said to be open", open, &good),
        ("open, said to be named", terms, &signed_open),
        ("another signer", terms, &sign(&world, 1, id, 0, 0, &terms)),
        ("another position", terms, &sign(&world, 0, id, 1, 0, &terms)),
        ("another sequence", terms, &sign(&world, 0, id, 0, 1, &terms)),
        ("the other s", terms, &high_s),
        ("cut", terms, &good[..64]),
        ("nothing", terms, &[]),
    ];
    let bad = Err(AssignError::Signature(user(0)));
    for (what, terms, signature) in changed {
        let refused = assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Signature(signature));
        assert_eq!(refused, bad, "{what}");
    }
    for v in [0, 1, 26, 29, 255] {
        let signature = [&good[..64], &[v]].concat();
        let refused = assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Signature(&signature));
        assert_eq!(refused, bad, "v {v}");
    }
    assert_eq!(
        assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Contract(false)),
        bad
    );
    assert_eq!(world.dump(), before, "what is refused changes nothing");
    let with = |world: &World, signature: &[u8], terms| {
        let mut world = World {
            ledger: world.ledger.clone(),
        };
        assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Signature(signature)).is_ok()
    };
    assert!(with(&world, &good, terms));
    // An open offer is for whoever pays.
    assert!(with(&world, &signed_open, open));
    assert!(with(&world, &signed_open, Sale { to: NEXT, ..open }));
    assert!(assign(&mut world, (BUYER, 0), id, 0, terms, Consent::Contract(true)).is_ok());
}

#[test]
fn an_offer_ends_with_its_deadline_and_takes_its_price_exactly() {
    let mut world = World::new();
    let (id, _) = withdrawing(&mut world);
    let terms = Sale {
        token: Address::ZERO,
        ..sale(&world)
    };
    let signature = sign(&world, 0, id, 0, 0, &terms);
    let consent = Consent::Signature(&signature);
    let wrong = |expected: u64, actual: u64| AssignError::Value {
        expected: U256::from(expected),
        actual: U256::from(actual),
    };
    for value in [0, 3, 5] {
        let refused = assign(&mut world, (BUYER, value), id, 0, terms, consent);
        assert_eq!(refused, Err(wrong(4, value)));
    }
    let token = sale(&world);
    let refused = assign(&mut world, (BUYER, 4), id, 0, token, Consent::Contract(true));
    assert_eq!(refused, Err(wrong(0, 4)), "the price is in a token");
    world.advance(2);
    let mut late = World {
        ledger: world.ledger.clone(),
    };
    assert!(
        assign(&mut world, (BUYER, 4), id, 0, terms, consent).is_ok(),
        "last block"
    );
    late.advance(1);
    let expired = AssignError::Expired {
        deadline: terms.deadline,
        block: late.ledger.block(),
    };
    assert_eq!(assign(&mut late, (BUYER, 4), id, 0, terms, consent), Err(expired));
}

#[test]
fn only_what_may_be_paid_can_be_assigned() {
    let mut world = World::new();
    let [x] = world.deposits();
    let older = world.lie(BOB, &[x]);
    world.advance(1);
    let (id, anchor) = withdrawing(&mut world);
    world.advance(1);
    let younger = world.lie(BOB, &[anchor]);
    let terms = sale(&world);
    let gift = |world: &mut World, terms| assign(world, (user(0), 0), id, 0, terms, UNSIGNED);
    let nobody = Sale {
        to: Address::ZERO,
        ..terms
    };
    assert_eq!(gift(&mut world, nobody), Err(AssignError::ZeroRecipient));
    let stranger = Sale { from: BUYER, ..terms };
    let refused = AssignError::NotRecipient {
        expected: user(0),
        actual: BUYER,
    };
    assert_eq!(gift(&mut world, stranger), Err(refused));

    world.convict(younger, 0, false);
    assert!(
        gift(
            &mut World {
                ledger: world.ledger.clone()
            },
            terms
        )
        .is_ok(),
        "a younger fault"
    );
    world.convict(older, 0, false);
    let fault = ClaimError::Fault { id, fault: older };
    assert_eq!(gift(&mut world, terms), Err(fault.into()));
    world.unwind(older);
    assert!(
        gift(
            &mut World {
                ledger: world.ledger.clone()
            },
            terms
        )
        .is_ok()
    );

    // The opening must be right.
    let (preimage, claim) = (world.preimage(id), claim(&world, id, 0));
    let mut offer = Offer {
        preimage: &preimage,
        position: 1,
        withdrawal: claim.withdrawal,
        siblings: &claim.siblings,
        sale: terms,
        consent: UNSIGNED,
    };
    let refused = world.ledger.assign(user(0), U256::ZERO, &offer);
    assert_eq!(refused, Err(ClaimError::Opening(1).into()));
    (offer.position, offer.siblings) = (0, &[B256::ZERO]);
    let refused = world.ledger.assign(user(0), U256::ZERO, &offer);
    assert_eq!(refused, Err(ClaimError::Opening(0).into()));
    offer.position = 2;
    let refused = world.ledger.assign(user(0), U256::ZERO, &offer);
    assert_eq!(refused, Err(ClaimError::NothingToPay(2).into()));
    offer.preimage = &preimage[1..];
    assert!(world.ledger.assign(user(0), U256::ZERO, &offer).is_err());

    world.ledger.on_condemned(id).unwrap();
    let condemned = WordError::Status {
        id,
        actual: Status::Condemned,
    };
    let refused = Err(ClaimError::from(condemned).into());
    assert_eq!(gift(&mut world, terms), refused);
    assert_eq!(world.ledger.on_assigned(id, 0, user(0), BUYER), refused);
}

#[test]
fn the_event_of_an_assignment_has_the_same_effect() {
    let mut world = World::new();
    let (id, _) = withdrawing(&mut world);
    let mut follower = World {
        ledger: world.ledger.clone(),
    };
    let terms = sale(&world);
    assign(&mut world, (BUYER, 0), id, 1, terms, Consent::Contract(true)).unwrap();
    let other = follower.ledger.on_assigned(id, 1, NEXT, BUYER);
    let refused = AssignError::NotRecipient {
        expected: user(0),
        actual: NEXT,
    };
    assert_eq!(other, Err(refused));
    follower.ledger.on_assigned(id, 1, user(0), BUYER).unwrap();
    assert_eq!(follower.dump(), world.dump());
}

/// Against the encodings written out (EIP-712 and section 4.8).
#[test]
fn offers_and_words_have_the_layout_of_the_specification() {
    let offer = Assignment {
        commitment: B256::repeat_byte(1),
        position: 2,
        sequence: 3,
        from: Address::repeat_byte(4),
        to: None,
        token: Address::repeat_byte(6),
        price: U256::from(7),
        deadline: U256::from(8),
    };
    let kind = "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,\
                uint256 price,uint256 deadline)";
    let mut words = vec![0; 9 * 32];
    words[..32].copy_from_slice(keccak256(kind).as_slice());
    words[32..64].fill(1);
    for (place, value) in [(2, 2), (3, 3), (7, 7), (8, 8)] {
        words[32 * place + 31] = value;
    }
    words[4 * 32 + 12..5 * 32].fill(4);
    words[6 * 32 + 12..7 * 32].fill(6);
    assert_eq!(offer.struct_hash(), keccak256(&words));
    words[5 * 32 + 12..6 * 32].fill(5);
    let named = Assignment {
        to: Some(Address::repeat_byte(5)),
        ..offer
    };
    assert_eq!(named.struct_hash(), keccak256(&words));

    let claim = AssignedClaim {
        assignments: 0x0102,
        recipient: BUYER,
    };
    let mut word = [0; 32];
    (word[10], word[11]) = (1, 2);
    word[12..].copy_from_slice(BUYER.as_slice());
    assert_eq!(claim.pack(), B256::from(word));
    assert_eq!(AssignedClaim::unpack(claim.pack()), Some(claim));
    assert_eq!(AssignedClaim::unpack(B256::ZERO), None);
}
