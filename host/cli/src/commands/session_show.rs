//! `remit session show`: the timeline of a session.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anstyle::Style;
use remit_core::{
    Kind,
    clock::Timestamp,
    id::SessionId,
    identity::Role,
    journal::{Body, Carried, Outcome, Past, Record, Wait},
    model::Response,
    plugin::{NO_AGENT, text::visible},
    store::{Called, SessionFilter, SessionRow, Status},
};
use serde_json::json;

use super::run::status;
use crate::{
    Exit,
    output::{self, BAD, DIM, GOOD, HEAD, WARN, counted},
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
    /// Show each call in a line of its own, also where one tool was called many times in a row
    #[arg(long, conflicts_with = "at")]
    full: bool,
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
        let by = SessionFilter { project: name.clone(), called: Called::By(id), limit: 1000, ..SessionFilter::default() };
        let look = async |from: u64| -> anyhow::Result<(SessionRow, Vec<Record>, Vec<SessionRow>)> {
            let records = host.journal(&context, name, id, from).await?;
            Ok((host.session(&context, name, id).await?, records, host.sessions(&context, by.clone()).await?))
        };
        self.block_on(async {
            let (mut row, records, called) = look(0).await?;
            if self.global.json {
                let carried = Past::after(&records).carried;
                output::json(&json!({ "session": row, "records": records, "called": called, "carried": carried }));
                return Ok(Exit::Done);
            }
            print_head(&row);
            print_carried(&Past::after(&records).carried);
            let mut timeline = Timeline { full: arguments.full, ..Timeline::default() };
            timeline.add(&records, &called);
            while arguments.follow && row.status == Status::Running {
                timeline.unfold();
                tokio::time::sleep(Duration::from_millis(200)).await;
                let (now, records, called) = look(timeline.next).await?;
                timeline.add(&records, &called);
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
        output::json(&json!({ "turns": past.place.turns, "state": state, "pending": past.pending, "carried": past.carried }));
        return;
    }
    let place = if past.place.open_turn.is_some() { "in a turn" } else { "between turns" };
    output::line(&format!("{HEAD}{place}{HEAD:#}, {} begun", counted(past.place.turns as usize, "turn")));
    for (key, value) in &past.seen {
        output::line(&format!("  state    {} = {}", visible(key, 80), visible(&text(value), SHOWN_CHARS)));
    }
    print_carried(&past.carried);
    for record in &past.pending {
        output::line(&format!("  {WARN}pending{WARN:#}  record {}: {}", record.seq, record.body.describe()));
    }
}

fn print_head(row: &SessionRow) {
    let agent = if row.agent == NO_AGENT { "plain calls".to_owned() } else { format!("`{}`", row.agent) };
    output::line(&format!("{HEAD}{}{HEAD:#}  {}  {agent} for {}", row.id, status(row), row.principal));
    let detail = match (row.detail.as_str(), row.status) {
        ("", _) => String::new(),
        (by, Status::Killed) => format!(", killed {}", visible(by, 400)),
        (detail, _) => format!(": {}", visible(detail, 400)),
    };
    let queued = if row.queued > 0 { format!(", {} queued", counted(row.queued as usize, "input")) } else { String::new() };
    output::line(&format!("  begun {}, {}{queued}{detail}", when(row.created), counted(row.turns as usize, "turn")));
    if let Some(caller) = &row.caller {
        output::line(&format!("  called as {} by {}", super::run::chain(Some(caller), &row.agent), caller.session));
    }
}

/// What the session has seen, and what nobody is asked about any more.
fn print_carried(carried: &Carried) {
    if !carried.labels.is_empty() {
        output::line(&format!("  {WARN}seen{WARN:#} {}", carried.labels));
    }
    for allowed in &carried.allowed {
        output::line(&format!("  {WARN}allowed{WARN:#} {} in {}, by {}", visible(&allowed.tool, 128), allowed.session, allowed.by));
    }
}

/// Most calls of one tool in a row that have a line each.
const APART_MAX: usize = 3;

/// A line of the timeline.
struct Row {
    at: Timestamp,
    until: Option<Timestamp>,
    /// The effect class, or `wait`.
    effect: &'static str,
    /// The tool, or what sort of wait it is; empty for other lines.
    name: String,
    /// Its arguments, or what is waited for.
    what: String,
    style: Style,
    word: String,
}

impl Row {
    /// Whether both are calls of one tool that ended the same way.
    fn like(&self, other: &Self) -> bool {
        !self.name.is_empty() && self.until.is_some() && (self.effect, &self.name, &self.word) == (other.effect, &other.name, &other.word)
    }

    fn print(&self) {
        let Self { at, effect, name, what, style, word, .. } = self;
        let time = self.until.map(|until| took(*at, until)).unwrap_or_default();
        let gap = |left: &str, right: &str| if left.is_empty() || right.is_empty() { "" } else { "  " };
        let (before, after) = (gap(name, what), gap(what, word));
        output::line(&format!("  {DIM}{}{DIM:#}  {effect:<10}  {time:>8}  {name}{before}{what}{after}{style}{word}{style:#}", clock(*at)));
    }
}

/// Prints records as they come, each operation once its end is known.
#[derive(Default)]
struct Timeline {
    /// Whether every call has a line.
    full: bool,
    next: u64,
    began: Timestamp,
    open: BTreeMap<u32, Row>,
    /// The keys of calls of agents, each with its session.
    called: HashMap<String, SessionId>,
    /// Calls of one tool that ended one after the other, and are not printed yet.
    alike: Vec<Row>,
    /// Changes of the state since the last other record.
    changes: Vec<(Timestamp, String)>,
}

impl Timeline {
    fn add(&mut self, records: &[Record], called: &[SessionRow]) {
        self.called.extend(called.iter().filter_map(|row| Some((row.caller.as_ref()?.key.clone(), row.id))));
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
                let session = self.called.get(&call.key).map(|session| format!("  in {session}")).unwrap_or_default();
                let what = format!("{}{session}", visible(&call.arguments, 60));
                self.open(*op, record.at, effect, (visible(&call.tool, 96), what));
            }
            Body::Wait { op, wait } => self.open(*op, record.at, "wait", waited(wait)),
            Body::End { op, outcome, labels, .. } => {
                let (style, mut word) = ending(outcome);
                for (label, _) in labels.iter() {
                    word += &format!(", brings {label}");
                }
                self.end(*op, record.at, style, word);
            }
            Body::Cancel { op } => self.end(*op, record.at, DIM, "let go of".to_owned()),
            Body::State { key, value: Some(value) } => {
                let size = counted(value.len(), "byte");
                self.changes.push((record.at, format!("state `{}` = {size}", visible(key, 60))));
            }
            Body::State { key, value: None } => self.changes.push((record.at, format!("state `{}` removed", visible(key, 60)))),
            Body::Patch { name } => self.note(record.at, format!("patch `{}`", visible(name, 60))),
            Body::Workspaces { trees } => {
                let plugins: Vec<_> = trees.keys().map(|plugin| visible(plugin, 64)).collect();
                self.note(record.at, format!("workspace of {} captured", plugins.join(", ")));
            }
            Body::Take { .. } => {}
            Body::TurnEnd { output, .. } => self.turn_end(record.at, GOOD, "done", output),
            Body::TurnFailed { message, .. } => self.turn_end(record.at, BAD, "failed", message),
        }
    }

    /// Prints what changed of the state: one change in full, several as their number.
    fn changed(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let Some((at, first)) = changes.first() else { return };
        let what = if let [_] = changes.as_slice() { first.clone() } else { format!("state: {} changes", changes.len()) };
        self.note(*at, what);
    }

    fn note(&mut self, at: Timestamp, what: String) {
        self.row(Row { at, until: None, effect: "", name: String::new(), what, style: DIM, word: String::new() });
    }

    fn open(&mut self, op: u32, at: Timestamp, effect: &'static str, (name, what): (String, String)) {
        let row = Row { at, until: None, effect, name, what, style: WARN, word: "not ended".to_owned() };
        self.open.insert(op, row);
    }

    fn end(&mut self, op: u32, at: Timestamp, style: Style, word: String) {
        if let Some(row) = self.open.remove(&op) {
            self.row(Row { until: Some(at), style, word, ..row });
        }
    }

    /// Takes a line: it is printed at once, or together with those that are like it.
    fn row(&mut self, row: Row) {
        if self.alike.last().is_some_and(|last| !last.like(&row)) {
            self.unfold();
        }
        self.alike.push(row);
    }

    /// Prints the lines that were held back: each by itself, or many as one.
    fn unfold(&mut self) {
        let rows = std::mem::take(&mut self.alike);
        match rows.as_slice() {
            [first, ..] if rows.len() > APART_MAX && !self.full => {
                let at = rows.iter().map(|row| row.at).min().unwrap_or(first.at);
                let until = rows.iter().filter_map(|row| row.until).max();
                let what = format!("{}  and {} more", first.what, rows.len() - 1);
                Row { at, until, effect: first.effect, name: first.name.clone(), what, style: first.style, word: first.word.clone() }
                    .print();
            }
            rows => rows.iter().for_each(Row::print),
        }
    }

    fn turn_end(&mut self, at: Timestamp, style: Style, word: &str, text: &str) {
        self.rest();
        output::line(&format!("  {style}{word:<7}{style:#} in {}  {}", took(self.began, at), visible(text, SHOWN_CHARS)));
    }

    /// Prints what has not ended.
    fn rest(&mut self) {
        self.changed();
        self.unfold();
        std::mem::take(&mut self.open).values().for_each(Row::print);
    }
}

/// What is waited for: its sort, and the rest.
fn waited(wait: &Wait) -> (String, String) {
    match wait {
        Wait::Approval { call: Some(call), .. } => (format!("approval of {}", visible(&call.tool, 96)), visible(&call.arguments, 60)),
        Wait::Approval { title, .. } => ("approval".to_owned(), visible(title, 80)),
        Wait::Input { prompt, .. } => ("input".to_owned(), visible(prompt, 80)),
        Wait::Timer { due, .. } => ("sleep until".to_owned(), when(*due)),
    }
}

/// How an operation ended, in a few words.
pub(super) fn ending(outcome: &Outcome) -> (Style, String) {
    let said = |note: &Option<String>| note.as_ref().map_or_else(String::new, |note| format!(": {}", visible(note, 80)));
    match outcome {
        Outcome::Output { kept: Some(kept), .. } => (GOOD, format!("ok, {} bytes kept as an output", kept.size)),
        Outcome::Output { output, .. } => (GOOD, tokens(output).map_or_else(|| "ok".to_owned(), |tokens| format!("ok, {tokens}"))),
        Outcome::Failed { kind: Kind::Denied, message } => (BAD, format!("denied: {}", visible(message, 120))),
        Outcome::Failed { kind: Kind::InDoubt, message } => (BAD, format!("in doubt: {}", visible(message, 120))),
        Outcome::Failed { message, .. } => (BAD, format!("failed: {}", visible(message, 120))),
        Outcome::Approved { by, note, session: None } => (GOOD, format!("approved by {by}{}", said(note))),
        Outcome::Approved { by, note, session: Some(_) } => (GOOD, format!("approved by {by} for the rest of the session{}", said(note))),
        Outcome::Denied { by, note } => (BAD, format!("denied by {by}{}", said(note))),
        Outcome::Expired { reason } => (WARN, format!("expired: {}", visible(reason, 80))),
        Outcome::Input { by, text } => (GOOD, format!("{by}: {}", visible(text, 80))),
        Outcome::Woken => (GOOD, "woken".to_owned()),
    }
}

/// What a model took, where the result is its answer.
fn tokens(output: &str) -> Option<String> {
    let mut output: serde_json::Value = serde_json::from_str(output).ok()?;
    let answer: Response = serde_json::from_value(output.get_mut("structuredContent")?.take()).ok()?;
    Some(format!("{} + {} tokens", answer.usage.input, answer.usage.output))
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
