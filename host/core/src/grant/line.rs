//! The grammar of grants in one line: `remit grant PLUGIN CAPABILITY SCOPE`, `--grant`, and the fixes of denials.
//!
//! | capability | scope |
//! |---|---|
//! | `fs` | `PATH[:MOUNT][:read\|write]`, then `max_mib=N`, `max_files=N`, `labels=LABEL[,LABEL]` |
//! | `http` | `METHOD URL-PATTERN`, then `max_kib=N`, `deadline_ms=N`, `private=ADDRESS[,ADDRESS]`, `secret=NAME`, `header=NAME` or `query=NAME`, `format=TEXT`, `labels=LABEL[,LABEL]`, `closed_when=WHEN` |
//! | `env`, `config` | `KEY=VALUE`; the value is everything after the first `=`, as it is |
//! | `kv` | `read\|write[:project\|user\|session]`, then `max_mib=N` |
//! | `workspace` | `read\|write`, then `scope=project\|user\|session`, `max_mib=N`, `max_files=N` |
//! | `tools` | `PLUGIN/TOOL` |
//! | `sockets` | `HOST:PORT` |
//! | `model` | `NAME[,NAME]`, then `max_tokens=N` |
//! | `package:name` | the scope in that capability's words, as it is |
//!
//! In `fs`, `http`, `kv`, `workspace` and `model`, words are divided by white space, and `\` before any character takes away its meaning:
//! `fs 'my\ docs:/docs'`, `format=Bearer\ {}`. In a path, `:` needs a `\` too. [`quote`] writes a scope for a shell.

use std::{borrow::Cow, collections::BTreeSet};

use toml::Spanned;

use super::{
    Access, DataScope, Grants, Http,
    authored::{AuthoredFs, AuthoredGrants, AuthoredHttp, AuthoredKv, AuthoredModel, AuthoredSecret, AuthoredWorkspace, unplaced},
};
use crate::{
    Error, Result,
    label::{Label, When},
    plugin::text::visible,
};

/// Reads one grant.
///
/// # Errors
/// `invalid`, with what is wrong and what to write instead.
pub fn parse(capability: &str, scope: &str) -> Result<Grants> {
    let mut authored = AuthoredGrants::default();
    match capability {
        "fs" => authored.fs.push(unplaced(parse_fs(scope)?)),
        "http" => authored.http.push(unplaced(parse_http(scope)?)),
        "kv" => authored.kv.push(unplaced(parse_kv(scope)?)),
        "workspace" => authored.workspace.push(unplaced(parse_workspace(scope)?)),
        "env" => drop(authored.env.insert(key(scope)?, value(scope)?)),
        "config" => drop(authored.config.insert(key(scope)?, value(scope)?)),
        "tools" => authored.tools.push(unplaced(scope.to_owned())),
        "sockets" => authored.sockets.push(unplaced(scope.to_owned())),
        "model" => authored.model.push(unplaced(parse_model(scope)?)),
        name if name.contains(':') => drop(authored.custom.insert(unplaced(name.to_owned()), vec![unplaced(scope.to_owned())])),
        name => authored.unknown.push(unplaced(name.to_owned())),
    }
    authored.validate().map_err(|problems| {
        let mut error = Error::invalid(format!("the grant `{} {}` cannot be read", visible(capability, 64), visible(scope, 160)));
        for (count, problem) in problems.into_iter().enumerate() {
            if count == 0 {
                error.message = problem.message;
            }
            error.hints.extend(problem.hint);
        }
        error
    })
}

/// Reads what `--grant` takes: a capability, white space, its scope.
///
/// # Errors
/// Those of [`parse`], and `invalid` when there is no scope.
pub fn parse_pair(text: &str) -> Result<Grants> {
    match text.trim().split_once(char::is_whitespace) {
        Some((capability, scope)) => parse(capability, scope.trim_start()),
        None => Err(Error::invalid(format!("`{}` names no scope", visible(text, 96)))
            .hint("write a capability and its scope, such as `fs docs:/docs`")),
    }
}

/// Reads what `revoke` takes: like [`parse`], and for `env` and `config` the key alone is enough.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_revoked(capability: &str, scope: &str) -> Result<Grants> {
    if matches!(capability, "env" | "config") && !scope.contains('=') {
        return parse(capability, &format!("{scope}="));
    }
    parse(capability, scope)
}

/// The grants, one line each, as (capability, scope); parsed and merged in this order they give the same rights.
pub fn format(grants: &Grants) -> Vec<(String, String)> {
    let authored = AuthoredGrants::from(grants);
    let mut lines = Vec::new();
    let mut push = |capability: &str, scope: String| lines.push((capability.to_owned(), scope));
    for one in authored.fs.iter().map(Spanned::get_ref) {
        push("fs", format_fs(one));
    }
    for one in &grants.http {
        let options = http_options(one);
        one.allow.iter().for_each(|pattern| push("http", format!("{pattern}{options}")));
    }
    for (capability, values) in [("env", &grants.env), ("config", &grants.config)] {
        values.iter().for_each(|(key, value)| push(capability, format!("{key}={value}")));
    }
    for (one, written) in grants.kv.iter().zip(&authored.kv) {
        push("kv", format!("{}:{}{}", one.access, one.scope, option("max_mib", written.get_ref().max_mib.as_ref())));
    }
    for (one, written) in grants.workspace.iter().zip(&authored.workspace) {
        let bounds = option("max_mib", written.get_ref().max_mib.as_ref()) + &option("max_files", written.get_ref().max_files.as_ref());
        push("workspace", format!("{} scope={}{bounds}", one.access, one.scope));
    }
    grants.tools.iter().for_each(|pattern| push("tools", pattern.to_string()));
    grants.sockets.iter().for_each(|place| push("sockets", place.to_string()));
    for (name, most) in &grants.model {
        push("model", format!("{name}{}", most.map_or_else(String::new, |most| format!(" max_tokens={most}"))));
    }
    for (name, scopes) in &grants.custom {
        scopes.iter().for_each(|scope| push(name, scope.clone()));
    }
    lines
}

/// `text` as one word of a POSIX shell.
pub fn quote(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | ':' | '=' | '@' | '%' | '+' | ',' | '-');
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

/// `text` with `\` before every character that would divide it.
fn escape(text: &str, also: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || c == also || c.is_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The parts of `text` between unescaped characters that `divides` names, escapes left in.
fn split(text: &str, divides: impl Fn(char) -> bool) -> Result<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if divides(c) {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { continue };
        part.push(c);
        if c == '\\' {
            let dangling = || {
                Error::invalid(format!("`{}` ends in a `\\` that escapes nothing", visible(text, 160)))
                    .hint("write `\\\\` for the character itself")
            };
            part.push(chars.next().ok_or_else(dangling)?);
        }
    }
    Ok(parts)
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// The words of a scope: what it is about, and its `key=value` options.
type Words = (Vec<String>, Vec<(String, String)>);

/// The first `heads` words, and the `key=value` words after them.
fn words(scope: &str, heads: usize, form: &str) -> Result<Words> {
    let refuse = |why: String| Error::invalid(why).hint(form);
    let mut words = split(scope, char::is_whitespace)?;
    words.retain(|word| !word.is_empty());
    if words.len() < heads {
        return Err(refuse(format!("the scope `{}` is not complete", visible(scope, 160))));
    }
    let options = words.split_off(heads).into_iter().map(|word| match word.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), unescape(value))),
        None => Err(refuse(format!("`{}` in the scope is no `key=value`", visible(&word, 96)))),
    });
    let options = options.collect::<Result<_>>()?;
    Ok((words, options))
}

fn number(key: &str, value: &str) -> Result<Option<Spanned<u64>>> {
    let number = value.parse().map_err(|cause| {
        Error::invalid(format!("`{key}={}` is not a number: {cause}", visible(value, 32))).hint(format!("write `{key}=10`"))
    })?;
    Ok(Some(unplaced(number)))
}

fn unknown_option(key: &str, form: &str) -> Error {
    Error::invalid(format!("the scope has no key `{}`", visible(key, 64))).hint(form)
}

const FS_FORM: &str = "write `PATH[:MOUNT][:read|write]`, such as `docs:/docs:read`; `\\` goes before a space or `:` in a path; then `max_mib=N`, `max_files=N`, `labels=private`";

fn parse_fs(scope: &str) -> Result<AuthoredFs> {
    let (head, options) = words(scope, 1, FS_FORM)?;
    let mut parts = split(head.first().map_or("", String::as_str), |c| c == ':')?;
    let last = parts.last().map_or("", String::as_str);
    let access = if parts.len() > 1 { access_named(last) } else { None };
    if access.is_some() {
        parts.pop();
    }
    let mut parts = parts.iter().map(|part| unplaced(unescape(part)));
    let path = parts.next().unwrap_or_else(|| unplaced(String::new()));
    let mut fs = AuthoredFs { path, mount: parts.next(), access, max_mib: None, max_files: None, labels: BTreeSet::new() };
    if let Some(extra) = parts.next() {
        return Err(Error::invalid(format!("`{}` in the scope is neither `read` nor `write`", visible(extra.get_ref(), 64))).hint(FS_FORM));
    }
    for (key, value) in options {
        match key.as_str() {
            "max_mib" => fs.max_mib = number(&key, &value)?,
            "max_files" => fs.max_files = number(&key, &value)?,
            "labels" => fs.labels = labels_named(&value, FS_FORM)?,
            _ => return Err(unknown_option(&key, FS_FORM)),
        }
    }
    Ok(fs)
}

fn access_named(text: &str) -> Option<Access> {
    match text {
        "read" => Some(Access::Read),
        "write" => Some(Access::Write),
        _ => None,
    }
}

fn format_fs(one: &AuthoredFs) -> String {
    let mount = one.mount.as_ref().map_or_else(String::new, |mount| format!(":{}", escape(mount.get_ref(), ':')));
    let access = one.access.map_or_else(String::new, |access| format!(":{access}"));
    let options = option("max_mib", one.max_mib.as_ref()) + &option("max_files", one.max_files.as_ref()) + &labels_option(&one.labels);
    format!("{}{mount}{access}{options}", escape(one.path.get_ref(), ':'))
}

fn labels_named(text: &str, form: &str) -> Result<BTreeSet<Label>> {
    let named = |name: &str| Label::ALL.into_iter().find(|label| label.name() == name);
    let refuse =
        |name: &str| Error::invalid(format!("there is no label `{}`: `private` and `untrusted` are all", visible(name, 64))).hint(form);
    text.split(',').map(|name| named(name).ok_or_else(|| refuse(name))).collect()
}

fn labels_option(labels: &BTreeSet<Label>) -> String {
    let names: Vec<_> = labels.iter().map(|label| label.name()).collect();
    option("labels", (!names.is_empty()).then(|| names.join(",")))
}

fn option<T: std::fmt::Display>(key: &str, value: Option<T>) -> String {
    value.map_or_else(String::new, |value| format!(" {key}={value}"))
}

const HTTP_FORM: &str = "write `METHOD URL-PATTERN`, such as `GET https://api.example.com/v1/**`; then `max_kib=N`, `deadline_ms=N`, `private=ADDRESS`, \
                         `secret=NAME header=NAME format=Bearer\\ {}`, `labels=untrusted`, `closed_when=private`";

fn parse_http(scope: &str) -> Result<AuthoredHttp> {
    let (head, options) = words(scope, 2, HTTP_FORM)?;
    let allow = unplaced(vec![unplaced(head.join(" "))]);
    let mut http = AuthoredHttp {
        allow,
        secret: None,
        max_kib: None,
        deadline_ms: None,
        private: Vec::new(),
        labels: BTreeSet::new(),
        closed_when: None,
    };
    let [mut secret, mut header, mut query, mut format] = [None, None, None, None];
    for (key, value) in options {
        match key.as_str() {
            "max_kib" => http.max_kib = number(&key, &value)?,
            "deadline_ms" => http.deadline_ms = number(&key, &value)?,
            "private" => http.private.extend(value.split(',').map(|address| unplaced(address.to_owned()))),
            "secret" => secret = Some(unplaced(value)),
            "header" => header = Some(unplaced(value)),
            "query" => query = Some(unplaced(value)),
            "format" => format = Some(unplaced(value)),
            "labels" => http.labels = labels_named(&value, HTTP_FORM)?,
            "closed_when" => {
                let named = When::ALL.into_iter().find(|when| when.name() == value);
                let refuse = || Error::invalid(format!("`closed_when={}` is none of the conditions", visible(&value, 64)));
                let known = When::ALL.map(|when| format!("`{when}`")).join(", ");
                http.closed_when = Some(named.ok_or_else(|| refuse().hint(format!("write one of {known}")))?);
            }
            _ => return Err(unknown_option(&key, HTTP_FORM)),
        }
    }
    http.secret = match secret {
        Some(name) => Some(unplaced(AuthoredSecret { name, header, query, format })),
        None if header.is_some() || query.is_some() || format.is_some() => {
            return Err(Error::invalid("the scope says where a secret goes, but names none").hint("add `secret=NAME`"));
        }
        None => None,
    };
    Ok(http)
}

/// Everything of an `http` grant but its patterns, as words.
pub(crate) fn http_options(one: &Http) -> String {
    let authored = AuthoredGrants::from(&Grants { http: vec![Http { allow: Vec::new(), ..one.clone() }], ..Grants::default() });
    let Some(one) = authored.http.first().map(Spanned::get_ref) else { return String::new() };
    let mut out = option("max_kib", one.max_kib.as_ref()) + &option("deadline_ms", one.deadline_ms.as_ref());
    for (count, address) in one.private.iter().enumerate() {
        out.push_str(if count == 0 { " private=" } else { "," });
        out.push_str(address.get_ref());
    }
    if let Some(secret) = one.secret.as_ref().map(Spanned::get_ref) {
        let places = [
            ("secret", Some(&secret.name)),
            ("header", secret.header.as_ref()),
            ("query", secret.query.as_ref()),
            ("format", secret.format.as_ref()),
        ];
        for (key, value) in places.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            out.push_str(&format!(" {key}={}", escape(value.get_ref(), ' ')));
        }
    }
    out + &labels_option(&one.labels) + &option("closed_when", one.closed_when)
}

const KV_FORM: &str = "write `read` or `write`, then `:project`, `:user` or `:session`, such as `write:user`; then `max_mib=N`";

fn parse_kv(scope: &str) -> Result<AuthoredKv> {
    let (head, options) = words(scope, 1, KV_FORM)?;
    let head = head.first().map_or("", String::as_str);
    let (access, whose) = head.split_once(':').map_or((head, None), |(access, whose)| (access, Some(whose)));
    let refuse = |part: &str| Error::invalid(format!("`{}` is not a scope of `kv`", visible(part, 64))).hint(KV_FORM);
    let whose = whose.map(|whose| scope_named(whose).ok_or_else(|| refuse(whose))).transpose()?;
    let mut kv = AuthoredKv { access: access_named(access).ok_or_else(|| refuse(access))?, scope: whose, max_mib: None };
    for (key, value) in options {
        match key.as_str() {
            "max_mib" => kv.max_mib = number(&key, &value)?,
            _ => return Err(unknown_option(&key, KV_FORM)),
        }
    }
    Ok(kv)
}

fn scope_named(text: &str) -> Option<DataScope> {
    match text {
        "project" => Some(DataScope::Project),
        "user" => Some(DataScope::User),
        "session" => Some(DataScope::Session),
        _ => None,
    }
}

const WORKSPACE_FORM: &str = "write `read` or `write`, then `scope=project`, `scope=user` or `scope=session`, such as `write scope=session`; then `max_mib=N`, `max_files=N`";

fn parse_workspace(scope: &str) -> Result<AuthoredWorkspace> {
    let (head, options) = words(scope, 1, WORKSPACE_FORM)?;
    let head = head.first().map_or("", String::as_str);
    let refuse = |part: &str| Error::invalid(format!("`{}` is not a scope of `workspace`", visible(part, 64))).hint(WORKSPACE_FORM);
    let access = access_named(head).ok_or_else(|| refuse(head))?;
    let mut workspace = AuthoredWorkspace { access, scope: None, max_mib: None, max_files: None };
    for (key, value) in options {
        match key.as_str() {
            "scope" => workspace.scope = Some(scope_named(&value).ok_or_else(|| refuse(&value))?),
            "max_mib" => workspace.max_mib = number(&key, &value)?,
            "max_files" => workspace.max_files = number(&key, &value)?,
            _ => return Err(unknown_option(&key, WORKSPACE_FORM)),
        }
    }
    Ok(workspace)
}

const MODEL_FORM: &str = "write `NAME[,NAME]`, such as `default`; then `max_tokens=N`";

fn parse_model(scope: &str) -> Result<AuthoredModel> {
    let (head, options) = words(scope, 1, MODEL_FORM)?;
    let names = head.first().map_or("", String::as_str).split(',').map(|name| unplaced(name.to_owned())).collect();
    let mut model = AuthoredModel { names: unplaced(names), max_tokens: None };
    for (key, value) in options {
        match key.as_str() {
            "max_tokens" => model.max_tokens = number(&key, &value)?,
            _ => return Err(unknown_option(&key, MODEL_FORM)),
        }
    }
    Ok(model)
}

fn pair(scope: &str) -> Result<(&str, &str)> {
    let refuse = || Error::invalid(format!("`{}` gives no value", visible(scope, 96))).hint("write `KEY=VALUE`");
    scope.split_once('=').ok_or_else(refuse)
}

fn key(scope: &str) -> Result<Spanned<String>> {
    Ok(unplaced(pair(scope)?.0.to_owned()))
}

fn value(scope: &str) -> Result<Spanned<String>> {
    Ok(unplaced(pair(scope)?.1.to_owned()))
}
