//! Descriptions made of names and types.

use crate::plugin::{inspect::PlainFunction, text::visible};

/// Longest description that is made up; types in full are in the schema.
const DESCRIPTION_MAX_CHARS: usize = 400;

/// One line such as ``Calls `add` of `docs:calc/ops@0.1.0`: add(a: u32, b: u32) -> u32``.
pub(super) fn of(function: &PlainFunction) -> String {
    let params: Vec<String> = function.params.iter().map(|param| format!("{}: {}", param.name, param.shape)).collect();
    let result = function.result.as_ref().map(|shape| format!(" -> {shape}")).unwrap_or_default();
    let place = function.interface.as_ref().map(|interface| format!(" of `{interface}`")).unwrap_or_default();
    let name = &function.function;
    visible(&format!("Calls `{name}`{place}: {name}({}){result}", params.join(", ")), DESCRIPTION_MAX_CHARS)
}
