//! The sources of a checkout, as the compiler and explorers take them.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alloy::primitives::{Bytes, hex};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use nthroot_node::deploy::{Kind, Plan};
use serde::Deserialize;
use serde_json::{Value, json};

/// The compiler, in a checkout.
const SOLC: &str = "tools/solc.mjs";

/// What of foundry.toml decides the bytecode.
#[derive(Deserialize)]
struct Settings {
    evm_version: String,
    via_ir: bool,
    optimizer: bool,
    optimizer_runs: u64,
    bytecode_hash: String,
    cbor_metadata: bool,
    remappings: Vec<String>,
}

/// A checkout of the sources.
pub(crate) struct Checkout {
    root: PathBuf,
    settings: Settings,
    /// Where imports of others' code begin, and the folders where they lie.
    remappings: Vec<(String, String)>,
}

/// What the compiler makes of a contract.
pub(crate) struct Compiled {
    pub(crate) kind: Kind,
    pub(crate) creation: Bytes,
    pub(crate) runtime: Bytes,
}

impl Checkout {
    /// Whether this folder is one.
    pub(crate) fn is_at(root: &Path) -> bool {
        root.join(SOLC).exists() && root.join("contracts").is_dir() && root.join("foundry.toml").exists()
    }

    pub(crate) fn open(root: &Path) -> Result<Self> {
        ensure!(
            Self::is_at(root),
            "{} is no checkout of the sources: name one with --sources",
            root.display()
        );
        let file = Figment::from(Toml::file_exact(root.join("foundry.toml")));
        let settings: Settings = file.extract_inner("profile.default").wrap_err("foundry.toml")?;
        let pairs = settings.remappings.iter().filter_map(|pair| pair.split_once('='));
        let remappings = pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        Ok(Self {
            root: root.to_owned(),
            settings,
            remappings,
        })
    }

    /// The compiler's input: all that is in contracts/ and what it imports, with the settings of foundry.toml.
    pub(crate) fn standard_json(&self) -> Result<Value> {
        let mut sources = BTreeMap::new();
        let mut waiting = solidity(&self.root.join("contracts"))?
            .into_iter()
            .map(|path| self.name(&path))
            .collect::<Result<Vec<_>>>()?;
        while let Some(name) = waiting.pop() {
            if sources.contains_key(&name) {
                continue;
            }
            let text = fs::read_to_string(self.root.join(&name))
                .wrap_err_with(|| format!("{name}: `npm ci` brings what the contracts import"))?;
            for import in imports(&text) {
                waiting.push(self.resolve(&name, &import)?);
            }
            sources.insert(name, json!({ "content": text }));
        }
        let settings = &self.settings;
        let used = |(from, _): &&(String, String)| {
            let mut texts = sources.values().filter_map(|source| source["content"].as_str());
            texts.any(|text| text.contains(from.as_str()))
        };
        let remappings = self.remappings.iter().filter(used);
        let remappings: Vec<String> = remappings.map(|(from, to)| format!("{from}={to}")).collect();
        Ok(json!({
            "language": "Solidity",
            "sources": sources,
            "settings": {
                "remappings": remappings,
                "viaIR": settings.via_ir,
                "optimizer": { "enabled": settings.optimizer, "runs": settings.optimizer_runs },
                "evmVersion": settings.evm_version,
                "metadata": { "bytecodeHash": settings.bytecode_hash, "appendCBOR": settings.cbor_metadata },
                "outputSelection": { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
            },
        }))
    }

    /// Compiles all of it, which takes half a minute of a core.
    pub(crate) fn compile(&self) -> Result<Vec<Compiled>> {
        let output = compile(&self.root, &self.standard_json()?)?;
        let code = |kind: Kind, which: &str| {
            let contract = &output["contracts"][kind.source()][kind.contract()]["evm"][which]["object"];
            let code = contract
                .as_str()
                .and_then(|code| hex::decode(code).ok())
                .map(Bytes::from);
            code.ok_or_else(|| eyre::eyre!("the sources have no {} in {}", kind.contract(), kind.source()))
        };
        let kinds = [
            Kind::Registry,
            Kind::Account,
            Kind::Verifier,
            Kind::Swap,
            Kind::Pool,
            Kind::Credit,
            Kind::Bridge,
        ];
        let compiled = kinds.into_iter().map(|kind| {
            Ok(Compiled {
                kind,
                creation: code(kind, "bytecode")?,
                runtime: code(kind, "deployedBytecode")?,
            })
        });
        compiled.collect()
    }

    /// The compiler's version, as explorers name it.
    fn compiler(&self) -> Result<String> {
        let output = self.solc(&["--version"]).output().wrap_err(NO_NODE)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = said.lines().find_map(|line| line.strip_prefix("Version: "));
        // Explorers leave out what it was built for.
        let version = version.and_then(|version| version.split(".Emscripten").next());
        version.map(|version| format!("v{version}")).ok_or_eyre(NO_NODE)
    }

    fn solc(&self, options: &[&str]) -> Command {
        solc(&self.root, options)
    }

    /// A file as the compiler names it: by its path in the checkout.
    fn name(&self, path: &Path) -> Result<String> {
        let path = path
            .strip_prefix(&self.root)?
            .to_str()
            .ok_or_eyre("a path that is not UTF-8")?;
        Ok(path.replace('\\', "/"))
    }

    fn resolve(&self, importer: &str, import: &str) -> Result<String> {
        if !import.starts_with('.') {
            let mapped = self.remappings.iter().find_map(|(from, to)| {
                let rest = import.strip_prefix(from.as_str())?;
                Some(format!("{to}{rest}"))
            });
            return Ok(mapped.unwrap_or_else(|| import.to_owned()));
        }
        let mut parts: Vec<&str> = importer.split('/').collect();
        parts.pop();
        for part in import.split('/') {
            match part {
                "." => {}
                ".." => ensure!(parts.pop().is_some(), "{importer} imports {import}, which is outside"),
                part => parts.push(part),
            }
        }
        Ok(parts.join("/"))
    }
}

const NO_NODE: &str = "the compiler does not run: it takes Node.js, and `npm ci` in the checkout";

fn solc(root: &Path, options: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(SOLC).args(options).current_dir(root);
    command
}

/// What the compiler of a checkout makes of an input.
fn compile(root: &Path, input: &Value) -> Result<Value> {
    let mut child = solc(root, &["--standard-json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .wrap_err(NO_NODE)?;
    let mut stdin = child.stdin.take().ok_or_eyre("no way to the compiler")?;
    // It reads all before it answers.
    stdin.write_all(input.to_string().as_bytes()).wrap_err(NO_NODE)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{NO_NODE}: {}",
        said.lines().next().unwrap_or_default()
    );
    let answer: Value = serde_json::from_slice(&output.stdout).wrap_err(NO_NODE)?;
    let errors = answer["errors"].as_array().into_iter().flatten();
    if let Some(error) = errors.into_iter().find(|error| error["severity"] == "error") {
        bail!(
            "the sources do not compile: {}",
            error["formattedMessage"].as_str().unwrap_or_default()
        );
    }
    Ok(answer)
}

/// What a source imports, as it names it. Imports stand at the beginning of lines.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("\nimport ").skip(1) {
        let statement = part.split(';').next().unwrap_or_default();
        let quoted = statement.rsplit('"').nth(1);
        found.extend(quoted.map(str::to_owned));
    }
    found
}

fn solidity(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).wrap_err_with(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(solidity(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sol") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Writes the compiler's input, and for each contract what explorers ask beside it.
pub(crate) fn write(root: &Path, folder: &Path, plan: &Plan) -> Result<()> {
    let checkout = Checkout::open(root)?;
    let input = checkout.standard_json()?;
    let contracts = plan.pieces.iter().map(|piece| {
        json!({
            "address": piece.address,
            "contract": format!("{}:{}", piece.kind.source(), piece.kind.contract()),
            "constructorArguments": piece.arguments,
        })
    });
    let about = json!({
        "compiler": checkout.compiler()?,
        "standardJson": "standard-input.json",
        "contracts": contracts.collect::<Vec<_>>(),
    });
    fs::create_dir_all(folder).wrap_err_with(|| folder.display().to_string())?;
    for (name, document) in [("standard-input.json", &input), ("contracts.json", &about)] {
        let path = folder.join(name);
        fs::write(&path, format!("{document:#}\n")).wrap_err_with(|| path.display().to_string())?;
    }
    eprintln!("What explorers ask for is in {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let text = "// import \"no.sol\";\npragma solidity ^0.8.0;\n\nimport {A, B} from \"./A.sol\";\nimport {\n    C\n} from \"../C.sol\";\nimport \"@x/D.sol\";\n";
        assert_eq!(imports(text), ["./A.sol", "../C.sol", "@x/D.sol"]);
    }
}
