//! Traces: what a decoder says it read is what it read, to the last byte, and up to where it failed.

#[allow(dead_code, reason = "the other test files use the rest")]
mod arbitrary;

use nthroot_protocol::{
    Batch, BatchError, Fragment, Preimage, Step, Truncated,
    trace::{self, Field, FieldKind, Value},
};
use proptest::prelude::*;

/// The fields follow each other without a gap, and each section spans those in it. Returns where the last one ends.
fn end(fields: &[Field]) -> usize {
    let mut at = 0;
    for (place, field) in fields.iter().enumerate() {
        if field.kind != FieldKind::Section {
            assert_eq!(field.at, at, "{field:?}");
            at += field.length;
            continue;
        }
        let inside = fields[place + 1..]
            .iter()
            .take_while(|inside| inside.depth > field.depth);
        let inside = inside.filter(|inside| inside.kind != FieldKind::Section);
        assert_eq!(
            field.length,
            inside.map(|inside| inside.length).sum::<usize>(),
            "{field:?}"
        );
    }
    at
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn the_fields_of_what_is_whole_are_all_of_its_bytes(batch in arbitrary::batch(), fragment in arbitrary::fragment(),
        preimage in arbitrary::preimage(), body in arbitrary::body(2))
    {
        let bytes = batch.encode();
        let traced = trace::batch(&bytes);
        prop_assert_eq!(end(&traced.fields), bytes.len());
        prop_assert_eq!(traced.result, Batch::parse(&bytes));

        let bytes = fragment.encode();
        let traced = trace::fragment(&bytes);
        prop_assert_eq!(end(&traced.fields), bytes.len());
        prop_assert_eq!(traced.result, Fragment::decode(&bytes));

        let bytes = preimage.encode();
        let traced = trace::preimage(&bytes);
        prop_assert_eq!(end(&traced.fields), bytes.len());
        prop_assert_eq!(traced.result, Preimage::decode(&bytes));

        let step = Step { body: body.encode().into(), fresh: batch.steps[0].fresh.clone(), ..Step::default() };
        let traced = trace::body(&step);
        if traced.result.is_ok() {
            prop_assert_eq!(end(&traced.fields), step.body.len());
        }
    }

    /// The byte at which it fails is that behind the last field, and a field says what its bytes are.
    #[test]
    fn the_fields_of_what_is_cut_off_end_where_it_fails(batch in arbitrary::batch(), at in any::<prop::sample::Index>()) {
        let bytes = batch.encode();
        let cut = &bytes[..at.index(bytes.len())];
        let traced = trace::batch(cut);
        prop_assert!(end(&traced.fields) <= cut.len());
        if let Err(BatchError::Truncated(Truncated { at, missing })) = traced.result {
            prop_assert_eq!(at, end(&traced.fields));
            prop_assert!(missing > 0);
        }
        let clock = traced.fields.iter().find(|field| field.name == "clock (L1 block)");
        if let Some(clock) = clock {
            prop_assert_eq!(clock.value(cut), Value::Number(batch.header.clock));
        }
    }
}
