//! `plugin.toml`: what an author says of a plugin.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;

use super::{
    Effect, PluginName, check,
    text::{visible, visible_lines},
};
use crate::{
    Error, Result,
    grant::{Declared, authored::AuthoredDeclares},
    project::{
        Problem, ProjectError,
        table::{self, Table},
        text,
    },
};

/// Longest description of a plugin, in bytes.
pub const DESCRIPTION_MAX_BYTES: usize = 4 << 10;
/// Longest version of a plugin, in bytes.
pub const VERSION_MAX_BYTES: usize = 64;

/// A `plugin.toml`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What the author calls it.
    pub name: PluginName,
    /// Its version, as the author writes versions.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// What it asks for.
    pub declared: Declared,
    /// `[declares]` as it was written, for the component's section.
    pub declares: Value,
    /// What the author says of tools of a plain component, by their names.
    pub tools: BTreeMap<String, ToolNote>,
}

/// What an author says of one tool of a plain component; what is absent comes from its WIT types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolNote {
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// What may be repeated; a claim, like any other definition's.
    pub effect: Option<Effect>,
}

impl Manifest {
    /// Reads a `plugin.toml`; `file` is its name in messages.
    ///
    /// # Errors
    /// Every mistake of the file at once.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ProjectError> {
        let text = text(file, bytes)?;
        let mut problems = Vec::new();
        let mut root = table::document(file, text)?;
        root.version(&mut problems);
        let manifest = read(&mut root, &mut problems);
        root.finish(&mut problems);
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(ProjectError::new(file, text, problems)),
        }
    }
}

fn read(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> Option<Manifest> {
    let Some(mut about) = root.table("plugin", "`[plugin]`", problems) else {
        problems.push(
            Problem::new(0..0, "the file has no `[plugin]`").hint("write `[plugin]` and below it `name`, `version` and `description`"),
        );
        return None;
    };
    let name: Option<Spanned<String>> = about.required("name", "name = \"my-plugin\"", problems);
    let version: Option<Spanned<String>> = about.required("version", "version = \"0.1.0\"", problems);
    let description: Option<Spanned<String>> = about.required("description", "description = \"what it is for\"", problems);
    about.finish(problems);
    let name = checked(name.as_ref(), problems, str::parse::<PluginName>);
    let version = checked(version.as_ref(), problems, |version| check_version(version).map(|()| version.to_owned()));
    let description = checked(description.as_ref(), problems, |text| {
        check::check_text(text, DESCRIPTION_MAX_BYTES, visible_lines).map(|()| text.to_owned())
    });
    let declares = root.copy::<Value>("declares", problems).unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let declared = root.optional::<AuthoredDeclares>("declares", problems).unwrap_or_default().validate();
    let declared = declared.map_err(|found| problems.extend(found)).ok();
    let tools = notes(root, problems);
    Some(Manifest { name: name?, version: version?, description: description?, declared: declared?, declares, tools })
}

fn notes(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, ToolNote> {
    let mut notes = BTreeMap::new();
    for (name, mut table) in root.tables("tools", "tool", problems) {
        checked(Some(&name), problems, check::check_tool_name);
        let title: Option<Spanned<String>> = table.optional("title", problems);
        let description: Option<Spanned<String>> = table.optional("description", problems);
        let effect = table.optional("effect", problems);
        table.finish(problems);
        checked(title.as_ref(), problems, |text| check::check_text(text, check::TITLE_MAX_BYTES, visible));
        checked(description.as_ref(), problems, |text| check::check_text(text, check::DESCRIPTION_MAX_BYTES, visible_lines));
        let note = ToolNote { title: title.map(Spanned::into_inner), description: description.map(Spanned::into_inner), effect };
        notes.insert(name.into_inner(), note);
    }
    notes
}

fn checked<T>(value: Option<&Spanned<String>>, problems: &mut Vec<Problem>, check: impl FnOnce(&str) -> Result<T>) -> Option<T> {
    let value = value?;
    check(value.get_ref()).map_err(|error| problems.push(Problem::at(value.span(), error))).ok()
}

/// Checks the version of a plugin.
pub(super) fn check_version(version: &str) -> Result<()> {
    let fits = (1..=VERSION_MAX_BYTES).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_'));
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is not a version", visible(version, VERSION_MAX_BYTES)))
        .hint(format!("write it like `1.2.0`: letters, digits, `.`, `-`, `+` and `_`, at most {VERSION_MAX_BYTES} characters")))
}

/// Reads `declares` as a component's section holds it: the same keys and values as `[declares]`, in JSON.
pub(super) fn declared_from_json(declares: &Value) -> Result<Declared> {
    let refuse = |why: String| {
        Error::invalid(format!("its declared rights cannot be read: {}", visible(&why, 240))).hint("build it anew: remit build")
    };
    if declares.is_null() {
        return Ok(Declared::default());
    }
    // The grammar of grants keeps places in a file, so it is read from TOML only.
    let text = toml::to_string(declares).map_err(|error| refuse(error.to_string()))?;
    let authored: AuthoredDeclares = toml::from_str(&text).map_err(|error| refuse(table::problem(&error).message))?;
    authored.validate().map_err(|problems| {
        let all: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        refuse(all.join("; "))
    })
}
