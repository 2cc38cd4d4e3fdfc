//! The host's answers: each question goes to the function that a guest in this process would call, with the rights of this very call.

use bytes::Bytes;
use remit_bindings::{
    Bucket,
    tool::remit::{
        session::context::Host as _,
        tool::{invoke::Host as _, progress::Host as _},
    },
    wasi::wasi::{
        config::store::Host as _,
        keyvalue::{
            atomics::Host as _,
            batch::Host as _,
            store::{Host as _, HostBucket as _},
        },
        logging::logging::Host as _,
    },
};
use remit_core::grant::{Access, Decision, Request, decide};
use serde::Serialize;
use wasmtime::component::Resource;

use super::wire::{Kv, Missed, Question};
use crate::capability::CallState;

/// What a question is answered by. Requests over HTTP are not asked here.
///
/// # Errors
/// Those that would trap a guest in this process.
pub(super) async fn answer(state: &mut CallState, question: Question) -> wasmtime::Result<Bytes> {
    match question {
        Question::Context => written(&state.current().await?),
        Question::Progress(fraction, message) => written(&state.report(fraction, message).await?),
        Question::Log(level, context, message) => written(&state.log(level, context, message).await?),
        Question::Config(key) => written(&remit_bindings::wasi::wasi::config::store::Host::get(state, key).await?),
        Question::ConfigAll => written(&state.get_all().await?),
        Question::Kv(asked) => kv(state, asked).await,
        Question::Tool(id, arguments) => written(&state.call(id, arguments).await?),
        Question::Send(_) | Question::Upload(..) | Question::Download(_) => Err(wasmtime::Error::msg("a request was asked elsewhere")),
    }
}

async fn kv(state: &mut CallState, asked: Kv) -> wasmtime::Result<Bytes> {
    // A bucket holds nothing: the grant says which one it is.
    let bucket = || Resource::<Bucket>::new_own(0);
    match asked {
        Kv::Open(identifier) => match state.open(identifier).await? {
            Ok(opened) => {
                state.table.delete(opened)?;
                written(&Ok::<(), ()>(()))
            }
            Err(error) => written(&Err::<(), _>(error)),
        },
        Kv::Get(key) => written(&remit_bindings::wasi::wasi::keyvalue::store::HostBucket::get(state, bucket(), key).await?),
        Kv::Set(key, value) => written(&state.set(bucket(), key, value).await?),
        Kv::Delete(key) => written(&state.delete(bucket(), key).await?),
        Kv::Exists(key) => written(&state.exists(bucket(), key).await?),
        Kv::ListKeys(cursor) => written(&state.list_keys(bucket(), cursor).await?),
        Kv::Increment(key, delta) => written(&state.increment(bucket(), key, delta).await?),
        Kv::GetMany(keys) => written(&state.get_many(bucket(), keys).await?),
        Kv::SetMany(pairs) => written(&state.set_many(bucket(), pairs).await?),
        Kv::DeleteMany(keys) => written(&state.delete_many(bucket(), keys).await?),
    }
}

/// Records what a guest reached for that is not in its process, as the grants have it.
pub(super) fn missed(state: &CallState, missed: &Missed) {
    let call = &state.call;
    let request = match missed {
        Missed::Path { path, write } => Request::Fs { path, access: if *write { Access::Write } else { Access::Read } },
        Missed::Socket(target) => Request::Socket { target },
    };
    if let Decision::Deny(denial) = decide(&request, &call.rights.resolved) {
        call.denials.record(denial);
    }
}

/// An answer as it crosses.
///
/// # Errors
/// None that is known.
pub(super) fn written<T: Serialize>(answer: &T) -> wasmtime::Result<Bytes> {
    Ok(postcard::to_stdvec(answer)?.into())
}
