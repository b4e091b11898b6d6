//! Brings intents to swap together: those that wait, each with others that want what it gives.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use nthroot_api::{Bundle, IntentId};
use nthroot_protocol::{
    AssetId,
    limits::MAX_FRAGMENTS,
    rules::swap::{Fill, Leg, SwapIntent},
};
use nthroot_wallet::{
    Plan, Request, SignedIntent, States as _,
    solver::{Party, Unfilled, clear},
};

use super::pack::Packer;

/// For how long a batch asks the solver. What it does not come to has its turn in a later batch.
const TIME: Duration = Duration::from_millis(300);

/// How often it is asked for one intent.
const ATTEMPTS: usize = 24;

/// An intent to swap that waits.
struct Swapper<'a> {
    id: IntentId,
    signed: &'a SignedIntent,
    intent: SwapIntent,
}

/// Fills what can be filled, the oldest first unless many wait.
pub(super) fn fill<'a>(packer: &mut Packer<'a>, bundles: &[(IntentId, &'a Bundle)]) {
    let swapper = |(id, bundle): &(IntentId, &'a Bundle)| {
        let signed = bundle.0.first()?;
        let intent = SwapIntent::decode(&signed.payload).ok()?;
        Some(Swapper {
            id: *id,
            signed,
            intent,
        })
    };
    let mut waiting: Vec<Swapper<'a>> = bundles.iter().filter_map(swapper).collect();
    waiting.retain(|swapper| packer.composer.comes_next(swapper.signed));
    // With more than are tried for one, those that nobody fills would be asked for, and as counterparties, before all others in
    // every block. So who comes first is drawn by the tip's hash.
    if waiting.len() > ATTEMPTS {
        let drawn = U256::from_be_bytes(packer.view.tip.hash.0) % U256::from(waiting.len());
        waiting.rotate_left(drawn.saturating_to());
    }
    let end = Instant::now() + TIME;
    while !waiting.is_empty() && Instant::now() < end {
        let first = waiting.remove(0);
        let Some(group) = group_of(packer.view.tip.number, &first, &waiting) else {
            continue;
        };
        let others = group.iter().map(|place| &waiting[*place]);
        let members: Vec<&Swapper<'a>> = std::iter::once(&first).chain(others).collect();
        if add(packer, &members) {
            let filled: Vec<IntentId> = members.iter().map(|swapper| swapper.id).collect();
            waiting.retain(|swapper| !filled.contains(&swapper.id));
        }
    }
}

/// The places of others with which an intent can be filled: whoever gives what is asked for and not given yet joins, the oldest
/// first, until all have what they ask for. Where that leads nowhere, it is tried without the one that joined first.
fn group_of(clock: u64, first: &Swapper<'_>, waiting: &[Swapper<'_>]) -> Option<Vec<usize>> {
    let mut left_out: Vec<usize> = Vec::new();
    let mut group: Vec<usize> = Vec::new();
    for _ in 0..ATTEMPTS {
        let members = std::iter::once(first).chain(group.iter().map(|place| &waiting[*place]));
        let parties: Vec<Party> = members.map(Swapper::party).collect();
        let joins = |asset: AssetId| {
            let gives = |place: &usize| waiting[*place].intent.gives.iter().any(|leg| leg.asset == asset);
            let is_party = |place: &usize| {
                let fragment = waiting[*place].signed.fragment;
                parties.iter().any(|(party, _)| *party == fragment)
            };
            (0..waiting.len()).find(|place| !left_out.contains(place) && gives(place) && !is_party(place))
        };
        let next = match clear(clock, &parties, None) {
            Ok(_) => return Some(group),
            // One place is for whoever takes what is left over.
            Err(Unfilled::Short { asset, .. } | Unfilled::Counterparties { asset })
                if parties.len() + 1 < MAX_FRAGMENTS =>
            {
                joins(asset)
            }
            Err(_) => None,
        };
        match next {
            Some(place) => group.push(place),
            None => {
                left_out.push(*group.first()?);
                group.clear();
            }
        }
    }
    None
}

/// Adds the step that fills these. Returns whether it was added.
fn add(packer: &mut Packer<'_>, members: &[&Swapper<'_>]) -> bool {
    let mut parties: Vec<Party> = members.iter().map(|swapper| swapper.party()).collect();
    let mut signed: Vec<SignedIntent> = members.iter().map(|swapper| swapper.signed.clone()).collect();
    let taken = take(packer, &mut parties);
    let fill = match taken {
        Some((own, fill)) => {
            signed.push(own);
            fill
        }
        // Who is paid by what is left over fills nothing without it.
        None if packer.composer.charges() => return false,
        None => match clear(packer.view.tip.number, &parties[..members.len()], None) {
            Ok(fill) => fill,
            Err(_) => return false,
        },
    };
    let mut plan = Plan::new(packer.view.book);
    if plan.swap(&signed, &fill).is_err() {
        return false;
    }
    let ready = packer.composer.evaluate_plan(plan.finish(), &signed);
    let ids = members.iter().map(|swapper| swapper.id).collect();
    ready.is_ok_and(|ready| packer.add(ready, ids, true).is_ok())
}

/// Takes what is given and not asked for to a till, which signs for exactly that. None if nothing is left over, or no till can.
fn take(packer: &Packer<'_>, parties: &mut Vec<Party>) -> Option<(SignedIntent, Fill)> {
    let clock = packer.view.tip.number;
    let till = packer.composer.till()?;
    let state = packer.composer.fragment(till)?;
    // An intent gives something: at most one unit, which is not taken unless a rounding is in the way.
    let (asset, _) = state.assets.iter().next()?;
    let intent = |gets: Vec<Leg>| SwapIntent {
        gives: vec![Leg::fixed(*asset, 1)],
        gets,
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    };
    // First to see what is left over, then to sign for no less.
    let number = parties.len();
    parties.push((till, intent(vec![Leg::fixed(AssetId::ETH, 0)])));
    let fill = clear(clock, parties, Some(number)).ok()?;
    let brought = |place: u8| {
        let moves = fill.moves.iter();
        let moves = moves.filter(|one| one.asset == place && usize::from(one.to) == number);
        moves.map(|one| one.amount).fold(0, u128::saturating_add)
    };
    let legs = (0_u8..)
        .zip(&fill.assets)
        .map(|(place, asset)| Leg::fixed(*asset, brought(place)));
    let gets: Vec<Leg> = legs.filter(|leg| leg.start > 0).collect();
    if gets.is_empty() {
        return None;
    }
    let request = Request::Swap(intent(gets));
    let signed = packer.composer.sign(till, state, request);
    Some((signed, fill))
}

impl Swapper<'_> {
    fn party(&self) -> Party {
        (self.signed.fragment, self.intent.clone())
    }
}
