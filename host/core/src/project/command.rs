//! An outside MCP server as a plugin's source: the command that starts it, and all that its process is given.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{Plugin, Problem, Source, read, table::Table};
use crate::{
    grant::Grants,
    limit::{COMMAND_WORD_MAX_BYTES, COMMAND_WORDS_MAX, CallLimits},
    plugin::{Isolation, PluginName, text::visible},
    secret,
};

/// How a native process is started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command {
    /// Program and arguments. The program is looked up in the `PATH` that the process gets, unless it has a `/`.
    pub argv: Vec<String>,
    /// Variables that the process gets beside those that every one gets.
    pub env: BTreeMap<String, EnvValue>,
    /// Its working directory below the project's folder; default: that folder.
    pub cwd: Option<String>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnvValue {
    /// As written.
    Fixed(String),
    /// A secret that the host puts in when it starts the process.
    Secret(EnvSecret),
}

/// A secret and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvSecret {
    /// Its name.
    #[serde(rename = "secret")]
    pub name: String,
    /// What the variable holds; `{}` is the secret.
    #[serde(default = "bare")]
    pub format: String,
}

fn bare() -> String {
    "{}".to_owned()
}

impl Command {
    /// The names of the secrets that it gets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.env.values().filter_map(|value| match value {
            EnvValue::Secret(secret) => Some(secret.name.as_str()),
            EnvValue::Fixed(_) => None,
        })
    }

    /// What the process is given, a line each, as the lock holds it.
    pub fn lines(&self) -> Vec<String> {
        let variables = self.env.iter().map(|(name, value)| match value {
            EnvValue::Fixed(text) => format!("env {name}={text}"),
            EnvValue::Secret(secret) if secret.format == bare() => format!("secret {} as {name}", secret.name),
            EnvValue::Secret(secret) => format!("secret {} as {name}, written `{}`", secret.name, secret.format),
        });
        variables.chain(self.cwd.iter().map(|path| format!("cwd {path}"))).collect()
    }
}

/// The command as it is written in `remit.toml`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::Value::from(self.argv.clone()).to_string())
    }
}

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = EnvValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or `{ secret = \"NAME\" }`")
            }

            fn visit_str<E>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue::Fixed(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvValue, A::Error> {
                EnvSecret::deserialize(MapAccessDeserializer::new(map)).map(EnvValue::Secret)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A plugin whose table has `command`. Nothing can be granted to it: no grant would hold a native process.
pub(super) fn plugin(name: PluginName, mut table: Table<'_>, problems: &mut Vec<Problem>) -> Option<Plugin> {
    if let Some(grants) = table.table("grants", "`grants`", problems) {
        let problem = Problem::new(grants.span(), "a native process cannot be held to `grants`");
        problems.push(problem.hint("remove them: it runs with your own rights; what it is given stands in `env`"));
    }
    if table.has("source") {
        let span = table.optional::<Spanned<toml::Value>>("source", problems).map_or(table.span(), |source| source.span());
        problems.push(Problem::new(span, "a plugin has either `source` or `command`").hint("remove one of them"));
    }
    let argv: Vec<Spanned<String>> = table.required("command", "command = [\"npx\", \"tickets-mcp\"]", problems).unwrap_or_default();
    let span = argv.first().map_or(table.span(), Spanned::span);
    check_words(&argv, span, problems);
    let env = environment(&mut table, problems);
    let cwd: Option<Spanned<String>> = table.optional("cwd", problems);
    if let Some(path) = cwd.as_ref().filter(|path| !is_below(path.get_ref())) {
        let problem = Problem::new(path.span(), format!("`{}` is not a folder below the project's", visible(path.get_ref(), 128)));
        problems.push(problem.hint("write a relative path without `..`"));
    }
    let ask = read::asked(&mut table, problems);
    let limits = limits(&mut table, problems);
    let effects = read::effects(&mut table, problems);
    table.finish_without(&["grants", "source"], problems);
    let argv = argv.into_iter().map(Spanned::into_inner).collect();
    let source = Source::Command(Command { argv, env, cwd: cwd.map(Spanned::into_inner) });
    let (grants, isolation) = (Grants::default(), Isolation::None);
    Some(Plugin { name, source, ask, limits, isolation, grants, effects, disabled: false, agent: false })
}

fn check_words(argv: &[Spanned<String>], span: std::ops::Range<usize>, problems: &mut Vec<Problem>) {
    if argv.is_empty() || argv.first().is_some_and(|program| program.get_ref().is_empty()) || argv.len() > COMMAND_WORDS_MAX {
        let problem = Problem::new(span, format!("a command has 1 to {COMMAND_WORDS_MAX} words, the first of which is a program"));
        problems.push(problem.hint("write `command = [\"npx\", \"tickets-mcp\"]`"));
    }
    for word in argv.iter().filter(|word| !is_plain(word.get_ref())) {
        let problem = Problem::new(word.span(), format!("`{}` is not a word of a command", visible(word.get_ref(), 64)));
        problems.push(problem.hint(format!("use characters that show, at most {COMMAND_WORD_MAX_BYTES} bytes")));
    }
}

fn environment(table: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, EnvValue> {
    let Some(table) = table.table("env", "`env`", problems) else { return BTreeMap::new() };
    let entries = table.entries::<EnvValue>(problems);
    for (name, value) in &entries {
        let fits = match value {
            EnvValue::Fixed(text) => is_plain(text),
            EnvValue::Secret(secret) => {
                secret::is_name(&secret.name) && secret.format.matches("{}").count() == 1 && is_plain(&secret.format)
            }
        };
        if !is_variable(name.get_ref()) {
            let problem = Problem::new(name.span(), format!("`{}` is not the name of a variable", visible(name.get_ref(), 64)));
            problems.push(problem.hint("use letters, digits and `_`, not starting with a digit"));
        } else if !fits {
            let problem = Problem::new(name.span(), format!("`{}` has no value that a process can be given", name.get_ref()));
            problems.push(problem.hint("write text that shows, or `{ secret = \"NAME\", format = \"Bearer {}\" }`"));
        }
    }
    entries.into_iter().map(|(name, value)| (name.into_inner(), value)).collect()
}

/// The bounds of calls that hold for an outside server; its memory is not among them.
pub(super) fn limits(table: &mut Table<'_>, problems: &mut Vec<Problem>) -> CallLimits {
    let Some(mut table) = table.table("limits", "`limits`", problems) else { return CallLimits::default() };
    let limits = read::Limits {
        deadline_ms: table.optional("deadline_ms", problems),
        output_kib: table.optional("output_kib", problems),
        ..read::Limits::default()
    };
    table.finish(problems);
    limits.check(problems);
    limits.over(CallLimits::default())
}

fn is_plain(text: &str) -> bool {
    text.len() <= COMMAND_WORD_MAX_BYTES && visible(text, usize::MAX) == text
}

fn is_variable(name: &str) -> bool {
    let head = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    head && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_below(path: &str) -> bool {
    use std::path::Component;
    !path.is_empty() && is_plain(path) && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
