use super::*;
use crate::error::Kind as ErrorKind;

/// One interface with a function on integers.
pub(in crate::plugin) const CALC: &str = r#"
(component
  (core module $m (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
  (core instance $i (instantiate $m))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (instance $ops (export "add" (func $add)))
  (export "docs:calc/ops@0.1.0" (instance $ops)))
"#;

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a fixture in the text format")
}

fn refused(bytes: &[u8]) -> Error {
    inspect(bytes, &[]).expect_err("the file is refused")
}

/// A component of bare functions `(name, parameters and result, core type)`; none of them can be called.
fn bare(exports: &str) -> String {
    format!(
        r#"(component
          (core module $m (func (export "f") unreachable) (func (export "g") (param i32) unreachable))
          (core instance $i (instantiate $m))
          (func $f (canon lift (core func $i "f")))
          (func $g (param "n" u32) (canon lift (core func $i "g")))
          {exports})"#
    )
}

#[test]
fn a_plain_component_lists_its_functions() {
    let found = inspect(&component(CALC), &[]).expect("a component");
    assert_eq!((found.kind, found.exports.as_slice()), (Kind::Plain, ["docs:calc/ops@0.1.0".to_owned()].as_slice()));
    let function = found.functions.first().expect("a function");
    assert_eq!((function.tool.as_str(), function.function.as_str()), ("ops_add", "add"));
    assert_eq!(function.params.iter().map(|param| param.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(function.result.as_ref().map(ToString::to_string).as_deref(), Some("u32"));
    assert_eq!(found.digest, Digest::of(&component(CALC)));
    found.require_tools().expect("tools");
}

#[test]
fn files_that_are_no_component_are_named() {
    let cases: [(&[u8], &str, &str); 6] = [
        (b"", "the file is empty", "build"),
        (b"\x7fELF\x02\x01\x01\0", "it is not WebAssembly", "\\u{7f}ELF"),
        (b"(component)", "it is not WebAssembly", "wasm-tools parse"),
        (b"version https://git-lfs.github.com/spec/v1", "it is not WebAssembly", "git lfs pull"),
        (b"\0asm\x01\0\0\0", "it is a core module, not a component", "wasm32-wasip2"),
        (b"\0as", "the file is truncated", "again"),
    ];
    for (bytes, message, hint) in cases {
        let error = refused(bytes);
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.starts_with(message), "{}", error.message);
        assert!(error.hints.iter().any(|line| line.contains(hint)), "{:?}", error.hints);
    }
}

#[test]
fn every_cut_of_a_component_is_refused_or_reads() {
    let bytes = component(CALC);
    for length in 0..bytes.len() {
        if let Err(error) = inspect(bytes.get(..length).unwrap_or_default(), &[]) {
            assert_eq!(error.kind, ErrorKind::Invalid, "{}", error.message);
            assert!(!error.message.contains('\n'));
        }
    }
    assert!(refused(bytes.get(..40).unwrap_or_default()).message.starts_with("the file is truncated: it ends after 40 bytes"));
}

#[test]
fn every_flipped_byte_is_refused_or_reads() {
    let bytes = component(CALC);
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed.iter_mut().skip(index).take(1).for_each(|byte| *byte ^= 0xff);
        if let Err(error) = inspect(&changed, &[]) {
            assert!(!matches!(error.kind, ErrorKind::Host), "{}", error.message);
        }
    }
}

#[test]
fn a_file_over_the_bound_is_refused_before_it_is_read() {
    let error = refused(&vec![0; limit::COMPONENT_MAX_BYTES as usize + 1]);
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Limit, "it has 67108865 bytes; a component may have 67108864"));
}

#[test]
fn imports_carry_their_capability() {
    let bytes = component(
        r#"(component
          (import "wasi:http/outgoing-handler@0.2.3" (instance))
          (import "wasi:cli/environment@0.2.9" (instance))
          (import "wasi:keyvalue/store@0.2.0-draft" (instance))
          (import "remit:tool/invoke@0.1.0" (instance))
          (import "app:crm/contacts@1.0.0" (instance)))"#,
    );
    let found = inspect(&bytes, &["app:crm/contacts@1.0.0"]).expect("a component");
    let seen: Vec<_> = found.imports.iter().map(|it| (it.package.as_str(), it.interface.as_str(), it.capability, it.ambient)).collect();
    assert_eq!(
        seen,
        [
            ("wasi:http", "outgoing-handler", Some("http"), false),
            ("wasi:cli", "environment", None, true),
            ("wasi:keyvalue", "store", Some("kv"), false),
            ("remit:tool", "invoke", Some("tools"), false),
            ("app:crm", "contacts", None, false),
        ]
    );
    assert_eq!(found.imports.first().and_then(|it| it.version.as_deref()), Some("0.2.3"));
    let any = Declared {
        http: Some(Scope::Any),
        env: Some(Scope::Any),
        kv: Some(Scope::Any),
        tools: Some(Scope::Any),
        custom: [("app:crm".to_owned(), Scope::Any)].into(),
        ..Declared::default()
    };
    assert_eq!(found.unscoped(), any);
}

#[test]
fn imports_that_nobody_serves_are_named_with_their_version() {
    let cases = [
        ("app:crm/contacts@1.0.0", "unknown import `app:crm/contacts@1.0.0`"),
        (
            "wasi:keyvalue/store@0.2.0-draft2",
            "unknown import `wasi:keyvalue/store@0.2.0-draft2`: this host serves `wasi:keyvalue/store@0.2.0-draft`",
        ),
        (
            "wasi:cli/environment@0.2.0-rc-2023-11-10",
            "unknown import `wasi:cli/environment@0.2.0-rc-2023-11-10`: this host serves `wasi:cli/environment@0.2`",
        ),
        (
            "wasi:clocks/timezone@0.2.3",
            "unknown import `wasi:clocks/timezone@0.2.3`: of `wasi:clocks` this host serves monotonic-clock, wall-clock",
        ),
        ("wasi:cli/stdout@0.3.0", "it needs WASI 0.3 (`wasi:cli/stdout@0.3.0`), and this host serves WASI 0.2"),
        ("remit:agent/durable@0.1.0", "unknown import `remit:agent/durable@0.1.0`"),
        ("contacts", "unknown import `contacts`"),
    ];
    for (name, message) in cases {
        let error = refused(&component(&format!(r#"(component (import "{name}" (instance)))"#)));
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Invalid, message));
        assert!(!error.hints.is_empty());
    }
    let error = refused(&component(r#"(component (import "log" (func)))"#));
    assert_eq!(error.message, "it imports the function `log` outside of any interface, which nobody serves");
}

#[test]
fn wasi_0_3_is_said_even_where_its_types_are_off() {
    let text = r#"(component (import "wasi:cli/stdin@0.3.0" (instance (export "read" (func (result (stream u8)))))))"#;
    let error = refused(&component(text));
    assert!(error.message.contains("WASI 0.3"), "{}", error.message);
    assert!(error.hints.iter().any(|hint| hint.contains("--backend-qjs-disable-async")));
}

#[test]
fn proposals_that_are_off_are_named() {
    let cases = [
        ("memory64", "(component (core module (memory i64 1)))"),
        ("threads", "(component (core module (memory 1 1 shared)))"),
        ("exceptions", "(component (core module (tag)))"),
        ("garbage collection", "(component (core module (type (struct))))"),
        ("component-model async", r#"(component (type (func async)) (import "wasi:io/poll@0.2.0" (instance)))"#),
        ("component-model async", "(component (type (stream u8)))"),
        ("threads", "(component (core module (memory 1) (func (drop (i32.atomic.load (i32.const 0))))))"),
    ];
    for (proposal, text) in cases {
        assert_eq!(refused(&component(text)).message, format!("it needs the proposal `{proposal}`, which is off"), "{text}");
    }
    let body = component("(component (core module (memory 1) (func (drop (i32.atomic.load (i32.const 0))))))");
    inspect_interface(&body, &[]).expect("instructions are left alone");
    inspect(&component("(component (core module (memory 1) (memory 1) (func (drop (v128.const i64x2 0 0)))))"), &[]).expect("what is on");
}

#[test]
fn an_invalid_component_says_where() {
    let mut bytes = component(CALC);
    bytes.extend([0x0b, 0x03, 0x01, 0x00, 0x01]);
    let error = refused(&bytes);
    assert!(error.message.starts_with("it is not a valid component: "), "{}", error.message);
    assert!(error.message.contains("at offset"));
}

#[test]
fn nesting_is_bounded_before_the_decoder_recurses() {
    // Two million instance types inside each other, each the only declaration of the one around it.
    let mut section = vec![0x01];
    for _ in 0..2_000_000 {
        section.extend([0x42, 0x01, 0x01]);
    }
    let error = refused(&file(0x07, &section));
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Limit, "types are declared deeper than 32 levels in it"));
    let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..40 {
        inner = file(0x04, &inner);
    }
    assert_eq!(refused(&inner).message, "components are nested deeper than 32 levels in it");
    assert!(refused(&component(&chain(130))).message.contains("nested too deep"));
    inspect(&component(&chain(20)), &[]).expect("some nesting");
}

/// Instances of instances.
fn chain(length: usize) -> String {
    let mut text = String::from("(component (instance $i0)");
    for n in 1..length {
        text.push_str(&format!(r#"(instance $i{n} (export "a" (instance $i{})))"#, n - 1));
    }
    text.push(')');
    text
}

/// A component of one section.
fn file(section: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.push(section);
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}

#[test]
fn types_that_are_deep_or_large_are_not_offered() {
    let mut types = String::from("(type $t0 (list u8))");
    for n in 1..70 {
        types.push_str(&format!("(type $t{n} (list $t{}))", n - 1));
    }
    let text = format!(
        r#"(component {types}
          (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "f") (param i32 i32) unreachable))
          (core instance $i (instantiate $m))
          (func $f (param "v" $t69) (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r"))))
          (export "deep" (func $f)))"#
    );
    let found = inspect(&component(&text), &[]).expect("a component");
    assert_eq!(found.not_offered, [NotOffered { name: "deep".into(), reason: "its types are nested deeper than 64 levels".into() }]);
    assert!(found.require_tools().expect_err("no tools").message.starts_with("none of its functions can be offered: `deep`"));
    // Two to the power of eighteen nodes: a hundred bytes of file, megabytes of schema.
    let mut wide = String::from("(type $w0 (tuple u8 u8))");
    for n in 1..18 {
        wide.push_str(&format!("(type $w{n} (tuple $w{0} $w{0}))", n - 1));
    }
    let text = text.replace(&types, &wide).replace("$t69", "(list $w17)");
    let found = inspect(&component(&text), &[]).expect("a component");
    assert_eq!(found.not_offered.first().map(|it| it.reason.as_str()), Some("its types are too large"));
}

#[test]
fn functions_with_handles_are_listed_with_the_reason() {
    let text = r#"(component
      (type $r' (resource (rep i32)))
      (export $r "thing" (type $r'))
      (core module $m (func (export "f") (param i32) unreachable))
      (core instance $i (instantiate $m))
      (func $f (param "self" (borrow $r)) (canon lift (core func $i "f")))
      (export "[method]thing.poke" (func $f))
      (export "poke" (func $f)))"#;
    let found = inspect(&component(text), &[]).expect("a component");
    let reasons: Vec<_> = found.not_offered.iter().map(|it| (it.name.as_str(), it.reason.as_str())).collect();
    assert_eq!(reasons, [("[method]thing.poke", "it belongs to a resource"), ("poke", "it takes or gives a resource")]);
}

#[test]
fn plumbing_is_no_tool() {
    let text = bare(
        r#"(instance $run (export "run" (func $f))) (instance $py (export "init" (func $f)))
           (export "wasi:cli/other@0.2.0" (instance $run)) (export "exports" (instance $py)) (export "init" (func $f)) (export "go" (func $g))"#,
    );
    let found = inspect(&component(&text), &[]).expect("a component");
    assert_eq!(found.functions.iter().map(|it| it.tool.as_str()).collect::<Vec<_>>(), ["go"]);
    assert_eq!(found.not_offered.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["exports#init", "init"]);
}

#[test]
fn names_that_collide_take_their_package() {
    let text = bare(
        r#"(instance $a (export "go" (func $f)))
           (export "one:x/ops@1.0.0" (instance $a)) (export "two:x/ops@1.0.0" (instance $a)) (export "two:x/ops@2.0.0" (instance $a))"#,
    );
    let found = inspect(&component(&text), &[]).expect("a component");
    assert_eq!(found.functions.iter().map(|it| it.tool.as_str()).collect::<Vec<_>>(), ["one_x_ops_go", "two_x_ops_go"]);
    assert_eq!(found.not_offered.first().map(|it| it.name.as_str()), Some("two:x/ops@2.0.0#go"));
}

#[test]
fn long_names_are_shortened_and_stay_apart() {
    let long = "a".repeat(60);
    let text = bare(&format!(r#"(export "{long}-x" (func $f)) (export "{long}-y" (func $f)) (export "LOUD" (func $f))"#));
    let found = inspect(&component(&text), &[]).expect("a component");
    let names: Vec<_> = found.functions.iter().map(|it| it.tool.as_str()).collect();
    assert!(names.iter().all(|name| name.len() <= limit::TOOL_NAME_MAX_CHARS), "{names:?}");
    assert!(matches!(names.as_slice(), [x, y, "loud"] if x != y));
}

#[test]
fn kinds_go_by_exports() {
    let export = |name: &str| bare(&format!(r#"(instance $e (export "list" (func $f))) (export "{name}" (instance $e))"#));
    let kind = |name: &str| inspect(&component(&export(name)), &[]).map(|found| found.kind);
    assert_eq!(kind("remit:tool/tools@0.1.0"), Ok(Kind::Tool));
    assert_eq!(kind("remit:agent/turns@0.1.0"), Ok(Kind::Agent));
    assert!(kind("remit:tool/tools@0.2.0").expect_err("another version").message.contains("this host knows"));
}

#[test]
fn a_component_without_functions_is_refused_when_tools_are_wanted() {
    let found = inspect(&component("(component)"), &[]).expect("a component");
    assert_eq!(found.require_tools().expect_err("no tools").message, "it exports no functions");
    let command = bare(r#"(instance $run (export "run" (func $f))) (export "wasi:cli/run@0.2.0" (instance $run))"#);
    let found = inspect(&component(&command), &[]).expect("a component");
    assert!(found.require_tools().expect_err("no tools").message.contains("it is a command"));
    let handler = r#"(instance $h (export "handle" (func $f))) (export "wasi:http/incoming-handler@0.2.0" (instance $h))"#;
    let found = inspect(&component(&bare(handler)), &[]).expect("a component");
    assert!(found.require_tools().expect_err("no tools").message.contains("it is a web server"));
}
