//! `remit secret`: what the host attaches to requests, and no plugin ever sees.

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, Read as _},
};

use remit_core::{
    Error,
    audit::{AuditRecord, SecretDecision, SecretRecord},
    clock::Clock,
    identity::Principal,
    limit::SECRET_MAX_BYTES,
    plugin::{PluginName, text::visible},
    secret::{Destination, SecretString, check_name},
};
use remit_runtime::{
    project::{KeptSecret, NewSecret, OpenProject},
    secrets::EnvSecrets,
    services::SystemClock,
};
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::{confirm, hidden, session_show::when};
use crate::{
    Exit,
    error::with_hints,
    output::{self, BAD, DIM, GOOD, HEAD},
    secrets::{Need, State, listed, needs, origins, print_state, shown},
};

/// Set secrets that the host attaches to requests, look at them, remove them
#[derive(Debug, clap::Subcommand)]
pub enum Secret {
    Set(Set),
    /// Show which secrets are set, where they may go, and which are missing; never a value
    List,
    Remove(Remove),
}

/// Set a secret; its value is asked for, or read from standard input, and never shown again
///
/// It is bound to this project and to destinations: the value goes nowhere else, whatever `remit.toml` says later. Without --for, these
/// are the hosts that the project's grants name it for now; you are asked about them.
///
/// Examples:
///   remit secret set github --for https://api.github.com
///   remit secret set tickets --for plugin:tickets --user user:ada
///   pass show github | remit secret set github --yes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Set {
    /// Its name in grants
    name: String,
    /// Where it may go: a URL, or plugin:NAME for the process of an outside server; may be repeated
    #[arg(long = "for", value_name = "DESTINATION")]
    destinations: Vec<String>,
    /// For this principal alone, before the project's
    #[arg(long, value_name = "PRINCIPAL")]
    user: Option<Principal>,
    /// Bind it to the hosts of the grants without asking
    #[arg(long)]
    yes: bool,
}

/// Remove a secret; requests that need it are refused from now on
///
/// Example: remit secret remove github
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// Its name
    name: String,
    /// That of this principal, and not the project's
    #[arg(long, value_name = "PRINCIPAL")]
    user: Option<Principal>,
}

impl super::Run {
    pub(super) fn secret(&self, command: &Secret) -> anyhow::Result<Exit> {
        match command {
            Secret::Set(arguments) => self.secret_set(arguments),
            Secret::List => self.secret_list(),
            Secret::Remove(arguments) => self.secret_remove(arguments),
        }
    }

    fn secret_set(&self, arguments: &Set) -> anyhow::Result<Exit> {
        let name = &arguments.name;
        check_name(name)?;
        let project = self.open()?;
        let mut destinations = arguments.destinations.iter().map(|to| to.parse()).collect::<Result<BTreeSet<Destination>, Error>>()?;
        if destinations.is_empty() {
            destinations = self.granted_destinations(&project, name)?;
            output::note(&format!("{HEAD}{name}{HEAD:#} is granted for {}", listed(&destinations)));
            if !confirm("Bind it to this?", arguments.yes)? {
                output::note("nothing was set");
                return Ok(Exit::Done);
            }
        }
        let destinations = destinations.into_iter().collect();
        let value = read_value(name)?;
        let new = NewSecret { name: name.clone(), principal: arguments.user.clone(), destinations, value };
        new.check()?;
        self.record_secret(&project, SecretDecision::SetSecret, (name, arguments.user.as_ref()), &new.destinations)?;
        let replaced = self.secrets(&project).set(&new, SystemClock.now())?;
        if self.global.json {
            output::json(&json!({ "name": name, "principal": new.principal, "destinations": new.destinations, "replaced": replaced }));
            return Ok(Exit::Done);
        }
        let whose = new.principal.as_ref().map_or("the project".to_owned(), ToString::to_string);
        let word = if replaced { "replaced" } else { "set" };
        output::note(&format!("{GOOD}{word}{GOOD:#} `{name}` for {whose}; it may go to {}", listed(&new.destinations)));
        if self.environment.secret_variables.get(name).is_some() {
            output::note(&format!("  `{}` is not used any more for whom this one is", EnvSecrets::variable(name)));
        }
        Ok(Exit::Done)
    }

    /// The hosts that the grants of a trusted project name a secret for.
    fn granted_destinations(&self, project: &OpenProject, name: &str) -> anyhow::Result<BTreeSet<Destination>> {
        self.trusted().check(&project.pins)?;
        let need = needs(&project.project).remove(name).unwrap_or_default();
        if need.destinations.is_empty() {
            let error = Error::invalid(format!("no grant names the secret `{name}`, so it is not known where it may go"));
            return Err(error.hint(format!("remit secret set {name} --for https://api.example.com")).into());
        }
        Ok(origins(&need.destinations))
    }

    fn secret_list(&self) -> anyhow::Result<Exit> {
        let project = self.open()?;
        let store = self.secrets(&project);
        let kept: Vec<_> = store.list()?.into_iter().map(|kept| (store.opens(&kept), kept)).collect();
        let needed: Vec<_> = needs(&project.project)
            .into_iter()
            .map(|(name, need)| (name, self.secret_state(&project, name, None, &need.destinations), need))
            .collect();
        if self.global.json {
            let one = |(opens, kept): &(remit_core::Result<()>, KeptSecret)| {
                json!({ "name": kept.name, "principal": kept.principal, "destinations": kept.destinations, "set": kept.set.to_string(),
                    "problem": opens.as_ref().err().map(|error| &error.message) })
            };
            let of = |(name, state, need): &(&str, State, Need)| {
                json!({ "name": name, "destinations": need.destinations, "plugins": need.plugins.iter().map(PluginName::as_str).collect::<Vec<_>>(), "ok": state.is_ok(),
                    "found": state.as_ref().unwrap_or_else(|error| &error.message), "fix": state.as_ref().err().map(|error| &error.hints) })
            };
            let (kept, needed): (Vec<_>, Vec<_>) = (kept.iter().map(one).collect(), needed.iter().map(of).collect());
            output::json(&json!({ "secrets": kept, "needed": needed }));
            return Ok(Exit::Done);
        }
        if kept.is_empty() && needed.is_empty() {
            output::note("no secret is set, and no grant names one");
        }
        for (opens, kept) in &kept {
            output::line(&format!("{HEAD}{}{HEAD:#}  {}  {DIM}{}{DIM:#}", kept.name, shown(kept), when(kept.set)));
            if let Err(error) = opens {
                output::line(&format!("  {BAD}{}{BAD:#}", with_hints(error).trim_start_matches("error: ")));
            }
        }
        if !needed.is_empty() {
            output::line(&format!("{HEAD}needed{HEAD:#}"));
        }
        for (name, state, need) in &needed {
            let plugins = need.plugins.iter().map(PluginName::as_str).collect::<Vec<_>>().join(", ");
            print_state("  ", name, state, &format!("by {plugins}, for {}", listed(&need.destinations)));
        }
        Ok(Exit::Done)
    }

    fn secret_remove(&self, arguments: &Remove) -> anyhow::Result<Exit> {
        let Remove { name, user } = arguments;
        let project = self.open()?;
        let store = self.secrets(&project);
        let is_it = |kept: &KeptSecret| kept.name == *name && kept.principal == *user;
        if !store.list()?.iter().any(is_it) {
            let whose = user.as_ref().map_or("the project".to_owned(), ToString::to_string);
            return Err(Error::not_found(format!("no secret `{}` is set for {whose}", visible(name, 64))).hint("remit secret list").into());
        }
        self.record_secret(&project, SecretDecision::RemoveSecret, (name, user.as_ref()), &[])?;
        store.remove(name, user.as_ref())?;
        if self.global.json {
            output::json(&json!({ "name": name, "principal": user, "removed": true }));
        } else {
            output::note(&format!("{GOOD}removed{GOOD:#} `{name}`"));
        }
        Ok(Exit::Done)
    }

    fn record_secret(
        &self,
        project: &OpenProject,
        decision: SecretDecision,
        (secret, of): (&str, Option<&Principal>),
        destinations: &[Destination],
    ) -> anyhow::Result<()> {
        let (principal, project_name) = (&self.environment.principal, project.project.name.as_str());
        let record = SecretRecord { at: SystemClock.now(), decision, principal, project: project_name, secret, of, destinations };
        self.record(&project.state, &AuditRecord::Secret(record))
    }
}

/// The value: typed without being shown, or all of standard input but a line break at its end.
fn read_value(name: &str) -> anyhow::Result<SecretString> {
    if std::io::stdin().is_terminal() {
        let given = hidden(inquire::Password::new(&format!("Value of `{name}`:")).without_confirmation())?;
        let none = || Error::invalid("no value was given, so nothing was set").hint(format!("run it again: remit secret set {name}"));
        return Ok(SecretString::from(given.ok_or_else(none)?));
    }
    // As large as it may be, so that the value is not moved while it is read.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX_BYTES + 8));
    std::io::stdin().lock().take(SECRET_MAX_BYTES as u64 + 3).read_to_end(&mut bytes)?;
    if bytes.len() > SECRET_MAX_BYTES + 2 {
        return Err(Error::limit(format!("the value of `{name}` has more than {SECRET_MAX_BYTES} bytes")).into());
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|error| Error::invalid("the value on standard input is not text in UTF-8").internal(error))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        let error = Error::invalid("standard input holds no value");
        return Err(error.hint(format!("pass it there: remit secret set {name} < FILE")).into());
    }
    Ok(SecretString::from(text))
}
