//! Amounts as decimal text, for serde: other languages read numbers with 53 bits.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes an amount.
///
/// # Errors
///
/// If the serializer fails.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Reads an amount.
///
/// # Errors
///
/// If it is no decimal number below 2^128.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
