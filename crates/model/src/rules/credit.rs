//! The Credit rule (`docs/rules/credit.md`): loans against collateral, without a price oracle.
//!
//! [`quotes`] has the numbers that wallets show; the twin computes with the same functions.

pub mod quotes;

mod fault;
mod market;
mod position;

use alloy_primitives::{Address, B256};
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Kind,
    rules::credit::{CreditOp, Market, Position, Terms, title_tag},
};

pub use fault::CreditFault;

use crate::rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure};

/// The Credit rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credit;

impl Rule for Credit {
    fn transition(
        &self,
        context: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        let effects = effects(context.clock, fragments, authorisations, extra)?;
        Ok(Effect::encode_list(&effects))
    }
}

/// What a call of the rule does at a clock.
///
/// # Errors
///
/// If the rule fails: why.
pub fn effects(
    clock: u64,
    fragments: &[FragmentView],
    authorisations: &[AuthorisationView],
    extra: &[u8],
) -> Result<Vec<Effect>, CreditFault> {
    let [authorisation] = authorisations else {
        return Err(CreditFault::Authorisations(authorisations.len()));
    };
    let op = CreditOp::decode(&authorisation.payload)?;
    let call = Call {
        clock,
        fragments,
        user: authorisation.fragment,
        op: &op,
    };
    if !matches!(op, CreditOp::Create(_)) && !extra.is_empty() {
        let (expected, actual) = (0, extra.len());
        return Err(CreditFault::Extra { expected, actual });
    }
    match op {
        CreditOp::Create(terms) => call.create(&terms, extra),
        CreditOp::Lend {
            market,
            amount,
            shares_at_least,
        } => call.lend(market, amount, shares_at_least),
        CreditOp::Redeem {
            market,
            shares,
            at_least,
        } => call.redeem(market, shares, at_least),
        CreditOp::Borrow {
            market,
            serial: 0,
            added,
            amount,
        } => call.open(market, added, amount),
        CreditOp::Borrow {
            market,
            serial,
            added,
            amount,
        } => call.borrow(market, serial, added, amount),
        CreditOp::Repay {
            market,
            serial,
            at_most,
            taken,
        } => call.repay(market, serial, at_most, taken),
        CreditOp::Call {
            market,
            serial,
            fee_at_most,
        } => call.call(market, serial, fee_at_most),
        CreditOp::Bid {
            market,
            serial,
            at_most,
            at_least,
        } => call.bid(market, serial, at_most, at_least),
        CreditOp::Add { market, serial, amount } => call.add(market, serial, amount),
        CreditOp::Close { market, serial } => call.close(market, serial),
    }
}

/// One call.
struct Call<'a> {
    /// t.
    clock: u64,
    fragments: &'a [FragmentView],
    /// u: position of the fragment that authorises.
    user: u8,
    op: &'a CreditOp,
}

/// A market that a call works on.
struct OnMarket {
    data: Market,
    /// What it holds of the asset that is lent.
    idle: u128,
    /// The rule's address: its controller, as the kernel has made sure.
    rule: Address,
}

/// A position that a call works on.
struct OnPosition {
    data: Position,
    /// C: what it holds of the collateral.
    collateral: u128,
    /// The rule's address.
    rule: Address,
}

impl Call<'_> {
    /// A fragment under this rule.
    fn ruled(&self, position: u8) -> Result<&FragmentView, CreditFault> {
        let fragment = self.fragments.get(usize::from(position));
        let fragment = fragment.ok_or(CreditFault::Missing { position })?;
        match fragment.kind {
            Kind::Rule => Ok(fragment),
            Kind::Secp256k1 | Kind::P256 => Err(CreditFault::NotRules { position }),
        }
    }

    /// The market that the payload names, at position 0.
    fn market(&self, id: FragmentId) -> Result<OnMarket, CreditFault> {
        let fragment = self.ruled(0)?;
        if id == FragmentId::ZERO {
            return Err(CreditFault::NoMarket);
        }
        if fragment.id != id {
            let (expected, actual) = (id, fragment.id);
            return Err(CreditFault::OtherMarket { expected, actual });
        }
        let data = Market::decode(&fragment.data)?;
        Ok(OnMarket {
            idle: balance(fragment, data.terms.asset),
            rule: fragment.controller,
            data,
        })
    }

    /// The position that the payload names, at this position of the call.
    fn position(&self, at: u8, market: FragmentId, serial: u64) -> Result<OnPosition, CreditFault> {
        let fragment = self.ruled(at)?;
        let data = Position::decode(&fragment.data)?;
        if (data.market, data.serial) != (market, serial) {
            return Err(CreditFault::OtherPosition {
                expected: (market, serial),
                actual: (data.market, data.serial),
            });
        }
        Ok(OnPosition {
            collateral: balance(fragment, data.collateral),
            rule: fragment.controller,
            data,
        })
    }

    /// Whoever authorises owns the position: it holds the title.
    fn check_owner(&self, on: &OnPosition) -> Result<(), CreditFault> {
        let title = AssetId::issued(on.rule, title_tag(on.data.market, on.data.serial));
        let user = self.fragments.get(usize::from(self.user));
        let user = user.ok_or(CreditFault::Missing { position: self.user })?;
        if balance(user, title) == 0 {
            return Err(CreditFault::NotOwner { title });
        }
        Ok(())
    }

    /// The position of what the call opens.
    fn opened(&self) -> Result<u8, CreditFault> {
        let position = self.fragments.len();
        u8::try_from(position).map_err(|_| CreditFault::Fragments(position))
    }

    /// The effects begin with what the payload means, in a market with these assets.
    fn meaning(&self, collateral: AssetId, asset: AssetId) -> Effect {
        Effect::meaning(0, self.op.meaning(collateral, asset))
    }

    /// In a market with these terms.
    fn meaning_in(&self, terms: &Terms) -> Effect {
        self.meaning(terms.collateral, terms.asset)
    }
}

/// What a fragment holds of an asset.
fn balance(fragment: &FragmentView, asset: AssetId) -> u128 {
    let held = fragment.assets.iter().find(|(held, _)| *held == asset);
    held.map_or(0, |(_, amount)| *amount)
}

/// A move, if there is anything to move.
fn transfer(from: u8, to: u8, asset: AssetId, amount: u128) -> Option<Effect> {
    (amount != 0).then_some(Effect::Move {
        from,
        to,
        asset,
        amount,
    })
}

fn mint(to: u8, tag: B256, amount: u128) -> Effect {
    Effect::Mint { to, tag, amount }
}

fn burn(from: u8, tag: B256, amount: u128) -> Effect {
    Effect::Burn { from, tag, amount }
}

fn write(fragment: u8, data: Vec<u8>) -> Effect {
    let data = data.into();
    Effect::Write { fragment, data }
}
