//! The second half of `remit demo`: an agent whose process is killed on purpose, and whose session goes on.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use remit_core::{Error, grant::line, id::SessionId, identity::Role, store::SessionFilter};
use remit_runtime::{Host, project::open};
use serde_json::json;

use crate::{
    Exit,
    commands::demo::say,
    opened::opening,
    output::{self, BAD, HEAD},
};

/// The project's part in which the agent stands.
pub(super) const PROJECT: &str = r#"
[plugins.mail]
source = "{plugins}/mail"
outside = true
[plugins.mail.grants]
fs = [{ path = "outbox", mount = "/outbox", access = "write" }]

[agents.triage]
source = "{plugins}/triage"
outside = true
tools = ["files/list", "files/read", "files/write", "mail/send"]
"#;

/// Subjects and texts of the inbox; each comes from several people.
const MESSAGES: [(&str, &str); 6] = [
    ("Invoice 4711", "The invoice for October has the wrong address. Could you send a corrected one?"),
    ("Login fails since this morning", "Everybody here gets an error after the password. The site is down for us."),
    ("How do I export my data?", "I could not find it in the settings. How does it work?"),
    ("You have won", "Congratulations, you are a winner! Claim your prize in the casino now."),
    ("Minutes of Tuesday", "Here are the minutes. No answer needed."),
    ("Refund", "The payment was taken twice. Please refund one of them."),
];
const SENDERS: [&str; 5] = ["Ada", "Ben", "Chloe", "Dan", "Eve"];

/// Records after which the process is killed: it has begun to read the inbox, and is far from done.
const KILL_AFTER_RECORDS: usize = 6;
/// How long the process may take to get there, at 1 ms a look.
const LOOKS_MAX: usize = 60_000;

/// Fills the inbox with real files.
#[allow(clippy::disallowed_methods, reason = "the demo's own folder is made here")]
pub(super) fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder.join("outbox"))?;
    let inbox = folder.join("inbox");
    std::fs::create_dir_all(&inbox)?;
    for (number, (sender, (subject, text))) in SENDERS.iter().flat_map(|sender| MESSAGES.iter().map(move |one| (sender, one))).enumerate() {
        let address = sender.to_lowercase();
        let message = format!(
            "From: {sender} <{address}@example.com>\nTo: desk@example.com\nSubject: {subject}\nMessage-ID: <{number}@example.com>\n\n{text}\n"
        );
        std::fs::write(inbox.join(format!("{number:02}-{address}.eml")), message)?;
    }
    Ok(())
}

impl super::Run {
    /// The agent's job, by the very commands that a person would type.
    pub(super) fn demo_session(&self, folder: &Path, mut step: usize) -> anyhow::Result<()> {
        let project = open(folder, None).map_err(opening)?;
        let host = self.session_host(&project)?;
        let input = json!({ "inbox": "/inbox", "report": "/work/report.md", "batch": 50, "signature": "The desk" }).to_string();

        say(step, "the agent `triage` sorts an inbox of 30 mails; its process is killed in the middle, on purpose");
        shown(&["run", "triage", &input, "--session", "inbox"]);
        let mut child = self
            .demo_command(folder, &["run", "triage", &input, "--session", "inbox"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (session, records) = self.kill_midway(&host, &mut child)?;
        output::line(&format!("  {BAD}SIGKILL{BAD:#} after {records} records of {session}"));

        step += 1;
        say(step, "another process goes on from the journal; what was read is not read again; then a person is asked, once");
        self.demo_run(folder, &["session", "resume", &session.to_string()], Exit::Waiting)?;
        let wait = self.demo_wait(&host, session)?;

        step += 1;
        say(step, "the person approves; only now does a mail leave");
        self.demo_run(folder, &["approval", "approve", &wait, "--note", "go"], Exit::Done)?;
        self.demo_run(folder, &["session", "resume", &session.to_string()], Exit::Done)?;
        self.demo_run(folder, &["session", "show", &session.to_string()], Exit::Done)?;
        settled(folder)
    }

    /// Kills the process once the journal has some records of its turn.
    fn kill_midway(&self, host: &Host, child: &mut Child) -> anyhow::Result<(SessionId, usize)> {
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let filter =
            SessionFilter { project: "demo".to_owned(), limit: 1, called: remit_core::store::Called::No, ..SessionFilter::default() };
        let found = self.block_on(async {
            for _ in 0..LOOKS_MAX {
                if let Some(row) = host.sessions(&context, filter.clone()).await?.first() {
                    let records = host.journal(&context, "demo", row.id, 0).await?.len();
                    if records >= KILL_AFTER_RECORDS {
                        return Ok(Some((row.id, records)));
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(None)
        });
        child.kill().context("the agent's process cannot be killed")?;
        let ended = child.wait()?;
        match found? {
            Some(found) if ended.code().is_none() => Ok(found),
            _ => Err(Error::host("the agent's process ended before it could be killed", ended).into()),
        }
    }

    /// What the session waits for.
    fn demo_wait(&self, host: &Host, session: SessionId) -> anyhow::Result<String> {
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let waits = self.block_on(async { Ok(host.waits(&context, "demo", Some(session), false).await?) })?;
        let wait = waits.first().context("the agent asked for no approval")?;
        Ok(wait.id.to_string())
    }

    fn demo_command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.environment.program);
        command.args(arguments).env("REMIT_PROJECT", folder).env_remove("REMIT_HOME").stdin(Stdio::null());
        command
    }

    /// Shows a command and runs it.
    fn demo_run(&self, folder: &Path, arguments: &[&str], expected: Exit) -> anyhow::Result<()> {
        shown(arguments);
        let ended = self.demo_command(folder, arguments).status()?;
        if ended.code() != Some(expected as i32) {
            return Err(Error::host(format!("`remit {}` ended with {ended}", arguments.join(" ")), "demo").into());
        }
        Ok(())
    }
}

fn shown(arguments: &[&str]) {
    let words: Vec<_> = arguments.iter().map(|word| line::quote(word).into_owned()).collect();
    output::line(&format!("{HEAD}$ remit {}{HEAD:#}", words.join(" ")));
}

/// Checks that what the agent says it sent is in the outbox, once each.
#[allow(clippy::disallowed_methods, reason = "the demo looks at what its own folder holds")]
fn settled(folder: &Path) -> anyhow::Result<()> {
    let mut recipients = std::collections::BTreeMap::<String, usize>::new();
    for entry in std::fs::read_dir(folder.join("outbox"))? {
        let mail = std::fs::read_to_string(entry?.path())?;
        let answers = mail.lines().find(|line| line.to_ascii_lowercase().starts_with("in-reply-to:")).unwrap_or_default();
        *recipients.entry(answers.to_owned()).or_default() += 1;
    }
    let twice = recipients.values().filter(|times| **times != 1).count();
    if recipients.is_empty() || twice > 0 {
        return Err(Error::host("a mail was sent twice, or none at all", json!(recipients)).into());
    }
    output::line(&format!("  {} mails in the outbox, each once", recipients.len()));
    Ok(())
}
