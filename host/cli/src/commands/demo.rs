//! `remit demo`: the whole job on real input, start to end.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use remit_core::{
    Error,
    grant::{Denial, line},
    identity::Role,
    plugin::{Kind, text::visible},
};
use remit_runtime::{Host, Outcome, Plugin, Project, Request, project::open};
use serde_json::{Value, json};

use crate::{
    Exit,
    commands::build::Goal,
    opened::{Door, crates, opening},
    output::{self, BAD, DIM, GOOD, HEAD},
    outside::Start,
};

/// Run a whole job: build plugins, search, be refused, grant, join; then an agent that is killed and goes on
///
/// Works in a clone of the project: it builds the plugins there, copies the documentation to a folder of its own and lets sandboxed
/// tools work on it, with a server on loopback as the outside world. Then an agent sorts an inbox: its process is killed in the middle,
/// its session goes on, asks for one approval, and sends each mail once.
///
/// Example: remit demo
#[derive(Debug, clap::Args)]
pub struct Demo {}

/// The table that the demo's server gives out.
const OWNERS: &str = "document,owner\nREADME.md,everybody\nARCHITECTURE.md,authors\nCONTRIBUTING.md,authors\nembed.md,host applications\n\
threats.md,security reviewers\ngrants.md,security reviewers\n";

const PROJECT: &str = r#"version = 1

[project]
name = "demo"

[plugins.files]
source = "{plugins}/files"
outside = true
[plugins.files.grants]
fs = [
    { path = "docs", mount = "/docs" },
    { path = "work", mount = "/work", access = "write" },
    { path = "inbox", mount = "/inbox" },
]

[plugins.fetch]
source = "{plugins}/fetch"
outside = true

[plugins.table]
source = "{plugins}/table"
outside = true
[plugins.table.grants]
fs = [{ path = "work", mount = "/work" }]
"#;

impl super::Run {
    pub(super) fn demo(&self, _: &Demo) -> anyhow::Result<Exit> {
        let clone = checkout(&self.environment.cwd)?;
        let folder = clone.join("target/demo");
        say(1, "a project with four plugins and an agent, and what each is granted");
        prepare(&clone, &folder)?;
        output::line(&format!("{DIM}{}{DIM:#}", folder.join("remit.toml").display()));
        let plugins = self.demo_plugins(&folder)?;
        let mut stage = Stage { run: self, host: self.host()?, folder, plugins };
        let steps = stage.work()?;
        self.demo_session(&stage.folder, steps + 1)?;
        output::line(&format!(
            "\n{GOOD}done{GOOD:#}: sandboxed tools did a job, each within what it was granted; an agent survived its process, and did nothing twice"
        ));
        Ok(Exit::Done)
    }

    /// Builds the crates, reviews them, and takes what was approved.
    fn demo_plugins(&self, folder: &Path) -> anyhow::Result<Vec<Plugin>> {
        let project = open(folder, None).map_err(opening)?;
        say(2, "the plugins are built to WebAssembly (cargo, target wasm32-wasip2)");
        for (name, source) in crates(&project) {
            let built = self.build_crate(&source, Goal::Project(&project, &name))?;
            let tools: Vec<_> = built.section.tools.iter().map(|tool| format!("{}({})", tool.name, super::effect(tool.effect))).collect();
            let offers = if built.kind == Kind::Agent { "an agent".to_owned() } else { tools.join(" ") };
            output::line(&format!("  {name}: {} KiB, {offers}", built.bytes.div_ceil(1024)));
        }
        let mut approved = Vec::new();
        for plugin in project.project.plugins.values() {
            approved.push((plugin.name.clone(), self.current(&project, plugin, None, Start::Never)?));
        }
        self.approve(&project, Default::default(), approved, Door::of("demo"), None)?;
        let project = open(folder, None).map_err(opening)?;
        project.project.plugins.values().map(|plugin| self.approved(&project, plugin)).collect()
    }
}

/// The demo while it runs.
struct Stage<'a> {
    run: &'a super::Run,
    host: Host,
    folder: PathBuf,
    plugins: Vec<Plugin>,
}

impl Stage<'_> {
    /// The tools' job; returns how many steps were shown.
    fn work(&mut self) -> anyhow::Result<usize> {
        self.load()?;
        say(3, "`files` searches the documentation");
        let found = self.call("files", "search", &json!({ "path": "/docs", "pattern": "(?i)refus|deni", "limit": 1000 }))?;
        let mentions = mentions(&result(found)?)?;
        output::line(&format!("  {} documents speak of refusing; written to /work/mentions.jsonl", mentions.lines().count()));
        self.done("files", "write", &json!({ "path": "/work/mentions.jsonl", "content": mentions }))?;

        say(4, "`fetch` asks a server for a table, and is refused: nothing was granted");
        let address = serve()?;
        let get = json!({ "url": format!("http://{address}/owners.csv"), "format": "raw" });
        let mut outcome = self.call("fetch", "get", &get)?;
        let mut granted = 0;
        while let Some(denial) = outcome.denials.first().cloned() {
            output::line(&format!("  {BAD}denied{BAD:#}: {denial}"));
            granted += 1;
            if granted > 2 {
                return Err(Error::host("the grant that was proposed did not help", denial).into());
            }
            say(4 + granted, "the reviewer grants exactly that, and nothing more");
            self.grant(&denial)?;
            outcome = self.call("fetch", "get", &get)?;
        }
        if granted == 0 {
            return Err(Error::host("the request was not refused", "no denial").into());
        }
        let owners = result(outcome)?;
        let owners = owners.get("content").and_then(Value::as_str).context("`fetch` gave no content")?.to_owned();
        self.done("files", "write", &json!({ "path": "/work/owners.csv", "content": owners }))?;

        say(5 + granted, "`table` joins both");
        let join = json!({ "left": "/work/mentions.jsonl", "right": "/work/owners.csv", "on": ["document"], "sort": ["-mentions"] });
        let outcome = self.call("table", "join", &join)?;
        let rows = result(outcome)?;
        print_rows(&rows)?;
        Ok(5 + granted)
    }

    fn load(&self) -> anyhow::Result<()> {
        let project = Project { name: "demo".to_owned(), root: self.folder.clone(), plugins: self.plugins.clone(), ..Project::default() };
        match self.host.load(project).pop() {
            Some((_, error)) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Calls a tool and shows the call as a person would type it.
    fn call(&self, plugin: &str, tool: &str, arguments: &Value) -> anyhow::Result<Outcome> {
        let text = arguments.to_string();
        output::line(&format!("{HEAD}$ remit call {plugin} {tool} {}{HEAD:#}", line::quote(&visible(&text, 110))));
        let context = self.host.context(self.run.environment.principal.clone(), Role::Owner)?;
        let outcome = self.run.block_on(async { Ok(self.host.call(&context, &Request::new("demo", plugin, tool, &text)).await) })?;
        let used = outcome.metering;
        output::line(&format!("{DIM}  {} µs of CPU, {} KiB at most{DIM:#}", used.cpu_us, used.memory_peak_bytes.div_ceil(1024)));
        Ok(outcome)
    }

    fn done(&self, plugin: &str, tool: &str, arguments: &Value) -> anyhow::Result<()> {
        result(self.call(plugin, tool, arguments)?).map(|_| ())
    }

    fn grant(&mut self, denial: &Denial) -> anyhow::Result<()> {
        let command = denial.command().ok_or_else(|| Error::host("the refusal proposes no grant", denial))?;
        output::line(&format!("{HEAD}$ {command}{HEAD:#}"));
        let fix = denial.fix.clone().unwrap_or_default().replace('\'', "");
        let plugin = self.plugins.iter_mut().find(|plugin| plugin.name.as_str() == denial.plugin).context("no such plugin")?;
        plugin.granted.merge(line::parse_pair(&fix)?)?;
        self.load()
    }
}

/// The structured result of a call that has to work.
fn result(outcome: Outcome) -> anyhow::Result<Value> {
    Ok(outcome.result?.structured.unwrap_or_default())
}

pub(super) fn say(step: usize, what: &str) {
    output::line(&format!("\n{HEAD}{step}. {what}{HEAD:#}"));
}

/// The clone that holds the plugins: above the working directory, else where this program was built.
fn checkout(cwd: &Path) -> anyhow::Result<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = cwd.ancestors().chain([built.as_path()]).find(|folder| folder.join("plugins/files/plugin.toml").is_file());
    let found =
        found.ok_or_else(|| Error::not_found("the demo needs a clone of the project, with its `plugins` folder").hint("run it there"))?;
    Ok(found.canonicalize()?)
}

/// A fresh project with a copy of the documentation.
#[allow(clippy::disallowed_methods, reason = "the demo's own folder is made here")]
fn prepare(clone: &Path, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("`{}` cannot be removed", folder.display()))?;
    }
    std::fs::create_dir_all(folder.join("docs"))?;
    std::fs::create_dir_all(folder.join("work"))?;
    for source in [clone.to_path_buf(), clone.join("docs")] {
        for entry in std::fs::read_dir(&source).with_context(|| format!("`{}` cannot be read", source.display()))? {
            let path = entry?.path();
            if let (Some(name), Some("md")) = (path.file_name(), path.extension().and_then(|extension| extension.to_str())) {
                std::fs::copy(&path, folder.join("docs").join(name))?;
            }
        }
    }
    let plugins = clone.join("plugins");
    let plugins = plugins.to_str().ok_or_else(|| Error::invalid(format!("`{}` is not UTF-8", plugins.display())))?;
    let text = format!("{PROJECT}{}", super::demo_session::PROJECT).replace("{plugins}", plugins);
    std::fs::write(folder.join("remit.toml"), text)?;
    super::demo_session::prepare(folder)
}

/// How many lines of each document match, as JSON lines.
fn mentions(found: &Value) -> anyhow::Result<String> {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for hit in found.get("matches").and_then(Value::as_array).context("`search` gave no matches")? {
        let path = hit.get("path").and_then(Value::as_str).unwrap_or_default();
        *counts.entry(path.rsplit('/').next().unwrap_or(path)).or_default() += 1;
    }
    Ok(counts.iter().map(|(document, mentions)| format!("{}\n", json!({ "document": document, "mentions": mentions }))).collect())
}

/// A server on loopback that answers every request with the table.
fn serve() -> anyhow::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no server can be started on loopback")?;
    let address = listener.local_addr()?;
    let table = Arc::new(OWNERS);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut head = Vec::new();
            let mut byte = [0; 1];
            while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.extend(byte);
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{table}", table.len());
            if let Err(error) = stream.write_all(answer.as_bytes()) {
                output::note(&format!("the demo's server could not answer: {error}"));
            }
        }
    });
    Ok(address)
}

/// Rows as columns that line up.
fn print_rows(rows: &Value) -> anyhow::Result<()> {
    let columns = rows.get("columns").and_then(Value::as_array).context("`join` gave no columns")?;
    output::line(&format!("  {HEAD}{}{HEAD:#}", cells(columns)));
    for row in rows.get("rows").and_then(Value::as_array).context("`join` gave no rows")? {
        output::line(&format!("  {}", cells(row.as_array().context("a row of `join` is no list")?)));
    }
    Ok(())
}

fn cells(cells: &[Value]) -> String {
    cells.iter().map(|cell| format!("{:<20}", visible(&cell.as_str().map_or_else(|| cell.to_string(), str::to_owned), 40))).collect()
}
