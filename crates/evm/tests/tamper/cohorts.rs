//! Lies about cohorts and leases.

use alloy::primitives::{Address, B256};
use nthroot_model::anchor::AnchorState;
use nthroot_protocol::{AccountOp, AssetId, Effect, Fragment, Kind, LeafTable, limits::MAX_LEASE};

use crate::{
    Draft, Lie,
    honest::{BOBS, Base, CAROLS, Cast, DEPTH, EMPTY, User},
    keys::{effects, operate},
    stage::{ETHER, MALLORY},
};

const fn lie(name: &'static str, base: Base, reason: &'static str, tell: fn(&Cast, &mut Draft)) -> Lie {
    Lie {
        name,
        base,
        reason,
        tell,
    }
}

pub(crate) const LIES: &[Lie] = &[
    lie("occupied leaf opened", Base::Opening, "NoLeafToOpen", |_, draft| {
        table(draft).0[0] = vec![BOBS];
    }),
    lie("leaf beyond the cohort", Base::Opening, "Leaf {", |_, draft| {
        table(draft).0[0] = vec![1 << DEPTH];
    }),
    lie(
        "leaf of the header itself",
        Base::Opening,
        "Body(LeafOrder",
        |_, draft| {
            table(draft).0[0] = vec![0];
        },
    ),
    lie("leaves out of order", Base::Leased, "Body(LeafOrder", |_, draft| {
        table(draft).0[0].reverse();
    }),
    lie(
        "more leaves than a step may have",
        Base::Opening,
        "Body(StepFragments",
        |_, draft| {
            table(draft).0[0] = (1..16).collect();
        },
    ),
    lie("leaf skipped", Base::Opening, "Unopened {", |_, draft| {
        table(draft).0[0] = vec![EMPTY, EMPTY + 1];
    }),
    lie("leaf named for nothing", Base::Opening, "Unlisted {", |_, draft| {
        table(draft).0[0] = vec![BOBS, EMPTY];
    }),
    lie("another leaf opened", Base::Opening, "Root {", |_, draft| {
        table(draft).0[0] = vec![EMPTY + 1];
    }),
    lie("sibling subtree changed", Base::Opening, "Root {", |cast, draft| {
        let mut club = after_opening(cast);
        assert_eq!(draft.step.fresh[0].root, club.root(), "the honest one");
        let mut robbed = cast.stage.fragment(cast.club, CAROLS).clone();
        robbed.controller = MALLORY;
        club.set(CAROLS, robbed);
        draft.step.fresh[0].root = club.root();
    }),
    lie(
        "empty leaf filled in passing",
        Base::Opening,
        "Root {",
        |cast, draft| {
            let mut club = after_opening(cast);
            club.set(EMPTY + 1, hoard());
            draft.step.fresh[0].root = club.root();
        },
    ),
    lie(
        "cohort turned into a fragment",
        Base::Opening,
        "Root {",
        |cast, draft| {
            draft.step.fresh[0].root = after_opening(cast).header().root();
        },
    ),
    lie("cohort opened of another depth", Base::Opening, "Root {", |_, draft| {
        assert_eq!(draft.step.opened[0], opened(DEPTH).root(), "the honest one");
        draft.step.opened[0] = opened(DEPTH + 1).root();
    }),
    lie("cohort opened as a fragment", Base::Opening, "Root {", |_, draft| {
        draft.step.opened[0] = opened(0).root();
    }),
    lie(
        "opened cohort with another leaf",
        Base::Opening,
        "Root {",
        |_, draft| {
            let mut cohort = opened(DEPTH);
            cohort.set(1, hoard());
            draft.step.opened[0] = cohort.root();
        },
    ),
    lie(
        "cohort deeper than can be",
        Base::Opening,
        "Depth(25)",
        |cast, draft| {
            let [leaf, mut cohort] = Cast::openings();
            if let AccountOp::Open { depth, .. } = &mut cohort {
                *depth = 25;
            }
            operate(cast, draft, &[leaf, cohort]);
        },
    ),
    lie(
        "more leaves opened than named",
        Base::Opening,
        "NoLeafToOpen",
        |cast, draft| {
            let [leaf, cohort] = Cast::openings();
            operate(cast, draft, &[leaf.clone(), cohort, leaf]);
        },
    ),
    lie(
        "leaf opened under a rule that is not the caller",
        Base::Ruled,
        "OpenUnderOtherRule {",
        |cast, draft| {
            let controller = cast.rule(0);
            effects(
                draft,
                &[Effect::OpenLeaf {
                    header: 0,
                    kind: 3,
                    controller,
                }],
            );
        },
    ),
    lie(
        "header's consent missing",
        Base::Leased,
        "OtherAnchor {",
        |cast, draft| {
            // Alice signs for what she has outside; the club's header is not listed.
            table(draft).0[0] = vec![BOBS, EMPTY, CAROLS];
            draft.body.calls[0].fragments = vec![1, 3, 4];
            table(draft).0[0] = vec![BOBS, EMPTY, CAROLS];
            draft.body.calls[0].fragments = vec![1, 3, 4];
            let [leaf, _] = Cast::openings();
            operate(cast, draft, &[leaf]);
        },
    ),
    lie(
        "header credited, not asked",
        Base::Ruled,
        "NoAuthority {",
        |_, draft| {
            // Mallory's lease lets her list the header; it opens no leaf.
            table(draft).0[1] = vec![EMPTY];
            draft.body.calls[0].fragments = vec![0, 1];
            let controller = User::Bob.key().controller();
            effects(
                draft,
                &[Effect::OpenLeaf {
                    header: 1,
                    kind: 1,
                    controller,
                }],
            );
        },
    ),
    lie("another's lease broken", Base::Foreign, "Leased {", |_, draft| {
        draft.proposer = MALLORY;
    }),
    lie("lease too long", Base::Opening, "LeaseTooLong {", |cast, draft| {
        let last_block = draft.header.clock + MAX_LEASE + 1;
        lease(cast, draft, MALLORY, last_block);
    }),
    lie("lease without an end", Base::Opening, "HalfLease {", |cast, draft| {
        lease(cast, draft, MALLORY, 0);
    }),
    lie("lease of nobody", Base::Opening, "HalfLease {", |cast, draft| {
        let last_block = draft.header.clock;
        lease(cast, draft, Address::ZERO, last_block);
    }),
    lie("lease of a leaf", Base::Over, "NotHeader {", |cast, draft| {
        let last_block = draft.header.clock;
        lease(cast, draft, MALLORY, last_block);
    }),
    lie("credit after the lease", Base::Over, "NotAuthorised {", |_, draft| {
        draft.body.calls[0].authorisations.remove(1);
    }),
    lie(
        "credit by who has no lease",
        Base::Payment,
        "NotAuthorised {",
        |_, draft| {
            draft.body.calls[0].authorisations.remove(1);
        },
    ),
    lie("credit of a new asset", Base::Ruled, "NewAsset {", |_, draft| {
        let (to, tag) = (1, B256::ZERO);
        effects(draft, &[Effect::Mint { to, tag, amount: 1 }]);
    }),
    lie(
        "debit of the merely credited",
        Base::Ruled,
        "NoAuthority {",
        |_, draft| {
            let (from, to, asset) = (1, 0, AssetId::ETH);
            effects(
                draft,
                &[Effect::Move {
                    from,
                    to,
                    asset,
                    amount: 1,
                }],
            );
        },
    ),
    lie("named without a credit", Base::Ruled, "Unchanged {", |_, draft| {
        let (to, tag) = (0, B256::ZERO);
        effects(draft, &[Effect::Mint { to, tag, amount: 1 }]);
    }),
];

/// The leaf table of the step.
fn table(draft: &mut Draft) -> &mut LeafTable {
    draft.body.leaves.as_mut().expect("a step with leaves")
}

/// Has the first signer lease its anchor.
fn lease(cast: &Cast, draft: &mut Draft, holder: Address, last_block: u64) {
    operate(cast, draft, &[AccountOp::SetLease { holder, last_block }]);
}

/// What nobody paid.
fn hoard() -> Fragment {
    let mut hoard = Fragment::new(Kind::Secp256k1, MALLORY);
    hoard.assets.insert(AssetId::ETH, 100 * ETHER);
    hoard
}

/// The club after an honest opening.
fn after_opening(cast: &Cast) -> AnchorState {
    let mut club = cast.stage.anchor(cast.club).clone();
    let mut header = club.header().clone();
    header.nonce += 1;
    header
        .assets
        .insert(AssetId::ETH, header.balance(AssetId::ETH) - 2 * ETHER);
    club.set(0, header);
    club.set(EMPTY, Fragment::deposited(User::Bob.key(), Address::ZERO, ETHER));
    club
}

/// What an honest opening opens, if it were of some depth.
fn opened(depth: u8) -> AnchorState {
    AnchorState::new(depth, Fragment::deposited(User::Alice.key(), Address::ZERO, ETHER))
}
