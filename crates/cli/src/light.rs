//! A bridge as a node shows it, held against L1 where that can be asked.

use std::collections::BTreeMap;

use alloy::{primitives::Address, providers::Provider as _};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use nthroot_api::{ApiClient, ChainInfo, ClaimId, ClaimInfo, FragmentInfo, FragmentState, proof::ProofError};
use nthroot_node::{L1, rules};
use nthroot_protocol::{Domain, Fragment, FragmentId, Head, Key, Lease};
use nthroot_wallet::RuleBook;

use crate::{
    args::Chain,
    carrier::{Carrier, Unanswered},
    client::Names,
    reach::{Held, View, connect_l1},
    sign::is_under,
};

/// How often a node is asked for a proof of a head that changes meanwhile.
const ATTEMPTS: u32 = 10;

/// What a node says.
pub(crate) struct Light {
    pub(crate) carrier: Carrier,
    info: ChainInfo,
    /// With what its word is compared. None: it is believed.
    l1: Option<L1>,
    fragments: BTreeMap<FragmentId, (FragmentInfo, Fragment)>,
}

impl Light {
    /// Asks a node which bridge it follows. With a manifest that must be the manifest's.
    pub(crate) async fn connect(chain: &Chain) -> Result<Self> {
        let url = chain.node.as_deref().ok_or_eyre("no node is named")?;
        let carrier = Carrier::new(url)?;
        let info = carrier.said(carrier.http.chain().await)?;
        let manifest = chain.deployment.exists().then(|| chain.manifest()).transpose()?;
        if let Some(manifest) = &manifest {
            let known = (manifest.deployment.chain_id, manifest.deployment.bridge, manifest.rules);
            ensure!(
                known == (info.chain_id, info.bridge, info.rules),
                "the node at {url} follows bridge {} on chain {}, not that of {}",
                info.bridge,
                info.chain_id,
                chain.deployment.display()
            );
        }
        let l1 = if let (Some(manifest), Some(_)) = (&manifest, &chain.rpc_url) {
            let l1 = connect_l1(chain).await?;
            manifest.deployment.check(&l1).await?;
            ensure!(
                rules::book(&manifest.deployment) == manifest.rules,
                "{}: its rules are not those of this version",
                chain.deployment.display()
            );
            Some(l1)
        } else {
            let missing = if manifest.is_some() {
                "--rpc-url"
            } else {
                "a manifest (--deployment) and --rpc-url"
            };
            eprintln!("The node at {url} is believed, since {missing} is missing to hold it against L1.");
            None
        };
        Ok(Self {
            carrier,
            info,
            l1,
            fragments: BTreeMap::new(),
        })
    }

    /// Asks how far the node is.
    pub(crate) async fn refresh(&mut self) -> Result<()> {
        match self.carrier.said(self.carrier.http.chain().await) {
            Ok(info) => self.info = info,
            Err(error) if error.is::<Unanswered>() => tracing::warn!(%error, "asking again"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads a fragment, if there is one.
    pub(crate) async fn load(&mut self, id: FragmentId) -> Result<()> {
        if let Some(info) = self.carrier.said(self.carrier.http.fragment(id).await)? {
            self.take(info).await?;
        }
        Ok(())
    }

    /// Reads all fragments under a key.
    pub(crate) async fn load_all(&mut self, key: Key) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.carrier.http.fragments_of(key, after).await;
            let page = self.carrier.said(page)?;
            after = page.items.last().map(|info| info.id);
            for info in page.items {
                self.take(info).await?;
            }
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, info: FragmentInfo) -> Result<()> {
        let fragment = match (&self.l1, &info.pending) {
            (_, None) => bail!(
                "fragment {}: what it holds rests on a lie, or could not be judged",
                info.id
            ),
            (None, Some(state)) => fragment_of(state),
            (Some(l1), Some(_)) => self.proved(l1, info.id).await?,
        };
        self.fragments.insert(info.id, (info, fragment));
        Ok(())
    }

    /// The fragment that a proof shows under the head that L1 has. Node and L1 may be a block apart for a moment.
    async fn proved(&self, l1: &L1, id: FragmentId) -> Result<Fragment> {
        for _ in 0..ATTEMPTS {
            let proof = self.carrier.said(self.carrier.http.proof(id).await)?;
            let proof = proof.ok_or_else(|| eyre::eyre!("the node has no proof of fragment {id}"))?;
            ensure!(proof.id == id, "the node proves another fragment than {id}");
            let word = l1
                .provider()
                .get_storage_at(self.info.bridge, proof.slot().into())
                .await;
            let word = word.wrap_err("the L1 node does not answer")?;
            let head =
                Head::from_word(word.into()).ok_or_else(|| eyre::eyre!("L1 has no fragment {id}: the node lies"))?;
            match proof.verify(head) {
                Ok(fragment) => return Ok(fragment),
                Err(ProofError::Head { .. }) => {}
                Err(error) => {
                    return Err(error).wrap_err_with(|| format!("the node's proof of fragment {id} is wrong"));
                }
            }
            tokio::time::sleep(l1.poll()).await;
        }
        bail!(
            "the node says something else of fragment {id} than L1: it is behind, or lies. Name another one with --node"
        )
    }

    pub(crate) fn held(&self, key: Key) -> Vec<Held> {
        let own = self.fragments.values();
        let own = own.filter(|(_, fragment)| is_under(fragment, key));
        own.map(|(info, fragment)| held(info, fragment)).collect()
    }

    /// What the node says of a lease: if it is wrong, whoever posts finds out.
    pub(crate) async fn lease(&self, header: FragmentId) -> Result<Option<Lease>> {
        let info = self.carrier.said(self.carrier.http.fragment(header).await)?;
        let state = info.and_then(|info| info.pending);
        Ok(state.and_then(|state| fragment_of(&state).lease))
    }

    pub(crate) async fn unpaid(&self, recipient: Address) -> Result<Vec<ClaimInfo>> {
        let mut claims = Vec::new();
        let mut after = None;
        loop {
            let page = self.carrier.said(self.carrier.http.claims(recipient, after).await)?;
            let last = page.items.last();
            after = last.map(|claim| ClaimId {
                batch: claim.batch,
                position: claim.position,
            });
            claims.extend(page.items.into_iter().filter(|claim| !claim.paid));
            if !page.more || after.is_none() {
                return Ok(claims);
            }
        }
    }
}

impl View for Light {
    fn book(&self) -> &RuleBook {
        &self.info.rules
    }

    fn domain(&self) -> Domain {
        Domain {
            chain_id: self.info.chain_id,
            bridge: self.info.bridge,
        }
    }

    fn clock(&self) -> u64 {
        self.info.tip.block
    }

    fn own(&self, key: Key) -> Vec<(FragmentId, &Fragment)> {
        let own = self.fragments.iter();
        let own = own.filter(|(_, (_, fragment))| is_under(fragment, key));
        own.map(|(id, (_, fragment))| (*id, fragment)).collect()
    }

    fn fragment(&self, id: FragmentId) -> Result<&Fragment> {
        let found = self.fragments.get(&id).map(|(_, fragment)| fragment);
        found.ok_or_else(|| eyre::eyre!("there is no fragment {id}"))
    }

    fn next_nonce(&self, id: FragmentId) -> Result<u64> {
        let nonce = self.fragment(id)?.nonce;
        let next = self.fragments.get(&id).and_then(|(info, _)| info.next_nonce);
        Ok(next.map_or(nonce, |next| next.max(nonce)))
    }

    fn names(&self) -> Names {
        Names::default()
    }
}

pub(crate) fn held(info: &FragmentInfo, pending: &Fragment) -> Held {
    Held {
        id: info.id,
        pending: Some(pending.clone()),
        settled: info.settled.as_ref().map(fragment_of),
        final_at: info.final_at,
    }
}

/// A fragment's state as the model has it.
pub(crate) fn fragment_of(state: &FragmentState) -> Fragment {
    Fragment {
        kind: state.kind,
        controller: state.controller,
        nonce: state.nonce,
        lease: state.lease.map(|lease| Lease {
            holder: lease.holder,
            last_block: lease.last_block,
        }),
        assets: state.assets.iter().map(|held| (held.asset, held.amount)).collect(),
        data: state.data.clone(),
    }
}
