//! `nthroot explain`: bytes and what they mean, side by side.

mod broken;
mod bytes;
mod call;
mod chain;
mod known;
mod out;
mod step;

use std::path::PathBuf;

use alloy::primitives::{B256, Bytes};
use clap::ValueEnum;
use eyre::{Result, WrapErr, bail};
use nthroot_node::L1;
use nthroot_protocol::BatchId;

use self::{known::Known, out::Out};
use crate::args::{Chain, Manifest};

/// Explain a transaction, a batch, or bytes
///
/// Decodes what calls of the bridge carry (batches with their steps, proofs, claims, deposits and all else) field by field, in the
/// words of docs/spec.md, with the same decoders that everything else uses. Of a transaction or a batch on L1 it also derives the states
/// before it: so it says who signed what and whether that is good, what each step is judged, and why. What is malformed is told with the
/// byte and the rule that it breaks.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  nthroot explain 15.1\n  nthroot explain 0x… --hex        (a transaction's hash: 32 bytes)\n  \
                  nthroot explain 0x… --as batch    (any other bytes: calldata, or what --as says)"
)]
pub(crate) struct Args {
    /// A transaction's hash; a batch or a deposit by its id (block.sequence); or bytes in hexadecimal
    #[arg(value_name = "WHAT")]
    what: String,

    /// The L1 node; only for what is on L1
    #[arg(
        long,
        value_name = "URL",
        env = "NTHROOT_RPC_URL",
        default_value = "http://127.0.0.1:8545"
    )]
    rpc_url: String,

    /// The manifest of the deployment. Bytes are explained without one too, but for the payloads of rules that come with the bridge
    #[arg(
        long,
        value_name = "FILE",
        env = "NTHROOT_DEPLOYMENT",
        default_value = "deployment.json"
    )]
    deployment: PathBuf,

    /// What the bytes are; else that is guessed
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,

    /// Show offset and bytes beside each field
    #[arg(long)]
    hex: bool,

    /// Do not derive the states before: no signers and no verdicts
    #[arg(long)]
    no_state: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What bytes can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Calldata of the bridge or its registry
    Calldata,
    /// What `submit` takes (section 4)
    Batch,
    /// What `challenge` takes (section 7)
    Evidence,
    /// A commitment preimage (section 4.6)
    Preimage,
    /// A list of entries (section 4.6)
    Entries,
    /// A fragment's state (section 3)
    Fragment,
}

/// What is to be explained.
enum What {
    Transaction(B256),
    Batch(BatchId),
    Bytes(Bytes),
}

impl What {
    fn parse(text: &str, kind: Option<Kind>) -> Result<Self> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Batch(id));
        }
        let bytes: Bytes = text
            .parse()
            .wrap_err("this is neither a batch id (block.sequence) nor bytes in hexadecimal")?;
        Ok(match B256::try_from(&bytes[..]) {
            Ok(hash) if kind.is_none() => Self::Transaction(hash),
            _ => Self::Bytes(bytes),
        })
    }
}

/// Explains.
pub(crate) async fn run(args: Args) -> Result<()> {
    let chain = Chain {
        rpc_url: Some(args.rpc_url.clone()),
        node: None,
        deployment: args.deployment.clone(),
        no_store: true,
        json: args.json,
    };
    let mut out = Out::default();
    match What::parse(&args.what, args.kind)? {
        What::Bytes(bytes) => {
            let manifest = if args.deployment.exists() {
                Some(chain.manifest()?)
            } else {
                None
            };
            let known = Known::of(manifest.as_ref());
            bytes_as(&mut out, &known, args.kind, &bytes);
        }
        what => {
            let manifest: Manifest = chain.manifest()?;
            let l1: L1 = crate::reach::connect_l1(&chain).await?;
            let look = chain::Look {
                l1: &l1,
                manifest: &manifest,
                derives: !args.no_state,
            };
            match what {
                What::Batch(id) => look.batch(&mut out, id).await?,
                What::Transaction(hash) => look.transaction(&mut out, hash).await?,
                What::Bytes(_) => bail!("bytes are not on L1"),
            }
        }
    }
    out.print(args.hex, args.json);
    Ok(())
}

/// Explains bytes by themselves. Never fails: what cannot be read is said.
fn bytes_as(out: &mut Out, known: &Known, kind: Option<Kind>, bytes: &[u8]) {
    match kind.unwrap_or_else(|| guess(bytes)) {
        Kind::Calldata => call::explain(out, known, None, bytes),
        Kind::Batch => {
            out.fact("kind", "batch");
            bytes::batch(out, known, &[], bytes);
        }
        Kind::Evidence => {
            out.fact("kind", "evidence");
            bytes::evidence(out, known, bytes);
        }
        Kind::Preimage => {
            out.fact("kind", "preimage");
            bytes::preimage(out, bytes);
        }
        Kind::Entries => {
            out.fact("kind", "entries");
            bytes::entries(out, bytes);
        }
        Kind::Fragment => {
            out.fact("kind", "fragment");
            bytes::fragment(out, known, bytes, 0);
        }
    }
}

/// What bytes are most likely: calldata begins with a selector, a batch with its version and data availability.
fn guess(bytes: &[u8]) -> Kind {
    if call::is_known(bytes) {
        Kind::Calldata
    } else if bytes.starts_with(&[1, 0]) {
        Kind::Batch
    } else if bytes.first() == Some(&0) && nthroot_protocol::Fragment::decode(bytes).is_ok() {
        Kind::Fragment
    } else if nthroot_protocol::Preimage::decode(bytes).is_ok() {
        Kind::Preimage
    } else {
        Kind::Evidence
    }
}

#[cfg(test)]
mod tests;
