//! What keeps the MCP door supplied with the tools of its project, as it is now.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use remit_core::{
    Error, Result,
    limit::MCP_RELOAD_MS,
    plugin::{declared_from_lines, lock::LockedPlugin},
    project::Plugin,
};
use remit_runtime::{Host, Project, plugin::Source, project::OpenProject};
use remit_server::mcp::{Catalog, Members};
use tokio::sync::watch;

use super::mcp::one_plugin;
use crate::output::{self, HEAD, WARN, counted};

/// A project that is served.
pub struct Supply<'a> {
    run: &'a super::Run,
    host: Host,
    project: OpenProject,
    offers: watch::Sender<Arc<Catalog>>,
    members: watch::Sender<Arc<Members>>,
    /// Whether the project takes approvals from a client's person.
    accepting: watch::Sender<bool>,
    /// Whether names have no plugin before them.
    bare: bool,
    /// What is left out, and why.
    out: BTreeMap<String, String>,
    plugins: usize,
}

type Admitted = (Vec<remit_runtime::Plugin>, BTreeMap<String, String>);

impl<'a> Supply<'a> {
    /// Supplies what the lock says. No component is looked at: [`Supply::keep_up`] does that.
    pub fn new(
        run: &'a super::Run,
        host: Host,
        project: OpenProject,
        offers: watch::Sender<Arc<Catalog>>,
        accepting: watch::Sender<bool>,
        bare: bool,
    ) -> Self {
        let members = watch::Sender::default();
        let mut supply = Self { run, host, project, offers, members, accepting, bare, out: BTreeMap::new(), plugins: 0 };
        supply.load(supply.admitted(|project, plugin| project.locked(plugin)));
        supply
    }

    /// Who has a role in the project, as it is served.
    pub fn members(&self) -> watch::Receiver<Arc<Members>> {
        self.members.subscribe()
    }

    /// What is served, in words.
    pub fn greeting(&self) -> String {
        let offers = self.offers.borrow();
        let searched = if offers.is_searched() { ", offered by a search," } else { "" };
        let (tools, plugins) = (counted(offers.len(), "tool"), counted(self.plugins, "plugin"));
        format!("{HEAD}{}{HEAD:#}: {tools} of {plugins}{searched}", self.project.project.name)
    }

    /// Looks at the components, and then again whenever a file of the project changes. When the project may not run as it is now,
    /// nothing of it is served until it may.
    pub async fn keep_up(&mut self) -> Infallible {
        let mut acted = self.project.marks();
        // It may have changed since it was read.
        let mut refused = match self.run.open_again(&self.project.root) {
            Ok(project) if project.pins == self.project.pins && project.project == self.project.project => {
                self.refresh();
                false
            }
            _ => !self.reopen(false),
        };
        let mut seen = acted.clone();
        loop {
            tokio::time::sleep(Duration::from_millis(MCP_RELOAD_MS)).await;
            let now = self.project.marks();
            // A file that is still being written is left alone until it has settled.
            let settled = now == seen;
            seen = now;
            if settled && (refused || seen != acted) {
                refused = !self.reopen(refused);
                acted = seen.clone();
            }
        }
    }

    /// Serves the project as it is now; whether it may be served.
    fn reopen(&mut self, refused: bool) -> bool {
        let name = &self.project.project.name;
        let anew = |what: &str| Err(Error::invalid(format!("the project has another {what} now")).hint("start `remit mcp` anew").into());
        let opened = self.run.open_again(&self.project.root).and_then(|project| match &project.project {
            now if now.name != *name => anew("name"),
            now if now.auth != self.project.project.auth => anew("`[auth]`"),
            now if now.egress != self.project.project.egress || project.pins.roots != self.project.pins.roots => anew("`[http]`"),
            _ => Ok(project),
        });
        let opened = opened.and_then(|project| match self.bare {
            true => Ok(one_plugin(&project.project).map(|()| project)?),
            false => Ok(project),
        });
        match opened {
            Ok(project) => {
                self.accepting.send_replace(project.project.approvals.accept_client);
                self.project = project;
                let admitted = self.admitted(approved);
                self.load(admitted);
                true
            }
            Err(error) => {
                if !refused {
                    output::note(&format!("{WARN}nothing is served any more{WARN:#}: {error:#}"));
                    self.host.unload(name);
                    self.accepting.send_replace(false);
                    self.offers.send_replace(Arc::default());
                    self.members.send_replace(Arc::default());
                }
                false
            }
        }
    }

    /// Looks at the components, and takes out what is not as it was approved.
    fn refresh(&mut self) {
        let (plugins, out) = self.admitted(approved);
        if out != self.out {
            self.load((plugins, out));
        }
    }

    /// What may be served, as `locked` finds it, and what not, with the reason.
    fn admitted(&self, locked: impl Fn(&OpenProject, &Plugin) -> Result<LockedPlugin>) -> Admitted {
        let (mut plugins, mut out) = (Vec::new(), BTreeMap::new());
        for plugin in self.project.project.plugins.values() {
            let served = match plugin.is_outside() {
                true => self.run.approved(&self.project, plugin),
                false => locked(&self.project, plugin).map_err(Into::into).and_then(|locked| self.plugin(plugin, locked)),
            };
            match served {
                Ok(plugin) => plugins.push(plugin),
                Err(error) => drop(out.insert(plugin.name.to_string(), format!("{error:#}"))),
            }
        }
        (plugins, out)
    }

    /// `plugin` as it was approved; its component is read at its first call, and has to be the approved one then.
    fn plugin(&self, plugin: &Plugin, locked: LockedPlugin) -> anyhow::Result<remit_runtime::Plugin> {
        self.run.has_secrets(&self.project, plugin)?;
        Ok(remit_runtime::Plugin {
            name: plugin.name.clone(),
            source: Source::File(self.project.artefact_path(plugin)?),
            digest: locked.digest,
            kind: locked.kind,
            declared: declared_from_lines(&locked.declared)?,
            definitions: locked.tools.into_values().collect(),
            granted: plugin.grants.clone(),
            limits: plugin.limits,
            isolation: plugin.isolation,
            ask: plugin.ask.clone(),
        })
    }

    /// Serves these plugins, and says what is left out and was not before.
    fn load(&mut self, (mut plugins, mut out): Admitted) {
        let (name, root) = (self.project.project.name.clone(), self.project.root.clone());
        let (labels, models) = (self.project.project.labels.clone(), self.project.project.models.clone());
        for (name, error) in self.host.load(Project { name, root, plugins: plugins.clone(), labels, models }) {
            plugins.retain(|plugin| plugin.name != name);
            out.insert(name.to_string(), error.to_string());
        }
        let (catalog, tools) = if self.bare { Catalog::bare(&plugins) } else { Catalog::new(&plugins) };
        let catalog = catalog.searched(&self.project.project.mcp);
        out.extend(tools.into_iter().map(|(tool, why)| (tool, why.to_owned())));
        for (name, why) in out.iter().filter(|(name, why)| self.out.get(*name) != Some(*why)) {
            output::note(&format!("{WARN}`{name}` is left out{WARN:#}: {why}"));
        }
        (self.out, self.plugins) = (out, plugins.len());
        let principals = self.project.project.principals.keys();
        let members = principals.filter_map(|principal| Some((principal.clone(), self.project.project.role(principal)?)));
        self.members.send_replace(Arc::new(members.collect()));
        self.offers.send_if_modified(|offered| {
            let changed = **offered != catalog;
            *offered = Arc::new(catalog);
            changed
        });
    }
}

/// What was approved of `plugin`, when that is what is there.
fn approved(project: &OpenProject, plugin: &Plugin) -> Result<LockedPlugin> {
    project.approved(plugin).map(|(_, locked)| locked.clone())
}
