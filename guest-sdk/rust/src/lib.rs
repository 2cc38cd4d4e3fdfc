//! Write tools and agents for Remit as plain functions.
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
//! there is no host, everything compiles: logs are printed, `kv` and `config` live in memory, `http` is unavailable, and calls of
//! tools are answered by [`testing::on_call`].
//!
//! # Agents
//!
//! An agent thinks, tools act: it reaches the world through [`durable`] and keeps what it knows in [`state`].
//!
//! ```
//! # extern crate remit_sdk as remit;
//! use remit::durable::{self, Question};
//! use remit::serde_json::json;
//!
//! /// What to announce.
//! #[remit::data]
//! struct Notice {
//!     /// The text.
//!     text: String,
//! }
//!
//! /// Announces something once, after somebody agreed.
//! #[remit::agent]
//! fn announce(notice: Notice) -> remit::Result<String> {
//!     if remit::state::get("last")?.as_ref() == Some(&notice.text) {
//!         return Ok("that was announced before".into());
//!     }
//!     if !durable::approve(Question::new("Announce this?", &notice.text)).is_approved() {
//!         return Ok("nothing was announced".into());
//!     }
//!     durable::call("mail/send", &json!({ "to": ["all@example.com"], "subject": "News", "body": notice.text }))?;
//!     remit::state::put("last", &notice.text)?;
//!     Ok("announced".into())
//! }
//! # fn main() {
//! #     remit::testing::on_call(|tool, _arguments| Ok(remit::Output::text(tool)));
//! #     remit::testing::decide(durable::Decision::Approved(None));
//! #     assert_eq!(announce(Notice { text: "tea".into() }).unwrap(), "announced");
//! #     assert_eq!(announce(Notice { text: "tea".into() }).unwrap(), "that was announced before");
//! # }
//! ```
//!
//! One call of the function is a turn. After a crash, and after each wait, the turn runs again from its start, and what it did already
//! is answered from the session's journal. So an agent has to ask for the same things in the same order each time. Clock and random
//! numbers are the journal's own and do not get in the way; the order of a `HashMap` is fine too. Between two turns nothing lives but
//! [`state`].

extern crate self as remit;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[path = "bindings/guest.rs"]
#[allow(missing_docs, unused_imports, dead_code, clippy::all, reason = "written by tests/fixtures/bindgen")]
pub mod bindings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[path = "bindings/agent.rs"]
#[allow(missing_docs, unused_imports, dead_code, clippy::all, reason = "written by tests/fixtures/bindgen")]
pub mod agent_bindings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[path = "bindings/reconciler.rs"]
#[allow(missing_docs, unused_imports, dead_code, clippy::all, reason = "written by tests/fixtures/bindgen")]
pub mod reconciler_bindings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[path = "bindings/migrator.rs"]
#[allow(missing_docs, unused_imports, dead_code, clippy::all, reason = "written by tests/fixtures/bindgen")]
pub mod migrator_bindings;
mod agent;
pub mod config;
mod context;
pub mod durable;
mod error;
#[cfg(target_family = "wasm")]
mod export;
mod fate;
mod host;
pub mod http;
mod invoke;
pub mod kv;
pub mod log;
pub mod model;
mod output;
pub mod outputs;
mod progress;
mod returned;
mod schema;
pub mod state;
pub mod testing;
mod tool;

pub use context::Context;
pub use error::{Error, ErrorKind, Result, WithContext};
pub use fate::Fate;
pub use invoke::invoke;
pub use output::{Body, Content, Embedded, Json, Link, Media, Output};
pub use progress::progress;
pub use remit_sdk_macros::{agent, data, tool};
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json;
pub use tool::{Definition, Effect};

/// What the macros write against; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::agent::{Agent, Migrate, check_agent};
    pub use crate::fate::Reconcile;
    pub use crate::returned::{Infallible, Returned, Structured};
    pub use crate::schema::nothing;
    pub use crate::tool::{Arguments, Entry, Function, Plugin, Tool, check, dispatch, input_schema, names_are_unique, parse};
    #[cfg(target_family = "wasm")]
    pub use crate::{agent_bindings, bindings, migrator_bindings, reconciler_bindings};
}

/// Makes the plugin of the named tools: `remit::plugin!(read, search, edit::replace);`, once in a crate.
///
/// It also adds a test that checks what the plugin says of itself.
///
/// A plugin that can find out what became of a `once` call names a function for it, `fn(tool: &str, key: &str) -> Result<Fate>`. After
/// a crash in the middle of such a call the host asks it, with the rights of a `read` tool. See [`Fate`].
///
/// ```
/// # extern crate remit_sdk as remit;
/// use remit::{Fate, Output, Result};
/// # use std::{fs, path::Path};
///
/// /// Writes a letter.
/// #[remit::tool(once)]
/// fn write(context: &remit::Context) -> Result<String> {
///     let key = context.idempotency_key.as_deref().unwrap_or("draft");
///     fs::write(format!("/letters/{key}"), "Dear Ada")?;
///     Ok(key.to_owned())
/// }
///
/// fn settle(_tool: &str, key: &str) -> Result<Fate> {
///     Ok(if Path::new("/letters").join(key).try_exists()? { Fate::Done(Output::text(key)) } else { Fate::NotDone })
/// }
///
/// remit::plugin!(write; reconcile = settle);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! plugin {
    ($($tool:path),+ $(,)?; reconcile = $settle:path) => {
        $crate::plugin!($($tool),+);

        impl $crate::__private::Reconcile for __RemitPlugin {
            fn settle(tool: &str, key: &str) -> $crate::Result<$crate::Fate> {
                $settle(tool, key)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::__remit_export_reconcile!(__RemitPlugin);
    };
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
