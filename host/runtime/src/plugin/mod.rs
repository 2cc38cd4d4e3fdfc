//! Plugins as a host application gives them, and as they run.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use remit_core::{
    Error, Result,
    grant::{Declared, Grants},
    limit::{COMPONENT_MAX_BYTES, CallLimits},
    plugin::{Definition, Digest, Effect, Isolation, Kind, PluginName, lock::native_digest, manifest::ToolNote, schema},
    project::Remote,
};

use crate::{
    mcp::{Prompt, ResourceEntry},
    output::Output,
    project::Native,
};

mod linked;
mod loaded;
pub mod value;

pub(crate) use linked::{Linked, failure, fate, function_output};
pub use loaded::check_arguments;
pub(crate) use loaded::{Loaded, Tool};

/// A plugin of a project, with everything that was approved of it.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Its name in the project.
    pub name: PluginName,
    /// Its component.
    pub source: Source,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Which kind of component.
    pub kind: Kind,
    /// The tools that are served.
    pub definitions: Vec<Definition>,
    /// What it declares.
    pub declared: Declared,
    /// What it is granted.
    pub granted: Grants,
    /// Bounds of its calls.
    pub limits: CallLimits,
    /// Where its calls run.
    pub isolation: Isolation,
    /// Tools that always need an approval; `*` is all of them.
    pub ask: Vec<String>,
}

/// What a plugin has for MCP clients beyond its tools.
pub type Listed = (Vec<Prompt>, Vec<ResourceEntry>);

/// Where a component lies, or what stands in its place. It is read at the first call and checked against the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file.
    File(PathBuf),
    /// Nowhere: it is an outside MCP server, a native process.
    Native(Native),
    /// Nowhere: it is an outside MCP server elsewhere.
    Remote(Remote),
}

/// What a plugin tells of an earlier call of one of its tools.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It had its effect, and this result.
    Done(Output),
    /// It had no effect, and will have none.
    NotDone,
    /// It cannot be told.
    Unknown,
}

impl Plugin {
    /// The same plugin with these grants.
    #[must_use]
    pub fn granted(mut self, granted: Grants) -> Self {
        self.granted = granted;
        self
    }

    /// The same plugin with these bounds.
    #[must_use]
    pub fn limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same plugin with its calls there.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Whether `tool` always needs an approval.
    pub fn asks(&self, tool: &str) -> bool {
        self.ask.iter().any(|name| name == tool || name == "*")
    }
}

/// Definitions of a plain component: schemas from its types, texts from `plugin.toml`, effects as the project says.
pub fn plain_definitions(
    inspection: &remit_core::plugin::inspect::Inspection,
    notes: &BTreeMap<String, ToolNote>,
    effects: &BTreeMap<String, Effect>,
) -> Vec<Definition> {
    let descriptions = notes.iter().filter_map(|(tool, note)| Some((tool.clone(), note.description.clone()?))).collect();
    let claimed = notes.iter().filter_map(|(tool, note)| Some((tool.clone(), note.effect?)));
    let effects = claimed.chain(effects.iter().map(|(tool, effect)| (tool.clone(), *effect))).collect();
    let tools = schema::definitions(inspection, &descriptions, &effects).0.into_iter();
    let titled = |(mut definition, _): (Definition, _)| {
        definition.title = notes.get(&definition.name).and_then(|note| note.title.clone());
        definition
    };
    tools.map(titled).collect()
}

impl Source {
    /// Whether it is an outside MCP server.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Native(_) | Self::Remote(_))
    }

    /// Kind and digest of an outside server, as the lock holds them; `None` for a component.
    pub fn outside(&self) -> Option<(Kind, Digest)> {
        match self {
            Self::Native(native) => Some((Kind::Native, native.digest())),
            Self::Remote(remote) => Some((Kind::Remote, native_digest(&remote.to_string(), &BTreeMap::new()))),
            Self::Bytes(_) | Self::File(_) => None,
        }
    }

    /// The component's bytes.
    ///
    /// # Errors
    /// `unavailable` when the file is not there; `limit` over [`COMPONENT_MAX_BYTES`]; `conflict` when it is not the one with `digest`.
    #[allow(clippy::disallowed_methods, reason = "components are read here")]
    pub fn read(&self, digest: &Digest) -> Result<Arc<[u8]>> {
        let bytes: Arc<[u8]> = match self {
            Self::Bytes(bytes) => return Ok(bytes.clone()),
            Self::Native(_) | Self::Remote(_) => return Err(Error::invalid("an outside server has no component")),
            Self::File(path) => {
                let failed = |error: std::io::Error| {
                    Error::unavailable(format!("the component `{}` cannot be read: {error}", path.display()))
                        .hint("build it, then `remit review`")
                };
                let size = std::fs::metadata(path).map_err(failed)?.len();
                if size > COMPONENT_MAX_BYTES {
                    return Err(Error::limit(format!(
                        "the component `{}` has {size} bytes; at most {COMPONENT_MAX_BYTES} are read",
                        path.display()
                    )));
                }
                std::fs::read(path).map_err(failed)?.into()
            }
        };
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(Error::new(
                remit_core::Kind::Conflict,
                format!("the component is not the approved one: {found} instead of {digest}"),
            )
            .hint("see what changed: remit review"));
        }
        Ok(bytes)
    }
}
