//! Tools, people and a session, as a test sets them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use serde_json::Value;

use super::no_host;
use crate::durable::{Decision, Question};
use crate::model::{Request, Response};
use crate::{Error, ErrorKind, Output, Result};

/// The bounds of `remit:session/state`.
const KEY_MAX_BYTES: usize = 512;
const VALUE_MAX_BYTES: usize = 256 << 10;
const STATE_MAX_BYTES: usize = 16 << 20;
/// The bound of `remit:session/outputs`.
const OUTPUT_READ_MAX_BYTES: u32 = 256 << 10;

/// What answers for models.
type Model = Box<dyn FnMut(&str, &Request) -> Result<Response>>;

/// What answers calls of tools.
type Answer = Box<dyn FnMut(&str, Value) -> Result<Output>>;

#[derive(Default)]
struct People {
    decisions: VecDeque<Decision>,
    questions: Vec<Question>,
    inputs: VecDeque<String>,
    prompts: Vec<String>,
    sleeps: Vec<SystemTime>,
}

thread_local! {
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
    static MODEL: RefCell<Option<Model>> = const { RefCell::new(None) };
    static PEOPLE: RefCell<People> = RefCell::default();
    static OUTPUTS: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    static STATE: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

pub fn on_call(answer: Answer) {
    ANSWER.set(Some(answer));
}

pub fn on_model(model: Model) {
    MODEL.set(Some(model));
}

pub fn call_model(name: &str, request: &Request) -> Result<Response> {
    MODEL.with_borrow_mut(|model| {
        model.as_mut().map_or_else(|| Err(no_host(&format!("asking the model `{name}`"))), |model| model(name, request))
    })
}

pub fn decide(decision: Decision) {
    PEOPLE.with_borrow_mut(|people| people.decisions.push_back(decision));
}

pub fn say(input: String) {
    PEOPLE.with_borrow_mut(|people| people.inputs.push_back(input));
}

pub fn questions() -> Vec<Question> {
    PEOPLE.with_borrow(|people| people.questions.clone())
}

pub fn prompts() -> Vec<String> {
    PEOPLE.with_borrow(|people| people.prompts.clone())
}

pub fn sleeps() -> Vec<SystemTime> {
    PEOPLE.with_borrow(|people| people.sleeps.clone())
}

pub fn call_tool(tool: &str, arguments: &str) -> Result<Output> {
    let arguments = serde_json::from_str(arguments)?;
    // Taken out while it runs, so that an answer may itself call a tool and learn that there is none.
    let Some(mut answer) = ANSWER.take() else { return Err(no_host(&format!("calling `{tool}`"))) };
    let outcome = answer(tool, arguments);
    ANSWER.with_borrow_mut(|kept| {
        kept.get_or_insert(answer);
    });
    outcome
}

/// Calls one after the other, each when it is started.
pub struct Group {
    started: u32,
    ended: VecDeque<(u32, Result<Output>)>,
}

impl Group {
    pub fn new() -> Self {
        Self { started: 0, ended: VecDeque::new() }
    }

    pub fn start(&mut self, tool: &str, arguments: &str) -> u32 {
        let call = self.started;
        self.started += 1;
        self.ended.push_back((call, call_tool(tool, arguments)));
        call
    }

    pub fn next(&mut self) -> Option<(u32, Result<Output>)> {
        self.ended.pop_front()
    }
}

#[allow(clippy::panic, reason = "a mistake of the test, and there is nobody to wait for")]
pub fn await_approval(question: Question) -> Decision {
    let title = question.title.clone();
    let decision = PEOPLE.with_borrow_mut(|people| {
        people.questions.push(question);
        people.decisions.pop_front()
    });
    decision.unwrap_or_else(|| panic!("nobody decides `{title}`; before it is asked: testing::decide(Decision::Approved(None))"))
}

#[allow(clippy::panic, reason = "a mistake of the test, and there is nobody to wait for")]
pub fn await_input(prompt: &str) -> String {
    let input = PEOPLE.with_borrow_mut(|people| {
        people.prompts.push(prompt.to_owned());
        people.inputs.pop_front()
    });
    input.unwrap_or_else(|| panic!("nobody answers `{prompt}`; before it is asked: testing::say(\"…\")"))
}

pub fn sleep_until(moment: SystemTime) {
    PEOPLE.with_borrow_mut(|people| people.sleeps.push(moment));
}

pub fn patch(_name: &str) -> bool {
    true
}

pub fn state_get(key: &str) -> Option<Vec<u8>> {
    STATE.with_borrow(|values| values.get(key).cloned())
}

pub fn state_put(key: &str, value: &[u8]) -> Result<()> {
    let refuse = |what: &str, bytes: usize, max: usize| {
        Err(Error::new(ErrorKind::Limit, format!("{what} of `{key}` would have {bytes} bytes; at most {max} are kept")))
    };
    if key.len() > KEY_MAX_BYTES {
        return refuse("the key", key.len(), KEY_MAX_BYTES);
    }
    if value.len() > VALUE_MAX_BYTES {
        return refuse("the value", value.len(), VALUE_MAX_BYTES);
    }
    STATE.with_borrow_mut(|values| {
        let others: usize = values.iter().filter(|(other, _)| *other != key).map(|(other, kept)| other.len() + kept.len()).sum();
        let all = others + key.len() + value.len();
        if all > STATE_MAX_BYTES {
            return refuse("the state after a write", all, STATE_MAX_BYTES);
        }
        values.insert(key.to_owned(), value.to_owned());
        Ok(())
    })
}

pub fn state_delete(key: &str) {
    STATE.with_borrow_mut(|values| values.remove(key));
}

pub fn state_keys(prefix: &str) -> Vec<String> {
    STATE.with_borrow(|values| values.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
}

pub fn keep(uri: &str, bytes: &[u8]) {
    OUTPUTS.with_borrow_mut(|kept| kept.insert(uri.to_owned(), bytes.to_owned()));
}

pub fn output_read(uri: &str, offset: u64, length: u32) -> Result<Vec<u8>> {
    OUTPUTS.with_borrow(|kept| {
        let bytes = kept.get(uri).ok_or_else(|| Error::failed(format!("this session keeps nothing under `{uri}`")))?;
        let from = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        Ok(bytes.iter().skip(from).take(length.min(OUTPUT_READ_MAX_BYTES) as usize).copied().collect())
    })
}
