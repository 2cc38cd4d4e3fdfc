//! `remit session fork|revert|abandon|export|import`: what else can become of a journal.

use std::io::{BufRead as _, BufReader, Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_core::{
    Error,
    content::Blob,
    id::SessionId,
    identity::Role,
    journal::Record,
    limit::{IMPORT_CONTENT_MAX_BYTES, RECORD_MAX_BYTES},
    plugin::{Digest, NO_AGENT},
};
use remit_runtime::session::Content;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Exit, output};

/// Begin a new session that is this one up to a record
///
/// A turn that had not ended there goes on in the new session with the component that the project serves now, when it is resumed.
///
/// Example: remit session fork ses_01k… --at 12
#[derive(Debug, clap::Args)]
pub struct Fork {
    /// The session
    session: String,
    /// The last record to take along; default: all
    #[arg(long, value_name = "RECORD")]
    at: Option<u64>,
}

/// Take a session back to before one of its turns, with the state of then
///
/// What the turns did outside is not undone. Their records are kept as an old branch.
///
/// Example: remit session revert ses_01k… --turn 2
#[derive(Debug, clap::Args)]
pub struct Revert {
    /// The session
    session: String,
    /// The turn, as `session show` numbers them
    #[arg(long)]
    turn: u32,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// End the turn that a session is in as failed: the way out of a quarantine
///
/// Example: remit session abandon ses_01k…
#[derive(Debug, clap::Args)]
pub struct Abandon {
    /// The session
    session: String,
}

/// Print a session's journal and the content that it names, a JSON document a line
///
/// Example: remit session export ses_01k… > session.jsonl
#[derive(Debug, clap::Args)]
pub struct Export {
    /// The session
    session: String,
}

/// Make a session of an export
///
/// It works for whoever takes it in. What it did outside is not done again; a turn that had not ended can be resumed.
///
/// Example: remit session import session.jsonl
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The file, or - for standard input
    file: String,
}

/// What the first line of an export says that it is.
const HEADER: &str = "session";
/// What the first line says, as far as it is needed.
#[derive(Deserialize)]
struct Header {
    remit: String,
    version: u32,
    session: Exported,
}

#[derive(Deserialize)]
struct Exported {
    agent: String,
}

/// A line of content, after the records: a piece in base64, or a result with its pieces.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Piece(String),
    Output { digest: Digest, blob: Blob },
}

/// What an export says.
struct Taken {
    agent: String,
    records: Vec<Record>,
    content: Content,
}

/// The longest line that is read.
const LINE_MAX_BYTES: u64 = 2 * RECORD_MAX_BYTES as u64;

impl super::Run {
    pub(super) fn session_fork(&self, arguments: &Fork) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let name = &project.project.name;
        let row = self.block_on(async { Ok(host.session(&context, name, id).await?) })?;
        drop(host);
        // The agent is loaded, so that the new session is pinned to the component that is served now.
        let host = if row.agent == NO_AGENT { self.session_host(&project)? } else { self.agent_host(&project, &row.agent)? };
        let fork = self.block_on(async { Ok(host.fork(&context, name, id, arguments.at).await?) })?;
        self.print_new(&fork, &format!("forked from {id}"));
        Ok(Exit::Done)
    }

    fn print_new(&self, row: &remit_core::store::SessionRow, how: &str) {
        if self.global.json {
            return output::json(&json!(row));
        }
        output::line(&row.id.to_string());
        output::note(&format!("{how}, {}, {} records", super::run::status(row), row.next_seq));
        if row.status == remit_core::store::Status::Running {
            output::note(&format!("  its turn has not ended; to go on: remit session resume {}", row.id));
        }
    }

    pub(super) fn session_revert(&self, arguments: &Revert) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let name = &project.project.name;
        let row = self.block_on(async { Ok(host.session(&context, name, id).await?) })?;
        let last = row.turns.saturating_sub(1);
        let turns =
            if last > arguments.turn { format!("turns {} to {last} are", arguments.turn) } else { format!("turn {} is", arguments.turn) };
        output::note(&format!("{id}: {turns} taken back; what was done outside is not undone"));
        if !super::confirm("Take the session back?", arguments.yes)? {
            output::note("nothing was changed");
            return Ok(Exit::Denied);
        }
        self.block_on(async { Ok(host.revert(&context, name, id, arguments.turn).await?) })?;
        if self.global.json {
            output::json(&json!({ "session": id, "turns": arguments.turn }));
        }
        Ok(Exit::Done)
    }

    pub(super) fn session_abandon(&self, arguments: &Abandon) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        self.block_on(async { Ok(host.abandon(&context, &project.project.name, id).await?) })?;
        if self.global.json {
            output::json(&json!({ "session": id, "status": "idle" }));
        } else {
            output::note(&format!("the turn of {id} has failed; the session takes inputs again, with the state from before the turn"));
        }
        Ok(Exit::Done)
    }

    pub(super) fn session_export(&self, arguments: &Export) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let name = &project.project.name;
        self.block_on(async {
            let row = host.session(&context, name, id).await?;
            let (records, named) = (host.journal(&context, name, id, 0).await?, host.content(&context, name, id).await?);
            output::json(&json!({ "remit": HEADER, "version": 1, "session": row }));
            records.iter().for_each(|record| output::json(&json!(record)));
            for piece in named.pieces {
                output::json(&json!(Line::Piece(STANDARD.encode(host.piece(&context, name, id, piece).await?))));
            }
            named.outputs.into_iter().for_each(|(digest, blob)| output::json(&json!(Line::Output { digest, blob })));
            Ok(Exit::Done)
        })
    }

    pub(super) fn session_import(&self, arguments: &Import) -> anyhow::Result<Exit> {
        let Taken { agent, records, content } = self.read_export(&arguments.file)?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let row = self.block_on(async { Ok(host.import(&context, &project.project.name, &agent, &records, &content).await?) })?;
        self.print_new(&row, "taken in");
        Ok(Exit::Done)
    }

    #[allow(clippy::disallowed_methods, reason = "an export that the user names is read here, line by line, each bounded")]
    fn read_export(&self, file: &str) -> anyhow::Result<Taken> {
        let unreadable = |error: std::io::Error| Error::invalid(format!("`{file}` cannot be read: {error}"));
        let mut reader: Box<dyn std::io::BufRead> = match file {
            "-" => Box::new(std::io::stdin().lock()),
            path => Box::new(BufReader::new(std::fs::File::open(self.environment.cwd.join(path)).map_err(unreadable)?)),
        };
        let mut agent = None;
        let (mut records, mut content, mut bytes) = (Vec::new(), Content::default(), 0);
        for number in 1.. {
            let mut line = String::new();
            if (&mut reader).take(LINE_MAX_BYTES).read_line(&mut line).map_err(unreadable)? == 0 {
                break;
            }
            let wrong = |what: &str| {
                Error::invalid(format!("line {number} of `{file}` is {what}")).hint("take what `remit session export` printed, whole")
            };
            if agent.is_none() {
                let header: Header =
                    serde_json::from_str(&line).map_err(|error| wrong("not the head of a session's export").internal(error))?;
                let known = header.remit == HEADER && header.version == 1;
                let name = known.then_some(header.session.agent);
                agent = Some(name.ok_or_else(|| wrong("the head of something else, or of a later version"))?);
            } else if let Ok(line) = serde_json::from_str(&line) {
                match line {
                    Line::Piece(text) => {
                        let piece = STANDARD.decode(text).map_err(|error| wrong("no piece of content").internal(error))?;
                        bytes += piece.len() as u64;
                        content.pieces.push(piece);
                    }
                    Line::Output { digest, blob } => drop(content.outputs.insert(digest, blob)),
                }
                if bytes > IMPORT_CONTENT_MAX_BYTES {
                    let message = format!("`{file}` has more content than the {IMPORT_CONTENT_MAX_BYTES} bytes that are taken in");
                    return Err(Error::limit(message).into());
                }
            } else {
                records.push(serde_json::from_str(&line).map_err(|error| wrong("no record").internal(error))?);
            }
        }
        let agent = agent.ok_or_else(|| Error::invalid(format!("`{file}` is empty")))?;
        Ok(Taken { agent, records, content })
    }
}
