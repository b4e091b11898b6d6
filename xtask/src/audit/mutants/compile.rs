//! Compiling mutants: the compiler of the project, with the settings of `foundry.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use eyre::{Context, OptionExt, Result, ensure};
use serde_json::{Value, json};

use super::weave::CHOICE;
use crate::tools::{forge, output, root};

/// Source files by path, with all that they import.
pub(super) type Sources = BTreeMap<String, String>;

/// Code by file and name of the contract; or why there is none.
pub(super) type Codes = BTreeMap<(String, String), Code>;
pub(super) type Compiled = std::result::Result<Codes, Vec<Refused>>;

/// The contracts, and what tests deploy that has libraries in it.
pub(super) fn sources() -> Result<Sources> {
    let mut sources = Sources::new();
    for folder in ["contracts", "test/exposed", "test/mocks"] {
        read(&root().join(folder), &mut sources)?;
    }
    // What they import from elsewhere.
    let mut missing: Vec<String> = imports(&sources).into_values().flatten().collect();
    while let Some(path) = missing.pop() {
        if sources.contains_key(&path) {
            continue;
        }
        let text = fs::read_to_string(root().join("node_modules").join(&path)).wrap_err_with(|| path.clone())?;
        missing.extend(imported(&path, &text));
        sources.insert(path, text);
    }
    Ok(sources)
}

fn read(folder: &Path, into: &mut Sources) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "sol") {
            let name = path.strip_prefix(root())?.to_string_lossy().replace('\\', "/");
            into.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn imports(sources: &Sources) -> BTreeMap<String, Vec<String>> {
    let all = sources.iter();
    all.map(|(path, text)| (path.clone(), imported(path, text))).collect()
}

/// Files that a file imports: `import … from "…";`, on as many lines as the formatter makes of it.
fn imported(path: &str, text: &str) -> Vec<String> {
    let named = text
        .split("\nimport ")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1));
    named
        .map(|name| {
            let mut parts: Vec<&str> = if name.starts_with('.') {
                path.split('/')
                    .rev()
                    .skip(1)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect()
            } else {
                Vec::new()
            };
            for part in name.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            parts.join("/")
        })
        .collect()
}

/// Files with contracts that can be deployed and have code of `file` in them, by what they import.
pub(super) fn users(sources: &Sources, file: &str) -> BTreeSet<String> {
    let imports = imports(sources);
    let mut users = BTreeSet::from([file.to_owned()]);
    loop {
        let more: Vec<String> = imports
            .iter()
            .filter(|(path, names)| !users.contains(*path) && names.iter().any(|name| users.contains(name)))
            .map(|(path, _)| path.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        users.extend(more);
    }
    // What no artifact is made of has nothing to be tested.
    users.retain(|path| sources.get(path).is_some_and(|text| text.contains("\ncontract ")));
    users
}

/// The syntax tree of every file.
pub(super) fn trees(sources: &Sources) -> Result<BTreeMap<String, Value>> {
    let answer = solc(sources, &json!({ "*": { "": ["ast"] } }))?;
    let files = answer["sources"].as_object().ok_or_eyre("solc gave no syntax trees")?;
    Ok(files
        .iter()
        .map(|(path, file)| (path.clone(), file["ast"].clone()))
        .collect())
}

/// Creation and runtime code of a contract, in hexadecimal, with what is left open to be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) creation: String,
    pub(super) runtime: String,
}

/// An error of the compiler: the file, from where to where, and in words. Errors of the code generator have no place.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) file: String,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) words: String,
}

/// Code of all contracts in these files, by file and name.
pub(super) fn compile(sources: &Sources, files: &BTreeSet<String>) -> Result<Compiled> {
    let wanted = json!(["evm.bytecode.object", "evm.deployedBytecode.object"]);
    let selection: serde_json::Map<String, Value> = files
        .iter()
        .map(|file| (file.clone(), json!({ "*": wanted })))
        .collect();
    let answer = solc(sources, &Value::Object(selection))?;
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let errors: Vec<Refused> = errors
        .iter()
        .filter(|error| error["severity"] == "error")
        .map(refused)
        .collect();
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    let mut codes = BTreeMap::new();
    for (file, contracts) in answer["contracts"].as_object().into_iter().flatten() {
        for (name, contract) in contracts.as_object().into_iter().flatten() {
            let text = |kind: &str| contract["evm"][kind]["object"].as_str().unwrap_or_default().to_owned();
            let code = Code {
                creation: text("bytecode"),
                runtime: text("deployedBytecode"),
            };
            if !code.creation.is_empty() {
                codes.insert((file.clone(), name.clone()), code);
            }
        }
    }
    Ok(Ok(codes))
}

fn refused(error: &Value) -> Refused {
    let place = &error["sourceLocation"];
    let number = |name: &str| {
        place[name]
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(0)
    };
    Refused {
        file: place["file"].as_str().unwrap_or_default().to_owned(),
        from: number("start"),
        to: number("end"),
        words: error["message"].as_str().unwrap_or_default().to_owned(),
    }
}

impl Code {
    /// With a number in place of the library that chooses; the same if nothing chooses.
    pub(super) fn chosen(&self, number: usize) -> Self {
        Self {
            creation: link(&self.creation, number),
            runtime: link(&self.runtime, number),
        }
    }
}

/// Fills in each `__$…$__`, which is 40 characters long, as an address is.
fn link(code: &str, number: usize) -> String {
    let mut linked = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("__$") {
        linked.push_str(&rest[..at]);
        linked.push_str(&format!("{number:040x}"));
        rest = &rest[at + 40..];
    }
    linked + rest
}

fn solc(sources: &Sources, selection: &Value) -> Result<Value> {
    let config: Value = serde_json::from_str(&output(forge()?.args(["config", "--json"]))?)?;
    let contents = sources
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .chain([CHOICE]);
    let contents: serde_json::Map<String, Value> = contents
        .map(|(path, text)| (path.to_owned(), json!({ "content": text })))
        .collect();
    let input = json!({
        "language": "Solidity",
        "sources": contents,
        "settings": {
            "viaIR": config["via_ir"],
            "evmVersion": config["evm_version"],
            "optimizer": { "enabled": config["optimizer"], "runs": config["optimizer_runs"] },
            "metadata": { "bytecodeHash": config["bytecode_hash"], "appendCBOR": config["cbor_metadata"] },
            "outputSelection": selection,
        },
    });
    let mut child = Command::new("node")
        .args(["tools/solc.mjs", "--standard-json"])
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err("node")?;
    let mut stdin = child.stdin.take().ok_or_eyre("solc has no input")?;
    // The compiler reads all of it before it says anything.
    stdin.write_all(input.to_string().as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "solc failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_wherever_the_formatter_breaks_lines() {
        let text = "\nimport {A} from \"../B.sol\";\nimport {\n    C,\n    D\n} from \"./e/F.sol\";\nimport {G} from \"@x/G.sol\";\n";
        assert_eq!(imported("a/b/c.sol", text), ["a/B.sol", "a/b/e/F.sol", "@x/G.sol"]);
    }

    #[test]
    fn a_number_takes_the_place_of_the_library() {
        let open = format!("60__${}$__73__${}$__", "a".repeat(34), "b".repeat(34));
        let code = Code {
            creation: open,
            runtime: "00".to_owned(),
        }
        .chosen(0x1f);
        assert_eq!(code.creation, format!("60{0}73{0}", format!("{}1f", "0".repeat(38))));
        assert_eq!(code.runtime, "00");
    }
}
