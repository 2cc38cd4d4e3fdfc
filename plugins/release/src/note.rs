//! What a person reads: the question before, the note after.

use crate::check::Check;
use crate::plan::Plan;

/// All that is needed in order to decide.
pub fn question(plan: &Plan, checks: &[Check]) -> String {
    let mut text = String::from("Changed files:\n");
    for edit in &plan.edits {
        text += &format!("\n{}\n", edit.path);
        text.extend(edit.old.lines().map(|line| format!("  - {line}\n")));
        text.extend(edit.new.lines().map(|line| format!("  + {line}\n")));
    }
    text += &format!("\nTests:\n{}", list(checks));
    if !plan.changes.is_empty() {
        text += &format!("\nNew in {}:\n{}\n", plan.to, plan.changes);
    }
    if !plan.notes.is_empty() {
        text += "\nNotes:\n";
        text.extend(plan.notes.iter().map(|note| format!("- {note}\n")));
    }
    text += "\nWithout a yes all of it is taken back.";
    text
}

/// The release note.
pub fn markdown(plan: &Plan, checks: &[Check]) -> String {
    let mut text = format!("# Release {}\n\n{}, after {}.\n", plan.to, plan.date, plan.from);
    if !plan.changes.is_empty() {
        text += &format!("\n{}\n", plan.changes);
    }
    text += "\n## Changed files\n\n";
    text.extend(plan.edits.iter().map(|edit| format!("- `{}`\n", edit.path)));
    text += &format!("\n## Tests\n\n{}", list(checks));
    if !plan.notes.is_empty() {
        text += "\n## Notes\n\n";
        text.extend(plan.notes.iter().map(|note| format!("- {note}\n")));
    }
    text
}

fn list(checks: &[Check]) -> String {
    let line = |check: &Check| match &check.problem {
        None => format!("- passed: {}\n", check.name),
        Some(problem) => format!("- failed: {}: {problem}\n", check.name),
    };
    checks.iter().map(line).collect()
}
