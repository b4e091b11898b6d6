//! The two ways to a bridge: by deriving everything from L1, or by asking a node.

use nthroot_api::ClaimInfo;
use nthroot_model::ledger::Ledger;
use nthroot_node::{L1, claims, host_of};
use nthroot_protocol::{BatchId, Domain, Fragment, FragmentId, Key, Lease, Status};
use nthroot_wallet::RuleBook;

use alloy::primitives::Address;
use eyre::{Result, WrapErr};
use serde_json::{Value, json};

use crate::{
    args::{Chain, Signing},
    carrier::Carrier,
    client::{Client, Names, POLL},
    light::Light,
};

/// What signing needs to know of a bridge.
pub(crate) trait View {
    /// Where the rules are.
    fn book(&self) -> &RuleBook;
    /// Chain and bridge.
    fn domain(&self) -> Domain;
    /// The clock of a batch that would be posted now.
    fn clock(&self) -> u64;
    /// The fragments under a key.
    fn own(&self, key: Key) -> Vec<(FragmentId, &Fragment)>;
    /// A fragment.
    fn fragment(&self, id: FragmentId) -> Result<&Fragment>;
    /// The nonce of a fragment's next intent, behind those that wait.
    fn next_nonce(&self, id: FragmentId) -> Result<u64> {
        Ok(self.fragment(id)?.nonce)
    }
    /// What assets are called.
    fn names(&self) -> Names;
}

impl View for Client {
    fn book(&self) -> &RuleBook {
        &self.book
    }

    fn domain(&self) -> Domain {
        Self::domain(self)
    }

    fn clock(&self) -> u64 {
        Self::clock(self)
    }

    fn own(&self, key: Key) -> Vec<(FragmentId, &Fragment)> {
        Self::own(self, key)
    }

    fn fragment(&self, id: FragmentId) -> Result<&Fragment> {
        Self::fragment(self, id)
    }

    fn names(&self) -> Names {
        Self::names(self)
    }
}

/// A bridge, by one of them.
pub(crate) enum Reach {
    Chain(Box<Client>),
    Node(Box<Light>),
}

impl From<Client> for Reach {
    fn from(client: Client) -> Self {
        Self::Chain(Box::new(client))
    }
}

/// A fragment for people: what it holds, and whether that can still change without its owner.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: FragmentId,
    /// As all batches leave it. None: what wrote it is a lie or could not be judged.
    pub(crate) pending: Option<Fragment>,
    /// As final batches leave it. None: it was not open then.
    pub(crate) settled: Option<Fragment>,
    /// The first block in which it is all final. None if that cannot be told, or a deposit made it.
    pub(crate) final_at: Option<u64>,
}

impl Held {
    pub(crate) fn is_final(&self) -> bool {
        self.pending.is_some() && self.pending == self.settled
    }

    pub(crate) fn json(&self, names: &Names) -> Value {
        let assets = |fragment: &Option<Fragment>| {
            let assets = fragment.iter().flat_map(|fragment| &fragment.assets);
            assets
                .map(|(asset, amount)| names.json(*asset, *amount))
                .collect::<Value>()
        };
        json!({
            "id": self.id,
            "nonce": self.pending.as_ref().map(|fragment| fragment.nonce),
            "assets": assets(&self.pending),
            "final": self.settled.is_some().then(|| assets(&self.settled)),
            "isFinal": self.is_final(),
            "finalAt": self.final_at,
            "verified": self.pending.is_some(),
        })
    }
}

impl Reach {
    /// By the node that is named, or else from L1. Of a node these fragments and those under `key` are read, since it does not hand
    /// out everything.
    pub(crate) async fn connect(chain: &Chain, key: Option<Key>, fragments: &[FragmentId]) -> Result<Self> {
        if chain.node.is_none() {
            return Ok(Client::connect(chain).await?.into());
        }
        let mut light = Light::connect(chain).await?;
        for id in fragments {
            light.load(*id).await?;
        }
        if let Some(key) = key {
            light.load_all(key).await?;
        }
        Ok(Self::Node(Box::new(light)))
    }

    pub(crate) fn view(&self) -> &dyn View {
        match self {
            Self::Chain(client) => client.as_ref(),
            Self::Node(light) => light.as_ref(),
        }
    }

    /// The node that carries intents, if one is named.
    pub(crate) fn carrier(&self, chain: &Chain) -> Result<Option<Carrier>> {
        match self {
            Self::Chain(_) => chain.node.as_deref().map(Carrier::new).transpose(),
            Self::Node(light) => Ok(Some(light.carrier.clone())),
        }
    }

    /// Who would post: the node, or one's own key. None if there is no key.
    pub(crate) async fn poster(&self, signing: &Signing) -> Result<Option<Address>> {
        match self.carrier(&signing.chain)? {
            Some(carrier) => Ok(Some(carrier.terms().await?.proposer)),
            None if signing.key.find_public()?.is_none() => Ok(None),
            None => signing.key.payer_address().map(Some),
        }
    }

    /// The lease of a fragment, which for a cohort is that of its leaf 0.
    pub(crate) async fn lease(&self, header: FragmentId) -> Result<Option<Lease>> {
        match self {
            Self::Chain(client) => Ok(client.fragment(header)?.lease),
            Self::Node(light) => light.lease(header).await,
        }
    }

    /// The bridge.
    pub(crate) fn bridge(&self) -> Address {
        self.view().domain().bridge
    }

    /// Waits for a while, and looks again. An L1 node or a node that does not answer now is asked again.
    pub(crate) async fn next(&mut self) -> Result<()> {
        tokio::time::sleep(POLL).await;
        match self {
            Self::Chain(client) => client.refresh().await,
            Self::Node(light) => light.refresh().await,
        }
    }

    /// The L1 node.
    pub(crate) async fn l1(&self, chain: &Chain) -> Result<L1> {
        match self {
            Self::Chain(client) => Ok(client.l1.clone()),
            Self::Node(_) => connect_l1(chain).await,
        }
    }

    /// The fragments under a key.
    pub(crate) fn held(&self, key: Key) -> Vec<Held> {
        match self {
            Self::Chain(client) => {
                let own = client.own(key).into_iter();
                own.map(|(id, fragment)| held_in(client.ledger(), id, fragment))
                    .collect()
            }
            Self::Node(light) => light.held(key),
        }
    }

    /// Withdrawals that are paid to somebody, or to anybody, and are not yet.
    pub(crate) async fn unpaid(&self, recipient: Option<Address>) -> Result<Vec<ClaimInfo>> {
        match (self, recipient) {
            (Self::Chain(client), _) => unpaid_in(client.ledger(), recipient),
            (Self::Node(light), Some(recipient)) => light.unpaid(recipient).await,
            (Self::Node(_), None) => Err(eyre::eyre!(
                "a node lists the withdrawals of one account: name it with --recipient, or leave out --node"
            )),
        }
    }
}

pub(crate) async fn connect_l1(chain: &Chain) -> Result<L1> {
    connect(chain.rpc_url()).await
}

/// The L1 node at an address, of which only the host is told: the rest may be a secret.
pub(crate) async fn connect(url: &str) -> Result<L1> {
    L1::connect(url, POLL).await.wrap_err_with(|| {
        format!(
            "no L1 node at {}: name one with --rpc-url or NTHROOT_RPC_URL",
            host_of(url)
        )
    })
}

/// A fragment of a ledger.
pub(crate) fn held_in(ledger: &Ledger, id: FragmentId, fragment: &Fragment) -> Held {
    let settled = ledger.final_state(id.anchor());
    let settled = settled.and_then(|(_, state)| state.known()?.fragment(id.leaf()).cloned());
    let written = ledger.head(id.anchor()).map(|head| head.id);
    Held {
        id,
        pending: Some(fragment.clone()),
        settled,
        final_at: written.and_then(|id| ledger.final_at(id)),
    }
}

/// The unpaid withdrawals of live batches, oldest first.
pub(crate) fn unpaid_in(ledger: &Ledger, recipient: Option<Address>) -> Result<Vec<ClaimInfo>> {
    let live = |id: &BatchId| ledger.status(*id) == Some(Status::Live);
    let mut unpaid = Vec::new();
    for batch in ledger.batches().filter(live) {
        let payable_at = ledger.final_at(batch);
        let of_batch = claims::unpaid(ledger, batch)?.into_iter();
        unpaid.extend(of_batch.map(|payable| claim_info(&payable, payable_at)));
    }
    unpaid.retain(|claim| recipient.is_none_or(|recipient| claim.recipient == recipient));
    Ok(unpaid)
}

fn claim_info(payable: &claims::Payable, payable_at: Option<u64>) -> ClaimInfo {
    ClaimInfo {
        batch: payable.batch,
        position: payable.claim.position,
        recipient: payable.claim.recipient,
        token: payable.claim.withdrawal.token,
        amount: payable.claim.withdrawal.amount,
        paid: payable.claim.paid,
        payable_at,
    }
}
