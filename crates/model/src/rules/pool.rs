//! The Pool rule (`docs/rules/pool.md`), and the quotes that it trades at.

use alloy_primitives::U256;
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Kind,
    rules::pool::{FEE_UNIT, LOCKED_SHARES, Pair, PoolCodecError, PoolOp, PoolState, Side, share_tag},
};

use crate::{
    rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure},
    rules::amounts::{AmountError, add, mul, mul_div_down, mul_div_up, narrow, sqrt_down, sub},
};

/// The rule: constant-product markets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool;

/// Why an operation on a pool fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolFailure {
    /// A payload, or the data of the pool, cannot be read.
    #[error(transparent)]
    Codec(#[from] PoolCodecError),
    /// A number leaves its range.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// Nobody authorises anything, or not what belongs together in one call.
    #[error("a call either creates one pool or works on one that exists")]
    Operations,
    /// `extra` is not what the operation takes.
    #[error("extra has {0} bytes: the address of the rule to create a pool, none otherwise")]
    Extra(usize),
    /// Position 0 is not of a pool.
    #[error("position 0 is not a pool that exists")]
    NoPool,
    /// A payload names another pool than position 0.
    #[error("pool {named} is not at position 0")]
    OtherPool {
        /// The pool that it names.
        named: FragmentId,
    },
    /// There would be no share, or none but those that nobody has.
    #[error("the amounts are too small for a share")]
    NoShares,
    /// Nothing would be traded, or all of a reserve.
    #[error("{0} cannot be bought")]
    Bought(u128),
    /// No shares would be burnt, or some that nobody has.
    #[error("{0} shares cannot be burnt")]
    Burnt(u128),
    /// What somebody gets is below what it wants.
    #[error("{actual} is less than {least}")]
    TooLittle {
        /// What it wants.
        least: u128,
        /// What it gets.
        actual: u128,
    },
    /// What somebody pays is above what it wants.
    #[error("{actual} is more than {most}")]
    TooMuch {
        /// What it wants.
        most: u128,
        /// What it pays.
        actual: u128,
    },
}

impl From<PoolFailure> for RuleFailure {
    fn from(failure: PoolFailure) -> Self {
        Self(failure.to_string())
    }
}

/// What adding liquidity comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// What is paid of each asset.
    pub paid: [u128; 2],
    /// Shares minted.
    pub minted: u128,
    /// By how much the pool's shares grow: by those minted, and the first time by those that nobody has.
    pub shares: u128,
}

/// A pool at a moment: its data, and its reserves in units of its assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liquidity {
    /// Its data.
    pub state: PoolState,
    /// What it holds of asset 0 and of asset 1.
    pub reserves: [u128; 2],
}

impl Liquidity {
    /// That of the pool with these data, which holds these assets.
    ///
    /// # Errors
    ///
    /// If the data are not those of a pool.
    pub fn of(data: &[u8], assets: &[(AssetId, u128)]) -> Result<Self, PoolCodecError> {
        let state = PoolState::decode(data)?;
        let held = |id| {
            assets
                .iter()
                .find(|(asset, _)| *asset == id)
                .map_or(0, |(_, held)| *held)
        };
        let reserves = state.pair.assets.map(held);
        Ok(Self { state, reserves })
    }

    /// What adding at most these amounts comes to.
    ///
    /// # Errors
    ///
    /// If they are too small, or too large.
    pub fn quote_add(&self, at_most: [u128; 2]) -> Result<Added, PoolFailure> {
        let [most_0, most_1] = at_most.map(U256::from);
        let [reserve_0, reserve_1] = self.reserves.map(U256::from);
        let total = U256::from(self.state.shares);
        if total.is_zero() {
            let shares = narrow(sqrt_down(mul(most_0, most_1)?))?;
            let minted = shares.checked_sub(LOCKED_SHARES).filter(|minted| *minted > 0);
            return Ok(Added {
                paid: at_most,
                minted: minted.ok_or(PoolFailure::NoShares)?,
                shares,
            });
        }
        let shares = mul_div_down(most_0, total, reserve_0)?.min(mul_div_down(most_1, total, reserve_1)?);
        if shares.is_zero() {
            return Err(PoolFailure::NoShares);
        }
        let paid = |reserve| narrow(mul_div_up(shares, reserve, total)?);
        let paid = [paid(reserve_0)?, paid(reserve_1)?];
        let minted = narrow(shares)?;
        Ok(Added {
            paid,
            minted,
            shares: minted,
        })
    }

    /// What is paid out of each asset for shares.
    ///
    /// # Errors
    ///
    /// If they are none, or more than anybody can have.
    pub fn quote_remove(&self, shares: u128) -> Result<[u128; 2], PoolFailure> {
        let most = self.state.shares.checked_sub(LOCKED_SHARES);
        if shares < 1 || most.is_none_or(|most| shares > most) {
            return Err(PoolFailure::Burnt(shares));
        }
        let (shares, total) = (U256::from(shares), U256::from(self.state.shares));
        let out = |reserve: u128| narrow(mul_div_down(shares, U256::from(reserve), total)?);
        let [reserve_0, reserve_1] = self.reserves;
        Ok([out(reserve_0)?, out(reserve_1)?])
    }

    /// What is bought of the other asset for an amount of this side's.
    ///
    /// # Errors
    ///
    /// If it is nothing.
    pub fn quote_sell(&self, side: Side, amount: u128) -> Result<u128, PoolFailure> {
        let sold_of = U256::from(side.of(self.reserves));
        let bought_of = U256::from(side.other().of(self.reserves));
        let net = mul_div_down(U256::from(amount), self.after_fee(), U256::from(FEE_UNIT))?;
        match narrow(mul_div_down(net, bought_of, add(sold_of, net)?)?)? {
            0 => Err(PoolFailure::Bought(0)),
            bought => Ok(bought),
        }
    }

    /// What has to be sold of the other asset for an amount of this side's.
    ///
    /// # Errors
    ///
    /// If the amount is zero or not below the reserve, or too much would have to be sold.
    pub fn quote_buy(&self, side: Side, amount: u128) -> Result<u128, PoolFailure> {
        if amount < 1 || amount >= side.of(self.reserves) {
            return Err(PoolFailure::Bought(amount));
        }
        let bought_of = U256::from(side.of(self.reserves));
        let sold_of = U256::from(side.other().of(self.reserves));
        let amount = U256::from(amount);
        let net = mul_div_up(sold_of, amount, sub(bought_of, amount)?)?;
        Ok(narrow(mul_div_up(net, U256::from(FEE_UNIT), self.after_fee())?)?)
    }

    /// Millionths of what is sold that are left after the fee. Not zero in data that were decoded.
    fn after_fee(&self) -> U256 {
        U256::from(FEE_UNIT.saturating_sub(self.state.pair.fee))
    }

    /// This pool, which has the id `pool`, after an operation of the fragment at position `user`, and the effects of that.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn after(mut self, pool: FragmentId, user: u8, op: PoolOp) -> Result<(Self, Vec<Effect>), PoolFailure> {
        let effects = self.apply(pool, user, op)?;
        Ok((self, effects))
    }

    fn apply(&mut self, pool: FragmentId, user: u8, op: PoolOp) -> Result<Vec<Effect>, PoolFailure> {
        let tag = share_tag(pool);
        let [asset_0, asset_1] = self.state.pair.assets;
        match op {
            PoolOp::Create(_) => Err(PoolFailure::Operations),
            PoolOp::Add {
                at_most,
                shares_at_least,
                ..
            } => {
                let Added { paid, minted, shares } = self.quote_add(at_most)?;
                not_less(minted, shares_at_least)?;
                self.state.shares = narrow(add(U256::from(self.state.shares), U256::from(shares))?)?;
                self.receive(Side::Zero, paid[0])?;
                self.receive(Side::One, paid[1])?;
                Ok(vec![
                    moved(user, 0, asset_0, paid[0]),
                    moved(user, 0, asset_1, paid[1]),
                    Effect::Mint {
                        to: user,
                        tag,
                        amount: minted,
                    },
                ])
            }
            PoolOp::Remove { shares, at_least, .. } => {
                let out = self.quote_remove(shares)?;
                self.state.shares = narrow(sub(U256::from(self.state.shares), U256::from(shares))?)?;
                let mut effects = vec![Effect::Burn {
                    from: user,
                    tag,
                    amount: shares,
                }];
                for side in Side::BOTH {
                    let (asset, amount) = (side.of(self.state.pair.assets), side.of(out));
                    not_less(amount, side.of(at_least))?;
                    self.pay(side, amount)?;
                    if amount != 0 {
                        effects.push(moved(0, user, asset, amount));
                    }
                }
                Ok(effects)
            }
            PoolOp::Sell {
                side, amount, at_least, ..
            } => {
                let bought = self.quote_sell(side, amount)?;
                not_less(bought, at_least)?;
                self.trade(user, side, amount, bought)
            }
            PoolOp::Buy {
                side, amount, at_most, ..
            } => {
                let sold = self.quote_buy(side, amount)?;
                if sold > at_most {
                    return Err(PoolFailure::TooMuch {
                        most: at_most,
                        actual: sold,
                    });
                }
                self.trade(user, side.other(), sold, amount)
            }
        }
    }

    /// Takes what is sold, on this side, and gives what is bought.
    fn trade(&mut self, user: u8, side: Side, sold: u128, bought: u128) -> Result<Vec<Effect>, PoolFailure> {
        self.receive(side, sold)?;
        self.pay(side.other(), bought)?;
        Ok(vec![
            moved(user, 0, side.of(self.state.pair.assets), sold),
            moved(0, user, side.other().of(self.state.pair.assets), bought),
        ])
    }

    fn receive(&mut self, side: Side, amount: u128) -> Result<(), AmountError> {
        let reserve = &mut self.reserves[usize::from(side.number())];
        *reserve = narrow(add(U256::from(*reserve), U256::from(amount))?)?;
        Ok(())
    }

    fn pay(&mut self, side: Side, amount: u128) -> Result<(), AmountError> {
        let reserve = &mut self.reserves[usize::from(side.number())];
        *reserve = narrow(sub(U256::from(*reserve), U256::from(amount))?)?;
        Ok(())
    }
}

const fn moved(from: u8, to: u8, asset: AssetId, amount: u128) -> Effect {
    Effect::Move {
        from,
        to,
        asset,
        amount,
    }
}

const fn not_less(actual: u128, least: u128) -> Result<(), PoolFailure> {
    if actual < least {
        return Err(PoolFailure::TooLittle { least, actual });
    }
    Ok(())
}

impl Rule for Pool {
    fn transition(
        &self,
        _: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        Ok(Effect::encode_list(&effects(fragments, authorisations, extra)?))
    }
}

/// What a call of the rule does.
///
/// # Errors
///
/// If the rule fails: why.
pub fn effects(
    fragments: &[FragmentView],
    authorisations: &[AuthorisationView],
    extra: &[u8],
) -> Result<Vec<Effect>, PoolFailure> {
    let mut ops = Vec::new();
    for AuthorisationView { fragment, payload } in authorisations {
        ops.push((*fragment, PoolOp::decode(payload)?));
    }
    match ops.as_slice() {
        [(_, PoolOp::Create(pair))] => create(*pair, fragments.len(), extra),
        ops => operate(fragments, ops, extra),
    }
}

/// Opens a pool: the fragment behind those listed, `new`.
fn create(pair: Pair, new: usize, extra: &[u8]) -> Result<Vec<Effect>, PoolFailure> {
    let rule = extra.try_into().map_err(|_| PoolFailure::Extra(extra.len()))?;
    let state = PoolState { pair, shares: 0 };
    Ok(vec![
        Effect::meaning(0, PoolOp::Create(pair).meaning(pair.assets)),
        Effect::Open {
            depth: 0,
            kind: Kind::Rule.to_u8(),
            controller: rule,
        },
        Effect::Write {
            // A call lists at most 16 fragments.
            fragment: u8::try_from(new).unwrap_or(u8::MAX),
            data: state.encode().into(),
        },
    ])
}

/// Operations on the pool at position 0, one after the other.
fn operate(fragments: &[FragmentView], ops: &[(u8, PoolOp)], extra: &[u8]) -> Result<Vec<Effect>, PoolFailure> {
    if ops.is_empty() {
        return Err(PoolFailure::Operations);
    }
    if !extra.is_empty() {
        return Err(PoolFailure::Extra(extra.len()));
    }
    let pool = fragments.first().ok_or(PoolFailure::NoPool)?;
    if pool.kind != Kind::Rule || pool.id == FragmentId::ZERO {
        return Err(PoolFailure::NoPool);
    }
    let before = Liquidity::of(&pool.data, &pool.assets)?;
    let mut liquidity = before;
    let mut meanings = Vec::new();
    let mut effects = Vec::new();
    // A call has at most 16 authorisations.
    for (number, &(user, op)) in (0..).zip(ops) {
        let named = op.pool().ok_or(PoolFailure::Operations)?;
        if named != pool.id {
            return Err(PoolFailure::OtherPool { named });
        }
        meanings.push(Effect::meaning(number, op.meaning(before.state.pair.assets)));
        let (next, of_op) = liquidity.after(pool.id, user, op)?;
        liquidity = next;
        effects.extend(of_op);
    }
    if liquidity.state.shares != before.state.shares {
        effects.push(Effect::Write {
            fragment: 0,
            data: liquidity.state.encode().into(),
        });
    }
    meanings.extend(effects);
    Ok(meanings)
}
