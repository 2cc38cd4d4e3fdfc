//! The interfaces that a component imports, and which of them a host serves.

use wasmparser::ComponentExternalKind;

use super::NAME_SHOWN_CHARS;
use crate::{
    Error, Result,
    plugin::{Kind, text::visible},
};

/// An interface that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name in full, as in `wasi:http/outgoing-handler@0.2.3`.
    pub name: String,
    /// As in `wasi:http`.
    pub package: String,
    /// As in `outgoing-handler`.
    pub interface: String,
    /// As in `0.2.3`.
    pub version: Option<String>,
    /// The capability that it needs, by its name in a grant; none for what every component has and for an application's own.
    pub capability: Option<&'static str>,
    /// Whether every component has it.
    pub ambient: bool,
}

/// Which versions of an interface are served.
#[derive(Clone, Copy)]
enum Versions {
    /// This one and later patches of it.
    From(&'static str),
    /// This one alone: a draft.
    Exactly(&'static str),
}

/// A package that the host serves: its interfaces and the capability that they need.
struct Served {
    package: &'static str,
    interfaces: &'static [&'static str],
    versions: Versions,
    capability: Option<&'static str>,
    /// Whether only agents may import it.
    agents: bool,
}

const fn wasi(package: &'static str, interfaces: &'static [&'static str], capability: Option<&'static str>) -> Served {
    Served { package, interfaces, versions: Versions::From("0.2.0"), capability, agents: false }
}

const fn draft(
    package: &'static str,
    interfaces: &'static [&'static str],
    version: &'static str,
    capability: Option<&'static str>,
) -> Served {
    Served { package, interfaces, versions: Versions::Exactly(version), capability, agents: false }
}

const fn remit(package: &'static str, interfaces: &'static [&'static str], capability: Option<&'static str>, agents: bool) -> Served {
    Served { package, interfaces, versions: Versions::From("0.1.0"), capability, agents }
}

const CLI: &[&str] = &[
    "environment",
    "exit",
    "stdin",
    "stdout",
    "stderr",
    "terminal-input",
    "terminal-output",
    "terminal-stdin",
    "terminal-stdout",
    "terminal-stderr",
];
const SOCKETS: &[&str] = &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"];

const SERVED: &[Served] = &[
    wasi("wasi:cli", CLI, None),
    wasi("wasi:io", &["error", "poll", "streams"], None),
    wasi("wasi:clocks", &["monotonic-clock", "wall-clock"], None),
    wasi("wasi:random", &["random", "insecure", "insecure-seed"], None),
    wasi("wasi:filesystem", &["types", "preopens"], Some("fs")),
    wasi("wasi:sockets", SOCKETS, Some("sockets")),
    wasi("wasi:http", &["types", "outgoing-handler"], Some("http")),
    draft("wasi:config", &["store"], "0.2.0-rc.1", Some("config")),
    draft("wasi:keyvalue", &["store", "atomics", "batch"], "0.2.0-draft", Some("kv")),
    draft("wasi:logging", &["logging"], "0.1.0-draft", None),
    remit("remit:tool", &["invoke"], Some("tools"), false),
    remit("remit:tool", &["progress", "types"], None, false),
    remit("remit:session", &["context"], None, false),
    remit("remit:mcp", &["types"], None, false),
    remit("remit:session", &["state", "outputs"], None, true),
    remit("remit:memory", &["memory"], Some("memory"), true),
    remit("remit:agent", &["durable"], Some("tools"), true),
    // What it asks models with: imported by those alone that do.
    remit("remit:agent", &["model"], Some("model"), true),
];

/// The imports as interfaces, once each of them is known to be served.
///
/// # Errors
/// `invalid`, for the first one that is not: names it with its version, and what is served instead.
pub(super) fn served(imports: &[(String, ComponentExternalKind)], extra: &[&str], kind: Kind) -> Result<Vec<Import>> {
    if let Some((name, _)) =
        imports.iter().find(|(name, _)| parse(name).is_some_and(|it| it.package.starts_with("wasi:") && is_wasi_0_3(&it)))
    {
        let shown = visible(name, NAME_SHOWN_CHARS);
        return Err(Error::invalid(format!("it needs WASI 0.3 (`{shown}`), and this host serves WASI 0.2"))
            .hint("build it for WASI 0.2, such as `wasm32-wasip2`")
            .hint("for JavaScript: `jco componentize --backend qjs --backend-qjs-disable-async`"));
    }
    let mut known = Vec::new();
    for (name, external) in imports {
        match external {
            ComponentExternalKind::Instance => known.push(interface(name, extra, kind)?),
            // A type that interfaces share: there is nothing to link.
            ComponentExternalKind::Type => {}
            other => return Err(loose(name, *other)),
        }
    }
    Ok(known)
}

/// Whether version `found` can stand where `wanted` is served: equal up to the part that may only add, and no draft.
pub(super) fn compatible(found: &str, wanted: &str) -> bool {
    let split = |version: &str| -> Option<(u64, u64, u64)> {
        let mut parts = version.split('.').map(|part| part.parse().ok());
        let version = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    };
    match (split(found), split(wanted)) {
        (Some(found), Some(wanted)) => found.0 == wanted.0 && (wanted.0 > 0 || found.1 == wanted.1),
        _ => false,
    }
}

fn is_wasi_0_3(import: &Import) -> bool {
    import.version.as_deref().is_some_and(|version| version.starts_with("0.3."))
}

/// The parts of `namespace:package/interface@version`; nothing for other names.
fn parse(name: &str) -> Option<Import> {
    let (path, version) = match name.split_once('@') {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (name, None),
    };
    let (package, interface) = path.rsplit_once('/')?;
    package.contains(':').then(|| Import {
        name: name.to_owned(),
        package: package.to_owned(),
        interface: interface.to_owned(),
        version,
        capability: None,
        ambient: false,
    })
}

fn interface(name: &str, extra: &[&str], kind: Kind) -> Result<Import> {
    let shown = visible(name, NAME_SHOWN_CHARS);
    let refuse = || {
        Error::invalid(format!("unknown import `{shown}`"))
            .hint("compose it with a component that exports this interface, or let the host application serve it")
    };
    let import = parse(name).ok_or_else(refuse)?;
    if extra.contains(&name) {
        return Ok(import);
    }
    let package: Vec<&Served> =
        SERVED.iter().filter(|served| served.package == import.package && (kind == Kind::Agent || !served.agents)).collect();
    let version = import.version.as_deref().unwrap_or_default();
    let found = package.iter().find(|served| served.interfaces.contains(&import.interface.as_str()));
    match found {
        Some(served) if kind == Kind::Agent && !served.agents && served.capability.is_some() => match served.capability {
            // What a language's runtime imports whether or not it is used; an agent finds it empty.
            Some("fs" | "sockets") => Ok(Import { ambient: true, ..import }),
            _ => Err(Error::invalid(format!("an agent may not import `{shown}`"))
                .hint("an agent reaches the world through tools: let it call one that does this")),
        },
        Some(served) if serves(served.versions, version) => {
            Ok(Import { capability: served.capability, ambient: served.capability.is_none(), ..import })
        }
        Some(served) => Err(Error::invalid(format!("unknown import `{shown}`: this host serves {}", served_as(served, &import.interface)))
            .hint("build it against that version")),
        None if package.is_empty() => Err(refuse()),
        None => {
            let names: Vec<&str> = package.iter().flat_map(|served| served.interfaces).copied().collect();
            Err(Error::invalid(format!(
                "unknown import `{shown}`: of `{}` this host serves {}",
                visible(&import.package, NAME_SHOWN_CHARS),
                names.join(", ")
            ))
            .hint("build it without that interface, or compose it with a component that exports it"))
        }
    }
}

fn serves(versions: Versions, version: &str) -> bool {
    match versions {
        Versions::From(oldest) => compatible(version, oldest),
        Versions::Exactly(only) => version == only,
    }
}

fn served_as(served: &Served, interface: &str) -> String {
    match served.versions {
        Versions::From(oldest) => {
            format!("`{}/{interface}@{}`", served.package, oldest.rsplit_once('.').map_or(oldest, |(minor, _)| minor))
        }
        Versions::Exactly(only) => format!("`{}/{interface}@{only}`", served.package),
    }
}

/// The error of an import that is no interface.
fn loose(name: &str, kind: ComponentExternalKind) -> Error {
    let what = match kind {
        ComponentExternalKind::Func => "the function",
        ComponentExternalKind::Module => "the core module",
        ComponentExternalKind::Component => "the component",
        _ => "the value",
    };
    Error::invalid(format!("it imports {what} `{}` outside of any interface, which nobody serves", visible(name, NAME_SHOWN_CHARS)))
        .hint("move it into an interface of the world, or compose it with a component that exports it")
}
