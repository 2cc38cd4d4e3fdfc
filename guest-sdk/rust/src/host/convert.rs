//! The SDK's types and those of `remit:tool` and `remit:agent`, both ways.

use crate::agent_bindings::remit::agent::durable as agent;
use crate::bindings::remit::tool::types as wit;
use crate::durable::Decision;
use crate::{Body, Content, Definition, Effect, Embedded, Error, ErrorKind, Link, Media, Output, Result};

pub fn to_guest_definition(definition: Definition) -> wit::Definition {
    wit::Definition {
        name: definition.name.to_owned(),
        title: definition.title.map(str::to_owned),
        description: definition.description.to_owned(),
        input_schema: definition.input_schema.to_string(),
        output_schema: definition.output_schema.map(|schema| schema.to_string()),
        effect: match definition.effect {
            Effect::Read => wit::Effect::Read,
            Effect::Idempotent => wit::Effect::Idempotent,
            Effect::Once => wit::Effect::Once,
        },
    }
}

pub fn to_guest_failure(error: Error) -> wit::Failure {
    let message = error.message().to_owned();
    match error.kind() {
        ErrorKind::InvalidArguments => wit::Failure::InvalidArguments(message),
        ErrorKind::Denied => wit::Failure::Denied(message),
        ErrorKind::Unavailable => wit::Failure::Unavailable(message),
        ErrorKind::Limit | ErrorKind::InDoubt | ErrorKind::Failed => wit::Failure::Failed(message),
    }
}

pub fn from_guest_failure(failure: wit::Failure) -> Error {
    match failure {
        wit::Failure::InvalidArguments(message) => Error::invalid_arguments(message),
        wit::Failure::Denied(message) => Error::denied(message),
        wit::Failure::Unavailable(message) => Error::unavailable(message),
        wit::Failure::Failed(message) => Error::failed(message),
    }
}

pub fn from_guest_problem(problem: agent::Problem) -> Error {
    match problem {
        agent::Problem::InvalidArguments(message) => Error::invalid_arguments(message),
        agent::Problem::Denied(message) => Error::denied(message),
        agent::Problem::Unavailable(message) => Error::unavailable(message),
        agent::Problem::Limit(message) => Error::new(ErrorKind::Limit, message),
        agent::Problem::InDoubt(message) => Error::new(ErrorKind::InDoubt, message),
        agent::Problem::Failed(message) => Error::failed(message),
    }
}

pub fn from_guest_decision(decision: agent::Decision) -> Decision {
    match decision {
        agent::Decision::Approved(note) => Decision::Approved(note),
        agent::Decision::Denied(reason) => Decision::Denied(reason),
        agent::Decision::Expired => Decision::Expired,
    }
}

pub fn to_guest_output(output: Output) -> wit::Output {
    wit::Output {
        content: output.content.into_iter().map(to_guest_content).collect(),
        structured: output.structured.map(|value| value.to_string()),
    }
}

pub fn from_guest_output(output: wit::Output) -> Result<Output> {
    Ok(Output {
        content: output.content.into_iter().map(from_guest_content).collect(),
        structured: output.structured.map(|text| serde_json::from_str(&text)).transpose()?,
    })
}

fn to_guest_content(content: Content) -> wit::Content {
    let media = |media: Media| wit::Media { data: media.data, mime_type: media.mime_type };
    match content {
        Content::Text(text) => wit::Content::Text(text),
        Content::Image(image) => wit::Content::Image(media(image)),
        Content::Audio(audio) => wit::Content::Audio(media(audio)),
        Content::Link(link) => wit::Content::ResourceLink(wit::Link {
            uri: link.uri,
            name: link.name,
            description: link.description,
            mime_type: link.mime_type,
        }),
        Content::Resource(embedded) => wit::Content::Resource(wit::Embedded {
            uri: embedded.uri,
            mime_type: embedded.mime_type,
            body: match embedded.body {
                Body::Text(text) => wit::ResourceBody::Text(text),
                Body::Blob(bytes) => wit::ResourceBody::Blob(bytes),
            },
        }),
    }
}

fn from_guest_content(content: wit::Content) -> Content {
    let media = |media: wit::Media| Media { data: media.data, mime_type: media.mime_type };
    match content {
        wit::Content::Text(text) => Content::Text(text),
        wit::Content::Image(image) => Content::Image(media(image)),
        wit::Content::Audio(audio) => Content::Audio(media(audio)),
        wit::Content::ResourceLink(link) => {
            Content::Link(Link { uri: link.uri, name: link.name, description: link.description, mime_type: link.mime_type })
        }
        wit::Content::Resource(embedded) => Content::Resource(Embedded {
            uri: embedded.uri,
            mime_type: embedded.mime_type,
            body: match embedded.body {
                wit::ResourceBody::Text(text) => Body::Text(text),
                wit::ResourceBody::Blob(bytes) => Body::Blob(bytes),
            },
        }),
    }
}
