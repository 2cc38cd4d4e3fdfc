//! `remit audit export`: the log for other programs.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use remit_core::{
    Error,
    audit::{ocsf, otlp},
    clock::Timestamp,
};
use remit_store::{AuditPage, Sqlite};

use super::audit::{PAGE, Record, since};
use crate::{Exit, output, signals::Stopped};

/// How often it is looked for new records.
const LOOK: Duration = Duration::from_millis(200);

/// Print the log for other programs, one document a line
///
/// `jsonl` has each record as it is kept. `ocsf` has events of the Open Cybersecurity Schema Framework, class API Activity. `otlp` has
/// requests of OpenTelemetry's protocol for logs, in JSON, many records in one.
///
/// Examples:
///   remit audit export --since 30d > november.jsonl
///   remit audit export --checkpoint monday.checkpoint > monday.jsonl
///   remit audit export --format ocsf --follow
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Export {
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// From this time on: so long ago, such as 15m, 12h or 30d, or a time such as 2026-11-22T09:30:00Z
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Go on as records arrive, those of other processes too, until it is interrupted
    #[arg(long)]
    follow: bool,
    /// Write the signed checkpoint of the log as it is now to this file; keep it where nobody who can write the log can write
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Jsonl,
    Ocsf,
    Otlp,
}

impl Format {
    fn print(self, records: &[Record]) {
        match self {
            Self::Jsonl => records.iter().for_each(|record| output::line(&record.text)),
            Self::Ocsf => records.iter().for_each(|record| output::json(&ocsf(&record.value, &record.text))),
            Self::Otlp if records.is_empty() => {}
            Self::Otlp => output::json(&otlp(records.iter().map(|record| (&record.value, record.text.as_str())))),
        }
    }
}

impl super::Run {
    pub(super) fn audit_export(&self, arguments: &Export) -> anyhow::Result<Exit> {
        let store = self.store(&self.state_folder()?.0, false)?;
        if let Some(path) = &arguments.checkpoint {
            self.write_checkpoint(&store, path)?;
        }
        match self.block_on(export(&store, arguments)) {
            // To be interrupted is how it ends.
            Err(error) if arguments.follow => Ok(error.downcast::<Stopped>()?.into()),
            ended => ended.map(|()| Exit::Done),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a checkpoint is written where the user wants it")]
    fn write_checkpoint(&self, store: &Sqlite, path: &std::path::Path) -> anyhow::Result<()> {
        let note = self.block_on(async { Ok(store.audit_checkpoint().await?) })?;
        let note = note.ok_or_else(|| Error::not_found("the audit log has no records yet, and so no checkpoint"))?;
        std::fs::write(self.environment.cwd.join(path), &note).with_context(|| format!("`{}` cannot be written", path.display()))?;
        let size = note.lines().nth(1).unwrap_or_default();
        output::note(&format!("the checkpoint of {size} records is in `{}`", path.display()));
        Ok(())
    }
}

async fn export(store: &Sqlite, arguments: &Export) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = store.audit_page(AuditPage::After(after), PAGE).await?;
        match page.last() {
            Some(last) => after = last.seq,
            None if arguments.follow => tokio::time::sleep(LOOK).await,
            None => return Ok(()),
        }
        let mut records = page.into_iter().map(Record::new).collect::<anyhow::Result<Vec<_>>>()?;
        records.retain(|record| arguments.since.is_none_or(|since| record.at >= since));
        arguments.format.print(&records);
    }
}
