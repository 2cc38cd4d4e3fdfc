//! From what was written to what is meant: every rule of the grammar of grants, each with the place of the mistake.

use std::{collections::BTreeMap, ops::Range, str::FromStr};

use toml::Spanned;

use super::{
    Access, CAPABILITIES, FieldTarget, Fs, Grants, Http, Kv, MCP, MCP_SCOPES, SecretUse, WORKSPACE_MOUNT, Workspace,
    authored::{AuthoredFs, AuthoredGrants, AuthoredHttp, AuthoredKv, AuthoredModel, AuthoredSecret, AuthoredWorkspace, Values},
    guest_path,
    percent::USER,
};
use crate::{Error, limit, plugin::text::visible, project::problem::Problem, secret};

type Problems = Vec<Problem>;

impl AuthoredGrants {
    /// Checks everything that was written.
    ///
    /// # Errors
    /// All mistakes, in the order of the capabilities.
    pub fn validate(&self) -> Result<Grants, Problems> {
        let mut problems = Vec::new();
        let mut grants = Grants::default();
        for one in &self.fs {
            if let Some(fs) = fs(one, &mut problems) {
                add_mount(&mut grants.fs, fs, one, &mut problems);
            }
        }
        grants.http = self.http.iter().filter_map(|one| http(one, &mut problems)).collect();
        grants.env = values(&self.env, "an environment variable", &mut problems);
        grants.config = values(&self.config, "a configuration value", &mut problems);
        grants.kv = kv(&self.kv, &mut problems);
        grants.workspace = workspace(&self.workspace, &grants.fs, &mut problems);
        grants.tools = patterns(&self.tools, &mut problems);
        grants.sockets = patterns(&self.sockets, &mut problems);
        grants.model = models(&self.model, &mut problems);
        for (name, scopes) in &self.custom {
            capability_name(name, &mut problems);
            let scopes = custom_scopes(name.get_ref(), scopes, &mut problems);
            if !scopes.is_empty() {
                grants.custom.insert(name.get_ref().clone(), scopes);
            }
        }
        problems.extend(self.unknown.iter().map(unknown));
        if problems.is_empty() { Ok(grants) } else { Err(problems) }
    }
}

/// The mistake of a key that names no capability.
pub(super) fn unknown(name: &Spanned<String>) -> Problem {
    let shown = visible(name.get_ref(), 64);
    if name.get_ref() == "memory" {
        return Problem::new(name.span(), format!("this version has no capability `{shown}`"))
            .hint("remove it; nothing would be granted by it");
    }
    Problem::new(name.span(), format!("there is no capability `{shown}`")).hint(format!(
        "use one of {}, or `package:name` for one of an application",
        CAPABILITIES.map(|name| format!("`{name}`")).join(", ")
    ))
}

/// Checks the name of an application's capability: `package:name`.
pub(super) fn capability_name(name: &Spanned<String>, problems: &mut Problems) {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'/'))
    };
    if !name.get_ref().split_once(':').is_some_and(|(package, name)| is_part(package) && is_part(name)) {
        problems.push(
            Problem::new(name.span(), format!("`{}` is not the name of a capability", visible(name.get_ref(), 64)))
                .hint("write `package:name` in lowercase letters, digits and `-`"),
        );
    }
}

/// Parses each text, and tells those that cannot be.
pub(super) fn patterns<T: FromStr<Err = Error>>(texts: &[Spanned<String>], problems: &mut Problems) -> Vec<T> {
    let parse = |text: &Spanned<String>| text.get_ref().parse().map_err(|error| problems.push(Problem::at(text.span(), error))).ok();
    texts.iter().filter_map(parse).collect()
}

/// Scopes of an application's capability: not empty, one line each. Those of [`MCP`] are known.
pub(super) fn custom_scopes(capability: &str, scopes: &[Spanned<String>], problems: &mut Problems) -> Vec<String> {
    for scope in scopes {
        one_line(scope, "scope", problems);
        if capability == MCP && !MCP_SCOPES.contains(&scope.get_ref().as_str()) {
            let shown = visible(scope.get_ref(), 64);
            let known = MCP_SCOPES.map(|scope| format!("`{scope}`")).join(", ");
            problems.push(Problem::new(scope.span(), format!("`{MCP}` has no scope `{shown}`")).hint(format!("use some of {known}")));
        }
    }
    scopes.iter().map(|scope| scope.get_ref().clone()).collect()
}

/// Checks that a text is not empty and shows all that it holds.
pub(super) fn one_line(text: &Spanned<String>, what: &str, problems: &mut Problems) {
    if text.get_ref().trim().is_empty() {
        problems.push(Problem::new(text.span(), format!("the {what} is empty")).hint(format!("write the {what}, or remove the entry")));
    } else if visible(text.get_ref(), usize::MAX) != *text.get_ref() {
        let shown = visible(text.get_ref(), 96);
        problems.push(
            Problem::new(text.span(), format!("the {what} `{shown}` holds characters that do not show")).hint("write it in one plain line"),
        );
    }
}

/// A list that must not be empty once it is written inside an entry.
pub(super) fn not_empty<T>(list: &Spanned<Vec<T>>, key: &str, problems: &mut Problems) {
    if list.get_ref().is_empty() {
        problems.push(
            Problem::new(list.span(), format!("`{key}` is empty")).hint(format!("name at least one in `{key}`, or remove the entry")),
        );
    }
}

/// A bound in bytes or pieces: `default` when it is not written, refused at 0 and above `max`.
fn bounded(written: Option<&Spanned<u64>>, key: &str, unit: u64, default: u64, max: u64, problems: &mut Problems) -> u64 {
    let Some(written) = written else { return default };
    let most = max / unit;
    match *written.get_ref() {
        0 => problems.push(Problem::new(written.span(), format!("`{key}` is 0")).hint(format!("write at least 1, or leave `{key}` out"))),
        value if value > most => {
            problems.push(
                Problem::new(written.span(), format!("`{key}` is {value}, the most is {most}"))
                    .hint(format!("write `{key} = {most}` or less")),
            );
        }
        value => return value.saturating_mul(unit),
    }
    default
}

/// A path on the host, as it is kept: no `.`, no doubled or final `/`.
pub(crate) fn host_path(path: &Spanned<String>, problems: &mut Problems) -> Option<String> {
    let text = path.get_ref();
    let shown = visible(text, 96);
    let mut refuse = |why: String, hint: &str| problems.push(Problem::new(path.span(), why).hint(hint));
    if text.is_empty() {
        refuse("the path is empty".into(), "write a folder or file, `.` for the project's folder");
    } else if visible(text, usize::MAX) != *text {
        refuse(format!("the path `{shown}` holds characters that do not show"), "rename the folder, or grant the one above it");
    } else if text.split('/').any(|part| part == "..") {
        refuse(format!("the path `{shown}` climbs out with `..`"), "write an absolute path for a folder outside the project");
    } else if text.starts_with('~') {
        refuse(format!("the path `{shown}` starts with `~`, which is not filled in"), "write the absolute path");
    } else {
        let parts = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/");
        return Some(match (text.starts_with('/'), parts.is_empty()) {
            (true, _) => format!("/{parts}"),
            (false, true) => ".".to_owned(),
            (false, false) => parts,
        });
    }
    None
}

/// A mount, as it is kept.
pub(super) fn mount_path(mount: &Spanned<String>, problems: &mut Problems) -> Option<String> {
    let text = mount.get_ref();
    let shown = visible(text, 96);
    let why = if text.contains(USER) {
        Some(("holds `{user}`", "write one mount for all users; `{user}` may stand in `path`"))
    } else if visible(text, usize::MAX) != *text {
        Some(("holds characters that do not show", "write a plain path"))
    } else if text.split('/').any(|part| matches!(part, "." | "..")) {
        Some(("holds `.` or `..`", "write the path without them"))
    } else {
        None
    };
    if let Some((why, hint)) = why {
        problems.push(Problem::new(mount.span(), format!("the mount `{shown}` {why}")).hint(hint));
        return None;
    }
    let Some(path) = guest_path::tidy(text) else {
        let absolute = format!("/{}", text.trim_start_matches('/'));
        problems.push(
            Problem::new(mount.span(), format!("the mount `{shown}` is relative")).hint(format!("write `{}`", visible(&absolute, 96))),
        );
        return None;
    };
    Some(path)
}

fn fs(one: &Spanned<AuthoredFs>, problems: &mut Problems) -> Option<Fs> {
    let written = one.get_ref();
    let max_bytes =
        bounded(written.max_mib.as_ref(), "max_mib", 1 << 20, limit::FS_WRITE_DEFAULT_BYTES, limit::FS_WRITE_MAX_BYTES, problems);
    let max_files = bounded(written.max_files.as_ref(), "max_files", 1, limit::FS_FILES_DEFAULT, limit::FS_FILES_MAX, problems);
    let path = host_path(&written.path, problems);
    let mount = match (&written.mount, &path) {
        (Some(mount), _) => mount_path(mount, problems)?,
        (None, None) => return None,
        (None, Some(path)) => match path.rsplit('/').next() {
            Some(last) if !matches!(last, "" | ".") && !last.contains(USER) => format!("/{last}"),
            _ => {
                let problem = Problem::new(written.path.span(), format!("`{}` names no mount by its last part", visible(path, 96)));
                problems.push(problem.hint("add `mount`, such as `/data`"));
                return None;
            }
        },
    };
    Some(Fs { path: path?, mount, access: written.access.unwrap_or(Access::Read), max_bytes, max_files, labels: written.labels.clone() })
}

fn add_mount(all: &mut Vec<Fs>, fs: Fs, place: &Spanned<AuthoredFs>, problems: &mut Problems) {
    if all.iter().any(|other| other.mount == fs.mount) {
        let span = place.get_ref().mount.as_ref().map_or(place.span(), Spanned::span);
        problems.push(Problem::new(span, format!("the mount `{}` is granted twice", fs.mount)).hint("give each folder a mount of its own"));
    }
    all.push(fs);
}

fn http(one: &Spanned<AuthoredHttp>, problems: &mut Problems) -> Option<Http> {
    let written = one.get_ref();
    not_empty(&written.allow, "allow", problems);
    let before = problems.len();
    let http = Http {
        allow: patterns(written.allow.get_ref(), problems),
        secret: written.secret.as_ref().and_then(|secret| secret_use(secret, problems)),
        max_bytes: bounded(
            written.max_kib.as_ref(),
            "max_kib",
            1 << 10,
            limit::HTTP_BODY_DEFAULT_BYTES,
            limit::HTTP_BODY_MAX_BYTES,
            problems,
        ),
        deadline_ms: bounded(
            written.deadline_ms.as_ref(),
            "deadline_ms",
            1,
            limit::HTTP_DEADLINE_DEFAULT_MS,
            limit::HTTP_DEADLINE_MAX_MS,
            problems,
        ),
        private: patterns(&written.private, problems),
        labels: written.labels.clone(),
        closed_when: written.closed_when.unwrap_or_default(),
    };
    (problems.len() == before && !http.allow.is_empty()).then_some(http)
}

/// Headers that the host writes itself, or that steer the connection.
const HOST_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn secret_use(secret: &Spanned<AuthoredSecret>, problems: &mut Problems) -> Option<SecretUse> {
    let written = secret.get_ref();
    let before = problems.len();
    let is_word = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if let Err(error) = secret::check_name(written.name.get_ref()) {
        problems.push(Problem::at(written.name.span(), error));
    }
    let mut refuse = |span: Range<usize>, why: String, hint: &str| problems.push(Problem::new(span, why).hint(hint));
    let target = match (&written.header, &written.query) {
        (Some(header), None) => {
            let name = header.get_ref().to_ascii_lowercase();
            if !is_word(&name) || HOST_HEADERS.contains(&name.as_str()) {
                refuse(
                    header.span(),
                    format!("`{}` cannot carry a secret", visible(&name, 64)),
                    "name another header, such as `authorization`",
                );
            }
            Some(FieldTarget::Header(name))
        }
        (None, Some(query)) => {
            if !is_word(query.get_ref()) {
                refuse(
                    query.span(),
                    format!("`{}` is not the name of a query field", visible(query.get_ref(), 64)),
                    "use letters, digits, `-` and `_`",
                );
            }
            Some(FieldTarget::Query(query.get_ref().clone()))
        }
        _ => {
            refuse(secret.span(), "a secret goes to one place".into(), "write either `header` or `query`");
            None
        }
    };
    let format = written.format.as_ref().map_or("{}", |format| format.get_ref());
    if format.matches("{}").count() != 1 || visible(format, usize::MAX) != format {
        let span = written.format.as_ref().map_or(secret.span(), Spanned::span);
        refuse(
            span,
            format!("the format `{}` does not hold exactly one `{{}}`, in one plain line", visible(format, 64)),
            "write `{}` where the value goes, such as `Bearer {}`",
        );
    }
    (problems.len() == before).then_some(())?;
    Some(SecretUse { name: written.name.get_ref().clone(), target: target?, format: format.to_owned() })
}

/// Checks the name of an environment variable or configuration value.
pub(super) fn key_name(key: &Spanned<String>, what: &str, problems: &mut Problems) {
    let text = key.get_ref();
    if text.is_empty() || text.contains(['=', ' ']) || visible(text, usize::MAX) != *text {
        let problem = Problem::new(key.span(), format!("`{}` is not the name of {what}", visible(text, 64)));
        problems.push(problem.hint("write a name without `=`, white space and characters that do not show"));
    }
}

fn values(all: &Values, what: &str, problems: &mut Problems) -> BTreeMap<String, String> {
    for (key, value) in all {
        key_name(key, what, problems);
        if value.get_ref().contains('\0') {
            problems
                .push(Problem::new(value.span(), format!("the value of `{}` holds a NUL", visible(key.get_ref(), 64))).hint("remove it"));
        }
    }
    all.iter().map(|(key, value)| (key.get_ref().clone(), value.get_ref().clone())).collect()
}

fn kv(all: &[Spanned<AuthoredKv>], problems: &mut Problems) -> Option<Kv> {
    if let Some(second) = all.get(1) {
        problems.push(Problem::new(second.span(), "`kv` is granted twice").hint("write one entry with the greater access"));
    }
    let written = all.first()?.get_ref();
    let max_bytes = bounded(written.max_mib.as_ref(), "max_mib", 1 << 20, limit::KV_DEFAULT_BYTES, limit::KV_MAX_BYTES, problems);
    Some(Kv { access: written.access, scope: written.scope.unwrap_or_default(), max_bytes })
}

/// A model that is named twice has the greater bound.
fn models(all: &[Spanned<AuthoredModel>], problems: &mut Problems) -> BTreeMap<String, Option<u32>> {
    let mut granted: BTreeMap<String, Option<u32>> = BTreeMap::new();
    for one in all {
        let written = one.get_ref();
        not_empty(&written.names, "names", problems);
        model_names(written.names.get_ref(), one.span(), problems);
        let most = limit::MODEL_TOKENS_MAX.into();
        let bound = written.max_tokens.as_ref().map(|tokens| bounded(Some(tokens), "max_tokens", 1, most, most, problems));
        let bound = bound.and_then(|bound| u32::try_from(bound).ok());
        for name in written.names.get_ref() {
            let kept = granted.entry(name.get_ref().clone()).or_insert(bound);
            *kept = kept.zip(bound).map(|(kept, bound)| kept.max(bound));
        }
    }
    granted
}

/// Checks names of models; one without a place of its own is told at `entry`.
pub(super) fn model_names(names: &[Spanned<String>], entry: Range<usize>, problems: &mut Problems) {
    for name in names {
        let span = if name.span().is_empty() { entry.clone() } else { name.span() };
        if let Err(error) = crate::model::check_name(name.get_ref()) {
            problems.push(Problem::at(span, error));
        }
    }
}

fn workspace(all: &[Spanned<AuthoredWorkspace>], fs: &[Fs], problems: &mut Problems) -> Option<Workspace> {
    if let Some(second) = all.get(1) {
        problems.push(Problem::new(second.span(), "`workspace` is granted twice").hint("write one entry with the greater access"));
    }
    let first = all.first()?;
    if fs.iter().any(|fs| fs.mount == WORKSPACE_MOUNT) {
        let problem = Problem::new(first.span(), format!("`fs` mounts a folder at `{WORKSPACE_MOUNT}`, where the workspace is"));
        problems.push(problem.hint("give that folder another `mount`"));
    }
    let written = first.get_ref();
    let (mib, files) = (written.max_mib.as_ref(), written.max_files.as_ref());
    Some(Workspace {
        access: written.access,
        scope: written.scope.unwrap_or_default(),
        max_bytes: bounded(mib, "max_mib", 1 << 20, limit::WORKSPACE_DEFAULT_BYTES, limit::WORKSPACE_MAX_BYTES, problems),
        max_files: bounded(files, "max_files", 1, limit::WORKSPACE_FILES_DEFAULT, limit::WORKSPACE_FILES_MAX, problems),
    })
}
