//! What each fuzz target does with its bytes, and what has to hold then. A target never panics otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use remit_core::{
    Kind, Result,
    clock::Timestamp,
    grant::{HttpPattern, canonical_url, line, request_url},
    id::WaitId,
    journal::{CallStep, Line, Machine, Outcome, TakeStep, ToolCall, Wait, WaitStep},
    plugin::{Effect, inspect::inspect, lock::Lock, manifest::Manifest, section, section::Section},
    project::Project,
};
use remit_runtime::{
    Host,
    plugin::value::{Outcome as Given, arguments, from_json, outcome, to_json},
};
use remit_server::mcp::{Catalog, Door, Setup};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split},
    runtime::{self, Runtime},
    sync::watch,
};
use wasmtime::{
    Config, Engine,
    component::{
        Component, Type, Val,
        types::{ComponentFunc, ComponentItem},
    },
};

/// A target: its name, which is that of its folder of seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("project", project),
    ("manifest", manifest),
    ("component", component),
    ("grant", grant),
    ("url", url),
    ("replay", replay),
    ("values", values),
    ("frames", frames),
];

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

/// Functions whose parameters and results have every sort of type that a plain function may have.
const FUNCTIONS: &str = r#"(component
    (type $color0 (enum "red" "green")) (import "color" (type $color (eq $color0)))
    (type $may0 (flags "read" "write" "run")) (import "may" (type $may (eq $may0)))
    (type $point0 (record (field "x" float32) (field "y" float64) (field "name" (option string))))
    (import "point" (type $point (eq $point0)))
    (type $shape0 (variant (case "none") (case "at" $point) (case "many" (list $point)))) (import "shape" (type $shape (eq $shape0)))
    (import "f0" (func (param "a" bool) (param "b" u8) (param "c" s8) (param "d" (option u16)) (result s16)))
    (import "f1" (func (param "a" u32) (param "b" s32) (param "c" u64) (param "d" s64) (result u64)))
    (import "f2" (func (param "a" float32) (param "b" float64) (param "c" char) (param "d" string) (result float32)))
    (import "f3" (func (param "a" $color) (param "b" $may) (param "c" $point) (param "d" $shape) (result (result $shape (error $may)))))
    (import "f4" (func (param "a" (list u8)) (param "b" (list (list string))) (param "c" (list u16 3)) (result (list u8 4))))
    (import "f5" (func (param "a" (map string $point)) (param "b" (map u32 (option (option s64)))) (result (map string float64))))
    (import "f6" (func (param "a" (tuple char (option (option bool)) (result string (error u8)))) (result (result (error string)))))
    (import "f7" (func (result $point))))"#;

/// The functions of [`FUNCTIONS`].
fn functions() -> &'static [ComponentFunc] {
    static FOUND: LazyLock<Vec<ComponentFunc>> = LazyLock::new(|| {
        let mut config = Config::new();
        config.wasm_component_model_map(true).wasm_component_model_fixed_length_lists(true);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wat::parse_str(FUNCTIONS).expect("a text")).expect("a component");
        let function = |item| match item {
            ComponentItem::ComponentFunc(function) => Some(function),
            _ => None,
        };
        component.component_type().imports(&engine).filter_map(|(_, import)| function(import.ty)).collect()
    });
    &FOUND
}

/// Two bytes that choose a function and another one, a byte that says how long a result may be, and JSON: arguments of the one that are
/// taken come back as they went in, and a value never passes for one of another type.
pub fn values(data: &[u8]) {
    let [one, other, bound, text @ ..] = data else { return };
    let Ok(json) = serde_json::from_slice::<Value>(text) else { return };
    let pick = |byte: &u8| &functions()[usize::from(*byte) % functions().len()];
    let (one, other, max) = (pick(one), pick(other), usize::from(*bound) * 4);
    let mut taken: Vec<(Val, Type)> = Vec::new();
    match arguments(&json, one) {
        Ok(values) => taken.extend(values.into_iter().zip(one.params().map(|(_, ty)| ty))),
        Err(error) => assert!(matches!(error.kind, Kind::Invalid | Kind::Limit) && !error.message.contains('\n'), "{error:?}"),
    }
    for ty in one.params().map(|(_, ty)| ty).chain(one.results()) {
        taken.extend(from_json(&json, &ty).ok().map(|value| (value, ty)));
    }
    for (value, ty) in &taken {
        back(value, ty, max);
        for foreign in other.params().map(|(_, ty)| ty).chain(other.results()) {
            match to_json(value, &foreign, max) {
                Ok(json) => assert!(json.to_string().len() <= max),
                Err(error) => assert!(matches!(error.kind, Kind::Host | Kind::Limit), "{error:?}"),
            }
        }
        match outcome(std::slice::from_ref(value), other, max) {
            Ok(Given::Output(json)) => assert!(json.is_none_or(|json| json.is_object() && json.to_string().len() <= max)),
            Ok(Given::Failure(text)) => assert!(!text.contains('\u{1b}')),
            Err(error) => assert!(matches!(error.kind, Kind::Host | Kind::Limit), "{error:?}"),
        }
    }
}

/// The JSON of a value that was taken is taken again, and is the same then; it keeps to its bound.
fn back(value: &Val, ty: &Type, max: usize) {
    let json = to_json(value, ty, usize::MAX).expect("a value of its own type");
    let again = from_json(&json, ty).unwrap_or_else(|error| panic!("`{json}` came out and is refused: {error}"));
    assert_eq!(to_json(&again, ty, usize::MAX).expect("a value of its own type"), json);
    match to_json(value, ty, max) {
        Ok(short) => assert!(short == json && short.to_string().len() <= max),
        Err(error) => assert!(error.kind == Kind::Limit && json.to_string().len() + 2 > max, "{error:?}: {json}"),
    }
}

/// What a client says first, in the revisions that have a handshake.
const OPENING: &str = concat!(
    r#"{"jsonrpc":"2.0","id":"first","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"f","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n"
);
/// What it asks for last.
const CLOSING: &str = "\n{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n";

/// The lines that a client of the MCP door says, after a handshake unless the first byte is `-`: whatever they are, every answer is a
/// message, and the door still answers the last request.
pub fn frames(data: &[u8]) {
    static DOOR: LazyLock<(Runtime, Door)> = LazyLock::new(|| {
        let host = Host::builder().build().expect("a host");
        let setup = Setup {
            host,
            project: "fuzz".to_owned(),
            principal: "user:ada".parse().expect("a principal"),
            time_zone: "UTC".to_owned(),
            session: None,
            catalog: watch::channel(Arc::new(Catalog::default())).1,
            accept_client: watch::channel(false).1,
            seal: [7; 32],
        };
        let mut building = runtime::Builder::new_current_thread();
        (building.enable_all().build().expect("a runtime"), Door::new(setup))
    });
    let (opening, said) = match data.strip_prefix(b"-") {
        Some(said) => ("", said),
        None => (OPENING, data),
    };
    let all = [opening.as_bytes(), said, CLOSING.as_bytes()].concat();
    let (runtime, door) = &*DOOR;
    let (answers, served) = runtime.block_on(async {
        let ((client, server), mut answers) = (duplex(1 << 16), Vec::new());
        let ((read, write), (heard, mut saying)) = (split(server), split(client));
        let ask = async {
            let mut lines = BufReader::new(heard).lines();
            let hear = async {
                while let Ok(Some(line)) = lines.next_line().await {
                    let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
                    let last = answer["id"] == "last";
                    answers.push(answer);
                    if last {
                        break;
                    }
                }
            };
            // The door may be closed before all is said; then nothing more is heard.
            let (_, ()) = tokio::join!(saying.write_all(&all), hear);
            drop(saying);
        };
        let (served, ()) = tokio::join!(door.serve(read, write), ask);
        (answers, served)
    });
    for answer in &answers {
        let is_message = ["result", "error", "method"].iter().any(|part| answer.get(part).is_some());
        assert!(answer["jsonrpc"] == "2.0" && is_message, "{answer}");
    }
    match served {
        Ok(()) => assert!(opening.is_empty() || answers.iter().any(|answer| answer["id"] == "last"), "{answers:#?}"),
        Err(error) => assert!(matches!(error.kind, Kind::Invalid) && !error.message.is_empty(), "{error:?}"),
    }
}
