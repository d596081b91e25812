//! In which order members start and stop: by what is written, init members, sidecars; at a start, after a crash, again.

use crate::machine::Machine;

/// Units of the pod in the order in which they last became active.
fn by_start(machine: &Machine, members: &[&str]) -> Vec<String> {
    let time = |member: &&str| {
        let unit = format!("pod-shop-{member}");
        let time = machine.property(&unit, "ActiveEnterTimestampMonotonic");
        (time.parse::<u64>().expect("a time"), (*member).to_owned())
    };
    let mut times: Vec<(u64, String)> = members.iter().map(time).collect();
    times.sort();
    times.into_iter().map(|(_, member)| member).collect()
}

const ORDERED: [&str; 6] = ["infra", "proxy", "seed", "schema", "cache", "web"];

fn define(machine: &Machine, seed: &str) {
    machine.ok("mkdir -p /srv/out");
    machine.define(
        "shop.pod",
        &format!(
            "[Pod]\nShare=net pid\n\
             [Container web]\nImage=busybox\nExec=sleep infinity\nAfter=cache\nRequires=cache\n\
             [Container cache]\nImage=busybox\nExec=sleep infinity\n\
             [Container seed]\nImage=busybox\nInit=true\nVolume=/srv/out:/out\nExec=sh -c '{seed}'\n\
             [Container schema]\nImage=busybox\nInit=true\nVolume=/srv/out:/out\nExec=sh -c 'echo schema >> /out/log'\n\
             [Container proxy]\nImage=busybox\nSidecar=true\nExec=sleep infinity\n"
        ),
    );
}

#[test]
fn members_come_in_order_every_time() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    define(&machine, "echo seed >> /out/log; sleep 0.3");
    machine.ok("systemctl start pod-shop");
    assert_eq!(by_start(&machine, &ORDERED), ORDERED);
    let log = || machine.ok("cat /srv/out/log").replace('\n', " ");
    assert_eq!(log(), "seed schema");
    assert_eq!(machine.property("pod-shop-seed", "SubState"), "exited");
    // A member's restart is none of the init members', nor of the sidecar's.
    let others = ["pod-shop-infra", "pod-shop-proxy"];
    let before = machine.pids(&others);
    machine.ok("systemctl restart pod-shop-web");
    // One that others require takes them along, in order, when it crashes.
    let web = machine.pids(&["pod-shop-web"]);
    machine.ok("systemctl kill -s KILL pod-shop-cache");
    machine.until(
        "systemctl is-active pod-shop-cache pod-shop-web && systemctl show -P MainPID pod-shop-web",
        |ran| ran.status == 0 && !ran.stdout.lines().any(|line| line == web),
    );
    assert_eq!(by_start(&machine, &ORDERED), ORDERED);
    assert_eq!((log().as_str(), machine.pids(&others)), ("seed schema", before));

    // A crash of infra is a new life of the pod: all of it in the same order, in one go.
    let life = machine.property("pod-shop-infra", "InvocationID");
    machine.ok("systemctl kill -s KILL --kill-whom=main pod-shop-infra");
    machine.until(
        "systemctl is-active pod-shop-web && systemctl show -P InvocationID pod-shop-infra",
        |ran| ran.status == 0 && !ran.stdout.contains(&life),
    );
    assert_eq!(by_start(&machine, &ORDERED), ORDERED);
    assert_eq!(log(), "seed schema seed schema");
    assert_eq!(machine.property("pod-shop", "NRestarts"), "0");

    machine.ok("systemctl restart pod-shop");
    assert_eq!(by_start(&machine, &ORDERED), ORDERED);
    assert_eq!(log(), "seed schema seed schema seed schema");

    let since = machine.ok("journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'");
    machine.ok("systemctl stop pod-shop");
    let said = machine.ok(&format!(
        "journalctl --no-pager -o cat --after-cursor '{since}' _PID=1"
    ));
    let mut stops = said
        .lines()
        .filter_map(|line| line.strip_prefix("Stopped pod-shop-"));
    for member in ["web", "cache", "proxy", "infra"] {
        assert!(
            stops.any(|stop| stop.starts_with(member)),
            "{member} in its turn:\n{said}"
        );
    }
    assert_eq!(machine.ok("systemctl is-system-running"), "running");
    machine.nothing_is_left();
}

#[test]
fn an_init_member_that_fails_fails_the_start() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    define(&machine, "exit 7");
    machine.run("systemctl start pod-shop").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-shop")
        .says(&["init seed failed: exit status 7"]);
    for member in ["proxy", "schema", "cache", "web"] {
        assert_ne!(
            machine.property(&format!("pod-shop-{member}"), "ActiveState"),
            "active"
        );
    }
    machine.run("cat /srv/out/log").exits(1);
    machine.nothing_is_left();

    // One that is stopped while it runs has not failed.
    machine.ok("systemctl reset-failed");
    define(&machine, "echo seed >> /out/log; exec sleep infinity");
    machine.ok("systemctl start --no-block pod-shop");
    machine.until("cat /srv/out/log", |ran| ran.stdout.contains("seed"));
    machine.until_prints(
        "systemctl show -P StatusText pod-shop",
        "1/3 ready: cache waits for its turn; init schema waits for its turn; init seed is running; web waits for its turn",
    );
    machine.ok("systemctl stop pod-shop");
    machine.until_prints("systemctl --failed --no-legend --plain", "");
    machine.nothing_is_left();
}
