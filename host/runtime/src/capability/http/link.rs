//! `wasi:http` in a linker.

use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi_http::p2::{
    add_only_http_to_linker_async,
    bindings::http::types::{ErrorCode, IoError},
};

use super::failure;
use crate::capability::CallState;

/// Links `wasi:http/types` and `wasi:http/outgoing-handler`. Without a grant every request is refused and recorded.
///
/// # Errors
/// When an interface is linked already.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    let replaced = linker.instance("wasi:http/types@0.2.12").and_then(|mut types| types.func_wrap("http-error-code", error_code));
    linker.allow_shadowing(false);
    replaced
}

/// The code behind a failed read of a body. The library's own function knows only its codes, while its streams fail with its errors.
fn error_code(store: StoreContextMut<'_, CallState>, (error,): (Resource<IoError>,)) -> wasmtime::Result<(Option<ErrorCode>,)> {
    let error = store.data().table.get(&error)?;
    let own = error.downcast_ref::<ErrorCode>().cloned();
    Ok((own.or_else(|| error.downcast_ref().map(failure::code)),))
}
