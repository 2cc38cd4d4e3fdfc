//! Resources at this door: a dispatch by what their addresses begin with.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use remit_core::{
    Error, Kind, Result,
    id::SessionId,
    identity::Context,
    journal::Record,
    limit::{MCP_RESOURCE_MAX_BYTES, MCP_RESOURCES_PAGE, MCP_TIMELINE_RECORDS},
    plugin::{Digest, text::visible},
    store::{Called, SessionFilter, SessionRow},
};
use rmcp::{
    ErrorData,
    model::{ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::{Value, json};

use super::Door;

/// What addresses of sessions begin with.
const SESSIONS: &str = "remit://session/";
/// Records that are read at once, so that what is held stays small.
const RECORDS_AT_ONCE: u32 = 16;

/// What an address means.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    Timeline(SessionId),
    State(SessionId),
    Output(SessionId, Digest),
}

impl Address {
    fn read(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix(SESSIONS)?;
        let (id, part) = rest.split_once('/').map_or((rest, None), |(id, part)| (id, Some(part)));
        let id = id.parse().ok()?;
        match part {
            None => Some(Self::Timeline(id)),
            Some("state") => Some(Self::State(id)),
            Some(part) => Some(Self::Output(id, format!("sha256:{}", part.strip_prefix("output/")?).parse().ok()?)),
        }
    }
}

/// Whether an address is one of the host's own, which no plugin serves.
pub(super) fn is_own(uri: &str) -> bool {
    uri.starts_with(SESSIONS)
}

impl Door {
    /// One page of the resources: the principal's own sessions, newest first.
    pub(super) async fn resources(&self, acting: &Context, cursor: Option<&str>) -> std::result::Result<ListResourcesResult, ErrorData> {
        let stale = |_other| ErrorData::invalid_params("this list has changed: ask for it without a cursor", None);
        let before = cursor.map(str::parse).transpose().map_err(stale)?;
        if !self.0.setup.host.keeps_sessions() {
            return Ok(ListResourcesResult::default());
        }
        let filter = SessionFilter {
            project: self.0.setup.project.clone(),
            principal: Some(acting.principal.clone()),
            called: Called::No,
            before,
            limit: MCP_RESOURCES_PAGE,
            ..SessionFilter::default()
        };
        let rows = self.0.setup.host.sessions(acting, filter).await.map_err(|error| not_given("the list", error))?;
        let next = rows.last().filter(|_| rows.len() == MCP_RESOURCES_PAGE as usize).map(|row| row.id.to_string());
        Ok(ListResourcesResult { next_cursor: next, ..ListResourcesResult::with_all_items(rows.iter().map(listed).collect()) })
    }

    /// What addresses there are.
    pub(super) fn resource_templates() -> ListResourceTemplatesResult {
        let template = |rest: &str, name: &str, description: &str| {
            ResourceTemplate::new(format!("{SESSIONS}{rest}"), name).with_description(description).with_mime_type("application/json")
        };
        ListResourceTemplatesResult::with_all_items(vec![
            template("{id}", "session", "A session: how it stands, and the newest records of its journal"),
            template("{id}/state", "session-state", "What a session remembers from turn to turn"),
            template("{id}/output/{sha256}", "session-output", "A result of a tool that was too large for the journal"),
        ])
    }

    /// What stands at an address. Another principal's session is not there.
    pub(super) async fn read(&self, acting: &Context, uri: &str) -> std::result::Result<ReadResourceResult, ErrorData> {
        let absent = || Error::not_found("there is no such resource");
        let read = async {
            match Address::read(uri).ok_or_else(absent)? {
                Address::Timeline(id) => self.timeline(acting, id).await,
                Address::State(id) => self.state(acting, id).await,
                Address::Output(id, digest) => self.output(acting, id, digest).await,
            }
        };
        let text = read.await.map_err(|error| not_given(uri, error))?;
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type("application/json")]))
    }

    /// A session with the newest records that fit.
    async fn timeline(&self, acting: &Context, id: SessionId) -> Result<String> {
        let row = self.own_session(acting, id).await?;
        let (host, project) = (&self.0.setup.host, &self.0.setup.project);
        let oldest = row.next_seq.saturating_sub(MCP_TIMELINE_RECORDS);
        let (mut pages, mut end, mut bytes) = (Vec::new(), row.next_seq, 0);
        'pages: while end > oldest {
            let from = end.saturating_sub(RECORDS_AT_ONCE.into()).max(oldest);
            let limit = u32::try_from(end - from).unwrap_or(RECORDS_AT_ONCE);
            let records = host.journal_page(acting, project, id, from, limit).await?;
            for record in records.into_iter().rev() {
                let written = written(&record)?;
                bytes += written.to_string().len();
                if bytes > MCP_RESOURCE_MAX_BYTES {
                    break 'pages;
                }
                pages.push(written);
            }
            end = from;
        }
        pages.reverse();
        let earlier = row.next_seq - pages.len() as u64;
        Ok(json!({ "session": row, "earlier": earlier, "records": pages }).to_string())
    }

    /// The state of a session: each value as JSON where it is some, else as text, else as `base64`.
    async fn state(&self, acting: &Context, id: SessionId) -> Result<String> {
        self.own_session(acting, id).await?;
        let state = self.0.setup.host.state(acting, &self.0.setup.project, id).await?;
        let value = |bytes: Vec<u8>| {
            serde_json::from_slice(&bytes).unwrap_or_else(|_no_json| match String::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(other) => json!({ "base64": BASE64_STANDARD.encode(other.into_bytes()) }),
            })
        };
        let state: serde_json::Map<String, Value> = state.into_iter().map(|(key, bytes)| (key, value(bytes))).collect();
        fits(Value::Object(state).to_string())
    }

    async fn output(&self, acting: &Context, id: SessionId, digest: Digest) -> Result<String> {
        self.own_session(acting, id).await?;
        let (host, project) = (&self.0.setup.host, &self.0.setup.project);
        let size = host.output_size(acting, project, id, digest).await?;
        if size > MCP_RESOURCE_MAX_BYTES as u64 {
            return Err(too_large(size));
        }
        let bytes = host.output(acting, project, id, digest).await?;
        String::from_utf8(bytes).map_err(|error| Error::host("a kept result is no text", error))
    }
}

fn listed(row: &SessionRow) -> Resource {
    let described = format!("a session of the agent `{}`, {} turns", row.agent, row.turns);
    Resource::new(format!("{SESSIONS}{}", row.id), row.id.to_string()).with_description(described).with_mime_type("application/json")
}

fn written(record: &Record) -> Result<Value> {
    serde_json::to_value(record).map_err(|error| Error::host("a record cannot be written as JSON", error))
}

fn fits(text: String) -> Result<String> {
    if text.len() > MCP_RESOURCE_MAX_BYTES { Err(too_large(text.len() as u64)) } else { Ok(text) }
}

fn too_large(bytes: u64) -> Error {
    Error::limit(format!("the resource has {bytes} bytes; at most {MCP_RESOURCE_MAX_BYTES} are given here"))
}

/// Why a resource is not given.
fn not_given(uri: &str, error: Error) -> ErrorData {
    match error.kind {
        Kind::NotFound => ErrorData::resource_not_found(format!("there is no resource `{}`", visible(uri, 256)), None),
        Kind::Limit => ErrorData::invalid_request(error.message, None),
        _ => {
            tracing::error!(internal = error.internal, "{error}");
            ErrorData::internal_error(error.message, None)
        }
    }
}

#[cfg(test)]
mod tests;
