//! How members stop: hooks, signals in order, budgets, handlers that come late.

use crate::machine::Machine;

#[test]
fn a_stop_is_what_the_definition_says_and_each_members_own() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir /srv/share");
    // `deaf` counts the signals that it gets and heeds none; `slow` ends when it is told to, long after.
    machine.define(
        "stops.pod",
        "[Pod]\nShare=net pid\n\
         [Container deaf]\nImage=busybox\nStopSignal=INT\nStopEscalate=QUIT@60%\nStopRepeat=1\nStopTimeout=2\n\
         PreStop=sh -c 'echo hook of ${POD_MEMBER} %p; exit 3'\n\
         Exec=sh -c 'n=0; for s in INT QUIT TERM; do trap \"n=\\\\$$((n+1)); echo \\\\$$n got $$s\" $$s; done; echo armed; while :; do sleep 1000 & wait; done'\n\
         [Service deaf]\nEnvironment=POD_MEMBER=deaf\n\
         [Container slow]\nImage=busybox\nStopTimeout=1h\nVolume=/srv/share:/share\nPreStop=touch /share/hook\n\
         Exec=sh -c 'trap \"until [ -e /share/go ]; do sleep 0.1; done; echo in peace; exit 0\" TERM; echo armed; while :; do sleep 1000 & wait; done'\n\
         [Container plain]\nImage=busybox\nStopSignal=TERM\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-stops");
    for member in ["deaf", "slow"] {
        machine.until(
            &format!("journalctl --no-pager -o cat -u pod-stops-{member}"),
            |ran| ran.stdout.contains("armed"),
        );
    }
    let slow = machine.pids(&["pod-stops-slow"]);
    machine.ok("systemctl stop --no-block pod-stops");
    machine.until_prints("systemctl is-active pod-stops-deaf", "failed");

    // The hook first, though it failed; then each signal, in order, and KILL at the end of the time.
    let said = machine.ok("journalctl --no-pager -o cat -u pod-stops-deaf");
    let mut rest = said.as_str();
    for line in [
        "hook of deaf pod-stops-deaf",
        "it ended with exit status: 3; the stop goes on",
        "1 got INT",
        "it still runs: SIGINT again (StopRepeat=)",
        "2 got INT",
        "it still runs: SIGQUIT (StopEscalate=)",
        "3 got QUIT",
        "it still runs at the end of StopTimeout=: SIGKILL",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
        // Two writers: the step's own lines and the container's are in order each, not with each other.
        if !line.starts_with("it ") {
            rest = rest
                .split_once(line)
                .unwrap_or_else(|| panic!("{line:?} comes too early in\n{said}"))
                .1;
        }
    }
    assert!(!said.contains("got TERM"), "{said}");
    assert_eq!(machine.property("pod-stops-deaf", "Result"), "signal");

    // A sibling has its own time, and systemd gives it that.
    assert_eq!(machine.property("pod-stops-slow", "ActiveState"), "deactivating");
    assert_eq!(machine.pids(&["pod-stops-slow"]), slow);
    machine.ok(&format!("test -e /srv/share/hook && kill -0 {slow}"));
    assert_eq!(machine.property("pod-stops-slow", "TimeoutStopUSec"), "1h 5s");
    assert_eq!(machine.property("pod-stops-plain", "Result"), "success");
    assert_eq!(machine.property("pod-stops-plain", "ExecStop"), "");
    machine.ok("touch /srv/share/go");
    machine.until_prints("systemctl is-active pod-stops", "inactive");
    machine
        .run("journalctl --no-pager -o cat -u pod-stops-slow")
        .says(&["in peace"]);
    assert_eq!(machine.property("pod-stops-slow", "Result"), "success");
    machine.ok("systemctl reset-failed");
    machine.nothing_is_left();
}

#[test]
fn a_signal_that_came_before_its_handler_is_sent_again() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir /srv/share");
    // Each is PID 1 of its own namespace. `never` has no handler and ends at the end of its time.
    machine.define(
        "late.pod",
        "[Pod]\nShare=net\n\
         [Container late]\nImage=busybox\nStopTimeout=1h\nStopSignal=TERM\nVolume=/srv/share:/share\n\
         Exec=sh -c 'until [ -e /share/arm ]; do sleep 0.1; done; trap \"echo got TERM; exit 0\" TERM; echo armed; while :; do sleep 0.1; done'\n\
         [Container never]\nImage=busybox\nStopTimeout=1\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-late");
    machine.ok("systemctl stop --no-block pod-late");
    for member in ["late", "never"] {
        machine.until(
            &format!("journalctl --no-pager -o cat -u pod-late-{member}"),
            |ran| ran.stdout.contains("it has no handler for SIGTERM yet"),
        );
    }
    machine.until_prints("systemctl is-active pod-late-never", "failed");
    assert_eq!(machine.property("pod-late-late", "ActiveState"), "deactivating");
    machine.ok("touch /srv/share/arm");
    machine.until_prints("systemctl is-active pod-late", "inactive");
    machine
        .run("journalctl --no-pager -o cat -u pod-late-late")
        .says(&["got TERM", "it has a handler for SIGTERM now: sent again"]);
    assert_eq!(machine.property("pod-late-late", "Result"), "success");
    machine.ok("systemctl reset-failed");
    machine.nothing_is_left();
}

#[test]
fn a_bus_that_is_restarted_meanwhile_comes_back_after_the_stop() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir /srv/share");
    machine.define(
        "stops.pod",
        "[Pod]\nShare=net pid\n[Container slow]\nImage=busybox\nStopTimeout=1h\nVolume=/srv/share:/share\n\
         Exec=sh -c 'trap \"until [ -e /share/go ]; do sleep 0.1; done; exit 0\" TERM; touch /share/armed; while :; do sleep 1000 & wait; done'\n",
    );
    machine.ok("systemctl start pod-stops");
    machine.until("ls /srv/share", |ran| ran.stdout.contains("armed"));
    // The bus is on its way down when the pod's stop is asked for. systemd starts it again when what is ordered after it
    // has stopped; until then there is only its socket.
    machine.write(
        "/run/systemd/system/dbus.service.d/slow.conf",
        "[Service]\nExecStop=sh -c 'until [ -e /srv/share/down ]; do sleep 0.1; done'\n",
    );
    machine.ok(
        "systemctl daemon-reload; systemctl restart --no-block dbus; systemctl stop --no-block pod-stops",
    );
    machine.until_prints("systemctl is-active dbus pod-stops", "deactivating\ndeactivating");
    machine.ok("touch /srv/share/down");
    machine.until_prints("systemctl is-active dbus pod-stops", "inactive\ndeactivating");
    machine.ok("touch /srv/share/go");
    machine.until_prints("systemctl is-active dbus pod-stops", "active\ninactive");
    machine.nothing_is_left();
}
