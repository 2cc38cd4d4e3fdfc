//! The walk over a component's sections that comes before validation: header, truncation, nesting, counts, names.

use wasmparser::{BinaryReader, Chunk, ComponentExternalKind, ComponentType, ComponentTypeDeclaration, Encoding, Parser, Payload};

use super::{NAME_SHOWN_CHARS, validate::unreadable};
use crate::{Error, Result, plugin::text::visible};

/// Deepest nesting of components in components.
const COMPONENTS_MAX_DEPTH: usize = 32;
/// Most components and core modules inside one file.
const PARTS_MAX: usize = 1000;
/// Deepest nesting of instance types and component types in each other; the decoder recurses over them (A18).
const DECLARATIONS_MAX_DEPTH: usize = 32;
/// Most imports and most exports of the outermost component.
const NAMES_MAX: usize = 4096;

/// What stands on the outside of a component.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Names of its exports.
    pub(super) exports: Vec<String>,
    /// Names and kinds of its imports.
    pub(super) imports: Vec<(String, ComponentExternalKind)>,
}

/// Walks over the sections of `bytes`, skipping what is inside core modules.
///
/// # Errors
/// `invalid` for what is no component or ends too early, `limit` for nesting and counts.
pub(super) fn outline(bytes: &[u8]) -> Result<Outline> {
    header(bytes)?;
    let mut outline = Outline::default();
    let mut parents: Vec<Parser> = Vec::new();
    let mut parser = Parser::new(0);
    let (mut rest, mut parts) = (bytes, 0);
    loop {
        let (consumed, payload) = match parser.parse(rest, rest.is_empty()).map_err(|error| unreadable(&error))? {
            Chunk::NeedMoreData(_) if rest.is_empty() => continue,
            Chunk::NeedMoreData(_) => return Err(truncated(bytes.len())),
            Chunk::Parsed { consumed, payload } => (consumed, payload),
        };
        rest = rest.get(consumed..).ok_or_else(|| truncated(bytes.len()))?;
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                part(&mut parts)?;
                rest = rest.get(unchecked_range.len()..).ok_or_else(|| truncated(bytes.len()))?;
            }
            Payload::ComponentSection { parser: inner, unchecked_range } => {
                part(&mut parts)?;
                if unchecked_range.len() > rest.len() {
                    return Err(truncated(bytes.len()));
                }
                if parents.len() + 1 >= COMPONENTS_MAX_DEPTH {
                    return Err(Error::limit(format!("components are nested deeper than {COMPONENTS_MAX_DEPTH} levels in it")));
                }
                parents.push(std::mem::replace(&mut parser, inner));
            }
            Payload::End(_) => match parents.pop() {
                Some(parent) => parser = parent,
                None => return Ok(outline),
            },
            payload => section(&payload, bytes, parents.is_empty(), &mut outline)?,
        }
    }
}

/// What a single section adds; `outermost` when it belongs to the component itself.
fn section(payload: &Payload<'_>, bytes: &[u8], outermost: bool, outline: &mut Outline) -> Result<()> {
    match payload {
        Payload::ComponentTypeSection(section) => {
            let range = section.range();
            let body = bytes.get(range.clone()).ok_or_else(|| truncated(bytes.len()))?;
            declarations(BinaryReader::new(body, range.start))
        }
        Payload::ComponentImportSection(section) if outermost => {
            for import in section.clone() {
                let import = import.map_err(|error| unreadable(&error))?;
                outline.imports.push((import.name.name.to_owned(), import.ty.kind()));
                bounded(outline.imports.len(), "imports")?;
            }
            Ok(())
        }
        Payload::ComponentExportSection(section) if outermost => {
            for export in section.clone() {
                let export = export.map_err(|error| unreadable(&error))?;
                outline.exports.push(export.name.name.to_owned());
                bounded(outline.exports.len(), "exports")?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Walks over a section of types without recursion, so that the decoder may recurse over it afterwards.
fn declarations(mut reader: BinaryReader<'_>) -> Result<()> {
    // Each open list of declarations: how many are left in it.
    let mut open: Vec<u32> = Vec::new();
    let mut types = reader.read_var_u32().map_err(|error| unreadable(&error))?;
    loop {
        let declares = match open.last_mut() {
            Some(0) => {
                open.pop();
                continue;
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None if types == 0 => return Ok(()),
            None => {
                types -= 1;
                false
            }
        };
        if let Some(nested) = item(&mut reader, declares)? {
            if open.len() >= DECLARATIONS_MAX_DEPTH {
                return Err(Error::limit(format!("types are declared deeper than {DECLARATIONS_MAX_DEPTH} levels in it")));
            }
            open.push(nested);
        }
    }
}

/// Reads one type, or one declaration when `declares`; gives the number of declarations that follow if it opens a list of them.
fn item(reader: &mut BinaryReader<'_>, declares: bool) -> Result<Option<u32>> {
    let refuse = |error: wasmparser::Error| unreadable(&error);
    let mut ahead = reader.clone();
    if declares && ahead.read_u8().map_err(refuse)? != 0x01 {
        reader.read::<ComponentTypeDeclaration<'_>>().map_err(refuse)?;
        return Ok(None);
    }
    // A component type is 0x41 and an instance type 0x42, each with a list of declarations.
    let at_type = ahead.clone();
    if matches!(ahead.read_u8().map_err(refuse)?, 0x41 | 0x42) {
        let count = ahead.read_var_u32().map_err(refuse)?;
        *reader = ahead;
        return Ok(Some(count));
    }
    *reader = at_type;
    reader.read::<ComponentType<'_>>().map_err(refuse)?;
    Ok(None)
}

/// Refuses what does not start like a component.
fn header(bytes: &[u8]) -> Result<()> {
    const MAGIC: &[u8] = b"\0asm";
    if bytes.is_empty() {
        return Err(Error::invalid("the file is empty").hint("build the component again"));
    }
    let start = bytes.get(..bytes.len().min(MAGIC.len())).unwrap_or(bytes);
    if !MAGIC.starts_with(start) {
        return Err(foreign(bytes));
    }
    if bytes.len() < 8 {
        return Err(truncated(bytes.len()));
    }
    match Parser::new(0).parse(bytes, true).map_err(|error| unreadable(&error))? {
        Chunk::Parsed { payload: Payload::Version { encoding: Encoding::Module, .. }, .. } => {
            Err(Error::invalid("it is a core module, not a component")
                .hint("build for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"))
        }
        _ => Ok(()),
    }
}

/// Says what a file is that is not WebAssembly at all.
fn foreign(bytes: &[u8]) -> Error {
    let text = bytes.trim_ascii_start();
    let error = Error::invalid("it is not WebAssembly");
    if text.starts_with(b"(") || text.starts_with(b";;") {
        error.hint("it looks like the text format: convert it with `wasm-tools parse`")
    } else if text.starts_with(b"version https://git-lfs") {
        error.hint("it is a Git LFS pointer: fetch the file with `git lfs pull`")
    } else {
        let found = visible(&String::from_utf8_lossy(bytes.get(..8).unwrap_or(bytes)), NAME_SHOWN_CHARS);
        error.hint(format!("a component starts with `\\0asm`, this file with `{found}`: name a component built for `wasm32-wasip2`"))
    }
}

fn truncated(length: usize) -> Error {
    Error::invalid(format!("the file is truncated: it ends after {length} bytes, inside a section")).hint("copy or build it again")
}

fn part(parts: &mut usize) -> Result<()> {
    *parts += 1;
    if *parts > PARTS_MAX {
        return Err(Error::limit(format!("it holds more than {PARTS_MAX} components and modules")));
    }
    Ok(())
}

fn bounded(count: usize, what: &str) -> Result<()> {
    if count > NAMES_MAX {
        return Err(Error::limit(format!("it has more than {NAMES_MAX} {what}")));
    }
    Ok(())
}
