//! Raises a version in a folder of sources, tests the change, and finishes it once a person agreed.
//!
//! The stages: inspect, plan, edit, test, approve, finish. A change that fails its test or is declined is taken back.

mod check;
mod manifest;
mod note;
mod plan;
mod tools;
mod version;

use remit::durable::{self, Decision, Question};
use remit::{Error, ErrorKind, Result, progress, state};

use check::Check;
use plan::{Edit, Plan};
use version::Bump;

/// The key of a release in the session's state is this and its version.
const RELEASES: &str = "releases/";

/// What to release.
#[remit::data]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The folder of the sources, as `files` knows it, such as `/repo`.
    pub folder: String,
    /// The new version, such as `1.4.0`. Instead of `bump`.
    pub version: Option<String>,
    /// Which part of the version to raise; `patch` unless told.
    pub bump: Option<Bump>,
    /// The file of the release note; `RELEASE-<version>.md` in the folder unless told.
    pub note: Option<String>,
}

/// How far the release came.
#[remit::data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// A person agreed, and the release note is written.
    Finished,
    /// A person did not agree, or nobody decided; the change was taken back.
    Declined,
    /// The change did not work and was taken back; nobody was asked.
    Failed,
}

/// What was done.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Released {
    /// The version before.
    pub from: String,
    /// The version that was asked for.
    pub to: String,
    /// How far it came.
    pub stage: Stage,
    /// The test report.
    pub checks: Vec<Check>,
    /// Files that are changed now.
    pub changed: Vec<String>,
    /// The file of the release note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What to know beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Versions that this session has released.
    pub released: Vec<String>,
}

/// Raises the version in the manifests and the changelog of a folder, tests the change, and writes a release note once a person agreed.
/// What is not agreed to is taken back.
#[remit::agent(title = "Gated release")]
pub fn release(change: Change) -> Result<Released> {
    progress(None, "inspecting");
    let mut plan = plan::make(&change)?;
    progress(None, "editing");
    let failure = plan.edits.iter().find_map(|edit| apply(edit).err().map(|error| format!("`{}` was not changed: {error}", edit.path)));
    progress(None, "testing");
    let checks = check::run(&plan.edits);
    let refusal = match failure.or_else(|| failed(&checks)) {
        Some(why) => Some((Stage::Failed, why)),
        None => ask(&change, &plan, &checks).map(|reason| (Stage::Declined, reason)),
    };
    let (stage, note) = match refusal {
        Some((stage, why)) => {
            plan.notes.push(why);
            take_back(&mut plan);
            (stage, None)
        }
        None => (Stage::Finished, finish(&change, &mut plan, &checks)?),
    };
    let changed = if stage == Stage::Finished { plan.edits.iter().map(|edit| edit.path.clone()).collect() } else { Vec::new() };
    let released = state::keys(RELEASES).iter().filter_map(|key| key.strip_prefix(RELEASES)).map(str::to_owned).collect();
    let (from, to) = (plan.from.to_string(), plan.to.to_string());
    Ok(Released { from, to, stage, checks, changed, note, notes: plan.notes, released })
}

/// Makes one edit. Where nobody can tell whether it was made, the test will.
fn apply(edit: &Edit) -> Result<()> {
    match tools::edit(&edit.path, &edit.old, &edit.new, Some(&edit.sha256)) {
        Err(error) if error.kind() == ErrorKind::InDoubt => Ok(()),
        made => made,
    }
}

fn failed(checks: &[Check]) -> Option<String> {
    let failed = checks.iter().filter(|check| !check.passed).count();
    (failed > 0).then(|| format!("{failed} of {} checks failed", checks.len()))
}

/// Asks a person; returns why not.
fn ask(change: &Change, plan: &Plan, checks: &[Check]) -> Option<String> {
    let title = format!("Release {} of `{}` (now {})?", plan.to, change.folder, plan.from);
    match durable::approve(Question::new(title, note::question(plan, checks))) {
        Decision::Approved(_) => None,
        Decision::Denied(Some(reason)) => Some(format!("declined: {reason}")),
        Decision::Denied(None) => Some("declined".into()),
        Decision::Expired => Some("nobody decided in time".into()),
    }
}

/// Puts back what was there before, wherever the change is in place.
fn take_back(plan: &mut Plan) {
    for edit in &plan.edits {
        let undone = tools::read(&edit.path).and_then(|file| match file.content {
            now if now == edit.before => Ok(()),
            now if now == edit.after => tools::edit(&edit.path, &edit.new, &edit.old, file.sha256.as_deref()),
            _ => Err(Error::failed("somebody else changed it meanwhile")),
        });
        if let Err(error) = undone {
            plan.notes.push(format!("`{}` was not taken back: {error}", edit.path));
        }
    }
}

/// Writes the release note and keeps the release in the session.
fn finish(change: &Change, plan: &mut Plan, checks: &[Check]) -> Result<Option<String>> {
    state::put(&format!("{RELEASES}{}", plan.to), &plan.date)?;
    let path = change.note.clone().unwrap_or_else(|| format!("{}/RELEASE-{}.md", change.folder.trim_end_matches('/'), plan.to));
    match tools::write_new(&path, &note::markdown(plan, checks)) {
        Ok(()) => Ok(Some(path)),
        // The change is approved and in place: a note that is missing does not undo it.
        Err(error) => {
            plan.notes.push(format!("the release note was not written: {error}"));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
