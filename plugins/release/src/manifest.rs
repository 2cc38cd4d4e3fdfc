//! Where a manifest holds its version.

use remit::{Result, WithContext};

use crate::version::Version;

/// The manifests that are looked for.
pub const NAMES: &[&str] = &["Cargo.toml", "pyproject.toml", "package.json"];
/// The tables of a TOML manifest whose `version` is that of the project.
const TABLES: &[&str] = &["[package]", "[workspace.package]", "[project]", "[tool.poetry]"];

/// A version in a manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its line, counted from 0.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// The version.
    pub version: Version,
}

/// Finds the version of a manifest; one that inherits it has none.
///
/// # Errors
///
/// `InvalidArguments` where it is not of three numbers.
pub fn find(path: &str, text: &str) -> Result<Option<Found>> {
    let found = if path.ends_with(".json") { in_json(text) } else { in_toml(text) };
    let Some((line, text, version)) = found else { return Ok(None) };
    let version = Version::parse(version).context(format!("`{path}`, line {}", line + 1))?;
    Ok(Some(Found { line, text: text.to_owned(), version }))
}

fn in_toml(text: &str) -> Option<(usize, &str, &str)> {
    let mut in_table = false;
    for (number, line) in text.split('\n').enumerate() {
        let words = line.trim();
        if words.starts_with('[') {
            in_table = TABLES.contains(&words.split('#').next().unwrap_or_default().trim());
        } else if in_table
            && let Some((key, value)) = words.split_once('=')
            && key.trim() == "version"
        {
            return quoted(value).map(|version| (number, line, version));
        }
    }
    None
}

fn in_json(text: &str) -> Option<(usize, &str, &str)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (number, line) in text.split('\n').enumerate() {
        if depth == 1
            && !in_string
            && let Some(rest) = line.trim().strip_prefix("\"version\"")
            && let Some(value) = rest.trim_start().strip_prefix(':')
        {
            return quoted(value).map(|version| (number, line, version));
        }
        for c in line.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                '{' | '[' if !in_string => depth += 1,
                '}' | ']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

/// The text between the first two quotes.
fn quoted(value: &str) -> Option<&str> {
    let value = value.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.get(1..)?.split_once(quote).map(|(text, _)| text)
}
