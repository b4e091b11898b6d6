//! From a request to a signed intent: the fragment found, the intent shown, the consent asked for.

use std::io::{BufRead, IsTerminal, Write};

use alloy::primitives::{hex, normalize_v};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use nthroot_protocol::{AssetId, Fragment, FragmentId, Key, Signature};
use nthroot_wallet::{Intent, Request, SignedIntent, typed_data};

use crate::{
    args::Signing,
    key::{self, NO_KEY, UserKey},
    reach::View,
    text::print_json,
};

/// What somebody wants, and what the fragment must hold for it.
pub(crate) struct Wanted {
    pub(crate) request: Request,
    pub(crate) needs: Vec<(AssetId, u128)>,
    /// A fragment that it cannot be, since it is paid.
    pub(crate) except: Option<FragmentId>,
}

impl Wanted {
    /// It needs as much as it lets go at most.
    pub(crate) fn new(view: &dyn View, request: Request) -> Self {
        let outflows = request.outflows(view.book()).into_iter();
        let needs = outflows.map(|outflow| (outflow.asset, outflow.amount)).collect();
        Self {
            request,
            needs,
            except: None,
        }
    }

    /// Whoever signs, it is not this fragment.
    pub(crate) const fn not_from(mut self, fragment: FragmentId) -> Self {
        self.except = Some(fragment);
        self
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
pub(crate) fn sign(view: &dyn View, signing: &Signing, wanted: Wanted) -> Result<Option<SignedIntent>> {
    // Whoever lets an outside wallet sign for a fragment may have another key at hand, to post with.
    let outside_wallet = signing.signature.is_some() || (signing.typed_data && signing.fragment.is_some());
    let key = if outside_wallet { None } else { signing.key.find()? };
    let fragment = choose(view, signing, key.as_ref(), &wanted)?;
    let state = view.fragment(fragment)?;
    let intent = Intent {
        request: wanted.request,
        fragment,
        nonce: match signing.nonce {
            Some(nonce) => nonce,
            None => view.next_nonce(fragment)?,
        },
        valid_until: signing.until(view.clock())?,
    };
    let domain = view.domain();
    if signing.typed_data {
        print_json(&typed_data(&intent, view.book(), &domain));
        return Ok(None);
    }
    if let Some(text) = &signing.signature {
        let signed = intent.signed(view.book(), signature_of(text)?);
        let key = Key::new(state.kind.to_u8(), state.controller)?;
        signed.check(&intent.request, &domain, key).wrap_err(
            "the signature is not one of what this command asks for; is everything as it was with --typed-data?",
        )?;
        return Ok(Some(signed));
    }
    let key = key.ok_or_else(|| eyre::eyre!("{NO_KEY}, or use --typed-data"))?;
    show(signing, &intent.lines(view.book()));
    consent(signing.yes)?;
    Ok(Some(intent.sign(view.book(), &domain, key.signer())))
}

/// Signs something further by the key at hand, for another fragment of its. It is shown, and was consented to with the rest.
pub(crate) fn sign_as(view: &dyn View, signing: &Signing, request: Request, id: FragmentId) -> Result<SignedIntent> {
    let intent = Intent {
        request,
        fragment: id,
        nonce: view.next_nonce(id)?,
        valid_until: signing.until(view.clock())?,
    };
    sign_beside(view, signing, &intent)
}

/// The same for the fragment that signed before, in a call that follows.
pub(crate) fn sign_next(
    view: &dyn View,
    signing: &Signing,
    request: Request,
    before: &SignedIntent,
) -> Result<SignedIntent> {
    let intent = Intent {
        request,
        fragment: before.fragment,
        nonce: before.nonce.saturating_add(1),
        valid_until: before.valid_until,
    };
    sign_beside(view, signing, &intent)
}

fn sign_beside(view: &dyn View, signing: &Signing, intent: &Intent) -> Result<SignedIntent> {
    show(signing, &intent.lines(view.book()));
    let key = signing.key.require()?;
    Ok(intent.sign(view.book(), &view.domain(), key.signer()))
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
    confirm(yes, "Sign this?", "not signed")
}

/// Asks a question that has to be answered with yes, or else it is an error.
pub(crate) fn confirm(yes: bool, question: &str, otherwise: &'static str) -> Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    ensure!(
        stdin.is_terminal(),
        "{otherwise}: nobody is there to consent, pass --yes"
    );
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), otherwise);
    Ok(())
}

/// Whether a fragment is under a key.
pub(crate) fn is_under(fragment: &Fragment, key: Key) -> bool {
    fragment.kind == key.kind() && fragment.controller == key.controller()
}

/// The fragment that is named, or the only one under the key that holds what is needed.
fn choose(
    view: &dyn View,
    signing: &Signing,
    key: Option<&UserKey>,
    Wanted { needs, except, .. }: &Wanted,
) -> Result<FragmentId> {
    if let Some(id) = signing.fragment {
        let owner = view.fragment(id)?;
        if let Some(key) = key.map(UserKey::key).filter(|key| !is_under(owner, *key)) {
            bail!(
                "fragment {id} is under {}, not under your key {}",
                owner.controller,
                key::text(key)
            );
        }
        return Ok(id);
    }
    let key = key
        .ok_or_else(|| eyre::eyre!("whose fragment? Name it with --fragment; or there is {NO_KEY}"))?
        .key();
    let mut own = view.own(key);
    own.retain(|(id, fragment)| !fragment.assets.is_empty() && Some(*id) != *except);
    let mut enough = own
        .iter()
        .filter(|(_, fragment)| needs.iter().all(|(asset, least)| fragment.balance(*asset) >= *least));
    let names = view.names();
    let needed: Vec<String> = needs
        .iter()
        .map(|(asset, least)| names.amount(*asset, *least))
        .collect();
    let Some((first, _)) = enough.next() else {
        bail!(
            "none of the {} fragments under {} holds {}: `nthroot fragments` lists them, `nthroot deposit` opens one, `nthroot merge` makes one of many",
            own.len(),
            key::text(key),
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
