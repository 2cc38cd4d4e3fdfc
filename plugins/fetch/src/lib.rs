//! Gets web pages as Markdown, and posts JSON or text.

pub mod address;
pub mod charset;
pub mod follow;
pub mod get;
pub mod html;
pub mod part;
pub mod post;

remit::plugin!(get::get, post::post);

#[cfg(test)]
mod tests;
