//! A: strings that are none, in each encoding that a component may choose for them.

use remit_core::{Blame, Kind, limit::CallLimits};
use remit_tests::{Ending, Lab};
use serde_json::json;

/// Where a host function writes its answer.
const ANSWER: u32 = 16;

/// A component that makes a string of the bytes and the number of units that it is given, `skip` bytes further on, and hands it to the
/// host: as a result, as a line for the log, as a key of the configuration, as the name of a store, as the name of a header.
fn speaker(encoding: &str) -> Vec<u8> {
    let options = format!("(memory $memory) (realloc $realloc) string-encoding={encoding}");
    let (given, at) = (
        "(param \"bytes\" (list u8)) (param \"units\" u32) (param \"skip\" u32)",
        "(param $at i32) (param i32) (param $units i32) (param $skip i32)",
    );
    let string = "(i32.add (local.get $at) (local.get $skip)) (local.get $units)";
    let told = |name: &str, call: &str| format!("(func (export \"{name}\") {at} (result i32) {call} (i32.load8_u (i32.const {ANSWER})))");
    let lift = |name: &str, result: &str| {
        format!("(func (export \"{name}\") {given} (result {result}) (canon lift (core func $i \"{name}\") {options}))")
    };
    let text = format!(
        r#"(component
          (import "wasi:logging/logging@0.1.0-draft" (instance $logging
            (type $level0 (enum "trace" "debug" "info" "warn" "error" "critical")) (export "level" (type $level (eq $level0)))
            (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
          (import "wasi:config/store@0.2.0-rc.1" (instance $config
            (type $error0 (variant (case "upstream" string) (case "io" string))) (export "error" (type $error (eq $error0)))
            (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
          (import "wasi:keyvalue/store@0.2.0-draft" (instance $store
            (type $error0 (variant (case "no-such-store") (case "access-denied") (case "other" string)))
            (export "error" (type $error (eq $error0)))
            (export "bucket" (type $bucket (sub resource)))
            (export "open" (func (param "identifier" string) (result (result (own $bucket) (error $error)))))))
          (import "wasi:http/types@0.2.0" (instance $http
            (type $error0 (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
            (export "header-error" (type $error (eq $error0)))
            (export "fields" (type $fields (sub resource)))
            (export "[constructor]fields" (func (result (own $fields))))
            (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string) (param "value" (list u8))
              (result (result (error $error)))))))
          (core module $libc
            (memory (export "memory") 2) (global $top (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
              (local.set $at (global.get $top))
              (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 15)) (i32.const -16)))
              (local.get $at)))
          (core instance $libc (instantiate $libc))
          (alias core export $libc "memory" (core memory $memory))
          (alias core export $libc "realloc" (core func $realloc))
          (core func $log (canon lower (func $logging "log") {options}))
          (core func $get (canon lower (func $config "get") {options}))
          (core func $open (canon lower (func $store "open") {options}))
          (core func $fields (canon lower (func $http "[constructor]fields")))
          (core func $append (canon lower (func $http "[method]fields.append") {options}))
          (core module $m
            (import "libc" "memory" (memory 2))
            (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
            (import "host" "get" (func $get (param i32 i32 i32)))
            (import "host" "open" (func $open (param i32 i32 i32)))
            (import "host" "fields" (func $fields (result i32)))
            (import "host" "append" (func $append (param i32 i32 i32 i32 i32 i32)))
            (func (export "give") {at} (result i32)
              (i32.store (i32.const {ANSWER}) (i32.add (local.get $at) (local.get $skip)))
              (i32.store offset=4 (i32.const {ANSWER}) (local.get $units))
              (i32.const {ANSWER}))
            {log} {key} {store} {header})
          (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance
            (export "log" (func $log)) (export "get" (func $get)) (export "open" (func $open))
            (export "fields" (func $fields)) (export "append" (func $append))))))
          {lifted})"#,
        log = told("log", &format!("(call $log (i32.const 2) (i32.const 0) (i32.const 0) {string})")),
        key = told("key", &format!("(call $get {string} (i32.const {ANSWER}))")),
        store = told("store", &format!("(call $open {string} (i32.const {ANSWER}))")),
        header = told("header", &format!("(call $append (call $fields) {string} (i32.const 0) (i32.const 0) (i32.const {ANSWER}))")),
        lifted = [lift("give", "string"), lift("log", "u32"), lift("key", "u32"), lift("store", "u32"), lift("header", "u32")].join(" "),
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a string is made of: its bytes, its units, and how far behind the bytes' start it begins.
type Spoken<'a> = (&'a [u8], u32, u32);

/// Strings with the tag of `latin1+utf16` for UTF-16.
const WIDE: u32 = 1 << 31;

/// Strings in `encoding` that are none, and one that is `gr\u{fc}n`.
fn strings(encoding: &str) -> (Vec<Spoken<'static>>, Spoken<'static>) {
    match encoding {
        "utf8" => {
            let none: [Spoken; 8] = [
                (&[0xff, 0xfe], 2, 0),
                (&[b'a', 0x80], 2, 0),
                // `/`, a surrogate, what is beyond Unicode and what breaks off.
                (&[0xc0, 0xaf], 2, 0),
                (&[0xe0, 0x80, 0xaf], 3, 0),
                (&[0xed, 0xa0, 0x80], 3, 0),
                (&[0xf4, 0x90, 0x80, 0x80], 4, 0),
                (&[0xe2, 0x82], 2, 0),
                (b"beyond", u32::MAX, 0),
            ];
            (none.to_vec(), (b"gr\xc3\xbcn", 5, 0))
        }
        "utf16" => {
            let none: [Spoken; 6] = [
                // A high surrogate alone, a low one, both in the wrong order, one that breaks off, one byte aside, beyond memory.
                (&[0, 0xd8, b'a', 0], 2, 0),
                (&[0, 0xdc], 1, 0),
                (&[0, 0xdc, 0, 0xd8], 2, 0),
                (&[b'a', 0, 0x3d, 0xd8], 2, 0),
                (b"a\0b\0c\0", 2, 1),
                (b"b\0", u32::MAX >> 1, 0),
            ];
            (none.to_vec(), (b"g\0r\0\xfc\0n\0", 4, 0))
        }
        _ => {
            let none: [Spoken; 5] = [
                (&[0, 0xd8, b'a', 0], 2 | WIDE, 0),
                (&[0, 0xdc], 1 | WIDE, 0),
                (b"a\0b\0c\0", 2 | WIDE, 1),
                (b"beyond", u32::MAX, 0),
                (b"beyond", WIDE - 1, 0),
            ];
            (none.to_vec(), (b"gr\xfcn", 4, 0))
        }
    }
}

async fn say(lab: &Lab, encoding: &str, tool: &str, (bytes, units, skip): Spoken<'_>) -> Ending {
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let arguments = json!({ "bytes": base64, "units": units, "skip": skip });
    let (ending, outcome) = lab.attack(&format!("in-{}", encoding.replace('+', "-")), tool, arguments).await;
    if matches!(ending, Ending::Failed(..)) {
        let shown = outcome.result.as_ref().map_or_else(ToString::to_string, |_| String::new());
        assert!(!shown.contains('\n') && shown.chars().count() < 1000, "{shown}");
    }
    ending
}

#[tokio::test(flavor = "multi_thread")]
async fn a17_strings_that_are_none_end_their_own_call_in_every_encoding() {
    let mut lab = Lab::new();
    let encodings = ["utf8", "utf16", "latin1+utf16"];
    for encoding in encodings {
        let name = format!("in-{}", encoding.replace('+', "-"));
        let grants = ["config gr\u{fc}n=eu", "kv read", "http GET https://example.com/"];
        lab = lab.plugin(&name, speaker(encoding).into(), &grants, CallLimits::default()).await;
    }
    for encoding in encodings {
        let (none, green) = strings(encoding);
        for spoken in none {
            for tool in ["give", "log", "key", "store", "header"] {
                let ending = say(&lab, encoding, tool, spoken).await;
                assert_eq!(ending, Ending::Failed(Kind::Guest, Blame::Guest), "{encoding} {tool} {spoken:?}");
            }
        }
        assert_eq!(say(&lab, encoding, "give", green).await, Ending::Done("gr\u{fc}n".to_owned()), "{encoding}");
        // There is no such store, and a name of a header is ASCII: the host says so, and nothing traps.
        for (tool, told) in [("log", "0"), ("key", "0"), ("store", "1"), ("header", "1")] {
            assert_eq!(say(&lab, encoding, tool, green).await, Ending::Done(told.to_owned()), "{encoding} {tool}");
        }
    }
}
