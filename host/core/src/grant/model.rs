//! Validated grants: every pattern parsed, every bound set, nothing left to interpret.

use std::collections::{BTreeMap, BTreeSet};

use super::{AddressPattern, FieldTarget, HttpPattern, SocketPattern, ToolPattern};
use crate::label::{Label, When};

/// The capabilities of this host, in the order in which they are shown. An application may add its own, named `package:name`.
pub const CAPABILITIES: [&str; 9] = ["fs", "http", "env", "config", "kv", "workspace", "tools", "sockets", "model"];

/// Where a plugin sees its workspace.
pub const WORKSPACE_MOUNT: &str = "/workspace";

/// Reading, or reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Only what changes nothing.
    Read,
    /// Everything.
    Write,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// One folder or file, mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fs {
    /// Path on the host as written: relative to the project's folder, or absolute; may hold `{user}`.
    pub path: String,
    /// Absolute path in the guest, without a final `/` (but `/` itself), `.` or `..`.
    pub mount: String,
    /// What may be done below it.
    pub access: Access,
    /// Bytes that one call may write.
    pub max_bytes: u64,
    /// Files and folders that one call may create.
    pub max_files: u64,
    /// What whoever uses it has seen.
    pub labels: BTreeSet<Label>,
}

/// Requests that match one of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// What may be requested; never empty.
    pub allow: Vec<HttpPattern>,
    /// A secret that the host attaches to these requests.
    pub secret: Option<SecretUse>,
    /// Bytes of a request body and of a response body, each.
    pub max_bytes: u64,
    /// The whole exchange, in milliseconds.
    pub deadline_ms: u64,
    /// Addresses that may be connected to although they are private, loopback or otherwise not public.
    pub private: Vec<AddressPattern>,
    /// What whoever uses it has seen.
    pub labels: BTreeSet<Label>,
    /// At which labels it closes.
    pub closed_when: When,
}

/// A secret and the place where the host puts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretUse {
    /// The secret's name.
    pub name: String,
    /// The header or query field it goes to.
    pub target: FieldTarget,
    /// Text with exactly one `{}`, which the value replaces.
    pub format: String,
}

/// Whose data a grant of `kv` or `workspace` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataScope {
    /// Everybody's in the project.
    Project,
    /// The acting user's.
    #[default]
    User,
    /// The session's; without a session there is nothing.
    Session,
}

impl std::fmt::Display for DataScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::User => "user",
            Self::Session => "session",
        })
    }
}

/// Key-value storage of the plugin's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kv {
    /// What may be done.
    pub access: Access,
    /// Whose data.
    pub scope: DataScope,
    /// Bytes of keys and values.
    pub max_bytes: u64,
}

/// A folder of the plugin's own, mounted at [`WORKSPACE_MOUNT`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// What may be done.
    pub access: Access,
    /// Whose data.
    pub scope: DataScope,
    /// Bytes of all files in it.
    pub max_bytes: u64,
    /// Files, folders and links in it.
    pub max_files: u64,
}

/// The capability of what a plugin has to do with clients of the MCP door. It goes by the name of its WIT package, and its scopes
/// are [`MCP_SCOPES`].
pub const MCP: &str = "remit:mcp";
/// Having prompts and resources, and asking the client: its person, its model, its folders.
pub const MCP_SCOPES: [&str; 5] = ["prompts", "resources", "elicit", "sample", "roots"];

/// What a project grants to one plugin. Empty grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Mounted folders and files; no two share a mount.
    pub fs: Vec<Fs>,
    /// Requests.
    pub http: Vec<Http>,
    /// Environment variables with their values.
    pub env: BTreeMap<String, String>,
    /// Configuration with its values.
    pub config: BTreeMap<String, String>,
    /// Key-value storage; at most one.
    pub kv: Option<Kv>,
    /// A workspace; at most one.
    pub workspace: Option<Workspace>,
    /// Tools that it may call.
    pub tools: Vec<ToolPattern>,
    /// Places that it may connect to over TCP; one that is not public is named by its address.
    pub sockets: Vec<SocketPattern>,
    /// Models that it may ask, each with the tokens that one answer may have; as many as the project allows where none are said.
    pub model: BTreeMap<String, Option<u32>>,
    /// Capabilities of the application: name → scopes in that capability's own words; `*` matches any run of characters.
    pub custom: BTreeMap<String, Vec<String>>,
}

impl Grants {
    /// The labels that a call can come by through them.
    pub fn labels(&self) -> BTreeSet<Label> {
        let http = self.http.iter().flat_map(|http| &http.labels);
        self.fs.iter().flat_map(|fs| &fs.labels).chain(http).copied().collect()
    }
}

/// What a plugin declares of one capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope<T> {
    /// Whatever the project grants.
    Any,
    /// No more than this.
    Only(T),
}

/// A declared folder: its mount in the guest (`None`: any), and what is done there.
pub type DeclaredFolder = (Option<String>, Access);

/// What a plugin asks for. A capability that is absent is not asked for, so a grant of it has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// Folders.
    pub fs: Option<Scope<Vec<DeclaredFolder>>>,
    /// Requests.
    pub http: Option<Scope<Vec<HttpPattern>>>,
    /// Names of environment variables.
    pub env: Option<Scope<BTreeSet<String>>>,
    /// Names of configuration values.
    pub config: Option<Scope<BTreeSet<String>>>,
    /// Access.
    pub kv: Option<Scope<Access>>,
    /// Access to a workspace.
    pub workspace: Option<Scope<Access>>,
    /// Tools it calls.
    pub tools: Option<Scope<Vec<ToolPattern>>>,
    /// Places that it connects to over TCP.
    pub sockets: Option<Scope<Vec<SocketPattern>>>,
    /// Names of models it asks.
    pub model: Option<Scope<BTreeSet<String>>>,
    /// Capabilities of an application, each with its scopes.
    pub custom: BTreeMap<String, Scope<Vec<String>>>,
    /// Capability → why, in one line, as the author wrote it.
    pub reasons: BTreeMap<String, String>,
}
