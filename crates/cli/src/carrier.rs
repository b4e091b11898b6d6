//! A node that carries intents.

use std::fmt;

use alloy::primitives::B256;
use eyre::{Result, WrapErr, bail};
use jsonrpsee::{
    core::client::Error as RpcError,
    http_client::{HttpClient, HttpClientBuilder},
    ws_client::{WsClient, WsClientBuilder},
};
use nthroot_api::{ApiClient, Bundle, Failure, Refusal, Terms, types::Fee};
use nthroot_protocol::AccountOp;
use nthroot_wallet::SignedIntent;
use serde_json::{Value, json};

/// A node, over HTTP.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) http: HttpClient,
    pub(crate) url: String,
}

/// Why a node does not take a bundle.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node refuses it: {}. {}", self.0, advice(&self.0))
    }
}

impl std::error::Error for Refused {}

impl Refused {
    pub(crate) fn json(&self) -> Value {
        json!({
            "refused": self.0,
            "code": self.0.code(),
            "message": self.0.to_string(),
            "temporary": self.0.is_temporary(),
            "advice": advice(&self.0),
        })
    }
}

/// What to do about a refusal.
pub(crate) const fn advice(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotServing => "Name another node with --node, or leave it out to post under your own bond",
        Refusal::NotSynced { .. } | Refusal::Full { .. } => {
            "Try again in a few blocks, or leave out --node to post under your own bond"
        }
        Refusal::TooManyOfFragment { .. } | Refusal::TooManyOfAnchor { .. } => {
            "Wait until those are in a batch: `nthroot watch` tells"
        }
        Refusal::Bundle { .. } | Refusal::Payload { .. } => "Sign it again with this version of the command",
        Refusal::UnknownRule { .. } => "Leave out --node to post it under your own bond",
        Refusal::UnknownFragment { .. } => "`nthroot fragments` lists yours",
        Refusal::Unverified { .. } => "Wait until the lie is rolled back, then try again",
        Refusal::Signature { .. } => "Sign it with the key that the fragment is under",
        Refusal::NonceUsed { .. } | Refusal::Overtaken => {
            "Something else that you signed was first: look, and sign again"
        }
        Refusal::Torn { .. } => "Look at what your fragments hold now, and sign again only what did not happen",
        Refusal::CrowdedOut => "Send the same again, here or to another node",
        Refusal::NonceGap { .. } => "Hand in what comes before it first",
        Refusal::NotKept => "Tell whoever runs the node, or name another one with --node",
        Refusal::Replaced { .. } => "Watch the one that replaced it",
        Refusal::OnItsWay { .. } | Refusal::TooManyReplaced { .. } => {
            "Wait until it is in a batch: `nthroot watch` tells"
        }
        Refusal::Expired { .. } => "Sign it for longer: --valid-for",
        Refusal::TooLong { .. } => "Sign it for fewer blocks: --valid-for",
        Refusal::Leased { .. } => "Wait until the lease is over, or hand it to its holder",
        Refusal::Fee { .. } => "Sign it again: the command adds the fee that the node asks now",
        Refusal::Invalid { .. } => "Look at what your fragment holds now (`nthroot fragments`), and sign again",
        Refusal::TooDear { .. } => "Ask for less at once, or leave out --node to post it under your own bond",
    }
}

impl Carrier {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let http = HttpClientBuilder::default().build(url);
        let http = http.wrap_err_with(|| format!("{url} is no address of a node, as http://127.0.0.1:8590"))?;
        let url = url.to_owned();
        Ok(Self { http, url })
    }

    /// What it asks for.
    pub(crate) async fn terms(&self) -> Result<Terms> {
        match self.said(self.http.terms().await)? {
            Some(terms) => Ok(terms),
            None => bail!(Refused(Refusal::NotServing)),
        }
    }

    /// Hands in a bundle.
    pub(crate) async fn send(&self, intents: Vec<SignedIntent>) -> Result<B256> {
        self.said(self.http.send(Bundle(intents)).await)
    }

    /// Over WebSocket, at the same address.
    pub(crate) async fn subscribe(&self) -> Result<WsClient> {
        let url = self.url.replacen("http", "ws", 1);
        let client = WsClientBuilder::default().build(&url).await;
        client.wrap_err_with(|| format!("no node at {url}"))
    }

    /// What it answered.
    pub(crate) fn said<T>(&self, answer: Result<T, RpcError>) -> Result<T> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(RpcError::Call(error)) => {
                if let Some(refusal) = Refusal::of(&error) {
                    return Err(Refused(refusal).into());
                }
                if let Some(failure) = Failure::of(&error) {
                    return Err(Failed(failure).into());
                }
                bail!("the node answers: {} ({})", error.message(), error.code())
            }
            Err(error) => Err(Unanswered(self.url.clone(), error).into()),
        }
    }
}

/// A node that does not answer this now.
#[derive(Debug)]
pub(crate) struct Failed(Failure);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node answers: {}", self.0)
    }
}

impl std::error::Error for Failed {}

/// A node that cannot be asked.
#[derive(Debug)]
pub(crate) struct Unanswered(String, RpcError);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the node at {} does not answer: {}. Name another one with --node, or leave it out to go by L1 alone",
            self.0, self.1
        )
    }
}

impl std::error::Error for Unanswered {}

/// The payment of a fee.
pub(crate) fn payment(fee: &Fee) -> Result<AccountOp> {
    let Some(to) = fee.to.first() else {
        bail!("the node asks for a fee, and does not say to which fragment: name another one with --node");
    };
    Ok(AccountOp::Pay {
        to: *to,
        asset: fee.amount.asset,
        amount: fee.amount.amount,
    })
}
