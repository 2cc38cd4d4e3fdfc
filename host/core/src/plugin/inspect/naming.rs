//! Names of tools made from names of functions.

use std::collections::{HashMap, HashSet};

use super::{PlainFunction, report::Found};
use crate::{limit::TOOL_NAME_MAX_CHARS, plugin::Digest};

/// Digits of the digest that make a shortened name unique.
const SUFFIX_CHARS: usize = 8;

/// Gives each function the name of its tool: `interface_function`, or the function's own where it is bare.
///
/// Where two functions would share a name, each takes the name of its package in front; whoever is still second then is not offered.
pub(super) fn assign(found: &mut Found) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for function in &mut found.functions {
        function.tool = bounded(short(function), function);
        *count.entry(function.tool.clone()).or_default() += 1;
    }
    let mut taken = HashSet::new();
    for mut function in std::mem::take(&mut found.functions) {
        if count.get(&function.tool).is_some_and(|count| *count > 1) {
            function.tool = bounded(qualified(&function), &function);
        }
        if taken.insert(function.tool.clone()) {
            found.functions.push(function);
        } else {
            let reason = format!("its name `{}` is taken by another function", function.tool);
            found.refuse(function.interface.as_deref(), &function.function, reason);
        }
    }
}

fn short(function: &PlainFunction) -> String {
    match &function.interface {
        Some(interface) => format!("{}_{}", own_name(interface), function.function),
        None => function.function.clone(),
    }
}

fn qualified(function: &PlainFunction) -> String {
    let package = function.interface.as_deref().and_then(|interface| interface.split_once('/')).map(|(package, _)| package);
    match package {
        Some(package) => format!("{package}_{}", short(function)),
        None => short(function),
    }
}

/// `ops` of `docs:calc/ops@0.1.0`.
fn own_name(interface: &str) -> &str {
    let path = interface.split_once('@').map_or(interface, |(path, _)| path);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The name in lowercase letters, digits, `-` and `_`, shortened to the bound with a piece of a digest.
fn bounded(name: String, function: &PlainFunction) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let lower = name.to_ascii_lowercase().replace(|c| !fits(c), "_");
    if lower.len() <= TOOL_NAME_MAX_CHARS {
        return lower;
    }
    let whole = format!("{}#{}", function.interface.as_deref().unwrap_or_default(), function.function);
    let digest = Digest::of(whole.as_bytes()).hex();
    let start: String = lower.chars().take(TOOL_NAME_MAX_CHARS - SUFFIX_CHARS - 1).collect();
    let suffix: String = digest.chars().take(SUFFIX_CHARS).collect();
    format!("{start}-{suffix}")
}
