//! Many mutants in one compilation.
//!
//! Compiling is what a mutant costs: half a minute through the IR, where its tests take seconds. So each place is written once as it
//! is and once for each of its mutants, and a number chooses: the address of an external library, which the compiler leaves open
//! as it does for linking. One compilation then serves for all, and filling in a number makes the mutant.

use std::collections::BTreeMap;

use super::{list::Mutant, place::Place};

/// What is imported into a file for the number that chooses.
pub(super) const CHOICE: (&str, &str) = (
    "contracts/Chosen_.sol",
    "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.37;\nlibrary Chosen_ { function f() external {} }\n",
);

const NUMBER: &str = "uint160(address(Chosen_))";

/// The file with all these mutants, numbered from 1 as they come. Those that are compiled alone must not be among them.
pub(super) fn weave(source: &str, mutants: &[Mutant]) -> String {
    let mut places: BTreeMap<Place, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (at, mutant) in mutants.iter().enumerate() {
        places.entry(mutant.place).or_default().push((at + 1, mutant));
    }
    // Outer places before those inside them.
    let mut order: Vec<Region<'_>> = places
        .into_iter()
        .map(|(place, these)| Region { place, these })
        .collect();
    order.sort_by_key(|region| (region.span().0, std::cmp::Reverse(region.span().1)));
    let mut blocks: Vec<usize> = order.iter().filter_map(Region::block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let weaver = Weaver { source, order, blocks };
    let woven = weaver.render(0, source.len(), 0);
    format!("{woven}\nimport {{Chosen_}} from \"contracts/Chosen_.sol\";\n")
}

struct Region<'a> {
    place: Place,
    these: Vec<(usize, &'a Mutant)>,
}

impl Region<'_> {
    fn span(&self) -> (usize, usize) {
        match self.place {
            Place::Expression(start, end)
            | Place::Statement(start, end)
            | Place::Assembly(start, end, _)
            | Place::Declaration(start, end, ..)
            | Place::Condition(start, end, _) => (start, end),
            Place::Alone => unreachable!("compiled alone"),
        }
    }

    fn block(&self) -> Option<usize> {
        match self.place {
            Place::Assembly(_, _, block) | Place::Declaration(_, _, block, _) | Place::Condition(_, _, block) => {
                Some(block)
            }
            _ => None,
        }
    }
}

struct Weaver<'a> {
    source: &'a str,
    order: Vec<Region<'a>>,
    blocks: Vec<usize>,
}

impl Weaver<'_> {
    /// The text from one byte to another, with the places from the `next`th on.
    fn render(&self, from: usize, to: usize, mut next: usize) -> String {
        let mut text = String::new();
        let mut at = from;
        while let Some(region) = self.order.get(next) {
            let (start, end) = region.span();
            if start >= to {
                break;
            }
            self.copy(&mut text, at, start);
            text.push_str(&self.choose(region, next));
            at = end;
            while self.order.get(next).is_some_and(|inner| inner.span().0 < end) {
                next += 1;
            }
        }
        self.copy(&mut text, at, to);
        text
    }

    /// As it is, but with the number at hand in front of each block of assembly.
    fn copy(&self, text: &mut String, from: usize, to: usize) {
        let mut at = from;
        for &block in self.blocks.iter().filter(|block| (from..to).contains(*block)) {
            text.push_str(&self.source[at..block]);
            text.push_str(&format!("uint256 chosen_{block} = {NUMBER};\n"));
            at = block;
        }
        text.push_str(&self.source[at..to]);
    }

    fn choose(&self, region: &Region<'_>, number: usize) -> String {
        let (start, end) = region.span();
        let original = self.render(start, end, number + 1);
        let mutated = |mutant: &Mutant, from: usize| {
            let (edit, source) = (mutant.edit, self.source);
            format!(
                "{}{}{}",
                &source[from..edit.0],
                mutant.after,
                &source[edit.1.min(end)..end]
            )
        };
        let arms = region.these.iter();
        match region.place {
            Place::Expression(..) => {
                let choices: String = arms
                    .map(|(id, mutant)| {
                        format!(
                            "{NUMBER} == {id} ? /*<{id}>*/({})/*</{id}>*/ : ",
                            mutated(mutant, start)
                        )
                    })
                    .collect();
                format!("({choices}({original}))")
            }
            Place::Statement(..) => {
                let choices: String = arms
                    .map(|(id, mutant)| {
                        let text =
                            if mutant.after.is_empty() && mutant.edit.0 == start && mutant.operator == "statement" {
                                String::new()
                            } else {
                                mutated(mutant, start)
                            };
                        format!("if ({NUMBER} == {id}) {{ /*<{id}>*/{text}/*</{id}>*/ }} else ")
                    })
                    .collect();
                format!("{{ {choices} {{ {original} }} }}")
            }
            Place::Assembly(_, _, block) => {
                let cases: String = arms
                    .map(|(id, mutant)| format!("case {id} {{ /*<{id}>*/{}/*</{id}>*/ }} ", mutated(mutant, start)))
                    .collect();
                format!("switch chosen_{block} {cases} default {{ {original} }}")
            }
            Place::Declaration(_, _, block, names) => {
                let (name, value) = (self.source[start..names].trim_start_matches("let"), names);
                let choices: String = arms
                    .map(|(id, mutant)| {
                        format!(
                            " if eq(chosen_{block}, {id}) {{ /*<{id}>*/{name}{}/*</{id}>*/ }}",
                            mutated(mutant, value)
                        )
                    })
                    .collect();
                format!("{original}{choices}")
            }
            Place::Condition(_, _, block) => arms.fold(original.clone(), |condition, (id, mutant)| {
                let other = mutated(mutant, start);
                format!(
                    "xor({condition}, mul(eq(chosen_{block}, {id}), xor(/*<{id}>*/{other}/*</{id}>*/, {original})))"
                )
            }),
            Place::Alone => unreachable!("compiled alone"),
        }
    }
}

/// The file with these changes in it, which must not overlap.
pub(super) fn changed(source: &str, mutants: &[&Mutant]) -> String {
    let mut mutants = mutants.to_vec();
    mutants.sort_by_key(|mutant| mutant.edit);
    let (mut text, mut at) = (String::new(), 0);
    for Mutant { edit, after, .. } in mutants {
        text.push_str(&source[at..edit.0]);
        text.push_str(after);
        at = edit.1;
    }
    text + &source[at..]
}

/// The mutants whose text an error lies in, or which lie in what an error is about.
pub(super) fn blamed(woven: &str, from: usize, to: usize) -> Vec<usize> {
    let mut blamed = Vec::new();
    for (at, _) in woven.match_indices("/*<") {
        let Some(number) = woven[at + 3..]
            .split('>')
            .next()
            .and_then(|number| number.parse::<usize>().ok())
        else {
            continue;
        };
        let Some(length) = woven[at..].find(&format!("/*</{number}>*/")) else {
            continue;
        };
        let outside = from >= at + length || to <= at;
        if !outside {
            blamed.push(number);
        }
    }
    blamed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(edit: (usize, usize), after: &str, place: Place) -> Mutant {
        Mutant {
            file: String::new(),
            within: String::new(),
            text: String::new(),
            operator: "statement",
            edit,
            after: after.to_owned(),
            before: String::new(),
            ordinal: 1,
            place,
        }
    }

    #[test]
    fn each_number_chooses_its_mutant_and_no_other() {
        let source = "x = a + b; y = c;";
        let mutants = [
            mutant((6, 7), "-", Place::Expression(4, 9)),
            mutant((0, 9), "", Place::Statement(0, 10)),
            mutant((11, 16), "", Place::Statement(11, 17)),
        ];
        let woven = weave(source, &mutants);
        let sum = format!("({NUMBER} == 1 ? /*<1>*/(a - b)/*</1>*/ : (a + b))");
        let first = format!("{{ if ({NUMBER} == 2) {{ /*<2>*//*</2>*/ }} else  {{ x = {sum}; }} }}");
        let second = format!("{{ if ({NUMBER} == 3) {{ /*<3>*//*</3>*/ }} else  {{ y = c; }} }}");
        assert!(woven.starts_with(&format!("{first} {second}\n")), "{woven}");
    }

    #[test]
    fn some_changes_are_made_at_once() {
        let mutants = [mutant((6, 7), "-", Place::Alone), mutant((0, 1), "zz", Place::Alone)];
        assert_eq!(changed("x = a + b;", &mutants.each_ref()), "zz = a - b;");
    }

    #[test]
    fn assembly_takes_the_number_from_a_variable_in_front_of_it() {
        let source = "assembly { let x := add(a, b) if lt(x, a) { y := x } }";
        let mutants = [
            mutant((20, 23), "sub", Place::Declaration(11, 29, 0, 16)),
            mutant((33, 35), "gt", Place::Condition(33, 41, 0)),
            mutant((44, 50), "", Place::Assembly(44, 50, 0)),
        ];
        let expected = format!(
            "uint256 chosen_0 = {NUMBER};\nassembly {{ let x := add(a, b) if eq(chosen_0, 1) {{ /*<1>*/ x := sub(a, b)/*</1>*/ }} \
             if xor(lt(x, a), mul(eq(chosen_0, 2), xor(/*<2>*/gt(x, a)/*</2>*/, lt(x, a)))) \
             {{ switch chosen_0 case 3 {{ /*<3>*//*</3>*/ }}  default {{ y := x }} }} }}\n"
        );
        let woven = weave(source, &mutants);
        assert!(woven.starts_with(&expected), "{woven}");
    }

    #[test]
    fn an_error_is_blamed_on_the_mutants_that_it_is_in_or_around() {
        let woven = "a /*<1>*/b/*</1>*/ c /*<2>*/d/*</2>*/";
        let at = |word: char| woven.find(&format!("/{word}")).unwrap() + 1;
        assert_eq!(blamed(woven, at('b'), at('b') + 1), [1]);
        assert_eq!(blamed(woven, 0, woven.len()), [1, 2]);
        assert!(blamed(woven, 0, 1).is_empty());
    }
}
