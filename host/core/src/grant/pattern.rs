//! Patterns of grants: requests, addresses, tools, and where a secret goes.

/// `METHOD URL-pattern`. `*` is one path segment or one host label, `**` the rest; scheme, port, query and HEAD match only as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpPattern {}

/// An IP address or a CIDR block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressPattern {}

/// `plugin/tool`, either of which may be `*` or end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolPattern {}

impl ToolPattern {
    /// Whether it matches the tool `tool` of `plugin`.
    pub fn matches(&self, plugin: &str, tool: &str) -> bool {
        let _ = (plugin, tool);
        todo!()
    }
}

/// Where the host puts a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldTarget {
    /// A header, in lower case.
    Header(String),
    /// A field of the query.
    Query(String),
}
