//! Alerts reach people once, soon, and never hold anything up.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use nthroot_node::{
    Error,
    alert::{Alert, Alerts, Filter, Kind, Pace, Severity},
    config::Endpoint,
    outbox::{Event, Purpose},
};
use nthroot_protocol::BatchId;
use serde_json::Value;

const PACE: Pace = Pace {
    timeout: Duration::from_millis(300),
    pause: Duration::from_millis(5),
    attempts: 3,
};

/// A service that takes alerts: it answers each attempt by its number, or never.
struct Service {
    endpoint: Endpoint,
    attempts: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    async fn new(answer: impl Fn(usize) -> Option<StatusCode> + Clone + Send + Sync + 'static) -> Self {
        let (attempts, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, list) = (Arc::clone(&attempts), Arc::clone(&taken));
        let handler = move |body: Bytes| {
            let answer = answer(count.fetch_add(1, Ordering::SeqCst));
            let list = Arc::clone(&list);
            async move {
                let Some(status) = answer else {
                    return std::future::pending().await;
                };
                if status.is_success() {
                    list.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                }
                status
            }
        };
        let app = Router::new().route("/secret", post(handler));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            endpoint: serde_json::from_value(format!("http://{address}/secret").into()).unwrap(),
            attempts,
            taken,
        }
    }

    fn alerts(&self) -> Alerts {
        Alerts::start(Some(self.endpoint.clone()), PACE)
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

fn lie(batch: u64) -> Alert {
    Alert::new(Kind::LieFound, batch, "a lie")
}

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_alert_is_posted_with_what_a_person_and_a_program_need() {
    let service = Service::new(|_| Some(StatusCode::OK)).await;
    let alerts = service.alerts();
    alerts.raise(Alert::new(Kind::LieFound, "7.1", "step 0 of batch 7.1 is a lie"));
    alerts.flush(LONG).await;
    let [message] = &service.taken()[..] else {
        panic!("{:?}", service.taken())
    };
    assert_eq!(message["kind"], "lie_found");
    assert_eq!(message["severity"], "critical");
    assert_eq!(message["subject"], "7.1");
    assert_eq!(message["text"], "nthroot, critical: step 0 of batch 7.1 is a lie");
    assert!(message["time"].as_u64().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn a_service_that_fails_for_a_while_gets_each_alert_once() {
    let service = Service::new(|attempt| {
        Some(match attempt {
            0 => StatusCode::INTERNAL_SERVER_ERROR,
            1 => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::NO_CONTENT,
        })
    })
    .await;
    let alerts = service.alerts();
    alerts.raise_all([lie(1), lie(2)]);
    alerts.flush(LONG).await;
    let subjects: Vec<_> = service
        .taken()
        .iter()
        .map(|message| message["subject"].clone())
        .collect();
    assert_eq!(subjects, ["1", "2"]);
    assert_eq!(service.attempts(), 4);
}

#[tokio::test]
async fn what_a_service_refuses_for_good_is_not_posted_again() {
    let service = Service::new(|attempt| {
        Some(if attempt == 0 {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        })
    })
    .await;
    let alerts = service.alerts();
    alerts.raise_all([lie(1), lie(2)]);
    alerts.flush(LONG).await;
    assert_eq!((service.attempts(), service.taken().len()), (2, 1));
}

#[tokio::test]
async fn a_service_that_never_answers_holds_nothing_up() {
    let service = Service::new(|attempt| (attempt >= 3).then_some(StatusCode::OK)).await;
    let alerts = service.alerts();
    let start = Instant::now();
    // Of each kind only some are posted, and no more than the queue has room for.
    for batch in 0..10_000 {
        alerts.raise(lie(batch));
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "raising took {:?}",
        start.elapsed()
    );
    let start = Instant::now();
    alerts.flush(Duration::from_millis(20)).await;
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "no longer than it is told"
    );
    // Three attempts for the first run into the timeout, then the others follow.
    alerts.flush(LONG).await;
    assert_eq!((service.attempts(), service.taken().len()), (12, 9));
}

#[tokio::test]
async fn without_a_webhook_there_is_the_log() {
    let alerts = Alerts::start(None, PACE);
    alerts.raise(lie(1));
    alerts.flush(LONG).await;
}

#[test]
fn the_same_is_told_once_an_hour_and_says_how_often_it_was_raised() {
    let mut filter = Filter::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(filter.admit(&lie(1), start).map(|told| told.held_back), Some(0));
    assert!(filter.admit(&lie(2), start).is_some(), "another batch is another alert");
    for seconds in (12..3600).step_by(12) {
        assert!(filter.admit(&lie(1), at(seconds)).is_none());
    }
    assert_eq!(filter.admit(&lie(1), at(3600)).map(|told| told.held_back), Some(299));
}

#[test]
fn of_a_kind_ten_a_minute_are_told_and_none_of_another_kind_is_held_back_for_it() {
    let mut filter = Filter::default();
    let start = Instant::now();
    let told = (0..1000).filter(|batch| filter.admit(&lie(*batch), start).is_some());
    assert_eq!(told.count(), 10);
    assert!(filter.admit(&Alert::new(Kind::Halted, "", ""), start).is_some());
    let later = start + Duration::from_secs(60);
    assert_eq!(filter.admit(&lie(500), later).map(|told| told.held_back), Some(990));
}

#[test]
fn what_mostly_ends_by_itself_is_told_when_it_lasts() {
    let mut filter = Filter::default();
    let start = Instant::now();
    let silent = Alert::new(Kind::L1Unreachable, "", "");
    let mut admit = |seconds: u64| filter.admit(&silent, start + Duration::from_secs(seconds)).is_some();
    assert!(!admit(0) && !admit(12));
    // It recovered, and fails again much later.
    assert!(!admit(500) && !admit(515));
    assert!(admit(530));
}

#[test]
fn what_outboxes_and_errors_say_becomes_alerts_of_the_right_weight() {
    let batch = BatchId::from_u64(8193).unwrap();
    let differs = Error::VerdictDiffers {
        batch,
        step: 3,
        revert: nthroot_node::Revert(Default::default()),
    };
    let alert = Alert::of_error(&differs).unwrap();
    assert_eq!(
        (alert.kind, alert.kind.severity()),
        (Kind::VerdictDiffers, Severity::Critical)
    );
    let missing = Error::Missing {
        what: "block".to_owned(),
    };
    assert_eq!(Alert::of_error(&missing), None);
    assert_eq!(
        Alert::of_error(&Error::Model(String::new())).unwrap().kind,
        Kind::Halted
    );

    let exhausted = Event::Exhausted {
        purpose: Some(Purpose::Convict(batch)),
        offer: Default::default(),
    };
    let alert = Alert::of_event(&exhausted).unwrap();
    assert_eq!(alert.kind, Kind::BudgetExhausted);
    assert!(alert.text.contains("convict batch 1.1"), "{}", alert.text);
}
