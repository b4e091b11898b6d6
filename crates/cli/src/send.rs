//! Paying others, and leaving: `nthroot send`, `nthroot withdraw`, `nthroot consent`.

use std::path::PathBuf;

use alloy::primitives::Address;
use eyre::{OptionExt, Result, bail, ensure};
use nthroot_protocol::{AccountOp, AssetId, FragmentId, Key, Kind};
use nthroot_wallet::{Request, SignedIntent};

use crate::{
    amount::{AmountOrAll, parse_asset},
    args::Posting,
    key::parse_key,
    post::{carry, read_intent},
    reach::Reach,
    sign::{Wanted, is_under, sign_as},
    text::print_json,
};

/// To whom something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Key(Key),
    Fragment(FragmentId),
}

fn parse_to(text: &str) -> Result<To, String> {
    if let Ok(id) = text.parse() {
        return Ok(To::Fragment(id));
    }
    let key = parse_key(text).map(To::Key);
    key.map_err(|_| {
        format!("`{text}` is neither a key (an Ethereum address, or p256:ADDRESS) nor a fragment (as 12.1/0#0)")
    })
}

/// Send assets to a key or to a fragment
///
/// To a key: it opens a new fragment under that key with them; its owner need not know. To a fragment: that goes into it, which its
/// owner must allow. Of fragments under your own key you do it by the same signature; a fragment that is leased to whoever posts can be
/// credited with assets that it holds already; everybody else consents with a file that `nthroot consent` writes, given here with
/// --consent.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot send 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 0.5ether\n  nthroot send p256:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC all --asset 0x5FbDB2315678afecb367f032d93F642f64180aa3\n  nthroot send 12.1/0#0 1ether --consent bob.json"
)]
pub(crate) struct SendArgs {
    /// A key (an Ethereum address, or p256:ADDRESS), or a fragment's id
    #[arg(value_name = "TO", value_parser = parse_to)]
    to: To,

    /// How much, in base units or with a unit, or `all` that the fragment holds
    #[arg(value_name = "AMOUNT")]
    amount: AmountOrAll,

    /// What: ETH, a token's address, or the id of an asset that a rule issues
    #[arg(long, value_name = "ASSET", default_value = "ETH", value_parser = parse_asset)]
    asset: AssetId,

    /// The consent of the fragment that is paid, as its owner signed it
    #[arg(long, value_name = "FILE")]
    consent: Option<PathBuf>,

    #[command(flatten)]
    posting: Posting,
}

pub(crate) async fn send(args: SendArgs) -> Result<()> {
    let signing = &args.posting.signing;
    let mut ids: Vec<FragmentId> = signing.fragment.into_iter().collect();
    if let To::Fragment(id) = args.to {
        ids.push(id);
    }
    let reach = Reach::connect(&signing.chain, signing.owner()?, &ids).await?;
    let mut posting = args.posting.clone();
    let amount = amount_of(&reach, &mut posting, args.amount, args.asset)?;
    let (op, consents) = match args.to {
        To::Key(key) => {
            ensure!(
                args.consent.is_none(),
                "--consent is of a fragment: TO is a key, and gets a new fragment"
            );
            let open = AccountOp::Open {
                depth: 0,
                kind: key.kind().to_u8(),
                controller: key.controller(),
                assets: vec![(args.asset, amount)],
            };
            (open, Vec::new())
        }
        To::Fragment(to) => {
            let pay = AccountOp::Pay {
                to,
                asset: args.asset,
                amount,
            };
            (pay, consents(&reach, &args, to, args.asset).await?)
        }
    };
    let wanted = Wanted::new(reach.view(), Request::Account(vec![op]));
    let wanted = if let To::Fragment(to) = args.to {
        wanted.not_from(to)
    } else {
        wanted
    };
    carry(reach, &posting, wanted, consents).await
}

/// By whom a fragment's owner allows that it is paid.
async fn consents(reach: &Reach, args: &SendArgs, to: FragmentId, asset: AssetId) -> Result<Vec<SignedIntent>> {
    let signing = &args.posting.signing;
    if let Some(file) = &args.consent {
        let consent = read_intent(file)?;
        ensure!(
            consent.fragment == to,
            "{} is of fragment {}, not of {to}",
            file.display(),
            consent.fragment
        );
        return Ok(vec![consent]);
    }
    let view = reach.view();
    let fragment = view.fragment(to)?;
    ensure!(
        fragment.kind != Kind::Rule,
        "fragment {to} is under rule {}: only calls of that rule pay it (`nthroot pool add`, `nthroot credit lend`)",
        fragment.controller
    );
    if let Some(key) = signing.key.find_public()?
        && is_under(fragment, key)
    {
        ensure!(
            !signing.typed_data && signing.signature.is_none(),
            "two fragments sign this: it takes the key itself"
        );
        return Ok(vec![sign_as(view, signing, Request::Account(Vec::new()), to)?]);
    }
    let poster = reach.poster(signing).await?;
    // The lease of a cohort's leaf is that of its header.
    let header = to.anchor().leaf(0).ok_or_eyre("every anchor has a leaf 0")?;
    let lease = reach.lease(header).await?;
    let runs = lease.filter(|lease| lease.runs(view.clock()) && Some(lease.holder) == poster);
    match runs {
        Some(_) if fragment.balance(asset) > 0 => Ok(Vec::new()),
        Some(_) => bail!(
            "fragment {to} is leased to whoever posts this, but without its owner's consent it can only be credited with what it \
             holds already: send to its owner's key instead, which opens a new fragment"
        ),
        None => bail!(
            "fragment {to} is {}'s, who must consent: they run `nthroot consent {to}` and give you the file for --consent; or send \
             to their key instead, which opens a new fragment and asks nobody",
            fragment.controller
        ),
    }
}

/// How much is meant, and of which fragment: all of what the named one holds, or the only one that holds any.
fn amount_of(reach: &Reach, posting: &mut Posting, amount: AmountOrAll, asset: AssetId) -> Result<u128> {
    if let AmountOrAll::Amount(amount) = amount {
        ensure!(amount > 0, "0 is nothing to send");
        return Ok(amount);
    }
    let view = reach.view();
    let id = match posting.signing.fragment {
        Some(id) => id,
        None => {
            let own = view.own(posting.signing.key.public()?).into_iter();
            let mut holders = own
                .filter(|(_, fragment)| fragment.balance(asset) > 0)
                .map(|(id, _)| id);
            let first = holders.next().ok_or_eyre("none of your fragments holds any of it")?;
            ensure!(
                holders.next().is_none(),
                "several of your fragments hold some of it: choose one with --fragment, or make one of them with `nthroot merge`"
            );
            first
        }
    };
    posting.signing.fragment = Some(id);
    let all = view.fragment(id)?.balance(asset);
    ensure!(all > 0, "fragment {id} holds nothing of it");
    Ok(all)
}

/// Withdraw to L1
///
/// The money is on L1 once the batch is final and its claim was pushed: `nthroot claim` does that, and so may anybody for you.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot withdraw 0.5ether --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n  nthroot withdraw all --asset 0x5FbDB2315678afecb367f032d93F642f64180aa3 --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
)]
pub(crate) struct WithdrawArgs {
    /// How much, in base units or with a unit, or `all` that the fragment holds
    #[arg(value_name = "AMOUNT")]
    amount: AmountOrAll,

    /// Who is paid on L1
    #[arg(long, value_name = "ADDRESS")]
    to: Address,

    /// What: ETH, or a token's address
    #[arg(long, value_name = "ASSET", default_value = "ETH", value_parser = parse_asset)]
    asset: AssetId,

    #[command(flatten)]
    posting: Posting,
}

pub(crate) async fn withdraw(args: WithdrawArgs) -> Result<()> {
    let signing = &args.posting.signing;
    let token = args.asset.as_token();
    let token = token.ok_or_eyre(
        "what a rule issues is nothing on L1: redeem it first (`nthroot pool remove`, `nthroot credit redeem`), then withdraw what you get",
    )?;
    ensure!(!args.to.is_zero(), "nobody has the address zero");
    let ids: Vec<FragmentId> = signing.fragment.into_iter().collect();
    let reach = Reach::connect(&signing.chain, signing.owner()?, &ids).await?;
    let mut posting = args.posting.clone();
    let amount = amount_of(&reach, &mut posting, args.amount, args.asset)?;
    let op = AccountOp::Withdraw {
        recipient: args.to,
        token,
        amount,
    };
    let wanted = Wanted::new(reach.view(), Request::Account(vec![op]));
    carry(reach, &posting, wanted, Vec::new()).await
}

/// Consent to be paid, in a file for whoever pays
///
/// It is signed for the fragment's next nonce, and so good for one payment; nothing may leave the fragment by it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot consent 12.1/0#0 --yes > consent.json")]
pub(crate) struct ConsentArgs {
    /// The fragment
    #[arg(value_name = "ID")]
    id: FragmentId,

    #[command(flatten)]
    signing: crate::args::Signing,
}

pub(crate) async fn consent(args: ConsentArgs) -> Result<()> {
    let mut signing = args.signing;
    signing.fragment = Some(args.id);
    // The result is for a program in any case: what is shown stands beside it.
    signing.chain.json = true;
    let reach = Reach::connect(&signing.chain, None, &[args.id]).await?;
    let wanted = Wanted::new(reach.view(), Request::Account(Vec::new()));
    if let Some(signed) = crate::sign::sign(reach.view(), &signing, wanted)? {
        print_json(&serde_json::to_value(&signed)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_keys_or_fragments() {
        let address = Address::repeat_byte(7);
        assert_eq!(parse_to(&address.to_string()), Ok(To::Key(Key::Secp256k1(address))));
        assert_eq!(parse_to(&format!("p256:{address}")), Ok(To::Key(Key::P256(address))));
        assert!(matches!(parse_to("12.1/0#3"), Ok(To::Fragment(id)) if id.leaf() == 3));
        assert!(parse_to("bob").is_err() && parse_to("12.1").is_err());
    }
}
