//! What a guard needs, and how it says that this is missing.

use crate::skip;
use std::path::PathBuf;
use std::process::Command;

/// How far from the end of an ELF file the names of its sections are looked for, in bytes.
const SECTION_NAMES: usize = 8 << 10;

/// The staged tree of a release build (`PODUNIT_STAGE`, as `make check` has it), if these tools are there too. A debug
/// build's counts say little.
pub(crate) fn release(test: &str, tools: &[&str]) -> Option<PathBuf> {
    let missing = |why: &str| {
        skip::skipped(test, why);
        None
    };
    let Some(stage) = std::env::var_os("PODUNIT_STAGE").map(PathBuf::from) else {
        return missing("PODUNIT_STAGE is not set: guards count what a release build does");
    };
    let program = stage.join("usr/bin/podunit");
    let built = std::fs::read(&program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    // The names of an ELF file's sections stand near its end; a release build is stripped of this one.
    let names = &built[built.len().saturating_sub(SECTION_NAMES)..];
    let name = b".symtab";
    if names.windows(name.len()).any(|bytes| bytes == name) {
        return missing("PODUNIT_STAGE has a debug build: guards count what a release build does");
    }
    for tool in tools {
        if Command::new(tool).arg("--version").output().is_err() {
            return missing(&format!("{tool} is not installed"));
        }
    }
    Some(stage)
}
