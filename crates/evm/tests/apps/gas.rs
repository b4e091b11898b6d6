//! What it costs: whole cold transactions. To post one more swap, trade or loan; and to prove a lie about one.

use nthroot_evm::SpecId;
use nthroot_stage::posting::{self, filled, four, one_more, ring};

use crate::{
    bases::Base,
    compose::{take_over, way_out},
    deeds::Deed,
    draft::Draft,
    snapshot::Snapshot,
    stage::{CHALLENGER, ETHER, MALLORY},
    world::{HOLDERS, USERS, World},
};

const SPECS: [(SpecId, &str); 2] = [(SpecId::OSAKA, "Osaka"), (SpecId::AMSTERDAM, "Amsterdam")];

/// Steps of the batches in which a lie stands.
const STEPS: usize = 1_000;

/// Who has a step before the one that is measured, if that needs none of its own.
const OTHER: usize = USERS - 1;

/// The four who have a token each: all give some to each of the others.
fn everyone(world: &World) -> Deed {
    let moves: Vec<_> = (0..4_u8)
        .flat_map(|from| (0..4_u8).filter(move |to| *to != from).map(move |to| (from, to)))
        .map(|(from, to)| (from, to, world.token(from + 1), 10 * ETHER))
        .collect();
    filled(4, HOLDERS.start, &moves)
}

fn number(length: usize) -> u64 {
    u64::try_from(length).expect("a length")
}

/// A user's root costs the same however many tokens change hands; its body costs its bytes.
#[test]
fn one_more_swap_costs_a_root_for_each_user() {
    let mut snapshot = Snapshot::default();
    println!("one more ring            a user root, gas           with the body, gas     body, bytes");
    println!("users tokens           Osaka  Amsterdam            Osaka  Amsterdam");
    let worlds = SPECS.map(|(spec, schedule)| (World::new(spec), schedule));
    for users in [2, 3, 4, 8, 16] {
        let mut roots: [Vec<u64>; 2] = Default::default();
        for tokens in [2, 4, 8] {
            let name = format!("one more ring of {users} users with {tokens} tokens");
            let [today, coming] = [0, 1].map(|schedule| {
                let (world, label) = &worlds[schedule];
                let mut world = world.clone();
                let step = ring(&world, users, tokens);
                // It touches the 16th user again, for a step opens or touches for the first time 15 anchors at most.
                let more = one_more(&mut world, Deed::Account(OTHER, Vec::new()), vec![step]);
                let root = more.bodiless / number(users);
                roots[schedule].push(root);
                snapshot.put(format!("{name}, gas {label}"), more.gas);
                snapshot.put(format!("{name}, a user root without the body, gas {label}"), root);
                snapshot.put(format!("{name}, bytes of its body"), number(more.body));
                (root, more)
            });
            println!(
                "{users:>5} {tokens:>6} {:>15} {:>10} {:>16} {:>10} {:>12}",
                today.0, coming.0, today.1.gas, coming.1.gas, today.1.body
            );
        }
        for roots in roots {
            let (least, most) = (roots.iter().min().expect("some"), roots.iter().max().expect("some"));
            assert!(
                most - least <= 50,
                "{users} users: flat in the number of tokens, {roots:?}"
            );
        }
    }
    snapshot.check("swap updates");
}

/// One more trade with a pool, or operation on a market, that the batch has touched already.
#[test]
fn one_more_operation_costs_a_root_for_each_fragment() {
    let mut snapshot = Snapshot::default();
    println!("one more                       gas Osaka  Amsterdam   without the body        bytes");
    let worlds = SPECS.map(|(spec, schedule)| (World::new(spec), schedule));
    for base in Base::ALL.into_iter().filter(|base| !base.is_swap()) {
        let name = format!("one more step: {}", base.what());
        let [today, coming] = [0, 1].map(|schedule| {
            let (world, label) = &worlds[schedule];
            let mut world = world.clone();
            let deed = base.deed(&mut world);
            let before = base.meanwhile(&world).unwrap_or(Deed::Account(OTHER, Vec::new()));
            let more = one_more(&mut world, before, vec![deed]);
            snapshot.put(format!("{name}, gas {label}"), more.gas);
            snapshot.put(format!("{name}, without the body, gas {label}"), more.bodiless);
            snapshot.put(format!("{name}, bytes of its body"), number(more.body));
            more
        });
        println!(
            "{:<30} {:>9} {:>10} {:>10} {:>10} {:>8}",
            base.what(),
            today.gas,
            coming.gas,
            today.bodiless,
            coming.bodiless,
            today.body
        );
    }
    snapshot.check("rule updates");
}

/// A lie that is to be proved.
struct Proof {
    name: String,
    world: World,
    deeds: Vec<Deed>,
    /// What the design asks for: gas today, gas under the coming schedule.
    target: Option<[u64; 2]>,
}

/// Largest evidence against a swap of four, bytes.
const SWAP_EVIDENCE: usize = 3_072;

fn proofs(world: &World) -> Vec<Proof> {
    let proof = |world: &World, name: &str, deeds: Vec<Deed>, target| Proof {
        name: name.to_owned(),
        world: world.clone(),
        deeds,
        target,
    };
    let swap = Some([200_000, 240_000]);
    let mut all = vec![
        proof(world, "4 users swap 4 tokens in a ring", vec![four(world)], swap),
        proof(
            world,
            "4 users swap 4 tokens, everyone with everyone",
            vec![everyone(world)],
            swap,
        ),
    ];
    for base in Base::ALL.into_iter().filter(|base| !base.is_swap()) {
        let mut world = world.clone();
        let deed = base.deed(&mut world);
        all.push(proof(&world, base.what(), vec![deed], None));
    }
    let out = way_out(world).expect("a price");
    all.push(proof(world, "three rules: sell, repay, withdraw", out.into(), None));
    let over = take_over(world);
    all.push(proof(
        world,
        "three rules: swap of a title, repay, sell",
        over.into(),
        None,
    ));
    all
}

#[test]
fn lies_about_swaps_pools_and_loans_are_cheap_to_prove() {
    let mut snapshot = Snapshot::default();
    let [today, coming] = SPECS.map(|(spec, _)| proofs(&World::lean(spec)));
    println!(
        "{:<48} {:>9} {:>10} {:>8} {:>8}",
        "a lie about", "gas Osaka", "Amsterdam", "rules", "bytes"
    );
    for (mut today, mut coming) in today.into_iter().zip(coming) {
        let honest = Draft::new(&mut today.world, &today.deeds);
        let rules = rules_take(&today.world, &honest);
        let (evidence, gas) = proved(&mut today);
        let (_, later) = proved(&mut coming);
        let name = today.name;
        let target = today
            .target
            .map(|[today, coming]| format!("(targets {today}, {coming})"));
        println!(
            "{name:<48} {gas:>9} {later:>10} {rules:>8} {evidence:>8} {}",
            target.unwrap_or_default()
        );
        if today.target.is_some() {
            assert!(evidence <= SWAP_EVIDENCE, "{name}: {evidence} bytes");
        }
        snapshot.put(format!("a lie about: {name}, gas Osaka"), gas);
        snapshot.put(format!("a lie about: {name}, gas Amsterdam"), later);
        snapshot.put(format!("a lie about: {name}, gas of its rules alone"), rules);
        snapshot.put(format!("a lie about: {name}, bytes of evidence"), number(evidence));
    }
    snapshot.check("rule proofs");
}

/// Bytes of evidence, and gas of the challenge that convicts: a wrong root in the first of 1,000 steps.
fn proved(Proof { world, deeds, .. }: &mut Proof) -> (usize, u64) {
    let batch = Draft::new(world, deeds).batch(world);
    let (evidence, receipt) = posting::proved(&mut world.stage, &batch, STEPS);
    (evidence, receipt.gas)
}

/// What the rules of a step take, measured by committing less and less until it is a lie. Wallets have twice as much committed.
fn rules_take(world: &World, honest: &Draft) -> u64 {
    let take = |call: usize| {
        let committed = honest.body.calls[call].gas;
        let (mut little, mut enough) = (0, committed);
        while enough - little > 16 {
            let gas = u32::midpoint(little, enough);
            let mut draft = honest.clone();
            draft.body.calls[call].gas = gas;
            let mut world = world.clone();
            let batch = draft.batch(&world);
            let (_, id) = world.stage.submit(MALLORY, &batch);
            let challenge = world.stage.challenge_call(id, 0);
            let receipt = world.stage.l1.send(CHALLENGER, &challenge).expect("sent");
            if receipt.success {
                little = gas;
            } else {
                enough = gas;
            }
        }
        assert!(2 * enough <= committed, "{enough} of {committed} gas");
        u64::from(enough)
    };
    (0..honest.body.calls.len()).map(take).sum()
}
