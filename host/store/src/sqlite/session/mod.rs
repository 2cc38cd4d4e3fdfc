//! Sessions in tables. Each function runs in a transaction that its caller began.

mod append;
mod called;
mod chunk;
mod content;
mod input;
mod journal;
mod owned;
mod row;
mod wait;

pub(super) use self::{
    append::{append, import, revert},
    chunk::pack,
    content::{get as content_get, output as output_get, put_owned as content_put, workspaces},
    input::{list as input_list, queue as input_queue},
    journal::{records, state, turn},
    owned::{claim, erase, erase_principal, kill, prune, release},
    row::{create, find, list},
    wait::{approvals_open, decide as wait_decide, find as wait_find, list as wait_list},
};

use remit_core::{Error, id::SessionId};

fn absent(id: SessionId) -> Error {
    Error::not_found(format!("there is no session `{id}`"))
}
