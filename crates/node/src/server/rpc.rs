//! The methods.

use std::sync::Arc;

use alloy::primitives::Address;
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule,
    core::{RpcResult, SubscriptionResult, async_trait},
    server::Methods,
    types::{ErrorCode, ErrorObjectOwned},
};
use nthroot_api::{
    ApiServer, BatchInfo, Bundle, CallData, ChainInfo, ClaimId, ClaimInfo, Digest, FragmentInfo, FragmentProof,
    IntentId, IntentInfo, Page, Refusal, Terms, openrpc,
};
use nthroot_protocol::{BatchId, FragmentId, Key};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    answers,
    intake::{Counter, Intake},
    limits::Limits,
    subscriptions::Subscriber,
};
use crate::view::View;

/// All that answers need.
#[derive(Clone)]
pub(super) struct Desk {
    limits: Arc<Limits>,
    views: watch::Receiver<View>,
    intake: Option<(Arc<dyn Intake>, Counter)>,
    /// The last digest, of the tip and of the final block: nobody makes the node hash more than once a block.
    digests: Arc<tokio::sync::Mutex<[Option<Digest>; 2]>>,
}

impl Desk {
    pub(super) fn new(limits: Arc<Limits>, views: watch::Receiver<View>, intake: Option<Arc<dyn Intake>>) -> Self {
        let counter = |intake: Arc<dyn Intake>| (intake.clone(), Counter::open(intake, views.clone()));
        Self {
            intake: intake.map(counter),
            limits,
            views,
            digests: Arc::default(),
        }
    }

    /// The methods for a connection that `cut` ends.
    pub(super) fn methods(&self, cut: CancellationToken) -> Methods {
        let connection = Connection {
            desk: self.clone(),
            cut,
        };
        let mut module = connection.into_rpc();
        discover(&mut module);
        module.into()
    }

    pub(super) fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// A fragment, as a view has it.
    pub(super) async fn fragment(&self, view: View, id: FragmentId) -> RpcResult<Option<FragmentInfo>> {
        let intake = self.intake.clone();
        elsewhere(move || {
            let mut info = answers::fragment(&view, id)?;
            number(intake.as_ref(), &view, &mut info);
            Some(info)
        })
        .await
    }

    /// Where a bundle is.
    pub(super) async fn status(&self, id: IntentId) -> RpcResult<Option<IntentInfo>> {
        let Some((intake, _)) = &self.intake else {
            return Ok(None);
        };
        let (intake, view) = (intake.clone(), self.view());
        elsewhere(move || intake.status(&view, id)).await
    }
}

/// Says which nonce a fragment's next intent has.
fn number(intake: Option<&(Arc<dyn Intake>, Counter)>, view: &View, info: &mut FragmentInfo) {
    info.next_nonce = intake.and_then(|(intake, _)| intake.next_nonce(view, info.id));
}

/// The document that says what there is, under the name that `OpenRPC` gives it.
fn discover(module: &mut RpcModule<Connection>) {
    let method = module.register_method(openrpc::DISCOVER, |_, _, _| openrpc::document().clone());
    if let Err(error) = method {
        error!(%error, "no {}", openrpc::DISCOVER);
    }
}

/// The name of a method as figures have it: names that callers make up are all one.
pub(super) fn known(method: &str) -> &'static str {
    let mut names = openrpc::names().iter();
    names
        .find(|name| **name == method)
        .map_or("unknown", |name| name.as_str())
}

/// The methods, as one connection has them.
struct Connection {
    desk: Desk,
    cut: CancellationToken,
}

impl Connection {
    fn subscriber(&self) -> Subscriber {
        Subscriber {
            desk: self.desk.clone(),
            views: self.desk.views.clone(),
            patience: self.desk.limits.patience,
            cut: self.cut.clone(),
        }
    }
}

/// Does what takes long where it holds up no other answer.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> RpcResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        error!(%error, "an answer failed");
        ErrorCode::InternalError.into()
    })
}

#[async_trait]
impl ApiServer for Connection {
    async fn chain(&self) -> RpcResult<ChainInfo> {
        Ok(answers::chain(&self.desk.view()))
    }

    async fn fragment(&self, id: FragmentId) -> RpcResult<Option<FragmentInfo>> {
        self.desk.fragment(self.desk.view(), id).await
    }

    async fn fragments_of(&self, key: Key, after: Option<FragmentId>) -> RpcResult<Page<FragmentInfo>> {
        let (view, size) = (self.desk.view(), self.desk.limits.page(None));
        let intake = self.desk.intake.clone();
        elsewhere(move || {
            let mut page = answers::fragments_of(&view, key, after, size);
            for info in &mut page.items {
                number(intake.as_ref(), &view, info);
            }
            page
        })
        .await
    }

    async fn proof(&self, id: FragmentId) -> RpcResult<Option<FragmentProof>> {
        Ok(answers::proof(&self.desk.view(), id))
    }

    async fn batch(&self, id: BatchId) -> RpcResult<Option<BatchInfo>> {
        Ok(answers::batch(&self.desk.view(), id))
    }

    async fn batches(&self, before: Option<BatchId>, limit: Option<u32>) -> RpcResult<Page<BatchInfo>> {
        let (view, size) = (self.desk.view(), self.desk.limits.page(limit));
        elsewhere(move || answers::batches(&view, before, size)).await
    }

    async fn digest(&self, block: Option<u64>) -> RpcResult<Option<Digest>> {
        let view = self.desk.view();
        let at_tip = block.is_none_or(|block| block == view.tip.number);
        let mut digests = self.desk.digests.lock().await;
        let kept = digests[usize::from(at_tip)];
        let of = if at_tip { view.tip } else { view.finalised };
        let fits = |digest: &Digest| digest.hash == of.hash && block.is_none_or(|block| block == of.number);
        if let Some(digest) = kept.filter(fits) {
            return Ok(Some(digest));
        }
        let digest = elsewhere(move || answers::digest(&view, block)).await?;
        if digest.is_some() {
            digests[usize::from(at_tip)] = digest;
        }
        Ok(digest)
    }

    async fn terms(&self) -> RpcResult<Option<Terms>> {
        let Some((intake, _)) = self.desk.intake.clone() else {
            return Ok(None);
        };
        elsewhere(move || Some(intake.terms())).await
    }

    async fn send(&self, bundle: Bundle) -> RpcResult<IntentId> {
        let (_, counter) = self.desk.intake.as_ref().ok_or(Refusal::NotServing)?;
        let taken = counter.hand_in(bundle).await;
        Ok(taken.ok_or(ErrorCode::InternalError)??)
    }

    async fn intent(&self, id: IntentId) -> RpcResult<Option<IntentInfo>> {
        self.desk.status(id).await
    }

    async fn claims(&self, recipient: Address, after: Option<ClaimId>) -> RpcResult<Page<ClaimInfo>> {
        let (view, size) = (self.desk.view(), self.desk.limits.page(None));
        elsewhere(move || answers::claims(&view, recipient, after, size)).await
    }

    async fn claim_call(&self, batch: BatchId, position: u8) -> RpcResult<Option<CallData>> {
        answers::claim_call(&self.desk.view(), batch, position).map_err(|error| {
            error!(%error, %batch, position, "no claim");
            ErrorObjectOwned::from(ErrorCode::InternalError)
        })
    }

    async fn subscribe_blocks(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.subscriber().blocks(pending).await
    }

    async fn subscribe_intent(&self, pending: PendingSubscriptionSink, id: IntentId) -> SubscriptionResult {
        self.subscriber().intent(pending, id).await
    }

    async fn subscribe_fragment(&self, pending: PendingSubscriptionSink, id: FragmentId) -> SubscriptionResult {
        self.subscriber().fragment(pending, id).await
    }
}
