//! What the tests share: guests built from source, a host to run them in, and the command line as a person types it.

mod build;
mod lab;
mod shell;

pub use build::{component, fixture, remit, skipped, workspace};
pub use lab::{Ending, Lab, Records};
pub use shell::{Shell, Transcript};
