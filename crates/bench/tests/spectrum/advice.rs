//! What is advised is admissible, near the cheapest, and gives what was asked for.

use nthroot_bench::{
    cost::Schedule,
    spectrum::{
        advise::{Advice, Question, QuestionError, advise},
        load::Load,
    },
};
use proptest::prelude::*;

const QUESTION: Question = Question {
    load: Load {
        users: 100_000,
        daily: 2.0,
        locality: 0.9,
    },
    exit: false,
    tolerance: 0.01,
    proposers: 1,
    wait: 25,
    window: 1_800,
    base_fee: 1.0,
    ether: 3_000.0,
    schedule: Schedule::Osaka,
};

fn best(question: Question) -> Advice {
    let advice = advise(question).expect("a sensible question");
    if let Some(best) = &advice.best {
        assert!(best.failing <= question.tolerance, "{best:?}");
        assert!(best.place.interval <= question.wait, "{best:?}");
        assert!(!question.exit || best.place.depth == 0, "{best:?}");
        assert!(!best.gives_up.is_empty() && best.served.gas > 0.0, "{best:?}");
        let ether = best.served.gas * question.base_fee / 1e9;
        assert!((best.ether - ether).abs() < 1e-12 && (best.dollars - ether * question.ether).abs() < 1e-9);
        for other in &advice.others {
            let admitted = other.failing <= question.tolerance && (!question.exit || other.place.depth == 0);
            let cheaper = other.served.gas * 1.05 < best.served.gas * 0.999_999;
            assert!(
                !admitted || !cheaper || other.place.interval > question.wait,
                "{other:?} is cheaper than {best:?}"
            );
        }
    }
    advice
}

#[test]
fn who_must_be_able_to_leave_alone_has_a_root() {
    let advice = best(Question { exit: true, ..QUESTION });
    let root = advice.best.expect("one proposer");
    assert_eq!((root.place.depth, root.users_per_cohort), (0, 1));
    let shared = best(QUESTION).best.expect("one proposer");
    assert!(shared.place.depth > 0 && shared.served.gas < root.served.gas);
    assert!(
        shared.served.proof > root.served.proof,
        "what is gained in posting is paid in proofs"
    );
}

#[test]
fn proposers_who_do_not_agree_need_leases_or_smaller_cohorts() {
    let alone = best(QUESTION);
    let crowd = Question {
        proposers: 8,
        tolerance: 0.2,
        ..QUESTION
    };
    let unleased = |advice: &Advice| {
        let mut all = advice.best.iter().chain(&advice.others);
        let found = all.find(|other| other.place.depth > 0 && !other.place.leased);
        found.map_or(0, |other| other.place.depth)
    };
    let crowd = best(crowd);
    assert!(
        unleased(&crowd) < unleased(&alone),
        "{} and {}",
        unleased(&crowd),
        unleased(&alone)
    );
    assert!(
        crowd.best.expect("leases").failing > 0.0,
        "payments across leaseholders"
    );
    let impossible = best(Question {
        proposers: 50,
        tolerance: 0.0,
        load: Load {
            users: 10,
            daily: 7_200.0,
            locality: 0.0,
        },
        exit: true,
        ..QUESTION
    });
    assert!(impossible.best.is_none());
    assert!(impossible.obstacle.expect("a reason").contains("fail at first"));
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let none = Question {
        proposers: 0,
        ..QUESTION
    };
    assert_eq!(advise(none), Err(QuestionError::Nothing));
    let more = Question {
        tolerance: 1.5,
        ..QUESTION
    };
    assert_eq!(advise(more), Err(QuestionError::Share("the tolerance")));
}

#[test]
fn questions_and_answers_are_documents() {
    let text = serde_json::to_string(&QUESTION).expect("plain");
    assert_eq!(serde_json::from_str::<Question>(&text).expect("the same"), QUESTION);
    let answer = serde_json::to_value(best(QUESTION)).expect("plain");
    assert!(
        answer["best"]["depth"].is_u64() && answer["best"]["gas"].is_f64(),
        "{answer}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_the_answer_keeps_to_it(
        users in 1_u64..2_000_000,
        daily in 0.01_f64..50.0,
        locality in 0.0_f64..=1.0,
        exit: bool,
        tolerance in 0.0_f64..0.5,
        proposers in 1_u64..5,
        wait in 1_u64..400,
        amsterdam: bool,
    ) {
        let schedule = if amsterdam { Schedule::Amsterdam } else { Schedule::Osaka };
        let load = Load { users, daily, locality };
        best(Question { load, exit, tolerance, proposers, wait, schedule, ..QUESTION });
    }
}
