mod echo;
mod random;

use proptest::prelude::*;
use remit_core::{Kind, plugin::schema};
use serde_json::{Value, json};
use wasmtime::component::Val;

use super::*;
use echo::{Echo, Ty};

fn echo(ty: Ty) -> Echo {
    Echo::new(&ty)
}

/// Takes `json` there and back through a component.
fn through(ty: Ty, json: Value) -> Value {
    echo(ty).call(&json).expect("a value that goes through")
}

fn refusal(ty: Ty, json: Value) -> String {
    from_json(&json, &echo(ty).ty()).expect_err("arguments that do not fit").message
}

#[test]
fn scalars_go_through_as_they_are() {
    for (ty, json) in [
        (Ty::Simple("bool"), json!(true)),
        (Ty::Simple("u8"), json!(255)),
        (Ty::Simple("s16"), json!(-32768)),
        (Ty::Simple("u64"), json!("18446744073709551615")),
        (Ty::Simple("u64"), json!(9_007_199_254_740_991_u64)),
        (Ty::Simple("s64"), json!("-9223372036854775808")),
        (Ty::Simple("f32"), json!(0.1)),
        (Ty::Simple("f64"), json!("NaN")),
        (Ty::Simple("f64"), json!("-Infinity")),
        (Ty::Simple("char"), json!("é")),
        (Ty::Simple("string"), json!("grüße \u{1f600}\n")),
    ] {
        assert_eq!(through(ty, json.clone()), json);
    }
}

#[test]
fn other_spellings_of_a_value_are_accepted() {
    assert_eq!(through(Ty::Simple("u64"), json!("7")), json!(7));
    assert_eq!(through(Ty::Simple("u64"), json!(18_446_744_073_709_551_615_u64)), json!("18446744073709551615"));
    assert_eq!(through(Ty::Simple("u8"), json!(3.0)), json!(3));
    assert_eq!(through(Ty::List(Box::new(Ty::Simple("u8"))), json!("aGk")), json!("aGk="));
    assert_eq!(through(Ty::Record(vec![Ty::Option(Box::new(Ty::Simple("bool")))]), json!({})), json!({ "f0": null }));
}

#[test]
fn compounds_go_through_as_the_table_says() {
    let nested = Ty::Option(Box::new(Ty::Option(Box::new(Ty::Simple("u8")))));
    let shape = Ty::Variant(vec![None, Some(Ty::Simple("u32"))]);
    let fallible = Ty::Result(None, Some(Box::new(Ty::Simple("string"))));
    for (ty, json) in [
        (nested.clone(), json!(null)),
        (nested.clone(), json!({ "some": null })),
        (nested, json!({ "some": 1 })),
        (shape.clone(), json!("c0")),
        (shape, json!({ "c1": 4 })),
        (fallible.clone(), json!("ok")),
        (fallible, json!({ "err": "no" })),
        (Ty::Flags(3), json!(["c0", "c2"])),
        (Ty::Enum(2), json!("c1")),
        (Ty::Tuple(vec![Ty::Simple("u8"), Ty::Simple("string")]), json!([1, "x"])),
        (Ty::Fixed(Box::new(Ty::Simple("u16")), 2), json!([1, 2])),
        (Ty::Fixed(Box::new(Ty::Simple("u8")), 2), json!("aGk=")),
        (Ty::Map("string", Box::new(Ty::Simple("bool"))), json!({ "a": true, "b": false })),
        (Ty::Map("u32", Box::new(Ty::Simple("bool"))), json!([[2, true], [1, false]])),
        (Ty::List(Box::new(Ty::Simple("string"))), json!(["a", ""])),
    ] {
        assert_eq!(through(ty, json.clone()), json);
    }
}

#[test]
fn errors_name_the_place_what_was_expected_and_what_was_found() {
    let items = Ty::Record(vec![Ty::List(Box::new(Ty::Record(vec![Ty::Simple("string")])))]);
    for (ty, json, message) in [
        (
            items.clone(),
            json!({ "f0": [{ "f0": "a" }, { "f0": 3 }] }),
            "invalid arguments: `f0[1].f0`: expected a string, found the number 3",
        ),
        (items.clone(), json!({}), "invalid arguments: `f0` is missing"),
        (items, json!({ "f0": [{ "f1": "a" }] }), "invalid arguments: `f0[0]`: `f1` is unknown, expected `f0`"),
        (Ty::Simple("u8"), json!(256), "invalid arguments: expected an integer that fits `u8`, found the number 256"),
        (Ty::Simple("u8"), json!("1"), "invalid arguments: expected an integer that fits `u8`, found the text `1`"),
        (
            Ty::Simple("s64"),
            json!("+1"),
            "invalid arguments: expected an integer, or a string of digits, that fits `s64`, found the text `+1`",
        ),
        (Ty::Simple("f32"), json!(1e300), "invalid arguments: expected a number that fits `f32`, found the number 1e+300"),
        (Ty::Simple("char"), json!("ab"), "invalid arguments: expected a string of one character, found the text `ab`"),
        (Ty::Enum(2), json!("x"), "invalid arguments: expected one of `c0`, `c1`, found the text `x`"),
        (Ty::Flags(2), json!(["c0", "c0"]), "invalid arguments: `[1]`: `c0` is named twice"),
        (
            Ty::Variant(vec![None, Some(Ty::Simple("u8"))]),
            json!("c1"),
            "invalid arguments: expected one of \"c0\", {\"c1\": …}, found the text `c1`",
        ),
        (Ty::Fixed(Box::new(Ty::Simple("u16")), 2), json!([1]), "invalid arguments: expected 2 items, found 1"),
        (Ty::Simple("bool"), json!("\u{1b}[31m"), "invalid arguments: expected true or false, found the text `\\u{1b}[31m`"),
    ] {
        assert_eq!(refusal(ty, json), message);
    }
    assert!(refusal(Ty::List(Box::new(Ty::Simple("u8"))), json!("*")).contains("base64"));
}

#[test]
fn arguments_go_by_the_names_of_parameters() {
    let echo = echo(Ty::Simple("u8"));
    let function = echo.function();
    let error = |json: Value| arguments(&json, &function).expect_err("arguments that do not fit").message;
    assert_eq!(error(json!({ "w": 1 })), "invalid arguments: `w` is unknown, expected `v`");
    assert_eq!(error(json!({})), "invalid arguments: `v` is missing");
    assert_eq!(error(json!([1])), "invalid arguments: expected an object with the arguments, found an array of 1 items");
}

#[test]
fn too_many_values_are_refused_before_they_are_made() {
    let bytes = "A".repeat(limit::ARGUMENT_VALUES_MAX / 3 * 4 + 8);
    let error = from_json(&json!(bytes), &echo(Ty::List(Box::new(Ty::Simple("u8")))).ty()).expect_err("too many");
    assert_eq!(error.kind, Kind::Limit);
}

#[test]
fn a_result_stops_at_its_bound() {
    let list = echo(Ty::List(Box::new(Ty::Simple("u16"))));
    let value = Val::List(vec![Val::U16(10); 1000]);
    let whole = to_json(&value, &list.ty(), 1 << 20).expect("within the bound").to_string();
    assert!(to_json(&value, &list.ty(), whole.len() + 1).is_ok());
    assert_eq!(to_json(&value, &list.ty(), whole.len() - 2).expect_err("over the bound").kind, Kind::Limit);
    let text = echo(Ty::Simple("string"));
    let control = Val::String("\u{1}".repeat(100));
    assert_eq!(to_json(&control, &text.ty(), 400).expect_err("escapes count").kind, Kind::Limit);
    let bytes = echo(Ty::List(Box::new(Ty::Simple("u8"))));
    assert!(to_json(&Val::List(vec![Val::U8(0); 300]), &bytes.ty(), 402).is_ok());
    assert!(to_json(&Val::List(vec![Val::U8(0); 301]), &bytes.ty(), 402).is_err());
}

#[test]
fn the_error_side_of_a_result_is_a_failure() {
    let fallible = |ok: Option<Ty>, error: Option<Ty>| echo::function_returning(&Ty::Result(ok.map(Box::new), error.map(Box::new)));
    let text = fallible(Some(Ty::Simple("u8")), Some(Ty::Simple("string")));
    let failed = [Val::Result(Err(Some(Box::new(Val::String("no \u{1b}[1mway".into())))))];
    assert_eq!(outcome(&failed, &text, 1024), Ok(Outcome::Failure("no \\u{1b}[1mway".into())));
    let done = [Val::Result(Ok(Some(Box::new(Val::U8(3)))))];
    assert_eq!(outcome(&done, &text, 1024), Ok(Outcome::Output(Some(json!({ "result": 3 })))));
    let record = fallible(None, Some(Ty::Record(vec![Ty::Simple("u8")])));
    let failed = [Val::Result(Err(Some(Box::new(Val::Record(vec![("f0".into(), Val::U8(1))])))))];
    assert_eq!(outcome(&failed, &record, 1024), Ok(Outcome::Failure("{\"f0\":1}".into())));
    assert_eq!(outcome(&[Val::Result(Ok(None))], &record, 1024), Ok(Outcome::Output(None)));
    let plain = echo::function_returning(&Ty::Record(vec![Ty::Simple("u8")]));
    assert_eq!(outcome(&[Val::Record(vec![("f0".into(), Val::U8(1))])], &plain, 1024), Ok(Outcome::Output(Some(json!({ "f0": 1 })))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// What a component gives back is what it was given, fits the schemas, and means the same value.
    #[test]
    fn any_value_round_trips_and_fits_its_schema((ty, value) in random::typed_value()) {
        let echo = Echo::new(&ty);
        let json = to_json(&value, &echo.ty(), 1 << 20).expect("a value of the type");
        let again = from_json(&json, &echo.ty()).expect("JSON of the type");
        if !ty.has_map() {
            prop_assert_eq!(&again, &value);
        }
        prop_assert_eq!(to_json(&again, &echo.ty(), 1 << 20).expect("a value of the type"), json.clone());
        let (arguments, result) = (echo.arguments(&json), echo.outcome(&json));
        prop_assert_eq!(&result, &json!({ schema::RESULT: arguments["v"] }));
        let (definition, _) = echo.definition();
        prop_assert!(jsonschema::draft202012::is_valid(&definition.input_schema, &arguments), "{} {}", definition.input_schema, arguments);
        let output = definition.output_schema.expect("a result");
        prop_assert!(jsonschema::draft202012::is_valid(&output, &result), "{} {}", output, result);
        prop_assert!(jsonschema::draft202012::meta::is_valid(&output), "{}", output);
    }
}
