//! What a wrong tool or agent is told. The functions are text here, so no compiler has to fail.

use proc_macro2::TokenStream;

use crate::function::expand;
use crate::kind::Kind;

fn parse(text: &str) -> TokenStream {
    text.parse().unwrap()
}

#[track_caller]
fn refuses(options: &str, item: &str, words: &[&str]) {
    refuses_as(Kind::Tool, options, item, words);
}

#[track_caller]
fn refuses_as(kind: Kind, options: &str, item: &str, words: &[&str]) {
    let error = expand(kind, parse(options), parse(item)).unwrap_err();
    let message = error.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join(" | ");
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

#[test]
fn an_unknown_option_is_told_the_accepted_ones() {
    refuses("reads", "/// A. \n fn a() {}", &["`reads` is not known", "`read`, `idempotent`, `once`", "title = \"…\""]);
    refuses("read, once", "/// A. \n fn a() {}", &["one effect"]);
    refuses("name", "/// A. \n fn a() {}", &["name = \"…\""]);
    refuses("title = 3", "/// A. \n fn a() {}", &["title = \"…\""]);
    refuses("name = \"a\", name = \"b\"", "/// A. \n fn a() {}", &["given twice"]);
    refuses("name = \"Read File\"", "/// A. \n fn a() {}", &["`Read File`", "lowercase"]);
}

#[test]
fn a_tool_without_a_doc_comment_is_told_what_it_is_for() {
    refuses("", "fn a() {}", &["doc comment", "description", "model"]);
    refuses("", "/// \n fn a() {}", &["doc comment"]);
}

#[test]
fn what_a_tool_cannot_be_is_said_all_at_once() {
    let item = "/// A. \n async unsafe fn a<T>(args: T) -> impl Sized {}";
    refuses("read", item, &["take away `async`", "take away `unsafe`", "generic parameters", "name the type that the tool returns"]);
    refuses("", "/// A. \n struct A;", &["stands on a function"]);
}

#[test]
fn parameters_are_one_value_and_the_context() {
    refuses("", "/// A. \n fn a(self) {}", &["`self`"]);
    refuses("", "/// A. \n fn a(x: A, y: B) {}", &["one value", "struct"]);
    refuses("", "/// A. \n fn a(x: &A) {}", &["take away `&`"]);
    refuses("", "/// A. \n fn a(c: Context) {}", &["`&remit::Context`"]);
    refuses("", "/// A. \n fn a(c: &Context, d: &remit::Context) {}", &["given twice"]);
    refuses("", "/// A. \n fn a(x: impl Sized) {}", &["name the type of the arguments"]);
}

#[test]
fn a_name_that_no_caller_could_use_is_refused() {
    refuses("", "/// A. \n fn Loud() {}", &["`Loud`", "name = \"…\""]);
    refuses("", &format!("/// A. \n fn {}() {{}}", "a".repeat(49)), &["at most 48"]);
}

#[test]
fn the_description_is_the_doc_comment_without_its_margins() {
    let tokens = expand(Kind::Tool, TokenStream::new(), parse("/// One. \n ///\n ///   indented\n ///\n fn r#type() {}")).unwrap();
    let text = tokens.to_string();
    assert!(text.contains(r#"description : "One.\n\n  indented""#), "{text}");
    assert!(text.contains(r#"NAME : & 'static str = "type""#), "{text}");
    assert!(text.contains("Effect :: Once"), "{text}");
}

#[test]
fn an_agent_is_told_what_it_cannot_be_in_its_own_words() {
    refuses_as(
        Kind::Agent,
        "once",
        "/// A. \n fn a() {}",
        &["`once` is not known", "expected `name = \"…\"`, `title = \"…\"` or `migrate = a_function`"],
    );
    refuses_as(Kind::Agent, "migrate", "/// A. \n fn a() {}", &["`migrate` needs a function: migrate = a_function"]);
    refuses_as(Kind::Agent, "migrate = \"f\"", "/// A. \n fn a() {}", &["`migrate` needs a function"]);
    refuses_as(Kind::Agent, "migrate = f, migrate = g", "/// A. \n fn a() {}", &["`migrate` is given twice"]);
    refuses("migrate = f", "/// A. \n fn a() {}", &["`migrate` is not known"]);
    refuses_as(Kind::Agent, "", "fn a() {}", &["an agent needs a doc comment"]);
    refuses_as(Kind::Agent, "", "/// A. \n fn a(x: A, y: B) {}", &["an agent takes its input as one value"]);
    refuses_as(Kind::Agent, "name = \"Triage\"", "/// A. \n fn a() {}", &["`Triage` cannot be the name of an agent"]);
    refuses_as(Kind::Agent, "", "/// A. \n struct A;", &["`#[remit::agent]` stands on a function"]);
}

#[test]
fn an_agent_exports_itself_and_a_tool_waits_for_the_plugin() {
    let made = |kind| expand(kind, TokenStream::new(), parse("/// A. \n fn a() {}")).unwrap().to_string();
    assert!(made(Kind::Agent).contains("__remit_export_agent"), "{}", made(Kind::Agent));
    assert!(!made(Kind::Tool).contains("export"), "{}", made(Kind::Tool));
    assert!(!made(Kind::Agent).contains("__remit_export_migrate"), "{}", made(Kind::Agent));
    let migrates = expand(Kind::Agent, parse("migrate = old::forms"), parse("/// A. \n fn a() {}")).unwrap().to_string();
    assert!(migrates.contains("old :: forms (__from)") && migrates.contains("__remit_export_migrate"), "{migrates}");
}
