use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Error, FnArg, Result, ReturnType, Signature, Token, Type};

use crate::kind::Kind;

/// What the function takes, in its order.
#[derive(Default)]
pub struct Parameters {
    pub arguments: Option<Type>,
    pub context: bool,
    /// Whether `&Context` stands before the arguments.
    pub context_first: bool,
}

/// Refuses what a tool or an agent cannot be, each with words at its place.
pub fn check(kind: Kind, signature: &Signature) -> Result<Parameters> {
    let mut refused: Option<Error> = None;
    let mut refuse = |tokens: &dyn ToTokens, message: String| {
        let error = Error::new_spanned(tokens.to_token_stream(), message);
        match &mut refused {
            Some(all) => all.combine(error),
            None => refused = Some(error),
        }
    };
    if let Some(word) = &signature.asyncness {
        let why = "calls to the host block, and each call has an instance of its own";
        refuse(word, format!("{kind} is a plain function: take away `async`; {why}"));
    }
    if let Some(word) = &signature.unsafety {
        refuse(word, format!("{kind} is called by anybody: take away `unsafe`"));
    }
    if let Some(word) = &signature.abi {
        refuse(word, format!("{kind} is a Rust function: take away `extern`"));
    }
    if !signature.generics.params.is_empty() {
        let message = format!("{kind} has one input schema, so its types are fixed: take away the generic parameters");
        refuse(&signature.generics, message);
    }
    if let ReturnType::Type(_, returned) = &signature.output
        && matches!(**returned, Type::ImplTrait(_))
    {
        let forms = "a text, a value that is `Serialize + JsonSchema`, `remit::Output` or `()`";
        refuse(returned, format!("name the type that the {} returns: {forms}", kind.word()));
    }
    let parameters = parameters(kind, &signature.inputs).unwrap_or_else(|error| {
        match &mut refused {
            Some(all) => all.combine(error),
            None => refused = Some(error),
        }
        Parameters::default()
    });
    refused.map_or(Ok(parameters), Err)
}

fn parameters(kind: Kind, inputs: &Punctuated<FnArg, Token![,]>) -> Result<Parameters> {
    let mut found = Parameters::default();
    for input in inputs {
        let FnArg::Typed(input) = input else {
            let message = format!("{kind} is a free function: take away `self`, nothing lives from one call to the next");
            return Err(Error::new_spanned(input, message));
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
                let message = format!("{kind} owns its {}: take away `&` (only the context comes as `&remit::Context`)", kind.takes());
                return Err(Error::new_spanned(reference, message));
            }
            ty if is_context(ty) => return Err(Error::new_spanned(ty, "the context is lent: write `&remit::Context`")),
            Type::ImplTrait(ty) => {
                return Err(Error::new_spanned(ty, format!("name the type of the {}: it gives the input schema", kind.takes())));
            }
            ty if found.arguments.is_none() => found.arguments = Some(ty.clone()),
            _ => {
                let takes = kind.takes();
                let message =
                    format!("{kind} takes its {takes} as one value: put all of it into a struct (and `&remit::Context` beside it)");
                return Err(Error::new_spanned(input, message));
            }
        }
    }
    Ok(found)
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Context" && segment.arguments.is_none()))
}
