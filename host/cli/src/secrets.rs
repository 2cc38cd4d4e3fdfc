//! Secrets as the commands see them: what a project needs, what is set of it, and what a server is given.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Error,
    grant::line,
    identity::Principal,
    plugin::PluginName,
    project::{Plugin, Project},
    secret::{Destination, Found},
};
use remit_runtime::{
    GivenSecrets,
    plugin::Source,
    project::{KeptSecret, OpenProject, SecretStore},
    secrets::EnvSecrets,
};

use serde_json::{Value, json};

use crate::{
    commands::Run,
    error::with_hints,
    output::{self, DIM, WARN},
};

/// What a project needs of one secret.
#[derive(Default)]
pub struct Need {
    /// Where it goes.
    pub destinations: BTreeSet<Destination>,
    /// For which plugins.
    pub plugins: BTreeSet<PluginName>,
}

/// The secrets that a project's plugins need, by name.
pub fn needs(project: &Project) -> BTreeMap<&str, Need> {
    let mut needs = BTreeMap::<_, Need>::new();
    for plugin in project.plugins.values() {
        for (name, destinations) in plugin.secrets() {
            let need = needs.entry(name).or_default();
            need.destinations.extend(destinations);
            need.plugins.insert(plugin.name.clone());
        }
    }
    needs
}

/// The origins of destinations, as a secret is bound to them when nobody says otherwise.
pub fn origins<'a>(destinations: impl IntoIterator<Item = &'a Destination>) -> BTreeSet<Destination> {
    destinations.into_iter().map(Destination::origin).collect()
}

/// The command that sets `name` for all that the project needs it for.
pub fn set_command(project: &Project, name: &str) -> String {
    let need = needs(project).remove(name).unwrap_or_default();
    let bound = origins(&need.destinations);
    let options: String = bound.iter().map(|to| format!(" --for {}", line::quote(&to.to_string()))).collect();
    format!("remit secret set {name}{options}")
}

/// Whose a secret is, and where it may go.
pub fn shown(kept: &KeptSecret) -> String {
    let whose = kept.principal.as_ref().map_or("the project".to_owned(), ToString::to_string);
    format!("set for {whose}, to go to {}", listed(&kept.destinations))
}

/// Destinations in one line.
pub fn listed<'a>(destinations: impl IntoIterator<Item = &'a Destination>) -> String {
    destinations.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// How it stands with a secret, in words; an error when it is not as it is needed.
pub type State = Result<String, Error>;

/// Shows a secret that is needed, and how it stands with it, behind `before`.
pub fn print_state(before: &str, name: &str, state: &State, beside: &str) {
    match state {
        Ok(found) if beside.is_empty() => output::line(&format!("{before}{name}  {found}")),
        Ok(found) => output::line(&format!("{before}{name}  {found}  {DIM}{beside}{DIM:#}")),
        Err(error) => output::line(&format!("{before}{name}  {WARN}{}{WARN:#}", with_hints(error).trim_start_matches("error: "))),
    }
}

/// The same for programs.
pub fn states_json(states: &[(String, State)]) -> Value {
    let one = |(name, state): &(String, State)| match state {
        Ok(found) => json!({ "name": name, "ok": true, "found": found }),
        Err(error) => json!({ "name": name, "ok": false, "found": error.message, "hints": error.hints }),
    };
    states.iter().map(one).collect()
}

impl Run {
    /// The secrets of `project`.
    pub fn secrets(&self, project: &OpenProject) -> SecretStore {
        SecretStore::new(self.environment.secrets.clone(), project, self.environment.secret_variables.clone())
    }

    /// How it stands with the secret `name` for `principal`, or for anybody, where `destinations` are needed.
    pub fn secret_state<'a>(
        &self,
        project: &OpenProject,
        name: &str,
        principal: Option<&Principal>,
        destinations: impl IntoIterator<Item = &'a Destination>,
    ) -> State {
        let store = self.secrets(project);
        for destination in destinations {
            let to_set = || set_command(&project.project, name);
            match store.look(name, principal, destination)? {
                Found::Value(_) => {}
                Found::Unset => return Err(Error::unavailable(format!("the secret `{name}` is not set")).hint(to_set())),
                Found::Elsewhere => {
                    let error =
                        Error::unavailable(format!("the secret `{name}` may not go to {destination}: it is bound to other destinations"));
                    return Err(error.hint(to_set()));
                }
            }
        }
        let kept: Vec<_> = store.list()?.iter().filter(|kept| kept.name == name).map(shown).collect();
        Ok(if kept.is_empty() { format!("set in `{}`, to go wherever it is granted", EnvSecrets::variable(name)) } else { kept.join("; ") })
    }

    /// Each secret that `plugin` needs, and how it stands with it for `principal`, or for anybody.
    pub fn secret_states(&self, project: &OpenProject, plugin: &Plugin, principal: Option<&Principal>) -> Vec<(String, State)> {
        let state = |(name, to): (&str, BTreeSet<Destination>)| (name.to_owned(), self.secret_state(project, name, principal, &to));
        plugin.secrets().into_iter().map(state).collect()
    }

    /// Says which secret that the plugin needs is missing, before anything runs. One that is set for anybody is not: whoever has none of it
    /// is refused when it is needed.
    ///
    /// # Errors
    /// `unavailable`, with what sets it; those of reading what is set.
    pub fn has_secrets(&self, project: &OpenProject, plugin: &Plugin) -> anyhow::Result<()> {
        let missing = self.secret_states(project, plugin, None).into_iter().find_map(|(_, state)| state.err());
        match missing {
            None => Ok(()),
            Some(error) => Err(Error { message: format!("`{}` is not loaded: {}", plugin.name, error.message), ..error }.into()),
        }
    }

    /// What the outside server of `plugin` is given when it is started, or asked, for who runs this command.
    ///
    /// # Errors
    /// `unavailable`, with what sets the secret that it is not given.
    pub fn given_secrets(&self, project: &OpenProject, plugin: &Plugin, source: &Source) -> anyhow::Result<GivenSecrets> {
        let of = (project.project.name.as_str(), &self.environment.principal);
        let given = GivenSecrets::find(source, &plugin.name, of, &self.secrets(project));
        Ok(given.map_err(|denial| {
            let error = Error::unavailable(format!("the server of `{}` is not started or asked: {}", plugin.name, denial.reason));
            denial.command().into_iter().fold(error, Error::hint)
        })?)
    }
}
