//! Intents and fills.

use std::collections::{BTreeMap, BTreeSet};

use alloy::sol_types::SolStruct;
use nthroot_evm::metered::Known;
use nthroot_model::{
    rule::AuthorisationView,
    rules::swap::{Limits, SwapFailure, effects},
};
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Outflow,
    rules::swap::{Curve, Fill, FillMove, Leg, SwapIntent, meanings},
};

use nthroot_wallet::Budget;

use crate::{
    bench::{Subject, reason},
    case::Case,
    mutate::Field,
    rng::Rng,
    world::{Turn, World},
};

/// Users, and assets that they exchange.
pub(crate) struct Swaps {
    world: World,
    users: Vec<usize>,
    assets: Vec<AssetId>,
    bits: u32,
}

impl Subject for Swaps {
    const NAME: &'static str = "Swap";
    const KNOWN: Known = Known::Swap;
    const OPERATIONS: &'static [&'static str] = &["curve", "curve in part", "in part", "nobody", "ring", "whole"];
    const REASONS: &'static [&'static str] = &[
        "Brought",
        "Counterparty",
        "Fill Asset",
        "Fill AssetOrder",
        "Fill Truncated",
        "Filled",
        "Intent AssetOrder",
        "Intent CounterpartyOrder",
        "Intent Curve",
        "Intent Form",
        "Intent GetRises",
        "Intent GiveFalls",
        "Intent NoLegs",
        "Intent NothingGiven",
        "Intent Trailing",
        "Intent Truncated",
        "Position",
        "Taken",
    ];
    const LENGTHS: &'static [usize] = &[84, 100, 148, 116, 200, 132];

    fn new(rng: &mut Rng) -> Self {
        let mut world = World::new(rng.next() >> rng.below(64));
        let users = (0..16).map(|_| world.user(rng, 0)).collect();
        let count = 1 + rng.below(rng.clone().pick(&[3, 6, 24]));
        let assets = rng.assets(count);
        let bits = u32::try_from(1 + rng.below(124)).unwrap_or(64);
        Self {
            world,
            users,
            assets,
            bits,
        }
    }

    fn turn(&mut self, rng: &mut Rng) -> Turn {
        rng.shuffle(&mut self.users);
        let mut turn = self.exchange(rng);
        for _ in 0..3 {
            if Self::twin(&turn.case).is_ok() {
                break;
            }
            turn = self.exchange(rng);
        }
        turn
    }

    fn apply(&mut self, _: &Turn, _: &[Effect]) {
        // The rule has no state, and does not look at what anybody holds. Time passes.
        self.world.clock = self.world.clock.wrapping_add(7);
    }

    fn twin(case: &Case) -> Result<Vec<Effect>, String> {
        let effects = effects(case.clock, &case.fragments, &case.authorisations, &case.extra);
        effects.map_err(|failure| match failure {
            SwapFailure::Intent { error, .. } => format!("Intent {}", reason(&error).split(' ').next().unwrap_or("")),
            failure => reason(&failure),
        })
    }

    fn operation(case: &Case) -> &'static str {
        let intents = intents(case);
        let curve = intents.iter().any(|intent| intent.curve.is_some());
        let partial = intents.iter().any(SwapIntent::is_partial);
        match (curve, partial) {
            _ if intents.is_empty() => "nobody",
            (true, true) => "curve in part",
            (true, false) => "curve",
            (false, true) => "in part",
            (false, false) if intents.len() > 2 => "ring",
            (false, false) => "whole",
        }
    }

    fn meanings(case: &Case) -> Vec<(String, Vec<u8>)> {
        let typed = intents(case).into_iter().map(|intent| intent.typed());
        typed
            .map(|typed| {
                (
                    meanings::Swap::eip712_encode_type().into_owned(),
                    typed.eip712_encode_data(),
                )
            })
            .collect()
    }

    fn budget(case: &Case) -> Budget {
        let intents = intents(case);
        let items = intents
            .iter()
            .map(|intent| intent.gives.len() + intent.gets.len() + intent.rewards.len() + intent.counterparties.len());
        let items: usize = items.sum();
        let partial = intents.iter().filter(|intent| intent.is_partial()).count();
        let moves = Fill::decode(&case.extra, partial).map_or(0, |fill| fill.moves.len());
        Budget::swap(intents.len(), items, moves)
    }

    fn fields(payload: &[u8]) -> Vec<Field> {
        let Some(form) = payload.first() else { return vec![] };
        let (curve, partial) = (form & 1 != 0, form & 2 != 0);
        let mut fields = vec![(0, 1)];
        let mut place = 1;
        let leg: &[usize] = if curve { &[32, 16, 16] } else { &[32, 16] };
        for element in [leg, leg, &[32, 16], &[10]] {
            let count = payload.get(place).copied().unwrap_or(0);
            let mut push = |size| {
                fields.push((place, size));
                place += size;
            };
            push(1);
            for _ in 0..count {
                element.iter().copied().for_each(&mut push);
            }
        }
        let tail = [(curve, 8), (curve, 8), (partial, 16)];
        for (_, size) in tail.into_iter().filter(|(there, _)| *there) {
            fields.push((place, size));
            place += size;
        }
        fields
    }

    fn extra_fields(authorisations: &[AuthorisationView], extra: &[u8]) -> Vec<Field> {
        let Some(count) = extra.first() else { return vec![] };
        let partial = authorisations
            .iter()
            .filter(|signed| signed.payload.first().is_some_and(|form| form & 2 != 0));
        let mut fields = vec![(0, 1)];
        fields.extend((0..usize::from(*count)).map(|asset| (1 + 32 * asset, 32)));
        let filled = 1 + 32 * usize::from(*count);
        fields.extend((0..partial.clone().count()).map(|number| (filled + 16 * number, 16)));
        let moves = filled + 16 * partial.count();
        for place in (moves..extra.len()).step_by(19) {
            fields.extend([
                (place, 1),
                (place + 1, 1),
                (place + 2, 1),
                (place + 3, 16),
                (place + 3, 16),
            ]);
        }
        fields
    }

    fn forge(rng: &mut Rng, data: &mut Vec<u8>) {
        // The rule has no fragments of its own.
        *data = rng.bytes(40);
    }
}

fn intents(case: &Case) -> Vec<SwapIntent> {
    let payloads = case.authorisations.iter();
    payloads
        .filter_map(|signed| SwapIntent::decode(&signed.payload).ok())
        .collect()
}

/// Moves of assets by number between positions.
type Moves = Vec<(u8, u8, AssetId, u128)>;

impl Swaps {
    /// Users exchange with one of them, whose intent is what is left; or with whoever does not sign.
    fn exchange(&self, rng: &mut Rng) -> Turn {
        let users = match rng.below(24) {
            0 => 1 + rng.below(15),
            1 | 2 => 0,
            3..=12 => 1,
            _ => 1 + rng.below(3),
        };
        let mut listed = self.users[..=users].to_vec();
        if rng.one_in(6) && users < 14 {
            listed.push(self.users[users + 1]);
        }
        let maker = rng.below(users + 1);
        let mut case = self.world.call(&listed);
        let ids: Vec<FragmentId> = case.fragments.iter().map(|fragment| fragment.id).collect();
        let mut moves = Moves::new();
        let mut filled = Vec::new();
        let mut signed = BTreeMap::new();
        for user in (0..=users).filter(|user| *user != maker) {
            let (intent, fill) = self.intent(rng, case.clock, (user, ids[maker]), &ids);
            if let Ok(limits) = Limits::of(&intent, case.clock, fill) {
                self.moves(
                    rng,
                    &limits,
                    [user, maker].map(|place| u8::try_from(place).unwrap_or(0)),
                    &mut moves,
                );
            }
            if intent.is_partial() {
                filled.push(fill);
            }
            signed.insert(user, intent);
        }
        if !rng.one_in(5)
            && let Some(rest) = self.rest(rng, u8::try_from(maker).unwrap_or(0), &moves)
        {
            signed.insert(maker, rest);
        }
        rng.shuffle(&mut moves);
        case.authorisations = signed
            .iter()
            .map(|(user, intent)| AuthorisationView {
                fragment: u8::try_from(*user).unwrap_or(0),
                payload: intent.encode(),
            })
            .collect();
        case.extra = self.fill(rng, filled, &moves).encode();
        Turn { case, listed }
    }

    /// With all assets, or only those that move.
    fn fill(&self, rng: &mut Rng, filled: Vec<u128>, moves: &Moves) -> Fill {
        if rng.one_in(2) {
            return Fill::new(filled, moves);
        }
        let number = |asset| {
            self.assets
                .binary_search(&asset)
                .ok()
                .and_then(|number| u8::try_from(number).ok())
        };
        let moves = moves.iter().map(|&(from, to, asset, amount)| FillMove {
            from,
            to,
            asset: number(asset).unwrap_or(u8::MAX),
            amount,
        });
        Fill {
            assets: self.assets.clone(),
            filled,
            moves: moves.collect(),
        }
    }

    fn some_assets(&self, rng: &mut Rng) -> BTreeSet<AssetId> {
        (0..=rng.below(3)).map(|_| rng.pick(&self.assets)).collect()
    }

    /// An intent, and how much of it is filled.
    fn intent(
        &self,
        rng: &mut Rng,
        clock: u64,
        (user, maker): (usize, FragmentId),
        ids: &[FragmentId],
    ) -> (SwapIntent, u128) {
        let curve = rng.one_in(2).then(|| {
            let (before, after) = (rng.next() >> rng.below(64), rng.next() >> rng.below(64));
            let first = match rng.below(4) {
                0 => clock.saturating_add(before),
                _ => clock.saturating_sub(before),
            };
            let last = match rng.below(4) {
                0 => first,
                1 => clock.max(first),
                _ => first.saturating_add(after),
            };
            Curve { first, last }
        });
        let leg = |rng: &mut Rng, asset, gives: bool| {
            let (mut low, mut high) = (rng.of_bits(self.bits), rng.of_bits(self.bits));
            if curve.is_none() {
                low = high;
            } else if low > high {
                std::mem::swap(&mut low, &mut high);
            }
            let (start, end) = if gives { (low, high) } else { (high, low) };
            Leg { asset, start, end }
        };
        let mut gives: Vec<_> = self
            .some_assets(rng)
            .into_iter()
            .map(|asset| leg(rng, asset, true))
            .collect();
        let gets = self
            .some_assets(rng)
            .into_iter()
            .map(|asset| leg(rng, asset, false))
            .collect();
        gives[0].end = gives[0].end.max(1);
        if curve.is_none() {
            gives[0].start = gives[0].end;
        }
        let mut rewards = Vec::new();
        if rng.one_in(4) {
            let assets = self.some_assets(rng).into_iter();
            rewards = assets
                .map(|asset| Outflow {
                    asset,
                    amount: rng.of_bits(self.bits),
                })
                .collect();
        }
        let mut counterparties = BTreeSet::new();
        if rng.one_in(4) {
            counterparties.extend([maker, rng.pick(ids), ids[user]]);
            counterparties.extend(rng.one_in(4).then_some(FragmentId::ZERO));
        }
        let whole = gives[0].end;
        let least_fill = rng.one_in(2).then(|| rng.within(0, whole));
        let filled = least_fill.map_or(whole, |least| rng.within(least.max(1), whole));
        let intent = SwapIntent {
            gives,
            gets,
            rewards,
            counterparties: counterparties.into_iter().collect(),
            curve,
            least_fill,
        };
        (intent, filled)
    }

    /// Moves that keep to limits: just so, or with room.
    fn moves(&self, rng: &mut Rng, limits: &Limits, [user, maker]: [u8; 2], moves: &mut Moves) {
        for (asset, least) in limits.least.iter().filter(|(_, least)| **least > 0) {
            let more = if rng.one_in(8) { rng.of_bits(self.bits) } else { 0 };
            let amount = least.saturating_add(more);
            if rng.one_in(6) {
                let part = rng.within(0, amount);
                moves.push((maker, user, *asset, part));
                moves.push((maker, user, *asset, amount - part));
            } else {
                moves.push((maker, user, *asset, amount));
            }
        }
        for (asset, most) in &limits.most {
            let most = u128::try_from(*most).unwrap_or(u128::MAX);
            let amount = if rng.one_in(3) { rng.within(0, most) } else { most };
            if amount > 0 {
                moves.push((user, maker, *asset, amount));
            }
        }
    }

    /// The intent of which moves leave nothing; none if no intent can say so much.
    fn rest(&self, rng: &mut Rng, own: u8, moves: &Moves) -> Option<SwapIntent> {
        let sum = |wanted: fn(&(u8, u8, AssetId, u128), u8) -> bool| {
            let mut sums = BTreeMap::from([(rng.clone().pick(&self.assets), 0_u128)]);
            for moved in moves.iter().filter(|moved| wanted(moved, own)) {
                let sum = sums.entry(moved.2).or_default();
                *sum = sum.checked_add(moved.3)?;
            }
            Some(sums)
        };
        let (taken, brought) = (sum(|moved, own| moved.0 == own)?, sum(|moved, own| moved.1 == own)?);
        let mut gives: Vec<_> = taken
            .into_iter()
            .map(|(asset, amount)| Leg::fixed(asset, amount))
            .collect();
        if gives[0].end == 0 {
            gives[0] = Leg::fixed(gives[0].asset, 1);
        }
        Some(SwapIntent {
            gives,
            gets: brought
                .into_iter()
                .map(|(asset, amount)| Leg::fixed(asset, amount))
                .collect(),
            rewards: Vec::new(),
            counterparties: Vec::new(),
            curve: None,
            least_fill: None,
        })
    }
}
