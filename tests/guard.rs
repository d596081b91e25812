//! Guards against work that creeps in, without clocks: instructions (callgrind), system calls and opened files
//! (strace) of a program on a fixed input, beside what is recorded in `guard/NAME.json`. What a pod costs on a real
//! systemd is held by `e2e/cost.rs` in the same way. `UPDATE=1 cargo test --test guard` renews the records.
//!
//! Instructions vary a little between processors, since the C library chooses its copying by them.
#![allow(clippy::unwrap_used)]

#[path = "guard/generator.rs"]
mod generator;
#[path = "guard/record.rs"]
mod record;
#[path = "common/skip.rs"]
mod skip;
#[path = "guard/stage.rs"]
mod stage;
#[path = "guard/trace.rs"]
mod trace;

use record::{Cost, Record, Recorded, hold, judge};
use std::fs;
use std::process::Command;

/// What counts.
const PROGRAMS: [&str; 2] = ["valgrind", "strace"];

/// Runs what `command` makes of the words before it, once under each tool; it must succeed each time. Other programs
/// that it runs are not counted.
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
    let runs = trace::read(&fs::read_to_string(calls).unwrap());
    let program = &runs.iter().find(|run| run.executed_by.is_some()).unwrap().name;
    let calls: Vec<&String> = runs
        .iter()
        .filter(|run| run.name == *program)
        .flat_map(|run| &run.calls)
        .collect();
    let opened = calls
        .iter()
        .filter(|call| call.contains("open") && !call.contains(" = -1 "));
    let profile = fs::read_to_string(profile).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let counts = [
        ("instructions", total.unwrap().trim().parse().unwrap()),
        ("system calls", calls.len() as u64),
        ("opened files", opened.count() as u64),
    ];
    counts.map(|(what, count)| (what.to_owned(), count)).into()
}

#[test]
fn more_fails_and_less_is_told() {
    let record = Record::from([(
        "calls".to_owned(),
        Recorded {
            count: 100,
            tolerance: 5,
        },
    )]);
    let judged = |what: &str, count| {
        let verdict = judge(&record, &Cost::from([(what.to_owned(), count)]));
        (verdict.worse.join("; "), verdict.better.join("; "))
    };
    let nothing = (String::new(), String::new());
    assert_eq!(judged("calls", 95), nothing);
    assert_eq!(judged("calls", 105), nothing);
    let (worse, _) = judged("calls", 106);
    assert_eq!(worse, "calls: 106 where 100 are recorded (5 % tolerated)");
    let (_, better) = judged("calls", 94);
    assert_eq!(better, "calls: 94 where 100 are recorded (5 % tolerated)");
    // What nobody recorded is new, what nobody counted has gone.
    let (worse, better) = judged("others", 1);
    assert_eq!(worse, "others: 1 where 0 are recorded (0 % tolerated)");
    assert_eq!(better, "calls: 0 where 100 are recorded (5 % tolerated)");
}

#[test]
fn a_trace_tells_who_ran_what() {
    let runs = trace::read(
        r#"10 epoll_wait(4, <unfinished ...>
10 <... epoll_wait resumed>[], 3) = 1
10 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88 <unfinished ...>
11 execve("/proc/self/fd/8", ["/usr/bin/podunit", "member", "start", "web", "a"], 0x7f /* 9 vars */ <unfinished ...>
10 <... clone3 resumed>) = 3 /* 11 in strace's PID NS */
11 <... execve resumed>) = 0
11 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD|CLONE_SETTLS) = 4 /* 12 in strace's PID NS */
12 openat(AT_FDCWD, "/", O_RDONLY) = 3
12 futex(0x7f, FUTEX_WAIT_PRIVATE, 0, NULL) = 0
11 vfork( <unfinished ...>
13 execve("/usr/local/bin/crun", ["crun", "create", "web++a"], 0x7f /* 1 var */) = -1 ENOENT (No such file)
13 execve("/usr/bin/crun", ["crun", "create", "web++a"], 0x7f /* 1 var */) = 0
11 <... vfork resumed>) = 5 /* 13 in strace's PID NS */
13 +++ exited with 0 +++
11 --- SIGCHLD {si_signo=SIGCHLD} ---
"#,
    );
    let told: Vec<_> = runs
        .iter()
        .map(|run| (run.name.as_str(), run.executed_by, run.replaced, run.calls.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("", None, false, 2),
            ("", None, true, 1),
            ("podunit member start", Some(1), false, 3),
            ("podunit member start", None, true, 2),
            ("crun create", Some(3), false, 0),
        ]
    );
    assert!(runs[4].line.contains("web++a"));
}
