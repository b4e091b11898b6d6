//! Deposits: keys and caps (section 3).

use alloy_primitives::{Address, U256};
use nthroot_model::{
    ledger::{Conviction, DepositError},
    params::ParamsError,
};
use nthroot_protocol::{AnchorId, AssetId, Fragment, Key, Kind};

use crate::world::{ALICE, BOB, TOKEN, WINDOW, World, key_of, spend};

const OTHER: Address = Address::repeat_byte(0x71);

#[test]
fn a_deposit_opens_a_fragment_of_its_key() {
    let mut world = World::new();
    for (key, kind) in [(Key::Secp256k1(ALICE), Kind::Secp256k1), (Key::P256(BOB), Kind::P256)] {
        let id = world.ledger.deposit(key, TOKEN, 7).unwrap();
        let anchor = AnchorId::new(id, 0);
        let mut expected = Fragment::new(kind, key.controller());
        expected.assets.insert(AssetId::token(TOKEN), 7);
        assert_eq!(world.fragment(anchor), &expected);
        assert_eq!(world.ledger.state(anchor).unwrap().known().unwrap().depth(), 0);
        let head = world.ledger.head(anchor).unwrap();
        assert_eq!((head.id, head.root), (id, expected.root()));
    }
    assert_eq!(world.ledger.held(TOKEN), U256::from(14));
}

#[test]
fn a_deposit_needs_a_controller_and_an_amount() {
    let mut world = World::new();
    let before = world.dump();
    for key in [Key::Secp256k1(Address::ZERO), Key::P256(Address::ZERO)] {
        assert_eq!(world.ledger.deposit(key, TOKEN, 1), Err(DepositError::ZeroController));
        assert_eq!(
            world.ledger.on_deposited(key, TOKEN, 1),
            Err(DepositError::ZeroController)
        );
    }
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 0), Err(DepositError::ZeroAmount));
    assert_eq!(world.dump(), before);
}

fn capped(caps: &[(Address, u128)]) -> World {
    World::with_caps(Some(
        caps.iter().map(|(token, cap)| (*token, U256::from(*cap))).collect(),
    ))
}

#[test]
fn a_cap_bounds_what_the_bridge_holds_when_a_deposit_is_made() {
    let mut world = capped(&[(TOKEN, 1000)]);
    let refused = Err(DepositError::NotListed(OTHER));
    assert_eq!(world.ledger.deposit(key_of(0), OTHER, 1), refused);
    assert_eq!(
        world.ledger.deposit(key_of(0), Address::ZERO, 1),
        Err(DepositError::NotListed(Address::ZERO))
    );
    let over = |balance: u64| DepositError::Cap {
        token: TOKEN,
        cap: U256::from(1000),
        balance: U256::from(balance),
    };
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 1001), Err(over(1001)));
    let anchor = world.deposit(0, 1000);
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 1), Err(over(1001)));

    // What was paid out makes room, and what was only withdrawn does not.
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, anchor, None, &[300])).unwrap();
    let batch = builder.build().unwrap();
    let id = world.submit(ALICE, &batch).unwrap().id;
    world.advance(WINDOW + 1);
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 1), Err(over(1001)));
    world.ledger.on_claimed(id, 0).unwrap();
    assert_eq!(world.ledger.deposit(key_of(0), TOKEN, 301), Err(over(1001)));
    assert!(world.ledger.deposit(key_of(0), TOKEN, 300).is_ok());

    // What L1 has accepted is accepted: its balance may have shrunk in ways that are not seen here.
    assert!(world.ledger.on_deposited(key_of(0), OTHER, 5000).is_ok());
    assert!(world.ledger.on_deposited(key_of(0), TOKEN, 5000).is_ok());
}

#[test]
fn bonds_and_what_was_burnt_count_for_the_cap_of_ether() {
    const ETHER: Address = Address::ZERO;
    // Two bonds of 100 ether.
    let bonds = 200 * 10_u128.pow(18);
    let mut world = capped(&[(ETHER, bonds + 10), (TOKEN, 10_000)]);
    assert_eq!(world.ledger.held(ETHER), U256::from(bonds));
    assert!(world.ledger.deposit(key_of(0), ETHER, 10).is_ok());
    assert!(world.ledger.deposit(key_of(0), ETHER, 1).is_err());
    let [x] = world.deposits();
    let lie = world.lie(ALICE, &[x]);
    let Conviction { slashed, reward, .. } = world.convict(lie, 0, true);
    assert_eq!(
        world.ledger.held(ETHER),
        U256::from(bonds + 10 - reward),
        "half of {slashed} is burnt, and stays"
    );
    assert!(world.ledger.deposit(key_of(0), ETHER, reward + 1).is_err());
    assert!(world.ledger.deposit(key_of(0), ETHER, reward).is_ok());
    world.ledger.withdraw_bond(BOB, 1_000_000_000).unwrap();
    assert!(world.ledger.deposit(key_of(0), ETHER, 1_000_000_001).is_err());
    assert!(world.ledger.deposit(key_of(0), ETHER, 1_000_000_000).is_ok());
}

#[test]
fn at_most_64_assets_have_caps() {
    let tokens = |count: u8| {
        (1..=count)
            .map(|number| (Address::repeat_byte(number), U256::MAX))
            .collect()
    };
    let mut params = World::new().ledger.params().clone();
    params.min_lock = 12_200_000 * params.insured_gas_price;
    params.caps = Some(tokens(64));
    assert_eq!(params.check(), Ok(()));
    params.caps = Some(tokens(65));
    assert_eq!(params.check(), Err(ParamsError::TooManyCaps(65)));
}
