//! What becomes of a pod whose members fail, end, or never run.

use crate::machine::Machine;

const FRAIL: &str = "[Container steady]\nImage=busybox\nExec=sleep infinity\n\
     [Container frail]\nImage=busybox\nExec=sleep infinity\n";

fn until_status(machine: &Machine, status: &str) {
    machine.until_prints("systemctl show -P StatusText pod-trial", status);
}

fn journal(machine: &Machine) -> String {
    machine.ok("journalctl --no-pager -o cat -u pod-trial")
}

#[test]
fn a_failed_member_restarts_or_stops_the_pod_as_it_says() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let define = |policy: &str| {
        let unit = "[Unit]\nOnFailure=told.service\n[Service frail]\nRestart=no\n";
        let text = format!("[Pod]\nShare=net pid\nOnFailure={policy}\n{FRAIL}{unit}");
        machine.define("trial.pod", &text);
    };
    machine.write(
        "/etc/systemd/system/told.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n",
    );
    define("restart-pod");
    machine.ok("systemctl start pod-trial");
    let supervisor = machine.pids(&["pod-trial"]);
    for _ in 0..2 {
        let before = machine.pids(&["pod-trial-infra", "pod-trial-steady", "pod-trial-frail"]);
        machine.ok("systemctl kill -s KILL pod-trial-frail");
        machine.until("podunit status trial", |ran| ran.stdout.contains("recovering"));
        machine.until(
            "systemctl is-active pod-trial-frail && podunit status trial",
            |ran| ran.status == 0 && ran.stdout.contains("ready,"),
        );
        let after = machine.pids(&["pod-trial-infra", "pod-trial-steady", "pod-trial-frail"]);
        assert!(
            before
                .split(' ')
                .zip(after.split(' '))
                .all(|(old, new)| old != new)
        );
    }
    assert_eq!(machine.pids(&["pod-trial"]), supervisor);
    let said = journal(&machine);
    for line in [
        "the pod is recovering: 1/2 ready: frail failed, killed by SIGKILL; the pod is restarted in 1s",
        "the pod is recovering: 1/2 ready: frail failed, killed by SIGKILL; the pod is restarted in 2s",
        "frail failed: killed by SIGKILL: the pod is restarted (OnFailure=restart-pod)",
        "the pod is ready again: 2/2 ready",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    machine.ok("systemctl stop pod-trial");

    // A crash of infra kills the member too, and is no failure of it.
    define("stop-pod");
    machine.ok("systemctl start pod-trial");
    let infra = machine.pids(&["pod-trial-infra"]);
    machine.ok("systemctl kill -s KILL --kill-whom=main pod-trial-infra");
    machine.until(
        "systemctl is-active pod-trial-frail && systemctl show -P MainPID pod-trial-infra",
        |ran| ran.status == 0 && !ran.stdout.contains(&infra),
    );
    until_status(&machine, "2/2 ready");
    machine.ok("systemctl kill -s KILL pod-trial-frail");
    machine.until_prints("systemctl is-active pod-trial", "failed");
    machine.until_prints("systemctl is-active told", "active");
    machine
        .run("systemctl status --no-pager pod-trial")
        .says(&["frail failed: killed by SIGKILL (OnFailure=stop-pod)"]);
    machine.nothing_is_left();
}

#[test]
fn a_member_that_ends_is_told_from_one_that_may() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let define = |job: &str| {
        let text = format!(
            "[Pod]\nShare=net pid\n{FRAIL}[Container job]\nImage=busybox\n{job}[Service frail]\nRestartSec=1min 5s\n"
        );
        machine.define("trial.pod", &text);
    };
    define("Exec=true\n");
    machine.run("systemctl start pod-trial").exits(1);
    let said = journal(&machine);
    for word in [
        "job ended with exit status 0 before the pod was ready",
        "Init=true",
        "Essential=no",
    ] {
        assert!(said.contains(word), "{said}");
    }
    machine.nothing_is_left();
    machine.ok("systemctl reset-failed");

    define("Exec=false\nEssential=no\n[Service job]\nRestart=no\n");
    machine.ok("systemctl start pod-trial");
    until_status(&machine, "2/2 ready: job failed, exit status 1 (not essential)");
    machine.run("podunit status trial").exits(0).says(&["ready,"]);
    // How long a member waits for its next start is shown, with the reason.
    machine.ok("systemctl kill -s KILL pod-trial-frail");
    let waits = "frail failed, killed by SIGKILL, and is started again in 1min 5s";
    until_status(
        &machine,
        &format!("1/2 ready: {waits}; job failed, exit status 1 (not essential)"),
    );
    machine
        .run("podunit status trial")
        .exits(0)
        .says(&["degraded,", "in 1min 5s"]);
    machine.ok("systemctl start pod-trial-frail");
    until_status(&machine, "2/2 ready: job failed, exit status 1 (not essential)");

    // A restart tells the truth as a start does.
    machine.ok("sed -i 's/^Essential=no$//' /etc/podunit/trial.pod && systemctl daemon-reload");
    machine.run("systemctl restart pod-trial").exits(1);
    machine.nothing_is_left();
}

#[test]
fn a_member_that_was_never_let_go_is_restarted() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    // The runtime kills the launcher that calls it, once, when the unit is active and the program has not begun.
    machine.write(
        "/root/crun-that-kills",
        "#!/bin/sh\ncase \"$*\" in *' start '*) rm /root/once 2>/dev/null && kill -9 $PPID && exit 1;; esac\nexec crun \"$@\"\n",
    );
    machine.write(
        "/etc/podunit/podunit.conf",
        "[Engine]\nruntime=/root/crun-that-kills\n",
    );
    machine.define("trial.pod", &format!("[Pod]\nShare=net pid\n{FRAIL}"));
    machine.ok("chmod +x /root/crun-that-kills; touch /root/once; systemctl start pod-trial");
    let said = journal(&machine);
    assert!(said.contains("it is restarted"), "{said}");
    let comm = "cat /proc/$(systemctl show -P MainPID pod-trial-steady)/comm /proc/$(systemctl show -P MainPID pod-trial-frail)/comm";
    assert_eq!(machine.ok(comm), "sleep\nsleep");
    machine.ok("touch /root/once; systemctl restart pod-trial-frail");
    machine.until_prints(comm, "sleep\nsleep");
    until_status(&machine, "2/2 ready");

    // The start of one that is not active yet fails as soon as that is seen, not when its time is over.
    machine.define(
        "gate.pod",
        "[Container app]\nImage=busybox\nExec=sleep infinity\nReadyProbe=true\n",
    );
    machine.ok("systemctl start pod-gate; touch /root/once");
    machine.run("systemctl restart pod-gate-app").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-gate")
        .says(&["its start fails"]);
    machine.ok("systemctl start pod-gate-app; systemctl stop pod-trial pod-gate");
    machine.nothing_is_left();
}
