//! Putting drafts to a person, and sending what they approve.

use remit::ErrorKind;
use remit::durable::{self, Decision, Question};

use crate::message::Draft;
use crate::report::Outcome;
use crate::{Case, tools};

/// Asks once for each batch of drafts, and sends those that were approved.
pub fn settle(cases: &mut [Case], batch: usize) {
    let mut open: Vec<(&mut Case, Draft)> = cases
        .iter_mut()
        .filter_map(|case| if let Outcome::Drafted(draft) = &case.outcome { Some((draft.clone(), case)) } else { None })
        .map(|(draft, case)| (case, draft))
        .collect();
    let batches = open.len().div_ceil(batch);
    for (number, some) in open.chunks_mut(batch).enumerate() {
        let decision = durable::approve(question(some, number + 1, batches));
        for (case, draft) in some {
            case.outcome = match &decision {
                Decision::Approved(_) => send(draft),
                Decision::Denied(reason) => Outcome::Declined(reason.clone().unwrap_or_default()),
                Decision::Expired => Outcome::Left("nobody decided in time".into()),
            };
        }
    }
}

fn send(draft: &Draft) -> Outcome {
    match tools::send(draft) {
        Ok(file) => Outcome::Sent(file),
        Err(error) if error.kind() == ErrorKind::InDoubt => Outcome::InDoubt(error.to_string()),
        Err(error) => Outcome::Left(format!("it was not sent: {error}")),
    }
}

/// Shows all that would be sent, word for word.
fn question(some: &[(&mut Case, Draft)], number: usize, batches: usize) -> Question {
    let noun = if some.len() == 1 { "reply" } else { "replies" };
    let part = if batches > 1 { format!(" (batch {number} of {batches})") } else { String::new() };
    let mut details = String::new();
    for (at, (case, draft)) in some.iter().enumerate() {
        let body: String = draft.body.lines().map(|line| format!("   | {line}\n")).collect();
        let (label, message) = (&case.label, &case.message);
        let answers = format!("{} ({label}, {})", message.subject, message.path);
        details += &format!("{}. to {}\n   subject: {}\n   answers: {answers}\n{body}\n", at + 1, draft.to, draft.subject);
    }
    Question::new(format!("Send {} {noun}?{part}", some.len()), details.trim_end())
}
