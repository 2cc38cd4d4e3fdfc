use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Error, FnArg, Result, ReturnType, Signature, Token, Type};

/// What a tool's function takes, in its order.
#[derive(Default)]
pub struct Parameters {
    pub arguments: Option<Type>,
    pub context: bool,
    /// Whether `&Context` stands before the arguments.
    pub context_first: bool,
}

/// Refuses what a tool cannot be, each with words at its place.
pub fn check(signature: &Signature) -> Result<Parameters> {
    let mut refused: Option<Error> = None;
    let mut refuse = |tokens: &dyn ToTokens, message: &str| {
        let error = Error::new_spanned(tokens.to_token_stream(), message);
        match &mut refused {
            Some(all) => all.combine(error),
            None => refused = Some(error),
        }
    };
    if let Some(word) = &signature.asyncness {
        refuse(word, "a tool is a plain function: take away `async`; calls to the host block, and each call has an instance of its own");
    }
    if let Some(word) = &signature.unsafety {
        refuse(word, "a tool is called by anybody: take away `unsafe`");
    }
    if let Some(word) = &signature.abi {
        refuse(word, "a tool is a Rust function: take away `extern`");
    }
    if !signature.generics.params.is_empty() {
        refuse(&signature.generics, "a tool has one input schema, so its types are fixed: take away the generic parameters");
    }
    if let ReturnType::Type(_, returned) = &signature.output
        && matches!(**returned, Type::ImplTrait(_))
    {
        refuse(returned, "name the type that the tool returns: a text, a value that is `Serialize + JsonSchema`, `remit::Output` or `()`");
    }
    let parameters = parameters(&signature.inputs).unwrap_or_else(|error| {
        match &mut refused {
            Some(all) => all.combine(error),
            None => refused = Some(error),
        }
        Parameters::default()
    });
    refused.map_or(Ok(parameters), Err)
}

fn parameters(inputs: &Punctuated<FnArg, Token![,]>) -> Result<Parameters> {
    let mut found = Parameters::default();
    for input in inputs {
        let FnArg::Typed(input) = input else {
            return Err(Error::new_spanned(input, "a tool is a free function: take away `self`, nothing lives from one call to the next"));
        };
        match &*input.ty {
            Type::Reference(reference) if is_context(&reference.elem) && reference.mutability.is_none() => {
                if found.context {
                    return Err(Error::new_spanned(input, "the context is given twice"));
                }
                found.context = true;
                found.context_first = found.arguments.is_none();
            }
            Type::Reference(reference) => {
                let message = "a tool owns its arguments: take away `&` (only the context comes as `&remit::Context`)";
                return Err(Error::new_spanned(reference, message));
            }
            ty if is_context(ty) => return Err(Error::new_spanned(ty, "the context is lent: write `&remit::Context`")),
            Type::ImplTrait(ty) => return Err(Error::new_spanned(ty, "name the type of the arguments: it gives the input schema")),
            ty if found.arguments.is_none() => found.arguments = Some(ty.clone()),
            _ => {
                let message = "a tool takes its arguments as one value: put them into a struct (and `&remit::Context` beside it)";
                return Err(Error::new_spanned(input, message));
            }
        }
    }
    Ok(found)
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Context" && segment.arguments.is_none()))
}
