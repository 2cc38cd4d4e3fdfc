//! `remit`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    remit_cli::main()
}
