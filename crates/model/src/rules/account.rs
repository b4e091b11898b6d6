//! The Account rule (section 6.4).

use nthroot_protocol::{AccountOp, AssetId, Effect, FragmentId, Kind};

use crate::rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure};

/// The enshrined rule: each signer's payload is a list of operations on its own fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account;

fn failure(reason: impl Into<String>) -> RuleFailure {
    RuleFailure(reason.into())
}

impl Rule for Account {
    fn transition(
        &self,
        _: &Context,
        fragments: &[FragmentView],
        authorisations: &[AuthorisationView],
        extra: &[u8],
    ) -> Result<Vec<u8>, RuleFailure> {
        if !extra.is_empty() {
            return Err(failure(format!("{} bytes of extra, expected none", extra.len())));
        }
        let mut effects = Vec::new();
        let mut opened = 0;
        for authorisation in authorisations {
            let from = authorisation.fragment;
            let ops = AccountOp::decode_payload(&authorisation.payload).map_err(|error| failure(error.to_string()))?;
            for op in ops {
                match op {
                    AccountOp::Pay { to: id, asset, amount } => {
                        // The zero id is that of every new fragment, so it names none.
                        let listed = fragments.iter().position(|fragment| fragment.id == id);
                        let to = listed.filter(|_| id != FragmentId::ZERO);
                        let to = to.ok_or_else(|| failure(format!("fragment {id} is not listed")))?;
                        effects.push(Effect::Move {
                            from,
                            to: position(to)?,
                            asset,
                            amount,
                        });
                    }
                    AccountOp::Open {
                        depth,
                        kind,
                        controller,
                        assets,
                    } => {
                        let open = Effect::Open {
                            depth,
                            kind,
                            controller,
                        };
                        let to = position(fragments.len() + opened)?;
                        opened += 1;
                        effects.extend(open_and_pay(open, kind, from, to, assets)?);
                    }
                    AccountOp::OpenLeaf {
                        kind,
                        controller,
                        assets,
                    } => {
                        let open = Effect::OpenLeaf {
                            header: from,
                            kind,
                            controller,
                        };
                        let to = position(fragments.len() + opened)?;
                        opened += 1;
                        effects.extend(open_and_pay(open, kind, from, to, assets)?);
                    }
                    AccountOp::SetController { kind, controller } => effects.push(Effect::SetController {
                        fragment: from,
                        kind,
                        controller,
                    }),
                    AccountOp::SetLease { holder, last_block } => effects.push(Effect::SetLease {
                        fragment: from,
                        holder,
                        last_block,
                    }),
                    AccountOp::Withdraw {
                        recipient,
                        token,
                        amount,
                    } => effects.push(Effect::Withdraw {
                        from,
                        recipient,
                        token,
                        amount,
                    }),
                }
            }
        }
        Ok(Effect::encode_list(&effects))
    }
}

/// An opening, then a move to the new fragment for each of the assets.
fn open_and_pay(
    open: Effect,
    kind: u8,
    from: u8,
    to: u8,
    assets: Vec<(AssetId, u128)>,
) -> Result<impl Iterator<Item = Effect>, RuleFailure> {
    if kind == Kind::Rule.to_u8() {
        // Nothing could ever move what lies under this rule itself.
        return Err(failure("a fragment of kind 3 cannot be opened"));
    }
    let pay = move |(asset, amount)| Effect::Move {
        from,
        to,
        asset,
        amount,
    };
    Ok(std::iter::once(open).chain(assets.into_iter().map(pay)))
}

/// A position as a byte. Whoever needs a greater one has more than 64 effects, which no call may return.
fn position(position: usize) -> Result<u8, RuleFailure> {
    u8::try_from(position).map_err(|_| failure("too many fragments"))
}
