//! The D-Bus interface org.podunit.Pod1: what everyone sees, who may act, and that it is there again after the bus was
//! not. (What the members are sent is in `signals`.)

use crate::machine::Machine;

const OBJECT: &str = "org.podunit.Pod1.quiet /org/podunit/Pod1 org.podunit.Pod1";
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

fn quiet(machine: &Machine) {
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sleep infinity\n\
         [Container b]\nImage=busybox\nExec=sleep infinity\n[Service b]\nRestart=no\n",
    );
    machine.ok("systemctl start pod-quiet");
}

fn property(name: &str) -> String {
    format!("{NOBODY} busctl get-property {OBJECT} {name}")
}

fn until_state(machine: &Machine, state: &str) {
    machine.until_prints(&property("State"), &format!("s \"{state}\""));
}

#[test]
fn everyone_reads_and_is_told_what_changes() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok(
        "systemd-run -q --unit listener --property=StandardOutput=file:/root/told \
         busctl monitor --json=short --match \"type='signal',path='/org/podunit/Pod1',member='PropertiesChanged'\"",
    );
    machine.until("cat /root/told", |ran| ran.status == 0);
    quiet(&machine);
    // Ready is what the supervisor says before `systemctl start` returns.
    assert_eq!(machine.ok(&property("State")), "s \"ready\"");
    let rest = ["Name", "Status", "ReadyCount", "MemberCount"].map(|name| machine.ok(&property(name)));
    assert_eq!(rest, ["s \"quiet\"", "s \"2/2 ready\"", "u 2", "u 2"]);
    let told = |text: &str| machine.until("cat /root/told", |ran| ran.stdout.contains(text));
    told("\"State\":{\"type\":\"s\",\"data\":\"ready\"}");

    // One member fails: state, count, reason and the member itself are told.
    machine.ok("systemctl kill -s KILL pod-quiet-b");
    until_state(&machine, "degraded");
    machine.run(&property("Members")).exits(0).says(&[
        "\"Name\" s \"b\" \"Restarts\" u 0",
        "\"Detail\" s \"failed, killed by SIGKILL\" \"ExitCode\" i 2 \"ExitStatus\" i 9 \"Health\" s \"\" \"MainPid\" u 0",
        "\"State\" s \"failed\" \"Unit\" s \"pod-quiet-b.service\"",
    ]);
    told("\"ReadyCount\":{\"type\":\"u\",\"data\":1}");
    let since = machine.ok(&property("Since"));
    machine
        .run("podunit ps")
        .exits(0)
        .says(&["degraded", "failed, killed by SIGKILL"]);
    machine.run("podunit status quiet --format json").says(&[
        "\"state\": \"degraded\"",
        "\"ready\": false",
        "\"restarts\": 0",
    ]);
    let before = machine.ok("grep -c PropertiesChanged /root/told");

    // A restart is waited for and has the new process; of what goes on inside there is one signal or two.
    let pid = machine.ok(&format!("busctl call {OBJECT} RestartMember s b"));
    assert_eq!(pid, format!("u {}", machine.pids(&["pod-quiet-b"])));
    until_state(&machine, "ready");
    assert_ne!(machine.ok(&property("Since")), since);
    told("\"State\":{\"type\":\"s\",\"data\":\"ready\"}");
    machine.write(
        "/run/systemd/system/pod-quiet-b.service.d/bad.conf",
        "[Service]\nExecStartPre=false\n",
    );
    machine
        .run(&format!(
            "systemctl daemon-reload; busctl call {OBJECT} RestartMember s b"
        ))
        .exits(1)
        .says(&["the restart of pod-quiet-b.service ended as `failed`"]);
    machine.ok("rm -r /run/systemd/system/pod-quiet-b.service.d; systemctl daemon-reload");
    machine.ok(&format!("busctl call {OBJECT} RestartMember s b"));
    let all = machine.ok("grep -c PropertiesChanged /root/told");
    let count = |text: &str| text.parse::<u32>().expect("a number");
    assert!(
        count(&all) - count(&before) <= 12,
        "{before} and then {all} signals"
    );
    // Nothing happens and nothing is told; a successor takes over without a word that is not true.
    let members = machine.pids(&["pod-quiet-a", "pod-quiet-b"]);
    let old = machine.pids(&["pod-quiet"]);
    let since = machine.ok(&property("Since"));
    machine.ok("systemctl kill -s KILL pod-quiet");
    machine.until("systemctl show -P MainPID pod-quiet", |ran| {
        ran.stdout.trim() != old && ran.stdout.trim() != "0"
    });
    until_state(&machine, "ready");
    assert_eq!(machine.pids(&["pod-quiet-a", "pod-quiet-b"]), members);
    assert!(
        machine.ok(&property("Since")) < since,
        "ready since the pod first was"
    );
    machine
        .run("busctl introspect --xml-interface org.podunit.Pod1.quiet /org/podunit/Pod1")
        .exits(0)
        .says(&["Holds every process of the pod still", "RestartMember"]);
    machine.ok("systemctl stop pod-quiet");
    machine.run(&property("State")).exits(1);
}

#[test]
fn only_root_and_whom_polkit_lets_may_act() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine);
    let members = machine.pids(&["pod-quiet-a", "pod-quiet-b"]);
    let calls = [
        "Signal 'ssia{sv}' a main 9 0",
        "Reload s ''",
        "RestartMember s a",
        "Freeze",
        "Thaw",
    ];
    // Without polkit on the bus, and then with it.
    machine.ok("mv /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service /root/");
    machine.ok("busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig");
    machine
        .run(&format!("{NOBODY} busctl call {OBJECT} Freeze"))
        .exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-quiet -p warning")
        .says(&[
            "Refused to freeze for user 65534 (PID ",
            "only root may freeze the pod quiet: polkit cannot be asked",
        ]);
    machine.ok("mv /root/org.freedesktop.PolicyKit1.service /usr/share/dbus-1/system-services/");
    machine.ok("busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig");
    for call in calls {
        machine
            .run(&format!("{NOBODY} busctl call {OBJECT} {call}"))
            .exits(1);
    }
    let refusals = machine.ok("journalctl --no-pager -o cat -u pod-quiet -p warning");
    for verb in ["signal", "reload", "restart", "freeze", "thaw"] {
        assert!(
            refusals.contains(&format!("Refused to {verb} for user 65534")),
            "{verb}: {refusals}"
        );
    }
    assert_eq!(machine.ok(&property("State")), "s \"ready\"");
    assert_eq!(
        machine.pids(&["pod-quiet-a", "pod-quiet-b"]),
        members,
        "nothing was done"
    );
    // Nor may a user take a supervisor's name.
    machine
        .run(&format!(
            "{NOBODY} busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su \
             org.podunit.Pod1.other 0"
        ))
        .exits(1);
    // A rule by pod and verb.
    machine.write(
        "/etc/polkit-1/rules.d/50-quiet.rules",
        "polkit.addRule(function(action, subject) {\n\
         if (action.id == \"org.podunit.manage\" && action.lookup(\"pod\") == \"quiet\" &&\n\
         action.lookup(\"verb\") == \"freeze\") return polkit.Result.YES; });\n",
    );
    machine.ok("chmod 755 /etc/polkit-1/rules.d; systemctl restart polkit");
    machine.ok(&format!("{NOBODY} busctl call {OBJECT} Freeze"));
    assert_eq!(machine.ok(&property("State")), "s \"frozen\"");
    machine
        .run(&format!("{NOBODY} busctl call {OBJECT} Thaw"))
        .exits(1);
    assert_eq!(machine.ok(&property("State")), "s \"frozen\"");
    machine.ok("podunit thaw quiet");
    assert_eq!(machine.ok(&property("State")), "s \"ready\"");
}

#[test]
fn a_frozen_pod_stands_still_and_can_be_stopped() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "quiet.pod",
        "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sleep infinity\n[Container tick]\nImage=busybox\n\
         Exec=sh -c 'while true; do echo tick; sleep 0.05; done'\n",
    );
    machine.ok("systemctl start pod-quiet");
    machine.ok("podunit freeze quiet");
    assert_eq!(machine.ok(&property("State")), "s \"frozen\"");
    machine.run("podunit ps").exits(0).says(&["frozen", "is frozen"]);
    machine
        .run("podunit exec quiet/a true")
        .exits(125)
        .says(&["frozen", "podunit thaw quiet"]);
    machine
        .run("cat /sys/fs/cgroup/pods.slice/pods-quiet.slice/cgroup.events")
        .says(&["frozen 1"]);
    machine.ok("podunit freeze quiet; podunit thaw quiet");
    assert_eq!(machine.ok(&property("Status")), "s \"2/2 ready\"");
    let ticks = machine.ok("journalctl --no-pager -o cat -u pod-quiet-tick | wc -l");
    machine.until("journalctl --no-pager -o cat -u pod-quiet-tick | wc -l", |ran| {
        ran.stdout.trim() != ticks
    });
    machine.ok("podunit freeze quiet");
    // The end of PID 1 would leave systemd waiting for a process that cannot begin.
    machine.ok("kill -KILL $(systemctl show -P MainPID pod-quiet-infra)");
    until_state(&machine, "ready");
    machine.ok("podunit freeze quiet");
    // The stop is what any other is: in order, and with success.
    machine.ok("timeout 60 systemctl stop pod-quiet");
    assert_eq!(machine.property("pod-quiet", "Result"), "success");
    machine.run("podunit thaw quiet").exits(1).says(&["does not run"]);
    machine.ok("systemctl reset-failed; systemctl start pod-quiet && systemctl stop pod-quiet");
    machine.nothing_is_left();
}

#[test]
fn the_bus_may_go_and_come() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    quiet(&machine);
    let members = machine.pids(&["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b", "pod-quiet"]);
    let same = |machine: &Machine| {
        until_state(machine, "ready");
        machine.until("podunit ps", |ran| {
            ran.status == 0 && ran.stdout.contains("2/2 ready")
        });
        assert_eq!(
            machine.pids(&["pod-quiet-infra", "pod-quiet-a", "pod-quiet-b", "pod-quiet"]),
            members
        );
    };
    for how in [
        "restart dbus",
        "kill -s KILL dbus",
        "daemon-reexec",
        "daemon-reload",
    ] {
        machine.ok(&format!("systemctl {how}"));
        same(&machine);
    }
    // While the bus is away, what happens is seen when it is back.
    machine.ok("systemctl stop dbus.socket dbus; systemctl kill -s KILL pod-quiet-b; systemctl start dbus");
    until_state(&machine, "degraded");
    machine.ok(&format!("busctl call {OBJECT} RestartMember s b"));
    until_state(&machine, "ready");

    // The other bus.
    machine.ok("systemctl enable -q dbus-broker");
    machine.reboot();
    assert_eq!(machine.property("dbus.service", "Id"), "dbus-broker.service");
    machine.ok("systemctl start pod-quiet");
    until_state(&machine, "ready");
    machine
        .run(&format!("{NOBODY} busctl call {OBJECT} Freeze"))
        .exits(1);
    assert_eq!(machine.ok(&property("State")), "s \"ready\"");
    machine
        .run("podunit reload quiet")
        .exits(1)
        .says(&["ReloadSignal="]);
    machine.ok("podunit freeze quiet && podunit thaw quiet");
    machine.ok("systemctl restart dbus-broker");
    until_state(&machine, "ready");
    machine.ok("systemctl stop pod-quiet");
    machine.nothing_is_left();
}
