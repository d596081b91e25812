//! What a guard needs, and how it says that this is missing.

use crate::skip;
use std::path::PathBuf;
use std::process::Command;

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
    if has_symbols(&built).unwrap_or(true) {
        return missing("PODUNIT_STAGE has a debug build: guards count what a release build does");
    }
    for tool in tools {
        if Command::new(tool).arg("--version").output().is_err() {
            return missing(&format!("{tool} is not installed"));
        }
    }
    Some(stage)
}

/// Whether an ELF file of 64 bits has a section of symbols (elf(5)): a release build is stripped of it.
fn has_symbols(file: &[u8]) -> Option<bool> {
    const SHT_SYMTAB: u32 = 2;
    let short = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            file.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let sections = usize::try_from(u64::from_le_bytes(file.get(40..48)?.try_into().ok()?)).ok()?;
    let (size, number) = (short(58)?, short(60)?);
    (0..number).try_fold(false, |found, at| {
        Some(found || word(sections + at * size + 4)? == SHT_SYMTAB)
    })
}
