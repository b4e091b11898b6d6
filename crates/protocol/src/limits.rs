//! Limits and reserved values (section 1). Each number is a promise of the specification, not a default.

/// Blocks. How long a posted batch may wait for inclusion.
pub const MAX_CLOCK_AGE: u64 = 32;

/// Gas. A proof at the ceiling × 4/3 and its overhead fit the 2^24 gas of one transaction (EIP-7825).
pub const MAX_CEILING: u32 = 10_000_000;

/// Anchors in a batch, so that unwinding all of them fits one transaction.
pub const MAX_ENTRIES: u16 = 512;

/// Rules in a batch's table, without the enshrined one.
pub const MAX_RULES: usize = 32;

/// Anchors in a step, over all kinds of touch.
pub const MAX_TOUCHES: usize = 16;

/// What a nibble counts: touches of one kind in a step, and withdrawals of a step.
pub const MAX_NIBBLE: usize = 15;

/// Withdrawals of a step.
pub const MAX_STEP_WITHDRAWALS: usize = MAX_NIBBLE;

/// Withdrawals of a batch's applied steps: what a byte counts.
pub const MAX_BATCH_WITHDRAWALS: usize = 255;

/// Bytes of a step's body, so that a step can be sent again in a proof.
pub const MAX_BODY: usize = 16_384;

/// Gas. What the rules of a step may take for each byte of it, unless it is its batch's only step: L1 is paid for bytes, and
/// verifying takes gas.
pub const RULE_GAS_PER_BYTE: u64 = 600;

/// Depth of a cohort: a leaf's index has 24 bits.
pub const MAX_DEPTH: u8 = 24;

/// Fragments of a step: leaf 0 of each touch, and further leaves.
pub const MAX_FRAGMENTS: usize = 16;

/// Calls of a step.
pub const MAX_CALLS: usize = 16;

/// Fragments that a call lists.
pub const MAX_CALL_FRAGMENTS: usize = MAX_FRAGMENTS;

/// Assets of a fragment.
pub const MAX_ASSETS: usize = 32;

/// Outflows that one authorisation permits: as many as a fragment has assets.
pub const MAX_OUTFLOWS: usize = MAX_ASSETS;

/// Bytes of a fragment's data.
pub const MAX_DATA: usize = 2_048;

/// Effects that a call returns.
pub const MAX_EFFECTS: usize = 64;

/// Bytes of the effects that a call returns.
pub const MAX_EFFECT_BYTES: usize = 8_192;

/// Blocks. How far ahead of the clock a lease may end.
pub const MAX_LEASE: u64 = 64;

/// Bits of an id that number batches and deposits within a block.
pub const SEQUENCE_BITS: u32 = 13;

/// Ids per block, counted from 1.
pub const MAX_SEQUENCE: u16 = (1 << SEQUENCE_BITS) - 1;

/// Blocks since deployment that an id can tell: 27 bits, about 51 years of L1 blocks.
pub const MAX_BLOCK_OFFSET: u64 = (1 << 27) - 1;

/// The version byte of a batch.
pub const VERSION: u8 = 1;

/// The data availability byte of a batch in calldata.
pub const DA_CALLDATA: u8 = 0;
