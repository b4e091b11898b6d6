//! What is known of a deployment when its bytes are read.

use alloy::primitives::Address;
use nthroot_model::kernel::Env;
use nthroot_node::{rules, rules::twins};
use nthroot_protocol::Domain;
use nthroot_wallet::RuleBook;

use crate::args::Manifest;

/// A rule whose payloads can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Account,
    Swap,
    Pool,
    Credit,
}

/// A deployment, or none.
pub(super) struct Known {
    book: Option<RuleBook>,
    pub(super) env: Option<Env>,
    registry: Option<Address>,
}

impl Known {
    pub(super) fn of(manifest: Option<&Manifest>) -> Self {
        let book = manifest.map(|manifest| rules::book(&manifest.deployment));
        let env = manifest.zip(book.as_ref()).map(|(manifest, book)| Env {
            account_rule: manifest.deployment.account,
            bridge: manifest.deployment.bridge,
            rules: twins(book),
        });
        Self {
            book,
            env,
            registry: manifest.map(|manifest| manifest.deployment.registry),
        }
    }

    /// The same, judged with these rules too.
    pub(super) fn with(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The language of a call's rule: that is its number in the batch's rule table, from 1, or 0.
    pub(super) fn language(&self, rule: u8, table: &[Address]) -> Option<Language> {
        let Some(place) = usize::from(rule).checked_sub(1) else {
            return Some(Language::Account);
        };
        self.language_of(*table.get(place)?)
    }

    /// The language of a rule.
    pub(super) fn language_of(&self, rule: Address) -> Option<Language> {
        let book = self.book?;
        let languages = [
            (book.account, Language::Account),
            (book.swap, Language::Swap),
            (book.pool, Language::Pool),
            (book.credit, Language::Credit),
        ];
        languages
            .into_iter()
            .find(|(known, _)| *known == rule)
            .map(|(_, language)| language)
    }

    /// The registry of rules.
    pub(super) const fn registry(&self) -> Option<Address> {
        self.registry
    }

    /// What signatures refer to, in a batch of this chain.
    pub(super) fn domain(&self, chain_id: u64) -> Option<Domain> {
        let bridge = self.env.as_ref()?.bridge;
        Some(Domain { chain_id, bridge })
    }
}
