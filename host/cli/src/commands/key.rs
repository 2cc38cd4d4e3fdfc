//! `remit key`: what lets clients in over HTTP.

use remit_core::{
    Error,
    audit::{AuditRecord, KeyDecision, KeyRecord},
    clock::Clock,
    grant::ToolPattern,
    id::KeyId,
    identity::{
        Principal,
        key::{self, KeptKey},
    },
    limit::KEY_DEFAULT_MS,
};
use remit_runtime::{
    project::{MANIFEST_FILE, NewKey, OpenProject},
    services::SystemClock,
};
use serde_json::{Value, json};

use super::session_show::when;
use crate::{
    Exit,
    output::{self, BAD, DIM, GOOD, HEAD, WARN},
    signing,
};

/// Make keys that let clients in over HTTP, look at them, take them back; make a key that signs approvals
#[derive(Debug, clap::Subcommand)]
pub enum Key {
    Create(Create),
    List,
    Revoke(Revoke),
    Signing(Signing),
}

/// Make a key; it is shown this once
///
/// Whoever has it acts as its principal, with what the roles of `remit.toml` allow that principal when it calls, and no more than
/// --tool says.
///
/// Examples:
///   remit key create --as service:ci --label 'nightly build' --expires 30d
///   remit key create --as user:ada --tool 'files/*' --tool table/query
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Create {
    /// As whom its holder acts; you, when nothing is said
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<Principal>,
    /// Only these tools, of those that the principal's roles allow; may be repeated
    #[arg(long = "tool", value_name = "PLUGIN/TOOL")]
    tools: Vec<ToolPattern>,
    /// How long it holds, such as 30d, 12h or 15m; a year at most [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = super::span)]
    expires: Option<u64>,
    /// What it is for
    #[arg(long, default_value = "")]
    label: String,
}

/// Take a key back: its holder is let in no more, and what runs for it ends within a second
///
/// Example: remit key revoke key_01k…
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The key's id; of a key that was found somewhere, the key itself
    key: String,
}

/// Make a key that signs approvals, in the form of minisign; its public part is shown
///
/// Put the public part into `remit.toml`, below `[review]`, and sign with: remit review --sign FILE
///
/// Example: remit key signing ~/.minisign/remit.key
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// Where the secret key goes: a file that does not exist yet, best outside of the project
    file: std::path::PathBuf,
    /// Protect it with no password: for machines
    #[arg(long)]
    no_password: bool,
}

impl super::Run {
    pub(super) fn key(&self, command: &Key) -> anyhow::Result<Exit> {
        match command {
            Key::Create(arguments) => self.key_create(arguments),
            Key::List => self.key_list(),
            Key::Revoke(arguments) => self.key_revoke(arguments),
            Key::Signing(arguments) => self.key_signing(arguments),
        }
    }

    fn key_signing(&self, arguments: &Signing) -> anyhow::Result<Exit> {
        let public = signing::make(&self.environment.cwd.join(&arguments.file), !arguments.no_password)?;
        if self.global.json {
            output::json(&json!({ "file": arguments.file, "public": public }));
        } else {
            output::note(&format!("{GOOD}made{GOOD:#} {}", arguments.file.display()));
            output::note(&format!("  for `{MANIFEST_FILE}`, below `[review]`: signers = [\"{public}\"]"));
            output::line(&public);
        }
        Ok(Exit::Done)
    }

    fn key_create(&self, arguments: &Create) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        let principal = arguments.principal.clone().unwrap_or_else(|| self.environment.principal.clone());
        if project.project.role(&principal).is_none() {
            let error = Error::invalid(format!("`{principal}` has no role in this project, so a key for it would open nothing"));
            let hint = format!(
                "write `\"{principal}\" = [\"owner\"]`, or a role of yours, under `[principals]` in `{MANIFEST_FILE}`, then: remit review"
            );
            return Err(error.hint(hint).into());
        }
        let (keys, now) = (project.state.keys()?, SystemClock.now());
        let new = NewKey {
            label: arguments.label.clone(),
            principal,
            tools: (!arguments.tools.is_empty()).then(|| arguments.tools.clone()),
            lifetime_ms: arguments.expires.unwrap_or(KEY_DEFAULT_MS),
        };
        let (key, kept) = keys.make(new, now)?;
        self.record_key(&project, KeyDecision::CreateKey, kept.id, Some(&kept))?;
        keys.keep(&kept)?;
        if self.global.json {
            let mut shown = shown(&kept);
            super::add(&mut shown, "key", json!(key.expose()));
            output::json(&shown);
        } else {
            output::note(&format!("{GOOD}made{GOOD:#} {} for {}, until {}", kept.id, kept.principal, when(kept.expires)));
            output::note("  it is shown this once; only its digest is kept");
            output::line(key.expose());
        }
        Ok(Exit::Done)
    }

    fn key_list(&self) -> anyhow::Result<Exit> {
        let project = self.open()?;
        let (keys, now) = (project.state.keys()?.list()?, SystemClock.now());
        if self.global.json {
            let shown = keys.iter().map(|(key, used)| {
                let mut shown = shown(key);
                super::add(&mut shown, "last_used", json!(used.map(|used| used.to_string())));
                shown
            });
            output::json(&shown.collect());
        } else if keys.is_empty() {
            output::note("there are no keys; to make one: remit key create");
        }
        for (key, used) in keys.iter().filter(|_| !self.global.json) {
            let until = match (key.holds(now), project.project.role(&key.principal)) {
                (false, _) => format!("{BAD}expired {}{BAD:#}", when(key.expires)),
                (true, None) => format!("{WARN}opens nothing: its principal has no role{WARN:#}"),
                (true, Some(_)) => format!("until {}", when(key.expires)),
            };
            let used = used.map_or("never used".to_owned(), |used| format!("used {}", when(used)));
            output::line(&format!(
                "{HEAD}{}{HEAD:#}  {}  {}  {until}  {DIM}{used}{DIM:#}  {}",
                key.id,
                key.principal,
                scope(key),
                key.label
            ));
        }
        Ok(Exit::Done)
    }

    fn key_revoke(&self, arguments: &Revoke) -> anyhow::Result<Exit> {
        let project = self.open()?;
        let keys = project.state.keys()?;
        let id: KeyId = match key::Key::parse(&arguments.key) {
            Some(key) => key.id(),
            None => arguments.key.parse()?,
        };
        if !keys.has(id) {
            return Err(Error::not_found(format!("there is no key `{id}`")).hint("remit key list").into());
        }
        // One whose file is damaged is taken back like every other.
        let kept = keys.get(id).ok().flatten();
        self.record_key(&project, KeyDecision::RevokeKey, id, kept.as_ref())?;
        keys.revoke(id)?;
        if self.global.json {
            output::json(&json!({ "id": id, "revoked": true }));
        } else {
            output::note(&format!("{GOOD}taken back{GOOD:#}: {id}; what runs for it ends within a second"));
        }
        Ok(Exit::Done)
    }

    fn record_key(&self, project: &OpenProject, decision: KeyDecision, key: KeyId, kept: Option<&KeptKey>) -> anyhow::Result<()> {
        let record = KeyRecord {
            at: SystemClock.now(),
            decision,
            principal: &self.environment.principal,
            project: &project.project.name,
            key,
            of: kept.map(|kept| &kept.principal),
            tools: kept.and_then(|kept| kept.tools.as_deref()),
            expires: kept.map(|kept| kept.expires),
        };
        self.record(&project.state, &AuditRecord::Key(record))
    }
}

fn scope(key: &KeptKey) -> String {
    match &key.tools {
        None => "all of its role".to_owned(),
        Some(tools) => tools.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn shown(key: &KeptKey) -> Value {
    json!({
        "id": key.id,
        "label": key.label,
        "principal": key.principal,
        "tools": key.tools,
        "created": key.created.to_string(),
        "expires": key.expires.to_string(),
    })
}
