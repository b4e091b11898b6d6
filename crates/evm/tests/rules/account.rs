//! Payments, openings and all else that users do with their own fragments.

use alloy::primitives::Address;
use nthroot_evm::metered::Known;
use nthroot_model::{
    rule::{AuthorisationView, Rule},
    rules::account::Account,
};
use nthroot_protocol::{AccountOp, AssetId, Effect, FragmentId};
use nthroot_wallet::Budget;

use crate::{
    bench::Subject,
    case::Case,
    mutate::Field,
    rng::Rng,
    world::{Turn, World},
};

/// Those who have fragments. The rule has no state, and looks at nothing but ids.
pub(crate) struct Accounts {
    world: World,
    users: Vec<usize>,
}

impl Subject for Accounts {
    const NAME: &'static str = "Account";
    const KNOWN: Known = Known::Account;
    const OPERATIONS: &'static [&'static str] = &[
        "consent",
        "open",
        "open leaf",
        "pay",
        "set controller",
        "set lease",
        "several",
        "withdraw",
    ];
    const REASONS: &'static [&'static str] = &["Code", "Extra", "Kind", "Payee", "Truncated"];
    const LENGTHS: &'static [usize] = &[59, 59, 24, 72, 57, 22, 29, 23];

    fn new(rng: &mut Rng) -> Self {
        let mut world = World::new(rng.next() >> rng.below(64));
        let users = (0..16).map(|_| world.user(rng, 0)).collect();
        Self { world, users }
    }

    fn turn(&mut self, rng: &mut Rng) -> Turn {
        rng.shuffle(&mut self.users);
        let listed = self.users[..=rng.below(rng.clone().pick(&[2, 4, 16]))].to_vec();
        let mut case = self.world.call(&listed);
        let ids: Vec<FragmentId> = case.fragments.iter().map(|fragment| fragment.id).collect();
        for fragment in 0..u8::try_from(listed.len()).unwrap_or(0) {
            if rng.one_in(3) {
                let ops = match rng.below(4) {
                    0 => 0,
                    1 | 2 => 1,
                    _ => rng.below(6),
                };
                let ops: Vec<_> = (0..ops).map(|_| operation(rng, &ids)).collect();
                let payload = AccountOp::encode_payload(&ops);
                case.authorisations.push(AuthorisationView { fragment, payload });
            }
        }
        Turn { case, listed }
    }

    fn apply(&mut self, _: &Turn, _: &[Effect]) {}

    fn twin(case: &Case) -> Result<Vec<Effect>, String> {
        let Case {
            fragments,
            authorisations,
            extra,
            ..
        } = case;
        let returned = Account.transition(&case.context(), fragments, authorisations, extra);
        let returned = returned.map_err(|failure| {
            let said = [
                ("listed", "Payee"),
                ("kind 3", "Kind"),
                ("extra", "Extra"),
                ("code", "Code"),
            ];
            let found = said.iter().find(|(text, _)| failure.0.contains(text));
            found.map_or("Truncated", |(_, reason)| reason).to_owned()
        })?;
        Ok(Effect::decode_list(&returned).expect("effects"))
    }

    fn operation(case: &Case) -> &'static str {
        let ops = case.authorisations.iter();
        let ops: Vec<_> = ops
            .flat_map(|signed| AccountOp::decode_payload(&signed.payload).unwrap_or_default())
            .collect();
        match ops.as_slice() {
            [] => "consent",
            [AccountOp::Pay { .. }] => "pay",
            [AccountOp::Open { .. }] => "open",
            [AccountOp::OpenLeaf { .. }] => "open leaf",
            [AccountOp::Withdraw { .. }] => "withdraw",
            [AccountOp::SetController { .. }] => "set controller",
            [AccountOp::SetLease { .. }] => "set lease",
            _ => "several",
        }
    }

    fn meanings(_: &Case) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn budget(case: &Case) -> Budget {
        let ops = case.authorisations.iter();
        let ops: Vec<_> = ops
            .flat_map(|signed| AccountOp::decode_payload(&signed.payload).unwrap_or_default())
            .collect();
        Budget::account(&ops)
    }

    fn fields(payload: &[u8]) -> Vec<Field> {
        match payload.first() {
            Some(1) => vec![(1, 10), (11, 32), (43, 16)],
            Some(2) => vec![(1, 1), (2, 1), (3, 20), (23, 1)],
            Some(6) => vec![(1, 1), (2, 20), (22, 1)],
            Some(3) => vec![(1, 20), (21, 20), (41, 16)],
            Some(4) => vec![(1, 1), (2, 20)],
            Some(5) => vec![(1, 20), (21, 8)],
            _ => vec![],
        }
    }

    fn extra_fields(_: &[AuthorisationView], _: &[u8]) -> Vec<Field> {
        vec![]
    }

    fn forge(rng: &mut Rng, data: &mut Vec<u8>) {
        // It writes no data.
        *data = rng.bytes(40);
    }
}

/// An operation of somebody, who pays one of these if it pays.
pub(crate) fn operation(rng: &mut Rng, ids: &[FragmentId]) -> AccountOp {
    let address = |rng: &mut Rng| Address::from_slice(&rng.bytes(20));
    let assets = |rng: &mut Rng| -> Vec<(AssetId, u128)> {
        let count = rng.below(4);
        rng.assets(count).into_iter().map(|asset| (asset, rng.word())).collect()
    };
    match rng.below(8) {
        0 => AccountOp::Open {
            depth: rng.pick(&[0, 1, 24, 255]),
            kind: rng.pick(&[1, 2]),
            controller: address(rng),
            assets: assets(rng),
        },
        1 => AccountOp::OpenLeaf {
            kind: rng.pick(&[1, 2]),
            controller: address(rng),
            assets: assets(rng),
        },
        2 => AccountOp::Withdraw {
            recipient: address(rng),
            token: address(rng),
            amount: rng.word(),
        },
        3 => AccountOp::SetController {
            kind: rng.pick(&[1, 2, 3]),
            controller: address(rng),
        },
        4 => AccountOp::SetLease {
            holder: address(rng),
            last_block: rng.next(),
        },
        _ => AccountOp::Pay {
            to: rng.pick(ids),
            asset: rng.assets(1)[0],
            amount: rng.word(),
        },
    }
}
