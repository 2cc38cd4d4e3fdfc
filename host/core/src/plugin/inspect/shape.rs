//! The types of plain functions as a tree of their own.

use std::fmt;

use wasmparser::{
    PrimitiveValType,
    component_types::{ComponentDefinedType, ComponentValType},
    types::TypesRef,
};

use crate::limit;

/// Deepest nesting of a type; JSON of it stays within [`limit::JSON_MAX_DEPTH`].
const TYPE_MAX_DEPTH: usize = 64;
/// What one node of a tree counts against [`limit::SCHEMA_MAX_BYTES`], beside its names: less than its schema takes.
const NODE_BYTES: usize = 16;

/// A parameter of a plain function.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name in the interface, also in the arguments.
    pub name: String,
    /// Its type.
    pub shape: Shape,
}

/// A type of the component model that a plain value has: no handle, no stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// `bool`.
    Bool,
    /// `u8` to `u64`, `s8` to `s64`.
    Integer {
        /// Whether it may be negative.
        signed: bool,
        /// 8, 16, 32 or 64.
        bits: u8,
    },
    /// `f32`, `f64`.
    Float {
        /// 32 or 64.
        bits: u8,
    },
    /// `char`.
    Char,
    /// `string`.
    String,
    /// `list<T>`.
    List(Box<Shape>),
    /// `list<T, N>`.
    FixedList(Box<Shape>, u32),
    /// `map<K, V>`.
    Map(Box<Shape>, Box<Shape>),
    /// `tuple<…>`.
    Tuple(Vec<Shape>),
    /// Named fields.
    Record(Vec<(String, Shape)>),
    /// Named cases, with or without a payload.
    Variant(Vec<(String, Option<Shape>)>),
    /// Named cases without payloads.
    Enum(Vec<String>),
    /// Names, each set or not.
    Flags(Vec<String>),
    /// `option<T>`.
    Option(Box<Shape>),
    /// `result<T, E>`.
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
}

impl Shape {
    /// Whether it is a byte, lists of which are written in base64.
    pub fn is_byte(&self) -> bool {
        *self == Self::Integer { signed: false, bits: 8 }
    }
}

/// Turns the validator's types into trees, within a budget of bytes.
pub(super) struct Shaper<'a> {
    types: TypesRef<'a>,
    left: usize,
}

/// Why a type has no shape.
pub(super) type Reason = String;

impl<'a> Shaper<'a> {
    /// A shaper that gives up after `bytes` of types.
    pub(super) fn new(types: TypesRef<'a>, bytes: usize) -> Self {
        Self { types, left: bytes.min(limit::SCHEMA_MAX_BYTES) }
    }

    /// What is left of the budget.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Counts a name.
    pub(super) fn name(&mut self, name: &str) -> Result<String, Reason> {
        self.spend(name.len())?;
        Ok(name.to_owned())
    }

    /// The tree of `ty`.
    pub(super) fn shape(&mut self, ty: ComponentValType) -> Result<Shape, Reason> {
        self.at(ty, 0)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Reason> {
        self.left = self.left.checked_sub(bytes).ok_or("its types are too large")?;
        Ok(())
    }

    fn at(&mut self, ty: ComponentValType, depth: usize) -> Result<Shape, Reason> {
        self.spend(NODE_BYTES)?;
        if depth >= TYPE_MAX_DEPTH {
            return Err(format!("its types are nested deeper than {TYPE_MAX_DEPTH} levels"));
        }
        let id = match ty {
            ComponentValType::Primitive(primitive) => return simple(primitive),
            ComponentValType::Type(id) => id,
        };
        let types = self.types;
        let defined = types.get(id).ok_or("its types cannot be resolved")?;
        self.defined(defined, depth + 1)
    }

    fn defined(&mut self, defined: &ComponentDefinedType, depth: usize) -> Result<Shape, Reason> {
        Ok(match defined {
            ComponentDefinedType::Primitive(primitive) => simple(*primitive)?,
            ComponentDefinedType::List { element, .. } => Shape::List(Box::new(self.at(*element, depth)?)),
            ComponentDefinedType::FixedLengthList { element, length, .. } => Shape::FixedList(Box::new(self.at(*element, depth)?), *length),
            ComponentDefinedType::Map { key, value, .. } => Shape::Map(Box::new(self.at(*key, depth)?), Box::new(self.at(*value, depth)?)),
            ComponentDefinedType::Option { ty, .. } => Shape::Option(Box::new(self.at(*ty, depth)?)),
            ComponentDefinedType::Result { ok, err, .. } => {
                Shape::Result(self.maybe(*ok, depth)?.map(Box::new), self.maybe(*err, depth)?.map(Box::new))
            }
            ComponentDefinedType::Tuple(tuple) => Shape::Tuple(tuple.types.iter().map(|ty| self.at(*ty, depth)).collect::<Result<_, _>>()?),
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| Ok((self.name(name)?, self.at(*ty, depth)?)));
                Shape::Record(fields.collect::<Result<_, Reason>>()?)
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| Ok((self.label(name)?, self.maybe(case.ty, depth)?)));
                Shape::Variant(cases.collect::<Result<_, Reason>>()?)
            }
            ComponentDefinedType::Enum(names) => Shape::Enum(names.iter().map(|name| self.label(name)).collect::<Result<_, _>>()?),
            ComponentDefinedType::Flags(names) => Shape::Flags(names.iter().map(|name| self.label(name)).collect::<Result<_, _>>()?),
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => return Err("it takes or gives a resource".into()),
            ComponentDefinedType::Stream { .. } => return Err("it takes or gives a stream".into()),
            ComponentDefinedType::Future { .. } => return Err("it takes or gives a future".into()),
        })
    }

    fn maybe(&mut self, ty: Option<ComponentValType>, depth: usize) -> Result<Option<Shape>, Reason> {
        ty.map(|ty| self.at(ty, depth)).transpose()
    }

    /// A name that stands for a value: it counts like a node.
    fn label(&mut self, name: &str) -> Result<String, Reason> {
        self.spend(NODE_BYTES)?;
        self.name(name)
    }
}

fn simple(primitive: PrimitiveValType) -> Result<Shape, Reason> {
    let unsigned = |bits| Shape::Integer { signed: false, bits };
    let signed = |bits| Shape::Integer { signed: true, bits };
    Ok(match primitive {
        PrimitiveValType::Bool => Shape::Bool,
        PrimitiveValType::U8 => unsigned(8),
        PrimitiveValType::U16 => unsigned(16),
        PrimitiveValType::U32 => unsigned(32),
        PrimitiveValType::U64 => unsigned(64),
        PrimitiveValType::S8 => signed(8),
        PrimitiveValType::S16 => signed(16),
        PrimitiveValType::S32 => signed(32),
        PrimitiveValType::S64 => signed(64),
        PrimitiveValType::F32 => Shape::Float { bits: 32 },
        PrimitiveValType::F64 => Shape::Float { bits: 64 },
        PrimitiveValType::Char => Shape::Char,
        PrimitiveValType::String => Shape::String,
        PrimitiveValType::ErrorContext => return Err("it takes or gives an error context".into()),
    })
}

impl fmt::Display for Shape {
    /// As it would stand in WIT, its named types spelt out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Integer { signed, bits } => write!(f, "{}{bits}", if *signed { 's' } else { 'u' }),
            Self::Float { bits } => write!(f, "f{bits}"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::FixedList(element, length) => write!(f, "list<{element}, {length}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Tuple(items) => {
                f.write_str("tuple<")?;
                separated(f, items, |f, item| item.fmt(f))?;
                f.write_str(">")
            }
            Self::Record(fields) => {
                f.write_str("record { ")?;
                separated(f, fields, |f, (name, shape)| write!(f, "{name}: {shape}"))?;
                f.write_str(" }")
            }
            Self::Variant(cases) => {
                f.write_str("variant { ")?;
                separated(f, cases, |f, (name, payload)| match payload {
                    Some(payload) => write!(f, "{name}({payload})"),
                    None => f.write_str(name),
                })?;
                f.write_str(" }")
            }
            Self::Enum(names) => write!(f, "enum {{ {} }}", names.join(", ")),
            Self::Flags(names) => write!(f, "flags {{ {} }}", names.join(", ")),
            Self::Result(ok, err) => {
                let shown = |side: &Option<Box<Self>>| side.as_ref().map_or("_".to_owned(), ToString::to_string);
                write!(f, "result<{}, {}>", shown(ok), shown(err))
            }
        }
    }
}

fn separated<T>(f: &mut fmt::Formatter<'_>, items: &[T], show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        show(f, item)?;
    }
    Ok(())
}
