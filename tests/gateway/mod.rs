//! Outside MCP servers: reviewed and called from the command line, and how each way of misbehaving ends.

mod calls;
#[cfg(target_os = "linux")]
mod ends;
mod principals;
mod remote;
mod review;
mod upstream;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use remit_core::{
    Result,
    grant::{Declared, Grants},
    limit::CallLimits,
    plugin::{Adopted, Effect, Isolation, Kind, PluginName},
    project::{Command, EnvSecret, EnvValue},
    secret::{Found, SecretSource, SecretString, Wanted},
};
use remit_runtime::{
    GivenSecrets, Host, Plugin,
    capability::http::{Gateway as Http, GatewayOptions},
    plugin::Source,
    project::Native,
};
use remit_server::gateway::Gateway;
use remit_tests::{remit, skipped, workspace};

/// The secret that the server is given, in full and as no part of it may be seen.
const SECRET: &str = "s3cr3t/t0ken+of-tickets";

/// The server's script.
fn script() -> String {
    std::fs::read_to_string(workspace().join("tests/fixtures/outside/server.py")).expect("the fixture")
}

/// Whether the fixture can run here: `python3` lies in the `PATH` that outside servers get.
fn can_run(test: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let found = Native::find(&name(), folder.path(), &command(false));
    if let Err(error) = &found {
        skipped(test, &error.message);
    }
    found.is_ok()
}

fn name() -> PluginName {
    "tickets".parse().expect("a name")
}

fn command(secret: bool) -> Command {
    let secret = secret.then(|| {
        let value = EnvValue::Secret(EnvSecret { name: "tickets".to_owned(), format: "Bearer {}".to_owned() });
        ("TICKETS_TOKEN".to_owned(), value)
    });
    Command { argv: vec!["python3".to_owned(), "server.py".to_owned()], env: secret.into_iter().collect(), cwd: None }
}

/// The secret that `user:bob` has of his own.
const BOBS: &str = "b0b's-0wn/t0ken";

/// The one secret that is set: for everybody, for `user:bob` another one, for `user:eve` to go elsewhere.
struct Secrets;

impl SecretSource for Secrets {
    fn secret(&self, wanted: &Wanted<'_>) -> Result<Found> {
        Ok(match (wanted.name, wanted.principal.to_string().as_str()) {
            ("tickets", "user:bob") => Found::Value(SecretString::from(BOBS)),
            ("tickets", "user:eve") => Found::Elsewhere,
            ("tickets", _) => Found::Value(SecretString::from(SECRET)),
            _ => Found::Unset,
        })
    }
}

/// What the server is given for `user:ada`.
fn given(source: &Source) -> GivenSecrets {
    GivenSecrets::find(source, &name(), ("desk", &"user:ada".parse().expect("a principal")), &Secrets).expect("it is set")
}

/// Waits until `done` gives something; what it waits for is on its way.
#[track_caller]
fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if let Some(found) = done() {
            return found;
        }
        std::thread::yield_now();
    }
    panic!("never: {what}");
}

fn lines(folder: &Path, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A gateway whose processes the binary keeps.
fn gateway() -> Gateway {
    Gateway::new(remit())
}

/// What a gateway hears of the server's tools.
async fn listed(folder: &Path) -> (Native, Adopted) {
    let native = Native::find(&name(), folder, &command(true)).expect("python3 is there");
    let effects = [("lose".to_owned(), Effect::Read)].into();
    let http = Http::new(GatewayOptions::default()).expect("a gateway");
    let source = Source::Native(native.clone());
    let adopted = gateway().list(&name(), &source, &effects, &given(&source), &http).await.expect("it lists its tools");
    (native, adopted)
}

/// The server as a plugin, approved as it is now.
async fn plugin(folder: &Path, limits: CallLimits) -> Plugin {
    std::fs::write(folder.join("server.py"), script()).expect("a script");
    let (native, adopted) = listed(folder).await;
    Plugin {
        name: name(),
        digest: native.digest(),
        source: Source::Native(native),
        kind: Kind::Native,
        definitions: adopted.tools.into_values().map(|(_, definition)| definition).collect(),
        declared: Declared::default(),
        granted: Grants::default(),
        limits,
        isolation: Isolation::None,
        ask: vec!["twin".to_owned(), "fail".to_owned()],
    }
}

fn host(gateway: Gateway, records: remit_tests::Records) -> Host {
    Host::builder().secrets(Arc::new(Secrets)).audit(Arc::new(records)).outside(Arc::new(gateway)).build().expect("a host")
}
