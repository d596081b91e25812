//! `podunit exec` and `podunit top`: further processes in members, and all of them.

use crate::machine::{self, Machine};

#[test]
fn exec_is_part_of_the_pod() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    machine
        .run("podunit exec my-shared-pod/busybox-client sh -c 'exit 7'")
        .exits(7);
    machine
        .run("podunit exec my-shared-pod/busybox-client /no/such")
        .exits(127);
    machine
        .run("podunit exec my-shared-pod/nobody true")
        .exits(125)
        .says(&["nobody", "busybox-client"]);
    assert_eq!(
        machine.ok("echo hello | podunit exec -i my-shared-pod/busybox-client cat"),
        "hello"
    );
    machine.ok("setsid podunit exec my-shared-pod/busybox-client sleep 1234 >/dev/null 2>&1 &");
    let pid = machine
        .until("pgrep -f 'sleep 1234$' | tail -n 1", |ran| {
            !ran.stdout.trim().is_empty()
        })
        .stdout;
    let pid = pid.trim();
    machine.until(&format!("cat /proc/{pid}/cgroup"), |ran| {
        ran.stdout.contains("pods-my\\x2dshared\\x2dpod.slice") || ran.stdout.contains("pods-my")
    });
    // A stop of the pod ends it too.
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.until("pgrep -f 'sleep 1234$'", |ran| ran.status == 1);
    machine.nothing_is_left();
}

#[test]
fn exec_hands_on_streams_signals_and_the_terminal() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    // A PID namespace of its own.
    machine.define(
        "own.pod",
        "[Pod]\nShare=net\n[Container a]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-own");
    machine.write("/root/variables", "# a comment\nA=file\nB=\"of two words\"\n");
    let said = machine.ok(
        "C=here podunit exec --env-file /root/variables -e A=1 -e C -w /tmp -u 7:8 own/a \
         sh -c 'echo \"$A,$B,$C $(pwd) $(id -u):$(id -g) $(cat /proc/1/comm)\"'",
    );
    assert_eq!(said, "1,of two words,here /tmp 7:8 sleep");
    machine.run("podunit exec own sh").exits(2).says(&["POD/MEMBER"]);
    machine
        .run("podunit exec own/b sh")
        .exits(125)
        .says(&["no member `b`"]);
    machine.run("podunit exec own/a /etc").exits(126);
    machine.run("podunit exec own/a sh -c 'kill -9 $$'").exits(137);
    machine
        .run("podunit exec -t own/a true")
        .exits(125)
        .says(&["needs a terminal"]);

    // More than a pipe holds, both ways; streams that are closed; a reader that goes.
    let much = "head -c 3000000 /dev/zero";
    assert_eq!(
        machine.ok(&format!("podunit exec own/a {much} | wc -c")),
        "3000000"
    );
    assert_eq!(
        machine.ok(&format!("{much} | podunit exec -i own/a wc -c")),
        "3000000"
    );
    machine.ok("podunit exec -i own/a cat <&- >&-; podunit exec own/a cat");
    assert_eq!(machine.ok("podunit exec own/a yes | head -n 1"), "y");

    // A signal for podunit is one for the command.
    machine.ok(
        "systemd-run -q --unit told --property=StandardOutput=file:/root/told podunit exec own/a \
         sh -c 'trap \"exit 5\" USR1; echo armed; while true; do sleep 0.05; done'",
    );
    machine.until("cat /root/told", |ran| ran.stdout.contains("armed"));
    machine.ok("kill -USR1 $(systemctl show -P MainPID told)");
    machine.until_prints("systemctl show -P ExecMainStatus told", "5");

    // The size of our terminal is that of the command's, now and later.
    machine.ok(
        "systemd-run -q --unit typed script -qefc \"stty rows 31 cols 91; podunit exec -t own/a sh -c \\
         'trap \\\"stty size\\\" WINCH; until stty size; do sleep 0.05; done; echo \\$TERM armed; while true; do sleep 0.05; done'\" /root/typed",
    );
    machine.until("cat /root/typed", |ran| ran.stdout.contains("armed"));
    machine.run("cat /root/typed").says(&["31 91"]);
    let podunit = "$(pgrep -f '^podunit exec -t')";
    machine.ok(&format!(
        "stty -F $(readlink /proc/{podunit}/fd/0) rows 41 cols 111"
    ));
    // crun 1.8 of Debian 12 tells the command that the size has changed, and leaves it as it was.
    if machine::suite() != "bookworm" {
        machine.until("cat /root/typed", |ran| ran.stdout.contains("41 111"));
    }
    machine.ok("systemctl stop typed");

    // What heeds nothing goes with the pod all the same.
    machine.ok(
        "systemd-run -q --unit deaf --property=StandardOutput=file:/root/deaf podunit exec own/a \
         sh -c 'trap \"\" TERM HUP; echo armed; while true; do sleep 0.05; done'",
    );
    machine.until("cat /root/deaf", |ran| ran.stdout.contains("armed"));
    machine.ok("systemctl stop pod-own");
    machine.until("systemctl is-active deaf", |ran| ran.status != 0);
    machine.ok("systemctl reset-failed");
    machine.nothing_is_left();
}

#[test]
fn top_shows_every_process_by_member() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "pair.pod",
        "[Pod]\nShare=net pid\n[Container a]\nImage=busybox\nExec=sleep infinity\n\
         [Container a-b]\nImage=busybox\nUser=7\nExec=sh -c 'while true; do :; done'\n",
    );
    machine.ok("systemctl start pod-pair");
    machine.ok(
        "systemd-run -q --unit hostile podunit exec pair/a sh -c 'echo; sleep 1234; :' \
         \"$(printf 'x\\033[31m\\nroot')\"",
    );
    machine.until("pgrep -f 'sleep 1234$'", |ran| ran.status == 0);
    let all = machine.ok("podunit top pair");
    let rows: Vec<Vec<&str>> = all
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let of = |member: &str| rows.iter().filter(|row| row[0] == member).count();
    assert_eq!((rows[0][0], of("-"), of("a-b")), ("MEMBER", 1, 1), "{all}");
    // Its own, and what runs in it beside: the shell and its sleep (podunit and crun are in that scope too).
    assert!(of("a") >= 3, "{all}");
    assert!(
        all.contains("x\\u{1b}[31m\\nroot") && !all.contains('\u{1b}'),
        "{all}"
    );
    let main = machine.pids(&["pod-pair-a-b"]);
    let busy = rows.iter().find(|row| row[1] == main).expect("the busy one");
    let inside = machine.ok(&format!("awk '/^NSpid/ {{ print $NF }}' /proc/{main}/status"));
    assert_eq!(busy[2], inside);
    assert!(
        busy[4].trim_end_matches('%').parse::<f64>().expect("a share") > 1.0,
        "{all}"
    );
    machine.run("podunit top pair/a-b --format json").exits(0).says(&[
        "\"member\": \"a-b\"",
        "\"unit\": \"pod-pair-a-b.service\"",
        &format!("\"pid\": {main}"),
    ]);
    machine.ok("systemctl stop pod-pair");
    machine.run("podunit top pair").exits(1).says(&["does not run"]);
}
