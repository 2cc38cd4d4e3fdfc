//! Mistakes in a file, all of them at once, each with its place and its fix.

use std::{fmt, ops::Range};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::{Error, limit::FILE_MAX_BYTES, plugin::text::visible};

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is, in bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    /// The mistake that `error` tells of what stands at `span`.
    pub fn at(span: Range<usize>, error: Error) -> Self {
        Self { span, message: error.message, hint: (!error.hints.is_empty()).then(|| error.hints.join("; ")) }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, self.span.clone()))))
    }
}

/// Everything that is wrong with one file.
///
/// [`Display`](fmt::Display) is one line; [`ProjectError::report`] shows each mistake with its line, as a terminal wants it.
#[derive(Debug)]
pub struct ProjectError {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

impl ProjectError {
    /// The mistakes of the file `name`, in the order of the file. Spans outside `text` or inside a character are moved to the nearest place.
    pub fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        for problem in &mut problems {
            let end = text.floor_char_boundary(problem.span.end);
            problem.span = text.floor_char_boundary(problem.span.start.min(end))..end;
        }
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        Self { source: NamedSource::new(visible(name, 256), text.to_owned()), problems }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The mistakes, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Each mistake with its line, a mark below it and its fix; plain text, safe to print.
    pub fn report(&self) -> String {
        let reports: Vec<String> = self.problems.iter().map(|problem| self.report_one(problem)).collect();
        reports.join("\n")
    }

    fn report_one(&self, problem: &Problem) -> String {
        const LINE_MAX_CHARS: usize = 160;
        let place = Place::of(self.source.inner(), problem.span.start);
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let before = visible(place.before, LINE_MAX_CHARS);
        let marked = place.text.len().min(problem.span.end.saturating_sub(place.start)).saturating_sub(place.before.len());
        let marked = place.text.get(place.before.len()..place.before.len() + marked).unwrap_or_default();
        let marks = "^".repeat(visible(marked, LINE_MAX_CHARS).chars().count().max(1));
        let indent = " ".repeat(before.chars().count());
        let mut out = format!("{}:{}:{}: {}\n", self.file(), place.line, place.column(), problem.message);
        if place.before.chars().count() < LINE_MAX_CHARS {
            out += &format!("{gutter} |\n{number} | {}\n{gutter} | {indent}{marks}\n", visible(place.text, LINE_MAX_CHARS));
        }
        if let Some(hint) = &problem.hint {
            out += &format!("{gutter} = {hint}\n");
        }
        out
    }

    fn place(&self, problem: &Problem) -> (usize, usize) {
        let place = Place::of(self.source.inner(), problem.span.start);
        (place.line, place.column())
    }
}

impl fmt::Display for ProjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [one] => {
                let (line, column) = self.place(one);
                write!(f, "{}:{line}:{column}: {one}", self.file())
            }
            many => {
                write!(f, "{} has {} mistakes", self.file(), many.len())?;
                for (index, problem) in many.iter().enumerate() {
                    let (line, _) = self.place(problem);
                    write!(f, "{} line {line}: {problem}", if index == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ProjectError {}

impl Diagnostic for ProjectError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

impl From<ProjectError> for Error {
    fn from(error: ProjectError) -> Self {
        let mut out = Self::invalid(error.to_string()).blame(crate::Blame::Grant);
        out.hints.extend(error.problems.into_iter().filter_map(|problem| problem.hint));
        out
    }
}

/// A line of a file, and the part of it before an offset.
struct Place<'a> {
    line: usize,
    start: usize,
    text: &'a str,
    before: &'a str,
}

impl<'a> Place<'a> {
    fn of(source: &'a str, offset: usize) -> Self {
        let (head, tail) = source.split_at_checked(offset).unwrap_or((source, ""));
        let start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let (_, before) = head.split_at_checked(start).unwrap_or((head, ""));
        let end = offset + tail.find('\n').unwrap_or(tail.len());
        let text = source.get(start..end).unwrap_or(before).trim_end_matches('\r');
        Self { line: head.matches('\n').count() + 1, start, text, before }
    }

    fn column(&self) -> usize {
        self.before.chars().count() + 1
    }
}

/// The text of a file that was read.
///
/// # Errors
/// When it is larger than [`FILE_MAX_BYTES`] or is not UTF-8; the error points to the first bad byte.
pub fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ProjectError> {
    if bytes.len() as u64 > FILE_MAX_BYTES {
        let message = format!("the file has more than {} MiB", FILE_MAX_BYTES >> 20);
        return Err(ProjectError::new(file, "", vec![Problem::new(0..0, message).hint("make it smaller; nothing of it was read")]));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (good, _) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let shown = String::from_utf8_lossy(good);
        let problem = Problem::new(shown.len()..shown.len(), format!("the file is not UTF-8 ({error})")).hint("save it as UTF-8");
        ProjectError::new(file, &shown, vec![problem])
    })
}
