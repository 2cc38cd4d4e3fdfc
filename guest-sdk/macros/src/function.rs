use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Item, ItemFn, Lit, Meta, Result, ReturnType};

use crate::kind::Kind;
use crate::options::{Effect, Options, check_name};
use crate::signature::{self, Parameters};

/// Keeps the function and puts a hidden type of the same name beside it.
pub fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::read(kind, options)?;
    let function = match syn::parse2::<Item>(item)? {
        Item::Fn(function) => function,
        other => return Err(Error::new_spanned(other, format!("`#[remit::{}]` stands on a function", kind.word()))),
    };
    let parameters = signature::check(kind, &function.sig)?;
    let description = description(&function.attrs);
    if description.is_empty() {
        let purpose = "it is the description by which people and models choose it, such as `/// Greets somebody.`";
        return Err(Error::new_spanned(&function.sig.ident, format!("{kind} needs a doc comment: {purpose}")));
    }
    let name = name(kind, &options, &function)?;
    let mut tokens = implement(kind, &options, &function, &parameters, &name, &description);
    tokens.extend(mark(kind, &options, &function));
    Ok(tokens)
}

fn name(kind: Kind, options: &Options, function: &ItemFn) -> Result<String> {
    if let Some(name) = &options.name {
        return Ok(name.value());
    }
    let ident = function.sig.ident.to_string();
    let name = ident.strip_prefix("r#").unwrap_or(&ident).to_owned();
    check_name(kind, &name, function.sig.ident.span())?;
    Ok(name)
}

/// Says what the function is. The one agent of a component is exported where it stands; tools wait for `plugin!`.
fn mark(kind: Kind, options: &Options, function: &ItemFn) -> TokenStream {
    let ident = &function.sig.ident;
    let migrate = options.migrate.as_ref().map(|migrate| {
        quote! {
            impl ::remit::__private::Migrate for #ident {
                fn migrate(__from: &str) -> ::remit::Result<()> {
                    #migrate(__from)
                }
            }

            #[cfg(target_family = "wasm")]
            ::remit::__remit_export_migrate!(#ident);
        }
    });
    match kind {
        Kind::Tool => quote!(impl ::remit::__private::Tool for #ident {}),
        Kind::Agent => quote! {
            impl ::remit::__private::Agent for #ident {}

            #[cfg(test)]
            #[test]
            fn __remit_definition() {
                ::remit::__private::check_agent::<#ident>();
            }

            #[cfg(target_family = "wasm")]
            ::remit::__remit_export_agent!(#ident);

            #migrate
        },
    }
}

fn implement(kind: Kind, options: &Options, function: &ItemFn, parameters: &Parameters, name: &str, description: &str) -> TokenStream {
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let title = match &options.title {
        Some(title) => quote!(::core::option::Option::Some(#title)),
        None => quote!(::core::option::Option::None),
    };
    let effect = options.effect.unwrap_or(Effect::Once).path();
    let returned = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let (input, read) = arguments(kind, parameters, name);
    let (schema, render) = result(&returned);
    let call = call(function, parameters);
    quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility enum #ident {}

        const _: () = {
            #[allow(unused_imports)]
            use ::remit::__private::{Infallible as _, Structured as _};

            #[allow(clippy::let_unit_value, clippy::unit_arg)]
            impl ::remit::__private::Function for #ident {
                const NAME: &'static str = #name;

                fn definition() -> ::remit::Definition {
                    ::remit::Definition {
                        name: #name,
                        title: #title,
                        description: #description,
                        input_schema: #input,
                        output_schema: #schema,
                        effect: #effect,
                    }
                }

                fn call(__arguments: &str) -> ::remit::Result<::remit::Output> {
                    #read
                    let __returned: #returned = #call;
                    #render
                }
            }
        };
    }
}

/// Writes the input schema and the reading of the arguments.
fn arguments(kind: Kind, parameters: &Parameters, name: &str) -> (TokenStream, TokenStream) {
    let Some(ty) = &parameters.arguments else {
        return (quote!(::remit::__private::nothing()), quote!(let _ = __arguments;));
    };
    let (owner, misfit) = (format!("{} `{name}`", kind.word()), kind.misfit());
    (
        quote_spanned!(ty.span()=> ::remit::__private::input_schema::<#ty>(#owner)),
        quote_spanned!(ty.span()=> let __arguments = ::remit::__private::parse::<#ty>(__arguments, #misfit)?;),
    )
}

/// Writes the output schema and the way of the returned value to an output.
fn result(returned: &TokenStream) -> (TokenStream, TokenStream) {
    let span = returned.span();
    (
        quote_spanned!(span=> ::remit::__private::Returned::<#returned>::new().value().schema()),
        quote_spanned! {span=>
            let __kind = ::remit::__private::Returned::<#returned>::new();
            let __value = __kind.settle(__returned)?;
            __kind.value().render(__value)
        },
    )
}

fn call(function: &ItemFn, parameters: &Parameters) -> TokenStream {
    let ident = &function.sig.ident;
    let context = quote!(&::remit::Context::current());
    match (&parameters.arguments, parameters.context) {
        (None, false) => quote!(#ident()),
        (None, true) => quote!(#ident(#context)),
        (Some(_), false) => quote!(#ident(__arguments)),
        (Some(_), true) if parameters.context_first => quote!(#ident(#context, __arguments)),
        (Some(_), true) => quote!(#ident(__arguments, #context)),
    }
}

/// Joins the doc comment: lines lose their first blank, the ends are trimmed.
fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<String> = lines
        .flat_map(|text| text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()).collect::<Vec<_>>())
        .collect();
    text.join("\n").trim().to_owned()
}
