//! Which of the grants allows a request, by its place among them.

use super::{Allowed, Decision, Grants, Request, Resolved, decide, line, pattern::glob};
use crate::project::Step;

/// Each line of [`line::format`], with the way from the grants to what it says.
pub fn placed(grants: &Grants) -> Vec<(String, String, Vec<Step<'_>>)> {
    let http = grants.http.iter().enumerate().flat_map(|(grant, http)| {
        let patterns = 0..http.allow.len();
        patterns.map(move |index| vec![Step::Key("http"), Step::Item(grant), Step::Key("allow"), Step::Item(index)])
    });
    let places = items("fs", grants.fs.len())
        .chain(http)
        .chain(grants.env.keys().map(|key| vec![Step::Key("env"), Step::Key(key)]))
        .chain(grants.config.keys().map(|key| vec![Step::Key("config"), Step::Key(key)]))
        .chain(grants.kv.iter().map(|_| vec![Step::Key("kv")]))
        .chain(grants.workspace.iter().map(|_| vec![Step::Key("workspace")]))
        .chain(items("tools", grants.tools.len()))
        .chain(items("sockets", grants.sockets.len()))
        .chain(grants.model.keys().map(|_| vec![Step::Key("model")]))
        .chain(grants.custom.iter().flat_map(|(name, scopes)| items(name, scopes.len())));
    line::format(grants).into_iter().zip(places).map(|((capability, scope), place)| (capability, scope, place)).collect()
}

fn items(capability: &str, count: usize) -> impl Iterator<Item = Vec<Step<'_>>> {
    (0..count).map(move |index| vec![Step::Key(capability), Step::Item(index)])
}

/// The way from a plugin's grants to the one that allows `request`; empty when none does.
pub fn granted_at<'a>(request: &Request<'a>, rights: &Resolved) -> Vec<Step<'a>> {
    let Decision::Allow(allowed) = decide(request, rights) else { return Vec::new() };
    let granted = &rights.granted;
    let item = |capability, index: Option<usize>| index.map_or_else(Vec::new, |index| vec![Step::Key(capability), Step::Item(index)]);
    match (*request, allowed) {
        (_, Allowed::Fs(mount)) => match granted.fs.iter().position(|fs| fs.mount == mount.guest) {
            None => vec![Step::Key("workspace")],
            found => item("fs", found),
        },
        (Request::Http { method, url }, Allowed::Http(http)) => {
            let grant = granted.http.iter().position(|own| own == http);
            let pattern = http.allow.iter().position(|pattern| pattern.matches(method, url));
            let mut place = item("http", grant);
            place.extend(pattern.into_iter().flat_map(|index| [Step::Key("allow"), Step::Item(index)]));
            place
        }
        (Request::Env { name }, _) => vec![Step::Key("env"), Step::Key(name)],
        (Request::Config { name }, _) => vec![Step::Key("config"), Step::Key(name)],
        (Request::Kv { .. }, _) => vec![Step::Key("kv")],
        (Request::Tool { plugin, tool }, _) => item("tools", granted.tools.iter().position(|pattern| pattern.matches(plugin, tool))),
        (Request::Socket { target }, _) => item("sockets", granted.sockets.iter().position(|place| place.admits(target))),
        (Request::Model { .. }, _) => vec![Step::Key("model")],
        (Request::Custom { capability, request }, _) => {
            let scopes = granted.custom.get(capability).into_iter().flatten();
            item(capability, scopes.into_iter().position(|scope| glob(scope, request)))
        }
        _ => Vec::new(),
    }
}
