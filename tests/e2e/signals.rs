//! Signals, reload, stop: what the definition says, and a report of every delivery.

use crate::machine::Machine;

/// A member that prints the signals it gets.
const RECORDER: &str = "Exec=sh -c 'for s in HUP USR1 USR2 WINCH INT TERM QUIT 41; do trap \"echo got $$s\" $$s; done; echo armed; while true; do sleep 1000 & wait; done'\n";

fn recorder(machine: &Machine, rest: &str) {
    machine.define(
        "signals.pod",
        &format!("[Pod]\nShare=net pid\n[Container recorder]\nImage=busybox\n{RECORDER}StopTimeout=2\n{rest}[Container plain]\nImage=busybox\nExec=sleep infinity\n"),
    );
    machine.ok("systemctl start pod-signals");
    machine.until("journalctl --no-pager -o cat -u pod-signals-recorder", |ran| {
        ran.stdout.contains("armed")
    });
}

#[test]
fn signals_to_the_pod_are_routed_and_reported() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    recorder(&machine, "SignalMap=USR2:none WINCH:USR1\n");
    let before = machine.pids(&[
        "pod-signals",
        "pod-signals-infra",
        "pod-signals-plain",
        "pod-signals-recorder",
    ]);
    let printed = |text: &str| {
        machine.until("journalctl --no-pager -o cat -u pod-signals-recorder", |ran| {
            ran.stdout.contains(text)
        });
    };
    machine.ok("systemctl kill -s HUP pod-signals");
    printed("got HUP");
    machine.ok("systemctl kill -s WINCH pod-signals");
    printed("got USR1");
    machine.ok("systemctl kill -s USR2 pod-signals");
    machine.until("journalctl --no-pager -o cat -u pod-signals", |ran| {
        ran.stdout.contains("SIGUSR2")
    });
    machine.ok("systemctl kill -s RTMIN+5 pod-signals");
    // One line for each delivery, and one for each that was not made, with its reason.
    machine.until("journalctl --no-pager -o cat -u pod-signals", |ran| {
        ran.stdout.contains("SIGRTMIN+5")
    });
    machine.run("journalctl --no-pager -o cat -u pod-signals").says(&[
        "Delivered SIGHUP to recorder",
        "Delivered SIGUSR1 to recorder",
        "plain",
        "no handler",
    ]);
    let all = machine.ok("journalctl --no-pager -o cat -u pod-signals-recorder");
    assert!(!all.contains("got USR2"), "{all}");
    assert_eq!(
        machine.pids(&[
            "pod-signals",
            "pod-signals-infra",
            "pod-signals-plain",
            "pod-signals-recorder"
        ]),
        before
    );

    machine
        .run("podunit kill signals/recorder -s USR2")
        .exits(0)
        .says(&["recorder", "SIGUSR2", "sent"]);
    printed("got USR2");
    let main = machine.pids(&["pod-signals-recorder"]);
    machine
        .run("podunit kill signals -s WINCH --format json")
        .exits(0)
        .says(&[
            "\"unit\": \"pod-signals-recorder.service\"",
            &format!("\"pid\": {main}"),
            "\"asked\": \"SIGWINCH\"",
            "\"signal\": \"SIGUSR1\"",
            "\"result\": \"sent\"",
            "\"warning\": \"\"",
        ]);
    machine
        .run("podunit kill signals -s HUP")
        .exits(0)
        .says(&["recorder", "sent", "plain", "skipped"]);
    // What would happen is said beforehand.
    machine
        .run("podunit kill signals/plain -s HUP --dry-run")
        .exits(0)
        .says(&["would-send", "no handler for SIGHUP, whose default action ends"]);
    let queues = machine.ok("systemctl --version | sed -n 's/^systemd \\([0-9]*\\).*/\\1/p'");
    let queued = machine.run("podunit kill signals/recorder -s RTMIN+7 --value 7");
    if queues.parse::<u32>().unwrap_or(0) >= 254 {
        queued.exits(0).says(&["SIGRTMIN+7", "sent"]);
        printed("got 41");
        machine.ok("systemctl kill -s RTMIN+7 --kill-value=9 pod-signals");
        machine.until("journalctl --no-pager -o cat -u pod-signals", |ran| {
            ran.stdout.contains("SIGRTMIN+7 with the value 9: 1 delivered")
        });
    } else {
        queued.exits(1).says(&["failed", "systemd 254 and later"]);
    }
    machine
        .run("podunit kill signals -s HUP --value 7")
        .exits(2)
        .says(&["real-time"]);
    machine
        .run("podunit kill signals/nobody -s HUP")
        .exits(1)
        .says(&["nobody"]);
    machine.run("podunit kill nopod -s HUP").exits(1).says(&["nopod"]);
    machine
        .run("podunit kill signals -s NONSENSE")
        .exits(2)
        .says(&["NONSENSE"]);
    // The pod's PID 1 heeds nothing from inside.
    machine.run("podunit exec signals/plain sh -c 'kill -TERM 1; kill -KILL 1; kill -HUP 1'");
    assert_eq!(
        machine.pids(&["pod-signals-infra"]),
        before.split(' ').nth(1).unwrap_or_default()
    );
    // Exactly what was asked for, with a warning.
    machine
        .run("podunit kill signals/plain -s USR1")
        .exits(0)
        .says(&["sent", "no handler for SIGUSR1, whose default action ends"]);
    machine.until_prints(
        "systemctl show -P NRestarts -P ActiveState pod-signals-plain | sort | tr '\\n' ' '",
        "1 active",
    );
    // A whole slice that is sent HUP keeps its infra.
    machine.ok("systemctl kill -s HUP pods-signals.slice");
    assert_eq!(
        machine.pids(&["pod-signals-infra"]),
        before.split(' ').nth(1).unwrap_or_default()
    );
}

#[test]
fn reload_is_every_members_own_and_truthful() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "my-shared-pod.pod",
        &crate::FOUNDING.replace(
            "[Container busybox-client]",
            "ReloadSignal=HUP\n[Container busybox-client]",
        ),
    );
    machine.ok("systemctl start pod-my-shared-pod");
    let main = machine.property("pod-my-shared-pod-nginx-server", "MainPID");
    let workers = machine.ok(&format!(
        "pgrep -P {main},1 -f 'nginx: worker' | sort | tr '\\n' ' '"
    ));
    machine.ok("systemctl reload pod-my-shared-pod");
    machine.until("pgrep -f 'nginx: worker' | sort | tr '\\n' ' '", |ran| {
        !ran.stdout.trim().is_empty()
            && workers
                .split_whitespace()
                .all(|old| !ran.stdout.split_whitespace().any(|new| new == old))
    });
    assert_eq!(
        machine.property("pod-my-shared-pod-nginx-server", "MainPID"),
        main
    );
    machine
        .run("podunit reload my-shared-pod")
        .exits(0)
        .says(&["nginx-server", "busybox-client", "skipped"]);
    // One member that cannot fails it all.
    machine.ok("systemctl stop pod-my-shared-pod-nginx-server");
    machine.run("systemctl reload pod-my-shared-pod").exits(1);
    machine
        .run("podunit reload my-shared-pod")
        .exits(1)
        .says(&["nginx-server"]);
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();

    // All or nothing begins, in the order of the units, and who fails ends it.
    machine.ok("mkdir /srv/share");
    let by_signal = "Image=busybox\nReloadSignal=HUP\nExec=sh -c 'trap \"echo I reloaded\" HUP; echo armed; while :; do sleep 1000 & wait; done'\n";
    machine.define(
        "reloads.pod",
        &format!(
            "[Pod]\nShare=net pid\n[Container z]\n{by_signal}\
             [Container b]\nImage=busybox\nVolume=/srv/share:/share\nExec=sleep infinity\n\
             ReloadCmd=sh -c 'echo I reloaded; test ! -e /share/fail'\n[Unit b]\nAfter=z\n\
             [Container a]\n{by_signal}[Unit a]\nAfter=b\n[Container plain]\nImage=busybox\nExec=sleep infinity\n"
        ),
    );
    machine.ok("systemctl start pod-reloads");
    for member in ["a", "z"] {
        machine.until(
            &format!("journalctl --no-pager -o cat -u pod-reloads-{member}"),
            |ran| ran.stdout.contains("armed"),
        );
    }
    machine.ok("systemctl reload pod-reloads");
    let lines = "journalctl --no-pager -o cat -u pod-reloads | grep -o '^Reloaded [abz]' | tr '\\n' ' '";
    machine.until_prints(lines, "Reloaded z Reloaded b Reloaded a");
    machine.until("journalctl --no-pager -o cat -u pod-reloads-b", |ran| {
        ran.stdout.contains("I reloaded")
    });
    machine.ok("touch /srv/share/fail");
    machine.run("systemctl reload pod-reloads").exits(1);
    machine.run("podunit reload reloads").exits(1).says(&[
        "not reloaded: the reload of b before it failed",
        "the reload of reloads failed: b:",
    ]);
    machine.ok("rm /srv/share/fail && systemctl stop pod-reloads-a");
    let reloaded = machine.ok(lines);
    machine.run("podunit reload reloads").exits(1).says(&[
        "nothing was reloaded: a cannot be",
        "it does not run",
        "neither ReloadSignal= nor ReloadCmd=",
    ]);
    assert_eq!(machine.ok(lines), reloaded);
    machine
        .run("podunit reload reloads/plain")
        .exits(1)
        .says(&["neither ReloadSignal= nor ReloadCmd="]);
    machine
        .run("podunit reload reloads/b")
        .exits(0)
        .says(&["reloaded"]);
    machine.ok("systemctl stop pod-reloads");
    machine.nothing_is_left();
}

#[test]
fn a_number_that_is_used_again_is_not_the_members() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    recorder(&machine, "ReloadSignal=HUP\n[Service recorder]\nRestart=no\n");
    let member = machine.pids(&["pod-signals-recorder"]);
    let supervisor = machine.pids(&["pod-signals"]);
    // The supervisor sees neither the end of the member nor who has its number next.
    machine.ok(&format!(
        "kill -STOP {supervisor}; kill -KILL {member}; while kill -0 {member} 2>/dev/null; do :; done; \
         for try in $(seq 1000); do echo $(({member} - 1)) >/proc/sys/kernel/ns_last_pid; \
         sleep 1000 >/dev/null 2>&1 & [ $! = {member} ] && exit 0; kill $!; done; exit 1"
    ));
    machine.ok(&format!(
        "systemctl kill -s HUP pod-signals; kill -CONT {supervisor}"
    ));
    machine.until("journalctl --no-pager -o cat -u pod-signals", |ran| {
        ran.stdout.contains("SIGHUP: 0 delivered, 2 skipped, 0 failed")
    });
    for step in ["reload", "stop"] {
        machine
            .run(&format!(
                "MAINPID={member} podunit member {step} signals recorder"
            ))
            .exits(1)
            .says(&["is not that of its container; it was left alone"]);
    }
    machine
        .run("podunit reload signals")
        .exits(1)
        .says(&["it does not run"]);
    machine.ok("systemctl stop pod-signals");
    assert_eq!(machine.ok(&format!("cat /proc/{member}/comm")), "sleep");
    machine.ok(&format!("kill {member}"));
}

#[test]
fn stop_sends_the_stop_signal_and_keeps_each_members_budget() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    recorder(&machine, "StopSignal=SIGINT\n");
    machine.ok("systemctl stop pod-signals");
    let printed = machine.ok("journalctl --no-pager -o cat -u pod-signals-recorder");
    assert!(printed.contains("got INT"), "{printed}");
    assert!(!printed.contains("got TERM"), "{printed}");
    machine.ok("systemctl reset-failed");
    machine.nothing_is_left();

    // The image's own stop signal, where the definition has none: nginx leaves gracefully by QUIT.
    machine.define("web.pod", "[Pod]\n[Container web]\nImage=nginx\n");
    machine.ok("systemctl start pod-web && systemctl stop pod-web");
    machine
        .run("journalctl --no-pager -o cat -u pod-web-web")
        .says(&["SIGQUIT"]);
    assert_eq!(machine.property("pod-web-web", "ExecMainStatus"), "0");
    assert_eq!(machine.property("pod-web-web", "Result"), "success");
    // A member that stays is killed when its time is over, and only then.
    machine.define("deaf.pod", "[Pod]\nShare=net pid\n[Container deaf]\nImage=busybox\nStopTimeout=1\nExec=sh -c 'trap \"\" TERM; echo armed; while true; do sleep 1; done'\n");
    machine.ok("systemctl start pod-deaf");
    machine.until("journalctl --no-pager -o cat -u pod-deaf-deaf", |ran| {
        ran.stdout.contains("armed")
    });
    machine.ok("systemctl stop pod-deaf; systemctl reset-failed");
    machine.nothing_is_left();
}

#[test]
fn term_to_the_supervisor_stops_the_pod() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    machine.ok("systemctl kill -s TERM pod-my-shared-pod");
    machine.until(
        "systemctl is-active pod-my-shared-pod pod-my-shared-pod-infra",
        |ran| ran.stdout == "inactive\ninactive\n",
    );
    machine.nothing_is_left();
}
