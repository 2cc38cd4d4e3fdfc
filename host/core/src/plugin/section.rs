//! The custom section `remit:plugin`: what a component says of itself, readable without running it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmparser::{Chunk, Parser, Payload};

use super::{
    Definition, PluginName,
    check::{check_definitions, check_text},
    manifest::{self, Manifest},
    text::{visible, visible_lines},
};
use crate::{Error, Result, grant::Declared, limit::SECTION_MAX_BYTES};

/// The section's name.
pub const NAME: &str = "remit:plugin";

/// What `remit build` writes into a component, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// What the author calls it; a project may name it otherwise.
    pub name: PluginName,
    /// Its version, as the author writes versions.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// What it asks for.
    pub declared: Declared,
    /// What it offers.
    pub tools: Vec<Definition>,
    declares: Value,
}

/// The section as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    plugin: About,
    #[serde(default)]
    declares: Value,
    #[serde(default)]
    tools: Vec<Definition>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    version: String,
    #[serde(default)]
    description: String,
}

impl Section {
    /// The section of a component that `manifest` describes and that offers `tools`.
    ///
    /// # Errors
    /// `invalid` and `limit` as [`check_definitions`] has them.
    pub fn new(manifest: &Manifest, tools: Vec<Definition>) -> Result<Self> {
        check_definitions(&tools)?;
        Ok(Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            declared: manifest.declared.clone(),
            tools,
            declares: manifest.declares.clone(),
        })
    }

    /// The section's bytes.
    ///
    /// # Errors
    /// `limit` when they are more than [`SECTION_MAX_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        let about = About { name: self.name.to_string(), version: self.version.clone(), description: self.description.clone() };
        let written = Written { version: 1, plugin: about, declares: self.declares.clone(), tools: self.tools.clone() };
        let bytes = serde_json::to_vec(&written).map_err(|error| Error::host("the section could not be written", error))?;
        check_size(bytes.len())?;
        Ok(bytes)
    }

    /// Reads a section's bytes.
    ///
    /// # Errors
    /// `limit` when they are more than [`SECTION_MAX_BYTES`]; `invalid` when they are not what [`Section::encode`] writes, are of another version, or
    /// hold names, texts, rights or definitions that are refused anywhere else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        check_size(bytes.len())?;
        let written: Written = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
        if written.version != 1 {
            return Err(Error::invalid(format!("its section `{NAME}` has version {}, and this `remit` reads 1", written.version))
                .hint("use a newer `remit`, or build it with this one: remit build"));
        }
        check_definitions(&written.tools)?;
        let name = written.plugin.name.parse()?;
        manifest::check_version(&written.plugin.version)?;
        check_text(&written.plugin.description, manifest::DESCRIPTION_MAX_BYTES, visible_lines)
            .map_err(|error| Error { message: format!("its description: {}", error.message), ..error })?;
        let declared = manifest::declared_from_json(&written.declares)?;
        Ok(Self {
            name,
            version: written.plugin.version,
            description: written.plugin.description,
            declared,
            tools: written.tools,
            declares: written.declares,
        })
    }
}

/// The section of a component, if it has one. Only its own custom sections count, not those of modules and components inside it.
///
/// # Errors
/// `invalid` when the bytes are not a component or are cut off, when there are two sections, and as [`Section::decode`] has it.
pub fn find(component: &[u8]) -> Result<Option<Section>> {
    let mut found = None;
    let mut parser = Parser::new(0);
    let mut rest = component;
    loop {
        let chunk = parser.parse(rest, true).map_err(|error| not_readable(&error))?;
        let Chunk::Parsed { consumed, payload } = chunk else { return Err(not_readable(&"it is cut off")) };
        rest = rest.get(consumed..).unwrap_or_default();
        match payload {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } => {
                return Err(not_readable(&"it is a core module, not a component"));
            }
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                rest = rest.get(unchecked_range.len()..).ok_or_else(|| not_readable(&"it is cut off"))?;
            }
            Payload::CustomSection(section) if section.name() == NAME => {
                if found.replace(section.data()).is_some() {
                    return Err(Error::invalid(format!("it has two sections `{NAME}`")).hint("build it anew: remit build"));
                }
            }
            Payload::End(_) => break,
            _ => {}
        }
    }
    found.map(Section::decode).transpose()
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes as u64 > SECTION_MAX_BYTES {
        return Err(Error::limit(format!("its section `{NAME}` has {bytes} bytes, more than {SECTION_MAX_BYTES}"))
            .hint("shorten descriptions and schemas, or divide it into several plugins"));
    }
    Ok(())
}

fn damaged(why: &str) -> Error {
    Error::invalid(format!("its section `{NAME}` is damaged: {}", visible(why, 200))).hint("build it anew: remit build")
}

fn not_readable(why: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("it is not a component that can be read: {}", visible(&why.to_string(), 200)))
}
