//! Inspecting a folder, and planning the edits.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use remit::serde_json::json;
use remit::{Error, Result, WithContext};

use crate::tools::{self, Text};
use crate::version::{Bump, Version};
use crate::{Change, manifest};

/// One edit: a piece that occurs once, and what comes in its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub path: String,
    /// The piece, before.
    pub old: String,
    /// The piece, after.
    pub new: String,
    /// The file, before.
    pub before: String,
    /// The file, after.
    pub after: String,
    /// The SHA-256 of the file before.
    pub sha256: String,
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// The version now.
    pub from: Version,
    /// The version to come.
    pub to: Version,
    /// The day, in UTC.
    pub date: String,
    /// One edit for each file.
    pub edits: Vec<Edit>,
    /// What the changelog says is new.
    pub changes: String,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Inspects the folder and plans; changes nothing.
///
/// # Errors
///
/// `InvalidArguments` where the folder has no version, more than one, or the new one is not later; what the tools answer.
pub fn make(change: &Change) -> Result<Plan> {
    let folder = change.folder.trim_end_matches('/');
    let (manifests, mut notes) = manifests(folder)?;
    let from = manifests.iter().map(|(_, _, found)| found.version).next().ok_or_else(|| {
        Error::invalid_arguments(format!("`{folder}` has no version: there is none in a {} right in it", manifest::NAMES.join(", ")))
    })?;
    let to = match (&change.version, change.bump) {
        (Some(_), Some(_)) => return Err(Error::invalid_arguments("`version` and `bump` are both given; keep one")),
        (Some(version), None) => Version::parse(version)?,
        (None, bump) => from.raise(bump.unwrap_or(Bump::Patch)),
    };
    if to <= from {
        return Err(Error::invalid_arguments(format!("`{to}` is not later than the present version {from}")));
    }
    let date = Timestamp::try_from(std::time::SystemTime::now())?.to_zoned(TimeZone::UTC).date().to_string();
    let mut edits = Vec::new();
    for (path, text, found) in manifests {
        let line = found.text.replace(&from.to_string(), &to.to_string());
        edits.push(edit(path, text, found.line, &line)?);
    }
    let mut changes = String::new();
    match changelog(folder)? {
        Some((path, text, line)) => {
            let heading = text.content.split('\n').nth(line).unwrap_or_default();
            changes = unreleased(&text.content, line);
            let dated = dated(heading, to, &date);
            edits.push(edit(path, text, line, &dated)?);
            if changes.is_empty() {
                notes.push("the changelog names no unreleased changes".into());
            }
        }
        None => notes.push("there is no CHANGELOG.md with a heading `Unreleased`".into()),
    }
    notes.extend(left_over(folder, from, &edits)?);
    Ok(Plan { from, to, date, edits, changes, notes })
}

/// The manifests that hold the version of the folder, those right in the folder first; the others become notes.
type Manifests = Vec<(String, Text, manifest::Found)>;

fn manifests(folder: &str) -> Result<(Manifests, Vec<String>)> {
    let glob = format!("{{{}}}", manifest::NAMES.join(","));
    let query = json!({ "pattern": r#"^\s*"?version"?\s*[=:]"#, "glob": glob });
    let paths: BTreeSet<String> = tools::search(folder, &query).context("cannot inspect")?.into_iter().map(|hit| hit.path).collect();
    let mut paths: Vec<String> = paths.into_iter().collect();
    paths.sort_by_key(|path| path.matches('/').count());
    let texts = tools::read_all(&paths)?;
    let (mut same, mut notes): (Manifests, Vec<String>) = (Vec::new(), Vec::new());
    for (path, text) in paths.into_iter().zip(texts) {
        let Some(found) = manifest::find(&path, &text.content)? else { continue };
        let right_in_it = path.strip_prefix(folder).is_some_and(|rest| rest.matches('/').count() == 1);
        match same.first() {
            None if right_in_it => same.push((path, text, found)),
            Some((_, _, first)) if first.version == found.version => same.push((path, text, found)),
            Some((other, _, first)) if right_in_it => {
                let (version, here) = (first.version, found.version);
                let message = format!("`{other}` has the version {version} and `{path}` has {here}; make them agree first");
                return Err(Error::invalid_arguments(message));
            }
            _ => notes.push(format!("`{path}` has the version {} of its own and stays", found.version)),
        }
    }
    Ok((same, notes))
}

/// The changelog with the line, counted from 0, of its heading `Unreleased`.
fn changelog(folder: &str) -> Result<Option<(String, Text, usize)>> {
    let query = json!({ "pattern": r"^##\s+\[?unreleased\]?\s*$", "ignore_case": true, "glob": "CHANGELOG.md" });
    let hits = tools::search(folder, &query).context("cannot inspect")?;
    let Some(hit) = hits.into_iter().find(|hit| hit.path == format!("{folder}/CHANGELOG.md")) else { return Ok(None) };
    let text = tools::read(&hit.path).context("cannot inspect")?;
    let line = usize::try_from(hit.line)?.saturating_sub(1);
    Ok(Some((hit.path, text, line)))
}

/// The heading `Unreleased`, and below it the one of the new version, in the same style.
fn dated(heading: &str, version: Version, date: &str) -> String {
    let (plain, end) = match heading.strip_suffix('\r') {
        Some(plain) => (plain, "\r"),
        None => (heading, ""),
    };
    let version = if plain.contains('[') { format!("[{version}] - {date}") } else { format!("{version} ({date})") };
    format!("{plain}{end}\n{end}\n## {version}{end}")
}

/// What stands below a heading, up to the next one of its rank.
fn unreleased(text: &str, line: usize) -> String {
    let below = text.lines().skip(line + 1).take_while(|line| !line.starts_with("## ") && !line.starts_with("# "));
    below.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Plans to replace one line, with as many lines before it as make it the only such piece.
fn edit(path: String, text: Text, line: usize, with: &str) -> Result<Edit> {
    let lines: Vec<&str> = text.content.split('\n').collect();
    for start in (0..=line).rev() {
        let Some((last, before)) = lines.get(start..=line).and_then(|piece| piece.split_last()) else { break };
        let piece = |last: &str| before.iter().copied().chain([last]).collect::<Vec<_>>().join("\n");
        let (old, new) = (piece(last), piece(with));
        if text.content.matches(&old).count() != 1 {
            continue;
        }
        let after = text.content.replacen(&old, &new, 1);
        if after.matches(&new).count() == 1 {
            let sha256 = text.sha256.ok_or_else(|| Error::failed(format!("`{path}` came without its SHA-256")))?;
            return Ok(Edit { path, old, new, before: text.content, after, sha256 });
        }
    }
    Err(Error::failed(format!("line {} of `{path}` cannot be told from others", line + 1)))
}

/// Notes where else the old version stands.
fn left_over(folder: &str, from: Version, edits: &[Edit]) -> Result<Vec<String>> {
    let hits = tools::search(folder, &json!({ "pattern": from.to_string(), "literal": true })).context("cannot inspect")?;
    let mut files: Vec<String> = hits.into_iter().map(|hit| hit.path).filter(|path| edits.iter().all(|edit| edit.path != *path)).collect();
    files.dedup();
    Ok(files.into_iter().map(|path| format!("`{path}` names {from} too and stays")).collect())
}
