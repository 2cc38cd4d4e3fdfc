//! `remit session show`: the timeline of a session.

use std::{collections::HashMap, time::Duration};

use anstyle::Style;
use remit_core::{
    Kind,
    clock::Timestamp,
    id::SessionId,
    identity::Role,
    journal::{Body, Outcome, Past, Record, Wait},
    plugin::text::visible,
    store::{SessionRow, Status},
};
use serde_json::json;

use super::run::status;
use crate::{
    Exit,
    output::{self, BAD, DIM, GOOD, HEAD, WARN},
};

/// Longest text of an input or output in the timeline, in characters.
const SHOWN_CHARS: usize = 160;

/// Show a session's timeline: turns, calls with their effect and time, waits, refusals
///
/// Example: remit session show ses_01k…
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The session
    session: String,
    /// Go on showing until the turn ends or waits
    #[arg(long)]
    follow: bool,
    /// Show how it stood after this record instead: the state, and what had not ended
    #[arg(long, value_name = "RECORD", conflicts_with = "follow")]
    at: Option<u64>,
}

impl super::Run {
    pub(super) fn session_show(&self, arguments: &Show) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let name = &project.project.name;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        if let Some(at) = arguments.at {
            let past = self.block_on(async { Ok(host.past(&context, name, id, at).await?) })?;
            print_past(&past, self.global.json);
            return Ok(Exit::Done);
        }
        let look = async |from: u64| -> anyhow::Result<(SessionRow, Vec<Record>)> {
            let records = host.journal(&context, name, id, from).await?;
            Ok((host.session(&context, name, id).await?, records))
        };
        self.block_on(async {
            let (mut row, records) = look(0).await?;
            if self.global.json {
                output::json(&json!({ "session": row, "records": records }));
                return Ok(Exit::Done);
            }
            print_head(&row);
            let mut timeline = Timeline::default();
            timeline.add(&records);
            while arguments.follow && row.status == Status::Running {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let (now, records) = look(timeline.next).await?;
                timeline.add(&records);
                row = now;
            }
            timeline.rest();
            Ok(Exit::Done)
        })
    }
}

/// How a session stood: its state, and what had not ended.
fn print_past(past: &Past, json: bool) {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    if json {
        let state: std::collections::BTreeMap<_, _> = past.seen.iter().map(|(key, value)| (key, text(value))).collect();
        output::json(&json!({ "turns": past.place.turns, "state": state, "pending": past.pending }));
        return;
    }
    let place = if past.place.open_turn.is_some() { "in a turn" } else { "between turns" };
    output::line(&format!("{HEAD}{place}{HEAD:#}, {} turns begun", past.place.turns));
    for (key, value) in &past.seen {
        output::line(&format!("  state    {} = {}", visible(key, 80), visible(&text(value), SHOWN_CHARS)));
    }
    for record in &past.pending {
        output::line(&format!("  {WARN}pending{WARN:#}  record {}: {}", record.seq, record.body.describe()));
    }
}

fn print_head(row: &SessionRow) {
    output::line(&format!("{HEAD}{}{HEAD:#}  {}  `{}` for {}", row.id, status(row), row.agent, row.principal));
    let detail = match (row.detail.as_str(), row.status) {
        ("", _) => String::new(),
        (by, Status::Killed) => format!(", killed {}", visible(by, 400)),
        (detail, _) => format!(": {}", visible(detail, 400)),
    };
    output::line(&format!("  begun {}, {} turns{detail}", when(row.created), row.turns));
}

/// Prints records as they come, each operation once its end is known.
#[derive(Default)]
struct Timeline {
    next: u64,
    began: Timestamp,
    open: HashMap<u32, (Timestamp, String, &'static str)>,
    order: Vec<u32>,
    /// Changes of the state since the last other record.
    changes: Vec<(Timestamp, String)>,
}

impl Timeline {
    fn add(&mut self, records: &[Record]) {
        for record in records {
            self.next = record.seq + 1;
            self.one(record);
        }
    }

    fn one(&mut self, record: &Record) {
        if !matches!(record.body, Body::State { .. }) {
            self.changed();
        }
        match &record.body {
            Body::TurnStart(start) => {
                self.began = record.at;
                output::line(&format!("\n{HEAD}turn {}{HEAD:#}  {}  record {}", start.turn, when(record.at), record.seq));
                output::line(&format!("  input   {}", visible(&start.input, SHOWN_CHARS)));
            }
            Body::Call { op, call } => {
                // A call that was refused has no component.
                let effect = if call.digest.is_empty() { "-" } else { super::effect(call.effect) };
                self.open(*op, record.at, format!("{}  {}", call.tool, visible(&call.arguments, 60)), effect);
            }
            Body::Wait { op, wait } => self.open(*op, record.at, waited(wait), "wait"),
            Body::End { op, outcome } => self.end(*op, record.at, outcome),
            Body::Cancel { op } => {
                if let Some((at, what, effect)) = self.open.remove(op) {
                    print_row(at, Some(record.at), effect, &what, DIM, "let go of");
                }
            }
            Body::State { key, value: Some(value) } => {
                self.changes.push((record.at, format!("state `{}` = {} bytes", visible(key, 60), value.len())));
            }
            Body::State { key, value: None } => self.changes.push((record.at, format!("state `{}` removed", visible(key, 60)))),
            Body::Patch { name } => print_row(record.at, None, "", &format!("patch `{}`", visible(name, 60)), DIM, ""),
            Body::Take { .. } => {}
            Body::TurnEnd { output } => self.turn_end(record.at, GOOD, "done", output),
            Body::TurnFailed { message, .. } => self.turn_end(record.at, BAD, "failed", message),
        }
    }

    /// Prints what changed of the state: one change in full, several as their number.
    fn changed(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        match changes.as_slice() {
            [] => {}
            [(at, only)] => print_row(*at, None, "", only, DIM, ""),
            [(at, _), ..] => print_row(*at, None, "", &format!("state: {} changes", changes.len()), DIM, ""),
        }
    }

    fn open(&mut self, op: u32, at: Timestamp, what: String, effect: &'static str) {
        self.open.insert(op, (at, what, effect));
        self.order.push(op);
    }

    fn end(&mut self, op: u32, at: Timestamp, outcome: &Outcome) {
        if let Some((began, what, effect)) = self.open.remove(&op) {
            let (style, word) = ending(outcome);
            print_row(began, Some(at), effect, &what, style, &word);
        }
    }

    fn turn_end(&mut self, at: Timestamp, style: Style, word: &str, text: &str) {
        self.rest();
        output::line(&format!("  {style}{word:<7}{style:#} in {}  {}", took(self.began, at), visible(text, SHOWN_CHARS)));
    }

    /// Prints what has not ended.
    fn rest(&mut self) {
        self.changed();
        for op in std::mem::take(&mut self.order) {
            if let Some((at, what, effect)) = self.open.remove(&op) {
                print_row(at, None, effect, &what, WARN, "not ended");
            }
        }
    }
}

fn waited(wait: &Wait) -> String {
    match wait {
        Wait::Approval { call: Some(call), .. } => format!("approval of {}  {}", call.tool, visible(&call.arguments, 60)),
        Wait::Approval { title, .. } => format!("approval  {}", visible(title, 80)),
        Wait::Input { prompt, .. } => format!("input  {}", visible(prompt, 80)),
        Wait::Timer { due, .. } => format!("sleep until {}", when(*due)),
    }
}

/// How an operation ended, in a few words.
pub(super) fn ending(outcome: &Outcome) -> (Style, String) {
    let said = |note: &Option<String>| note.as_ref().map_or_else(String::new, |note| format!(": {}", visible(note, 80)));
    match outcome {
        Outcome::Output { .. } => (GOOD, "ok".to_owned()),
        Outcome::Failed { kind: Kind::Denied, message } => (BAD, format!("denied: {}", visible(message, 120))),
        Outcome::Failed { kind: Kind::InDoubt, message } => (BAD, format!("in doubt: {}", visible(message, 120))),
        Outcome::Failed { message, .. } => (BAD, format!("failed: {}", visible(message, 120))),
        Outcome::Approved { by, note } => (GOOD, format!("approved by {by}{}", said(note))),
        Outcome::Denied { by, note } => (BAD, format!("denied by {by}{}", said(note))),
        Outcome::Expired { reason } => (WARN, format!("expired: {}", visible(reason, 80))),
        Outcome::Input { by, text } => (GOOD, format!("{by}: {}", visible(text, 80))),
        Outcome::Woken => (GOOD, "woken".to_owned()),
    }
}

fn print_row(at: Timestamp, until: Option<Timestamp>, effect: &str, what: &str, style: Style, word: &str) {
    let time = until.map(|until| took(at, until)).unwrap_or_default();
    output::line(&format!("  {DIM}{}{DIM:#}  {effect:<10}  {time:>8}  {what}  {style}{word}{style:#}", clock(at)));
}

fn took(from: Timestamp, to: Timestamp) -> String {
    let ms = to.0.saturating_sub(from.0);
    match ms {
        0..=9_999 => format!("{ms} ms"),
        10_000..=119_999 => format!("{} s", ms / 1000),
        120_000..=7_199_999 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

fn local(at: Timestamp, format: &str) -> String {
    let time = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| at.to_string(), |time| time.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string())
}

/// A point in time as people here read it.
pub(super) fn when(at: Timestamp) -> String {
    local(at, "%Y-%m-%d %H:%M:%S")
}

fn clock(at: Timestamp) -> String {
    local(at, "%H:%M:%S%.3f")
}
