//! `remit completions`: a script for the shell.

use clap::CommandFactory;

use crate::{Exit, output};

/// Print a completion script for a shell
///
/// Example: remit completions bash > ~/.local/share/bash-completion/completions/remit
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// bash, elvish, fish, powershell or zsh
    shell: clap_complete::Shell,
}

impl super::Run {
    pub(super) fn completions(&self, arguments: &Completions) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), "remit", &mut script);
        output::line(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::Done)
    }
}
