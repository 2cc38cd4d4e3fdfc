//! The macros of `remit-sdk`: `#[tool]` and `#[data]`. Use them through that crate.

mod data;
mod options;
mod signature;
mod tool;

use proc_macro::TokenStream;

/// Makes a tool of a function.
///
/// The doc comment is the description that a model reads; the arguments' type gives the input schema, the result's type the output schema.
///
/// Options: `read`, `idempotent` or `once` (what may be repeated after a crash; `once` where none is given), `name = "…"`, `title = "…"`.
///
/// The function takes its arguments as one value, and `&remit::Context` if it wants to know who calls; both may be left out.
/// It stays a plain function: a test calls it. A hidden type of the same name stands beside it for `remit::plugin!`, so no module
/// of that name may stand in the same place.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `Serialize`, `Deserialize` and `JsonSchema` through the SDK, so that a plugin needs no other dependency.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[cfg(test)]
mod tests;
