//! Posts alerts as JSON, and tries again what failed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, StatusCode};
use serde_json::json;
use tracing::{debug, warn};

use super::{Alert, count};
use crate::config::Endpoint;

/// How patient the one who posts is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long to wait after the first failure; twice as long after each further one.
    pub pause: Duration,
    /// How often an alert is posted until it is given up.
    pub attempts: u32,
}

impl Default for Pace {
    /// About a minute for each alert.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            attempts: 5,
        }
    }
}

/// An alert on its way.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) alert: Alert,
    pub(super) held_back: u64,
}

pub(super) struct Webhook {
    endpoint: Endpoint,
    client: Client,
    pace: Pace,
}

impl Webhook {
    pub(super) fn new(endpoint: Endpoint, pace: Pace) -> Self {
        Self {
            endpoint,
            client: Client::new(),
            pace,
        }
    }

    /// Posts an alert, again and again while that fails for the moment.
    pub(super) async fn post(&self, message: &Message) {
        let Message { alert, held_back } = message;
        let name = alert.kind.name();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // `text` is what chat services show.
        let body = json!({
            "kind": name,
            "severity": alert.kind.severity().name(),
            "subject": alert.subject,
            "text": format!("nthroot, {}: {}", alert.kind.severity().name(), alert.text),
            "heldBack": held_back,
            "time": now.as_secs(),
        });
        let mut pause = self.pace.pause;
        for attempt in 1..=self.pace.attempts {
            let request = self.client.post(self.endpoint.0.clone()).timeout(self.pace.timeout);
            let again = match request.json(&body).send().await {
                Ok(answer) if answer.status().is_success() => {
                    debug!(alert = name, attempt, "posted");
                    count(alert.kind, "sent");
                    return;
                }
                Ok(answer) => {
                    let status = answer.status();
                    warn!(alert = name, attempt, %status, "the webhook refused the alert");
                    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
                }
                Err(error) => {
                    // The address may be a secret.
                    let error = error.without_url();
                    warn!(alert = name, attempt, %error, "the webhook was not reached");
                    true
                }
            };
            if !again {
                break;
            }
            if attempt < self.pace.attempts {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        count(alert.kind, "failed");
    }
}
