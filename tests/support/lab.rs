//! A host with real guests in it, whose audit log can be read.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use remit_core::{
    Blame, Kind, Result,
    audit::{AuditRecord, AuditSink, Keep},
    grant::{Grants, Rule, line},
    identity::{Principal, Role},
    limit::CallLimits,
    plugin::Isolation,
    store::Later,
};
use remit_runtime::{Builder, Host, Outcome, Plugin, Project, Request};
use serde_json::Value;

use crate::build;

/// Audit records as JSON.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<Vec<Value>>>);

impl Records {
    /// What was recorded so far.
    pub fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }
}

impl AuditSink for Records {
    fn record(&self, record: &AuditRecord<'_>, _: Keep) -> Later<'static, ()> {
        self.0.lock().unwrap().push(serde_json::to_value(record).expect("the record is JSON"));
        Box::pin(async { Ok(()) })
    }
}

/// How a call ended, in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With this text.
    Done(String),
    /// With this sort of failure, and whose fault it was.
    Failed(Kind, Blame),
}

/// A host, a project, and one plugin in it after the other.
pub struct Lab {
    /// The host.
    pub host: Host,
    /// Its audit log.
    pub records: Records,
    /// The project's folder.
    pub folder: tempfile::TempDir,
    plugins: Mutex<Vec<Plugin>>,
}

impl Lab {
    /// A host with a compile cache that all tests share.
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// The same, with something added to it.
    pub fn with(add: impl FnOnce(Builder) -> Builder) -> Self {
        let records = Records::default();
        let cache = build::workspace().join("target/test-cache");
        let builder = Host::builder().cache_dir(cache).worker(build::remit()).audit(Arc::new(records.clone()));
        let host = add(builder).build().expect("a host");
        Self { host, records, folder: tempfile::tempdir().expect("a folder"), plugins: Mutex::default() }
    }

    /// Adds the guest `name` of `tests/fixtures`, granted these lines.
    pub async fn fixture(self, name: &str, grants: &[&str]) -> Self {
        let component = build::fixture(name);
        self.plugin(name, component, grants, CallLimits::default()).await
    }

    /// Adds a guest under bounds of its own.
    pub async fn plugin(self, name: &str, component: Arc<[u8]>, grants: &[&str], limits: CallLimits) -> Self {
        self.placed(name, component, grants, limits, Isolation::None).await
    }

    /// Adds a guest whose calls run there.
    pub async fn placed(self, name: &str, component: Arc<[u8]>, grants: &[&str], limits: CallLimits, isolation: Isolation) -> Self {
        let plugin = self.make(name, component, grants).await.expect("a plugin").limits(limits).isolation(isolation);
        self.serve(plugin);
        self
    }

    /// Adds a plugin that was made.
    pub fn serve(&self, plugin: Plugin) {
        self.plugins.lock().unwrap().push(plugin);
        self.load();
    }

    /// A plugin from a component, asked for its definitions where it does not carry them.
    pub async fn make(&self, name: &str, component: Arc<[u8]>, grants: &[&str]) -> Result<Plugin> {
        let mut granted = Grants::default();
        for grant in grants {
            granted.merge(line::parse_pair(grant)?)?;
        }
        Ok(self.host.plugin(name, component).await?.granted(granted))
    }

    fn load(&self) {
        let plugins = self.plugins.lock().unwrap().clone();
        let refused =
            self.host.load(Project { name: "lab".to_owned(), root: self.folder.path().to_owned(), plugins, ..Project::default() });
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Gives `plugin` other grants.
    pub fn grant(&self, plugin: &str, grants: &[&str]) {
        let mut granted = Grants::default();
        grants.iter().for_each(|grant| granted.merge(line::parse_pair(grant).expect("a grant")).expect("one more"));
        self.plugins.lock().unwrap().iter_mut().filter(|one| one.name.as_str() == plugin).for_each(|one| one.granted = granted.clone());
        self.load();
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Calls a tool as `user:ada`, who owns the project.
    pub async fn call(&self, plugin: &str, tool: &str, arguments: Value) -> Outcome {
        let text = arguments.to_string();
        self.call_text(plugin, tool, &text).await
    }

    /// Calls a tool with arguments as they are.
    pub async fn call_text(&self, plugin: &str, tool: &str, arguments: &str) -> Outcome {
        let principal: Principal = "user:ada".parse().expect("a principal");
        let context = self.host.context(principal, Role::Owner).expect("a context");
        self.host.call(&context, &Request::new("lab", plugin, tool, arguments)).await
    }

    /// Makes an attack and checks what has to hold in every case: exactly one audit record says how it ended, and the host goes on
    /// serving the legitimate call beside it.
    pub async fn attack(&self, plugin: &str, tool: &str, arguments: Value) -> (Ending, Outcome) {
        let before = self.records.all().len();
        let outcome = tokio::time::timeout(Duration::from_secs(120), self.call(plugin, tool, arguments)).await.expect("the host ends it");
        let records = self.records.all();
        assert_eq!(records.len(), before + 1, "one record a call");
        let ending = Self::ending(&outcome);
        let recorded = records.last().expect("the record");
        match &ending {
            Ending::Done(_) => assert_eq!(recorded["outcome"], "done"),
            Ending::Failed(kind, _) => assert_eq!(recorded["kind"], serde_json::to_value(kind).expect("a word")),
        }
        (ending, outcome)
    }

    /// How `outcome` ended.
    pub fn ending(outcome: &Outcome) -> Ending {
        match &outcome.result {
            Ok(output) => Ending::Done(answer(output)),
            Err(error) => Ending::Failed(error.kind, error.blame),
        }
    }

    /// The rules that refused something in `outcome`.
    pub fn rules(outcome: &Outcome) -> Vec<Rule> {
        outcome.denials.iter().map(|denial| denial.rule).collect()
    }
}

/// A result in few words: what stands in `{"result": …}`, else the text.
fn answer(output: &remit_runtime::Output) -> String {
    let result = output.structured.as_ref().and_then(|structured| structured.get("result"));
    result.map_or_else(|| output.text(), |result| result.as_str().map_or_else(|| result.to_string(), str::to_owned))
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}
