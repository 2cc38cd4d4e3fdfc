//! What the process was started with: read once, here, and handed on as values.

use std::path::PathBuf;

use anyhow::Context as _;
use remit_core::{Error, identity::Principal};
use remit_runtime::{
    project::{secrets_folder, trust_folder},
    secrets::EnvSecrets,
};

/// The process's surroundings.
pub struct Environment {
    /// The working directory.
    pub cwd: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// `REMIT_PROJECT`.
    pub project: Option<PathBuf>,
    /// `REMIT_HOME`: where state of projects lives instead of in them.
    pub home: Option<PathBuf>,
    /// The user's home folder.
    pub user: Option<PathBuf>,
    /// Where programs of the user are configured.
    pub config: PathBuf,
    /// `CODEX_HOME`: where the client Codex is configured instead.
    pub codex: Option<PathBuf>,
    /// Where compiled components are kept.
    pub cache: PathBuf,
    /// Where trust is kept.
    pub trust: PathBuf,
    /// Where the key that signs audit logs is kept.
    pub signing: PathBuf,
    /// Who runs the command: `user:<login>`.
    pub principal: Principal,
    /// The user's time zone, an IANA name.
    pub time_zone: String,
    /// Where secrets are kept.
    pub secrets: PathBuf,
    /// Variables named `REMIT_SECRET_…`.
    pub secret_variables: EnvSecrets,
    /// `REMIT_LOG`: a filter for logs.
    pub log: Option<String>,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// `invalid` when there is neither a home folder nor the variables that stand for it.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
    pub fn read() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = |name: &str, below: &str| {
            let base = variable(name).or_else(|| variable("HOME").map(|home| home.join(below)));
            base.ok_or_else(|| Error::invalid(format!("neither `HOME` nor `{name}` is set")).hint("set `HOME`"))
        };
        let trust = trust_folder(None, variable("XDG_STATE_HOME").as_deref(), variable("HOME").as_deref())?;
        Ok(Self {
            cwd: std::env::current_dir().context("the working directory cannot be read")?,
            program: std::env::current_exe().context("this program's own path cannot be read")?,
            project: variable("REMIT_PROJECT"),
            home: variable("REMIT_HOME"),
            user: variable("HOME"),
            config: folder("XDG_CONFIG_HOME", ".config")?,
            codex: variable("CODEX_HOME"),
            cache: folder("XDG_CACHE_HOME", ".cache")?.join("remit"),
            secrets: secrets_folder(&trust),
            signing: trust.with_file_name("audit"),
            trust,
            principal: format!("user:{}", login()).parse()?,
            time_zone: jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_owned(),
            secret_variables: EnvSecrets::new(std::env::vars()),
            log: std::env::var("REMIT_LOG").ok(),
        })
    }
}

/// The login name, as the system's user database has it; the user's number where it has none.
#[allow(clippy::disallowed_methods, reason = "the user database is a file, and this is the one reader")]
fn login() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()));
    line.and_then(|line| line.split(':').next()).filter(|name| !name.is_empty()).unwrap_or(&uid).to_owned()
}

/// Sends logs to standard error.
pub fn start_logging(environment: &Environment, verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "remit=info,remit_runtime=info",
        _ => "debug",
    };
    let filter = environment.log.clone().unwrap_or_else(|| default.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // Whatever is asked for, the words of outside servers and of guests are not among it: the libraries log them as they are, secrets too.
    let quiet = ["rmcp=warn", "wasmtime=warn", "wasmtime_wasi=warn", "wasmtime_wasi_http=warn", "remit_bindings=warn"];
    let filter = quiet.into_iter().try_fold(filter, |filter, one| one.parse().map(|one| filter.add_directive(one)));
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
