//! Whatever one does within a block, nothing is gained by it.

use nthroot_protocol::FragmentId;

use super::world::{RICHES, World, borrow, call, gold, lend, redeem, repay, terms, usd};

/// What an attacker does next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Lend,
    RedeemHalf,
    RedeemAll,
    Open,
    BorrowMore,
    Repay,
    CallOwn,
    CallOther,
}

const MOVES: [Move; 8] = [
    Move::Lend,
    Move::RedeemHalf,
    Move::RedeemAll,
    Move::Open,
    Move::BorrowMore,
    Move::Repay,
    Move::CallOwn,
    Move::CallOther,
];
const ATTACKER: u8 = 5;

fn play(world: &World, market: FragmentId, next: Move) -> Option<World> {
    let own = world.positions.keys().map(|(_, serial)| *serial).max().unwrap();
    let shares = world.shares(ATTACKER, market);
    let op = match next {
        Move::Lend => lend(market, 7_001),
        Move::RedeemHalf => redeem(market, shares / 2),
        Move::RedeemAll => redeem(market, shares),
        Move::Open => borrow(market, 0, 4_003, 2_001),
        Move::BorrowMore => borrow(market, own, 0, 501),
        Move::Repay => repay(market, own, u128::MAX, 0),
        Move::CallOwn if own > 1 => call(market, own),
        Move::CallOwn => return None,
        Move::CallOther => call(market, 1),
    };
    let mut world = world.clone();
    world.act(ATTACKER, op).ok().map(|_| world)
}

/// In the end all debts are paid, and all that the attacker has lent is redeemed.
fn settle(mut world: World, market: FragmentId) -> World {
    let serials: Vec<u64> = world.positions.keys().map(|(_, serial)| *serial).collect();
    for serial in serials {
        for owner in [2, ATTACKER] {
            let _ = world.act(owner, repay(market, serial, u128::MAX, 0));
        }
    }
    let shares = world.shares(ATTACKER, market);
    if shares != 0 {
        let _ = world.act(ATTACKER, redeem(market, shares));
    }
    world
}

fn search(world: &World, market: FragmentId, path: &mut Vec<Move>, depth: usize) -> usize {
    let end = settle(world.clone(), market);
    assert_eq!(end.held(ATTACKER, gold()), RICHES);
    assert!(
        end.held(ATTACKER, usd()) <= RICHES,
        "{path:?}: {}",
        end.held(ATTACKER, usd()) - RICHES
    );
    if depth == 0 {
        return 1;
    }
    let mut seen = 1;
    for next in MOVES {
        if let Some(world) = play(world, market, next) {
            path.push(next);
            seen += search(&world, market, path, depth - 1);
            path.pop();
        }
    }
    seen
}

#[test]
fn no_order_of_moves_in_one_block_gains_anything() {
    let (mut world, market) = World::lent(terms(), 20_003);
    world.open(2, market, 9_000, 4_001);
    world.pass(7);
    let seen = search(&world, market, &mut vec![], 4);
    assert!(seen > 300, "{seen}");
}
