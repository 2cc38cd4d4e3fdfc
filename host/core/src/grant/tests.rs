//! Grants, from text to decision.

use std::path::Path;

use url::Url;

use super::*;
use crate::{identity::Principal, plugin::Effect};

mod addresses;
mod authored;
mod chains;
mod decide;
mod http;
mod laws;
mod line;
mod models;
mod place;
mod user;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn granted(lines: &[(&str, &str)]) -> Grants {
    let mut all = Grants::default();
    for (capability, scope) in lines {
        all.merge(super::line::parse(capability, scope).unwrap()).unwrap();
    }
    all
}

/// Everything the grants can be about, declared.
fn anything() -> Declared {
    Declared {
        fs: Some(Scope::Any),
        http: Some(Scope::Any),
        env: Some(Scope::Any),
        config: Some(Scope::Any),
        kv: Some(Scope::Any),
        workspace: Some(Scope::Any),
        tools: Some(Scope::Any),
        sockets: Some(Scope::Any),
        custom: [("acme:crm".to_owned(), Scope::Any)].into(),
        ..Declared::default()
    }
}

fn ada() -> Principal {
    "user:ada".parse().unwrap()
}

fn rights(effect: Effect, declared: Declared, granted: Grants) -> Resolved {
    Resolved::new("notes", effect, declared, granted, &ada(), Path::new("/project"))
}

fn is_allowed(request: &Request<'_>, rights: &Resolved) -> bool {
    matches!(super::decide(request, rights), Decision::Allow(_))
}

fn denied(request: &Request<'_>, rights: &Resolved) -> Denial {
    match super::decide(request, rights) {
        Decision::Deny(denial) => denial,
        Decision::Allow(allowed) => panic!("allowed by {allowed:?}"),
    }
}
