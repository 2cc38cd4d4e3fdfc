//! The report: what became of each message.

use crate::message::{Draft, shown};
use crate::{Case, Summary};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was sorted and needs no reply.
    Filed,
    /// A reply waits for a person.
    Drafted(Draft),
    /// The reply was sent: its file in the outbox.
    Sent(String),
    /// A person did not want the reply, perhaps with a reason.
    Declined(String),
    /// Nobody can tell whether the reply was sent. It is not sent again.
    InDoubt(String),
    /// A later turn takes it up again, and why.
    Left(String),
}

impl Outcome {
    /// Whether the message is handled for good.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Drafted(_) | Self::Left(_))
    }

    fn words(&self) -> String {
        match self {
            Self::Filed => "filed".into(),
            Self::Drafted(_) => "drafted".into(),
            Self::Sent(file) => format!("answered: {file}"),
            Self::Declined(reason) if reason.is_empty() => "not answered: declined".into(),
            Self::Declined(reason) => format!("not answered: {reason}"),
            Self::InDoubt(why) => format!("in doubt, look into the outbox: {why}"),
            Self::Left(why) => format!("left to a later turn: {why}"),
        }
    }
}

/// Writes the report.
pub fn markdown(cases: &[Case], summary: &Summary) -> String {
    let mut text = format!(
        "# Inbox triage\n\n{} new, {} answered, {} declined, {} in doubt, {} left to a later turn. Handled so far: {}.\n",
        summary.new, summary.sent, summary.declined, summary.in_doubt, summary.left, summary.handled
    );
    for (label, count) in &summary.labels {
        text += &format!("\n## {} ({count})\n\n| message | from | subject | outcome |\n|---|---|---|---|\n", cell(label));
        for case in cases.iter().filter(|case| case.label == *label) {
            let message = &case.message;
            let (writer, outcome) = (message.writer(), case.outcome.words());
            text += &format!("| {} | {} | {} | {} |\n", cell(&message.path), cell(&writer), cell(&message.subject), cell(&outcome));
        }
    }
    if !summary.notes.is_empty() {
        text += "\n## Notes\n\n";
        text.extend(summary.notes.iter().map(|note| format!("- {note}\n")));
    }
    text
}

/// Foreign text as one cell of a table: it can neither end the cell nor become a link, a picture or markup.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in shown(text).chars() {
        if matches!(c, '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '!' | '#') {
            cell.push('\\');
        }
        cell.push(c);
    }
    cell
}
