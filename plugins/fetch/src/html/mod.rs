//! HTML as Markdown or plain text, in one pass over its tokens and within bounded memory.

mod block;
mod inline;
mod scope;
mod table;
mod writer;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use url::Url;

use scope::Scope;
use writer::Writer;

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Markdown.
    Markdown,
    /// Text without marks.
    Plain,
}

/// A page as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// One tag with what is of interest of it.
pub(crate) struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn new(tag: &StartTag<()>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { name: text(&tag.name), attributes: tag.attributes.iter().map(|(name, value)| (text(name), text(value))).collect() }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }
}

/// Converts a page. Unless `whole_page` is set, only its main part is taken where it names one, without navigation, asides and
/// footers; a page that would be empty then is taken whole. Links become absolute by `base`.
pub fn convert(html: &str, base: &Url, style: Style, whole_page: bool) -> Converted {
    let scope = if whole_page { Scope::everything() } else { Scope::main(tokens(html)) };
    let partial = scope.is_partial();
    let mut page = run(html, base, style, scope);
    if page.text.is_empty() && !whole_page {
        page = run(html, base, style, Scope::everything());
    } else if partial {
        page.notes.push("only the main part of the page is shown; set `whole_page` for the rest".to_owned());
    }
    page
}

fn tokens(html: &str) -> impl Iterator<Item = Token> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    // Reading from memory cannot fail.
    Tokenizer::new_with_emitter(html, emitter).filter_map(Result::ok)
}

fn run(html: &str, base: &Url, style: Style, mut scope: Scope) -> Converted {
    let mut writer = Writer::new(base.clone(), style);
    let (mut title, mut in_title) = (String::new(), false);
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => {
                let tag = Tag::new(&tag);
                in_title = tag.name == "title" && title.is_empty();
                if tag.name == "base" {
                    writer.set_base(tag.attribute("href"));
                }
                if scope.open(&tag) {
                    writer.open(&tag);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                in_title = false;
                if scope.close(&name) {
                    writer.close(&name);
                }
            }
            Token::String(text) => {
                let text = String::from_utf8_lossy(&text);
                if in_title {
                    title.push_str(&text);
                } else if scope.shows() {
                    writer.text(&text);
                }
            }
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, notes) = writer.finish();
    Converted { title: (!title.is_empty()).then_some(title), text, notes }
}
