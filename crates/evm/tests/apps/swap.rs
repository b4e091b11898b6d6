//! Lies about swaps.

use nthroot_model::rules::swap::get_at;
use nthroot_protocol::{
    AssetId,
    rules::swap::{Fill, FillMove, SwapIntent},
};

use crate::{
    Lie,
    bases::Base,
    draft::{Draft, Who},
    lie,
    stage::ETHER,
    world::World,
};

pub(crate) fn lies(base: Base) -> &'static [Lie] {
    match base {
        Base::Ring3 => RING,
        Base::Ring4 => RING4,
        Base::Part => PART,
        Base::Curve => CURVE,
        Base::Reward => REWARD,
        _ => NAMED,
    }
}

/// In a ring the first user gives token 1 to the next, who gives token 2.
const RING: &[Lie] = &[
    lie("half a move kept", "Root {", |world, _, draft| {
        draft.shift(world.token(1), Who::User(1), Who::User(0), 5 * ETHER);
    }),
    lie("a unit moved too little", "Rule(", |world, _, draft| {
        moved(draft, |moves| first(moves).amount -= 1);
        draft.shift(world.token(1), Who::User(1), Who::User(0), 1);
    }),
    lie("a unit moved beyond what is given", "Rule(", |world, _, draft| {
        moved(draft, |moves| first(moves).amount += 1);
        draft.shift(world.token(1), Who::User(0), Who::User(1), 1);
    }),
    lie("moved to somebody else", "Rule(", |world, _, draft| {
        moved(draft, |moves| first(moves).to = 2);
        draft.shift(world.token(1), Who::User(1), Who::User(2), 10 * ETHER);
    }),
    lie("a move left out", "Rule(", |_, _, draft| {
        moved(draft, |moves| {
            moves.pop();
        });
    }),
    lie("a move twice", "Rule(", |world, _, draft| {
        moved(draft, |moves| {
            let again = *first(moves);
            moves.push(again);
        });
        draft.shift(world.token(1), Who::User(0), Who::User(1), 10 * ETHER);
    }),
    lie("a move of what nobody gives", "Rule(", |world, _, draft| {
        let token = world.token(8);
        refilled(draft, |fill| {
            let mut moves: Vec<_> = (fill.moves.iter())
                .map(|own| (own.from, own.to, fill.assets[usize::from(own.asset)], own.amount))
                .collect();
            moves.push((0, 1, token, 1));
            *fill = Fill::new(Vec::new(), &moves);
        });
        draft.shift(token, Who::User(0), Who::User(1), 1);
    }),
    lie("a move of nothing", "ZeroAmount", |_, _, draft| {
        moved(draft, |moves| moves.push(FillMove { amount: 0, ..moves[0] }));
        draft.body.calls[0].max_effects += 51;
    }),
    lie("a move to nobody", "Rule(", |_, _, draft| {
        moved(draft, |moves| moves[0].to = 9);
    }),
];

const RING4: &[Lie] = &[
    lie("half a move kept", "Root {", |world, _, draft| {
        draft.shift(world.token(1), Who::User(1), Who::User(0), 5 * ETHER);
    }),
    lie("one left out of the ring", "Rule(", |_, _, draft| {
        // The other three would have to do without its token.
        moved(draft, |moves| moves.retain(|own| own.from != 3 && own.to != 3));
    }),
];

const PART: &[Lie] = &[
    lie("less filled than moved", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled[0] -= 1);
    }),
    lie("more filled than got", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled[0] += 1);
    }),
    lie("less filled than the least", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled[0] = ETHER - 1);
    }),
    lie("more filled than the whole", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled[0] = 70 * ETHER + 1);
    }),
    lie("nothing filled", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled[0] = 0);
    }),
    lie("part that does not say how much", "Rule(", |_, _, draft| {
        refilled(draft, |fill| fill.filled.clear());
    }),
];

const CURVE: &[Lie] = &[
    lie("the next block's price", "Rule(", |world, _, draft| {
        let less = falls(world, draft);
        moved(draft, |moves| {
            let place = moves.iter().position(|own| own.to == 0).expect("it gets something");
            moves[place].amount -= less;
        });
        draft.shift(world.token(2), Who::User(0), Who::User(1), less);
    }),
    lie("the next block's price in the states", "Root {", |world, _, draft| {
        let less = falls(world, draft);
        draft.shift(world.token(2), Who::User(0), Who::User(1), less);
    }),
];

const REWARD: &[Lie] = &[
    lie("reward taken twice", "Rule(", |_, _, draft| {
        moved(draft, |moves| moves.push(moves[2]));
        draft.shift(AssetId::ETH, Who::User(0), Who::User(2), ETHER);
    }),
    lie("reward a unit too large", "Rule(", |_, _, draft| {
        moved(draft, |moves| moves[2].amount += 1);
        draft.shift(AssetId::ETH, Who::User(0), Who::User(2), 1);
    }),
    lie("reward from one who offers none", "Rule(", |_, _, draft| {
        moved(draft, |moves| moves[2].from = 1);
        draft.shift(AssetId::ETH, Who::User(1), Who::User(0), ETHER);
    }),
    lie("reward kept", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::User(2), Who::User(0), ETHER);
    }),
];

const NAMED: &[Lie] = &[lie("filled with others than it names", "Rule(", |_, _, draft| {
    // Everybody has in the end what they have in the honest step.
    // Users 0 and 3 give token 1 to 1 and 2; those give them token 2.
    moved(draft, |moves| {
        for own in moves {
            match (own.from, own.to) {
                (0, 1) => own.to = 2,
                (3, 2) => own.to = 1,
                _ => {}
            }
        }
    });
})];

/// The move of token 1.
fn first(moves: &mut [FillMove]) -> &mut FillMove {
    let mut moves = moves.iter_mut();
    moves.find(|own| own.from == 0).expect("the first user gives something")
}

fn refilled(draft: &mut Draft, change: impl FnOnce(&mut Fill)) {
    let call = &mut draft.body.calls[0];
    let intents = call.authorisations.iter().map(|own| SwapIntent::decode(&own.payload));
    let partial = intents.filter(|intent| intent.as_ref().is_ok_and(SwapIntent::is_partial));
    let mut fill = Fill::decode(&call.extra, partial.count()).expect("a fill");
    change(&mut fill);
    call.extra = fill.encode().into();
}

fn moved(draft: &mut Draft, change: impl FnOnce(&mut Vec<FillMove>)) {
    refilled(draft, |fill| change(&mut fill.moves));
}

/// By how much the first user's least get falls until the next block.
fn falls(world: &World, draft: &Draft) -> u128 {
    let intent = SwapIntent::decode(&draft.body.calls[0].authorisations[0].payload).expect("an intent");
    let at = |clock| get_at(&intent.gets[0], intent.curve, clock).expect("on the curve");
    at(world.clock()) - at(world.clock() + 1)
}
