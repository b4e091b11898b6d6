//! Histories of markets, their lenders and borrowers.

use nthroot_evm::metered::Known;
use nthroot_model::{
    rule::AuthorisationView,
    rules::credit::{CreditFault, effects},
};
use nthroot_protocol::{
    AssetId, Effect,
    rules::credit::{CreditOp, MAX_CALL_FEE, Market, Position, Terms, WAD},
};

use nthroot_wallet::Budget;

use crate::{
    bench::{Subject, reason},
    case::{Case, RULE},
    mutate::{Field, number, tweak},
    operations::Attempt,
    rng::Rng,
    world::{Turn, World},
};

/// Markets, their positions, and those who use them.
pub(crate) struct Markets {
    pub(crate) world: World,
    pub(crate) markets: Vec<usize>,
    pub(crate) positions: Vec<usize>,
    pub(crate) users: Vec<usize>,
    pub(crate) bits: u32,
}

impl Subject for Markets {
    const NAME: &'static str = "Credit";
    const KNOWN: Known = Known::Credit;
    const OPERATIONS: &'static [&'static str] = &[
        "add",
        "bid",
        "borrow",
        "call",
        "close",
        "create",
        "lend",
        "open",
        "redeem",
        "repay",
        "repay all",
    ];
    const REASONS: &'static [&'static str] = &[
        "Amount Overflow",
        "Amount TooLarge",
        "Amount Underflow",
        "Authorisations",
        "Called",
        "Extra",
        "Format Code",
        "Format NotMarket",
        "Format NotPosition",
        "Format Trailing",
        "Format Truncated",
        "Grace",
        "Indebted",
        "Missing",
        "NoDebt",
        "NoMarket",
        "NotCalled",
        "NotOwner",
        "NotRules",
        "OtherMarket",
        "OtherPosition",
        "Terms CallFee",
        "Terms SameAsset",
        "Terms Zero",
        "TooLittle amount borrowed",
        "TooLittle amount lent",
        "TooLittle amount redeemed",
        "TooLittle amount repaid",
        "TooLittle collateral",
        "TooLittle collateral added",
        "TooLittle collateral offered",
        "TooLittle debt",
        "TooLittle shares",
        "TooLittle shares redeemed",
        "TooMuch amount borrowed",
        "TooMuch amount redeemed",
        "TooMuch call fee",
        "TooMuch collateral taken",
        "TooMuch debt",
        "TooMuch debt asked",
        "TooMuch shares redeemed",
    ];
    const LENGTHS: &'static [usize] = &[201, 121, 43, 43, 51, 51, 35, 51, 35, 19, 83];

    fn new(rng: &mut Rng) -> Self {
        let mut world = World::new(rng.next() >> (1 + rng.below(62)));
        let users = (0..4).map(|user| world.user(rng, [0, 0, 3, 20][user])).collect();
        let bits = u32::try_from(8 + rng.below(118)).unwrap_or(64);
        Self {
            world,
            markets: Vec::new(),
            positions: Vec::new(),
            users,
            bits,
        }
    }

    fn turn(&mut self, rng: &mut Rng) -> Turn {
        self.wait(rng);
        if self.markets.is_empty() || rng.one_in(24) {
            return self.create(rng);
        }
        let mut turn = Attempt::new(self, rng).turn();
        for _ in 0..5 {
            if Self::twin(&turn.case).is_ok() || rng.one_in(16) {
                break;
            }
            turn = Attempt::new(self, rng).turn();
        }
        turn
    }

    fn apply(&mut self, turn: &Turn, effects: &[Effect]) {
        for place in self.world.apply(turn, effects).into_iter().flatten() {
            match self.world.fragments[place].data.first() {
                Some(1) => self.markets.push(place),
                _ => self.positions.push(place),
            }
        }
    }

    fn twin(case: &Case) -> Result<Vec<Effect>, String> {
        let effects = effects(case.clock, &case.fragments, &case.authorisations, &case.extra);
        effects.map_err(|fault| match fault {
            CreditFault::TooLittle { quantity, .. } | CreditFault::TooMuch { quantity, .. } => {
                format!("{} {quantity}", reason(&fault))
            }
            fault => reason(&fault),
        })
    }

    fn operation(case: &Case) -> &'static str {
        match CreditOp::decode(&case.authorisations[0].payload) {
            Ok(CreditOp::Create(_)) => "create",
            Ok(CreditOp::Lend { .. }) => "lend",
            Ok(CreditOp::Redeem { .. }) => "redeem",
            Ok(CreditOp::Borrow { serial: 0, .. }) => "open",
            Ok(CreditOp::Borrow { .. }) => "borrow",
            Ok(CreditOp::Repay { .. }) => {
                let burns = |effect: &Effect| matches!(effect, Effect::Burn { .. });
                if Self::twin(case).is_ok_and(|effects| effects.iter().any(burns)) {
                    "repay all"
                } else {
                    "repay"
                }
            }
            Ok(CreditOp::Call { .. }) => "call",
            Ok(CreditOp::Bid { .. }) => "bid",
            Ok(CreditOp::Add { .. }) => "add",
            Ok(CreditOp::Close { .. }) => "close",
            Err(_) => "no operation",
        }
    }

    fn meanings(case: &Case) -> Vec<(String, Vec<u8>)> {
        let op = CreditOp::decode(&case.authorisations[0].payload).expect("an operation");
        let data = &case.fragments[0].data;
        let (collateral, asset) = match (op, Market::decode(data), Position::decode(data)) {
            (CreditOp::Create(terms), ..) | (_, Ok(Market { terms, .. }), _) => (terms.collateral, terms.asset),
            (_, _, Ok(position)) => (position.collateral, AssetId::default()),
            _ => panic!("neither a market nor a position"),
        };
        let typed = op.typed(collateral, asset);
        // Structs of numbers: encoded for a hash as for a contract.
        vec![(typed.type_string, typed.encoded)]
    }

    fn budget(case: &Case) -> Budget {
        let op = CreditOp::decode(&case.authorisations[0].payload);
        op.map_or(Budget::ZERO, |op| Budget::credit(&op))
    }

    fn fields(payload: &[u8]) -> Vec<Field> {
        let amounts = |serial: bool, count: usize| {
            let start = if serial { 19 } else { 11 };
            let mut fields = vec![(1, 10)];
            fields.extend(serial.then_some((11, 8)));
            fields.extend((0..count).map(|amount| (start + 16 * amount, 16)));
            fields
        };
        match payload.first() {
            Some(1) => TERMS.to_vec(),
            Some(2 | 3) => amounts(false, 2),
            Some(4 | 5 | 7) => amounts(true, 2),
            Some(6 | 8) => amounts(true, 1),
            Some(9) => amounts(true, 0),
            _ => vec![],
        }
    }

    fn extra_fields(_: &[AuthorisationView], extra: &[u8]) -> Vec<Field> {
        vec![(0, extra.len().min(20))]
    }

    fn forge(rng: &mut Rng, data: &mut Vec<u8>) {
        if let Ok(mut market) = Market::decode(data) {
            match rng.below(4) {
                0 => market.serial = rng.pick(&[0, u64::MAX, market.serial.wrapping_add(1)]),
                1 => market.shares = number(rng, market.shares, u128::MAX),
                // Sums are never below what they are sums of.
                2 => market.called = market.called.max(number(rng, market.called, u128::MAX)),
                _ => {
                    tweak(rng, data, &TERMS);
                    let fall = data[117..121].iter().any(|byte| *byte != 0);
                    data[120] |= u8::from(!fall);
                    return;
                }
            }
            *data = market.encode();
        } else if let Ok(mut position) = Position::decode(data) {
            match rng.below(4) {
                0 => position.principal = position.principal.min(number(rng, position.principal, u128::MAX)),
                1 => position.since = rng.block(0, position.since),
                2 => position.called = rng.next() >> rng.below(64) | 1,
                _ => {
                    tweak(rng, data, &[(19, 32), (11, 8), (1, 10)]);
                    return;
                }
            }
            *data = position.encode();
        }
    }
}

/// In a payload that creates a market, and at the same places in its data.
const TERMS: [Field; 10] = [
    (1, 1),
    (2, 32),
    (34, 32),
    (66, 16),
    (82, 8),
    (90, 16),
    (106, 3),
    (109, 4),
    (113, 4),
    (117, 4),
];

impl Markets {
    /// Time passes; now and then so much that a called loan comes to auction.
    fn wait(&mut self, rng: &mut Rng) {
        let blocks = match rng.below(8) {
            0..=3 => 0,
            4 => 1,
            5 => rng.block(0, 10),
            6 => rng.block(0, 300),
            _ if self.world.clock < 1 << 62 => rng.block(0, 100_000),
            _ => 0,
        };
        self.world.clock += blocks;
    }

    fn create(&self, rng: &mut Rng) -> Turn {
        let mut assets = rng.assets(2);
        rng.shuffle(&mut assets);
        let blocks = |rng: &mut Rng| u32::try_from(rng.of_bits(7)).unwrap_or(0) + 1;
        let any = u32::try_from(rng.below(100_001)).unwrap_or(0);
        let terms = Terms {
            depth: rng.pick(&[0, 1, 24]),
            collateral: assets[0],
            asset: assets[1],
            ratio: match rng.below(4) {
                0 => rng.of_bits(127) + 1,
                1 => u128::from(WAD),
                _ => u128::from(WAD) / 100 * rng.within(1, 1_000),
            },
            rate: rng.next() >> rng.pick(&[0, 8, 16, 24, 32, 63]),
            minimum: rng.of_bits(self.bits / 4) + 1,
            call_fee: rng.pick(&[0, 1, 10_000, MAX_CALL_FEE, any]),
            grace: blocks(rng) - 1,
            rise: blocks(rng),
            fall: blocks(rng),
        };
        let listed = vec![rng.pick(&self.users)];
        let mut case = self.world.call(&listed);
        case.authorisations.push(AuthorisationView {
            fragment: 0,
            payload: CreditOp::Create(terms).encode(),
        });
        case.extra = RULE.to_vec();
        Turn { case, listed }
    }
}
