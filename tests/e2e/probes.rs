//! Probes: order by readiness, readiness that falls and returns, and checks that do what they should not.

use crate::machine::Machine;

/// A root file system that has systemd's tools: the machine's own.
const ROOTFS: &str = "mkdir -p /srv/rootfs /srv/gate && cd /srv/rootfs && \
    mkdir -p usr etc proc sys dev run tmp var root gate && \
    for d in bin lib lib64 sbin; do ln -sfn usr/$d $d; done && mount --bind /usr usr && cp /etc/passwd /etc/group etc/";

/// The pod's status comes to hold `text`.
#[track_caller]
fn status_says(machine: &Machine, text: &str) {
    machine.until("systemctl show -P StatusText pod-trial", |ran| {
        ran.stdout.contains(text)
    });
}

#[test]
fn units_are_ordered_by_readiness_which_falls_and_returns() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok(ROOTFS);
    machine.ok("mkdir -p /srv/www && echo fine > /srv/www/page && touch /srv/gate/listen");
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net\n\
         [Container db]\nImage=busybox\nVolume=/srv/gate:/gate\nExec=sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'\nNotify=healthy\n\
         HealthCmd=test -e /gate/open || { printf 'one\\nshut \\033[31m\\n\\n'; exit 7; }\nHealthInterval=1s\nHealthRetries=1\n\
         [Container web]\nImage=busybox\nVolume=/srv/www:/www\nExec=httpd -f -p 80 -h /www\nStopSignal=KILL\n\
         ReadyProbe=http://:80/page\nReadyInterval=1s\nReadyRetries=1\n[Unit web]\nAfter=db\n\
         [Container port]\nImage=busybox\nVolume=/srv/gate:/gate\n\
         Exec=sh -c 'while :; do test -e /gate/listen && httpd -f -p 90; sleep 0.1; done'\nStopSignal=KILL\n\
         ReadyProbe=tcp:90\nReadyInterval=1s\nReadyRetries=1\n\
         [Container socket]\nRootfs=/srv/rootfs\nExec=systemd-socket-activate -l /run/probed sleep infinity\nStopSignal=KILL\n\
         ReadyProbe=unix:/run/probed\nReadyInterval=1s\nReadyRetries=1\n",
    );
    machine.ok("systemctl start --no-block pod-trial");
    status_says(&machine, "2/4 ready: db is starting: ");
    assert_eq!(machine.property("pod-trial-web", "ActiveState"), "inactive");
    machine.ok("touch /srv/gate/open && systemctl start pod-trial");
    machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    let order = "systemctl show -P ActiveEnterTimestampMonotonic pod-trial-db; \
                 systemctl show -P ExecMainStartTimestampMonotonic pod-trial-web";
    let times: Vec<u64> = machine
        .ok(order)
        .lines()
        .map(|time| time.parse().unwrap_or(0))
        .collect();
    assert!(times[0] > 0 && times[0] <= times[1], "{times:?}");

    for (fall, why, back) in [
        (
            "rm /srv/gate/open",
            "3/4 ready: db is not ready: unhealthy: exit status 7, shut \u{fffd}[31m",
            "touch /srv/gate/open",
        ),
        (
            "mv /srv/www/page /srv/www/gone",
            "3/4 ready: web is not ready: its readiness probe fails: HTTP status 404",
            "mv /srv/www/gone /srv/www/page",
        ),
        (
            "rm /srv/gate/listen; podunit exec trial/port killall httpd",
            "3/4 ready: port is not ready: its readiness probe fails: nothing listens on port 90",
            "touch /srv/gate/listen",
        ),
        (
            "podunit exec trial/socket mv /run/probed /run/away",
            "3/4 ready: socket is not ready: its readiness probe fails: there is no /run/probed",
            "podunit exec trial/socket mv /run/away /run/probed",
        ),
    ] {
        machine.ok(fall);
        machine.until_prints("systemctl show -P StatusText pod-trial", why);
        machine.run("podunit ps").says(&["degraded", why]);
        machine.ok(back);
        machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    }

    // A supervisor that takes over believes what was, until it has looked itself.
    machine.ok("systemctl kill -s KILL pod-trial && rm /srv/gate/open");
    status_says(&machine, "3/4 ready: db is not ready: unhealthy");
    machine.ok("touch /srv/gate/open");
    machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    // A member that is started again is judged again, and so are all after a crash of what holds the namespaces.
    machine.ok("rm /srv/gate/open && systemctl kill -s KILL --kill-whom=main pod-trial-db");
    status_says(&machine, "3/4 ready: db is starting: its health check");
    machine.ok("touch /srv/gate/open");
    machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    // Two lines for each fall and return, none for a check.
    let lines = machine
        .ok("journalctl --no-pager -o cat -u pod-trial -g '^(web|port) is (not )?ready' | sort | uniq -c");
    let counts: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(counts, ["1", "2", "1", "2"], "{lines}");
    assert_eq!(
        machine.ok("journalctl --no-pager -q -o cat -u 'pod-trial-*@*' || true"),
        ""
    );
    machine.ok("systemctl stop pod-trial");
    assert_eq!(machine.ok("systemctl is-system-running"), "running");
    machine.nothing_is_left();
}

#[test]
fn an_unhealthy_member_is_killed_restarted_or_stopped() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir -p /srv/gate");
    let member = |name: &str, more: &str| {
        format!(
            "[Container {name}]\nImage=busybox\nVolume=/srv/gate:/gate\nExec=sleep infinity\nStopTimeout=1\n\
             LiveProbe=test ! -e /gate/sick-{name}\nLiveInterval=1s\nLiveRetries=1\n{more}"
        )
    };
    let members = [
        member("kill", "LiveOnFailure=kill\n"),
        member("restart", ""),
        member("stop", "LiveOnFailure=stop\n"),
        member("none", "LiveOnFailure=none\n"),
    ];
    machine.define(
        "trial.pod",
        &format!("[Pod]\nShare=net pid\n{}", members.concat()),
    );
    machine.ok("systemctl start pod-trial");
    for (name, restarts) in [("kill", "1"), ("restart", "0")] {
        let unit = format!("pod-trial-{name}");
        let before = machine.property(&unit, "InvocationID");
        machine.ok(&format!("touch /srv/gate/sick-{name}"));
        machine.until(&format!("systemctl show -P InvocationID {unit}"), |ran| {
            ran.stdout.trim() != before
        });
        machine.ok(&format!("rm /srv/gate/sick-{name}"));
        machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
        assert!(machine.property(&unit, "NRestarts").as_str() >= restarts);
        let what = if name == "kill" { "killed" } else { "restarted" };
        machine
            .run("journalctl --no-pager -o cat -u pod-trial")
            .says(&[&format!("{name} is {what}: it was unhealthy: exit status 1")]);
    }
    machine.ok("touch /srv/gate/sick-none");
    status_says(&machine, "3/4 ready: none is not ready: unhealthy: exit status 1");
    machine.ok("rm /srv/gate/sick-none");
    machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    machine.ok("touch /srv/gate/sick-stop");
    status_says(
        &machine,
        "3/4 ready: stop failed, it was unhealthy: exit status 1",
    );
    assert_eq!(machine.property("pod-trial-stop", "ActiveState"), "inactive");
    machine.ok("rm /srv/gate/sick-stop && systemctl start pod-trial-stop");
    machine.until_prints("systemctl show -P StatusText pod-trial", "4/4 ready");
    machine.ok("systemctl stop pod-trial");
    machine.nothing_is_left();
}

#[test]
fn a_start_that_no_probe_lets_pass_fails_with_words() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let fails = |member: &str, pod: &str, why: &str| {
        machine.define(
            "trial.pod",
            &format!(
                "[Pod]\n[Container trial]\nImage=busybox\nExec=sleep infinity\nStopTimeout=1\n{member}{pod}"
            ),
        );
        machine.run("systemctl start pod-trial").exits(1);
        machine
            .run("journalctl --no-pager -o cat -u pod-trial")
            .says(&[why]);
        machine.until("systemctl is-active pod-trial-trial", |ran| {
            matches!(ran.stdout.trim(), "inactive" | "failed")
        });
        machine.nothing_is_left();
        machine.ok("systemctl reset-failed");
    };
    fails(
        "Notify=healthy\nHealthCmd=echo not yet; exit 7\n",
        "[Service]\nTimeoutStartSec=3\n",
        "not ready in time (TimeoutStartSec=): trial is starting: its health check has not passed yet: exit status 7, not yet",
    );
    // It has two seconds more than the pod has otherwise, by its own words.
    fails(
        "StartupProbe=tcp:1\nStartupRetries=2\nStartupInterval=2s\n",
        "[Service]\nTimeoutStartSec=1\n",
        "trial failed: its startup probe failed: nothing listens on port 1",
    );
    fails(
        "StartupProbe=/no/such/program\nStartupRetries=1\nStartupInterval=1s\n",
        "",
        "trial failed: its startup probe failed: exit status 127",
    );
}

#[test]
fn a_check_that_hangs_floods_and_forks_leaves_nothing() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net pid\n\
         [Container forks]\nImage=busybox\nExec=sleep infinity\nLiveOnFailure=none\n\
         LiveProbe=trap '' TERM HUP; for i in 1 2 3 4 5; do (sleep 4242 &); done; yes\n\
         LiveTimeout=1s\nLiveInterval=1s\nLiveRetries=1\n\
         [Container floods]\nImage=busybox\nExec=sleep infinity\nLiveOnFailure=none\n\
         LiveProbe=head -c 1000000 /dev/zero | tr '\\0' x; (sleep 4343 &); exit 3\nLiveInterval=1s\nLiveRetries=1\n",
    );
    machine.ok("systemctl start --no-block pod-trial");
    let said = "journalctl --no-pager -o cat -u pod-trial";
    machine.until(said, |ran| {
        ran.stdout.contains("forks is unhealthy: no answer within 1s") && ran.stdout.contains("bytes more)")
    });
    // It goes on, and only ever one check of it is there.
    machine.until(
        "systemctl show -P ActiveState 'pod-trial-forks\\x40live.service'",
        |ran| ran.stdout.trim() == "activating",
    );
    let sleepers = machine.ok("pgrep -cf '^sleep 4242' || true");
    assert!(
        sleepers.parse::<u32>().is_ok_and(|count| count <= 5),
        "{sleepers}"
    );
    assert_eq!(
        machine.ok(&format!("{said} -g ' is unhealthy' | wc -l")),
        "2",
        "{}",
        machine.journal()
    );
    machine.ok("systemctl stop pod-trial");
    assert_eq!(machine.ok("pgrep -f '^sleep 4[23]4[23]' || true"), "");
    assert_eq!(machine.ok("systemctl is-system-running"), "running");
    machine.nothing_is_left();
}

#[test]
fn a_member_speaks_to_systemd_for_itself() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok(ROOTFS);
    machine.define(
        "trial.pod",
        "[Pod]\nShare=net pid\n\
         [Container trial]\nRootfs=/srv/rootfs\nNotify=true\nVolume=/srv/gate:/gate\nReadyProbe=test -e /gate/open\n\
         Exec=sh -c 'systemd-notify EXTEND_TIMEOUT_USEC=60000000 MAINPID=1; systemd-notify --ready; \
         while test ! -e /gate/reload; do systemd-notify WATCHDOG=1; sleep 0.2; done; \
         systemd-notify RELOADING=1 MONOTONIC_USEC=1; while test ! -e /gate/reloaded; do systemd-notify WATCHDOG=1; sleep 0.2; done; \
         systemd-notify --ready; exec sleep infinity'\n\
         [Service trial]\nTimeoutStartSec=2\nWatchdogSec=30\n\
         [Container other]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start --no-block pod-trial");
    // What it says first is that it is ready; its probe says otherwise, for longer than its unit's own limit.
    machine.until(
        "systemctl show -P WatchdogTimestampMonotonic pod-trial-trial",
        |ran| ran.stdout.trim() != "0" || machine.property("pod-trial-trial", "NRestarts") != "0",
    );
    let uptime = || machine.ok("cut -d. -f1 /proc/uptime").parse::<u64>().unwrap_or(0);
    let begun = uptime();
    while uptime() < begun + 4 {}
    assert_eq!(machine.property("pod-trial-trial", "SubState"), "start");
    machine.ok("touch /srv/gate/open && systemctl start pod-trial");
    assert_eq!(machine.property("pod-trial-trial", "NRestarts"), "0");
    let before = machine.property("pod-trial-trial", "WatchdogTimestampMonotonic");
    machine.until(
        "systemctl show -P WatchdogTimestampMonotonic pod-trial-trial",
        |ran| ran.stdout.trim() != before,
    );
    machine.ok("touch /srv/gate/reload");
    machine.until_prints("systemctl show -P ActiveState pod-trial-trial", "reloading");
    machine.ok("touch /srv/gate/reloaded");
    machine.until_prints("systemctl show -P ActiveState pod-trial-trial", "active");
    assert_eq!(
        machine.property("pod-trial-other", "WatchdogTimestampMonotonic"),
        "0"
    );
    machine.ok("systemctl stop pod-trial");
    machine.nothing_is_left();
}
