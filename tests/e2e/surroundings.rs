//! What a pod stands on fails under it: room, its own files, systemd, the bus, programs, the firewall.

use crate::machine::Machine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const UNITS: [&str; 3] = ["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b"];

/// A pod of two members that do nothing.
fn quiet(machine: &Machine) {
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sleep infinity\n\
         [Container b]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-quiet");
}

/// Kills the supervisor and waits for the next, which finds all members ready.
fn replace_supervisor(machine: &Machine) {
    let old = machine.pids(&["pod-quiet"]);
    machine.ok("systemctl reset-failed; systemctl kill -s KILL pod-quiet");
    machine.until(
        "systemctl is-active pod-quiet && systemctl show -P MainPID -P StatusText pod-quiet",
        |ran| ran.status == 0 && !ran.stdout.contains(&old) && ran.stdout.contains("2/2 ready"),
    );
}

#[test]
fn a_pod_outlives_a_full_run_damaged_files_and_a_lack_of_descriptors() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine);
    let before = machine.pids(&UNITS);

    // The generator without an environment, and with hardly a folder, as early at boot.
    machine.ok(
        "mkdir /run/early && unshare -m sh -c 'for folder in var home tmp root srv; do \
         mount -t tmpfs -o ro early /$folder || exit 1; done; \
         exec env -i /usr/lib/systemd/system-generators/podunit-generator /run/early /run/early /run/early' && \
         for file in /run/early/pod-*; do cmp $file /run/systemd/generator/${file##*/} || exit 1; done",
    );

    // No room in /run: neither a pod nor a unit file is lost, and there is no half one.
    let units = "cd /run/systemd/generator && sha256sum pod-quiet*";
    let whole = machine.ok(units);
    machine.ok("mount -o remount,size=$(df -k --output=used /run | tail -n 1 | tr -d ' ')k /run");
    replace_supervisor(&machine);
    machine.run("systemctl daemon-reload");
    assert_eq!(machine.ok(units), whole);
    machine.ok("mount -o remount,size=64m /run && systemctl daemon-reload");
    assert_eq!(machine.ok(units), whole);
    assert_eq!(machine.pids(&UNITS), before);

    // Files of the running pod, emptied and overwritten.
    for file in ["ready", "network.json", "connected", "timeline", "members/a/pid"] {
        for damage in ["head -c 0 /dev/zero", "head -c 5000 /dev/urandom"] {
            machine.ok(&format!("{damage} > /run/podunit/quiet/{file}"));
            replace_supervisor(&machine);
            machine.ok("podunit status quiet");
        }
    }
    assert_eq!(machine.pids(&UNITS), before, "no member was touched");

    // A supervisor that can open nothing more does what it can, and loses nothing for good.
    let limit = |number: &str| {
        let pid = machine.pids(&["pod-quiet"]);
        machine.ok(&format!("prlimit --pid {pid} --nofile={number}:4096"));
    };
    let again = |old: &str| {
        machine.ok("systemctl kill -s KILL pod-quiet-infra");
        machine.until(
            "systemctl show -P MainPID pod-quiet-infra pod-quiet-a pod-quiet-b | xargs",
            |ran| {
                let now = ran.stdout.trim();
                now.split(' ')
                    .all(|pid| pid != "0" && !old.split(' ').any(|old| old == pid))
            },
        );
        machine.until_prints("systemctl show -P StatusText pod-quiet", "2/2 ready");
    };
    let count = || machine.ok("ls /proc/$(systemctl show -P MainPID pod-quiet)/fd | wc -l");
    let descriptors = count();
    limit("8");
    again(&machine.pids(&UNITS));
    machine.ok("podunit status quiet");
    limit("4096");
    again(&machine.pids(&UNITS));
    assert_eq!(count(), descriptors);

    // What a pod was started with is not guessed: there is no supervisor without it, but members, and a stop.
    let before = machine.pids(&UNITS);
    machine.ok("systemctl reset-failed; head -c 5000 /dev/urandom > /run/podunit/quiet/pod.json; systemctl kill -s KILL pod-quiet");
    machine.until("journalctl --no-pager -o cat -u pod-quiet -n 5", |ran| {
        ran.stdout
            .contains("/run/podunit/quiet/pod.json: this is not a compiled pod")
    });
    assert_eq!(machine.pids(&UNITS), before);
    machine.ok("systemctl stop pod-quiet");
    machine.nothing_is_left();
}

/// What cannot go on until it gets SIGCONT, which it does at the latest when this is dropped.
struct Frozen(Pid);

impl Frozen {
    fn new(pid: i32) -> Self {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("a process of the machine's");
        Self(Pid::from_raw(pid))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[test]
fn a_pod_outlives_systemd_and_a_bus_that_hang_and_programs_that_are_replaced() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine);
    let supervisor = machine.pids(&["pod-quiet"]);
    let [infra, _, b] = UNITS.map(|unit| machine.pids(&[unit]));

    // systemd takes nothing and does nothing, and a member dies meanwhile.
    let frozen = Frozen::new(machine.init());
    let a = machine.ok("cat /run/podunit/quiet/members/a/pid");
    machine.ok(&format!(
        "kill -9 {a}; kill -HUP {supervisor}; kill -0 {supervisor}"
    ));
    drop(frozen);
    machine.until("systemctl show -P MainPID pod-quiet-a", |ran| {
        !["0", a.as_str()].contains(&ran.stdout.trim())
    });
    machine.until_prints("systemctl show -P StatusText pod-quiet", "2/2 ready");
    assert_eq!(
        machine.pids(&["pod-quiet", "pod-quiet-infra", "pod-quiet-b"]),
        [supervisor, infra, b].join(" ")
    );

    // A bus that does not answer holds up a start, and no more.
    machine.define(
        "late.pod",
        "[Pod]\nNetwork=none\n[Container a]\nImage=busybox\nStopSignal=KILL\nExec=sleep infinity\n",
    );
    machine.ok("pkill -STOP dbus-daemon; systemctl start --no-block pod-late");
    machine.until_prints("systemctl is-active pod-late-a", "active");
    assert_eq!(machine.property("pod-late", "ActiveState"), "activating");
    machine.ok("pkill -CONT dbus-daemon");
    machine.until_prints("systemctl is-active pod-late", "active");
    machine.ok("systemctl stop pod-late");

    // Other programs in the place of ours, as by an update; and none in the place of the runtime.
    let before = machine.pids(&UNITS);
    machine.ok("for program in /usr/bin/podunit /usr/libexec/podunit/*; do \
         cp $program $program.new && mv $program.new $program || exit 1; done");
    replace_supervisor(&machine);
    assert_eq!(machine.pids(&UNITS), before);
    machine.ok("mv /usr/bin/crun /usr/bin/crun.away && systemctl stop pod-quiet");
    machine.nothing_is_left();
    machine.run("systemctl start pod-quiet").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-quiet-a")
        .says(&["crun"]);
    machine.nothing_is_left();
    machine.ok("mv /usr/bin/crun.away /usr/bin/crun && systemctl reset-failed && systemctl start pod-quiet");
}

#[test]
fn a_restart_brings_back_rules_and_interfaces_that_others_removed() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    for damage in [
        "nft flush ruleset",
        "ip link del podunit0",
        "ip -o link | grep -o 'veth[^@:]*' | xargs -n 1 ip link del",
    ] {
        machine.ok(damage);
        machine.ok("systemctl restart pod-my-shared-pod && curl -sS --max-time 5 localhost:8080");
    }
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}
