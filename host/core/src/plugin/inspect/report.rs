//! The exported functions of a plain component.

use wasmparser::{
    component_types::{ComponentEntityType, ComponentFuncType},
    types::TypesRef,
};

use super::{
    NAME_SHOWN_CHARS, NotOffered, PlainFunction,
    shape::{Param, Reason, Shaper},
};
use crate::{Error, Result, limit, plugin::text::visible};

/// Types of all functions together, as [`limit::SCHEMA_MAX_BYTES`] is for one of them.
const TYPES_MAX_BYTES: usize = 2 << 20;
/// Most exported functions that are looked at.
const FUNCTIONS_MAX: usize = 4096;

/// What was found, before names of tools are given.
#[derive(Default)]
pub(super) struct Found {
    pub(super) functions: Vec<PlainFunction>,
    pub(super) not_offered: Vec<NotOffered>,
}

impl Found {
    /// Lists a function as not offered.
    pub(super) fn refuse(&mut self, interface: Option<&str>, function: &str, reason: impl Into<String>) {
        let name = match interface {
            Some(interface) => format!("{}#{}", visible(interface, NAME_SHOWN_CHARS), visible(function, NAME_SHOWN_CHARS)),
            None => visible(function, NAME_SHOWN_CHARS),
        };
        self.not_offered.push(NotOffered { name, reason: reason.into() });
    }
}

/// Collects the functions of `exports`, those of the platform's own interfaces left out.
///
/// # Errors
/// `limit` for more than [`FUNCTIONS_MAX`] functions.
pub(super) fn functions(types: TypesRef<'_>, exports: &[String]) -> Result<Found> {
    let mut walk = Walk { types, left: TYPES_MAX_BYTES, found: Found::default() };
    for export in exports.iter().filter(|name| !name.starts_with("wasi:") && !name.starts_with("remit:")) {
        match types.component_item_for_export(export).map(|item| item.ty) {
            Some(ComponentEntityType::Func(id)) => walk.function(None, export, types.get(id))?,
            Some(ComponentEntityType::Instance(id)) => {
                for (name, item) in types.get(id).iter().flat_map(|instance| &instance.exports) {
                    if let ComponentEntityType::Func(id) = item.ty {
                        walk.function(Some(export), name, types.get(id))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    types: TypesRef<'a>,
    /// What is left of [`TYPES_MAX_BYTES`].
    left: usize,
    found: Found,
}

impl Walk<'_> {
    fn function(&mut self, interface: Option<&str>, name: &str, ty: Option<&ComponentFuncType>) -> Result<()> {
        if self.found.functions.len() + self.found.not_offered.len() >= FUNCTIONS_MAX {
            return Err(Error::limit(format!("it exports more than {FUNCTIONS_MAX} functions")));
        }
        match self.offered(interface, name, ty) {
            Ok(function) => self.found.functions.push(function),
            Err(reason) => self.found.refuse(interface, name, reason),
        }
        Ok(())
    }

    fn offered(&mut self, interface: Option<&str>, name: &str, ty: Option<&ComponentFuncType>) -> Result<PlainFunction, Reason> {
        let ty = ty.ok_or("its type cannot be resolved")?;
        if is_plumbing(interface, name) {
            return Err("it sets up the language runtime".into());
        }
        if name.starts_with('[') {
            return Err("it belongs to a resource".into());
        }
        if self.found.functions.len() >= limit::TOOLS_MAX {
            return Err(format!("a plugin offers at most {} tools", limit::TOOLS_MAX));
        }
        if ty.async_ {
            return Err("it is async".into());
        }
        let mut shaper = Shaper::new(self.types, self.left);
        let before = shaper.left();
        let params = ty.params.iter().map(|(name, ty)| Ok(Param { name: shaper.name(name)?, shape: shaper.shape(*ty)? }));
        let params = params.collect::<Result<Vec<_>, Reason>>()?;
        let result = ty.result.map(|ty| shaper.shape(ty)).transpose()?;
        self.left -= before - shaper.left();
        Ok(PlainFunction { interface: interface.map(str::to_owned), function: name.to_owned(), tool: String::new(), params, result })
    }
}

/// Exports that language toolchains add for themselves.
fn is_plumbing(interface: Option<&str>, function: &str) -> bool {
    match interface {
        // componentize-py: `export exports: interface { init: … }`.
        Some(interface) => interface == "exports" && function == "init",
        // jco with QuickJS.
        None => function == "init",
    }
}
