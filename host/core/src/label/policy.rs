//! What a project says of labels, and the decision about a tool that sends.

use std::collections::BTreeSet;

use super::{Label, Labels, When};
use crate::grant::{Denial, ToolPattern};

/// What a project says of labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether labels are kept, and sinks closed.
    pub enforce: bool,
    /// What is said of tools. All entries that match one hold for it.
    pub tools: Vec<(ToolPattern, ToolLabels)>,
}

/// What an entry says of tools; what it does not say is as for every other tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolLabels {
    /// What they bring.
    pub labels: Option<BTreeSet<Label>>,
    /// At which labels they are refused.
    pub closed_when: Option<When>,
    /// At which labels a person has to approve each call.
    pub ask_when: Option<When>,
}

/// What was decided of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// It may be made.
    Allow,
    /// It needs an approval that shows the labels.
    Ask(Denial),
    /// It may not be made.
    Refuse(Denial),
}

impl Policy {
    /// What the results of `plugin/tool` are: as the project says, else `untrusted` for an outside server's and nothing for others.
    pub fn gives(&self, plugin: &str, tool: &str, outside: bool) -> BTreeSet<Label> {
        if !self.enforce {
            return BTreeSet::new();
        }
        let said: Vec<_> = self.said(plugin, tool).filter_map(|said| said.labels.as_ref()).collect();
        match (said.is_empty(), outside) {
            (false, _) => said.into_iter().flatten().copied().collect(),
            (true, true) => [Label::Untrusted].into(),
            (true, false) => BTreeSet::new(),
        }
    }

    /// At which labels a call of `plugin/tool` is refused, and at which a person is asked. Of an outside server nobody knows what it sends:
    /// where nothing is said, it closes at both labels. A component sends by its `http` grants, which close by themselves.
    pub fn sink(&self, plugin: &str, tool: &str, outside: bool) -> (When, When) {
        if !self.enforce {
            return (When::Never, When::Never);
        }
        let strictest = |said: fn(&ToolLabels) -> Option<When>| self.said(plugin, tool).filter_map(said).reduce(When::or);
        match (strictest(|said| said.closed_when), strictest(|said| said.ask_when)) {
            (None, None) if outside => (When::Both, When::Never),
            (closed, ask) => (closed.unwrap_or(When::Never), ask.unwrap_or(When::Never)),
        }
    }

    /// Decides whether `plugin/tool` may be called by somebody who holds `held`, of which a person has let go `cleared` with this very call.
    ///
    /// Pure. One label more in `held`, or one less in `cleared`, never allows more.
    pub fn decide(&self, (plugin, tool): (&str, &str), outside: bool, held: &Labels, cleared: &BTreeSet<Label>) -> Flow {
        let (closed, ask) = self.sink(plugin, tool, outside);
        let request = format!("run {plugin}/{tool}");
        let denial = |why: &str| Denial::labels(plugin, "tools", &request, held, why);
        if closed.meets(|label| held.has(label)) {
            return Flow::Refuse(denial(&closed_by(closed)));
        }
        if ask.meets(|label| held.has(label) && !cleared.contains(&label)) {
            return Flow::Ask(denial(&format!("`ask_when = \"{ask}\"` wants an approval of this very call")));
        }
        Flow::Allow
    }

    fn said(&self, plugin: &str, tool: &str) -> impl Iterator<Item = &ToolLabels> {
        self.tools.iter().filter(move |(pattern, _)| pattern.matches(plugin, tool)).map(|(_, said)| said)
    }
}

/// Which words of the project refuse.
pub(crate) fn closed_by(closed: When) -> String {
    format!(
        "it is closed by `closed_when = \"{closed}\"`{}",
        if closed == When::Both { ", which holds where nothing else is said" } else { "" }
    )
}
