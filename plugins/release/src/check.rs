//! The test report: whether the edits are there, read back from the files.

use crate::plan::Edit;
use crate::tools;

/// One check.
#[remit::data]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Reads each file back: it has to hold the change and nothing else that is new.
pub fn run(edits: &[Edit]) -> Vec<Check> {
    let check = |edit: &Edit| {
        let problem = match tools::read(&edit.path) {
            Ok(file) if file.content == edit.after => None,
            Ok(file) if file.content == edit.before => Some("it is as it was before".to_owned()),
            Ok(_) => Some("it differs from the plan".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Check { name: format!("`{}` is as planned", edit.path), passed: problem.is_none(), problem }
    };
    edits.iter().map(check).collect()
}
