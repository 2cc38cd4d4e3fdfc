//! What each fuzz target does with its bytes, and what has to hold then. A target never panics otherwise.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Kind, Result,
    clock::Timestamp,
    grant::{HttpPattern, canonical_url, line, request_url},
    id::WaitId,
    journal::{CallStep, Line, Machine, Outcome, TakeStep, ToolCall, Wait, WaitStep},
    plugin::{Effect, inspect::inspect, lock::Lock, manifest::Manifest, section, section::Section},
    project::Project,
};

/// A target: its name, which is that of its folder of seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] =
    &[("project", project), ("manifest", manifest), ("component", component), ("grant", grant), ("url", url), ("replay", replay)];

/// `remit.toml` and `remit.lock`: a lock that is read can be written, and is the same when it is read again.
pub fn project(data: &[u8]) {
    if let Err(error) = Project::parse("remit.toml", data) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(lock) = Lock::parse("remit.lock", data) {
        let text = lock.format().expect("a lock that was read");
        let again = Lock::parse("remit.lock", text.as_bytes()).expect("a lock that was written");
        assert_eq!(text, again.format().expect("a lock"));
    }
}

/// `plugin.toml`, and the section `remit:plugin` of a component: what is read can be written, and read again.
pub fn manifest(data: &[u8]) {
    if let Err(error) = Manifest::parse("plugin.toml", data) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(read) = Section::decode(data) {
        let bytes = read.encode().expect("a section that was read");
        let again = Section::decode(&bytes).expect("a section that was written");
        assert_eq!(bytes, again.encode().expect("a section"));
    }
}

/// A component: it is inspected, or refused in words.
pub fn component(data: &[u8]) {
    let inspected = inspect(data, &[]);
    let found = section::find(data);
    match inspected {
        Ok(_) => assert!(!found.is_err_and(|error| error.kind == Kind::Host)),
        Err(error) => assert!(!error.message.is_empty() && !error.message.contains('\n')),
    }
}

/// A grant in one line: what is read can be written, and means the same when it is read again.
pub fn grant(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(grants) = line::parse_pair(text) else { return };
    for (capability, scope) in line::format(&grants) {
        let again = line::parse(&capability, &scope).unwrap_or_else(|error| panic!("`{capability} {scope}` came out of `{text}`: {error}"));
        assert_eq!(line::format(&again), [(capability, scope)]);
    }
}

/// A URL, whole and in the parts that a guest gives: its canonical form is its own, and a pattern for just that request allows just it.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(canonical) = canonical_url(text) else { return };
    let again = canonical_url(canonical.as_str()).expect("a canonical URL is one");
    assert_eq!(canonical, again);
    let target = canonical.as_str().split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.split_at(at)));
    let (authority, target) = target.expect("a canonical URL has a path");
    assert_eq!(request_url(canonical.scheme(), authority, target).expect("its parts make it"), canonical);
    if let Some(pattern) = HttpPattern::only("GET", &canonical) {
        let read: HttpPattern = pattern.to_string().parse().expect("a pattern that was written");
        assert_eq!(read, pattern);
        assert!(read.matches("GET", &canonical) && !read.matches("POST", &canonical));
    }
}

/// A journal, a record in a line, and below it bytes that say what code and host do next: what the machine adds to a journal that it
/// took, it takes again.
pub fn replay(data: &[u8]) {
    let end = data.split(|byte| *byte == b'\n').take_while(|line| line.starts_with(b"{")).map(|line| line.len() + 1).sum::<usize>();
    let (journal, steps) = data.split_at(end.min(data.len()));
    let Ok(text) = std::str::from_utf8(journal) else { return };
    let line = |(at, text): (usize, &str)| Line { seq: at as u64, at: Timestamp(at as u64), text: text.to_owned() };
    let mut lines: Vec<Line> = text.lines().enumerate().map(line).collect();
    let Ok(mut machine) = Machine::replay(&lines, BTreeMap::new()) else { return };
    for (at, byte) in (lines.len() as u64..).zip(steps.iter().take(256)) {
        if let Err(error) = act(&mut machine, *byte, Timestamp(at)) {
            assert!(!error.message.is_empty());
        }
    }
    lines.append(&mut machine.take_pending());
    let again =
        Machine::replay(&lines, BTreeMap::new()).unwrap_or_else(|error| panic!("its own journal is refused: {error:?}\n{lines:#?}"));
    assert_eq!(again.next_seq(), machine.next_seq());
}

/// One thing that code may do, with what its host does then.
fn act(machine: &mut Machine, byte: u8, at: Timestamp) -> Result<()> {
    let which = u32::from(byte / 8);
    match byte % 8 {
        0 => {
            if let CallStep::New { .. } = machine.call("a/b", "{}")? {
                machine.begin_call(made_call(which), at)?;
            }
        }
        1 => {
            if machine.start_call("a/b", "{}")?.is_none() {
                machine.begin_call(made_call(which), at)?;
            }
        }
        2 => {
            if let TakeStep::New { ended: Some(op) } = machine.take(&[0, 1, which])? {
                machine.took(op, at)?;
            }
        }
        3 => machine.state_set("k", (which % 2 == 0).then(|| vec![byte]), at)?,
        4 => {
            let wait = Wait::Timer { id: WaitId::new(at, 0), due: at };
            if matches!(machine.wait(&wait)?, WaitStep::New) {
                machine.begin_wait(wait, at)?;
            }
        }
        5 => drop(machine.patch("p", at)?),
        6 => machine.end(which, Outcome::Woken, at)?,
        _ if which == 31 => drop(machine.finish(Ok("{}".to_owned()), at)?),
        _ => machine.cancel(which, at)?,
    }
    Ok(())
}

fn made_call(which: u32) -> ToolCall {
    let effect = [Effect::Read, Effect::Idempotent, Effect::Once][which as usize % 3];
    let [tool, arguments, digest] = ["a/b", "{}", "sha256:0"].map(str::to_owned);
    ToolCall { tool, arguments, effect, digest, key: which.to_string(), cleared: BTreeSet::new() }
}
