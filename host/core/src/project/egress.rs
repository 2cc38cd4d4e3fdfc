//! `[http]`: how requests leave the host.

use toml::Spanned;
use url::Url;

use super::{Problem, table::Table};
use crate::{
    grant::{canonical_url, host_path},
    limit::ROOTS_MAX,
};

/// How requests leave the host: those of plugins, and those of the host itself to outside servers and to an issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// What they go through to addresses that are public.
    pub proxy: Option<Proxy>,
    /// Files of root certificates that are trusted beside the public ones: relative to the project's folder, or absolute.
    pub roots: Vec<String>,
}

/// A proxy that is asked for tunnels (`CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is: `http` or `https`, host and port, nothing else.
    pub url: Url,
    /// Whether it looks names up. Then nobody here knows which addresses they lead to.
    pub resolves: bool,
}

/// Reads the table `[http]`.
pub(super) fn egress(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Egress {
    let Some(mut table) = root.table("http", "`[http]`", problems) else { return Egress::default() };
    let url: Option<Spanned<String>> = table.optional("proxy", problems);
    let resolves: Option<Spanned<bool>> = table.optional("proxy_resolves", problems);
    let roots: Option<Spanned<Vec<Spanned<String>>>> = table.optional("roots", problems);
    table.finish(problems);
    if let (None, Some(resolves)) = (&url, &resolves) {
        let problem = Problem::new(resolves.span(), "`proxy_resolves` says how a proxy works, and there is none");
        problems.push(problem.hint("name it, `proxy = \"http://proxy.example:3128\"`, or remove the line"));
    }
    let resolves = resolves.is_some_and(Spanned::into_inner);
    let proxy = url.and_then(|url| Some(Proxy { url: place(&url, problems)?, resolves }));
    let roots = roots.map(|roots| files(&roots, problems)).unwrap_or_default();
    Egress { proxy, roots }
}

fn place(written: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<Url> {
    let hint = "write scheme, host and port: `http://proxy.example:3128`";
    let mut refuse = |problem: Problem| problems.push(Problem { hint: Some(hint.to_owned()), ..problem });
    let url = canonical_url(written.get_ref()).map_err(|error| refuse(Problem::at(written.span(), error))).ok()?;
    if url.path() != "/" || url.query().is_some() {
        refuse(Problem::new(written.span(), "the URL of a proxy has no path"));
        return None;
    }
    Some(url)
}

fn files(written: &Spanned<Vec<Spanned<String>>>, problems: &mut Vec<Problem>) -> Vec<String> {
    let count = written.get_ref().len();
    if count == 0 || count > ROOTS_MAX {
        let problem = Problem::new(written.span(), format!("`roots` names {count} files"));
        problems.push(problem.hint(format!("name from 1 to {ROOTS_MAX}, or remove the line")));
    }
    written.get_ref().iter().filter_map(|path| host_path(path, problems)).collect()
}
