use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result, WithContext};

/// A result given as data: `Json(value)` is the same as `value`, said aloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Bytes with their media type, such as `image/png`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The bytes.
    pub data: Vec<u8>,
    /// The media type.
    pub mime_type: String,
}

/// A pointer to something that the reader may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub uri: String,
    /// A short name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
}

/// The content of an embedded resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text in UTF-8.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Something that comes along with the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// What names it.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its content.
    pub body: Body,
}

/// One piece of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A pointer.
    Link(Link),
    /// An embedded resource.
    Resource(Embedded),
}

/// A result in full control: pieces for the model, and the same as data for programs.
///
/// A tool that returns it has no output schema. Text alone, or a value that is `Serialize + JsonSchema`, needs no `Output`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Pieces in the order in which they are shown.
    pub content: Vec<Content>,
    /// The same for programs: an object.
    pub structured: Option<Value>,
}

impl Output {
    /// Starts a result with one piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::Text(text.into())], structured: None }
    }

    /// Makes a result of data: the JSON as text for the model, and the same for programs.
    ///
    /// What is not an object becomes `{"result": …}`, since clients expect objects.
    ///
    /// # Errors
    ///
    /// `Failed` where the value cannot be written as JSON, such as a map whose keys are not strings.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)?;
        let value = if value.is_object() { value } else { serde_json::json!({ "result": value }) };
        Ok(Self { content: vec![Content::Text(value.to_string())], structured: Some(value) })
    }

    /// Adds a piece.
    #[must_use]
    pub fn with(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }

    /// Reads the data that another tool gave.
    ///
    /// # Errors
    ///
    /// `Failed` where it gave none, or none that fits the type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        let structured = self.structured.as_ref().ok_or_else(|| Error::failed("the tool gave no data"))?;
        T::deserialize(structured).context("the data of the tool does not fit")
    }

    /// Sets the data for programs; clients expect an object.
    #[must_use]
    pub fn with_structured(mut self, value: Value) -> Self {
        self.structured = Some(value);
        self
    }
}
