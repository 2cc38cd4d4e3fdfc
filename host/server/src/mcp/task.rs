//! Turns as tasks of the protocol's extension (SEP-2663). A task is a turn: its id names the session and the key of the turn's input, and
//! what is told of it comes from the journal, so that it is the same after a restart.

use std::{sync::Arc, time::Duration};

use remit_core::{
    Error, Kind, Result,
    id::SessionId,
    limit::{MCP_LOOK_MS, MCP_TASK_WAIT_MS},
    store::SessionRow,
};
use remit_runtime::TurnEnd;
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolResponse, CreateTaskResult, DetailedTask, GetTaskResult, InputResponses, Task, TaskPayload, TaskStatus},
    service::RequestContext,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Door, Who,
    agent::Told,
    ask::requests,
    shape,
    turn::{Acting, Following},
};

/// Whether the client follows tasks.
pub(super) fn is_known_to(context: &RequestContext<RoleServer>) -> bool {
    context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
}

fn refused(error: Error) -> ErrorData {
    match error.kind {
        Kind::Host => {
            tracing::error!(internal = error.internal, "{error}");
            ErrorData::internal_error(error.message, None)
        }
        _ => ErrorData::invalid_params(error.message, None),
    }
}

fn id(of: &Following) -> String {
    format!("{}/{}", of.session, of.key.as_deref().unwrap_or_default())
}

fn base(of: &Following, row: &SessionRow, told: &Told) -> Task {
    let task = Task::new(id(of), TaskStatus::Working, row.created.to_string(), row.updated.to_string());
    let task = task.with_poll_interval_ms(10 * MCP_LOOK_MS);
    told.in_words().into_iter().fold(task, Task::with_status_message)
}

impl Door {
    /// A turn that is still running, as a task.
    pub(super) async fn task(&self, of: &Following, told: Told) -> Result<CallToolResponse> {
        if of.key.is_none() {
            return Ok(told.result().into());
        }
        let row = self.own_session(&of.acting, of.session).await?;
        Ok(CreateTaskResult::new(base(of, &row, &told)).into())
    }

    /// The turn that a task is.
    async fn turn_of(&self, who: &Arc<Who>, task: &str) -> Result<(Following, SessionRow)> {
        let absent = || Error::not_found("there is no such task");
        let (session, key) = task.split_once('/').ok_or_else(absent)?;
        let session: SessionId = session.parse().map_err(|_other| absent())?;
        let acting = Acting { context: who.context(&self.0.setup)?, who: who.clone() };
        let row = self.own_session(&acting, session).await.map_err(|error| if error.kind == Kind::NotFound { absent() } else { error })?;
        Ok((Following { acting, agent: row.agent.clone(), session, key: Some(key.to_owned()) }, row))
    }

    /// How it stands with a task. What was cut off, or has been decided, goes on with it.
    pub(super) async fn get_task(
        &self,
        who: &Arc<Who>,
        task: &str,
        context: &RequestContext<RoleServer>,
    ) -> std::result::Result<GetTaskResult, ErrorData> {
        let (of, row) = self.turn_of(who, task).await.map_err(refused)?;
        let told = self.follow(&of, Instant::now() + Duration::from_millis(MCP_TASK_WAIT_MS)).await;
        let told =
            told.map_err(
                |error| if error.kind == Kind::NotFound { refused(Error::not_found("there is no such task")) } else { refused(error) },
            )?;
        let base = base(&of, &row, &told);
        let payload = match &told.end {
            None | Some(TurnEnd::Queued(_)) => TaskPayload::Working,
            Some(TurnEnd::Waiting(waits)) => match self.questions(waits, context) {
                questions if questions.is_empty() => TaskPayload::Working,
                questions => TaskPayload::InputRequired { input_requests: requests(questions) },
            },
            // Nothing else ends a turn so: it was abandoned, or its session killed.
            Some(TurnEnd::Failed(error)) if error.kind == Kind::Conflict => TaskPayload::Cancelled,
            Some(TurnEnd::Done(_) | TurnEnd::Failed(_)) => TaskPayload::Completed { result: object(told)? },
        };
        Ok(GetTaskResult::new(DetailedTask::new(base, payload)))
    }

    /// Takes the answers to what a task asked.
    pub(super) async fn update_task(
        &self,
        who: &Arc<Who>,
        task: &str,
        answers: InputResponses,
        context: &RequestContext<RoleServer>,
    ) -> std::result::Result<(), ErrorData> {
        let (of, _) = self.turn_of(who, task).await.map_err(refused)?;
        let setup = &self.0.setup;
        let waits = setup.host.waits(&of.acting, &setup.project, Some(of.session), false).await.map_err(refused)?;
        self.decide_all(&of, &waits, answers, context).await?.map_err(refused)
    }

    /// Ends the turn of a task, as failed. What it did until then stays done.
    pub(super) async fn cancel_task(&self, who: &Arc<Who>, task: &str) -> std::result::Result<(), ErrorData> {
        let (of, _) = self.turn_of(who, task).await.map_err(refused)?;
        let setup = &self.0.setup;
        let seen = setup.host.turn(&of.acting, &setup.project, of.session, of.key.as_deref()).await.map_err(refused)?;
        match seen.and_then(|seen| seen.end) {
            Some(TurnEnd::Done(_) | TurnEnd::Failed(_)) => return Ok(()),
            Some(TurnEnd::Queued(_)) => return Err(ErrorData::invalid_params("the input is queued: its turn has not begun", None)),
            Some(TurnEnd::Waiting(_)) | None => {}
        }
        self.0.turns.stop(of.session);
        // Whoever ran it gives it back in a moment.
        let deadline = Instant::now() + Duration::from_millis(MCP_TASK_WAIT_MS);
        loop {
            match setup.host.abandon(&of.acting, &setup.project, of.session).await {
                Err(error) if error.code == Some("E-IN-USE") && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(MCP_LOOK_MS)).await;
                }
                ended => return ended.map_err(refused),
            }
        }
    }
}

fn object(told: Told) -> std::result::Result<rmcp::model::JsonObject, ErrorData> {
    match shape::json(told.result()) {
        Ok(Value::Object(result)) => Ok(result),
        Ok(_) | Err(_) => Err(ErrorData::internal_error("a result could not be written", None)),
    }
}
