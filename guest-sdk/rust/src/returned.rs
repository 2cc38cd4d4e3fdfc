//! How what a tool returns becomes an output.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::marker::PhantomData;

use crate::{Error, Json, Output, Result, schema};

/// Chooses by the type that a tool returns how it becomes an [`Output`]: a method of the type itself wins over one of a trait.
pub struct Returned<R>(PhantomData<fn() -> R>);

impl<R> Returned<R> {
    /// Stands for the type.
    #[allow(clippy::new_without_default, reason = "only the macro builds it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E> Returned<Result<T, E>> {
    /// Stands for what is in `Ok`.
    pub fn value(&self) -> Returned<T> {
        Returned::new()
    }

    /// Turns the error into ours.
    ///
    /// # Errors
    ///
    /// The tool's own.
    pub fn settle(&self, returned: Result<T, E>) -> Result<T>
    where
        E: Into<Error>,
    {
        returned.map_err(Into::into)
    }
}

/// A tool that cannot fail.
pub trait Infallible<R> {
    /// Stands for the type itself.
    fn value(&self) -> Returned<R>;

    /// Returns the value itself.
    ///
    /// # Errors
    ///
    /// None.
    fn settle(&self, returned: R) -> Result<R>;
}

impl<R> Infallible<R> for Returned<R> {
    fn value(&self) -> Returned<R> {
        Returned::new()
    }

    fn settle(&self, returned: R) -> Result<R> {
        Ok(returned)
    }
}

macro_rules! text {
    ($($type:ty),+) => {$(
        impl Returned<$type> {
            /// Text has no output schema.
            pub fn schema(&self) -> Option<Value> {
                None
            }

            /// Makes a result of text.
            ///
            /// # Errors
            ///
            /// None.
            pub fn render(&self, text: $type) -> Result<Output> {
                Ok(Output::text(text))
            }
        }
    )+};
}

text!(String, &'static str, Cow<'static, str>);

impl Returned<()> {
    /// Nothing has no output schema.
    pub fn schema(&self) -> Option<Value> {
        None
    }

    /// Makes a result without content.
    ///
    /// # Errors
    ///
    /// None.
    pub fn render(&self, (): ()) -> Result<Output> {
        Ok(Output::default())
    }
}

impl Returned<Output> {
    /// What the tool makes itself has no output schema.
    pub fn schema(&self) -> Option<Value> {
        None
    }

    /// Returns the tool's own result.
    ///
    /// # Errors
    ///
    /// None.
    pub fn render(&self, output: Output) -> Result<Output> {
        Ok(output)
    }
}

impl<T: Serialize + JsonSchema> Returned<Json<T>> {
    /// Returns the schema of the data.
    pub fn schema(&self) -> Option<Value> {
        schema::output::<T>()
    }

    /// Makes a result of data.
    ///
    /// # Errors
    ///
    /// As [`Output::json`].
    pub fn render(&self, Json(value): Json<T>) -> Result<Output> {
        Output::json(&value)
    }
}

/// Any other type: data.
pub trait Structured<R> {
    /// Returns the schema of the data.
    fn schema(&self) -> Option<Value>
    where
        R: JsonSchema;

    /// Makes a result of data.
    ///
    /// # Errors
    ///
    /// As [`Output::json`].
    fn render(&self, value: R) -> Result<Output>
    where
        R: Serialize;
}

impl<R> Structured<R> for Returned<R> {
    fn schema(&self) -> Option<Value>
    where
        R: JsonSchema,
    {
        schema::output::<R>()
    }

    fn render(&self, value: R) -> Result<Output>
    where
        R: Serialize,
    {
        Output::json(&value)
    }
}

#[cfg(test)]
mod tests;
