//! The denial of a request that [`decide`](super::decide) refuses: which layer, why, and the smallest grant that would do.

use std::collections::BTreeSet;

use url::Host;

use super::{
    Access, DataScope, Denial, Fs, HttpPattern, Request, Resolved, Rule, Scope, SocketPattern, Source, ToolPattern, WORKSPACE_MOUNT,
    decide::layers,
    guest_path::{is_plain, is_within},
    line,
    percent::USER,
    socket_host,
};
use crate::limit::{FS_FILES_DEFAULT, FS_WRITE_DEFAULT_BYTES};

/// Names the first layer that refuses `request`, in the order declared, granted, effect. There is a fix only where a grant alone
/// would allow it.
pub(super) fn denial(request: &Request<'_>, rights: &Resolved) -> Denial {
    let Resolved { plugin, declared, granted, .. } = rights;
    let capability: &str = match request {
        Request::Socket { .. } => "sockets",
        Request::Fs { path, access } if !is_plain(path) => {
            return Denial::forbidden(plugin, "fs", &format!("{access} {path}"), "the path is relative or climbs with `..`");
        }
        Request::Fs { path, access } if is_workspace(path, *access, rights) => "workspace",
        Request::Fs { .. } => "fs",
        Request::Http { .. } => "http",
        Request::Env { .. } => "env",
        Request::Config { .. } => "config",
        Request::Kv { .. } => "kv",
        Request::Tool { .. } => "tools",
        Request::Model { .. } => "model",
        Request::Custom { capability, .. } => capability,
    };
    let (is_declared, is_granted) = match request {
        Request::Fs { .. } if capability == "workspace" => (true, granted.workspace.is_some()),
        Request::Fs { .. } => (declared.fs.is_some(), !granted.fs.is_empty()),
        Request::Http { .. } => (declared.http.is_some(), !granted.http.is_empty()),
        Request::Env { .. } => (declared.env.is_some(), !granted.env.is_empty()),
        Request::Config { .. } => (declared.config.is_some(), !granted.config.is_empty()),
        Request::Kv { .. } => (declared.kv.is_some(), granted.kv.is_some()),
        Request::Tool { .. } => (declared.tools.is_some(), !granted.tools.is_empty()),
        Request::Model { .. } => (declared.model.is_some(), !granted.model.is_empty()),
        Request::Custom { capability, .. } => (declared.custom.contains_key(*capability), granted.custom.contains_key(*capability)),
        Request::Socket { .. } => (declared.sockets.is_some(), !granted.sockets.is_empty()),
    };
    let layers = layers(request, rights);
    let text = shown(request);
    let deny = |rule: Rule, reason: String| Denial::new(plugin, capability, &text, rule, reason);
    if !layers.declared {
        let what = if is_declared {
            format!("declares `{capability}`, but not this much of it")
        } else {
            format!("does not declare `{capability}`")
        };
        return deny(Rule::NotDeclared, format!("its `plugin.toml` {what}"));
    }
    if !layers.effect && granted_alone(request, rights) {
        return deny(Rule::Effect, effect_reason(request));
    }
    let (rule, reason) = if is_granted {
        (Rule::NoMatch, no_match(request, rights, capability))
    } else {
        (Rule::NotGranted, format!("nothing of `{capability}` is granted"))
    };
    if layers.effect {
        deny(rule, reason).with_fix(fix(request, rights))
    } else {
        deny(rule, format!("{reason}, and {}", effect_reason(request)))
    }
}

/// Whether a path is one of the workspace, rather than of a folder that is or could be granted there.
fn is_workspace(path: &str, access: Access, rights: &Resolved) -> bool {
    let Resolved { declared, mounts, .. } = rights;
    let asked = declared.workspace_access().is_some_and(|most| most >= access || declared.fs_access(path) < Some(access));
    let of_host = mounts.iter().any(|mount| matches!(mount.source, Source::Host(_)) && is_within(path, &mount.guest));
    asked && is_within(path, WORKSPACE_MOUNT) && !of_host
}

/// The request in one line.
fn shown(request: &Request<'_>) -> String {
    match request {
        Request::Fs { path, access } => format!("{access} {path}"),
        Request::Http { method, url } => format!("{method} {url}"),
        Request::Env { name } => format!("read the environment variable {name}"),
        Request::Config { name } => format!("read the configuration value {name}"),
        Request::Kv { access } => format!("{access} its key-value storage"),
        Request::Tool { plugin, tool } => format!("call {plugin}/{tool}"),
        Request::Model { name, max_tokens: 0..=1 } => format!("ask the model {name}"),
        Request::Model { name, max_tokens } => format!("ask the model {name} for {max_tokens} tokens"),
        Request::Socket { target } => format!("open a socket to {target}"),
        Request::Custom { capability, request } => format!("use {capability} for {request}"),
    }
}

/// Whether the grants would allow it, were there no effect class.
fn granted_alone(request: &Request<'_>, rights: &Resolved) -> bool {
    match *request {
        Request::Fs { path, access } => rights.mounts.iter().any(|mount| mount.granted >= access && is_within(path, &mount.guest)),
        Request::Http { method, url } => rights.http_rule(method, url).is_some(),
        Request::Kv { access } => rights.granted.kv.as_ref().is_some_and(|kv| kv.access >= access),
        Request::Socket { target } => rights.granted.sockets.iter().any(|place| place.admits(target)),
        _ => false,
    }
}

fn effect_reason(request: &Request<'_>) -> String {
    let what = match request {
        Request::Http { .. } => "send only GET and HEAD",
        Request::Socket { .. } => "open no socket",
        _ => "only read",
    };
    format!("a tool of the effect class `read` may {what}")
}

fn no_match(request: &Request<'_>, rights: &Resolved, capability: &str) -> String {
    match request {
        Request::Fs { .. } if capability == "workspace" => "`workspace` is granted for reading only".to_owned(),
        Request::Fs { path, .. } if rights.mount_of(path).is_some() => "the folder is granted for reading only".to_owned(),
        Request::Fs { path, .. } if rights.granted.fs.iter().any(|fs| is_within(path, &fs.mount)) => {
            "the folder is granted at a wider mount than its `plugin.toml` declares".to_owned()
        }
        Request::Fs { .. } => "the path is in no granted folder".to_owned(),
        Request::Kv { .. } => "`kv` is granted for reading only".to_owned(),
        Request::Model { name, .. } if rights.granted.model.contains_key(*name) => "it is granted with fewer tokens".to_owned(),
        _ => format!("no `{capability}` grant matches"),
    }
}

/// The scope of the smallest grant that would allow it.
fn fix(request: &Request<'_>, rights: &Resolved) -> Option<String> {
    match *request {
        Request::Fs { path, access } if is_workspace(path, access, rights) => {
            let scope = rights.granted.workspace.as_ref().map_or(DataScope::default(), |workspace| workspace.scope);
            Some(if scope == DataScope::default() { access.to_string() } else { format!("{access} scope={scope}") })
        }
        Request::Fs { path, access } => fs_fix(path, access, rights),
        Request::Http { method, url } => HttpPattern::only(method, url).map(|pattern| pattern.to_string()),
        Request::Env { name } | Request::Config { name } => {
            (!name.is_empty() && !name.contains(['=', ' '])).then(|| format!("{name}=<value>"))
        }
        Request::Kv { access } => {
            let scope = rights.granted.kv.as_ref().map_or(DataScope::default(), |kv| kv.scope);
            Some(if scope == DataScope::default() { access.to_string() } else { format!("{access}:{scope}") })
        }
        Request::Tool { plugin, tool } => ToolPattern::only(plugin, tool).map(|pattern| pattern.to_string()),
        Request::Model { name, max_tokens } => {
            let bound = if max_tokens > 1 { format!(" max_tokens={max_tokens}") } else { String::new() };
            crate::model::check_name(name).ok().map(|()| format!("{name}{bound}"))
        }
        Request::Custom { request, .. } => (!request.is_empty() && !request.contains('*')).then(|| request.to_owned()),
        Request::Socket { target } => match target.parse::<SocketPattern>() {
            Ok(place) => Some(place.to_string()),
            Err(_) => socket_host(target).filter(|host| matches!(host, Host::Domain(_))).map(|name| format!("{name}:<port>")),
        },
    }
}

/// A folder that is granted for reading is named as the project names it, when that is no place outside the project; of any other
/// only the guest's side is known. It is mounted where the plugin declares it, else at the first part of the path.
fn fs_fix(path: &str, access: Access, rights: &Resolved) -> Option<String> {
    let known = rights.granted.fs.iter().filter(|fs| is_within(path, &fs.mount)).max_by_key(|fs| fs.mount.len());
    let mounted = known.filter(|fs| rights.declared.fs_access(&fs.mount).is_some_and(|most| most >= access));
    if let Some(fs) = mounted {
        let path = if fs.path.starts_with('/') { "<folder>".to_owned() } else { fs.path.clone() };
        return one_line(path, fs.mount.clone(), access);
    }
    let declared = match &rights.declared.fs {
        Some(Scope::Only(folders)) => {
            let covering = folders.iter().filter(|(_, most)| *most >= access).filter_map(|(mount, _)| mount.as_deref());
            covering.filter(|mount| is_within(path, mount)).max_by_key(|mount| mount.len())
        }
        _ => None,
    };
    let first = || path.split('/').nth(1).map(|part| format!("/{part}"));
    let mount = declared.map(str::to_owned).or_else(first).filter(|mount| !mount.contains(USER))?;
    let declared = rights.declared.fs_access(&mount).is_some_and(|most| most >= access);
    if !declared || (mount == WORKSPACE_MOUNT && rights.granted.workspace.is_some()) {
        return None;
    }
    one_line("<folder>".to_owned(), mount, access)
}

fn one_line(path: String, mount: String, access: Access) -> Option<String> {
    let fs = Fs { path, mount, access, max_bytes: FS_WRITE_DEFAULT_BYTES, max_files: FS_FILES_DEFAULT, labels: BTreeSet::new() };
    line::format(&super::Grants { fs: vec![fs], ..Default::default() }).into_iter().next().map(|(_, scope)| scope)
}
