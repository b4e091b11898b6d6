//! `nthroot credit`: loans against collateral.

mod lend;
mod loan;
mod show;

use clap::Subcommand;
use eyre::Result;
use nthroot_protocol::{FragmentId, rules::credit::CreditOp};
use nthroot_wallet::Request;

use crate::{args::Posting, client::OpenMarket};

/// Lend, borrow against collateral, call loans and bid for what secures them
#[derive(Subcommand)]
pub(crate) enum Command {
    Create(lend::Create),
    Lend(lend::Lend),
    Redeem(lend::Redeem),
    Borrow(loan::Borrow),
    Repay(loan::Repay),
    Call(loan::Call),
    Bid(loan::Bid),
    Add(loan::Add),
    Close(loan::Close),
    Show(show::Show),
    List(show::List),
    Positions(show::Positions),
}

/// A position that exists.
#[derive(clap::Args)]
pub(crate) struct OfPosition {
    /// The market
    #[arg(value_name = "MARKET")]
    market: FragmentId,

    /// The position's number in the market
    #[arg(long, value_name = "NUMBER")]
    position: u64,

    #[command(flatten)]
    posting: Posting,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Create(args) => lend::create(args).await,
        Command::Lend(args) => lend::lend(args).await,
        Command::Redeem(args) => lend::redeem(args).await,
        Command::Borrow(args) => loan::borrow(args).await,
        Command::Repay(args) => loan::repay(args).await,
        Command::Call(args) => loan::call(args).await,
        Command::Bid(args) => loan::bid(args).await,
        Command::Add(args) => loan::add(args).await,
        Command::Close(args) => loan::close(args).await,
        Command::Show(args) => show::show(args).await,
        Command::List(args) => show::list(args).await,
        Command::Positions(args) => show::positions(args).await,
    }
}

/// An operation on a market, with its assets.
fn request(market: &OpenMarket, op: CreditOp) -> Request {
    let terms = market.data.terms;
    Request::Credit {
        op,
        collateral: terms.collateral,
        asset: terms.asset,
    }
}
