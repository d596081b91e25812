//! Definitions of Quadlet's that are neither pod nor container.

use super::document::Definition;
use super::outcome::{Made, Outcome};
use crate::diagnostic::Problem;

/// What becomes of one.
pub(super) fn outcome(file: &Definition) -> Outcome {
    let message = format!(
        "files {} are not supported by this version of podunit",
        file.kind.suffix()
    );
    let mut problems = file.problems.clone();
    problems.push(Problem::error(file.place(), message).help("move it away"));
    Outcome {
        files: file.files.clone(),
        made: Made::Nothing,
        problems,
    }
}
