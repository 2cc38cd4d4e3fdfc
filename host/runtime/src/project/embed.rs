//! Writing what a component says of itself into the component.

use std::borrow::Cow;

use remit_core::{
    Error, Result,
    plugin::section::{self, Section},
};
use wasm_encoder::{ComponentSection, CustomSection};

/// The component with `section` appended as its custom section `remit:plugin`.
///
/// # Errors
/// `invalid` when the bytes are no component, or already have such a section; `limit` when the section is too large.
pub fn embed(component: &[u8], section: &Section) -> Result<Vec<u8>> {
    if section::find(component)?.is_some() {
        return Err(Error::invalid(format!("it already has a section `{}`", section::NAME)).hint("build it anew: remit build"));
    }
    let data = section.encode()?;
    let mut out = Vec::with_capacity(component.len() + data.len() + 32);
    out.extend_from_slice(component);
    CustomSection { name: Cow::Borrowed(section::NAME), data: Cow::Owned(data) }.append_to_component(&mut out);
    Ok(out)
}
