//! Validation with the proposals that are on, and the name of the one that is missing.

use wasmparser::{Error as WasmError, FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures, types::Types};

use super::{
    NAME_SHOWN_CHARS,
    proposal::{self, OFF},
};
use crate::{Error, Result, plugin::text::visible};

/// Validates `bytes`, functions' instructions too when `code`, and gives the types of the outermost component.
///
/// # Errors
/// `invalid`: names the proposal that it needs if one of those that are off would make a difference.
pub(super) fn validate(bytes: &[u8], code: bool) -> Result<Types> {
    run(bytes, proposal::features(), code).map_err(|error| explain(bytes, code, &error))?.ok_or_else(|| {
        // A parser that ends without the end of the outermost component has no types to give.
        Error::invalid("it is not a valid component: it has no end")
    })
}

fn run(bytes: &[u8], features: WasmFeatures, code: bool) -> Result<Option<Types>, WasmError> {
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut outermost = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) if code => {
                let mut function = function.into_validator(allocations);
                function.validate(&body)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(types) => outermost = Some(types),
            _ => {}
        }
    }
    Ok(outermost)
}

/// Finds the proposal without which validation stopped where it stopped.
fn explain(bytes: &[u8], code: bool, error: &WasmError) -> Error {
    let missing = OFF.iter().find(|off| match run(bytes, proposal::features().union(off.features), code) {
        Ok(_) => true,
        Err(later) => later.offset() > error.offset(),
    });
    match missing {
        Some(missing) => {
            Error::invalid(format!("it needs the proposal `{}`, which is off", missing.name)).hint(missing.hint).internal(error)
        }
        None => unreadable(error),
    }
}

/// The error of a file that the decoder or the validator refuses.
pub(super) fn unreadable(error: &WasmError) -> Error {
    let why = visible(error.message(), NAME_SHOWN_CHARS * 2);
    Error::invalid(format!("it is not a valid component: {why} (at offset {})", error.offset()))
        .hint("build it again with a current toolchain, or copy it again")
}
