use remit_core::limit::{PLUGIN_NAME_MAX_CHARS, TOOL_NAME_MAX_CHARS};

use super::*;

fn long(letter: &str) -> String {
    letter.repeat(TOOL_NAME_MAX_CHARS)
}

#[test]
fn plugin_and_tool_stand_side_by_side_while_they_fit() {
    let longest = "t".repeat(MCP_NAME_MAX_CHARS - "files__".len());
    let names = names([("files", "read"), ("a_b", "c"), ("a", "b_c"), ("files", longest.as_str())]);
    let expected = ["a__b_c".to_owned(), "a_b__c".to_owned(), "files__read".to_owned(), format!("files__{longest}")];
    assert_eq!(Vec::from_iter(names.into_keys()), expected);
}

#[test]
fn a_longer_pair_is_shortened_and_keeps_its_plugin() {
    let plugin = "p".repeat(PLUGIN_NAME_MAX_CHARS);
    for plugin in ["files", &plugin] {
        let (one, other) = (long("a"), format!("{}b", &long("a")[1..]));
        let names = names([(plugin, one.as_str()), (plugin, other.as_str())]);
        assert_eq!(names.len(), 2, "they begin alike and stay apart: {names:?}");
        for name in names.keys() {
            assert_eq!(name.len(), MCP_NAME_MAX_CHARS);
            assert!(name.starts_with(&format!("{plugin}__a")), "{name}");
        }
    }
}

#[test]
fn the_same_tools_get_the_same_names_in_any_order() {
    let (one, other) = (long("a"), long("b"));
    let tools = [("files", one.as_str()), ("files", other.as_str()), ("git", "log"), ("git", one.as_str())];
    let backwards: Vec<_> = tools.into_iter().rev().collect();
    assert_eq!(names(tools), names(backwards));
}

/// M4: a plugin may name a tool as another one is shortened to; it does not get that one's calls.
#[test]
fn a_name_that_is_taken_shadows_nothing() {
    let tool = long("a");
    let shortened = names([("files", tool.as_str())]).into_keys().next().expect("a name");
    let thief = shortened.strip_prefix("files__").expect("its plugin").to_owned();
    let names = names([("files", tool.as_str()), ("files", thief.as_str())]);
    assert_eq!(names.len(), 2);
    assert_eq!(names[&shortened], ("files", thief.as_str()), "who has the name by right keeps it");
    assert!(names.values().any(|(_, name)| *name == tool), "and the other one goes by another name: {names:?}");
}
