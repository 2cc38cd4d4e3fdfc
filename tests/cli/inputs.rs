//! Bad input: malformed, huge or hostile. Each case has its exit code, says what to do about it, and harms no later call.

use remit_core::{
    limit::{ARGUMENTS_MAX_BYTES, COMPONENT_MAX_BYTES, FILE_MAX_BYTES, SECTION_MAX_BYTES},
    plugin::section,
};
use remit_tests::{Shell, fixture};

/// That the command ends with `code`, says `words`, and what to do.
#[track_caller]
fn refuses(shell: &Shell, arguments: &[&str], code: i32, words: &str) {
    let output = shell.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?}: {said}");
    assert!(said.contains("\n  hint: ") || said.contains("\n  = "), "{arguments:?} has no hint: {said}");
}

/// That a call ends well.
#[track_caller]
fn serves(shell: &Shell, arguments: &[&str]) {
    let output = shell.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
}

/// A shell with `raw.wasm` and `hostile.wasm`, in no project.
fn guests() -> Shell {
    let shell = Shell::new();
    shell.write("raw.wasm", fixture("raw-tool")).write("hostile.wasm", fixture("hostile"));
    shell
}

/// `component` with one more custom section `remit:plugin`.
fn with_section(component: &[u8], content: &[u8]) -> Vec<u8> {
    let length = |mut length: usize| {
        let mut bytes = Vec::new();
        while length > 127 {
            bytes.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes
    };
    let body = [&length(section::NAME.len())[..], section::NAME.as_bytes(), content].concat();
    [component, &[0], &length(body.len()), &body].concat()
}

#[test]
fn components_that_cannot_be_read_are_refused() {
    let shell = guests();
    let whole = fixture("plain");
    let half = &whole[..whole.len() / 2];
    let cases: [(&[u8], &str); 4] = [
        (b"", "the file is empty"),
        (b"hello, world", "it is not WebAssembly"),
        (b"\0asm\x01\0\0\0", "it is a core module"),
        (half, "the file is truncated"),
    ];
    for (bytes, words) in cases {
        shell.write("bad.wasm", bytes);
        refuses(&shell, &["call", "bad.wasm", "x"], 2, words);
        refuses(&shell, &["inspect", "bad.wasm"], 2, words);
    }
    let huge = std::fs::File::create(shell.cwd().join("huge.wasm")).expect("a file");
    huge.set_len(COMPONENT_MAX_BYTES + 1).expect("a file with a hole");
    refuses(&shell, &["call", "huge.wasm", "x"], 4, "more than 64 MiB");
    std::fs::create_dir(shell.cwd().join("folder.wasm")).expect("a folder");
    refuses(&shell, &["call", "folder.wasm", "x"], 2, "cannot be read");
    refuses(&shell, &["call", "missing.wasm", "x"], 2, "cannot be read");
    serves(&shell, &["call", "raw.wasm", "answer"]);
}

#[test]
fn sections_that_lie_are_refused() {
    let shell = guests();
    let raw = fixture("raw-tool");
    let good = r#"{"version":1,"plugin":{"name":"raw","version":"1.0.0"}}"#;
    let deep = format!(r#"{{"version":1,"declares":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        (b"{\"version\":".to_vec(), 2, "is damaged"),
        (b"\xff\xfe".to_vec(), 2, "is damaged"),
        (deep.into_bytes(), 2, "is damaged"),
        (vec![b' '; SECTION_MAX_BYTES as usize + 1], 4, "1048577 bytes"),
        (good.replacen('1', "9", 1).into_bytes(), 2, "has version 9"),
        (good.replace("raw", "\\u001b[2J").into_bytes(), 2, "`\\u{1b}[2J` is not a plugin name"),
    ];
    for (content, code, words) in cases {
        shell.write("bad.wasm", with_section(&raw, &content));
        refuses(&shell, &["call", "bad.wasm", "answer"], code, words);
    }
    shell.write("bad.wasm", with_section(&with_section(&raw, good.as_bytes()), good.as_bytes()));
    refuses(&shell, &["call", "bad.wasm", "answer"], 2, "two sections");
    shell.write("good.wasm", with_section(&raw, good.as_bytes()));
    serves(&shell, &["inspect", "good.wasm"]);
}

#[test]
fn a_project_file_that_cannot_be_read_is_refused() {
    let shell = guests();
    serves(&shell, &["add", "raw.wasm", "--yes"]);
    for file in ["remit.toml", "remit.lock"] {
        let good = std::fs::read(shell.cwd().join(file)).expect("it was made");
        let deep = format!("x = {}{}", "[".repeat(10_000), "]".repeat(10_000));
        let huge = vec![b'#'; FILE_MAX_BYTES as usize + 1];
        let cases: [(&[u8], &str); 4] = [
            (b"not toml [", "key with no value"),
            (b"\xff\xfe", "not UTF-8"),
            (deep.as_bytes(), "nested too deep"),
            (&huge, "more than 4 MiB"),
        ];
        for (content, words) in cases {
            shell.write(file, content);
            refuses(&shell, &["call", "raw", "answer"], 2, words);
        }
        shell.write(file, good);
        serves(&shell, &["call", "raw", "answer"]);
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let shell = guests();
    let deep = format!(r#"{{"amount": {}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    shell.write("deep.json", deep).write("bytes.json", b"\xff\xfe").write("huge.json", vec![b'x'; 100_000_000]);
    shell.write("wide.json", "\u{2603}".repeat(ARGUMENTS_MAX_BYTES / 3 + 2));
    let cases = [
        ("not json", 1, "are not JSON"),
        ("", 1, "are not JSON"),
        ("[]", 1, "do not fit"),
        (r#"{"amount": "many"}"#, 1, "do not fit at `/amount`"),
        ("@deep.json", 1, "nested deeper than 96 levels"),
        ("@huge.json", 4, "at most 8388608 are accepted"),
        ("@wide.json", 4, "at most 8388608 are accepted"),
        ("@bytes.json", 2, "cannot be read"),
        ("@missing.json", 2, "cannot be read"),
    ];
    for (arguments, code, words) in cases {
        refuses(&shell, &["call", "hostile.wasm", "allocate", arguments], code, words);
    }
    serves(&shell, &["call", "hostile.wasm", "allocate", r#"{"amount": 1}"#]);
}

#[test]
fn results_that_lie_and_guests_that_fail_end_their_call_alone() {
    let shell = guests();
    for tool in ["wrong-answer", "no-answer", "not-json", "not-object", "not-utf8", "deep"] {
        refuses(&shell, &["call", "raw.wasm", tool], 1, "error: ");
    }
    serves(&shell, &["call", "raw.wasm", "answer"]);
    let cases = [
        ("abort", "{}", 1, "it panicked or aborted"),
        ("overflow", "{}", 1, "error: the component stopped"),
        ("exit", r#"{"code": 0}"#, 1, "exited with code 0"),
        ("random", r#"{"amount": 1099511627776}"#, 1, "error: the component failed"),
        ("handles", r#"{"amount": 1000000}"#, 4, "too many host resources"),
        ("big_output", r#"{"amount": 2048}"#, 4, "its bound is 1048576"),
    ];
    for (tool, arguments, code, words) in cases {
        refuses(&shell, &["call", "hostile.wasm", tool, arguments], code, words);
    }
    let flood = shell.run(&["call", "hostile.wasm", "flood", r#"{"amount": 4096}"#]);
    assert!(flood.status.success() && flood.stderr.len() < 1 << 20, "{} bytes", flood.stderr.len());
}

#[test]
fn a_guest_that_never_ends_is_stopped_and_its_neighbour_served() {
    let shell = guests();
    serves(&shell, &["add", "raw.wasm", "--yes"]);
    serves(&shell, &["add", "hostile.wasm", "--yes"]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("it was made");
    shell.write("remit.toml", text + "limits = { deadline_ms = 300, memory_mib = 16 }\n");
    serves(&shell, &["review", "--yes"]);
    for (tool, arguments) in [("spin", "{}"), ("wait_forever", "{}"), ("sleep", r#"{"milliseconds": 600000}"#)] {
        refuses(&shell, &["call", "hostile", tool, arguments], 4, "deadline");
    }
    serves(&shell, &["call", "raw", "answer"]);
    shell.write("hostile.wasm", "hello, world");
    refuses(&shell, &["call", "hostile", "spin"], 2, "it is not WebAssembly");
    serves(&shell, &["call", "raw", "answer"]);
}
