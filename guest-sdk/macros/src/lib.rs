//! The macros of `remit-sdk`: `#[tool]`, `#[agent]` and `#[data]`. Use them through that crate.

mod data;
mod function;
mod kind;
mod options;
mod signature;

use proc_macro::TokenStream;

use kind::Kind;

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
    made(function::expand(Kind::Tool, options.into(), item.into()))
}

/// Makes the agent of a component of a function, and exports it. A component has one.
///
/// The doc comment is the description; the input's type gives the input schema, the result's type the output schema.
///
/// Options: `name = "…"`, `title = "…"`, `migrate = a_function`. The last one, `fn(from: &str) -> remit::Result<()>`, is called before
/// the first turn of a session whose state another component left, with the version of that one; it may use `remit::state` alone.
///
/// The function takes its input as one value, and `&remit::Context` if it wants to know for whom it works; both may be left out. It
/// stays a plain function: a test calls it. Beside it stands a hidden type of the same name, and a test of what the agent says of itself.
#[proc_macro_attribute]
pub fn agent(options: TokenStream, item: TokenStream) -> TokenStream {
    made(function::expand(Kind::Agent, options.into(), item.into()))
}

/// Derives `Serialize`, `Deserialize` and `JsonSchema` through the SDK, so that a plugin needs no other dependency.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    made(data::expand(options.into(), item.into()))
}

fn made(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}

#[cfg(test)]
mod tests;
