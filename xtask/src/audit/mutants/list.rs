//! The mutants of the contracts: small changes, each one of which some test should notice.
//!
//! They are read off the compiler's syntax tree, so that each is one change of meaning and its neighbourhood has a type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    operators::{assignment, binary, instructions},
    place::{Around, Place},
};

/// One change of one file.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// Path from the repository's root.
    pub(super) file: String,
    /// The function, modifier or constant that it is in.
    pub(super) within: String,
    /// The line without the space around it.
    pub(super) text: String,
    /// Which kind of change.
    pub(super) operator: &'static str,
    /// Bytes that are replaced.
    pub(super) edit: (usize, usize),
    /// What stands there instead.
    pub(super) after: String,
    /// What is replaced.
    pub(super) before: String,
    /// Counts the mutants of a function that read alike, from 1.
    pub(super) ordinal: usize,
    /// Where the choice between original and mutant can stand.
    pub(super) place: Place,
}

impl Mutant {
    /// The same from run to run, and while other lines change.
    pub(super) fn name(&self) -> String {
        let Self {
            file,
            within,
            text,
            ordinal,
            ..
        } = self;
        format!("{file} | {within} | `{text}` | {} #{ordinal}", self.what())
    }

    /// The change, in one line of a table.
    pub(super) fn change(&self) -> String {
        match self.ordinal {
            1 => self.what(),
            number => format!("{}, no. {number}", self.what()),
        }
    }

    fn what(&self) -> String {
        let short = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "¦");
        if self.after.is_empty() {
            format!("without `{}`", short(&self.before))
        } else {
            format!("`{}` → `{}`", short(&self.before), short(&self.after))
        }
    }
}

/// Constants that some block of assembly names, by their number in the tree: there they must be plain numbers.
pub(super) fn named_in_assembly(tree: &Value, found: &mut BTreeSet<u64>) {
    if let Some(references) = tree["externalReferences"].as_array() {
        found.extend(
            references
                .iter()
                .filter_map(|reference| reference["declaration"].as_u64()),
        );
    }
    match tree {
        Value::Object(fields) => fields.values().for_each(|field| named_in_assembly(field, found)),
        Value::Array(nodes) => nodes.iter().for_each(|node| named_in_assembly(node, found)),
        _ => {}
    }
}

/// All mutants of a file, in the order of its text.
pub(super) fn mutants(file: &str, source: &str, tree: &Value, plain: &BTreeSet<u64>) -> Vec<Mutant> {
    let mut lister = Lister {
        file,
        source,
        plain,
        above: Vec::new(),
        found: Vec::new(),
    };
    lister.visit("", tree);
    let mut found = lister.found;
    found.sort_by(|a, b| (a.edit, &a.after).cmp(&(b.edit, &b.after)));
    found.dedup_by(|a, b| a.edit == b.edit && a.after == b.after);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for mutant in &mut found {
        let count = seen.entry(mutant.name()).or_default();
        *count += 1;
        mutant.ordinal = *count;
    }
    found
}

struct Lister<'a> {
    file: &'a str,
    source: &'a str,
    plain: &'a BTreeSet<u64>,
    /// Nodes around this one, from outside, each with the field that holds the next.
    above: Vec<(&'a str, &'a Value)>,
    found: Vec<Mutant>,
}

/// Parts of the tree that are no code; and what moves a loop on: without it the loop does not end, which shows.
const SKIPPED: [&str; 14] = [
    "loopExpression",
    "post",
    "typeName",
    "documentation",
    "parameters",
    "returnParameters",
    "overrides",
    "externalReferences",
    "baseContracts",
    "nativeSrc",
    "typeDescriptions",
    "argumentTypes",
    "commonType",
    "libraryName",
];

impl<'a> Lister<'a> {
    fn visit(&mut self, field: &'a str, node: &'a Value) {
        match node {
            Value::Array(nodes) => nodes.iter().for_each(|node| self.visit(field, node)),
            Value::Object(fields) if node["nodeType"].is_string() => {
                self.above.push((field, node));
                self.mutate(node);
                for (field, below) in fields {
                    if !SKIPPED.contains(&field.as_str()) {
                        self.visit(field, below);
                    }
                }
                self.above.pop();
            }
            _ => {}
        }
    }

    fn mutate(&mut self, node: &'a Value) {
        let (start, end) = range(node);
        match node["nodeType"].as_str().unwrap_or_default() {
            "BinaryOperation" => {
                let between = (range(&node["leftExpression"]).1, range(&node["rightExpression"]).0);
                let operator = node["operator"].as_str().unwrap_or_default();
                for other in binary(operator) {
                    self.operator(between, operator, other);
                }
            }
            "Assignment" => {
                let between = (range(&node["leftHandSide"]).1, range(&node["rightHandSide"]).0);
                let operator = node["operator"].as_str().unwrap_or_default();
                for other in assignment(operator) {
                    self.operator(between, operator, other);
                }
            }
            "UnaryOperation" => match node["operator"].as_str() {
                Some("!") => self.add("negation", (start, range(&node["subExpression"]).0), "true == "),
                Some("++") => self.operator((start, end), "++", "--"),
                Some("--") => self.operator((start, end), "--", "++"),
                Some("~") => self.add("complement", (start, range(&node["subExpression"]).0), "0 | "),
                _ => {}
            },
            "Conditional" | "IfStatement" => self.negate(&node["condition"]),
            "Literal" => self.literal(node),
            "FunctionCall" => self.swap(node),
            "ExpressionStatement" | "RevertStatement" | "EmitStatement" | "Break" | "Continue" => {
                self.add("statement", (start, end), "");
            }
            "ModifierInvocation" if node["kind"] == "modifierInvocation" => self.add("modifier", (start, end), ""),
            "YulFunctionCall" => self.instruction(node),
            "YulLiteral" if node["kind"] == "number" => {
                self.number((start, end), node["value"].as_str().unwrap_or_default());
            }
            "YulExpressionStatement" | "YulAssignment" => self.add("statement", (start, end), ""),
            _ => {}
        }
    }

    /// The operator between two operands.
    fn operator(&mut self, within: (usize, usize), operator: &str, other: &'static str) {
        if let Some(at) = self.source[within.0..within.1].find(operator) {
            let start = within.0 + at;
            self.add("operator", (start, start + operator.len()), other);
        }
    }

    /// A condition that is no comparison: those have operators.
    fn negate(&mut self, condition: &Value) {
        let kind = condition["nodeType"].as_str();
        if kind != Some("BinaryOperation") && kind != Some("UnaryOperation") {
            let (start, end) = range(condition);
            let negated = format!("!({})", &self.source[start..end]);
            self.add("negation", (start, end), &negated);
        }
    }

    fn literal(&mut self, node: &Value) {
        let value = node["value"].as_str().unwrap_or_default();
        match node["kind"].as_str() {
            Some("bool") => self.add("constant", range(node), if value == "true" { "false" } else { "true" }),
            Some("number") if node["subdenomination"].is_null() => self.number(range(node), value),
            _ => {}
        }
    }

    /// One more. A number of many digits is a mask or a hash, and no boundary.
    fn number(&mut self, at: (usize, usize), value: &str) {
        let digits = value.replace('_', "");
        let number = match digits.strip_prefix("0x") {
            Some(hex) if hex.len() <= 8 => u64::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => digits.parse::<u64>().ok(),
        };
        if let Some(more) = number.and_then(|number| number.checked_add(1)) {
            self.add("constant", at, &more.to_string());
        }
    }

    /// The first two neighbours of one type among a call's arguments.
    fn swap(&mut self, node: &Value) {
        if node["kind"] != "functionCall" || node["names"].as_array().is_some_and(|names| !names.is_empty()) {
            return;
        }
        let Some(arguments) = node["arguments"].as_array() else {
            return;
        };
        let kind = |node: &Value| node["typeDescriptions"]["typeString"].as_str().map(str::to_owned);
        for pair in arguments.windows(2) {
            let (first, second) = (range(&pair[0]), range(&pair[1]));
            let texts = (&self.source[first.0..first.1], &self.source[second.0..second.1]);
            if kind(&pair[0]) == kind(&pair[1]) && texts.0 != texts.1 {
                let swapped = format!("{}, {}", texts.1, texts.0);
                self.add("arguments", (first.0, second.1), &swapped);
                return;
            }
        }
    }

    fn instruction(&mut self, node: &Value) {
        let name = node["functionName"]["name"].as_str().unwrap_or_default();
        let (start, end) = range(&node["functionName"]);
        for other in instructions(name) {
            self.add("instruction", (start, end), other);
        }
        let whole = range(node);
        let text = &self.source[whole.0..whole.1];
        match name {
            // From "less" to "not more", and back.
            "lt" | "gt" => {
                let other = if name == "lt" { "gt" } else { "lt" };
                let after = format!("iszero({other}{})", &text[2..]);
                self.add("instruction", whole, &after);
            }
            "eq" => {
                let after = format!("iszero({text})");
                self.add("instruction", whole, &after);
            }
            "iszero" => {
                let after = text["iszero(".len()..text.len() - 1].to_owned();
                self.add("instruction", whole, &after);
            }
            _ => {}
        }
    }

    fn add(&mut self, operator: &'static str, edit: (usize, usize), after: &str) {
        let before = &self.source[edit.0..edit.1];
        let from = self.source[..edit.0].rfind('\n').map_or(0, |at| at + 1);
        self.found.push(Mutant {
            file: self.file.to_owned(),
            within: self.within(),
            text: self.source[from..].lines().next().unwrap_or_default().trim().to_owned(),
            operator,
            edit,
            after: after.to_owned(),
            before: before.to_owned(),
            ordinal: 1,
            place: Around {
                source: self.source,
                plain: self.plain,
                above: &self.above,
            }
            .place(edit),
        });
    }

    fn within(&self) -> String {
        let named = self.above.iter().rev().find(|(_, node)| {
            ["FunctionDefinition", "ModifierDefinition"].contains(&node["nodeType"].as_str().unwrap_or_default())
                || node["stateVariable"] == true
        });
        let name = named.map(|(_, node)| node["name"].as_str().unwrap_or_default());
        name.filter(|name| !name.is_empty()).unwrap_or("constructor").to_owned()
    }
}

/// Where a node is, in bytes.
pub(super) fn range(node: &Value) -> (usize, usize) {
    let mut numbers = node["src"]
        .as_str()
        .unwrap_or_default()
        .split(':')
        .filter_map(|number| number.parse::<usize>().ok());
    let start = numbers.next().unwrap_or(0);
    (start, start + numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `while (a < b) f(a, b);` in a function `g`, as the compiler's tree says it.
    fn tree() -> Value {
        let name =
            |src: &str| json!({"nodeType": "Identifier", "src": src, "typeDescriptions": {"typeString": "uint256"}});
        json!({"nodeType": "FunctionDefinition", "name": "g", "src": "0:23:0", "body": {
            "nodeType": "WhileStatement", "src": "0:23:0",
            "condition": {
                "nodeType": "BinaryOperation", "operator": "<", "src": "7:5:0", "typeDescriptions": {"typeString": "bool"},
                "leftExpression": name("7:1:0"), "rightExpression": name("11:1:0"),
            },
            "body": {"nodeType": "ExpressionStatement", "src": "14:7:0", "expression": {
                "nodeType": "FunctionCall", "kind": "functionCall", "names": [], "src": "14:7:0",
                "typeDescriptions": {"typeString": "tuple()"}, "expression": name("14:1:0"),
                "arguments": [name("16:1:0"), name("19:1:0")],
            }},
        }})
    }

    const SOURCE: &str = "while (a < b) f(a, b);\n";

    #[test]
    fn mutants_are_read_off_the_tree() {
        let found = mutants("A.sol", SOURCE, &tree(), &BTreeSet::new());
        let said: Vec<_> = found.iter().map(|mutant| (mutant.change(), mutant.place)).collect();
        let comparison = Place::Expression(7, 12);
        assert_eq!(
            said,
            [
                ("`<` → `<=`".to_owned(), comparison),
                ("`<` → `>=`".to_owned(), comparison),
                ("without `f(a, b)`".to_owned(), Place::Statement(14, 22)),
                ("`a, b` → `b, a`".to_owned(), Place::Statement(14, 22)),
            ]
        );
        assert!(found.iter().all(|mutant| mutant.within == "g"));
    }

    #[test]
    fn each_mutant_has_a_name_of_its_own() {
        let found = mutants("A.sol", SOURCE, &json!([tree(), tree()]), &BTreeSet::new());
        let names: BTreeSet<_> = found.iter().map(Mutant::name).collect();
        assert_eq!(names.len(), found.len());
    }
}
