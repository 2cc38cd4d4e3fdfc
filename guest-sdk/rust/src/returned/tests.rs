use std::collections::BTreeMap;

use serde_json::json;

use crate::{Content, Context, Effect, ErrorKind, testing};

use super::*;

/// Two numbers.
#[remit::data]
struct Pair {
    a: u32,
    b: Option<i64>,
}

/// Adds. And more.
#[remit::tool(read, title = "Add", name = "add-up")]
fn add(args: Pair, context: &Context) -> Result<Json<BTreeMap<String, u32>>> {
    let b = u32::try_from(args.b.unwrap_or(0))?;
    Ok(Json(BTreeMap::from([(context.principal.clone(), args.a + b)])))
}

/// Gives a number.
#[remit::tool]
fn number() -> u8 {
    7
}

/// Gives text.
#[remit::tool(idempotent)]
fn text() -> &'static str {
    "seven"
}

/// Gives nothing, and may fail with any error.
#[remit::tool]
fn nothing(context: &Context, args: Pair) -> std::result::Result<(), std::num::TryFromIntError> {
    assert_eq!(context.project, "test");
    u8::try_from(args.a).map(drop)
}

/// Gives whatever it likes.
#[remit::tool]
fn anything() -> serde_json::Value {
    json!([1, 2])
}

mod other {
    /// Stands elsewhere.
    #[remit::tool(read)]
    pub fn elsewhere() -> crate::Output {
        crate::Output::default().with(crate::Content::Text("here".into()))
    }
}

remit::plugin!(add, number, text, nothing, anything, other::elsewhere);

#[test]
fn a_map_is_data_with_a_schema() {
    let output = testing::call::<add>(json!({ "a": 1, "b": 2 })).unwrap();
    assert_eq!(output.structured, Some(json!({ "user:test": 3 })));
    assert_eq!(output.content, [Content::Text(r#"{"user:test":3}"#.into())]);
    let definition = testing::definition::<add>();
    assert_eq!((definition.name, definition.title, definition.description), ("add-up", Some("Add"), "Adds. And more."));
    assert_eq!(definition.output_schema.unwrap()["type"], "object");
    assert_eq!(definition.effect, Effect::Read);
}

#[test]
fn what_is_no_object_stands_under_result_in_schema_and_data() {
    let schema = testing::definition::<number>().output_schema.unwrap();
    assert_eq!(schema["properties"]["result"], json!({ "type": "integer", "minimum": 0, "maximum": 255 }));
    assert_eq!(testing::call::<number>(json!({})).unwrap().structured, Some(json!({ "result": 7 })));
    assert_eq!(testing::definition::<anything>().output_schema, None);
    assert_eq!(testing::call::<anything>(json!({})).unwrap().structured, Some(json!({ "result": [1, 2] })));
}

#[test]
fn text_nothing_and_own_outputs_have_no_schema() {
    assert_eq!(testing::call::<text>(json!({})).unwrap(), Output::text("seven"));
    assert_eq!(testing::definition::<text>().output_schema, None);
    assert_eq!(testing::call::<nothing>(json!({ "a": 1 })).unwrap(), Output::default());
    assert_eq!(testing::call::<other::elsewhere>(json!({})).unwrap(), Output::text("here"));
}

#[test]
fn errors_of_any_type_are_answers() {
    assert_eq!(testing::call::<nothing>(json!({ "a": 256 })).unwrap_err().kind(), ErrorKind::Failed);
    let error = testing::call::<add>(json!({ "a": -1 })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert!(error.message().contains("-1"), "{error}");
    let error = crate::tool::dispatch::<__RemitPlugin>("absent", "{}").unwrap_err();
    assert!(error.message().contains("`absent`"), "{error}");
}
