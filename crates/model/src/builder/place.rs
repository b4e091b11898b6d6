//! The fragments of a step that is being built, and their order on the wire.

use nthroot_protocol::{
    AnchorId, BatchId, Body, Fragment, FreshTouch, RepeatedTouch, Root, Step, Withdrawal,
    limits::{MAX_NIBBLE, MAX_TOUCHES},
};

use super::StepError;

/// How a fragment of the step is touched. The order is that of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Fresh,
    Opened,
    Again(u16),
}

/// A fragment of the step, resolved.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) class: Class,
    /// None if it was opened in this batch.
    pub(super) anchor: Option<AnchorId>,
    /// Who wrote its head; only of fresh ones.
    pub(super) parent: BatchId,
    /// None if this step opens it.
    pub(super) state: Option<Fragment>,
}

/// The limits on a step's touches; no fragment may be named twice.
pub(super) fn check_touches(fragments: &[Placed]) -> Result<(), StepError> {
    let of = |kind: fn(&Class) -> bool| fragments.iter().filter(|fragment| kind(&fragment.class)).count();
    let fresh = of(|class| *class == Class::Fresh);
    let opened = of(|class| *class == Class::Opened);
    let again = of(|class| matches!(class, Class::Again(_)));
    let touches = fragments.len();
    if touches == 0 || touches > MAX_TOUCHES || fresh.max(opened).max(again) > MAX_NIBBLE {
        return Err(StepError::Touches { fresh, opened, again });
    }
    for (place, fragment) in fragments.iter().enumerate() {
        let same = |other: &Placed| other.class == fragment.class && other.anchor == fragment.anchor;
        if fragment.class != Class::Opened && fragments[..place].iter().any(same) {
            return Err(StepError::Twice(fragment.anchor));
        }
    }
    Ok(())
}

/// The body with its fragment numbers changed from places in the plan to places in `order`. A number beyond the plan stays
/// beyond it.
pub(super) fn renumber(body: &Body, order: &[usize]) -> Body {
    let mut body = body.clone();
    for number in body.calls.iter_mut().flat_map(|call| &mut call.fragments) {
        let place = order.iter().position(|place| *place == usize::from(*number));
        // At most 16 fragments.
        *number = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(*number);
    }
    body
}

/// The step as it is posted.
pub(super) fn assemble(
    fragments: &[Placed],
    roots: impl Iterator<Item = Root>,
    withdrawals: Vec<Withdrawal>,
    body: Vec<u8>,
) -> Step {
    let mut step = Step {
        withdrawals,
        body: body.into(),
        ..Step::default()
    };
    for (fragment, root) in fragments.iter().zip(roots) {
        let parent = fragment.parent;
        match (fragment.class, fragment.anchor) {
            (Class::Again(entry), _) => step.again.push(RepeatedTouch { entry, root }),
            (Class::Fresh, Some(anchor)) => step.fresh.push(FreshTouch { anchor, root, parent }),
            (Class::Fresh | Class::Opened, _) => step.opened.push(root),
        }
    }
    step
}
