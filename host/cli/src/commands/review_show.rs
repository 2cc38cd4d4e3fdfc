//! A plugin as its reviewer sees it: what it asks for and has, what it offers, what changed, what deserves a second look.

use std::collections::BTreeSet;

use remit_core::plugin::{
    Definition,
    diff::{Change, Sign},
    flag::Flag,
    lock::LockedPlugin,
    text::{visible, visible_lines},
};

use crate::{
    opened::Current,
    output::{self, BAD, DIM, GOOD, WARN},
};

/// Longest schema that is shown, in characters; `--json` has all of it.
const SCHEMA_SHOWN_CHARS: usize = 1500;
/// Longest description that is shown, in characters: no tool may have a longer one.
const DESCRIPTION_SHOWN_CHARS: usize = 4096;

/// Where it comes from, its digest, and for each capability whether it is imported, what of it is declared and what is granted.
pub fn print_head(current: &Current) {
    let LockedPlugin { source, digest, declared, granted, .. } = &current.locked;
    let Some(looked) = &current.component else { return };
    output::line(&format!("  {DIM}from{DIM:#} {}, {digest}", visible(source, 200)));
    let imports = looked.inspection.imports.iter().filter(|import| !import.ambient);
    let imported: BTreeSet<&str> = imports.filter_map(|import| import.capability).collect();
    let of_line = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut all: BTreeSet<String> = declared.iter().chain(granted).map(|line| of_line(line)).collect();
    all.extend(imported.iter().map(|name| (*name).to_owned()));
    for name in &all {
        let said = |word: &str, lines: &BTreeSet<String>| {
            let own = lines.iter().filter_map(|line| line.split_once(' ').filter(|(own, _)| own == name));
            let own: Vec<String> = own.map(|(_, scope)| format!("`{}`", visible(scope, 200))).collect();
            if own.is_empty() { format!("not {word}") } else { format!("{word} {}", own.join(", ")) }
        };
        let import = if imported.contains(name.as_str()) { "imported" } else { "not imported" };
        output::line(&format!("  {name:<9} {import}; {}; {}", said("declared", declared), said("granted", granted)));
    }
}

/// The tools that nobody approved as they are, as a model will see them; characters that do not show are written out.
pub fn print_definitions(current: &Current, known: Option<&LockedPlugin>) {
    let is_known = |tool: &Definition| known.and_then(|known| known.tools.get(&tool.name)) == Some(tool);
    for tool in current.locked.tools.values().filter(|tool| !is_known(tool)) {
        let title = tool.title.as_ref().map(|title| format!("  {}", visible(title, 128))).unwrap_or_default();
        output::line(&format!("  {DIM}{}{DIM:#} ({}){title}", tool.name, super::effect(tool.effect)));
        visible_lines(&tool.description, DESCRIPTION_SHOWN_CHARS).lines().for_each(|line| output::line(&format!("    {line}")));
        output::line(&format!("    {DIM}takes{DIM:#} {}", visible(&tool.input_schema.to_string(), SCHEMA_SHOWN_CHARS)));
    }
    for (name, reason) in &current.left_out {
        output::line(&format!("  {BAD}{name}{BAD:#}  not offered: {}", visible(reason, 300)));
    }
}

/// One difference, marked by what it does.
pub fn print_change(change: &Change) {
    let style = match change.sign {
        Sign::Added => GOOD,
        Sign::Removed => BAD,
        Sign::Changed => WARN,
    };
    output::line(&format!("  {style}{change}{style:#}"));
}

/// One thing to look at twice, and what would be narrower.
pub fn print_flag(flag: &Flag) {
    output::line(&format!("  {WARN}! {}{WARN:#}: {}", flag.what, flag.reason));
    for (count, narrower) in flag.narrower.iter().enumerate() {
        output::line(&format!("      {} {narrower}", if count == 0 { "narrower:" } else { "         " }));
    }
}
