//! What a tool gives back, in the shape of MCP's `CallToolResult`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_bindings::tool::remit::tool::types as wit;
use remit_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A result: pieces for people and models, and the same for programs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Output {
    /// Pieces in the order in which they are shown.
    pub content: Vec<Content>,
    /// An object that fits the tool's output schema.
    #[serde(rename = "structuredContent", skip_serializing_if = "Option::is_none", default)]
    pub structured: Option<Value>,
}

/// One piece of a result. `data` and `blob` are base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "the fields are MCP's own")]
pub enum Content {
    /// Text for the model.
    Text { text: String },
    /// A picture.
    Image { data: String, mime_type: String },
    /// Sound.
    Audio { data: String, mime_type: String },
    /// A pointer.
    ResourceLink {
        uri: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        description: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        mime_type: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        size: Option<u64>,
    },
    /// An embedded resource.
    Resource { resource: Embedded },
}

/// The content of an embedded resource: `text` or `blob`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// What names it.
    pub uri: String,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mime_type: Option<String>,
    /// Text in UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Bytes, in base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blob: Option<String>,
}

impl Output {
    /// A result for programs whose text says the same as JSON.
    pub fn structured(value: Value) -> Self {
        Self { content: vec![Content::Text { text: value.to_string() }], structured: Some(value) }
    }

    /// The text pieces, one a line.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|piece| if let Content::Text { text } = piece { Some(text.as_str()) } else { None });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Takes what a guest returned, bounded.
    ///
    /// # Errors
    /// `limit` over `max_bytes`; `guest` when `structured` is no JSON object.
    pub fn from_guest(output: wit::Output, max_bytes: usize) -> Result<(Self, usize)> {
        let size = size(&output);
        if size > max_bytes {
            return Err(too_large(size, max_bytes));
        }
        let structured = output.structured.as_deref().map(parse).transpose()?;
        Ok((Self { content: output.content.into_iter().map(Content::from).collect(), structured }, size))
    }

    /// The same for a guest that called this tool: its text, and what it points to.
    pub fn into_guest(self) -> wit::Output {
        let text = self.text();
        let links = self.content.into_iter().filter_map(|piece| match piece {
            Content::ResourceLink { uri, name, description, mime_type, size: _ } => {
                Some(wit::Content::ResourceLink(wit::Link { uri, name, description, mime_type }))
            }
            _ => None,
        });
        let content = std::iter::once(wit::Content::Text(text)).chain(links).collect();
        wit::Output { content, structured: self.structured.map(|value| value.to_string()) }
    }
}

/// The refusal of a result of `size` bytes.
pub fn too_large(size: usize, max_bytes: usize) -> Error {
    Error::limit(format!("the tool returned {size} bytes; its bound is {max_bytes}"))
        .hint("ask the tool for less, or raise `limits.output_kib` of the plugin in `remit.toml`")
}

/// What to do about a result that is not what was promised.
const MISTAKE: &str = "this is a mistake in the plugin: structured output is one JSON object, at most 128 levels deep";

/// The JSON object in `text`.
///
/// # Errors
/// `guest` for anything else.
pub(crate) fn parse(text: &str) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Error::guest("the tool's structured result is not a JSON object").hint(MISTAKE)),
        Err(error) => Err(Error::guest("the tool's structured result is not JSON").hint(MISTAKE).internal(error)),
    }
}

fn size(output: &wit::Output) -> usize {
    let piece = |piece: &wit::Content| match piece {
        wit::Content::Text(text) => text.len(),
        wit::Content::Image(media) | wit::Content::Audio(media) => media.data.len(),
        wit::Content::ResourceLink(link) => link.uri.len() + link.name.len() + link.description.as_ref().map_or(0, String::len),
        wit::Content::Resource(embedded) => match &embedded.body {
            wit::ResourceBody::Text(text) => text.len(),
            wit::ResourceBody::Blob(bytes) => bytes.len(),
        },
    };
    output.content.iter().map(piece).sum::<usize>() + output.structured.as_ref().map_or(0, String::len)
}

impl From<wit::Content> for Content {
    fn from(piece: wit::Content) -> Self {
        match piece {
            wit::Content::Text(text) => Self::Text { text },
            wit::Content::Image(media) => Self::Image { data: STANDARD.encode(media.data), mime_type: media.mime_type },
            wit::Content::Audio(media) => Self::Audio { data: STANDARD.encode(media.data), mime_type: media.mime_type },
            wit::Content::ResourceLink(link) => {
                Self::ResourceLink { uri: link.uri, name: link.name, description: link.description, mime_type: link.mime_type, size: None }
            }
            wit::Content::Resource(embedded) => {
                let (text, blob) = match embedded.body {
                    wit::ResourceBody::Text(text) => (Some(text), None),
                    wit::ResourceBody::Blob(bytes) => (None, Some(STANDARD.encode(bytes))),
                };
                Self::Resource { resource: Embedded { uri: embedded.uri, mime_type: embedded.mime_type, text, blob } }
            }
        }
    }
}
