//! `nthroot key`: the keystore.

use std::path::PathBuf;

use clap::Subcommand;
use eyre::{OptionExt, Result, WrapErr, ensure};
use nthroot_protocol::Key;
use p256::elliptic_curve::rand_core::{OsRng, RngCore};
use serde_json::{Value, json};

use super::{Curve, UserKey, store, text};
use crate::{
    sign::confirm,
    text::{Style, print_json, table},
};

/// Keys: make, import and list the accounts of the keystore
///
/// A key is kept in an encrypted file of its own (Web3 Secret Storage, as geth and Foundry keep theirs), in ~/.config/nthroot/keys
/// or the folder NTHROOT_KEYS. Other commands take it with --account NAME, or from NTHROOT_ACCOUNT. The password is asked for, or
/// read from the file that NTHROOT_PASSWORD_FILE names. A key that is lost is lost, with all that it holds.
#[derive(Subcommand)]
pub(crate) enum Command {
    New(New),
    Import(Import),
    List(List),
    Show(Show),
    Export(Export),
}

/// Make a new key
///
/// One of curve p256 signs intents, and cannot send L1 transactions: deposits, posting under a bond and pushing claims take an
/// account that pays for them besides (--payer), or a node that carries intents (--node).
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot key new alice\n  nthroot key new phone --curve p256")]
pub(crate) struct New {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,

    /// Its curve
    #[arg(long, value_enum, default_value = "secp256k1")]
    curve: Curve,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Import a key: the file of another keystore, or a secret
///
/// A file of geth's or Foundry's keystore is taken over as it is, with its password. A secret is asked for (32 bytes in
/// hexadecimal), or read from a file, and encrypted.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot key import alice --keystore ~/.foundry/keystores/alice\n  nthroot key import alice --secret-file alice.hex"
)]
pub(crate) struct Import {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,

    /// A file of another keystore (Web3 Secret Storage, version 3)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret_file", "curve"])]
    keystore: Option<PathBuf>,

    /// A file with the secret in hexadecimal
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// The secret's curve
    #[arg(long, value_enum, default_value = "secp256k1")]
    curve: Curve,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the accounts
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot key list")]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show an account's key, as others name it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot key show alice")]
pub(crate) struct Show {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write an account's secret in plain text
///
/// Whoever reads it has all that the key holds.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nthroot key export alice --out alice.hex")]
pub(crate) struct Export {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,

    /// Where to: a new file that only its owner may read. Without it the secret is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::New(args) => new(&args),
        Command::Import(args) => import(&args),
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::Export(args) => export(&args),
    }
}

fn new(args: &New) -> Result<()> {
    let mut secret = [0; 32];
    // Nearly every number is a secret.
    let key = loop {
        OsRng.fill_bytes(&mut secret);
        if let Ok(key) = UserKey::from_secret(args.curve, &secret) {
            break key;
        }
    };
    let path = store::add(&args.name, &key)?;
    tell(args.json, &args.name, key.key(), &path.display().to_string());
    Ok(())
}

fn import(args: &Import) -> Result<()> {
    let (path, key) = if let Some(file) = &args.keystore {
        store::copy(&args.name, file)?
    } else {
        let secret = match &args.secret_file {
            Some(path) => std::fs::read_to_string(path).wrap_err_with(|| format!("no secret at {}", path.display()))?,
            None => rpassword::prompt_password("Secret, in hexadecimal: ")
                .wrap_err("nobody is there to ask for the secret: name a file with --secret-file")?,
        };
        let bytes = alloy::primitives::hex::decode(secret.trim()).ok();
        let bytes = bytes.ok_or_eyre("the secret is not 32 bytes in hexadecimal")?;
        let key = UserKey::from_secret(args.curve, &bytes)?;
        (store::add(&args.name, &key)?, key)
    };
    tell(args.json, &args.name, key.key(), &path.display().to_string());
    Ok(())
}

fn list(args: &List) -> Result<()> {
    let mut accounts = Vec::new();
    for (name, _) in store::list()? {
        // A file that is none is no reason to hide the others.
        let public = store::read(&name).and_then(|public| Ok((public.curve()?, public.key()?)));
        accounts.push((name, public));
    }
    if args.json {
        let account = |(name, public): (String, Result<(Curve, Option<Key>)>)| match public {
            Ok((curve, key)) => json!({ "name": name, "curve": curve.name(), "key": key.map(text) }),
            Err(error) => json!({ "name": name, "problem": format!("{error:#}") }),
        };
        print_json(&accounts.into_iter().map(account).collect());
        return Ok(());
    }
    if accounts.is_empty() {
        println!(
            "No accounts in {}: `nthroot key new NAME` makes one.",
            store::folder()?.display()
        );
        return Ok(());
    }
    let row = |(name, public): (String, Result<(Curve, Option<Key>)>)| match public {
        Ok((curve, Some(key))) => [name, curve.name().to_owned(), text(key)],
        Ok((curve, None)) => [
            name,
            curve.name().to_owned(),
            "the file does not say: `nthroot key show`".to_owned(),
        ],
        Err(error) => [name, "-".to_owned(), format!("{error:#}")],
    };
    let rows: Vec<[String; 3]> = accounts.into_iter().map(row).collect();
    println!("{}", table(Style::of_stdout(), ["account", "curve", "key"], &rows));
    Ok(())
}

fn show(args: &Show) -> Result<()> {
    let path = store::path_of(&args.name)?;
    let key = match store::public(&args.name)? {
        Some(key) => key,
        None => store::unlock(&path, &args.name)?.key(),
    };
    tell(args.json, &args.name, key, &path.display().to_string());
    Ok(())
}

fn export(args: &Export) -> Result<()> {
    let key = store::unlock(&store::path_of(&args.name)?, &args.name)?;
    confirm(
        args.yes,
        "Whoever reads the secret has all that the key holds. Write it?",
        "not written",
    )?;
    let secret = key.secret().to_string();
    let Some(path) = &args.out else {
        println!("{secret}");
        return Ok(());
    };
    ensure!(!path.exists(), "{} is there already", path.display());
    store::write_private(path, &format!("{secret}\n"))?;
    println!("The secret of {} is in {}", args.name, path.display());
    Ok(())
}

fn tell(json: bool, name: &str, key: Key, path: &str) {
    let curve = match key {
        Key::Secp256k1(_) => Curve::Secp256k1,
        Key::P256(_) => Curve::P256,
    };
    if json {
        let document: Value = json!({ "name": name, "curve": curve.name(), "key": text(key), "file": path });
        print_json(&document);
        return;
    }
    println!("{name}: {} key {}", curve.name(), text(key));
    println!("  in {path}");
    if curve == Curve::P256 {
        println!(
            "  It signs intents. For L1 transactions it needs an account that pays (--payer), or a node (--node)."
        );
    }
}
