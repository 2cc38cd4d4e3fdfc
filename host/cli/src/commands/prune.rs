//! `remit prune`: what has ended and is old enough goes.

use std::collections::BTreeSet;

use remit_core::{
    Error,
    clock::{Clock as _, Timestamp},
    identity::{Context, Role},
    journal::Body,
    limit::{DAY_MS, RETENTION_MAX_DAYS},
    plugin::Digest,
    project::Retention,
    store::{SessionFilter, SessionRow, Status},
};
use remit_runtime::{
    Host,
    project::{MANIFEST_FILE, OpenProject},
    services::SystemClock,
};
use serde_json::json;

use super::session::print_row;
use crate::{
    Exit,
    output::{self, counted},
};

/// Remove sessions that ended long ago, as `[retention]` says, and components that nothing needs any more
///
/// Only idle, killed and quarantined sessions are removed, each with its journal, its state and its key-value data. One that runs or waits stays.
///
/// Examples:
///   remit prune --dry-run
///   remit prune --older-than 30d --yes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Prune {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Idle and killed sessions in which nothing happened for so long, such as 30d or 12h, whatever `sessions_days` says
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    older_than: Option<u64>,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// Milliseconds of a day.
/// Sessions that are removed in one transaction, or listed at once.
const PAGE: u32 = 100;

fn parse_age(text: &str) -> Result<u64, String> {
    let (age, most) = (super::span(text)?, u64::from(RETENTION_MAX_DAYS) * DAY_MS);
    if age <= most { Ok(age) } else { Err(format!("at most {RETENTION_MAX_DAYS}d")) }
}

/// Sessions in one of these, to which nothing was added after a time.
struct Old {
    status: Vec<Status>,
    until: Timestamp,
}

impl super::Run {
    pub(super) fn prune(&self, arguments: &Prune) -> anyhow::Result<Exit> {
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let old = old(project.project.retention, arguments.older_than, SystemClock.now());
        if old.is_empty() {
            let error = Error::invalid(format!("`{MANIFEST_FILE}` does not say what may go"));
            return Err(error.hint("write `sessions_days = 90` under `[retention]`, or say --older-than 90d").into());
        }
        let name = &project.project.name;
        let mut rows = Vec::new();
        for old in &old {
            rows.extend(self.block_on(all(&host, &context, old.filter(name)))?);
        }
        let components = self.unneeded(&project, &host, &context)?;
        if !self.global.json {
            rows.iter().for_each(print_row);
            components.iter().for_each(|digest| output::line(&format!("{digest}  a component that nothing needs")));
        }
        if arguments.dry_run || (rows.is_empty() && components.is_empty()) {
            return Ok(self.pruned(arguments.dry_run, &rows, &components, 0));
        }
        let question = format!("Remove {} and {} for good?", counted(rows.len(), "session"), counted(components.len(), "component"));
        if !super::confirm(&question, arguments.yes)? {
            output::note("nothing was removed");
            return Ok(Exit::Denied);
        }
        let mut gone = Vec::new();
        for old in &old {
            gone.extend(self.block_on(prune(&host, &context, old.filter(name)))?);
        }
        let mut bytes = 0;
        for digest in &components {
            bytes += project.state.drop_component(digest)?;
        }
        Ok(self.pruned(false, &gone, &components, bytes))
    }

    /// Components that neither the lock names nor a turn that has not ended began with.
    fn unneeded(&self, project: &OpenProject, host: &Host, context: &Context) -> anyhow::Result<BTreeSet<Digest>> {
        let name = &project.project.name;
        let mut kept = project.state.components()?;
        for locked in project.lock.iter().flat_map(|lock| lock.plugins.values()) {
            kept.remove(&locked.digest);
        }
        let unfinished = vec![Status::Running, Status::Waiting, Status::Quarantined];
        let filter = SessionFilter { project: name.clone(), status: unfinished, limit: PAGE, ..SessionFilter::default() };
        self.block_on(async {
            for row in all(host, context, filter).await? {
                let first = host.journal(context, name, row.id, row.turn_seq).await?.into_iter().next();
                if let Some(Body::TurnStart(start)) = first.map(|record| record.body) {
                    kept.remove(&start.digest.parse()?);
                }
            }
            Ok(kept)
        })
    }

    fn pruned(&self, dry: bool, rows: &[SessionRow], components: &BTreeSet<Digest>, bytes: u64) -> Exit {
        if self.global.json {
            let sessions: Vec<_> = rows.iter().map(|row| row.id).collect();
            output::json(&json!({ "removed": !dry, "sessions": sessions, "components": components }));
        } else if rows.is_empty() && components.is_empty() {
            output::note("nothing is old enough");
        } else {
            let what = format!("{} and {}", counted(rows.len(), "session"), counted(components.len(), "component"));
            match dry {
                true => output::note(&format!("{what} would be removed")),
                false => output::note(&format!("{what} ({} KiB) are removed", bytes.div_ceil(1024))),
            }
        }
        Exit::Done
    }
}

/// What `[retention]` lets go now; `older_than` stands in place of its days for sessions that ended well.
fn old(retention: Retention, older_than: Option<u64>, now: Timestamp) -> Vec<Old> {
    let days = |days: Option<u32>| days.map(|days| u64::from(days) * DAY_MS);
    let ended = older_than.or_else(|| days(retention.sessions_days)).map(|age| (vec![Status::Idle, Status::Killed], age));
    let quarantined = days(retention.quarantined_days).map(|age| (vec![Status::Quarantined], age));
    let old = |(status, age)| Old { status, until: Timestamp(now.0.saturating_sub(age)) };
    [ended, quarantined].into_iter().flatten().map(old).collect()
}

impl Old {
    fn filter(&self, project: &str) -> SessionFilter {
        let status = self.status.clone();
        SessionFilter { project: project.to_owned(), status, until: Some(self.until), limit: PAGE, ..SessionFilter::default() }
    }
}

/// Every session that `filter` names, page by page.
async fn all(host: &Host, context: &Context, mut filter: SessionFilter) -> anyhow::Result<Vec<SessionRow>> {
    let mut rows = Vec::new();
    loop {
        let page = host.sessions(context, filter.clone()).await?;
        let Some(last) = page.last() else { return Ok(rows) };
        filter.before = Some(last.id);
        rows.extend(page);
    }
}

/// Removes what `filter` names, in transactions of bounded size.
async fn prune(host: &Host, context: &Context, filter: SessionFilter) -> anyhow::Result<Vec<SessionRow>> {
    let mut rows = Vec::new();
    loop {
        let page = host.prune(context, filter.clone()).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}
