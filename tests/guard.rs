//! Guards against work that creeps in, without clocks: instructions (callgrind), system calls and opened files
//! (strace) of a program on a fixed input, beside what is recorded in `guard/NAME.json`. More than the record by its
//! tolerance fails; less by as much says that the record wants renewing. `UPDATE=1 cargo test --test guard` does.
//!
//! The programs are those of a release build, from `PODUNIT_STAGE` as `make check` has it: a debug build's counts
//! say little. Instructions vary a little between processors, since the C library chooses its copying by them.
#![allow(clippy::unwrap_used)]

#[path = "guard/generator.rs"]
mod generator;
#[path = "common/skip.rs"]
mod skip;

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    instructions: u64,
    system_calls: u64,
    opened_files: u64,
}

/// `guard/NAME.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// In percent, of instructions and of the counts of system calls.
    tolerance: u64,
    cost: Cost,
}

/// A program of the stage; `None`, said aloud, where a guard cannot run.
fn staged(test: &str, program: &str) -> Option<PathBuf> {
    let Some(stage) = std::env::var_os("PODUNIT_STAGE") else {
        skip::skipped(
            test,
            "PODUNIT_STAGE is not set: guards count what a release build does",
        );
        return None;
    };
    for (tool, argument) in [("valgrind", "--version"), ("strace", "-V")] {
        if Command::new(tool).arg(argument).output().is_err() {
            skip::skipped(test, &format!("{tool} is not installed"));
            return None;
        }
    }
    Some(Path::new(&stage).join(program))
}

/// Runs what `command` makes of the words before it, once under each tool; it must succeed each time.
fn measure(command: impl Fn(&[&str]) -> Command) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let (calls, profile) = (dir.path().join("calls"), dir.path().join("profile"));
    let run = |tool: &[&str]| {
        let output = command(tool).output().unwrap();
        assert!(
            output.status.success(),
            "{tool:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(&["strace", "-f", "-qq", "-o", calls.to_str().unwrap()]);
    let out = format!("--callgrind-out-file={}", profile.display());
    run(&["valgrind", "--quiet", "--tool=callgrind", &out]);
    let calls = fs::read_to_string(calls).unwrap();
    // A call that another thread interrupts in the output has two lines. Waiting for the other thread is chance.
    let lines = || {
        calls
            .lines()
            .filter(|line| !line.contains(" resumed>") && !line.contains("futex("))
    };
    let opened = lines().filter(|line| line.contains("open") && !line.contains(" = -1 "));
    let profile = fs::read_to_string(profile).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    Cost {
        instructions: total.unwrap().trim().parse().unwrap(),
        system_calls: lines().count() as u64,
        opened_files: opened.count() as u64,
    }
}

/// Compares with the record, or renews it.
fn hold(name: &str, cost: Cost) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/guard/{name}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let record: Record =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&Record { cost, ..record }).unwrap();
        fs::write(&file, text + "\n").unwrap();
        return;
    }
    match judge(&record, cost) {
        Ok(None) => {}
        Ok(Some(better)) => skip::said(&format!(
            "guard {name}: {better}: renew the record with UPDATE=1\n"
        )),
        Err(worse) => panic!("{name}: {worse}: find what was added, or say in the commit why, with UPDATE=1"),
    }
}

/// What is worse, or else what is better, by more than the tolerance.
fn judge(record: &Record, cost: Cost) -> Result<Option<String>, String> {
    let was = record.cost;
    let mut better = None;
    for (what, was, is) in [
        ("instructions", was.instructions, cost.instructions),
        ("system calls", was.system_calls, cost.system_calls),
        ("opened files", was.opened_files, cost.opened_files),
    ] {
        let line = format!(
            "{is} {what} where {was} are recorded ({} % tolerated)",
            record.tolerance
        );
        if is * 100 > was * (100 + record.tolerance) {
            return Err(line);
        }
        if is * 100 < was * (100 - record.tolerance) {
            better.get_or_insert(line);
        }
    }
    Ok(better)
}

#[test]
fn more_fails_and_less_is_told() {
    let cost = |instructions, system_calls| Cost {
        instructions,
        system_calls,
        opened_files: 10,
    };
    let record = Record {
        tolerance: 5,
        cost: cost(1000, 100),
    };
    assert_eq!(judge(&record, cost(1050, 95)), Ok(None));
    assert!(
        judge(&record, cost(1051, 100))
            .unwrap_err()
            .starts_with("1051 instructions")
    );
    assert!(
        judge(&record, cost(900, 106))
            .unwrap_err()
            .starts_with("106 system calls")
    );
    assert!(
        judge(&record, cost(949, 100))
            .unwrap()
            .unwrap()
            .starts_with("949 instructions")
    );
}
