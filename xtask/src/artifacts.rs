//! What forge compiled: what of it is committed (artifacts, storage layouts, code sizes), and the limits on code.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context, OptionExt, Result};
use serde_json::{Value, json};

use crate::{tally::Tally, tools::root};

/// Bytes of code that a contract may have on L1 (EIP-170), and that its creation may send (EIP-3860).
const RUNTIME_LIMIT: usize = 24_576;
const INIT_LIMIT: usize = 49_152;

/// Where each variable of the production contracts stands. The slots that they compute are in section 4.8 of the specification.
const LAYOUTS: &str = "snapshots/storage-layout.json";
/// Bytes of their code.
const SIZES: &str = "snapshots/code-size.json";

/// Folders whose contracts are committed as artifacts, and where to: production, and what tests and demo deploy beside it.
const COMMITTED: [(&str, &str); 2] = [("contracts", "abi"), ("test/mocks", "abi/mocks")];

/// Writes what is committed of the compiled contracts, and removes the artifacts of those that are gone.
pub(crate) fn write_committed() -> Result<()> {
    let files = compiled_files()?;
    for (path, text) in &files {
        fs::create_dir_all(path.parent().expect("a file in a folder"))?;
        fs::write(path, text)?;
    }
    for path in committed_files()?.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(path)?;
    }
    println!("wrote {} files to abi/ and snapshots/", files.len());
    Ok(())
}

/// Compares what is committed with what was compiled: one check for each file there is or should be.
pub(crate) fn check_committed() -> Result<Tally> {
    let (compiled, committed) = (compiled_files()?, committed_files()?);
    let mut paths: Vec<_> = compiled.keys().chain(committed.keys()).collect();
    paths.sort();
    paths.dedup();

    let mut tally = Tally::default();
    for path in paths {
        let same = compiled.get(path) == committed.get(path);
        if !same {
            let path = path.strip_prefix(root())?.display();
            eprintln!("{path} is not what the contracts say: run `cargo xtask abi` and commit it");
        }
        tally.check(same);
    }
    Ok(tally)
}

/// Checks that each production contract fits into L1's code limits, and prints how much room is left.
pub(crate) fn check_sizes() -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, artifact) in compiled("contracts")? {
        let [runtime, init] = sizes(&artifact)?;
        let fits = runtime <= RUNTIME_LIMIT && init <= INIT_LIMIT;
        let verdict = if fits { "" } else { "  TOO LARGE" };
        eprintln!("{name:<24} {runtime:>6} of {RUNTIME_LIMIT} bytes, init {init:>6} of {INIT_LIMIT}{verdict}");
        tally.check(fits);
    }
    Ok(tally)
}

/// Bytes of runtime and creation code, the latter without constructor arguments.
fn sizes(artifact: &Value) -> Result<[usize; 2]> {
    let size = |code: &str| {
        let code = artifact[code]["object"].as_str();
        Ok::<_, eyre::Report>(
            code.ok_or_eyre("an artifact without code")?
                .trim_start_matches("0x")
                .len()
                / 2,
        )
    };
    Ok([size("deployedBytecode")?, size("bytecode")?])
}

/// A contract's variables, without what changes when another file does: solc numbers the nodes of all its input.
fn layout(artifact: &Value) -> Result<Value> {
    let layout = &artifact["storageLayout"];
    let variables = layout["storage"]
        .as_array()
        .ok_or_eyre("an artifact without storage layout")?;
    let lines = variables.iter().map(|variable| {
        let name = variable["type"].as_str().ok_or_eyre("a variable without a type")?;
        let kind = &layout["types"][name];
        Ok(json!({
            "label": variable["label"],
            "slot": variable["slot"],
            "offset": variable["offset"],
            "type": kind["label"],
            "bytes": kind["numberOfBytes"],
        }))
    });
    lines.collect::<Result<Vec<_>>>().map(Value::from)
}

/// The file and text of all that is committed.
fn compiled_files() -> Result<BTreeMap<PathBuf, String>> {
    let mut files = abis()?;
    let (mut layouts, mut code) = (BTreeMap::new(), BTreeMap::new());
    for (name, artifact) in compiled("contracts")? {
        layouts.insert(name.clone(), layout(&artifact).wrap_err_with(|| name.clone())?);
        let [runtime, init] = sizes(&artifact)?;
        code.insert(name, json!({ "runtime": runtime, "init": init }));
    }
    files.insert(root().join(LAYOUTS), serde_json::to_string_pretty(&layouts)? + "\n");
    files.insert(root().join(SIZES), serde_json::to_string_pretty(&code)? + "\n");
    Ok(files)
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

/// The files in `abi/`, and the two beside them.
fn committed_files() -> Result<BTreeMap<PathBuf, String>> {
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
    for path in [LAYOUTS, SIZES].map(|path| root().join(path)) {
        if path.exists() {
            files.insert(path.clone(), fs::read_to_string(path)?);
        }
    }
    Ok(files)
}

/// The artifacts of all that a folder of sources can deploy: contracts with code and an entry point, so neither
/// interfaces nor internal libraries.
fn compiled(sources: &str) -> Result<BTreeMap<String, Value>> {
    compiled_in(sources, &root().join("out"))
}

/// The same, of what was compiled into another folder.
pub(crate) fn compiled_in(sources: &str, out: &Path) -> Result<BTreeMap<String, Value>> {
    let mut artifacts = BTreeMap::new();
    for source in solidity_files(&root().join(sources))? {
        let file = source.file_name().expect("a file has a name");
        let target = source
            .strip_prefix(root())?
            .to_str()
            .ok_or_eyre("a path that is not UTF-8")?
            .replace('\\', "/");
        let dir = out.join(file);
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
