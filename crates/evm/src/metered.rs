//! Rules as their twins, wherever the committed gas suffices for certain.
//!
//! A twin says what a rule returns if its gas suffices, and runs many times faster than the rule's code. So each rule that comes with
//! the bridge has a bound of what a call takes, from the sizes of what it sees and returns: a call that commits as much is judged by the
//! twin, one that commits less by the code with exactly that gas. Wallets commit more than the bounds, so the code runs for liars.
//!
//! The bounds hold for calls that succeed and return effects that a kernel takes. `tests/rules` measures them on random calls and on
//! the greatest that fit into a step.

use alloy::primitives::Bytes;
use nthroot_bindings::{Account, Credit, Pool, Swap};
use nthroot_model::{
    rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure},
    rules,
};
use nthroot_protocol::{Effect, limits::MAX_EFFECTS};
use revm::primitives::hardfork::SpecId;

use crate::rule::Bytecode;

/// What a rule is called with, and what it returned.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    fragments: &'a [FragmentView],
    authorisations: &'a [AuthorisationView],
    extra: &'a [u8],
    effects: &'a [Effect],
}

/// A twin, the code that it is the twin of, and what a call takes at most.
pub struct Metered {
    twin: Box<dyn Rule>,
    code: Bytecode,
    bound: fn(Call<'_>) -> u64,
}

impl Metered {
    /// Gas with which a call that returns this surely succeeds. None if no kernel takes what it returns.
    pub fn bound(
        &self,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
        returned: &[u8],
    ) -> Option<u64> {
        let effects = Effect::decode_list(returned).ok()?;
        let call = Call {
            fragments,
            authorisations,
            extra,
            effects: &effects,
        };
        (effects.len() <= MAX_EFFECTS).then(|| (self.bound)(call))
    }

    /// The code.
    pub const fn code(&self) -> &Bytecode {
        &self.code
    }
}

impl Rule for Metered {
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        self.twin.transition(context, fragments, authorisations, extra)
    }

    fn run(
        &self,
        gas: u64,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        // What fails with all the gas there is fails with less.
        let returned = self.twin.transition(context, fragments, authorisations, extra)?;
        match self.bound(fragments, authorisations, extra, &returned) {
            Some(bound) if bound <= gas => Ok(returned),
            _ => self.code.run(gas, context, fragments, authorisations, extra),
        }
    }
}

/// The rules that come with the bridge, of which there are twins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The enshrined one.
    Account,
    /// Swap.
    Swap,
    /// Pool.
    Pool,
    /// Credit.
    Credit,
}

impl Known {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Account, Self::Swap, Self::Pool, Self::Credit];

    /// Its runtime code.
    pub const fn runtime(self) -> &'static Bytes {
        match self {
            Self::Account => &Account::DEPLOYED_BYTECODE,
            Self::Swap => &Swap::DEPLOYED_BYTECODE,
            Self::Pool => &Pool::DEPLOYED_BYTECODE,
            Self::Credit => &Credit::DEPLOYED_BYTECODE,
        }
    }

    /// The rule on an L1 under the rules of a fork.
    pub fn rule(self, spec: SpecId) -> Metered {
        let (twin, bound): (Box<dyn Rule>, fn(Call<'_>) -> u64) = match self {
            Self::Account => (Box::new(rules::account::Account), account),
            Self::Swap => (Box::new(rules::swap::Swap), swap),
            Self::Pool => (Box::new(rules::pool::Pool), pool),
            Self::Credit => (Box::new(rules::credit::Credit), credit),
        };
        Metered {
            twin,
            code: Bytecode::new(spec, self.runtime().clone()),
            bound,
        }
    }
}

/// Each payer's list of operations is read once; a payee is looked for among all fragments.
fn account(call: Call<'_>) -> u64 {
    let payloads = payloads(call);
    let payments = call
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Move { .. }));
    let effects = 3_000 * count(call.effects);
    let searches = 400 * number(payments.count()) * count(call.fragments);
    // Room for effects twice as long as the payloads, and for each effect that is put together first.
    let room = memory(1_024 + 2 * payloads + 160 * count(call.effects));
    3_000 + 1_000 * count(call.authorisations) + effects + searches + room
}

/// Legs, rewards and counterparties are read once; for each fragment and each asset that the fill names there are two words.
fn swap(call: Call<'_>) -> u64 {
    let (fragments, intents) = (count(call.fragments), count(call.authorisations));
    let assets = u64::from(call.extra.first().copied().unwrap_or_default());
    // All of a payload's bytes could be legs of 48 bytes, or counterparties of 10, among whom each fragment is looked for.
    let items = 20 * payloads(call);
    let searches = |signed: &AuthorisationView| u64::from((signed.payload.len() / 10).checked_ilog2().unwrap_or(0) + 1);
    let searches: u64 = call.authorisations.iter().map(searches).sum();
    let searches = 200 * fragments * searches;
    let table = assets * (200 + 3 * 120 * intents);
    let moves = 2_000 * count(call.effects);
    let longest = call.authorisations.iter().map(|signed| signed.payload.len()).max();
    let room =
        memory(4_096 + 64 * fragments * assets + 3 * number(call.extra.len()) + 4 * number(longest.unwrap_or(0)));
    5_000 + 6_000 * intents + items + searches + table + moves + room
}

/// Each operation costs much the same; the pool's reserves are looked for among what it holds.
fn pool(call: Call<'_>) -> u64 {
    let held = call.fragments.first().map_or(0, |pool| count(&pool.assets));
    30_000 + 10_000 * count(call.authorisations) + 600 * held
}

/// One operation; what its market, its position and its signer hold is looked through.
fn credit(call: Call<'_>) -> u64 {
    let held: u64 = call.fragments.iter().map(|fragment| count(&fragment.assets)).sum();
    40_000 + 300 * held
}

/// Bytes of all payloads.
fn payloads(call: Call<'_>) -> u64 {
    let lengths = call.authorisations.iter().map(|signed| number(signed.payload.len()));
    lengths.sum()
}

/// Gas for so many bytes of memory, from first to last.
const fn memory(bytes: u64) -> u64 {
    let words = bytes.div_ceil(32);
    // 3 to have a word and 3 to clear it; the square is what the EVM asks.
    6 * words + words * words / 512
}

fn count<T>(items: &[T]) -> u64 {
    number(items.len())
}

/// A length in memory, which has at most 64 bits.
const fn number(length: usize) -> u64 {
    length as u64
}
