//! How a test says that it was skipped.

use std::io::Write;

/// Not by a macro: a passing test's printed words are swallowed. In one piece, beside other tests.
pub(crate) fn skipped(test: &str, why: &str) {
    let line = format!("skipped {test}: {why}\n");
    // A closed standard error leaves nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
