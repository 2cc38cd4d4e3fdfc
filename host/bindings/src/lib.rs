//! Everything that `bindgen!` writes, in a crate of its own, so that an edit elsewhere never compiles it again.

#![allow(missing_docs, reason = "generated from the documented WIT packages")]

pub mod filesystem;

/// The world of tools: `remit:tool`, `remit:session/context`.
pub mod tool {
    wasmtime::component::bindgen!({
        path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0"],
        world: "remit:tool/tool",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

/// What a tool component may export besides: `remit:tool/reconcile`; types are those of [`tool`].
pub mod reconciler {
    wasmtime::component::bindgen!({
        path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0"],
        inline: "
            package remit:bindings;
            world reconciler {
                export remit:tool/reconcile@0.1.0;
            }
        ",
        world: "remit:bindings/reconciler",
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: { "remit:tool/types": crate::tool::remit::tool::types },
    });
}

/// The world of agents: `remit:agent`, `remit:session/state`; types and context are those of [`tool`].
pub mod agent {
    wasmtime::component::bindgen!({
        path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0", "../../wit/agent/0.1.0"],
        world: "remit:agent/agent",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
        with: {
            "remit:tool/types": crate::tool::remit::tool::types,
            "remit:session/context": crate::tool::remit::session::context,
            "remit:agent/durable.call-group": crate::CallGroup,
        },
    });
}

/// What an agent component may export besides: `remit:agent/migrate`.
pub mod migrator {
    wasmtime::component::bindgen!({
        path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0", "../../wit/agent/0.1.0"],
        inline: "
            package remit:bindings;
            world migrator {
                export remit:agent/migrate@0.1.0;
            }
        ",
        world: "remit:bindings/migrator",
        exports: { default: async },
    });
}

/// What a tool component may export for the MCP door: tools that ask the client, prompts, resources. A world for each, since each is
/// exported or not; types of tools are those of [`tool`].
pub mod mcp {
    /// `remit:mcp/asking`, and the types that all three share.
    pub mod asking {
        wasmtime::component::bindgen!({
            path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0", "../../wit/mcp/0.1.0"],
            inline: "
                package remit:bindings;
                world asker {
                    export remit:mcp/asking@0.1.0;
                }
            ",
            world: "remit:bindings/asker",
            exports: { default: async },
            with: { "remit:tool/types": crate::tool::remit::tool::types },
        });
    }
    /// `remit:mcp/prompts`.
    pub mod prompts {
        wasmtime::component::bindgen!({
            path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0", "../../wit/mcp/0.1.0"],
            inline: "
                package remit:bindings;
                world prompter {
                    export remit:mcp/prompts@0.1.0;
                }
            ",
            world: "remit:bindings/prompter",
            exports: { default: async },
            with: {
                "remit:tool/types": crate::tool::remit::tool::types,
                "remit:mcp/types": crate::mcp::asking::remit::mcp::types,
            },
        });
    }
    /// `remit:mcp/resources`.
    pub mod resources {
        wasmtime::component::bindgen!({
            path: ["../../wit/session/0.1.0", "../../wit/tool/0.1.0", "../../wit/mcp/0.1.0"],
            inline: "
                package remit:bindings;
                world librarian {
                    export remit:mcp/resources@0.1.0;
                }
            ",
            world: "remit:bindings/librarian",
            exports: { default: async },
            with: { "remit:tool/types": crate::tool::remit::tool::types },
        });
    }
}

/// `wasi:config`, `wasi:keyvalue` and `wasi:logging`: the drafts, matched exactly.
pub mod wasi {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/config", "../../wit/deps/keyvalue", "../../wit/deps/logging"],
        inline: "
            package remit:bindings;
            world host {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        world: "remit:bindings/host",
        imports: { default: async | trappable },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: { "wasi:keyvalue/store.bucket": crate::Bucket },
    });
}

/// A `wasi:keyvalue` bucket: the one that the grant names, so nothing to hold.
pub struct Bucket;

/// What an agent holds for a `remit:agent/durable` call group: the number of the group in its turn.
pub struct CallGroup(pub u32);
