use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Item, Result};

/// Puts the derives and the paths that they need before a type.
pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new_spanned(options, "`#[remit::data]` takes no options; write `#[serde(…)]` below it"));
    }
    let item: Item = syn::parse2(item)?;
    if !matches!(item, Item::Struct(_) | Item::Enum(_)) {
        return Err(Error::new_spanned(item, "`#[remit::data]` stands on a struct or an enum"));
    }
    Ok(quote! {
        #[derive(::remit::serde::Serialize, ::remit::serde::Deserialize, ::remit::schemars::JsonSchema)]
        #[serde(crate = "::remit::serde")]
        #[schemars(crate = "::remit::schemars")]
        #item
    })
}
