//! The least that what was used needs of what is granted.

use super::{Asked, Fs, Grants, Http, HttpPattern, Kv, Request, Resolved, ToolPattern, Workspace, granted_at};
use crate::{Result, project::Step};

/// The least of `granted` that still allows each of `used`; `rights` are those grants, resolved for the principal that used them.
///
/// A folder stays whole, with the access that was used; a request becomes its own pattern, unless the grant's is about `{user}`. Of
/// `env` nobody can tell what a guest read, so all of it stays. What is not granted is not added.
///
/// # Errors
/// `conflict` when parts of `granted` are at odds with each other, which no checked grants are.
pub fn minimal<'a>(used: impl IntoIterator<Item = &'a Asked>, rights: &Resolved, granted: &Grants) -> Result<Grants> {
    let mut least = Grants { env: granted.env.clone(), ..Grants::default() };
    for asked in used {
        let request = asked.request();
        least.merge(one(&request, &granted_at(&request, rights), granted).unwrap_or_default())?;
    }
    Ok(least)
}

/// What allows `request`, which stands at `place`, and no more.
fn one(request: &Request<'_>, place: &[Step<'_>], granted: &Grants) -> Option<Grants> {
    let mut least = Grants::default();
    match (place, *request) {
        ([Step::Key("fs"), Step::Item(index)], Request::Fs { access, .. }) => {
            least.fs.push(Fs { access, ..granted.fs.get(*index)?.clone() });
        }
        ([Step::Key("workspace")], Request::Fs { access, .. }) => {
            least.workspace = Some(Workspace { access, ..granted.workspace.clone()? });
        }
        ([Step::Key("http"), Step::Item(index), _, Step::Item(pattern)], Request::Http { method, url }) => {
            let own = granted.http.get(*index)?;
            let written = own.allow.get(*pattern)?;
            let only = HttpPattern::only(method, url).filter(|_| !written.to_string().contains(super::percent::USER));
            least.http.push(Http { allow: vec![only.unwrap_or_else(|| written.clone())], ..own.clone() });
        }
        (_, Request::Config { name }) => {
            least.config.extend(granted.config.get_key_value(name).map(|(key, value)| (key.clone(), value.clone())))
        }
        ([_, ..], Request::Kv { access }) => least.kv = Some(Kv { access, ..granted.kv.clone()? }),
        ([_, ..], Request::Tool { plugin, tool }) => least.tools.extend(ToolPattern::only(plugin, tool)),
        // A look-up alone needs a connection of that name, so it adds no place of its own.
        ([_, ..], Request::Socket { target }) => least.sockets.extend(target.parse().ok()),
        ([_, ..], Request::Model { name, .. }) => {
            least.model.extend(granted.model.get_key_value(name).map(|(name, most)| (name.clone(), *most)))
        }
        ([_, Step::Item(index)], Request::Custom { capability, request }) => {
            let scope = granted.custom.get(capability)?.get(*index)?;
            let scope = if request.is_empty() || request.contains('*') { scope.clone() } else { request.to_owned() };
            least.custom.insert(capability.to_owned(), vec![scope]);
        }
        _ => {}
    }
    Some(least)
}
