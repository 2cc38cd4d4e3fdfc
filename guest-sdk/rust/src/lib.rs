//! Write tools for Remit as plain functions.
//!
//! The dependency is called `remit`:
//!
//! ```toml
//! [dependencies]
//! remit = { package = "remit-sdk", path = "vendor/remit-sdk" }
//! ```
//!
//! ```
//! # extern crate remit_sdk as remit;
//! /// Whom to greet.
//! #[remit::data]
//! struct Greet {
//!     /// The name to greet.
//!     name: String,
//! }
//!
//! /// Greets somebody.
//! #[remit::tool(read)]
//! fn greet(args: Greet) -> Result<String, remit::Error> {
//!     Ok(format!("Hello, {}!", args.name))
//! }
//!
//! remit::plugin!(greet);
//! # fn main() { assert_eq!(greet(Greet { name: "Ada".into() }).unwrap(), "Hello, Ada!"); }
//! ```
//!
//! A tool returns text, any value that is `Serialize + JsonSchema`, [`Output`] or `()`, alone or in a `Result`. Files are reached
//! through `std::fs`, the rest through the modules here; what was not granted answers with [`ErrorKind::Denied`]. Natively, where
//! there is no host, everything compiles: logs are printed, `kv` and `config` live in memory, `http` and `invoke` are unavailable.

extern crate self as remit;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[path = "bindings/guest.rs"]
#[allow(missing_docs, unused_imports, dead_code, clippy::all, reason = "written by tests/fixtures/bindgen")]
pub mod bindings;
pub mod config;
mod context;
mod error;
#[cfg(target_family = "wasm")]
mod export;
mod host;
pub mod http;
mod invoke;
pub mod kv;
pub mod log;
mod output;
mod progress;
mod returned;
mod schema;
pub mod testing;
mod tool;

pub use context::Context;
pub use error::{Error, ErrorKind, Result, WithContext};
pub use invoke::invoke;
pub use output::{Body, Content, Embedded, Json, Link, Media, Output};
pub use progress::progress;
pub use remit_sdk_macros::{data, tool};
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json;
pub use tool::{Definition, Effect};

/// What the macros write against; not for people.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings;
    pub use crate::returned::{Infallible, Returned, Structured};
    pub use crate::schema::nothing;
    pub use crate::tool::{Arguments, Entry, Plugin, Tool, check, dispatch, input_schema, names_are_unique, parse};
}

/// Makes the plugin of the named tools: `remit::plugin!(read, search, edit::replace);`, once in a crate.
///
/// It also adds a test that checks what the plugin says of itself.
#[macro_export]
macro_rules! plugin {
    ($($tool:path),+ $(,)?) => {
        #[doc(hidden)]
        struct __RemitPlugin;

        impl $crate::__private::Plugin for __RemitPlugin {
            const TOOLS: &'static [$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$tool>()),+];
        }

        const _: () = assert!(
            $crate::__private::names_are_unique(<__RemitPlugin as $crate::__private::Plugin>::TOOLS),
            "two tools of the plugin have the same name; give one of them another with name = \"…\""
        );

        #[cfg(test)]
        #[test]
        fn __remit_definitions() {
            $crate::__private::check::<__RemitPlugin>();
        }

        #[cfg(target_family = "wasm")]
        $crate::__remit_export!(__RemitPlugin);
    };
    () => {
        ::core::compile_error!("a plugin has at least one tool: remit::plugin!(greet);");
    };
}
