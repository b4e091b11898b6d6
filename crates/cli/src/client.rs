//! What commands know: the chain, the bridge's ledger, and what pools and markets hold.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::Address;
use eyre::{Result, ensure};
use nthroot_model::{
    ledger::{Ledger, State},
    rules::pool::Liquidity,
};
use nthroot_node::{Action, Follower, L1, rules};
use nthroot_protocol::{
    AssetId, Domain, Fragment, FragmentId, Key, Kind,
    rules::{
        credit::{Market, Position, shares_tag, title_tag},
        pool::share_tag,
    },
};
use nthroot_wallet::RuleBook;
use serde_json::{Value, json};

use crate::{args::Chain, cache, reach::connect_l1, sign::is_under, text::ether};

/// How often the L1 node is asked for what is not there yet.
pub(crate) const POLL: Duration = Duration::from_millis(250);

/// A bridge, as it follows from L1 up to the latest block.
pub(crate) struct Client {
    pub(crate) l1: L1,
    pub(crate) follower: Follower,
    pub(crate) book: RuleBook,
}

/// A market and what it holds of the asset that it lends.
pub(crate) struct OpenMarket {
    pub(crate) id: FragmentId,
    pub(crate) data: Market,
    pub(crate) idle: u128,
}

/// A position and what it holds of its collateral.
pub(crate) struct OpenPosition {
    pub(crate) id: FragmentId,
    pub(crate) data: Position,
    pub(crate) collateral: u128,
}

impl Client {
    /// Connects, and derives everything up to the latest block.
    pub(crate) async fn connect(chain: &Chain) -> Result<Self> {
        let manifest = chain.manifest()?;
        let l1 = connect_l1(chain).await?;
        let book = rules::book(&manifest.deployment);
        ensure!(
            book == manifest.rules,
            "{}: its rules are not those of this version",
            chain.deployment.display()
        );
        let mut follower = cache::open(chain, l1.clone(), manifest.deployment, rules::twins(&book)).await?;
        cache::sync(&mut follower).await?;
        Ok(Self { l1, follower, book })
    }

    /// Derives what is new. An L1 node that does not answer now is asked again the next time.
    pub(crate) async fn refresh(&mut self) -> Result<()> {
        match self.follower.sync().await {
            Ok(_) => Ok(()),
            Err(error) if error.action() == Action::Retry => {
                tracing::warn!(%error, "asking again");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.follower.ledger()
    }

    /// The clock of a batch that would be posted now.
    pub(crate) fn clock(&self) -> u64 {
        self.follower.tip().number
    }

    pub(crate) fn bridge(&self) -> Address {
        self.follower.deployment().bridge
    }

    pub(crate) fn domain(&self) -> Domain {
        Domain {
            chain_id: self.follower.deployment().chain_id,
            bridge: self.bridge(),
        }
    }

    /// All fragments whose state is known.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = (FragmentId, &Fragment)> {
        let states = self.ledger().anchors();
        let known = states.filter_map(|(anchor, _, state)| Some((anchor, state.known()?)));
        known.flat_map(|(anchor, state)| {
            let leaves = state.fragments();
            leaves.filter_map(move |(leaf, fragment)| Some((anchor.leaf(leaf)?, fragment)))
        })
    }

    /// Those of a key.
    pub(crate) fn own(&self, key: Key) -> Vec<(FragmentId, &Fragment)> {
        let view = self.follower.view();
        let ids = view.fragments_of(key, None);
        let own = ids.filter_map(|id| Some((id, self.fragment(id).ok()?)));
        // The index has those too that were the key's when all was final.
        own.filter(|(_, fragment)| is_under(fragment, key)).collect()
    }

    pub(crate) fn fragment(&self, id: FragmentId) -> Result<&Fragment> {
        let state = self.ledger().state(id.anchor()).and_then(State::known);
        let fragment = state.and_then(|state| state.fragment(id.leaf()));
        fragment.ok_or_else(|| eyre::eyre!("there is no fragment {id}"))
    }

    fn of_rule(&self, rule: Address) -> impl Iterator<Item = (FragmentId, &Fragment)> {
        self.fragments()
            .filter(move |(_, fragment)| fragment.kind == Kind::Rule && fragment.controller == rule)
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = (FragmentId, Liquidity)> {
        let pools = self.of_rule(self.book.pool);
        pools.filter_map(|(id, fragment)| Some((id, Liquidity::of(&fragment.data, &assets(fragment)).ok()?)))
    }

    pub(crate) fn pool(&self, id: FragmentId) -> Result<Liquidity> {
        let found = self.pools().find(|(pool, _)| *pool == id);
        Ok(found
            .ok_or_else(|| eyre::eyre!("{id} is not a pool: `nthroot pool list` lists them"))?
            .1)
    }

    pub(crate) fn markets(&self) -> impl Iterator<Item = OpenMarket> {
        self.of_rule(self.book.credit).filter_map(|(id, fragment)| {
            let data = Market::decode(&fragment.data).ok()?;
            let idle = fragment.balance(data.terms.asset);
            Some(OpenMarket { id, data, idle })
        })
    }

    pub(crate) fn market(&self, id: FragmentId) -> Result<OpenMarket> {
        let found = self.markets().find(|market| market.id == id);
        found.ok_or_else(|| eyre::eyre!("{id} is not a market: `nthroot credit list` lists them"))
    }

    /// Positions that have not been repaid and closed for good.
    pub(crate) fn positions(&self) -> impl Iterator<Item = OpenPosition> {
        let open = self.of_rule(self.book.credit).filter_map(|(id, fragment)| {
            let data = Position::decode(&fragment.data).ok()?;
            let collateral = fragment.balance(data.collateral);
            Some(OpenPosition { id, data, collateral })
        });
        // Repaid in full: the title is burnt. What an auction left waits for its owner to close it, were it nothing.
        open.filter(|position| position.data.principal != 0 || position.data.is_called())
    }

    pub(crate) fn position(&self, market: FragmentId, serial: u64) -> Result<OpenPosition> {
        let found = self
            .positions()
            .find(|position| (position.data.market, position.data.serial) == (market, serial));
        found.ok_or_else(|| {
            eyre::eyre!("market {market} has no open position {serial}: `nthroot credit positions {market}` lists them")
        })
    }

    /// What the rules' own assets are called.
    pub(crate) fn names(&self) -> Names {
        let mut names = BTreeMap::new();
        for (id, _) in self.pools() {
            names.insert(
                AssetId::issued(self.book.pool, share_tag(id)),
                format!("shares of pool {id}"),
            );
        }
        for OpenMarket { id, .. } in self.markets() {
            let asset = AssetId::issued(self.book.credit, shares_tag(id));
            names.insert(asset, format!("shares of market {id}"));
        }
        for OpenPosition { data, .. } in self.positions() {
            let asset = AssetId::issued(self.book.credit, title_tag(data.market, data.serial));
            names.insert(
                asset,
                format!("title of position {} of market {}", data.serial, data.market),
            );
        }
        Names(names)
    }
}

fn assets(fragment: &Fragment) -> Vec<(AssetId, u128)> {
    fragment
        .assets
        .iter()
        .map(|(asset, amount)| (*asset, *amount))
        .collect()
}

/// Assets for people.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<AssetId, String>);

impl Names {
    pub(crate) fn of(&self, asset: AssetId) -> String {
        match (asset.as_token(), self.0.get(&asset)) {
            (Some(token), _) if token.is_zero() => "ETH".to_owned(),
            (Some(token), _) => token.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => asset.to_string(),
        }
    }

    /// An amount with its asset: ether in ether, all else in base units.
    pub(crate) fn amount(&self, asset: AssetId, amount: u128) -> String {
        if asset == AssetId::ETH {
            let wei = alloy::primitives::U256::from(amount);
            // As ether, if that loses nothing.
            return if amount.is_multiple_of(1_000_000_000_000) {
                format!("{} ETH", ether(wei))
            } else {
                format!("{wei} wei")
            };
        }
        format!("{amount} of {}", self.of(asset))
    }

    /// As JSON.
    pub(crate) fn json(&self, asset: AssetId, amount: u128) -> Value {
        json!({ "asset": asset, "name": self.of(asset), "amount": amount.to_string() })
    }
}

/// A fragment as JSON.
pub(crate) fn fragment_json(id: FragmentId, fragment: &Fragment, names: &Names) -> Value {
    let assets = assets(fragment).into_iter();
    json!({
        "id": id,
        "nonce": fragment.nonce,
        "assets": assets.map(|(asset, amount)| names.json(asset, amount)).collect::<Vec<_>>(),
    })
}
