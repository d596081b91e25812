//! When a start is a success, and what a failed one leaves.

use crate::machine::Machine;

fn pod_of(machine: &Machine, member: &str) {
    machine.define(
        "trial.pod",
        &format!("[Pod]\nShare=net pid\n[Container steady]\nImage=busybox\nExec=sleep infinity\n[Container trial]\nImage=busybox\n{member}"),
    );
}

/// A start that must fail, naming the member and `reason`, and leave nothing running.
#[track_caller]
fn start_fails(machine: &Machine, reason: &[&str]) {
    machine.run("systemctl start pod-trial").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-trial")
        .says(&["trial"])
        .says(reason);
    for unit in ["pod-trial-infra", "pod-trial-steady", "pod-trial-trial"] {
        machine.until(&format!("systemctl is-active {unit}"), |ran| {
            matches!(ran.stdout.trim(), "inactive" | "failed")
        });
    }
    machine.nothing_is_left();
    machine.ok("systemctl reset-failed");
}

#[test]
fn a_member_that_cannot_start_fails_the_pod() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    pod_of(&machine, "Exec=sh -c 'exit 3'\n");
    start_fails(&machine, &["3"]);
    assert_eq!(
        machine
            .ok("journalctl --no-pager -o cat -u pod-trial-trial | grep -c 'status=3'")
            .parse::<u32>()
            .map(|n| n > 0),
        Ok(true)
    );

    pod_of(&machine, "Exec=/no/such/program\n");
    start_fails(&machine, &[]);
    machine
        .run("journalctl --no-pager -o cat -u pod-trial-trial")
        .says(&["/no/such/program"]);

    machine.ok("sed -i 's,^Exec=/no.*,Exec=true,; s,^Image=busybox$,Image=quay.io/no/such,' /etc/podunit/trial.pod && systemctl daemon-reload");
    start_fails(&machine, &[]);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-trial*'")
        .says(&["quay.io/no/such:latest", "podunit image load"]);
}

#[test]
fn a_port_that_nobody_serves_fails_the_start_in_time() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net pid\nPublishPort=8081:81\n[Container trial]\nImage=busybox\nExec=sleep infinity\n[Service]\nTimeoutStartSec=2\n",
    );
    machine.run("systemctl start pod-trial").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-trial")
        .says(&["81/tcp"]);
    machine.nothing_is_left();
}

#[test]
fn ready_is_the_members_own_word() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    // busybox has no sd_notify: a static program of the machine sends the datagrams.
    machine.ok("mkdir -p /srv/tools && cp /usr/bin/systemd-notify /srv/tools/ 2>/dev/null; true");
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net pid\n[Container trial]\nRootfs=/srv/rootfs\nNotify=true\n\
         Volume=/srv/gate:/gate\nExec=sh -c 'while ! test -e /gate/open; do sleep 0.1; done; systemd-notify MAINPID=1 FDSTORE=1; systemd-notify --ready --status=serving; exec sleep infinity'\n",
    );
    // The machine's own tree is a root file system that has systemd-notify.
    machine.ok("mkdir -p /srv/rootfs /srv/gate && cd /srv/rootfs && mkdir -p usr etc proc sys dev run tmp var root gate && for d in bin lib lib64 sbin; do ln -sfn usr/$d $d; done && mount --bind /usr usr && cp /etc/passwd /etc/group etc/");
    machine.ok("systemctl start --no-block pod-trial");
    machine.until_prints("systemctl show -P SubState pod-trial-trial", "start");
    machine.until_prints(
        "systemctl show -P StatusText pod-trial",
        "0/1 ready: trial is starting",
    );
    let infra = machine.pids(&["pod-trial-infra"]);
    machine.ok("touch /srv/gate/open");
    machine.until_prints("systemctl show -P StatusText pod-trial", "1/1 ready");
    machine.until_prints("systemctl show -P StatusText pod-trial-trial", "serving");
    // What the payload claims of PIDs and fds is not believed: the two held are those of its output.
    assert_eq!(machine.property("pod-trial-trial", "NFileDescriptorStore"), "2");
    assert_ne!(machine.pids(&["pod-trial-trial"]), infra);
    machine.ok("systemctl stop pod-trial");
    assert_eq!(machine.ok("systemctl is-system-running"), "running");
    machine.nothing_is_left();
}

#[test]
fn status_follows_the_members() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net pid\n[Container steady]\nImage=busybox\nExec=sleep infinity\n[Container frail]\nImage=busybox\nExec=sleep infinity\n[Service frail]\nRestart=no\n",
    );
    machine.ok("systemctl start pod-trial");
    machine.ok("systemctl kill -s SEGV pod-trial-frail");
    machine.until("systemctl show -P StatusText pod-trial", |ran| {
        ran.stdout.contains("1/2 ready: frail")
    });
    assert_eq!(machine.property("pod-trial", "ActiveState"), "active");
    machine.run("podunit ps").says(&["frail", "failed"]);
    machine.ok("systemctl start pod-trial-frail");
    machine.until_prints("systemctl show -P StatusText pod-trial", "2/2 ready");
}
