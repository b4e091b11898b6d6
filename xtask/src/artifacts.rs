//! What forge compiled: the committed artifacts in `abi/`, and the limit on code size.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context, OptionExt, Result};
use serde_json::{Value, json};

use crate::{tally::Tally, tools::root};

/// Bytes of code that a contract may have on L1 (EIP-170).
const CODE_LIMIT: usize = 24_576;

/// Folders whose contracts are committed as artifacts, and where to: production, and what tests and demo deploy beside it.
const COMMITTED: [(&str, &str); 2] = [("contracts", "abi"), ("test/mocks", "abi/mocks")];

/// Writes the artifact of each contract to `abi/`, and removes those of contracts that are gone.
pub(crate) fn write_abi() -> Result<()> {
    let abis = abis()?;
    for (path, abi) in &abis {
        fs::create_dir_all(path.parent().expect("a file in abi/"))?;
        fs::write(path, abi)?;
    }
    for path in committed_abis()?.keys().filter(|path| !abis.contains_key(*path)) {
        fs::remove_file(path)?;
    }
    println!("wrote {} artifacts to abi/", abis.len());
    Ok(())
}

/// Compares `abi/` with what was compiled: one check for each file there is or should be.
pub(crate) fn check_abi() -> Result<Tally> {
    let (compiled, committed) = (abis()?, committed_abis()?);
    let mut paths: Vec<_> = compiled.keys().chain(committed.keys()).collect();
    paths.sort();
    paths.dedup();

    let mut tally = Tally::default();
    for path in paths {
        let same = compiled.get(path) == committed.get(path);
        if !same {
            let path = path.strip_prefix(root())?.display();
            println!("{path} is not what the contracts say: run `cargo xtask abi` and commit it");
        }
        tally.check(same);
    }
    Ok(tally)
}

/// Checks that each production contract fits into L1's code limit, and prints how much room is left.
pub(crate) fn check_sizes() -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, artifact) in compiled("contracts")? {
        let code = artifact["deployedBytecode"]["object"]
            .as_str()
            .ok_or_eyre("an artifact without code")?;
        let size = code.trim_start_matches("0x").len() / 2;
        let verdict = if size <= CODE_LIMIT { "" } else { "  TOO LARGE" };
        println!("{name:<24} {size:>6} of {CODE_LIMIT} bytes{verdict}");
        tally.check(size <= CODE_LIMIT);
    }
    Ok(tally)
}

/// The file and text of each committed artifact: ABI, creation and runtime code. So cargo builds and deploys without forge.
fn abis() -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for (sources, committed) in COMMITTED {
        for (name, artifact) in compiled(sources)? {
            let kept = json!({
                "abi": artifact["abi"],
                "bytecode": artifact["bytecode"]["object"],
                "deployedBytecode": artifact["deployedBytecode"]["object"],
            });
            let path = root().join(committed).join(name).with_extension("json");
            files.insert(path, serde_json::to_string_pretty(&kept)? + "\n");
        }
    }
    Ok(files)
}

/// The files in `abi/`.
fn committed_abis() -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for (_, committed) in COMMITTED {
        let dir = root().join(committed);
        if !dir.exists() {
            continue;
        }
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                files.insert(path.clone(), fs::read_to_string(path)?);
            }
        }
    }
    Ok(files)
}

/// The artifacts of all that a folder of sources can deploy: contracts with code and an entry point, so neither
/// interfaces nor internal libraries.
fn compiled(sources: &str) -> Result<BTreeMap<String, Value>> {
    let mut artifacts = BTreeMap::new();
    for source in solidity_files(&root().join(sources))? {
        let file = source.file_name().expect("a file has a name");
        let target = source
            .strip_prefix(root())?
            .to_str()
            .ok_or_eyre("a path that is not UTF-8")?
            .replace('\\', "/");
        let dir = root().join("out").join(file);
        if !dir.exists() {
            continue; // declares nothing that has an artifact
        }
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let artifact: Value =
                serde_json::from_slice(&fs::read(&path)?).wrap_err_with(|| path.display().to_string())?;
            let Some(name) = artifact["metadata"]["settings"]["compilationTarget"][&target].as_str() else {
                continue; // another file of the same name
            };
            let deploys = artifact["bytecode"]["object"]
                .as_str()
                .is_some_and(|code| code.len() > 2);
            let entered = artifact["abi"].as_array().is_some_and(|abi| {
                abi.iter().any(|item| {
                    ["function", "fallback", "receive"]
                        .iter()
                        .any(|kind| item["type"] == *kind)
                })
            });
            if deploys && entered {
                artifacts.insert(name.to_owned(), artifact);
            }
        }
    }
    Ok(artifacts)
}

fn solidity_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).wrap_err_with(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(solidity_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sol") {
            files.push(path);
        }
    }
    Ok(files)
}
