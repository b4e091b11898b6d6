//! How long the window must be: the section.
use crate::{Options, report::Section};
/// The section.
///
/// # Errors
///
/// None.
pub fn section(options: &Options) -> eyre::Result<Section> {
    let _ = options;
    Ok(Section::default())
}
