//! Sorts the messages of an inbox folder, answers them once a person agreed, and reports.

mod message;
mod replies;
mod report;
mod rules;
mod tools;

use std::collections::BTreeMap;

use remit::{Error, Result, log, state};

use message::Message;
use report::Outcome;
use rules::{Rule, Rules};

const BATCH_DEFAULT: usize = 10;
const BATCH_MAX: usize = 50;
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// Messages that are read side by side.
const READ_AT_ONCE: usize = 8;
/// Longest path of a message, in bytes, so that it is a key of the session's state.
const PATH_MAX_BYTES: usize = 500;
/// The key of a handled message in the session's state is this and its path.
const HANDLED: &str = "handled/";

/// What to sort, and how.
#[remit::data]
#[serde(deny_unknown_fields, default)]
pub struct Inbox {
    /// The folder of the messages, as `files` knows it: `.eml` and `.txt` files, in folders below it too.
    pub inbox: String,
    /// The file that the report goes to, as `files` knows it.
    pub report: String,
    /// Labels with their keywords and replies; the first one that matches counts. Without them: spam, incident, billing, question.
    pub rules: Option<Vec<Rule>>,
    /// What ends each reply.
    pub signature: Option<String>,
    /// Most replies that are put to a person at once; 10 unless told, at most 50.
    #[schemars(range(min = 1, max = 50))]
    pub batch: Option<usize>,
    /// Most messages of one turn; 100 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
}

impl Default for Inbox {
    fn default() -> Self {
        let (inbox, report) = ("/inbox".into(), "/reports/report.md".into());
        Self { inbox, report, rules: None, signature: None, batch: None, limit: None }
    }
}

/// What became of the messages.
#[remit::data]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that were new in this turn.
    pub new: usize,
    /// How many of them have which label.
    pub labels: BTreeMap<String, usize>,
    /// Replies that were sent.
    pub sent: usize,
    /// Replies that a person did not want.
    pub declined: usize,
    /// Replies of which nobody can tell whether they were sent: look into the outbox.
    pub in_doubt: usize,
    /// Messages that are left to a later turn.
    pub left: usize,
    /// Messages that the session has handled, earlier turns included.
    pub handled: usize,
    /// The report; absent when there was nothing new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What could not be done, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One message on its way.
struct Case {
    message: Message,
    label: String,
    outcome: Outcome,
}

/// Sorts the new messages of an inbox folder by rules, drafts replies, sends those that a person approves, and writes a report.
/// A session remembers what it handled, so the next turn takes only what is new.
#[remit::agent(title = "Inbox triage")]
pub fn triage(input: Inbox) -> Result<Summary> {
    let rules = Rules::new(input.rules.as_deref(), input.signature.as_deref())?;
    let mut notes = Vec::new();
    let mut paths = new_messages(&input, &mut notes)?;
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let over = paths.len().saturating_sub(limit);
    paths.truncate(limit);
    let mut cases = Vec::new();
    for some in paths.chunks(READ_AT_ONCE) {
        for (path, excerpt) in tools::read_all(some)? {
            cases.push(case(&rules, &path, excerpt)?);
        }
    }
    replies::settle(&mut cases, input.batch.unwrap_or(BATCH_DEFAULT).clamp(1, BATCH_MAX));
    for case in cases.iter().filter(|case| !case.outcome.is_final()) {
        state::delete(&key(&case.message.path));
    }
    let mut summary = summarize(&cases, over, notes);
    if !cases.is_empty() {
        match tools::write(&input.report, &report::markdown(&cases, &summary)) {
            Ok(()) => summary.report = Some(input.report),
            // The mails are out: the turn has to end well, so that the session remembers it.
            Err(error) => summary.notes.push(format!("the report was not written: {error}")),
        }
    }
    Ok(summary)
}

/// Finds the messages that the session has not handled.
fn new_messages(input: &Inbox, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let mut paths = tools::list(&input.inbox, "*.{eml,txt}")?;
    let before = paths.len();
    paths.retain(|path| path.len() <= PATH_MAX_BYTES);
    if paths.len() < before {
        notes.push(format!("{} messages have a path of more than {PATH_MAX_BYTES} bytes and were left out", before - paths.len()));
    }
    paths.retain(|path| *path != input.report && state::get_bytes(&key(path)).is_none());
    Ok(paths)
}

/// The key of a message in the session's state.
fn key(path: &str) -> String {
    format!("{HANDLED}{path}")
}

/// Sorts one message and keeps it as handled. That may fail where the state is full, so it comes before anything is sent.
fn case(rules: &Rules, path: &str, excerpt: Result<tools::Excerpt>) -> Result<Case> {
    let message = match excerpt {
        Ok(excerpt) if excerpt.encoding == "binary" => Message::unread(path),
        Ok(excerpt) => Message::parse(path, &excerpt),
        Err(error) => {
            let outcome = Outcome::Left(format!("it could not be read: {error}"));
            return Ok(Case { message: Message::unread(path), label: "unread".into(), outcome });
        }
    };
    let rule = rules.find(&message);
    let outcome = match rules.reply(rule, &message) {
        Some(draft) => Outcome::Drafted(draft),
        None => Outcome::Filed,
    };
    let label = rule.map_or("other", |rule| &rule.label).to_owned();
    state::put(&key(path), &label)?;
    Ok(Case { message, label, outcome })
}

fn summarize(cases: &[Case], over: usize, notes: Vec<String>) -> Summary {
    let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
    let mut labels = BTreeMap::new();
    for case in cases {
        *labels.entry(case.label.clone()).or_default() += 1;
    }
    let summary = Summary {
        new: cases.len(),
        labels,
        sent: count(|outcome| matches!(outcome, Outcome::Sent(_))),
        declined: count(|outcome| matches!(outcome, Outcome::Declined(_))),
        in_doubt: count(|outcome| matches!(outcome, Outcome::InDoubt(_))),
        left: count(|outcome| !outcome.is_final()) + over,
        handled: state::keys(HANDLED).len(),
        report: None,
        notes,
    };
    log::info(format!("{} new messages, {} replies sent, {} left to a later turn", summary.new, summary.sent, summary.left));
    summary
}

/// Names a mistake in the input.
fn wrong(message: String) -> Error {
    Error::invalid_arguments(message)
}

#[cfg(test)]
mod tests;
