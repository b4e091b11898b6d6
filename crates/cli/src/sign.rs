//! From a request to a signed intent: the fragment found, the intent shown, the consent asked for.

use std::io::{BufRead, IsTerminal, Write};

use alloy::{
    primitives::{hex, normalize_v},
    signers::local::PrivateKeySigner,
};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use nthroot_protocol::{AssetId, FragmentId, Key, Signature};
use nthroot_wallet::{Intent, Request, SignedIntent, typed_data};

use crate::{args::Signing, client::Client, text::print_json};

/// What somebody wants, and what the fragment must hold for it.
pub(crate) struct Wanted {
    pub(crate) request: Request,
    pub(crate) needs: Vec<(AssetId, u128)>,
}

impl Wanted {
    /// It needs as much as it lets go at most.
    pub(crate) fn new(client: &Client, request: Request) -> Self {
        let outflows = request.outflows(&client.book).into_iter();
        let needs = outflows.map(|outflow| (outflow.asset, outflow.amount)).collect();
        Self { request, needs }
    }

    /// It needs only so much of an asset, though it would let go more.
    pub(crate) fn needing(mut self, asset: AssetId, amount: u128) -> Self {
        for (needed, least) in &mut self.needs {
            if *needed == asset {
                *least = amount.min(*least);
            }
        }
        self
    }
}

/// Shows what is wanted, and has it signed by the key at hand, or takes the signature that an outside wallet made. None if it
/// was printed for such a wallet instead.
pub(crate) fn sign(client: &Client, signing: &Signing, wanted: Wanted) -> Result<Option<SignedIntent>> {
    // Whoever lets an outside wallet sign for a fragment may have another key at hand, to post with.
    let outside_wallet = signing.signature.is_some() || (signing.typed_data && signing.fragment.is_some());
    let key = if outside_wallet { None } else { signing.key.find()? };
    let fragment = choose(client, signing, key.as_ref(), &wanted.needs)?;
    let state = client.fragment(fragment)?;
    let intent = Intent {
        request: wanted.request,
        fragment,
        nonce: state.nonce,
        valid_until: signing.until(client.clock())?,
    };
    let domain = client.domain();
    if signing.typed_data {
        print_json(&typed_data(&intent, &client.book, &domain));
        return Ok(None);
    }
    if let Some(text) = &signing.signature {
        let signed = intent.signed(&client.book, signature_of(text)?);
        let key = Key::new(state.kind.to_u8(), state.controller)?;
        signed.check(&intent.request, &domain, key).wrap_err(
            "the signature is not one of what this command asks for; is everything as it was with --typed-data?",
        )?;
        return Ok(Some(signed));
    }
    let key = key.ok_or_eyre("no key: set NTHROOT_KEY, or name a file with --key-file, or use --typed-data")?;
    show(signing, &intent.lines(&client.book));
    consent(signing.yes)?;
    Ok(Some(intent.sign(&client.book, &domain, key.credential())))
}

/// Shows what is about to be signed: beside the result, if that is for a program.
pub(crate) fn show(signing: &Signing, lines: &[String]) {
    if signing.chain.json {
        eprintln!("{}", lines.join("\n"));
    } else {
        println!("{}", lines.join("\n"));
    }
}

/// Asks, unless it was said beforehand.
pub(crate) fn consent(yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    ensure!(
        stdin.is_terminal(),
        "nobody is there to consent: pass --yes to sign this"
    );
    eprint!("Sign this? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "not signed");
    Ok(())
}

/// The fragment that is named, or the only one under the key that holds what is needed.
fn choose(
    client: &Client,
    signing: &Signing,
    key: Option<&PrivateKeySigner>,
    needs: &[(AssetId, u128)],
) -> Result<FragmentId> {
    if let Some(id) = signing.fragment {
        let controller = client.fragment(id)?.controller;
        if let Some(key) = key.filter(|key| key.address() != controller) {
            bail!(
                "fragment {id} is under {controller}, not under your key {}",
                key.address()
            );
        }
        return Ok(id);
    }
    let key = key.ok_or_eyre("whose? Name a fragment with --fragment, or a key (NTHROOT_KEY or --key-file)")?;
    let mut own = client.own(Key::Secp256k1(key.address()));
    own.retain(|(_, fragment)| !fragment.assets.is_empty());
    let mut enough = own
        .iter()
        .filter(|(_, fragment)| needs.iter().all(|(asset, least)| fragment.balance(*asset) >= *least));
    let names = client.names();
    let needed: Vec<String> = needs
        .iter()
        .map(|(asset, least)| names.amount(*asset, *least))
        .collect();
    let Some((first, _)) = enough.next() else {
        bail!(
            "none of the {} fragments under {} holds {}: `nthroot fragments` lists them, `nthroot deposit` opens one, `nthroot merge` makes one of many",
            own.len(),
            key.address(),
            if needed.is_empty() {
                "anything".to_owned()
            } else {
                needed.join(" and ")
            },
        );
    };
    let others: Vec<String> = enough.map(|(id, _)| id.to_string()).collect();
    if !others.is_empty() {
        bail!(
            "fragments {first}, {} would do: choose one with --fragment",
            others.join(", ")
        );
    }
    Ok(*first)
}

/// A signature as wallets return it: r ‖ s ‖ v.
fn signature_of(text: &str) -> Result<Signature> {
    let bytes: [u8; 65] = hex::decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_eyre("--signature takes 65 bytes in hexadecimal, as eth_signTypedData_v4 returns them")?;
    let odd = normalize_v(bytes[64].into()).ok_or_eyre("the signature's last byte is no parity")?;
    let mut compact: [u8; 64] = bytes[..64].try_into()?;
    if odd {
        compact[32] |= 0x80;
    }
    Ok(Signature::Secp256k1(compact.into()))
}
