//! Leaf tables: which leaves a step works on beside leaf 0 of each touch (section 5).

use serde::{Deserialize, Serialize};

use crate::{
    BodyError, Step,
    codec::{Reader, count_u8},
    limits::MAX_FRAGMENTS,
};

/// Form of a body without a leaf table.
const FORM_PLAIN: u8 = 0;
/// Form of a body with one.
const FORM_LEAVES: u8 = 1;

/// For each fresh, then each repeated touch its further leaves: strictly increasing, without leaf 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeafTable(pub Vec<Vec<u32>>);

impl LeafTable {
    /// The leaf table of a step as section 7 speaks of it: the empty one if there is none, or none that is readable.
    pub fn of(step: &Step) -> Self {
        let touched = step.fresh.len() + step.again.len();
        let table = Self::read(&mut Reader::new(&step.body), touched, step.opened.len());
        table.ok().flatten().unwrap_or_default()
    }

    /// The further leaves of a touch, by its place among the fresh, then the repeated ones.
    pub fn further(&self, place: usize) -> &[u32] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    /// How many further leaves there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Whether there are no further leaves.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The form, and the table if there is one.
    pub(crate) fn write(table: Option<&Self>, out: &mut Vec<u8>) {
        let Some(Self(touches)) = table else {
            return out.push(FORM_PLAIN);
        };
        out.push(FORM_LEAVES);
        for leaves in touches {
            out.push(count_u8(leaves.len()));
            for leaf in leaves {
                out.extend(&leaf.to_be_bytes()[1..]);
            }
        }
    }

    /// Reads a form, and the table if one follows.
    pub(crate) fn read(reader: &mut Reader<'_>, touched: usize, opened: usize) -> Result<Option<Self>, BodyError> {
        match reader.u8("form")? {
            FORM_PLAIN => return Ok(None),
            FORM_LEAVES => {}
            form => return Err(BodyError::Form(form)),
        }
        let mut touches = Vec::with_capacity(touched);
        for _ in 0..touched {
            let mut leaves = Vec::new();
            let mut last = 0;
            for _ in 0..reader.u8("further leaves")? {
                let [a, b, c] = reader.array("leaf")?;
                let leaf = u32::from_be_bytes([0, a, b, c]);
                if leaf <= last {
                    return Err(BodyError::LeafOrder(leaf));
                }
                last = leaf;
                leaves.push(leaf);
            }
            touches.push(leaves);
        }
        let table = Self(touches);
        let fragments = touched + opened + table.len();
        if fragments > MAX_FRAGMENTS {
            return Err(BodyError::StepFragments(fragments));
        }
        Ok(Some(table))
    }
}
