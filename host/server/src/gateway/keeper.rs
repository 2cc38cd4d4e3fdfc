//! The process between host and server: it ends the server, with all that it started, when the host is gone, however that came about.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Signal, kill_current_process_group};

/// The argument that makes a program the keeper of what follows.
pub const KEEPER: &str = "__outside";

/// How long a server has between the end of its input and its own end.
const GRACE: Duration = Duration::from_secs(2);

/// What a program does when it is started as `<program> __outside COMMAND…`, as leader of a process group: runs the command, hands it what comes
/// on standard input, and kills the group when the command ends, or a moment after the input did. The host's death ends the input.
///
/// It returns only when the command cannot be started.
pub fn keeper_main(mut command: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = command.next() else {
        tell("there is no command");
        return ExitCode::FAILURE;
    };
    let started = Command::new(&program).args(command).stdin(Stdio::piped()).spawn();
    let mut server = match started {
        Ok(server) => server,
        Err(error) => {
            tell(&format!("`{}` cannot be started: {error}", program.display()));
            return ExitCode::FAILURE;
        }
    };
    let input = server.stdin.take();
    thread::spawn(move || {
        if let Some(mut input) = input
            && let Err(error) = io::copy(&mut io::stdin().lock(), &mut input)
        {
            tell(&format!("`{}` no longer reads: {error}", program.display()));
        }
        thread::sleep(GRACE);
        end()
    });
    match server.wait() {
        Ok(status) => tell(&format!("the server ended: {status}")),
        Err(error) => tell(&format!("the server is lost: {error}")),
    }
    end()
}

/// Kills the group, this process included.
fn end() -> ExitCode {
    if let Err(error) = kill_current_process_group(Signal::KILL) {
        tell(&format!("the server's processes cannot be ended: {error}"));
    }
    ExitCode::FAILURE
}

/// One line for the host, which reads what server and keeper say there.
fn tell(what: &str) {
    // Nobody may be reading any more; then nobody is told.
    drop(writeln!(io::stderr(), "remit: {what}"));
}
