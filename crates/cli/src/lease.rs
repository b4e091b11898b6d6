//! `nthroot lease`: who alone may touch an anchor for a while.

use alloy::primitives::Address;
use eyre::{OptionExt, Result, ensure};
use nthroot_protocol::{AccountOp, FragmentId, limits::MAX_LEASE};
use nthroot_wallet::Request;

use crate::{args::Posting, post::carry, reach::Reach, sign::Wanted};

/// Lease a fragment to a proposer for a while
///
/// While the lease runs nobody else may post a step on the fragment's anchor, not even you; and its holder may credit the fragment
/// with assets that it holds already, without asking you. It ends by itself. For a cohort it is signed for its leaf 0.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot lease 12.1/0#0 --holder 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --blocks 30\n  nthroot lease 12.1/0#0 --end"
)]
pub(crate) struct Args {
    /// The fragment
    #[arg(value_name = "ID")]
    id: FragmentId,

    /// Who alone may post: by default the node that is named
    #[arg(long, value_name = "ADDRESS", conflicts_with = "end")]
    holder: Option<Address>,

    /// For how many blocks, at most 64
    #[arg(long, value_name = "BLOCKS", default_value_t = MAX_LEASE, value_parser = clap::value_parser!(u64).range(1..=MAX_LEASE))]
    blocks: u64,

    /// End the present lease, which its holder has to post
    #[arg(long)]
    end: bool,

    #[command(flatten)]
    posting: Posting,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let signing = &args.posting.signing;
    ensure!(
        signing.fragment.is_none_or(|id| id == args.id),
        "--fragment is another one than the one that is leased"
    );
    let reach = Reach::connect(&signing.chain, None, &[args.id]).await?;
    let (holder, last_block) = if args.end {
        (Address::ZERO, 0)
    } else {
        let holder = match (args.holder, reach.carrier(&signing.chain)?) {
            (Some(holder), _) => Some(holder),
            (None, Some(carrier)) => Some(carrier.terms().await?.proposer),
            (None, None) => None,
        };
        let holder = holder.ok_or_eyre("to whom? Name an address with --holder, or a node with --node")?;
        ensure!(!holder.is_zero(), "nobody has the address zero");
        (holder, reach.view().clock().saturating_add(args.blocks))
    };
    let request = Request::Account(vec![AccountOp::SetLease { holder, last_block }]);
    let wanted = Wanted::new(reach.view(), request);
    let mut posting = args.posting.clone();
    posting.signing.fragment = Some(args.id);
    carry(reach, &posting, wanted, Vec::new()).await
}
