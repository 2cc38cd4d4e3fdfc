//! A plugin that is being served: its tools, its compiled component, the rights of each principal.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{
    Error, Result,
    grant::Resolved,
    identity::Principal,
    limit::{ARGUMENTS_MAX_BYTES, HOSTCALL_FUEL, JSON_MAX_DEPTH},
    plugin::{
        Definition, Effect, Kind,
        inspect::{inspect, inspect_interface},
        schema,
        text::visible,
    },
};
use serde_json::Value;
use tokio::sync::OnceCell;
use wasmtime::component::{Component, Linker};

use super::{
    Fate, Linked, Listed, Plugin,
    linked::{exported, failure, fate},
};
use crate::{
    capability::{CallState, Rights, fs},
    engine::{Engine, Failed, Room},
    isolation::Code,
    mcp::Served,
    output::Output,
    session::{Agents, LinkedAgent},
};

/// Most principals whose rights are kept ready; beyond that they are resolved anew.
const RIGHTS_KEPT: usize = 1024;

/// A served plugin.
pub(crate) struct Loaded {
    pub spec: Plugin,
    tools: HashMap<String, Arc<Tool>>,
    linked: OnceCell<Linked>,
    code: OnceCell<Arc<Code>>,
    listed: OnceCell<Arc<Listed>>,
    agent: OnceCell<LinkedAgent>,
    rights: Mutex<HashMap<(Principal, Effect), Arc<Rights>>>,
}

/// A tool with its schemas ready to check.
pub(crate) struct Tool {
    pub definition: Definition,
    input: jsonschema::Validator,
    output: Option<jsonschema::Validator>,
}

impl Loaded {
    /// Prepares what needs no component: schemas.
    ///
    /// # Errors
    /// `invalid` when a definition is not acceptable.
    pub fn new(spec: Plugin) -> Result<Self> {
        let mut tools = HashMap::new();
        for definition in &spec.definitions {
            definition.check()?;
            let tool = Tool {
                input: validator(&definition.name, &definition.input_schema)?,
                output: definition.output_schema.as_ref().map(|schema| validator(&definition.name, schema)).transpose()?,
                definition: definition.clone(),
            };
            if tools.insert(definition.name.clone(), Arc::new(tool)).is_some() {
                return Err(Error::invalid(format!("two tools are named `{}`", definition.name)));
            }
        }
        let (linked, code, listed, agent) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Self { spec, tools, linked, code, listed, agent, rights: Mutex::default() })
    }

    /// The tool `name`.
    ///
    /// # Errors
    /// `not-found`, with the names there are.
    pub fn tool(&self, name: &str) -> Result<&Arc<Tool>> {
        self.tools.get(name).ok_or_else(|| {
            let names: Vec<_> = self.spec.definitions.iter().map(|tool| tool.name.as_str()).collect();
            let has = if names.is_empty() { "no tools".to_owned() } else { names.join(", ") };
            Error::not_found(format!("`{}` has no tool `{}`", self.spec.name, visible(name, 64))).hint(format!("it has: {has}"))
        })
    }

    /// The rights of `principal`, with the granted folders opened once.
    ///
    /// # Errors
    /// Those of opening a granted folder.
    pub fn rights(&self, principal: &Principal, effect: Effect, root: &Path) -> Result<Arc<Rights>> {
        let key = (principal.clone(), effect);
        if let Some(rights) = self.rights.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(rights.clone());
        }
        let spec = &self.spec;
        let resolved = Resolved::new(spec.name.as_str(), effect, spec.declared.clone(), spec.granted.clone(), principal, root);
        let mounts = fs::open(&resolved.mounts)?;
        let rights = Arc::new(Rights { resolved, mounts });
        let mut kept = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= RIGHTS_KEPT {
            kept.clear();
        }
        kept.insert(key, rights.clone());
        Ok(rights)
    }

    /// Compiles and links the component, once; a failure is not remembered.
    ///
    /// # Errors
    /// Those of reading, compiling and linking.
    pub async fn link(&self, engine: &Engine, linker: &Linker<CallState>, interfaces: &[&str]) -> Result<()> {
        let link = async || {
            let bytes = self.spec.source.read(&self.spec.digest)?;
            let component = engine.component(self.spec.name.as_str(), &bytes, &self.spec.digest).await?;
            self.prepare(&bytes, &component, linker, interfaces)
        };
        self.linked.get_or_try_init(link).await.map(|_| ())
    }

    /// Compiles the component for a process of its own, once; a failure is not remembered. It is not linked to anything here.
    ///
    /// # Errors
    /// Those of reading and compiling; `invalid` when it imports what only this host's own process has.
    pub async fn code(&self, engine: &Engine) -> Result<Arc<Code>> {
        let code = async || {
            let bytes = self.spec.source.read(&self.spec.digest)?;
            let inspection = inspect_interface(&bytes, &[])?;
            let functions = match self.spec.kind {
                Kind::Plain => schema::definitions(&inspection, &BTreeMap::new(), &BTreeMap::new()).0,
                _ => Vec::new(),
            };
            let functions = functions.into_iter().map(|(definition, place)| (definition.name, place.interface, place.function));
            let component = engine.component(self.spec.name.as_str(), &bytes, &self.spec.digest).await?;
            let compiled = component.serialize().map_err(|error| Error::host("compiled code cannot be handed on", format!("{error:#}")))?;
            Ok(Arc::new(Code::new(&self.spec, compiled, functions)))
        };
        self.code.get_or_try_init(code).await.cloned()
    }

    /// What the component exports of `remit:mcp`, once it is linked.
    pub fn mcp(&self) -> Option<&Served> {
        match self.linked.get() {
            Some(Linked::Tool(_, _, served)) => Some(served),
            _ => None,
        }
    }

    /// Its prompts and resources, as `list` says, which is asked once; a failure is not remembered.
    ///
    /// # Errors
    /// Those of `list`.
    pub async fn listed(&self, list: impl Future<Output = Result<Listed>> + Send) -> Result<Arc<Listed>> {
        self.listed.get_or_try_init(|| async { list.await.map(Arc::new) }).await.cloned()
    }

    /// Compiles and links the component of an agent, once; a failure is not remembered.
    ///
    /// # Errors
    /// Those of reading, compiling and linking.
    pub async fn link_agent(&self, agents: &Agents) -> Result<&LinkedAgent> {
        let link = async || {
            let bytes = self.spec.source.read(&self.spec.digest)?;
            let component = agents.component(self.spec.name.as_str(), &bytes, &self.spec.digest).await?;
            agents.prepare(self.spec.name.as_str(), &bytes, &component)
        };
        self.agent.get_or_try_init(link).await
    }

    /// Checks the input of a turn, where the agent says what it takes.
    ///
    /// # Errors
    /// Those of [`Tool::arguments`].
    pub fn turn_input(&self, input: &str) -> Result<()> {
        self.handler()?.arguments(input).map(|_| ())
    }

    /// Checks the output of a turn.
    ///
    /// # Errors
    /// `limit` over the plugin's bound; `guest` when it is no JSON, or does not fit the output schema.
    pub fn check_turn(&self, output: &str) -> Result<()> {
        let max_bytes = self.spec.limits.output_bytes();
        if output.len() > max_bytes {
            return Err(crate::output::too_large(output.len(), max_bytes));
        }
        let value: Value = serde_json::from_str(output).map_err(|error| Error::guest("the agent's output is not JSON").internal(error))?;
        self.handler()?.check_structured(&value)
    }

    /// The one definition of an agent.
    fn handler(&self) -> Result<&Tool> {
        let tool = self.tools.values().next();
        tool.map(AsRef::as_ref).ok_or_else(|| Error::invalid(format!("the agent `{}` does not say what it takes", self.spec.name)))
    }

    fn prepare(&self, bytes: &[u8], component: &Component, linker: &Linker<CallState>, interfaces: &[&str]) -> Result<Linked> {
        let unlinked = |error: wasmtime::Error| match inspect(bytes, interfaces) {
            Err(refusal) => refusal,
            Ok(_) => Error::invalid(format!("`{}` cannot be linked", self.spec.name)).internal(format!("{error:#}")),
        };
        let pre = linker.instantiate_pre(component).map_err(unlinked)?;
        match self.spec.kind {
            Kind::Tool => Linked::tool(component, pre).map_err(unlinked),
            Kind::Agent | Kind::Native | Kind::Remote => Err(Error::host("what is no tool component was linked as one", &self.spec.name)),
            Kind::Plain => {
                let functions = schema::definitions(&inspect_interface(bytes, interfaces)?, &BTreeMap::new(), &BTreeMap::new()).0;
                let mut exports = HashMap::new();
                for (definition, function) in functions {
                    exports.insert(definition.name, exported(component, function.interface.as_deref(), &function.function)?);
                }
                Ok(Linked::Plain(pre, exports))
            }
        }
    }

    /// Bytes that may be lifted out of the guest in one call.
    pub fn hostcall_fuel(&self) -> usize {
        match self.spec.kind {
            Kind::Plain => self.spec.limits.output_bytes().saturating_mul(40),
            _ => HOSTCALL_FUEL.max(self.spec.limits.output_bytes()),
        }
    }

    /// Calls `tool` in `room`. `text` and `arguments` are the same arguments. Returns the result, of `max_bytes` at most, and its size.
    ///
    /// # Errors
    /// A failure of the guest or of the engine.
    pub async fn run(
        &self,
        room: &mut Room,
        tool: &str,
        text: &str,
        arguments: &Value,
        max_bytes: usize,
    ) -> Result<(Output, usize), Failed> {
        let store = match room {
            Room::Apart(apart) => return apart.run(tool, text, max_bytes).await,
            Room::Here(store) => store,
        };
        let linked = self.linked.get().ok_or_else(|| Error::host("the plugin is not linked", tool))?;
        linked.run(store, tool, text, arguments, max_bytes).await
    }

    /// Asks in `room` what became of the call of `tool` with `key`. Returns the answer and the size of its result.
    ///
    /// # Errors
    /// `invalid` where the component cannot be asked; a failure of the guest or of the engine.
    pub async fn settle(&self, room: &mut Room, tool: &str, key: &str) -> Result<(Fate, usize), Failed> {
        let max_bytes = self.spec.limits.output_bytes();
        match (room, self.linked.get()) {
            (Room::Apart(apart), _) => apart.settle(tool, key, max_bytes).await,
            (Room::Here(store), Some(linked)) => Ok(fate(linked.ask_fate(store, tool, key).await?.map_err(failure)?, max_bytes)?),
            (Room::Here(_), None) => Err(Error::host("the plugin is not linked", tool).into()),
        }
    }
}

fn validator(tool: &str, schema: &Value) -> Result<jsonschema::Validator> {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    options.build(schema).map_err(|error| Error::invalid(format!("a schema of the tool `{tool}` is not valid: {error}")))
}

/// Checks the arguments of a call against its tool's definition, as the call would.
///
/// # Errors
/// `limit` over [`ARGUMENTS_MAX_BYTES`]; `invalid` for what is no JSON, too deep, or does not fit the input schema.
pub fn check_arguments(definition: &Definition, arguments: &str) -> Result<()> {
    let input = validator(&definition.name, &definition.input_schema)?;
    Tool { input, output: None, definition: definition.clone() }.arguments(arguments).map(drop)
}

impl Tool {
    /// What stands in the place of a tool where an MCP client asks for something else. It takes any object and changes nothing.
    ///
    /// # Errors
    /// None that is known.
    pub fn of_mcp(name: &str) -> Result<Self> {
        let input_schema = serde_json::json!({ "type": "object" });
        let definition = Definition {
            name: name.to_owned(),
            title: None,
            description: String::new(),
            input_schema,
            output_schema: None,
            effect: Effect::Read,
        };
        Ok(Self { input: validator(name, &definition.input_schema)?, output: None, definition })
    }

    /// Parses arguments and checks them against the input schema.
    ///
    /// # Errors
    /// `limit` over [`ARGUMENTS_MAX_BYTES`]; `invalid` for anything that is no JSON, too deep, or does not fit the schema.
    pub fn arguments(&self, text: &str) -> Result<Value> {
        if text.len() > ARGUMENTS_MAX_BYTES {
            return Err(Error::limit(format!("the arguments have {} bytes; at most {ARGUMENTS_MAX_BYTES} are accepted", text.len()))
                .hint("send less at once, or name a file that the tool may read"));
        }
        check_depth(text)?;
        let arguments: Value = serde_json::from_str(text).map_err(|error| {
            Error::invalid(format!("the arguments are not JSON: {error}")).hint("pass one JSON object, such as '{\"path\": \"/docs\"}'")
        })?;
        if let Some(error) = self.input.iter_errors(&arguments).next() {
            return Err(self.misfit(&error));
        }
        Ok(arguments)
    }

    fn misfit(&self, error: &jsonschema::ValidationError<'_>) -> Error {
        let at = error.instance_path().to_string();
        let at = if at.is_empty() { String::new() } else { format!(" at `{}`", visible(&at, 128)) };
        let named = self.definition.input_schema.get("properties").and_then(Value::as_object);
        let names = named.map(|named| named.keys().map(String::as_str).collect::<Vec<_>>().join(", ")).unwrap_or_default();
        let hint = if names.is_empty() { "it takes no arguments: pass {}".to_owned() } else { format!("it takes: {names}") };
        Error::invalid(format!("the arguments of `{}` do not fit{at}: {}", self.definition.name, visible(&error.to_string(), 512)))
            .hint(hint)
    }

    /// Checks a result against the output schema.
    ///
    /// # Errors
    /// `guest` when it does not fit, or structured output is promised and missing.
    pub fn check_output(&self, output: &Output) -> Result<()> {
        match (&self.output, &output.structured) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Error::guest(format!("`{}` promises structured output and returned none", self.definition.name))
                .hint("this is a mistake in the plugin: its output schema and its output differ")),
            (Some(_), Some(structured)) => self.check_structured(structured),
        }
    }

    /// Checks structured output against the output schema, where there is one.
    ///
    /// # Errors
    /// `guest` when it does not fit.
    pub fn check_structured(&self, structured: &Value) -> Result<()> {
        let Some(validator) = &self.output else { return Ok(()) };
        match validator.iter_errors(structured).next() {
            None => Ok(()),
            Some(error) => Err(Error::guest(format!("the result of `{}` does not fit its schema", self.definition.name))
                .hint("this is a mistake in the plugin: its output schema and its output differ")
                .internal(visible(&error.to_string(), 512))),
        }
    }
}

/// Refuses JSON deeper than [`JSON_MAX_DEPTH`] before anything recurses into it.
fn check_depth(text: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > JSON_MAX_DEPTH {
                    return Err(Error::invalid(format!("the arguments are nested deeper than {JSON_MAX_DEPTH} levels"))
                        .hint("pass what is deeper as text"));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
