//! A component in the text format that gives back what it is given, whatever its type is.
//!
//! The value travels in a tuple with seventeen bytes more. So it has too many parts for parameters, both ways go through memory, and
//! one core function that returns its pointer serves every type.

use std::{collections::BTreeMap, fmt::Write as _};

use remit_core::plugin::{Definition, inspect, inspect::PlainFunction, schema};
use serde_json::{Value, json};
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker, Type, types::ComponentFunc, types::ComponentItem},
};

use crate::plugin::value::{Outcome, arguments, outcome};

const PADDING: usize = 17;

/// A type of the component model. Fields are named `f0`…, cases and flags `c0`….
#[derive(Debug, Clone)]
pub(super) enum Ty {
    Simple(&'static str),
    List(Box<Ty>),
    Fixed(Box<Ty>, u32),
    Map(&'static str, Box<Ty>),
    Tuple(Vec<Ty>),
    Record(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Enum(usize),
    Flags(usize),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
}

impl Ty {
    pub(super) fn has_map(&self) -> bool {
        match self {
            Self::Simple(_) | Self::Enum(_) | Self::Flags(_) => false,
            Self::Map(..) => true,
            Self::List(inner) | Self::Fixed(inner, _) | Self::Option(inner) => inner.has_map(),
            Self::Tuple(items) | Self::Record(items) => items.iter().any(Self::has_map),
            Self::Variant(cases) => cases.iter().flatten().any(Self::has_map),
            Self::Result(ok, err) => ok.iter().chain(err).any(|side| side.has_map()),
        }
    }

    /// Writes the types that need a name into `named`, and gives the text that refers to this one.
    fn text(&self, named: &mut Named) -> String {
        let labels = |count: usize| (0..count).map(|n| format!("\"c{n}\"")).collect::<Vec<_>>().join(" ");
        match self {
            Self::Simple(name) => (*name).to_owned(),
            Self::List(inner) => format!("(list {})", inner.text(named)),
            Self::Fixed(inner, length) => format!("(list {} {length})", inner.text(named)),
            Self::Map(key, value) => format!("(map {key} {})", value.text(named)),
            Self::Option(inner) => format!("(option {})", inner.text(named)),
            Self::Tuple(items) => format!("(tuple {})", items.iter().map(|item| item.text(named)).collect::<Vec<_>>().join(" ")),
            Self::Record(fields) => {
                let fields: Vec<_> =
                    fields.iter().enumerate().map(|(n, field)| format!("(field \"f{n}\" {})", field.text(named))).collect();
                named.add(&format!("(record {})", fields.join(" ")))
            }
            Self::Variant(cases) => {
                let payload = |case: &Option<Ty>, named: &mut Named| case.as_ref().map(|ty| ty.text(named)).unwrap_or_default();
                let cases: Vec<_> = cases.iter().enumerate().map(|(n, case)| format!("(case \"c{n}\" {})", payload(case, named))).collect();
                named.add(&format!("(variant {})", cases.join(" ")))
            }
            Self::Enum(count) => named.add(&format!("(enum {})", labels(*count))),
            Self::Flags(count) => named.add(&format!("(flags {})", labels(*count))),
            Self::Result(ok, err) => {
                let ok = ok.as_ref().map(|ty| ty.text(named)).unwrap_or_default();
                let err = err.as_ref().map(|ty| format!("(error {})", ty.text(named))).unwrap_or_default();
                format!("(result {ok} {err})")
            }
        }
    }
}

/// Types that have to be exported before a function may use them.
#[derive(Default)]
struct Named {
    text: String,
    count: usize,
}

impl Named {
    fn add(&mut self, definition: &str) -> String {
        let n = self.count;
        self.count += 1;
        write!(self.text, "(type $d{n} {definition}) (export $e{n} \"t{n}\" (type $d{n}))").expect("text grows");
        format!("$e{n}")
    }
}

const CORE: &str = r#"
(core module $m
  (memory (export "memory") 32)
  (global $top (mut i32) (i32.const 1024))
  (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "echo") (param i32) (result i32) (local.get 0)))
(core instance $i (instantiate $m))
"#;

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_map(true).wasm_component_model_fixed_length_lists(true);
    Engine::new(&config).expect("an engine")
}

fn function(component: &Component, name: &str) -> ComponentFunc {
    match component.component_type().get_export(component.engine(), name).expect("an export").ty {
        ComponentItem::ComponentFunc(function) => function,
        other => panic!("`{name}` is no function: {other:?}"),
    }
}

/// The type of a function that returns `ty`, which takes one `i32` or goes through memory; it cannot be called.
pub(super) fn function_returning(ty: &Ty) -> ComponentFunc {
    let mut named = Named::default();
    let result = ty.text(&mut named);
    let text = format!(
        r#"(component
          (core module $m (memory (export "memory") 1) (func (export "f") (result i32) unreachable))
          (core instance $i (instantiate $m))
          {} (func (export "f") (result {result}) (canon lift (core func $i "f") (memory $i "memory"))))"#,
        named.text
    );
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    function(&Component::new(&engine(), bytes).unwrap_or_else(|error| panic!("{error:?}: {text}")), "f")
}

/// One component.
pub(super) struct Echo {
    bytes: Vec<u8>,
    component: Component,
}

impl Echo {
    pub(super) fn new(ty: &Ty) -> Self {
        let mut named = Named::default();
        let inner = ty.text(&mut named);
        let tuple = format!("(tuple {inner} {})", vec!["u8"; PADDING].join(" "));
        let text = format!(
            r#"(component {CORE} {} (func (export "echo") (param "v" {tuple}) (result {tuple})
              (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc")))))"#,
            named.text
        );
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let component = Component::new(&engine(), &bytes).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        Self { bytes, component }
    }

    pub(super) fn function(&self) -> ComponentFunc {
        function(&self.component, "echo")
    }

    /// The type without its padding.
    pub(super) fn ty(&self) -> Type {
        match self.function().params().next().expect("a parameter").1 {
            Type::Tuple(tuple) => tuple.types().next().expect("an item"),
            other => panic!("no tuple: {other:?}"),
        }
    }

    pub(super) fn definition(&self) -> (Definition, PlainFunction) {
        let inspection = inspect::inspect(&self.bytes, &[]).expect("a component");
        let (tools, not_offered) = schema::definitions(&inspection, &BTreeMap::new(), &BTreeMap::new());
        assert!(not_offered.is_empty(), "{not_offered:?}");
        tools.into_iter().next().expect("a tool")
    }

    /// The arguments with `json` as the value.
    pub(super) fn arguments(&self, json: &Value) -> Value {
        let mut items = vec![json.clone()];
        items.extend(vec![json!(0); PADDING]);
        json!({ "v": items })
    }

    /// Calls the component with `json`, and gives the structured result.
    pub(super) fn outcome(&self, json: &Value) -> Value {
        let values = arguments(&self.arguments(json), &self.function()).expect("arguments");
        let mut store = Store::new(self.component.engine(), ());
        let instance = Linker::new(self.component.engine()).instantiate(&mut store, &self.component).expect("an instance");
        let echo = instance.get_func(&mut store, "echo").expect("a function");
        let mut results = vec![wasmtime::component::Val::Bool(false)];
        echo.call(&mut store, &values, &mut results).expect("a call");
        match outcome(&results, &self.function(), 1 << 22).expect("a result") {
            Outcome::Output(Some(json)) => json,
            other => panic!("no output: {other:?}"),
        }
    }

    /// The value that comes back for `json`.
    pub(super) fn call(&self, json: &Value) -> Option<Value> {
        self.outcome(json).pointer("/result/0").cloned()
    }
}
