//! What a wrong tool is told. The functions are text here, so no compiler has to fail.

use proc_macro2::TokenStream;

fn refusal(options: &str, item: &str) -> String {
    let parse = |text: &str| text.parse::<TokenStream>().unwrap();
    let error = crate::tool::expand(parse(options), parse(item)).unwrap_err();
    error.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn refuses(options: &str, item: &str, words: &[&str]) {
    let message = refusal(options, item);
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
    let tokens =
        crate::tool::expand(TokenStream::new(), "/// One. \n ///\n ///   indented\n ///\n fn r#type() {}".parse().unwrap()).unwrap();
    let text = tokens.to_string();
    assert!(text.contains(r#"description : "One.\n\n  indented""#), "{text}");
    assert!(text.contains(r#"NAME : & 'static str = "type""#), "{text}");
    assert!(text.contains("Effect :: Once"), "{text}");
}
