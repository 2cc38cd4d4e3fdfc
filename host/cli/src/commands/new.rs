//! `remit new`: a plugin of one's own, in any folder, offline.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use remit_core::{Error, plugin::PluginName};

use crate::{Exit, output};

mod vendored {
    include!(concat!(env!("OUT_DIR"), "/vendored.rs"));
}

/// Start a plugin: a crate with one tool or an agent, a test and its declared rights
///
/// The SDK travels in this binary and is copied into the new folder, so that nothing has to be published or fetched for it.
///
/// Examples:
///   remit new weather && cd weather && remit build
///   remit new concierge --agent
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct New {
    /// The plugin's name, and the folder to make; a path makes the folder there
    name: PathBuf,
    /// The language to write it in
    #[arg(long, default_value = "rust", value_parser = ["rust"])]
    lang: String,
    /// An agent, which runs in sessions, in place of a tool
    #[arg(long)]
    agent: bool,
}

impl super::Run {
    pub(super) fn new_plugin(&self, arguments: &New) -> anyhow::Result<Exit> {
        let folder = self.environment.cwd.join(&arguments.name);
        let name = arguments.name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name: PluginName = name.parse()?;
        let template = if arguments.agent { vendored::TEMPLATE_AGENT } else { vendored::TEMPLATE_RUST };
        create(&folder, name.as_str(), template)?;
        if self.global.json {
            output::json(&serde_json::json!({ "folder": folder, "name": name.as_str(), "lang": arguments.lang, "agent": arguments.agent }));
            return Ok(Exit::Done);
        }
        let shown = arguments.name.display();
        if arguments.agent {
            output::line(&format!("made `{shown}`: an agent, its test, the tools that it declares. Next:"));
            output::line(&format!("\n  (cd {shown} && cargo test)                     # the agent as a plain function"));
            output::line(&format!("  remit add {shown}                              # into the project here"));
            output::line(&format!("  remit run {name} '{{\"name\": \"Ada\"}}'            # in a session, up to its question"));
            return Ok(Exit::Done);
        }
        output::line(&format!("made `{shown}`: one tool, its test, its declared rights. Next:"));
        output::line(&format!(
            "\n  cd {shown}\n  cargo test                                   # the tool as a plain function\n  remit build                                  # the component"
        ));
        output::line(&format!("  remit call target/{name}.wasm greet '{{\"name\": \"Ada\"}}'   # the tool in its sandbox"));
        Ok(Exit::Done)
    }
}

/// Writes the files. A folder that is there already is left alone.
#[allow(clippy::disallowed_methods, reason = "a new plugin is written here")]
fn create(folder: &Path, name: &str, template: &[(&str, &str)]) -> anyhow::Result<()> {
    if folder.exists() {
        return Err(Error::invalid(format!("`{}` is there already", folder.display())).hint("choose another name, or remove it").into());
    }
    let parts = [("", template), ("vendor/remit-sdk/rust", vendored::SDK), ("vendor/remit-sdk/macros", vendored::MACROS)];
    for (below, files) in parts {
        for (path, text) in files {
            // Cargo would take a template's own manifest for a package, so it is kept under another name.
            let path = folder.join(below).join(path.strip_suffix(".template").unwrap_or(path));
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("`{}` cannot be made", parent.display()))?;
            }
            let text = if below.is_empty() {
                text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"))
            } else {
                (*text).to_owned()
            };
            std::fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
    }
    Ok(())
}
