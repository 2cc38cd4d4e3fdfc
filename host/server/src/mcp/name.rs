//! What tools are called at this door.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{limit::MCP_NAME_MAX_CHARS, plugin::Digest};

/// Hex digits of the digest that a shortened name ends with.
const DIGITS: usize = 8;

/// A name for each tool, given as plugin and tool: `plugin__tool`, or that shortened to [`MCP_NAME_MAX_CHARS`] with digits of its
/// digest at the end. Names of plugins hold no `__`, so no two tools share a name, and the same tools always get the same names.
pub fn names<'a>(tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, (&'a str, &'a str)> {
    let (fitting, long): (Vec<_>, Vec<_>) = tools.into_iter().partition(|(plugin, tool)| whole(plugin, tool).len() <= MCP_NAME_MAX_CHARS);
    let mut names: BTreeMap<_, _> = fitting.into_iter().map(|(plugin, tool)| (whole(plugin, tool), (plugin, tool))).collect();
    // In order, whatever order they came in; a name that is taken is nobody else's.
    for (plugin, tool) in long.into_iter().collect::<BTreeSet<_>>() {
        let free = (0_u32..).map(|round| shortened(plugin, tool, round)).find(|name| !names.contains_key(name));
        names.extend(free.map(|name| (name, (plugin, tool))));
    }
    names
}

fn whole(plugin: &str, tool: &str) -> String {
    format!("{plugin}__{tool}")
}

/// The plugin stays whole: what comes after it never leads into the names of another one.
fn shortened(plugin: &str, tool: &str, round: u32) -> String {
    let digest = Digest::of(format!("{plugin}/{tool}/{round}").as_bytes()).hex();
    let room = MCP_NAME_MAX_CHARS.saturating_sub(plugin.len() + "__".len() + "_".len() + DIGITS);
    let [start, digits] = [(tool, room), (digest.as_str(), DIGITS)].map(|(text, end)| text.get(..end).unwrap_or(text));
    format!("{plugin}__{start}_{digits}")
}

#[cfg(test)]
mod tests;
