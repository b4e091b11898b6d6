//! The code that constructors leave: by running them, in an EVM of our own. So nothing has to be believed of an L1 node.

use std::fmt;

use alloy::primitives::{Address, Bytes, U256};
use nthroot_evm::{Chain, SpecId};

use super::{
    Deployment, Kind, Parameters, Plan,
    factory::{FACTORY, RUNTIME},
};
use crate::error::{Error, Result};

/// Who sends the transactions of a rehearsal: the code that they leave does not depend on it.
const SOMEBODY: Address = Address::repeat_byte(0xde);

/// What comes of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// Which.
    pub kind: Kind,
    /// Gas that its transaction pays for.
    pub gas: u64,
    /// Its code.
    pub code: Bytes,
}

/// Deploys a plan under the rules of a fork, on a chain of its own, all in the block of this number: whole transactions with all that
/// L1 charges for them.
///
/// # Errors
///
/// [`Error::Parameters`] if a constructor refuses, or L1's rules do.
pub fn rehearse(plan: &Plan, fork: SpecId, block: u64) -> Result<Vec<Rehearsed>> {
    let mut chain = Chain::new(fork);
    chain.mine(block.saturating_sub(chain.number()));
    chain.set_code(FACTORY, RUNTIME.into());
    let mut rehearsed = Vec::new();
    for piece in &plan.pieces {
        let to = piece.call.to.to().copied().unwrap_or_default();
        let refused = |what: String| Error::Parameters(format!("the {} cannot be made: {what}", piece.kind.says()));
        let receipt = chain
            .send_with_most_gas(SOMEBODY, to, U256::ZERO, piece.call.input.clone())
            .map_err(|error| refused(error.to_string()))?;
        let code = chain.code(piece.address);
        if !receipt.success || code.is_empty() {
            return Err(refused(format!("it reverts with {}", receipt.output)));
        }
        rehearsed.push(Rehearsed {
            kind: piece.kind,
            gas: receipt.gas,
            code,
        });
    }
    Ok(rehearsed)
}

/// How code differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// There is none.
    Nothing,
    /// The value of an immutable.
    Immutable {
        /// Its name.
        name: &'static str,
        /// What it should be.
        expected: U256,
        /// What it is.
        found: U256,
    },
    /// Something else than values of immutables.
    Code {
        /// The first byte that differs.
        at: usize,
        /// How long it should be.
        expected: usize,
        /// How long it is.
        found: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "no code"),
            Self::Immutable { name, expected, found } => write!(f, "{name} is {found:#x} instead of {expected:#x}"),
            Self::Code { at, .. } => write!(f, "other code than this version's, from byte {at} on"),
        }
    }
}

/// An immutable in code: its name, and where it stands.
struct Slot {
    name: &'static str,
    /// The first of its 32 bytes.
    at: usize,
}

/// What differs: the immutables, if all else is equal.
pub(super) fn compare(kind: Kind, expected: &[u8], found: &[u8]) -> Result<Vec<Difference>> {
    if expected == found {
        return Ok(Vec::new());
    }
    if found.is_empty() {
        return Ok(vec![Difference::Nothing]);
    }
    let slots = slots(kind)?;
    let is_immutable = |at: usize| slots.iter().any(|slot| (slot.at..slot.at + 32).contains(&at));
    let mut bytes = expected.iter().zip(found).enumerate();
    let other = bytes.find(|(at, (expected, found))| expected != found && !is_immutable(*at));
    if let Some((at, _)) = other {
        return Ok(vec![Difference::Code {
            at,
            expected: expected.len(),
            found: found.len(),
        }]);
    }
    if expected.len() != found.len() {
        return Ok(vec![Difference::Code {
            at: expected.len().min(found.len()),
            expected: expected.len(),
            found: found.len(),
        }]);
    }
    let mut differences = Vec::new();
    for slot in slots {
        let [expected, found] = [expected, found].map(|code| word(code, slot.at));
        let difference = Difference::Immutable {
            name: slot.name,
            expected,
            found,
        };
        if expected != found && !differences.contains(&difference) {
            differences.push(difference);
        }
    }
    Ok(differences)
}

/// The code of one of a deployment's contracts, to the byte.
///
/// # Errors
///
/// As [`rehearse`]'s.
pub(crate) fn expected(kind: Kind, deployment: &Deployment) -> Result<Bytes> {
    let mut code = kind.runtime().to_vec();
    let parameters = &deployment.parameters;
    for Slot { name, at } in slots(kind)? {
        let value = match name {
            "ACCOUNT" => of_address(deployment.account),
            "VERIFIER" => of_address(deployment.verifier),
            "REGISTRY" => of_address(deployment.registry),
            "WINDOW" => U256::from(parameters.window),
            "INSURED_GAS_PRICE" => U256::from(parameters.insured_gas_price),
            "MIN_LOCK" => U256::from(parameters.min_lock),
            "DEPLOYMENT_BLOCK" => U256::from(deployment.deployment_block),
            "CAPPED" => U256::from(!parameters.caps.is_empty()),
            _ => unreachable!("an immutable without a name is refused by `slots`"),
        };
        code[at..at + 32].copy_from_slice(&value.to_be_bytes::<32>());
    }
    Ok(code.into())
}

fn of_address(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// The immutables of code, each once, in the order in which they first stand there; all of its places agree if the code is as
/// expected but for them.
pub(super) fn immutables(kind: Kind, code: &[u8]) -> Result<Vec<(&'static str, U256)>> {
    let mut values: Vec<(&'static str, U256)> = Vec::new();
    for slot in slots(kind)? {
        if slot.at + 32 <= code.len() && !values.iter().any(|(name, _)| *name == slot.name) {
            values.push((slot.name, word(code, slot.at)));
        }
    }
    Ok(values)
}

fn word(code: &[u8], at: usize) -> U256 {
    U256::try_from_be_slice(&code[at..at + 32]).unwrap_or_default()
}

/// Parameters of which no two values are the same, and a block that is none of them: so that a value tells its name.
fn probe() -> (Parameters, u64) {
    let parameters = Parameters {
        window: 1_000_003,
        insured_gas_price: 1_000_005,
        min_lock: 1_000_000_000_000_007,
        caps: [(Address::ZERO, U256::from(1_000_009))].into(),
    };
    (parameters, 2_000_011)
}

/// Where the immutables of a contract stand, by what a constructor with [`probe`] parameters puts there.
fn slots(kind: Kind) -> Result<Vec<Slot>> {
    let places = blanks(kind.runtime());
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (parameters, block) = probe();
    let plan = Plan::new(&parameters, alloy::primitives::B256::ZERO);
    let rehearsed = rehearse(&plan, SpecId::OSAKA, block)?;
    let code = rehearsed.into_iter().find(|made| made.kind == kind);
    let code = code.map(|made| made.code).unwrap_or_default();
    let names: &[(&'static str, U256)] = match kind {
        Kind::Verifier => &[("ACCOUNT", of_address(plan.address(Kind::Account)))],
        Kind::Bridge => &[
            ("WINDOW", U256::from(parameters.window)),
            ("INSURED_GAS_PRICE", U256::from(parameters.insured_gas_price)),
            ("MIN_LOCK", U256::from(parameters.min_lock)),
            ("VERIFIER", of_address(plan.address(Kind::Verifier))),
            ("REGISTRY", of_address(plan.address(Kind::Registry))),
            ("DEPLOYMENT_BLOCK", U256::from(block)),
            ("CAPPED", U256::ONE),
        ],
        _ => &[],
    };
    let slot = |at: usize| {
        let value = word(&code, at);
        let name = names.iter().find(|(_, known)| *known == value);
        name.map(|(name, _)| Slot { name, at })
    };
    Ok(places.into_iter().filter_map(slot).collect())
}

/// Where the compiler left room for immutables: `PUSH32 0`, which it writes for nothing else (zero is `PUSH0`).
fn blanks(template: &[u8]) -> Vec<usize> {
    const PUSH1: u8 = 0x60;
    const PUSH32: u8 = 0x7f;
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some(opcode) = template.get(at) {
        let data = match opcode {
            PUSH1..=PUSH32 => usize::from(opcode - PUSH1) + 1,
            _ => 0,
        };
        let blank = template.get(at + 1..at + 33);
        if *opcode == PUSH32 && blank.is_some_and(|blank| blank.iter().all(|byte| *byte == 0)) {
            places.push(at + 1);
        }
        at += 1 + data;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_a_constructor_sets_is_a_named_immutable() {
        let (parameters, block) = probe();
        let plan = Plan::new(&parameters, alloy::primitives::B256::ZERO);
        for made in rehearse(&plan, SpecId::OSAKA, block).unwrap() {
            let slots = slots(made.kind).unwrap();
            let template = made.kind.runtime();
            assert_eq!(slots.len(), blanks(template).len(), "{:?}", made.kind);
            let mut code = made.code.to_vec();
            for slot in &slots {
                code[slot.at..slot.at + 32].fill(0);
            }
            assert_eq!(code, template.to_vec(), "{:?}", made.kind);
            let names = immutables(made.kind, &made.code).unwrap();
            let expected = match made.kind {
                Kind::Bridge => 7,
                Kind::Verifier => 1,
                _ => 0,
            };
            assert_eq!(names.len(), expected, "{names:?}");
        }
    }

    #[test]
    fn an_immutable_that_differs_is_told_by_its_name_and_code_by_its_place() {
        let (parameters, block) = probe();
        let code = |parameters: &Parameters, block| {
            let plan = Plan::new(parameters, alloy::primitives::B256::ZERO);
            rehearse(&plan, SpecId::OSAKA, block).unwrap().pop().unwrap().code
        };
        let expected = code(&parameters, block);
        let other = Parameters {
            window: 77,
            ..parameters
        };
        let found = code(&other, block + 1);
        let differences = compare(Kind::Bridge, &expected, &found).unwrap();
        let value = |name| {
            differences.iter().find_map(|difference| match difference {
                Difference::Immutable { name: of, found, .. } if *of == name => Some(*found),
                _ => None,
            })
        };
        assert_eq!(differences.len(), 2, "{differences:?}");
        assert_eq!(value("WINDOW"), Some(U256::from(77)));
        assert_eq!(value("DEPLOYMENT_BLOCK"), Some(U256::from(block + 1)));

        let mut found = expected.to_vec();
        found[1_000] ^= 1;
        let differences = compare(Kind::Bridge, &expected, &found).unwrap();
        assert!(
            matches!(differences[..], [Difference::Code { at: 1_000, .. }]),
            "{differences:?}"
        );
        found = expected.to_vec();
        found.push(0);
        let differences = compare(Kind::Bridge, &expected, &found).unwrap();
        assert!(
            matches!(differences[..], [Difference::Code { at, .. }] if at == expected.len()),
            "{differences:?}"
        );
        assert_eq!(compare(Kind::Bridge, &expected, &[]).unwrap(), [Difference::Nothing]);
        assert!(compare(Kind::Bridge, &expected, &expected).unwrap().is_empty());
    }
}
