//! Whether a test that needs root can go on.

use super::skip;

/// One that cannot says so.
pub(crate) fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip::skipped(test, "needs root");
    }
    is_root
}
