//! `remit session output`: results that a session keeps beside its journal.

use std::{collections::HashMap, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use remit_core::{
    Error, Kind,
    id::SessionId,
    identity::Role,
    journal::{Body, Outcome, Record},
    plugin::{Digest, text::visible},
};
use serde_json::json;

use crate::{Exit, output};

/// List the results that were too large for a session's journal, or write one
///
/// A result is written as the JSON that the tool gave: `content` and `structuredContent`.
///
/// Examples:
///   remit session output ses_01k…
///   remit session output ses_01k… 9f86d081… --out result.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Output {
    /// The session
    session: String,
    /// The SHA-256 of the result, as the list has it
    digest: Option<String>,
    /// Write it to this file, which must not be there, instead of standard output
    #[arg(long, value_name = "FILE", requires = "digest")]
    out: Option<PathBuf>,
}

impl super::Run {
    #[allow(clippy::disallowed_methods, reason = "the file that the user names is made here")]
    pub(super) fn session_output(&self, arguments: &Output) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let name = &project.project.name;
        let Some(digest) = &arguments.digest else {
            let records = self.block_on(async { Ok(host.journal(&context, name, id, 0).await?) })?;
            self.print_outputs(&listed(&records));
            return Ok(Exit::Done);
        };
        let digest: Digest = if digest.starts_with("sha256:") { digest.parse() } else { format!("sha256:{digest}").parse() }?;
        let bytes = self.block_on(async { Ok(host.output(&context, name, id, digest).await?) })?;
        let Some(out) = &arguments.out else {
            std::io::stdout().write_all(&bytes).context("standard output cannot be written")?;
            return Ok(Exit::Done);
        };
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(self.environment.cwd.join(out));
        let mut file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Conflict, format!("`{}` is there already", out.display())).hint("name a file that is not there yet")
            }
            _ => Error::invalid(format!("`{}` cannot be made: {error}", out.display())),
        })?;
        file.write_all(&bytes).with_context(|| format!("`{}` cannot be written", out.display()))?;
        output::note(&format!("{} bytes in `{}`", bytes.len(), out.display()));
        Ok(Exit::Done)
    }

    fn print_outputs(&self, outputs: &[Listed]) {
        if self.global.json {
            return output::json(&json!(outputs));
        }
        if outputs.is_empty() {
            return output::note("every result of this session is in its journal");
        }
        for Listed { record, tool, bytes, sha256 } in outputs {
            output::line(&format!("record {record:<6}  {tool:<24}  {bytes:>10} bytes  {sha256}"));
        }
    }
}

/// A result that a record leaves to the content.
#[derive(serde::Serialize)]
struct Listed {
    record: u64,
    tool: String,
    bytes: u64,
    sha256: String,
}

fn listed(records: &[Record]) -> Vec<Listed> {
    let (mut tools, mut outputs) = (HashMap::new(), Vec::new());
    for record in records {
        match &record.body {
            Body::TurnStart(_) => tools.clear(),
            Body::Call { op, call } => drop(tools.insert(*op, call.tool.as_str())),
            Body::End { op, outcome: Outcome::Output { kept: Some(kept), .. }, .. } => {
                let tool = visible(tools.get(op).copied().unwrap_or("?"), 128);
                outputs.push(Listed { record: record.seq, tool, bytes: kept.size, sha256: kept.digest.hex() });
            }
            _ => {}
        }
    }
    outputs
}
