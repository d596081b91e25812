//! kill -9 of every part.

use crate::machine::Machine;

const MEMBERS: [&str; 3] = [
    "pod-my-shared-pod-infra",
    "pod-my-shared-pod-nginx-server",
    "pod-my-shared-pod-busybox-client",
];

#[test]
fn a_killed_supervisor_comes_back_and_adopts() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let before = machine.pids(&MEMBERS);
    for _ in 0..3 {
        let old = machine.property("pod-my-shared-pod", "MainPID");
        machine.ok(&format!("kill -9 {old}"));
        machine.until(
            "systemctl show -P MainPID -P ActiveState -P StatusText pod-my-shared-pod",
            |ran| {
                let mut lines = ran.stdout.lines();
                let pid = lines.next().unwrap_or("0");
                pid != old && pid != "0" && ran.stdout.contains("active") && ran.stdout.contains("2/2 ready")
            },
        );
        machine.until_prints("systemctl is-active pod-my-shared-pod", "active");
        assert_eq!(machine.pids(&MEMBERS), before, "no member was touched");
    }
    // Its successor reads on where it left off.
    machine.ok("curl -sS --max-time 5 localhost:8080/after-the-crash || true");
    machine.until("journalctl --no-pager -u pod-my-shared-pod-nginx-server", |ran| {
        ran.stdout.contains("after-the-crash")
    });
    machine.ok("systemctl reset-failed; systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn a_killed_infra_brings_the_whole_pod_back() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    for _ in 0..2 {
        let before = machine.pids(&MEMBERS);
        let pause = machine.property("pod-my-shared-pod-infra", "MainPID");
        machine.ok(&format!("kill -9 {pause}"));
        machine.until("systemctl is-active pod-my-shared-pod-infra pod-my-shared-pod-nginx-server pod-my-shared-pod-busybox-client && curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
        machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
        let after = machine.pids(&MEMBERS);
        for (old, new) in before.split(' ').zip(after.split(' ')) {
            assert_ne!(old, new);
        }
    }
    // While the pod stops, nobody brings it back, and nothing of it stays, whether its supervisor lives or not. Members
    // that are held still keep the stop from being over before.
    for also in ["", "pod-my-shared-pod"] {
        machine.ok("systemctl start pod-my-shared-pod");
        let pause = machine.property("pod-my-shared-pod-infra", "MainPID");
        let supervisor = match also {
            "" => String::new(),
            unit => machine.property(unit, "MainPID"),
        };
        machine.ok(&format!(
            "kill -STOP {}; systemctl stop --no-block pod-my-shared-pod; kill -9 {pause} {supervisor}; \
             systemctl stop pod-my-shared-pod",
            machine.pids(&MEMBERS)
        ));
        assert_eq!(machine.property("pod-my-shared-pod-infra", "Result"), "signal");
        machine.ok("systemctl reset-failed");
        machine.nothing_is_left();
    }
}

#[test]
fn a_killed_member_comes_back_alone() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let others = [
        "pod-my-shared-pod",
        "pod-my-shared-pod-infra",
        "pod-my-shared-pod-busybox-client",
    ];
    let before = machine.pids(&others);
    let old = machine.property("pod-my-shared-pod-nginx-server", "MainPID");
    machine.ok(&format!("kill -9 {old}"));
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    assert_ne!(machine.property("pod-my-shared-pod-nginx-server", "MainPID"), old);
    assert_eq!(machine.pids(&others), before);
    machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
}

#[test]
fn a_start_cut_short_at_any_point_is_made_good_by_the_next() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    for delay in [0, 5, 10, 15, 20, 30, 40, 60, 80, 120] {
        // The whole pod is killed in the middle of its start, cleaners included, as by an administrator in a rage.
        machine.run(&format!(
            "systemctl start --no-block pod-my-shared-pod; sleep 0.{delay:03}; \
             systemctl kill -s KILL 'pod-my-shared-pod*'; systemctl stop pod-my-shared-pod 'pod-my-shared-pod-*'; systemctl reset-failed",
        ));
        // Whatever was left, the next start takes it over and the next stop clears it away.
        machine.ok("systemctl start pod-my-shared-pod && curl -sS --max-time 5 localhost:8080 && systemctl stop pod-my-shared-pod");
        machine.nothing_is_left();
    }
}

#[test]
fn stop_and_start_in_every_order() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    for _ in 0..5 {
        machine
            .run("systemctl start --no-block pod-my-shared-pod; systemctl stop pod-my-shared-pod")
            .exits(0);
        machine.nothing_is_left();
        machine.run("systemctl start pod-my-shared-pod; systemctl restart --no-block pod-my-shared-pod; systemctl stop pod-my-shared-pod").exits(0);
        machine.nothing_is_left();
    }
    // So often is more than systemd allows a unit whose starts are counted.
    machine.ok("systemctl start pod-my-shared-pod && for i in $(seq 25); do systemctl restart pod-my-shared-pod && curl -sS --max-time 5 localhost:8080 >/dev/null || exit 1; done");
    machine.ok("systemctl start pod-my-shared-pod-nginx-server && systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
    // A member alone brings its pod along.
    machine.ok("systemctl start pod-my-shared-pod-nginx-server");
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn the_bus_and_the_manager_may_be_restarted() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let before = machine.pids(&MEMBERS);
    let supervisor = machine.property("pod-my-shared-pod", "MainPID");
    machine.ok("systemctl daemon-reexec");
    machine.ok("systemctl restart dbus");
    machine.until("podunit kill my-shared-pod/nginx-server -s HUP", |ran| {
        ran.status == 0
    });
    assert_eq!(machine.pids(&MEMBERS), before);
    assert_eq!(machine.property("pod-my-shared-pod", "MainPID"), supervisor);
    machine.ok("systemctl kill -s SEGV pod-my-shared-pod-nginx-server");
    machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn signals_to_infra_and_to_the_slice_make_no_half_pod() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sh -c 'trap : HUP; while true; do sleep 1; done'\n\
         [Container b]\nImage=busybox\nExec=sleep infinity\n[Service b]\nRestart=no\n",
    );
    machine.ok("systemctl start pod-quiet");
    let units = ["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b"];
    let before = machine.pids(&units);
    machine.ok("systemctl kill -s TERM pod-quiet-infra");
    machine.until(
        &format!("systemctl show -P MainPID {} | xargs", units.join(" ")),
        |ran| {
            let mut pairs = ran.stdout.trim().split(' ').zip(before.split(' '));
            pairs.all(|(now, old)| now != "0" && now != old)
        },
    );
    machine.until_prints("systemctl show -P StatusText pod-quiet", "2/2 ready");

    // Each member by its own handlers.
    let before = machine.pids(&["pod-quiet", "pod-quiet-infra", "pod-quiet-a"]);
    let b = machine.pids(&["pod-quiet-b"]);
    machine.ok("systemctl kill -s HUP pods-quiet.slice");
    machine.until("systemctl show -P StatusText pod-quiet", |ran| {
        ran.stdout.starts_with("1/2 ready: b")
    });
    assert_eq!(
        machine.pids(&["pod-quiet", "pod-quiet-infra", "pod-quiet-a"]),
        before
    );

    // The number of b's process is another's now, which is none of the pod's business.
    machine.ok(&format!(
        "for try in $(seq 100); do echo $(({b} - 1)) > /proc/sys/kernel/ns_last_pid; \
         setsid sleep 1000 > /dev/null 2>&1 & test $! = {b} && exit 0; kill $!; done; exit 1"
    ));
    machine.run("podunit kill quiet -s TERM; podunit kill quiet/b -s KILL; systemctl reload pod-quiet");
    machine.ok("systemctl stop pod-quiet-b; systemctl stop pod-quiet");
    machine.ok(&format!("kill {b}"));
    machine.nothing_is_left();
}

#[test]
fn a_member_that_fails_again_and_again_is_left_and_an_administrator_is_not() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container steady]\nImage=busybox\nExec=sleep infinity\n\
         [Container frail]\nImage=busybox\nVolume=/srv/gate:/gate\n\
         Exec=sh -c 'while ! test -e /gate/fail; do sleep 0.05; done; exit 3'\n",
    );
    machine.ok("mkdir -p /srv/gate; for i in $(seq 10); do systemctl restart pod-quiet || exit 1; done");
    machine.ok("systemctl stop pod-quiet; systemctl start pod-quiet");

    let others = ["pod-quiet", "pod-quiet-infra", "pod-quiet-steady"];
    let before = machine.pids(&others);
    machine.ok("touch /srv/gate/fail");
    machine.until("journalctl --no-pager -o cat -u pod-quiet-frail -n 5", |ran| {
        ran.stdout.contains("Start request repeated too quickly")
    });
    // With the last failure or with the limit as the reason, as systemd has it.
    machine.until("systemctl show -P StatusText pod-quiet", |ran| {
        ran.stdout.starts_with("1/2 ready: frail failed") && !ran.stdout.contains("again")
    });
    machine.run("podunit status quiet").says(&["degraded"]);
    assert_eq!(machine.pids(&others), before);
    machine.ok("rm /srv/gate/fail; systemctl reset-failed; systemctl start pod-quiet-frail");
    machine.until_prints("systemctl show -P StatusText pod-quiet", "2/2 ready");
    assert_eq!(machine.pids(&others), before);
}
