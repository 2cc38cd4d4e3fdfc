//! M22: secrets that are planted, sent where they belong, and looked for everywhere else.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use remit_tests::{McpClient, Shell, fixture, skipped, workspace};
use serde_json::{Value, json};

/// What is planted, and how it is written into its header: short and long, with what JSON, percent-encoding and base64 write otherwise.
fn canaries() -> Vec<(String, &'static str)> {
    let long: String = (0..40).map(|part| format!("{part}z/+{part}=&\"")).collect();
    vec![
        ("c4n/ry+7".to_owned(), "Bearer {}"),
        ("can\"ary\\of=Remit&100%?#<x>~".to_owned(), "{}"),
        (STANDARD.encode("canary-user:canary~password/1"), "Basic {}"),
        (long, "token={}"),
    ]
}

/// Everything that `canary` must not be found as.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let mut texts = vec![canary.to_owned()];
    if let Some(decoded) = STANDARD.decode(canary).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        texts.push(decoded.split_once(':').expect("as for Basic authentication").1.to_owned());
        texts.push(decoded);
    }
    for text in texts {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let percent: String =
            text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let json = json!(text).to_string();
        let base64 = [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)];
        for form in [text.as_str(), &percent, &hex, &json[1..json.len() - 1], &base64[0], &base64[1]] {
            forms.push(form.as_bytes().to_vec());
        }
        forms.push(hex.to_uppercase().into_bytes());
        // What base64 makes of it within a longer text, whatever stands before and behind it.
        for before in 0..3 {
            let encoded = STANDARD.encode([&vec![b' '; before][..], text.as_bytes(), b"   "].concat());
            let (start, end) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
            forms.push(encoded.as_bytes()[start..end].to_vec());
        }
    }
    forms
}

/// Fails when any of it stands in `bytes`.
#[track_caller]
fn clean(forms: &[Vec<u8>], what: &str, bytes: &[u8]) {
    for form in forms {
        let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == form[0]).map(|(at, _)| at);
        if let Some(at) = starts.into_iter().find(|at| bytes[*at..].starts_with(form)) {
            let around = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..(at + form.len() + 40).min(bytes.len())]).into_owned();
            panic!("{what} holds `{}`: …{around}…", String::from_utf8_lossy(form));
        }
    }
}

/// A server that keeps what it was sent, and answers with the secret in all the forms that servers echo; last, backwards.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(canary: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, canary) = (seen.clone(), canary.to_owned());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut part = [0; 4096];
                while !head.contains("\r\n\r\n") {
                    let read = stream.read(&mut part).expect("the guest asks");
                    assert!(read > 0, "{head}");
                    head += &String::from_utf8_lossy(&part[..read]);
                }
                let mut told = vec![head.replace("\r\n", " ")];
                told.extend(forms(&canary).iter().map(|form| String::from_utf8_lossy(form).into_owned()));
                told.push(STANDARD.encode(format!("ada:{canary}!")));
                told.push(canary.chars().rev().collect());
                let body = told.join("\n");
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-echo: {canary}\r\nconnection: close\r\n\r\n{body}", body.len());
                kept.lock().expect("no panic").push(head);
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { url, seen }
    }
}

/// A project whose tools are sent the secret, and all that it said.
struct Desk {
    shell: Shell,
    forms: Vec<Vec<u8>>,
    server: Server,
}

impl Desk {
    fn new(canary: &str, format: &str, outside: bool) -> Self {
        let (shell, server) = (Shell::new(), Server::start(canary));
        let url = &server.url;
        shell.write("hostile.wasm", fixture("hostile")).write("scripted.wasm", fixture("agent"));
        let secret = format!("{{ name = \"canary\", header = \"x-key\", format = {} }}", json!(format));
        let mut text = format!(
            "version = 1\nproject.name = \"desk\"\n[plugins.hostile]\nsource = \"hostile.wasm\"\n[plugins.hostile.grants]\n\
             http = [{{ allow = [\"GET {url}/**\"], private = [\"127.0.0.1\"], secret = {secret} }}]\n\
             [agents.scripted]\nsource = \"scripted.wasm\"\ntools = [\"hostile/*\"]\n"
        );
        if outside {
            shell.write("server.py", std::fs::read(workspace().join("tests/fixtures/outside/server.py")).expect("the fixture"));
            text += "[plugins.tickets]\ncommand = [\"python3\", \"server.py\"]\nenv = { TICKETS_TOKEN = { secret = \"canary\" } }\n";
        }
        shell.write("remit.toml", text);
        let desk = Self { shell, forms: forms(canary), server };
        let set = ["secret", "set", "canary", "--for", &desk.server.url, "--for", "plugin:tickets"];
        let (told, set) = desk.say(&set, canary);
        assert!(set.status.success(), "{told}");
        for arguments in [&["review", "--start", "--yes"][..], &["review", "--check"]] {
            assert_eq!(desk.run(arguments).status.code(), Some(0), "{arguments:?}");
        }
        desk
    }

    /// Runs a command with logs at their fullest, and looks through all that it says.
    fn run(&self, arguments: &[&str]) -> Output {
        self.say(arguments, "").1
    }

    fn say(&self, arguments: &[&str], input: &str) -> (String, Output) {
        let mut command = self.shell.command(arguments);
        let piped = command.env("REMIT_LOG", "trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let told = [&output.stdout[..], &output.stderr].concat();
        clean(&self.forms, &format!("what {arguments:?} says"), &told);
        (String::from_utf8_lossy(&told).into_owned(), output)
    }

    /// Looks through every file of the home: state, journal, audit log, secrets, backups, caches.
    fn search(&self, folder: &Path) -> usize {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                files += self.search(&entry.path());
            } else if kind.is_file() {
                files += 1;
                clean(&self.forms, &entry.path().display().to_string(), &std::fs::read(entry.path()).expect("a file"));
            }
        }
        files
    }
}

const ENDS: [&str; 8] = ["text", "structured", "media", "denied", "failed", "unavailable", "arguments", "trap"];

#[test]
fn m22_a_planted_secret_arrives_and_is_found_nowhere_else() {
    let outside = Path::new("/usr/bin/python3").exists();
    if !outside {
        skipped("m22_a_planted_secret_arrives_and_is_found_nowhere_else", "python3 is not there: no outside server echoes");
    }
    for (canary, format) in canaries() {
        let desk = Desk::new(&canary, format, outside);
        let url = format!("{}/a", desk.server.url);
        for how in ENDS {
            let arguments = json!({ "address": url, "how": how }).to_string();
            for json in [&["--json"][..], &[]] {
                let command = [json, &["call", "hostile", "leak", &arguments]].concat();
                let ended = desk.run(&command);
                assert_eq!(ended.status.success(), matches!(how, "text" | "structured" | "media"), "{how}: {ended:?}");
            }
            let step = json!({ "steps": [{ "call": { "tool": "hostile/leak", "arguments": { "address": url, "how": how } } }] });
            desk.run(&["run", "scripted", &step.to_string(), "--session", how]);
        }
        let seen = desk.server.seen.lock().expect("no panic").clone();
        assert!(seen.len() >= 3 * ENDS.len(), "{}", seen.len());
        let field = format!("x-key: {}\r\n", format.replace("{}", &canary));
        assert!(seen.iter().all(|head| head.contains(&field)), "the twin: it arrived, each time");
        if outside {
            for tool in ["environment", "fail", "wrong", "crash"] {
                for json in [&["--json"][..], &[]] {
                    let ended = desk.run(&[json, &["call", "tickets", tool]].concat());
                    assert_eq!(ended.status.success(), tool == "environment", "{ended:?}");
                }
            }
        }
        through_the_door(&desk, &url);
        for arguments in [
            &["secret", "list"][..],
            &["secret", "list", "--json"],
            &["inspect", "hostile"],
            &["inspect", "hostile", "--json"],
            &["explain", "hostile", "leak"],
            &["doctor"],
            &["session", "list"],
            &["backup", "../backup"],
        ] {
            desk.run(arguments);
        }
        let listed: Value = serde_json::from_slice(&desk.run(&["session", "list", "--json"]).stdout).expect("JSON");
        let sessions = listed.as_array().expect("a list");
        assert!(sessions.len() >= ENDS.len(), "{listed}");
        for session in sessions {
            let id = session["id"].as_str().expect("an id");
            assert!(desk.run(&["session", "show", id, "--full"]).status.success());
            assert!(desk.run(&["session", "export", id]).status.success());
        }
        let home = desk.shell.cwd().parent().expect("a home");
        assert!(home.join("backup").is_dir() && home.join(".local/state/remit/secrets/key").is_file());
        assert!(desk.search(home) > 10);
    }
}

/// The same through the door of MCP, with its log.
fn through_the_door(desk: &Desk, url: &str) {
    let mut command = desk.shell.command(&["mcp"]);
    command.env("REMIT_LOG", "remit_server=trace,remit_runtime=trace");
    let mut client = McpClient::start(command);
    for how in ENDS {
        let answer = client.ask("tools/call", json!({ "name": "hostile__leak", "arguments": { "address": url, "how": how } }));
        clean(&desk.forms, &format!("the answer to a client ({how})"), answer.to_string().as_bytes());
    }
    let (told, log, _) = client.close();
    clean(&desk.forms, "what else the door said", format!("{told:?}\n{log}").as_bytes());
}
