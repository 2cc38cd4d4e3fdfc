//! Ctrl-C and SIGTERM, each sent when it is known what the command does.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use remit_tests::{Shell, fixture, remit, workspace};
use rustix::process::{Pid, Signal, kill_process};

/// Signal, exit code, and the one line.
const SIGNALS: [(Signal, i32, &str); 2] =
    [(Signal::INT, 130, "error: interrupted before it was done\n"), (Signal::TERM, 143, "error: terminated before it was done\n")];

/// More than a pipe holds: whoever has written it knows that the other end reads.
const MORE_THAN_A_PIPE: usize = 1 << 20;

/// A project with the guest `hostile`, whose calls may take two minutes.
fn project() -> Shell {
    let shell = Shell::new();
    let text = "version = 1\nproject.name = \"signals\"\n[plugins.hostile]\nsource = \"hostile.wasm\"\nlimits = { deadline_ms = 120000 }\n";
    shell.write("remit.toml", text).write("hostile.wasm", fixture("hostile"));
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    shell
}

/// Starts a command in a process group of its own, so that what it leaves behind can be found.
fn start(mut command: Command) -> Child {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Waits for the end; what was not read yet of standard output and standard error, and the exit code.
fn end(child: &mut Child, stderr: &mut impl Read) -> (String, String, Option<i32>) {
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    stderr.read_to_string(&mut err).expect("text");
    (out, err, child.wait().expect("it ends").code())
}

/// Checks that no process of the group of `child` is left.
fn assert_alone(child: &Child) {
    assert_none_left(&child.id().to_string());
}

/// Checks that no process of a group is left; one that was just killed may take a moment.
fn assert_none_left(group: &str) {
    let left = || {
        let folders = fs::read_dir("/proc").expect("processes").flatten();
        let stats = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        let of_group = |stat: &String| {
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            !matches!(fields[0], "Z" | "X") && fields[2] == group
        };
        stats.filter(of_group).collect::<Vec<_>>()
    };
    let gone = (0..10_000).any(|_| {
        thread::yield_now();
        left().is_empty()
    });
    assert!(gone, "left behind: {:?}", left());
}

#[test]
fn a_signal_ends_a_running_call() {
    let shell = project();
    for (signal, code, line) in SIGNALS {
        for (tool, says) in [("spin", "looping\n"), ("wait_forever", "waiting\n")] {
            let mut child = start(shell.command(&["call", "hostile", tool]));
            let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
            let mut said = String::new();
            stderr.read_line(&mut said).expect("text");
            assert_eq!(said, says, "the guest runs");
            send(&child, signal);
            assert_eq!(end(&mut child, &mut stderr), (String::new(), line.to_owned(), Some(code)), "{tool}");
            assert_alone(&child);
        }
    }
    assert!(shell.audit(0).is_empty(), "an interrupted call leaves no record, as docs/security-model.md says");
}

#[test]
fn a_signal_is_told_as_json_too() {
    let shell = project();
    let mut child = start(shell.command(&["call", "hostile", "spin", "--json"]));
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    stderr.read_line(&mut String::new()).expect("text");
    send(&child, Signal::INT);
    let (out, _, code) = end(&mut child, &mut stderr);
    let document: serde_json::Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!((code, &document["error"]["kind"], &document["error"]["exit"]), (Some(130), &"interrupted".into(), &130.into()));
}

/// The component was compiled and asked for its tools before standard input is read: what listened to signals then has to go on.
#[test]
fn a_signal_ends_a_command_that_waits_for_its_arguments() {
    let shell = project();
    for (signal, code, line) in SIGNALS {
        let mut child = start(shell.command(&["call", "hostile.wasm", "spin", "-"]));
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(" ".repeat(MORE_THAN_A_PIPE).as_bytes()).expect("it reads");
        send(&child, signal);
        let mut stderr = child.stderr.take().expect("a pipe");
        assert_eq!(end(&mut child, &mut stderr), (String::new(), line.to_owned(), Some(code)));
        assert_alone(&child);
    }
}

/// The compile worker is the command's own binary. Once the command is known to run, that place is taken by a shell that never answers.
#[test]
fn a_signal_ends_a_compilation_and_its_worker() {
    let shell = project();
    for (signal, code, line) in SIGNALS {
        let place = tempfile::tempdir_in(workspace().join("target")).expect("a folder beside the binary");
        let program = place.path().join("remit");
        fs::hard_link(remit(), &program).expect("a second name");
        let pid = shell.cwd().join(format!("pid{code}"));
        shell.write("__compile", format!("echo $$ > {0}.part; mv {0}.part {0}; exec sleep 1000", pid.display()));

        let mut command = shell.command_of(&program, &["call", "hostile", "spin", "-"]);
        command.env("XDG_CACHE_HOME", place.path());
        let mut child = start(command);
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(" ".repeat(MORE_THAN_A_PIPE).as_bytes()).expect("it reads");
        replace_by_shell(&program);
        stdin.write_all(b"{}").expect("it reads");
        drop(stdin);
        while !pid.exists() {
            assert_eq!(child.try_wait().expect("a state"), None, "it waits for its worker");
            thread::yield_now();
        }

        send(&child, signal);
        let mut stderr = child.stderr.take().expect("a pipe");
        assert_eq!(end(&mut child, &mut stderr), (String::new(), line.to_owned(), Some(code)));
        assert_alone(&child);
    }
}

/// In the place of cargo stands a shell, which starts a compiler that never ends.
#[test]
fn a_signal_ends_a_build_and_the_compilers_that_it_runs() {
    for (signal, code, line) in SIGNALS {
        let shell = Shell::new();
        let pid = shell.cwd().join("pid");
        let script = format!("#!/bin/sh\nsleep 1000 &\necho $$ > {0}.part; mv {0}.part {0}\nwait\n", pid.display());
        shell.write("bin/cargo", script).write("crate/Cargo.toml", "");
        shell.write("crate/plugin.toml", "version = 1\n[plugin]\nname = \"crate\"\nversion = \"1.0.0\"\ndescription = \"Never built.\"\n");
        fs::set_permissions(shell.cwd().join("bin/cargo"), fs::Permissions::from_mode(0o755)).expect("a program");
        let mut command = shell.command(&["build", "crate"]);
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", shell.cwd().join("bin").display()));
        let mut child = start(command);
        while !pid.exists() {
            assert_eq!(child.try_wait().expect("a state"), None, "it waits for cargo");
            thread::yield_now();
        }
        let group = fs::read_to_string(&pid).expect("a number");
        send(&child, signal);
        let mut stderr = child.stderr.take().expect("a pipe");
        assert_eq!(end(&mut child, &mut stderr), (String::new(), line.to_owned(), Some(code)));
        assert_none_left(group.trim());
        assert_alone(&child);
    }
}

/// Puts a link to the shell in the place of `program`, in one step.
fn replace_by_shell(program: &Path) {
    let link = program.with_extension("link");
    symlink("/bin/sh", &link).expect("a link");
    fs::rename(link, program).expect("one step");
}
