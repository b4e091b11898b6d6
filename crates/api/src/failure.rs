//! Why a node does not answer, whatever it was asked; and errors as JSON-RPC has them.

use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{IntentId, refusal::Refusal, schema};

/// Why a request is not answered. The code is that of the JSON-RPC error; its data is this value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Failure {
    /// Too many requests from this address.
    #[error("too many requests: try again in {milliseconds} ms")]
    Limited {
        /// How long to wait.
        milliseconds: u64,
    },
    /// It took too long.
    #[error("no answer within {seconds} s: try again later")]
    TimedOut {
        /// How long was tried.
        seconds: u64,
    },
    /// There is nothing to watch.
    #[error("intent {id} is not known here")]
    UnknownIntent {
        /// The bundle that was asked for.
        #[schemars(with = "schema::Hash")]
        id: IntentId,
    },
}

impl Failure {
    /// Its JSON-RPC error code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Limited { .. } => -32060,
            Self::TimedOut { .. } => -32061,
            Self::UnknownIntent { .. } => -32062,
        }
    }

    /// One of each.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::Limited { milliseconds: 20 },
            Self::TimedOut { seconds: 10 },
            Self::UnknownIntent { id: IntentId::ZERO },
        ]
    }

    /// What an answer says, if it is one of these.
    pub fn of(error: &ErrorObjectOwned) -> Option<Self> {
        data(error)
    }
}

impl Refusal {
    /// What an answer says, if it is a refusal.
    pub fn of(error: &ErrorObjectOwned) -> Option<Self> {
        data(error)
    }
}

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        Self::owned(failure.code(), failure.to_string(), Some(failure))
    }
}

impl From<Refusal> for ErrorObjectOwned {
    fn from(refusal: Refusal) -> Self {
        Self::owned(refusal.code(), refusal.to_string(), Some(refusal))
    }
}

fn data<T: DeserializeOwned>(error: &ErrorObjectOwned) -> Option<T> {
    serde_json::from_str(error.data()?.get()).ok()
}
