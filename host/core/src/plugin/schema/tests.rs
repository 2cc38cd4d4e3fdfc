use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::plugin::inspect::{Param, inspect};

const U32: Shape = Shape::Integer { signed: false, bits: 32 };

fn function(params: Vec<(&str, Shape)>, result: Option<Shape>) -> PlainFunction {
    let params = params.into_iter().map(|(name, shape)| Param { name: name.into(), shape }).collect();
    PlainFunction { interface: None, function: "f".into(), tool: "f".into(), params, result }
}

fn of(shape: Shape) -> Value {
    types::schema(&shape)
}

fn accepts(schema: &Value, value: &Value) -> bool {
    jsonschema::draft202012::is_valid(schema, value)
}

#[test]
fn arguments_are_an_object_that_leaves_options_out() {
    let schema = input(&function(vec![("n", U32), ("note", Shape::Option(Box::new(Shape::String)))], None));
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "properties": { "n": { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 }, "note": { "type": ["string", "null"] } },
            "required": ["n"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn a_result_that_is_no_object_is_wrapped() {
    let wrapped = output(&function(vec![], Some(Shape::Bool)));
    assert_eq!(wrapped.as_ref().and_then(|schema| schema.pointer("/properties/result/type")), Some(&json!("boolean")));
    let record = output(&function(vec![], Some(Shape::Record(vec![("a".into(), Shape::Bool)]))));
    assert_eq!(record.as_ref().and_then(|schema| schema.pointer("/properties/a/type")), Some(&json!("boolean")));
    let fallible = Shape::Result(Some(Box::new(Shape::Char)), Some(Box::new(Shape::String)));
    let ok = output(&function(vec![], Some(fallible)));
    assert_eq!(ok.as_ref().and_then(|schema| schema.pointer("/properties/result/maxLength")), Some(&json!(1)));
    assert_eq!(output(&function(vec![], Some(Shape::Result(None, None)))), None);
    assert_eq!(output(&function(vec![], None)), None);
}

#[test]
fn sixty_four_bits_are_a_number_or_digits() {
    let schema = of(Shape::Integer { signed: false, bits: 64 });
    assert!(accepts(&schema, &json!(7)) && accepts(&schema, &json!("18446744073709551615")));
    assert!(!accepts(&schema, &json!(-1)) && !accepts(&schema, &json!("-1")) && !accepts(&schema, &json!("x")));
    assert!(accepts(&of(Shape::Integer { signed: true, bits: 64 }), &json!("-9223372036854775808")));
}

#[test]
fn a_variant_is_its_name_or_an_object_with_its_name() {
    let schema = of(Shape::Variant(vec![("none".into(), None), ("circle".into(), Some(U32)), ("text".into(), Some(Shape::String))]));
    assert!(accepts(&schema, &json!("none")) && accepts(&schema, &json!({ "circle": 2 })));
    assert!(!accepts(&schema, &json!("circle")) && !accepts(&schema, &json!({ "none": null })));
    assert!(!accepts(&schema, &json!({ "circle": 2, "text": "x" })));
}

#[test]
fn nested_options_are_told_apart() {
    let schema = of(Shape::Option(Box::new(Shape::Option(Box::new(Shape::Bool)))));
    for value in [json!(null), json!({ "some": null }), json!({ "some": true })] {
        assert!(accepts(&schema, &value), "{value}");
    }
    assert!(!accepts(&schema, &json!(true)));
    let choice = of(Shape::Option(Box::new(Shape::Enum(vec!["a".into()]))));
    assert!(accepts(&choice, &json!(null)) && accepts(&choice, &json!("a")) && !accepts(&choice, &json!("b")));
}

#[test]
fn sequences_state_their_length() {
    let pair = of(Shape::Tuple(vec![U32, Shape::String]));
    assert!(accepts(&pair, &json!([1, "x"])) && !accepts(&pair, &json!([1])) && !accepts(&pair, &json!([1, "x", 2])));
    let three = of(Shape::FixedList(Box::new(U32), 3));
    assert!(accepts(&three, &json!([1, 2, 3])) && !accepts(&three, &json!([1, 2])));
    let bytes = of(Shape::List(Box::new(Shape::Integer { signed: false, bits: 8 })));
    assert_eq!(bytes, json!({ "type": "string", "contentEncoding": "base64" }));
    let flags = of(Shape::Flags(vec!["a".into(), "b".into()]));
    assert!(accepts(&flags, &json!(["b"])) && accepts(&flags, &json!([])) && !accepts(&flags, &json!(["a", "a"])));
}

#[test]
fn maps_with_text_keys_are_objects() {
    let text = of(Shape::Map(Box::new(Shape::String), Box::new(U32)));
    assert!(accepts(&text, &json!({ "a": 1 })) && !accepts(&text, &json!({ "a": "x" })));
    let other = of(Shape::Map(Box::new(U32), Box::new(Shape::Bool)));
    assert!(accepts(&other, &json!([[1, true]])) && !accepts(&other, &json!({ "1": true })));
}

#[test]
fn a_schema_over_its_bounds_is_not_offered() {
    let mut deep = Shape::Bool;
    for _ in 0..40 {
        deep = Shape::Variant(vec![("a".into(), Some(deep)), ("b".into(), None)]);
    }
    assert!(too_large(&of(deep)).is_some_and(|reason| reason.contains("deeper")));
    let wide = Shape::Enum((0..20_000).map(|n| format!("some-long-name-{n}")).collect());
    assert!(too_large(&of(wide)).is_some_and(|reason| reason.contains("larger")));
    assert_eq!(too_large(&of(Shape::List(Box::new(U32)))), None);
}

#[test]
fn definitions_take_descriptions_and_effects_by_name() {
    let bytes = wat::parse_str(crate::plugin::inspect::tests::CALC).expect("a fixture in the text format");
    let inspection = inspect(&bytes, &[]).expect("a component");
    let descriptions = BTreeMap::from([("ops_add".to_owned(), "Adds two numbers".to_owned())]);
    let effects = BTreeMap::from([("ops_add".to_owned(), Effect::Read)]);
    let (tools, _) = definitions(&inspection, &descriptions, &effects);
    let (add, function) = tools.first().expect("a tool");
    assert_eq!((add.name.as_str(), add.description.as_str(), add.effect), ("ops_add", "Adds two numbers", Effect::Read));
    assert_eq!(function.interface.as_deref(), Some("docs:calc/ops@0.1.0"));
    let (tools, _) = definitions(&inspection, &BTreeMap::new(), &BTreeMap::new());
    let (add, _) = tools.first().expect("a tool");
    assert_eq!((add.description.as_str(), add.effect), ("Calls `add` of `docs:calc/ops@0.1.0`: add(a: u32, b: u32) -> u32", Effect::Once));
}
