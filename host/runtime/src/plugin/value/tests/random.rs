//! Random types with a value of each.

use proptest::{prelude::*, sample::subsequence};
use wasmtime::component::Val;

use super::echo::Ty;

/// A type and a value of it.
pub(super) fn typed_value() -> impl Strategy<Value = (Ty, Val)> {
    ty().prop_flat_map(|ty| {
        let values = value(&ty);
        (Just(ty), values)
    })
}

fn ty() -> impl Strategy<Value = Ty> {
    let simple = ["bool", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "char", "string"];
    let leaf = prop_oneof![
        6 => proptest::sample::select(simple.to_vec()).prop_map(Ty::Simple),
        1 => (1..5_usize).prop_map(Ty::Enum),
        1 => (1..33_usize).prop_map(Ty::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Ty::List),
            (boxed.clone(), 1..5_u32).prop_map(|(ty, length)| Ty::Fixed(ty, length)),
            (proptest::sample::select(vec!["string", "u32", "char"]), boxed.clone()).prop_map(|(key, ty)| Ty::Map(key, ty)),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Ty::Tuple),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Ty::Record),
            proptest::collection::vec(proptest::option::of(inner.clone()), 1..4).prop_map(Ty::Variant),
            boxed.clone().prop_map(Ty::Option),
            (proptest::option::of(boxed.clone()), proptest::option::of(boxed)).prop_map(|(ok, err)| Ty::Result(ok, err)),
        ]
    })
}

fn value(ty: &Ty) -> BoxedStrategy<Val> {
    let vec = |ty: &Ty, length: std::ops::Range<usize>| proptest::collection::vec(value(ty), length);
    match ty {
        Ty::Simple(name) => simple(name),
        Ty::List(inner) => vec(inner, 0..4).prop_map(Val::List).boxed(),
        Ty::Fixed(inner, length) => vec(inner, *length as usize..*length as usize + 1).prop_map(Val::FixedLengthList).boxed(),
        Ty::Map(key, inner) => {
            let keys = proptest::collection::hash_map("[a-z]{0,3}", value(inner), 0..4);
            let key = *key;
            keys.prop_map(move |entries| {
                Val::Map(entries.into_iter().enumerate().map(|(n, (text, value))| (map_key(key, n, text), value)).collect())
            })
            .boxed()
        }
        Ty::Tuple(items) => items.iter().map(value).collect::<Vec<_>>().prop_map(Val::Tuple).boxed(),
        Ty::Record(fields) => {
            let fields = fields.iter().map(value).collect::<Vec<_>>();
            fields
                .prop_map(|values| Val::Record(values.into_iter().enumerate().map(|(n, value)| (format!("f{n}"), value)).collect()))
                .boxed()
        }
        Ty::Variant(cases) => {
            let cases: Vec<_> = cases
                .iter()
                .enumerate()
                .map(|(n, case)| payload(case.as_ref()).prop_map(move |value| Val::Variant(format!("c{n}"), value)).boxed())
                .collect();
            proptest::strategy::Union::new(cases).boxed()
        }
        Ty::Enum(count) => (0..*count).prop_map(|n| Val::Enum(format!("c{n}"))).boxed(),
        Ty::Flags(count) => {
            let names: Vec<_> = (0..*count).map(|n| format!("c{n}")).collect();
            subsequence(names, 0..=*count).prop_map(Val::Flags).boxed()
        }
        Ty::Option(inner) => proptest::option::of(value(inner)).prop_map(|value| Val::Option(value.map(Box::new))).boxed(),
        Ty::Result(ok, err) => {
            let ok = payload(ok.as_deref()).prop_map(|value| Val::Result(Ok(value)));
            prop_oneof![ok, payload(err.as_deref()).prop_map(|value| Val::Result(Err(value)))].boxed()
        }
    }
}

fn payload(ty: Option<&Ty>) -> BoxedStrategy<Option<Box<Val>>> {
    match ty {
        Some(ty) => value(ty).prop_map(|value| Some(Box::new(value))).boxed(),
        None => Just(None).boxed(),
    }
}

fn map_key(key: &str, n: usize, text: String) -> Val {
    match key {
        "string" => Val::String(text),
        "u32" => Val::U32(n as u32),
        _ => Val::Char(char::from(b'a' + n as u8)),
    }
}

fn simple(name: &str) -> BoxedStrategy<Val> {
    match name {
        "bool" => any::<bool>().prop_map(Val::Bool).boxed(),
        "u8" => any::<u8>().prop_map(Val::U8).boxed(),
        "s8" => any::<i8>().prop_map(Val::S8).boxed(),
        "u16" => any::<u16>().prop_map(Val::U16).boxed(),
        "s16" => any::<i16>().prop_map(Val::S16).boxed(),
        "u32" => any::<u32>().prop_map(Val::U32).boxed(),
        "s32" => any::<i32>().prop_map(Val::S32).boxed(),
        "u64" => any::<u64>().prop_map(Val::U64).boxed(),
        "s64" => any::<i64>().prop_map(Val::S64).boxed(),
        "f32" => proptest::num::f32::ANY.prop_map(Val::Float32).boxed(),
        "f64" => proptest::num::f64::ANY.prop_map(Val::Float64).boxed(),
        "char" => any::<char>().prop_map(Val::Char).boxed(),
        _ => any::<String>().prop_map(Val::String).boxed(),
    }
}
