//! The grammar of grants in files: `[plugins.NAME.grants]` of `remit.toml`, `[declares]` of `plugin.toml`.
//!
//! These types hold what was written and where; [`AuthoredGrants::validate`] and [`AuthoredDeclares::validate`] check it. They
//! serialise to the same grammar. They can be read from TOML only, since only its reader knows places.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{Access, DataScope, FieldTarget, Grants};
use crate::{
    label::{Label, When},
    limit::{
        FS_FILES_DEFAULT, FS_WRITE_DEFAULT_BYTES, HTTP_BODY_DEFAULT_BYTES, HTTP_DEADLINE_DEFAULT_MS, KV_DEFAULT_BYTES,
        WORKSPACE_DEFAULT_BYTES, WORKSPACE_FILES_DEFAULT,
    },
};

/// Keys with values, each with its place.
pub type Values = BTreeMap<Spanned<String>, Spanned<String>>;

/// The grants of one plugin as they were written.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuthoredGrants {
    /// Folders and files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fs: Vec<Spanned<AuthoredFs>>,
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<Spanned<AuthoredHttp>>,
    /// Key-value storage: one table, or a list with one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kv: Vec<Spanned<AuthoredKv>>,
    /// A workspace: one table, or a list with one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspace: Vec<Spanned<AuthoredWorkspace>>,
    /// Tools, as `plugin/tool`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Spanned<String>>,
    /// Places of TCP connections, as `host:port`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<Spanned<String>>,
    /// Models: a name, a list of names, or tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<Spanned<AuthoredModel>>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: Values,
    /// Configuration values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: Values,
    /// Capabilities of an application, named `package:name`, each with its scopes.
    #[serde(flatten)]
    pub custom: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    /// Keys that name no capability of this version.
    #[serde(skip)]
    pub unknown: Vec<Spanned<String>>,
}

/// One entry of `fs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredFs {
    /// Path on the host, relative to the project's folder or absolute; may hold `{user}`.
    pub path: Spanned<String>,
    /// Where the guest sees it; default: `/` and the last part of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<Spanned<String>>,
    /// What may be done; default `read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// MiB that one call may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mib: Option<Spanned<u64>>,
    /// Files and folders that one call may create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<Spanned<u64>>,
    /// What whoever uses it has seen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
}

/// One entry of `http`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredHttp {
    /// Patterns, `METHOD URL-pattern`.
    pub allow: Spanned<Vec<Spanned<String>>>,
    /// A secret that the host attaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Spanned<AuthoredSecret>>,
    /// KiB of a request body and of a response body, each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_kib: Option<Spanned<u64>>,
    /// The whole exchange, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<Spanned<u64>>,
    /// Addresses that are not public and may be connected to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<Spanned<String>>,
    /// What whoever uses it has seen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
    /// At which labels it closes; default `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_when: Option<When>,
}

/// A secret and where it goes: a header or a query field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredSecret {
    /// The secret's name.
    pub name: Spanned<String>,
    /// The header it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Spanned<String>>,
    /// The query field it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Spanned<String>>,
    /// Text with one `{}` for the value; default `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Spanned<String>>,
}

/// The entry of `kv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredKv {
    /// What may be done.
    pub access: Access,
    /// Whose data; default `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<DataScope>,
    /// MiB of keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mib: Option<Spanned<u64>>,
}

/// The entry of `workspace`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredWorkspace {
    /// What may be done.
    pub access: Access,
    /// Whose data; default `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<DataScope>,
    /// MiB of all files in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mib: Option<Spanned<u64>>,
    /// Files, folders and links in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<Spanned<u64>>,
}

/// One entry of `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoredModel {
    /// Names of models of the project.
    pub names: Spanned<Vec<Spanned<String>>>,
    /// Tokens that one answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<Spanned<u64>>,
}

/// What an author declares, as it was written. In each entry what is left out (`mount`, `allow`, `keys`, `scopes`) is: any.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuthoredDeclares {
    /// Folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fs: Vec<Spanned<DeclaredFs>>,
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<Spanned<DeclaredPatterns>>,
    /// Environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Spanned<DeclaredKeys>>,
    /// Configuration values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<Spanned<DeclaredKeys>>,
    /// Key-value storage: one table, or a list with one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kv: Vec<Spanned<DeclaredAccess>>,
    /// A workspace: one table, or a list with one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspace: Vec<Spanned<DeclaredAccess>>,
    /// Tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Spanned<DeclaredPatterns>>,
    /// Places of TCP connections.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<Spanned<DeclaredPatterns>>,
    /// Models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<Spanned<DeclaredModels>>,
    /// Capabilities of an application, named `package:name`.
    #[serde(flatten)]
    pub custom: BTreeMap<Spanned<String>, Vec<Spanned<DeclaredScopes>>>,
    /// Keys that name no capability of this version.
    #[serde(skip)]
    pub unknown: Vec<Spanned<String>>,
}

/// One declared folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredFs {
    /// Where the guest expects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<Spanned<String>>,
    /// What it does there.
    pub access: Access,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// Declared requests, tools or places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPatterns {
    /// Patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Spanned<Vec<Spanned<String>>>>,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// Declared environment variables or configuration values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredKeys {
    /// Their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Spanned<Vec<Spanned<String>>>>,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// Declared key-value storage, or a declared workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredAccess {
    /// What it does with it.
    pub access: Access,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// Declared models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredModels {
    /// Their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Spanned<Vec<Spanned<String>>>>,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// Declared scopes of an application's capability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredScopes {
    /// Scopes in that capability's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Spanned<Vec<Spanned<String>>>>,
    /// Why, in one line.
    pub reason: Spanned<String>,
}

/// One table, or a list of them.
struct OneOrMany<T>(Vec<Spanned<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Vec<(Option<Spanned<T>>, Option<T>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or a list with one")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = list.next_element()? {
                    all.push((Some(item), None));
                }
                Ok(all)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(vec![(None, Some(T::deserialize(MapAccessDeserializer::new(map))?))])
            }
        }
        struct Any<T>(Vec<(Option<Spanned<T>>, Option<T>)>);
        impl<'de, T: Deserialize<'de>> Deserialize<'de> for Any<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Either(std::marker::PhantomData)).map(Self)
            }
        }
        let all = Spanned::<Any<T>>::deserialize(deserializer)?;
        let span = all.span();
        let each =
            |(listed, alone): (Option<Spanned<T>>, Option<T>)| listed.or_else(|| alone.map(|table| Spanned::new(span.clone(), table)));
        Ok(Self(all.into_inner().0.into_iter().filter_map(each).collect()))
    }
}

/// What `model` says: a name, a list of names, or tables. Names alone have the place of their entry.
pub(crate) struct Models(pub(crate) Vec<Spanned<AuthoredModel>>);

impl<'de> Deserialize<'de> for Models {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Vec<Spanned<AuthoredModel>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a model, a list of names, or a table such as `{ names = [\"default\"], max_tokens = 4096 }`")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(vec![unplaced(AuthoredModel { names: unplaced(vec![unplaced(name.to_owned())]), max_tokens: None })])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = list.next_element::<Spanned<Models>>()? {
                    let span = item.span();
                    all.extend(item.into_inner().0.into_iter().map(|one| Spanned::new(span.clone(), one.into_inner())));
                }
                Ok(all)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(vec![unplaced(AuthoredModel::deserialize(MapAccessDeserializer::new(map))?)])
            }
        }
        deserializer.deserialize_any(Form).map(Self)
    }
}

impl Models {
    /// Each entry; one without a place of its own has that of all.
    pub(crate) fn placed(all: Spanned<Self>) -> Vec<Spanned<AuthoredModel>> {
        let span = all.span();
        let place = |one: Spanned<AuthoredModel>| if one.span().is_empty() { Spanned::new(span.clone(), one.into_inner()) } else { one };
        all.into_inner().0.into_iter().map(place).collect()
    }
}

/// Reads one table of capabilities: those of this host, those of an application by their `:`, and what is neither.
macro_rules! deserialize_capabilities {
    ($type:ident, $models:ty, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Capabilities;
                impl<'de> Visitor<'de> for Capabilities {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut all = $type::default();
                        while let Some(key) = map.next_key::<Spanned<String>>()? {
                            match key.get_ref().as_str() {
                                "fs" => all.fs = map.next_value()?,
                                "http" => all.http = map.next_value()?,
                                "env" => all.env = map.next_value()?,
                                "config" => all.config = map.next_value()?,
                                "kv" => all.kv = map.next_value::<OneOrMany<_>>()?.0,
                                "workspace" => all.workspace = map.next_value::<OneOrMany<_>>()?.0,
                                "tools" => all.tools = map.next_value()?,
                                "sockets" => all.sockets = map.next_value()?,
                                "model" => all.model = map.next_value::<$models>()?.0,
                                name if name.contains(':') => drop(all.custom.insert(key, map.next_value()?)),
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    all.unknown.push(key);
                                }
                            }
                        }
                        Ok(all)
                    }
                }
                deserializer.deserialize_map(Capabilities)
            }
        }
    };
}

deserialize_capabilities!(AuthoredGrants, Models, "a table of capabilities, such as `fs = [{ path = \"docs\" }]`");
deserialize_capabilities!(
    AuthoredDeclares,
    OneOrMany<_>,
    "a table of capabilities, such as `fs = [{ access = \"read\", reason = \"…\" }]`"
);

/// A value that stands nowhere in a file.
pub(super) fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// A bound in units of `unit`, when it is not what one has anyway.
fn bound(value: u64, default: u64, unit: u64) -> Option<Spanned<u64>> {
    (value != default).then(|| unplaced(value.div_ceil(unit)))
}

fn texts<T: ToString>(all: &[T]) -> Vec<Spanned<String>> {
    all.iter().map(|one| unplaced(one.to_string())).collect()
}

impl From<&Grants> for AuthoredGrants {
    /// The form in which grants are written to a file: defaults are left out, but `mount` and `access` are said.
    fn from(grants: &Grants) -> Self {
        let fs = grants.fs.iter().map(|one| AuthoredFs {
            path: unplaced(one.path.clone()),
            mount: Some(unplaced(one.mount.clone())),
            access: Some(one.access),
            max_mib: bound(one.max_bytes, FS_WRITE_DEFAULT_BYTES, 1 << 20),
            max_files: bound(one.max_files, FS_FILES_DEFAULT, 1),
            labels: one.labels.clone(),
        });
        let http = grants.http.iter().map(|one| AuthoredHttp {
            allow: unplaced(texts(&one.allow)),
            secret: one.secret.as_ref().map(|secret| unplaced(AuthoredSecret::from(secret))),
            max_kib: bound(one.max_bytes, HTTP_BODY_DEFAULT_BYTES, 1 << 10),
            deadline_ms: bound(one.deadline_ms, HTTP_DEADLINE_DEFAULT_MS, 1),
            private: texts(&one.private),
            labels: one.labels.clone(),
            closed_when: (one.closed_when != When::default()).then_some(one.closed_when),
        });
        let kv = grants.kv.iter().map(|one| AuthoredKv {
            access: one.access,
            scope: Some(one.scope),
            max_mib: bound(one.max_bytes, KV_DEFAULT_BYTES, 1 << 20),
        });
        let workspace = grants.workspace.iter().map(|one| AuthoredWorkspace {
            access: one.access,
            scope: Some(one.scope),
            max_mib: bound(one.max_bytes, WORKSPACE_DEFAULT_BYTES, 1 << 20),
            max_files: bound(one.max_files, WORKSPACE_FILES_DEFAULT, 1),
        });
        let values =
            |all: &BTreeMap<String, String>| all.iter().map(|(key, value)| (unplaced(key.clone()), unplaced(value.clone()))).collect();
        Self {
            fs: fs.map(unplaced).collect(),
            http: http.map(unplaced).collect(),
            kv: kv.map(unplaced).collect(),
            workspace: workspace.map(unplaced).collect(),
            tools: texts(&grants.tools),
            sockets: texts(&grants.sockets),
            model: models_of(grants),
            env: values(&grants.env),
            config: values(&grants.config),
            custom: grants.custom.iter().map(|(name, scopes)| (unplaced(name.clone()), texts(scopes))).collect(),
            unknown: Vec::new(),
        }
    }
}

/// An entry for each bound, those without one first.
fn models_of(grants: &Grants) -> Vec<Spanned<AuthoredModel>> {
    let bounds: BTreeSet<Option<u32>> = grants.model.values().copied().collect();
    let entry = |bound: Option<u32>| {
        let names = grants.model.iter().filter(|(_, most)| **most == bound).map(|(name, _)| unplaced(name.clone())).collect();
        unplaced(AuthoredModel { names: unplaced(names), max_tokens: bound.map(|most| unplaced(most.into())) })
    };
    bounds.into_iter().map(entry).collect()
}

impl From<&super::SecretUse> for AuthoredSecret {
    fn from(secret: &super::SecretUse) -> Self {
        let (header, query) = match &secret.target {
            FieldTarget::Header(name) => (Some(unplaced(name.clone())), None),
            FieldTarget::Query(name) => (None, Some(unplaced(name.clone()))),
        };
        let format = (secret.format != "{}").then(|| unplaced(secret.format.clone()));
        Self { name: unplaced(secret.name.clone()), header, query, format }
    }
}
