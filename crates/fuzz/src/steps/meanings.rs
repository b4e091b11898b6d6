//! What rules say that payloads mean, and what is signed instead.

use alloy::primitives::keccak256;
use nthroot_protocol::{Effect, Meaning};

use super::choices::Choices;

/// An authorisation that was signed over something else than its rule says of it: the call, the position, and what is wrong.
pub type Missigned = (u8, u8, &'static str);

/// The words of some rule's struct.
fn words(c: &mut Choices<'_>) -> Meaning {
    Meaning {
        type_hash: keccak256([c.byte()]),
        struct_hash: keccak256([c.byte(), 1]),
    }
}

/// What a rule says of each of these payloads: a meaning, or nothing. It may say what holds anyway.
pub(crate) fn said<'p>(c: &mut Choices<'_>, payloads: impl Iterator<Item = &'p [u8]>) -> Vec<Option<Meaning>> {
    let speaks = c.once_in(2);
    payloads
        .map(|payload| {
            let meaning = if c.once_in(6) {
                Meaning::opaque(payload)
            } else {
                words(c)
            };
            Some(meaning).filter(|_| speaks && !c.once_in(3))
        })
        .collect()
}

/// What is signed where the rule says this, and what is wrong with it, if anything.
pub(crate) fn signed(c: &mut Choices<'_>, said: Option<Meaning>, payload: &[u8]) -> (Meaning, Option<&'static str>) {
    let opaque = Meaning::opaque(payload);
    let right = said.unwrap_or(opaque);
    if !c.mistake(if said.is_some() { 4 } else { 24 }) {
        return (right, None);
    }
    let other = words(c);
    let (signed, what) = match (said, c.below(4)) {
        (None, _) => (other, "a meaning signed where none is said"),
        (Some(_), 0) => (opaque, "a payload signed where a meaning is said"),
        (Some(_), 1) => (other, "another meaning signed"),
        (Some(said), 2) => (
            Meaning {
                struct_hash: other.struct_hash,
                ..said
            },
            "another struct of the same type signed",
        ),
        (Some(said), _) => (
            Meaning {
                type_hash: other.type_hash,
                ..said
            },
            "the same struct of another type signed",
        ),
    };
    (signed, (signed != right).then_some(what))
}

/// The effects that say it, perhaps badly.
pub(crate) fn effects(c: &mut Choices<'_>, said: &[Option<Meaning>]) -> Vec<Effect> {
    let said_of = |(number, meaning): (u8, &Option<Meaning>)| meaning.map(|meaning| Effect::meaning(number, meaning));
    let mut effects: Vec<Effect> = (0..).zip(said).filter_map(said_of).collect();
    if c.mistake(8) {
        let beyond = u8::try_from(said.len()).expect("few");
        match c.below(4) {
            0 => effects.reverse(),
            1 => effects.extend(effects.last().cloned()),
            2 => effects.push(Effect::meaning(c.pick(&[beyond, 16, 255]), words(c))),
            _ => drop(effects.pop()),
        }
    }
    effects
}

/// A meaning that stands behind another effect.
pub(crate) fn late(c: &mut Choices<'_>, said: &[Option<Meaning>], effects: &mut Vec<Effect>) {
    let number = u8::try_from(c.below(said.len() + 1)).expect("few");
    let place = 1 + c.below(effects.len());
    if place <= effects.len() {
        effects.insert(place, Effect::meaning(number, words(c)));
    }
}
