//! What a fragment holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::AssetId;

/// Amounts by asset, in the order of the ids. Most fragments hold one or two, and there may be millions of fragments: so it is
/// a list of exactly these, not a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<AssetId, u128>", into = "BTreeMap<AssetId, u128>")]
pub struct Assets(Vec<(AssetId, u128)>);

impl Assets {
    /// Nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn find(&self, asset: &AssetId) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(asset))
    }

    /// How much of an asset there is.
    pub fn get(&self, asset: &AssetId) -> Option<&u128> {
        self.find(asset).ok().map(|place| &self.0[place].1)
    }

    /// Sets how much of an asset there is. Returns how much there was.
    pub fn insert(&mut self, asset: AssetId, amount: u128) -> Option<u128> {
        match self.find(&asset) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, amount)),
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (asset, amount));
                None
            }
        }
    }

    /// Takes an asset out. Returns how much of it there was.
    pub fn remove(&mut self, asset: &AssetId) -> Option<u128> {
        let place = self.find(asset).ok()?;
        Some(self.0.remove(place).1)
    }

    /// How many assets there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The assets and their amounts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&AssetId, &u128)> {
        self.0.iter().map(|(asset, amount)| (asset, amount))
    }

    /// The assets.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &AssetId> {
        self.0.iter().map(|(asset, _)| asset)
    }
}

impl Extend<(AssetId, u128)> for Assets {
    fn extend<I: IntoIterator<Item = (AssetId, u128)>>(&mut self, assets: I) {
        for (asset, amount) in assets {
            self.insert(asset, amount);
        }
    }
}

impl FromIterator<(AssetId, u128)> for Assets {
    fn from_iter<I: IntoIterator<Item = (AssetId, u128)>>(assets: I) -> Self {
        let mut all = Self::new();
        all.extend(assets);
        all
    }
}

impl IntoIterator for Assets {
    type Item = (AssetId, u128);
    type IntoIter = std::vec::IntoIter<(AssetId, u128)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Assets {
    type Item = &'a (AssetId, u128);
    type IntoIter = std::slice::Iter<'a, (AssetId, u128)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl From<BTreeMap<AssetId, u128>> for Assets {
    fn from(assets: BTreeMap<AssetId, u128>) -> Self {
        Self(assets.into_iter().collect())
    }
}

impl From<Assets> for BTreeMap<AssetId, u128> {
    fn from(assets: Assets) -> Self {
        assets.into_iter().collect()
    }
}
