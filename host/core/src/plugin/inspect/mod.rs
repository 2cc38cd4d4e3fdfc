//! Reading a component without running it: what it is, what it imports, which functions it offers.
//!
//! Bytes come from strangers. The order is: cheap checks of the header and the size, a walk over the sections that bounds nesting
//! and counts (A18), the imports by name, and only then validation with the proposals that the engine has (A22). All of it runs on
//! a thread of its own with a known stack, so that neither deep recursion nor a panic of the validator reaches the caller.

mod import;
mod naming;
mod proposal;
mod report;
mod scan;
mod shape;
mod validate;

#[cfg(test)]
pub(super) mod tests;

use wasmparser::types::Types;

use super::{Digest, Kind, text::visible};
use crate::{
    Error, Result,
    grant::{Declared, MCP, Scope},
    limit,
};

pub use import::Import;
pub use proposal::features;
pub use shape::{Param, Shape};

/// Stack of the thread that reads a component; its deepest recursion is over instances of instances.
const STACK_BYTES: usize = 16 << 20;
/// Longest name that is shown in an error.
const NAME_SHOWN_CHARS: usize = 128;

/// What a component is, as far as it can be told without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Which of the three kinds it is.
    pub kind: Kind,
    /// Names of its exports, in its own order.
    pub exports: Vec<String>,
    /// The interfaces it imports, in its own order.
    pub imports: Vec<Import>,
    /// Plain functions that become tools; empty unless `kind` is [`Kind::Plain`].
    pub functions: Vec<PlainFunction>,
    /// Functions that do not become tools, each with the reason.
    pub not_offered: Vec<NotOffered>,
}

/// An exported function that becomes a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainFunction {
    /// The export that holds it, as in `docs:calc/ops@0.1.0`; none for a bare function.
    pub interface: Option<String>,
    /// Its name in there.
    pub function: String,
    /// The name of the tool: `[a-z0-9][a-z0-9_-]*`, at most [`limit::TOOL_NAME_MAX_CHARS`], unique in the component.
    pub tool: String,
    /// Its parameters, in order.
    pub params: Vec<Param>,
    /// What it returns.
    pub result: Option<Shape>,
}

/// A function that does not become a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOffered {
    /// Where it is: the function, after its interface and `#` if it has one. Safe to show.
    pub name: String,
    /// Why, as in `it takes or gives a stream`.
    pub reason: String,
}

/// Reads the component `bytes`; `extra` are interfaces that the host application serves, named in full (`app:crm/contacts@1.0.0`).
///
/// Validates everything, instructions included. Runs no guest code and compiles nothing.
///
/// # Errors
/// `invalid`, in one line that names what is missing: an empty, truncated or foreign file, a core module, a proposal that is off, an
/// import that nobody serves, WASI 0.3. `limit` for a file, a count or a nesting over its bound. `host` when no thread can be started.
pub fn inspect(bytes: &[u8], extra: &[&str]) -> Result<Inspection> {
    read(bytes, extra, true)
}

/// Like [`inspect`], but leaves the instructions of functions alone: for a component whose compiled code is at hand.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_interface(bytes: &[u8], extra: &[&str]) -> Result<Inspection> {
    read(bytes, extra, false)
}

impl Inspection {
    /// What it asks for where nobody wrote it down: each capability that it imports, whatever of it the project grants.
    ///
    /// A capability of a host application goes by the package of its interface, as in `app:crm`.
    pub fn unscoped(&self) -> Declared {
        // Every tool may ask for its environment; it sees what is granted. An agent acts through tools, and asks models.
        let env = (self.kind != Kind::Agent).then_some(Scope::Any);
        let mut declared = Declared { env, ..Declared::default() };
        for import in self.imports.iter().filter(|import| !import.ambient) {
            match import.capability {
                Some("fs") => (declared.fs, declared.workspace) = (Some(Scope::Any), Some(Scope::Any)),
                Some("http") => declared.http = Some(Scope::Any),
                Some("config") => declared.config = Some(Scope::Any),
                Some("kv") => declared.kv = Some(Scope::Any),
                Some("tools") => declared.tools = Some(Scope::Any),
                Some("sockets") => declared.sockets = Some(Scope::Any),
                Some("model") => declared.model = Some(Scope::Any),
                Some(_) => {}
                None => drop(declared.custom.insert(import.package.clone(), Scope::Any)),
            }
        }
        // What it has to do with MCP clients shows in what it exports.
        if self.kind == Kind::Tool && self.exports.iter().any(|name| name.starts_with("remit:mcp/")) {
            declared.custom.insert(MCP.to_owned(), Scope::Any);
        }
        declared
    }

    /// Refuses a plain component of which no function can be offered.
    ///
    /// # Errors
    /// `invalid`, with the reason of the first function.
    pub fn require_tools(&self) -> Result<()> {
        if self.kind != Kind::Plain || !self.functions.is_empty() {
            return Ok(());
        }
        if let Some(first) = self.not_offered.first() {
            let message = format!("none of its functions can be offered: `{}`: {}", first.name, first.reason);
            return Err(Error::invalid(message).hint("export functions whose parameters and results are plain values"));
        }
        let exports = |interface: &str| self.exports.iter().any(|name| name.starts_with(interface));
        let message = if exports("wasi:cli/run@") {
            "it is a command (`wasi:cli/run`) and exports no functions"
        } else if exports("wasi:http/incoming-handler@") {
            "it is a web server (`wasi:http/incoming-handler`) and exports no functions"
        } else {
            "it exports no functions"
        };
        Err(Error::invalid(message).hint("build a library component that exports functions, or use the tool macro of `remit-sdk`"))
    }
}

fn read(bytes: &[u8], extra: &[&str], code: bool) -> Result<Inspection> {
    if bytes.len() as u64 > limit::COMPONENT_MAX_BYTES {
        return Err(Error::limit(format!("it has {} bytes; a component may have {}", bytes.len(), limit::COMPONENT_MAX_BYTES))
            .hint("strip debug information: `wasm-tools strip`"));
    }
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().name("inspect".into()).stack_size(STACK_BYTES);
        let reader = worker
            .spawn_scoped(scope, || read_bounded(bytes, extra, code))
            .map_err(|error| Error::host("no thread can be started to read the component", error))?;
        reader.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map_or("panic without text", String::as_str);
            Err(Error::invalid("it is not a component that can be read: its types are nested too deep or inconsistent").internal(text))
        })
    })
}

fn read_bounded(bytes: &[u8], extra: &[&str], code: bool) -> Result<Inspection> {
    let outline = scan::outline(bytes)?;
    let kind = kind(&outline.exports)?;
    let imports = import::served(&outline.imports, extra, kind)?;
    let types = validate::validate(bytes, code)?;
    let (functions, not_offered) = plain_functions(kind, &outline, &types)?;
    Ok(Inspection { digest: Digest::of(bytes), kind, exports: outline.exports, imports, functions, not_offered })
}

fn plain_functions(kind: Kind, outline: &scan::Outline, types: &Types) -> Result<(Vec<PlainFunction>, Vec<NotOffered>)> {
    if kind != Kind::Plain {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut found = report::functions(types.as_ref(), &outline.exports)?;
    naming::assign(&mut found);
    Ok((found.functions, found.not_offered))
}

/// The kind that the exports show.
fn kind(exports: &[String]) -> Result<Kind> {
    let mut kind = Kind::Plain;
    for name in exports {
        if let Some(version) = name.strip_prefix("remit:tool/tools@") {
            if !import::compatible(version, "0.1.0") {
                let shown = visible(name, NAME_SHOWN_CHARS);
                return Err(Error::invalid(format!("it exports `{shown}`, and this host knows `remit:tool/tools@0.1`"))
                    .hint("rebuild it with the SDK of this version"));
            }
            kind = Kind::Tool;
        } else if name.starts_with("remit:agent/") {
            return Ok(Kind::Agent);
        }
    }
    Ok(kind)
}
