//! Which part of a page is shown.

use html5gum::Token;

use super::Tag;

/// Elements whose content is never text for a reader.
const SILENT: [&str; 17] = [
    "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "head", "title", "select", "button", "textarea",
    "audio", "video", "map", "dialog",
];
/// Elements round the content of a page.
const AROUND: [&str; 3] = ["nav", "aside", "footer"];
/// Elements without content: they are never left open.
const VOID: [&str; 13] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// Follows the tags of a page and tells what is shown of it.
pub struct Scope {
    /// The element that holds the main part, if only that is shown.
    within: Option<&'static str>,
    inside: usize,
    /// Whether what stands round the content is left out.
    bare: bool,
    /// The element that is being left out, and how many of its name are open.
    left_out: Option<(String, usize)>,
}

impl Scope {
    /// Shows everything that is text.
    pub fn everything() -> Self {
        Self { within: None, inside: 0, bare: false, left_out: None }
    }

    /// Shows `<main>`, or the only `<article>`, or else all but what stands round the content.
    pub fn main(tokens: impl Iterator<Item = Token>) -> Self {
        let (mut mains, mut articles) = (0usize, 0usize);
        for token in tokens {
            if let Token::StartTag(tag) = token {
                mains += usize::from(*tag.name == *b"main");
                articles += usize::from(*tag.name == *b"article");
            }
        }
        let within = if mains > 0 {
            Some("main")
        } else if articles == 1 {
            Some("article")
        } else {
            None
        };
        Self { within, inside: 0, bare: true, left_out: None }
    }

    /// Whether only a part of the page is shown.
    pub fn is_partial(&self) -> bool {
        self.within.is_some()
    }

    /// Whether text is shown here.
    pub fn shows(&self) -> bool {
        self.left_out.is_none() && (self.within.is_none() || self.inside > 0)
    }

    /// Enters an element and tells whether it is shown.
    pub fn open(&mut self, tag: &Tag) -> bool {
        if let Some((name, count)) = &mut self.left_out {
            // The head ends where the body starts, whether or not it was closed.
            if name == "head" && tag.name == "body" {
                self.left_out = None;
            } else {
                *count += usize::from(*name == tag.name);
                return false;
            }
        }
        if self.within == Some(tag.name.as_str()) {
            self.inside += 1;
        }
        if !VOID.contains(&tag.name.as_str()) && self.leaves_out(tag) {
            self.left_out = Some((tag.name.clone(), 1));
            return false;
        }
        self.shows()
    }

    /// Leaves an element and tells whether its end is shown.
    pub fn close(&mut self, name: &str) -> bool {
        if let Some((open, count)) = &mut self.left_out {
            *count -= usize::from(open == name);
            if *count == 0 {
                self.left_out = None;
            }
            return false;
        }
        let shown = self.shows();
        if self.within == Some(name) {
            self.inside = self.inside.saturating_sub(1);
        }
        shown
    }

    fn leaves_out(&self, tag: &Tag) -> bool {
        let name = tag.name.as_str();
        if SILENT.contains(&name) {
            return true;
        }
        let hidden = tag.attribute("hidden").is_some() || tag.attribute("aria-hidden") == Some("true");
        let around = AROUND.contains(&name) || matches!(tag.attribute("role"), Some("navigation" | "banner" | "contentinfo"));
        // A page whose root is marked as hidden is shown by its scripts later.
        self.bare && !matches!(name, "html" | "body" | "main") && (hidden || around)
    }
}
