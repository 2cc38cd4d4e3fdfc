//! M: what a tool says, where a person sees it.

use remit_tests::{Shell, fixture};
use serde_json::Value;

/// A page with a script, and what moves the cursor, names the window, turns the text round or hides in it: escapes of seven and of
/// eight bits, bidirectional marks, zero-width characters, tags.
const PAGE: &str =
    "<script>alert(1)</script><img src=x onerror=alert(1)>\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{200b}\u{e0041}";

/// No character that a terminal acts on, or that a reader does not see.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{200b}\u{e0041}".contains(c))
}

#[test]
fn m21_a_page_or_a_script_that_a_tool_gives_is_shown_as_text() {
    let shell = Shell::new();
    let project = "version = 1\nproject.name = \"shown\"\n[plugins.hostile]\nsource = \"hostile.wasm\"\ngrants.fs = [{ path = \"data\", mount = \"/data\" }]\n";
    shell.write("hostile.wasm", fixture("hostile")).write("data/page.html", PAGE).write("remit.toml", project);
    assert!(shell.run(&["review", "--yes"]).status.success());
    let read = ["call", "hostile", "read_file", r#"{"path":"/data/page.html"}"#];
    for arguments in [read.to_vec(), [&read[..], &["--json"]].concat(), [&read[..], &["--session", "desk"]].concat()] {
        let given = shell.run(&arguments);
        let text = String::from_utf8(given.stdout).expect("text");
        assert!(given.status.success() && text.contains("<script>alert(1)</script>"), "{arguments:?}: {text:?}");
        assert!(is_plain(&text) && is_plain(&String::from_utf8_lossy(&given.stderr)), "{arguments:?}: {text:?}");
    }
    // Whoever reads it as JSON has what the tool said, as it is.
    let json = shell.run(&[&read[..], &["--json"]].concat()).stdout;
    let output: Value = serde_json::from_slice(&json).expect("JSON");
    assert!(output["content"][0]["text"].as_str().is_some_and(|text| text.contains(PAGE)), "{output}");
    for arguments in [&["audit", "export"][..], &["session", "list", "--json"], &["session", "list"]] {
        let shown = shell.run(arguments);
        assert!(shown.status.success() && is_plain(&String::from_utf8_lossy(&shown.stdout)), "{arguments:?}: {shown:?}");
    }
}
