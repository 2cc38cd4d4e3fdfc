use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Ident, LitStr, Path, Result, Token};

use crate::kind::Kind;

/// What stands in the brackets of `#[tool(…)]` or `#[agent(…)]`.
#[derive(Default)]
pub struct Options {
    pub effect: Option<Effect>,
    pub name: Option<LitStr>,
    pub title: Option<LitStr>,
    /// The function that brings an agent's state to its own form.
    pub migrate: Option<Path>,
}

/// What may be repeated after a crash.
#[derive(Clone, Copy)]
pub enum Effect {
    Read,
    Idempotent,
    Once,
}

impl Effect {
    /// Writes the variant of `remit::Effect`.
    pub fn path(self) -> TokenStream {
        match self {
            Self::Read => quote!(::remit::Effect::Read),
            Self::Idempotent => quote!(::remit::Effect::Idempotent),
            Self::Once => quote!(::remit::Effect::Once),
        }
    }
}

impl Options {
    /// Reads the brackets of a macro.
    pub fn read(kind: Kind, tokens: TokenStream) -> Result<Self> {
        let parse = |input: ParseStream| {
            let mut options = Self::default();
            while !input.is_empty() {
                let word: Ident = input.parse().map_err(|error| Error::new(error.span(), format!("expected {}", kind.accepts())))?;
                options.take(kind, &word, input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(options)
        };
        parse.parse2(tokens)
    }

    /// Takes one option and refuses a second one of its kind.
    fn take(&mut self, kind: Kind, word: &Ident, input: ParseStream) -> Result<()> {
        let effect = match (word.to_string().as_str(), kind) {
            ("read", Kind::Tool) => Effect::Read,
            ("idempotent", Kind::Tool) => Effect::Idempotent,
            ("once", Kind::Tool) => Effect::Once,
            ("name", _) => {
                let name = text(word, input)?;
                check_name(kind, &name.value(), name.span())?;
                return set(&mut self.name, name, word);
            }
            ("title", _) => return set(&mut self.title, text(word, input)?, word),
            ("migrate", Kind::Agent) => return set(&mut self.migrate, function(word, input)?, word),
            (other, _) => return Err(Error::new(word.span(), format!("`{other}` is not known here; expected {}", kind.accepts()))),
        };
        if self.effect.replace(effect).is_some() {
            return Err(Error::new(word.span(), "a tool has one effect: keep one of `read`, `idempotent`, `once`"));
        }
        Ok(())
    }
}

fn set<T>(slot: &mut Option<T>, value: T, word: &Ident) -> Result<()> {
    match slot.replace(value) {
        Some(_) => Err(Error::new(word.span(), format!("`{word}` is given twice"))),
        None => Ok(()),
    }
}

fn function(word: &Ident, input: ParseStream) -> Result<Path> {
    let form = format!("`{word}` needs a function: {word} = a_function");
    input.parse::<Token![=]>().map_err(|error| Error::new(error.span(), &form))?;
    input.parse().map_err(|error| Error::new(error.span(), &form))
}

fn text(word: &Ident, input: ParseStream) -> Result<LitStr> {
    let form = format!("`{word}` needs a text: {word} = \"…\"");
    input.parse::<Token![=]>().map_err(|error| Error::new(error.span(), &form))?;
    let text: LitStr = input.parse().map_err(|error| Error::new(error.span(), &form))?;
    if text.value().trim().is_empty() {
        return Err(Error::new(text.span(), format!("`{word}` is empty")));
    }
    Ok(text)
}

/// Refuses a name that no caller could use.
pub fn check_name(kind: Kind, name: &str, span: Span) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.len() > 48 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(allowed) {
        let rule = "it starts with a lowercase letter and has lowercase letters, digits, `_` and `-`, at most 48";
        return Err(Error::new(span, format!("`{name}` cannot be the name of {kind}: {rule}; set another one with name = \"…\"")));
    }
    Ok(())
}
