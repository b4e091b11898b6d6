//! What docs/properties.md names are tests that run, each property has some, and no file with tests is missing from it.

use std::fs;

use super::{fences, files, none, read, spans};
use crate::tools::root;

/// Crates and folders of which every file with a test in it stands in docs/properties.md.
const TESTED: [&str; 3] = ["crates", "test", "xtask"];

/// What names of forge tests begin with; proofs for every input, and counterexamples kept, included.
const FORGE_TESTS: [&str; 4] = ["test_", "testFuzz_", "invariant_", "check_"];

fn is_tested(path: &str) -> bool {
    TESTED.iter().any(|folder| path.starts_with(&format!("{folder}/")))
}

/// Whether this is a test in this source, and not only a function or a comment.
fn is_test(source: &str, path: &str, name: &str) -> bool {
    if path.ends_with(".sol") {
        let declared = source.contains(&format!("function {name}("));
        return declared && FORGE_TESTS.iter().any(|prefix| name.starts_with(prefix));
    }
    // Between the attribute and the function there may be more attributes and comments.
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let declared = lines.iter().position(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with(&format!("fn {name}("))
    });
    let above = lines[..declared.unwrap_or_default()].iter().rev();
    above
        .take_while(|line| ["#[", "//", "reason", ")]"].iter().any(|start| line.starts_with(start)))
        .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n// why\n#[ignore]\nfn a() {}\n\nfn b() {}\n#[tokio::test(x)]\nasync fn c() {}\n// fn d(\n";
    let found = ["a", "b", "c", "d"].map(|name| is_test(source, "x.rs", name));
    assert_eq!(found, [true, false, true, false]);
    let source = "function test_A() public {}\nfunction helps() internal {}";
    let found = ["test_A", "helps", "test_B"].map(|name| is_test(source, "x.t.sol", name));
    assert_eq!(found, [true, false, false]);
}

/// Documents whose claims have tests, and how many tests each names at least.
const CLAIMS: [(&str, usize); 3] = [
    ("docs/properties.md", 100),
    ("docs/audit/attacks.md", 90),
    ("docs/threat-model.md", 1),
];

#[test]
fn tests_that_documents_name_exist() {
    let mut wrong = Vec::new();
    for (document, least) in CLAIMS {
        let text = read(document);
        let prose = fences(&text).0;
        let mut named = 0;
        for span in spans(&prose) {
            let (path, test) = span.split_once("::").unwrap_or((span, ""));
            if !is_tested(path) {
                continue;
            }
            if test.is_empty() {
                if !root().join(path).exists() {
                    wrong.push(format!("{document}: there is no file {path}"));
                }
                continue;
            }
            named += 1;
            if !fs::read_to_string(root().join(path)).is_ok_and(|source| is_test(&source, path, test)) {
                wrong.push(format!("{document}: there is no test {span}"));
            }
        }
        assert!(named >= least, "{document} was read: {named} tests");
    }
    none(&wrong);
}

/// A property that no single test holds would be a promise.
#[test]
fn each_property_names_single_tests() {
    let text = read("docs/properties.md");
    let mut wrong = Vec::new();
    let mut properties = 0;
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        if !title.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        properties += 1;
        if !spans(section).iter().any(|span| is_tested(span) && span.contains("::")) {
            wrong.push(format!("docs/properties.md: nothing but files holds \"{title}\""));
        }
    }
    assert!(properties > 10, "the properties are there, and read: {properties}");
    none(&wrong);
}

#[test]
fn each_file_with_tests_stands_among_the_properties() {
    let text = read("docs/properties.md");
    let mut wrong = Vec::new();
    for folder in TESTED {
        let rust = files(folder, ".rs").into_iter().filter(|file| {
            let source = read(file);
            source.contains("\n#[test]") || source.contains("    #[test]\n") || source.contains("#[tokio::test]")
        });
        for file in rust.chain(files(folder, ".t.sol")) {
            if !text.contains(&format!("`{file}")) {
                wrong.push(format!("docs/properties.md: does not say what {file} is for"));
            }
        }
    }
    none(&wrong);
}
