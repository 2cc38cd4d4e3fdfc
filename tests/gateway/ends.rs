//! However the host ends, nothing of an outside server stays.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use remit_tests::Shell;
use rustix::process::{Pid, Signal, kill_process};

use super::{can_run, lines, review::project, wait_for};

/// A host in the middle of a call whose server has started a process of its own; and the numbers of both.
fn in_the_middle(shell: &Shell) -> (Child, Vec<String>) {
    let mut command: Command = shell.command(&["call", "tickets", "spawn"]);
    let host = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let pids = wait_for("the server runs", || lines(shell.cwd(), "pids.log").pop());
    (host, pids.split(' ').map(str::to_owned).collect())
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with(['Z', 'X']))
}

#[test]
fn a_host_that_is_killed_or_ended_leaves_no_process_of_a_server() {
    if !can_run("a_host_that_is_killed_or_ended_leaves_no_process_of_a_server") {
        return;
    }
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let shell = project();
        assert!(shell.run(&["review", "--start", "--yes"]).status.success());
        let (mut host, pids) = in_the_middle(&shell);
        assert!(pids.len() == 2 && pids.iter().all(|pid| runs(pid)), "{pids:?}");
        kill_process(Pid::from_child(&host), signal).expect("it runs");
        host.wait().expect("it ends");
        wait_for("the server and what it started are gone", || (!pids.iter().any(|pid| runs(pid))).then_some(()));
    }
}
