//! The supervisor in more corners: successors, watchdog, lost output, the D-Bus interface.

use crate::machine::Machine;

/// A pod of two members that do nothing; `rest` is put behind.
fn quiet(machine: &Machine, rest: &str) {
    machine.define(
        "quiet.pod",
        &format!(
            "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sleep infinity\n\
             [Container b]\nImage=busybox\nExec=sleep infinity\n{rest}"
        ),
    );
    machine.ok("systemctl start pod-quiet");
}

fn until_status(machine: &Machine, status: &str) {
    machine.until_prints("systemctl show -P StatusText pod-quiet", status);
}

#[test]
fn a_successor_tells_the_truth_and_touches_nothing() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine, "[Service b]\nRestart=no\n");
    machine.ok("systemctl kill -s KILL pod-quiet-b");
    until_status(&machine, "1/2 ready: b failed, killed by SIGKILL");
    let before = machine.pids(&["pod-quiet-infra", "pod-quiet-a"]);
    let old = machine.pids(&["pod-quiet"]);
    // Wants= starts what is down along with the successor; masked, it stays down.
    machine.ok("systemctl mask --runtime pod-quiet-b");
    machine.ok("systemctl kill -s KILL pod-quiet");
    machine.until(
        "systemctl is-active pod-quiet && systemctl show -P MainPID pod-quiet",
        |ran| ran.status == 0 && !ran.stdout.contains(&old),
    );
    machine.until("podunit ps", |ran| ran.stdout.contains("degraded"));
    assert_eq!(machine.pids(&["pod-quiet-infra", "pod-quiet-a"]), before);
}

#[test]
fn a_stuck_supervisor_is_replaced() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/systemd/system/pod-quiet.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=2\n",
    );
    quiet(&machine, "");
    let members = machine.pids(&["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b"]);
    let old = machine.pids(&["pod-quiet"]);
    machine.ok(&format!("kill -STOP {old}"));
    machine.until(
        "systemctl is-active pod-quiet && systemctl show -P MainPID pod-quiet",
        |ran| ran.status == 0 && !ran.stdout.contains(&old),
    );
    until_status(&machine, "2/2 ready");
    assert_eq!(
        machine.pids(&["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b"]),
        members
    );
}

#[test]
fn what_was_stopped_by_hand_stays_so_after_a_crash_of_infra() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine, "");
    machine.ok("systemctl stop pod-quiet-b");
    until_status(&machine, "1/2 ready: b was stopped by SIGTERM");
    let a = machine.pids(&["pod-quiet-a"]);
    machine.ok("systemctl kill -s KILL pod-quiet-infra");
    machine.until("systemctl show -P MainPID pod-quiet-a", |ran| {
        ran.stdout.trim() != a && ran.stdout.trim() != "0"
    });
    until_status(&machine, "1/2 ready: b is stopped");
    assert_eq!(machine.property("pod-quiet-b", "ActiveState"), "inactive");
}

#[test]
fn infra_that_cannot_come_back_ends_the_pod() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine, "");
    machine.write(
        "/run/systemd/system/pod-quiet-infra.service.d/broken.conf",
        "[Service]\nExecStartPre=false\n",
    );
    machine.ok("systemctl daemon-reload; systemctl kill -s KILL pod-quiet-infra");
    machine.until_prints("systemctl is-active pod-quiet", "failed");
    for unit in ["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b"] {
        assert_ne!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    machine.run("systemctl status pod-quiet").says(&["infra failed"]);
    machine.run("ls /run/podunit/quiet").exits(2);
}

#[test]
fn output_is_the_members_own_and_whole() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(
        &machine,
        "[Container talker]\nImage=busybox\n\
         Exec=sh -c 'seq 1 3000; head -c 100000 /dev/zero | tr \"\\\\000\" x; echo; echo oops >&2; printf end; sleep 1'\n\
         [Service talker]\nRestart=no\n",
    );
    machine.until("journalctl --no-pager -o cat -u pod-quiet-talker", |ran| {
        ran.stdout.contains("\nend\n")
    });
    let journal = |filter: &str| machine.ok(&format!("journalctl --no-pager -u pod-quiet-talker {filter}"));
    let lines = journal("-o cat CONTAINER=talker | grep -cE '^[0-9]+$'");
    assert_eq!(lines, "3000");
    let pieces = journal("-o cat --all | grep '^xxx' | awk '{ print length }' | tr '\\n' ' '");
    assert_eq!(pieces.trim(), "49152 49152 1696");
    assert!(journal("-o verbose -p err").contains("MESSAGE=oops"));
    machine
        .run("podunit logs quiet/talker -n 3000 -o cat")
        .exits(0)
        .says(&["\n2999\n"]);
}

#[test]
fn a_journal_that_is_away_holds_nothing_up() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container flood]\nImage=busybox\nExec=sh -c 'while true; do echo flood; done'\n",
    );
    machine.ok("systemctl start pod-quiet");
    machine.ok("systemctl kill -s STOP systemd-journald");
    machine.ok("systemctl stop pod-quiet; systemctl kill -s CONT systemd-journald");
    assert_eq!(machine.property("pod-quiet", "Result"), "success");
}

#[test]
fn the_interface_answers() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine, "");
    let object = "org.podunit.Pod1.quiet /org/podunit/Pod1 org.podunit.Pod1";
    assert_eq!(
        machine.ok(&format!("busctl get-property {object} State")),
        "s \"ready\""
    );
    machine
        .run(&format!("busctl call {object} Signal ssia{{sv}} '' main 10 0"))
        .exits(0)
        .says(&["skipped", "no handler"]);
    machine
        .run(&format!(
            "busctl call {object} Signal ssia{{sv}} nobody main 10 0"
        ))
        .exits(1)
        .says(&["no member `nobody`"]);
    machine
        .run(&format!("busctl call {object} Signal ssia{{sv}} '' some 10 0"))
        .exits(1);
    machine
        .run(&format!("busctl call {object} Signal ssia{{sv}} '' main 99 0"))
        .exits(1);
    machine
        .run("podunit kill quiet/a -s KILL")
        .exits(0)
        .says(&["sent"]);
    until_status(&machine, "2/2 ready");
    machine
        .run("podunit status pod-quiet.service --format json")
        .exits(0)
        .says(&["\"ready\""]);
    machine
        .run("podunit inspect quiet/a")
        .exits(0)
        .says(&["\"sleep infinity\""]);
    machine
        .run("podunit status queit")
        .exits(1)
        .says(&["did you mean `quiet`"]);
    machine.ok("systemctl stop pod-quiet");
    machine.run("podunit status quiet").exits(3).says(&["inactive"]);
    machine.run("podunit kill quiet").exits(1).says(&["does not run"]);
}
