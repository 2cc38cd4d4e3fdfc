//! From wasmtime's errors to Remit's, once.

use remit_core::{Error, Kind, limit::CallLimits, plugin::text::visible};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace, component::ResourceTableError};
use wasmtime_wasi::I32Exit;

use super::{DeadlinePassed, Limiter, Refused};

/// Frames of a backtrace that are shown.
const FRAMES_MAX: usize = 16;
/// Longest name of a function that is shown.
const FRAME_MAX_CHARS: usize = 160;
/// Longest reason, as wasmtime worded it, that is shown.
const REASON_MAX_CHARS: usize = 400;
/// What to do about a component that fails by itself.
const MISTAKE: &str = "this is a mistake in the plugin: tell its author";
/// What to do about a bound that nobody can raise.
const LESS: &str = "ask the tool for less at once: this bound is the host's own";
/// What to do about a component that cannot start in the memory that it may have.
const MORE: &str = "give it more: `limits = { memory_mib = … }`";
/// What to do about a component of too many parts.
const FEWER: &str = "build it as fewer components";

/// Why a call failed, and where in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What happened, in plain words.
    pub error: Error,
    /// The guest's functions, innermost first, demangled and safe to show; at most 16. Guest text: never a hint.
    pub backtrace: Vec<String>,
    /// Whether it is how guests end that were refused memory.
    starved: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, backtrace: Vec::new(), starved: false }
    }
}

impl From<wasmtime::Error> for Failed {
    fn from(error: wasmtime::Error) -> Self {
        let classified = own_error(&error)
            .or_else(|| deadline(&error))
            .or_else(|| bound(&error))
            .or_else(|| exit(&error))
            .or_else(|| trap(&error))
            .unwrap_or_else(|| other(&error));
        let internal = classified.internal.clone().unwrap_or_else(|| format!("{error:#}"));
        let starved = matches!(classified.kind, Kind::Guest) && (error.is::<Trap>() || error.is::<I32Exit>()) || refuses_minimum(&error);
        Self { error: classified.internal(internal), backtrace: frames(&error), starved }
    }
}

impl Failed {
    /// A failure as the process of an isolated plugin tells it. Of its hints, those are kept that the host itself would give.
    pub(crate) fn told(error: Error, hints: &[String], backtrace: &[String]) -> Self {
        let own = [MISTAKE.to_owned(), LESS.to_owned(), MORE.to_owned(), more_memory(), longer(), FEWER.to_owned()];
        let error = hints.iter().filter(|hint| own.contains(hint)).fold(error, |error, hint| error.hint(hint));
        let backtrace = backtrace.iter().take(FRAMES_MAX).map(|frame| visible(frame, FRAME_MAX_CHARS)).collect();
        Self { error, backtrace, starved: false }
    }

    /// The failure, said to be the memory limit when that is what ended it: a guest that is refused memory usually aborts, so a trap
    /// after a refusal is the limit's doing. `limiter` is that of the same call.
    #[must_use]
    pub fn explain(mut self, limiter: &Limiter) -> Self {
        if let (true, Some(refused)) = (self.starved, limiter.refused()) {
            let internal = self.error.internal.take().unwrap_or_default();
            self.error = memory(refused, limiter.max_bytes()).internal(internal);
        }
        self
    }
}

/// Says why compiled code could not be taken over.
pub(super) fn load_failed(error: &wasmtime::Error) -> Error {
    let text = format!("{error:#}");
    // The pool's own sentences; it has no type for them.
    if text.contains("in pooling allocator requirements") || text.contains("in the pooling allocator") {
        let reason = visible(&error.root_cause().to_string(), REASON_MAX_CHARS);
        return Error::limit(format!("the component is larger than a call may be: {reason}")).internal(text);
    }
    Error::host("compiled code could not be loaded", text)
}

/// Says why a component does not compile; the words are wasmtime's, shortened and made safe.
pub(super) fn does_not_compile(text: &str) -> Error {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::invalid(format!("the component is not valid: {}", visible(&one_line, REASON_MAX_CHARS)))
}

/// An error that one of our own host functions raised.
fn own_error(error: &wasmtime::Error) -> Option<Error> {
    error.downcast_ref::<Error>().cloned()
}

fn deadline(error: &wasmtime::Error) -> Option<Error> {
    let passed = error.is::<DeadlinePassed>() || matches!(error.downcast_ref(), Some(Trap::Interrupt));
    passed.then(|| Error::limit("the component was stopped: its deadline passed").hint(longer()))
}

fn longer() -> String {
    format!("give it longer: `limits = {{ deadline_ms = … }}` (at most {})", CallLimits::DEADLINE_MAX_MS)
}

fn more_memory() -> String {
    format!("give it more: `limits = {{ memory_mib = … }}` (at most {})", CallLimits::MEMORY_MAX_MIB)
}

fn memory(refused: Refused, max_bytes: usize) -> Error {
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    let (kind, wanted) = match refused {
        Refused::Memory(wanted) => ("memory", wanted),
        Refused::Table(wanted) => ("tables", wanted),
    };
    Error::limit(format!("the component was stopped: it wanted {} MiB of {kind}, and may have {} MiB", mib(wanted), mib(max_bytes)))
        .hint(more_memory())
}

/// Whether an instance could not even start with the memories or tables that it declares.
fn refuses_minimum(error: &wasmtime::Error) -> bool {
    says(error, "exceeds memory limits") || says(error, "exceeds table limits")
}

/// Bounds other than memory and time. Most have no type of their own in wasmtime; its sentences are matched, and a test of each keeps
/// them true.
fn bound(error: &wasmtime::Error) -> Option<Error> {
    let (reason, hint) = if error.is::<PoolConcurrencyLimitError>() {
        ("the host has no room for another instance", "try again when another call has ended")
    } else if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        ("it holds too many host resources at once", LESS)
    } else if says(error, "fuel allocated for hostcalls has been exhausted") {
        ("it passed too much data to the host", LESS)
    } else if says(error, "store handle limit exceeded") {
        ("it holds too many handles at once", LESS)
    } else if says(error, "resource limit exceeded:") {
        ("it has too many instances, memories or tables", FEWER)
    } else if matches!(error.downcast_ref(), Some(Trap::AllocationTooLarge)) {
        ("it wanted too much memory at once", LESS)
    } else if refuses_minimum(error) {
        ("it needs more memory than it may have", MORE)
    } else {
        return None;
    };
    Some(Error::limit(format!("the component was stopped: {reason}")).hint(hint))
}

fn says(error: &wasmtime::Error, words: &str) -> bool {
    error.chain().any(|cause| cause.to_string().contains(words))
}

fn exit(error: &wasmtime::Error) -> Option<Error> {
    let I32Exit(code) = error.downcast_ref()?;
    Some(Error::guest(format!("the component exited with code {code} before it answered")).hint(MISTAKE))
}

fn trap(error: &wasmtime::Error) -> Option<Error> {
    let trap = error.downcast_ref::<Trap>()?;
    let reason = match trap {
        Trap::UnreachableCodeReached => "it panicked or aborted".to_owned(),
        Trap::StackOverflow => "its call stack overflowed (a recursion without an end?)".to_owned(),
        Trap::MemoryOutOfBounds => "it reached outside its memory".to_owned(),
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => "it called a function that is not there".to_owned(),
        Trap::IntegerDivisionByZero => "it divided by zero".to_owned(),
        Trap::IntegerOverflow | Trap::BadConversionToInteger => "a number did not fit its type".to_owned(),
        Trap::CannotEnterComponent => "an earlier failure closed it".to_owned(),
        other => other.to_string().trim_start_matches("wasm trap: ").to_owned(),
    };
    Some(Error::guest(format!("the component stopped: {reason}")).hint(MISTAKE))
}

/// What has no class of its own: values that break the component model's rules, which is the guest's doing, and failures of the
/// machine, of which only the log speaks.
fn other(error: &wasmtime::Error) -> Error {
    if error.chain().any(|cause| cause.is::<std::io::Error>()) {
        return Error::new(Kind::Host, "the component failed because of the host");
    }
    Error::guest(format!("the component failed: {}", visible(&error.root_cause().to_string(), REASON_MAX_CHARS))).hint(MISTAKE)
}

/// The names in the backtrace; wasmtime's own rendering demangles them, one line a frame: `0: 0x1c - module!name`.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let rendered = trace.to_string();
    let names = rendered.lines().filter_map(|line| line.split_once(" - ")).map(|(_, name)| visible(name.trim(), FRAME_MAX_CHARS));
    names.take(FRAMES_MAX).collect()
}
