//! x
use crate::{Options, report::Section};
/// Dollars for an ether, unless another price is named.
pub const ETHER_PRICE: f64 = 3_000.0;
/// x
///
/// # Errors
///
/// x
pub fn section(options: &Options) -> eyre::Result<Section> {
    section_at(options, ETHER_PRICE)
}
/// x
///
/// # Errors
///
/// x
pub fn section_at(options: &Options, price: f64) -> eyre::Result<Section> {
    let _ = (options, price);
    Ok(Section::default())
}
