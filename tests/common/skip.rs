//! How a test says that it was skipped, and what else is to be seen although it passes.

use std::io::Write;

pub(crate) fn skipped(test: &str, why: &str) {
    said(&format!("skipped {test}: {why}\n"));
}

/// Not by a macro: a passing test's printed words are swallowed. In one piece, beside other tests.
pub(crate) fn said(line: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
