//! Where the choice between original and mutant can stand.

use std::collections::BTreeSet;

use serde_json::Value;

use super::list::range;

/// The part of the source that is written twice, so that one compilation serves many mutants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// An expression of some type.
    Expression(usize, usize),
    /// A statement with its semicolon.
    Statement(usize, usize),
    /// A statement in a block of assembly that starts at the third number.
    Assembly(usize, usize, usize),
    /// A declaration there; its names end at the fourth number.
    Declaration(usize, usize, usize, usize),
    /// A condition there.
    Condition(usize, usize, usize),
    /// Nowhere: the mutant is compiled by itself.
    Alone,
}

/// What is around a change.
pub(super) struct Around<'a> {
    pub(super) source: &'a str,
    /// Constants that must be plain numbers.
    pub(super) plain: &'a BTreeSet<u64>,
    /// Nodes from outside to inside, each with the field that holds it.
    pub(super) above: &'a [(&'a str, &'a Value)],
}

impl Around<'_> {
    /// The smallest part around a change that can stand twice.
    pub(super) fn place(&self, edit: (usize, usize)) -> Place {
        let kind = |node: &Value| node["nodeType"].as_str().unwrap_or_default().to_owned();
        if let Some((_, block)) = self.above.iter().rev().find(|(_, node)| kind(node) == "InlineAssembly") {
            return self.place_in_assembly(range(block).0);
        }
        for (at, (field, node)) in self.above.iter().enumerate().rev() {
            let (start, end) = range(node);
            let around = at.checked_sub(1).map(|at| self.above[at].1);
            match kind(node).as_str() {
                "VariableDeclaration" => {
                    // Inside: the whole of a constant's value.
                    let id = node["id"].as_u64().unwrap_or_default();
                    if self.plain.contains(&id) || node["value"].is_null() {
                        return Place::Alone;
                    }
                    let (start, end) = range(&node["value"]);
                    return Place::Expression(start, end);
                }
                // Where a loop starts nothing but an expression can stand.
                "ExpressionStatement" if *field == "initializationExpression" => return Place::Alone,
                "ExpressionStatement" | "RevertStatement" | "EmitStatement" | "Return" | "Break" | "Continue" => {
                    return self.statement(start, end);
                }
                "VariableDeclarationStatement" => {
                    let (start, end) = range(&node["initialValue"]);
                    return Place::Expression(start, end);
                }
                "ModifierInvocation" | "Block" | "UncheckedBlock" | "FunctionDefinition" => return Place::Alone,
                _ => {}
            }
            let called =
                *field == "expression" && around.is_some_and(|around| kind(around).starts_with("FunctionCall"));
            let constant = self.above[..at].iter().any(|(_, above)| above["stateVariable"] == true);
            let statement = around.is_some_and(|around| kind(around) == "ExpressionStatement");
            // It must hold all of the change: a swap belongs to the call, an operator to the operation.
            if start <= edit.0 && edit.1 <= end && !called && !constant && !statement && has_value(node) {
                return Place::Expression(start, end);
            }
        }
        Place::Alone
    }

    fn statement(&self, start: usize, end: usize) -> Place {
        let semicolon = self.source[end..].find(|c: char| !c.is_whitespace());
        match semicolon {
            Some(at) if self.source[end + at..].starts_with(';') => Place::Statement(start, end + at + 1),
            _ if self.source[..end].ends_with(';') => Place::Statement(start, end),
            _ => Place::Alone,
        }
    }

    fn place_in_assembly(&self, block: usize) -> Place {
        let kind = |node: &Value| node["nodeType"].as_str().unwrap_or_default().to_owned();
        // Functions in assembly see no variable of Solidity, so they could not choose.
        if self.above.iter().any(|(_, node)| kind(node) == "YulFunctionDefinition") {
            return Place::Alone;
        }
        for (field, node) in self.above.iter().rev() {
            let (start, end) = range(node);
            match kind(node).as_str() {
                "YulExpressionStatement" | "YulAssignment" => return Place::Assembly(start, end, block),
                "YulVariableDeclaration" => {
                    let names = node["variables"].as_array().and_then(|names| names.last());
                    return names.map_or(Place::Alone, |name| {
                        Place::Declaration(start, end, block, range(name).1)
                    });
                }
                "YulCase" => return Place::Alone,
                _ if *field == "condition" => return Place::Condition(start, end, block),
                _ => {}
            }
        }
        Place::Alone
    }
}

/// Whether an expression can be an arm of `?:` without changing what it is.
fn has_value(node: &Value) -> bool {
    let kind = node["typeDescriptions"]["typeString"].as_str().unwrap_or_default();
    let other = [
        "int_const",
        "rational",
        "literal_string",
        "tuple",
        "function",
        "type(",
        "modifier",
        "abi",
        "module",
    ];
    !kind.is_empty()
        && !other.iter().any(|start| kind.starts_with(start))
        && !kind.contains("storage")
        && node["lValueRequested"] != true
        && node["nodeType"] != "ElementaryTypeNameExpression"
}
