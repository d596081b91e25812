//! What a pod costs on a real systemd, without clocks, held by `tests/guard/pod.json`: the programs that its start and
//! its stop run, the system calls of the start, the launcher's instructions, and memory at rest.
//! `UPDATE=1 cargo test --test e2e cost` renews it.
//!
//! strace, on the host, follows the machine's PID 1 and with it everything that systemd starts.

use crate::machine::Machine;
use crate::record::{Cost, hold};
use crate::trace::{self, Run};
use crate::{skip, stage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What a supervisor has just after a start, in KiB of PSS; at rest it is less.
const AT_WORK: u64 = 1_800;

#[test]
fn a_pod_costs_what_is_recorded() {
    let Some(_) = stage::release("cost", &["strace"]) else {
        return;
    };
    if std::env::var_os("PODUNIT_SUITE").is_some_and(|suite| suite != "trixie") {
        return skip::skipped("cost", "recorded with the systemd and the crun of trixie");
    }
    // Its start is the first: what crun and the bridge leave behind is there for the next.
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let mut cost = Cost::new();
    for (unit, what) in [
        ("pod-my-shared-pod", "supervisor"),
        ("pod-my-shared-pod-infra", "PID 1"),
    ] {
        let pid = machine.pids(&[unit]);
        let pss = |text: &str| text.trim().parse().expect("a number");
        // At rest is a moment after the start: then the supervisor lets go of what the start ran through.
        let memory = machine.until(
            &format!("awk '/^Pss:/ {{print $2}}' /proc/{pid}/smaps_rollup"),
            |ran| pss(&ran.stdout) < AT_WORK,
        );
        cost.insert(format!("at rest: {what}, KiB of PSS"), pss(&memory.stdout));
    }
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
    let start = traced(&machine, "systemctl start pod-my-shared-pod");
    count_processes("start", &start, &mut cost);
    count_calls(&start, &mut cost);
    let stop = traced(&machine, "systemctl stop pod-my-shared-pod");
    count_processes("stop", &stop, &mut cost);
    cost.insert(
        "start: instructions: podunit member start".to_owned(),
        instructions(&machine),
    );
    hold("pod", &cost);
}

/// What systemd and its children did while `command` ran.
fn traced(machine: &Machine, command: &str) -> Vec<Run> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut strace = Command::new("strace")
        .args(["-f", "-s", "256", "--decode-pids=pidns", "-o"])
        .arg(file.path())
        .args(["-p", &machine.init().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace(1)");
    let mut said = BufReader::new(strace.stderr.take().expect("a pipe")).lines();
    let attached = said.find(|line| line.as_ref().is_ok_and(|line| line.ends_with(" attached")));
    assert!(attached.is_some(), "strace cannot follow the machine's PID 1");
    // It tells of every process.
    let rest = std::thread::spawn(move || said.for_each(drop));
    machine.ok(command);
    let pid = i32::try_from(strace.id()).expect("a process ID");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("strace runs");
    strace.wait().expect("a child");
    rest.join().expect("a thread");
    trace::read(&std::fs::read_to_string(file.path()).expect("a trace"))
}

/// Those of a launcher that is started by hand, of whose start systemd learns nothing. The machine's valgrind counts:
/// that of Debian 12 does not know openat2(2).
fn instructions(machine: &Machine) -> u64 {
    machine.ok("systemctl start pod-my-shared-pod; systemctl stop pod-my-shared-pod-nginx-server");
    let start = "podunit member start my-shared-pod nginx-server";
    machine.ok(&format!(
        "valgrind --quiet --tool=callgrind --callgrind-out-file=/root/profile {start}"
    ));
    let total = machine.ok("sed -n 's/^totals: //p' /root/profile");
    total.parse().expect("a number")
}

/// The programs that were executed, and the processes of ours that went on without. Not counted is what others execute
/// in their turn: netavark its nft, the runtime the containers' programs.
fn count_processes(when: &str, runs: &[Run], cost: &mut Cost) {
    let program = |run: &Run| run.name.split(' ').next().unwrap_or_default().to_owned();
    for run in runs {
        let by = run.executed_by.map(|by| program(&runs[by]));
        let what = match by.as_deref() {
            Some("" | "systemd-executor" | "podunit" | "podunit-supervise") => run.name.clone(),
            // Begins again, in a copy of itself.
            Some("crun") if program(run) == "crun" => run.name.clone(),
            None if !run.replaced && program(run).starts_with("podunit") => format!("{}, forked", run.name),
            _ => continue,
        };
        *cost.entry(format!("{when}: processes: {what}")).or_default() += 1;
    }
}

/// The system calls of infra, of the supervisor until it is ready, and of one member's start.
fn count_calls(runs: &[Run], cost: &mut Cost) {
    for run in runs {
        let counted = match run.name.as_str() {
            "podunit infra start" | "podunit-supervise" => true,
            "podunit member start" | "crun create" | "crun start" => run.line.contains("nginx-server"),
            _ => false,
        };
        if counted {
            let ready = |call: &String| run.name == "podunit-supervise" && call.contains("READY=1");
            let calls = run.calls.iter().position(ready).unwrap_or(run.calls.len());
            *cost
                .entry(format!("start: system calls: {}", run.name))
                .or_default() += calls as u64;
        }
    }
}
