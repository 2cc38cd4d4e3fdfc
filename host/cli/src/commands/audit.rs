//! `remit audit`: what was allowed, refused and done, and whether the log of it is what was written.

use std::path::{Path, PathBuf};

use remit_core::{
    Error,
    audit::{Epoch, Fault, FaultKind, PublicKey, Report, SignedCheckpoint},
    clock::{Clock as _, Timestamp},
    limit::AUDIT_CHECKPOINT_MAX_BYTES,
    plugin::text::visible,
};
use remit_runtime::{project::signing_key, services::SystemClock};
use remit_store::{AuditPage, AuditRow, Sqlite};
use serde_json::{Value, json};

use super::{audit_export::Export, session_show::when, span};
use crate::{
    Exit,
    error::with_hints,
    opened::read_named_text,
    output::{self, BAD, DIM, GOOD, HEAD, WARN, counted},
};

/// Look at the audit log of the project, hand it on, and find out whether it is what was written
#[derive(Debug, clap::Subcommand)]
pub enum Audit {
    Verify(Verify),
    Show(Show),
    Export(Export),
    Key(ShowKey),
}

/// Recompute the log from its records, and hold it against its checkpoints
///
/// Names the first record that was edited, removed, moved or added. With a checkpoint that was exported before, it also shows whether the
/// end was cut off, or an older copy was put in the log's place. The exit code is 3 when the log is not what was written.
///
/// Examples:
///   remit audit verify
///   remit audit verify --checkpoint monday.checkpoint --key remit-audit+1c2b…
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// A checkpoint that `remit audit export` wrote
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key that signed it, as `remit audit key` prints it; may be repeated [default: yours]
    #[arg(long, value_name = "KEY")]
    key: Vec<PublicKey>,
}

/// Show records of the log, the last ones, or those about one thing in full
///
/// Examples:
///   remit audit show --outcome denied --since 12h
///   remit audit show call_01k…
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// A record's number, or the id of a call, a session, a wait or a key
    id: Option<String>,
    /// From this time on: so long ago, such as 15m, 12h or 30d, or a time such as 2026-11-22T09:30:00Z
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// About this plugin
    #[arg(long)]
    plugin: Option<String>,
    /// By this principal
    #[arg(long)]
    principal: Option<String>,
    /// That ended so: done, failed, denied (something was refused on the way), or a kind of failure such as limit
    #[arg(long)]
    outcome: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Print your public key, for who verifies the checkpoints that you export
///
/// Example: remit audit key
#[derive(Debug, clap::Args)]
pub struct ShowKey {}

/// Records that are read at once.
pub(super) const PAGE: u32 = 256;

/// A record as people and programs are shown it.
pub(super) struct Record {
    pub(super) seq: u64,
    /// When it was made.
    pub(super) at: Timestamp,
    /// As it is kept.
    pub(super) text: String,
    pub(super) value: Value,
}

impl Record {
    pub(super) fn new(row: AuditRow) -> anyhow::Result<Self> {
        let AuditRow { seq, record } = row;
        let damaged = || Error::invalid(format!("record {seq} of the audit log is none")).hint("see what is wrong: remit audit verify");
        let text = String::from_utf8(record).map_err(|error| damaged().internal(error))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| damaged().internal(error))?;
        let at = value.get("at").and_then(Value::as_u64).map(Timestamp).ok_or_else(damaged)?;
        Ok(Self { seq, at, text, value })
    }

    fn get(&self, name: &str) -> &str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it has this number, or is about the thing with this id.
    pub(super) fn is_about(&self, id: &str) -> bool {
        self.seq.to_string() == id || ["call", "session", "wait", "key", "epoch"].iter().any(|name| self.get(name) == id)
    }

    fn denials(&self) -> &[Value] {
        self.value.get("denials").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn ended(&self, outcome: &str) -> bool {
        let kind = if self.get("outcome") == "failed" { self.get("kind") } else { self.get("refused") };
        match outcome {
            "done" => kind.is_empty(),
            "failed" => !kind.is_empty(),
            "denied" => kind == "denied" || !self.denials().is_empty(),
            other => kind == other,
        }
    }

    /// What was done, to what.
    fn what(&self) -> String {
        let words = match self.get("type") {
            "call" => format!("{}/{}", self.get("plugin"), self.get("tool")),
            "epoch" if self.value.get("principal").is_some() => "put a backup back".to_owned(),
            "epoch" => "the log begins".to_owned(),
            _ => {
                let about =
                    ["plugin", "wait", "session", "key", "secret", "of"].iter().map(|name| self.get(name)).find(|about| !about.is_empty());
                format!("{} {}", self.get("decision"), about.unwrap_or_default())
            }
        };
        visible(words.trim_end(), 96)
    }

    fn print(&self, who: usize) {
        let principal = visible(self.get("principal"), 64);
        let (style, outcome) = match (self.get("outcome"), self.get("refused")) {
            ("failed", _) => (BAD, format!("failed: {}", self.get("kind"))),
            (_, "") => (GOOD, "done".to_owned()),
            (_, refused) => (BAD, format!("refused: {refused}")),
        };
        let outcome = visible(&outcome, 64);
        let through: Vec<_> =
            self.value.get("delegation").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let through = if through.is_empty() { String::new() } else { format!("  {DIM}by {}{DIM:#}", visible(&through.join(" > "), 96)) };
        output::line(&format!(
            "{DIM}{:>6}{DIM:#}  {}  {principal:who$}  {HEAD}{}{HEAD:#}  {style}{outcome}{style:#}{through}",
            self.seq,
            when(self.at),
            self.what()
        ));
        for denial in self.denials() {
            let text = |name: &str| denial.get(name).and_then(Value::as_str).unwrap_or_default();
            output::line(&format!(
                "          {WARN}refused{WARN:#} {}",
                visible(&format!("{} {}: {}", text("capability"), text("request"), text("reason")), 400)
            ));
        }
    }
}

/// The last `limit` records that are `wanted`, the first of them first.
///
/// # Errors
/// Those of reading.
pub(super) async fn newest(store: &Sqlite, limit: usize, wanted: impl Fn(&Record) -> bool) -> anyhow::Result<Vec<Record>> {
    let (mut found, mut before) = (Vec::new(), u64::MAX);
    while found.len() < limit {
        let page = store.audit_page(AuditPage::Before(before), PAGE).await?;
        let Some(last) = page.last() else { break };
        before = last.seq;
        for row in page {
            let record = Record::new(row)?;
            if wanted(&record) && found.len() < limit {
                found.push(record);
            }
        }
    }
    found.reverse();
    Ok(found)
}

impl super::Run {
    pub(super) fn audit(&self, command: &Audit) -> anyhow::Result<Exit> {
        match command {
            Audit::Verify(arguments) => self.audit_verify(arguments),
            Audit::Show(arguments) => self.audit_show(arguments),
            Audit::Export(arguments) => self.audit_export(arguments),
            Audit::Key(_) => self.audit_key(),
        }
    }

    fn audit_key(&self) -> anyhow::Result<Exit> {
        let signer = signing_key(&self.environment.signing)?;
        match self.global.json {
            true => output::json(&json!({ "key": signer.public_key().to_string() })),
            false => output::line(&signer.public_key().to_string()),
        }
        Ok(Exit::Done)
    }

    fn audit_show(&self, arguments: &Show) -> anyhow::Result<Exit> {
        let store = self.store(&self.state_folder()?.0, false)?;
        let Show { id, since, plugin, principal, outcome, limit } = arguments;
        let wanted = |record: &Record| {
            let is = |name: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| record.get(name) == wanted);
            is("plugin", plugin)
                && is("principal", principal)
                && id.as_deref().is_none_or(|id| record.is_about(id))
                && since.is_none_or(|since| record.at >= since)
                && outcome.as_deref().is_none_or(|outcome| record.ended(outcome))
        };
        let found = self.block_on(newest(&store, *limit, wanted))?;
        if let (Some(id), true) = (id, found.is_empty()) {
            return Err(Error::not_found(format!("the audit log of this project has no record about `{}`", visible(id, 64))).into());
        }
        let who = found.iter().map(|record| record.get("principal").chars().count()).max().unwrap_or_default().min(32);
        for record in &found {
            match (self.global.json, id) {
                (true, _) => output::line(&record.text),
                (false, None) => record.print(who),
                (false, Some(_)) => output::line(&serde_json::to_string_pretty(&record.value)?),
            }
        }
        if found.is_empty() {
            output::note("no such records");
        }
        Ok(Exit::Done)
    }

    fn audit_verify(&self, arguments: &Verify) -> anyhow::Result<Exit> {
        let (state, _) = self.state_folder()?;
        let given = arguments.checkpoint.as_deref().map(|path| self.checkpoint(path)).transpose()?;
        let keys = match arguments.key.as_slice() {
            [] => vec![signing_key(&self.environment.signing)?.public_key().clone()],
            keys => keys.to_vec(),
        };
        let store = self.store(&state, false)?;
        let size = given.as_ref().map(|given| given.checkpoint.size);
        let verified = self.block_on(async { Ok(store.audit_verify(keys, given).await?) })?;
        if let Some(path) = state.earlier_audit() {
            output::note(&format!("`{}` is from an earlier version, and no part of this log", path.display()));
        }
        match verified {
            Ok(report) => Ok(self.print_report(&report, size)),
            Err(fault) => Ok(self.print_fault(&fault)),
        }
    }

    fn checkpoint(&self, path: &Path) -> anyhow::Result<SignedCheckpoint> {
        let read = read_named_text("checkpoint", &self.environment.cwd.join(path), AUDIT_CHECKPOINT_MAX_BYTES);
        Ok(read.map_err(|error| error.hint("name a file that `remit audit export --checkpoint FILE` wrote"))?.parse()?)
    }

    fn print_report(&self, report: &Report, given: Option<u64>) -> Exit {
        let Report { records, times, epochs, signed, keys } = report;
        if self.global.json {
            let (from, to) = times.map_or((None, None), |(from, to)| (Some(from.to_string()), Some(to.to_string())));
            let epochs = epochs.iter().map(|one| json!({ "epoch": one.epoch, "first": one.first, "at": one.at.to_string() }));
            let epochs: Vec<_> = epochs.collect();
            output::json(&json!({
                "whole": true, "records": records, "from": from, "to": to, "epochs": epochs, "signed": signed, "keys": keys,
            }));
            return Exit::Done;
        }
        let Some((from, to)) = times else {
            output::line("the audit log has no records yet");
            return Exit::Done;
        };
        output::line(&format!("{GOOD}whole{GOOD:#}: {}, from {} to {}", counted(*records as usize, "record"), when(*from), when(*to)));
        keys.iter().for_each(|key| output::line(&format!("  signed up to record {signed} by {key}")));
        if signed < records {
            output::line(&format!("  {WARN}not signed yet{WARN:#}: what comes after record {signed}"));
        }
        for Epoch { epoch, first, at } in epochs.iter().skip(1) {
            output::line(&format!("  {WARN}a backup was put back{WARN:#} {}: {epoch} begins with record {first}", when(*at)));
        }
        if let Some(size) = given {
            output::line(&format!("  the checkpoint holds: its {} are here, as they were", counted(size as usize, "record")));
        }
        Exit::Done
    }

    fn print_fault(&self, fault: &Fault) -> Exit {
        let hint = match fault.kind {
            FaultKind::UnknownKey => "name the key that it should be: --key KEY, as `remit audit key` printed it where it was signed",
            FaultKind::Restored => "what was put aside then is in `state.db.before`, where no later backup was put back",
            _ => "keep the folder as it is; a backup from before has the records as they were",
        };
        if self.global.json {
            output::json(&json!({ "whole": false, "fault": fault }));
        }
        output::error(&with_hints(&Error::invalid(fault.message.clone()).hint(hint)));
        Exit::Denied
    }
}

/// A time, or how long ago it was.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = span(text) {
        return Ok(Timestamp(SystemClock.now().0.saturating_sub(ago)));
    }
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let at = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    at.map(Timestamp).ok_or_else(|| "write 15m, 12h or 30d, or a time such as 2026-11-22T09:30:00Z".to_owned())
}
