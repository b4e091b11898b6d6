//! Bringing intents to swap together.

use std::path::PathBuf;

use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use nthroot_protocol::{
    AssetId, FragmentId,
    rules::swap::{Fill, Leg, SwapIntent},
};
use nthroot_wallet::{
    Plan, Request, SignedIntent,
    solver::{Party, clear},
};

use crate::{
    amount::Quantity,
    args::Signing,
    client::Client,
    post::{check, post, read_intent},
    sign::{Wanted, sign},
};

/// Fill signed intents to swap, all in one step
///
/// Everybody gets what was asked for; with --take a fragment of yours gets what is given and not asked for, and may help with
/// what you --give. You sign for exactly that.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot swap fill a.json b.json --take --fragment 14.1/0#0")]
pub(crate) struct Args {
    /// Files with signed intents
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Take what is left over to a fragment of your own
    #[arg(long)]
    take: bool,

    /// With --take: what you give at most, where the intents need it
    #[arg(long, value_name = "AMOUNT:ASSET", requires = "take")]
    give: Vec<Quantity>,

    #[command(flatten)]
    signing: Signing,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let signing = &args.signing;
    let client = Client::connect(&signing.chain).await?;
    let mut intents = Vec::new();
    let mut parties: Vec<Party> = Vec::new();
    for file in &args.files {
        let signed = read_intent(file)?;
        let checked = check(&client, &signed).wrap_err_with(|| file.display().to_string())?;
        let Request::Swap(intent) = checked else {
            bail!("{} is no intent to swap", file.display());
        };
        parties.push((signed.fragment, intent));
        intents.push(signed);
    }
    let clock = client.clock();
    let fill = if args.take {
        let Some((own, fill)) = take(&client, &args, &mut parties)? else {
            return Ok(());
        };
        intents.push(own);
        fill
    } else {
        clear(clock, &parties, None)?
    };
    let mut plan = Plan::new(client.book);
    plan.swap(&intents, &fill)?;
    let watched: Vec<FragmentId> = parties.iter().map(|(fragment, _)| *fragment).collect();
    post(client, &signing.chain, &signing.key, plan.finish(), &watched).await
}

/// Takes the surplus with an intent of one's own, which is added to the parties; none if it is for another wallet to sign.
fn take(client: &Client, args: &Args, parties: &mut Vec<Party>) -> Result<Option<(SignedIntent, Fill)>> {
    let own = own_fragment(client, args, parties)?;
    let mut gives = Vec::new();
    for give in &args.give {
        let (asset, amount) = give.fixed().map_err(|error| eyre::eyre!("--give: {error}"))?;
        gives.push(Leg::fixed(asset, amount));
    }
    if gives.is_empty() {
        // An intent gives something: at most one unit, which is not taken unless a rounding is in the way.
        let (asset, _) = client
            .fragment(own)?
            .assets
            .iter()
            .next()
            .ok_or_eyre("the fragment is empty")?;
        gives.push(Leg::fixed(*asset, 1));
    }
    gives.sort_unstable_by_key(|leg| leg.asset);
    let intent = |gets: Vec<Leg>| SwapIntent {
        gives: gives.clone(),
        gets,
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    };
    // First to see what is left over, then to sign for no less.
    let number = parties.len();
    parties.push((own, intent(vec![Leg::fixed(AssetId::ETH, 0)])));
    let fill = clear(client.clock(), parties, Some(number))?;
    let mut gets = Vec::new();
    for (number_of_asset, asset) in (0_u8..).zip(&fill.assets) {
        let moves = fill
            .moves
            .iter()
            .filter(|one| one.asset == number_of_asset && usize::from(one.to) == number);
        let amount: u128 = moves.map(|one| one.amount).fold(0, u128::saturating_add);
        if amount > 0 {
            gets.push(Leg::fixed(*asset, amount));
        }
    }
    ensure!(!gets.is_empty(), "nothing is left over: fill them without --take");
    let final_intent = intent(gets);
    parties[number].1 = final_intent.clone();
    let mut signing: Signing = args.signing.clone();
    signing.fragment = Some(own);
    let wanted = Wanted::new(client, Request::Swap(final_intent));
    Ok(sign(client, &signing, wanted)?.map(|signed| (signed, fill)))
}

/// The fragment that is named, or the only one that is not a party already.
fn own_fragment(client: &Client, args: &Args, parties: &[Party]) -> Result<FragmentId> {
    if let Some(id) = args.signing.fragment {
        return Ok(id);
    }
    let own = client.own(args.signing.key.public()?);
    let mut free = own
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| parties.iter().all(|(party, _)| party != id));
    let first = free
        .next()
        .ok_or_eyre("you have no fragment to take it to: `nthroot deposit` opens one")?;
    ensure!(
        free.next().is_none(),
        "you have several fragments: choose one with --fragment"
    );
    Ok(first)
}
